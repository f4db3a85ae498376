/*
 * Every allocation, write, fsync and rename in turn is refused while one
 * file of a tree is replaced, two are made with their folders, and the
 * tree is walked and swept.  Whatever the moment: the right kind of fault,
 * no draft left behind, each file whole in its old or its new form, no
 * descriptor lost, and the same work done afterwards.
 */
#include "disk/tree.h"

#include <fcntl.h>
#include <string.h>

#include "codec/digest.h"
#include "codec/media.h"
#include "refuse.h"

enum { FILE_SIZE = 100000, POINTS_MIN = 40, MTIME_NS = 123456789 };

static const struct job_id job = { "J" };
static const struct jobpath replaced = { "a/replaced" };
static const struct jobpath made = { "a/b/c/made" };
static const struct jobpath beside = { "a/b/c/beside" };
static char bytes[FILE_SIZE];

/* What is refused, and what the caller must then hear. */
struct rule {
	unsigned kinds;
	int error;
	enum fault_kind fault; /* FAULT_NONE: it must succeed all the same */
};

static const struct rule rules[] = {
	{ REFUSE_MEMORY, ENOMEM, FAULT_MEMORY },
	{ REFUSE_WRITE, ENOSPC, FAULT_FULL },
	{ REFUSE_WRITE, EIO, FAULT_FULL },
	{ REFUSE_WRITE, 0, FAULT_NONE },
	{ REFUSE_FSYNC, EIO, FAULT_DISK },
	{ REFUSE_FSYNC, ENOSPC, FAULT_FULL },
	{ REFUSE_FSYNC, EDQUOT, FAULT_FULL },
	{ REFUSE_MKDIR, EIO, FAULT_DISK },
	{ REFUSE_MKDIR, ENOSPC, FAULT_FULL },
	{ REFUSE_MKDIR, EDQUOT, FAULT_FULL },
	{ REFUSE_MKDIR, EACCES, FAULT_CONFLICT },
	{ REFUSE_MKDIR, EROFS, FAULT_CONFLICT },
	{ REFUSE_RENAME, EIO, FAULT_DISK },
	{ REFUSE_RENAME, EPERM, FAULT_CONFLICT },
	{ REFUSE_RENAME, ENOSPC, FAULT_FULL },
	{ REFUSE_RENAME, EISDIR, FAULT_DISK },
};

/* Writes as a user of drafts does: it is his to see what did not fit. */
static int
fill(int fd, struct fault *f)
{
	const char *p = bytes;
	size_t left = sizeof bytes;
	ssize_t n;

	for (; left > 0; p += n, left -= (size_t)n) {
		n = write(fd, p, left);
		if (n == -1)
			return fault_set(f, FAULT_FULL, "write");
	}
	return 0;
}

static int
put(struct tree *t, const struct jobpath *path, struct fault *f)
{
	struct tree_draft d = TREE_DRAFT_INIT;
	struct tree_stamp stamp = { .size = -1 };
	int rc = -1;

	if (tree_draft_open(&d, t, path, f) == -1) {
		CHECK(d.dir == -1 && d.fd == -1 && d.hidden[0] == '\0');
	} else if (fill(d.fd, f) == 0) {
		rc = tree_draft_publish(&d, MTIME_NS, &stamp, f);
		CHECK((rc == 0) == (d.fd != -1));
		CHECK(rc == -1 ||
		      (stamp.size == FILE_SIZE && stamp.mtime_ns == MTIME_NS));
	}
	tree_draft_fini(&d);
	return rc;
}

static int
see_file(void *arg, const struct jobpath *path, const struct tree_stamp *stamp,
    struct fault *f)
{
	(void)path;
	(void)stamp;
	(void)f;
	++*(int *)arg;
	return 0;
}

static int
see_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)arg;
	(void)why;
	(void)f;
	CHECK(shown == NULL);
	return -1;
}

static int
count(struct tree *t, int *n, struct fault *f)
{
	const struct tree_visitor visitor = { see_file, see_refused, n, &job };

	*n = 0;
	return tree_walk(t, &visitor, f);
}

/* The whole of it: true when all was done. */
static bool
live(const char *path, struct fault *f)
{
	struct tree *t = NULL;
	bool done;
	int n;

	done = tree_open(&t, path, true, f) == 0 && put(t, &replaced, f) == 0 &&
	       put(t, &made, f) == 0 && put(t, &beside, f) == 0 &&
	       tree_sync(t, f) == 0 && count(t, &n, f) == 0 &&
	       tree_sweep(t, f) == 0;
	CHECK(!done || n == 3);
	tree_close(&t);
	return done;
}

/* What stands in a file: 'o' the old, 'n' the new, '-' nothing. */
static char
content(struct tree *t, const struct jobpath *path)
{
	static char got[FILE_SIZE + 1];
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	ssize_t n;
	int fd;

	if (tree_read(t, path, &fd, &stamp, &f) == -1) {
		CHECK(f.kind == FAULT_ABSENT);
		return '-';
	}
	n = read(fd, got, sizeof got);
	(void)close(fd);
	if (n == 3 && memcmp(got, "old", 3) == 0)
		return 'o';
	CHECK(n == FILE_SIZE && memcmp(got, bytes, FILE_SIZE) == 0);
	CHECK(stamp.mtime_ns == MTIME_NS);
	return 'n';
}

