/*
 * access - who may use the service: its API keys, and whether a key that
 * came is one of them.
 *
 * Kept are the keys' SHA-256 hashes alone.  A key that came is hashed and
 * compared with every one of them in constant time, so that neither where it
 * begins to differ nor which one it is like can be told from how long the
 * answer takes.
 */
#ifndef APP_ACCESS_H
#define APP_ACCESS_H

#include "base/buf.h"

enum {
	ACCESS_KEYS_MAX = 64,
	ACCESS_KEY_MIN = 16,  /* characters of one that is given as it is */
	ACCESS_KEY_SIZE = 44, /* of one that we make, with its NUL        */
	ACCESS_HASH_SIZE = 72 /* "sha256:", 64 hex digits, NUL            */
};

struct access; /* opaque; NULL: the service is open */

/*
 * Reads a list of keys, separated by commas, each as it is (visible ASCII,
 * ACCESS_KEY_MIN characters or more) or as "sha256:" and the 64 hexadecimal
 * digits of its hash; blanks around it do not count, and one that is there
 * twice does no harm.  The empty list is the open service.  Appends a line
 * to mistakes for each that is none, by its place in the list and never by
 * its text; then it does not open.  FAULT_INPUT, FAULT_MEMORY.
 */
int access_open(struct access **out, struct view list, struct buf *mistakes,
    struct fault *f);
void access_close(struct access **a);

/* 0 when the key is one of them, or all are let in; else FAULT_KEYLESS. */
int access_check(const struct access *a, struct view key, struct fault *f);

/* A new key of 256 random bits in base64url (RFC 4648, 5), to be wiped, and
 * its hash as the list has it.  FAULT_MEMORY. */
int access_make(
    char key[ACCESS_KEY_SIZE], char hash[ACCESS_HASH_SIZE], struct fault *f);

#endif
