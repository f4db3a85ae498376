#include "net/attempt.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/text.h"

enum {
	KEPT_MAX_S = 20, /* S3 itself drops idle connections early */
	SEND_BYTES = 128 << 10,
	BUDGET_LINE_SIZE = 128
};

static int
status_of(CURL *easy)
{
	long status = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* Less than all taken ends the attempt with CURLE_WRITE_ERROR. */
static size_t
on_body(char *p, size_t size, size_t count, void *arg)
{
	struct attempt *a = arg;
	const struct view came = { p, size * count };

	if (call_take_body(a->call, status_of(a->easy), came) == -1)
		return 0;
	return came.n;
}

/* Curl hands over each line of a head, of 1xx replies and of trailers. */
static size_t
on_header(char *p, size_t size, size_t count, void *arg)
{
	struct attempt *a = arg;
	const struct view line = { p, size * count };

	if (view_begins(line, "HTTP/")) {
		a->in_head = status_of(a->easy) / 100 != 1;
		call_begin_head(a->call);
	}
	if (!a->in_head)
		return line.n;
	a->in_head = text_trim(line).n > 0;
	if (call_take_header(a->call, line) == -1)
		return 0;
	return line.n;
}

static bool
is_sent(CURL *easy)
{
	long request_bytes = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	return request_bytes > 0 || status_of(easy) != 0;
}

/*
 * Curl asks whenever it has looked at the attempt.  Its own measure, an
 * average, would notice a stall many seconds late; before the request is on
 * its way, the connection's own limit holds.
 */
static int
on_progress(void *arg, curl_off_t get_size, curl_off_t got, curl_off_t put_size,
    curl_off_t put)
{
	struct attempt *a = arg;
	const int stall_s = a->setup->stall_s;
	const int64_t now_ms = clock_ticks_ms();

	(void)get_size;
	(void)put_size;
	if (got + put != a->moved || !is_sent(a->easy)) {
		a->moved = got + put;
		a->moved_ms = now_ms;
	}
	if (now_ms - a->moved_ms < (int64_t)stall_s * 1000)
		return 0;
	return fault_set(
	    &a->call->fault, FAULT_SLOW, "not a byte for %d s", stall_s);
}

static size_t
on_read(char *p, size_t size, size_t count, void *arg)
{
	struct attempt *a = arg;
	const int64_t left = call_body_size(a->call) - a->offset;
	const size_t room = size * count;
	int64_t got;

	if (left <= 0)
		return 0;
	got = call_read_body(
	    a->call, p, left < (int64_t)room ? (size_t)left : room, a->offset);
	if (got < 0)
		return CURL_READFUNC_ABORT;
	a->offset += got;
	return (size_t)got;
}

/* Only a kept connection that turned out dead makes curl rewind. */
static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct attempt *a = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	a->offset = offset;
	return CURL_SEEKFUNC_OK;
}

struct setting {
	CURLoption option;
	long value;
};

/*
 * QUICK_EXIT: a resolver that hangs is left to end by itself, or it would
 * hold us past the deadline.
 */
static const struct setting always[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_PATH_AS_IS, 1 },
	{ CURLOPT_QUICK_EXIT, 1 },
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
};

static const struct setting methods[] = {
	[HTTP_POST] = { CURLOPT_POST, 1 },
	[HTTP_GET] = { CURLOPT_HTTPGET, 1 },
	[HTTP_HEAD] = { CURLOPT_NOBODY, 1 },
	[HTTP_PUT] = { CURLOPT_UPLOAD, 1 },
	[HTTP_DELETE] = { CURLOPT_HTTPGET, 1 }, /* by another name */
};

static CURLcode
set_numbers(CURL *easy, const struct setting *s, size_t n)
{
	CURLcode rc = CURLE_OK;
	size_t i;

	for (i = 0; i < n && rc == CURLE_OK; i++)
		rc = curl_easy_setopt(easy, s[i].option, s[i].value);
	return rc;
}

/* One more than is left: when curl gives up, no other call is in time. */
static CURLcode
set_times(const struct attempt *a, int64_t left_ms)
{
	const int connect_ms = a->setup->connect_ms;
	const struct setting times[] = {
		{ CURLOPT_TIMEOUT_MS,
		    left_ms < LONG_MAX ? (long)left_ms + 1 : LONG_MAX },
		{ CURLOPT_CONNECTTIMEOUT_MS,
		    left_ms < connect_ms ? (long)left_ms : connect_ms },
	};

	return set_numbers(a->easy, times, sizeof times / sizeof times[0]);
}

/*
 * Fresh connections: see the top of http.h; for what is sent again it is
 * AWS's advice, too, since it may reach another of their machines.  Kept
 * ones speak HTTP/1.1, as S3 does, so that each transfer has its own.
 */
