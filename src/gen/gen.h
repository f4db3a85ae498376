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
	GEN_REPLY_MAX = 64 << 20,  /* of one reply of a model             */

	/*
	 * Google refuses a request whose X-Server-Timeout is below this many
	 * seconds: "Manually set deadline 8s is too short."
	 */
	GEN_GOOGLE_FLOOR_S = 10
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

	struct view request_id; /* sent along as X-Request-Id; empty: none */

	/* Asked before anything is sent once more: does anyone still wait
	 * for the images?  NULL: somebody always does. */
	bool (*is_wanted)(const void *arg);
	const void *wanted_arg;
};

enum gen_outcome { GEN_FAILED, GEN_FILTERED, GEN_OK };

/* What became of one image.  Lent by the documents it was read from. */
struct gen_image {
	enum gen_outcome outcome;
	struct view base64; /* of an OK one, unchecked                    */
	uint32_t seed;      /* that was sent for it, if the ask has one   */
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
	uint32_t seed_mask; /* the bits of a seed that they take           */
	int floor_s;        /* shortest deadline that the API takes        */

	/* Appends the request document of call number `call`. */
	void (*write)(const struct gen_ask *ask, int call, struct buf *out);

	/*
	 * Reads a 200's document into images[0..n): each gets its outcome.
	 * Never fails: a document of another shape is FAILED, REMOTE.  An
	 * image is FILTERED only if the document names a refusal; one that is
	 * missing for another reason, or for none, is FAILED, REMOTE.
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
 *   404 unknown model   ABSENT        other 404         REMOTE
 *   429 503             BUSY + retry_after_s
 *   429 without money   REMOTE + remedy (see gen_is_unpayable)
 *   500 and others      REMOTE        504               SLOW
 *
 * An unknown model is one of which Google's envelope says NOT_FOUND; any
 * other 404 comes from a wrong address, and tells nothing about the model.
 * retry_after_s is what gen_wait_s says without a header.
 */
int gen_refusal(int status, const struct json_value *root, struct fault *f);

/*
 * How long a 429 or 503 asks us to wait, in milliseconds and a day at most:
 * an hour for a day's quota, else its RetryInfo, else its Retry-After
 * (header_ms, -1: it had none); -1 when it does not say.
 */
int64_t gen_wait_ms(const struct json_value *root, int64_t header_ms);

/* The same for a fault's retry_after_s: 1 or more, said or not. */
int gen_wait_s(int status, const struct json_value *root, int64_t header_ms);

/* Milliseconds of the error's RetryInfo.retryDelay, or -1 when none. */
int64_t gen_retry_delay_ms(const struct json_value *root);

/* A 429 that will not go away today: a quotaId that contains PerDay. */
bool gen_is_daily_quota(const struct json_value *root);

/*
 * A 429 that no wait ends, since the key's project cannot pay: it has no
 * billing (a limit of 0, or every quota is one of the free tier), its credits
 * are used up, or its spending cap is reached.
 */
bool gen_is_unpayable(const struct json_value *root);

/*
 * Reads a 200's document as the dialect does; one that has no image but an
 * error in Google's envelope, as gateways send it, fails every image.
 */
void gen_read(const struct gen_dialect *dialect, const struct json_value *reply,
    struct gen_image *images, int n);

/*
 * The seed that call number `call` sends: each has its own, or all images
 * of a model that draws one a call would be the same.
 */
uint32_t gen_seed(
    const struct gen_dialect *dialect, const struct gen_ask *ask, int call);

/* Records what came as an image: OK, or failed if empty or too large. */
void gen_take(struct gen_image *image, struct view base64);

/* Records, for each of n, a reply that cannot be made sense of. */
void gen_nonsense(struct gen_image *images, int n);

/* Records an image that was refused; reason is the model's own words. */
void gen_filtered(struct gen_image *image, struct view reason);

/* Records an image that did not come. */
void gen_failed(struct gen_image *image, const char *why);

/*
 * Records an image that is missing though the reply is a 200 and names no
 * refusal.  reason is the API's word for it, such as NO_IMAGE: it is shown
 * only if it is such a word.
 */
void gen_missed(struct gen_image *image, struct view reason);

#endif
