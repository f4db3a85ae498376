#include "aws/listing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PAGE(inside)                                                           \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"                           \
	"<ListBucketResult "                                                   \
	"xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inside            \
	"</ListBucketResult>"
#define URL "<EncodingType>url</EncodingType>"
#define ENTRY(inside)                                                          \
	"<Contents><Key>a</Key><Size>1</Size>" inside "</Contents>"
#define KEY(key, size)                                                         \
	"<Contents><Key>" key "</Key><ETag>&quot;e&quot;</ETag><Size>" size    \
	"</Size></Contents>"

enum { SEEN_MAX = 256 };

/* What a page held, as "KEY=SIZE;", and of the last entry the rest. */
struct seen {
	char text[SEEN_MAX];
	char etag[LISTING_ETAG_MAX + 1];
	int64_t modified_s;
	int stop_at; /* refuses the key of that number, from 1; 0: none */
	int n;
};

static struct buf token;
static struct seen seen;
static struct fault fault;

static int
note(void *arg, const struct listing_object *object, struct fault *f)
{
	const struct view key = object->key;
	const int64_t size = object->size;
	struct seen *s = arg;
	const size_t len = strlen(s->text);

	s->n++;
	if (s->n == s->stop_at)
		return fault_set(f, FAULT_CONFLICT, "enough");
	(void)snprintf(s->text + len, sizeof s->text - len, "%.*s=%lld;",
	    (int)key.n, key.p, (long long)size);
	(void)snprintf(s->etag, sizeof s->etag, "%.*s", (int)object->etag.n,
	    object->etag.p == NULL ? "" : object->etag.p);
	s->modified_s = object->modified_s;
	return 0;
}

static int
read_it(const char *page)
{
	const int stop_at = seen.stop_at;

	seen = (struct seen){ .stop_at = stop_at };
	fault = FAULT_INIT;
	return listing_read(view_str(page), note, &seen, &token, &fault);
}

static int
set_up(void **state)
{
	(void)state;
	token = BUF_INIT(LISTING_TOKEN_MAX);
	seen = (struct seen){ .n = 0 };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	buf_fini(&token);
	return 0;
}

static void
a_last_page_gives_its_keys_and_no_token(void **state)
{
	(void)state;
	buf_add(&token, VIEW("of the page before"));
	assert_int_equal(
	    read_it(PAGE("<IsTruncated>false</IsTruncated>" URL KEY("a", "1")
		    KEY("b%2Fc", "0") "<KeyCount>2</KeyCount>")),
	    0);
	assert_string_equal(seen.text, "a=1;b/c=0;");
	assert_int_equal(token.len, 0);
}

static void
a_page_before_the_last_says_how_to_go_on(void **state)
{
	(void)state;
	assert_int_equal(read_it(PAGE(URL "<IsTruncated>true</IsTruncated>" KEY(
			     "a", "1") "<NextContinuationToken> a+b/&amp;= "
				       "</NextContinuationToken>")),
	    0);
	assert_string_equal(buf_str(&token), " a+b/&= ");
}

static void
an_empty_listing_is_one(void **state)
{
	(void)state;
	assert_int_equal(
	    read_it(PAGE(URL "<IsTruncated>false</IsTruncated>")), 0);
	assert_int_equal(seen.n, 0);
}

static void
keys_are_unescaped_and_a_plus_is_a_space(void **state)
{
	(void)state;
	assert_int_equal(read_it(PAGE(URL KEY("a+b%20c%2Bd%25", "7")
				 KEY("%C3%A9+", "8") KEY("+", "9"))),
	    0);
	assert_string_equal(seen.text, "a b c+d%=7;\xc3\xa9 =8; =9;");
}

static void
keys_are_left_alone_when_the_server_knows_no_encoding(void **state)
{
	(void)state;
	assert_int_equal(
	    read_it(PAGE(KEY("a+b%20c&amp;", "7") KEY(" ", "1"))), 0);
	assert_string_equal(seen.text, "a+b%20c&=7; =1;");
}

static void
the_encoding_may_be_said_after_the_keys(void **state)
{
	(void)state;
	assert_int_equal(read_it(PAGE(KEY("a%2Fb", "7") URL)), 0);
	assert_string_equal(seen.text, "a/b=7;");
}

static void
whoever_takes_the_keys_may_stop(void **state)
{
	(void)state;
	seen.stop_at = 2;
	assert_int_equal(
	    read_it(PAGE(URL KEY("a", "1") KEY("b", "1") KEY("c", "1"))), -1);
	assert_int_equal(fault.kind, FAULT_CONFLICT);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.text, "a=1;");
	seen.stop_at = 0;
}

static void
no_key_of_a_broken_page_is_believed(void **state)
{
	(void)state;
	assert_int_equal(
	    read_it("<ListBucketResult>" URL KEY("a", "1") KEY("b", "1")), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_int_equal(seen.n, 0);
}

static void
pages_that_are_none_are_refused(void **state)
{
	static const char *const none[] = { "", " ", "hello", "<html></html>",
		"<Error><Code>InternalError</Code></Error>",
		PAGE("<IsTruncated>true</IsTruncated>"),
		PAGE("<IsTruncated>true</IsTruncated><NextContinuationToken/>"),
		PAGE(URL KEY("%00", "1")), PAGE(URL KEY("%4", "1")),
		PAGE(URL KEY("", "1")), PAGE(URL KEY("a", "")),
		PAGE(URL KEY("a", "x")), PAGE(URL KEY("a", "-1")),
		PAGE(URL "<Contents><Key>a</Key></Contents>"),
		PAGE(URL "<Contents><Size>1</Size></Contents>"),
		PAGE(URL KEY("a", "99999999999999999999")),
		"<!DOCTYPE x>" PAGE(URL) };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof none / sizeof none[0]; i++) {
		if (read_it(none[i]) == 0)
			fail_msg("accepted: %s", none[i]);
		assert_int_equal(fault.kind, FAULT_REMOTE);
		assert_int_equal(seen.n, 0);
	}
}

