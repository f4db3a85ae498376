/*
 * progress - how far a job's transfer is, in words and bars.  Pure: widths
 * and clocks come from the caller, and what is to be written goes to it.
 *
 * On a terminal one line is drawn over itself, PROGRESS_DRAW_MS apart at
 * least; elsewhere a line is written at the beginning, PROGRESS_LINE_MS apart
 * at least, and at the end.  Names of strangers are made safe to show.
 */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdint.h>

#include "base/buf.h"
#include "disk/jobs.h"

enum {
	PROGRESS_DRAW_MS = 100,
	PROGRESS_LINE_MS = 5000,
	PROGRESS_TEXT_MAX = 16 << 10 /* enough for what one call appends */
};

/* --- one moment, in words --- */

struct progress_view {
	struct jobs_progress now;
	int64_t rate;     /* bytes a second; 0: not known       */
	const char *path; /* what is at hand, or ""             */
};

/*
 * Appends one line without its end, at most `columns` wide: bar, percent,
 * bytes, files, rate, time left and as much of the path's end as there is
 * room for; what does not fit is left out from the right.
 */
void progress_render(
    const struct progress_view *v, size_t columns, struct buf *out);

/* Appends "17 B", "3.4 GiB": powers of 1024, cut to a tenth. */
void progress_bytes(struct buf *out, int64_t bytes);

/* Appends "0:48", "26:03:09". */
void progress_span(struct buf *out, int64_t seconds);

/*
 * Appends a text with all that could move a cursor or lie about the order of
 * letters, and all that is not UTF-8, as \xNN a byte.  What is safe already
 * stays as it is.
 */
void progress_safe(struct buf *out, struct view text);

/* --- from beginning to end --- */

enum progress_form {
	PROGRESS_SILENT, /* nothing is ever appended */
	PROGRESS_LINES,
	PROGRESS_TERMINAL
};

struct progress {
	enum progress_form form;
	const char *what; /* lent: "persist-job job-1" */
	struct jobs_progress now;
	int64_t rate;
	int64_t began_ms;
	int64_t told_ms; /* -1: not yet */
	int64_t sampled_ms;
	int64_t moved; /* bytes since then */
	bool has_moved;
	bool has_begun;
	bool is_drawn;
};

void progress_begin(struct progress *p, enum progress_form form,
    const char *what, int64_t ticks_ms);

struct progress_news {
	struct jobs_progress now;
	const char *path;
	bool is_idle;   /* what is new was done already: no sign of speed */
	size_t columns; /* of the terminal                                */
	int64_t ticks_ms;
};

void progress_tell(
    struct progress *p, const struct progress_news *news, struct buf *out);

/* A whole line that stays, made safe; a drawn one gives way to it. */
void progress_say(struct progress *p, struct view line, struct buf *out);

/* Erases what is drawn; the last line where there are lines. */
void progress_end(struct progress *p, int64_t ticks_ms, struct buf *out);

#endif
