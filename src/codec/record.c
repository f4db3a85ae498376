#include "codec/record.h"

#include <string.h>

enum {
	VERSION = 1,
	BEGIN_REQUEST = 1,
	PARAMS = 4,
	RESPONDER = 1,
	HEADER_SIZE = 8,
	BEGIN_SIZE = 8
};

struct record {
	unsigned type;
	unsigned id;
	struct view content;
};

static unsigned
byte(struct view v, size_t at)
{
	return (unsigned char)v.p[at];
}

static void
skip(struct view *v, size_t n)
{
	v->p += n;
	v->n -= n;
}

/* Takes one record off the bytes; false while it is not all there. */
static bool
take_record(struct view *bytes, struct record *r)
{
	size_t length, padding;

	if (bytes->n < HEADER_SIZE)
		return false;
	r->type = byte(*bytes, 1);
	r->id = byte(*bytes, 2) << 8 | byte(*bytes, 3);
	length = byte(*bytes, 4) << 8 | byte(*bytes, 5);
	padding = byte(*bytes, 6);
	if (bytes->n - HEADER_SIZE < length + padding)
		return false;
	r->content = (struct view){ bytes->p + HEADER_SIZE, length };
	skip(bytes, HEADER_SIZE + length + padding);
	return true;
}

/* The next length of a pair: one byte, or four with the high bit set. */
static bool
take_length(struct view *params, size_t *length)
{
	if (params->n < 1)
		return false;
	*length = byte(*params, 0);
	if (*length < 0x80) {
		skip(params, 1);
		return true;
	}
	if (params->n < 4)
		return false;
	*length = (*length & 0x7f) << 24 | (size_t)byte(*params, 1) << 16 |
		  (size_t)byte(*params, 2) << 8 | byte(*params, 3);
	skip(params, 4);
	return true;
}

static bool
are_pairs(struct view params)
{
	size_t name, value;

	while (params.n > 0) {
		if (!take_length(&params, &name) ||
		    !take_length(&params, &value) || params.n < name ||
		    params.n - name < value)
			return false;
		skip(&params, name + value);
	}
	return true;
}

static bool
is_begin(const struct record *r)
{
	return r->type == BEGIN_REQUEST && r->id != 0 &&
	       r->content.n == BEGIN_SIZE && byte(r->content, 0) == 0 &&
	       byte(r->content, 1) == RESPONDER;
}

/* Pairs may straddle records, so the contents are put together first. */
enum record_look
record_look(struct view bytes)
{
	const bool is_full = bytes.n >= RECORD_HEAD_MAX;
	char params[RECORD_HEAD_MAX];
	struct record begin, r;
	size_t n = 0;

	if (is_full)
		bytes.n = RECORD_HEAD_MAX;
	if (bytes.n > 0 && byte(bytes, 0) != VERSION)
		return RECORD_BAD;
	if (!take_record(&bytes, &begin))
		return is_full ? RECORD_BAD : RECORD_MORE;
	if (!is_begin(&begin))
		return RECORD_BAD;
	while (take_record(&bytes, &r)) {
		if (r.type != PARAMS || r.id != begin.id)
			return RECORD_BAD;
		if (r.content.n == 0)
			return are_pairs((struct view){ params, n })
				   ? RECORD_WHOLE
				   : RECORD_BAD;
		memcpy(params + n, r.content.p, r.content.n);
		n += r.content.n;
	}
	return is_full ? RECORD_BAD : RECORD_MORE;
}
