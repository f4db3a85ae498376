/*
 * Every allocation, write, fsync and rename in turn is refused while an
 * image is kept.  Whatever the moment: the right kind of fault, no draft
 * left behind, no torn or replaced file, no descriptor lost.
 */
#include "disk/store.h"

#include <string.h>

#include "refuse.h"

enum { IMAGE_SIZE = 100000, POINTS_MIN = 40 };

static char image[IMAGE_SIZE];
static const struct image_id cat = { "cat" }, dog = { "dog" };

/* What is refused, and what the caller must then hear. */
struct rule {
	unsigned kinds;
	int error;
	enum fault_kind fault; /* FAULT_NONE: it must succeed all the same */
};

static const struct rule rules[] = {
	{ REFUSE_MEMORY, ENOMEM, FAULT_MEMORY },
	{ REFUSE_WRITE, ENOSPC, FAULT_FULL },
	{ REFUSE_WRITE, EDQUOT, FAULT_FULL },
	{ REFUSE_WRITE, EFBIG, FAULT_FULL },
	{ REFUSE_WRITE, EIO, FAULT_DISK },
	{ REFUSE_WRITE, EINTR, FAULT_NONE },
	{ REFUSE_WRITE, 0, FAULT_NONE },
	{ REFUSE_FSYNC, EIO, FAULT_DISK },
	{ REFUSE_FSYNC, ENOSPC, FAULT_FULL },
	{ REFUSE_FSYNC, EDQUOT, FAULT_FULL },
	{ REFUSE_RENAME, EIO, FAULT_DISK },
	{ REFUSE_RENAME, ENOSPC, FAULT_FULL },
	{ REFUSE_RENAME, EEXIST, FAULT_CONFLICT },
	{ REFUSE_RENAME, EINVAL, FAULT_NONE },
	{ REFUSE_RENAME, ENOSYS, FAULT_NONE },
};

static int
keep_two(const char *root, struct fault *f)
{
	const struct view bytes = { image, sizeof image };
	struct buf back = BUF_INIT(STORE_IMAGE_MAX);
	struct store *st = NULL;
	int rc = -1;

	if (store_open(&st, root, f) == 0 &&
	    store_put(st, &cat, SNIFF_PNG, bytes, f) == 0 &&
	    store_put(st, &dog, SNIFF_WEBP, bytes, f) == 0 &&
	    store_sync(st, f) == 0)
		rc = store_get(st, &cat, SNIFF_PNG, &back, f);
	if (rc == 0)
		CHECK(back.len == sizeof image &&
		      memcmp(back.data, image, sizeof image) == 0);
	buf_fini(&back);
	store_close(&st);
	return rc;
}

/* Whole or absent: how many of the two there are. */
static int
count_whole(struct store *st)
{
	const int64_t first = store_size(st, &cat, SNIFF_PNG);
	const int64_t second = store_size(st, &dog, SNIFF_WEBP);

	CHECK(first == -1 || first == IMAGE_SIZE);
	CHECK(second == -1 || second == IMAGE_SIZE);
	return (first != -1) + (second != -1);
}

/* The folder holds whole images and nothing else, and serves on. */
static void
look_around(const char *root, bool kept)
{
	char folder[SCRATCH_SIZE + sizeof STORE_FOLDER + 1];
	struct store *st = NULL;
	struct fault f = FAULT_INIT;
	int whole;

	CHECK(store_open(&st, root, &f) == 0);
	whole = count_whole(st);
	(void)snprintf(folder, sizeof folder, "%s/" STORE_FOLDER, root);
	CHECK(names_in(folder) == whole);
	CHECK(!kept || whole == 2);
	if (whole > 0)
		CHECK(store_put(st, &cat, SNIFF_PNG, VIEW("new"), &f) == -1 &&
		      f.kind == FAULT_CONFLICT);
	CHECK(count_whole(st) == whole);
	store_close(&st);
}

/* Refuses the nth call by that rule: false when there is no nth. */
static bool
refuse_one(const struct rule *rule, long n)
{
	const int files = open_files();
	struct fault f = FAULT_INIT;
	char root[SCRATCH_SIZE];
	bool refused, kept;

	scratch_make(root);
	refuse_nth(rule->kinds, n, rule->error);
	kept = keep_two(root, &f) == 0;
	refused = refuse_end();
	CHECK(f.kind == (refused ? rule->fault : FAULT_NONE));
	CHECK(kept == (f.kind == FAULT_NONE));
	/* Clients may read of a full disk, but not the names of our files. */
	CHECK(f.kind != FAULT_FULL || strstr(f.text, ".draft") == NULL);
	look_around(root, kept);
	scratch_remove(root);
	CHECK(open_files() == files);
	return refused;
}

int
main(void)
{
	long n, points = 0;
	size_t i;

	memset(image, 'x', sizeof image);
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		for (n = 0; refuse_one(&rules[i], n); n++)
			points++;
		CHECK(n > 0);
	}
	(void)printf("refused %ld calls\n", points);
	CHECK(points >= POINTS_MIN);
	return 0;
}
