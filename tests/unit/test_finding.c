#include "app/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct finding it;
static struct buf out;

static int
set_up(void **state)
{
	(void)state;
	it = FINDING_INIT;
	out = BUF_INIT(FINDING_LINE_MAX);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	finding_fini(&it);
	buf_fini(&out);
	return 0;
}

static void
a_good_finding_is_one_line(void **state)
{
	(void)state;
	finding_say(&it, FINDING_OK, "%d of %s", 3, "them");
	finding_print(&it, "disk", false, &out);
	assert_string_equal(
	    buf_str(&out), "ok       disk                3 of them\n");
}

static void
a_remedy_stands_indented_below(void **state)
{
	(void)state;
	finding_say(&it, FINDING_FAILED, "one");
	finding_add(&it, FINDING_WARNING, "two");
	finding_advise(&it, "do this");
	finding_advise(&it, "then that");
	finding_print(&it, "disk", false, &out);
	assert_string_equal(buf_str(&out), "FAILED   disk                one\n"
					   "                             two\n"
					   "         do this\n"
					   "         then that\n");
}

static void
colours_are_around_the_state_alone(void **state)
{
	(void)state;
	finding_say(&it, FINDING_WARNING, "x");
	finding_print(&it, "disk", true, &out);
	assert_string_equal(
	    buf_str(&out), "\033[33mwarning\033[0m  disk                x\n");
}

static void
a_state_is_raised_and_never_lowered(void **state)
{
	(void)state;
	finding_add(&it, FINDING_WARNING, "a");
	assert_int_equal(it.state, FINDING_WARNING);
	finding_add(&it, FINDING_FAILED, "b");
	finding_add(&it, FINDING_OK, "c");
	assert_int_equal(it.state, FINDING_FAILED);
	assert_string_equal(buf_str(&it.found), "a\nb\nc");
	finding_say(&it, FINDING_OK, "d");
	assert_int_equal(it.state, FINDING_OK);
	assert_string_equal(buf_str(&it.found), "d");
}

static void
what_could_move_a_cursor_is_not_printed(void **state)
{
	(void)state;
	finding_say(&it, FINDING_OK, "%s", "a\033[2Jb\rc\177\303\244");
	finding_print(&it, "x", false, &out);
	assert_true(view_has(buf_view(&out), "a?[2Jb?c?\303\244\n"));
}

static void
a_document_has_null_for_no_remedy(void **state)
{
	(void)state;
	finding_say(&it, FINDING_SKIPPED, "say \"why\"");
	finding_json(&it, "disk", &out);
	assert_string_equal(buf_str(&out),
	    "{\"name\":\"disk\",\"state\":\"skipped\","
	    "\"found\":\"say \\\"why\\\"\",\"remedy\":null}");
	buf_clear(&out);
	finding_advise(&it, "do");
	finding_json(&it, "disk", &out);
	assert_true(view_has(buf_view(&out), "\"remedy\":\"do\"}"));
}

static void
a_text_that_is_too_long_is_cut(void **state)
{
	char text[4096];

	(void)state;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	finding_say(&it, FINDING_OK, "%s", text);
	assert_in_range(it.found.len, 1024, sizeof text - 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_finding_is_one_line),
		TEST(a_remedy_stands_indented_below),
		TEST(colours_are_around_the_state_alone),
		TEST(a_state_is_raised_and_never_lowered),
		TEST(what_could_move_a_cursor_is_not_printed),
		TEST(a_document_has_null_for_no_remedy),
		TEST(a_text_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
