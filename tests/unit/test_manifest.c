#include "app/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 1 << 20, HEARD_MAX = 8, MANY = 20000 };

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEAD "{\"version\":1,\"job_id\":\"job-1\",\"files\":["
#define FILE_OF(path)                                                          \
	"{\"path\":\"" path "\",\"bytes\":5,\"sha256\":\"" HASH                \
	"\",\"media_type\":\"video/mp4\",\"mtime\":\"2026-11-22T10:15:00Z\"}"

static const struct job_id job = { "job-1" };

/* What a reader heard. */
struct heard {
	struct manifest_file files[HEARD_MAX];
	struct catalogue_image images[HEARD_MAX];
	char prompts[HEARD_MAX][64];
	char media_types[HEARD_MAX][64];
	size_t n;
	size_t refused;
	char shown[JOBPATH_SHOWN_SIZE];
	struct fault why;
	int answer; /* what it returns */
};

static int
hear_file(void *arg, const struct manifest_file *file, struct fault *f)
{
	struct heard *h = arg;
	const size_t i = h->n++;

	if (h->answer == -1)
		return fault_set(f, FAULT_SLOW, "enough");
	if (i >= HEARD_MAX)
		return 0;
	h->files[i] = *file;
	(void)snprintf(h->media_types[i], sizeof h->media_types[i], "%s",
	    file->media_type);
	if (file->image == NULL)
		return 0;
	h->images[i] = *file->image;
	(void)snprintf(h->prompts[i], sizeof h->prompts[i], "%.*s",
	    (int)file->image->prompt.n, file->image->prompt.p);
	return 0;
}

static int
hear_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	struct heard *h = arg;

	h->refused++;
	(void)snprintf(h->shown, sizeof h->shown, "%s", shown);
	h->why = *why;
	return h->answer == -1 ? fault_set(f, FAULT_SLOW, "enough") : 0;
}

static int
read_view(struct view text, struct heard *h, struct fault *f)
{
	const struct manifest_reader reader = { hear_file, hear_refused, h };

	return manifest_read(text, &job, &reader, f);
}

static struct heard
hear(const char *text)
{
	struct heard h = { .n = 0 };
	struct fault f = FAULT_INIT;

	if (read_view(view_str(text), &h, &f) == -1)
		fail_msg("%s", f.text);
	return h;
}

/* It is refused as a whole, with those words, and nothing handed over. */
static void
assert_refused(const char *text, const char *words)
{
	struct heard h = { .n = 0 };
	struct fault f = FAULT_INIT;

	assert_int_equal(read_view(view_str(text), &h, &f), -1);
	if (f.kind != FAULT_INPUT || !view_has(view_str(f.text), words))
		fail_msg("\"%s\" instead of \"%s\"", f.text, words);
	assert_int_equal(h.n + h.refused, 0);
}

static struct manifest_file
file_of(const char *path)
{
	struct manifest_file file = { .bytes = 5,
		.sha256 = { HASH },
		.mtime_ns = INT64_C(1795342500123456789),
		.media_type = "video/mp4" };
	struct fault f = FAULT_INIT;

	if (jobpath_parse(&file.path, view_str(path), &job, &f) == -1)
		fail_msg("%s", f.text);
	return file;
}

/* The document of these files, as it is written. */
static struct buf
document(const struct manifest_file *files, size_t n)
{
	struct buf b = BUF_INIT(MANIFEST_MAX);
	struct fault f = FAULT_INIT;
	size_t i;

	manifest_begin(&b, &job, INT64_C(1795342500123));
	for (i = 0; i < n; i++)
		manifest_add(&b, &files[i], i == 0);
	manifest_end(&b);
	assert_int_equal(buf_done(&b, &f), 0);
	return b;
}

/* What becomes of a file that is written and read. */
static struct heard
there_and_back(const struct manifest_file *file)
{
	struct buf b = document(file, 1);
	const struct heard h = hear(buf_str(&b));

	assert_int_equal(h.n, 1);
	assert_int_equal(h.refused, 0);
	buf_fini(&b);
	return h;
}

