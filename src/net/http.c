#include "net/http.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "codec/text.h"

enum {
	CONNECT_MAX_MS = 5000,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 8000,
	HOST_SHOWN_MAX = 100,
	BUDGET_LINE_SIZE = 128,
	TIMER_SLACK_MS = 50 /* curl's clock and ours round differently */
};

struct http {
	char *unix_socket; /* owned, or NULL */
	CURLM *multi;      /* NULL before the first run */
};

/*
 * A call on its way is in one of three states:
 *
 *   waiting   easy NULL, not ended   -> attempt, when start_ms has come
 *   attempt   easy set               -> waiting or ended, as the judge says
 *   ended     easy NULL, ended
 */
struct transfer {
	struct http_call *call;
	CURL *easy;                 /* owned */
	struct curl_slist *headers; /* owned; holds the caller's secrets */
	int64_t start_ms;
	bool ended;
};

struct batch {
	struct http *h;
	struct transfer *all; /* owned */
	size_t n;
	int64_t deadline_ms;
	http_judge *judge;
	void *arg;
};

int
http_open(struct http **out, const struct http_setup *setup, struct fault *f)
{
	const char *unix_socket = setup->unix_socket;
	struct http *h = calloc(1, sizeof *h);

	if (h == NULL)
		return fault_set(f, FAULT_MEMORY, "http");
	if (unix_socket != NULL && unix_socket[0] != '\0') {
		h->unix_socket = strdup(unix_socket);
		if (h->unix_socket == NULL) {
			free(h);
			return fault_set(f, FAULT_MEMORY, "http");
		}
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

/* Libcurl costs an idle worker memory, so it waits for the first run. */
static bool
wake(struct http *h)
{
	if (h->multi != NULL)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	h->multi = curl_multi_init();
	if (h->multi == NULL)
		curl_global_cleanup();
	return h->multi != NULL;
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

static size_t
on_body(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct buf *reply = &t->call->reply;
	const size_t n = size * count;

	if (n > reply->limit - reply->len)
		return 0; /* ends the attempt with CURLE_WRITE_ERROR */
	buf_add(reply, (struct view){ p, n });
	return reply->spoilt ? 0 : n;
}

static size_t
on_header(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	const size_t n = size * count;
	struct view rest = { p, n };
	struct view name;
	int64_t ms;

	if (view_begins(rest, "HTTP/")) /* 1xx replies have headers, too */
		t->call->retry_after_ms = -1;
	else if (text_split(&rest, ':', &name) &&
		 text_same(name, VIEW("Retry-After")) &&
		 text_retry_after_ms(text_trim(rest), clock_now_ms(), &ms))
		t->call->retry_after_ms = ms;
	return n;
}

struct setting {
	CURLoption option;
	long value;
};

/*
 * Fresh connections: see the top of http.h.  QUICK_EXIT: a resolver that
 * hangs is left to end by itself, or it would hold us past the deadline.
 */
static const struct setting always[] = {
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_FRESH_CONNECT, 1 },
	{ CURLOPT_FORBID_REUSE, 1 },
	{ CURLOPT_QUICK_EXIT, 1 },
	{ CURLOPT_TCP_KEEPALIVE, 1 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
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

static CURLcode
set_times(CURL *easy, int64_t left_ms)
{
	const long left = left_ms < LONG_MAX ? (long)left_ms : LONG_MAX;
	const struct setting times[] = {
		{ CURLOPT_TIMEOUT_MS, left },
		{ CURLOPT_CONNECTTIMEOUT_MS,
		    left < CONNECT_MAX_MS ? left : CONNECT_MAX_MS },
	};

	return set_numbers(easy, times, 2);
}

static CURLcode
set_address(CURL *easy, const char *url, const char *unix_socket)
{
	const struct {
		CURLoption option;
		const char *value;
	} texts[] = {
		{ CURLOPT_URL, url },
		{ CURLOPT_PROTOCOLS_STR, "http,https" },
		{ CURLOPT_PROXY, "" }, /* nor one of the environment's */
		{ CURLOPT_ACCEPT_ENCODING, "" }, /* all that it can decode */
		{ CURLOPT_UNIX_SOCKET_PATH, unix_socket },
	};
	CURLcode rc = CURLE_OK;
	size_t i;

	for (i = 0; i < sizeof texts / sizeof texts[0] && rc == CURLE_OK; i++)
		rc = curl_easy_setopt(easy, texts[i].option, texts[i].value);
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

static CURLcode
set_body(CURL *easy, const struct http_call *call)
{
	CURLcode rc = curl_easy_setopt(
	    easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);

	if (rc != CURLE_OK)
		return rc;
	/* With NULL curl would read the body from standard input. */
	return curl_easy_setopt(
	    easy, CURLOPT_POSTFIELDS, call->body.n == 0 ? "" : call->body.p);
}

/* Makes the attempt ready to be sent, with left_ms to its end. */
static CURLcode
prepare(struct transfer *t, const char *unix_socket, int64_t left_ms)
{
	CURLcode rc = CURLE_OK;

	t->easy = curl_easy_init();
	if (t->easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	rc = set_numbers(t->easy, always, sizeof always / sizeof always[0]);
	if (rc == CURLE_OK)
		rc = set_times(t->easy, left_ms);
	if (rc == CURLE_OK)
		rc = set_address(t->easy, t->call->url, unix_socket);
	if (rc == CURLE_OK)
		rc = set_handlers(t);
	if (rc == CURLE_OK)
		rc = set_headers(t, left_ms);
	if (rc == CURLE_OK)
		rc = set_body(t->easy, t->call);
	return rc;
}

/* Ends what the attempt owned; its answer stays in the call. */
static void
drop(struct batch *b, struct transfer *t)
{
	struct curl_slist *h;

	if (t->easy != NULL) {
		(void)curl_multi_remove_handle(b->h->multi, t->easy);
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
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

/* Only curl's fixed words: its longer ones may name a socket's path. */
static void
explain(struct batch *b, struct http_call *call, CURLcode rc)
{
	const struct view host = host_of(call->url);
	struct fault *f = &call->fault;
	enum fault_kind kind = kind_of(rc);

	if (kind == FAULT_BUSY && call->sent)
		kind = FAULT_REMOTE;
	if (kind == FAULT_SLOW && !call->sent &&
	    clock_ticks_ms() + TIMER_SLACK_MS < b->deadline_ms)
		kind = FAULT_BUSY; /* it was only the connection's time */
	if (kind == FAULT_MEMORY || call->reply.spoilt)
		(void)fault_set(f, FAULT_MEMORY, "no memory");
	else if (rc == CURLE_WRITE_ERROR)
		(void)fault_set(
		    f, FAULT_REMOTE, "reply over %zu bytes", call->reply.limit);
	else if (kind == FAULT_SLOW)
		(void)fault_set(f, FAULT_SLOW, "no answer in time");
	else if (kind == FAULT_BUSY)
		(void)fault_set(
		    f, FAULT_BUSY, "no connection: %s", curl_easy_strerror(rc));
	else
		(void)fault_set(f, FAULT_REMOTE, "no whole answer: %s",
		    rc == CURLE_OK ? "no status" : curl_easy_strerror(rc));
	(void)fault_while(f, "ask %.*s", (int)host.n, host.p);
}

/* An attempt has ended: notes what came, and asks the judge what next. */
static void
settle(struct batch *b, struct transfer *t, CURLcode rc)
{
	struct http_call *call = t->call;
	long status = 0, request_bytes = 0;
	int64_t wait_ms, now_ms;

	if (t->easy != NULL) {
		(void)curl_easy_getinfo(
		    t->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(
		    t->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
	}
	call->status = (int)status;
	call->sent = request_bytes > 0 || status != 0;
	drop(b, t);
	if (rc != CURLE_OK || status == 0)
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
start(struct batch *b, struct transfer *t)
{
	struct http_call *call = t->call;
	const int64_t left_ms = b->deadline_ms - clock_ticks_ms();
	CURLcode rc;

	if (left_ms <= 0 && call->attempts == 0)
		explain(b, call, CURLE_OPERATION_TIMEDOUT);
	t->ended = left_ms <= 0 || !may_start(b, call);
	if (t->ended)
		return;
	forget_answer(call);
	call->attempts++;
	rc = prepare(t, b->h->unix_socket, left_ms);
	if (rc == CURLE_OK &&
	    curl_multi_add_handle(b->h->multi, t->easy) != CURLM_OK)
		rc = CURLE_OUT_OF_MEMORY;
	if (rc != CURLE_OK)
		settle(b, t, rc);
}

static void
start_due(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (!b->all[i].ended && b->all[i].easy == NULL &&
		    b->all[i].start_ms <= clock_ticks_ms())
			start(b, &b->all[i]);
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
		settle(b, t, msg->data.result); /* msg ends with its handle */
	}
}

/* How long nothing will happen but on the network; -1: all have ended. */
static int
pause_ms(const struct batch *b)
{
	const int64_t now_ms = clock_ticks_ms();
	int64_t least = INT_MAX, due;
	bool any = false;
	size_t i;

	for (i = 0; i < b->n; i++) {
		if (b->all[i].ended)
			continue;
		any = true;
		due = b->all[i].easy == NULL ? b->all[i].start_ms
					     : b->deadline_ms;
		if (due - now_ms < least)
			least = due - now_ms;
	}
	if (!any)
		return -1;
	return least < 1 ? 1 : (int)least;
}

/* No memory for curl itself: whatever has not ended ends now. */
static void
give_up(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		b->all[i].ended = true;
		if (b->all[i].easy == NULL)
			continue; /* between attempts: as it stands */
		/* What is cut off here may well have been sent. */
		b->all[i].call->sent = true;
		drop(b, &b->all[i]);
		explain(b, b->all[i].call, CURLE_OUT_OF_MEMORY);
	}
}

/* Moves every transfer on and waits for more to do; false: all ended. */
static bool
step(struct batch *b)
{
	int running, ms;

	start_due(b);
	if (curl_multi_perform(b->h->multi, &running) != CURLM_OK) {
		give_up(b);
		return false;
	}
	settle_finished(b);
	ms = pause_ms(b);
	if (ms == -1)
		return false;
	if (curl_multi_poll(b->h->multi, NULL, 0, ms, NULL) != CURLM_OK) {
		give_up(b);
		return false;
	}
	return true;
}

void
http_run(struct http *h, struct http_call *calls, size_t n, int64_t deadline_ms,
    http_judge *judge, void *arg)
{
	struct batch b = { h, NULL, n, deadline_ms, judge, arg };
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
