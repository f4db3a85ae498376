#include "app/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1 << 20)
#define GIB ((int64_t)1 << 30)

static struct buf out;

static const char *
written(void)
{
	struct fault f = FAULT_INIT;

	assert_int_equal(buf_done(&out, &f), 0);
	return buf_str(&out);
}

static int
begin(void **state)
{
	(void)state;
	out = BUF_INIT(1 << 20);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

/* --- amounts --- */

static void
expect_bytes(int64_t bytes, const char *text)
{
	buf_clear(&out);
	progress_bytes(&out, bytes);
	assert_string_equal(written(), text);
}

static void
bytes_are_told_in_the_largest_unit_and_never_rounded_up(void **state)
{
	(void)state;
	expect_bytes(0, "0 B");
	expect_bytes(1023, "1023 B");
	expect_bytes(1024, "1.0 KiB");
	expect_bytes(1536, "1.5 KiB");
	expect_bytes(MIB - 1, "1023.9 KiB");
	expect_bytes(MIB, "1.0 MiB");
	expect_bytes(5 * GIB / 2, "2.5 GiB");
	expect_bytes(GIB * 1024 * 1024, "1.0 PiB");
	expect_bytes(INT64_MAX, "8191.9 PiB");
}

static void
expect_span(int64_t seconds, const char *text)
{
	buf_clear(&out);
	progress_span(&out, seconds);
	assert_string_equal(written(), text);
}

static void
times_are_told_in_minutes_and_hours(void **state)
{
	(void)state;
	expect_span(0, "0:00");
	expect_span(59, "0:59");
	expect_span(60, "1:00");
	expect_span(3599, "59:59");
	expect_span(3600, "1:00:00");
	expect_span(93789, "26:03:09");
	expect_span(INT64_MAX, "2562047788015215:30:07");
}

/* --- safe texts --- */

static void
expect_safe(struct view text, const char *shown)
{
	buf_clear(&out);
	progress_safe(&out, text);
	assert_string_equal(written(), shown);
}

static void
what_could_move_a_cursor_is_escaped(void **state)
{
	(void)state;
	expect_safe(VIEW("scenes/1/a b.mp4"), "scenes/1/a b.mp4");
	expect_safe(VIEW("a\nb"), "a\\x0ab");
	expect_safe(VIEW("\x1b]0;x\x07"), "\\x1b]0;x\\x07");
	expect_safe(VIEW("\x7f\0"), "\\x7f\\x00");
	expect_safe(VIEW("\xc2\x9b"), "\\xc2\\x9b"); /* CSI of C1 */
	expect_safe(VIEW("gpj\xe2\x80\xae"), "gpj\\xe2\\x80\\xae");
	expect_safe(VIEW("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");
}

static void
what_is_not_utf_8_is_escaped_byte_by_byte(void **state)
{
	(void)state;
	expect_safe(VIEW("\xff\xfe"), "\\xff\\xfe");
	expect_safe(VIEW("a\xc3"), "a\\xc3");
	expect_safe(VIEW("\xc0\xaf"), "\\xc0\\xaf");
	expect_safe(VIEW("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");
	expect_safe(VIEW("\xed\xa0\x80"), "\\xed\\xa0\\x80");
	expect_safe(VIEW("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
	expect_safe(VIEW("\xc3(\xc3\xa9"), "\\xc3(\xc3\xa9");
}

static void
what_is_safe_stays_as_it_is_also_a_second_time(void **state)
{
	static const char text[] = "caf\xc3\xa9/\xe6\x98\xa0\\x0a\xf0\x9f\x8e"
				   "\xac";

	(void)state;
	expect_safe(VIEW(text), text);
}

/* --- the line --- */

static const struct progress_view half = { .now = { .files_done = 120,
					       .files_total = 300,
					       .bytes_done = GIB,
					       .bytes_total = 2 * GIB },
	.rate = 32 * MIB,
	.path = "scenes/12/take-3.mp4" };

static const char *
render(const struct progress_view *v, size_t columns)
{
	buf_clear(&out);
	progress_render(v, columns, &out);
	return written();
}

static void
a_wide_line_has_everything(void **state)
{
	(void)state;
	assert_string_equal(render(&half, 120),
	    "[##########----------]  50%  1.0/2.0 GiB  120/300 files  "
	    "32.0 MiB/s  0:32 left  scenes/12/take-3.mp4");
}

static void
what_does_not_fit_is_left_out_from_the_right(void **state)
{
	(void)state;
	assert_string_equal(render(&half, 79),
	    "[#####-----]  50%  1.0/2.0 GiB  120/300 files  32.0 MiB/s  "
	    "0:32 left  ...-3.mp4");
	assert_string_equal(render(&half, 72),
	    "[#####-----]  50%  1.0/2.0 GiB  120/300 files  32.0 MiB/s  "
	    "0:32 left");
	assert_string_equal(render(&half, 60),
	    "[#####-----]  50%  1.0/2.0 GiB  120/300 files  32.0 MiB/s");
	assert_string_equal(
	    render(&half, 39), "50%  1.0/2.0 GiB  120/300 files");
	assert_string_equal(render(&half, 20), "50%  1.0/2.0 GiB");
	assert_string_equal(render(&half, 2), "");
	assert_string_equal(render(&half, 0), "");
}

static void
no_line_is_wider_than_it_may_be(void **state)
{
	struct progress_view v = half;
	size_t columns;

	(void)state;
	v.path = "a/very/long/path/of/plain/letters/that/fits/on/no/"
		 "terminal/of/this/width/at/all/and/goes/on/and/on.mp4";
	for (columns = 0; columns < 200; columns++)
		assert_true(strlen(render(&v, columns)) <= columns);
}

static void
a_path_is_cut_between_characters_and_by_columns(void **state)
{
	struct progress_view v = half;

	(void)state;
	/* Each of these is three bytes and two columns wide. */
	v.path = "\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0"
		 ".mp4";
	assert_non_null(strstr(render(&v, 84),
	    "left  \xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0\xe7\x94\xbb\xe6\x98"
	    "\xa0.mp4"));
	assert_non_null(strstr(render(&v, 83),
	    "left  ...\xe6\x98\xa0\xe7\x94\xbb\xe6\x98\xa0.mp4"));
	assert_non_null(
	    strstr(render(&v, 82), "left  ...\xe7\x94\xbb\xe6\x98\xa0.mp4"));
	assert_non_null(
	    strstr(render(&v, 81), "left  ...\xe7\x94\xbb\xe6\x98\xa0.mp4"));
	assert_non_null(strstr(render(&v, 80), "left  ...\xe6\x98\xa0.mp4"));
	/* A cut leaves no accent without its letter. */
	v.path = "0123456789e\xcc\x81.mp4";
	assert_non_null(strstr(render(&v, 78), "left  ...e\xcc\x81.mp4"));
	assert_non_null(strstr(render(&v, 77), "left  ....mp4"));
}

static void
a_hostile_path_cannot_leave_its_line(void **state)
{
	struct progress_view v = half;

	(void)state;
	v.path = "a\r\n\x1b[2J";
	assert_non_null(strstr(render(&v, 120), "a\\x0d\\x0a\\x1b[2J"));
	assert_null(strchr(written(), '\n'));
	v.path = "\x1b\x1b\x1b\x1b\x1b\x1b";
	assert_non_null(strstr(render(&v, 85), "left  ...\\x1b\\x1b"));
	assert_null(strchr(written(), '\x1b'));
}

static void
nothing_and_empty_files_are_no_division_by_zero(void **state)
{
	struct progress_view v = { .path = "" };

	(void)state;
	assert_string_equal(
	    render(&v, 80), "[##########]  100%  0/0 B  0/0 files");
	v.now.files_total = 4;
	v.now.files_done = 1;
	assert_string_equal(
	    render(&v, 80), "[###-------]  25%  0/0 B  1/4 files");
}

static void
it_is_not_all_until_the_last_byte(void **state)
{
	struct progress_view v = { .now = { .files_total = 1,
				       .bytes_done = 100 * GIB - 1,
				       .bytes_total = 100 * GIB },
		.rate = 1,
		.path = "" };

	(void)state;
	assert_non_null(strstr(render(&v, 120), "99%  99.9/100.0 GiB"));
	v.now.bytes_done = 200 * GIB; /* more than was said */
	assert_non_null(strstr(render(&v, 120), "100%"));
	v.now.bytes_done = -1;
	assert_non_null(strstr(render(&v, 120), "  0%"));
	v.now.bytes_total = INT64_MAX;
	v.now.bytes_done = INT64_MAX / 2;
	assert_non_null(strstr(render(&v, 120), "50%"));
}

/* --- from beginning to end --- */

static struct progress p;

static const char *
tell(int64_t ticks_ms, int64_t files, int64_t bytes, bool is_idle)
{
	const struct progress_news news = { .now = { .files_done = files,
						.files_total = 10,
						.bytes_done = bytes,
						.bytes_total = 10 * MIB },
		.path = "a.mp4",
		.is_idle = is_idle,
		.columns = 100,
		.ticks_ms = ticks_ms };

	buf_clear(&out);
	progress_tell(&p, &news, &out);
	return written();
}

static const char *
finish(int64_t ticks_ms)
{
	buf_clear(&out);
	progress_end(&p, ticks_ms, &out);
	return written();
}

static const char *
say(const char *line)
{
	buf_clear(&out);
	progress_say(&p, view_str(line), &out);
	return written();
}

static void
a_terminal_s_line_is_drawn_ten_times_a_second_at_most(void **state)
{
	int64_t ms;
	int drawn = 0;

	(void)state;
	progress_begin(&p, PROGRESS_TERMINAL, "persist-job j", 1000);
	for (ms = 1000; ms < 2000; ms++)
		drawn += tell(ms, 0, ms, false)[0] != '\0';
	assert_int_equal(drawn, 10);
}

static void
a_terminal_s_line_begins_at_its_left_and_is_erased(void **state)
{
	const char *line;

	(void)state;
	progress_begin(&p, PROGRESS_TERMINAL, "persist-job j", 0);
	assert_string_equal(finish(5), "");
	line = tell(10, 5, 5 * MIB, true);
	assert_string_equal(
	    line, "\r[#####-----]  50%  5.0/10.0 MiB  5/10 files  a.mp4\x1b[K");
	assert_string_equal(finish(20), "\r\x1b[K");
	assert_string_equal(finish(30), "");
}

static void
a_drawn_line_gives_way_to_one_that_stays(void **state)
{
	(void)state;
	progress_begin(&p, PROGRESS_TERMINAL, "persist-job j", 0);
	assert_string_equal(say("a: bad"), "a: bad\n");
	(void)tell(0, 5, 5 * MIB, true);
	assert_string_equal(say("b\n: bad"), "\r\x1b[Kb\\x0a: bad\n");
	assert_string_equal(say("c: bad"), "c: bad\n");
	assert_string_equal(tell(50, 6, 6 * MIB, true), "");
	assert_true(tell(100, 7, 7 * MIB, true)[0] == '\r');
}

static void
elsewhere_there_is_a_line_first_last_and_each_five_seconds(void **state)
{
	(void)state;
	progress_begin(&p, PROGRESS_LINES, "persist-job j", 0);
	assert_string_equal(
	    tell(0, 0, 0, true), "persist-job j: 10 files, 10.0 MiB\n");
	assert_string_equal(tell(4999, 1, MIB, true), "");
	assert_string_equal(tell(5000, 2, 2 * MIB, true),
	    "persist-job j: 20%, 2.0/10.0 MiB, 2/10 files\n");
	assert_string_equal(tell(9999, 3, 3 * MIB, true), "");
	assert_string_equal(say("a: bad"), "a: bad\n");
	assert_true(tell(10000, 4, 4 * MIB, true)[0] != '\0');
	assert_string_equal(
	    finish(83000), "persist-job j: 4/10 files after 1:23\n");
}

static void
what_ends_before_it_begins_says_nothing(void **state)
{
	(void)state;
	progress_begin(&p, PROGRESS_LINES, "persist-job j", 0);
	assert_string_equal(finish(1000), "");
}

static void
silence_is_kept(void **state)
{
	(void)state;
	progress_begin(&p, PROGRESS_SILENT, "persist-job j", 0);
	assert_string_equal(tell(0, 0, 0, false), "");
	assert_string_equal(tell(60000, 5, 5 * MIB, false), "");
	assert_string_equal(say("a: bad"), "");
	assert_string_equal(finish(60001), "");
}

static void
the_rate_is_of_what_was_moved_and_smoothed(void **state)
{
	(void)state;
	progress_begin(&p, PROGRESS_SILENT, "persist-job j", 0);
	(void)tell(3000, 5, 5 * MIB, true);  /* was there already */
	(void)tell(4000, 5, 6 * MIB, false); /* begun nobody knows when */
	assert_int_equal(p.rate, 0);
	(void)tell(5000, 5, 7 * MIB, false);
	assert_int_equal(p.rate, MIB);
	(void)tell(6000, 5, 7 * MIB, false); /* nothing in a second: 1/6 less */
	assert_in_range(p.rate, MIB * 5 / 6 - 1, MIB * 5 / 6 + 1);
	(void)tell(7000, 5, 3 * MIB, false); /* taken back: as nothing */
	assert_in_range(p.rate, MIB * 25 / 36 - 1, MIB * 25 / 36 + 1);
	(void)tell(3600 * 1000, 5, 4 * MIB, false);
	assert_in_range(p.rate, 0, MIB / 100);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(bytes_are_told_in_the_largest_unit_and_never_rounded_up),
		TEST(times_are_told_in_minutes_and_hours),
		TEST(what_could_move_a_cursor_is_escaped),
		TEST(what_is_not_utf_8_is_escaped_byte_by_byte),
		TEST(what_is_safe_stays_as_it_is_also_a_second_time),
		TEST(a_wide_line_has_everything),
		TEST(what_does_not_fit_is_left_out_from_the_right),
		TEST(no_line_is_wider_than_it_may_be),
		TEST(a_path_is_cut_between_characters_and_by_columns),
		TEST(a_hostile_path_cannot_leave_its_line),
		TEST(nothing_and_empty_files_are_no_division_by_zero),
		TEST(it_is_not_all_until_the_last_byte),
		TEST(a_terminal_s_line_is_drawn_ten_times_a_second_at_most),
		TEST(a_terminal_s_line_begins_at_its_left_and_is_erased),
		TEST(a_drawn_line_gives_way_to_one_that_stays),
		TEST(
		    elsewhere_there_is_a_line_first_last_and_each_five_seconds),
		TEST(what_ends_before_it_begins_says_nothing),
		TEST(silence_is_kept),
		TEST(the_rate_is_of_what_was_moved_and_smoothed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
