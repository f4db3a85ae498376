#include "aws/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/bucket.h"
#include "aws/guard.h"
#include "aws/retry.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/http.h"

enum {
	CONNECT_MS = 2500,
	STALL_S = 10,
	KEY_SHOWN_MAX = 100,
	/* So far off, a clock is worth being told of.  Under it, a Date of
	 * whole seconds that has travelled says nothing. */
	PROBE_CLOCK_MS = 3000
};

struct s3 {
	struct s3_setup setup;
	struct bucket *bucket;
	struct errand_with with;
	struct http *http; /* NULL before the first request */
	struct retry retry;
	unsigned plain; /* a bit for each verb whose conditions S3 refuses */
};

/* An operation of a batch: the errand, and what was tried for it. */
struct task {
	struct errand errand;
	struct s3 *s;
	const char *about; /* the key, or a listing's prefix */
	int64_t deadline_ms;
	bool is_probe; /* sent once; tells nothing by itself */
	bool is_finished;
	int retries;
	int taken;       /* tokens for the last retry                      */
	unsigned mended; /* a bit for each verdict_next that was tried     */
};

int
s3_open(struct s3 **out, const struct s3_setup *setup, struct fault *f)
{
	const struct bucket_setup bucket = { .name = setup->bucket,
		.region = setup->region,
		.endpoint = setup->endpoint,
		.public_endpoint = setup->public_endpoint,
		.style = setup->style,
		.creds = setup->creds,
		.state = setup->state };
	struct s3 *s = calloc(1, sizeof *s);

	if (s == NULL)
		return fault_set(f, FAULT_MEMORY, "s3");
	s->setup = *setup;
	s->retry = RETRY_INIT;
	if (bucket_open(&s->bucket, &bucket, f) == -1) {
		s3_close(&s);
		return -1;
	}
	s->with = (struct errand_with){ .bucket = s->bucket,
		.sse = setup->sse,
		.sse_key = setup->sse_key };
	*out = s;
	return 0;
}

void
s3_close(struct s3 **s)
{
	if (*s == NULL)
		return;
	http_close(&(*s)->http);
	bucket_close(&(*s)->bucket);
	free(*s);
	*s = NULL;
}

void
s3_serve(struct s3 *s, struct view request_id)
{
	s->with.request_id = request_id;
	bucket_serve(s->bucket, request_id);
}

const char *
s3_region(const struct s3 *s)
{
	return bucket_region(s->bucket);
}

/* An idle worker that only presigns never needs libcurl. */
static int
wake(struct s3 *s, struct fault *f)
{
	const struct http_setup setup = { .ca_file = s->setup.ca_file,
		.keep = true,
		.parallel = S3_PARALLEL,
		.connect_ms = CONNECT_MS,
		.stall_s = STALL_S,
		.stop_fd = s->setup.stop_fd };

	return s->http != NULL ? 0 : http_open(&s->http, &setup, f);
}

/* --- after an attempt --- */

/* The budget is for waits that will be slept. */
static int64_t
wait_for_retry(struct task *t)
{
	const bool throttled = t->errand.verdict.next == VERDICT_LATER;
	const int64_t wait_ms = retry_wait_ms(
	    t->retries, throttled, errand_asked_wait_ms(&t->errand));

	if (t->is_probe || t->retries + 1 >= t->s->setup.attempts ||
	    wait_ms >= t->deadline_ms - clock_ticks_ms())
		return HTTP_ENOUGH;
	t->taken = retry_take(&t->s->retry, throttled);
	if (t->taken == 0)
		return HTTP_ENOUGH;
	t->retries++;
	return wait_ms;
}

/* Puts right what S3 found wrong with us: would another attempt differ? */
static bool
learn(struct task *t)
{
	const struct verdict *v = &t->errand.verdict;
	const struct bucket_stamp *stamp = &t->errand.stamp;

	switch (v->next) {
	case VERDICT_CLOCK:
	case VERDICT_CLOCK_IF_FAR:
		return v->server_s != -1 &&
		       bucket_mend_clock(t->s->bucket, stamp, v->server_s,
			   v->next == VERDICT_CLOCK ? 0 : VERDICT_CLOCK_FAR_MS);
	case VERDICT_REGION:
		return bucket_mend_region(t->s->bucket, stamp, v->region);
	case VERDICT_KEYS:
		return bucket_mend_keys(t->s->bucket, stamp, t->deadline_ms);
	case VERDICT_ENOUGH:
	case VERDICT_AGAIN:
	case VERDICT_LATER:
		return false;
	}
	return false;
}

