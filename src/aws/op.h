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

/* Of what is never replaced under its key: images. */
#define S3_CACHE_CONTROL "private, max-age=31536000, immutable"

/* The last five are of aws/multipart. */
enum s3_verb {
	S3_PUT,
	S3_HEAD,
	S3_GET,
	S3_COPY,
	S3_DELETE,
	S3_CREATE,
	S3_PART,
	S3_PARTS,
	S3_COMPLETE,
	S3_ABORT
};

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
	int64_t offset; /* where in the file it begins: but for a PUT from
			 * 0, the file may have more than size bytes      */
	int64_t size;   /* of the file, or of what is sent of it          */
	/* Of the body of a PUT, PART, COMPLETE; of the whole object of a
	 * CREATE.  PUT and CREATE keep it as metadata. */
	const struct digest *sha256;
	const char *media_type;    /* of a PUT; of a CREATE, which must
				    * have one                             */
	const char *cache_control; /* of a PUT or CREATE; NULL: none       */
	bool if_none_match;        /* of a PUT, COPY, COMPLETE: only where there
				    * is no object, else CONFLICT                */
	/* Of a PUT, COPY, COMPLETE with one of the two conditions: what is
	 * under the key is looked at as well, see aws/guard. */
	bool is_guarded;
	bool looks_first;      /* of a guarded PUT: before it is sent  */
	int64_t mtime_ns;      /* of a PUT or CREATE: kept as metadata
				* (aws/mtime); 0: none                 */
	const char *source;    /* of a COPY: a key of this bucket      */
	int64_t range_begin;   /* of a GET: from this byte             */
	int64_t range_end;     /* of a GET: to this byte; -1: all      */
	const char *if_match;  /* of a GET, PUT, COPY, COMPLETE: an ETag
				* without quotes, else CONFLICT; NULL: any;
				* of a guarded write "": the one that is there */
	const char *upload_id; /* of a PART, PARTS, COMPLETE, ABORT        */
	int part;              /* of a PART, from 1; of PARTS: the last one
				* listed before                            */
	/* GET and the replies of CREATE, PARTS, COMPLETE: where they go; -1
	 * ends the operation, with the fault that it set in the op, else as
	 * REMOTE.  NULL: to reply.  `again` tells that what came before is
	 * void: a new attempt begins from the first byte (bytes is then empty).
	 */
	int (*sink)(struct s3_op *op, struct view bytes, bool again);
	/* It is settled, done or with its fault: told once, from within
	 * s3_run, which must not be called from there.  NULL: nobody asks. */
	void (*finished)(struct s3_op *op);
	void *owner; /* for sink and finished */

	/* answered */
	int status;
	bool is_taken;      /* guarded, and not done: the key has another
			     * version than is to be replaced, which is what
			     * found_ tells of                                  */
	int64_t found_size; /* HEAD, GET: Content-Length; else -1    */
	char found_etag[S3_ETAG_MAX]; /* without its quotes                */
	char found_sha256[65]; /* x-amz-meta-sha256, or ""              */
	char found_type[128];
	int64_t found_mtime_ns; /* HEAD, GET: x-amz-meta-mtime; 0: none   */
	struct buf reply;       /* without sink; set its limit            */
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
