#include "codec/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
assert_view(struct view got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

static void
trims_white_space_at_both_ends_only(void **state)
{
	(void)state;
	assert_view(text_trim(VIEW("")), "");
	assert_view(text_trim(VIEW(" \t\r\n\v\f")), "");
	assert_view(text_trim(VIEW("\n a b\t")), "a b");
	assert_view(text_trim(VIEW("x")), "x");
	/* A no-break space is two bytes that are no ASCII. */
	assert_view(text_trim(VIEW("\xc2\xa0")), "\xc2\xa0");
}

static void
splits_at_each_separator(void **state)
{
	struct view rest = VIEW("a,,b"), piece = VIEW("");

	(void)state;
	assert_true(text_split(&rest, ',', &piece));
	assert_view(piece, "a");
	assert_true(text_split(&rest, ',', &piece));
	assert_view(piece, "");
	assert_true(text_split(&rest, ',', &piece));
	assert_view(piece, "b");
	assert_false(text_split(&rest, ',', &piece));
}

static void
splits_nothing_into_nothing(void **state)
{
	struct view rest = VIEW(""), piece = VIEW("kept");

	(void)state;
	assert_false(text_split(&rest, ',', &piece));
	assert_view(piece, "kept");
	rest = VIEW(",");
	assert_true(text_split(&rest, ',', &piece));
	assert_view(piece, "");
	assert_false(text_split(&rest, ',', &piece));
}

static void
compares_without_regard_to_ascii_case(void **state)
{
	(void)state;
	assert_true(text_same(VIEW(""), VIEW("")));
	assert_true(text_same(VIEW("Content-TYPE"), VIEW("content-type")));
	assert_true(text_same(VIEW("\xc3\x84z"), VIEW("\xc3\x84Z")));
	assert_false(text_same(VIEW("a"), VIEW("ab")));
	assert_false(text_same(VIEW("@"), VIEW("`")));
	assert_false(text_same(VIEW("["), VIEW("{")));
	assert_false(text_same(VIEW("a\0b"), VIEW("a\0c")));
	assert_false(text_same(VIEW("\xc3\x84"), VIEW("\xc3\xa4")));
}

/* One, two, three and four bytes: a, U+00E9, U+20AC, U+1F600. */
#define MIXED "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"

static void
counts_characters_and_not_bytes(void **state)
{
	(void)state;
	assert_int_equal(text_characters(VIEW("")), 0);
	assert_int_equal(text_characters(VIEW("abc")), 3);
	assert_int_equal(text_characters(VIEW(MIXED)), 4);
	assert_int_equal(text_characters(VIEW("\xf4\x8f\xbf\xbf")), 1);
}

static void
cuts_between_characters(void **state)
{
	(void)state;
	assert_view(text_cut(VIEW(MIXED), 0), "");
	assert_view(text_cut(VIEW(MIXED), 1), "a");
	assert_view(text_cut(VIEW(MIXED), 2), "a\xc3\xa9");
	assert_view(text_cut(VIEW(MIXED), 3), "a\xc3\xa9\xe2\x82\xac");
	assert_view(text_cut(VIEW(MIXED), 4), MIXED);
	assert_view(text_cut(VIEW(MIXED), 5), MIXED);
	assert_view(text_cut(VIEW(""), 5), "");
}

static void
fits_whole_characters_into_bytes(void **state)
{
	(void)state;
	assert_view(text_fit(VIEW(MIXED), 0), "");
	assert_view(text_fit(VIEW(MIXED), 2), "a");
	assert_view(text_fit(VIEW(MIXED), 3), "a\xc3\xa9");
	assert_view(text_fit(VIEW(MIXED), 5), "a\xc3\xa9");
	assert_view(text_fit(VIEW(MIXED), 9), "a\xc3\xa9\xe2\x82\xac");
	assert_view(text_fit(VIEW(MIXED), 10), MIXED);
	assert_view(text_fit(VIEW(MIXED), 11), MIXED);
	assert_view(text_fit(VIEW(""), 5), "");
	/* Not UTF-8: never more than was allowed, and no further than p. */
	assert_view(text_fit(VIEW("\x80\x80\x80"), 1), "");
}

static void
knows_a_word_that_is_safe_in_a_url(void **state)
{
	char c = '\0';

	(void)state;
	assert_false(text_is_word(VIEW("")));
	assert_true(text_is_word(VIEW("-")));
	assert_true(text_is_word(VIEW("azAZ09._-")));
	assert_false(text_is_word(VIEW("a/b")));
	assert_false(text_is_word(VIEW("ab ")));
	do
		assert_int_equal(text_is_word((struct view){ &c, 1 }),
		    c != '\0' && strchr("abcdefghijklmnopqrstuvwxyz0123456789"
					"ABCDEFGHIJKLMNOPQRSTUVWXYZ._-",
				     c) != NULL);
	while (++c != '\0');
}

static void
knows_what_is_visible(void **state)
{
	char c = '\0';

	(void)state;
	assert_true(text_is_visible(VIEW("")));
	assert_true(text_is_visible(VIEW("!a~")));
	assert_false(text_is_visible(VIEW("a b")));
	do
		assert_int_equal(text_is_visible((struct view){ &c, 1 }),
		    (unsigned char)c >= 0x21 && (unsigned char)c <= 0x7e);
	while (++c != '\0');
}

static void
reads_whole_numbers_up_to_both_ends_of_their_range(void **state)
{
	int64_t n = 1;

	(void)state;
	assert_true(text_number(VIEW("0"), &n));
	assert_true(n == 0);
	assert_true(text_number(VIEW("-0"), &n));
	assert_true(n == 0);
	assert_true(text_number(VIEW("007"), &n));
	assert_true(n == 7);
	assert_true(text_number(VIEW("-34"), &n));
	assert_true(n == -34);
	assert_true(text_number(VIEW("9223372036854775807"), &n));
	assert_true(n == INT64_MAX);
	assert_true(text_number(VIEW("-9223372036854775808"), &n));
	assert_true(n == INT64_MIN);
}

static void
refuses_what_is_no_whole_number(void **state)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0",
		"--1", "1-", "0x1", "1e3", "9223372036854775808",
		"-9223372036854775809", "99999999999999999999999" };
	int64_t n = 5;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (text_number(view_str(bad[i]), &n))
			fail_msg("took \"%s\"", bad[i]);
	assert_false(text_number(VIEW("1\0"), &n));
	assert_true(n == 5);
}