static int64_t
next_wait(struct task *t)
{
	const enum verdict_next next = t->errand.verdict.next;
	const unsigned bit = 1U << next;

	if (next == VERDICT_ENOUGH)
		return HTTP_ENOUGH;
	if (next == VERDICT_AGAIN || next == VERDICT_LATER)
		return wait_for_retry(t);
	if ((t->mended & bit) != 0 || !learn(t) || t->is_probe)
		return HTTP_ENOUGH;
	t->mended |= bit;
	return 0;
}

/* S3 refuses the conditions of a verb when a write without one is what it
 * takes.  Asked once a process. */
static void
learn_plain(struct task *t)
{
	const struct errand *e = &t->errand;
	const unsigned bit = 1U << e->op->verb;

	if (e->is_looking || e->verdict.kind != FAULT_NONE || !e->is_plain ||
	    e->is_refused || (t->s->plain & bit) != 0)
		return;
	t->s->plain |= bit;
	log_event(LOG_WARN, "the storage refuses conditional writes",
	    LOG_REQUEST(t->s->with.request_id),
	    LOG_TEXT("operation", view_str(e->word)));
}

static int64_t
look_or_write(struct task *t, enum guard_next next)
{
	if (next == GUARD_OVER)
		return HTTP_ENOUGH;
	if (next == GUARD_LOOK)
		errand_look(&t->errand);
	else
		errand_write(&t->errand);
	return 0;
}

/* The next attempt of a guarded write, which may be the HEAD before it. */
static int64_t
next_of_guarded(struct task *t)
{
	struct errand *e = &t->errand;
	enum guard_next next;
	int64_t wait_ms;

	if (e->is_looking)
		metrics_count(METRICS_S3_REQUESTS, "head",
		    metrics_outcome(e->verdict.kind), 1);
	next = guard_judge(e);
	learn_plain(t);
	if (next != GUARD_AGAIN)
		return look_or_write(t, next);
	wait_ms = next_wait(t);
	if (wait_ms == HTTP_ENOUGH)
		return look_or_write(t, guard_give_up(e));
	if (guard_looks(e))
		errand_look(e);
	e->call->follows = false;
	return wait_ms;
}

/* A short silence says as much about our patience as about S3. */
static enum state_storage
news_of(const struct errand *e)
{
	const int64_t silent_ms = clock_ticks_ms() - e->silent_since_ms;

	if (e->verdict.tells == STATE_DOWN && e->verdict.kind == FAULT_SLOW &&
	    e->verdict.status == 0 && silent_ms < S3_PATIENCE_MS)
		return STATE_UNKNOWN;
	return e->verdict.tells;
}

static void
tell(struct s3 *s, enum state_storage news)
{
	if (s->setup.state != NULL && news != STATE_UNKNOWN)
		state_tell_storage(s->setup.state, news);
}

/* Why it failed, in the words of whoever knows. */
static struct fault
reason_of(const struct errand *e)
{
	const int64_t wait_ms = errand_asked_wait_ms(e);
	struct fault f = e->call->fault;

	if (e->verdict.status != 0) {
		f = FAULT_INIT;
		(void)verdict_explain(&e->verdict, &f);
	} else if (f.kind == FAULT_NONE)
		(void)fault_set(&f, e->verdict.kind, "%s", e->verdict.advice);
	f.kind = e->verdict.kind;
	if (wait_ms > 0)
		f.retry_after_s = (int)((wait_ms + 999) / 1000);
	return f;
}

static void
finish(struct task *t)
{
	struct errand *e = &t->errand;
	struct s3_op *op = e->op;

	op->status = e->verdict.status;
	op->attempts = e->call->attempts;
	memcpy(op->code, e->verdict.code, sizeof op->code);
	memcpy(
	    op->s3_request_id, e->verdict.request_id, sizeof op->s3_request_id);
	if (e->verdict.kind == FAULT_NONE)
		retry_give(&t->s->retry, t->taken);
	else if (op->fault.kind == FAULT_NONE) /* or the sink has said it */
		op->fault = reason_of(e);
	if (op->fault.kind != FAULT_NONE)
		(void)fault_while(
		    &op->fault, "%s %.*s", e->word, KEY_SHOWN_MAX, t->about);
	if (!t->is_probe)
		tell(t->s, news_of(e));
	t->is_finished = true;
	metrics_count(METRICS_S3_REQUESTS, t->is_probe ? "probe" : e->word,
	    metrics_outcome(op->fault.kind), 1);
	if (op->finished != NULL)
		op->finished(op);
}

