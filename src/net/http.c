#include "net/http.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "net/attempt.h"

enum {
	CONNECT_MS = 5000, /* when the setup names no other */
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 8000,
	STALL_LOOK_MS = 250, /* how often a silent attempt is looked at */
	TIMER_SLACK_MS = 50  /* curl's clock and ours round differently */
};

struct http {
	struct attempt_setup each; /* its texts are owned */
	int parallel;
	int stop_fd;
	CURLM *multi; /* NULL before the first run */
};

/*
 * A call is in one of three states:
 *
 *   waiting   attempt not open, not ended
 *                 -> attempt, when start_ms has come and there is room, or
 *                    ended
 *   attempt   attempt open
 *                 -> waiting or ended, as the judge says
 *   ended     attempt not open, ended
 */
struct transfer {
	struct attempt attempt; /* open while its handle is in the multi */
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
	h->each.keep = setup->keep;
	h->each.connect_ms =
	    setup->connect_ms > 0 ? setup->connect_ms : CONNECT_MS;
	h->each.stall_s = setup->stall_s;
	h->parallel = setup->parallel;
	h->stop_fd = setup->stop_fd;
	if (copy_text(&h->each.unix_socket, setup->unix_socket, f) == -1 ||
	    copy_text(&h->each.ca_file, setup->ca_file, f) == -1) {
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
	free((*h)->each.unix_socket);
	free((*h)->each.ca_file);
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
	if (h->multi == NULL) {
		curl_global_cleanup();
		return false;
	}
	if (h->each.keep && h->parallel > 0)
		(void)curl_multi_setopt(
		    h->multi, CURLMOPT_MAXCONNECTS, (long)h->parallel);
	return true;
}

/* Notes what came of the attempt, and ends what it owned. */
static void
drop(struct batch *b, struct transfer *t)
{
	struct attempt *a = &t->attempt;

	if (a->easy != NULL) {
		attempt_note(a);
		(void)curl_multi_remove_handle(b->h->multi, a->easy);
		b->running--;
	}
	attempt_close(a);
}

/* Has the deadline passed, as far as curl can tell? */
static bool
is_late(const struct batch *b)
{
	return clock_ticks_ms() + TIMER_SLACK_MS >= b->deadline_ms;
}

/* Milliseconds until it is too late for the call to begin an attempt. */
static int64_t
time_to_begin(const struct batch *b, const struct http_call *call)
{
	return b->deadline_ms - call->attempt_least_ms - clock_ticks_ms();
}

/* An attempt has ended: notes what came, and asks the judge what next. */
static void
settle(struct batch *b, struct transfer *t, CURLcode rc)
{
	struct http_call *call = t->attempt.call;
	int64_t wait_ms;

	drop(b, t);
	if (rc != CURLE_OK || call->status == 0)
		attempt_explain(call, rc, is_late(b));
	call->waited = false;
	wait_ms = b->judge(call, b->arg);
	t->ended = wait_ms < 0 || wait_ms >= time_to_begin(b, call);
	if (!t->ended)
		t->start_ms = clock_ticks_ms() + wait_ms;
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
	struct attempt *a = &t->attempt;
	CURLcode rc;

	/* Preparing may have used the rest up, and 0 would be no limit. */
	rc = attempt_open(a, left_ms > 0 ? left_ms : 1);
	b->running += a->easy != NULL;
	if (rc == CURLE_OK)
		rc = curl_easy_setopt(a->easy, CURLOPT_PRIVATE, t);
	if (rc == CURLE_OK &&
	    curl_multi_add_handle(b->h->multi, a->easy) != CURLM_OK)
		rc = CURLE_OUT_OF_MEMORY;
	if (rc != CURLE_OK)
		settle(b, t, rc);
}

static void
start(struct batch *b, struct transfer *t)
{
	struct http_call *call = t->attempt.call;
	const bool is_over = time_to_begin(b, call) <= 0;

	if (is_over && call->attempts == 0)
		attempt_explain(call, CURLE_OPERATION_TIMEDOUT, true);
	t->ended = is_over || !may_start(b, call);
	if (t->ended)
		return;
	call_forget(call);
	t->ended = call->prepare != NULL && call->prepare(call) == -1;
	MUST(t->ended == (call->fault.kind != FAULT_NONE));
	if (t->ended)
		return;
	call->attempts++;
	t->attempt.fresh = call->attempts > 1 && !call->follows;
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
		if (!t->ended && t->attempt.easy == NULL &&
		    t->start_ms <= now_ms)
			start(b, t);
	}
}

static void
finish(struct batch *b, struct transfer *t, CURLcode rc)
{
	if (!attempt_was_dead(&t->attempt, rc)) {
		settle(b, t, rc);
		return;
	}
	drop(b, t);
	t->attempt.fresh = true;
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
		if (!t->ended && t->attempt.easy == NULL &&
		    t->start_ms - now_ms < least)
			least = t->start_ms - now_ms;
	}
	if (b->h->each.stall_s > 0 && least > STALL_LOOK_MS)
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
		if (t->attempt.easy == NULL && t->attempt.call->attempts > 0)
			continue;
		drop(b, t);
		(void)fault_set(&t->attempt.call->fault, kind, "%s", why);
		call_name_host(t->attempt.call);
	}
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

	if (clock_is_stopped(b->h->stop_fd, 0)) {
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
			attempt_explain(&calls[i], CURLE_OUT_OF_MEMORY, false);
		return;
	}
	for (i = 0; i < n; i++)
		b.all[i].attempt =
		    (struct attempt){ .call = &calls[i], .setup = &h->each };
	while (step(&b))
		continue;
	free(b.all);
}
