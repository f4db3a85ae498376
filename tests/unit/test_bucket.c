#include "aws/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/text.h"

#include "s3_kit.h"

enum { URL_MAX = 8192, HOUR = 3600 };

static struct kit kit;
static struct bucket *bucket;
static struct state *shared;
static struct buf url;
static struct buf lines;
static struct fault fault;
static int64_t lives_s, same_s;

static void
open_bucket(const char *endpoint, const char *public_endpoint)
{
	const struct bucket_setup setup = { .name = "faces",
		.region = "eu-west-1",
		.endpoint = endpoint,
		.public_endpoint = public_endpoint,
		.creds = kit.creds,
		.state = shared };

	bucket_close(&bucket);
	if (bucket_open(&bucket, &setup, &fault) == -1)
		fail_msg("%s", fault.text);
}

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	fault = FAULT_INIT;
	url = BUF_INIT(URL_MAX);
	lines = BUF_INIT(URL_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	bucket_close(&bucket);
	state_close(&shared);
	buf_fini(&url);
	secret_buf_fini(&lines);
	kit_end(&kit);
	return 0;
}

static void
presign(int64_t expires_s, int64_t window_s)
{
	struct bucket_life life = { 0, 0 };

	if (bucket_presign(bucket, "GET", VIEW("a b/c.png"), expires_s,
		window_s, &url, &life, &fault) == -1)
		fail_msg("%s", fault.text);
	lives_s = life.lives_s;
	same_s = life.same_s;
}

/* The value of a parameter of the URL, as it stands there. */
static struct view
parameter(const char *name)
{
	const char *query = strchr(buf_str(&url), '?');
	struct view value = VIEW("");

	assert_non_null(query);
	(void)text_query(view_str(query + 1), name, &value);
	return value;
}

static int64_t
number(const char *name)
{
	int64_t n;

	assert_true(text_number(parameter(name), &n));
	return n;
}

static struct bucket_stamp
sign(void)
{
	const struct bucket_request r = { .method = "GET",
		.key = VIEW("a b"),
		.payload_sha256 = VIEW(SIGV4_UNSIGNED) };
	struct bucket_stamp stamp;

	buf_clear(&lines);
	if (bucket_sign(bucket, &r, &url, &lines, &stamp, &fault) == -1)
		fail_msg("%s", fault.text);
	return stamp;
}

/* A profile's region is lent until the profile is read again. */
static void
the_configured_region_is_copied(void **state)
{
	char *region = strdup("eu-west-1");
	const struct bucket_setup setup = {
		.name = "faces", .region = region, .creds = NULL, .state = NULL
	};
	struct bucket_stamp stamp = { .moves = 0 };

	(void)state;
	assert_int_equal(bucket_open(&bucket, &setup, &fault), 0);
	memset(region, '?', strlen(region));
	free(region);
	/* The log names both, and a region told to others goes with it. */
	assert_true(bucket_mend_region(bucket, &stamp, "eu-west-3"));
}

static void
a_request_goes_to_the_bucket_of_the_region(void **state)
{
	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	(void)sign();
	assert_string_equal(
	    buf_str(&url), "https://faces.s3.eu-west-1.amazonaws.com/a%20b");
	assert_true(view_has(buf_view(&lines), "/eu-west-1/s3/aws4_request"));
	assert_true(view_has(buf_view(&lines), "AKIDEXAMPLE/"));
	assert_false(view_has(buf_view(&lines), "hush"));
}

static void
a_url_names_the_public_endpoint_with_its_own_style(void **state)
{
	(void)state;
	kit_keys(&kit);
	open_bucket("http://127.0.0.1:9000", "https://cdn.example.org");
	presign(60, 0);
	assert_true(view_begins(
	    buf_view(&url), "https://faces.cdn.example.org/a%20b/c.png?"));
	(void)sign();
	assert_string_equal(buf_str(&url), "http://127.0.0.1:9000/faces/a%20b");
}

static void
a_url_lives_as_long_as_was_asked(void **state)
{
	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	presign(60, 0);
	assert_int_equal(lives_s, 60);
	assert_int_equal(number("X-Amz-Expires"), 60);
	presign(1, 0);
	assert_int_equal(lives_s, 1);
	presign(INT64_MAX, 0);
	assert_int_equal(lives_s, SIGV4_EXPIRES_MAX_S);
	assert_int_equal(number("X-Amz-Expires"), SIGV4_EXPIRES_MAX_S);
}

