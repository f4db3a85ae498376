#include "pool/pace.h"

int64_t
pace_pause_ms(int64_t lived_ms, int64_t last_ms)
{
	if (lived_ms >= PACE_SOUND_MS)
		return 0;
	if (last_ms < PACE_FIRST_MS)
		return PACE_FIRST_MS;
	return last_ms < PACE_MOST_MS / 2 ? 2 * last_ms : PACE_MOST_MS;
}
