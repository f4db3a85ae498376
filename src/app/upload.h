/*
 * upload - brings objects of the queue into the bucket, and looks after
 * those that are there.
 *
 * What came of each stands in the catalogue when a call returns.  An
 * object's bytes are streamed from the store, or, for a job's object whose
 * image is in the bucket alone already, copied inside S3.  Nothing that is
 * there is ever replaced (aws/guard): what is there already counts as
 * uploaded when it is the same image; in a job it is kept when it is not,
 * for it is the job's own copy, edited by its pipeline.
 */
#ifndef APP_UPLOAD_H
#define APP_UPLOAD_H

#include "app/cloud.h"
#include "disk/objects.h"
#include "disk/store.h"

struct upload_parts {
	struct store *store;
	struct db *db;
	struct cloud *cloud;
};

enum {
	UPLOAD_BATCH_MAX = 256,
	UPLOAD_ATTEMPTS_MAX = 8,
	/* Whoever takes an object hides it for so long beyond its deadline:
	 * what came of it is then recorded, and nobody else is at it. */
	UPLOAD_SETTLE_MS = 5000
};

struct upload {
	struct object object; /* asked; its state afterwards stands in it  */
	bool is_new;          /* asked: its id was made just now, so that
			       * nothing can be under its key               */
	bool is_copied;       /* it was copied inside S3                   */
	bool is_there;        /* the bucket had an object in the job       */
	bool is_kept;         /* and that is the job's own copy, which is
			       * not the image as it was made              */
	struct fault fault;   /* why it is not DONE                        */
};

/*
 * Uploads them all in parallel, until the deadline (clock_ticks_ms).  While
 * the bucket is down or denied nothing is sent.  What the bucket, the
 * network, this host or a missing permission is to blame for counts as no
 * attempt: the object waits about as long as it has waited, for a minute and
 * a half at most, and as often as need be.  It is FAILED when its file is
 * gone or has changed, S3 got other bytes than were recorded or holds others
 * under the key of an image alone, or S3 refuses it for another reason at its
 * UPLOAD_ATTEMPTS_MAX-th attempt or later.  A copy whose source turns out to
 * be gone also puts the source's row right.  Fails itself only when the
 * catalogue or memory does; then what was uploaded will be uploaded again,
 * which changes nothing.
 */
int upload_run(const struct upload_parts *parts, struct upload *uploads,
    size_t n, int64_t deadline_ms, struct fault *f);

/*
 * Asks by HEAD what the bucket has in a job: is_there and is_kept say it;
 * fault, why there is nothing or S3 did not say.  Their states, and the
 * catalogue, stay as they are.  Fails itself for want of memory.
 */
int upload_look(const struct upload_parts *parts, struct upload *const *uploads,
    size_t n, int64_t deadline_ms, struct fault *f);

/*
 * Asks for objects by HEAD that are said to be done, or that a listing has
 * shown.  One that is there is DONE.  One that is gone waits again when its
 * bytes are here; one that is gone for good, or has become something else,
 * is FAILED; but of a job's, which its pipeline may have edited, only
 * whether it is there is asked.  *lost counts those that are not as they should
 * be.  Those of which S3 did not say stay as they are: with the others settled,
 * it fails as s3_run did for one of them.
 */
int upload_verify(const struct upload_parts *parts,
    const struct object *objects, size_t n, int64_t deadline_ms, size_t *lost,
    struct fault *f);

/* The same of done objects that S3 has just said are gone.  What fails is
 * logged: whoever asked for them has trouble enough. */
void upload_mourn(const struct upload_parts *parts,
    const struct object *objects, size_t n, int64_t deadline_ms);

#endif
