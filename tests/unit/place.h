/*
 * place - a root folder of its own for each test, and words for what is
 * common to the tests of db, claims, objects, catalogue and recover.
 *
 * Included once by a test, after cmocka.h.  The test opens the database in
 * its fixture by itself (open_it): those that fork do so afterwards.
 */
#ifndef TESTS_PLACE_H
#define TESTS_PLACE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "disk/claims.h"
#include "disk/store.h"
#include "folder.h"

enum { PLACE_SIZE = FOLDER_SIZE };

struct place {
	char root[PLACE_SIZE];
};

static inline int
place_make(struct place *p)
{
	return folder_make(p->root);
}

static inline int
place_remove(const struct place *p)
{
	return folder_remove(p->root);
}

/* Opens the database by itself, behind our own modules' back. */
static inline sqlite3 *
place_sqlite(const struct place *p)
{
	char path[PLACE_SIZE + 16];
	sqlite3 *sqlite = NULL;

	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->root);
	assert_int_equal(sqlite3_open(path, &sqlite), SQLITE_OK);
	assert_int_equal(sqlite3_busy_timeout(sqlite, 5000), SQLITE_OK);
	return sqlite;
}

/* Runs the statements of the text. */
static inline void
place_run(const struct place *p, const char *text)
{
	sqlite3 *sqlite = place_sqlite(p);
	char *why = NULL;

	if (sqlite3_exec(sqlite, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s", why);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

/* Runs the text, gives its one number. */
static inline int64_t
place_peek(const struct place *p, const char *text)
{
	sqlite3 *sqlite = place_sqlite(p);
	sqlite3_stmt *st = NULL;
	int64_t n = -1;

	assert_int_equal(
	    sqlite3_prepare_v2(sqlite, text, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
	return n;
}

/* Ends a child without a word more than its status. */
static inline _Noreturn void
place_leave(bool well)
{
	_exit(well ? 0 : 1);
}

static inline void
place_await(const pid_t *children, int n)
{
	int i, status;

	for (i = 0; i < n; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* Children begin together, when the pipe they all wait at is closed. */
static inline void
place_await_start(const int gate[2])
{
	char byte;

	(void)alarm(60); /* should the test fail before they end */
	(void)close(gate[1]);
	while (read(gate[0], &byte, 1) > 0)
		continue;
}

static inline void
place_open_gate(const int gate[2])
{
	(void)close(gate[0]);
	(void)close(gate[1]);
}

/* What a test has; set_up leaves store and database unopened. */
struct fixture {
	struct place place;
	struct store *st;
	struct db *db;
	struct claim claim;
	struct buf reply;
};

static inline int
set_up(void **state)
{
	struct fixture *p = calloc(1, sizeof *p);

	p->claim = CLAIM_INIT;
	p->reply = BUF_INIT(CLAIMS_REPLY_MAX);
	*state = p;
	return place_make(&p->place);
}

static inline int
tear_down(void **state)
{
	struct fixture *p = *state;
	int rc;

	claims_fini(&p->claim);
	buf_fini(&p->reply);
	store_close(&p->st);
	db_close(&p->db);
	db_close(&p->db);
	rc = place_remove(&p->place);
	free(p);
	return rc;
}

static inline void
open_it(struct fixture *p)
{
	struct fault f = FAULT_INIT;

	if (db_open(&p->db, p->place.root, &f) == -1)
		fail_msg("%s", f.text);
}

static inline void
open_again(struct fixture *p)
{
	db_close(&p->db);
	open_it(p);
}

#endif
