/*
 * digest - SHA-256 (FIPS 180-4) of bytes in memory.
 */
#ifndef CODEC_DIGEST_H
#define CODEC_DIGEST_H

#include "base/buf.h"

struct digest {
	char hex[65]; /* 64 lower-case hex digits and a NUL */
};

/* FAULT_MEMORY when the library refuses. */
int digest_sha256(struct digest *out, struct view bytes, struct fault *f);

#endif
