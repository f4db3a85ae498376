/*
 * s3 - objects of one bucket: operations as values, run in batches.
 *
 * Each attempt is signed anew, with one snapshot of credentials and S3's
 * own time (our clock and the offset learnt from its Date).  Sent again, as
 * AWS's "standard" mode has it: broken and refused connections, stalls,
 * 500 502 503 504, throttling, each after a random wait that doubles; once
 * after the clock, the region or the credentials were put right.  What came
 * of it is told to the state file.
 *
 * How a request can fail, as fault kinds:
 *   ABSENT     404, no such key
 *   DENIED     401 403, no such bucket, keys or signature refused
 *   THROTTLED  503 SlowDown and its kin, 429
 *   BUSY       no connection, 500 502 503
 *   SLOW       the deadline passed, 504
 *   REMOTE     anything else: a reply that S3 does not give
 *   CONFLICT   a precondition failed
 */
#ifndef AWS_S3_H
#define AWS_S3_H

#include <stdint.h>

#include "aws/creds.h"
#include "base/state.h"
#include "codec/digest.h"

enum {
	S3_KEY_MAX = 1024, /* bytes of an object key                        */
	S3_ETAG_MAX = 128,
	S3_PARALLEL = 16, /* requests on their way at once                  */
	S3_PAGE = 1000    /* keys of one page of a listing                  */
};

#define S3_CACHE_CONTROL "private, max-age=31536000, immutable"

struct s3; /* opaque; one thread at a time */

enum s3_style { S3_AUTO, S3_PATH, S3_VIRTUAL };

/* All texts: lent as long as the s3 lives; NULL or "" is not set. */
struct s3_setup {
	const char *bucket;
	const char *region;
	const char *endpoint;        /* "http[s]://host[:port]", else AWS's */
	const char *public_endpoint; /* what presigned URLs name; else the
				      * same                                */
	enum s3_style style; /* AUTO: path for an IP or localhost endpoint
			      * and for a bucket with a dot, else virtual   */
	const char *sse;     /* "AES256", "aws:kms"                         */
	const char *sse_key; /* of aws:kms                                  */
	const char *ca_file;
	int attempts; /* of one request, at most; 1 or more                 */
	int stop_fd;  /* see http_setup                                     */
	struct creds *creds; /* outlives us                                 */
	struct state *state; /* outlives us, or NULL                        */
};

/*
 * FAULT_INPUT, with the setting's name as field (STORAGE_BUCKET,
 * AWS_REGION, AWS_ENDPOINT_URL_S3, S3_PUBLIC_ENDPOINT), when one cannot
 * be: bucket names follow AWS's rules for general purpose buckets.
 */
int s3_open(struct s3 **out, const struct s3_setup *setup, struct fault *f);
void s3_close(struct s3 **s);

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
	const char *source;          /* of a COPY: a key of this bucket   */
	int64_t range_end;           /* of a GET: bytes 0 to this; -1: all */
	/* GET: where the bytes go; -1 ends the attempt.  NULL: to reply.
	 * `again` tells that a new attempt begins from the first byte. */
	int (*sink)(struct s3_op *op, struct view bytes, bool again);
	void *owner; /* for sink */

	/* answered */
	int status;
	int64_t found_size; /* HEAD, GET: Content-Length; else -1    */
	char found_etag[S3_ETAG_MAX]; /* without its quotes                */
	char found_sha256[65]; /* x-amz-meta-sha256, or ""              */
	char found_type[128];
	struct buf reply;       /* GET without sink; set its limit       */
	char code[64];          /* S3's own word of an error, or ""      */
	char s3_request_id[64]; /* to show to its operator               */
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

/*
 * Runs all of them, S3_PARALLEL at a time, until each is done or has its
 * fault, or the deadline (clock_ticks_ms) has passed.  A local file that
 * is gone is ABSENT with field "file"; one whose size differs is CONFLICT
 * with field "file".
 */
void s3_run(struct s3 *s, struct s3_op *ops, size_t n, int64_t deadline_ms);

/*
 * One request, once, for whoever watches the storage: GET of a byte of the
 * key, which may be missing.  The verdict goes to the state file, too.
 * *f says why it is not UP; *absent tells that S3 is well and the key is
 * not there.
 */
enum state_storage s3_probe(struct s3 *s, const char *key, int64_t deadline_ms,
    bool *absent, struct fault *f);

/* A key of a listing, in S3's order; returns 0 to go on, -1 to stop. */
typedef int s3_listed(
    void *arg, struct view key, int64_t size, struct fault *f);

/* Every key that begins with prefix, all pages (ListObjectsV2). */
int s3_list(struct s3 *s, const char *prefix, int64_t deadline_ms,
    s3_listed *found, void *arg, struct fault *f);

struct s3_url {
	struct buf text; /* the whole URL: a bearer secret               */
	int64_t lives_s; /* from now on                                  */
};

enum { S3_URL_MAX = 8192 };

#define S3_URL_INIT ((struct s3_url){ .text = BUF_INIT(S3_URL_MAX) })
void s3_url_fini(struct s3_url *url);

/*
 * Presigns GET or HEAD of a key.  Its life is expires_s (1 to 604800), or
 * what is left of the session token when that is less.  window_s above 0:
 * signed as of the window's beginning, so that all who sign within it make
 * the same URL, and lives_s is what is left of its life.  Text already in
 * url is replaced.  FAULT_DENIED without credentials.
 */
int s3_presign(struct s3 *s, const char *method, const char *key,
    int64_t expires_s, int64_t window_s, struct s3_url *url, struct fault *f);

#endif