static void
a_manifest_is_written_as_documented(void **state)
{
	const struct catalogue_image image = { .id = { "cat" },
		.prompt = VIEW("a \"cat\""),
		.model = VIEW("m"),
		.has_seed = true,
		.seed = 4294967295,
		.created_at_ms = 1 };
	struct manifest_file files[2] = { file_of("scenes/1.mp4"),
		file_of("character_reference/cat.png") };
	struct buf b;

	(void)state;
	files[1].image = &image;
	b = document(files, 2);
	assert_string_equal(buf_str(&b),
	    "{\"version\":1,\"job_id\":\"job-1\","
	    "\"created_at\":\"2026-11-22T10:15:00.123Z\",\"files\":[\n"
	    "{\"path\":\"scenes/1.mp4\",\"bytes\":5,\"sha256\":\"" HASH
	    "\",\"media_type\":\"video/mp4\","
	    "\"mtime\":\"2026-11-22T10:15:00.123456789Z\"},\n"
	    "{\"path\":\"character_reference/cat.png\",\"bytes\":5,"
	    "\"sha256\":\"" HASH "\",\"media_type\":\"video/mp4\","
	    "\"mtime\":\"2026-11-22T10:15:00.123456789Z\","
	    "\"image\":{\"image_id\":\"cat\",\"prompt\":\"a \\\"cat\\\"\","
	    "\"model\":\"m\",\"seed\":4294967295,"
	    "\"created_at\":\"1970-01-01T00:00:00.001Z\"}}\n]}\n");
	buf_fini(&b);
}

static void
what_is_written_is_read(void **state)
{
	const struct catalogue_image image = { .id = { "cat" },
		.prompt = VIEW("\xf0\x9f\xa4\x96 \"\\\n\x7f"),
		.model = VIEW("m"),
		.created_at_ms = INT64_C(1790000000001) };
	struct manifest_file file =
	    file_of("character_reference/\xc3\xa4 \"x\\.webp");
	struct heard h;

	(void)state;
	file.image = &image;
	file.bytes = INT64_MAX;
	h = there_and_back(&file);
	assert_string_equal(h.files[0].path.text, file.path.text);
	assert_true(h.files[0].bytes == INT64_MAX);
	assert_string_equal(h.files[0].sha256.hex, HASH);
	assert_true(h.files[0].mtime_ns == file.mtime_ns);
	assert_string_equal(h.media_types[0], "video/mp4");
	assert_string_equal(h.images[0].id.text, "cat");
	assert_string_equal(h.prompts[0], image.prompt.p);
	assert_int_equal(h.images[0].sniff.kind, SNIFF_WEBP);
	assert_true(h.images[0].bytes == INT64_MAX);
	assert_string_equal(h.images[0].sha256.hex, HASH);
	assert_true(h.images[0].created_at_ms == image.created_at_ms);
	assert_false(h.images[0].has_seed);
}

static void
a_manifest_without_files_is_one(void **state)
{
	struct buf b = document(NULL, 0);

	(void)state;
	assert_int_equal(hear(buf_str(&b)).n, 0);
	assert_int_equal(hear(HEAD "]}").n, 0);
	assert_int_equal(hear(HEAD " \r\n\t]}").n, 0);
	buf_fini(&b);
}

static void
times_come_back_to_the_nanosecond(void **state)
{
	static const int64_t times[] = { 0, 1, 999999999, 1000000000,
		1000000001, INT64_C(1795342500000000000),
		INT64_C(1795342500000000001), INT64_C(1795342500999999999),
		INT64_C(1709164800100000000), INT64_MAX - 1, INT64_MAX };
	struct manifest_file file = file_of("a");
	struct heard h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof times / sizeof times[0]; i++) {
		file.mtime_ns = times[i];
		h = there_and_back(&file);
		assert_true(h.files[0].mtime_ns == times[i]);
	}
	file.mtime_ns = -1;
	assert_true(there_and_back(&file).files[0].mtime_ns == 0);
	file.mtime_ns = INT64_MIN;
	assert_true(there_and_back(&file).files[0].mtime_ns == 0);
}

static int64_t
mtime_of(const char *moment)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	struct heard h;

	buf_fmt(&b,
	    HEAD "{\"path\":\"a\",\"bytes\":5,\"sha256\":\"" HASH
		 "\",\"media_type\":\"v/m\",\"mtime\":\"%s\"}]}",
	    moment);
	h = hear(buf_str(&b));
	buf_fini(&b);
	assert_int_equal(h.n, 1);
	return h.files[0].mtime_ns;
}

