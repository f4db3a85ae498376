/*
 * finding - what a check of `charref doctor` found, and what to do about it.
 */
#ifndef APP_FINDING_H
#define APP_FINDING_H

#include "base/buf.h"

enum finding_state {
	FINDING_OK,
	FINDING_WARNING, /* it works, and somebody should know */
	FINDING_FAILED,
	FINDING_SKIPPED /* the check it needs failed, or the thing is off */
};

enum { FINDING_MAX = 64 << 10, FINDING_LINE_MAX = 2 * FINDING_MAX };

struct finding {
	enum finding_state state;
	struct buf found;  /* lines, without the last end */
	struct buf remedy; /* the same; empty: nothing to do */
};

#define FINDING_INIT                                                           \
	((struct finding){                                                     \
	    .found = BUF_INIT(FINDING_MAX), .remedy = BUF_INIT(FINDING_MAX) })

void finding_fini(struct finding *it);

/* Says the state and what was found in place of what was said before. */
void finding_say(struct finding *it, enum finding_state state, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* Raises the state to that, never lowers it, and adds to what was found. */
void finding_add(struct finding *it, enum finding_state state, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* Adds a line of what to do. */
void finding_advise(struct finding *it, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

const char *finding_word(enum finding_state state); /* "ok", "FAILED" */

/* Appends it for people: a line, and indented ones.  Bytes that could move a
 * terminal's cursor become '?'. */
void finding_print(const struct finding *it, const char *name, bool in_colour,
    struct buf *out);

/* Appends it as a JSON object: name, state, found, remedy (null: none). */
void finding_json(const struct finding *it, const char *name, struct buf *out);

#endif
