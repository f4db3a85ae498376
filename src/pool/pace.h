/*
 * pace - how soon a worker that died is started again.
 */
#ifndef POOL_PACE_H
#define POOL_PACE_H

#include <stdint.h>

enum {
	PACE_SOUND_MS = 1000, /* who lived so long was not a bad start */
	PACE_FIRST_MS = 50,
	PACE_MOST_MS = 1000
};

/*
 * Milliseconds to wait before the next start of a worker that lived
 * lived_ms, when last_ms were waited before this one: none after a sound
 * life, else twice the last, from PACE_FIRST_MS to PACE_MOST_MS.
 */
int64_t pace_pause_ms(int64_t lived_ms, int64_t last_ms);

#endif
