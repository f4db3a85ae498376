#include "disk/catalogue.h"

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum {
	PATH_SIZE = 256,
	OPENERS = 8,
	ROUNDS = 40,
	RECORDERS = 4,
	RECORDS = 100,
	PROMPT_MAX = 16 << 10,
	DAY_AND_A_BIT_MS = CATALOGUE_KEY_LIFE_MS + 60000
};

/*
 * A root of its own for each test, removed afterwards.  The catalogue is
 * opened by the test: those that fork do so before.
 */
struct place {
	char root[PATH_SIZE];
	struct catalogue *c;
	struct catalogue_claim claim;
	struct buf reply;
};

static int
set_up(void **state)
{
	const char *where = getenv("TMPDIR");
	struct place *p = calloc(1, sizeof *p);

	(void)snprintf(p->root, sizeof p->root, "%s/test_catalogue.XXXXXX",
	    where == NULL ? "/tmp" : where);
	p->claim = CATALOGUE_CLAIM_INIT;
	p->reply = BUF_INIT(CATALOGUE_REPLY_MAX);
	*state = p;
	return mkdtemp(p->root) == NULL ? -1 : 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	int rc;

	catalogue_claim_fini(&p->claim);
	buf_fini(&p->reply);
	catalogue_close(&p->c);
	catalogue_close(&p->c);
	rc = nftw(p->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return rc;
}

static void
open_it(struct place *p)
{
	struct fault f = FAULT_INIT;

	if (catalogue_open(&p->c, p->root, &f) == -1)
		fail_msg("%s", f.text);
}

static void
open_again(struct place *p)
{
	catalogue_close(&p->c);
	open_it(p);
}

/* Looks behind the catalogue's back: runs the text, gives its one number. */
static int64_t
peek(struct place *p, const char *text)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char path[PATH_SIZE + 16];
	int64_t n = -1;

	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->root);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

static struct catalogue_image
image_of(const char *id)
{
	struct catalogue_image image = {
		.sniff = { .kind = SNIFF_JPEG, .width = 1024, .height = 768 },
		.bytes = 12345,
		.sha256 = { "0123456789abcdef" },
		.created_at_ms = 1790000000000,
		.prompt = VIEW("a robot's \"portrait\" \xf0\x9f\xa4\x96"),
		.model = VIEW("sketch-1"),
		.has_seed = true,
		.seed = 4294967295,
		.request_id = VIEW("request-1"),
	};
	struct fault f = FAULT_INIT;

	assert_int_equal(image_id_parse(&image.id, view_str(id), &f), 0);
	return image;
}

static struct digest
body_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct digest d;

	assert_int_equal(digest_sha256(&d, view_str(text), &f), 0);
	return d;
}

static void
record(struct place *p, const struct catalogue_image *images, size_t n,
    const char *reply)
{
	struct fault f = FAULT_INIT;

	if (catalogue_record(p->c, images, n, &p->claim, view_str(reply), &f) ==
	    -1)
		fail_msg("%s", f.text);
}

static bool
finds(struct place *p, const char *id_text, const char *job_text,
    enum sniff_kind *kind)
{
	struct job_id job = { .text = "" };
	struct fault f = FAULT_INIT;
	struct image_id id;
	bool found = false;

	assert_int_equal(image_id_parse(&id, view_str(id_text), &f), 0);
	if (job_text[0] != '\0')
		assert_int_equal(job_id_parse(&job, view_str(job_text), &f), 0);
	assert_int_equal(catalogue_find(p->c, &id, &job, &found, kind, &f), 0);
	return found;
}

static enum catalogue_claim_state
claim_with(struct place *p, struct catalogue_claim *claim, const char *key,
    const char *body)
{
	enum catalogue_claim_state state = CATALOGUE_OTHER;
	const struct digest digest = body_of(body);
	struct fault f = FAULT_INIT;

	if (catalogue_claim(p->c, view_str(key), &digest, claim, &state,
		&p->reply, &f) == -1)
		fail_msg("%s", f.text);
	return state;
}

static enum catalogue_claim_state
claim(struct place *p, const char *key)
{
	return claim_with(p, &p->claim, key, "body");
}

