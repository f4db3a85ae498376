#include <stdint.h>

#include "codec/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A whole head stays whole, and a bad one bad, whatever follows it; what
 * asks for more has not reached the limit. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view all = { (const char *)data, size };
	const struct view half = { all.p, size / 2 };
	const enum record_look now = record_look(all);
	const enum record_look before = record_look(half);

	MUST(before == RECORD_MORE || before == now);
	MUST(now != RECORD_MORE || size < RECORD_HEAD_MAX);
	return 0;
}