static void
times_of_other_writers_are_read(void **state)
{
	(void)state;
	assert_true(mtime_of("1970-01-01T00:00:01Z") == 1000000000);
	assert_true(mtime_of("1970-01-01T00:00:01.5Z") == 1500000000);
	assert_true(mtime_of("1970-01-01T00:00:01.05+00:00") == 1050000000);
	assert_true(mtime_of("1970-01-01T00:00:00.1234567899Z") == 123456789);
	assert_true(mtime_of("2262-04-11T23:47:16.854775808Z") == INT64_MAX);
	assert_true(mtime_of("9999-12-31T23:59:59.999999999Z") == INT64_MAX);
}

static void
years_of_images_end_with_9999(void **state)
{
	struct catalogue_image image = { .id = { "cat" } };
	struct manifest_file file = file_of("cat.png");

	(void)state;
	file.image = &image;
	image.created_at_ms = INT64_C(253402300799999);
	assert_true(there_and_back(&file).images[0].created_at_ms ==
		    INT64_C(253402300799999));
	image.created_at_ms = INT64_MAX;
	assert_int_equal(there_and_back(&file).images[0].created_at_ms / 1000,
	    INT64_C(253402300799));
	image.created_at_ms = -5;
	assert_int_equal(there_and_back(&file).images[0].created_at_ms, 0);
}

static void
members_that_are_not_known_do_not_count(void **state)
{
	const struct heard h = hear(
	    "{\"new\":[{\"files\":[1,2]},\"]\\\"\"],\"version\":1,"
	    "\"x\":\"files\",\"y\":{\"files\":[]},\"job_id\":\"job-1\" ,\n"
	    "\"files\" : [ {\"path\":\"a\\u002fb\",\"z\":[[{}],\"}\\\\\"],"
	    "\"bytes\":0,\"sha256\":\"" HASH "\",\"media_type\":\"a/b; c=d\","
	    "\"mtime\":\"2026-11-22T10:15:00Z\",\"image\":null} ,"
	    "\n" FILE_OF("b") "\t] , \"later\":{\"files\":[{}]} } ");

	(void)state;
	assert_int_equal(h.n, 2);
	assert_int_equal(h.refused, 0);
	assert_string_equal(h.files[0].path.text, "a/b");
	assert_null(h.files[0].image);
	assert_string_equal(h.files[1].path.text, "b");
	assert_int_equal(h.files[1].bytes, 5);
}

static void
what_is_no_manifest_is_refused(void **state)
{
	(void)state;
	assert_refused("", "no array \"files\"");
	assert_refused("null", "no array \"files\"");
	assert_refused("{}", "no array \"files\"");
	assert_refused("[]", "no array \"files\"");
	assert_refused("{\"version\":1,\"job_id\":\"job-1\"}", "no array");
	assert_refused("{\"version\":1,\"job_id\":\"job-1\",\"files\":{}}",
	    "no array \"files\"");
	assert_refused("{\"job_id\":\"job-1\",\"files\":[]}", "no version");
	assert_refused("{\"version\":\"1\",\"job_id\":\"job-1\",\"files\":[]}",
	    "no version");
	assert_refused("{\"version\":1,\"files\":[]}", "\"job_id\" is nothing");
	assert_refused("{\"version\":1,\"job_id\":7,\"files\":[]}",
	    "\"job_id\" is an integer");
	assert_refused("{\"version\":1,\"job_id\":\"job-2\",\"files\":[]}",
	    "another job's");
	assert_refused("{\"version\":1,\"job_id\":\"job-12\",\"files\":[]}",
	    "another job's");
}

static void
another_version_is_named(void **state)
{
	(void)state;
	assert_refused("{\"version\":2,\"files\":[7]}", "of version 2,");
	assert_refused("{\"version\":9223372036854775807,\"job_id\":\"job-1\","
		       "\"files\":[" FILE_OF("a") "]}",
	    "of version 9223372036854775807,");
}

