#include "gen/models.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/text.h"
#include "gen/gen_gemini.h"
#include "gen/gen_imagen.h"
#include "net/http.h"

enum {
	ATTEMPTS_MAX = 4,
	UNSENT_ATTEMPTS_MAX = 3, /* no connection: nothing was paid      */
	FAILED_ATTEMPTS_MAX = 2, /* a 500                                */
	NAME_MAX_BYTES = sizeof((struct models_answer *)NULL)->model - 1,
	URL_MAX_BYTES = 2048, /* of the base URL                        */
	PATH_MAX_BYTES = 64,  /* after it, around a model's name        */
	KEY_MAX_BYTES = 4096,
	KEY_NAME_MAX_BYTES = 32,    /* "x-goog-api-key: " in front of it      */
	REQUEST_ID_MAX_BYTES = 128, /* with its name in front              */
	BODY_MAX_BYTES = 256 << 10,
	ERROR_MAX_BYTES = 64 << 10 /* of an error's body, to be read */
};

struct model {
	char name[NAME_MAX_BYTES + 1];
	const struct gen_dialect *dialect;
	int64_t gone_until_ms; /* in clock_ticks_ms */
};

struct models {
	struct http *http;
	char *base_url;
	bool needs_key;
	bool is_google;
	const struct secret *key; /* borrowed */
	struct model list[MODELS_MAX];
	size_t count;
};

struct models_docs {
	struct json_doc *doc[GEN_IMAGES_MAX]; /* one a call */
};

/* One question to one model: n calls, run together. */
struct round {
	const struct gen_ask *ask;
	const struct model *model;
	struct models_answer *answer;
	int n;
	int least_ms; /* an attempt must have left to begin */
	struct buf url;
	struct buf key; /* holds the secret */
	struct buf request_id;
	struct buf body[GEN_IMAGES_MAX];
	struct http_call call[GEN_IMAGES_MAX];
	struct fault why[GEN_IMAGES_MAX]; /* NONE: the document is there */
	bool abandoned; /* not sent again, since nobody waits any more */
};

static const char list_setting[] = "IMAGE_MODELS";

static const struct gen_dialect *const dialects[] = { &gen_imagen,
	&gen_gemini };

