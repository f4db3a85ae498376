#include <stdint.h>

#include "app/ask.h"
#include "codec/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted keeps every promise of the contract; what is refused
 * says so with one of two kinds. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view body = { (const char *)data, size };
	struct buf used = BUF_INIT(1 << 20);
	struct fault f = FAULT_INIT;
	struct ask a = ASK_INIT;

	if (ask_parse(&a, body, &f) == -1) {
		MUST(f.kind == FAULT_INPUT || f.kind == FAULT_RANGE);
		MUST(f.text[0] != '\0');
		return 0;
	}
	MUST(a.num_images >= 1 && a.num_images <= 4);
	MUST(a.description.n > 0);
	MUST(text_characters(a.description) <= ASK_DESCRIPTION_MAX);
	ask_parameters(&a, &used);
	MUST(!used.spoilt);
	buf_fini(&used);
	ask_fini(&a);
	return 0;
}
