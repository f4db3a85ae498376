/*
 * metrics - what the processes of one host have done, counted together in
 * the file RUN_DIR/metrics, and who of them is alive.
 *
 * To count is a relaxed addition or two: it never fails, waits or calls the
 * system, and is safe before metrics_open and after metrics_close, when only
 * this process sees it.  Counters live as long as the file, however their
 * writers die.  What is alive is no counter: each worker holds a lock on a
 * slot of its own (an open-file-description lock), which the kernel drops at
 * its death; so nothing that a killed process leaves behind is wrong.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

#define COUNTER(id, name, a, b, help) METRICS_##id,
#define HISTOGRAM(id, name, a, help) METRICS_##id,
#define GAUGE(id, name, a, b, help) METRICS_##id,
enum metrics_id {
#include "base/metrics.tbl.h"
	METRICS_COUNT
};

#define ROLE(id, name) METRICS_##id##_ROLE,
enum metrics_role {
#include "base/metrics.tbl.h"
	METRICS_ROLES
};

enum {
	METRICS_NAME_MAX = 63,    /* of a label's value; longer is "other"  */
	METRICS_SLOTS = 2048,     /* processes; more of them go unseen      */
	METRICS_FOLLOW_MS = 1000, /* between looks whether it was replaced  */
	METRICS_TEXT_MAX = 1 << 20
};

/*
 * From here on counts go to the file in the folder (a text that stays),
 * which is made when needed.  A guest, such as an operator's command, makes
 * none, and has nothing to say when there is none that it may open; for all
 * others that is logged, once, and counts stay with this process.
 */
void metrics_open(const char *folder, bool is_guest);
void metrics_close(void);

/* Between two pieces of work: goes over to a new file when ours was removed.
 * Looks once in METRICS_FOLLOW_MS; now_us as in clock_ticks_us. */
void metrics_follow(int64_t now_us);

/* From here on this process is seen to be alive in that role. */
void metrics_begin(enum metrics_role role);

/* The role of that name; METRICS_OTHER_ROLE for any other. */
enum metrics_role metrics_role_named(struct view name);

/* It is at work since then (clock_ticks_us), or at rest. */
void metrics_busy(int64_t since_us);
void metrics_idle(void);

/* The word for how something ended: "ok", or that of the fault. */
const char *metrics_outcome(enum fault_kind kind);

/* Adds n to a counter.  Labels that it does not have are NULL; a value that
 * is new is learnt while there is room. */
void metrics_count(
    enum metrics_id id, const char *a, const char *b, uint64_t n);

/* Adds a duration to a histogram. */
void metrics_observe(enum metrics_id id, const char *a, int64_t us);

struct metrics_living {
	int busy;
	int idle;
	int64_t longest_us; /* at work by now, of those that are; or 0 */
};

/* Who is alive, by role.  A few system calls a process. */
void metrics_living(struct metrics_living out[METRICS_ROLES]);

const char *metrics_role_word(enum metrics_role role); /* "fast" */

/*
 * The text exposition format 0.0.4 of Prometheus.  A gauge is its head, once,
 * and then its samples; labels as for metrics_count.  Everything that is kept
 * in the file is written by one call; counts of 0 that have a label are left
 * out.
 */
void metrics_write_head(struct buf *out, enum metrics_id id);
void metrics_write(struct buf *out, enum metrics_id id, const char *a,
    const char *b, double value);
void metrics_write_counted(struct buf *out);

#endif
