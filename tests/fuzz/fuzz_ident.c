#include <stdint.h>
#include <string.h>

#include "codec/ident.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is accepted must be the very same bytes, and only safe ones. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	struct fault f = FAULT_INIT, g = FAULT_INIT;
	struct image_id image;
	struct job_id job;

	if (image_id_parse(&image, in, &f) == -1) {
		MUST(f.kind == FAULT_INPUT && f.field != NULL);
		MUST(job_id_parse(&job, in, &g) == -1);
		return 0;
	}
	MUST(job_id_parse(&job, in, &g) == 0);
	MUST(strcmp(image.text, job.text) == 0);
	MUST(size >= 1 && size <= IDENT_MAX && strlen(image.text) == size);
	MUST(memcmp(image.text, data, size) == 0);
	MUST(strspn(image.text, LETTERS DIGITS "_-") == size);
	MUST(strspn(image.text, LETTERS DIGITS) > 0);
	MUST(ident_is_request_id(in) == (size <= 64));
	return 0;
}
