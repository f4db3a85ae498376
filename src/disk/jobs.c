#include "disk/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION_LEASES "catalogue.operations"
#define JOB_LEASES "catalogue.jobs"

enum {
	FORGOTTEN_AT_ONCE = 64, /* old operations, by one ask, at most       */
	BUSY_S = 5,             /* when to ask again, of a job that is busy  */
	HASH_DIGITS = 16        /* of SHA-256: the 64 bits a byte is made of */
};

/* How long an operation that is over is kept. */
static const int64_t life_ms = INT64_C(30) * 24 * 3600 * 1000;

static const char *const kind_words[] = {
	[JOBS_PERSIST] = "persist_job_assets",
	[JOBS_DOWNLOAD] = "download_job_assets",
};

static const char *const state_words[] = {
	[JOBS_QUEUED] = "queued",
	[JOBS_RUNNING] = "running",
	[JOBS_DONE] = "done",
	[JOBS_FAILED] = "failed",
};

/* What read_operation reads. */
#define EACH_OPERATION                                                         \
	"SELECT id, serial, kind, job_id, state, files_done, files_total,"     \
	" bytes_done, bytes_total, result, error, created_at, updated_at"      \
	" FROM operations "

/* The condition of operations_to_do. */
#define NOT_OVER "state IN ('queued', 'running')"

static const char find[] = EACH_OPERATION "WHERE id = ?";
static const char find_of_job[] =
    EACH_OPERATION "WHERE job_id = ? AND " NOT_OVER;
static const char list_to_do[] =
    EACH_OPERATION "WHERE " NOT_OVER " ORDER BY state = 'running', serial";
static const char add[] = "INSERT INTO operations"
			  " (id, kind, job_id, created_at, updated_at, state,"
			  " result) VALUES (?1, ?2, ?3, ?4, ?4, 'queued', ?5)";
static const char forget_old[] =
    "DELETE FROM operations WHERE serial IN (SELECT serial FROM operations"
    " WHERE state IN ('done', 'failed') AND updated_at < ?"
    " ORDER BY updated_at LIMIT ?)";
static const char set_running[] =
    "UPDATE operations SET updated_at = ?2, state = 'running'"
    " WHERE serial = ?1";
static const char set_progress[] =
    "UPDATE operations SET updated_at = ?2, files_done = ?3, files_total = ?4,"
    " bytes_done = ?5, bytes_total = ?6"
    " WHERE serial = ?1 AND state = 'running'";
static const char set_over[] =
    "UPDATE operations SET updated_at = ?2, files_done = ?3, files_total = ?4,"
    " bytes_done = ?5, bytes_total = ?6, state = ?7, result = ?8, error = ?9"
    " WHERE serial = ?1 AND state = 'running'";

static const char count[] =
    "SELECT state, count(*) FROM operations GROUP BY state";

static const char keep_file[] =
    "INSERT INTO job_files (job_id, folder, path, size, mtime_ns, ctime_ns,"
    " inode, sha256, etag) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET size = excluded.size,"
    " mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns,"
    " inode = excluded.inode, sha256 = excluded.sha256, etag = excluded.etag";
static const char list_files[] =
    "SELECT path, size, mtime_ns, ctime_ns, inode, sha256, etag FROM job_files"
    " WHERE job_id = ? AND folder = ? ORDER BY path";

static const char keep_upload[] =
    "INSERT INTO uploads (key, upload_id, sha256, size, part_size, created_at)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " upload_id = excluded.upload_id, sha256 = excluded.sha256,"
    " size = excluded.size, part_size = excluded.part_size,"
    " created_at = excluded.created_at";
static const char find_upload[] =
    "SELECT upload_id, sha256, size, part_size FROM uploads WHERE key = ?";
static const char forget_upload[] = "DELETE FROM uploads WHERE key = ?";

const char *
jobs_kind_word(enum jobs_kind kind)
{
	MUST((size_t)kind < sizeof kind_words / sizeof kind_words[0]);
	return kind_words[kind];
}

