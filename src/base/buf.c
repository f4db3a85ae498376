#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 256 };

struct view
view_str(const char *s)
{
	return s == NULL ? VIEW("") : (struct view){ s, strlen(s) };
}

bool
view_is(struct view v, const char *s)
{
	return v.n == strlen(s) && memcmp(v.p, s, v.n) == 0;
}

bool
view_begins(struct view v, const char *s)
{
	const size_t n = strlen(s);

	return v.n >= n && memcmp(v.p, s, n) == 0;
}

bool
view_ends(struct view v, const char *s)
{
	const size_t n = strlen(s);

	return v.n >= n && memcmp(v.p + v.n - n, s, n) == 0;
}

bool
view_same(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
view_has(struct view v, const char *s)
{
	return memmem(v.p, v.n, s, strlen(s)) != NULL;
}

/* Makes room for n more bytes and a NUL, or spoils the buf. */
static bool
make_room(struct buf *b, size_t n)
{
	size_t cap = b->cap == 0 ? FIRST_ROOM : b->cap;
	char *data;

	MUST(b->limit < SIZE_MAX);
	if (n > b->limit - b->len)
		b->spoilt = true;
	if (b->spoilt)
		return false;
	while (cap < b->len + n + 1)
		cap = cap <= b->limit / 2 ? cap * 2 : b->limit + 1;
	if (cap == b->cap)
		return true;
	data = realloc(b->data, cap);
	if (data == NULL) {
		b->spoilt = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

char *
buf_room(struct buf *b, size_t n)
{
	char *at;

	if (!make_room(b, n))
		return NULL;
	at = b->data + b->len;
	b->len += n;
	b->data[b->len] = '\0';
	return at;
}

void
buf_add(struct buf *b, struct view v)
{
	char *at;

	if (v.n == 0)
		return;
	at = buf_room(b, v.n);
	if (at != NULL)
		memcpy(at, v.p, v.n);
}

/* Most texts fit the room that is there, and are then written at once. */
void
buf_fmt(struct buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	if (!make_room(b, 0))
		return;
	room = b->cap - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n < 0)
		b->spoilt = true;
	if (n > 0 && make_room(b, (size_t)n)) {
		if ((size_t)n >= room) {
			va_start(ap, fmt);
			(void)vsnprintf(
			    b->data + b->len, (size_t)n + 1, fmt, ap);
			va_end(ap);
		}
		b->len += (size_t)n;
	}
	b->data[b->len] = '\0'; /* nothing stays of what did not fit */
}

/* Bytes of the UTF-8 character at p (RFC 3629), or 0 when it is none. */
static size_t
utf8_at(const unsigned char *p, size_t n)
{
	size_t len, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/* How many bytes from p on may stand in a JSON string as they are. */
static size_t
plain_run(const unsigned char *p, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = utf8_at(p + i, n - i);
		if (len == 0 || p[i] < 0x20 || p[i] == 0x7f || p[i] == '"' ||
		    p[i] == '\\')
			break;
	}
	return i;
}

static void
escape_byte(struct buf *b, unsigned char byte)
{
	if (byte >= 0x80)
		buf_add(b, VIEW("\\ufffd"));
	else if (byte == '"' || byte == '\\')
		buf_fmt(b, "\\%c", byte);
	else
		buf_fmt(b, "\\u%04x", byte);
}

void
buf_json(struct buf *b, struct view v)
{
	const unsigned char *p = (const unsigned char *)v.p;
	size_t i, run;

	buf_add(b, VIEW("\""));
	for (i = 0; i < v.n; i++) {
		run = plain_run(p + i, v.n - i);
		buf_add(b, (struct view){ v.p + i, run });
		i += run;
		if (i < v.n)
			escape_byte(b, p[i]);
	}
	buf_add(b, VIEW("\""));
}

int
buf_done(const struct buf *b, struct fault *f)
{
	if (!b->spoilt)
		return 0;
	return fault_set(
	    f, FAULT_MEMORY, "text over %zu bytes, or no memory", b->limit);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

struct view
buf_view(const struct buf *b)
{
	return (struct view){ buf_str(b), b->len };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->spoilt = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = BUF_INIT(b->limit);
}