/* What someone else, with the same body, would be told. */
static enum catalogue_claim_state
other_claim(struct place *p, const char *key)
{
	struct catalogue_claim other = CATALOGUE_CLAIM_INIT;
	const enum catalogue_claim_state state =
	    claim_with(p, &other, key, "body");

	catalogue_claim_fini(&other);
	return state;
}

static void
age_all(struct place *p, int64_t by_ms)
{
	char text[128];

	(void)snprintf(text, sizeof text,
	    "UPDATE requests SET created_at = created_at - %lld",
	    (long long)by_ms);
	(void)peek(p, text);
}

static void
a_new_catalogue_is_durable_and_knows_nothing(void **state)
{
	struct place *p = *state;
	enum sniff_kind kind;

	open_it(p);
	assert_false(finds(p, "cat", "", &kind));
	assert_false(finds(p, "cat", "job", &kind));
	assert_int_equal(peek(p, "PRAGMA user_version"), 1);
	assert_int_equal(peek(p, "SELECT count(*) FROM pragma_journal_mode"
				 " WHERE journal_mode = 'wal'"),
	    1);
}

static void
a_recorded_image_is_found_also_after_reopening(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	enum sniff_kind kind = SNIFF_PNG;

	open_it(p);
	record(p, &cat, 1, "");
	assert_true(finds(p, "cat", "", &kind));
	assert_int_equal(kind, SNIFF_JPEG);
	assert_false(finds(p, "Cat", "", &kind));
	open_again(p);
	assert_true(finds(p, "cat", "", &kind));
}

static void
every_column_is_kept(void **state)
{
	const struct catalogue_image cat = image_of("cat");
	struct place *p = *state;

	open_it(p);
	record(p, &cat, 1, "");
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM images WHERE id = 'cat' AND"
		    " extension = 'jpg' AND media_type = 'image/jpeg' AND"
		    " bytes = 12345 AND sha256 = '0123456789abcdef' AND"
		    " width = 1024 AND height = 768 AND"
		    " created_at = 1790000000000 AND model = 'sketch-1' AND"
		    " prompt = 'a robot''s \"portrait\" \xf0\x9f\xa4\x96' AND"
		    " seed = 4294967295 AND request_id = 'request-1'"),
	    1);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE image_id = 'cat' AND"
		    " job_id = '' AND key = 'character_references/cat.jpg' AND"
		    " state = 'waiting' AND attempts = 0 AND"
		    " next_attempt_at = 0 AND last_error = '' AND"
		    " verified_at IS NULL"),
	    1);
}

static void
a_long_prompt_and_missing_texts_are_kept(void **state)
{
	struct catalogue_image cat = image_of("cat");
	static char prompt[PROMPT_MAX];
	struct place *p = *state;

	memset(prompt, 'p', sizeof prompt);
	cat.prompt = (struct view){ prompt, sizeof prompt };
	cat.model = (struct view){ NULL, 0 };
	cat.request_id = VIEW("");
	cat.has_seed = false;
	open_it(p);
	record(p, &cat, 1, "");
	assert_int_equal(
	    peek(p, "SELECT length(prompt) FROM images WHERE model = ''"
		    " AND request_id = '' AND seed IS NULL"),
	    PROMPT_MAX);
}

static void
an_adopted_image_is_found_and_waits_for_upload(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;

	cat.prompt = cat.model = VIEW("");
	open_it(p);
	assert_int_equal(catalogue_adopt(p->c, &cat, &f), 0);
	assert_int_equal(catalogue_adopt(p->c, &cat, &f), 0);
	assert_true(finds(p, "cat", "", &kind));
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE state = 'waiting'"), 1);
}

static void
adopting_changes_nothing_that_is_known(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	record(p, &cat, 1, "");
	cat.prompt = VIEW("");
	cat.bytes = 1;
	assert_int_equal(catalogue_adopt(p->c, &cat, &f), 0);
	assert_int_equal(peek(p, "SELECT count(*) FROM images WHERE"
				 " prompt <> '' AND bytes = 12345"),
	    1);
}

