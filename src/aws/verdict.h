/*
 * verdict - what a reply of S3 means: done, or which fault, whether another
 * attempt may help and after what, and what it tells of S3's health.  Pure.
 *
 * A status alone does not say it.  A 200 to a copy, or to the completion of
 * an upload, may hold an error; a 404
 * may be of the key or of the bucket; a 403 may be of the keys, the clock or
 * one object; and somebody between us and S3 may answer in its place.
 */
#ifndef AWS_VERDICT_H
#define AWS_VERDICT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/state.h"

enum {
	VERDICT_WORD_SIZE = 64,          /* of a code, an id, a region    */
	VERDICT_BODY_MAX = 64 << 10,     /* of an error                   */
	VERDICT_CLOCK_FAR_MS = 4 * 60000 /* a signature so far off S3's
					  * clock may be refused for that */
};

/* What may help, beside an operator. */
enum verdict_next {
	VERDICT_ENOUGH, /* nothing: it stands                              */
	VERDICT_AGAIN,  /* another attempt, after a short wait             */
	VERDICT_LATER,  /* another one, after a longer wait: throttled     */
	VERDICT_CLOCK,  /* signing with S3's time                          */
	VERDICT_CLOCK_IF_FAR, /* the same, if ours is VERDICT_CLOCK_FAR_MS
			       * off                                       */
	VERDICT_REGION,       /* signing for the region it names           */
	VERDICT_KEYS          /* renewing temporary keys                   */
};

/* What was asked, as far as it changes what a reply means. */
enum {
	VERDICT_BODILESS = 1, /* HEAD: an error has no body                */
	VERDICT_ETAG = 2,     /* S3 says the object's ETag when it is done */
	VERDICT_COPY = 4,     /* a 200 counts only with CopyObjectResult   */
	VERDICT_DELETE = 8,   /* a key or upload that is not there is fine */
	VERDICT_COMPLETE = 16 /* a 200 counts only with
			       * CompleteMultipartUploadResult             */
};

struct verdict_reply {
	int asked; /* of the flags above                                   */
	int status;
	struct view body; /* of an error, a copy, a completed upload       */
	/* headers, trimmed; empty when they were not sent */
	struct view etag;
	struct view date;
	struct view region; /* x-amz-bucket-region */
	struct view request_id;
};

struct verdict {
	enum fault_kind kind; /* NONE: done */
	enum verdict_next next;
	enum state_storage tells; /* UNKNOWN: nothing                      */
	const char *field;        /* of the fault: a literal or NULL       */
	const char *advice;       /* a literal: what it is, or what to do  */
	int status;
	char code[VERDICT_WORD_SIZE];       /* S3's word for it, or ""     */
	char request_id[VERDICT_WORD_SIZE]; /* or ""                       */
	char region[VERDICT_WORD_SIZE];     /* where the bucket is, or ""  */
	int64_t server_s; /* S3's clock, seconds since 1970; -1: unknown   */
};

/* Reads a reply.  Words that are not of A-Z a-z 0-9 . _ - count as not
 * sent, so everything in the verdict may be shown. */
struct verdict verdict_read(const struct verdict_reply *r);

/* There was no whole reply: what net/http says of that.  A reply that
 * broke off is no news of the object, and asking again does no harm. */
struct verdict verdict_silence(enum fault_kind kind);

/* Says in f why it is not done: "S3 says CODE (status N, request ID): ...".
 * Always returns -1. */
int verdict_explain(const struct verdict *v, struct fault *f);

#endif