static void
decodes_percent_escapes_and_leaves_plus_alone(void **state)
{
	struct buf b = BUF_INIT(100);
	struct fault f = FAULT_INIT;

	(void)state;
	buf_add(&b, VIEW("before:"));
	assert_int_equal(
	    text_unescape(VIEW("a+b%2Fc%2f%e2%82%AC%25%01"), &b, &f), 0);
	assert_string_equal(buf_str(&b), "before:a+b/c/\xe2\x82\xac%\x01");
	buf_clear(&b);
	assert_int_equal(text_unescape(VIEW(""), &b, &f), 0);
	assert_string_equal(buf_str(&b), "");
	/* Only once: what comes out is not decoded again. */
	assert_int_equal(text_unescape(VIEW("%252e"), &b, &f), 0);
	assert_string_equal(buf_str(&b), "%2e");
	buf_fini(&b);
}

static void
refuses_broken_escapes_and_an_escaped_nul(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{ "%", "broken %-escape at byte 0" },
		{ "ab%4", "broken %-escape at byte 2" },
		{ "%4g", "broken %-escape at byte 0" },
		{ "%%41", "broken %-escape at byte 0" },
		{ "%+1", "broken %-escape at byte 0" },
		{ "%2F%00", "%00 at byte 3" },
	};
	struct buf b = BUF_INIT(100);
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(
		    text_unescape(view_str(bad[i].text), &b, &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_string_equal(f.text, bad[i].words);
	}
	buf_fini(&b);
}

