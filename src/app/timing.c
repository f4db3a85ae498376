#include "app/timing.h"

#include "base/clock.h"

#define PHASE(phase, header, log) { header, log },
static const struct {
	const char *header;
	const char *log; /* or NULL */
} phases[TIMING_PHASES] = {
#include "app/timing.tbl.h"
};
#undef PHASE

void
timing_begin(struct timing *t)
{
	*t = (struct timing){ .began_us = clock_ticks_us() };
}

void
timing_add(struct timing *t, enum timing_phase phase, int64_t began_us)
{
	t->spent_us[phase] += clock_ticks_us() - began_us;
	t->has_been[phase] = true;
}

/* In milliseconds, with the tenth that a quick one needs. */
static void
add_metric(struct buf *out, const char *name, int64_t us)
{
	buf_fmt(out, "%s;dur=%lld.%lld", name, (long long)(us / 1000),
	    (long long)(us / 100 % 10));
}

void
timing_header(const struct timing *t, int64_t total_us, struct buf *out)
{
	int i;

	buf_add(out, VIEW("Server-Timing: "));
	for (i = 0; i < TIMING_PHASES; i++) {
		if (!t->has_been[i])
			continue;
		add_metric(out, phases[i].header, t->spent_us[i]);
		buf_add(out, VIEW(", "));
	}
	add_metric(out, "total", total_us);
	buf_add(out, VIEW("\r\n"));
}

size_t
timing_fields(const struct timing *t, struct log_field fields[TIMING_PHASES])
{
	size_t n = 0;
	int i;

	for (i = 0; i < TIMING_PHASES; i++)
		if (phases[i].log != NULL && t->has_been[i])
			fields[n++] =
			    LOG_NUMBER(phases[i].log, t->spent_us[i] / 1000);
	return n;
}
