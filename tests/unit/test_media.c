#include "codec/media.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"

static struct media *
open_table(struct view table)
{
	struct media *m = NULL;
	struct fault f = FAULT_INIT;

	assert_int_equal(media_open(&m, table, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
	return m;
}

static void
assert_type(const char *table, const char *name, const char *want)
{
	struct media *m = open_table(view_str(table));

	assert_string_equal(media_type(m, name), want);
	media_close(&m);
	assert_null(m);
}

static void
an_extension_has_the_type_of_its_line(void **state)
{
	static const char table[] = "# a comment\n"
				    "\n"
				    "image/png\t\t\tpng\n"
				    "image/jpeg jpeg jpg jpe\n"
				    "application/x-nothing\n"
				    "video/mp4 mp4 # mpg4\n"
				    "text/x-c++src c++";

	(void)state;
	assert_type(table, "cat.png", "image/png");
	assert_type(table, "cat.jpg", "image/jpeg");
	assert_type(table, "cat.jpeg", "image/jpeg");
	assert_type(table, "cat.jpe", "image/jpeg");
	assert_type(table, "a.mp4", "video/mp4");
	assert_type(table, "a.mpg4", MEDIA_UNKNOWN);
	assert_type(table, "a.c++", "text/x-c++src");
	assert_type(table, "a.jp", MEDIA_UNKNOWN);
	assert_type(table, "a.pngg", MEDIA_UNKNOWN);
}

static void
only_what_stands_behind_the_last_dot_counts(void **state)
{
	static const char table[] = "image/png png\ntext/plain txt\n";

	(void)state;
	assert_type(table, "", MEDIA_UNKNOWN);
	assert_type(table, "png", MEDIA_UNKNOWN);
	assert_type(table, ".png", "image/png");
	assert_type(table, "a.", MEDIA_UNKNOWN);
	assert_type(table, "a.txt.png", "image/png");
	assert_type(table, "a.png.", MEDIA_UNKNOWN);
	assert_type(table, "a.png~", MEDIA_UNKNOWN);
	assert_type(table, "scenes.png/1", MEDIA_UNKNOWN);
	assert_type(table, "scenes.txt/1.png", "image/png");
	assert_type(table, "a.png ", MEDIA_UNKNOWN);
	assert_type(table, "a.\xc3\xbc", MEDIA_UNKNOWN);
}

static void
letter_case_does_not_matter_in_names_or_the_table(void **state)
{
	static const char table[] = "image/png pNg\nAudio/AMR AMR\n";

	(void)state;
	assert_type(table, "A.PNG", "image/png");
	assert_type(table, "a.PnG", "image/png");
	assert_type(table, "a.amr", "Audio/AMR");
	assert_type("a/b \xc3\x9c\n", "a.\xc3\xbc", MEDIA_UNKNOWN);
	assert_type("a/b [\n", "a.{", MEDIA_UNKNOWN);
}

static void
the_first_of_two_types_counts(void **state)
{
	static const char table[] = "one/one same other\n"
				    "two/two SAME last\n"
				    "three/three same LAST\n";

	(void)state;
	assert_type(table, "a.same", "one/one");
	assert_type(table, "a.other", "one/one");
	assert_type(table, "a.last", "two/two");
}

static void
lines_without_sense_do_not_count(void **state)
{
	static const char *const bad[] = { "png png", "/ png", "image/ png",
		"/png png", "a/b/c png", "a/b;c=d png", "a/\"b png",
		"a\x01/b png", "\xc3\xbc/b png", "# image/png png",
		"#image/png png", "image/#png png", ".a/b png", "a/.b png",
		"a/b\r\nc", "image/\npng png" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_type(bad[i], "a.png", MEDIA_UNKNOWN);
	assert_type("nonsense\nimage/png png\n/", "a.png", "image/png");
	assert_type(
	    "image/png png\r\ntext/plain txt\r\n", "a.png", "image/png");
	assert_type(" \v\f image/png\t \fpng", "a.png", "image/png");
}

static void
a_type_is_at_most_as_long_as_a_header_may_bear(void **state)
{
	char table[MEDIA_TYPE_MAX + 16], want[MEDIA_TYPE_MAX + 1];

	(void)state;
	memset(want, 't', MEDIA_TYPE_MAX);
	want[5] = '/';
	want[MEDIA_TYPE_MAX] = '\0';
	(void)snprintf(table, sizeof table, "%s x\n", want);
	assert_type(table, "a.x", want);
	(void)snprintf(table, sizeof table, "%st x\n", want);
	assert_type(table, "a.x", MEDIA_UNKNOWN);
}

static void
the_empty_table_knows_nothing(void **state)
{
	struct media *m = open_table((struct view){ NULL, 0 });

	(void)state;
	assert_string_equal(media_type(m, "a.png"), MEDIA_UNKNOWN);
	media_close(&m);
	media_close(&m);
	assert_type("\n\n#\n \n", "a.png", MEDIA_UNKNOWN);
}

static void
a_nul_ends_a_line_and_what_follows_is_not_lost(void **state)
{
	struct media *m =
	    open_table(VIEW("image/png p\0ng png\nvideo/mp4 mp4\n\0"));

	(void)state;
	assert_string_equal(media_type(m, "a.p"), "image/png");
	assert_string_equal(media_type(m, "a.png"), MEDIA_UNKNOWN);
	assert_string_equal(media_type(m, "a.mp4"), "video/mp4");
	media_close(&m);
}

static void
the_table_need_not_outlive_the_opening(void **state)
{
	char table[] = "image/png png\n";
	struct media *m = open_table(view_str(table));

	(void)state;
	memset(table, 'x', sizeof table);
	assert_string_equal(media_type(m, "a.png"), "image/png");
	media_close(&m);
}

static void
each_of_thousands_is_found(void **state)
{
	enum { MANY = 5000 };
	struct buf table = BUF_INIT(MEDIA_TABLE_MAX);
	char name[32], want[32];
	struct media *m;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) /* 2003 is prime to 5000: no order */
		buf_fmt(&table, "t/%d e%d E%dx\n", i * 2003 % MANY,
		    i * 2003 % MANY, i * 2003 % MANY);
	m = open_table(buf_view(&table));
	for (i = 0; i < MANY; i++) {
		(void)snprintf(want, sizeof want, "t/%d", i);
		(void)snprintf(name, sizeof name, "a.e%d", i);
		assert_string_equal(media_type(m, name), want);
		(void)snprintf(name, sizeof name, "a.E%dX", i);
		assert_string_equal(media_type(m, name), want);
	}
	assert_string_equal(media_type(m, "a.e5000"), MEDIA_UNKNOWN);
	media_close(&m);
	buf_fini(&table);
}

static void
a_table_as_large_as_may_be_is_read(void **state)
{
	static char table[MEDIA_TABLE_MAX];
	struct media *m;
	size_t i;

	(void)state;
	memcpy(table, "a/b", 3);
	for (i = 3; i < sizeof table; i++)
		table[i] = i % 2 == 1 ? ' ' : 'x';
	m = open_table((struct view){ table, sizeof table });
	assert_string_equal(media_type(m, "1.x"), "a/b");
	assert_string_equal(media_type(m, "1.xx"), MEDIA_UNKNOWN);
	media_close(&m);
}

static void
the_table_of_the_system_knows_what_a_job_is_made_of(void **state)
{
	static const struct {
		const char *name, *type;
	} files[] = { { "a.png", "image/png" }, { "a.JPG", "image/jpeg" },
		{ "a.webp", "image/webp" }, { "a.mp4", "video/mp4" },
		{ "a.mov", "video/quicktime" }, { "a.mp3", "audio/mpeg" },
		{ "a.wav", "audio/x-wav" }, { "a.json", "application/json" },
		{ "a.txt", "text/plain" }, { "a.draft", MEDIA_UNKNOWN } };
	struct buf table = BUF_INIT(MEDIA_TABLE_MAX);
	struct fault f = FAULT_INIT;
	struct media *m;
	size_t i;

	(void)state;
	if (file_follow("/etc/mime.types", &table, &f) == -1)
		skip(); /* package media-types */
	m = open_table(buf_view(&table));
	for (i = 0; i < sizeof files / sizeof files[0]; i++)
		assert_string_equal(
		    media_type(m, files[i].name), files[i].type);
	media_close(&m);
	buf_fini(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_extension_has_the_type_of_its_line),
		cmocka_unit_test(only_what_stands_behind_the_last_dot_counts),
		cmocka_unit_test(
		    letter_case_does_not_matter_in_names_or_the_table),
		cmocka_unit_test(the_first_of_two_types_counts),
		cmocka_unit_test(lines_without_sense_do_not_count),
		cmocka_unit_test(
		    a_type_is_at_most_as_long_as_a_header_may_bear),
		cmocka_unit_test(the_empty_table_knows_nothing),
		cmocka_unit_test(
		    a_nul_ends_a_line_and_what_follows_is_not_lost),
		cmocka_unit_test(the_table_need_not_outlive_the_opening),
		cmocka_unit_test(each_of_thousands_is_found),
		cmocka_unit_test(a_table_as_large_as_may_be_is_read),
		cmocka_unit_test(
		    the_table_of_the_system_knows_what_a_job_is_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
