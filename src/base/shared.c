#include "base/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
	FILE_MODE = 0600,
	LOCK_WAIT_MS = 5000, /* for another process that makes the file     */
	LOCK_STEP_MS = 5
};

/* One look for the file, and what has come of it. */
struct look {
	const struct shared_kind *kind;
	int dir;
	bool is_there; /* something of that name is                         */
	void *map;     /* NULL unless it is of our layout                   */
	int fd;        /* -1 unless it is mapped                            */
};

static int
failed(const struct shared_kind *kind, struct fault *f, const char *doing)
{
	return fault_sys(f, errno == ENOMEM ? FAULT_MEMORY : FAULT_DISK,
	    "%s %s", doing, kind->name);
}

/* Maps the open file, as `sharing` says (see mmap): NULL, without a fault,
 * when it is not of our layout. */
static int
map_open(const struct shared_kind *kind, void **out, int fd, int sharing,
    struct fault *f)
{
	const size_t size = kind->head.size;
	struct stat st;
	void *map;

	*out = NULL;
	if (fstat(fd, &st) == -1)
		return failed(kind, f, "look at");
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)size)
		return 0;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing, fd, 0);
	if (map == MAP_FAILED)
		return failed(kind, f, "map");
	if (memcmp(map, &kind->head, sizeof kind->head) == 0)
		*out = map;
	else
		(void)munmap(map, size);
	return 0;
}

/* Finds nothing, without a fault, when there is no file of that name or it is
 * somebody else's, or of another layout. */
static int
look(struct look *l, struct fault *f)
{
	int rc;

	/* O_NONBLOCK: opening a pipe of that name must not wait. */
	l->fd = openat(l->dir, l->kind->name,
	    O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	l->is_there = l->fd != -1 || errno != ENOENT;
	if (l->fd == -1 && (errno == ENOENT || errno == ELOOP ||
			       errno == ENXIO || errno == EACCES))
		return 0;
	if (l->fd == -1)
		return failed(l->kind, f, "open");
	rc = map_open(l->kind, &l->map, l->fd, MAP_SHARED, f);
	if (l->map == NULL) {
		(void)close(l->fd);
		l->fd = -1;
	}
	return rc;
}

static void
begin(const struct shared_kind *kind, void *fresh)
{
	memcpy(fresh, &kind->head, sizeof kind->head);
	if (kind->begin != NULL)
		kind->begin(fresh);
}

/* Makes the file under its name, where there is none or a useless one; the
 * folder is locked. */
static int
make(const struct shared_kind *kind, int dir, struct fault *f)
{
	char *fresh = calloc(1, kind->head.size);
	struct file_draft d = FILE_DRAFT_INIT;
	int rc = -1;

	if (fresh == NULL)
		return fault_set(f, FAULT_MEMORY, "make %s", kind->name);
	begin(kind, fresh);
	file_sweep_drafts(dir);
	if (file_draft_open(&d, dir, f) == -1)
		goto out;
	if (fchmod(d.fd, FILE_MODE) == -1 ||
	    (unlinkat(dir, kind->name, 0) == -1 && errno != ENOENT)) {
		(void)failed(kind, f, "replace");
		goto out;
	}
	if (file_draft_write(&d, (struct view){ fresh, kind->head.size }, f) ==
	    -1)
		goto out;
	rc = file_draft_publish(&d, kind->name, f);
out:
	file_draft_fini(&d);
	free(fresh);
	return rc;
}

/* Waits until no other process makes the file.  Closing dir unlocks it. */
static int
lock_folder(const struct shared_kind *kind, int dir, struct fault *f)
{
	const int64_t deadline_ms = clock_ticks_ms() + LOCK_WAIT_MS;

	while (flock(dir, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed(kind, f, "lock the folder of");
		if (clock_ticks_ms() >= deadline_ms)
			return fault_set(f, FAULT_DISK,
			    "the folder of %s was locked for %d ms", kind->name,
			    LOCK_WAIT_MS);
		clock_sleep_ms(LOCK_STEP_MS);
	}
	return 0;
}

static bool
may_make(const struct look *l, enum shared_how how)
{
	return how == SHARED_OWN || (how == SHARED_MEET && !l->is_there);
}

/* Looks: it is mapped then, or may be made. */
static int
look_to_make(struct look *l, enum shared_how how, struct fault *f)
{
	if (look(l, f) == -1)
		return -1;
	if (l->map == NULL && !may_make(l, how))
		return fault_set(
		    f, FAULT_ABSENT, "there is no %s of ours", l->kind->name);
	return 0;
}

/*
 * All that make the file do it under the lock, after one more look: so the
 * name leads to one file for everybody who comes, it is never half made, and
 * what another made meanwhile stays for who only meets.
 */
static int
look_or_make(struct look *l, enum shared_how how, struct fault *f)
{
	if (look_to_make(l, how, f) == -1)
		return -1;
	if (l->map != NULL)
		return 0;
	if (lock_folder(l->kind, l->dir, f) == -1 ||
	    look_to_make(l, how, f) == -1)
		return -1;
	if (l->map != NULL)
		return 0;
	if (make(l->kind, l->dir, f) == -1 || look(l, f) == -1)
		return -1;
	return l->map != NULL ? 0
			      : fault_set(f, FAULT_DISK,
				    "%s is not what was made", l->kind->name);
}

/* Making folders syncs them, which is not for every look. */
static int
open_folder(const char *folder, enum shared_how how, int *dir, struct fault *f)
{
	struct fault none = FAULT_INIT;

	if (file_open_folder(folder, dir, &none) == 0)
		return 0;
	if (how == SHARED_JOIN)
		return fault_set(f, FAULT_ABSENT, "there is no folder for it");
	return file_make_folders(folder, f) == 0
		   ? file_open_folder(folder, dir, f)
		   : -1;
}

int
shared_open(const struct shared_kind *kind, const char *folder,
    enum shared_how how, void **map, int *fd, struct fault *f)
{
	struct look l = { .kind = kind, .dir = -1, .fd = -1 };
	int rc = -1;

	if (open_folder(folder, how, &l.dir, f) == 0)
		rc = look_or_make(&l, how, f);
	if (l.dir != -1)
		(void)close(l.dir);
	if (rc == -1)
		return fault_while(f, "open the %s file", kind->name);
	*map = l.map;
	if (fd != NULL)
		*fd = l.fd;
	else
		(void)close(l.fd);
	return 0;
}

/* What is there, for reading; or NULL. */
static void *
map_aside(const struct shared_kind *kind, const char *folder)
{
	struct fault none = FAULT_INIT;
	void *map = NULL;
	int dir = -1, fd;

	if (file_open_folder(folder, &dir, &none) == -1)
		return NULL;
	fd = openat(
	    dir, kind->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	(void)close(dir);
	if (fd == -1)
		return NULL;
	(void)map_open(kind, &map, fd, MAP_PRIVATE, &none);
	(void)close(fd);
	return map;
}

int
shared_listen(const struct shared_kind *kind, const char *folder, void **map,
    struct fault *f)
{
	void *here = map_aside(kind, folder);

	if (here == NULL) {
		here = mmap(NULL, kind->head.size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (here == MAP_FAILED)
			return failed(kind, f, "map");
		begin(kind, here);
	}
	*map = here;
	return 0;
}

void
shared_close(const struct shared_kind *kind, void *map)
{
	if (map != NULL)
		(void)munmap(map, kind->head.size);
}
