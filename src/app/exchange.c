#include "app/exchange.h"

#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "codec/text.h"

enum {
	KEY_MAX = 255, /* of an Idempotency-Key                 */
	/* In the log alone: */
	CUT_STATUS = 500,      /* we could not go on with the reply     */
	PEER_GONE_STATUS = 499 /* nobody was left to answer             */
};

/* v as a C string, cut to its room. */
static void
copy(char *out, size_t room, struct view v)
{
	const size_t n = v.n < room - 1 ? v.n : room - 1;

	memcpy(out, v.p, n);
	out[n] = '\0';
}

void
exchange_begin(struct exchange *x, struct fcgi *c)
{
	const struct view uri = view_str(fcgi_param(c, "REQUEST_URI"));
	const struct view id = view_str(fcgi_param(c, "HTTP_X_REQUEST_ID"));
	struct image_id made;

	*x = (struct exchange){
		.c = c, .reply = { .c = c }, .route = "other", .query = uri
	};
	timing_begin(&x->timing);
	if (!text_split(&x->query, '?', &x->path))
		x->path = x->query = VIEW("");
	copy(x->logged_path, sizeof x->logged_path, x->path);
	copy(x->method, sizeof x->method,
	    view_str(fcgi_param(c, "REQUEST_METHOD")));
	copy(x->pool, sizeof x->pool, view_str(fcgi_param(c, "CHARREF_POOL")));
	if (ident_is_request_id(id)) {
		copy(x->request_id, sizeof x->request_id, id);
	} else {
		image_id_make(&made);
		copy(x->request_id, sizeof x->request_id, view_str(made.text));
	}
	x->reply.request_id = view_str(x->request_id);
	x->reply.timing = &x->timing;
	x->reply.is_head = strcmp(x->method, "HEAD") == 0;
}

void
exchange_note_prompt(struct exchange *x, struct view prompt)
{
	copy(x->prompt, sizeof x->prompt,
	    text_cut(prompt, EXCHANGE_PROMPT_LOGGED));
}

/* What stands in a path or query, percent-decoded; field names it. */
static int
decode(struct view raw, const char *field, struct buf *out, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (raw.n > out->limit)
		return fault_in(f, FAULT_INPUT, field, "%s is too long", field);
	if (text_unescape(raw, out, &why) == -1)
		return fault_in(
		    f, FAULT_INPUT, field, "%s is not well encoded", field);
	return buf_done(out, f);
}

int
exchange_query(const struct exchange *x, const char *name, bool *given,
    struct buf *out, struct fault *f)
{
	struct view raw;

	*given = text_query(x->query, name, &raw);
	return *given ? decode(raw, name, out, f) : 0;
}

int
exchange_image_id(
    const struct exchange *x, struct image_id *out, struct fault *f)
{
	struct buf text = BUF_INIT(EXCHANGE_QUERY_MAX);
	int rc = decode(x->rest, "image_id", &text, f);

	if (rc == 0)
		rc = image_id_parse(out, buf_view(&text), f);
	buf_fini(&text);
	return rc;
}

int
exchange_job_id(const struct exchange *x, struct job_id *out, struct fault *f)
{
	struct buf text = BUF_INIT(EXCHANGE_QUERY_MAX);
	bool given;
	int rc = exchange_query(x, "job_id", &given, &text, f);

	out->text[0] = '\0';
	if (rc == 0 && given)
		rc = job_id_parse(out, buf_view(&text), f);
	buf_fini(&text);
	return rc;
}

static int
parse_redirect(struct view word, bool *out, struct fault *f)
{
	static const char *const words[] = { "false", "true", "0", "1", "no",
		"yes", "off", "on" };
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_same(word, view_str(words[i]))) {
			*out = i % 2 == 1;
			return 0;
		}
	return fault_in(
	    f, FAULT_RANGE, "redirect", "redirect must be true or false");
}

int
exchange_redirect(const struct exchange *x, bool *out, struct fault *f)
{
	struct buf text = BUF_INIT(EXCHANGE_QUERY_MAX);
	bool given;
	int rc = exchange_query(x, "redirect", &given, &text, f);

	*out = false;
	if (rc == 0 && given)
		rc = parse_redirect(buf_view(&text), out, f);
	buf_fini(&text);
	return rc;
}

/* Is this a weight of none, "q=0" with up to three zeros behind a point
 * (RFC 9110, 12.4.2)? */
static bool
is_refusal(struct view weight)
{
	static const char *const zeros[] = { "q=0", "q=0.", "q=0.0", "q=0.00",
		"q=0.000" };
	size_t i;

	for (i = 0; i < sizeof zeros / sizeof zeros[0]; i++)
		if (text_same(weight, view_str(zeros[i])))
			return true;
	return false;
}

