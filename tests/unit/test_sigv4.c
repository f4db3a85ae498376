#include "aws/sigv4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY "20130524"
#define EMPTY_SHA256                                                           \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FIELDS(...)                                                            \
	((const struct sigv4_field[]){ __VA_ARGS__ }),                         \
	    sizeof((const struct sigv4_field[]){ __VA_ARGS__ }) /              \
		sizeof(struct sigv4_field)

enum { ROOMY = 64 << 10, AT_S = 1369353600 /* DAY, midnight */, DAY_S = 86400 };

/* The keys and the request of AWS's published examples. */
static const struct sigv4_keys example = { .id = { "AKIAIOSFODNN7EXAMPLE", 20 },
	.secret = { "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40 } };

static struct sigv4 *s;
static struct buf target, headers;
static struct fault f;

static int
open_signer(void **state)
{
	(void)state;
	f = FAULT_INIT;
	target = headers = BUF_INIT(ROOMY);
	return sigv4_open(&s, "us-east-1", "s3", &f);
}

static int
close_signer(void **state)
{
	(void)state;
	sigv4_close(&s);
	sigv4_close(&s);
	assert_null(s);
	buf_fini(&target);
	buf_fini(&headers);
	return 0;
}

static struct sigv4_request
ask(const char *path)
{
	return (struct sigv4_request){ .method = "GET",
		.host = VIEW("examplebucket.s3.amazonaws.com"),
		.path = view_str(path),
		.payload_sha256 = VIEW(EMPTY_SHA256),
		.at_s = AT_S };
}

static void
set_fields(const struct sigv4_field **fields, size_t *n,
    const struct sigv4_field *to, size_t to_n)
{
	*fields = to;
	*n = to_n;
}

#define HEADERS(r, ...)                                                        \
	set_fields(&(r)->headers, &(r)->headers_n, FIELDS(__VA_ARGS__))
#define QUERY(r, ...)                                                          \
	set_fields(&(r)->query, &(r)->query_n, FIELDS(__VA_ARGS__))

/* Both forms begin with empty buffers, and succeed. */
static void
sign(const struct sigv4_keys *keys, const struct sigv4_request *r)
{
	buf_clear(&target);
	buf_clear(&headers);
	assert_int_equal(sigv4_sign(s, keys, r, &target, &headers, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
}

static void
presign(const struct sigv4_keys *keys, const struct sigv4_request *r,
    int64_t expires_s)
{
	buf_clear(&target);
	assert_int_equal(sigv4_presign(s, keys, r, expires_s, &target, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
}

static void
assert_signature(const char *want)
{
	const char *at = strstr(buf_str(&headers), "Signature=");

	assert_non_null(at);
	assert_memory_equal(at + strlen("Signature="), want, 64);
	assert_int_equal(at[strlen("Signature=") + 64], '\n');
}

/* The canonical request holds this text. */
static void
assert_canonical(const char *want)
{
	struct view canonical, to_sign;

	sigv4_stages(s, &canonical, &to_sign);
	if (!view_has(canonical, want))
		fail_msg(
		    "%.*s\nhas no\n%s", (int)canonical.n, canonical.p, want);
}

/* Either form refuses, names no secret, and leaves the buffers alone. */
static void
assert_refused(const struct sigv4_keys *keys, const struct sigv4_request *r)
{
	buf_clear(&target);
	buf_clear(&headers);
	f = FAULT_INIT;
	assert_int_equal(sigv4_sign(s, keys, r, &target, &headers, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_null(strstr(f.text, "wJalr"));
	assert_int_equal(target.len + headers.len, 0);
	f = FAULT_INIT;
}

static void
assert_presign_refused(const struct sigv4_keys *keys,
    const struct sigv4_request *r, int64_t expires_s)
{
	buf_clear(&target);
	f = FAULT_INIT;
	assert_int_equal(sigv4_presign(s, keys, r, expires_s, &target, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_int_equal(target.len, 0);
	f = FAULT_INIT;
}

static void
agrees_with_the_example_of_a_get_with_a_range(void **state)
{
	struct sigv4_request r = ask("/test.txt");
	struct view canonical, to_sign;

	(void)state;
	HEADERS(&r, { VIEW("range"), VIEW("bytes=0-9") });
	sign(&example, &r);
	sigv4_stages(s, &canonical, &to_sign);
	assert_true(view_is(canonical,
	    "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\n"
	    "range:bytes=0-9\nx-amz-content-sha256:" EMPTY_SHA256
	    "\nx-amz-date:20130524T000000Z\n\n"
	    "host;range;x-amz-content-sha256;x-amz-date\n" EMPTY_SHA256));
	assert_true(view_is(to_sign, "AWS4-HMAC-SHA256\n20130524T000000Z\n"
				     "20130524/us-east-1/s3/aws4_request\n"
				     "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbff"
				     "f95c48bbb2dc43964946972"));
	assert_string_equal(buf_str(&target), "/test.txt");
	assert_string_equal(buf_str(&headers),
	    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"
	    "20130524/us-east-1/s3/aws4_request, "
	    "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
	    "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6"
	    "036bdb41\nx-amz-date: 20130524T000000Z\n"
	    "x-amz-content-sha256: " EMPTY_SHA256 "\n");
}

static void
agrees_with_the_example_of_a_put(void **state)
{
	struct sigv4_request r = ask("/test$file.text");

	(void)state;
	r.method = "PUT";
	r.payload_sha256 = VIEW(
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
	HEADERS(&r, { VIEW("x-amz-storage-class"), VIEW("REDUCED_REDUNDANCY") },
	    { VIEW("date"), VIEW("Fri, 24 May 2013 00:00:00 GMT") });
	sign(&example, &r);
	assert_string_equal(buf_str(&target), "/test%24file.text");
	assert_signature("98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971"
			 "af0ece108bd");
}

static void
agrees_with_the_example_of_a_parameter_without_value(void **state)
{
	struct sigv4_request r = ask("/");

	(void)state;
	QUERY(&r, { VIEW("lifecycle"), VIEW("") });
	sign(&example, &r);
	assert_string_equal(buf_str(&target), "/?lifecycle=");
	assert_signature("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200"
			 "a0136783543");
}

static void
agrees_with_the_example_of_a_listing(void **state)
{
	struct sigv4_request r = ask("/");

	(void)state;
	QUERY(
	    &r, { VIEW("prefix"), VIEW("J") }, { VIEW("max-keys"), VIEW("2") });
	sign(&example, &r);
	assert_string_equal(buf_str(&target), "/?max-keys=2&prefix=J");
	assert_signature("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed57"
			 "11ef69dc6f7");
}

static void
agrees_with_the_example_of_a_presigned_url(void **state)
{
	const struct sigv4_request r = ask("/test.txt");

	(void)state;
	buf_add(&target, VIEW("replaced"));
	presign(&example, &r, DAY_S);
	assert_string_equal(buf_str(&target),
	    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
	    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2F"
	    "s3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
	    "&X-Amz-SignedHeaders=host"
	    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957"
	    "d157751f604d404");
	assert_canonical("\nhost:examplebucket.s3.amazonaws.com\n\nhost\n"
			 "UNSIGNED-PAYLOAD");
}

static void
appends_to_what_stands_in_the_buffers(void **state)
{
	const struct sigv4_request r = ask("/k");

	(void)state;
	buf_add(&target, VIEW("https://host"));
	buf_add(&headers, VIEW("a: b\n"));
	assert_int_equal(sigv4_sign(s, &example, &r, &target, &headers, &f), 0);
	assert_string_equal(buf_str(&target), "https://host/k");
	assert_true(view_begins(buf_view(&headers), "a: b\nAuthorization: "));
	assert_int_equal(sigv4_presign(s, &example, &r, 1, &target, &f), 0);
	assert_true(view_begins(
	    buf_view(&target), "https://host/k/k?X-Amz-Algorithm="));
}

static void
a_path_is_escaped_once_and_never_normalised(void **state)
{
	const struct sigv4_request r =
	    ask("//a/./b/../c d+e%2f=:@~_-.\xc3\xa9!*'()&?#\x01\x7f/");

	(void)state;
	sign(&example, &r);
	assert_string_equal(buf_str(&target),
	    "//a/./b/../c%20d%2Be%252f%3D%3A%40~_-.%C3%A9%21%2A%27%28%29%26%3F"
	    "%23%01%7F/");
	assert_canonical("GET\n//a/./b/../c%20d%2Be%252f%3D%3A%40~_-.");
}

static void
parameters_are_sorted_as_they_are_encoded(void **state)
{
	struct sigv4_request r = ask("/");

	(void)state;
	QUERY(&r, { VIEW("b"), VIEW("2") }, { VIEW("~"), VIEW("") },
	    { VIEW("a/"), VIEW("1/2") }, { VIEW("b"), VIEW("1") },
	    { VIEW("\xc3\xa9"), VIEW("") }, { VIEW("aa"), { NULL, 0 } },
	    { VIEW("a"), VIEW("x y+") }, { VIEW("B"), VIEW("=&") },
	    { VIEW("b"), VIEW("") });
	sign(&example, &r);
	assert_string_equal(buf_str(&target),
	    "/?%C3%A9=&B=%3D%26&a=x%20y%2B&a%2F=1%2F2&aa=&b=&b=1&b=2&~=");
	presign(&example, &r, 1);
	assert_true(view_begins(buf_view(&target),
	    "/?%C3%A9=&B=%3D%26&X-Amz-Algorithm=AWS4-HMAC-SHA256&"));
	assert_true(view_has(buf_view(&target),
	    "&X-Amz-SignedHeaders=host&a=x%20y%2B&a%2F=1%2F2&aa=&b=&b=1&b=2&~="
	    "&X-Amz-Signature="));
}

static void
headers_are_sorted_joined_and_freed_of_blanks(void **state)
{
	struct sigv4_request r = ask("/");

	(void)state;
	HEADERS(&r, { VIEW("x-amz-meta-b"), VIEW("z  y   x ") },
	    { VIEW("x-amz-datf"), VIEW("  1") }, { VIEW("a"), VIEW("") },
	    { VIEW("x-amz-meta-a"), { NULL, 0 } },
	    { VIEW("x-amz-meta-b"), VIEW("a") }, { VIEW("hos"), VIEW("   ") },
	    { VIEW("x-amz"), VIEW("\xc3\xa9") });
	sign(&example, &r);
	assert_canonical(
	    "GET\n/\n\na:\nhos:\nhost:examplebucket.s3.amazonaws.com\n"
	    "x-amz:\xc3\xa9\nx-amz-content-sha256:" EMPTY_SHA256 "\n"
	    "x-amz-date:20130524T000000Z\nx-amz-datf:1\nx-amz-meta-a:\n"
	    "x-amz-meta-b:z y x,a\n\na;hos;host;x-amz;x-amz-content-sha256;"
	    "x-amz-date;x-amz-datf;x-amz-meta-a;x-amz-meta-b\n");
	presign(&example, &r, 1);
	assert_canonical("&X-Amz-SignedHeaders=a%3Bhos%3Bhost%3Bx-amz%3Bx-amz-"
			 "datf%3Bx-amz-meta-a%3Bx-amz-meta-b\na:\n");
}

/* What a signer without a past makes of the same. */
static void
assert_as_fresh(const struct sigv4_keys *keys, int64_t at_s)
{
	struct sigv4_request r = ask("/k");
	struct sigv4 *used = s;
	struct buf first = BUF_INIT(ROOMY);

	r.at_s = at_s;
	presign(keys, &r, 1);
	buf_add(&first, buf_view(&target));
	assert_int_equal(sigv4_open(&s, "us-east-1", "s3", &f), 0);
	presign(keys, &r, 1);
	assert_string_equal(buf_str(&first), buf_str(&target));
	buf_fini(&first);
	sigv4_close(&s);
	s = used;
}

static void
the_kept_key_is_left_for_another_day_or_credential(void **state)
{
	const struct sigv4_keys other_secret = { example.id, VIEW("x"),
		VIEW("") };
	const struct sigv4_keys longer = { example.id,
		VIEW("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY2"), VIEW("") };
	const struct sigv4_keys other_id = { VIEW("AKIAIOSFODNN7EXAMPLF"),
		example.secret, VIEW("") };
	const struct sigv4_keys none = { example.id, { NULL, 0 }, { NULL, 0 } };
	const struct sigv4_keys *all[] = { &example, &other_secret, &longer,
		&other_id, &none };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof all / sizeof *all; i++)
		for (j = 0; j < sizeof all / sizeof *all; j++) {
			assert_as_fresh(all[i], AT_S);
			assert_as_fresh(all[j], AT_S);
			assert_as_fresh(all[j], AT_S - 1);
			assert_as_fresh(all[j], AT_S + DAY_S - 1);
			assert_as_fresh(all[j], AT_S + DAY_S);
		}
	assert_as_fresh(&example, 0);
	assert_as_fresh(&example, AT_S);
}

static void
a_token_of_1500_bytes_is_signed_and_sent(void **state)
{
	static char token[1500];
	struct sigv4_keys keys = example;
	struct sigv4_request r = ask("/k");
	struct buf want = BUF_INIT(ROOMY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof token; i++)
		token[i] = "aZ9+/="[i % 6];
	keys.token = (struct view){ token, sizeof token };
	buf_fmt(&want, "\nx-amz-security-token: %.1500s\n", token);
	sign(&keys, &r);
	assert_true(view_has(buf_view(&headers), buf_str(&want)));
	assert_canonical("host;x-amz-content-sha256;x-amz-date;"
			 "x-amz-security-token\n");
	buf_clear(&want);
	buf_fmt(&want, "\nx-amz-security-token:%.1500s\n", token);
	assert_canonical(buf_str(&want));
	buf_clear(&want);
	buf_fmt(&want, "&X-Amz-Expires=604800&X-Amz-Security-Token=");
	for (i = 0; i < sizeof token / 6; i++)
		buf_add(&want, VIEW("aZ9%2B%2F%3D"));
	buf_fmt(&want, "&X-Amz-SignedHeaders=host");
	presign(&keys, &r, SIGV4_EXPIRES_MAX_S);
	assert_canonical(buf_str(&want));
	assert_true(view_has(buf_view(&target), buf_str(&want)));
	buf_fini(&want);
	presign(&example, &r, 1); /* and is forgotten without one */
	assert_false(view_has(buf_view(&target), "Token"));
}

static void
an_unsigned_payload_is_said_to_be_one(void **state)
{
	struct sigv4_request r = ask("/k");

	(void)state;
	r.payload_sha256 = VIEW(SIGV4_UNSIGNED);
	sign(&example, &r);
	assert_canonical("x-amz-content-sha256:UNSIGNED-PAYLOAD\n");
	assert_canonical("x-amz-date\nUNSIGNED-PAYLOAD");
	assert_true(view_has(
	    buf_view(&headers), "\nx-amz-content-sha256: UNSIGNED-PAYLOAD\n"));
}

static void
fields_have_a_limit(void **state)
{
	struct sigv4_field many[SIGV4_FIELDS_MAX + 1];
	struct sigv4_request r = ask("/k");
	size_t i;

	(void)state;
	for (i = 0; i < SIGV4_FIELDS_MAX + 1; i++)
		many[i] = (struct sigv4_field){ VIEW("a"), VIEW("/") };
	r.query = r.headers = many;
	r.query_n = r.headers_n = SIGV4_FIELDS_MAX;
	sign(&example, &r);
	assert_canonical(
	    "\na:/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/,/\n");
	presign(&example, &r, 1);
	r.headers_n++;
	assert_refused(&example, &r);
	assert_presign_refused(&example, &r, 1);
	r.headers_n--;
	r.query_n++;
	assert_refused(&example, &r);
	assert_presign_refused(&example, &r, 1);
}

static void
an_expiry_is_a_second_to_a_week(void **state)
{
	const struct sigv4_request r = ask("/k");

	(void)state;
	presign(&example, &r, 1);
	assert_canonical("&X-Amz-Expires=1&");
	presign(&example, &r, 604800);
	assert_canonical("&X-Amz-Expires=604800&");
	assert_presign_refused(&example, &r, 0);
	assert_presign_refused(&example, &r, -1);
	assert_presign_refused(&example, &r, 604801);
	assert_presign_refused(&example, &r, INT64_MAX);
	assert_presign_refused(&example, &r, INT64_MIN);
	assert_canonical("&X-Amz-Expires=604800&"); /* the last one made */
}

static void
control_bytes_are_refused_wherever_they_would_be_a_header(void **state)
{
	struct sigv4_request r = ask("/k");
	struct sigv4_keys keys;
	char value[] = "a b";
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		value[1] = (char)c;
		keys = example;
		r = ask("/k");
		HEADERS(&r, { VIEW("x"), { value, 3 } });
		if (c >= ' ' && c != 0x7f) {
			sign(&example, &r);
			continue;
		}
		assert_refused(&example, &r);
		assert_presign_refused(&example, &r, 1);
		r.headers_n = 0;
		keys.token = (struct view){ value, 3 };
		assert_refused(&keys, &r);
		presign(&keys, &r, 1); /* there it is escaped */
		keys = example;
		keys.id = (struct view){ value, 3 };
		assert_refused(&keys, &r);
		assert_presign_refused(&keys, &r, 1);
		r.host = (struct view){ value, 3 };
		assert_refused(&example, &r);
		assert_presign_refused(&example, &r, 1);
	}
}

static void
header_names_are_plain_lower_case_and_not_our_own(void **state)
{
	static const char *const bad[] = { "", "Range", "a b", "a:", "a\n",
		"a;b", "\xc3\xa9", "host", "x-amz-date", "x-amz-content-sha256",
		"x-amz-security-token" };
	struct sigv4_request r = ask("/k");
	struct sigv4_field field = { VIEW(""), VIEW("v") };
	size_t i;

	(void)state;
	r.headers = &field;
	r.headers_n = 1;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		field.name = view_str(bad[i]);
		assert_refused(&example, &r);
		assert_presign_refused(&example, &r, 1);
	}
	field.name = VIEW("x-amz-meta-9_.");
	sign(&example, &r);
}

static void
keys_and_hosts_are_not_empty(void **state)
{
	struct sigv4_request r = ask("/k");
	const struct sigv4_keys none = { { NULL, 0 }, { NULL, 0 },
		{ NULL, 0 } };

	(void)state;
	assert_refused(&none, &r);
	sign(&example, &r);
	assert_refused(&none, &r);
	sign(&example, &r);
	r.host = VIEW("");
	assert_refused(&example, &r);
}

static void
a_buffer_that_is_too_small_gets_nothing(void **state)
{
	const struct sigv4_request r = ask("/k");
	struct buf small = BUF_INIT(ROOMY);
	size_t lines, url;

	(void)state;
	sign(&example, &r);
	lines = headers.len;
	presign(&example, &r, 1);
	url = target.len;
	small.limit = url - 1;
	assert_int_equal(sigv4_presign(s, &example, &r, 1, &small, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_int_equal(small.len, 0);
	f = FAULT_INIT;
	small = BUF_INIT(url);
	assert_int_equal(sigv4_presign(s, &example, &r, 1, &small, &f), 0);
	assert_string_equal(buf_str(&small), buf_str(&target));
	buf_fini(&small);
	small = BUF_INIT(lines - 1);
	assert_int_equal(sigv4_sign(s, &example, &r, &target, &small, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_int_equal(small.len, 0);
	f = FAULT_INIT;
	small = BUF_INIT(1);
	assert_int_equal(sigv4_sign(s, &example, &r, &small, &headers, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_int_equal(small.len, 0);
}

static void
a_request_too_long_to_sign_is_refused_and_forgotten(void **state)
{
	static char path[1 << 20];
	struct sigv4_request r = ask("/k");
	struct view canonical, to_sign;
	size_t n;

	(void)state;
	memset(path, '/', sizeof path);
	r.path = (struct view){ path, sizeof path };
	assert_int_equal(sigv4_presign(s, &example, &r, 1, &target, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_int_equal(target.len, 0);
	sigv4_stages(s, &canonical, &to_sign);
	assert_int_equal(canonical.n + to_sign.n, 0);
	f = FAULT_INIT;
	for (n = 1; n < 8192; n += 61) { /* every growth on the way */
		memset(path + 1, 0xff, n);
		r.path.n = n + 1;
		presign(&example, &r, 1);
		sign(&example, &r);
		assert_int_equal(target.len, 1 + 3 * n);
	}
}

static void
region_and_service_are_words(void **state)
{
	static const char *const bad[] = { "", "a/b", "us east", "a\n",
		"\xc3" };
	struct sigv4 *one = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		f = FAULT_INIT;
		assert_int_equal(sigv4_open(&one, bad[i], "s3", &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		f = FAULT_INIT;
		assert_int_equal(sigv4_open(&one, "us-east-1", bad[i], &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_null(one);
	}
}

static void
another_service_has_its_own_scope_and_key(void **state)
{
	const struct sigv4_request r = ask("/");
	struct view canonical, to_sign;
	struct buf first = BUF_INIT(ROOMY);

	(void)state;
	sign(&example, &r);
	buf_add(&first, buf_view(&headers));
	sigv4_close(&s);
	assert_int_equal(sigv4_open(&s, "us-east-1", "sts", &f), 0);
	sign(&example, &r);
	sigv4_stages(s, &canonical, &to_sign);
	assert_true(
	    view_has(to_sign, "\n" DAY "/us-east-1/sts/aws4_request\n"));
	assert_string_not_equal(buf_str(&first), buf_str(&headers));
	buf_fini(&first);
}

static void
before_the_first_signature_there_are_no_stages(void **state)
{
	struct view canonical, to_sign;

	(void)state;
	sigv4_stages(s, &canonical, &to_sign);
	assert_int_equal(canonical.n + to_sign.n, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_signer, close_signer)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(agrees_with_the_example_of_a_get_with_a_range),
		T(agrees_with_the_example_of_a_put),
		T(agrees_with_the_example_of_a_parameter_without_value),
		T(agrees_with_the_example_of_a_listing),
		T(agrees_with_the_example_of_a_presigned_url),
		T(appends_to_what_stands_in_the_buffers),
		T(a_path_is_escaped_once_and_never_normalised),
		T(parameters_are_sorted_as_they_are_encoded),
		T(headers_are_sorted_joined_and_freed_of_blanks),
		T(the_kept_key_is_left_for_another_day_or_credential),
		T(a_token_of_1500_bytes_is_signed_and_sent),
		T(an_unsigned_payload_is_said_to_be_one),
		T(fields_have_a_limit),
		T(an_expiry_is_a_second_to_a_week),
		T(control_bytes_are_refused_wherever_they_would_be_a_header),
		T(header_names_are_plain_lower_case_and_not_our_own),
		T(keys_and_hosts_are_not_empty),
		T(a_buffer_that_is_too_small_gets_nothing),
		T(a_request_too_long_to_sign_is_refused_and_forgotten),
		T(region_and_service_are_words),
		T(another_service_has_its_own_scope_and_key),
		T(before_the_first_signature_there_are_no_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
