/*
 * gen - what is asked of an image model, and what came of it.
 *
 * A dialect turns an ask into request documents and reads the answers:
 * both pure.  Sending, retrying and falling back to the next model is
 * gen/models.  Google's error envelope, which all dialects share, is read
 * here.
 */
#ifndef GEN_GEN_H
#define GEN_GEN_H

#include <stdint.h>

#include "base/buf.h"
#include "codec/json.h"

enum {
	GEN_IMAGES_MAX = 4,
	GEN_JSON_DEPTH_MAX = 32,
	GEN_BASE64_MAX = 32 << 20, /* of one image                        */
	GEN_REPLY_MAX = 64 << 20   /* of one reply of a model             */
};

struct gen_ask {
	struct view prompt;          /* as sent; valid UTF-8                 */
	int images;                  /* 1 to GEN_IMAGES_MAX                  */
	const char *aspect_ratio;    /* "3:4"                                */
	const char *media_type;      /* wished for: "image/png"              */
	struct view negative_prompt; /* empty: none              */
	bool has_seed;
	uint32_t seed;
	const char *safety_filter_level; /* "block_only_high", or NULL    */
	const char *person_generation;   /* "allow_adult", or NULL        */
};

enum gen_outcome { GEN_FAILED, GEN_FILTERED, GEN_OK };

/* What became of one image.  Lent by the documents it was read from. */
struct gen_image {
	enum gen_outcome outcome;
	struct view base64; /* of an OK one, unchecked                    */
	struct fault why;   /* of the others: FILTERED, or REMOTE ...     */
};

/*
 * One call of a model may yield several images (batch) or just one, and
 * then as many calls are made as images are asked for.
 */
struct gen_dialect {
	const char *prefix; /* of the model names that speak it: "imagen-" */
	const char *verb;   /* "predict" in …/models/NAME:predict          */
	bool batch;

	/* Appends the request document of call number `call`. */
	void (*write)(const struct gen_ask *ask, int call, struct buf *out);

	/*
	 * Reads a 200's document into images[0..n): each gets its outcome.
	 * Never fails: what it cannot make sense of is FAILED, REMOTE.
	 */
	void (*read)(
	    const struct json_value *reply, struct gen_image *images, int n);
};

/*
 * The fault that a reply with a status other than 200 stands for.  Its
 * text is ours; upstream words go to details only where they tell the user
 * about the prompt (a blocked one).  root may be NULL: not JSON.
 *
 *   400 blocked prompt  FILTERED      401 403 bad key   REMOTE
 *   404 unknown model   ABSENT        429               BUSY + retry_after_s
 *   500 and others      REMOTE        503               BUSY
 *   504                 SLOW
 */
int gen_refusal(int status, const struct json_value *root, struct fault *f);

/* Milliseconds of the error's RetryInfo.retryDelay, or -1 when none. */
int64_t gen_retry_delay_ms(const struct json_value *root);

/* A 429 that will not go away today: a quotaId that contains PerDay. */
bool gen_is_daily_quota(const struct json_value *root);

/* Records an image that was refused; reason is the model's own words. */
void gen_filtered(struct gen_image *image, struct view reason);

/* Records an image that did not come. */
void gen_failed(struct gen_image *image, const char *why);

#endif
