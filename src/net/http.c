#include "net/http.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "codec/text.h"

enum {
	CONNECT_MS = 5000, /* when the setup names no other */
	KEPT_MAX_S = 20,   /* S3 itself drops idle connections early */
	SEND_BYTES = 128 << 10,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 8000,
	HOST_SHOWN_MAX = 100,
	BUDGET_LINE_SIZE = 128,
	STALL_LOOK_MS = 250, /* how often a silent attempt is looked at */
	TIMER_SLACK_MS = 50  /* curl's clock and ours round differently */
};

struct http {
	char *unix_socket; /* owned, or NULL */
	char *ca_file;     /* owned, or NULL */
	bool keep;
	int parallel;
	int connect_ms;
	int stall_s;
	int stop_fd;
	CURLM *multi; /* NULL before the first run */
};

/*
 * A call is in one of three states:
 *
 *   waiting   easy NULL, not ended   -> attempt, when start_ms has come and
 *                                       there is room, or ended
 *   attempt   easy set               -> waiting or ended, as the judge says
 *   ended     easy NULL, ended
 */
struct transfer {
	struct http_call *call;
	CURL *easy;                 /* owned */
	struct curl_slist *headers; /* owned; holds the caller's secrets */
	int64_t offset;             /* of the body: what is sent next */
	int64_t start_ms;
	int64_t stall_ms;
	int64_t moved;    /* bytes of both bodies ... */
	int64_t moved_ms; /* ... and since when it is so many */
	bool fresh;       /* takes no kept connection */
	bool in_head;     /* of a reply that is not 1xx */
	bool ended;
};

struct batch {
	struct http *h;
	struct transfer *all; /* owned */
	size_t n;
	int64_t deadline_ms;
	http_judge *judge;
	void *arg;
	size_t first; /* all before it have ended */
	int running;  /* attempts */
};

/* *copy is NULL for a text that is not set. */
static int
copy_text(char **copy, const char *text, struct fault *f)
{
	if (text == NULL || text[0] == '\0')
		return 0;
	*copy = strdup(text);
	return *copy == NULL ? fault_set(f, FAULT_MEMORY, "http") : 0;
}

int
http_open(struct http **out, const struct http_setup *setup, struct fault *f)
{
	struct http *h = calloc(1, sizeof *h);

	if (h == NULL)
		return fault_set(f, FAULT_MEMORY, "http");
	h->keep = setup->keep;
	h->parallel = setup->parallel;
	h->connect_ms = setup->connect_ms > 0 ? setup->connect_ms : CONNECT_MS;
	h->stall_s = setup->stall_s;
	h->stop_fd = setup->stop_fd;
	if (copy_text(&h->unix_socket, setup->unix_socket, f) == -1 ||
	    copy_text(&h->ca_file, setup->ca_file, f) == -1) {
		http_close(&h);
		return -1;
	}
	*out = h;
	return 0;
}

void
http_close(struct http **h)
{
	if (*h == NULL)
		return;
	if ((*h)->multi != NULL) {
		(void)curl_multi_cleanup((*h)->multi);
		curl_global_cleanup();
	}
	free((*h)->unix_socket);
	free((*h)->ca_file);
	free(*h);
	*h = NULL;
}

int64_t
http_backoff_ms(int attempts)
{
	int64_t most = BACKOFF_FIRST_MS;

	while (attempts-- > 1 && most < BACKOFF_MAX_MS)
		most *= 2;
	return clock_chance((uint32_t)most + 1);
}

bool
http_header(const struct http_call *call, const char *name, struct view *value)
{
	struct view rest = buf_view(&call->reply_headers);
	struct view line, said;

	while (text_split(&rest, '\n', &line))
		if (text_split(&line, ':', &said) &&
		    text_same(said, view_str(name))) {
			*value = text_trim(line);
			return true;
		}
	return false;
}