static void
within_a_window_every_url_is_the_same(void **state)
{
	char first[URL_MAX + 1];
	int64_t dated_s;
	struct view date;

	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	do { /* unless the window has just ended between the two */
		presign(2 * HOUR, HOUR);
		(void)snprintf(first, sizeof first, "%s", buf_str(&url));
		presign(2 * HOUR, HOUR);
	} while (strcmp(first, buf_str(&url)) != 0 &&
		 clock_now_ms() / 1000 % HOUR < 2);
	assert_string_equal(buf_str(&url), first);
	date = parameter("X-Amz-Date");
	assert_true(date.n == TEXT_BASIC_SIZE - 1);
	assert_memory_equal(date.p + 11, "0000Z", 5);
	dated_s = clock_now_ms() / 1000 / HOUR * HOUR;
	assert_in_range(lives_s, HOUR, 2 * HOUR);
	assert_in_range(dated_s + 2 * HOUR - clock_now_ms() / 1000, lives_s - 1,
	    lives_s + 1);
	/* It lives a window longer than it stays the same. */
	assert_int_equal(lives_s, same_s + HOUR);
	assert_in_range(same_s, 1, HOUR);
	presign(2 * HOUR, 0);
	assert_int_equal(same_s, 0);
}

static void
a_window_leaves_at_least_half_of_the_life(void **state)
{
	int64_t expires_s;

	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	for (expires_s = 1; expires_s < 50; expires_s++) {
		presign(expires_s, 86400);
		assert_in_range(lives_s, (expires_s + 1) / 2, expires_s);
		assert_in_range(same_s, expires_s > 1, expires_s / 2);
		assert_int_equal(number("X-Amz-Expires"), expires_s);
	}
}

static void
no_url_outlives_the_session(void **state)
{
	(void)state;
	kit_session(&kit, "ASIAONE", 1800);
	open_bucket("", "");
	presign(7 * 86400, 0);
	assert_in_range(lives_s, 1790, 1800);
	assert_int_equal(number("X-Amz-Expires"), lives_s);
	assert_true(view_has(
	    buf_view(&url), "X-Amz-Security-Token=token%2Fof%2BASIAONE%3D"));
	presign(7 * 86400, 300);
	assert_in_range(lives_s, 1790, 1800);
	assert_in_range(number("X-Amz-Expires"), lives_s, lives_s + 300);
	presign(60, 0);
	assert_int_equal(lives_s, 60);
}

static void
an_offset_of_the_host_dates_requests_and_urls(void **state)
{
	(void)state;
	kit_keys(&kit);
	assert_int_equal(state_open(&shared, kit.folder, &fault), 0);
	open_bucket("", "");
	state_tell_clock_offset(shared, 400LL * 86400 * 1000);
	assert_int_equal(sign().offset_ms, 400LL * 86400 * 1000);
	presign(60, 0);
	assert_false(view_has(buf_view(&lines), "x-amz-date:2026"));
	assert_int_equal(lives_s, 60);
}

static void
a_clock_is_learnt_for_all_processes(void **state)
{
	struct bucket_stamp stamp;

	(void)state;
	kit_keys(&kit);
	assert_int_equal(state_open(&shared, kit.folder, &fault), 0);
	open_bucket("", "");
	stamp = sign();
	assert_true(
	    bucket_mend_clock(bucket, &stamp, clock_now_ms() / 1000 + 1000, 0));
	assert_in_range(state_clock_offset_ms(shared), 998000, 1000000);
	/* Signed before it was known, and refused after. */
	assert_true(
	    bucket_mend_clock(bucket, &stamp, clock_now_ms() / 1000 + 1000, 0));
	stamp = sign();
	assert_false(
	    bucket_mend_clock(bucket, &stamp, clock_now_ms() / 1000 + 1000, 0));
}

static void
a_clock_that_is_not_far_off_is_no_reason(void **state)
{
	const int64_t now_s = clock_now_ms() / 1000;
	struct bucket_stamp stamp;

	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	stamp = sign();
	assert_false(bucket_mend_clock(bucket, &stamp, now_s + 1, 0));
	assert_false(bucket_mend_clock(bucket, &stamp, now_s + 200, 240000));
	assert_false(bucket_mend_clock(bucket, &stamp, now_s - 200, 240000));
	assert_int_equal(sign().offset_ms, 0);
	assert_true(bucket_mend_clock(bucket, &stamp, now_s - 300, 240000));
	assert_in_range(sign().offset_ms + 400000, 98000, 100000);
}

