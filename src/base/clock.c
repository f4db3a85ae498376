#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/fault.h"

static struct timespec
read_clock(clockid_t which)
{
	struct timespec t;

	MUST(clock_gettime(which, &t) == 0);
	return t;
}

int64_t
clock_now_ms(void)
{
	const struct timespec t = read_clock(CLOCK_REALTIME);

	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_ticks_us(void)
{
	const struct timespec t = read_clock(CLOCK_MONOTONIC);

	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_ticks_ms(void)
{
	return clock_ticks_us() / 1000;
}

void
clock_sleep_ms(int64_t ms)
{
	struct timespec left = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	MUST(ms >= 0);
	while (nanosleep(&left, &left) == -1)
		MUST(errno == EINTR);
}

bool
clock_is_stopped(int stop_fd, int64_t wait_ms)
{
	struct pollfd stop = { .fd = stop_fd > 0 ? stop_fd : -1,
		.events = POLLIN };

	return poll(&stop, 1, wait_ms > 0 ? (int)wait_ms : 0) == 1;
}

static void
stamp(char out[CLOCK_STAMP_SIZE], struct timespec t)
{
	struct tm tm;

	MUST(gmtime_r(&t.tv_sec, &tm) != NULL);
	(void)snprintf(out, CLOCK_STAMP_SIZE,
	    "%04u-%02u-%02uT%02u:%02u:%02u.%06u+00:00",
	    (unsigned)(tm.tm_year + 1900) % 10000u,
	    (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
	    (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
	    (unsigned)tm.tm_sec % 100u,
	    (unsigned)(t.tv_nsec / 1000) % 1000000u);
}

void
clock_stamp(char out[CLOCK_STAMP_SIZE])
{
	stamp(out, read_clock(CLOCK_REALTIME));
}

void
clock_stamp_of(char out[CLOCK_STAMP_SIZE], int64_t ms)
{
	stamp(out, (struct timespec){ .tv_sec = ms / 1000,
		       .tv_nsec = (long)(ms % 1000) * 1000000 });
}

uint32_t
clock_chance(uint32_t below)
{
	uint64_t wide;

	MUST(below >= 1);
	MUST(getrandom(&wide, sizeof wide, 0) == (ssize_t)sizeof wide);
	return (uint32_t)(wide % below);
}
