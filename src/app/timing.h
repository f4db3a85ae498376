/*
 * timing - how long the phases of one request took.
 *
 * One table (timing.tbl.h) has the phases.  What has not begun takes no part.
 */
#ifndef APP_TIMING_H
#define APP_TIMING_H

#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"

#define PHASE(phase, header, log) TIMING_##phase,
enum timing_phase {
#include "app/timing.tbl.h"
	TIMING_PHASES
};
#undef PHASE

struct timing {
	int64_t began_us; /* the request, by clock_ticks_us  */
	int64_t spent_us[TIMING_PHASES];
	bool has_been[TIMING_PHASES];
};

/* The request begins now. */
void timing_begin(struct timing *t);

/* A phase ends that began at that time (clock_ticks_us); one that comes
 * again takes as long as all its turns. */
void timing_add(struct timing *t, enum timing_phase phase, int64_t began_us);

/*
 * Appends the header Server-Timing (W3C Server Timing, section 3) as a line
 * with its end: each phase in milliseconds, and the whole until total_us
 * after the beginning.
 */
void timing_header(const struct timing *t, int64_t total_us, struct buf *out);

/* Writes the fields that the log has of it: how many, TIMING_PHASES at most. */
size_t timing_fields(
    const struct timing *t, struct log_field fields[TIMING_PHASES]);

#endif
