/*
 * retry - whether a request may be sent again, and after what wait: the
 * "standard" mode of the AWS SDKs.
 *
 * The wait is a random part of a time that doubles.  All retries of a
 * process share a budget that successes refill, so that a storage which is
 * down is not asked three times as often as one that is well.
 */
#ifndef AWS_RETRY_H
#define AWS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RETRY_BUDGET = 500,       /* tokens, at most and at the beginning   */
	RETRY_COST = 14,          /* of a retry                             */
	RETRY_COST_THROTTLED = 5, /* of one that S3 asked to wait for       */
	RETRY_BASE_MS = 50,
	RETRY_BASE_THROTTLED_MS = 1000,
	RETRY_MAX_MS = 20000,
	RETRY_OBEY_MS = 5000 /* a server's own wait adds so much at most   */
};

struct retry {
	int tokens;
};

#define RETRY_INIT ((struct retry){ .tokens = RETRY_BUDGET })

/* Takes the cost of one retry: it, or 0 when the budget is spent. */
int retry_take(struct retry *r, bool throttled);

/* A request was done: gives back what its last retry took, or, when it
 * needed none (0), one token. */
void retry_give(struct retry *r, int taken);

/*
 * How long to wait before a retry, of which there were `before`.  asked_ms
 * is what the server asked for, -1 for nothing: it is obeyed, as far as it
 * is not shorter than our own wait or more than RETRY_OBEY_MS longer.
 */
int64_t retry_wait_ms(int before, bool throttled, int64_t asked_ms);

#endif
