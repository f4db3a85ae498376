#include "disk/catalogue.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"

#define LEASES "catalogue.leases"
#define KEY_FOLDER "character_references"

enum {
	SCHEMA = 1,          /* what this program writes in user_version  */
	LAPSED_AT_ONCE = 64, /* old keys forgotten by one claim, at most */
	LOOKASIDE_SIZE = 512,
	LOOKASIDE_SLOTS = 32,
	NAP_MS = 20, /* between attempts at what SQLite does not wait for */
	KEY_SIZE = sizeof KEY_FOLDER + 1 + IDENT_MAX + sizeof ".webp"
};

/* A serial is never used twice (AUTOINCREMENT): it is a byte to lock. */
static const char schema[] =
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

/* A hundred idle workers share a small host: little is cached by each. */
static const char settings[] = "PRAGMA synchronous = FULL;"
			       "PRAGMA foreign_keys = OFF;"
			       "PRAGMA cache_size = -512;"
			       "PRAGMA mmap_size = 0;"
			       "PRAGMA journal_size_limit = 16777216;";

enum statement {
	SET_WAL,
	SCHEMA_VERSION,
	BEGIN,
	COMMIT,
	ROLLBACK,
	FIND,
	FIND_IN_JOB,
	RECORD_IMAGE,
	ADOPT_IMAGE,
	ADD_OBJECT,
	REQUEST_OF_KEY,
	REPLY_OF,
	LAPSED,
	NEW_REQUEST,
	FORGET,
	SET_UNCLEAR,
	SET_DONE,
	STATEMENTS
};

#define INSERT_IMAGE                                                           \
	"INSERT INTO images (id, extension, media_type, bytes, sha256, width," \
	" height, created_at, prompt, model, seed, request_id)"                \
	" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO "

static const char *const sql[STATEMENTS] = {
	[SET_WAL] = "PRAGMA journal_mode = WAL",
	[SCHEMA_VERSION] = "PRAGMA user_version",
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[FIND] = "SELECT extension FROM images WHERE id = ?",
	[FIND_IN_JOB] = "SELECT i.extension FROM objects o"
			" JOIN images i ON i.id = o.image_id"
			" WHERE o.image_id = ? AND o.job_id = ?",
	[RECORD_IMAGE] = INSERT_IMAGE
	"UPDATE SET created_at = excluded.created_at, prompt = excluded.prompt,"
	" model = excluded.model, seed = excluded.seed,"
	" request_id = excluded.request_id",
	[ADOPT_IMAGE] = INSERT_IMAGE "NOTHING",
	[ADD_OBJECT] = "INSERT INTO objects (image_id, key, state)"
		       " VALUES (?, ?, 'waiting') ON CONFLICT DO NOTHING",
	[REQUEST_OF_KEY] = "SELECT serial, state = 'running', state = 'done',"
			   " body_sha256 = ?, created_at < ?"
			   " FROM requests WHERE key = ?",
	[REPLY_OF] = "SELECT reply FROM requests WHERE serial = ?",
	[LAPSED] = "SELECT serial, state = 'running' FROM requests"
		   " WHERE created_at < ? ORDER BY created_at LIMIT ?",
	[NEW_REQUEST] = "INSERT INTO requests (key, body_sha256, created_at,"
			" state) VALUES (?, ?, ?, 'running')",
	[FORGET] = "DELETE FROM requests WHERE serial = ?",
	[SET_UNCLEAR] =
	    "UPDATE requests SET state = 'unclear' WHERE serial = ?",
	[SET_DONE] =
	    "UPDATE requests SET state = 'done', reply = ? WHERE serial = ?",
};

struct catalogue {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENTS]; /* each from its first use on */
	int root;                           /* the folder, for the leases */
};

