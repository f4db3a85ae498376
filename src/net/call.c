#include "net/call.h"

#include <string.h>

#include "base/clock.h"
#include "codec/text.h"

enum { HOST_SHOWN_MAX = 100 };

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

void
call_begin_head(struct http_call *call)
{
	call->retry_after_ms = -1;
	buf_clear(&call->reply_headers);
}

void
call_forget(struct http_call *call)
{
	call->status = 0;
	call->sent = false;
	call->waited = false;
	call->fault = FAULT_INIT;
	buf_clear(&call->reply);
	call_begin_head(call);
}

/*
 * Adds what came to out, or says why it cannot: whoever sends the call would
 * have a vaguer word for it.
 */
static int
collect(
    struct http_call *call, struct buf *out, struct view came, const char *what)
{
	if (came.n > out->limit - out->len)
		return fault_set(&call->fault, FAULT_REMOTE,
		    "%s over %zu bytes", what, out->limit);
	buf_add(out, came);
	return buf_done(out, &call->fault);
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

int
call_take_header(struct http_call *call, struct view line)
{
	read_retry_after(call, line);
	if (call->reply_headers.limit == 0)
		return 0;
	return collect(call, &call->reply_headers, line, "reply headers");
}

int
call_take_body(struct http_call *call, int status, struct view came)
{
	if (call->sink == NULL || status / 100 != 2)
		return collect(call, &call->reply, came, "reply");
	if (call->sink(call, came) == 0)
		return 0;
	return fault_set(&call->fault, FAULT_REMOTE, "its reply was not taken");
}

int64_t
call_body_size(const struct http_call *call)
{
	return call->source != NULL ? call->body_size : (int64_t)call->body.n;
}

int64_t
call_read_body(struct http_call *call, char *p, size_t n, int64_t offset)
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

/* A URL that prepare was still to write has no host. */
void
call_name_host(struct http_call *call)
{
	struct view host;

	if (call->url == NULL)
		return;
	host = host_of(call->url);
	(void)fault_while(&call->fault, "ask %.*s", (int)host.n, host.p);
}
