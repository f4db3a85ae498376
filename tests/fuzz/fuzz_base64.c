#include <stdint.h>
#include <string.h>

#include "codec/text.h"

enum { LIMIT = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is exactly what would have been written; and back. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	struct buf plain = BUF_INIT(LIMIT), coded = BUF_INIT(LIMIT);
	struct fault f = FAULT_INIT;

	if (text_unbase64(in, &plain, &f) == 0) {
		text_base64(&coded, buf_view(&plain));
		MUST(coded.len == size && coded.len % 4 == 0);
		MUST(memcmp(buf_str(&coded), data, size) == 0);
	} else {
		MUST(f.kind == FAULT_INPUT);
	}
	buf_clear(&plain);
	buf_clear(&coded);
	f = FAULT_INIT;
	text_base64(&coded, in);
	MUST(coded.len == text_base64_size(size));
	MUST(text_unbase64(buf_view(&coded), &plain, &f) == 0);
	MUST(plain.len == size && memcmp(buf_str(&plain), data, size) == 0);
	buf_fini(&plain);
	buf_fini(&coded);
	return 0;
}
