/*
 * reply - one HTTP reply on its way to the web server (CGI headers, body).
 *
 * Every reply of ours has its Content-Length and X-Request-Id (to a file,
 * the web server gives them); every error is the JSON of docs/API.md.  Of a
 * HEAD, only the headers are sent.
 */
#ifndef APP_REPLY_H
#define APP_REPLY_H

#include <stdint.h>

#include "app/timing.h"
#include "base/buf.h"
#include "net/fcgi.h"

enum { REPLY_HEADERS_MAX = 4096, REPLY_LOCATION_MAX = 12 << 10 };

struct reply {
	struct fcgi *c;
	struct view request_id;
	const struct timing *timing; /* of the request, for Server-Timing */
	bool is_head;
	int status;       /* 0 until the headers are sent */
	int64_t bytes;    /* of the body, sent so far     */
	bool is_cut;      /* given up by us               */
	int64_t shared_s; /* see reply_share           */
	bool is_handed_over;
};

/*
 * Sends the headers.  extra is further header lines, each ended by CR LF,
 * or the empty view.
 */
void reply_begin(struct reply *r, int status, const char *media_type,
    int64_t length, struct view extra);
void reply_put(struct reply *r, struct view bytes);

/* Gives the reply up: it ends where it is, and is seen not to be whole. */
void reply_cut(struct reply *r);

/*
 * The web server may answer others who ask the same with the reply that
 * comes next, for so long; 0: not at all.  Said in its first header, because
 * nginx obeys the first that it meets of X-Accel-Expires, Expires and
 * Cache-Control; with none of Server-Timing, which would be another's.  An
 * error is never shared.
 */
void reply_share(struct reply *r, int64_t seconds);

/* A whole JSON document, not to be stored by any cache. */
void reply_json(struct reply *r, int status, struct view body);

/* The same as 503, with when to come back. */
void reply_unready(struct reply *r, int retry_after_s, struct view body);

/* Error JSON and status of f; allow: the Allow header of a 405, or "". */
void reply_fault(struct reply *r, const struct fault *f, const char *allow);

/*
 * A 302 to a presigned URL, which is shown to nobody but its client.  It
 * may be kept for max_age_s, which is less than the URL lives; 0 or below it:
 * not.
 */
void reply_redirect(struct reply *r, struct view url, int64_t max_age_s);

/* Has the web server ask another pool: location is a named one of its
 * ("@lookup"), which keeps method, path and query. */
void reply_hand_over(struct reply *r, const char *location);

/* Has the web server send a file: path is an internal location of its,
 * which sets the headers that are about files.  is_private: no cache, not
 * even the client's own, may store it. */
void reply_accel(
    struct reply *r, const char *path, const char *media_type, bool is_private);

#endif
