/*
 * objects - the catalogue's queue: what is to be in the bucket, what is.
 *
 * An image has at most one object alone (job '') and one in each job.  It
 * is `waiting` until S3 has it (`done`), or until somebody must look at it
 * (`failed`).  Whoever uploads takes it first, by moving its next attempt
 * out of the others' sight: a process that dies lets it go by that alone.
 *
 * What a call here reports as done survives a power cut.  Failures are
 * those of db.
 */
#ifndef DISK_OBJECTS_H
#define DISK_OBJECTS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "codec/digest.h"
#include "codec/ident.h"
#include "codec/sniff.h"
#include "disk/db.h"

enum objects_state {
	OBJECTS_NONE, /* there is no such object, as far as we know */
	OBJECTS_WAITING,
	OBJECTS_DONE,
	OBJECTS_FAILED
};

/* When it waits for a first GET, not for a time. */
#define OBJECTS_LAZY INT64_MAX

enum { OBJECTS_KEY_SIZE = 2 * IDENT_MAX + 64 };
enum { OBJECTS_ERROR_MAX = 300 }; /* bytes of an error that are kept */

/*
 * Writes the object key: "character_references/{id}.{ext}", in a job
 * "videos/{job}/intermediate/character_reference/{id}.{ext}".
 */
void objects_key(char out[OBJECTS_KEY_SIZE], const struct image_id *id,
    const struct job_id *job, enum sniff_kind kind);

/* The same up to the extension, its point included: a prefix to list. */
void objects_prefix(char out[OBJECTS_KEY_SIZE], const struct image_id *id,
    const struct job_id *job);

struct object {
	struct image_id id;
	struct job_id job; /* "": the image alone        */
	enum sniff_kind kind;
	int64_t bytes;        /* 0: not known               */
	struct digest sha256; /* hex "": not known          */
	enum objects_state state;
	int attempts;
	int64_t queued_ms;  /* since when it waits; 0: not known */
	bool is_lazy;       /* it waits, and for a first GET   */
	bool is_alone_done; /* its image's object alone is done */
};

/* How all our keys begin: prefixes to list. */
extern const char objects_alone[], objects_jobs[];

/* Is this one of our keys?  Whose it is, and of what kind, stands in *out
 * then.  Ids that we would not make or accept, and other things of a job,
 * are not ours. */
bool objects_parse_key(struct view key, struct object *out);

/*
 * May these be the image's bytes?  What is not known of the image, bytes
 * below 0, and a sha256 of "" speak for it; what both sides know must agree.
 */
bool objects_may_be(const struct object *o, int64_t bytes, const char *sha256);

/* One object, and whether its image is known at all (*known; kind, bytes
 * and sha256 are then filled in). */
int objects_find(struct db *db, const struct image_id *id,
    const struct job_id *job, bool *known, struct object *out, struct fault *f);

/*
 * Within the caller's transaction: adds a waiting object of a known image,
 * unless there is one already.  A failed one waits again from now on, its
 * attempts forgotten; a lazy one becomes due if due_ms is earlier.
 * due_ms: when the uploader may take it, or OBJECTS_LAZY.
 */
int objects_add(struct db *db, const struct image_id *id,
    const struct job_id *job, enum sniff_kind kind, int64_t due_ms,
    struct fault *f);

/* The same in a transaction of its own. */
int objects_want(struct db *db, const struct image_id *id,
    const struct job_id *job, enum sniff_kind kind, int64_t due_ms,
    struct fault *f);

/*
 * Takes up to max waiting objects that are due at now_ms, the one due
 * longest and the one due last by turns: their next attempt moves to
 * until_ms, which is later.
 */
int objects_take(struct db *db, int64_t now_ms, int64_t until_ms,
    struct object *out, size_t max, size_t *n, struct fault *f);

/* Up to max done objects whose last proof is older than before_ms, the
 * oldest first; they are taken in the same way (their proof moves to
 * now_ms, or to before_ms if that is later). */
int objects_take_to_verify(struct db *db, int64_t before_ms, int64_t now_ms,
    struct object *out, size_t max, size_t *n, struct fault *f);

