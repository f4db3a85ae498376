#include "disk/db.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "place.h"

enum { SCHEMA = 3, OPENERS = 8, ROUNDS = 40 };

/* What version 1 created, and something of everything in it. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE images ("
    "  id TEXT NOT NULL PRIMARY KEY, extension TEXT NOT NULL,"
    "  media_type TEXT NOT NULL, bytes INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL, width INTEGER NOT NULL,"
    "  height INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    "  prompt TEXT NOT NULL, model TEXT NOT NULL, seed INTEGER,"
    "  request_id TEXT NOT NULL) STRICT;"
    "CREATE TABLE objects ("
    "  image_id TEXT NOT NULL, job_id TEXT NOT NULL DEFAULT '',"
    "  key TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  next_attempt_at INTEGER NOT NULL DEFAULT 0,"
    "  last_error TEXT NOT NULL DEFAULT '', verified_at INTEGER,"
    "  PRIMARY KEY (image_id, job_id)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX objects_to_do ON objects (state, next_attempt_at);"
    "CREATE TABLE requests ("
    "  serial INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,"
    "  body_sha256 TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'unclear')),"
    "  created_at INTEGER NOT NULL, reply TEXT) STRICT;"
    "CREATE INDEX requests_by_age ON requests (created_at);"
    "PRAGMA user_version = 1;"
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    "  WHERE i < 500) INSERT INTO images SELECT 'image-' || i, 'png',"
    "  'image/png', i, hex(i), 1, 2, 1000 + i, 'a \"prompt\" of ' || i,"
    "  'model', iif(i % 2, i, NULL), 'r' FROM n;"
    "INSERT INTO objects SELECT id, '', 'k/' || id, 'waiting', 0, 0, '', NULL"
    "  FROM images;"
    "INSERT INTO objects VALUES ('image-1', 'job', 'k', 'done', 2, 3, '', 4),"
    "  ('image-2', 'job', 'k', 'failed', 5, 6, 'no', NULL),"
    "  ('lost', '', 'k', 'waiting', 0, 0, '', NULL);"
    "INSERT INTO requests VALUES (7, 'a', 'b', 'done', 8, '{}'),"
    "  (9, 'c', 'd', 'running', 10, NULL);"
    "DELETE FROM requests WHERE serial = 9;";

/* What version 2 made of it, and something in each new column. */
static const char version_2[] =
    "ALTER TABLE objects ADD COLUMN queued_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE objects ADD COLUMN error_at INTEGER NOT NULL DEFAULT 0;"
    "UPDATE objects SET queued_at = attempts + 11, error_at = attempts + 12;"
    "DROP INDEX objects_to_do;"
    "CREATE INDEX objects_to_do"
    "  ON objects (state, next_attempt_at, queued_at);"
    "CREATE INDEX objects_by_proof ON objects (verified_at)"
    "  WHERE verified_at IS NOT NULL;"
    "CREATE INDEX objects_by_error ON objects (error_at)"
    "  WHERE last_error <> '';"
    "PRAGMA user_version = 2;";

/* Rows of version 1 that differ from those of the file attached. */
static const char lost_rows[] =
    "SELECT (SELECT count(*) FROM (SELECT * FROM old.images EXCEPT"
    "  SELECT * FROM main.images)) + (SELECT count(*) FROM ("
    "  SELECT * FROM old.objects EXCEPT SELECT image_id, job_id, key, state,"
    "  attempts, next_attempt_at, last_error, verified_at"
    "  FROM main.objects)) + (SELECT count(*) FROM ("
    "  SELECT * FROM old.requests EXCEPT SELECT * FROM main.requests))"
    "  + abs((SELECT count(*) FROM old.objects) -"
    "  (SELECT count(*) FROM main.objects))";

static void
a_new_database_is_durable(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), SCHEMA);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM pragma_journal_mode"
				  " WHERE journal_mode = 'wal'"),
	    1);
}