const char *
jobs_state_word(enum jobs_state state)
{
	MUST((size_t)state < sizeof state_words / sizeof state_words[0]);
	return state_words[state];
}

void
jobs_operation_fini(struct jobs_operation *o)
{
	buf_fini(&o->result);
	buf_fini(&o->error);
}

/* Where a word of the catalogue stands among n; *at is not touched, and the
 * answer false, when it is a newer program's. */
static bool
word_at(struct view word, const char *const *words, size_t n, size_t *at)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (view_is(word, words[i])) {
			*at = i;
			return true;
		}
	return false;
}

/* Copies a column into an array of that size, its NUL included. */
static int
copy_text(
    struct db_query *q, int column, char *out, size_t size, struct fault *f)
{
	struct view v;

	if (db_text(q, column, &v, f) == -1)
		return -1;
	if (v.n >= size)
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has a text of %zu bytes where %zu fit", v.n,
		    size - 1);
	memcpy(out, v.p, v.n);
	out[v.n] = '\0';
	return 0;
}

static int
copy_digest(struct db_query *q, int column, struct digest *out, struct fault *f)
{
	return copy_text(q, column, out->hex, sizeof out->hex, f);
}

static int
copy_document(struct db_query *q, int column, struct buf *out, struct fault *f)
{
	struct view v;

	if (db_text(q, column, &v, f) == -1)
		return -1;
	buf_clear(out);
	buf_add(out, v);
	return buf_done(out, f);
}

static int
read_words(struct db_query *q, struct jobs_operation *out, struct fault *f)
{
	size_t kind_at = 0, state_at = 0;
	struct view kind, state;

	if (db_text(q, 2, &kind, f) == -1 || db_text(q, 4, &state, f) == -1)
		return -1;
	if (!word_at(kind, kind_words, sizeof kind_words / sizeof kind_words[0],
		&kind_at) ||
	    !word_at(state, state_words,
		sizeof state_words / sizeof state_words[0], &state_at))
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an operation of an unknown kind");
	out->kind = (enum jobs_kind)kind_at;
	out->state = (enum jobs_state)state_at;
	return 0;
}

static int
read_names(struct db_query *q, struct jobs_operation *out, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view id, job;

	if (db_text(q, 0, &id, f) == -1 || db_text(q, 3, &job, f) == -1)
		return -1;
	if (image_id_parse(&out->id, id, &why) == -1 ||
	    job_id_parse(&out->job, job, &why) == -1)
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an operation with a wrong name: %s",
		    why.text);
	return 0;
}

/* What is not over has no result yet: there stands how it is to be done,
 * which the program of the version before passes over. */
static const char forced[] = "{\"force\":true}";

static void
read_wish(struct jobs_operation *out)
{
	const bool is_over =
	    out->state == JOBS_DONE || out->state == JOBS_FAILED;

	out->is_forced = !is_over && view_is(buf_view(&out->result), forced);
	if (!is_over)
		buf_clear(&out->result);
}

/* A row of EACH_OPERATION. */
static int
read_operation(struct db_query *q, struct jobs_operation *out, struct fault *f)
{
	out->serial = db_number(q, 1);
	out->progress.files_done = db_number(q, 5);
	out->progress.files_total = db_number(q, 6);
	out->progress.bytes_done = db_number(q, 7);
	out->progress.bytes_total = db_number(q, 8);
	out->created_at_ms = db_number(q, 11);
	out->updated_at_ms = db_number(q, 12);
	if (read_names(q, out, f) == -1 || read_words(q, out, f) == -1 ||
	    copy_document(q, 9, &out->result, f) == -1 ||
	    copy_document(q, 10, &out->error, f) == -1)
		return -1;
	read_wish(out);
	return 0;
}

/* The one operation that a statement with one name finds: 1, 0 or -1. */
static int
find_one(struct db *db, const char *sql, const char *name,
    struct jobs_operation *out, struct fault *f)
{
	struct db_query q = db_ask(db, sql);
	int rc;

	db_give_text(&q, view_str(name));
	rc = db_step(&q, f);
	if (rc == 1 && read_operation(&q, out, f) == -1)
		rc = -1;
	db_end(&q);
	return rc;
}

