#include "aws/parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define BEGUN(inside)                                                          \
	"<?xml version=\"1.0\"?><InitiateMultipartUploadResult" NS             \
	"><Bucket>b</Bucket><Key>k</Key>" inside                               \
	"</InitiateMultipartUploadResult>"
#define ENDED(inside)                                                          \
	" \n <?xml version=\"1.0\"?><CompleteMultipartUploadResult" NS ">"     \
	"<Location>l</Location>" inside "</CompleteMultipartUploadResult>"
#define PARTS(inside)                                                          \
	"<ListPartsResult" NS "><Key>k</Key>" inside "</ListPartsResult>"
#define PART(number, size)                                                     \
	"<Part><PartNumber>" number "</PartNumber><LastModified>"              \
	"2026-11-22T10:15:00Z</LastModified><ETag>&quot;e" number              \
	"&quot;</ETag><Size>" size "</Size></Part>"
#define UPLOADS(inside)                                                        \
	"<ListMultipartUploadsResult" NS ">" inside                            \
	"</ListMultipartUploadsResult>"
#define URL "<EncodingType>url</EncodingType>"
#define UPLOAD(key, id)                                                        \
	"<Upload><Key>" key "</Key><UploadId>" id                              \
	"</UploadId><Initiator><ID>me</ID></Initiator></Upload>"
#define MORE "<IsTruncated>true</IsTruncated>"

enum { SEEN_MAX = 4096, LONG_MAX_BYTES = 8192 };

static char seen[SEEN_MAX];
static int stop_at; /* refuses what is found then, from 1; 0: nothing */
static int count;
static struct fault fault;

static int
set_up(void **state)
{
	(void)state;
	seen[0] = '\0';
	stop_at = count = 0;
	fault = FAULT_INIT;
	return 0;
}

static int
note(const char *text, struct fault *f)
{
	const size_t len = strlen(seen);

	if (++count == stop_at)
		return fault_set(f, FAULT_INPUT, "enough");
	(void)snprintf(seen + len, sizeof seen - len, "%s;", text);
	return 0;
}

static int
note_part(void *arg, const struct part *part, struct fault *f)
{
	char text[256];

	(void)arg;
	(void)snprintf(text, sizeof text, "%lld:%lld:%.*s",
	    (long long)part->number, (long long)part->size, (int)part->etag.n,
	    part->etag.p);
	return note(text, f);
}

static int
note_upload(void *arg, const char *key, const char *id, struct fault *f)
{
	char text[SEEN_MAX];

	(void)arg;
	(void)snprintf(text, sizeof text, "%s=%s", key, id);
	return note(text, f);
}

static int
read_parts(const char *page, int64_t *marker)
{
	fault = FAULT_INIT;
	return parts_read(view_str(page), note_part, NULL, marker, &fault);
}

static int
read_uploads(const char *page, struct parts_place *place)
{
	fault = FAULT_INIT;
	seen[0] = '\0';
	return parts_read_uploads(
	    view_str(page), note_upload, NULL, place, &fault);
}

/* --- one word --- */

static void
the_id_of_an_upload_is_read(void **state)
{
	struct buf id = BUF_INIT(PARTS_ID_MAX);

	(void)state;
	buf_add(&id, VIEW("of before"));
	assert_int_equal(
	    parts_read_id(
		VIEW(BEGUN("<UploadId>2~a/b+c=&amp;</UploadId>")), &id, &fault),
	    0);
	assert_string_equal(buf_str(&id), "2~a/b+c=&");
	buf_fini(&id);
}