/* What came of an object: one row of objects_settle. */
struct objects_outcome {
	const struct object *object;
	enum objects_state state; /* DONE, WAITING or FAILED              */
	int64_t due_ms;           /* WAITING: when to try again           */
	bool is_attempt;          /* count it                             */
	const char *error;        /* UTF-8, cut if long; "" for none: then
				   * a WAITING one keeps the one before   */
};

/*
 * One transaction for all.  DONE is true of every object, proved at now_ms;
 * it clears the error, and FAILED always keeps its own.  Else an outcome of
 * an upload leaves an object alone that somebody has brought to DONE
 * meanwhile, and one of a verification (the object was DONE) an object that
 * is no longer DONE; one that it makes wait again begins anew: no attempts,
 * queued now.
 */
int objects_settle(struct db *db, const struct objects_outcome *outcomes,
    size_t n, int64_t now_ms, struct fault *f);

/*
 * An object that S3 has though the catalogue did not know: image row (what
 * is not known stays empty or 0) and object row, done and proved.  One that
 * was known becomes done; nothing changes when its image is known as of
 * another kind.  A job's object may be edited, so it tells neither size nor
 * digest of the image; one of the image alone tells what was not known yet.
 */
int objects_discovered(
    struct db *db, const struct object *found, int64_t now_ms, struct fault *f);

/* The same of many, in one transaction. */
int objects_discovered_all(struct db *db, const struct object *found, size_t n,
    int64_t now_ms, struct fault *f);

/* The done object that was proved last, for a probe, or after passing over
 * so many of them the one before: *found. */
int objects_newest_done(struct db *db, int64_t skip, struct object *out,
    bool *found, struct fault *f);

/* Failed objects wait again, their attempts forgotten: of one image, or all
 * (id NULL).  *n of them. */
int objects_retry(struct db *db, const struct image_id *id, int64_t now_ms,
    int64_t *n, struct fault *f);

/* Lazy objects become due: for when uploads are lazy no longer.  Many need
 * more than one transaction; after a failure, some are due already. */
int objects_hurry(struct db *db, int64_t now_ms, struct fault *f);

/* What waits because of the bucket, not of itself, becomes due: for when the
 * bucket is well again. */
int objects_resume(struct db *db, int64_t now_ms, struct fault *f);

/*
 * Every object of a job, in the order of image ids; the job is not "".
 * `each` returns 0 to go on, or -1 to stop, which is then returned; it must
 * not call this again.
 */
typedef int objects_seen(
    void *arg, const struct object *object, struct fault *f);
int objects_of_job(struct db *db, const struct job_id *job, objects_seen *each,
    void *arg, struct fault *f);

/* What is to do and what is stuck: cheap, as long as there is not much of it,
 * however many are done or lazy. */
struct objects_backlog {
	int64_t waiting;   /* without the lazy ones */
	int64_t oldest_ms; /* as in the summary     */
	int64_t failed;
};

int objects_backlog(
    struct db *db, struct objects_backlog *out, struct fault *f);

struct objects_summary {
	int64_t waiting; /* lazy ones included                            */
	int64_t lazy;
	int64_t done;
	int64_t failed;
	int64_t oldest_ms; /* when the one that waits longest began to;
			    * lazy ones do not count; 0: none waits       */
};

int objects_summary(
    struct db *db, struct objects_summary *out, struct fault *f);

/*
 * The last errors of what waits or has failed, the newest first, at most
 * max.  `each` returns 0 to go on, or -1 to stop, which is then returned;
 * the error is lent for its call.
 */
typedef int objects_error(
    void *arg, const struct object *object, struct view error, struct fault *f);
int objects_errors(
    struct db *db, size_t max, objects_error *each, void *arg, struct fault *f);

/* A row as people ask about it; texts are lent for the call. */
struct objects_row {
	struct view job;
	struct view state;
	struct view key;
	struct view last_error;
	int64_t attempts;
	int64_t verified_at_ms; /* 0: never */
};

/* Every object of an image, that of the image alone first.  As objects_of_job
 * with what each returns. */
typedef int objects_told(
    void *arg, const struct objects_row *row, struct fault *f);
int objects_of_image(struct db *db, const struct image_id *id,
    objects_told *each, void *arg, struct fault *f);

#endif