/* Each ask forgets more than it adds. */
static int
forget_oldest(struct db *db, int64_t now_ms, struct fault *f)
{
	struct db_query q = db_ask(db, forget_old);

	db_give_number(&q, now_ms - life_ms);
	db_give_number(&q, FORGOTTEN_AT_ONCE);
	return db_run(&q, f);
}

static int
add_operation(struct db *db, enum jobs_kind kind, const struct job_id *job,
    bool is_forced, int64_t now_ms, struct jobs_operation *out, struct fault *f)
{
	struct db_query q = db_ask(db, add);
	struct image_id id;

	image_id_make(&id);
	db_give_text(&q, view_str(id.text));
	db_give_text(&q, view_str(jobs_kind_word(kind)));
	db_give_text(&q, view_str(job->text));
	db_give_number(&q, now_ms);
	db_give_text(&q, view_str(is_forced ? forced : ""));
	if (db_run(&q, f) == -1)
		return -1;
	return find_one(db, find, id.text, out, f) == 1 ? 0 : -1;
}

static int
refuse_other(const struct jobs_operation *other, struct fault *f)
{
	(void)fault_set(f, FAULT_CONFLICT, "a %s of the job is %s",
	    jobs_kind_word(other->kind), jobs_state_word(other->state));
	f->retry_after_s = BUSY_S;
	return fault_details(f, "operation %s", other->id.text);
}

/* Inside the caller's transaction. */
static int
ask(struct db *db, enum jobs_kind kind, const struct job_id *job,
    bool is_forced, int64_t now_ms, struct jobs_operation *out, struct fault *f)
{
	int rc;

	if (forget_oldest(db, now_ms, f) == -1)
		return -1;
	rc = find_one(db, find_of_job, job->text, out, f);
	if (rc == 0)
		return add_operation(db, kind, job, is_forced, now_ms, out, f);
	if (rc == 1 && (out->kind != kind || (is_forced && !out->is_forced)))
		return refuse_other(out, f);
	return rc == -1 ? -1 : 0;
}

int
jobs_ask(struct db *db, enum jobs_kind kind, const struct job_id *job,
    bool is_forced, int64_t now_ms, struct jobs_operation *out, struct fault *f)
{
	int rc = db_begin(db, f);

	if (rc == 0)
		rc = ask(db, kind, job, is_forced, now_ms, out, f);
	if (db_finish(db, rc, f) == -1)
		return f->kind == FAULT_CONFLICT
			   ? -1
			   : fault_while(f, "queue an operation");
	return 0;
}

int
jobs_find(struct db *db, const struct image_id *id, struct jobs_operation *out,
    struct fault *f)
{
	const int rc = find_one(db, find, id->text, out, f);

	if (rc == 0)
		return fault_set(f, FAULT_ABSENT, "no such operation");
	return rc == -1 ? fault_while(f, "find operation %s", id->text) : 0;
}

/*
 * The first row whose lease can be had, and the lease.  What is queued may
 * have one, too: when a COMMIT fails, SQLite has rolled back before its
 * caller can let go.  What a newer program asked for is left to it.
 */
static int
choose(struct db *db, struct jobs_operation *out, struct file_lease *lease,
    bool *found, struct fault *f)
{
	struct db_query q = db_ask(db, list_to_do);
	struct fault unknown;
	int rc = 0;

	while (!*found && (rc = db_step(&q, f)) == 1) {
		unknown = FAULT_INIT;
		if (read_words(&q, out, &unknown) == -1)
			continue;
		rc = file_lease_take(lease, db_folder(db), OPERATION_LEASES,
		    db_number(&q, 1), found, f);
		if (rc == 0 && *found)
			rc = read_operation(&q, out, f);
		if (rc == -1)
			break;
	}
	db_end(&q);
	return rc == -1 ? -1 : 0;
}

/* Begins a statement about an operation, its number and the time given. */
static struct db_query
ask_about(
    struct db *db, const char *sql, const struct jobs_operation *o, int64_t ms)
{
	struct db_query q = db_ask(db, sql);

