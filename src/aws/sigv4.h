/*
 * sigv4 - AWS Signature Version 4 for S3 and STS, as headers or in a URL.
 * Pure: no clock, no I/O.
 *
 * One canonicaliser serves both forms (AWS: "Signature Calculations for
 * the Authorization Header" and "Authenticating Requests: Using Query
 * Parameters").  S3's rules: the path is percent-encoded once and never
 * normalised.  What is signed is what must be sent: the encoded target
 * comes out with the signature.
 *
 * The signing key of a day is derived once per credential, region and day,
 * and kept as HMAC midstates, so a presigned URL costs little more than
 * the SHA-256 of its text.
 */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include <stdint.h>

#include "base/buf.h"

enum {
	SIGV4_FIELDS_MAX = 24,          /* of a query, or of headers        */
	SIGV4_EXPIRES_MAX_S = 7 * 86400 /* of a presigned URL               */
};

#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"

struct sigv4; /* opaque; one thread at a time; wiped when closed */

/* region "us-east-1", service "s3" or "sts".  FAULT_MEMORY; FAULT_INPUT
 * for a name that is not a word (text_is_word). */
int sigv4_open(struct sigv4 **out, const char *region, const char *service,
    struct fault *f);
void sigv4_close(struct sigv4 **s);

/* One snapshot of credentials: lent for the call. */
struct sigv4_keys {
	struct view id;
	struct view secret;
	struct view token; /* of a session; empty for long-lived keys */
};

struct sigv4_field {
	struct view name; /* of a header: a word in lower case */
	struct view value;
};

struct sigv4_request {
	const char *method; /* "PUT"                                     */
	struct view host;   /* as sent; with a port that is not the
			     * scheme's own                              */
	struct view path;   /* raw bytes, from its first '/'             */
	const struct sigv4_field *query; /* raw, in any order              */
	size_t query_n;
	/* To be signed, in any order, beside host, x-amz-date,
	 * x-amz-content-sha256 and x-amz-security-token, which are ours to
	 * add.  Those of one name are joined in the order given. */
	const struct sigv4_field *headers;
	size_t headers_n;
	struct view payload_sha256; /* 64 hex digits, or SIGV4_UNSIGNED  */
	int64_t at_s;               /* seconds since 1970                  */
};

/*
 * Signs in headers.  Appends to target the encoded path and query to send,
 * and to headers the lines to send with it, each ended by LF: Authorization,
 * x-amz-date, x-amz-content-sha256 and, with a token, x-amz-security-token;
 * not the request's own.  FAULT_MEMORY, also for a buf that is too small;
 * FAULT_INPUT for a control byte (a tab is one) in a header, the host, the
 * key id or the token, for no host or key id, a header's name that is not
 * lower case or ours to add, or more than SIGV4_FIELDS_MAX of a kind.  The
 * headers hold secrets.
 */
int sigv4_sign(struct sigv4 *s, const struct sigv4_keys *keys,
    const struct sigv4_request *r, struct buf *target, struct buf *headers,
    struct fault *f);

/*
 * Signs in the query: appends to target the encoded path with the whole
 * query, signature included.  expires_s is 1 to SIGV4_EXPIRES_MAX_S.  The
 * payload is UNSIGNED-PAYLOAD whatever the request says; the token, if
 * there is one, is part of what is signed.  Faults as of sigv4_sign, and
 * FAULT_INPUT for another expires_s; the target, a bearer secret, is then
 * as it was, but for a buf that is too small, which is spoilt.
 */
int sigv4_presign(struct sigv4 *s, const struct sigv4_keys *keys,
    const struct sigv4_request *r, int64_t expires_s, struct buf *target,
    struct fault *f);

/*
 * The canonical request and the string to sign of the last signature made,
 * lent until the next call: what S3 shows when it disagrees.  Of a request
 * with a token they hold that.
 */
void sigv4_stages(const struct sigv4 *s, struct view *canonical_request,
    struct view *string_to_sign);

#endif