static void
unescapes_up_to_the_limit_of_the_buf(void **state)
{
	struct buf b = BUF_INIT(3);
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(text_unescape(VIEW("%41%42%43"), &b, &f), 0);
	assert_string_equal(buf_str(&b), "ABC");
	assert_int_equal(text_unescape(VIEW("%44"), &b, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	buf_fini(&b);
}

static void
finds_the_first_parameter_of_a_name(void **state)
{
	const struct view q = VIEW("a=1&redirect=yes%20&a=2&bare&=x&e=&c=d=f");
	struct view v = VIEW("");

	(void)state;
	assert_true(text_query(q, "a", &v));
	assert_view(v, "1");
	assert_true(text_query(q, "redirect", &v));
	assert_view(v, "yes%20");
	assert_true(text_query(q, "bare", &v));
	assert_view(v, "");
	assert_true(text_query(q, "e", &v));
	assert_view(v, "");
	assert_true(text_query(q, "c", &v));
	assert_view(v, "d=f");
	assert_true(text_query(q, "", &v));
	assert_view(v, "x");
}

static void
finds_no_parameter_by_a_part_of_its_name(void **state)
{
	struct view v = VIEW("kept");

	(void)state;
	assert_false(text_query(VIEW(""), "a", &v));
	assert_false(text_query(VIEW("ab=1&b"), "a", &v));
	assert_false(text_query(VIEW("a=1"), "ab", &v));
	assert_false(text_query(VIEW("A=1"), "a", &v));
	assert_false(text_query(VIEW("x=a=1;a=2"), "a", &v));
	assert_view(v, "kept");
}

/* RFC 4648, section 10, and the two letters that are no letters. */
static const struct {
	const char *plain, *coded;
} vectors[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
	{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" } };

static void
writes_and_reads_the_base64_of_rfc_4648(void **state)
{
	struct buf b = BUF_INIT(100);
	struct fault f = FAULT_INIT;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		n = strlen(vectors[i].plain);
		assert_int_equal(text_base64_size(n), strlen(vectors[i].coded));
		buf_clear(&b);
		text_base64(&b, view_str(vectors[i].plain));
		assert_string_equal(buf_str(&b), vectors[i].coded);
		buf_clear(&b);
		assert_int_equal(
		    text_unbase64(view_str(vectors[i].coded), &b, &f), 0);
		assert_int_equal(b.len, n);
		assert_string_equal(buf_str(&b), vectors[i].plain);
	}
	buf_fini(&b);
}

static void
brings_every_byte_in_every_place_through_base64(void **state)
{
	struct buf coded = BUF_INIT(2000), plain = BUF_INIT(1000);
	struct fault f = FAULT_INIT;
	char bytes[3 * 256];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7 + i / 256);
	for (n = sizeof bytes - 4; n <= sizeof bytes; n++) {
		buf_clear(&coded);
		buf_clear(&plain);
		text_base64(&coded, (struct view){ bytes, n });
		assert_int_equal(coded.len, text_base64_size(n));
		assert_int_equal(
		    text_unbase64(buf_view(&coded), &plain, &f), 0);
		assert_int_equal(plain.len, n);
		assert_memory_equal(plain.data, bytes, n);
	}
	buf_fini(&coded);
	buf_fini(&plain);
}

static void
refuse_base64(struct view v, const char *words)
{
	struct buf b = BUF_INIT(100);
	struct fault f = FAULT_INIT;

	assert_int_equal(text_unbase64(v, &b, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, words);
	buf_fini(&b);
}

static void
refuses_a_base64_text_without_its_padding(void **state)
{
	(void)state;
	refuse_base64(
	    VIEW("Zg"), "base64 ends inside a group of four, at byte 2");
	refuse_base64(
	    VIEW("Zg="), "base64 ends inside a group of four, at byte 3");
	refuse_base64(
	    VIEW("Zm9vY"), "base64 ends inside a group of four, at byte 5");
}

static void
refuses_padding_anywhere_but_at_the_end(void **state)
{
	(void)state;
	refuse_base64(VIEW("===="), "not base64 at byte 0");
	refuse_base64(VIEW("Z==="), "not base64 at byte 1");
	refuse_base64(VIEW("Zg=A"), "not base64 at byte 2");
	refuse_base64(VIEW("Zg==Zg=="), "not base64 at byte 2");
	refuse_base64(VIEW("Zm8=Zg=="), "not base64 at byte 3");
	refuse_base64(VIEW("Zm9v===="), "not base64 at byte 4");
}

static void
refuses_base64_with_unused_bits_set(void **state)
{
	(void)state;
	refuse_base64(VIEW("Zh=="), "not base64 at byte 1");
	refuse_base64(VIEW("Zv=="), "not base64 at byte 1");
	refuse_base64(VIEW("Zm9="), "not base64 at byte 2");
	refuse_base64(VIEW("Zm9vZm+="), "not base64 at byte 6");
}

static void
refuses_every_byte_outside_the_base64_alphabet(void **state)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789+/";
	char text[] = "AAAAAAAA", words[40];
	struct buf b = BUF_INIT(100);
	struct fault f = FAULT_INIT;
	size_t at;
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		at = (size_t)c % 7; /* "=" at the very end may stand */
		text[at] = (char)c;
		if (memchr(letters, c, sizeof letters - 1) == NULL) {
			(void)snprintf(
			    words, sizeof words, "not base64 at byte %zu", at);
			refuse_base64(VIEW(text), words);
		} else {
			buf_clear(&b);
			assert_int_equal(text_unbase64(VIEW(text), &b, &f), 0);
		}
		text[at] = 'A';
	}
	buf_fini(&b);
}

static void
decodes_base64_up_to_the_limit_of_the_buf(void **state)
{
	struct buf b = BUF_INIT(4);
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(text_unbase64(VIEW("Zm9vYg=="), &b, &f), 0);
	assert_int_equal(text_unbase64(VIEW(""), &b, &f), 0);
	assert_int_equal(text_unbase64(VIEW("Zg=="), &b, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	/* A spoilt buf stays spoilt, also when nothing more is added. */
	f = FAULT_INIT;
	assert_int_equal(text_unbase64(VIEW(""), &b, &f), -1);
	buf_clear(&b);
	text_base64(&b, VIEW("foob"));
	assert_true(b.spoilt);
	buf_fini(&b);
}

static void
reads_protobuf_durations_and_cuts_below_a_millisecond(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "0s", 0 }, { "34s", 34000 }, { "1.5s", 1500 },
		{ "0.001s", 1 }, { "0.0009s", 0 }, { "1.999999999s", 1999 },
		{ "34.074824224s", 34074 }, { "1000000000s", 1000000000000 },
		{ "1000000000.000s", 1000000000000 },
		{ "999999999.999999999s", 999999999999 } };
	int64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		ms = -1;
		assert_true(text_duration_ms(view_str(good[i].text), &ms));
		assert_true(ms == good[i].ms);
	}
}