static void
an_entry_does_not_inherit_from_the_one_before(void **state)
{
	(void)state;
	assert_int_equal(read_it(PAGE(URL KEY(
			     "a", "1") "<Contents><Key>b</Key></Contents>")),
	    -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(seen.text, "a=1;");
}

static void
a_key_of_the_longest_fits_and_one_more_byte_does_not(void **state)
{
	static char page[4096];
	char escaped[3 * LISTING_KEY_MAX + 4];
	int i;

	(void)state;
	for (i = 0; i <= LISTING_KEY_MAX; i++)
		memcpy(escaped + 3 * (size_t)i, "%41", 4);
	(void)snprintf(page, sizeof page, PAGE(URL KEY("%s", "1")), escaped);
	assert_int_equal(read_it(page), -1);
	escaped[3 * LISTING_KEY_MAX] = '\0';
	(void)snprintf(page, sizeof page, PAGE(URL KEY("%s", "1")), escaped);
	assert_int_equal(read_it(page), 0);
	assert_int_equal(seen.n, 1);
}

static void
an_entry_tells_its_etag_and_its_time(void **state)
{
	(void)state;
	assert_int_equal(
	    read_it(PAGE(ENTRY("<LastModified>2026-11-22T10:15:00.000Z"
			       "</LastModified><ETag>&quot;abc-7&quot;"
			       "</ETag>"))),
	    0);
	assert_string_equal(seen.etag, "abc-7");
	assert_int_equal(seen.modified_s, 1795342500);
	assert_int_equal(
	    read_it(PAGE(
		ENTRY("<LastModified>2026-11-22T10:15:00Z"
		      "</LastModified><ETag>&quot;e&quot;</ETag>") ENTRY(""))),
	    0);
	assert_string_equal(seen.etag, ""); /* not the one before it */
	assert_int_equal(seen.modified_s, 0);
	assert_int_equal(seen.n, 2);
}

static void
an_etag_or_time_that_cannot_be_is_none(void **state)
{
	static const char *const entries[] = {
		ENTRY("<ETag>abc</ETag>"),
		ENTRY("<ETag>&quot;</ETag>"),
		ENTRY("<ETag>&quot;&quot;</ETag>"),
		ENTRY("<LastModified>yesterday</LastModified>"),
		ENTRY("<LastModified>2026-13-22T10:15:00Z</LastModified>"),
	};
	static char page[1024];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		(void)snprintf(page, sizeof page, PAGE("%s"), entries[i]);
		assert_int_equal(read_it(page), 0);
		assert_string_equal(seen.etag, "");
		assert_int_equal(seen.modified_s, 0);
		assert_int_equal(seen.n, 1);
	}
}

static void
an_etag_of_the_longest_fits_and_one_more_byte_does_not(void **state)
{
	static char page[1024];
	char etag[LISTING_ETAG_MAX + 2];

	(void)state;
	memset(etag, 'e', sizeof etag);
	etag[LISTING_ETAG_MAX + 1] = '\0';
	(void)snprintf(page, sizeof page,
	    PAGE(ENTRY("<ETag>&quot;%s&quot;</ETag>")), etag);
	assert_int_equal(read_it(page), 0);
	assert_string_equal(seen.etag, "");
	etag[LISTING_ETAG_MAX] = '\0';
	(void)snprintf(page, sizeof page,
	    PAGE(ENTRY("<ETag>&quot;%s&quot;</ETag>")), etag);
	assert_int_equal(read_it(page), 0);
	assert_string_equal(seen.etag, etag);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_last_page_gives_its_keys_and_no_token),
		cmocka_unit_test(a_page_before_the_last_says_how_to_go_on),
		cmocka_unit_test(an_empty_listing_is_one),
		cmocka_unit_test(keys_are_unescaped_and_a_plus_is_a_space),
		cmocka_unit_test(
		    keys_are_left_alone_when_the_server_knows_no_encoding),
		cmocka_unit_test(the_encoding_may_be_said_after_the_keys),
		cmocka_unit_test(whoever_takes_the_keys_may_stop),
		cmocka_unit_test(no_key_of_a_broken_page_is_believed),
		cmocka_unit_test(pages_that_are_none_are_refused),
		cmocka_unit_test(an_entry_does_not_inherit_from_the_one_before),
		cmocka_unit_test(
		    a_key_of_the_longest_fits_and_one_more_byte_does_not),
		cmocka_unit_test(an_entry_tells_its_etag_and_its_time),
		cmocka_unit_test(an_etag_or_time_that_cannot_be_is_none),
		cmocka_unit_test(
		    an_etag_of_the_longest_fits_and_one_more_byte_does_not),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