static void
what_is_no_json_is_refused_wherever_it_is(void **state)
{
	static const char *const broken[] = { HEAD, HEAD "]", HEAD "]}}",
		HEAD "]} x", HEAD "]]}", HEAD "}]}", HEAD "[}]}", HEAD ",]}",
		HEAD FILE_OF("a") ",]}", HEAD "," FILE_OF("a") "]}",
		HEAD FILE_OF("a") FILE_OF("b") "]}", HEAD FILE_OF("a") "},{]}",
		HEAD FILE_OF("a") "]", HEAD FILE_OF("a"),
		HEAD FILE_OF("a") "]}]", HEAD "\"]}", HEAD "\"\\",
		HEAD FILE_OF("a") "],}", HEAD FILE_OF("a") "],\"files\":[]}",
		HEAD FILE_OF("a") "],\"version\":1}",
		HEAD "{\"path\":\"a\",\"path\":\"a\"}]}",
		HEAD FILE_OF("\xff") "]}", HEAD FILE_OF("\\ud800") "]}",
		HEAD FILE_OF("a\\u0000") "]}", HEAD "[[[[[[[[[[]]]]]]]]]]]}",
		HEAD "],\"x\":[[[[[[[[[[]]]]]]]]]]}",
		HEAD "{\"bytes\":1e999}]}",
		HEAD "],\"x\":99999999999999999999}" };
	struct heard h;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		h = (struct heard){ .n = 0 };
		f = FAULT_INIT;
		if (read_view(view_str(broken[i]), &h, &f) == 0)
			fail_msg("%s", broken[i]);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_int_equal(h.n + h.refused, 0);
	}
}