static void
refuses_what_is_no_duration(void **state)
{
	static const char *const bad[] = { "", "s", "34", "34 s", " 34s",
		"34s ", "34S", "-1s", "-0s", "+1s", "1.s", ".5s", ".s", "1.-5s",
		"1.5.5s", "1.0000000000s", "1e3s", "34ms", "1000000001s",
		"1000000000.000000001s", "99999999999999999999s" };
	int64_t ms = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (text_duration_ms(view_str(bad[i]), &ms))
			fail_msg("took \"%s\"", bad[i]);
	assert_true(ms == 7);
}

/* Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110. */
static const int64_t rfc_date_ms = 784111777000;

static int64_t
retry_after(const char *text, int64_t now_ms)
{
	int64_t ms = -1;

	return text_retry_after_ms(view_str(text), now_ms, &ms) ? ms : -1;
}

static void
reads_retry_after_in_seconds(void **state)
{
	(void)state;
	assert_true(retry_after("0", 5) == 0);
	assert_true(retry_after("120", 5) == 120000);
	/* Absurd, but well-formed: as long as we ever wait. */
	assert_true(retry_after("1000000000", 5) == 1000000000000);
	assert_true(retry_after("1000000001", 5) == 1000000000000);
	assert_true(
	    retry_after("99999999999999999999999999", 5) == 1000000000000);
}

