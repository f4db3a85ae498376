/*
 * attempt - one attempt of a call as an easy handle of libcurl: its options,
 * headers and body, what came of it, and why it failed.
 *
 * Whoever runs it adds the handle to a multi once it is open, and takes it
 * out before it is closed.
 */
#ifndef NET_ATTEMPT_H
#define NET_ATTEMPT_H

#include <stdint.h>

#include <curl/curl.h>

#include "net/call.h"

/* The same for many attempts; net/http.h says what it means. */
struct attempt_setup {
	char *unix_socket; /* NULL for TCP */
	char *ca_file;     /* NULL for the system's */
	bool keep;
	int connect_ms;
	int stall_s;
};

struct attempt {
	/* asked: lent until it is closed */
	struct http_call *call;
	const struct attempt_setup *setup;
	bool fresh; /* takes no kept connection */

	CURL *easy;                 /* owned; NULL: it is not open */
	struct curl_slist *headers; /* owned; holds the caller's secrets */
	int64_t offset;             /* of the body: what is sent next */
	int64_t moved;              /* bytes of both bodies ... */
	int64_t moved_ms;           /* ... and since when it is so many */
	bool in_head;               /* of a reply that is not 1xx */
	int requests; /* so often it has left, of one that follows */
};

/* Makes the attempt ready to be sent, with left_ms (at least 1) to its end.
 * To be closed also when this fails. */
CURLcode attempt_open(struct attempt *a, int64_t left_ms);

/* Notes in the call what came of the open attempt: `status` and `sent`. */
void attempt_note(const struct attempt *a);

/* Did a kept connection break before a byte of an answer came?  Curl sends
 * again by itself when it notices while it reads, but not while it sends. */
bool attempt_was_dead(const struct attempt *a, CURLcode rc);

/* Wipes the headers. */
void attempt_close(struct attempt *a);

/*
 * Says in the call why there is no whole reply, unless a handler has
 * already.  rc is what curl said of the attempt; CURLE_OK: there was no
 * status.  is_late: the deadline has passed, so that an end by the clock is
 * not only that of the connection's own time.
 */
void attempt_explain(struct http_call *call, CURLcode rc, bool is_late);

#endif
