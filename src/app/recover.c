#include "app/recover.h"

#include "base/clock.h"

struct recovery {
	struct store *store;
	struct catalogue *catalogue;
	int adopted;
};

/* Reads the file and gives it a row.  What is not a whole image stays as
 * it is, for a person to look at. */
static int
adopt(struct recovery *r, const struct image_id *id, enum sniff_kind kind,
    struct fault *f)
{
	struct catalogue_image image = { .id = *id,
		.created_at_ms = clock_now_ms() };
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	struct fault ignored = FAULT_INIT;
	int rc = -1;

	if (store_get(r->store, id, kind, &bytes, f) == -1)
		goto out;
	rc = 0;
	if (sniff_image(&image.sniff, buf_view(&bytes), &ignored) == -1 ||
	    image.sniff.kind != kind)
		goto out;
	image.bytes = (int64_t)bytes.len;
	rc = -1;
	if (digest_sha256(&image.sha256, buf_view(&bytes), f) == -1 ||
	    catalogue_adopt(r->catalogue, &image, f) == -1)
		goto out;
	r->adopted++;
	rc = 0;
out:
	buf_fini(&bytes);
	return rc;
}

static int
consider(
    void *arg, const struct image_id *id, enum sniff_kind kind, struct fault *f)
{
	static const struct job_id alone = { "" };
	struct recovery *r = arg;
	enum sniff_kind known;
	bool found;

	if (catalogue_find(r->catalogue, id, &alone, &found, &known, f) == -1)
		return -1;
	if (found || adopt(r, id, kind, f) == 0)
		return 0;
	return fault_while(f, "adopt image %s", id->text);
}

int
recover(struct store *st, struct catalogue *c, int *adopted, struct fault *f)
{
	struct recovery r = { st, c, 0 };
	struct file_lease lease = FILE_LEASE_INIT;
	bool ours = false;
	int rc;

	rc = catalogue_recovery_lease(c, &lease, &ours, f);
	if (rc == 0 && ours)
		rc = store_sweep(st, consider, &r, f);
	file_lease_fini(&lease);
	*adopted = r.adopted;
	return rc == 0 ? 0 : fault_while(f, "recover what was left behind");
}
