#include "codec/jobpath.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct job_id
job(const char *text)
{
	struct fault f = FAULT_INIT;
	struct job_id id;

	assert_int_equal(job_id_parse(&id, view_str(text), &f), 0);
	return id;
}

/* The path is good, has that key, and comes back from it. */
static void
assert_pair(const char *text, const char *want)
{
	const struct job_id j = job("J");
	struct fault f = FAULT_INIT;
	struct jobpath path, back;
	char key[JOBPATH_KEY_MAX + 1];

	assert_int_equal(jobpath_parse(&path, view_str(text), &j, &f), 0);
	assert_string_equal(path.text, text);
	jobpath_key(key, &j, &path);
	assert_string_equal(key, want);
	assert_int_equal(jobpath_of_key(&back, view_str(key), &j, &f), 0);
	assert_string_equal(back.text, text);
}

/* Refused, saying why and nothing of the text. */
static void
assert_refused_view(struct view text, const char *why)
{
	const struct job_id j = job("J");
	struct fault f = FAULT_INIT;
	struct jobpath path = { "as before" };

	assert_int_equal(jobpath_parse(&path, text, &j, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, why);
	assert_string_equal(path.text, "as before");
}

static void
assert_refused(const char *text, const char *why)
{
	assert_refused_view(view_str(text), why);
}

static void
assert_key_refused(const char *key, const char *why)
{
	const struct job_id j = job("J");
	struct fault f = FAULT_INIT;
	struct jobpath path = { "as before" };

	assert_int_equal(jobpath_of_key(&path, view_str(key), &j, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, why);
	assert_string_equal(path.text, "as before");
}

static void
a_path_has_one_key_and_a_key_one_path(void **state)
{
	(void)state;
	assert_pair("metadata.json", "videos/J/intermediate/metadata.json");
	assert_pair("scenes/1/a.mp4", "videos/J/intermediate/scenes/1/a.mp4");
	assert_pair(JOBPATH_REFERENCES "/cat.png",
	    "videos/J/intermediate/character_reference/cat.png");
	assert_pair("final/x", "videos/J/final/x");
	assert_pair("final/final/x", "videos/J/final/final/x");
	assert_pair("final/intermediate/x", "videos/J/final/intermediate/x");
	assert_pair("intermediate/x", "videos/J/intermediate/intermediate/x");
	assert_pair("intermediate/final/x",
	    "videos/J/intermediate/intermediate/final/x");
	assert_pair("manifest.json", "videos/J/intermediate/manifest.json");
	assert_pair("a b+c%2F?&=#'\"\\<>", "videos/J/intermediate/"
					   "a b+c%2F?&=#'\"\\<>");
	assert_pair("\xc3\xbc/\xe6\x97\xa5/\xf0\x9f\x90\xb1.png",
	    "videos/J/intermediate/\xc3\xbc/\xe6\x97\xa5/\xf0\x9f\x90\xb1.png");
}

static void
a_file_named_final_is_no_folder_of_that_name(void **state)
{
	(void)state;
	assert_pair("final", "videos/J/intermediate/final");
	assert_pair("finale", "videos/J/intermediate/finale");
	assert_pair("finale/x", "videos/J/intermediate/finale/x");
	assert_pair("Final/x", "videos/J/intermediate/Final/x");
	assert_pair("a/final/x", "videos/J/intermediate/a/final/x");
	assert_key_refused("videos/J/final",
	    "is neither below final/ nor below intermediate/");
	assert_key_refused("videos/J/intermediate/final/x",
	    "is below intermediate/, but its path belongs below final/");
	assert_key_refused("videos/J/intermediate/final/",
	    "is below intermediate/, but its path belongs below final/");
}

static void
keys_that_no_path_has_are_refused(void **state)
{
	const char *const apart = "is not below the job";
	const char *const neither =
	    "is neither below final/ nor below intermediate/";

	(void)state;
	assert_key_refused("", apart);
	assert_key_refused("videos/J", apart);
	assert_key_refused("videos/JJ/final/x", apart);
	assert_key_refused("videos/j/final/x", apart);
	assert_key_refused("/videos/J/final/x", apart);
	assert_key_refused("Videos/J/final/x", apart);
	assert_key_refused("character_references/a.png", apart);
	assert_key_refused("videos/J/", neither);
	assert_key_refused("videos/J/manifest.json", neither);
	assert_key_refused("videos/J/x", neither);
	assert_key_refused("videos/J/../K/final/x", neither);
	assert_key_refused("videos/J//final/x", neither);
	assert_key_refused("videos/J/intermediate", neither);
	assert_key_refused("videos/J/intermediate/", "is empty");
	assert_key_refused("videos/J/final/", "has an empty name in it");
	assert_key_refused("videos/J/final//x", "has an empty name in it");
	assert_key_refused(
	    "videos/J/intermediate//x", "has an empty name in it");
	assert_key_refused(
	    "videos/J/intermediate//final/x", "has an empty name in it");
	assert_key_refused(
	    "videos/J/intermediate/scenes/", "has an empty name in it");
	assert_key_refused(
	    "videos/J/final/../x", "has a name that begins with a dot");
	assert_key_refused("videos/J/intermediate/../../K/x",
	    "has a name that begins with a dot");
	assert_key_refused("videos/J/intermediate/./final/x",
	    "has a name that begins with a dot");
	assert_key_refused("videos/J/final/a\nb", "has a control character");
	assert_key_refused("videos/J/final/\xff", "is not UTF-8");
}

static void
a_path_cannot_climb_hide_or_be_empty(void **state)
{
	const char *const dot = "has a name that begins with a dot";
	const char *const empty = "has an empty name in it";

	(void)state;
	assert_refused("", "is empty");
	assert_refused_view((struct view){ NULL, 0 }, "is empty");
	assert_refused(".", dot);
	assert_refused("..", dot);
	assert_refused("...", dot);
	assert_refused("../x", dot);
	assert_refused("a/..", dot);
	assert_refused("a/../b", dot);
	assert_refused("a/./b", dot);
	assert_refused(".hidden", dot);
	assert_refused("a/.hidden/b", dot);
	assert_refused("final/.draft-0", dot);
	assert_refused("/", empty);
	assert_refused("/a", empty);
	assert_refused("/etc/passwd", empty);
	assert_refused("a//b", empty);
	assert_refused("a/", empty);
	assert_refused("a//", empty);
	assert_refused("final/", empty);
	assert_pair("a.", "videos/J/intermediate/a.");
	assert_pair("a..b/c.", "videos/J/intermediate/a..b/c.");
}

static void
control_characters_are_refused_wherever_they_stand(void **state)
{
	const char *const why = "has a control character";
	char text[] = "a?b";
	char last[] = "b/?";
	int c;

	(void)state;
	for (c = 0; c < 0x20; c++) {
		text[1] = last[2] = (char)c;
		assert_refused_view((struct view){ text, 3 }, why);
		assert_refused_view((struct view){ last, 3 }, why);
	}
	assert_refused("a\x7f", why);
	assert_refused("\xc2\x80", why);
	assert_refused("a\xc2\x9b"
		       "31m",
	    why);
	assert_refused("\xc2\x9f", why);
	assert_pair("\xc2\xa0", "videos/J/intermediate/\xc2\xa0");
}

static void
bytes_that_are_not_utf_8_are_refused(void **state)
{
	static const char *const bad[] = { "\x80", "\xbf", "\xff", "\xfe",
		"\xc0\xaf", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x80\xaf",
		"\xe0\x9f\xbf", "\xe2\x82", "\xe2\x28\xa1", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf",
		"\xf0\x9f\x90", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80",
		"a/\xc0\xae\xc0\xae/b" };
	static const char *const good[] = { "\xc2\xa9", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	const struct job_id j = job("J");
	struct fault f = FAULT_INIT;
	struct jobpath path;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_refused(bad[i], "is not UTF-8");
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(
		    jobpath_parse(&path, view_str(good[i]), &j, &f), 0);
	/* The view's end counts, not what stands behind it. */
	assert_refused_view((struct view){ "\xc3\xbc", 1 }, "is not UTF-8");
}

static void
names_and_depth_have_their_limits(void **state)
{
	char text[JOBPATH_MAX];
	char key[2 * JOBPATH_MAX];
	int i;

	(void)state;
	memset(text, 'n', sizeof text);
	text[JOBPATH_NAME_MAX] = '\0';
	(void)snprintf(key, sizeof key, "videos/J/intermediate/%s", text);
	assert_pair(text, key);
	text[JOBPATH_NAME_MAX] = 'n';
	text[JOBPATH_NAME_MAX + 1] = '\0';
	assert_refused(text, "has a name of more than 255 bytes");
	for (i = 0; i < JOBPATH_DEPTH_MAX; i++)
		memcpy(text + 2 * i, "d/", 2);
	text[2 * JOBPATH_DEPTH_MAX - 1] = '\0';
	(void)snprintf(key, sizeof key, "videos/J/intermediate/%s", text);
	assert_pair(text, key);
	memcpy(text + 2 * JOBPATH_DEPTH_MAX - 1, "/d", 3);
	assert_refused(text, "is more than 64 names deep");
}

/* A path of n bytes in names of 100. */
static struct view
long_path(char out[JOBPATH_MAX + 2], const char *prefix, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = i % 100 == 99 && i + 1 < n ? '/' : 'p';
	memcpy(out, prefix, strlen(prefix));
	out[n] = '\0';
	return (struct view){ out, n };
}

static void
assert_longest(const char *job_text, const char *prefix, size_t added)
{
	const char *const why =
	    "is too long: its key would have more than 1024 bytes";
	const size_t most = JOBPATH_KEY_MAX - added - strlen(job_text);
	const struct job_id j = job(job_text);
	struct fault f = FAULT_INIT;
	char text[JOBPATH_MAX + 2], key[JOBPATH_KEY_MAX + 1];
	struct jobpath path, back;

	assert_int_equal(
	    jobpath_parse(&path, long_path(text, prefix, most), &j, &f), 0);
	jobpath_key(key, &j, &path);
	assert_int_equal(strlen(key), JOBPATH_KEY_MAX);
	assert_int_equal(jobpath_of_key(&back, view_str(key), &j, &f), 0);
	assert_string_equal(back.text, text);
	assert_int_equal(
	    jobpath_parse(&path, long_path(text, prefix, most + 1), &j, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, why);
}

static void
a_path_is_as_long_as_its_key_may_be(void **state)
{
	char longest[IDENT_MAX + 1];
	char text[JOBPATH_MAX + 2];

	(void)state;
	memset(longest, 'J', IDENT_MAX);
	longest[IDENT_MAX] = '\0';
	assert_longest("J", "", strlen("videos//intermediate/"));
	assert_longest("J", "final/", strlen("videos//"));
	assert_longest(longest, "", strlen("videos//intermediate/"));
	assert_longest(longest, "final/", strlen("videos//"));
	assert_refused_view(long_path(text, "", JOBPATH_MAX),
	    "is too long: its key would have more than 1024 bytes");
}

static void
a_key_of_any_length_is_only_read(void **state)
{
	static char key[1 << 16];
	const struct job_id j = job("J");
	struct fault f = FAULT_INIT;
	struct jobpath path;

	(void)state;
	memset(key, 'k', sizeof key);
	memcpy(key, "videos/J/final/", strlen("videos/J/final/"));
	assert_int_equal(
	    jobpath_of_key(&path, (struct view){ key, sizeof key }, &j, &f),
	    -1);
	assert_string_equal(
	    f.text, "is too long: its key would have more than 1024 bytes");
}

static void
every_short_text_is_refused_or_comes_back(void **state)
{
	static const char *const parts[] = { "final", "intermediate", "/", ".",
		"a", "\xc3\xbc", "\xbc", "\n" };
	enum { PARTS = 8, LENGTH = 5 };
	const struct job_id j = job("J");
	struct jobpath path, back;
	char text[JOBPATH_KEY_MAX + 1], key[2 * JOBPATH_KEY_MAX];
	struct fault f;
	size_t n, left, of_paths = 0, of_keys = 0;
	int i;

	(void)state;
	for (n = 0; n < 8 * 8 * 8 * 8 * 8; n++) {
		text[0] = '\0';
		for (i = 0, left = n; i < LENGTH; i++, left /= PARTS)
			(void)snprintf(text + strlen(text),
			    sizeof text - strlen(text), "%s",
			    parts[left % PARTS]);
		f = FAULT_INIT;
		if (jobpath_parse(&path, view_str(text), &j, &f) == 0) {
			of_paths++;
			jobpath_key(key, &j, &path);
			assert_int_equal(
			    jobpath_of_key(&back, view_str(key), &j, &f), 0);
			assert_string_equal(back.text, text);
		}
		(void)snprintf(key, sizeof key, "videos/J/%s", text);
		if (jobpath_of_key(&path, view_str(key), &j, &f) == 0) {
			of_keys++;
			jobpath_key(text, &j, &path);
			assert_string_equal(text, key);
		}
	}
	assert_true(of_paths > 1000);
	assert_true(of_keys > 100);
}

static void
the_manifest_lies_beside_the_files(void **state)
{
	const struct job_id j = job("job-1");
	char key[JOBPATH_KEY_MAX + 1];

	(void)state;
	jobpath_prefix(key, &j);
	assert_string_equal(key, "videos/job-1/");
	jobpath_manifest(key, &j);
	assert_string_equal(key, "videos/job-1/manifest.json");
}

static void
assert_shown(struct view text, const char *want)
{
	char out[JOBPATH_SHOWN_SIZE];

	memset(out, '?', sizeof out);
	jobpath_show(out, text);
	assert_string_equal(out, want);
}

static void
hostile_names_are_shown_in_one_safe_line(void **state)
{
	(void)state;
	assert_shown(VIEW(""), "");
	assert_shown(VIEW("scenes/1.mp4"), "scenes/1.mp4");
	assert_shown(
	    VIEW("\xc3\xbc/\xf0\x9f\x90\xb1"), "\xc3\xbc/\xf0\x9f\x90\xb1");
	assert_shown(
	    VIEW("a\nb\0c\x1b[31m\x7f"), "a\\x0ab\\x00c\\x1b[31m\\x7f");
	assert_shown(VIEW("\xc2\x9b"
			  "1m"),
	    "\\xc2\\x9b1m");
	assert_shown(VIEW("a\\x0a"), "a\\x5cx0a");
	assert_shown(VIEW("\xff\xc3"), "\\xff\\xc3");
	assert_shown(VIEW("\xc0\xae\xc0\xae/"), "\\xc0\\xae\\xc0\\xae/");
}

static void
what_is_shown_ends_at_its_limit_between_two_characters(void **state)
{
	enum { MOST = JOBPATH_SHOWN_SIZE - 4 };
	char text[2 * JOBPATH_SHOWN_SIZE], out[JOBPATH_SHOWN_SIZE];

	(void)state;
	memset(text, 'a', sizeof text);
	jobpath_show(out, (struct view){ text, MOST });
	assert_int_equal(strlen(out), MOST);
	jobpath_show(out, (struct view){ text, MOST + 1 });
	assert_int_equal(strlen(out), MOST + 3);
	assert_string_equal(out + MOST, "...");
	memcpy(text + MOST - 1, "\xc3\xbc", 2);
	jobpath_show(out, (struct view){ text, sizeof text });
	assert_string_equal(out + MOST - 1, "...");
	memset(text, '\n', sizeof text);
	jobpath_show(out, (struct view){ text, sizeof text });
	assert_int_equal(strlen(out), MOST + 3);
	assert_string_equal(out + MOST - 4, "\\x0a...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_has_one_key_and_a_key_one_path),
		cmocka_unit_test(a_file_named_final_is_no_folder_of_that_name),
		cmocka_unit_test(keys_that_no_path_has_are_refused),
		cmocka_unit_test(a_path_cannot_climb_hide_or_be_empty),
		cmocka_unit_test(
		    control_characters_are_refused_wherever_they_stand),
		cmocka_unit_test(bytes_that_are_not_utf_8_are_refused),
		cmocka_unit_test(names_and_depth_have_their_limits),
		cmocka_unit_test(a_path_is_as_long_as_its_key_may_be),
		cmocka_unit_test(a_key_of_any_length_is_only_read),
		cmocka_unit_test(every_short_text_is_refused_or_comes_back),
		cmocka_unit_test(the_manifest_lies_beside_the_files),
		cmocka_unit_test(hostile_names_are_shown_in_one_safe_line),
		cmocka_unit_test(
		    what_is_shown_ends_at_its_limit_between_two_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
