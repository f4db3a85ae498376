#include "disk/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

enum { OPENERS = 8, ROUNDS = 40 };

static void
a_new_database_is_durable(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(place_peek(&p->place, "PRAGMA user_version"), 1);
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
		    place_peek(&p->place, "PRAGMA user_version"), 1);
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
		TEST(what_is_given_is_what_comes_back),
		TEST(what_is_not_kept_is_gone),
		TEST(a_statement_sqlite_refuses_is_a_fault),
		TEST(a_writer_waits_for_another_and_gives_up),
		TEST(a_schema_one_version_ahead_is_used_and_left_as_it_is),
		TEST(a_schema_two_versions_ahead_is_refused),
		TEST(a_negative_schema_version_is_refused),
		TEST(a_root_that_is_not_there_is_a_fault),
		TEST(a_file_that_is_no_database_is_a_fault),
		TEST(eight_processes_create_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
