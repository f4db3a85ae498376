#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
is_the_empty_text_before_anything_is_added(void **state)
{
	struct buf b = BUF_INIT(10);
	struct fault f = FAULT_INIT;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_view(&b).n, 0);
	assert_non_null(buf_view(&b).p);
	buf_add(&b, VIEW(""));
	buf_fmt(&b, "%s", "");
	assert_int_equal(buf_done(&b, &f), 0);
	buf_fini(&b);
	buf_fini(&b);
}

static void
keeps_bytes_and_ends_them_with_a_nul(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	buf_add(&b, VIEW("a\0b"));
	buf_fmt(&b, "%d-%s", 42, "x");
	assert_int_equal(b.len, 7);
	assert_memory_equal(b.data, "a\0b42-x", 8);
	buf_fini(&b);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.limit, 100);
}

static void
formats_what_is_longer_than_its_room(void **state)
{
	struct buf b = BUF_INIT(3000);
	size_t n;

	(void)state;
	for (n = 1; n <= 1000; n += 37) {
		buf_clear(&b);
		buf_fmt(&b, "%c", 'a');
		buf_fmt(&b, "%*d", (int)n, 7);
		buf_fmt(&b, "%s", "end");
		assert_int_equal(b.len, 1 + n + 3);
		assert_string_equal(b.data + n, "7end");
		buf_fini(&b);
	}
}

