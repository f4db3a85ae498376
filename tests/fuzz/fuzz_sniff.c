#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An accepted image has pixels, and bytes after its end change nothing. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = FAULT_INIT;
	struct sniff s, longer;
	char *copy;

	if (sniff_image(&s, (struct view){ (const char *)data, size }, &f) ==
	    -1) {
		MUST(f.kind == FAULT_INPUT && f.text[0] != '\0');
		return 0;
	}
	MUST(s.kind < SNIFF_KINDS && s.width > 0 && s.height > 0);
	copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '!';
	MUST(sniff_image(&longer, (struct view){ copy, size + 1 }, &f) == 0);
	MUST(longer.kind == s.kind && longer.width == s.width &&
	     longer.height == s.height);
	free(copy);
	return 0;
}