	db_give_number(&q, o->serial);
	db_give_number(&q, ms);
	return q;
}

/* The lease comes before the commit: nobody sees a running one without. */
static int
take(struct db *db, int64_t now_ms, struct jobs_operation *out,
    struct file_lease *lease, bool *found, struct fault *f)
{
	struct db_query q;

	if (choose(db, out, lease, found, f) == -1)
		return -1;
	if (!*found)
		return 0;
	out->state = JOBS_RUNNING;
	out->updated_at_ms = now_ms;
	q = ask_about(db, set_running, out, now_ms);
	return db_run(&q, f);
}

int
jobs_take(struct db *db, int64_t now_ms, struct jobs_operation *out,
    struct file_lease *lease, bool *found, struct fault *f)
{
	int rc = db_begin(db, f);

	*found = false;
	if (rc == 0)
		rc = take(db, now_ms, out, lease, found, f);
	if (db_finish(db, rc, f) == -1) {
		file_lease_fini(lease);
		*found = false;
		return fault_while(f, "take an operation");
	}
	return 0;
}

/* Runs what only the owner of a running operation may: one row's change. */
static int
run_as_owner(struct db *db, struct db_query *q, const struct jobs_operation *o,
    struct fault *f)
{
	if (db_run(q, f) == -1)
		return -1;
	if (db_changed(db) != 1)
		return fault_set(f, FAULT_CATALOGUE,
		    "operation %s is not running", o->id.text);
	return 0;
}

static void
give_progress(struct db_query *q, const struct jobs_progress *p)
{
	db_give_number(q, p->files_done);
	db_give_number(q, p->files_total);
	db_give_number(q, p->bytes_done);
	db_give_number(q, p->bytes_total);
}

int
jobs_progress(struct db *db, const struct jobs_operation *o, int64_t now_ms,
    struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	if (rc == 0) {
		q = ask_about(db, set_progress, o, now_ms);
		give_progress(&q, &o->progress);
		rc = run_as_owner(db, &q, o, f);
	}
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "record how far an operation is");
	return 0;
}

int
jobs_settle(struct db *db, const struct jobs_operation *o,
    enum jobs_state state, struct view result, struct view error,
    int64_t now_ms, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	MUST(state == JOBS_DONE || state == JOBS_FAILED);
	MUST(result.n <= o->result.limit && error.n <= o->error.limit);
	if (rc == 0) {
		q = ask_about(db, set_over, o, now_ms);
		give_progress(&q, &o->progress);
		db_give_text(&q, view_str(jobs_state_word(state)));
		db_give_text(&q, result);
		db_give_text(&q, error);
		rc = run_as_owner(db, &q, o, f);
	}
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "record what came of an operation");
	return 0;
}

int
jobs_count(struct db *db, int64_t n[JOBS_STATES], struct fault *f)
{
	struct db_query q = db_ask(db, count);
	struct view word;
	size_t i;
	int rc;

	memset(n, 0, JOBS_STATES * sizeof *n);
	while ((rc = db_step(&q, f)) == 1) {
		if (db_text(&q, 0, &word, f) == -1) {
			rc = -1;
			break;
		}
		for (i = 0; i < JOBS_STATES; i++)
			if (view_is(word, state_words[i]))
				n[i] = db_number(&q, 1);
	}
	db_end(&q);
	return rc == -1 ? fault_while(f, "count the operations") : 0;
}

/* The name's byte: of 2^63, so that two jobs hardly ever share one. */
int
jobs_lease(struct db *db, const struct job_id *job, struct file_lease *lease,
    bool *held, struct fault *f)
{
	struct digest d;
	uint64_t hash;

	if (digest_sha256(&d, view_str(job->text), f) == -1)
		return -1;
	d.hex[HASH_DIGITS] = '\0';
	hash = strtoull(d.hex, NULL, 16);
	if (file_lease_take(lease, db_folder(db), JOB_LEASES,
		(int64_t)(hash & INT64_MAX), held, f) == -1)
		return fault_while(f, "take the lease of a job");
	return 0;
}