static void
recording_gives_an_adopted_image_its_provenance(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct catalogue_image found = cat;
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	found.prompt = found.model = found.request_id = VIEW("");
	found.has_seed = false;
	found.created_at_ms = 1;
	open_it(p);
	assert_int_equal(catalogue_adopt(p->c, &found, &f), 0);
	(void)peek(p, "UPDATE objects SET state = 'done'");
	cat.bytes = 1;
	record(p, &cat, 1, "");
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM images WHERE seed = 4294967295 AND"
		    " prompt <> '' AND model = 'sketch-1' AND bytes = 12345"
		    " AND request_id = 'request-1' AND"
		    " created_at = 1790000000000"),
	    1);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE state = 'done'"), 1);
}

static void
an_image_is_found_in_a_job_only_if_the_job_has_it(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	enum sniff_kind kind = SNIFF_PNG;

	open_it(p);
	record(p, &cat, 1, "");
	(void)peek(p, "INSERT INTO objects (image_id, job_id, key, state)"
		      " VALUES ('cat', 'job-456', 'k', 'waiting')");
	assert_true(finds(p, "cat", "job-456", &kind));
	assert_int_equal(kind, SNIFF_JPEG);
	assert_false(finds(p, "cat", "job-457", &kind));
	assert_false(finds(p, "dog", "job-456", &kind));
}

static void
an_image_of_a_kind_from_the_future_is_a_fault(void **state)
{
	const struct job_id none = { .text = "" };
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;
	bool found;

	open_it(p);
	record(p, &cat, 1, "");
	(void)peek(p, "UPDATE images SET extension = 'avif'");
	assert_int_equal(
	    catalogue_find(p->c, &cat.id, &none, &found, &kind, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
}

static void
a_transaction_that_fails_leaves_nothing(void **state)
{
	struct catalogue_image images[2] = { image_of("cat"), image_of("dog") };
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	(void)peek(p, "CREATE TRIGGER no_dogs BEFORE INSERT ON images WHEN"
		      " new.id = 'dog' BEGIN SELECT raise(ABORT, 'no'); END");
	assert_int_equal(
	    catalogue_record(p->c, images, 2, &p->claim, VIEW("{}"), &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_false(finds(p, "cat", "", &kind));
	assert_int_equal(peek(p, "SELECT count(*) FROM objects"), 0);
	/* The claim stands; what becomes of it is the caller's to say. */
	assert_int_not_equal(p->claim.serial, 0);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_RUNNING);
	(void)peek(p, "DROP TRIGGER no_dogs");
	record(p, images, 2, "{}");
	assert_true(finds(p, "dog", "", &kind));
}

static void
a_key_is_claimed_once_and_then_replayed(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_RUNNING);
	assert_int_equal(other_claim(p, "another"), CATALOGUE_CLAIMED);
	record(p, &cat, 1, "{\"ids\":[\"cat\"]}");
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(p->claim.lease.fd, -1);
	assert_string_equal(buf_str(&p->reply), "");
	assert_int_equal(other_claim(p, "key"), CATALOGUE_REPLAY);
	assert_string_equal(buf_str(&p->reply), "{\"ids\":[\"cat\"]}");
	open_again(p);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_REPLAY);
}

static void
a_key_with_another_body_is_refused(void **state)
{
	struct catalogue_claim other = CATALOGUE_CLAIM_INIT;
	struct place *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	assert_int_equal(
	    claim_with(p, &other, "key", "another body"), CATALOGUE_OTHER);
	record(p, NULL, 0, "{}");
	assert_int_equal(
	    claim_with(p, &other, "key", "another body"), CATALOGUE_OTHER);
	assert_int_equal(other.serial, 0);
}

static void
a_released_key_is_new_again(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	assert_int_equal(catalogue_release(p->c, &p->claim, &f), 0);
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(catalogue_release(p->c, &p->claim, &f), 0);
	assert_int_equal(
	    claim_with(p, &p->claim, "key", "another body"), CATALOGUE_CLAIMED);
}

static void
a_doubted_key_stays_unclear(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	assert_int_equal(catalogue_doubt(p->c, &p->claim, &f), 0);
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(catalogue_doubt(p->c, &p->claim, &f), 0);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_UNCLEAR);
	open_again(p);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_UNCLEAR);
}

