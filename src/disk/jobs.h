/*
 * jobs - the catalogue's memory of whole jobs: operations on them, what was
 * seen of their files, and multipart uploads on their way.
 *
 * Failures are those of db.
 */
#ifndef DISK_JOBS_H
#define DISK_JOBS_H

#include <stdint.h>

#include "base/file.h"
#include "codec/digest.h"
#include "codec/ident.h"
#include "codec/jobpath.h"
#include "disk/db.h"
#include "disk/tree.h"

/* --- operations: asked for over HTTP, worked through by the uploader --- */

enum jobs_kind { JOBS_PERSIST, JOBS_DOWNLOAD };
enum jobs_state { JOBS_QUEUED, JOBS_RUNNING, JOBS_DONE, JOBS_FAILED };

const char *jobs_kind_word(enum jobs_kind kind);    /* "persist_job_assets" */
const char *jobs_state_word(enum jobs_state state); /* "queued"             */

enum { JOBS_RESULT_MAX = 64 << 10, JOBS_ERROR_MAX = 1000 };

struct jobs_progress {
	int64_t files_done;
	int64_t files_total;
	int64_t bytes_done;
	int64_t bytes_total;
};

struct jobs_operation {
	struct image_id id; /* a UUIDv4 */
	int64_t serial;
	enum jobs_kind kind;
	struct job_id job;
	enum jobs_state state;
	bool is_forced; /* known until it is over */
	struct jobs_progress progress;
	struct buf result; /* a JSON object, or empty; limit set by INIT  */
	struct buf error;  /* a JSON object {"error","message"}, or empty */
	int64_t created_at_ms;
	int64_t updated_at_ms;
};

#define JOBS_OPERATION_INIT                                                    \
	((struct jobs_operation){ .result = BUF_INIT(JOBS_RESULT_MAX),         \
	    .error = BUF_INIT(JOBS_ERROR_MAX * 8) })
void jobs_operation_fini(struct jobs_operation *o);

/*
 * Asks for an operation; one of the same job and kind that is queued or
 * running is returned instead.  FAULT_CONFLICT, with when to ask again, when
 * one of the other kind is queued or running for the job, or one that is not
 * forced and this is to be.  What is over is
 * kept for 30 days at least.
 */
int jobs_ask(struct db *db, enum jobs_kind kind, const struct job_id *job,
    bool is_forced, int64_t now_ms, struct jobs_operation *out,
    struct fault *f);

/* FAULT_ABSENT when there is none of that id. */
int jobs_find(struct db *db, const struct image_id *id,
    struct jobs_operation *out, struct fault *f);

/*
 * Takes the oldest operation that is queued; when there is none, the oldest
 * that is running without anybody at it (its owner's lease, a byte of
 * root/catalogue.operations, is free), so that one whose workers die cannot
 * hold up the others.  It is then running, and ours as long as the lease is
 * held.  *found.
 */
int jobs_take(struct db *db, int64_t now_ms, struct jobs_operation *out,
    struct file_lease *lease, bool *found, struct fault *f);

/* How far it is (o->progress), durably: one sync of the disk each time.  By
 * its owner alone, as settling: FAULT_CATALOGUE when it is not running. */
int jobs_progress(struct db *db, const struct jobs_operation *o, int64_t now_ms,
    struct fault *f);

/* DONE with its result, or FAILED with its error (both JSON, or empty, and
 * within the limits of o), and with o->progress as its last. */
int jobs_settle(struct db *db, const struct jobs_operation *o,
    enum jobs_state state, struct view result, struct view error,
    int64_t now_ms, struct fault *f);

/* At most one process works on a job, whoever asked (a command, too): the
 * lease of the job's name (root/catalogue.jobs, byte by its hash). */
int jobs_lease(struct db *db, const struct job_id *job,
    struct file_lease *lease, bool *held, struct fault *f);

/* How many operations there are, by state. */
enum { JOBS_STATES = JOBS_FAILED + 1 };
int jobs_count(struct db *db, int64_t n[JOBS_STATES], struct fault *f);

/* --- files: what need not be read or asked for again --- */

struct jobs_file {
	struct jobpath path;
	struct tree_stamp stamp; /* of the local file then                 */
	struct digest sha256;    /* of its bytes                           */
	char etag[128];          /* of its object as S3 said it, or ""     */
};

/* Remembers files of a job in a folder (its absolute path), one
 * transaction; the same path is replaced. */
int jobs_files_keep(struct db *db, const struct job_id *job, const char *folder,
    const struct jobs_file *files, size_t n, struct fault *f);

/*
 * Every remembered file of the job in that folder, in the order of the bytes
 * of whole paths (memcmp: "a.b" before "a/b").  `each` returns 0 to go on,
 * or -1 to stop, which is then returned; it must not write to the catalogue.
 */
typedef int jobs_file_seen(
    void *arg, const struct jobs_file *file, struct fault *f);
int jobs_files(struct db *db, const struct job_id *job, const char *folder,
    jobs_file_seen *each, void *arg, struct fault *f);

/* --- multipart uploads on their way --- */

struct jobs_upload {
	char key[JOBPATH_KEY_MAX + 1];
	char upload_id[1024];
	struct digest sha256; /* of the whole file */
	int64_t size;
	int64_t part_size;
};

/* One upload a key: the same key is replaced. */
int jobs_upload_keep(struct db *db, const struct jobs_upload *u, int64_t now_ms,
    struct fault *f);
int jobs_upload_find(struct db *db, const char *key, bool *found,
    struct jobs_upload *out, struct fault *f);
int jobs_upload_forget(struct db *db, const char *key, struct fault *f);

#endif