static bool
is_full(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/*
 * SQLite keeps the errno of a failed statement, but not that of a failed
 * COMMIT: that one is still in errno, which was 0 before.  Clients may read
 * the text of FAULT_FULL, so that one names nothing.
 */
static int
refused(struct catalogue *c, int rc, struct fault *f)
{
	const bool full =
	    is_full(errno) || is_full(sqlite3_system_errno(c->db));
	const int kind = rc & 0xff; /* the rest is SQLite's finer reason */

	if (kind == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		return fault_set(f, FAULT_MEMORY, "SQLite: out of memory");
	if (kind == SQLITE_FULL ||
	    (full && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)))
		return fault_set(f, FAULT_FULL, "no space left on the disk");
	return fault_set(
	    f, FAULT_CATALOGUE, "SQLite: %s (%d)", sqlite3_errmsg(c->db), rc);
}

/*
 * A statement on its way: its values are given in order, and the first
 * that SQLite refuses spoils it.  Ended before the values go away.
 */
struct query {
	struct catalogue *c;
	sqlite3_stmt *st; /* NULL when it could not be prepared */
	int given;
	int rc;
};

static struct query
ask(struct catalogue *c, enum statement which)
{
	struct query q = { .c = c };

	errno = 0;
	if (c->prepared[which] == NULL)
		q.rc = sqlite3_prepare_v3(c->db, sql[which], -1,
		    SQLITE_PREPARE_PERSISTENT, &c->prepared[which], NULL);
	q.st = c->prepared[which];
	return q;
}

static void
give_text(struct query *q, struct view v)
{
	const char *p = v.p == NULL ? "" : v.p; /* NULL would be SQL's NULL */

	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_text64(
		    q->st, q->given, p, v.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void
give_number(struct query *q, int64_t n)
{
	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_int64(q->st, q->given, n);
}

static void
give_null(struct query *q)
{
	q->given++;
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_null(q->st, q->given);
}

/* 1 with the next row, 0 at the end, or -1. */
static int
step(struct query *q, struct fault *f)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_step(q->st);
	if (q->rc == SQLITE_ROW) {
		q->rc = SQLITE_OK;
		return 1;
	}
	return q->rc == SQLITE_DONE ? 0 : refused(q->c, q->rc, f);
}

/* A text of the row, lent until the next step; never NULL in our schema
 * but for want of memory. */
static int
text_of(struct query *q, int column, struct view *v, struct fault *f)
{
	const unsigned char *p = sqlite3_column_text(q->st, column);

	if (p == NULL)
		return refused(q->c, SQLITE_NOMEM, f);
	v->p = (const char *)p;
	v->n = (size_t)sqlite3_column_bytes(q->st, column);
	return 0;
}

static void
end(struct query *q)
{
	if (q->st == NULL)
		return;
	(void)sqlite3_reset(q->st);
	(void)sqlite3_clear_bindings(q->st);
}

/* Runs a statement that gives no rows. */
static int
run(struct query *q, struct fault *f)
{
	const int rc = step(q, f);

	end(q);
	return rc;
}

/* ROLLBACK is prepared first, so that undoing needs no memory. */
static int
begin(struct catalogue *c, struct fault *f)
{
	struct query undo = ask(c, ROLLBACK);
	struct query q;

	if (undo.rc != SQLITE_OK)
		return refused(c, undo.rc, f);
	q = ask(c, BEGIN);
	return run(&q, f);
}

/* Ends what begin began: keeps all of it when rc is 0, else nothing. */
static int
finish(struct catalogue *c, int rc, struct fault *f)
{
	struct query q;

	if (rc == 0) {
		q = ask(c, COMMIT);
		rc = run(&q, f);
	}
	/* After some failures SQLite has rolled back by itself. */
	if (!sqlite3_get_autocommit(c->db)) {
		q = ask(c, ROLLBACK);
		(void)sqlite3_step(q.st);
		end(&q);
	}
	return rc;
}

/* One statement about one row of requests, as a transaction of its own. */
static int
run_on(
    struct catalogue *c, enum statement which, int64_t serial, struct fault *f)
{
	struct query q = ask(c, which);

	give_number(&q, serial);
	return run(&q, f);
}

static int
execute(struct catalogue *c, const char *text, struct fault *f)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(c->db, text, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : refused(c, rc, f);
}

static void
nap(void)
{
	const struct timespec t = {
		.tv_nsec = (1 + (long)clock_chance(NAP_MS)) * 1000000
	};

	(void)nanosleep(&t, NULL);
}

/* One attempt at WAL: its result as SQLite names it. */
static int
try_wal(struct catalogue *c, struct fault *f)
{
	struct query q = ask(c, SET_WAL);
	struct view mode = VIEW("");

	if (step(&q, f) == 1 && text_of(&q, 0, &mode, f) == 0 &&
	    !view_is(mode, "wal"))
		(void)fault_set(
		    f, FAULT_CATALOGUE, "no WAL on this filesystem");
	end(&q);
	return q.rc;
}

/*
 * Going to WAL needs the database for oneself, and SQLite does not wait
 * for that when others open at the same moment: so we do.
 */
static int
set_wal(struct catalogue *c, struct fault *f)
{
	const int64_t until = clock_ticks_ms() + CATALOGUE_BUSY_MS;
	struct fault last;
	int rc;

	for (;;) {
		last = FAULT_INIT;
		rc = try_wal(c, &last) & 0xff;
		if (last.kind == FAULT_NONE)
			return 0;
		if ((rc != SQLITE_BUSY && rc != SQLITE_PROTOCOL) ||
		    clock_ticks_ms() >= until)
			break;
		nap();
	}
	*f = last;
	return -1;
}

static int
read_version(struct catalogue *c, int *version, struct fault *f)
{
	struct query q = ask(c, SCHEMA_VERSION);
	const int rc = step(&q, f);

	if (rc == 1)
		*version = sqlite3_column_int(q.st, 0);
	end(&q);
	return rc == 1 ? 0 : -1;
}

/* Others may be creating too: who gets the lock looks again. */
static int
create(struct catalogue *c, int *version, struct fault *f)
{
	int rc = begin(c, f);

	if (rc == 0)
		rc = read_version(c, version, f);
	if (rc == 0 && *version == 0) {
		rc = execute(c, schema, f);
		*version = SCHEMA;
	}
	return finish(c, rc, f);
}

/* One version ahead is promised to be readable; it is never put back. */
static int
meet_schema(struct catalogue *c, struct fault *f)
{
	int version;

	if (read_version(c, &version, f) == -1)
		return -1;
	if (version == 0 && create(c, &version, f) == -1)
		return fault_while(f, "create the tables");
	if (version < 1 || version > SCHEMA + 1)
		return fault_set(f, FAULT_CATALOGUE,
		    "its schema is version %d, and this program knows versions "
		    "1 to %d: run a newer one",
		    version, SCHEMA + 1);
	return 0;
}

static int
open_db(struct catalogue *c, const char *root, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc = -1;

	buf_fmt(&path, "%s/catalogue.db", root);
	if (buf_done(&path, f) == -1)
		goto out;
	errno = 0;
	rc = sqlite3_open_v2(buf_str(&path), &c->db,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
		SQLITE_OPEN_EXRESCODE,
	    NULL);
	if (rc != SQLITE_OK) {
		rc = refused(c, rc, f);
		goto out;
	}
	(void)sqlite3_busy_timeout(c->db, CATALOGUE_BUSY_MS);
	(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_LOOKASIDE, NULL,
	    LOOKASIDE_SIZE, LOOKASIDE_SLOTS);
out:
	buf_fini(&path);
	return rc;
}

int
catalogue_open(struct catalogue **out, const char *root, struct fault *f)
{
	struct catalogue *c = calloc(1, sizeof *c);

	if (c == NULL)
		return fault_set(f, FAULT_MEMORY, "catalogue");
	c->root = -1;
	if (file_open_folder(root, &c->root, f) == -1 ||
	    open_db(c, root, f) == -1 || set_wal(c, f) == -1 ||
	    execute(c, settings, f) == -1 || meet_schema(c, f) == -1) {
		catalogue_close(&c);
		return fault_while(f, "open the catalogue");
	}
	*out = c;
	return 0;
}

void
catalogue_close(struct catalogue **c)
{
	size_t i;

	if (*c == NULL)
		return;
	for (i = 0; i < STATEMENTS; i++)
		(void)sqlite3_finalize((*c)->prepared[i]);
	MUST(sqlite3_close((*c)->db) == SQLITE_OK);
	if ((*c)->root != -1)
		(void)close((*c)->root);
	free(*c);
	*c = NULL;
}

/* The kind of the row's first column. */
static int
take_kind(struct query *q, enum sniff_kind *kind, struct fault *f)
{
	struct view extension;

	if (text_of(q, 0, &extension, f) == -1)
		return -1;
	if (!sniff_of_extension(extension, kind))
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an image of an unknown kind");
	return 0;
}

int
catalogue_find(struct catalogue *c, const struct image_id *id,
    const struct job_id *job, bool *found, enum sniff_kind *kind,
    struct fault *f)
{
	const bool in_job = job->text[0] != '\0';
	struct query q = ask(c, in_job ? FIND_IN_JOB : FIND);
	int rc;

	give_text(&q, view_str(id->text));
	if (in_job)
		give_text(&q, view_str(job->text));
	rc = step(&q, f);
	*found = rc == 1;
	if (rc == 1)
		rc = take_kind(&q, kind, f);
	end(&q);
	return rc == -1 ? fault_while(f, "find image %s", id->text) : 0;
}

static int
add_object(
    struct catalogue *c, const struct catalogue_image *image, struct fault *f)
{
	struct query q = ask(c, ADD_OBJECT);
	char key[KEY_SIZE];

	(void)snprintf(key, sizeof key, KEY_FOLDER "/%s.%s", image->id.text,
	    sniff_extension(image->sniff.kind));
	give_text(&q, view_str(image->id.text));
	give_text(&q, view_str(key));
	return run(&q, f);
}

/* The image's row, by RECORD_IMAGE or ADOPT_IMAGE, and its object's. */
static int
add_image(struct catalogue *c, enum statement how,
    const struct catalogue_image *image, struct fault *f)
{
	struct query q = ask(c, how);

	give_text(&q, view_str(image->id.text));
	give_text(&q, view_str(sniff_extension(image->sniff.kind)));
	give_text(&q, view_str(sniff_media_type(image->sniff.kind)));
	give_number(&q, image->bytes);
	give_text(&q, view_str(image->sha256.hex));
	give_number(&q, image->sniff.width);
	give_number(&q, image->sniff.height);
	give_number(&q, image->created_at_ms);
	give_text(&q, image->prompt);
	give_text(&q, image->model);
	if (image->has_seed)
		give_number(&q, image->seed);
	else
		give_null(&q);
	give_text(&q, image->request_id);
	if (run(&q, f) == -1)
		return -1;
	return add_object(c, image, f);
}

int
catalogue_adopt(
    struct catalogue *c, const struct catalogue_image *image, struct fault *f)
{
	int rc = begin(c, f);

	if (rc == 0)
		rc = add_image(c, ADOPT_IMAGE, image, f);
	if (finish(c, rc, f) == -1)
		return fault_while(f, "adopt image %s", image->id.text);
	return 0;
}

int
catalogue_recovery_lease(
    struct catalogue *c, struct file_lease *lease, bool *held, struct fault *f)
{
	if (file_lease_take(lease, c->root, LEASES, 0, held, f) == -1)
		return fault_while(f, "take the lease of recovery");
	return 0;
}

/* Does a living process, ours included, hold the lease of that request? */
static int
is_alive(struct catalogue *c, int64_t serial, bool *alive, struct fault *f)
{
	struct file_lease lease = FILE_LEASE_INIT;
	bool free_to_take;

	if (file_lease_take(
		&lease, c->root, LEASES, serial, &free_to_take, f) == -1)
		return -1;
	*alive = !free_to_take;
	file_lease_fini(&lease);
	return 0;
}

/* A row of requests, compared with what is asked. */
struct request {
	int64_t serial; /* 0: there is none */
	bool running;
	bool done;
	bool same_body;
	bool lapsed;
};

static int64_t
oldest_that_lives(void)
{
	return clock_now_ms() - CATALOGUE_KEY_LIFE_MS;
}

/* Forgets a request whose life has passed, unless it is still at work. */
static int
lapse(struct catalogue *c, struct request *r, struct fault *f)
{
	bool alive = false;

	if (r->running && is_alive(c, r->serial, &alive, f) == -1)
		return -1;
	if (alive)
		return 0;
	if (run_on(c, FORGET, r->serial, f) == -1)
		return -1;
	r->serial = 0;
	return 0;
}

/* Forgets some of the oldest: each claim pays for more than it adds. */
static int
lapse_oldest(struct catalogue *c, struct fault *f)
{
	struct request old[LAPSED_AT_ONCE];
	struct query q = ask(c, LAPSED);
	size_t i, n = 0;
	int rc;

	give_number(&q, oldest_that_lives());
	give_number(&q, LAPSED_AT_ONCE);
	while ((rc = step(&q, f)) == 1) {
		MUST(n < LAPSED_AT_ONCE);
		old[n].serial = sqlite3_column_int64(q.st, 0);
		old[n++].running = sqlite3_column_int(q.st, 1) != 0;
	}
	end(&q);
	for (i = 0; rc == 0 && i < n; i++)
		rc = lapse(c, &old[i], f);
	return rc;
}

static int
look_up(struct catalogue *c, struct view key, const struct digest *body,
    struct request *r, struct fault *f)
{
	struct query q = ask(c, REQUEST_OF_KEY);
	int rc;

	*r = (struct request){ .serial = 0 };
	give_text(&q, view_str(body->hex));
	give_number(&q, oldest_that_lives());
	give_text(&q, key);
	rc = step(&q, f);
	if (rc == 1) {
		r->serial = sqlite3_column_int64(q.st, 0);
		r->running = sqlite3_column_int(q.st, 1) != 0;
		r->done = sqlite3_column_int(q.st, 2) != 0;
		r->same_body = sqlite3_column_int(q.st, 3) != 0;
		r->lapsed = sqlite3_column_int(q.st, 4) != 0;
	}
	end(&q);
	return rc == -1 ? -1 : 0;
}

/* The lease comes before the commit: nobody sees a running row without. */
static int
claim_new(struct catalogue *c, struct view key, const struct digest *body,
    struct catalogue_claim *claim, struct fault *f)
{
	struct query q = ask(c, NEW_REQUEST);
	bool held;

	give_text(&q, key);
	give_text(&q, view_str(body->hex));
	give_number(&q, clock_now_ms());
	if (run(&q, f) == -1)
		return -1;
	claim->serial = sqlite3_last_insert_rowid(c->db);
	if (file_lease_take(
		&claim->lease, c->root, LEASES, claim->serial, &held, f) == -1)
		return -1;
	if (!held)
		return fault_set(f, FAULT_CATALOGUE,
		    "the lease of a new request is held by another");
	return 0;
}

static int
add_reply(
    struct catalogue *c, int64_t serial, struct buf *reply, struct fault *f)
{
	struct query q = ask(c, REPLY_OF);
	struct view text = VIEW("");
	int rc;

	give_number(&q, serial);
	rc = step(&q, f);
	if (rc == 1)
		rc = text_of(&q, 0, &text, f);
	if (rc == 0)
		buf_add(reply, text);
	end(&q);
	return rc == -1 ? -1 : buf_done(reply, f);
}

/* A running row whose owner has died becomes unclear, durably. */
static int
ask_owner(struct catalogue *c, const struct request *r,
    enum catalogue_claim_state *state, struct fault *f)
{
	bool alive;

	if (is_alive(c, r->serial, &alive, f) == -1)
		return -1;
	*state = alive ? CATALOGUE_RUNNING : CATALOGUE_UNCLEAR;
	return alive ? 0 : run_on(c, SET_UNCLEAR, r->serial, f);
}

/* What the key stands for now, inside the caller's transaction. */
static int
decide(struct catalogue *c, struct view key, const struct digest *body,
    struct request *r, enum catalogue_claim_state *state, struct fault *f)
{
	if (lapse_oldest(c, f) == -1 || look_up(c, key, body, r, f) == -1 ||
	    (r->lapsed && lapse(c, r, f) == -1))
		return -1;
	if (r->serial == 0)
		*state = CATALOGUE_CLAIMED;
	else if (!r->same_body)
		*state = CATALOGUE_OTHER;
	else if (r->done)
		*state = CATALOGUE_REPLAY;
	else if (r->running)
		return ask_owner(c, r, state, f);
	else
		*state = CATALOGUE_UNCLEAR;
	return 0;
}

int
catalogue_claim(struct catalogue *c, struct view key, const struct digest *body,
    struct catalogue_claim *claim, enum catalogue_claim_state *state,
    struct buf *reply, struct fault *f)
{
	struct request r;
	int rc = begin(c, f);

	MUST(claim->serial == 0);
	if (rc == 0)
		rc = decide(c, key, body, &r, state, f);
	if (rc == 0 && *state == CATALOGUE_CLAIMED)
		rc = claim_new(c, key, body, claim, f);
	if (rc == 0 && *state == CATALOGUE_REPLAY)
		rc = add_reply(c, r.serial, reply, f);
	/* The lease goes before the row: its serial may be used again. */
	if (rc == -1)
		catalogue_claim_fini(claim);
	if (finish(c, rc, f) == -1) {
		catalogue_claim_fini(claim);
		return fault_while(f, "claim an idempotency key");
	}
	return 0;
}

/* Ends a claim by one statement about its row. */
static int
end_claim(struct catalogue *c, enum statement how,
    struct catalogue_claim *claim, struct fault *f)
{
	int rc;

	if (claim->serial == 0)
		return 0;
	rc = begin(c, f);
	if (rc == 0)
		rc = run_on(c, how, claim->serial, f);
	if (finish(c, rc, f) == -1)
		return fault_while(f, "end the claim of a key");
	catalogue_claim_fini(claim);
	return 0;
}

int
catalogue_release(
    struct catalogue *c, struct catalogue_claim *claim, struct fault *f)
{
	return end_claim(c, FORGET, claim, f);
}

int
catalogue_doubt(
    struct catalogue *c, struct catalogue_claim *claim, struct fault *f)
{
	return end_claim(c, SET_UNCLEAR, claim, f);
}

void
catalogue_claim_fini(struct catalogue_claim *claim)
{
	file_lease_fini(&claim->lease);
	claim->serial = 0;
}

static int
set_done(
    struct catalogue *c, int64_t serial, struct view reply, struct fault *f)
{
	struct query q = ask(c, SET_DONE);

	give_text(&q, reply);
	give_number(&q, serial);
	return run(&q, f);
}

int
catalogue_record(struct catalogue *c, const struct catalogue_image *images,
    size_t n, struct catalogue_claim *claim, struct view reply, struct fault *f)
{
	int rc = begin(c, f);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		rc = add_image(c, RECORD_IMAGE, &images[i], f);
	if (rc == 0 && claim != NULL && claim->serial != 0)
		rc = set_done(c, claim->serial, reply, f);
	if (finish(c, rc, f) == -1)
		return fault_while(f, "record the images");
	if (claim != NULL)
		catalogue_claim_fini(claim);
	return 0;
}
