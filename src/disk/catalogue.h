/*
 * catalogue - which images exist, where, and what is still to do.  The
 * truth about existence.
 *
 * What a call here reports as done survives a power cut.  Failures are
 * those of db.
 */
#ifndef DISK_CATALOGUE_H
#define DISK_CATALOGUE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "codec/digest.h"
#include "codec/ident.h"
#include "codec/sniff.h"
#include "disk/claims.h"
#include "disk/db.h"

/* One row of images.  Texts may be empty: not known (an adopted image). */
struct catalogue_image {
	struct image_id id;
	struct sniff sniff;
	int64_t bytes;
	struct digest sha256;
	int64_t created_at_ms;
	struct view prompt;
	struct view model;
	bool has_seed;
	uint32_t seed;
	struct view request_id;
};

/*
 * What a GET needs: *found and the format.  With a job (job->text not
 * empty) the image is found only if that job has it.
 */
int catalogue_find(struct db *db, const struct image_id *id,
    const struct job_id *job, bool *found, enum sniff_kind *kind,
    struct fault *f);

/* How many images there are: cheap, however many. */
int catalogue_count(struct db *db, int64_t *n, struct fault *f);

/* Enough for an image's texts: prompt, model and request id together. */
enum { CATALOGUE_TEXTS_MAX = 256 << 10 };

/*
 * All that is known of an image: *found.  texts, which is cleared first,
 * holds its texts; its limit may be CATALOGUE_TEXTS_MAX.
 */
int catalogue_image_find(struct db *db, const struct image_id *id, bool *found,
    struct catalogue_image *out, struct buf *texts, struct fault *f);

/*
 * Up to max images in the order of ids, from the first behind `after` (NULL:
 * from the very first).  `each` returns 0 to go on, or -1 to stop, which is
 * then returned; the image's texts are lent for its call, and it must not
 * call this again.
 */
typedef int catalogue_seen(
    void *arg, const struct catalogue_image *image, struct fault *f);
int catalogue_list(struct db *db, const struct image_id *after, size_t max,
    catalogue_seen *each, void *arg, struct fault *f);

/*
 * Records an image that lies in the store without a row, and its object as
 * waiting for upload, unless a row has come meanwhile.  due_ms: when the
 * uploader may take it (objects_add).
 */
int catalogue_adopt(struct db *db, const struct catalogue_image *image,
    int64_t due_ms, struct fault *f);

/*
 * One transaction: all the images' rows, their objects alone as waiting
 * (objects_add, due_ms), and the claim, if there is one, as done with its
 * reply.  An image adopted meanwhile gets our provenance.
 */
int catalogue_record(struct db *db, const struct catalogue_image *images,
    size_t n, int64_t due_ms, struct claim *claim, struct view reply,
    struct fault *f);

#endif
