/*
 * catalogue - what exists, where, and what is still to do.  The truth
 * about existence; the only user of SQLite.
 *
 * root/catalogue.db, WAL, synchronous=FULL: what a call here reports as
 * done survives a power cut.  Opened after fork, one per process; writers
 * of other processes are waited for (CATALOGUE_BUSY_MS).  Failures
 * here are FAULT_CATALOGUE, FAULT_FULL when the disk is, FAULT_MEMORY, and
 * FAULT_DISK of a lease.
 *
 * The schema's version is in user_version.  A change keeps the database
 * readable by the version before, so that old and new run side by side
 * during an upgrade; a database two versions ahead is refused.
 */
#ifndef DISK_CATALOGUE_H
#define DISK_CATALOGUE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "codec/digest.h"
#include "codec/ident.h"
#include "codec/sniff.h"

enum {
	CATALOGUE_BUSY_MS = 5000,
	CATALOGUE_KEY_LIFE_MS = 24 * 3600 * 1000,
	CATALOGUE_REPLY_MAX = 256 << 10
};

struct catalogue; /* opaque; one thread at a time */

int catalogue_open(struct catalogue **out, const char *root, struct fault *f);
void catalogue_close(struct catalogue **c);

/* One row of images.  Texts may be empty: not known (an adopted image). */
struct catalogue_image {
	struct image_id id;
	struct sniff sniff;
	int64_t bytes;
	struct digest sha256;
	int64_t created_at_ms;
	struct view prompt;
	struct view model;
	bool has_seed;
	uint32_t seed;
	struct view request_id;
};

/*
 * What a GET needs: *found and the format.  With a job (job->text not
 * empty) the image is found only if that job has it.
 */
int catalogue_find(struct catalogue *c, const struct image_id *id,
    const struct job_id *job, bool *found, enum sniff_kind *kind,
    struct fault *f);

/*
 * Records an image that lies in the store without a row, and its object as
 * waiting for upload, unless a row has come meanwhile.
 */
int catalogue_adopt(
    struct catalogue *c, const struct catalogue_image *image, struct fault *f);

/*
 * The right to recover what the dead left, for one process at a time:
 * *held tells whether we have it (byte 0 of the leases; claims start at 1).
 */
int catalogue_recovery_lease(
    struct catalogue *c, struct file_lease *lease, bool *held, struct fault *f);

/*
 * Idempotency.  A claim is made durable before a model is called; the
 * claimed row is `running` as long as its owner lives (file_lease on
 * root/catalogue.leases, byte = serial), `done` with its reply, or
 * `unclear`: the owner died, or lost the model's answer, and it may have
 * been paid.
 */
enum catalogue_claim_state {
	CATALOGUE_CLAIMED, /* ours now: go on                            */
	CATALOGUE_REPLAY,  /* done before: reply holds what it answered  */
	CATALOGUE_RUNNING, /* another request is at it                   */
	CATALOGUE_UNCLEAR, /* maybe paid; never repeated by itself       */
	CATALOGUE_OTHER    /* the key was used with another body         */
};

struct catalogue_claim {
	int64_t serial; /* 0: none; there is no key in this request      */
	struct file_lease lease;
};

#define CATALOGUE_CLAIM_INIT                                                   \
	((struct catalogue_claim){ .lease = FILE_LEASE_INIT })

/*
 * Looks the key up and, when it is new or its life has passed, claims it.
 * For REPLAY, the stored reply is appended to reply.
 */
int catalogue_claim(struct catalogue *c, struct view key,
    const struct digest *body, struct catalogue_claim *claim,
    enum catalogue_claim_state *state, struct buf *reply, struct fault *f);

/* Forgets a claim for which nothing can have been paid. */
int catalogue_release(
    struct catalogue *c, struct catalogue_claim *claim, struct fault *f);

/* Keeps a claim whose outcome is not known: `unclear`. */
int catalogue_doubt(
    struct catalogue *c, struct catalogue_claim *claim, struct fault *f);

/* Ends the lease.  A row still running then reads as unclear. */
void catalogue_claim_fini(struct catalogue_claim *claim);

/*
 * One transaction: all the images' rows, their objects' rows (`waiting`,
 * key character_references/{id}.{ext}), and the claim, if there is one, as
 * done with its reply.  An image adopted meanwhile gets our provenance.
 */
int catalogue_record(struct catalogue *c, const struct catalogue_image *images,
    size_t n, struct catalogue_claim *claim, struct view reply,
    struct fault *f);

#endif
