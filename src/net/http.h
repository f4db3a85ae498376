/*
 * http - runs a batch of HTTPS requests together, with deadlines and
 * retries.  The only user of libcurl.
 *
 * The caller fills in what to ask; http_run runs all calls at once on one
 * curl multi and returns when each has its answer, its fault, or the
 * deadline has passed.  After every attempt a judge, who knows the
 * protocol, decides whether the call has ended or is to be sent again.
 *
 * Nothing is ever sent twice behind the judge's back: no redirects, and a
 * fresh connection for every attempt, because libcurl repeats a request by
 * itself when a reused connection turns out dead, and a repeated request to
 * an image model is paid for twice.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

struct http; /* opaque; one thread at a time */

enum { HTTP_HEADERS_MAX = 8 };

struct http_call {
	/* asked: lent until http_run returns */
	const char *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", or NULL   */
	const char *budget_header; /* "Name", sent in each attempt with the
				    * seconds left, rounded up; or NULL    */
	struct view body;          /* of the POST                          */
	/* answered */
	int status;             /* 0: no reply; set also when it was cut    */
	bool sent;              /* some of the last attempt left this host  */
	int attempts;           /* started so far                           */
	bool waited;            /* the wait before the next one is over     */
	int64_t retry_after_ms; /* what a Retry-After header said, else -1  */
	struct buf reply;       /* set limit before; ended by the caller    */
	struct fault fault;     /* NONE, or why there is no whole reply:
				 * BUSY (no connection), REMOTE (broken, too
				 * large), SLOW (deadline), MEMORY           */
};

#define HTTP_CALL_INIT(reply_max)                                              \
	((struct http_call){ .retry_after_ms = -1,                             \
	    .reply = BUF_INIT(reply_max),                                      \
	    .fault = FAULT_INIT })

enum { HTTP_ENOUGH = -1 };

/*
 * Looks at an ended attempt and says HTTP_ENOUGH, or how many milliseconds
 * to wait before the next.  A wait that would pass the deadline ends the
 * call as it stands.  Asked once more when the wait is over (`waited`),
 * since what spoke for another attempt may have changed: HTTP_ENOUGH ends
 * the call as it stands, anything else sends it now.
 */
typedef int64_t http_judge(const struct http_call *call, void *arg);

/* unix_socket: connect there instead of by name; NULL or "" for TCP. */
int http_open(struct http **out, const char *unix_socket, struct fault *f);
void http_close(struct http **h);

/* deadline_ms is in clock_ticks_ms; arg is the judge's.  Faults are per
 * call. */
void http_run(struct http *h, struct http_call *calls, size_t n,
    int64_t deadline_ms, http_judge *judge, void *arg);

/*
 * Full jitter (a random time up to 1 s, 2 s, 4 s, then 8 s by attempt):
 * the wait before another attempt when the server named none.
 */
int64_t http_backoff_ms(int attempts);

#endif
