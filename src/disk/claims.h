/*
 * claims - idempotency: who is at work on a key, and what came of it.
 *
 * A claim is made durable before a model is called; the claimed row is
 * `running` as long as its owner lives (file_lease on
 * root/catalogue.leases, byte = serial), `done` with its reply, or
 * `unclear`: the owner died, or lost the model's answer, and it may have
 * been paid.  Failures are those of db, and FAULT_DISK of a lease.
 */
#ifndef DISK_CLAIMS_H
#define DISK_CLAIMS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "codec/digest.h"
#include "disk/db.h"

enum {
	CLAIMS_LIFE_MS = 24 * 3600 * 1000, /* then a key is new again */
	CLAIMS_REPLY_MAX = 256 << 10
};

enum claims_state {
	CLAIMS_OURS,    /* go on                                         */
	CLAIMS_REPLAY,  /* done before: reply holds what it answered     */
	CLAIMS_RUNNING, /* another request is at it                      */
	CLAIMS_UNCLEAR, /* maybe paid; never repeated by itself          */
	CLAIMS_OTHER    /* the key was used with another body            */
};

struct claim {
	int64_t serial; /* 0: none; there is no key in this request      */
	struct file_lease lease;
};

#define CLAIM_INIT ((struct claim){ .lease = FILE_LEASE_INIT })

/*
 * Looks the key up and, when it is new or its life has passed, claims it.
 * For REPLAY, the stored reply is appended to reply.
 */
int claims_take(struct db *db, struct view key, const struct digest *body,
    struct claim *claim, enum claims_state *state, struct buf *reply,
    struct fault *f);

/* Forgets a claim for which nothing can have been paid. */
int claims_release(struct db *db, struct claim *claim, struct fault *f);

/* Keeps a claim whose outcome is not known: `unclear`. */
int claims_doubt(struct db *db, struct claim *claim, struct fault *f);

/*
 * Within the caller's transaction: the claim, if there is one, is done with
 * that reply.  Its lease goes on until claims_fini, after the commit.
 */
int claims_done(struct db *db, const struct claim *claim, struct view reply,
    struct fault *f);

/* Ends the lease.  A row still running then reads as unclear. */
void claims_fini(struct claim *claim);

/*
 * The right to recover what the dead left, for one process at a time:
 * *held tells whether we have it (byte 0 of the leases; claims start at 1).
 */
int claims_recovery_lease(
    struct db *db, struct file_lease *lease, bool *held, struct fault *f);

#endif
