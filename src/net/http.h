/*
 * http - runs a batch of HTTP requests together, with deadlines and
 * retries.  With net/attempt below it, the only user of libcurl.
 *
 * The caller fills in what to ask; http_run runs all calls on one curl
 * multi and returns when each has its answer, its fault, or the deadline
 * has passed.  After every attempt a judge, who knows the protocol, decides
 * whether the call has ended or is to be sent again.
 *
 * No redirect is ever followed, and no dot segment of a path removed.
 *
 * Unless connections are kept, nothing is ever sent twice behind the
 * judge's back: libcurl repeats a request by itself when a kept connection
 * turns out dead, and a repeated request to an image model is paid for
 * twice.  Compressed replies are asked for and unpacked.
 *
 * Where they are kept, from call to call and run to run, a request whose
 * kept connection broke before any answer is repeated at once, as the same
 * attempt; a later attempt takes a new connection, but for one that follows
 * (net/call); replies are HTTP/1.1 and arrive as they are stored, since no
 * compression is asked for.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdint.h>

#include "base/fault.h"
#include "net/call.h"

struct http; /* opaque; one thread at a time */

struct http_setup {
	const char *unix_socket; /* connect there instead of by name; NULL
				  * or "" for TCP                          */
	const char *ca_file;     /* certificates to trust instead of the
				  * system's; NULL or ""                   */
	bool keep;               /* connections: only for what may be
				  * sent twice; see above              */
	int parallel;            /* calls on their way at once; 0: all     */
	int connect_ms;          /* 0: 5 s                                 */
	int stall_s;             /* an attempt whose bodies move no byte for
				  * so long, once it is sent, ends as SLOW;
				  * 0: only the deadline ends it           */
	int stop_fd;             /* once it is readable, http_run ends what
				  * is on its way or was never sent as BUSY,
				  * "told to stop", asks no judge, and
				  * returns; 0: none                       */
};

enum { HTTP_ENOUGH = -1 };

/*
 * Looks at an ended attempt and says HTTP_ENOUGH, or how many milliseconds
 * to wait before the next.  A wait that would pass the deadline, or leave the
 * next attempt less than attempt_least_ms, ends the call as it stands.  Asked
 * once more when the wait is over (`waited`), since what spoke for another
 * attempt may have changed: HTTP_ENOUGH ends the call as it stands, anything
 * else sends it now.
 */
typedef int64_t http_judge(const struct http_call *call, void *arg);

int http_open(
    struct http **out, const struct http_setup *setup, struct fault *f);
void http_close(struct http **h);

/*
 * Calls start in the order given, as far as `parallel` has room; one that
 * is to be sent again goes before those after it.  deadline_ms is in
 * clock_ticks_ms: what has not begun by then (and attempt_least_ms before) is
 * SLOW.  arg is the judge's.
 * Faults are per call.
 */
void http_run(struct http *h, struct http_call *calls, size_t n,
    int64_t deadline_ms, http_judge *judge, void *arg);

/*
 * Full jitter (a random time up to 1 s, 2 s, 4 s, then 8 s by attempt):
 * the wait before another attempt when the server named none.
 */
int64_t http_backoff_ms(int attempts);

#endif
