/* The body of any reply to :generateContent, as a 200 and as a refusal. */
#include <stdint.h>

#include "gen/gen_gemini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile char last_seen;

/* The image has one outcome, and its bytes (ASan looks) are there. */
static void
check_image(const struct json_value *root, size_t size)
{
	struct gen_image image;
	size_t i;

	gen_gemini.read(root, &image, 1);
	if (image.outcome != GEN_OK) {
		MUST(image.outcome == GEN_FILTERED ||
		     image.outcome == GEN_FAILED);
		MUST((image.outcome == GEN_FILTERED) ==
		     (image.why.kind == FAULT_FILTERED));
		MUST(image.why.kind != FAULT_NONE && image.base64.n == 0);
		return;
	}
	MUST(image.why.kind == FAULT_NONE);
	MUST(image.base64.n > 0 && image.base64.n <= size);
	for (i = 0; i < image.base64.n; i++)
		last_seen = image.base64.p[i];
}

static void
check_refusal(const struct json_value *root, int status)
{
	struct fault f = FAULT_INIT;

	MUST(gen_refusal(status, root, &f) == -1);
	MUST(f.kind != FAULT_NONE && f.text[0] != '\0');
	MUST(f.kind != FAULT_BUSY || f.retry_after_s > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view body = { (const char *)data, size };
	struct fault f = FAULT_INIT;
	struct json_doc *doc = NULL;

	if (json_open(&doc, body, GEN_JSON_DEPTH_MAX, &f) == -1) {
		MUST(doc == NULL &&
		     (f.kind == FAULT_INPUT || f.kind == FAULT_RANGE));
		return 0;
	}
	check_image(json_root(doc), size);
	check_refusal(json_root(doc), 400);
	check_refusal(json_root(doc), 429);
	check_refusal(json_root(doc), 503);
	MUST(gen_retry_delay_ms(json_root(doc)) >= -1);
	json_close(&doc);
	return 0;
}
