/*
 * clock - the time of day, the time that only grows, sleep, and chance.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970 (UTC): for people and rows; may jump. */
int64_t clock_now_ms(void);

/* Microseconds of a clock that never jumps: for deadlines and durations. */
int64_t clock_ticks_us(void);
int64_t clock_ticks_ms(void);

/* Sleeps that long, also when signals come meanwhile. */
void clock_sleep_ms(int64_t ms);

/*
 * Has stop_fd become readable?  Waits for that wait_ms at most, none below 1,
 * or until a signal comes.  Without one (0 or below) it never has.
 */
bool clock_is_stopped(int stop_fd, int64_t wait_ms);

enum { CLOCK_STAMP_SIZE = 33 };

/*
 * Writes the time of day as ISO 8601 with microseconds,
 * "2026-11-22T10:15:00.123456+00:00", and a NUL.
 */
void clock_stamp(char out[CLOCK_STAMP_SIZE]);

/* The same of milliseconds since 1970, 0 or more. */
void clock_stamp_of(char out[CLOCK_STAMP_SIZE], int64_t ms);

/* An even random number in [0, below); below is at least 1. */
uint32_t clock_chance(uint32_t below);

#endif