static int
keep_one_file(struct db *db, const struct job_id *job, struct view folder,
    const struct jobs_file *file, struct fault *f)
{
	struct db_query q = db_ask(db, keep_file);

	db_give_text(&q, view_str(job->text));
	db_give_text(&q, folder);
	db_give_text(&q, view_str(file->path.text));
	db_give_number(&q, file->stamp.size);
	db_give_number(&q, file->stamp.mtime_ns);
	db_give_number(&q, file->stamp.ctime_ns);
	db_give_number(&q, file->stamp.inode);
	db_give_text(&q, view_str(file->sha256.hex));
	db_give_text(&q, view_str(file->etag));
	return db_run(&q, f);
}

int
jobs_files_keep(struct db *db, const struct job_id *job, const char *folder,
    const struct jobs_file *files, size_t n, struct fault *f)
{
	int rc = db_begin(db, f);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		rc = keep_one_file(db, job, view_str(folder), &files[i], f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "remember the files of a job");
	return 0;
}

/* A row of list_files. */
static int
read_file(struct db_query *q, const struct job_id *job, struct jobs_file *out,
    struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view path;

	if (db_text(q, 0, &path, f) == -1 ||
	    copy_digest(q, 5, &out->sha256, f) == -1 ||
	    copy_text(q, 6, out->etag, sizeof out->etag, f) == -1)
		return -1;
	if (jobpath_parse(&out->path, path, job, &why) == -1)
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has a file with a wrong path: %s", why.text);
	out->stamp.size = db_number(q, 1);
	out->stamp.mtime_ns = db_number(q, 2);
	out->stamp.ctime_ns = db_number(q, 3);
	out->stamp.inode = db_number(q, 4);
	return 0;
}

int
jobs_files(struct db *db, const struct job_id *job, const char *folder,
    jobs_file_seen *each, void *arg, struct fault *f)
{
	struct db_query q = db_ask(db, list_files);
	struct jobs_file file;
	int rc;

	db_give_text(&q, view_str(job->text));
	db_give_text(&q, view_str(folder));
	while ((rc = db_step(&q, f)) == 1)
		if (read_file(&q, job, &file, f) == -1 ||
		    each(arg, &file, f) == -1) {
			rc = -1;
			break;
		}
	db_end(&q);
	return rc;
}

int
jobs_upload_keep(
    struct db *db, const struct jobs_upload *u, int64_t now_ms, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	if (rc == 0) {
		q = db_ask(db, keep_upload);
		db_give_text(&q, view_str(u->key));
		db_give_text(&q, view_str(u->upload_id));
		db_give_text(&q, view_str(u->sha256.hex));
		db_give_number(&q, u->size);
		db_give_number(&q, u->part_size);
		db_give_number(&q, now_ms);
		rc = db_run(&q, f);
	}
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "remember an upload");
	return 0;
}

static int
read_upload(struct db_query *q, struct jobs_upload *out, struct fault *f)
{
	if (copy_text(q, 0, out->upload_id, sizeof out->upload_id, f) == -1 ||
	    copy_digest(q, 1, &out->sha256, f) == -1)
		return -1;
	out->size = db_number(q, 2);
	out->part_size = db_number(q, 3);
	return 0;
}

int
jobs_upload_find(struct db *db, const char *key, bool *found,
    struct jobs_upload *out, struct fault *f)
{
	struct db_query q = db_ask(db, find_upload);
	int rc;

	MUST(strlen(key) < sizeof out->key);
	(void)snprintf(out->key, sizeof out->key, "%s", key);
	db_give_text(&q, view_str(key));
	rc = db_step(&q, f);
	*found = rc == 1;
	if (rc == 1)
		rc = read_upload(&q, out, f);
	db_end(&q);
	return rc == -1 ? fault_while(f, "find an upload") : 0;
}

int
jobs_upload_forget(struct db *db, const char *key, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	if (rc == 0) {
		q = db_ask(db, forget_upload);
		db_give_text(&q, view_str(key));
		rc = db_run(&q, f);
	}
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "forget an upload");
	return 0;
}
