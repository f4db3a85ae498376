#include "app/intake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "disk/objects.h"

#define TURNS "intake.leases" /* beside the catalogue */

enum {
	TURN_MS = 10 * 1000, /* for another's write of the same id */
	TURN_STEP_MS = 10,
	PLACE_DIGITS = 15 /* hexadecimal: fits a file's offset  */
};

struct intake {
	struct store *store;
	struct db *db;
	const struct image_id *id;
	const struct catalogue_image *about; /* or NULL */
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
	struct fault why = FAULT_INIT;
	struct stat st;

	if (stat(path, &st) == -1)
		return errno == ENOENT || errno == ENOTDIR
			   ? not_found(path, f)
			   : fault_sys(f, FAULT_DISK, "read %.150s", path);
	if (S_ISREG(st.st_mode) && st.st_size > STORE_IMAGE_MAX)
		return fault_in(f, FAULT_LARGE, "file",
		    "%.150s has %lld bytes, and an image may have %d", path,
		    (long long)st.st_size, STORE_IMAGE_MAX);
	if (file_follow(path, &in->bytes, &why) == 0)
		return 0;
	if (why.kind == FAULT_ABSENT)
		return not_found(path, f);
	*f = why;
	return -1;
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
	struct object o;

	if (objects_find(in->db, in->id, &job_id_none, known, &o, f) == -1)
		return -1;
	if (!*known)
		return 0;
	if (o.kind != in->sniff.kind ||
	    !objects_may_be(&o, (int64_t)in->bytes.len, in->sha256.hex))
		return taken(in, f);
	return 0;
}

/* A file of the id that is there already, whose maker could not record it
 * yet, must be the same. */
static int
compare_files(struct intake *in, bool *kept, struct fault *f)
{
	struct buf there = BUF_INIT(STORE_IMAGE_MAX);
	int kind, rc = 0;

	*kept = false;
	for (kind = 0; kind < SNIFF_KINDS && rc == 0; kind++) {
		if (store_size(in->store, in->id, (enum sniff_kind)kind) < 0)
			continue;
		*kept = true;
		if (kind == (int)in->sniff.kind)
			rc = store_get(
			    in->store, in->id, in->sniff.kind, &there, f);
		if (rc == 0 &&
		    (there.len != in->bytes.len ||
			memcmp(there.data, in->bytes.data, there.len) != 0))
			rc = taken(in, f);
	}
	buf_fini(&there);
	return rc;
}

static int
keep(struct intake *in, struct fault *f)
{
	bool kept;

	if (compare_files(in, &kept, f) == -1 ||
	    (!kept && store_put(in->store, in->id, in->sniff.kind,
			  buf_view(&in->bytes), f) == -1))
		return -1;
	return store_sync(in->store, f);
}

static int
record(struct intake *in, struct fault *f)
{
	struct catalogue_image image = { .created_at_ms = clock_now_ms() };

	if (in->about != NULL)
		image = *in->about;
	image.id = *in->id;
	image.sniff = in->sniff;
	image.bytes = (int64_t)in->bytes.len;
	image.sha256 = in->sha256;
	return catalogue_adopt(in->db, &image, in->due_ms, f);
}

/* Kept and recorded, unless it is that already. */
static int
settle(struct intake *in, struct fault *f)
{
	bool known;

	if (compare(in, &known, f) == -1 || keep(in, f) == -1)
		return -1;
	if (known)
		return 0;
	if (record(in, f) == -1)
		return -1;
	/* Whoever adopts files may have been faster, with the same file. */
	return compare(in, &known, f);
}

/* Two at once with one id would keep two files, one of each kind: who comes
 * second waits.  The lease's place is chosen by the id. */
static int
await_turn(struct intake *in, struct file_lease *lease, struct fault *f)
{
	const int64_t until_ms = clock_ticks_ms() + TURN_MS;
	struct digest name;
	bool held;
	int64_t place;

	if (digest_sha256(&name, view_str(in->id->text), f) == -1)
		return -1;
	name.hex[PLACE_DIGITS] = '\0';
	place = strtoll(name.hex, NULL, 16);
	for (;;) {
		if (file_lease_take(
			lease, db_folder(in->db), TURNS, place, &held, f) == -1)
			return -1;
		if (held)
			return 0;
		if (clock_ticks_ms() >= until_ms)
			return fault_set(f, FAULT_BUSY,
			    "image %s is being taken in by another process",
			    in->id->text);
		(void)poll(NULL, 0, TURN_STEP_MS);
	}
}

static int
take(struct intake *in, const char *path, struct fault *f)
{
	struct file_lease lease = FILE_LEASE_INIT;
	struct fault why = FAULT_INIT;
	int rc;

	if (read_path(in, path, f) == -1)
		return -1;
	if (sniff_image(&in->sniff, buf_view(&in->bytes), &why) == -1)
		return fault_in(f, FAULT_INPUT, "file",
		    "%.150s is no whole png, jpeg or webp: %s", path, why.text);
	if (digest_sha256(&in->sha256, buf_view(&in->bytes), f) == -1)
		return -1;
	rc = await_turn(in, &lease, f);
	if (rc == 0)
		rc = settle(in, f);
	file_lease_fini(&lease);
	return rc;
}

int
intake_file(struct store *store, struct db *db, const struct image_id *id,
    const char *path, const struct catalogue_image *about, int64_t due_ms,
    struct fault *f)
{
	struct intake in = { .store = store,
		.db = db,
		.id = id,
		.about = about,
		.due_ms = due_ms,
		.bytes = BUF_INIT(STORE_IMAGE_MAX) };
	const int rc = take(&in, path, f);

	buf_fini(&in.bytes);
	return rc;
}
