#include "app/recover.h"

#include "base/clock.h"
#include "base/log.h"

struct recovery {
	struct store *store;
	struct db *db;
	int64_t due_ms;
	int adopted;
};

/* Fills in what a row says of the image: its bytes say it. */
static int
read_image(struct store *st, enum sniff_kind kind,
    struct catalogue_image *image, struct fault *f)
{
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	int rc = -1;

	if (store_get(st, &image->id, kind, &bytes, f) == -1 ||
	    sniff_image(&image->sniff, buf_view(&bytes), f) == -1 ||
	    digest_sha256(&image->sha256, buf_view(&bytes), f) == -1)
		goto out;
	image->bytes = (int64_t)bytes.len;
	if (image->sniff.kind == kind)
		rc = 0;
	else
		(void)fault_set(f, FAULT_INPUT, "its bytes are %s",
		    sniff_media_type(image->sniff.kind));
out:
	buf_fini(&bytes);
	return rc;
}

/*
 * Gives the image a row, once its name is durable: a live worker may have
 * renamed it and not have synced yet.  What cannot be read, or is no whole
 * image, stays as it is for a person to look at, and keeps no worker from
 * starting; only the catalogue may.
 */
static int
adopt(struct recovery *r, const struct image_id *id, enum sniff_kind kind,
    struct fault *f)
{
	struct catalogue_image image = { .id = *id,
		.created_at_ms = clock_now_ms() };
	struct fault why = FAULT_INIT;

	if (read_image(r->store, kind, &image, &why) == -1 ||
	    store_sync(r->store, &why) == -1) {
		log_event(LOG_WARN, "image not adopted",
		    LOG_TEXT("image_id", view_str(id->text)),
		    LOG_TEXT("message", view_str(why.text)));
		return 0;
	}
	if (catalogue_adopt(r->db, &image, r->due_ms, f) == -1)
		return -1;
	r->adopted++;
	return 0;
}

static int
consider(
    void *arg, const struct image_id *id, enum sniff_kind kind, struct fault *f)
{
	struct recovery *r = arg;
	enum sniff_kind known;
	bool found;

	if (catalogue_find(r->db, id, &job_id_none, &found, &known, f) == -1)
		return -1;
	return found ? 0 : adopt(r, id, kind, f);
}

int
recover(struct store *st, struct db *db, int64_t due_ms, int *adopted,
    struct fault *f)
{
	struct recovery r = { st, db, due_ms, 0 };
	struct file_lease lease = FILE_LEASE_INIT;
	bool ours = false;
	int rc;

	rc = claims_recovery_lease(db, &lease, &ours, f);
	if (rc == 0 && ours)
		rc = store_sweep(st, consider, &r, f);
	file_lease_fini(&lease);
	*adopted = r.adopted;
	return rc == 0 ? 0 : fault_while(f, "recover what was left behind");
}
