#include "disk/db.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "base/file.h"

enum {
	STATEMENTS_MAX = 64,
	LOOKASIDE_SIZE = 512,
	LOOKASIDE_SLOTS = 32,
	NAP_MS = 20, /* between attempts at what SQLite does not wait for */
	LOOK_STEPS = 10000 /* of SQLite's machine, between looks at a bound */
};

/* A serial that was kept is never used twice (AUTOINCREMENT): it is a byte
 * to lock. */
static const char schema_1[] =
    "CREATE TABLE images ("
    "  id TEXT NOT NULL PRIMARY KEY,"
    "  extension TEXT NOT NULL,"
    "  media_type TEXT NOT NULL,"
    "  bytes INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  width INTEGER NOT NULL,"
    "  height INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL," /* ms since 1970, as all times here */
    "  prompt TEXT NOT NULL,"
    "  model TEXT NOT NULL,"
    "  seed INTEGER,"
    "  request_id TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE objects ("
    "  image_id TEXT NOT NULL,"
    "  job_id TEXT NOT NULL DEFAULT ''," /* '': the image stands alone */
    "  key TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),"
    "  attempts INTEGER NOT NULL DEFAULT 0,"
    "  next_attempt_at INTEGER NOT NULL DEFAULT 0,"
    "  last_error TEXT NOT NULL DEFAULT '',"
    "  verified_at INTEGER,"
    "  PRIMARY KEY (image_id, job_id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX objects_to_do ON objects (state, next_attempt_at);"
    "CREATE TABLE requests ("
    "  serial INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  key TEXT NOT NULL UNIQUE,"
    "  body_sha256 TEXT NOT NULL,"
    "  state TEXT NOT NULL CHECK (state IN ('running', 'done', 'unclear')),"
    "  created_at INTEGER NOT NULL,"
    "  reply TEXT"
    ") STRICT;"
    "CREATE INDEX requests_by_age ON requests (created_at);"
    "PRAGMA user_version = 1;";

/*
 * queued_at: when it began to wait, 0 when version 1 added it; error_at: of
 * last_error; verified_at is NULL unless it is done.  The first index counts
 * and finds what is due without the table.
 */
static const char schema_2[] =
    "ALTER TABLE objects ADD COLUMN queued_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE objects ADD COLUMN error_at INTEGER NOT NULL DEFAULT 0;"
    "UPDATE objects SET queued_at = coalesce("
    "  (SELECT created_at FROM images WHERE id = image_id), 0);"
    "DROP INDEX objects_to_do;"
    "CREATE INDEX objects_to_do"
    "  ON objects (state, next_attempt_at, queued_at);"
    "CREATE INDEX objects_by_proof ON objects (verified_at)"
    "  WHERE verified_at IS NOT NULL;"
    "CREATE INDEX objects_by_error ON objects (error_at)"
    "  WHERE last_error <> '';"
    "PRAGMA user_version = 2;";

/*
 * Whole jobs: what is asked for about one, and what need not be read or sent
 * again.  A job has at most one operation that is not over, of any kind;
 * updated_at of one that is over is when it ended.  The last index lists a
 * job's objects.
 */
static const char schema_3[] =
    "CREATE TABLE operations ("
    "  serial INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  id TEXT NOT NULL UNIQUE,"
    "  kind TEXT NOT NULL,"
    "  job_id TEXT NOT NULL,"
    "  state TEXT NOT NULL"
    "    CHECK (state IN ('queued', 'running', 'done', 'failed')),"
    "  files_done INTEGER NOT NULL DEFAULT 0,"
    "  files_total INTEGER NOT NULL DEFAULT 0,"
    "  bytes_done INTEGER NOT NULL DEFAULT 0,"
    "  bytes_total INTEGER NOT NULL DEFAULT 0,"
    "  result TEXT NOT NULL DEFAULT '',"
    "  error TEXT NOT NULL DEFAULT '',"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE UNIQUE INDEX operations_to_do ON operations (job_id)"
    "  WHERE state IN ('queued', 'running');"
    "CREATE INDEX operations_by_end ON operations (updated_at)"
    "  WHERE state IN ('done', 'failed');"
    "CREATE TABLE job_files ("
    "  job_id TEXT NOT NULL,"
    "  folder TEXT NOT NULL,"
    "  path TEXT NOT NULL," /* below the folder */
    "  size INTEGER NOT NULL,"
    "  mtime_ns INTEGER NOT NULL,"
    "  ctime_ns INTEGER NOT NULL,"
    "  inode INTEGER NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  etag TEXT NOT NULL,"
    "  PRIMARY KEY (job_id, folder, path)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE uploads ("
    "  key TEXT NOT NULL PRIMARY KEY,"
    "  upload_id TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL,"
    "  size INTEGER NOT NULL,"
    "  part_size INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX objects_by_job ON objects (job_id)"
    "  WHERE job_id <> '';"
    "PRAGMA user_version = 3;";

