/*
 * assets - the persistence service: the requirement's functions, under
 * their own names, and what a GET needs to know of an image.
 *
 * The same functions stand behind HTTP, the command line and C.  Whatever
 * they accept is safe on local disk and in the catalogue before the bucket
 * is asked; what the bucket does not take now is left to the uploader.
 */
#ifndef APP_ASSETS_H
#define APP_ASSETS_H

#include "app/cloud.h"
#include "app/upload.h"
#include "disk/objects.h"
#include "disk/store.h"

enum {
	ASSETS_IMAGES_MAX = 100,      /* of one association               */
	ASSETS_UPLOAD_MS = 30 * 1000, /* for all S3 is asked by a request */
	ASSETS_LOOKUP_MS = 10 * 1000  /* for its unknown images together  */
};

struct assets; /* opaque; one a process */

/* Opens store and catalogue below CHARREF_ROOT and, when there is a bucket,
 * the cloud.  conf outlives it.  stop_fd as in s3_setup. */
int assets_open(struct assets **out, const struct conf *conf,
    enum cloud_role role, int stop_fd, struct fault *f);
void assets_close(struct assets **a);

const struct conf *assets_conf(const struct assets *a);
struct store *assets_store(struct assets *a);
struct db *assets_db(struct assets *a);
struct cloud *assets_cloud(struct assets *a); /* NULL without a bucket */
struct upload_parts assets_parts(struct assets *a);

/*
 * When the uploader may take an image that nobody has asked to be in the
 * bucket: OBJECTS_LAZY when images go there only once somebody does (GETs
 * are not served from it, or UPLOAD_MODE is lazy), else so long from now.
 */
int64_t assets_due_ms(const struct assets *a, int64_t wait_ms);

enum asset_status {
	ASSET_UPLOADED, /* it is in the bucket: sent now, or there before  */
	ASSET_COPIED,   /* now, inside S3: no bytes moved                   */
	ASSET_KEPT,     /* the bucket has the job's own copy, which is not
			 * the image as it was made: left as it is          */
	ASSET_QUEUED,   /* safe here; the uploader will bring it            */
	ASSET_MISSING,  /* no such image, here or in the bucket             */
	ASSET_FAILED
};

const char *asset_status_word(enum asset_status status); /* "uploaded" */

/* One image as the service answers for it. */
struct asset {
	struct image_id id;
	enum asset_status status;
	char key[OBJECTS_KEY_SIZE]; /* "cloud_path"; "" when not known     */
	struct s3_url url;          /* empty unless it is in the bucket    */
	struct fault fault;         /* why it is queued, missing, failed   */
};

/* Did it come to the bucket, in whatever way: a success? */
bool asset_is_in_bucket(const struct asset *asset);

#define ASSET_INIT ((struct asset){ .url = S3_URL_INIT, .fault = FAULT_INIT })
void asset_fini(struct asset *asset);

/*
 * Persists one image alone (job NULL or "") or in a job, and presigns it.
 * From local_image_path, whose bytes become the image of that id, or, with
 * NULL, from the local store.  0: it is in the bucket.  FAULT_ABSENT "file
 * not found" with its name; FAULT_INPUT when the file is no whole png, jpeg
 * or webp; FAULT_CONFLICT when the id is taken by other bytes, here or, as
 * far as it can be asked, in the bucket; FAULT_BUSY without a bucket; else
 * why the bucket did not take it, or cannot be asked now.  What it lacks is
 * then QUEUED, or FAILED where the uploader would fare no better (status).
 * A job's own copy in the bucket is left as it is (KEPT).
 */
int persist_character_reference(struct assets *a, const struct image_id *id,
    const char *local_image_path, const struct job_id *job, struct asset *out,
    struct fault *f);

/*
 * Copies images into local_base_path/character_reference/ (NULL: the job's
 * folder in JOBS_DIR) and into the job in the bucket, all in parallel; out
 * has one asset an id, in their order.  A file that is already there is
 * left as it is: it may have been edited.  So is what the bucket has in the
 * job (KEPT); a folder that lacks the file gets that copy.  One image missing
 * or failing, or one whose turn does not come within ASSETS_UPLOAD_MS
 * (FAULT_SLOW), does not stop the others; an id given twice is sent once.  -1:
 * the folder, the catalogue or memory failed (FAULT_CONFLICT: a link is in the
 * folder's way), or every image is missing (FAULT_ABSENT).
 */
int associate_character_images_with_job(struct assets *a,
    const struct job_id *job, const struct image_id *ids, size_t n,
    const char *local_base_path, struct asset *out, struct fault *f);

/*
 * Presigns an image that is in the bucket, alone or in a job.  extension
 * NULL: whichever it has; else it must match ("jpg" is "jpeg").  expires_s
 * 0: PRESIGNED_URL_EXPIRY, else 1 to 604800 (FAULT_RANGE).  FAULT_ABSENT
 * when the bucket does not have it; as cloud_ready while that is down.
 */
int get_character_reference_url(struct assets *a, const struct image_id *id,
    const struct job_id *job, const char *extension, int64_t expires_s,
    struct asset *out, struct fault *f);

#endif
