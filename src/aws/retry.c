#include "aws/retry.h"

#include "base/clock.h"

int
retry_take(struct retry *r, bool throttled)
{
	const int cost = throttled ? RETRY_COST_THROTTLED : RETRY_COST;

	if (r->tokens < cost)
		return 0;
	r->tokens -= cost;
	return cost;
}

void
retry_give(struct retry *r, int taken)
{
	r->tokens += taken == 0 ? 1 : taken;
	if (r->tokens > RETRY_BUDGET)
		r->tokens = RETRY_BUDGET;
}

int64_t
retry_wait_ms(int before, bool throttled, int64_t asked_ms)
{
	int64_t most = throttled ? RETRY_BASE_THROTTLED_MS : RETRY_BASE_MS;
	int64_t wait;

	while (before-- > 0 && most < RETRY_MAX_MS)
		most *= 2;
	if (most > RETRY_MAX_MS)
		most = RETRY_MAX_MS;
	wait = clock_chance((uint32_t)most + 1);
	if (asked_ms <= wait)
		return wait;
	return asked_ms < wait + RETRY_OBEY_MS ? asked_ms
					       : wait + RETRY_OBEY_MS;
}