static void
reads_retry_after_as_a_date(void **state)
{
	const char *date = "Sun, 06 Nov 1994 08:49:37 GMT";

	(void)state;
	assert_true(retry_after(date, rfc_date_ms - 1500) == 1500);
	assert_true(retry_after(date, rfc_date_ms) == 0);
	assert_true(retry_after(date, rfc_date_ms + 1) == 0);
	assert_true(retry_after(date, INT64_MAX) == 0);
	assert_true(
	    retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 0) == 1709164800000);
	assert_true(
	    retry_after("Fri, 31 Dec 9999 23:59:59 GMT", 0) == 253402300799000);
	assert_true(
	    retry_after("Sat, 31 Dec 2016 23:59:60 GMT", 0) == 1483228799000);
	assert_true(
	    retry_after("Thu, 01 Jan 1970 00:00:00 GMT", -1500) == 1500);
}

static void
refuses_what_is_neither_seconds_nor_a_fixed_date(void **state)
{
	static const char *const bad[] = { "", "-1", "1.5", " 120", "120 ",
		"+5", "soon", "0x10",
		/* RFC 850's and asctime's forms are obsolete */
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		/* no such day of the week, no such day, no such hour */
		"Som, 06 Nov 1994 08:49:37 GMT",
		"Wed, 31 Dec 1969 23:59:59 GMT",
		"Wed, 31 Feb 2024 00:00:00 GMT",
		"Thu, 29 Feb 2023 00:00:00 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		/* not to the letter */
		"sun, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 ovD 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 gmt",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun; 06 Nov 1994 08:49:37 GMT",
		"Sun, +6 Nov 1994 08:49:37 GMT" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (retry_after(bad[i], 0) != -1)
			fail_msg("took \"%s\"", bad[i]);
}

static int64_t
http_date(const char *text)
{
	int64_t unix_s = -1;

	return text_http_date_s(view_str(text), &unix_s) ? unix_s : -1;
}

static int64_t
moment(const char *text)
{
	int64_t unix_s = -1;

	return text_moment_s(view_str(text), &unix_s) ? unix_s : -1;
}

static void
reads_http_dates_from_1970_to_9999(void **state)
{
	(void)state;
	assert_true(http_date("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
	assert_true(http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
	assert_true(http_date("Fri, 31 Dec 9999 23:59:59 GMT") == 253402300799);
	assert_true(http_date("Thu, 29 Feb 2024 12:00:00 GMT") == 1709208000);
	/* 2000 was a leap year, 2100 will be none. */
	assert_true(http_date("Tue, 29 Feb 2000 00:00:00 GMT") == 951782400);
	assert_true(http_date("Mon, 29 Feb 2100 00:00:00 GMT") == -1);
	assert_true(http_date("Wed, 31 Dec 1969 23:59:59 GMT") == -1);
	assert_true(http_date("Sat, 01 Jan 0000 00:00:00 GMT") == -1);
}

static void
takes_any_day_of_the_week_and_a_leap_second(void **state)
{
	(void)state;
	assert_true(http_date("Mon, 06 Nov 1994 08:49:37 GMT") == 784111777);
	assert_true(http_date("Xyz, 06 Nov 1994 08:49:37 GMT") == -1);
	assert_true(http_date("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228799);
	assert_true(http_date("Sat, 31 Dec 2016 23:59:61 GMT") == -1);
	assert_true(moment("2016-12-31T23:59:60Z") == 1483228799);
	assert_true(moment("2016-12-31T23:59:61Z") == -1);
}

static void
reads_a_moment_and_cuts_its_fraction(void **state)
{
	(void)state;
	assert_true(moment("1970-01-01T00:00:00Z") == 0);
	assert_true(moment("2015-08-30T12:36:00Z") == 1440938160);
	assert_true(moment("2015-08-30T12:36:00.000Z") == 1440938160);
	assert_true(moment("2015-08-30T12:36:00.9Z") == 1440938160);
	assert_true(
	    moment("2015-08-30T12:36:00.99999999999999999999Z") == 1440938160);
	assert_true(moment("2015-08-30T12:36:00+00:00") == 1440938160);
	assert_true(moment("2015-08-30T12:36:00.5+00:00") == 1440938160);
	assert_true(moment("9999-12-31T23:59:59Z") == 253402300799);
}

static void
refuses_what_is_no_moment(void **state)
{
	static const char *const bad[] = { "", "Z", "2015-08-30",
		"2015-08-30T12:36:00", "2015-08-30T12:36:00.Z",
		"2015-08-30T12:36:00.", "2015-08-30T12:36:00.5",
		"2015-08-30T12:36:00ZZ", "2015-08-30T12:36:00Z ",
		" 2015-08-30T12:36:00Z", "2015-08-30T12:36:00z",
		"2015-08-30t12:36:00Z", "2015-08-30 12:36:00Z",
		"20150830T123600Z", "2015-8-30T12:36:00Z",
		"2015-08-30T12:36:00+01:00", "2015-08-30T12:36:00-00:00",
		"2015-08-30T12:36:00+0000", "2015-08-30T12:36:00,5Z",
		"2015-08-30T12:36:00.-5Z", "2015-00-30T12:36:00Z",
		"2015-13-30T12:36:00Z", "2015-08-00T12:36:00Z",
		"2015-08-32T12:36:00Z", "2015-02-29T12:36:00Z",
		"2015-04-31T12:36:00Z", "2015-08-30T24:00:00Z",
		"2015-08-30T12:60:00Z", "1969-12-31T23:59:59Z",
		"-015-08-30T12:36:00Z", "+2015-08-30T12:36:00Z",
		"12015-08-30T12:36:00Z" };
	int64_t unix_s = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (text_moment_s(view_str(bad[i]), &unix_s))
			fail_msg("took \"%s\"", bad[i]);
	assert_false(text_moment_s(VIEW("2015-08-30T12:36:00Z\0"), &unix_s));
	assert_false(
	    text_http_date_s(VIEW("Sun, 31 Feb 1994 08:49:37 GMT"), &unix_s));
	assert_true(unix_s == 7);
}

static void
assert_basic(int64_t unix_s, const char *want)
{
	char out[TEXT_BASIC_SIZE];

	memset(out, 'x', sizeof out);
	text_basic_moment(out, unix_s);
	assert_string_equal(out, want);
}

static void
writes_a_moment_as_signatures_do(void **state)
{
	(void)state;
	assert_basic(0, "19700101T000000Z");
	assert_basic(1440938160, "20150830T123600Z");
	assert_basic(951868799, "20000229T235959Z");
	assert_basic(253402300799, "99991231T235959Z");
	/* Some clocks and some peers lie; the form stays the same. */
	assert_basic(-1, "19700101T000000Z");
	assert_basic(INT64_MIN, "19700101T000000Z");
	assert_basic(253402300800, "99991231T235959Z");
	assert_basic(INT64_MAX, "99991231T235959Z");
}

/* A day and some seconds at a time through all the years. */
static void
reads_in_both_forms_what_it_writes_of_every_day(void **state)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char basic[TEXT_BASIC_SIZE], iso[32], http[40];
	int64_t s;
	int month;

	(void)state;
	for (s = 0; s <= 253402300799; s += 86400 + 3677) {
		text_basic_moment(basic, s);
		(void)snprintf(iso, sizeof iso,
		    "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", basic, basic + 4,
		    basic + 6, basic + 9, basic + 11, basic + 13);
		month = (basic[4] - '0') * 10 + basic[5] - '1';
		(void)snprintf(http, sizeof http,
		    "Sun, %.2s %.3s %.4s %.2s:%.2s:%.2s GMT", basic + 6,
		    months + 3 * month, basic, basic + 9, basic + 11,
		    basic + 13);
		if (moment(iso) != s || http_date(http) != s)
			fail_msg("%s", basic);
	}
}

static void
assert_escaped(struct view v, bool keep_slash, const char *want)
{
	struct buf b = BUF_INIT(200);

	buf_add(&b, VIEW("/"));
	text_escape(&b, v, keep_slash);
	assert_false(b.spoilt);
	assert_string_equal(buf_str(&b) + 1, want);
	buf_fini(&b);
}

static void
escapes_as_aws_signs(void **state)
{
	(void)state;
	assert_escaped(VIEW(""), false, "");
	assert_escaped(VIEW("azAZ09-._~"), false, "azAZ09-._~");
	assert_escaped(VIEW("a/b c+d"), false, "a%2Fb%20c%2Bd");
	assert_escaped(VIEW("a/b c+d"), true, "a/b%20c%2Bd");
	assert_escaped(VIEW("*'()!=&%"), true, "%2A%27%28%29%21%3D%26%25");
	assert_escaped(
	    VIEW("\0\x7f\xff\xe2\x82\xac"), true, "%00%7F%FF%E2%82%AC");
}

static void
unescapes_what_it_has_escaped(void **state)
{
	struct buf coded = BUF_INIT(1000), plain = BUF_INIT(1000);
	struct fault f = FAULT_INIT;
	char bytes[255];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i + 1);
	text_escape(&coded, (struct view){ bytes, sizeof bytes }, true);
	assert_int_equal(coded.len, 67 + (255 - 67) * 3);
	assert_int_equal(text_unescape(buf_view(&coded), &plain, &f), 0);
	assert_int_equal(plain.len, sizeof bytes);
	assert_memory_equal(plain.data, bytes, sizeof bytes);
	buf_fini(&coded);
	buf_fini(&plain);
}

static void
escapes_up_to_the_limit_of_the_buf(void **state)
{
	struct buf b = BUF_INIT(4);

	(void)state;
	text_escape(&b, VIEW("a/"), false);
	assert_string_equal(buf_str(&b), "a%2F");
	assert_false(b.spoilt);
	text_escape(&b, VIEW("a"), false);
	assert_true(b.spoilt);
	buf_clear(&b);
	text_escape(&b, VIEW("a b/"), false);
	assert_true(b.spoilt);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trims_white_space_at_both_ends_only),
		cmocka_unit_test(splits_at_each_separator),
		cmocka_unit_test(splits_nothing_into_nothing),
		cmocka_unit_test(compares_without_regard_to_ascii_case),
		cmocka_unit_test(counts_characters_and_not_bytes),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(fits_whole_characters_into_bytes),
		cmocka_unit_test(knows_a_word_that_is_safe_in_a_url),
		cmocka_unit_test(knows_what_is_visible),
		cmocka_unit_test(
		    reads_whole_numbers_up_to_both_ends_of_their_range),
		cmocka_unit_test(refuses_what_is_no_whole_number),
		cmocka_unit_test(decodes_percent_escapes_and_leaves_plus_alone),
		cmocka_unit_test(refuses_broken_escapes_and_an_escaped_nul),
		cmocka_unit_test(unescapes_up_to_the_limit_of_the_buf),
		cmocka_unit_test(finds_the_first_parameter_of_a_name),
		cmocka_unit_test(finds_no_parameter_by_a_part_of_its_name),
		cmocka_unit_test(writes_and_reads_the_base64_of_rfc_4648),
		cmocka_unit_test(
		    brings_every_byte_in_every_place_through_base64),
		cmocka_unit_test(refuses_a_base64_text_without_its_padding),
		cmocka_unit_test(refuses_padding_anywhere_but_at_the_end),
		cmocka_unit_test(refuses_base64_with_unused_bits_set),
		cmocka_unit_test(
		    refuses_every_byte_outside_the_base64_alphabet),
		cmocka_unit_test(decodes_base64_up_to_the_limit_of_the_buf),
		cmocka_unit_test(
		    reads_protobuf_durations_and_cuts_below_a_millisecond),
		cmocka_unit_test(refuses_what_is_no_duration),
		cmocka_unit_test(reads_retry_after_in_seconds),
		cmocka_unit_test(reads_retry_after_as_a_date),
		cmocka_unit_test(
		    refuses_what_is_neither_seconds_nor_a_fixed_date),
		cmocka_unit_test(reads_http_dates_from_1970_to_9999),
		cmocka_unit_test(takes_any_day_of_the_week_and_a_leap_second),
		cmocka_unit_test(reads_a_moment_and_cuts_its_fraction),
		cmocka_unit_test(refuses_what_is_no_moment),
		cmocka_unit_test(writes_a_moment_as_signatures_do),
		cmocka_unit_test(
		    reads_in_both_forms_what_it_writes_of_every_day),
		cmocka_unit_test(escapes_as_aws_signs),
		cmocka_unit_test(unescapes_what_it_has_escaped),
		cmocka_unit_test(escapes_up_to_the_limit_of_the_buf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