static CURLcode
set_connection(const struct attempt *a)
{
	const bool keep = a->setup->keep;
	const struct setting connection[] = {
		{ CURLOPT_FRESH_CONNECT, !keep || a->fresh },
		{ CURLOPT_FORBID_REUSE, !keep },
		{ CURLOPT_MAXAGE_CONN, KEPT_MAX_S },
		{ CURLOPT_HTTP_VERSION,
		    keep ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_NONE },
	};

	return set_numbers(
	    a->easy, connection, sizeof connection / sizeof connection[0]);
}

struct text_setting {
	CURLoption option;
	const char *value;
};

static CURLcode
set_texts(CURL *easy, const struct text_setting *s, size_t n)
{
	CURLcode rc = CURLE_OK;
	size_t i;

	for (i = 0; i < n && rc == CURLE_OK; i++)
		rc = curl_easy_setopt(easy, s[i].option, s[i].value);
	return rc;
}

static CURLcode
set_address(const struct attempt *a)
{
	const bool is_delete = a->call->method == HTTP_DELETE;
	const struct text_setting texts[] = {
		{ CURLOPT_URL, a->call->url },
		{ CURLOPT_CUSTOMREQUEST, is_delete ? "DELETE" : NULL },
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, "" }, /* nor one of the environment's */
		/* "" is all that it can decode; see http.h */
		{ CURLOPT_ACCEPT_ENCODING, a->setup->keep ? NULL : "" },
		{ CURLOPT_UNIX_SOCKET_PATH, a->setup->unix_socket },
	};

	return set_texts(a->easy, texts, sizeof texts / sizeof texts[0]);
}

/*
 * Curl parses a file of certificates once for all connections, but only
 * when there is no folder of them besides: without, a connection costs some
 * 20 ms and a megabyte less.  The folder holds what the system's file does;
 * what a caller names is to be all.
 */
static CURLcode
set_trust(const struct attempt *a)
{
	char *file = a->setup->ca_file;
	CURLcode rc;

	if (file == NULL && a->setup->keep)
		(void)curl_easy_getinfo(a->easy, CURLINFO_CAINFO, &file);
	if (file == NULL)
		return CURLE_OK;
	rc = curl_easy_setopt(a->easy, CURLOPT_CAINFO, file);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_CAPATH, NULL);
	return rc;
}

static CURLcode
set_handlers(struct attempt *a)
{
	CURLcode rc = curl_easy_setopt(a->easy, CURLOPT_WRITEFUNCTION, on_body);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_WRITEDATA, a);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(
		    a->easy, CURLOPT_HEADERFUNCTION, on_header);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_HEADERDATA, a);
	return rc;
}

/* Asked whenever the request is about to leave: curl repeats one by itself
 * when a kept connection ends before any answer. */
static int
on_request(void *arg, char *host, char *local_host, int port, int local_port)
{
	struct attempt *a = arg;

	(void)host, (void)local_host, (void)port, (void)local_port;
	return a->requests++ == 0 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static CURLcode
set_once(struct attempt *a)
{
	CURLcode rc;

	if (!a->call->follows)
		return CURLE_OK;
	a->requests = 0;
	rc = curl_easy_setopt(a->easy, CURLOPT_PREREQFUNCTION, on_request);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_PREREQDATA, a);
	return rc;
}

static CURLcode
set_watch(struct attempt *a)
{
	CURLcode rc;

	if (a->setup->stall_s <= 0)
		return CURLE_OK;
	a->moved = 0;
	a->moved_ms = clock_ticks_ms();
	rc = curl_easy_setopt(a->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_XFERINFODATA, a);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_NOPROGRESS, 0L);
	return rc;
}

static bool
add_header(struct attempt *a, const char *line)
{
	struct curl_slist *longer = curl_slist_append(a->headers, line);

	if (longer == NULL)
		return false;
	a->headers = longer;
	return true;
}

/* Written anew for each attempt: the server is to give up when we do. */
static bool
add_budget(struct attempt *a, int64_t left_ms)
{
	int64_t left_s = left_ms / 1000 + (left_ms % 1000 > 0);
	char line[BUDGET_LINE_SIZE];
	int n;

	if (a->call->budget_header == NULL)
		return true;
	if (left_s < a->call->budget_least_s)
		left_s = a->call->budget_least_s;
	n = snprintf(line, sizeof line, "%s: %lld", a->call->budget_header,
	    (long long)left_s);
	MUST(n > 0 && n < BUDGET_LINE_SIZE);
	return add_header(a, line);
}

/* "Expect:" stops curl from waiting a second before it sends a body. */
static CURLcode
set_headers(struct attempt *a, int64_t left_ms)
{
	size_t i;

	if (!add_header(a, "Expect:") || !add_budget(a, left_ms))
		return CURLE_OUT_OF_MEMORY;
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		if (a->call->headers[i] != NULL &&
		    !add_header(a, a->call->headers[i]))
			return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(a->easy, CURLOPT_HTTPHEADER, a->headers);
}

