/*
 * digest - SHA-256 (FIPS 180-4) of bytes, all at once or piece by piece, and
 * HMAC with it (RFC 2104).
 */
#ifndef CODEC_DIGEST_H
#define CODEC_DIGEST_H

#include "base/buf.h"

struct digest {
	char hex[65]; /* 64 lower-case hex digits and a NUL */
};

/* FAULT_MEMORY when the library refuses. */
int digest_sha256(struct digest *out, struct view bytes, struct fault *f);

/* HMAC-SHA256 of bytes under the key.  FAULT_MEMORY when the library
 * refuses. */
int digest_hmac(
    struct digest *out, struct view key, struct view bytes, struct fault *f);

/*
 * SHA-256 piece by piece: begin, add as often as needed, end.  FAULT_MEMORY
 * when the library refuses; after an add that failed there is no digest.
 * The end frees the run and leaves it NULL, which may be ended again; without
 * out it only frees.
 */
struct digest_run; /* opaque */
int digest_begin(struct digest_run **run, struct fault *f);
int digest_add(struct digest_run *run, struct view bytes, struct fault *f);
int digest_end(struct digest_run **run, struct digest *out, struct fault *f);

#endif
