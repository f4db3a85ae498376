/*
 * buf - a growing byte string with a ceiling, and views into others'.
 *
 * Writers never fail one by one: the first that does not fit, or finds no
 * memory, spoils the buf, and the rest do nothing.  Ask once, at the end.
 * The bytes are always followed by a NUL that is not counted in len.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

/* Bytes that belong to someone else and outlive the call they are in. */
struct view {
	const char *p;
	size_t n;
};

#define VIEW(literal) ((struct view){ (literal), sizeof(literal) - 1 })
struct view view_str(const char *s); /* NULL is the empty view */
bool view_is(struct view v, const char *s);
bool view_same(struct view a, struct view b);
bool view_begins(struct view v, const char *s);
bool view_ends(struct view v, const char *s);
bool view_has(struct view v, const char *s); /* somewhere inside */

struct buf {
	char *data; /* owned, or NULL while empty */
	size_t len;
	size_t cap;
	size_t limit; /* len never passes this */
	bool spoilt;
};

#define BUF_INIT(max) ((struct buf){ .limit = (max) })

void buf_add(struct buf *b, struct view v);
void buf_fmt(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Appends v as a JSON string, quotes included (RFC 8259): control bytes are
 * escaped, bytes that are not UTF-8 become U+FFFD.  So no text can end its
 * own string, a line of the log, or the validity of the document.
 */
void buf_json(struct buf *b, struct view v);

/*
 * n more bytes for the caller to fill, or NULL when they do not fit (the
 * buf is spoilt).  Their content is undefined until written.
 */
char *buf_room(struct buf *b, size_t n);

/* The verdict on everything written so far: 0, or -1 with FAULT_MEMORY. */
int buf_done(const struct buf *b, struct fault *f);

const char *buf_str(const struct buf *b); /* "" while empty */
struct view buf_view(const struct buf *b);

/* Forgets the content and the verdict, keeps the memory. */
void buf_clear(struct buf *b);

/* Safe on an empty buf and on one already finished. */
void buf_fini(struct buf *b);

#endif