/* A POST from memory: small ones then travel with their headers. */
static CURLcode
set_post(CURL *easy, const struct http_call *call)
{
	CURLcode rc = curl_easy_setopt(
	    easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);

	if (rc != CURLE_OK)
		return rc;
	/* With NULL curl would read the body from standard input. */
	return curl_easy_setopt(
	    easy, CURLOPT_POSTFIELDS, call->body.n == 0 ? "" : call->body.p);
}

static CURLcode
set_upload(struct attempt *a)
{
	const curl_off_t size = call_body_size(a->call);
	CURLcode rc = curl_easy_setopt(a->easy,
	    a->call->method == HTTP_PUT ? CURLOPT_INFILESIZE_LARGE
					: CURLOPT_POSTFIELDSIZE_LARGE,
	    size);

	a->offset = 0;
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_READFUNCTION, on_read);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_READDATA, a);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_SEEKFUNCTION, on_seek);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_SEEKDATA, a);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(
		    a->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES);
	return rc;
}

static CURLcode
set_body(struct attempt *a)
{
	const struct http_call *call = a->call;
	CURLcode rc = set_numbers(a->easy, &methods[call->method], 1);

	if (rc != CURLE_OK)
		return rc;
	if (call->method == HTTP_POST && call->source == NULL)
		return set_post(a->easy, call);
	if (call->method == HTTP_POST || call->method == HTTP_PUT)
		return set_upload(a);
	return CURLE_OK;
}

CURLcode
attempt_open(struct attempt *a, int64_t left_ms)
{
	CURLcode rc = CURLE_OK;

	a->in_head = false;
	a->easy = curl_easy_init();
	if (a->easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	rc = set_numbers(a->easy, always, sizeof always / sizeof always[0]);
	if (rc == CURLE_OK)
		rc = set_times(a, left_ms);
	if (rc == CURLE_OK)
		rc = set_connection(a);
	if (rc == CURLE_OK)
		rc = set_address(a);
	if (rc == CURLE_OK)
		rc = set_trust(a);
	if (rc == CURLE_OK)
		rc = set_handlers(a);
	if (rc == CURLE_OK)
		rc = set_watch(a);
	if (rc == CURLE_OK)
		rc = set_once(a);
	if (rc == CURLE_OK)
		rc = set_headers(a, left_ms);
	if (rc == CURLE_OK)
		rc = set_body(a);
	return rc;
}

void
attempt_note(const struct attempt *a)
{
	a->call->status = status_of(a->easy);
	a->call->sent = is_sent(a->easy);
}

bool
attempt_was_dead(const struct attempt *a, CURLcode rc)
{
	long connects = 1;

	if (!a->setup->keep || a->call->follows ||
	    a->call->fault.kind != FAULT_NONE ||
	    (rc != CURLE_SEND_ERROR && rc != CURLE_RECV_ERROR))
		return false;
	(void)curl_easy_getinfo(a->easy, CURLINFO_NUM_CONNECTS, &connects);
	return connects == 0 && status_of(a->easy) == 0;
}

void
attempt_close(struct attempt *a)
{
	struct curl_slist *h;

	curl_easy_cleanup(a->easy);
	a->easy = NULL;
	for (h = a->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(a->headers);
	a->headers = NULL;
}

static enum fault_kind
kind_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
		return FAULT_BUSY;
	case CURLE_OPERATION_TIMEDOUT:
		return FAULT_SLOW;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_FAILED_INIT:
		return FAULT_MEMORY;
	default:
		return FAULT_REMOTE;
	}
}

/* Only curl's fixed words: its longer ones may name a socket's path. */
void
attempt_explain(struct http_call *call, CURLcode rc, bool is_late)
{
	struct fault *f = &call->fault;
	enum fault_kind kind = kind_of(rc);

	if (kind == FAULT_BUSY && call->sent)
		kind = FAULT_REMOTE;
	if (kind == FAULT_SLOW && !call->sent && !is_late)
		kind = FAULT_BUSY; /* it was only the connection's time */
	if (kind == FAULT_MEMORY)
		(void)fault_set(f, FAULT_MEMORY, "no memory");
	else if (kind == FAULT_SLOW)
		(void)fault_set(f, FAULT_SLOW, "no answer in time");
	else if (kind == FAULT_BUSY)
		(void)fault_set(
		    f, FAULT_BUSY, "no connection: %s", curl_easy_strerror(rc));
	else
		(void)fault_set(f, FAULT_REMOTE, "no whole answer: %s",
		    rc == CURLE_OK ? "no status" : curl_easy_strerror(rc));
	call_name_host(call);
}
