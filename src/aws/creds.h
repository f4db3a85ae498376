/*
 * creds - the keys to sign with, from wherever the AWS SDKs look for them.
 *
 * Sources, the first that is configured wins, and one that is configured
 * and fails is told, not skipped:
 *
 *   environment    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; not when
 *                  AWS_PROFILE is set
 *   web identity   a role and a token file, asked from STS
 *   profile        keys in the credentials or the config file
 *   process        the profile's credential_process
 *   container      ECS, EKS pod identity
 *   instance       IMDSv2; only when nothing else is configured
 *
 * A snapshot is one set of keys, whole: an id never meets another moment's
 * secret.  Temporary keys are renewed CREDS_AHEAD_MS before they end, or
 * when half of their life is over if that is later, by one process for all:
 * it writes them to a file (0600) which the others read.  Where nobody
 * does, whoever may wait asks, and writes them for the others, too.
 */
#ifndef AWS_CREDS_H
#define AWS_CREDS_H

#include <stdint.h>

#include "aws/chain.h"

enum {
	CREDS_AHEAD_MS = 15 * 60 * 1000, /* renewed so long before the end */
	CREDS_MUST_MS = 10 * 60 * 1000,  /* then by whoever needs them ... */
	CREDS_JITTER_MS = 2 * 60 * 1000, /* ... up to so much later        */
	CREDS_SHARED_MS = 1000,          /* between looks at the snapshot  */
	CREDS_FILES_MS = 5000,           /* and at the profile files       */
	CREDS_REST_MS = 1000,            /* after a failure, doubling      */
	CREDS_REST_MAX_MS = 60 * 1000
};

struct creds; /* opaque; one thread at a time */

/*
 * Reads what needs no network.  FAULT_INPUT (field: the variable at fault)
 * for half a pair of keys, keys that are none, a token file without a role,
 * a file that cannot be read though it was named or that cannot be parsed,
 * a profile that does not exist though it was named or that asks for what
 * is not supported (source_profile, SSO), a container address that is
 * neither https nor loopback nor one of AWS's own.
 */
int creds_open(
    struct creds **out, const struct creds_setup *setup, struct fault *f);
void creds_close(struct creds **c);

/*
 * The keys to sign with now, lent until the next call here.  Never waits
 * for the network: reads the shared snapshot at most once a second, when
 * there is one.  FAULT_DENIED when there are none that are still good: its
 * text may reach a client, so it names the source and nothing else.
 */
int creds_now(struct creds *c, const struct creds_keys **keys, struct fault *f);

/*
 * When keys had now, at now_ms, that end at expires_at_ms (both of the clock
 * of day) are to be renewed: CREDS_AHEAD_MS before their end by the keeper,
 * CREDS_MUST_MS less jitter_ms by all others; at half of their life when
 * that is later; never (INT64_MAX) when they never end.
 */
int64_t creds_due_ms(
    int64_t now_ms, int64_t expires_at_ms, bool is_keeper, int64_t jitter_ms);

/*
 * Renews what is due: the keeper from CREDS_AHEAD_MS on, all others from
 * CREDS_MUST_MS on, when no keeper did; the keeper also when it starts.
 * Waits for the network (or the process) no longer than deadline_ms
 * (clock_ticks_ms), and not at all when nothing is due.  Fails when
 * something was due and could not be had; keys in hand that are still good
 * stay.  A source that failed rests (1 s, growing to 60 s): meanwhile this
 * fails only when there are no good keys.  Profile files that have changed
 * are read again.  Faults: DENIED, BUSY, SLOW, REMOTE, DISK, MEMORY.  They
 * are for the log and for operators, and those of creds_renew are: they name
 * files, and have the words of whoever was asked in details.
 */
int creds_keep_fresh(struct creds *c, int64_t deadline_ms, struct fault *f);

/* The half of it that waits for nobody: takes what the snapshot and the
 * profile files hold by now. */
void creds_look(struct creds *c);

/*
 * S3 said that our keys have expired: looks whether the snapshot or the
 * profile files hold others by now, else asks the source anew, whatever
 * their end was said to be; but not while it rests, nor twice a second.
 * FAULT_DENIED when there are no others; else as above.
 */
int creds_renew(struct creds *c, int64_t deadline_ms, struct fault *f);

/* Which source is configured ("environment", ... or "none"), without asking
 * it, and the region that the profile names, or "": lent until the next call
 * here that may read the profile again. */
const char *creds_source(const struct creds *c);
const char *creds_region(const struct creds *c);

#endif