static void
a_region_is_learnt_with_amazons_host(void **state)
{
	struct bucket_stamp before, after;

	(void)state;
	kit_keys(&kit);
	open_bucket("", "");
	before = sign();
	assert_false(bucket_mend_region(bucket, &before, "eu-west-1"));
	assert_string_equal(bucket_region(bucket), "eu-west-1");
	assert_true(bucket_mend_region(bucket, &before, "ap-south-1"));
	assert_string_equal(bucket_region(bucket), "ap-south-1");
	after = sign();
	assert_true(view_begins(
	    buf_view(&url), "https://faces.s3.ap-south-1.amazonaws.com/"));
	assert_true(view_has(buf_view(&lines), "/ap-south-1/s3/aws4_request"));
	assert_true(bucket_mend_region(bucket, &before, "ap-south-1"));
	assert_false(bucket_mend_region(bucket, &after, "ap-south-1"));
	presign(60, 0);
	assert_true(view_has(buf_view(&url), "%2Fap-south-1%2Fs3%2F"));
}

static void
elsewhere_a_region_changes_the_scope_alone(void **state)
{
	struct bucket_stamp stamp;

	(void)state;
	kit_keys(&kit);
	open_bucket("http://127.0.0.1:9000", "");
	stamp = sign();
	assert_true(bucket_mend_region(bucket, &stamp, "ap-south-1"));
	(void)sign();
	assert_string_equal(buf_str(&url), "http://127.0.0.1:9000/faces/a%20b");
	assert_true(view_has(buf_view(&lines), "/ap-south-1/s3/aws4_request"));
}

static void
only_temporary_keys_are_renewed(void **state)
{
	const int64_t soon = clock_ticks_ms() + 10000;
	struct bucket_stamp before, after;

	(void)state;
	kit_session(&kit, "ASIAONE", 1800);
	open_bucket("", "");
	before = sign();
	assert_true(before.is_temporary);
	clock_sleep_ms(KIT_REST_MS);
	kit_issue(&kit, "ASIATWO", 1800);
	assert_true(bucket_mend_keys(bucket, &before, soon));
	after = sign();
	assert_true(view_has(buf_view(&lines), "ASIATWO/"));
	clock_sleep_ms(KIT_REST_MS);
	kit_write(&kit, "keys.json", "no keys");
	assert_true(bucket_mend_keys(bucket, &before, soon)); /* not asked */
	assert_false(bucket_mend_keys(bucket, &after, soon));
	creds_close(&kit.creds);
	kit_keys(&kit);
	open_bucket("", "");
	after = sign();
	assert_false(after.is_temporary);
	assert_false(bucket_mend_keys(bucket, &after, soon));
}

static void
settings_that_cannot_be_are_named(void **state)
{
	const struct bucket_setup bad_public = { .name = "faces",
		.region = "eu-west-1",
		.public_endpoint = "cdn.example.org" };
	const struct bucket_setup bad_endpoint = {
		.name = "faces", .region = "eu-west-1", .endpoint = "http://x/y"
	};

	(void)state;
	assert_int_equal(bucket_open(&bucket, &bad_public, &fault), -1);
	assert_string_equal(fault.field, "S3_PUBLIC_ENDPOINT");
	assert_null(bucket);
	fault = FAULT_INIT;
	assert_int_equal(bucket_open(&bucket, &bad_endpoint, &fault), -1);
	assert_string_equal(fault.field, "AWS_ENDPOINT_URL_S3");
	assert_null(bucket);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_configured_region_is_copied),
		TEST(a_request_goes_to_the_bucket_of_the_region),
		TEST(a_url_names_the_public_endpoint_with_its_own_style),
		TEST(a_url_lives_as_long_as_was_asked),
		TEST(within_a_window_every_url_is_the_same),
		TEST(a_window_leaves_at_least_half_of_the_life),
		TEST(no_url_outlives_the_session),
		TEST(an_offset_of_the_host_dates_requests_and_urls),
		TEST(a_clock_is_learnt_for_all_processes),
		TEST(a_clock_that_is_not_far_off_is_no_reason),
		TEST(a_region_is_learnt_with_amazons_host),
		TEST(elsewhere_a_region_changes_the_scope_alone),
		TEST(only_temporary_keys_are_renewed),
		TEST(settings_that_cannot_be_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
