#include "codec/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { DEPTH = 8 };

static struct json_doc *
open_good(struct view text)
{
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;

	if (json_open(&doc, text, DEPTH, &f) == -1)
		fail_msg("%s", f.text);
	assert_non_null(doc);
	return doc;
}

static void
refuse(struct view text, const char *words)
{
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;

	assert_int_equal(json_open(&doc, text, DEPTH, &f), -1);
	assert_null(doc);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, words);
}

static void
reads_every_kind_of_value(void **state)
{
	struct json_doc *doc =
	    open_good(VIEW("[null, true, false, -7, 1.5, 1e2, \"t\", [], {}]"));
	static const enum json_kind want[] = { JSON_KIND_NULL, JSON_KIND_BOOL,
		JSON_KIND_BOOL, JSON_KIND_INTEGER, JSON_KIND_REAL,
		JSON_KIND_REAL, JSON_KIND_TEXT, JSON_KIND_ARRAY,
		JSON_KIND_OBJECT, JSON_KIND_ABSENT };
	const struct json_value *root = json_root(doc);
	size_t i;

	(void)state;
	assert_int_equal(json_kind(root), JSON_KIND_ARRAY);
	assert_int_equal(json_count(root), 9);
	for (i = 0; i < 10; i++)
		assert_int_equal(json_kind(json_item(root, i)), want[i]);
	assert_false(json_truth(json_item(root, 0)));
	assert_true(json_truth(json_item(root, 1)));
	assert_false(json_truth(json_item(root, 2)));
	assert_true(json_integer_or(json_item(root, 3), 1) == -7);
	assert_true(json_integer_or(json_item(root, 4), 42) == 42);
	json_close(&doc);
	assert_null(doc);
	json_close(&doc);
}

static void
reads_a_document_that_is_one_scalar(void **state)
{
	struct json_doc *doc = open_good(VIEW(" \"alone\"\n"));

	(void)state;
	assert_true(view_is(json_text(json_root(doc)), "alone"));
	json_close(&doc);
	doc = open_good(VIEW("0"));
	assert_int_equal(json_kind(json_root(doc)), JSON_KIND_INTEGER);
	json_close(&doc);
}

static void
walks_a_path_without_asking_at_each_step(void **state)
{
	struct json_doc *doc =
	    open_good(VIEW("{\"a\":{\"b\":[{\"c\":\"found\"}]},\"n\":5}"));
	const struct json_value *root = json_root(doc), *v;

	(void)state;
	v = json_member(
	    json_item(json_member(json_member(root, "a"), "b"), 0), "c");
	assert_true(view_is(json_text(v), "found"));
	v = json_member(
	    json_item(json_member(json_member(root, "x"), "b"), 0), "c");
	assert_null(v);
	v = json_item(json_member(json_member(root, "a"), "b"), 1);
	assert_null(v);
	assert_null(json_member(json_member(root, "n"), "c"));
	assert_null(json_item(root, 0));
	json_close(&doc);
}

static void
finds_a_member_that_is_not_among_the_known_ones(void **state)
{
	static const char *const names[] = { "a", "b", NULL };
	static const char *const none[] = { NULL };
	struct json_doc *doc =
	    open_good(VIEW("[{\"a\":1,\"other\":2,\"b\":3},{\"b\":1},{},7]"));
	const struct json_value *root = json_root(doc);

	(void)state;
	assert_true(
	    view_is(json_other_member(json_item(root, 0), names), "other"));
	assert_int_equal(json_other_member(json_item(root, 1), names).n, 0);
	assert_true(view_is(json_other_member(json_item(root, 1), none), "b"));
	assert_int_equal(json_other_member(json_item(root, 2), none).n, 0);
	assert_int_equal(json_other_member(json_item(root, 3), none).n, 0);
	assert_int_equal(json_other_member(NULL, names).n, 0);
	json_close(&doc);
}

static void
says_not_there_of_a_null_pointer(void **state)
{
	(void)state;
	assert_int_equal(json_kind(NULL), JSON_KIND_ABSENT);
	assert_null(json_member(NULL, "a"));
	assert_int_equal(json_count(NULL), 0);
	assert_null(json_item(NULL, 0));
	assert_int_equal(json_text(NULL).n, 0);
	assert_non_null(json_text(NULL).p);
	assert_true(json_integer_or(NULL, 3) == 3);
	assert_false(json_truth(NULL));
}