static void
a_claim_that_is_merely_ended_reads_as_unclear(void **state)
{
	struct place *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	catalogue_claim_fini(&p->claim);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_UNCLEAR);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM requests WHERE state = 'unclear'"),
	    1);
}

static void
a_reply_too_long_for_its_reader_is_a_fault(void **state)
{
	enum catalogue_claim_state what;
	const struct digest body = body_of("body");
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	record(p, NULL, 0, "0123456789");
	p->reply.limit = 5;
	assert_int_equal(catalogue_claim(p->c, VIEW("key"), &body, &p->claim,
			     &what, &p->reply, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
}

static void
a_key_is_forgotten_after_its_life(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "done"), CATALOGUE_CLAIMED);
	record(p, NULL, 0, "{}");
	assert_int_equal(claim(p, "unclear"), CATALOGUE_CLAIMED);
	assert_int_equal(catalogue_doubt(p->c, &p->claim, &f), 0);
	assert_int_equal(claim(p, "dead"), CATALOGUE_CLAIMED);
	catalogue_claim_fini(&p->claim);
	age_all(p, CATALOGUE_KEY_LIFE_MS - 60000);
	assert_int_equal(other_claim(p, "done"), CATALOGUE_REPLAY);
	age_all(p, 120000);
	assert_int_equal(claim_with(p, &p->claim, "done", "another body"),
	    CATALOGUE_CLAIMED);
	assert_int_equal(peek(p, "SELECT count(*) FROM requests"), 1);
}

static void
a_key_at_work_outlives_its_life(void **state)
{
	struct place *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	age_all(p, DAY_AND_A_BIT_MS);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_RUNNING);
	assert_int_equal(other_claim(p, "another"), CATALOGUE_CLAIMED);
	record(p, NULL, 0, "{}");
	assert_int_equal(other_claim(p, "key"), CATALOGUE_CLAIMED);
}

/* One claim forgets a bounded number of old keys, and surely its own. */
static void
a_thousand_old_keys_are_forgotten_in_pieces(void **state)
{
	struct place *p = *state;
	int64_t left;

	open_it(p);
	(void)peek(p,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 1000) INSERT INTO requests (key, body_sha256, state,"
	    " created_at) SELECT 'key-' || i, 'x', 'unclear', i FROM n");
	assert_int_equal(claim(p, "key-1000"), CATALOGUE_CLAIMED);
	left = peek(p, "SELECT count(*) FROM requests");
	assert_in_range(left, 2, 999);
	assert_int_equal(other_claim(p, "key-999"), CATALOGUE_CLAIMED);
	assert_true(peek(p, "SELECT count(*) FROM requests") < left);
}

static void
recovery_is_for_one_at_a_time(void **state)
{
	struct file_lease first = FILE_LEASE_INIT, second = FILE_LEASE_INIT;
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	bool held = false;

	open_it(p);
	assert_int_equal(claim(p, "key"), CATALOGUE_CLAIMED);
	assert_int_equal(catalogue_recovery_lease(p->c, &first, &held, &f), 0);
	assert_true(held);
	assert_int_equal(catalogue_recovery_lease(p->c, &second, &held, &f), 0);
	assert_false(held);
	file_lease_fini(&first);
	assert_int_equal(catalogue_recovery_lease(p->c, &second, &held, &f), 0);
	assert_true(held);
	file_lease_fini(&second);
}

static void
assert_version_opens(struct place *p, int version, bool opens)
{
	struct fault f = FAULT_INIT;
	char text[64];

	open_it(p);
	(void)snprintf(text, sizeof text, "PRAGMA user_version = %d", version);
	(void)peek(p, text);
	catalogue_close(&p->c);
	assert_int_equal(catalogue_open(&p->c, p->root, &f), opens ? 0 : -1);
	assert_int_equal(f.kind, opens ? FAULT_NONE : FAULT_CATALOGUE);
	assert_int_equal(peek(p, "PRAGMA user_version"), version);
	if (!opens)
		assert_true(view_has(view_str(f.text), "schema is version"));
}