static void
a_nul_byte_is_refused(void **state)
{
	static const char in_tail[] = HEAD "]\0}";
	static const char in_file[] = HEAD "{}\0]}";
	struct heard h = { .n = 0 };
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(
	    read_view((struct view){ in_tail, sizeof in_tail - 1 }, &h, &f),
	    -1);
	f = FAULT_INIT;
	assert_int_equal(
	    read_view((struct view){ in_file, sizeof in_file - 1 }, &h, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_INPUT);
}

/* One file with that member in place of the good one. */
static void
assert_member_refused(const char *name, const char *value, const char *words)
{
	static const char *const good[][2] = { { "path", "\"a.png\"" },
		{ "bytes", "5" }, { "sha256", "\"" HASH "\"" },
		{ "media_type", "\"a/b\"" },
		{ "mtime", "\"2026-11-22T10:15:00Z\"" }, { "image", "null" } };
	struct buf b = BUF_INIT(TEXT_MAX);
	size_t i;

	buf_fmt(&b, HEAD "%s,{\"unknown\":0", FILE_OF("good"));
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		if (strcmp(good[i][0], name) != 0)
			buf_fmt(&b, ",\"%s\":%s", good[i][0], good[i][1]);
	if (value != NULL)
		buf_fmt(&b, ",\"%s\":%s", name, value);
	buf_add(&b, VIEW("}]}"));
	assert_refused(buf_str(&b), words);
	assert_refused(buf_str(&b), "files[1] of the manifest: ");
	buf_fini(&b);
}

static void
a_file_without_all_its_members_makes_it_none(void **state)
{
	static const char *const texts[] = { "path", "sha256", "media_type",
		"mtime" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_member_refused(texts[i], NULL, "is nothing, no string");
		assert_member_refused(texts[i], "null", "is null, no string");
		assert_member_refused(texts[i], "1", "is an integer");
	}
	assert_member_refused("bytes", NULL, "no number of bytes");
	assert_member_refused("bytes", "-1", "no number of bytes");
	assert_member_refused("bytes", "1.0", "no number of bytes");
	assert_member_refused("bytes", "\"5\"", "no number of bytes");
	assert_member_refused("bytes", "9223372036854775808", "out of range");
	assert_refused(HEAD "[]]}", "it is an array, no object");
	assert_refused(HEAD "7]}", "it is an integer, no object");
}

static void
hashes_times_and_types_are_checked(void **state)
{
	(void)state;
	assert_member_refused("sha256", "\"\"", "64 digits");
	assert_member_refused("sha256", "\"" HASH "0\"", "64 digits");
	assert_member_refused("sha256",
	    "\"00112233445566778899AABBCCDDEEFF"
	    "00112233445566778899aabbccddeeff\"",
	    "64 digits");
	assert_member_refused("sha256",
	    "\"0011223344556677889/aabbccddeeff"
	    "00112233445566778899aabbccddeefg\"",
	    "64 digits");
	assert_member_refused("mtime", "\"\"", "no moment");
	assert_member_refused("mtime", "\"2026-11-22T10:15:00\"", "no moment");
	assert_member_refused("mtime", "\"2026-02-29T10:15:00Z\"", "no moment");
	assert_member_refused("mtime", "\"1969-12-31T23:59:59Z\"", "no moment");
	assert_member_refused(
	    "mtime", "\"2026-11-22T10:15:00.Z\"", "no moment");
	assert_member_refused("media_type", "\"\"", "no media type");
	assert_member_refused(
	    "media_type", "\"a/b\\r\\nx: y\"", "no media type");
	assert_member_refused("media_type", "\"\xc3\xa4/b\"", "no media type");
}

#define IMAGE_OF(id, seed)                                                     \
	"{\"image_id\":\"" id                                                  \
	"\",\"prompt\":\"p\",\"model\":\"m\",\"seed\":" seed                   \
	",\"created_at\":\"2026-11-22T10:15:00.5Z\"}"

static void
images_are_checked(void **state)
{
	(void)state;
	assert_member_refused("image", "[]", "it is an array");
	assert_member_refused("image", "{}", "\"image_id\" is nothing");
	assert_member_refused(
	    "image", IMAGE_OF("../x", "1"), "image_id does not begin with");
	assert_member_refused("image", IMAGE_OF("x", "-1"), "no seed");
	assert_member_refused("image", IMAGE_OF("x", "4294967296"), "no seed");
	assert_member_refused("image", IMAGE_OF("x", "1.5"), "no seed");
	assert_member_refused("image", IMAGE_OF("x", "\"1\""), "no seed");
	assert_member_refused(
	    "image", "{\"image_id\":\"x\"}", "\"prompt\" is nothing");
	assert_member_refused("image",
	    "{\"image_id\":\"x\",\"prompt\":\"\",\"model\":\"\","
	    "\"created_at\":\"now\"}",
	    "no moment");
}

/* A newer program may know more formats. */
static void
an_image_of_an_unknown_format_is_a_file_like_others(void **state)
{
	struct catalogue_image image = { .id = { "cat" } };
	struct manifest_file files[3] = { file_of("a/cat.avif"),
		file_of("a/cat"), file_of("a/cat.jpg") };
	struct heard h;
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		files[i].image = &image;
	b = document(files, 3);
	h = hear(buf_str(&b));
	buf_fini(&b);
	assert_int_equal(h.n, 3);
	assert_null(h.files[0].image);
	assert_null(h.files[1].image);
	assert_non_null(h.files[2].image);
	assert_int_equal(h.images[2].sniff.kind, SNIFF_JPEG);
}

static void
paths_that_lead_out_are_refused_by_name_and_the_rest_goes_on(void **state)
{
	static const char *const hostile[] = { "../../etc/passwd",
		"/etc/passwd", "a/../b", "a//b", "a/", ".", "", ".hidden",
		"a/.ssh/x", "./a" };
	struct buf b = BUF_INIT(TEXT_MAX);
	struct heard h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		buf_clear(&b);
		buf_fmt(&b,
		    HEAD "%s,{\"path\":\"%s\",\"bytes\":5,\"sha256\":\"" HASH
			 "\",\"media_type\":\"a/b\",\"mtime\":"
			 "\"2026-11-22T10:15:00Z\"},%s]}",
		    FILE_OF("first"), hostile[i], FILE_OF("last"));
		h = hear(buf_str(&b));
		assert_int_equal(h.n, 2);
		assert_string_equal(h.files[1].path.text, "last");
		assert_int_equal(h.refused, 1);
		assert_string_equal(h.shown, hostile[i]);
		assert_int_equal(h.why.kind, FAULT_INPUT);
	}
	buf_fini(&b);
}