/* No draft stands in any folder: each has what the work puts there. */
static void
check_folders(const char *path, int whole)
{
	char folder[SCRATCH_SIZE + 16];

	CHECK(names_in(path) == 1);
	(void)snprintf(folder, sizeof folder, "%s/a", path);
	CHECK(names_in(folder) == 1 || names_in(folder) == 2);
	(void)snprintf(folder, sizeof folder, "%s/a/b", path);
	CHECK(names_in(folder) <= 1);
	(void)snprintf(folder, sizeof folder, "%s/a/b/c", path);
	CHECK(names_in(folder) == whole ||
	      (whole == 0 && names_in(folder) == -1));
}

static void
look_around(const char *path, bool done)
{
	struct tree *t = NULL;
	struct fault f = FAULT_INIT;
	char first, second, third;

	CHECK(tree_open(&t, path, false, &f) == 0);
	first = content(t, &replaced);
	second = content(t, &made);
	third = content(t, &beside);
	CHECK(first == 'o' || first == 'n');
	CHECK(second == '-' || second == 'n');
	CHECK(third == '-' || (third == 'n' && second == 'n'));
	CHECK(!done || (first == 'n' && third == 'n'));
	check_folders(path, (second == 'n') + (third == 'n'));
	tree_close(&t);
	CHECK(live(path, &f));
}

/* Makes the tree with the file that is to be replaced. */
static void
prepare(char root[SCRATCH_SIZE], char path[SCRATCH_SIZE + 8])
{
	const struct jobpath *const old = &replaced;
	char file[SCRATCH_SIZE + 32];
	int fd;

	scratch_make(root);
	(void)snprintf(path, SCRATCH_SIZE + 8, "%s/tree", root);
	(void)snprintf(file, sizeof file, "%s/a", path);
	CHECK(mkdir(path, 0700) == 0 && mkdir(file, 0700) == 0);
	(void)snprintf(file, sizeof file, "%s/%.16s", path, old->text);
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	CHECK(fd != -1 && write(fd, "old", 3) == 3 && close(fd) == 0);
}

/* Refuses the nth call by that rule: false when there is no nth. */
static bool
refuse_one(const struct rule *rule, long n)
{
	const int files = open_files();
	char root[SCRATCH_SIZE], path[SCRATCH_SIZE + 8];
	struct fault f = FAULT_INIT;
	bool refused, done;

	prepare(root, path);
	refuse_nth(rule->kinds, n, rule->error);
	done = live(path, &f);
	refused = refuse_end();
	CHECK(f.kind == (refused ? rule->fault : FAULT_NONE));
	CHECK(done == (f.kind == FAULT_NONE));
	/* Clients may read of a full disk, but not the names of our files. */
	CHECK(f.kind != FAULT_FULL || (strstr(f.text, ".draft") == NULL &&
					  strstr(f.text, "made") == NULL));
	look_around(path, done);
	scratch_remove(root);
	CHECK(open_files() == files);
	return refused;
}

/* A table and a digest, which need nothing but memory. */
static bool
refuse_memory(long n)
{
	struct media *m = NULL;
	struct digest_run *run = NULL;
	struct digest sum;
	struct fault f = FAULT_INIT;
	bool refused, done;

	refuse_nth(REFUSE_MEMORY, n, ENOMEM);
	done = media_open(&m, VIEW("a/b c d\n"), &f) == 0 &&
	       digest_begin(&run, &f) == 0 &&
	       digest_add(run, VIEW("abc"), &f) == 0 &&
	       digest_end(&run, &sum, &f) == 0;
	refused = refuse_end();
	CHECK(done == !refused);
	CHECK(f.kind == (refused ? FAULT_MEMORY : FAULT_NONE));
	CHECK(run == NULL);
	media_close(&m);
	return refused;
}

/* Syncs of a life: one for each name of the tree's path, and a single one for
 * all that was written below. */
static long
syncs(void)
{
	char root[SCRATCH_SIZE];
	long n = 1 + 1; /* 1: the tree's own name */
	const char *p;

	scratch_make(root);
	for (p = root; *p != '\0'; p++)
		n += *p != '/' && (p == root || p[-1] == '/');
	scratch_remove(root);
	return n;
}

int
main(void)
{
	long n, points = 0;
	size_t i;

	memset(bytes, 'x', sizeof bytes);
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		for (n = 0; refuse_one(&rules[i], n); n++)
			points++;
		CHECK(rules[i].kinds != REFUSE_FSYNC || n == syncs());
		CHECK(n > 0);
	}
	for (n = 0; refuse_memory(n); n++)
		points++;
	CHECK(n == 4); /* three of the table, one of the digest */
	(void)printf("refused %ld calls\n", points);
	CHECK(points >= POINTS_MIN);
	return 0;
}
