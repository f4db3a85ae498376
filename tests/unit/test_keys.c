#include "aws/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "codec/json.h"

#include "written.h"

#define NEVER_ENDING INT64_MAX

static const int64_t ends_ms = 1795342500000; /* 2026-11-22T10:15:00Z */

static struct creds_keys
some_keys(void)
{
	struct creds_keys k = CREDS_KEYS_INIT;
	struct fault f = FAULT_INIT;

	assert_int_equal(keys_set(&k, VIEW("ASIA1"), VIEW("hush"),
			     VIEW("tok/en+="), "container", &f),
	    0);
	k.expires_at_ms = ends_ms;
	return k;
}

static void
assert_not_set(struct view id, struct view secret, struct view token)
{
	struct creds_keys k = CREDS_KEYS_INIT;
	struct fault f = FAULT_INIT;

	assert_int_equal(keys_set(&k, id, secret, token, "profile", &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_false(keys_are_set(&k));
	assert_null(k.secret.bytes);
	assert_null(k.token.bytes);
}

static void
keys_are_kept_whole_and_moved(void **state)
{
	struct creds_keys k = some_keys();
	struct creds_keys other = some_keys();

	(void)state;
	assert_true(keys_are_set(&k));
	assert_string_equal(k.id, "ASIA1");
	assert_true(secret_is(&k.secret, VIEW("hush")));
	assert_true(secret_is(&k.token, VIEW("tok/en+=")));
	keys_move(&other, &k);
	assert_false(keys_are_set(&k));
	assert_string_equal(other.id, "ASIA1");
	keys_fini(&k);
	keys_fini(&other);
	assert_false(keys_are_set(&other));
	assert_int_equal(other.expires_at_ms, NEVER_ENDING);
	keys_fini(&other);
}

static void
what_no_header_can_carry_is_no_key(void **state)
{
	char long_id[KEYS_ID_SIZE + 1];
	struct creds_keys k = CREDS_KEYS_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_not_set(VIEW(""), VIEW("s"), VIEW(""));
	assert_not_set(VIEW("a/b"), VIEW("s"), VIEW(""));
	assert_not_set(VIEW("a b"), VIEW("s"), VIEW(""));
	assert_not_set(VIEW("a\0b"), VIEW("s"), VIEW(""));
	assert_not_set(VIEW("\xc3\xa9"), VIEW("s"), VIEW(""));
	assert_not_set(VIEW("a"), VIEW(""), VIEW(""));
	assert_not_set(VIEW("a"), VIEW("s\n"), VIEW(""));
	assert_not_set(VIEW("a"), VIEW("s"), VIEW("t\r\nHost: b"));
	memset(long_id, 'a', sizeof long_id);
	assert_not_set(
	    (struct view){ long_id, KEYS_ID_SIZE }, VIEW("s"), VIEW(""));
	assert_int_equal(
	    keys_set(&k, (struct view){ long_id, KEYS_ID_SIZE - 1 }, VIEW("s"),
		VIEW(""), "profile", &f),
	    0);
	keys_fini(&k);
}

/* Reads keys from JSON: the fault's text, or "" and *k. */
static const char *
read_json(struct creds_keys *k, const char *text)
{
	static struct fault f;
	struct json_doc *doc = NULL;

	f = FAULT_INIT;
	assert_int_equal(json_open(&doc, view_str(text), 4, &f), 0);
	(void)keys_read(k, json_root(doc), "Token", "container", &f);
	json_close(&doc);
	assert_true(f.kind == FAULT_NONE || !keys_are_set(k));
	return f.text;
}

static void
keys_are_read_from_json(void **state)
{
	struct creds_keys k = CREDS_KEYS_INIT;

	(void)state;
	assert_string_equal(
	    read_json(&k, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
			  "\"Token\":\"T\","
			  "\"Expiration\":\"2026-11-22T10:15:00Z\"}"),
	    "");
	assert_string_equal(k.id, "A");
	assert_true(secret_is(&k.token, VIEW("T")));
	assert_int_equal(k.expires_at_ms, ends_ms);
	keys_fini(&k);
	assert_string_equal(
	    read_json(&k, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
			  "\"Token\":null}"),
	    "");
	assert_int_equal(k.expires_at_ms, NEVER_ENDING);
	keys_fini(&k);
}

static void
json_that_holds_no_keys_is_refused(void **state)
{
	struct creds_keys k = CREDS_KEYS_INIT;

	(void)state;
	assert_string_equal(read_json(&k, "{}"), "not an access key id");
	assert_string_equal(read_json(&k, "[1]"), "not an access key id");
	assert_string_equal(
	    read_json(&k, "{\"AccessKeyId\":1}"), "AccessKeyId is an integer");
	assert_string_equal(read_json(&k, "{\"AccessKeyId\":\"A\"}"),
	    "not a secret access key");
	assert_string_equal(
	    read_json(&k, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
			  "\"Expiration\":\"soon\"}"),
	    "keys whose end is no moment");
}

static void
what_is_saved_is_loaded_once_until_it_is_saved_again(void **state)
{
	struct creds_keys k = some_keys(), got = CREDS_KEYS_INIT;
	struct keys_mark mark = { 0 };
	struct fault f = FAULT_INIT;
	char path[WRITTEN_PATH_SIZE];
	struct stat st;
	bool found;
	int i;

	(void)state;
	written_path(path, "keys");
	assert_int_equal(
	    keys_load(&got, path, &mark, "container", &found, &f), 0);
	assert_false(found);
	for (i = 0; i < 3; i++) {
		assert_int_equal(keys_save(&k, path, &f), 0);
		assert_int_equal(
		    keys_load(&got, path, &mark, "container", &found, &f), 0);
		assert_true(found);
		assert_string_equal(got.id, "ASIA1");
		assert_string_equal(got.source, "container");
		assert_true(secret_is(&got.secret, VIEW("hush")));
		assert_true(secret_is(&got.token, VIEW("tok/en+=")));
		assert_int_equal(got.expires_at_ms, ends_ms);
		keys_fini(&got);
		assert_int_equal(
		    keys_load(&got, path, &mark, "container", &found, &f), 0);
		assert_false(found);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	keys_fini(&k);
}

static void
saving_sweeps_the_drafts_of_the_dead(void **state)
{
	struct creds_keys k = some_keys();
	struct fault f = FAULT_INIT;
	char path[WRITTEN_PATH_SIZE], draft[WRITTEN_PATH_SIZE];

	(void)state;
	written_path(path, "keys");
	written(draft, FILE_DRAFT_PREFIX "0123", "hush");
	assert_int_equal(keys_save(&k, path, &f), 0);
	assert_int_equal(access(draft, F_OK), -1);
	assert_int_equal(access(path, F_OK), 0);
	keys_fini(&k);
}

static void
keys_of_another_source_are_not_found(void **state)
{
	struct creds_keys k = some_keys(), got = CREDS_KEYS_INIT;
	struct keys_mark mark = { 0 };
	struct fault f = FAULT_INIT;
	char path[WRITTEN_PATH_SIZE];
	bool found;

	(void)state;
	written_path(path, "keys");
	assert_int_equal(keys_save(&k, path, &f), 0);
	assert_int_equal(
	    keys_load(&got, path, &mark, "instance", &found, &f), 0);
	assert_false(found);
	keys_fini(&k);
}

/* A file that must not be taken is told once, and not again. */
static void
assert_told_once(const char *path, enum fault_kind kind)
{
	struct creds_keys got = CREDS_KEYS_INIT;
	struct keys_mark mark = { 0 };
	struct fault f = FAULT_INIT;
	bool found;

	assert_int_equal(
	    keys_load(&got, path, &mark, "container", &found, &f), -1);
	assert_int_equal(f.kind, kind);
	assert_false(found);
	assert_false(keys_are_set(&got));
	assert_null(strstr(f.text, "hush"));
	assert_int_equal(
	    keys_load(&got, path, &mark, "container", &found, &f), 0);
	assert_false(found);
}

static void
a_file_that_others_could_read_or_write_is_not_taken(void **state)
{
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0666 };
	struct creds_keys k = some_keys();
	char path[WRITTEN_PATH_SIZE], link[WRITTEN_PATH_SIZE];
	struct fault f = FAULT_INIT;
	size_t i;

	(void)state;
	written_path(path, "keys");
	written_path(link, "link");
	assert_int_equal(keys_save(&k, path, &f), 0);
	for (i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
		assert_int_equal(chmod(path, open_modes[i]), 0);
		assert_told_once(path, FAULT_DENIED);
	}
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_told_once(link, FAULT_DENIED);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_told_once(path, FAULT_DENIED);
	}
	keys_fini(&k);
}

static void
hostile_files_are_told_and_not_taken(void **state)
{
	static const char *const texts[] = { "", "{", "[]x",
		("{\"source\":\"container\",\"id\":\"A\",\"secret\":"
		 "\"hu\\nsh\"}"),
		"{\"source\":\"container\",\"source\":\"container\"}" };
	static char big[KEYS_REPLY_MAX + 2];
	char path[WRITTEN_PATH_SIZE];
	size_t i;

	(void)state;
	(void)umask(077);
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		written(path, "keys", texts[i]);
		assert_told_once(path, FAULT_INPUT);
	}
	memset(big, ' ', sizeof big - 1);
	written(path, "keys", big);
	assert_told_once(path, FAULT_DISK);
	assert_told_once(written_folder, FAULT_DENIED);
	(void)umask(022);
}

static void
keys_cannot_be_saved_into_no_folder(void **state)
{
	struct creds_keys k = some_keys();
	struct fault f = FAULT_INIT;
	char path[WRITTEN_PATH_SIZE];

	(void)state;
	written_path(path, "none/keys");
	assert_int_equal(keys_save(&k, path, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	f = FAULT_INIT;
	written_path(path, "");
	assert_int_equal(keys_save(&k, path, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	keys_fini(&k);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, written_set_up, written_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_kept_whole_and_moved),
		cmocka_unit_test(what_no_header_can_carry_is_no_key),
		cmocka_unit_test(keys_are_read_from_json),
		cmocka_unit_test(json_that_holds_no_keys_is_refused),
		TEST(what_is_saved_is_loaded_once_until_it_is_saved_again),
		TEST(saving_sweeps_the_drafts_of_the_dead),
		TEST(keys_of_another_source_are_not_found),
		TEST(a_file_that_others_could_read_or_write_is_not_taken),
		TEST(hostile_files_are_told_and_not_taken),
		TEST(keys_cannot_be_saved_into_no_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
