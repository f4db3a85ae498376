/*
 * keys - one set of AWS keys, whole, as its source gave it; and the file
 * in which one process hands temporary keys to the others of its user.
 */
#ifndef AWS_KEYS_H
#define AWS_KEYS_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/secret.h"

enum {
	KEYS_ID_SIZE = 129,        /* 128 characters (IAM) and a NUL       */
	KEYS_REPLY_MAX = 64 << 10, /* of an endpoint, a process, the file  */
	KEYS_REPLY_DEPTH = 4       /* of the JSON in it                    */
};

struct creds_keys {
	char id[KEYS_ID_SIZE];
	struct secret secret;
	struct secret token;   /* empty: long-lived keys                  */
	int64_t expires_at_ms; /* of the clock of day; INT64_MAX: never   */
	const char *source;    /* a literal: "environment", "profile" ... */
};

#define CREDS_KEYS_INIT ((struct creds_keys){ .expires_at_ms = INT64_MAX })

void keys_fini(struct creds_keys *k);

/* Ends *to; what *from owned is then its. */
void keys_move(struct creds_keys *to, struct creds_keys *from);

bool keys_are_set(const struct creds_keys *k);

/* An empty buf for secrets, with room for max bytes at once: what a buf
 * grows out of is not wiped. */
struct buf keys_buf(size_t max);

/*
 * Sets the empty k, which never ends.  FAULT_INPUT, naming none of them,
 * unless all bytes can stand in a header: visible ASCII, and in the id none
 * that separates the parts of a credential scope.
 */
int keys_set(struct creds_keys *k, struct view id, struct view secret,
    struct view token, const char *source, struct fault *f);

/* Gives them the end that AWS wrote (ISO 8601).  FAULT_INPUT. */
int keys_end_at(struct creds_keys *k, struct view moment, struct fault *f);

/*
 * Sets the empty k from the JSON object of AWS's endpoints and processes:
 * AccessKeyId, SecretAccessKey, Expiration, and a session token under the
 * name given.  Without an Expiration they never end.  FAULT_INPUT.
 */
struct json_value;
int keys_read(struct creds_keys *k, const struct json_value *object,
    const char *token_name, const char *source, struct fault *f);

/* Which file was looked at last. */
struct keys_mark {
	dev_t device;
	ino_t inode;
	struct timespec written;
};

/* Replaces the file at path: 0600, seen by others whole or not at all.
 * Sweeps what those who died at it have left in its folder. */
int keys_save(const struct creds_keys *k, const char *path, struct fault *f);

/*
 * Sets the empty k from that file, if it is another than mark says; *found
 * tells whether it was.  No file is no fault.  FAULT_DENIED for one that is
 * not ours or that others may read or write; FAULT_INPUT, FAULT_DISK; each
 * once for a file, since the mark moves on.  source: whose keys are wanted;
 * those of another are not found.
 */
int keys_load(struct creds_keys *k, const char *path, struct keys_mark *mark,
    const char *source, bool *found, struct fault *f);

#endif
