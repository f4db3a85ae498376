#include "sketch/predict.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/text.h"
#include "sketch/wire.h"

enum {
	NAP_MS = 100,
	SHOWN_CHARACTERS = 80, /* of a prompt, in the log */
	HEAD_MAX = 256,
	BIG_BYTES = 100 * 1024 * 1024,
	HUNG_UP = 499 /* as web servers log it; never sent */
};

/* Waits, unless the peer loses its patience: false then. */
static bool
sleep_while_wanted(const struct fcgi *c, int seconds)
{
	const int64_t until_ms = clock_ticks_ms() + seconds * 1000LL;

	while (clock_ticks_ms() < until_ms) {
		if (fcgi_peer_gone(c))
			return false;
		clock_sleep_ms(NAP_MS);
	}
	return true;
}

static void
refuse_fault(struct wire_reply *reply, const struct fault *f)
{
	buf_clear(&reply->body);
	if (f->kind == FAULT_ABSENT)
		wire_refuse(reply, WIRE_REFUSE_ABSENT, view_str(f->text));
	else if (fault_http(f->kind) < 500)
		wire_refuse(reply, WIRE_REFUSE_INPUT, view_str(f->text));
	else
		wire_refuse(reply, WIRE_REFUSE_BROKEN,
		    VIEW("Internal error encountered."));
}

static bool
key_is_good(const struct fcgi *c, const struct secret *key)
{
	return !secret_is_set(key) ||
	       secret_is(key, view_str(fcgi_param(c, "HTTP_X_GOOG_API_KEY")));
}

static bool
is_get(const struct fcgi *c)
{
	return view_is(view_str(fcgi_param(c, "REQUEST_METHOD")), "GET");
}

static int
read_request(struct fcgi *c, struct wire_request *r, struct fault *f)
{
	struct buf body = BUF_INIT(WIRE_BODY_MAX);
	int rc = -1;

	if (!view_is(view_str(fcgi_param(c, "REQUEST_METHOD")), "POST"))
		return fault_set(f, FAULT_ABSENT, "no such path");
	if (wire_check_timeout(
		view_str(fcgi_param(c, "HTTP_X_SERVER_TIMEOUT")), f) == 0 &&
	    fcgi_body(c, WIRE_BODY_MAX, &body, f) == 0)
		rc = wire_read(r, view_str(fcgi_param(c, "REQUEST_URI")),
		    buf_view(&body), f);
	buf_fini(&body);
	return rc;
}

/* A reply that never seems to end, and says nothing of its length. */
static void
send_big(struct fcgi *c)
{
	char filler[4096];
	size_t sent;

	for (sent = 0; sent < sizeof filler; sent++)
		filler[sent] = 'A';
	fcgi_put(
	    c, VIEW("Status: 200 OK\r\nContent-Type: application/json\r\n\r\n"
		    "{\"predictions\":[{\"mimeType\":\"image/png\","
		    "\"bytesBase64Encoded\":\""));
	for (sent = 0; sent < BIG_BYTES && !fcgi_peer_gone(c);
	     sent += sizeof filler)
		fcgi_put(c, (struct view){ filler, sizeof filler });
	fcgi_put(c, VIEW("\"}]}\n"));
}

static void
send_reply(struct fcgi *c, const struct wire_reply *reply, bool cut)
{
	struct buf head = BUF_INIT(HEAD_MAX);
	struct view body = buf_view(&reply->body);

	wire_head(reply, &head);
	if (cut)
		body.n /= 2;
	fcgi_put(c, buf_view(&head));
	fcgi_put(c, body);
	if (cut)
		fcgi_abandon(c);
	buf_fini(&head);
}

static void
log_served(const struct wire_request *r, int status, int64_t began_us,
    const struct fault *f)
{
	const struct view prompt =
	    text_cut(buf_view(&r->prompt), SHOWN_CHARACTERS);

	log_event(f->kind == FAULT_NONE ? LOG_INFO : LOG_WARN, "predict",
	    LOG_NUMBER("status", status),
	    LOG_NUMBER("ms", (clock_ticks_us() - began_us) / 1000),
	    LOG_TEXT("model", view_str(r->model)), LOG_TEXT("prompt", prompt),
	    LOG_TEXT("message", view_str(f->text)));
}

/* Makes the reply; false when nobody waits for it any more. */
static bool
make_reply(struct fcgi *c, const struct secret *key, struct wire_request *r,
    struct wire_reply *reply, struct fault *f)
{
	if (!key_is_good(c, key)) {
		wire_refuse(reply, WIRE_REFUSE_KEY,
		    VIEW("API key not valid. Please pass a valid API key."));
		return true;
	}
	if (is_get(c)) {
		if (wire_describe(
			reply, view_str(fcgi_param(c, "REQUEST_URI")), f) == -1)
			refuse_fault(reply, f);
		return true;
	}
	if (read_request(c, r, f) == -1) {
		refuse_fault(reply, f);
		return f->kind != FAULT_PEER;
	}
	if (!sleep_while_wanted(c, r->number[WIRE_DELAY]))
		return false;
	if (!r->asked[WIRE_BIG] && wire_answer(reply, r, f) == -1)
		refuse_fault(reply, f);
	return true;
}

void
predict_serve(struct fcgi *c, const struct secret *key)
{
	struct wire_request r = WIRE_REQUEST_INIT;
	struct wire_reply reply = WIRE_REPLY_INIT;
	struct fault f = FAULT_INIT;
	const int64_t began_us = clock_ticks_us();
	int status = 200;

	if (!make_reply(c, key, &r, &reply, &f)) {
		fcgi_abandon(c);
		status = HUNG_UP;
	} else if (r.asked[WIRE_BIG]) {
		send_big(c);
	} else {
		send_reply(c, &reply, r.asked[WIRE_CUT]);
		status = reply.status;
	}
	/* A reply cut off on purpose did not fail. */
	if (!fcgi_finish(c) && !r.asked[WIRE_CUT])
		status = HUNG_UP;
	log_served(&r, status, began_us, &f);
	wire_reply_fini(&reply);
	wire_request_fini(&r);
}
