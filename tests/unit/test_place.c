#include "aws/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char long_text[PLACE_KEY_MAX + 1];

/* A text of n times c, lent until the next call. */
static const char *
many(size_t n, char c)
{
	assert_true(n < sizeof long_text);
	memset(long_text, c, n);
	long_text[n] = '\0';
	return long_text;
}

static struct place
find(const char *endpoint, const char *bucket, enum s3_style style)
{
	const struct place_ask ask = { bucket, "eu-west-1", endpoint,
		"AWS_ENDPOINT_URL_S3", style };
	struct fault f = FAULT_INIT;
	struct place place;

	if (place_find(&place, &ask, &f) == -1)
		fail_msg("%s: %s", f.field, f.text);
	return place;
}

static void
assert_refused(const struct place_ask *ask, const char *field)
{
	struct fault f = FAULT_INIT;
	struct place place;

	if (place_find(&place, ask, &f) == 0)
		fail_msg("accepted: %s %s %s", ask->bucket, ask->region,
		    ask->endpoint);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.field, field);
}

static void
assert_found(const char *endpoint, const char *bucket, enum s3_style style,
    const char *origin, const char *root)
{
	const struct place p = find(endpoint, bucket, style);

	assert_string_equal(p.origin, origin);
	assert_string_equal(p.root, root);
	assert_true(view_is(place_host(&p), strstr(origin, "://") + 3));
}

static void
amazon_has_the_bucket_in_its_host_and_the_region_behind_it(void **state)
{
	(void)state;
	assert_found("", "faces", S3_AUTO,
	    "https://faces.s3.eu-west-1.amazonaws.com", "");
	assert_found(NULL, "faces", S3_PATH,
	    "https://s3.eu-west-1.amazonaws.com", "/faces");
}

static void
china_has_a_domain_of_its_own(void **state)
{
	const struct place_ask ask = { "faces", "cn-north-1", "", "", S3_AUTO };
	struct fault f = FAULT_INIT;
	struct place p;

	(void)state;
	assert_int_equal(place_find(&p, &ask, &f), 0);
	assert_string_equal(
	    p.origin, "https://faces.s3.cn-north-1.amazonaws.com.cn");
}

static void
a_bucket_with_a_dot_goes_into_the_path(void **state)
{
	(void)state;
	assert_found("", "my.faces", S3_AUTO,
	    "https://s3.eu-west-1.amazonaws.com", "/my.faces");
	assert_found("", "my.faces", S3_VIRTUAL,
	    "https://my.faces.s3.eu-west-1.amazonaws.com", "");
}

static void
an_address_or_a_name_without_a_dot_has_the_bucket_in_the_path(void **state)
{
	(void)state;
	assert_found("http://127.0.0.1:9000", "faces", S3_AUTO,
	    "http://127.0.0.1:9000", "/faces");
	assert_found("https://[::1]:9000/", "faces", S3_AUTO,
	    "https://[::1]:9000", "/faces");
	assert_found("http://[fd00::17]", "faces", S3_AUTO, "http://[fd00::17]",
	    "/faces");
	assert_found("http://localhost:9000", "faces", S3_AUTO,
	    "http://localhost:9000", "/faces");
	assert_found("http://minio:9000", "faces", S3_AUTO, "http://minio:9000",
	    "/faces");
	assert_found("http://minio:9000", "faces", S3_VIRTUAL,
	    "http://faces.minio:9000", "");
	assert_found("https://s3.example.org", "faces", S3_AUTO,
	    "https://faces.s3.example.org", "");
}

static void
a_host_is_kept_as_clients_send_it(void **state)
{
	(void)state;
	assert_found("https://S3.Example.ORG:443/", "faces", S3_PATH,
	    "https://s3.example.org", "/faces");
	assert_found("http://s3.example.org:0080", "faces", S3_PATH,
	    "http://s3.example.org", "/faces");
	assert_found("http://s3.example.org:443", "faces", S3_PATH,
	    "http://s3.example.org:443", "/faces");
	assert_found("https://s3.example.org:65535", "faces", S3_PATH,
	    "https://s3.example.org:65535", "/faces");
}

static void
the_longest_host_has_room(void **state)
{
	char endpoint[512] = "https://";
	char bucket[PLACE_BUCKET_MAX + 1];
	struct place p;
	int i;

	(void)state;
	for (i = 0; i < 126; i++)
		memcpy(endpoint + 8 + 2 * (size_t)i, "a.", 3);
	memcpy(endpoint + 8 + 252, "b:65535", 8);
	memcpy(bucket, many(PLACE_BUCKET_MAX, 'x'), sizeof bucket);
	p = find(endpoint, bucket, S3_VIRTUAL);
	assert_int_equal(strlen(p.origin), sizeof p.origin - 1);
	assert_memory_equal(p.origin + 8, bucket, PLACE_BUCKET_MAX);
	assert_string_equal(p.origin + strlen(p.origin) - 7, "b:65535");
}

