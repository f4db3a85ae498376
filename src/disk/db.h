/*
 * db - one SQLite file, and the few words it is spoken to with.  The only
 * user of SQLite.
 *
 * root/catalogue.db, WAL, synchronous=FULL: what db_finish reports as kept
 * survives a power cut.  Opened after fork, one per process; writers of
 * other processes are waited for (DB_BUSY_MS).  Failures here are
 * FAULT_CATALOGUE, with a remedy where there is one, FAULT_FULL when the disk
 * is, and FAULT_MEMORY.
 *
 * The schema's version is in user_version.  A change keeps the database
 * readable by the version before, so that old and new run side by side
 * during an upgrade; a database two versions ahead is refused.
 */
#ifndef DISK_DB_H
#define DISK_DB_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

enum { DB_BUSY_MS = 5000 };

/* What to do about a catalogue that is no whole database any more. */
#define DB_BROKEN_REMEDY                                                       \
	"stop the service, keep a copy, and put catalogue.db back from a "     \
	"backup; or move it away, start the service, and run `charref "        \
	"reindex`"

struct db; /* opaque; one thread at a time */

/* Opens the database in root, making or migrating it when needed; also
 * FAULT_DISK. */
int db_open(struct db **out, const char *root, struct fault *f);
void db_close(struct db **db);

/* The folder root, open as long as the database is. */
int db_folder(const struct db *db);

/*
 * What is written between the two happens as a whole.  finish ends what
 * begin began, also when begin failed: with rc 0 it keeps all of it, or
 * returns -1; with rc -1 it keeps nothing and returns -1.
 */
int db_begin(struct db *db, struct fault *f);
int db_finish(struct db *db, int rc, struct fault *f);

/*
 * Writes all that is kept at one moment into a new file of that path, which
 * appears whole; others go on reading and writing.  FAULT_CONFLICT when there
 * is one already, FAULT_INPUT for a path without a name, FAULT_DISK.
 */
int db_backup(struct db *db, const char *path, struct fault *f);

/*
 * From here on no statement goes on beyond deadline_ms (clock_ticks_ms), or
 * once stop_fd is readable (see clock_is_stopped): FAULT_SLOW.  For who only
 * looks.
 */
void db_bound(struct db *db, int64_t deadline_ms, int stop_fd);

/* Could something be written now?  Asked before what must be recorded is
 * paid for; waits for other writers as db_begin does. */
int db_guard(struct db *db, struct fault *f);

/* The same, waiting for them so long at most. */
int db_guard_within(struct db *db, int wait_ms, struct fault *f);

/*
 * A statement on its way: its values are given in order, and the first
 * that SQLite refuses spoils it: step then says so.
 */
struct db_query {
	struct db *db;
	struct sqlite3_stmt *st; /* NULL when it could not be prepared */
	int given;
	int rc; /* SQLite's */
};

/*
 * Begins a statement.  It is prepared once and known by its address
 * afterwards: sql is a static text, and only one query at a time has it.
 */
struct db_query db_ask(struct db *db, const char *sql);

/* The text is lent until db_end; an absent one (NULL) is given as "". */
void db_give_text(struct db_query *q, struct view v);
void db_give_number(struct db_query *q, int64_t n);
void db_give_null(struct db_query *q);

/* 1 with the next row, 0 at the end, or -1. */
int db_step(struct db_query *q, struct fault *f);

/* A column of the row, from 0; a text is lent until the next step. */
int64_t db_number(const struct db_query *q, int column);
bool db_flag(const struct db_query *q, int column);
int db_text(struct db_query *q, int column, struct view *v, struct fault *f);

/* Ends the statement, before its values go away. */
void db_end(struct db_query *q);

/* Steps and ends a statement that gives no rows. */
int db_run(struct db_query *q, struct fault *f);

/* The number of the row inserted last. */
int64_t db_last_row(const struct db *db);

/* How many rows the last statement has inserted, changed or deleted. */
int64_t db_changed(const struct db *db);

#endif
