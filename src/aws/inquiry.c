#include "aws/inquiry.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "codec/text.h"

enum { HOST_SIZE = 64 };

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
inquiry_pause(int64_t ms, int64_t deadline_ms, int stop_fd)
{
	const int64_t until_ms = clock_ticks_ms() + ms;
	int64_t left_ms;

	if (until_ms >= deadline_ms)
		return false;
	while ((left_ms = until_ms - clock_ticks_ms()) > 0)
		if (clock_is_stopped(stop_fd, left_ms))
			return false;
	return true;
}

bool
inquiry_host(const char *url, struct view *host)
{
	const size_t scheme = strncmp(url, "https://", 8) == 0  ? 8
			      : strncmp(url, "http://", 7) == 0 ? 7
								: 0;
	const char *p = url + scheme;
	size_t n, i;

	for (i = 0; url[i] != '\0'; i++)
		if (url[i] <= ' ' || url[i] > '~' || url[i] == '\\')
			return false;
	if (p[0] == '[')
		n = strcspn(p, "]") + 1;
	else
		n = strcspn(p, ":/?#@");
	if (scheme == 0 || n == 0 || n > strlen(p))
		return false;
	*host = (struct view){ p, n };
	p += n;
	if (p[0] == ':')
		p += 1 + strspn(p + 1, "0123456789");
	return p[0] == '\0' || p[0] == '/' || p[0] == '?';
}

bool
inquiry_is_loopback(struct view host)
{
	struct in_addr address;
	char text[HOST_SIZE];

	if (text_same(host, VIEW("localhost")) || view_is(host, "[::1]"))
		return true;
	if (host.n >= HOST_SIZE)
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 &&
	       ntohl(address.s_addr) >> 24 == 127;
}