bool
exchange_wants_json(const struct exchange *x)
{
	struct view rest = view_str(fcgi_param(x->c, "HTTP_ACCEPT"));
	struct view range, type;

	while (text_split(&rest, ',', &range))
		if (text_split(&range, ';', &type) &&
		    text_same(text_trim(type), VIEW("application/json")) &&
		    !is_refusal(text_trim(range)))
			return true;
	return false;
}

int
exchange_must_be_json(const struct exchange *x, struct fault *f)
{
	struct view rest = view_str(fcgi_param(x->c, "CONTENT_TYPE"));
	struct view type;

	if (text_split(&rest, ';', &type) &&
	    text_same(text_trim(type), VIEW("application/json")))
		return 0;
	return fault_set(
	    f, FAULT_MEDIA, "the body must be sent as application/json");
}

int
exchange_key(const struct exchange *x, struct view *key, struct fault *f)
{
	static const char name[] = "HTTP_IDEMPOTENCY_KEY";
	const int given = fcgi_param_count(x->c, name);

	*key = view_str(fcgi_param(x->c, name));
	if (given == 0 || (given == 1 && key->n > 0 && key->n <= KEY_MAX &&
			      text_is_visible(*key)))
		return 0;
	return fault_in(f, FAULT_INPUT, "Idempotency-Key",
	    "Idempotency-Key must be given once, as 1 to %d visible characters",
	    KEY_MAX);
}

/* The token of "Bearer TOKEN" (RFC 6750, 2.1), in any letter case; empty for
 * another scheme, which is for somebody between the client and us. */
static struct view
bearer_of(struct view authorization)
{
	struct view scheme;

	if (text_split(&authorization, ' ', &scheme) &&
	    text_same(scheme, VIEW("Bearer")))
		return text_trim(authorization);
	return VIEW("");
}

int
exchange_api_key(const struct exchange *x, struct view *key, struct fault *f)
{
	static const char own_name[] = "HTTP_X_API_KEY",
			  bearer_name[] = "HTTP_AUTHORIZATION";
	const struct view own = text_trim(view_str(fcgi_param(x->c, own_name)));
	const struct view bearer =
	    bearer_of(text_trim(view_str(fcgi_param(x->c, bearer_name))));

	*key = own.n > 0 ? own : bearer;
	if (fcgi_param_count(x->c, own_name) > 1 ||
	    fcgi_param_count(x->c, bearer_name) > 1)
		return fault_set(f, FAULT_KEYLESS,
		    "X-API-Key and Authorization may each be given once");
	if (own.n > 0 && bearer.n > 0 &&
	    (own.n != bearer.n || memcmp(own.p, bearer.p, own.n) != 0))
		return fault_set(f, FAULT_KEYLESS,
		    "X-API-Key and Authorization bring different keys");
	return 0;
}

/* One line a request, at a level that says who must care. */
static void
log_request(const struct exchange *x, int status, int64_t took_us,
    const struct fault *f)
{
	struct log_field fields[12 + TIMING_PHASES];
	size_t n = 0;

	fields[n++] = LOG_TEXT("request_id", x->reply.request_id);
	fields[n++] = LOG_TEXT("method", view_str(x->method));
	fields[n++] = LOG_TEXT("path", view_str(x->logged_path));
	fields[n++] = LOG_TEXT("pool", view_str(x->pool));
	fields[n++] = LOG_NUMBER("status", status);
	fields[n++] = LOG_NUMBER("ms", took_us / 1000);
	fields[n++] = LOG_NUMBER("bytes", x->reply.bytes);
	if (x->prompt[0] != '\0')
		fields[n++] = LOG_TEXT("prompt", view_str(x->prompt));
	if (x->images > 0)
		fields[n++] = LOG_NUMBER("images", x->images);
	n += timing_fields(&x->timing, &fields[n]);
	if (f->kind != FAULT_NONE) {
		fields[n++] = LOG_TEXT("error", view_str(fault_word(f->kind)));
		fields[n++] = LOG_TEXT("message", view_str(f->text));
		if (f->details[0] != '\0')
			fields[n++] = LOG_TEXT("details", view_str(f->details));
	}
	log_fields(status >= 500 ? LOG_ERROR : LOG_INFO, "request", fields, n);
}

/* One that another pool answers is counted there. */
static void
count_request(const struct exchange *x, int status, int64_t took_us)
{
	const char word[] = { (char)('0' + status / 100 % 10),
		(char)('0' + status / 10 % 10), (char)('0' + status % 10),
		'\0' };

	if (x->reply.is_handed_over)
		return;
	metrics_count(METRICS_REQUESTS, x->route, word, 1);
	metrics_observe(METRICS_REQUEST_SECONDS, x->route, took_us);
}

void
exchange_end(struct exchange *x, const struct fault *f)
{
	const bool whole = fcgi_finish(x->c);
	const int64_t took_us = clock_ticks_us() - x->timing.began_us;
	int status = whole ? x->reply.status : PEER_GONE_STATUS;

	if (x->reply.is_cut)
		status = CUT_STATUS;
	count_request(x, status, took_us);
	log_request(x, status, took_us, f);
}
