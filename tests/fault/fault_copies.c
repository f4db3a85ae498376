/*
 * Every folder, write, fsync and rename in turn is refused while a job's own
 * copy of an image is made: the right kind of fault, whatever the moment.
 */
#include "app/copies.h"

#include <fcntl.h>
#include <string.h>

#include "refuse.h"

static const struct job_id job = { "J" };
static const struct image_id id = { "5c1f0000-0000-4000-8000-000000000000" };

static const struct rule {
	unsigned kinds;
	int error;
	enum fault_kind fault;
} rules[] = {
	{ REFUSE_MKDIR, EIO, FAULT_DISK },
	{ REFUSE_MKDIR, ENOSPC, FAULT_FULL },
	{ REFUSE_MKDIR, EDQUOT, FAULT_FULL },
	{ REFUSE_MKDIR, EACCES, FAULT_CONFLICT },
	{ REFUSE_MKDIR, EROFS, FAULT_CONFLICT },
	{ REFUSE_WRITE, EDQUOT, FAULT_FULL },
	{ REFUSE_FSYNC, EDQUOT, FAULT_FULL },
	{ REFUSE_FSYNC, EIO, FAULT_DISK },
	{ REFUSE_RENAME, EDQUOT, FAULT_FULL },
};

static bool
make_copy(const char *base, struct fault *f)
{
	int dir = -1;
	bool done = copies_open(&dir, base, &job, f) == 0;

	if (done)
		done = copies_put(dir, &id, SNIFF_PNG, VIEW("bytes"), f) == 0;
	if (dir != -1)
		(void)close(dir);
	return done;
}

/* Was there an nth call to refuse? */
static bool
refuse_one(const struct rule *rule, long n)
{
	char root[SCRATCH_SIZE], base[SCRATCH_SIZE + 8];
	const int files = open_files();
	struct fault f = FAULT_INIT;
	bool done, refused;

	scratch_make(root);
	(void)snprintf(base, sizeof base, "%s/jobs", root);
	refuse_nth(rule->kinds, n, rule->error);
	done = make_copy(base, &f);
	refused = refuse_end();
	CHECK(done == !refused);
	CHECK(f.kind == (refused ? rule->fault : FAULT_NONE));
	CHECK(open_files() == files);
	f = FAULT_INIT;
	CHECK(make_copy(base, &f));
	scratch_remove(root);
	return refused;
}

int
main(void)
{
	long n, points = 0;
	size_t i;

	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		for (n = 0; refuse_one(&rules[i], n); n++)
			points++;
		CHECK(n > 0);
	}
	(void)printf("refused %ld calls\n", points);
	return 0;
}
