#include "app/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "disk/objects.h"

struct intake {
	struct store *store;
	struct db *db;
	const struct image_id *id;
	int64_t due_ms;
	struct buf bytes;
	struct sniff sniff;
	struct digest sha256;
};

static int
not_found(const char *path, struct fault *f)
{
	return fault_in(f, FAULT_ABSENT, "file", "file not found: %s", path);
}

/* A link is followed: the path is the operator's own. */
static int
read_path(struct intake *in, const char *path, struct fault *f)
{
	char real[PATH_MAX];
	struct fault why = FAULT_INIT;
	struct stat st;

	if (realpath(path, real) == NULL || stat(real, &st) == -1)
		return errno == ENOENT || errno == ENOTDIR
			   ? not_found(path, f)
			   : fault_sys(f, FAULT_DISK, "read %s", path);
	if (!S_ISREG(st.st_mode))
		return not_found(path, f);
	if (st.st_size > STORE_IMAGE_MAX)
		return fault_in(f, FAULT_LARGE, "file",
		    "%s has %lld bytes, and an image may have %d", path,
		    (long long)st.st_size, STORE_IMAGE_MAX);
	if (file_read(AT_FDCWD, real, &in->bytes, &why) == 0)
		return 0;
	if (why.kind == FAULT_ABSENT)
		return not_found(path, f);
	*f = why;
	return fault_while(f, "read %s", path);
}

static int
taken(const struct intake *in, struct fault *f)
{
	return fault_in(f, FAULT_CONFLICT, "image_id",
	    "image %s exists already, with other bytes", in->id->text);
}

/* What the catalogue knows under this id: *known, or a conflict. */
static int
compare(struct intake *in, bool *known, struct fault *f)
{
	static const struct job_id alone = { "" };
	struct object o;

	if (objects_find(in->db, in->id, &alone, known, &o, f) == -1)
		return -1;
	if (!*known)
		return 0;
	if (o.kind != in->sniff.kind ||
	    (o.bytes > 0 && o.bytes != (int64_t)in->bytes.len) ||
	    (o.sha256.hex[0] != '\0' &&
		strcmp(o.sha256.hex, in->sha256.hex) != 0))
		return taken(in, f);
	return 0;
}

/* A file of that name that is there already must be the same. */
static int
compare_file(struct intake *in, struct fault *f)
{
	struct buf there = BUF_INIT(STORE_IMAGE_MAX);
	int rc = store_get(in->store, in->id, in->sniff.kind, &there, f);

	if (rc == 0 && (there.len != in->bytes.len ||
			   memcmp(there.data, in->bytes.data, there.len) != 0))
		rc = taken(in, f);
	buf_fini(&there);
	return rc;
}

static int
keep(struct intake *in, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (store_size(in->store, in->id, in->sniff.kind) >= 0)
		return compare_file(in, f);
	if (store_put(in->store, in->id, in->sniff.kind, buf_view(&in->bytes),
		&why) == 0)
		return 0;
	if (why.kind == FAULT_CONFLICT) /* somebody was faster */
		return compare_file(in, f);
	*f = why;
	return -1;
}

static int
record(struct intake *in, struct fault *f)
{
	const struct catalogue_image image = { .id = *in->id,
		.sniff = in->sniff,
		.bytes = (int64_t)in->bytes.len,
		.sha256 = in->sha256,
		.created_at_ms = clock_now_ms() };

	return catalogue_adopt(in->db, &image, in->due_ms, f);
}

static int
take(struct intake *in, const char *path, struct fault *f)
{
	struct fault why = FAULT_INIT;
	bool known;

	if (read_path(in, path, f) == -1)
		return -1;
	if (sniff_image(&in->sniff, buf_view(&in->bytes), &why) == -1)
		return fault_in(f, FAULT_INPUT, "file",
		    "%s is no whole png, jpeg or webp: %s", path, why.text);
	if (digest_sha256(&in->sha256, buf_view(&in->bytes), f) == -1 ||
	    compare(in, &known, f) == -1 || keep(in, f) == -1 ||
	    store_sync(in->store, f) == -1)
		return -1;
	if (known)
		return 0;
	if (record(in, f) == -1)
		return -1;
	/* Whose row is it, if two came at once? */
	return compare(in, &known, f);
}

int
intake_file(struct store *store, struct db *db, const struct image_id *id,
    const char *path, int64_t due_ms, struct fault *f)
{
	struct intake in = { .store = store,
		.db = db,
		.id = id,
		.due_ms = due_ms,
		.bytes = BUF_INIT(STORE_IMAGE_MAX) };
	const int rc = take(&in, path, f);

	buf_fini(&in.bytes);
	return rc == 0 ? 0 : fault_while(f, "take in image %s", id->text);
}