/* Libcurl costs an idle worker memory, so it waits for the first run. */
static bool
wake(struct http *h)
{
	if (h->multi != NULL)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	h->multi = curl_multi_init();
	if (h->multi == NULL) {
		curl_global_cleanup();
		return false;
	}
	if (h->keep && h->parallel > 0)
		(void)curl_multi_setopt(
		    h->multi, CURLMOPT_MAXCONNECTS, (long)h->parallel);
	return true;
}

/* The host of a URL: what may be shown, for a path or query may not. */
static struct view
host_of(const char *url)
{
	const char *p = strstr(url, "://");
	const char *at;
	size_t n;

	p = p == NULL ? url : p + 3;
	n = strcspn(p, "/?#");
	at = memrchr(p, '@', n);
	if (at != NULL) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	return (struct view){ p, n < HOST_SHOWN_MAX ? n : HOST_SHOWN_MAX };
}

static int
status_of(CURL *easy)
{
	long status = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/*
 * Adds what came to out, or says why it cannot: this and the other handlers
 * set the fault themselves, since curl's own word for it would be vague.
 */
static bool
collect(
    struct http_call *call, struct buf *out, struct view came, const char *what)
{
	if (came.n > out->limit - out->len) {
		(void)fault_set(&call->fault, FAULT_REMOTE, "%s over %zu bytes",
		    what, out->limit);
		return false;
	}
	buf_add(out, came);
	return buf_done(out, &call->fault) == 0;
}

static bool
pass(struct http_call *call, struct view came)
{
	if (call->sink(call, came) == 0)
		return true;
	(void)fault_set(&call->fault, FAULT_REMOTE, "its reply was not taken");
	return false;
}

/* Less than n taken ends the attempt with CURLE_WRITE_ERROR. */
static size_t
on_body(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct http_call *call = t->call;
	const struct view came = { p, size * count };
	bool is_taken;

	if (call->sink != NULL && status_of(t->easy) / 100 == 2)
		is_taken = pass(call, came);
	else
		is_taken = collect(call, &call->reply, came, "reply");
	return is_taken ? came.n : 0;
}

static void
read_retry_after(struct http_call *call, struct view line)
{
	struct view name;
	int64_t ms;

	if (text_split(&line, ':', &name) &&
	    text_same(name, VIEW("Retry-After")) &&
	    text_retry_after_ms(text_trim(line), clock_now_ms(), &ms))
		call->retry_after_ms = ms;
}

/* Curl hands over each line of a head, of 1xx replies and of trailers. */
static size_t
on_header(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct http_call *call = t->call;
	const struct view line = { p, size * count };

	if (view_begins(line, "HTTP/")) {
		t->in_head = status_of(t->easy) / 100 != 1;
		call->retry_after_ms = -1;
		buf_clear(&call->reply_headers);
	}
	if (!t->in_head)
		return line.n;
	t->in_head = text_trim(line).n > 0;
	read_retry_after(call, line);
	if (call->reply_headers.limit > 0 &&
	    !collect(call, &call->reply_headers, line, "reply headers"))
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
	struct transfer *t = arg;
	const int64_t now_ms = clock_ticks_ms();

	(void)get_size;
	(void)put_size;
	if (got + put != t->moved || !is_sent(t->easy)) {
		t->moved = got + put;
		t->moved_ms = now_ms;
	}
	if (now_ms - t->moved_ms < t->stall_ms)
		return 0;
	return fault_set(&t->call->fault, FAULT_SLOW, "not a byte for %lld s",
	    (long long)t->stall_ms / 1000);
}

static int64_t
body_size(const struct http_call *call)
{
	return call->source != NULL ? call->body_size : (int64_t)call->body.n;
}

/* Up to n bytes of the body from offset: how many, at least one, or -1. */
static int64_t
read_body(struct http_call *call, char *p, size_t n, int64_t offset)
{
	int64_t got = (int64_t)n;

	if (call->source == NULL)
		memcpy(p, call->body.p + offset, n);
	else
		got = call->source(call, p, n, offset);
	MUST(got <= (int64_t)n);
	if (got > 0)
		return got;
	(void)fault_set(&call->fault, FAULT_REMOTE,
	    "its body could not be read from byte %lld on", (long long)offset);
	return -1;
}

static size_t
on_read(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	const int64_t left = body_size(t->call) - t->offset;
	const size_t room = size * count;
	int64_t got;

	if (left <= 0)
		return 0;
	got = read_body(
	    t->call, p, left < (int64_t)room ? (size_t)left : room, t->offset);
	if (got < 0)
		return CURL_READFUNC_ABORT;
	t->offset += got;
	return (size_t)got;
}

/* Only a kept connection that turned out dead makes curl rewind. */
static int
on_seek(void *arg, curl_off_t offset, int origin)
{
	struct transfer *t = arg;

	if (origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	t->offset = offset;
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
set_times(const struct http *h, CURL *easy, int64_t left_ms)
{
	const struct setting times[] = {
		{ CURLOPT_TIMEOUT_MS,
		    left_ms < LONG_MAX ? (long)left_ms + 1 : LONG_MAX },
		{ CURLOPT_CONNECTTIMEOUT_MS,
		    left_ms < h->connect_ms ? (long)left_ms : h->connect_ms },
	};

	return set_numbers(easy, times, sizeof times / sizeof times[0]);
}

/*
 * Fresh connections: see the top of http.h; for what is sent again it is
 * AWS's advice, too, since it may reach another of their machines.  Kept
 * ones speak HTTP/1.1, as S3 does, so that each transfer has its own.
 */
static CURLcode
set_connection(const struct http *h, const struct transfer *t)
{
	const struct setting connection[] = {
		{ CURLOPT_FRESH_CONNECT, !h->keep || t->fresh },
		{ CURLOPT_FORBID_REUSE, !h->keep },
		{ CURLOPT_MAXAGE_CONN, KEPT_MAX_S },
		{ CURLOPT_HTTP_VERSION,
		    h->keep ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_NONE },
	};

	return set_numbers(
	    t->easy, connection, sizeof connection / sizeof connection[0]);
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
set_address(const struct http *h, const struct transfer *t)
{
	const bool is_delete = t->call->method == HTTP_DELETE;
	const struct text_setting texts[] = {
		{ CURLOPT_URL, t->call->url },
		{ CURLOPT_CUSTOMREQUEST, is_delete ? "DELETE" : NULL },
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, "" }, /* nor one of the environment's */
		/* "" is all that it can decode; see http.h */
		{ CURLOPT_ACCEPT_ENCODING, h->keep ? NULL : "" },
		{ CURLOPT_UNIX_SOCKET_PATH, h->unix_socket },
	};

	return set_texts(t->easy, texts, sizeof texts / sizeof texts[0]);
}

/*
 * Curl parses a file of certificates once for all connections, but only
 * when there is no folder of them besides: without, a connection costs some
 * 20 ms and a megabyte less.  The folder holds what the system's file does;
 * what a caller names is to be all.
 */
static CURLcode
set_trust(const struct http *h, CURL *easy)
{
	char *file = h->ca_file;
	CURLcode rc;

	if (file == NULL && h->keep)
		(void)curl_easy_getinfo(easy, CURLINFO_CAINFO, &file);
	if (file == NULL)
		return CURLE_OK;
	rc = curl_easy_setopt(easy, CURLOPT_CAINFO, file);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	return rc;
}

static CURLcode
set_handlers(struct transfer *t)
{
	CURLcode rc = curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);

	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(
		    t->easy, CURLOPT_HEADERFUNCTION, on_header);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
	return rc;
}

static CURLcode
set_watch(const struct http *h, struct transfer *t)
{
	CURLcode rc;

	if (h->stall_s <= 0)
		return CURLE_OK;
	t->stall_ms = (int64_t)h->stall_s * 1000;
	t->moved = 0;
	t->moved_ms = clock_ticks_ms();
	rc = curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, 0L);
	return rc;
}

static bool
add_header(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->headers, line);

	if (longer == NULL)
		return false;
	t->headers = longer;
	return true;
}

