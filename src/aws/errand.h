/*
 * errand - an operation on its way: the requests that are made of it, one
 * an attempt, and what their replies mean.
 *
 * An errand lends itself to one http_call as its owner.  Before each
 * attempt it opens the file to send, if there is one, and signs; between
 * attempts it holds neither file nor secrets, so many may wait.
 */
#ifndef AWS_ERRAND_H
#define AWS_ERRAND_H

#include "aws/bucket.h"
#include "aws/op.h"
#include "net/http.h"

enum { ERRAND_QUERY_MAX = 2, ERRAND_NUMBER_SIZE = 12 };

/* What all errands of a bucket have in common: lent. */
struct errand_with {
	struct bucket *bucket;
	const char *sse; /* "AES256", "aws:kms"; NULL or "" */
	const char *sse_key;
	struct view request_id; /* on whose behalf, see s3_serve */
};

struct errand {
	const struct errand_with *with;
	struct s3_op *op;
	struct http_call *call;
	void *owner;      /* of the errand: for the judge of the call     */
	const char *word; /* "put": for a fault                           */
	int asked;        /* see struct verdict_reply                     */
	/* What it asks in its URL: its own, or those of a question to the
	 * bucket, which is an S3_GET of the key "". */
	const struct sigv4_field *query;
	size_t query_n;
	struct sigv4_field own[ERRAND_QUERY_MAX];
	char number[ERRAND_NUMBER_SIZE]; /* the text of one of them */

	/* the attempt in hand */
	struct buf url;
	struct buf lines; /* the headers: they hold secrets               */
	int fd;           /* of the file to send, or -1                   */
	int64_t got;      /* bytes of the body so far                     */
	bool refused;     /* by our side: its fault stands                */
	struct bucket_stamp stamp;

	/* of a guarded write, see aws/guard */
	bool is_looking; /* the attempt is a HEAD of the key               */
	bool is_plain;   /* S3 does not know the condition: not sent       */
	bool is_new;     /* what was to be replaced is gone: the key must
			  * be free                                        */
	char replaced[S3_ETAG_MAX]; /* the version to replace; "": none is
				     * known                               */
	bool is_refused; /* the condition did not hold, says S3            */
	struct verdict refusal; /* in these words                          */

	struct verdict verdict; /* once is_read: of the last attempt     */
	bool is_read;
	int64_t silent_since_ms; /* no whole reply since; -1: it had one   */
};

/*
 * Readies both: op, with and the call are lent until errand_end.  The caller
 * gives the call to http_run with a judge that calls errand_read, and
 * errand_rest when it has seen the verdict.
 */
void errand_begin(struct errand *e, struct http_call *call,
    const struct errand_with *with, struct s3_op *op);

/* Makes it a question to the bucket: a page of a listing. */
void errand_list(
    struct errand *e, const struct sigv4_field *query, size_t query_n);

/* The next attempt is a HEAD of the key, or again the write itself. */
void errand_look(struct errand *e);
void errand_write(struct errand *e);

/* An attempt has ended: reads its verdict, and what was found into op. */
void errand_read(struct errand *e);

/* What the last reply asked us to wait, or -1. */
int64_t errand_asked_wait_ms(const struct errand *e);

/* Closes its file and wipes its secrets until the next attempt. */
void errand_rest(struct errand *e);
void errand_end(struct errand *e);

#endif