static void
a_database_that_was_removed_is_not_written_to(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	char path[PLACE_SIZE + 16];

	open_it(p);
	assert_int_equal(db_guard(p->db, &f), 0);
	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->place.root);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(db_guard(p->db, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_true(view_has(view_str(f.text), "restart the workers"));
	open_again(p);
	f = FAULT_INIT;
	assert_int_equal(db_guard(p->db, &f), 0);
}

static void
a_guard_keeps_no_lock(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct db *other = NULL;

	open_it(p);
	assert_int_equal(db_open(&other, p->place.root, &f), 0);
	assert_int_equal(db_guard(p->db, &f), 0);
	assert_int_equal(db_guard(other, &f), 0);
	db_close(&other);
}

static void
a_guard_waits_as_long_as_it_is_told(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct db *other = NULL;
	int64_t began_ms;

	open_it(p);
	assert_int_equal(db_open(&other, p->place.root, &f), 0);
	assert_int_equal(db_begin(other, &f), 0);
	began_ms = clock_ticks_ms();
	assert_int_equal(db_guard_within(p->db, 50, &f), -1);
	assert_in_range(clock_ticks_ms() - began_ms, 0, DB_BUSY_MS / 2);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	f = FAULT_INIT;
	assert_int_equal(db_finish(other, 0, &f), 0);
	assert_int_equal(db_guard_within(p->db, 50, &f), 0);
	db_close(&other);
}

static void
a_bounded_statement_ends_in_time(void **state)
{
	static const char for_ever[] =
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
	    " SELECT count(*) FROM n";
	const int64_t began_ms = clock_ticks_ms();
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct db_query q;
	int stop[2];

	open_it(p);
	db_bound(p->db, began_ms + 100, 0);
	q = db_ask(p->db, for_ever);
	assert_int_equal(db_step(&q, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	db_end(&q);
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(close(stop[1]), 0); /* readable: its end */
	db_bound(p->db, began_ms + 60000, stop[0]);
	f = FAULT_INIT;
	q = db_ask(p->db, for_ever);
	assert_int_equal(db_step(&q, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	db_end(&q);
	assert_in_range(clock_ticks_ms() - began_ms, 100, 30000);
	(void)close(stop[0]);
}

static const char insert[] =
    "INSERT INTO requests (key, body_sha256, state, created_at, reply)"
    " VALUES (?, '', 'running', ?, ?)";
static const char list[] =
    "SELECT key, created_at, created_at > 1, reply IS NULL FROM requests"
    " ORDER BY serial";

/* Adds a row, and keeps it if rc is 0: its number. */
static int64_t
add(struct fixture *p, struct view key, int64_t n, int rc)
{
	struct fault f = FAULT_INIT;
	struct db_query q;

	assert_int_equal(db_begin(p->db, &f), 0);
	q = db_ask(p->db, insert);
	db_give_text(&q, key);
	db_give_number(&q, n);
	db_give_null(&q);
	assert_int_equal(db_run(&q, &f), 0);
	assert_int_equal(db_finish(p->db, rc, &f), rc);
	return db_last_row(p->db);
}

static void
what_is_given_is_what_comes_back(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct db_query q;
	struct view key;

	open_it(p);
	assert_int_equal(add(p, VIEW("a"), 1, 0), 1);
	assert_int_equal(add(p, (struct view){ NULL, 0 }, INT64_MAX, 0), 2);
	q = db_ask(p->db, list);
	assert_int_equal(db_step(&q, &f), 1);
	assert_int_equal(db_text(&q, 0, &key, &f), 0);
	assert_true(view_is(key, "a"));
	assert_int_equal(db_number(&q, 1), 1);
	assert_false(db_flag(&q, 2));
	assert_true(db_flag(&q, 3));
	assert_int_equal(db_step(&q, &f), 1);
	assert_int_equal(db_text(&q, 0, &key, &f), 0);
	assert_int_equal(key.n, 0);
	assert_true(db_number(&q, 1) == INT64_MAX);
	assert_true(db_flag(&q, 2));
	assert_int_equal(db_step(&q, &f), 0);
	db_end(&q);
}

/* In a root of its own, where the backup lies as the catalogue. */
static int64_t
rows_of_backup(const struct place *restored)
{
	struct fault f = FAULT_INIT;
	struct db *db = NULL;

	assert_int_equal(db_open(&db, restored->root, &f), 0);
	db_close(&db);
	return place_peek(restored, "SELECT count(*) FROM requests");
}

static void
a_backup_is_the_whole_of_one_moment(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct place restored;
	char path[PLACE_SIZE + 16];

	open_it(p);
	(void)add(p, VIEW("a"), 1, 0);
	(void)add(p, VIEW("b"), 2, 0);
	assert_int_equal(place_make(&restored), 0);
	(void)snprintf(path, sizeof path, "%s/catalogue.db", restored.root);
	assert_int_equal(db_backup(p->db, path, &f), 0);
	(void)add(p, VIEW("c"), 3, 0);
	assert_int_equal(rows_of_backup(&restored), 2);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 3);
	assert_int_equal(place_remove(&restored), 0);
}

static int
drafts_in(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strncmp(entry->d_name, FILE_DRAFT_PREFIX,
			 strlen(FILE_DRAFT_PREFIX)) == 0;
	(void)closedir(dir);
	return n;
}

static void
a_backup_replaces_nothing_and_a_failed_one_leaves_nothing(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	char path[PLACE_SIZE + 16];

	open_it(p);
	(void)snprintf(path, sizeof path, "%s/taken", p->place.root);
	assert_int_equal(db_backup(p->db, path, &f), 0);
	assert_int_equal(db_backup(p->db, path, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	f = FAULT_INIT;
	(void)snprintf(path, sizeof path, "%s/", p->place.root);
	assert_int_equal(db_backup(p->db, path, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	f = FAULT_INIT;
	assert_int_equal(db_backup(p->db, "/nowhere/at/all", &f), -1);
	assert_true(view_has(view_str(f.text), "/nowhere/at/all"));
	(void)snprintf(path, sizeof path, "%s/nowhere/b", p->place.root);
	f = FAULT_INIT;
	assert_int_equal(db_backup(p->db, path, &f), -1);
	assert_int_equal(drafts_in(p->place.root), 0);
}

static void
what_is_not_kept_is_gone(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	(void)add(p, VIEW("a"), 1, -1);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 0);
	(void)add(p, VIEW("a"), 1, 0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 1);
}

static void
a_statement_sqlite_refuses_is_a_fault(void **state)
{
	static const char nonsense[] = "SELECT name FROM nowhere";
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct db_query q;

	open_it(p);
	(void)add(p, VIEW("a"), 1, 0);
	q = db_ask(p->db, nonsense);
	db_give_text(&q, VIEW("a"));
	assert_int_equal(db_run(&q, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_true(view_has(view_str(f.text), "nowhere"));
	(void)add(p, VIEW("b"), 1, 0);
}

static void
a_writer_waits_for_another_and_gives_up(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	sqlite3 *other;
	int rc;

	open_it(p);
	other = place_sqlite(&p->place);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	rc = db_begin(p->db, &f);
	assert_int_equal(db_finish(p->db, rc, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_true(view_has(view_str(f.text), "locked"));
	assert_non_null(f.remedy);
	assert_string_not_equal(f.remedy, DB_BROKEN_REMEDY);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
	(void)add(p, VIEW("a"), 1, 0);
}

static void
assert_version_opens(struct fixture *p, int version, bool opens)
{
	struct fault f = FAULT_INIT;
	char text[64];

	open_it(p);
	(void)snprintf(text, sizeof text, "PRAGMA user_version = %d", version);
	(void)place_peek(&p->place, text);
	db_close(&p->db);
	assert_int_equal(db_open(&p->db, p->place.root, &f), opens ? 0 : -1);
	assert_int_equal(f.kind, opens ? FAULT_NONE : FAULT_CATALOGUE);
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), version);
	if (!opens)
		assert_true(view_has(view_str(f.text), "schema is version"));
}

static void
a_schema_one_version_ahead_is_used_and_left_as_it_is(void **state)
{
	assert_version_opens(*state, SCHEMA + 1, true);
}

static void
a_schema_two_versions_ahead_is_refused(void **state)
{
	assert_version_opens(*state, SCHEMA + 2, false);
}

static void
a_negative_schema_version_is_refused(void **state)
{
	assert_version_opens(*state, -1, false);
}

static void
a_root_that_is_not_there_is_a_fault(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	assert_int_equal(db_open(&p->db, "/nowhere/at/all", &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_null(p->db);
}

static void
a_file_that_is_no_database_is_a_fault(void **state)
{
	char path[PLACE_SIZE + 16];
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->place.root);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fprintf(file, "%01000d", 0) == 1000);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(db_open(&p->db, p->place.root, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_string_equal(f.remedy, DB_BROKEN_REMEDY);
	assert_true(view_has(view_str(f.text), DB_BROKEN_REMEDY));
	assert_null(p->db);
}

/* A child's life: opens the catalogue when the others do. */
static _Noreturn void
open_with_the_others(struct fixture *p, const int gate[2])
{
	struct fault f = FAULT_INIT;

	place_await_start(gate);
	if (db_open(&p->db, p->place.root, &f) == -1)
		(void)fprintf(stderr, "%s\n", f.text);
	db_close(&p->db);
	place_leave(f.kind == FAULT_NONE);
}

static void
eight_processes_create_it_at_once(void **state)
{
	struct fixture *p = *state;
	pid_t children[OPENERS];
	int gate[2], i, round;

	/* Going to WAL meets another about once in fifty times. */
	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(place_remove(&p->place), 0);
		assert_int_equal(mkdir(p->place.root, 0700), 0);
		assert_int_equal(pipe(gate), 0);
		for (i = 0; i < OPENERS; i++) {
			children[i] = fork();
			if (children[i] == 0)
				open_with_the_others(p, gate);
		}
		place_open_gate(gate);
		place_await(children, OPENERS);
		assert_int_equal(
		    place_peek(&p->place, "PRAGMA user_version"), SCHEMA);
	}
}

/* The number that a text gives when version 1 is attached as `old`. */
static int64_t
compare(struct fixture *p, const char *text)
{
	sqlite3 *sqlite = place_sqlite(&p->place);
	sqlite3_stmt *st = NULL;
	char attach[PLACE_SIZE + 64];
	int64_t n;

	(void)snprintf(
	    attach, sizeof attach, "ATTACH '%s/old.db' AS old", p->place.root);
	assert_int_equal(
	    sqlite3_exec(sqlite, attach, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(sqlite, text, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	return n;
}

/* Makes the database as version 1 left it, and a copy of it: old.db. */
static void
make_version_1(struct fixture *p)
{
	char copy[PLACE_SIZE + 64];

	(void)snprintf(
	    copy, sizeof copy, "VACUUM INTO '%s/old.db'", p->place.root);
	place_run(&p->place, version_1);
	place_run(&p->place, copy);
}

static void
version_1_is_migrated_and_nothing_is_lost(void **state)
{
	struct fixture *p = *state;
	int64_t schema;

	make_version_1(p);
	open_it(p);
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), SCHEMA);
	assert_int_equal(compare(p, lost_rows), 0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects"), 503);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 1);
	assert_int_equal(add(p, VIEW("new"), 1, 0), 10); /* 9 was used */
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM pragma_integrity_check"
				  " WHERE integrity_check = 'ok'"),
	    1);
	schema = place_peek(&p->place, "PRAGMA schema_version");
	open_again(p);
	assert_int_equal(
	    place_peek(&p->place, "PRAGMA schema_version"), schema);
}

static void
what_waits_since_version_1_waits_as_long_as_its_image_is_old(void **state)
{
	struct fixture *p = *state;

	make_version_1(p);
	open_it(p);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects JOIN images"
				  " ON id = image_id AND"
				  " queued_at = created_at"),
	    502);
	assert_int_equal(place_peek(&p->place, "SELECT queued_at FROM objects"
					       " WHERE image_id = 'lost'"),
	    0);
}

/* The same as version 2 left it. */
static void
make_version_2(struct fixture *p)
{
	char copy[PLACE_SIZE + 64];

	(void)snprintf(
	    copy, sizeof copy, "VACUUM INTO '%s/old.db'", p->place.root);
	place_run(&p->place, version_1);
	place_run(&p->place, version_2);
	place_run(&p->place, copy);
}

static void
version_2_is_migrated_and_nothing_is_lost(void **state)
{
	struct fixture *p = *state;

	make_version_2(p);
	open_it(p);
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), SCHEMA);
	assert_int_equal(
	    compare(p,
		"SELECT (SELECT count(*) FROM (SELECT * FROM old.objects"
		" EXCEPT SELECT * FROM main.objects)) + (SELECT count(*) FROM"
		" (SELECT * FROM old.images EXCEPT SELECT * FROM main.images))"
		" + (SELECT count(*) FROM (SELECT * FROM old.requests EXCEPT"
		" SELECT * FROM main.requests))"),
	    0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects"), 503);
	assert_int_equal(
	    compare(p, "SELECT count(*) FROM old.sqlite_schema AS o WHERE NOT"
		       " EXISTS (SELECT 1 FROM main.sqlite_schema AS m WHERE"
		       " m.name = o.name AND m.sql IS o.sql)"),
	    0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM pragma_integrity_check"
				  " WHERE integrity_check = 'ok'"),
	    1);
}

/* A database has the same tables, columns and indexes whichever version it
 * began with. */
static void
every_way_leads_to_the_same_tables(void **state)
{
	static const char differences[] =
	    "WITH a AS (SELECT m.name, c.name, c.type, c.pk"
	    "  FROM main.sqlite_schema AS m LEFT JOIN"
	    "  pragma_table_info(m.name, 'main') AS c),"
	    " b AS (SELECT m.name, c.name, c.type, c.pk"
	    "  FROM old.sqlite_schema AS m LEFT JOIN"
	    "  pragma_table_info(m.name, 'old') AS c)"
	    " SELECT (SELECT count(*) FROM (SELECT * FROM a EXCEPT"
	    "  SELECT * FROM b)) + (SELECT count(*) FROM (SELECT * FROM b"
	    "  EXCEPT SELECT * FROM a))";
	void (*const make[])(
	    struct fixture *) = { make_version_1, make_version_2 };
	struct fixture *p = *state;
	char old[PLACE_SIZE + 16], fresh[PLACE_SIZE + 32];
	struct db *db;
	size_t i;

	(void)snprintf(old, sizeof old, "%s/old.db", p->place.root);
	(void)snprintf(fresh, sizeof fresh, "%s/catalogue.db", p->place.root);
	for (i = 0; i < 2; i++) {
		struct fault f = FAULT_INIT;

		make[i](p);
		open_it(p);
		db_close(&p->db);
		assert_true(compare(p, differences) > 0);
		assert_int_equal(unlink(old), 0);
		assert_int_equal(rename(fresh, old), 0);
		assert_int_equal(db_open(&db, p->place.root, &f), 0);
		db_close(&db);
		assert_int_equal(compare(p, differences), 0);
		assert_int_equal(
		    compare(p, "SELECT count(*) FROM main.sqlite_schema WHERE"
			       " name IN ('operations', 'job_files', 'uploads',"
			       " 'operations_to_do', 'operations_by_end',"
			       " 'objects_by_job')"),
		    6);
		assert_int_equal(unlink(old), 0);
		assert_int_equal(unlink(fresh), 0);
	}
}

/* What it adds is in the new index, too. */
static void
a_program_of_version_2_goes_on_beside(void **state)
{
	static const char add_object[] =
	    "INSERT INTO objects (image_id, job_id, key, state, queued_at)"
	    " VALUES ('image-1', 'job-2', 'k', 'waiting', 5)";
	struct fixture *p = *state;
	sqlite3_stmt *st = NULL;
	sqlite3 *old;

	make_version_2(p);
	old = place_sqlite(&p->place);
	assert_int_equal(
	    sqlite3_prepare_v2(old, add_object, -1, &st, NULL), SQLITE_OK);
	open_it(p);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(old), SQLITE_OK);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects INDEXED BY"
				  " objects_by_job WHERE job_id = 'job-2' AND"
				  " job_id <> ''"),
	    1);
}

/* The statements of version 1, prepared before the migration. */
static void
a_program_of_version_1_goes_on_beside(void **state)
{
	static const char insert_object[] =
	    "INSERT INTO objects (image_id, key, state)"
	    " VALUES (?, ?, 'waiting') ON CONFLICT DO NOTHING";
	static const char find_in_job[] =
	    "SELECT i.extension FROM objects o JOIN images i"
	    " ON i.id = o.image_id WHERE o.image_id = ? AND o.job_id = ?";
	sqlite3_stmt *st[2] = { NULL, NULL };
	struct fixture *p = *state;
	sqlite3 *old;
	int i;

	make_version_1(p);
	old = place_sqlite(&p->place);
	assert_int_equal(
	    sqlite3_prepare_v2(old, insert_object, -1, &st[0], NULL), 0);
	assert_int_equal(
	    sqlite3_prepare_v2(old, find_in_job, -1, &st[1], NULL), 0);
	open_it(p);
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    sqlite3_bind_text(st[i], 1, "image-1", -1, SQLITE_STATIC),
		    0);
	assert_int_equal(
	    sqlite3_bind_text(st[0], 2, "k", -1, SQLITE_STATIC), 0);
	assert_int_equal(
	    sqlite3_bind_text(st[1], 2, "job", -1, SQLITE_STATIC), 0);
	assert_int_equal(sqlite3_step(st[0]), SQLITE_DONE);
	assert_int_equal(sqlite3_reset(st[0]), 0);
	assert_int_equal(
	    sqlite3_bind_text(st[0], 1, "new", -1, SQLITE_STATIC), 0);
	assert_int_equal(sqlite3_step(st[0]), SQLITE_DONE);
	assert_int_equal(sqlite3_step(st[1]), SQLITE_ROW);
	for (i = 0; i < 2; i++)
		assert_int_equal(sqlite3_finalize(st[i]), 0);
	assert_int_equal(sqlite3_close(old), SQLITE_OK);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects WHERE"
				  " image_id = 'new' AND queued_at = 0"),
	    1);
	assert_int_equal(compare(p, "SELECT count(*) FROM old.images"), 500);
}

