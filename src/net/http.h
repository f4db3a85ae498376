/*
 * http - runs a batch of HTTP requests together, with deadlines and
 * retries.  The only user of libcurl.
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
 * attempt; a later attempt takes a new connection; replies are HTTP/1.1 and
 * arrive as they are stored, since no compression is asked for.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

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

enum http_method { HTTP_POST, HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_DELETE };

enum {
	HTTP_HEADERS_MAX = 16,
	HTTP_REPLY_HEADERS_MAX = 16 << 10 /* for http_call.reply_headers */
};

struct http_call {
	/* asked: lent until http_run returns */
	enum http_method method;
	const char *url;
	const char *headers[HTTP_HEADERS_MAX]; /* "Name: value", or NULL   */
	const char *budget_header; /* "Name", sent in each attempt with the
				    * seconds left, rounded up; or NULL    */
	struct view body;          /* of a POST or PUT                     */

	/*
	 * A body that is read as it is sent: body_size bytes, by source,
	 * which reads up to n bytes from offset and returns how many.  -1, or
	 * 0 though more was promised, ends the attempt with the fault it set
	 * in the call, else as REMOTE.  NULL: `body` it is.
	 */
	int64_t (*source)(
	    struct http_call *call, char *p, size_t n, int64_t offset);
	int64_t body_size;

	/*
	 * Takes the body of a reply with a 2xx status, piece by piece, in
	 * place of `reply`; -1 ends the attempt with the fault it set in the
	 * call, else as REMOTE.  NULL: `reply`.
	 */
	int (*sink)(struct http_call *call, struct view bytes);

	/*
	 * Before each attempt, when `attempts` of them have been: may write
	 * url (NULL until then), headers and body.  -1 ends the call with the
	 * fault it must then have set.  NULL: nothing changes.
	 */
	int (*prepare)(struct http_call *call);
	void *owner; /* of the call: for source, sink, prepare and judge */

	/* answered */
	int status;               /* 0: no reply; set also when it was cut    */
	bool sent;                /* some of the last attempt left this host  */
	int attempts;             /* started so far                           */
	bool waited;              /* the wait before the next one is over     */
	int64_t retry_after_ms;   /* what a Retry-After header said, else -1  */
	struct buf reply;         /* set limit before; ended by the caller    */
	struct buf reply_headers; /* raw; kept when its limit is not 0      */
	struct fault fault;       /* NONE, or why there is no whole reply:
				   * BUSY (no connection), REMOTE (broken, too
				   * large), SLOW (deadline, stall), MEMORY    */
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

int http_open(
    struct http **out, const struct http_setup *setup, struct fault *f);
void http_close(struct http **h);

/*
 * Calls start in the order given, as far as `parallel` has room; one that
 * is to be sent again goes before those after it.  deadline_ms is in
 * clock_ticks_ms: what has not begun by then is SLOW.  arg is the judge's.
 * Faults are per call.
 */
void http_run(struct http *h, struct http_call *calls, size_t n,
    int64_t deadline_ms, http_judge *judge, void *arg);

/*
 * The first header of that name (in any letter case) of the last reply,
 * trimmed, lent by reply_headers: those of 1xx replies and trailers are not
 * kept.  False when it was not sent, or reply_headers has no limit.
 */
bool http_header(
    const struct http_call *call, const char *name, struct view *value);

/*
 * Full jitter (a random time up to 1 s, 2 s, 4 s, then 8 s by attempt):
 * the wait before another attempt when the server named none.
 */
int64_t http_backoff_ms(int attempts);

#endif