static void
endpoints_that_are_none_are_refused(void **state)
{
	static const char *const none[] = { "s3.example.org", "ftp://x.org",
		"https://", "http://", "https:///", "https://x.org/path",
		"https://x.org//", "https://x.org?a=b", "https://x.org/?a",
		"https://x.org#f", "https://me@x.org", "https://me:pw@x.org",
		"https://x.org:", "https://x.org:0", "https://x.org:65536",
		"https://x.org:-1", "https://x.org:80a", "https://x.org:1:2",
		"https://x..org", "https://.x.org", "https://x.org.",
		"https://x org", "https://x\torg", "https://x\norg",
		"https://x%2eorg", "https://[::1", "https://::1",
		"https://[::1]x:9", "https://[::g]", "https://[]", "https://[",
		"https://]", "https://-x.org", "HTTPS://x.org",
		" https://x.org", "https://x.org ", "https://\xc3\xa9.org",
		"https://x\\y" };
	struct place_ask ask = { "faces", "eu-west-1", NULL,
		"S3_PUBLIC_ENDPOINT", S3_AUTO };
	char endpoint[512] = "https://";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof none / sizeof none[0]; i++) {
		ask.endpoint = none[i];
		assert_refused(&ask, "S3_PUBLIC_ENDPOINT");
	}
	memcpy(endpoint + 8, many(PLACE_HOST_MAX + 1, 'a'), PLACE_HOST_MAX + 2);
	ask.endpoint = endpoint;
	assert_refused(&ask, "S3_PUBLIC_ENDPOINT");
}

static void
no_bucket_stands_in_front_of_an_address(void **state)
{
	const struct place_ask ask = { "faces", "eu-west-1",
		"http://127.0.0.1:9000", "AWS_ENDPOINT_URL_S3", S3_VIRTUAL };

	(void)state;
	assert_refused(&ask, "S3_ADDRESSING_STYLE");
}

static void
bucket_names_follow_the_rules_of_general_purpose_buckets(void **state)
{
	static const char *const good[] = { "abc", "a-b", "a.b", "123", "0a0",
		"1.2.3", "1.2.3.4.5", "256.1.1.1", "a--b", "xn--abc" };
	static const char *const bad[] = { "", "ab", "Abc", "a_b", "-ab", "ab-",
		".ab", "ab.", "a..b", "1.2.3.4", "a/b", "a b", "a\xc3\xa9",
		"abc\n", "..." };
	struct place_ask ask = { NULL, "eu-west-1", "", "", S3_AUTO };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		(void)find("", good[i], S3_AUTO);
	(void)find("", many(63, 'a'), S3_AUTO);
	assert_refused(&ask, "STORAGE_BUCKET");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ask.bucket = bad[i];
		assert_refused(&ask, "STORAGE_BUCKET");
	}
	ask.bucket = many(64, 'a');
	assert_refused(&ask, "STORAGE_BUCKET");
}

static void
a_region_is_a_word_that_can_stand_in_a_host(void **state)
{
	static const char *const bad[] = { "", "EU", "eu west", "eu/west",
		"eu.west", "-eu", "eu-", "eu\n", "eu_west" };
	struct place_ask ask = { "faces", NULL, "", "", S3_AUTO };
	size_t i;

	(void)state;
	assert_true(place_is_region(VIEW("us-gov-east-1")));
	assert_true(place_is_region(VIEW("auto")));
	assert_true(place_is_region(view_str(many(PLACE_REGION_MAX, 'a'))));
	assert_refused(&ask, "AWS_REGION");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ask.region = bad[i];
		assert_refused(&ask, "AWS_REGION");
	}
	ask.region = many(PLACE_REGION_MAX + 1, 'a');
	assert_refused(&ask, "AWS_REGION");
}

static void
a_key_follows_the_root_as_it_is(void **state)
{
	const struct place path = find("http://localhost", "faces", S3_AUTO);
	const struct place virtual = find("", "faces", S3_AUTO);
	const struct view whole = { many(PLACE_KEY_MAX, '/'), PLACE_KEY_MAX };
	char room[PLACE_PATH_MAX];

	(void)state;
	assert_true(
	    view_is(place_path(&path, VIEW("a/b c"), room), "/faces/a/b c"));
	assert_true(view_is(place_path(&path, VIEW(""), room), "/faces"));
	assert_true(view_is(
	    place_path(&path, VIEW("/../x//"), room), "/faces//../x//"));
	assert_true(view_is(place_path(&virtual, VIEW("a"), room), "/a"));
	assert_true(view_is(place_path(&virtual, VIEW(""), room), "/"));
	assert_int_equal(place_path(&path, whole, room).n, 7 + PLACE_KEY_MAX);
	assert_int_equal(
	    place_path(&virtual, whole, room).n, 1 + PLACE_KEY_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    amazon_has_the_bucket_in_its_host_and_the_region_behind_it),
		cmocka_unit_test(china_has_a_domain_of_its_own),
		cmocka_unit_test(a_bucket_with_a_dot_goes_into_the_path),
		cmocka_unit_test(
		    an_address_or_a_name_without_a_dot_has_the_bucket_in_the_path),
		cmocka_unit_test(a_host_is_kept_as_clients_send_it),
		cmocka_unit_test(the_longest_host_has_room),
		cmocka_unit_test(endpoints_that_are_none_are_refused),
		cmocka_unit_test(no_bucket_stands_in_front_of_an_address),
		cmocka_unit_test(
		    bucket_names_follow_the_rules_of_general_purpose_buckets),
		cmocka_unit_test(a_region_is_a_word_that_can_stand_in_a_host),
		cmocka_unit_test(a_key_follows_the_root_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