static void
takes_no_kind_for_another(void **state)
{
	struct json_doc *doc =
	    open_good(VIEW("[\"1\", 1, \"true\", 1.0, {\"a\":1}]"));
	const struct json_value *root = json_root(doc);

	(void)state;
	assert_true(json_integer_or(json_item(root, 0), -1) == -1);
	assert_int_equal(json_text(json_item(root, 1)).n, 0);
	assert_false(json_truth(json_item(root, 1)));
	assert_false(json_truth(json_item(root, 2)));
	assert_true(json_integer_or(json_item(root, 3), -1) == -1);
	assert_int_equal(json_count(json_item(root, 4)), 0);
	json_close(&doc);
}

static void
reads_integers_up_to_both_ends_of_their_range(void **state)
{
	struct json_doc *doc =
	    open_good(VIEW("[9223372036854775807,-9223372036854775808]"));
	const struct json_value *root = json_root(doc);

	(void)state;
	assert_true(json_integer_or(json_item(root, 0), 0) == INT64_MAX);
	assert_true(json_integer_or(json_item(root, 1), 0) == INT64_MIN);
	json_close(&doc);
}

static void
a_number_that_nothing_holds_is_out_of_range(void **state)
{
	static const char *const numbers[] = { "[9223372036854775808]",
		"[-9223372036854775809]", "[1e999]" };
	struct json_doc *doc = NULL;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(
		    json_open(&doc, view_str(numbers[i]), 8, &f), -1);
		assert_int_equal(f.kind, FAULT_RANGE);
		assert_true(view_begins(view_str(f.text), "a number out of "));
	}
}

static void
decodes_escapes_and_surrogate_pairs(void **state)
{
	struct json_doc *doc =
	    open_good(VIEW("\"\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\""));

	(void)state;
	assert_true(view_is(
	    json_text(json_root(doc)), "\"\\/\n\xc3\xa9\xf0\x9f\x98\x80"));
	json_close(&doc);
}

static void
names_the_line_and_column_of_a_duplicate_key(void **state)
{
	(void)state;
	refuse(VIEW("{\n\"a\": 1,\n \"b\": 2, \"a\": 3}"),
	    "not JSON: line 3, column 12: duplicate object key");
}