static int64_t
judge(const struct http_call *call, void *arg)
{
	struct errand *e = call->owner;
	int64_t wait_ms;

	(void)arg;
	if (call->waited)
		return 0;
	errand_read(e);
	wait_ms =
	    e->op->is_guarded ? next_of_guarded(e->owner) : next_wait(e->owner);
	if (wait_ms == HTTP_ENOUGH)
		finish(e->owner);
	errand_rest(e);
	return wait_ms;
}

/* --- batches --- */

/* Answers that an operation may still hold from another time are void. */
static void
forget_answer(struct s3_op *op)
{
	op->status = 0;
	op->is_taken = false;
	op->attempts = 0;
	op->found_size = -1;
	op->found_mtime_ns = 0;
	op->found_etag[0] = op->found_sha256[0] = op->found_type[0] = '\0';
	op->code[0] = op->s3_request_id[0] = '\0';
	op->fault = FAULT_INIT;
}

static void
set_out(struct task *t, struct http_call *call, struct s3 *s, struct s3_op *op)
{
	*t = (struct task){ .s = s, .about = op->key };
	errand_begin(&t->errand, call, &s->with, op);
	t->errand.owner = t;
	t->errand.is_plain =
	    op->is_guarded && (s->plain & (1U << op->verb)) != 0;
	if (guard_looks(&t->errand))
		errand_look(&t->errand);
}

static void
run(struct s3 *s, struct task *tasks, struct http_call *calls, size_t n,
    int64_t deadline_ms)
{
	struct errand *e;
	size_t i;

	for (i = 0; i < n; i++)
		tasks[i].deadline_ms = deadline_ms;
	http_run(s->http, calls, n, deadline_ms, judge, NULL);
	for (i = 0; i < n; i++) {
		e = &tasks[i].errand;
		/* What no judge has seen was ours: the time was over, we were
		 * told to stop, or it could not be sent at all. */
		if (!e->is_read) {
			MUST(calls[i].fault.kind != FAULT_NONE);
			e->verdict =
			    (struct verdict){ .kind = calls[i].fault.kind };
		}
		if (!tasks[i].is_finished)
			finish(&tasks[i]);
		errand_end(e);
	}
}

static bool
is_key(const char *key, struct fault *f)
{
	const size_t n = view_str(key).n;

	if (n > 0 && n <= S3_KEY_MAX)
		return true;
	(void)fault_in(f, FAULT_INPUT, "key",
	    "a key has 1 to %d bytes, not %zu", S3_KEY_MAX, n);
	return false;
}

static bool
can_begin(struct s3_op *op)
{
	return op->fault.kind == FAULT_NONE && is_key(op->key, &op->fault) &&
	       (op->verb != S3_COPY || is_key(op->source, &op->fault));
}

void
s3_run(struct s3 *s, struct s3_op *ops, size_t n, int64_t deadline_ms)
{
	struct task *tasks = calloc(n, sizeof *tasks);
	struct http_call *calls = calloc(n, sizeof *calls);
	struct fault none = FAULT_INIT;
	size_t i, count = 0;

	if (tasks == NULL || calls == NULL)
		(void)fault_set(&none, FAULT_MEMORY, "a batch");
	if (none.kind == FAULT_NONE)
		(void)wake(s, &none);
	for (i = 0; i < n; i++) {
		forget_answer(&ops[i]);
		ops[i].fault = none;
		if (can_begin(&ops[i])) {
			set_out(&tasks[count], &calls[count], s, &ops[i]);
			count++;
		} else if (ops[i].finished != NULL)
			ops[i].finished(&ops[i]);
	}
	if (count > 0)
		run(s, tasks, calls, count, deadline_ms);
	free(tasks);
	free(calls);
}

/* --- probe --- */

static int
ignore_bytes(struct s3_op *op, struct view bytes, bool again)
{
	(void)op;
	(void)bytes;
	(void)again;
	return 0;
}

bool
s3_is_stopped(const struct s3 *s)
{
	return clock_is_stopped(s->setup.stop_fd, 0);
}

/* 416: the object is there, and empty. */
static enum state_storage
health_of(const struct s3 *s, const struct s3_op *op, bool must_exist)
{
	const enum fault_kind kind = op->fault.kind;

	if (kind == FAULT_NONE || kind == FAULT_ABSENT || op->status == 416 ||
	    (strcmp(op->code, "AccessDenied") == 0 && !must_exist))
		return STATE_UP;
	if (kind == FAULT_MEMORY || kind == FAULT_INPUT || s3_is_stopped(s))
		return STATE_UNKNOWN;
	return kind == FAULT_DENIED ? STATE_DENIED : STATE_DOWN;
}

/* S3 suffers a clock that is off by minutes in whoever asks; but a presigned
 * URL of it is not good yet, or lives shorter than is said. */