static void
a_schema_one_version_ahead_is_used_and_left_as_it_is(void **state)
{
	assert_version_opens(*state, 2, true);
}

static void
a_schema_two_versions_ahead_is_refused(void **state)
{
	assert_version_opens(*state, 3, false);
}

static void
a_negative_schema_version_is_refused(void **state)
{
	assert_version_opens(*state, -1, false);
}

static void
a_root_that_is_not_there_is_a_fault(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	assert_int_equal(catalogue_open(&p->c, "/nowhere/at/all", &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_null(p->c);
}

static void
a_file_that_is_no_database_is_a_fault(void **state)
{
	char path[PATH_SIZE + 16];
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->root);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fprintf(file, "%01000d", 0) == 1000);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(catalogue_open(&p->c, p->root, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_null(p->c);
}

static void
a_writer_waits_for_another_and_gives_up(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE + 16];
	sqlite3 *db = NULL;
	enum sniff_kind kind;

	open_it(p);
	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->root);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    catalogue_record(p->c, &cat, 1, NULL, VIEW(""), &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_true(view_has(view_str(f.text), "locked"));
	/* Readers wait for nobody. */
	assert_false(finds(p, "cat", "", &kind));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	record(p, &cat, 1, "");
}

/* Ends a child without a word more than its status. */
static _Noreturn void
leave(bool well)
{
	_exit(well ? 0 : 1);
}

static void
await(const pid_t *children, int n)
{
	int i, status;

	for (i = 0; i < n; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* Children begin together, when the pipe they all wait at is closed. */
static void
await_start(const int gate[2])
{
	char byte;

	(void)alarm(60); /* should the test fail before they end */
	(void)close(gate[1]);
	while (read(gate[0], &byte, 1) > 0)
		continue;
}

static void
open_gate(const int gate[2])
{
	(void)close(gate[0]);
	(void)close(gate[1]);
}

/* A child's life: opens the catalogue when the others do. */
static _Noreturn void
open_with_the_others(struct place *p, const int gate[2])
{
	struct fault f = FAULT_INIT;

	await_start(gate);
	if (catalogue_open(&p->c, p->root, &f) == -1)
		(void)fprintf(stderr, "%s\n", f.text);
	catalogue_close(&p->c);
	leave(f.kind == FAULT_NONE);
}

static void
eight_processes_create_it_at_once(void **state)
{
	struct place *p = *state;
	pid_t children[OPENERS];
	int gate[2], i, round;

	/* Going to WAL meets another about once in fifty times. */
	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(
		    nftw(p->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
		assert_int_equal(mkdir(p->root, 0700), 0);
		assert_int_equal(pipe(gate), 0);
		for (i = 0; i < OPENERS; i++) {
			children[i] = fork();
			if (children[i] == 0)
				open_with_the_others(p, gate);
		}
		open_gate(gate);
		await(children, OPENERS);
		assert_int_equal(peek(p, "PRAGMA user_version"), 1);
	}
}

/* Records images one by one: true when the catalogue took them all. */
static bool
records_all(struct place *p, int who)
{
	struct catalogue_image image = image_of("placeholder");
	struct fault f = FAULT_INIT;
	int i;

	if (catalogue_open(&p->c, p->root, &f) == -1)
		return false;
	for (i = 0; i < RECORDS; i++) {
		(void)snprintf(
		    image.id.text, sizeof image.id.text, "image-%d-%d", who, i);
		if (catalogue_record(p->c, &image, 1, NULL, VIEW(""), &f) == -1)
			return false;
	}
	catalogue_close(&p->c);
	return true;
}

static void
four_processes_record_at_once_and_nothing_is_lost(void **state)
{
	struct place *p = *state;
	pid_t children[RECORDERS];
	int gate[2], i;

	assert_int_equal(pipe(gate), 0);
	for (i = 0; i < RECORDERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			await_start(gate);
			leave(records_all(p, i));
		}
	}
	open_gate(gate);
	await(children, RECORDERS);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM images"), RECORDERS * RECORDS);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects"), RECORDERS * RECORDS);
}

/* Starts a process that claims the key, tells what it got, and waits. */
static pid_t
start_claimer(struct place *p, enum catalogue_claim_state *got)
{
	int told[2];
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		open_it(p);
		*got = claim(p, "key");
		if (write(told[1], got, sizeof *got) == sizeof *got)
			(void)pause();
		leave(false);
	}
	assert_int_equal(read(told[0], got, sizeof *got), sizeof *got);
	(void)close(told[0]);
	(void)close(told[1]);
	return child;
}