static void
an_upload_without_a_good_id_is_refused(void **state)
{
	static char page[LONG_MAX_BYTES];
	static const char *const none[] = { "", "hello", BEGUN(""),
		BEGUN("<UploadId/>"), BEGUN("<UploadId>  </UploadId>"),
		ENDED("<UploadId>x</UploadId>"),
		"<Error><Code>InternalError</Code></Error>",
		"<InitiateMultipartUploadResult><UploadId>x</UploadId>" };
	char longest[PARTS_ID_MAX + 2];
	struct buf id = BUF_INIT(PARTS_ID_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof none / sizeof none[0]; i++) {
		fault = FAULT_INIT;
		if (parts_read_id(view_str(none[i]), &id, &fault) == 0)
			fail_msg("accepted: %s", none[i]);
		assert_int_equal(fault.kind, FAULT_REMOTE);
	}
	memset(longest, 'i', sizeof longest);
	longest[PARTS_ID_MAX + 1] = '\0';
	(void)snprintf(
	    page, sizeof page, BEGUN("<UploadId>%s</UploadId>"), longest);
	assert_int_equal(parts_read_id(view_str(page), &id, &fault), -1);
	longest[PARTS_ID_MAX] = '\0';
	(void)snprintf(
	    page, sizeof page, BEGUN("<UploadId>%s</UploadId>"), longest);
	assert_int_equal(parts_read_id(view_str(page), &id, &fault), 0);
	assert_string_equal(buf_str(&id), longest);
	buf_fini(&id);
}