static void
read_clock(const struct task *t)
{
	const struct verdict *v = &t->errand.verdict;

	if (v->status != 0 && v->server_s != -1)
		(void)bucket_mend_clock(t->s->bucket, &t->errand.stamp,
		    v->server_s, PROBE_CLOCK_MS);
}

enum state_storage
s3_probe(struct s3 *s, const char *key, bool must_exist, int64_t deadline_ms,
    bool *absent, struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_GET, key);
	enum state_storage health;
	struct http_call call;
	struct task t;

	op.range_end = 0;
	op.sink = ignore_bytes;
	if (is_key(key, &op.fault) && wake(s, &op.fault) == 0) {
		set_out(&t, &call, s, &op);
		t.is_probe = true;
		run(s, &t, &call, 1, deadline_ms);
		read_clock(&t);
	}
	health = health_of(s, &op, must_exist);
	tell(s, health);
	*absent = op.fault.kind == FAULT_ABSENT;
	if (health != STATE_UP)
		*f = op.fault;
	return health;
}

/* --- list --- */

int
s3_ask(struct s3 *s, const struct s3_question *question, struct buf *reply,
    struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "");
	struct http_call call;
	struct task t;

	if (wake(s, f) == -1)
		return -1;
	op.reply = *reply;
	set_out(&t, &call, s, &op);
	errand_list(&t.errand, question->query, question->query_n);
	t.about = question->about;
	run(s, &t, &call, 1, question->deadline_ms);
	*reply = op.reply;
	if (op.fault.kind == FAULT_NONE)
		return 0;
	*f = op.fault;
	return -1;
}

struct walk {
	struct s3 *s;
	const char *prefix;
	int64_t deadline_ms;
	struct buf token; /* what to ask the page with; empty: the first */
	struct buf next;  /* the same of the page after it               */
	struct buf page;
};

static int
read_page(struct walk *w, listing_key *found, void *arg, struct fault *f)
{
	char most[16];
	const int n = snprintf(most, sizeof most, "%d", S3_PAGE);
	const struct sigv4_field fields[] = {
		{ VIEW("list-type"), VIEW("2") },
		{ VIEW("encoding-type"), VIEW("url") },
		{ VIEW("max-keys"), { most, (size_t)n } },
		{ VIEW("prefix"), view_str(w->prefix) },
		{ VIEW("continuation-token"), buf_view(&w->token) },
	};
	const size_t count = sizeof fields / sizeof fields[0];
	const struct s3_question question = { .query = fields,
		.query_n = w->token.len == 0 ? count - 1 : count,
		.about = w->prefix,
		.deadline_ms = w->deadline_ms };

	if (s3_ask(w->s, &question, &w->page, f) == -1)
		return -1;
	if (listing_read(buf_view(&w->page), found, arg, &w->next, f) == -1)
		return fault_while(f, "list %.*s", KEY_SHOWN_MAX, w->prefix);
	if (w->next.len > 0 && view_is(buf_view(&w->next), buf_str(&w->token)))
		return fault_set(f, FAULT_REMOTE,
		    "list %.*s: the listing does not get on", KEY_SHOWN_MAX,
		    w->prefix);
	return 0;
}

int
s3_list(struct s3 *s, const char *prefix, int64_t deadline_ms,
    listing_key *found, void *arg, struct fault *f)
{
	struct walk w = { .s = s,
		.prefix = prefix,
		.deadline_ms = deadline_ms,
		.token = BUF_INIT(LISTING_TOKEN_MAX),
		.next = BUF_INIT(LISTING_TOKEN_MAX),
		.page = BUF_INIT(LISTING_BYTES_MAX) };
	struct buf used;
	int rc;

	do {
		rc = read_page(&w, found, arg, f);
		used = w.token;
		w.token = w.next;
		w.next = used;
	} while (rc == 0 && w.token.len > 0);
	buf_fini(&w.token);
	buf_fini(&w.next);
	buf_fini(&w.page);
	return rc;
}

/* --- presign --- */

void
s3_url_fini(struct s3_url *url)
{
	secret_buf_fini(&url->text);
	*url = S3_URL_INIT;
}

int
s3_presign(struct s3 *s, const char *method, const char *key, int64_t expires_s,
    int64_t window_s, struct s3_url *url, struct fault *f)
{
	struct bucket_life life;

	if (!is_key(key, f) ||
	    bucket_presign(s->bucket, method, view_str(key), expires_s,
		window_s, &url->text, &life, f) == -1)
		return -1;
	url->lives_s = life.lives_s;
	url->same_s = life.same_s;
	return buf_done(&url->text, f);
}
