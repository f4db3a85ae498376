/*
 * secret - a key or token, kept apart from ordinary text.
 *
 * No formatter takes the type, so it cannot slip into a log or an error by
 * accident; whoever needs the bytes must ask for them by name.  The bytes
 * are wiped when it ends.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/buf.h"

struct secret {
	char *bytes; /* owned, NULL while there is none */
	size_t n;
};

#define SECRET_INIT ((struct secret){ .bytes = NULL })

/* Copies v; the empty view makes the empty secret.  FAULT_MEMORY. */
int secret_set(struct secret *s, struct view v, struct fault *f);

bool secret_is_set(const struct secret *s);

/* The bytes themselves: for a request header or a comparison, never a log. */
struct view secret_reveal(const struct secret *s);

/* Compares in time that depends on the lengths alone. */
bool secret_is(const struct secret *s, struct view guess);

void secret_fini(struct secret *s);

/* Ends a buf that has held a secret: wiped, then freed. */
void secret_buf_fini(struct buf *b);

#endif