static void
kill_it(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
a_key_belongs_to_one_process_and_is_unclear_when_it_is_killed(void **state)
{
	enum catalogue_claim_state first, second;
	struct place *p = *state;
	const pid_t owner = start_claimer(p, &first);
	const pid_t other = start_claimer(p, &second);

	assert_int_equal(first, CATALOGUE_CLAIMED);
	assert_int_equal(second, CATALOGUE_RUNNING);
	kill_it(other);
	open_it(p);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_RUNNING);
	kill_it(owner);
	assert_int_equal(other_claim(p, "key"), CATALOGUE_UNCLEAR);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM requests WHERE state = 'unclear'"),
	    1);
}

static void
of_eight_processes_one_gets_the_key(void **state)
{
	enum catalogue_claim_state got;
	struct place *p = *state;
	pid_t children[OPENERS];
	int gate[2], told[2], i, won = 0;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(told), 0);
	for (i = 0; i < OPENERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			await_start(gate);
			open_it(p);
			got = claim(p, "key");
			if (write(told[1], &got, sizeof got) == sizeof got)
				(void)pause();
			leave(false);
		}
	}
	open_gate(gate);
	for (i = 0; i < OPENERS; i++) {
		assert_int_equal(read(told[0], &got, sizeof got), sizeof got);
		won += got == CATALOGUE_CLAIMED;
		assert_true(
		    got == CATALOGUE_CLAIMED || got == CATALOGUE_RUNNING);
	}
	for (i = 0; i < OPENERS; i++)
		kill_it(children[i]);
	assert_int_equal(won, 1);
	(void)close(told[0]);
	(void)close(told[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_catalogue_is_durable_and_knows_nothing),
		TEST(a_recorded_image_is_found_also_after_reopening),
		TEST(every_column_is_kept),
		TEST(a_long_prompt_and_missing_texts_are_kept),
		TEST(an_adopted_image_is_found_and_waits_for_upload),
		TEST(adopting_changes_nothing_that_is_known),
		TEST(recording_gives_an_adopted_image_its_provenance),
		TEST(an_image_is_found_in_a_job_only_if_the_job_has_it),
		TEST(an_image_of_a_kind_from_the_future_is_a_fault),
		TEST(a_transaction_that_fails_leaves_nothing),
		TEST(a_key_is_claimed_once_and_then_replayed),
		TEST(a_key_with_another_body_is_refused),
		TEST(a_released_key_is_new_again),
		TEST(a_doubted_key_stays_unclear),
		TEST(a_claim_that_is_merely_ended_reads_as_unclear),
		TEST(a_reply_too_long_for_its_reader_is_a_fault),
		TEST(a_key_is_forgotten_after_its_life),
		TEST(a_key_at_work_outlives_its_life),
		TEST(a_thousand_old_keys_are_forgotten_in_pieces),
		TEST(recovery_is_for_one_at_a_time),
		TEST(a_schema_one_version_ahead_is_used_and_left_as_it_is),
		TEST(a_schema_two_versions_ahead_is_refused),
		TEST(a_negative_schema_version_is_refused),
		TEST(a_root_that_is_not_there_is_a_fault),
		TEST(a_file_that_is_no_database_is_a_fault),
		TEST(a_writer_waits_for_another_and_gives_up),
		TEST(eight_processes_create_it_at_once),
		TEST(four_processes_record_at_once_and_nothing_is_lost),
		TEST(
		    a_key_belongs_to_one_process_and_is_unclear_when_it_is_killed),
		TEST(of_eight_processes_one_gets_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