static const struct gen_dialect *
dialect_of(struct view name)
{
	size_t i;

	for (i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
		if (view_begins(name, dialects[i]->prefix))
			return dialects[i];
	return NULL;
}

/* As much of a name as may stand in an error. */
static void
show_name(char out[NAME_MAX_BYTES + 1], struct view name)
{
	size_t i;

	for (i = 0; i < name.n && i < NAME_MAX_BYTES; i++)
		out[i] = name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
	out[i] = '\0';
}

/* The name becomes a part of a URL, so it may hold nothing special. */
static int
check_name(struct view name, struct fault *f)
{
	char shown[NAME_MAX_BYTES + 1];

	show_name(shown, name);
	if (dialect_of(name) == NULL)
		return fault_in(f, FAULT_INPUT, list_setting,
		    "\"%s\" is neither an imagen-* nor a gemini-* model",
		    shown);
	if (!text_is_word(name))
		return fault_in(f, FAULT_INPUT, list_setting,
		    "\"%s\" has a character other than A-Z a-z 0-9 . _ -",
		    shown);
	if (name.n > NAME_MAX_BYTES)
		return fault_in(f, FAULT_INPUT, list_setting,
		    "\"%s\" is longer than %zu characters", shown,
		    (size_t)NAME_MAX_BYTES);
	return 0;
}

static int
add_model(struct models *m, struct view name, struct fault *f)
{
	struct model *model = &m->list[m->count];

	if (m->count == MODELS_MAX)
		return fault_in(f, FAULT_INPUT, list_setting,
		    "more than %d models", MODELS_MAX);
	if (check_name(name, f) == -1)
		return -1;
	memcpy(model->name, name.p, name.n);
	model->name[name.n] = '\0';
	model->dialect = dialect_of(name);
	m->count++;
	return 0;
}

static int
add_models(struct models *m, struct view list, struct fault *f)
{
	struct view name;

	while (text_split(&list, ',', &name)) {
		name = text_trim(name);
		if (name.n > 0 && add_model(m, name, f) == -1)
			return -1;
	}
	if (m->count == 0)
		return fault_in(
		    f, FAULT_INPUT, list_setting, "no model in the list");
	return 0;
}

/* Keys read from files like to end in a newline; of blanks only is none. */
static struct view
trimmed(const struct secret *key)
{
	return text_trim(secret_reveal(key));
}

/* It becomes a header's value, where a line's end would begin another. */
static int
check_key(struct view key, struct fault *f)
{
	size_t i;

	if (key.n > KEY_MAX_BYTES)
		return fault_set(f, FAULT_INPUT,
		    "the model key is over %d bytes", KEY_MAX_BYTES);
	for (i = 0; i < key.n; i++)
		if ((unsigned char)key.p[i] < ' ' || key.p[i] == 0x7f)
			return fault_set(f, FAULT_INPUT,
			    "the model key has a control byte inside");
	return 0;
}

bool
models_is_google(const char *base_url)
{
	static const char google[] = "googleapis.com";
	const size_t n = sizeof google - 1;
	const char *host = strstr(base_url, "://");
	size_t size;

	host = host == NULL ? base_url : host + 3;
	size = strcspn(host, ":/");
	if (size > 0 && host[size - 1] == '.') /* the name in full */
		size--;
	return size >= n && (size == n || host[size - n - 1] == '.') &&
	       text_same((struct view){ host + size - n, n }, VIEW(google));
}

static int
check_setup(const struct models_setup *setup, struct fault *f)
{
	if (strlen(setup->base_url) > URL_MAX_BYTES)
		return fault_set(f, FAULT_INPUT,
		    "IMAGE_BASE_URL is over %d bytes", URL_MAX_BYTES);
	return check_key(trimmed(setup->key), f);
}

int
models_open(
    struct models **out, const struct models_setup *setup, struct fault *f)
{
	const struct http_setup http = { .unix_socket = setup->unix_socket };
	const struct view socket = view_str(setup->unix_socket);
	struct models *m;

	if (check_setup(setup, f) == -1)
		return -1;
	m = calloc(1, sizeof *m);
	if (m == NULL)
		return fault_set(f, FAULT_MEMORY, "models");
	m->key = setup->key;
	/* What is not Google itself but a stand-in next door asks for none. */
	m->needs_key =
	    socket.n == 0 && !view_begins(view_str(setup->base_url), "http://");
	m->is_google = models_is_google(setup->base_url);
	m->base_url = strdup(setup->base_url);
	if (m->base_url == NULL)
		(void)fault_set(f, FAULT_MEMORY, "models");
	if (m->base_url == NULL || add_models(m, setup->list, f) == -1 ||
	    http_open(&m->http, &http, f) == -1) {
		models_close(&m);
		return -1;
	}
	*out = m;
	return 0;
}

void
models_close(struct models **m)
{
	if (*m == NULL)
		return;
	http_close(&(*m)->http);
	free((*m)->base_url);
	free(*m);
	*m = NULL;
}

void
models_answer_fini(struct models_answer *answer)
{
	size_t i;

	if (answer->docs != NULL)
		for (i = 0; i < GEN_IMAGES_MAX; i++)
			json_close(&answer->docs->doc[i]);
	free(answer->docs);
	*answer = MODELS_ANSWER_INIT;
}

/* The document of an error's reply, or NULL when it is not worth reading. */
static struct json_doc *
open_error(const struct http_call *call)
{
	struct fault ignored = FAULT_INIT;
	struct json_doc *doc = NULL;

	if (call->reply.len == 0 || call->reply.len > ERROR_MAX_BYTES)
		return NULL;
	if (json_open(&doc, buf_view(&call->reply), GEN_JSON_DEPTH_MAX,
		&ignored) == -1)
		return NULL;
	return doc;
}

static const struct json_value *
root_of(const struct json_doc *doc)
{
	return doc == NULL ? NULL : json_root(doc);
}

/* What a 429 or 503 asks us to wait, or our own measure; none helps when the
 * project cannot pay. */
static int64_t
wait_asked(const struct http_call *call)
{
	struct json_doc *doc = open_error(call);
	const int64_t ms = gen_wait_ms(root_of(doc), call->retry_after_ms);
	const bool is_final =
	    call->status == 429 && gen_is_unpayable(root_of(doc));

	json_close(&doc);
	if (is_final)
		return HTTP_ENOUGH;
	return ms < 0 ? http_backoff_ms(call->attempts) : ms;
}

/*
 * Could the last attempt be on the bill?  Surely free is only what never
 * left us, and what the model refused as such; after any other answer, or
 * none, a picture may have been drawn.
 */
static bool
may_be_paid(const struct http_call *call)
{
	static const int refusals[] = { 400, 401, 403, 404, 429, 503 };
	size_t i;

	for (i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (call->status == refusals[i] &&
		    call->fault.kind == FAULT_NONE)
			return false;
	return call->sent;
}

/*
 * Sent again is only what cost nothing: a request that never left, or one
 * that the model refused as such.  A 500 may hide a picture that was drawn
 * and lost, so it gets one more chance and no third.
 */
static int64_t
wait_before_next(const struct http_call *call)
{
	if (call->fault.kind == FAULT_BUSY && !call->sent &&
	    call->attempts < UNSENT_ATTEMPTS_MAX)
		return http_backoff_ms(call->attempts);
	if (call->fault.kind != FAULT_NONE || call->attempts >= ATTEMPTS_MAX)
		return HTTP_ENOUGH;
	if (call->status == 429 || call->status == 503)
		return wait_asked(call);
	if (call->status == 500 && call->attempts < FAILED_ATTEMPTS_MAX)
		return http_backoff_ms(call->attempts);
	return HTTP_ENOUGH;
}

static bool
is_wanted(const struct gen_ask *ask)
{
	return ask->is_wanted == NULL || ask->is_wanted(ask->wanted_arg);
}

static int
nobody_waits(struct fault *f)
{
	return fault_set(
	    f, FAULT_PEER, "the client left before the model was called again");
}

/* arg is the round.  A doubt stays, whatever the next attempt brings, and
 * what is sent again may be paid for, so it needs someone to wait for it. */
static int64_t
judge(const struct http_call *call, void *arg)
{
	struct round *r = arg;
	int64_t wait_ms = 0;

	r->answer->maybe_paid |= may_be_paid(call);
	if (!call->waited)
		wait_ms = wait_before_next(call);
	if (wait_ms != HTTP_ENOUGH && !is_wanted(r->ask)) {
		r->abandoned = true;
		return HTTP_ENOUGH;
	}
	return wait_ms;
}

/* Writes the key's header: without it when there is no key. */
static void
write_key(const struct models *m, struct buf *out)
{
	const struct view key = trimmed(m->key);

	if (key.n == 0)
		return;
	buf_add(out, VIEW("x-goog-api-key: "));
	buf_add(out, key);
}

static void
write_request_id(const struct gen_ask *ask, struct buf *out)
{
	if (ask->request_id.n == 0)
		return;
	buf_add(out, VIEW("X-Request-Id: "));
	buf_add(out, ask->request_id);
}

/* A header's text, or NULL when there is none. */
static const char *
header_or_none(const struct buf *header)
{
	return header->len == 0 ? NULL : buf_str(header);
}

static int
write_call(struct round *r, int at, struct fault *f)
{
	struct http_call *call = &r->call[at];
	struct buf *body = &r->body[at];

	r->model->dialect->write(r->ask, at, body);
	if (buf_done(body, f) == -1)
		return -1;
	call->url = buf_str(&r->url);
	call->headers[0] = "Content-Type: application/json";
	call->headers[1] = header_or_none(&r->key);
	call->headers[2] = header_or_none(&r->request_id);
	call->budget_header = "X-Server-Timeout";
	call->budget_least_s = r->model->dialect->floor_s;
	call->attempt_least_ms = r->least_ms;
	call->body = buf_view(body);
	return 0;
}

static int
round_write(struct round *r, const struct models *m, struct fault *f)
{
	int i;

	buf_fmt(&r->url, "%s" MODELS_PATH "%s:%s", m->base_url, r->model->name,
	    r->model->dialect->verb);
	write_key(m, &r->key);
	write_request_id(r->ask, &r->request_id);
	if (buf_done(&r->url, f) == -1 || buf_done(&r->key, f) == -1 ||
	    buf_done(&r->request_id, f) == -1)
		return -1;
	for (i = 0; i < r->n; i++)
		if (write_call(r, i, f) == -1)
			return -1;
	return 0;
}

/* Milliseconds that an attempt must have left to begin. */
static int
least_ms(const struct models *m, const struct model *model)
{
	return m->is_google ? model->dialect->floor_s * 1000 : 0;
}

static void
round_init(struct round *r, const struct models *m, const struct model *model,
    const struct gen_ask *ask, struct models_answer *answer)
{
	int i;

	*r = (struct round){
		.ask = ask,
		.model = model,
		.answer = answer,
		.n = model->dialect->batch ? 1 : ask->images,
		.least_ms = least_ms(m, model),
		.url =
		    BUF_INIT(URL_MAX_BYTES + PATH_MAX_BYTES + NAME_MAX_BYTES),
		.key = BUF_INIT(KEY_NAME_MAX_BYTES + KEY_MAX_BYTES),
		.request_id = BUF_INIT(REQUEST_ID_MAX_BYTES),
	};
	for (i = 0; i < GEN_IMAGES_MAX; i++) {
		r->body[i] = BUF_INIT(BODY_MAX_BYTES);
		r->call[i] = HTTP_CALL_INIT(GEN_REPLY_MAX);
		r->why[i] = FAULT_INIT;
	}
}

static void
round_fini(struct round *r)
{
	int i;

	buf_fini(&r->url);
	secret_buf_fini(&r->key);
	buf_fini(&r->request_id);
	for (i = 0; i < GEN_IMAGES_MAX; i++) {
		buf_fini(&r->body[i]);
		buf_fini(&r->call[i].reply);
	}
}

static bool
is_answered(const struct http_call *call)
{
	return call->fault.kind == FAULT_NONE && call->status == 200;
}

static int
read_refusal(const struct http_call *call, struct fault *f)
{
	struct json_doc *doc = open_error(call);

	(void)gen_refusal(call->status, root_of(doc), f);
	if (f->kind == FAULT_BUSY)
		f->retry_after_s = gen_wait_s(
		    call->status, root_of(doc), call->retry_after_ms);
	json_close(&doc);
	return -1;
}

/* The document a call brought, or why it brought none. */
static int
read_call(struct http_call *call, struct json_doc **doc, struct fault *f)
{
	int rc;

	if (call->fault.kind != FAULT_NONE) {
		*f = call->fault;
		return -1;
	}
	if (call->status != 200)
		return read_refusal(call, f);
	rc = json_open(doc, buf_view(&call->reply), GEN_JSON_DEPTH_MAX, f);
	if (rc == -1 && f->kind != FAULT_MEMORY) {
		*f = FAULT_INIT; /* the mistake is not our user's */
		(void)fault_set(
		    f, FAULT_REMOTE, "the model's reply was not JSON");
	}
	buf_fini(&call->reply); /* tens of megabytes that are read now */
	return rc;
}

/*
 * No call was answered: the first fault.  A model that is gone for one call
 * and not for the next is not gone, so that is no one's reason.
 */
static int
first_fault(const struct round *r, struct fault *f)
{
	int i;

	for (i = 0; i < r->n - 1 && r->why[i].kind == FAULT_ABSENT; i++)
		continue;
	*f = r->why[i];
	return -1;
}

static void
lose_image(struct gen_image *image, const struct fault *why)
{
	*image = (struct gen_image){
		.outcome =
		    why->kind == FAULT_FILTERED ? GEN_FILTERED : GEN_FAILED,
		.why = *why,
	};
}

static void
read_images(struct round *r)
{
	const bool batch = r->model->dialect->batch;
	const int images = batch ? r->answer->count : 1;
	struct gen_image *image;
	int i;

	for (i = 0; i < r->n; i++)
		if (r->why[i].kind == FAULT_NONE)
			gen_read(r->model->dialect,
			    json_root(r->answer->docs->doc[i]),
			    &r->answer->images[i], images);
		else
			lose_image(&r->answer->images[i], &r->why[i]);
	for (i = 0; i < r->answer->count; i++) {
		image = &r->answer->images[i];
		image->seed =
		    gen_seed(r->model->dialect, r->ask, batch ? 0 : i);
	}
}

/* All calls have ended: what came of them together. */
static int
round_read(struct round *r, struct fault *f)
{
	bool answered = false;
	int i;

	for (i = 0; i < r->n; i++) {
		r->answer->maybe_paid |= may_be_paid(&r->call[i]);
		answered |= is_answered(&r->call[i]);
		(void)read_call(
		    &r->call[i], &r->answer->docs->doc[i], &r->why[i]);
	}
	if (!answered && r->abandoned)
		return nobody_waits(f);
	/* A batch is one document: without it there are no images at all. */
	if (!answered ||
	    (r->model->dialect->batch && r->why[0].kind != FAULT_NONE))
		return first_fault(r, f);
	read_images(r);
	return 0;
}

/* FAULT_ABSENT: there is no such model. */
static int
ask_model(
    struct models *m, struct round *r, int64_t deadline_ms, struct fault *f)
{
	int64_t began_us;
	int rc;

	memcpy(r->answer->model, r->model->name, sizeof r->model->name);
	rc = round_write(r, m, f);
	if (rc == 0) {
		began_us = clock_ticks_us();
		http_run(m->http, r->call, (size_t)r->n, deadline_ms, judge, r);
		metrics_observe(METRICS_MODEL_SECONDS, r->model->name,
		    clock_ticks_us() - began_us);
		rc = round_read(r, f);
	}
	round_fini(r);
	return rc;
}

static void
leave_out(struct model *model, const struct gen_ask *ask)
{
	model->gone_until_ms = clock_ticks_ms() + MODELS_GONE_MS;
	log_event(LOG_WARN, "model gone", LOG_REQUEST(ask->request_id),
	    LOG_TEXT("model", view_str(model->name)));
}

/*
 * Whose turn it is when: as listed, but those that are left out come last.
 * They are asked only when all the others are gone too, since their 404 is
 * free and no answer is left to lose.
 */
static void
line_up(struct models *m, struct model *turns[MODELS_MAX])
{
	const int64_t now_ms = clock_ticks_ms();
	size_t i, n = 0;

	for (i = 0; i < m->count; i++)
		if (m->list[i].gone_until_ms <= now_ms)
			turns[n++] = &m->list[i];
	for (i = 0; i < m->count; i++)
		if (m->list[i].gone_until_ms > now_ms)
			turns[n++] = &m->list[i];
}

/* One model was gone: may the next be asked? */
static int
check_next(const struct models *m, const struct model *next,
    const struct gen_ask *ask, int64_t deadline_ms, struct fault *f)
{
	if (!is_wanted(ask))
		return nobody_waits(f);
	if (deadline_ms - clock_ticks_ms() <= least_ms(m, next))
		return fault_set(f, FAULT_SLOW,
		    "a model is gone, and too little time was left to ask the "
		    "next");
	return 0;
}

int
models_ask(struct models *m, const struct gen_ask *ask, int64_t deadline_ms,
    struct models_answer *answer, struct fault *f)
{
	struct model *turns[MODELS_MAX];
	struct round r;
	size_t i;
	int rc;

	MUST(ask->images >= 1 && ask->images <= GEN_IMAGES_MAX);
	MUST(answer->docs == NULL && f->kind == FAULT_NONE);
	answer->count = ask->images;
	if (m->needs_key && trimmed(m->key).n == 0)
		return fault_set(
		    f, FAULT_REMOTE, "no model key is set: set GEMINI_API_KEY");
	answer->docs = calloc(1, sizeof *answer->docs);
	if (answer->docs == NULL)
		return fault_set(f, FAULT_MEMORY, "ask the models");
	line_up(m, turns);
	for (i = 0; i < m->count; i++) {
		if (i > 0 && check_next(m, turns[i], ask, deadline_ms, f) == -1)
			return -1;
		round_init(&r, m, turns[i], ask, answer);
		rc = ask_model(m, &r, deadline_ms, f);
		if (rc == 0)
			turns[i]->gone_until_ms = 0; /* it came back */
		if (rc == 0 || f->kind != FAULT_ABSENT)
			return rc;
		*f = FAULT_INIT; /* perhaps the next one exists */
		leave_out(turns[i], ask);
	}
	return fault_set(f, FAULT_REMOTE,
	    "none of the models exists any more: check IMAGE_MODELS");
}
