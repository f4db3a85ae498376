/*
 * generate - the operation: character reference images from a description.
 *
 * In this order, so that nothing is paid twice, lost, or paid in vain:
 * claim the Idempotency-Key, guard the disk, ask whether anyone still
 * waits, call the model, check and keep each image, record all in one
 * transaction.  Only then is there a result to answer with; what can be
 * brought to the bucket within UPLOAD_BUDGET has its URL in it.
 */
#ifndef APP_GENERATE_H
#define APP_GENERATE_H

#include <stdint.h>

#include "app/ask.h"
#include "app/assets.h"
#include "app/conf.h"
#include "app/timing.h"
#include "codec/ident.h"
#include "codec/sniff.h"
#include "disk/catalogue.h"
#include "disk/store.h"
#include "gen/models.h"

struct generate; /* opaque; one thread at a time */

/* Opens the model list with these settings; both outlive it. */
int generate_open(struct generate **out, const struct conf *conf,
    struct assets *assets, struct fault *f);
void generate_close(struct generate **g);

/* Is there room for so many images, with the reserve still free?  As
 * store_guard fails. */
int generate_room(struct generate *g, int images, struct fault *f);

struct generate_request {
	const struct ask *ask;
	struct view request_id;
	struct timing *timing; /* of the request: the phases are added   */
	struct view key;       /* Idempotency-Key, checked; empty: none       */
	struct view body;      /* as it came: what the key stands for        */
	/* Asked just before paying: false when nobody waits any more. */
	bool (*is_wanted)(const void *arg);
	const void *arg;
};

struct generate_image {
	struct image_id id;
	enum sniff_kind kind;
	int64_t bytes;
	struct view base64;      /* of the model's reply; empty in a replay: the
				  * bytes are then in the store                 */
	struct s3_url cloud_url; /* empty unless it is in the bucket   */
};

struct generate_result {
	struct generate_image images[GEN_IMAGES_MAX]; /* those kept, in order */
	int count;                                    /* 1 or more */
	struct buf metadata; /* the reply's "metadata": a JSON object */
	bool replayed;
	struct models_answer answer; /* owns the base64 */
};

enum { GENERATE_METADATA_MAX = 192 << 10 };

#define GENERATE_RESULT_INIT                                                   \
	((struct generate_result){                                             \
	    .metadata = BUF_INIT(GENERATE_METADATA_MAX),                       \
	    .answer = MODELS_ANSWER_INIT })

/*
 * FAULT_CONFLICT, FAULT_RANGE: the key is running, maybe paid, or used
 * with another body.  FAULT_FULL: the guard.  FAULT_PEER: nobody waits.
 * FAULT_FILTERED: every image was refused.  Else as models_ask, or why no
 * image could be kept.  The result is ended by its fini, also after -1.
 */
int generate(struct generate *g, const struct generate_request *request,
    struct generate_result *result, struct fault *f);
void generate_result_fini(struct generate_result *result);

#endif
