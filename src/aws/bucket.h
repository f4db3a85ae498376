/*
 * bucket - a bucket as its signer sees it: where it is, which keys are good
 * for it, and what time it is there.
 *
 * What S3 says of itself is learnt here and used from then on, by all the
 * processes of the host, through the state file: the region that the bucket
 * is really in, and how far our clock is off.
 */
#ifndef AWS_BUCKET_H
#define AWS_BUCKET_H

#include <stdint.h>

#include "aws/creds.h"
#include "aws/place.h"
#include "aws/sigv4.h"
#include "base/state.h"

struct bucket; /* opaque; one thread at a time */

/* All lent as long as the bucket lives, but the region, which is copied;
 * texts: NULL or "" is not set. */
struct bucket_setup {
	const char *name;
	const char *region;
	const char *endpoint;
	const char *public_endpoint; /* of presigned URLs; else the same */
	enum s3_style style;
	struct creds *creds;
	struct state *state; /* or NULL */
};

/* FAULT_INPUT as place_find says, for the settings AWS_ENDPOINT_URL_S3 and
 * S3_PUBLIC_ENDPOINT; FAULT_MEMORY. */
int bucket_open(
    struct bucket **out, const struct bucket_setup *setup, struct fault *f);
void bucket_close(struct bucket **b);

const char *bucket_name(const struct bucket *b);

/* On whose behalf it is used from here on: see s3_serve. */
void bucket_serve(struct bucket *b, struct view request_id);

/* Where it is, as far as is known by now: lent until the next call here. */
const char *bucket_region(const struct bucket *b);

/* What an attempt was signed with, to tell whether another would differ. */
struct bucket_stamp {
	int64_t offset_ms; /* added to our clock            */
	int moves;         /* of the region until then      */
	int renewals;      /* of the keys until then        */
	bool is_temporary; /* the keys are of a session     */
};

struct bucket_request {
	const char *method;
	struct view key; /* raw; empty is the bucket itself, else at most
			  * PLACE_KEY_MAX bytes                          */
	/* as in struct sigv4_request */
	const struct sigv4_field *query;
	size_t query_n;
	const struct sigv4_field *headers;
	size_t headers_n;
	struct view payload_sha256;
};

/*
 * Signs a request as of now, with the keys of now: replaces url by the
 * whole URL, and appends to lines the headers to send, each ended by LF,
 * beside the request's own.  lines holds secrets.  FAULT_DENIED without
 * keys; FAULT_INPUT, FAULT_MEMORY as sigv4_sign says.
 */
int bucket_sign(struct bucket *b, const struct bucket_request *r,
    struct buf *url, struct buf *lines, struct bucket_stamp *stamp,
    struct fault *f);

struct bucket_life {
	int64_t lives_s; /* the URL is good for so long from now on        */
	int64_t same_s;  /* and signing makes the same one; 0: no window   */
};

/*
 * Replaces url by a presigned URL, and *life by how long it lives.  expires_s
 * is at least 1; more than SIGV4_EXPIRES_MAX_S, or than what the session token
 * has left, counts as that.  A window_s above 0 (no more than half of expires_s
 * counts) dates it back to the window's beginning. FAULT_DENIED without keys,
 * or when they end within a second.
 */
int bucket_presign(struct bucket *b, const char *method, struct view key,
    int64_t expires_s, int64_t window_s, struct buf *url,
    struct bucket_life *life, struct fault *f);

/*
 * S3 refused an attempt and named its time (seconds since 1970), or the
 * region: learns it, and logs it, unless it is known by now.  True when
 * another attempt would be signed with another time (by at_least_ms or
 * more), or for another region.
 */
bool bucket_mend_clock(struct bucket *b, const struct bucket_stamp *stamp,
    int64_t server_s, int64_t at_least_ms);
bool bucket_mend_region(
    struct bucket *b, const struct bucket_stamp *stamp, const char *region);

/*
 * S3 said that our keys have ended: true when another attempt would be
 * signed with others.  May ask their source, which waits for the network,
 * deadline_ms (clock_ticks_ms) at the longest; creds_renew sees to it that
 * this is not done by each request of a batch.
 */
bool bucket_mend_keys(
    struct bucket *b, const struct bucket_stamp *stamp, int64_t deadline_ms);

#endif
