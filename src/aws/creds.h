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
 * secret.  Temporary keys are renewed CREDS_AHEAD_MS before they end, by
 * one process for all: it writes them to a file (0600) which the others
 * read.  Where nobody does, each asks for itself, between requests.
 */
#ifndef AWS_CREDS_H
#define AWS_CREDS_H

#include <stdint.h>

#include "base/secret.h"

enum {
	CREDS_AHEAD_MS = 15 * 60 * 1000, /* renewed so long before the end */
	CREDS_MUST_MS = 10 * 60 * 1000,  /* then by whoever needs them     */
	CREDS_FILE_MAX = 1 << 20,        /* of a profile file              */
	CREDS_PROFILES_MAX = 1000,       /* sections of one                */
	CREDS_REPLY_MAX = 64 << 10       /* of an endpoint or a process    */
};

struct creds; /* opaque; one thread at a time */

/* All texts: lent as long as the creds live; NULL or "" is not set. */
struct creds_setup {
	const struct secret *access_key_id;
	const struct secret *secret_access_key;
	const struct secret *session_token;
	const char *profile;          /* else "default"                  */
	const char *credentials_file; /* else home/.aws/credentials      */
	const char *config_file;      /* else home/.aws/config           */
	const char *home;
	const char *role_arn;          /* with web_identity_token_file    */
	const char *role_session_name; /* else "charref"                  */
	const char *web_identity_token_file;
	const char *region;       /* whose STS; else the profile's   */
	const char *sts_endpoint; /* else https://sts.REGION.amazonaws
				   * .com                            */
	const char *container_relative_uri;
	const char *container_full_uri;
	const char *container_token_file;
	const struct secret *container_token;
	bool no_instance;              /* never ask the instance          */
	const char *instance_endpoint; /* else http://169.254.169.254     */
	const char *ca_file;
	const char *snapshot_file; /* NULL: none is shared            */
	bool is_keeper;            /* we renew it for all             */
};

struct creds_keys {
	char id[129];
	struct secret secret;
	struct secret token;   /* empty: long-lived keys                  */
	int64_t expires_at_ms; /* of the clock of day; INT64_MAX: never   */
	const char *source;    /* a literal: "environment", "profile" ... */
};

/*
 * Reads what needs no network.  FAULT_INPUT (field: the variable at fault)
 * for half a pair of keys, a file that cannot be read or parsed though it
 * was named, a profile that does not exist though it was named, a container
 * address that is neither https nor loopback nor one of AWS's own.
 */
int creds_open(
    struct creds **out, const struct creds_setup *setup, struct fault *f);
void creds_close(struct creds **c);

/*
 * The keys to sign with now, lent until the next call here.  Never waits
 * for the network: reads the shared snapshot at most once a second, when
 * there is one.  FAULT_DENIED when there are none that are still good,
 * saying where was looked and what failed there.
 */
int creds_now(struct creds *c, const struct creds_keys **keys, struct fault *f);

/*
 * Renews what is due: the keeper from CREDS_AHEAD_MS on, all others from
 * CREDS_MUST_MS on, when no keeper did.  Waits for the network no longer
 * than deadline_ms (clock_ticks_ms), and not at all when nothing is due; a
 * source that failed is not asked again for a while (1 s, growing to 60 s).
 * Fails when something was due and could not be had; keys in hand that are
 * still good stay.  Profile files that have changed are read again.
 */
int creds_keep_fresh(struct creds *c, int64_t deadline_ms, struct fault *f);

/* S3 said that our keys have expired: asks the source anew, whatever their
 * end was said to be. */
int creds_renew(struct creds *c, int64_t deadline_ms, struct fault *f);

/* Which source is configured ("environment", ...), without asking it, and
 * the region that the profile names, or "". */
const char *creds_source(const struct creds *c);
const char *creds_region(const struct creds *c);

#endif