static void
a_migration_that_fails_changes_nothing(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	make_version_1(p);
	/* A name that only the last statements of the step meet. */
	place_run(
	    &p->place, "CREATE INDEX objects_by_error ON objects (attempts)");
	assert_int_equal(db_open(&p->db, p->place.root, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_true(view_has(view_str(f.text), "objects_by_error"));
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), 1);
	assert_int_equal(
	    place_peek(
		&p->place, "SELECT count(*) FROM pragma_table_info('objects')"),
	    8);
	place_run(&p->place, "DROP INDEX objects_by_error");
	open_it(p);
	assert_int_equal(compare(p, lost_rows), 0);
}

static void
eight_processes_migrate_it_at_once(void **state)
{
	struct fixture *p = *state;
	pid_t children[OPENERS];
	int gate[2], i, round;

	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(place_remove(&p->place), 0);
		assert_int_equal(mkdir(p->place.root, 0700), 0);
		make_version_1(p);
		assert_int_equal(pipe(gate), 0);
		for (i = 0; i < OPENERS; i++) {
			children[i] = fork();
			if (children[i] == 0)
				open_with_the_others(p, gate);
		}
		place_open_gate(gate);
		place_await(children, OPENERS);
		assert_int_equal(
		    place_peek(&p->place, "PRAGMA user_version"), SCHEMA);
		assert_int_equal(compare(p, lost_rows), 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_database_is_durable),
		TEST(a_database_that_was_removed_is_not_written_to),
		TEST(a_guard_keeps_no_lock),
		TEST(a_guard_waits_as_long_as_it_is_told),
		TEST(a_bounded_statement_ends_in_time),
		TEST(what_is_given_is_what_comes_back),
		TEST(a_backup_is_the_whole_of_one_moment),
		TEST(a_backup_replaces_nothing_and_a_failed_one_leaves_nothing),
		TEST(what_is_not_kept_is_gone),
		TEST(a_statement_sqlite_refuses_is_a_fault),
		TEST(a_writer_waits_for_another_and_gives_up),
		TEST(a_schema_one_version_ahead_is_used_and_left_as_it_is),
		TEST(a_schema_two_versions_ahead_is_refused),
		TEST(a_negative_schema_version_is_refused),
		TEST(a_root_that_is_not_there_is_a_fault),
		TEST(a_file_that_is_no_database_is_a_fault),
		TEST(eight_processes_create_it_at_once),
		TEST(version_1_is_migrated_and_nothing_is_lost),
		TEST(
		    what_waits_since_version_1_waits_as_long_as_its_image_is_old),
		TEST(version_2_is_migrated_and_nothing_is_lost),
		TEST(every_way_leads_to_the_same_tables),
		TEST(a_program_of_version_2_goes_on_beside),
		TEST(a_program_of_version_1_goes_on_beside),
		TEST(a_migration_that_fails_changes_nothing),
		TEST(eight_processes_migrate_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
