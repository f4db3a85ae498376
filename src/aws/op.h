/*
 * op - an operation on one object of a bucket, as a value: what is asked,
 * and what was answered.
 */
#ifndef AWS_OP_H
#define AWS_OP_H

#include <stdint.h>

#include "aws/place.h"
#include "aws/verdict.h"
#include "base/buf.h"
#include "base/fault.h"
#include "codec/digest.h"

enum {
	S3_KEY_MAX = PLACE_KEY_MAX, /* bytes of an object key */
	S3_ETAG_MAX = 128
};

#define S3_CACHE_CONTROL "private, max-age=31536000, immutable"

enum s3_verb { S3_PUT, S3_HEAD, S3_GET, S3_COPY, S3_DELETE };

struct s3_op {
	/* asked: lent until s3_run returns */
	enum s3_verb verb;
	const char *key;
	/* PUT: the body's digest is signed, so S3 refuses what differs.
	 * From bytes, or, when dir is not -1, streamed from the regular file
	 * dir/name, which is opened when its turn comes. */
	struct view bytes;
	int dir;
	const char *name;
	int64_t size;                /* of the file                       */
	const struct digest *sha256; /* of a PUT; kept as metadata        */
	const char *media_type;      /* of a PUT                          */
	bool if_none_match;          /* PUT: only where there is no object */
	const char *source;          /* of a COPY: a key of this bucket   */
	int64_t range_end;           /* of a GET: bytes 0 to this; -1: all */
	/* GET: where the bytes go; -1 ends the operation, with the fault
	 * that it set in the op, else as REMOTE.  NULL: to reply.  `again`
	 * tells that what came before is void: a new attempt begins from the
	 * first byte (bytes is then empty). */
	int (*sink)(struct s3_op *op, struct view bytes, bool again);
	void *owner; /* for sink */

	/* answered */
	int status;
	int64_t found_size; /* HEAD, GET: Content-Length; else -1    */
	char found_etag[S3_ETAG_MAX]; /* without its quotes                */
	char found_sha256[65]; /* x-amz-meta-sha256, or ""              */
	char found_type[128];
	struct buf reply; /* GET without sink; set its limit       */
	/* S3's own word of an error, or "", and what its operator asks for */
	char code[VERDICT_WORD_SIZE];
	char s3_request_id[VERDICT_WORD_SIZE];
	int attempts;
	struct fault fault; /* NONE: it was done                     */
};

#define S3_OP_INIT(what, which)                                                \
	((struct s3_op){ .verb = (what),                                       \
	    .key = (which),                                                    \
	    .dir = -1,                                                         \
	    .range_end = -1,                                                   \
	    .found_size = -1,                                                  \
	    .reply = BUF_INIT(0),                                              \
	    .fault = FAULT_INIT })

#endif
