/*
 * s3 - objects of one bucket: operations as values, run in batches.
 *
 * Each attempt is signed anew, with one snapshot of credentials and S3's
 * own time (our clock and the offset learnt from its Date).  Sent again, as
 * AWS's "standard" mode has it (aws/retry): broken and refused connections,
 * stalls, 500 502 503 504, throttling; and once more, beyond the attempts
 * of the setup, after the clock, the region or the credentials were put
 * right.
 *
 * How a request can fail, as fault kinds; aws/verdict has the details:
 *   ABSENT     404, no such key, or no such upload (op.code tells)
 *   DENIED     401 403, no such bucket, keys or signature refused
 *   THROTTLED  503 SlowDown and its kin, 429
 *   BUSY       no connection, one that broke, 500 502 503
 *   SLOW       the deadline passed, a stall, 504
 *   REMOTE     anything else: a reply that S3 does not give
 *   CONFLICT   a precondition failed
 * A fault's text says what was done with which key, S3's word for it and
 * the request's id; never a URL.
 *
 * What came of each operation is told to the state file: UP when S3 serves
 * us, though there be no such key; DOWN when it is THROTTLED, BUSY or SLOW,
 * unless we were told to stop, or it had less than S3_PATIENCE_MS for a whole
 * reply; DENIED when it refuses us.  Nothing, when it is a HEAD's 404 or 403
 * (the bucket may be missing, or the key), AccessDenied or a 403 of a word
 * that we do not know (it may be about one key), REMOTE, or a fault of our
 * own.
 */
#ifndef AWS_S3_H
#define AWS_S3_H

#include <stdint.h>

#include "aws/creds.h"
#include "aws/listing.h"
#include "aws/op.h"
#include "aws/sigv4.h"
#include "base/state.h"

enum {
	S3_PARALLEL = 16,       /* requests on their way at once */
	S3_PAGE = LISTING_PAGE, /* keys of one page of a listing */
	S3_PATIENCE_MS = 1000   /* a shorter silence is no news  */
};

struct s3; /* opaque; one thread at a time */

/* All texts: lent as long as the s3 lives, but the region, which is copied;
 * NULL or "" is not set. */
struct s3_setup {
	const char *bucket;
	const char *region;
	const char *endpoint;        /* "http[s]://host[:port]", else AWS's */
	const char *public_endpoint; /* what presigned URLs name; else the
				      * same                                */
	enum s3_style style; /* aws/place.h says what AUTO takes            */
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
 * AWS_REGION, AWS_ENDPOINT_URL_S3, S3_PUBLIC_ENDPOINT,
 * S3_ADDRESSING_STYLE), when one cannot be: see place_find.  Nothing is
 * connected, nor libcurl woken, before the first request.
 */
int s3_open(struct s3 **out, const struct s3_setup *setup, struct fault *f);
void s3_close(struct s3 **s);

/*
 * From here on its requests are made on behalf of that one, whose id they
 * carry as X-Request-Id, and which lines of the log name; the empty view: of
 * none.  Lent until the next call.
 */
void s3_serve(struct s3 *s, struct view request_id);

/* The region that requests are signed for: the setup's, until S3 has named
 * another.  Lent until the next request. */
const char *s3_region(const struct s3 *s);

/* Were we told to stop (stop_fd)?  Nothing is then sent any more. */
bool s3_is_stopped(const struct s3 *s);

/*
 * Runs all of them, S3_PARALLEL at a time, until each is done or has its
 * fault, or the deadline (clock_ticks_ms) has passed.  A local file that
 * is gone, or no regular file, is ABSENT with field "file"; one whose size
 * or content differs from what was said is CONFLICT with field "file".
 * FAULT_INPUT, field "key", for an empty key and one over S3_KEY_MAX.
 */
void s3_run(struct s3 *s, struct s3_op *ops, size_t n, int64_t deadline_ms);

/*
 * One request, once, for whoever watches the storage: GET of a byte of the
 * key, which may be missing.  The verdict goes to the state file, too;
 * UNKNOWN, which does not, is for a want of memory and for being told to
 * stop.  *f says why it is not UP; *absent tells that S3 is well and the key
 * is not there.  AccessDenied is DENIED when the key must exist, else UP:
 * without the right to list, S3 says it of keys that are missing.  What a
 * refusal teaches (clock, region, keys), and what time it is there, is used
 * from the next request on.
 */
enum state_storage s3_probe(struct s3 *s, const char *key, bool must_exist,
    int64_t deadline_ms, bool *absent, struct fault *f);

/* What the bucket itself is asked. */
struct s3_question {
	const struct sigv4_field *query; /* raw, in any order            */
	size_t query_n;
	const char *about; /* for a fault: a prefix                      */
	int64_t deadline_ms;
};

/* A page of a listing, whole, in place of what reply held, whose limit is
 * the page's.  Fails as a request does. */
int s3_ask(struct s3 *s, const struct s3_question *question, struct buf *reply,
    struct fault *f);

/* Every key that begins with prefix, all pages (ListObjectsV2).  Fails as a
 * request does, or as found says. */
int s3_list(struct s3 *s, const char *prefix, int64_t deadline_ms,
    listing_key *found, void *arg, struct fault *f);

struct s3_url {
	struct buf text; /* the whole URL: a bearer secret               */
	int64_t lives_s; /* from now on                                  */
	int64_t same_s;  /* the window makes no other so long; 0: none   */
};

enum { S3_URL_MAX = 8192 };

#define S3_URL_INIT ((struct s3_url){ .text = BUF_INIT(S3_URL_MAX) })
void s3_url_fini(struct s3_url *url);

/*
 * Presigns GET or HEAD of a key.  Its life is expires_s (1 to 604800), or
 * what is left of the session token when that is less.  window_s above 0 (at
 * most half of expires_s counts): signed as of the window's beginning, so
 * that all who sign within it make the same URL, and lives_s is what is left
 * of its life.  Text already in url is replaced.  FAULT_DENIED without
 * credentials, or when they end within a second.
 */
int s3_presign(struct s3 *s, const char *method, const char *key,
    int64_t expires_s, int64_t window_s, struct s3_url *url, struct fault *f);

#endif