/* The step at i leads from version i to the next. */
static const char *const steps[] = { schema_1, schema_2, schema_3 };

/* What this program writes in user_version. */
enum { SCHEMA = sizeof steps / sizeof steps[0] };

/* A hundred idle workers share a small host: little is cached by each. */
static const char settings[] = "PRAGMA synchronous = FULL;"
			       "PRAGMA foreign_keys = OFF;"
			       "PRAGMA cache_size = -512;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA journal_size_limit = 16777216;";

static const char set_wal[] = "PRAGMA journal_mode = WAL";
static const char schema_version[] = "PRAGMA user_version";
static const char begin[] = "BEGIN IMMEDIATE";
static const char commit[] = "COMMIT";
static const char rollback[] = "ROLLBACK";

struct db {
	sqlite3 *sqlite;
	struct {
		const char *sql;
		sqlite3_stmt *st;
	} prepared[STATEMENTS_MAX]; /* each from its first use on */
	int root;                   /* the folder */
	int64_t until_ms;           /* see db_bound */
	int stop_fd;
};

/* What somebody can do about it, or NULL. */
static const char *
remedy_of(int kind)
{
	switch (kind) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return DB_BROKEN_REMEDY;
	case SQLITE_BUSY:
		return "ask again, or see who holds it locked for so long";
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return "let this user write catalogue.db and what lies "
		       "beside it";
	default:
		return NULL;
	}
}

/*
 * SQLite keeps the errno of a failed statement, but not that of a failed
 * COMMIT: that one is still in errno, which was 0 before.  Clients may read
 * the text of FAULT_FULL, so that one names nothing.
 */
static int
refused(struct db *db, int rc, struct fault *f)
{
	const bool full = fault_is_full(errno) ||
			  fault_is_full(sqlite3_system_errno(db->sqlite));
	const int kind = rc & 0xff; /* the rest is SQLite's finer reason */

	if (f->kind != FAULT_NONE)
		return -1;
	if (kind == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		return fault_set(f, FAULT_MEMORY, "SQLite: out of memory");
	if (kind == SQLITE_INTERRUPT)
		return fault_set(f, FAULT_SLOW, "SQLite: not done in time");
	if (kind == SQLITE_FULL ||
	    (full && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)))
		return fault_set(f, FAULT_FULL, "no space left on the disk");
	(void)fault_set(f, FAULT_CATALOGUE, "SQLite: %s (%d)",
	    sqlite3_errmsg(db->sqlite), rc);
	return fault_remedy(f, remedy_of(kind));
}

struct db_query
db_ask(struct db *db, const char *sql)
{
	struct db_query q = { .db = db };
	size_t i = 0;

	while (i < STATEMENTS_MAX && db->prepared[i].st != NULL &&
	       db->prepared[i].sql != sql)
		i++;
	MUST(i < STATEMENTS_MAX);
	errno = 0;
	if (db->prepared[i].st == NULL) {
		db->prepared[i].sql = sql;
		q.rc = sqlite3_prepare_v3(db->sqlite, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &db->prepared[i].st, NULL);
	}
	q.st = db->prepared[i].st;
	return q;
}

void
db_give_text(struct db_query *q, struct view v)
{
	const char *p = v.p == NULL ? "" : v.p; /* NULL would be SQL's NULL */

	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_text64(
		    q->st, q->given, p, v.n, SQLITE_STATIC, SQLITE_UTF8);
}

void
db_give_number(struct db_query *q, int64_t n)
{
	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_int64(q->st, q->given, n);
}

void
db_give_null(struct db_query *q)
{
	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_null(q->st, q->given);
}

int
db_step(struct db_query *q, struct fault *f)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_step(q->st);
	if (q->rc == SQLITE_ROW) {
		q->rc = SQLITE_OK;
		return 1;
	}
	return q->rc == SQLITE_DONE ? 0 : refused(q->db, q->rc, f);
}

int64_t
db_number(const struct db_query *q, int column)
{
	return sqlite3_column_int64(q->st, column);
}

bool
db_flag(const struct db_query *q, int column)
{
	return db_number(q, column) != 0;
}