static void
refuses_what_is_not_json(void **state)
{
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;

	(void)state;
	refuse(VIEW("{\"a\" 1}"), "not JSON: line 1, column 6: ':' expected");
	refuse(VIEW("[1,]"), "not JSON: line 1, column 4: unexpected token");
	refuse(
	    VIEW("[1] x"), "not JSON: line 1, column 5: end of file expected");
	refuse(VIEW("[\"\nsecret"),
	    "not JSON: line 1, column 2: unexpected newline");
	refuse(VIEW("\xef\xbb\xbf{}"), "not JSON: line 1, column 1: invalid "
				       "token");
	assert_int_equal(json_open(&doc, VIEW(""), DEPTH, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_true(view_begins(view_str(f.text), "not JSON: line 1"));
}

static void
never_quotes_the_input_in_a_fault(void **state)
{
	static const char *const bad[] = { "{\"k\": \x01secret}",
		"{\"k\": secret}", "\"secret", "{\"secret\":1,\"secret\":2}",
		"[\"secret\\x\"]", "[secret \xff]", "[\"secret near '\\q\"]" };
	struct json_doc *doc = NULL;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(
		    json_open(&doc, view_str(bad[i]), DEPTH, &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_false(view_has(view_str(f.text), "secret"));
	}
}

static void
refuses_a_nul_wherever_it_stands(void **state)
{
	(void)state;
	refuse(VIEW("[\"a\0b\"]"), "not JSON: line 1, column 4: a NUL byte");
	refuse(VIEW("[1\0,\n2]"), "not JSON: line 1, column 3: a NUL byte");
	refuse(VIEW("[1]\n\0"), "not JSON: line 2, column 1: a NUL byte");
	refuse(VIEW("[\"a\\u0000b\"]"),
	    "not JSON: line 1, column 11: \\u0000 "
	    "is not allowed without JSON_ALLOW_NUL");
}

/* Overlong, surrogate, beyond U+10FFFF, cut off, and a lone continuation. */
static void
refuses_strings_that_are_not_utf8(void **state)
{
	static const char *const bad[] = { "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"",
		"\"\xf0\x80\x80\xaf\"", "\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\x80\"", "\"\xff\"",
		"\"\\ud800\"", "\"\\udc00\\ud800\"" };
	struct json_doc *doc = NULL;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f = FAULT_INIT;
		if (json_open(&doc, view_str(bad[i]), DEPTH, &f) == 0)
			fail_msg("took number %zu", i);
		assert_int_equal(f.kind, FAULT_INPUT);
	}
}

static void
accepts_the_last_level_and_not_one_more(void **state)
{
	struct json_doc *doc = open_good(VIEW("[[[[[[[[1]]]]]]]]"));

	(void)state;
	json_close(&doc);
	doc = open_good(VIEW("[{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]"));
	json_close(&doc);
	refuse(VIEW("[[[[[[[[[1]]]]]]]]]"),
	    "not JSON: line 1, column 9: nested too deep");
	refuse(VIEW("{\"\xc3\xa9\":\n[[[[[[[{\n"),
	    "not JSON: line 2, column 8: nested too deep");
}

static void
counts_levels_and_not_brackets(void **state)
{
	struct json_doc *doc = open_good(
	    VIEW("[[],[],[],[],[],[],[],[],[],[],{},{},{},{},{},{},{}]"));

	(void)state;
	json_close(&doc);
	doc = open_good(VIEW("[\"[[[[[[[[[[\",\"{{{{{{{{{{\"]"));
	json_close(&doc);
	/* A quote after one backslash goes on, after two it ends. */
	doc =
	    open_good(VIEW("[\"\\\"[[[[[[[[[\",\"\\\\\",\"\\\\\\\"[[[[[[[\"]"));
	json_close(&doc);
	refuse(VIEW("[\"\\\\\",[[[[[[[[1]]]]]]]]]"),
	    "not JSON: line 1, column 14: nested too deep");
}

static void
survives_a_million_open_brackets(void **state)
{
	static char text[1000000];

	(void)state;
	memset(text, '[', sizeof text);
	refuse((struct view){ text, sizeof text },
	    "not JSON: line 1, column 9: nested too deep");
}

static void
reads_a_string_of_megabytes(void **state)
{
	struct buf b = BUF_INIT(5000000);
	struct json_doc *doc;
	char *room;

	(void)state;
	buf_add(&b, VIEW("{\"big\":\""));
	room = buf_room(&b, 4000000);
	assert_non_null(room);
	memset(room, 'A', 4000000);
	buf_add(&b, VIEW("\"}"));
	doc = open_good(buf_view(&b));
	assert_int_equal(
	    json_text(json_member(json_root(doc), "big")).n, 4000000);
	json_close(&doc);
	buf_fini(&b);
}

static void
has_a_word_for_every_kind(void **state)
{
	(void)state;
	assert_string_equal(json_kind_word(JSON_KIND_NULL), "null");
	assert_string_equal(json_kind_word(JSON_KIND_TEXT), "a string");
	assert_string_equal(json_kind_word(JSON_KIND_OBJECT), "an object");
	assert_string_equal(json_kind_word(JSON_KIND_ABSENT), "nothing");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_kind_of_value),
		cmocka_unit_test(reads_a_document_that_is_one_scalar),
		cmocka_unit_test(walks_a_path_without_asking_at_each_step),
		cmocka_unit_test(
		    finds_a_member_that_is_not_among_the_known_ones),
		cmocka_unit_test(says_not_there_of_a_null_pointer),
		cmocka_unit_test(takes_no_kind_for_another),
		cmocka_unit_test(reads_integers_up_to_both_ends_of_their_range),
		cmocka_unit_test(a_number_that_nothing_holds_is_out_of_range),
		cmocka_unit_test(decodes_escapes_and_surrogate_pairs),
		cmocka_unit_test(names_the_line_and_column_of_a_duplicate_key),
		cmocka_unit_test(refuses_what_is_not_json),
		cmocka_unit_test(never_quotes_the_input_in_a_fault),
		cmocka_unit_test(refuses_a_nul_wherever_it_stands),
		cmocka_unit_test(refuses_strings_that_are_not_utf8),
		cmocka_unit_test(accepts_the_last_level_and_not_one_more),
		cmocka_unit_test(counts_levels_and_not_brackets),
		cmocka_unit_test(survives_a_million_open_brackets),
		cmocka_unit_test(reads_a_string_of_megabytes),
		cmocka_unit_test(has_a_word_for_every_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