static void
the_etag_of_an_object_is_read_without_its_quotes(void **state)
{
	struct buf etag = BUF_INIT(PARTS_ETAG_MAX);

	(void)state;
	assert_int_equal(
	    parts_read_etag(
		VIEW(ENDED("<ETag>&quot;e-2&quot;</ETag>")), &etag, &fault),
	    0);
	assert_string_equal(buf_str(&etag), "e-2");
	assert_int_equal(
	    parts_read_etag(VIEW(ENDED("<ETag>e-3</ETag>")), &etag, &fault), 0);
	assert_string_equal(buf_str(&etag), "e-3");
	assert_int_equal(
	    parts_read_etag(VIEW(ENDED("<ETag></ETag>")), &etag, &fault), 0);
	assert_string_equal(buf_str(&etag), "");
	assert_int_equal(parts_read_etag(VIEW(ENDED("")), &etag, &fault), 0);
	assert_string_equal(buf_str(&etag), "");
	assert_int_equal(
	    parts_read_etag(VIEW(BEGUN("<ETag>e</ETag>")), &etag, &fault), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	buf_fini(&etag);
}

/* --- parts --- */

static void
a_page_of_parts_gives_each_and_says_where_it_goes_on(void **state)
{
	int64_t marker = 0;

	(void)state;
	assert_int_equal(
	    read_parts(
		PARTS(
		    "<NextPartNumberMarker>2</NextPartNumberMarker>" MORE PART(
			"1", "16777216") PART("2", "5")),
		&marker),
	    0);
	assert_int_equal(marker, 2);
	assert_int_equal(
	    read_parts(PARTS(PART("7", "0") "<IsTruncated>false</IsTruncated>"
					    "<NextPartNumberMarker>7"
					    "</NextPartNumberMarker>"),
		&marker),
	    0);
	assert_int_equal(marker, 0);
	assert_string_equal(seen, "1:16777216:e1;2:5:e2;7:0:e7;");
	assert_int_equal(read_parts(PARTS(""), &marker), 0);
}

static void
a_list_of_parts_must_get_on(void **state)
{
	int64_t marker = 5;

	(void)state;
	assert_int_equal(read_parts(PARTS(MORE), &marker), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_int_equal(read_parts(PARTS(MORE "<NextPartNumberMarker>5"
					       "</NextPartNumberMarker>"),
			     &marker),
	    -1);
	assert_int_equal(read_parts(PARTS(MORE "<NextPartNumberMarker>6"
					       "</NextPartNumberMarker>"),
			     &marker),
	    0);
	assert_int_equal(marker, 6);
}

static void
pages_of_parts_that_are_none_are_refused(void **state)
{
	static const char *const none[] = { "", "hello", UPLOADS(""),
		"<ListPartsResult>" PART("1", "1"), PARTS(PART("0", "1")),
		PARTS(PART("-1", "1")), PARTS(PART("x", "1")),
		PARTS(PART("1", "-1")), PARTS(PART("1", "")),
		PARTS(PART("1", "99999999999999999999")), PARTS("<Part/>"),
		PARTS(PART("1", "1") "<Part><PartNumber>2</PartNumber></Part>"),
		PARTS("<Part><PartNumber>1</PartNumber><Size>1</Size></Part>"),
		PARTS("<Part><PartNumber>1</PartNumber><Size>1</Size>"
		      "<ETag>&quot;&quot;</ETag></Part>"),
		PARTS(PART("1", "1") "<Part><PartNumber>2</PartNumber>"
				     "<ETag>e</ETag></Part>"),
		PARTS(PART("1", "1") "<Part><Size>2</Size>"
				     "<ETag>e</ETag></Part>"),
		"<!DOCTYPE x>" PARTS("") };
	int64_t marker;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof none / sizeof none[0]; i++) {
		marker = 0;
		if (read_parts(none[i], &marker) == 0)
			fail_msg("accepted: %s", none[i]);
		assert_int_equal(fault.kind, FAULT_REMOTE);
	}
}

static void
whoever_takes_them_may_stop_with_a_fault_of_their_own(void **state)
{
	struct parts_place place = PARTS_PLACE_INIT;
	int64_t marker = 0;

	(void)state;
	stop_at = 2;
	assert_int_equal(
	    read_parts(
		PARTS(PART("1", "1") PART("2", "1") PART("3", "1")), &marker),
	    -1);
	assert_int_equal(count, 2);
	assert_int_equal(fault.kind, FAULT_INPUT);
	count = 0;
	assert_int_equal(read_uploads(UPLOADS(UPLOAD("a", "1") UPLOAD("b", "2")
					      UPLOAD("c", "3")),
			     &place),
	    -1);
	assert_int_equal(count, 2);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_string_equal(seen, "a=1;");
	parts_place_fini(&place);
}

/* --- uploads --- */

static void
a_page_of_uploads_gives_each_and_says_where_it_goes_on(void **state)
{
	struct parts_place place = PARTS_PLACE_INIT;

	(void)state;
	assert_int_equal(
	    read_uploads(
		UPLOADS(
		    "<NextKeyMarker>b+c</NextKeyMarker>"
		    "<NextUploadIdMarker>2+</NextUploadIdMarker>" MORE UPLOAD(
			"a%2Fb+%2B", "1+%2B") UPLOAD("b+c", "2+") URL),
		&place),
	    0);
	assert_string_equal(seen, "a/b +=1+%2B;b c=2+;");
	assert_string_equal(buf_str(&place.key), "b c");
	assert_string_equal(buf_str(&place.upload_id), "2+");
	assert_int_equal(
	    read_uploads(UPLOADS("<IsTruncated>false</IsTruncated>"
				 "<NextKeyMarker>z</NextKeyMarker>" UPLOAD(
				     "a%2Fb+&amp;", "3")),
		&place),
	    0);
	assert_string_equal(seen, "a%2Fb+&=3;"); /* not said to be escaped */
	assert_int_equal(place.key.len, 0);
	assert_int_equal(place.upload_id.len, 0);
	assert_int_equal(read_uploads(UPLOADS(""), &place), 0);
	parts_place_fini(&place);
}

static void
a_list_of_uploads_must_get_on(void **state)
{
#define AT(key, id)                                                            \
	UPLOADS(MORE "<NextKeyMarker>" key "</NextKeyMarker>"                  \
		     "<NextUploadIdMarker>" id "</NextUploadIdMarker>")
	struct parts_place place = PARTS_PLACE_INIT;

	(void)state;
	assert_int_equal(read_uploads(UPLOADS(MORE), &place), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_int_equal(read_uploads(AT("", "1"), &place), -1);
	parts_place_fini(&place);
	place = PARTS_PLACE_INIT;
	assert_int_equal(read_uploads(AT("a", "1"), &place), 0);
	assert_int_equal(read_uploads(AT("a", "2"), &place), 0);
	assert_int_equal(read_uploads(AT("b", "2"), &place), 0);
	assert_int_equal(read_uploads(AT("b", "2"), &place), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	parts_place_fini(&place);
#undef AT
}

static void
pages_of_uploads_that_are_none_are_refused(void **state)
{
	static const char *const none[] = { "", "hello", PARTS(""),
		"<ListMultipartUploadsResult>" UPLOAD("a", "1"),
		UPLOADS(UPLOAD("", "1")), UPLOADS(UPLOAD("a", "")),
		UPLOADS("<Upload/>"), UPLOADS(URL UPLOAD("%00", "1")),
		UPLOADS(URL UPLOAD("%4", "1")),
		UPLOADS(UPLOAD("a", "1") "<Upload><Key>b</Key></Upload>"),
		"<!DOCTYPE x>" UPLOADS("") };
	struct parts_place place = PARTS_PLACE_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof none / sizeof none[0]; i++) {
		if (read_uploads(none[i], &place) == 0)
			fail_msg("accepted: %s", none[i]);
		assert_int_equal(fault.kind, FAULT_REMOTE);
	}
	parts_place_fini(&place);
}

static void
a_key_or_an_id_that_is_too_long_is_refused(void **state)
{
	static char page[LONG_MAX_BYTES], text[LISTING_KEY_MAX + 2];
	struct parts_place place = PARTS_PLACE_INIT;

	(void)state;
	memset(text, 'k', LISTING_KEY_MAX + 1);
	(void)snprintf(page, sizeof page, UPLOADS(UPLOAD("%s", "1")), text);
	assert_int_equal(read_uploads(page, &place), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	text[LISTING_KEY_MAX] = '\0';
	(void)snprintf(page, sizeof page, UPLOADS(UPLOAD("a", "%s")), text);
	assert_int_equal(read_uploads(page, &place), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	(void)snprintf(page, sizeof page, UPLOADS(UPLOAD("%s", "%.*s")), text,
	    PARTS_ID_MAX, text);
	assert_int_equal(read_uploads(page, &place), 0);
	assert_int_equal(strlen(seen), LISTING_KEY_MAX + PARTS_ID_MAX + 2);
	parts_place_fini(&place);
}

/* --- the list --- */

static void
the_list_has_every_part_in_order_and_is_escaped(void **state)
{
	static const struct parts_etag etags[] = { { "e1" },
		{ "a&b<c>\"d/+=" } };
	struct buf list = BUF_INIT(2 * PARTS_LINE_MAX);

	(void)state;
	assert_int_equal(parts_write(&list, etags, 2, &fault), 0);
	assert_string_equal(buf_str(&list),
	    "<CompleteMultipartUpload" NS ">"
	    "<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
	    "<Part><PartNumber>2</PartNumber>"
	    "<ETag>\"a&amp;b&lt;c&gt;\"d/+=\"</ETag></Part>"
	    "</CompleteMultipartUpload>");
	buf_fini(&list);
}

static void
an_etag_that_no_document_can_hold_is_refused(void **state)
{
	static const struct parts_etag etags[] = { { "a\001" }, { "\xff" },
		{ "\x7f" }, { "a\nb" } };
	struct buf list = BUF_INIT(2 * PARTS_LINE_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof etags / sizeof etags[0]; i++) {
		fault = FAULT_INIT;
		buf_clear(&list);
		assert_int_equal(parts_write(&list, &etags[i], 1, &fault), -1);
		assert_int_equal(fault.kind, FAULT_REMOTE);
	}
	buf_fini(&list);
}

static void
a_list_of_the_longest_etags_has_room(void **state)
{
	struct parts_etag etags[3];
	struct buf list = BUF_INIT(256 + 3 * PARTS_LINE_MAX);
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		memset(etags[i].text, '&', PARTS_ETAG_MAX);
		etags[i].text[PARTS_ETAG_MAX] = '\0';
	}
	assert_int_equal(parts_write(&list, etags, 3, &fault), 0);
	buf_fini(&list);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_id_of_an_upload_is_read),
		TEST(an_upload_without_a_good_id_is_refused),
		TEST(the_etag_of_an_object_is_read_without_its_quotes),
		TEST(a_page_of_parts_gives_each_and_says_where_it_goes_on),
		TEST(a_list_of_parts_must_get_on),
		TEST(pages_of_parts_that_are_none_are_refused),
		TEST(whoever_takes_them_may_stop_with_a_fault_of_their_own),
		TEST(a_page_of_uploads_gives_each_and_says_where_it_goes_on),
		TEST(a_list_of_uploads_must_get_on),
		TEST(pages_of_uploads_that_are_none_are_refused),
		TEST(a_key_or_an_id_that_is_too_long_is_refused),
		TEST(the_list_has_every_part_in_order_and_is_escaped),
		TEST(an_etag_that_no_document_can_hold_is_refused),
		TEST(a_list_of_the_longest_etags_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
