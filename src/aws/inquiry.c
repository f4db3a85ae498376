#include "aws/inquiry.h"

#include "base/clock.h"
#include "base/file.h"
#include "codec/text.h"

static int64_t
enough(const struct http_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return HTTP_ENOUGH;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int
inquiry_ask(struct http *h, struct http_call *call, int64_t ms,
    int64_t deadline_ms, struct fault *f)
{
	http_run(h, call, 1, sooner(clock_ticks_ms() + ms, deadline_ms), enough,
	    NULL);
	if (call->fault.kind == FAULT_NONE)
		return 0;
	(void)fault_set(f, call->fault.kind, "%s", call->fault.text);
	return fault_details(f, "%s", call->fault.details);
}

static bool
is_busy(int status)
{
	return status == 429 || status >= 500;
}

bool
inquiry_may_pass(const struct http_call *call)
{
	return call->fault.kind != FAULT_NONE || is_busy(call->status);
}

int
inquiry_refused(const struct http_call *call, struct fault *f)
{
	const enum fault_kind kind = is_busy(call->status) ? FAULT_BUSY
				     : call->status >= 400 ? FAULT_DENIED
							   : FAULT_REMOTE;

	return fault_set(f, kind, "answered with status %d", call->status);
}

int
inquiry_junk(struct fault *f)
{
	if (f->kind != FAULT_MEMORY)
		f->kind = FAULT_REMOTE;
	return fault_while(f, "read its reply");
}

int
inquiry_check_token(struct view token, struct fault *f)
{
	size_t i;

	if (token.n == 0)
		return fault_set(f, FAULT_INPUT, "the token is empty");
	for (i = 0; i < token.n; i++)
		if (token.p[i] < ' ' || token.p[i] > '~')
			return fault_set(f, FAULT_INPUT,
			    "the token has a control byte, or none of ASCII");
	return 0;
}

int
inquiry_read_token(
    const char *path, struct buf *text, struct view *token, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (file_follow(path, text, &why) == 0) {
		*token = text_trim(buf_view(text));
		(void)inquiry_check_token(*token, &why);
	}
	if (why.kind == FAULT_NONE)
		return 0;
	return fault_set(f,
	    why.kind == FAULT_MEMORY ? FAULT_MEMORY : FAULT_INPUT,
	    "the token file %s: %s", path, why.text);
}

bool
inquiry_pause(int64_t ms, int64_t deadline_ms)
{
	if (clock_ticks_ms() + ms >= deadline_ms)
		return false;
	clock_sleep_ms(ms);
	return true;
}
