/*
 * reply - what must hold of any body that a model replies with, read as a
 * 200 and as a refusal.
 */
#ifndef TESTS_REPLY_H
#define TESTS_REPLY_H

#include <stdint.h>

#include "gen/gen.h"

static volatile char last_seen;

/* Every image has one outcome, and its bytes (ASan looks) are there. */
static inline void
check_image(const struct gen_image *image, size_t size)
{
	size_t i;

	if (image->outcome != GEN_OK) {
		MUST(image->outcome == GEN_FILTERED ||
		     image->outcome == GEN_FAILED);
		MUST((image->outcome == GEN_FILTERED) ==
		     (image->why.kind == FAULT_FILTERED));
		MUST(image->why.kind != FAULT_NONE && image->base64.n == 0);
		return;
	}
	MUST(image->why.kind == FAULT_NONE);
	MUST(image->base64.n > 0 && image->base64.n <= size);
	for (i = 0; i < image->base64.n; i++)
		last_seen = image->base64.p[i];
}

static inline void
check_images(const struct gen_dialect *dialect, const struct json_value *root,
    size_t size)
{
	const int most = dialect->batch ? GEN_IMAGES_MAX : 1;
	struct gen_image images[GEN_IMAGES_MAX], *last;
	int n, i;

	for (n = 1; n <= most; n++) {
		/* At the end of the array, so that ASan sees one too many. */
		last = images + GEN_IMAGES_MAX - n;
		gen_read(dialect, root, last, n);
		for (i = 0; i < n; i++)
			check_image(&last[i], size);
	}
}

static inline void
check_refusals(const struct json_value *root)
{
	static const int statuses[] = { 400, 401, 403, 404, 429, 500, 503,
		504 };
	struct fault f;
	size_t i;

	for (i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		f = FAULT_INIT;
		MUST(gen_refusal(statuses[i], root, &f) == -1);
		MUST(f.kind != FAULT_NONE && f.text[0] != '\0');
		MUST(f.retry_after_s >= 0);
		MUST(f.kind != FAULT_BUSY || f.retry_after_s > 0);
	}
	MUST(gen_retry_delay_ms(root) >= -1);
	(void)gen_is_daily_quota(root);
	(void)gen_is_unpayable(root);
}

static inline void
check_reply(const struct gen_dialect *dialect, const uint8_t *data, size_t size)
{
	const struct view body = { (const char *)data, size };
	struct fault f = FAULT_INIT;
	struct json_doc *doc = NULL;

	if (json_open(&doc, body, GEN_JSON_DEPTH_MAX, &f) == -1) {
		MUST(doc == NULL &&
		     (f.kind == FAULT_INPUT || f.kind == FAULT_RANGE));
		return;
	}
	check_images(dialect, json_root(doc), size);
	check_refusals(json_root(doc));
	json_close(&doc);
}

#endif
