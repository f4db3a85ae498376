/*
 * ask - what a generate request asks for: the body, read and checked.
 *
 * Pure.  Wrong JSON and wrong types are FAULT_INPUT, values outside the
 * documented range or list FAULT_RANGE, each with the field's name and what
 * was got; see docs/API.md.
 */
#ifndef APP_ASK_H
#define APP_ASK_H

#include <stdint.h>

#include "base/buf.h"
#include "codec/json.h"
#include "gen/gen.h"

enum { ASK_DESCRIPTION_MAX = 4000, ASK_JSON_DEPTH_MAX = 16 };

struct ask {
	struct view description; /* trimmed; 1 to 4000 characters */
	int num_images;
	const char *aspect_ratio;
	const char *output_format;
	struct view negative_prompt; /* empty: none */
	bool has_seed;
	uint32_t seed;
	const char *safety_filter_level; /* or NULL */
	const char *person_generation;   /* or NULL */
	bool include_base64;
	struct json_doc *doc; /* owns the texts above */
};

#define ASK_INIT ((struct ask){ .doc = NULL })

int ask_parse(struct ask *out, struct view body, struct fault *f);
void ask_fini(struct ask *a);

/* The media type that an output_format names. */
const char *ask_media_type(const struct ask *a);

/* Appends the request as "parameters_used": an object, nulls where unset. */
void ask_parameters(const struct ask *a, struct buf *out);

#endif