static void
a_refused_name_is_safe_to_show(void **state)
{
	struct heard h =
	    hear(HEAD FILE_OF("../\\u001b[31m\\n\\u009b\\\"x") "]}");
	char text[2048], name[1201];

	(void)state;
	assert_string_equal(h.shown, "../\\x1b[31m\\x0a\\xc2\\x9b\"x");
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	(void)snprintf(text, sizeof text,
	    HEAD "{\"path\":\"%s\",\"bytes\":5,\"sha256\":\"" HASH
		 "\",\"media_type\":\"a/b\",\"mtime\":"
		 "\"2026-11-22T10:15:00Z\"}]}",
	    name);
	h = hear(text);
	assert_int_equal(h.refused, 1);
	assert_int_equal(strlen(h.shown), JOBPATH_SHOWN_SIZE - 1);
}

static void
a_path_that_comes_twice_is_refused_the_second_time(void **state)
{
	struct heard h = hear(HEAD FILE_OF("a/b") "," FILE_OF("a") "," FILE_OF(
	    "A/b") "," FILE_OF("a\\/\\u0062") "," FILE_OF("c") "]}");

	(void)state;
	assert_int_equal(h.n, 4);
	assert_int_equal(h.refused, 1);
	assert_string_equal(h.shown, "a/b");
	assert_true(view_has(view_str(h.why.text), "twice"));
}

static void
a_reader_may_stop(void **state)
{
	struct heard h = { .answer = -1 };
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(
	    read_view(VIEW(HEAD FILE_OF("a") "," FILE_OF("b") "]}"), &h, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	assert_string_equal(f.text, "enough");
	assert_int_equal(h.n, 1);
	f = FAULT_INIT;
	assert_int_equal(
	    read_view(VIEW(HEAD FILE_OF("../a") "]}"), &h, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
}

static void
too_much_around_the_files_is_refused(void **state)
{
	struct buf b = BUF_INIT(4 << 20);
	char *room;

	(void)state;
	buf_add(&b, VIEW("{\"x\":\""));
	room = buf_room(&b, 2 << 20);
	assert_non_null(room);
	memset(room, 'x', 2 << 20);
	buf_add(
	    &b, VIEW("\",\"version\":1,\"job_id\":\"job-1\",\"files\":[]}"));
	assert_refused(buf_str(&b), "too much stands around");
	buf_fini(&b);
}

/* Each path is met again, however many came between. */
static void
as_many_files_as_a_job_may_have_are_read(void **state)
{
	struct manifest_file file = file_of("a");
	struct buf b = BUF_INIT(MANIFEST_MAX);
	struct heard h;
	int i;

	(void)state;
	manifest_begin(&b, &job, 0);
	for (i = 0; i < 2 * MANY; i++) {
		(void)snprintf(file.path.text, sizeof file.path.text,
		    "scenes/%d/frame.png", i % MANY);
		manifest_add(&b, &file, i == 0);
	}
	manifest_end(&b);
	h = hear(buf_str(&b));
	assert_int_equal(h.n, MANY);
	assert_int_equal(h.refused, MANY);
	assert_string_equal(h.shown, "scenes/19999/frame.png");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_is_written_as_documented),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_manifest_without_files_is_one),
		cmocka_unit_test(times_come_back_to_the_nanosecond),
		cmocka_unit_test(times_of_other_writers_are_read),
		cmocka_unit_test(years_of_images_end_with_9999),
		cmocka_unit_test(members_that_are_not_known_do_not_count),
		cmocka_unit_test(what_is_no_manifest_is_refused),
		cmocka_unit_test(another_version_is_named),
		cmocka_unit_test(what_is_no_json_is_refused_wherever_it_is),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_file_without_all_its_members_makes_it_none),
		cmocka_unit_test(hashes_times_and_types_are_checked),
		cmocka_unit_test(images_are_checked),
		cmocka_unit_test(
		    an_image_of_an_unknown_format_is_a_file_like_others),
		cmocka_unit_test(
		    paths_that_lead_out_are_refused_by_name_and_the_rest_goes_on),
		cmocka_unit_test(a_refused_name_is_safe_to_show),
		cmocka_unit_test(
		    a_path_that_comes_twice_is_refused_the_second_time),
		cmocka_unit_test(a_reader_may_stop),
		cmocka_unit_test(too_much_around_the_files_is_refused),
		cmocka_unit_test(as_many_files_as_a_job_may_have_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