/* Written anew for each attempt: the server is to give up when we do. */
static bool
add_budget(struct transfer *t, int64_t left_ms)
{
	char line[BUDGET_LINE_SIZE];
	int n;

	if (t->call->budget_header == NULL)
		return true;
	n = snprintf(line, sizeof line, "%s: %lld", t->call->budget_header,
	    (long long)(left_ms / 1000 + (left_ms % 1000 > 0)));
	MUST(n > 0 && n < BUDGET_LINE_SIZE);
	return add_header(t, line);
}

/* "Expect:" stops curl from waiting a second before it sends a body. */
static CURLcode
set_headers(struct transfer *t, int64_t left_ms)
{
	size_t i;

	if (!add_header(t, "Expect:") || !add_budget(t, left_ms))
		return CURLE_OUT_OF_MEMORY;
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		if (t->call->headers[i] != NULL &&
		    !add_header(t, t->call->headers[i]))
			return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
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
set_upload(struct transfer *t)
{
	const curl_off_t size = body_size(t->call);
	CURLcode rc = curl_easy_setopt(t->easy,
	    t->call->method == HTTP_PUT ? CURLOPT_INFILESIZE_LARGE
					: CURLOPT_POSTFIELDSIZE_LARGE,
	    size);

	t->offset = 0;
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(
		    t->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BYTES);
	return rc;
}

static CURLcode
set_body(struct transfer *t)
{
	const struct http_call *call = t->call;
	CURLcode rc = set_numbers(t->easy, &methods[call->method], 1);

	if (rc != CURLE_OK)
		return rc;
	if (call->method == HTTP_POST && call->source == NULL)
		return set_post(t->easy, call);
	if (call->method == HTTP_POST || call->method == HTTP_PUT)
		return set_upload(t);
	return CURLE_OK;
}

/* Makes the attempt ready to be sent, with left_ms to its end. */
static CURLcode
make_ready(const struct http *h, struct transfer *t, int64_t left_ms)
{
	CURLcode rc = CURLE_OK;

	t->in_head = false;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	rc = set_numbers(t->easy, always, sizeof always / sizeof always[0]);
	if (rc == CURLE_OK)
		rc = set_times(h, t->easy, left_ms);
	if (rc == CURLE_OK)
		rc = set_connection(h, t);
	if (rc == CURLE_OK)
		rc = set_address(h, t);
	if (rc == CURLE_OK)
		rc = set_trust(h, t->easy);
	if (rc == CURLE_OK)
		rc = set_handlers(t);
	if (rc == CURLE_OK)
		rc = set_watch(h, t);
	if (rc == CURLE_OK)
		rc = set_headers(t, left_ms);
	if (rc == CURLE_OK)
		rc = set_body(t);
	return rc;
}

/* Notes what came of the attempt, and ends what it owned. */
static void
drop(struct batch *b, struct transfer *t)
{
	struct http_call *call = t->call;
	struct curl_slist *h;

	if (t->easy != NULL) {
		call->status = status_of(t->easy);
		call->sent = is_sent(t->easy);
		(void)curl_multi_remove_handle(b->h->multi, t->easy);
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
		b->running--;
	}
	for (h = t->headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(t->headers);
	t->headers = NULL;
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

/* A URL that prepare was still to write has no host. */
static void
name_host(struct http_call *call)
{
	struct view host;

	if (call->url == NULL)
		return;
	host = host_of(call->url);
	(void)fault_while(&call->fault, "ask %.*s", (int)host.n, host.p);
}

/*
 * Says why there is no whole reply, unless a handler has already.  Only
 * curl's fixed words: its longer ones may name a socket's path.
 */
static void
explain(struct batch *b, struct http_call *call, CURLcode rc)
{
	struct fault *f = &call->fault;
	enum fault_kind kind = kind_of(rc);

	if (kind == FAULT_BUSY && call->sent)
		kind = FAULT_REMOTE;
	if (kind == FAULT_SLOW && !call->sent &&
	    clock_ticks_ms() + TIMER_SLACK_MS < b->deadline_ms)
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
	name_host(call);
}

/* An attempt has ended: notes what came, and asks the judge what next. */
static void
settle(struct batch *b, struct transfer *t, CURLcode rc)
{
	struct http_call *call = t->call;
	int64_t wait_ms, now_ms;

	drop(b, t);
	if (rc != CURLE_OK || call->status == 0)
		explain(b, call, rc);
	call->waited = false;
	wait_ms = b->judge(call, b->arg);
	now_ms = clock_ticks_ms();
	t->ended = wait_ms < 0 || wait_ms >= b->deadline_ms - now_ms;
	if (!t->ended)
		t->start_ms = now_ms + wait_ms;
}

static void
forget_answer(struct http_call *call)
{
	call->status = 0;
	call->sent = false;
	call->waited = false;
	call->retry_after_ms = -1;
	call->fault = FAULT_INIT;
	buf_clear(&call->reply);
	buf_clear(&call->reply_headers);
}

/* The first attempt needs nobody's leave; any other has waited for it. */
static bool
may_start(struct batch *b, struct http_call *call)
{
	if (call->attempts == 0)
		return true;
	call->waited = true;
	return b->judge(call, b->arg) != HTTP_ENOUGH;
}

static void
send_off(struct batch *b, struct transfer *t)
{
	const int64_t left_ms = b->deadline_ms - clock_ticks_ms();
	CURLcode rc;

	/* Preparing may have used the rest up, and 0 would be no limit. */
	rc = make_ready(b->h, t, left_ms > 0 ? left_ms : 1);
	b->running += t->easy != NULL;
	if (rc == CURLE_OK &&
	    curl_multi_add_handle(b->h->multi, t->easy) != CURLM_OK)
		rc = CURLE_OUT_OF_MEMORY;
	if (rc != CURLE_OK)
		settle(b, t, rc);
}

static void
start(struct batch *b, struct transfer *t)
{
	struct http_call *call = t->call;
	const bool is_late = b->deadline_ms <= clock_ticks_ms();

	if (is_late && call->attempts == 0)
		explain(b, call, CURLE_OPERATION_TIMEDOUT);
	t->ended = is_late || !may_start(b, call);
	if (t->ended)
		return;
	forget_answer(call);
	t->ended = call->prepare != NULL && call->prepare(call) == -1;
	MUST(t->ended == (call->fault.kind != FAULT_NONE));
	if (t->ended)
		return;
	call->attempts++;
	t->fresh = call->attempts > 1;
	send_off(b, t);
}

static bool
has_room(const struct batch *b)
{
	return b->h->parallel <= 0 || b->running < b->h->parallel;
}

/* In the order given: a call whose wait is over goes before later ones. */
static void
start_due(struct batch *b)
{
	const int64_t now_ms = clock_ticks_ms();
	struct transfer *t;
	size_t i;

	for (i = b->first; i < b->n && has_room(b); i++) {
		t = &b->all[i];
		if (!t->ended && t->easy == NULL && t->start_ms <= now_ms)
			start(b, t);
	}
}

/*
 * Did a kept connection break before a byte of an answer came?  Curl sends
 * again by itself when it notices while it reads, but not while it sends.
 */
static bool
was_dead(const struct batch *b, const struct transfer *t, CURLcode rc)
{
	long connects = 1;

	if (!b->h->keep || t->call->fault.kind != FAULT_NONE ||
	    (rc != CURLE_SEND_ERROR && rc != CURLE_RECV_ERROR))
		return false;
	(void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	return connects == 0 && status_of(t->easy) == 0;
}

static void
finish(struct batch *b, struct transfer *t, CURLcode rc)
{
	if (!was_dead(b, t, rc)) {
		settle(b, t, rc);
		return;
	}
	drop(b, t);
	t->fresh = true;
	send_off(b, t);
}

static void
settle_finished(struct batch *b)
{
	struct transfer *t = NULL;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(b->h->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		MUST(curl_easy_getinfo(
			 msg->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK);
		finish(b, t, msg->data.result); /* msg ends with its handle */
	}
}

/* How long nothing will happen but on the network. */
static int
pause_ms(const struct batch *b)
{
	const int64_t now_ms = clock_ticks_ms();
	int64_t least = b->deadline_ms - now_ms;
	const struct transfer *t;
	size_t i;

	/* The deadline is curl's to notice: when it is late, wait for it. */
	if (least < 1)
		least = 1;
	for (i = b->first; i < b->n && has_room(b); i++) {
		t = &b->all[i];
		if (!t->ended && t->easy == NULL &&
		    t->start_ms - now_ms < least)
			least = t->start_ms - now_ms;
	}
	if (b->h->stall_s > 0 && least > STALL_LOOK_MS)
		return STALL_LOOK_MS;
	if (least > INT_MAX)
		return INT_MAX;
	return least < 0 ? 0 : (int)least;
}

/* Whatever has not ended ends now, but what is between two attempts: it
 * stays as it stands. */
static void
end_all(struct batch *b, enum fault_kind kind, const char *why)
{
	struct transfer *t;
	size_t i;

	for (i = b->first; i < b->n; i++) {
		t = &b->all[i];
		if (t->ended)
			continue;
		t->ended = true;
		if (t->easy == NULL && t->call->attempts > 0)
			continue;
		drop(b, t);
		(void)fault_set(&t->call->fault, kind, "%s", why);
		name_host(t->call);
	}
}

static bool
is_told_to_stop(const struct http *h)
{
	struct pollfd fd = { .fd = h->stop_fd, .events = POLLIN };

	return h->stop_fd > 0 && poll(&fd, 1, 0) > 0;
}

/* Until the network moves, an attempt is due, or we are told to stop. */
static bool
await(struct batch *b)
{
	struct curl_waitfd stop = { .fd = b->h->stop_fd,
		.events = CURL_WAIT_POLLIN };

	return curl_multi_poll(b->h->multi, &stop, b->h->stop_fd > 0,
		   pause_ms(b), NULL) == CURLM_OK;
}

/* Moves every transfer on and waits for more to do; false: all ended. */
static bool
step(struct batch *b)
{
	int running;

	if (is_told_to_stop(b->h)) {
		end_all(b, FAULT_BUSY, "told to stop");
		return false;
	}
	start_due(b);
	if (curl_multi_perform(b->h->multi, &running) != CURLM_OK) {
		end_all(b, FAULT_MEMORY, "no memory");
		return false;
	}
	settle_finished(b);
	while (b->first < b->n && b->all[b->first].ended)
		b->first++;
	if (b->first == b->n)
		return false;
	if (!await(b)) {
		end_all(b, FAULT_MEMORY, "no memory");
		return false;
	}
	return true;
}

void
http_run(struct http *h, struct http_call *calls, size_t n, int64_t deadline_ms,
    http_judge *judge, void *arg)
{
	struct batch b = { .h = h,
		.n = n,
		.deadline_ms = deadline_ms,
		.judge = judge,
		.arg = arg };
	size_t i;

	if (n == 0)
		return;
	b.all = wake(h) ? calloc(n, sizeof *b.all) : NULL;
	if (b.all == NULL) {
		for (i = 0; i < n; i++)
			explain(&b, &calls[i], CURLE_OUT_OF_MEMORY);
		return;
	}
	for (i = 0; i < n; i++)
		b.all[i].call = &calls[i];
	while (step(&b))
		continue;
	free(b.all);
}