static void
spoils_the_rest_at_the_first_overflow(void **state)
{
	struct buf b = BUF_INIT(5);
	struct fault f = FAULT_INIT;

	(void)state;
	buf_add(&b, VIEW("abc"));
	buf_fmt(&b, "%d", 1234);
	buf_add(&b, VIEW("d"));
	assert_int_equal(buf_done(&b, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_string_equal(buf_str(&b), "abc");
	buf_fini(&b);
}

static void
is_full_at_its_limit_and_not_spoilt(void **state)
{
	struct buf b = BUF_INIT(300);
	struct fault f = FAULT_INIT;
	int i;

	(void)state;
	for (i = 0; i < 300; i++)
		buf_add(&b, VIEW("x"));
	assert_int_equal(buf_done(&b, &f), 0);
	assert_int_equal(b.len, 300);
	assert_true(b.cap <= b.limit + 1);
	buf_add(&b, VIEW("x"));
	assert_int_equal(buf_done(&b, &f), -1);
	buf_fini(&b);
}

static void
forgets_content_and_verdict_when_cleared(void **state)
{
	struct buf b = BUF_INIT(3);
	struct fault f = FAULT_INIT;

	(void)state;
	buf_add(&b, VIEW("abc"));
	buf_add(&b, VIEW("d"));
	assert_true(b.spoilt);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	buf_add(&b, VIEW("xyz"));
	assert_int_equal(buf_done(&b, &f), 0);
	assert_string_equal(buf_str(&b), "xyz");
	buf_fini(&b);
	buf_clear(&b);
}

static void
lends_room_up_to_its_limit(void **state)
{
	struct buf b = BUF_INIT(4);
	char *room;

	(void)state;
	assert_non_null(buf_room(&b, 0));
	room = buf_room(&b, 4);
	assert_non_null(room);
	memcpy(room, "full", 4);
	assert_string_equal(buf_str(&b), "full");
	assert_non_null(buf_room(&b, 0));
	assert_null(buf_room(&b, 1));
	assert_true(b.spoilt);
	assert_null(buf_room(&b, 0));
	assert_string_equal(buf_str(&b), "full");
	buf_fini(&b);
	b = BUF_INIT(4);
	assert_null(buf_room(&b, SIZE_MAX));
	buf_fini(&b);
}

static void
compares_views_with_words(void **state)
{
	(void)state;
	assert_int_equal(view_str(NULL).n, 0);
	assert_non_null(view_str(NULL).p);
	assert_true(view_is(VIEW(""), ""));
	assert_true(view_is(VIEW("ab"), "ab"));
	assert_false(view_is(VIEW("ab"), "abc"));
	assert_false(view_is(VIEW("ab\0"), "ab"));
	assert_true(view_begins(VIEW("abc"), "ab"));
	assert_true(view_begins(VIEW("abc"), ""));
	assert_false(view_begins(VIEW("a"), "ab"));
	assert_true(view_ends(VIEW("abc"), "bc"));
	assert_true(view_ends(VIEW("abc"), ""));
	assert_false(view_ends(VIEW("c"), "bc"));
	assert_true(view_same(VIEW("abc"), VIEW("abc")));
	assert_true(view_same(view_str(NULL), VIEW("")));
	assert_false(view_same(VIEW("abc"), VIEW("abd")));
	assert_false(view_same(VIEW("abc"), VIEW("ab")));
	assert_true(view_has(VIEW("abcd"), "cd"));
	assert_true(view_has(VIEW("a\0cd"), "cd"));
	assert_false(view_has(VIEW("abc"), "cd"));
}

static void
assert_json(struct view v, const char *want)
{
	struct buf b = BUF_INIT(200);

	buf_json(&b, v);
	assert_string_equal(buf_str(&b), want);
	buf_fini(&b);
}

static void
escapes_what_would_end_a_json_string(void **state)
{
	(void)state;
	assert_json(VIEW(""), "\"\"");
	assert_json(VIEW("plain /"), "\"plain /\"");
	assert_json(VIEW("\"\\"), "\"\\\"\\\\\"");
	assert_json(VIEW("a\nb\t\0\x1f\x7f"),
	    "\"a\\u000ab\\u0009\\u0000\\u001f\\u007f\"");
}

static void
leaves_valid_utf8_as_it_is(void **state)
{
	static const char *const good[] = { "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	char want[8];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++) {
		n = strlen(good[i]);
		want[0] = want[n + 1] = '"';
		memcpy(want + 1, good[i], n);
		want[n + 2] = '\0';
		assert_json(view_str(good[i]), want);
	}
}

#define FFFD "\\ufffd"

static void
replaces_bytes_that_are_not_utf8(void **state)
{
	(void)state;
	assert_json(VIEW("\x80"), "\"" FFFD "\"");
	assert_json(VIEW("a\xff"
			 "b"),
	    "\"a" FFFD "b\"");
	/* overlong: of '/', of U+07FF, of U+FFFF */
	assert_json(VIEW("\xc0\xaf"), "\"" FFFD FFFD "\"");
	assert_json(VIEW("\xc1\xbf"), "\"" FFFD FFFD "\"");
	assert_json(VIEW("\xe0\x9f\xbf"), "\"" FFFD FFFD FFFD "\"");
	assert_json(VIEW("\xf0\x8f\xbf\xbf"), "\"" FFFD FFFD FFFD FFFD "\"");
	/* surrogates, and beyond U+10FFFF */
	assert_json(VIEW("\xed\xa0\x80"), "\"" FFFD FFFD FFFD "\"");
	assert_json(VIEW("\xed\xbf\xbf"), "\"" FFFD FFFD FFFD "\"");
	assert_json(VIEW("\xf4\x90\x80\x80"), "\"" FFFD FFFD FFFD FFFD "\"");
	assert_json(VIEW("\xf5\x80"), "\"" FFFD FFFD "\"");
	/* cut off, at the end and before a quote */
	assert_json(VIEW("\xe2\x82"), "\"" FFFD FFFD "\"");
	assert_json(VIEW("\xe2\x82\""), "\"" FFFD FFFD "\\\"\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_empty_text_before_anything_is_added),
		cmocka_unit_test(keeps_bytes_and_ends_them_with_a_nul),
		cmocka_unit_test(formats_what_is_longer_than_its_room),
		cmocka_unit_test(spoils_the_rest_at_the_first_overflow),
		cmocka_unit_test(is_full_at_its_limit_and_not_spoilt),
		cmocka_unit_test(forgets_content_and_verdict_when_cleared),
		cmocka_unit_test(lends_room_up_to_its_limit),
		cmocka_unit_test(compares_views_with_words),
		cmocka_unit_test(escapes_what_would_end_a_json_string),
		cmocka_unit_test(leaves_valid_utf8_as_it_is),
		cmocka_unit_test(replaces_bytes_that_are_not_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
