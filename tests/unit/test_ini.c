#include "codec/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOLD_MAX = 1 << 20 };

/* Tells what was handed over as "line[section]key=value|". */
static int
tell(void *arg, const struct ini_pair *pair, struct fault *f)
{
	struct buf *told = arg;

	(void)f;
	buf_fmt(told, "%zu[%.*s]%.*s=%.*s|", pair->line, (int)pair->section.n,
	    pair->section.p, (int)pair->key.n, pair->key.p, (int)pair->value.n,
	    pair->value.p);
	return 0;
}

static void
assert_tells(struct view file, const char *expected)
{
	struct buf told = BUF_INIT(TOLD_MAX);
	struct fault f = FAULT_INIT;

	assert_int_equal(ini_read(file, tell, &told, &f), 0);
	assert_string_equal(buf_str(&told), expected);
	buf_fini(&told);
}

static void
assert_refuses(struct view file, const char *why)
{
	struct buf told = BUF_INIT(TOLD_MAX);
	struct fault f = FAULT_INIT;

	assert_int_equal(ini_read(file, tell, &told, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, why);
	buf_fini(&told);
}

static void
hands_over_sections_and_pairs_with_their_lines(void **state)
{
	(void)state;
	assert_tells(VIEW("[a]\nx=1\n\n[ b c ]\n y = 2 = 3 \n"),
	    "1[a]=|2[a]x=1|4[b c]=|5[b c]y=2 = 3|");
	assert_tells(VIEW(""), "");
	assert_tells(VIEW("\n \n# only\n"), "");
	assert_tells(VIEW("[]"), "1[]=|");
	assert_tells(VIEW("[a]\nx="), "1[a]=|2[a]x=|");
}

static void
needs_no_last_line_feed_and_takes_crlf_and_a_mark(void **state)
{
	(void)state;
	assert_tells(VIEW("\xef\xbb\xbf[a]\r\nx = 1\r\ny =\r\nz = 3"),
	    "1[a]=|2[a]x=1|3[a]y=|4[a]z=3|");
}

static void
leaves_comments_out(void **state)
{
	(void)state;
	assert_tells(VIEW("# [no]\n; x = 1\n[a] # c\n  # y = 2\n[b];c\n"),
	    "3[a]=|5[b]=|");
	assert_tells(
	    VIEW("[a]\nx = 1 # c\ny = 2\t;c\nz = a#b;c\nw = # c\nv =#c\n"),
	    "1[a]=|2[a]x=1|3[a]y=2|4[a]z=a#b;c|5[a]w=|6[a]v=#c|");
}

static void
a_deeper_line_belongs_to_the_value_above(void **state)
{
	(void)state;
	assert_tells(
	    VIEW("[a]\ns3 =\n  b = path\n\n # c\n  d = e ; f\nx = 1\n"),
	    "1[a]=|2[a]s3=\n  b = path\n\n # c\n  d = e|7[a]x=1|");
	assert_tells(
	    VIEW("[a]\nx = 1\n\t2\n[b]\n"), "1[a]=|2[a]x=1\n\t2|4[b]=|");
}

static void
keys_that_are_all_indented_are_keys(void **state)
{
	(void)state;
	assert_tells(VIEW("[a]\n  x = 1\n  y = 2\n z = 3\n [b]\n"),
	    "1[a]=|2[a]x=1|3[a]y=2|4[a]z=3|5[b]=|");
}

static void
what_is_no_profile_file_is_refused_by_its_line(void **state)
{
	(void)state;
	assert_refuses(VIEW("x = 1\n"), "line 1: before the first section");
	assert_refuses(VIEW("\n[a\n"), "line 2: a section without its ]");
	assert_refuses(VIEW("[a] b\n"), "line 1: more after the section's ]");
	assert_refuses(
	    VIEW("[a]\nsecret\n"), "line 2: neither a section nor key = value");
	assert_refuses(VIEW("[a]\n = x\n"), "line 2: a value without a key");
	assert_refuses(VIEW("[a]\nx = a\0b\n"), "line 2: a NUL byte");
}

static void
bytes_that_are_not_utf8_are_refused(void **state)
{
	static const char *const bad[] = { "\x80", "\xc1\xbf", "\xc3(",
		"\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xff" };
	char file[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		(void)snprintf(file, sizeof file, "[a]\nx=%s\n", bad[i]);
		assert_refuses(view_str(file), "line 2: not UTF-8");
	}
	assert_tells(VIEW("[\xc3\xa9]\nx=\xe2\x82\xac\xf0\x9f\x90\xb1\n"),
	    "1[\xc3\xa9]=|2[\xc3\xa9]x=\xe2\x82\xac\xf0\x9f\x90\xb1|");
}

static void
lines_and_sections_have_their_limits(void **state)
{
	struct buf file = BUF_INIT(TOLD_MAX);
	struct fault f = FAULT_INIT;
	struct buf told = BUF_INIT(TOLD_MAX);
	int i;

	(void)state;
	for (i = 0; i < INI_SECTIONS_MAX; i++)
		buf_fmt(&file, "[%d]\n", i);
	assert_int_equal(ini_read(buf_view(&file), tell, &told, &f), 0);
	buf_fmt(&file, "[over]\n");
	assert_refuses(buf_view(&file), "line 1001: too many sections");
	buf_clear(&file);
	buf_fmt(&file, "[a]\nx=%0*d", INI_LINE_MAX - 2, 0);
	assert_int_equal(ini_read(buf_view(&file), tell, &told, &f), 0);
	buf_fmt(&file, "0");
	assert_refuses(buf_view(&file), "line 2: too long");
	buf_fini(&file);
	buf_fini(&told);
}

static int
refuse(void *arg, const struct ini_pair *pair, struct fault *f)
{
	int *calls = arg;

	++*calls;
	return pair->key.n == 0 ? 0 : fault_set(f, FAULT_RANGE, "enough");
}

static void
stops_when_it_is_told_to(void **state)
{
	struct fault f = FAULT_INIT;
	int calls = 0;

	(void)state;
	assert_int_equal(
	    ini_read(VIEW("[a]\nx=1\ny=2\n[b]\n"), refuse, &calls, &f), -1);
	assert_int_equal(f.kind, FAULT_RANGE);
	assert_int_equal(calls, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    hands_over_sections_and_pairs_with_their_lines),
		cmocka_unit_test(
		    needs_no_last_line_feed_and_takes_crlf_and_a_mark),
		cmocka_unit_test(leaves_comments_out),
		cmocka_unit_test(a_deeper_line_belongs_to_the_value_above),
		cmocka_unit_test(keys_that_are_all_indented_are_keys),
		cmocka_unit_test(
		    what_is_no_profile_file_is_refused_by_its_line),
		cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
		cmocka_unit_test(lines_and_sections_have_their_limits),
		cmocka_unit_test(stops_when_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
