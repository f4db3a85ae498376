/*
 * call - one HTTP request as a value: what is asked, and what was answered.
 *
 * What is named http_ is for those who ask, through net/http; what is named
 * call_ is for the modules that send it.
 */
#ifndef NET_CALL_H
#define NET_CALL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

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
	int budget_least_s;        /* the header never says less           */
	int attempt_least_ms;      /* no attempt begins with less time to the
				    * deadline: 0: as long as any is left  */
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
	/* The attempt goes on from the reply to the one before: it takes a
	 * kept connection, and is not repeated behind the judge's back when
	 * that breaks. */
	bool follows;

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

/*
 * The first header of that name (in any letter case) of the last reply,
 * trimmed, lent by reply_headers: those of 1xx replies and trailers are not
 * kept.  False when it was not sent, or reply_headers has no limit.
 */
bool http_header(
    const struct http_call *call, const char *name, struct view *value);

/* Before another attempt: empties what was answered, but `attempts`. */
void call_forget(struct http_call *call);

/* A head begins: forgets what the one before it said. */
void call_begin_head(struct http_call *call);

/* Takes a line of the head.  REMOTE (too large), MEMORY, in the call. */
int call_take_header(struct http_call *call, struct view line);

/* Takes a piece of the body of a reply with that status: to the sink, or to
 * `reply`.  REMOTE (too large, not taken) or the sink's own, in the call. */
int call_take_body(struct http_call *call, int status, struct view came);

/* Bytes of the body that is to be sent. */
int64_t call_body_size(const struct http_call *call);

/* Up to n bytes of that body from offset, which must lie in it: how many, at
 * least one; or -1, REMOTE or the source's own, in the call. */
int64_t call_read_body(
    struct http_call *call, char *p, size_t n, int64_t offset);

/* Says, in front of the fault, which host was asked: no more of the URL, for
 * a path or query may not be shown. */
void call_name_host(struct http_call *call);

#endif
