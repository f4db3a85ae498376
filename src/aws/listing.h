/*
 * listing - one page of a bucket's keys, as ListObjectsV2 answers.  Pure.
 */
#ifndef AWS_LISTING_H
#define AWS_LISTING_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

enum {
	LISTING_PAGE = 1000, /* keys of a page, at most                     */
	LISTING_KEY_MAX = 1024,
	LISTING_ETAG_MAX = 127,
	/* All of them escaped, three for each byte, and the tags around. */
	LISTING_BYTES_MAX = LISTING_PAGE * 4 * LISTING_KEY_MAX,
	LISTING_TOKEN_MAX = 4 * LISTING_KEY_MAX /* Ceph's is a whole key */
};

/* One object, its texts lent for the call; the ETag without its quotes. */
struct listing_object {
	struct view key;
	int64_t size;
	struct view etag;
	int64_t modified_s; /* seconds since 1970, 0: not said */
};

/* An object, in S3's order; returns 0 to go on, -1 with a fault to stop. */
typedef int listing_key(
    void *arg, const struct listing_object *object, struct fault *f);

/*
 * Hands over each key of a page asked for with encoding-type=url, and puts
 * into token, in place of what it held, what to ask the next page with: empty
 * when this is the last.  FAULT_REMOTE for a document that is no such page,
 * or goes on without saying where; FAULT_MEMORY; or what found said.
 */
int listing_read(struct view page, listing_key *found, void *arg,
    struct buf *token, struct fault *f);

/*
 * Puts into out, in place of what it held, the key that encoding-type=url
 * made text of.  FAULT_REMOTE for a broken escape; FAULT_MEMORY, also when
 * it is longer than out may be.
 */
int listing_unescape(struct view text, struct buf *out, struct fault *f);

#endif