/* Never NULL in our schema but for want of memory. */
int
db_text(struct db_query *q, int column, struct view *v, struct fault *f)
{
	const unsigned char *p = sqlite3_column_text(q->st, column);

	if (p == NULL) {
		(void)refused(q->db, SQLITE_NOMEM, f);
		return -1;
	}
	v->p = (const char *)p;
	v->n = (size_t)sqlite3_column_bytes(q->st, column);
	return 0;
}

void
db_end(struct db_query *q)
{
	if (q->st == NULL)
		return;
	(void)sqlite3_reset(q->st);
	(void)sqlite3_clear_bindings(q->st);
}

int
db_run(struct db_query *q, struct fault *f)
{
	const int rc = db_step(q, f);

	MUST(rc != 1);
	db_end(q);
	return rc;
}

int64_t
db_last_row(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

int64_t
db_changed(const struct db *db)
{
	return sqlite3_changes64(db->sqlite);
}

/* What is written into a file that was removed under us would be lost. */
static int
must_be_in_place(struct db *db, struct fault *f)
{
	int moved = 0;

	if (sqlite3_file_control(db->sqlite, "main", SQLITE_FCNTL_HAS_MOVED,
		&moved) == SQLITE_OK &&
	    moved == 0)
		return 0;
	return fault_set(f, FAULT_CATALOGUE,
	    "catalogue.db was removed or replaced under us: restart the "
	    "workers");
}

/* ROLLBACK is prepared first, so that undoing needs no memory. */
int
db_begin(struct db *db, struct fault *f)
{
	struct db_query undo = db_ask(db, rollback);
	struct db_query q;

	if (undo.rc != SQLITE_OK)
		return refused(db, undo.rc, f);
	if (must_be_in_place(db, f) == -1)
		return -1;
	q = db_ask(db, begin);
	return db_run(&q, f);
}

int
db_finish(struct db *db, int rc, struct fault *f)
{
	struct db_query q;

	if (rc == 0) {
		q = db_ask(db, commit);
		rc = db_run(&q, f);
	}
	/* After some failures SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(db->sqlite)) {
		q = db_ask(db, rollback);
		(void)sqlite3_step(q.st);
		db_end(&q);
	}
	return rc;
}

int
db_guard(struct db *db, struct fault *f)
{
	const int rc = db_begin(db, f);

	(void)db_finish(db, -1, f);
	return rc == 0 ? 0 : fault_while(f, "write to the catalogue");
}

int
db_guard_within(struct db *db, int wait_ms, struct fault *f)
{
	int rc;

	(void)sqlite3_busy_timeout(db->sqlite, wait_ms);
	rc = db_guard(db, f);
	(void)sqlite3_busy_timeout(db->sqlite, DB_BUSY_MS);
	return rc;
}

static int
execute(struct db *db, const char *text, struct fault *f)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(db->sqlite, text, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : refused(db, rc, f);
}

/* One attempt at WAL: its result as SQLite names it. */
static int
try_wal(struct db *db, struct fault *f)
{
	struct db_query q = db_ask(db, set_wal);
	struct view mode = VIEW("");

	if (db_step(&q, f) == 1 && db_text(&q, 0, &mode, f) == 0 &&
	    !view_is(mode, "wal"))
		(void)fault_set(
		    f, FAULT_CATALOGUE, "no WAL on this filesystem");
	db_end(&q);
	return q.rc;
}

/*
 * Going to WAL needs the database for oneself, and SQLite does not wait
 * for that when others open at the same moment: so we do.
 */
static int
go_to_wal(struct db *db, struct fault *f)
{
	const int64_t until = clock_ticks_ms() + DB_BUSY_MS;
	struct fault last;
	int rc;

	for (;;) {
		last = FAULT_INIT;
		rc = try_wal(db, &last) & 0xff;
		if (last.kind == FAULT_NONE)
			return 0;
		if ((rc != SQLITE_BUSY && rc != SQLITE_PROTOCOL) ||
		    clock_ticks_ms() >= until)
			break;
		clock_sleep_ms(1 + clock_chance(NAP_MS));
	}
	*f = last;
	return -1;
}

/* SQLite fills an empty file that is there, and syncs none that it makes. */
static int
fill_backup(struct db *db, const char *path, struct fault *f)
{
	struct db_query q = db_ask(db, "VACUUM INTO ?");

	db_give_text(&q, view_str(path));
	return db_run(&q, f);
}

static int
backup_into(
    struct db *db, const char *folder, const char *name, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	struct buf path = BUF_INIT(PATH_MAX);
	int dir = -1;
	int rc = -1;

	if (file_open_folder(folder, &dir, f) == -1 ||
	    file_draft_open(&draft, dir, f) == -1)
		goto out;
	buf_fmt(&path, "%s/%s", folder, draft.name);
	if (buf_done(&path, f) == 0 &&
	    fill_backup(db, buf_str(&path), f) == 0 &&
	    file_draft_publish(&draft, name, f) == 0)
		rc = file_sync_folder(dir, f);
out:
	buf_fini(&path);
	file_draft_fini(&draft);
	if (dir != -1)
		(void)close(dir);
	return rc;
}

int
db_backup(struct db *db, const char *path, struct fault *f)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char folder[PATH_MAX] = ".";
	const size_t n = (size_t)(name - path);

	if (*name == '\0' || n >= sizeof folder)
		return fault_set(f, FAULT_INPUT, "%s: not a file's path", path);
	if (n > 0) {
		memcpy(folder, path, n);
		folder[n] = '\0';
	}
	if (backup_into(db, folder, name, f) == 0)
		return 0;
	return fault_while(f, "back the catalogue up to %s", path);
}

static int
read_version(struct db *db, int64_t *version, struct fault *f)
{
	struct db_query q = db_ask(db, schema_version);
	const int rc = db_step(&q, f);

	if (rc == 1)
		*version = db_number(&q, 0);
	db_end(&q);
	return rc == 1 ? 0 : -1;
}

/* Others may be at it too: who gets the lock looks again. */
static int
migrate(struct db *db, int64_t *version, struct fault *f)
{
	int rc = db_begin(db, f);

	if (rc == 0)
		rc = read_version(db, version, f);
	while (rc == 0 && *version >= 0 && *version < SCHEMA)
		rc = execute(db, steps[(*version)++], f);
	return db_finish(db, rc, f);
}

/* One version ahead is promised to be readable; it is never put back. */
static int
meet_schema(struct db *db, struct fault *f)
{
	int64_t version;

	if (read_version(db, &version, f) == -1)
		return -1;
	if (version >= 0 && version < SCHEMA && migrate(db, &version, f) == -1)
		return fault_while(f, "create or migrate the tables");
	if (version < 1 || version > SCHEMA + 1)
		return fault_set(f, FAULT_CATALOGUE,
		    "its schema is version %lld, and this program knows "
		    "versions 1 to %d: run a newer one",
		    (long long)version, SCHEMA + 1);
	return 0;
}

static int
open_sqlite(struct db *db, const char *root, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc = -1;

	buf_fmt(&path, "%s/catalogue.db", root);
	if (buf_done(&path, f) == -1)
		goto out;
	errno = 0;
	rc = sqlite3_open_v2(buf_str(&path), &db->sqlite,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (rc != SQLITE_OK) {
		rc = refused(db, rc, f);
		goto out;
	}
	(void)sqlite3_busy_timeout(db->sqlite, DB_BUSY_MS);
	(void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_LOOKASIDE, NULL,
	    LOOKASIDE_SIZE, LOOKASIDE_SLOTS);
out:
	buf_fini(&path);
	return rc;
}

int
db_open(struct db **out, const char *root, struct fault *f)
{
	struct db *db = calloc(1, sizeof *db);

	if (db == NULL)
		return fault_set(f, FAULT_MEMORY, "open the catalogue");
	db->root = -1;
	if (file_open_folder(root, &db->root, f) == -1 ||
	    open_sqlite(db, root, f) == -1 || go_to_wal(db, f) == -1 ||
	    execute(db, settings, f) == -1 || meet_schema(db, f) == -1) {
		db_close(&db);
		return fault_while(f, "open the catalogue");
	}
	*out = db;
	return 0;
}

void
db_close(struct db **db)
{
	size_t i;

	if (*db == NULL)
		return;
	for (i = 0; i < STATEMENTS_MAX; i++)
		(void)sqlite3_finalize((*db)->prepared[i].st);
	MUST(sqlite3_close((*db)->sqlite) == SQLITE_OK);
	if ((*db)->root != -1)
		(void)close((*db)->root);
	free(*db);
	*db = NULL;
}

/* SQLite ends the statement when this is not 0. */
static int
is_over(void *arg)
{
	const struct db *db = arg;

	return clock_ticks_ms() >= db->until_ms ||
	       clock_is_stopped(db->stop_fd, 0);
}

void
db_bound(struct db *db, int64_t deadline_ms, int stop_fd)
{
	db->until_ms = deadline_ms;
	db->stop_fd = stop_fd;
	sqlite3_progress_handler(db->sqlite, LOOK_STEPS, is_over, db);
}

int
db_folder(const struct db *db)
{
	return db->root;
}
