#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/share.h"

enum {
	DRAFT_TRIES = 100,
	FILE_MODE = 0640,
	SECRET_MODE = 0600,
	FOLDER_MODE = 0750
};

static int
open_mode(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_CLOEXEC, mode);
	while (fd == -1 && errno == EINTR);
	return fd;
}

static int
open_at(int dir, const char *name, int flags)
{
	return open_mode(dir, name, flags, FILE_MODE);
}

/* A job's files may be for two users, in folders that are not ours. */
static int
failed_in(
    struct fault *f, int dir, const char *doing, const char *name, bool is_jobs)
{
	return is_jobs ? share_fault(f, dir, name, SHARE_WRITE, doing)
		       : fault_disk(f, doing, name);
}

static int
create_file(
    int dir, const char *name, mode_t mode, bool is_jobs, struct fault *f)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
	const int fd = is_jobs ? share_create(dir, name, flags)
			       : open_mode(dir, name, flags, mode);

	if (fd == -1)
		(void)failed_in(f, dir, "create", name, is_jobs);
	return fd;
}

/* Makes the draft's file, under a name of 96 random bits. */
static int
create(
    struct file_draft *d, int dir, mode_t mode, bool is_jobs, struct fault *f)
{
	(void)snprintf(d->name, sizeof d->name,
	    FILE_DRAFT_PREFIX "%08x%08x%08x", clock_chance(UINT32_MAX),
	    clock_chance(UINT32_MAX), clock_chance(UINT32_MAX));
	d->dir = dir;
	d->fd = create_file(dir, d->name, mode, is_jobs, f);
	if (d->fd == -1)
		d->name[0] = '\0';
	return d->fd == -1 ? -1 : 0;
}

/*
 * Locks a draft just made: 1 when it is ours, -1 with errno.  Before its
 * lock it looks like a draft of the dead: 0 when a sweep was faster, and
 * has it in hand or has removed it.
 */
static int
lock_new(int fd)
{
	struct stat st;

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ? 0 : -1;
	if (fstat(fd, &st) == -1)
		return -1;
	return st.st_nlink > 0;
}

static int
open_draft(
    struct file_draft *d, int dir, mode_t mode, bool is_jobs, struct fault *f)
{
	int locked, tries;

	MUST(d->fd == -1 && d->name[0] == '\0');
	for (tries = 0; tries < DRAFT_TRIES; tries++) {
		if (create(d, dir, mode, is_jobs, f) == -1)
			return -1;
		locked = lock_new(d->fd);
		if (locked == 1)
			return 0;
		if (locked == -1)
			(void)fault_disk(f, "lock", d->name);
		file_draft_fini(d);
		if (locked == -1)
			return -1;
	}
	return fault_set(f, FAULT_DISK, "sweeps took %d drafts", DRAFT_TRIES);
}

int
file_draft_open(struct file_draft *d, int dir, struct fault *f)
{
	return open_draft(d, dir, FILE_MODE, false, f);
}

int
file_draft_open_jobs(struct file_draft *d, int dir, struct fault *f)
{
	return open_draft(d, dir, SHARE_FILE_MODE, true, f);
}

int
file_draft_open_secret(struct file_draft *d, int dir, struct fault *f)
{
	return open_draft(d, dir, SECRET_MODE, false, f);
}

/* After a failure the draft can only be finished: without its descriptor
 * the next call breaks a promise instead of lying.  Returns -1. */
static int
give_up(struct file_draft *d)
{
	(void)close(d->fd);
	d->fd = -1;
	return -1;
}

int
file_draft_write(struct file_draft *d, struct view bytes, struct fault *f)
{
	ssize_t n;

	MUST(d->fd != -1);
	while (bytes.n > 0) {
		n = write(d->fd, bytes.p, bytes.n);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			(void)fault_disk(f, "write", d->name);
			return give_up(d);
		}
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return 0;
}

/*
 * Gives the draft its name.  Filesystems that cannot rename without
 * replacing can link; the hidden name then goes when the draft is finished.
 */
static int
rename_new(struct file_draft *d, const char *name)
{
	if (renameat2(d->dir, d->name, d->dir, name, RENAME_NOREPLACE) == 0) {
		d->name[0] = '\0';
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	return linkat(d->dir, d->name, d->dir, name, 0);
}

int
file_draft_publish(struct file_draft *d, const char *name, struct fault *f)
{
	MUST(d->fd != -1);
	if (fsync(d->fd) == -1) {
		(void)fault_disk(f, "sync", d->name);
		return give_up(d);
	}
	if (rename_new(d, name) == -1) {
		if (errno == EEXIST)
			(void)fault_set(f, FAULT_CONFLICT, "the name is taken");
		else
			(void)fault_disk(f, "rename to", name);
		return give_up(d);
	}
	return 0;
}

void
file_draft_fini(struct file_draft *d)
{
	if (d->name[0] != '\0')
		(void)unlinkat(d->dir, d->name, 0);
	if (d->fd != -1)
		(void)close(d->fd);
	d->fd = -1;
	d->name[0] = '\0';
}

/* The owner's lock is exclusive.  Ours is shared, so that two that ask at once
 * do not take each other for the owner. */
bool
file_is_held(int dir, const char *name)
{
	const int fd = open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	bool held;

	if (fd == -1)
		return false;
	held = flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK;
	(void)close(fd);
	return held;
}

static int
rename_over(struct file_draft *d, const char *name, struct fault *f)
{
	if (fsync(d->fd) == -1)
		return fault_disk(f, "sync", d->name);
	if (renameat2(d->dir, d->name, d->dir, name, 0) == -1)
		return fault_disk(f, "rename to", name);
	d->name[0] = '\0';
	return 0;
}

int
file_replace(int dir, const char *name, struct view secret, struct fault *f)
{
	struct file_draft d = FILE_DRAFT_INIT;
	int rc = open_draft(&d, dir, SECRET_MODE, false, f);

	if (rc == 0)
		rc = file_draft_write(&d, secret, f);
	if (rc == 0)
		rc = rename_over(&d, name, f);
	file_draft_fini(&d);
	return rc;
}

/*
 * Whoever holds the lock decides about the file.  If the name still leads
 * to what we locked, its owner died before renaming it.
 */
static bool
is_orphan(int fd, int dir, const char *name)
{
	struct stat locked, named;

	return fstat(fd, &locked) == 0 && S_ISREG(locked.st_mode) &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	       fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       named.st_dev == locked.st_dev && named.st_ino == locked.st_ino;
}

bool
file_draft_sweep(int dir, const char *name)
{
	bool swept;
	int fd;

	if (!view_begins(view_str(name), FILE_DRAFT_PREFIX))
		return false;
	fd = open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return false;
	swept = is_orphan(fd, dir, name) && unlinkat(dir, name, 0) == 0;
	(void)close(fd);
	return swept;
}

void
file_sweep_drafts(int dir)
{
	/* Opened anew: the place in the list belongs to the open folder. */
	const int own = open_at(dir, ".", O_RDONLY | O_DIRECTORY);
	DIR *list = own == -1 ? NULL : fdopendir(own);
	const struct dirent *entry;

	if (list == NULL) {
		if (own != -1)
			(void)close(own);
		return;
	}
	while ((entry = readdir(list)) != NULL)
		(void)file_draft_sweep(dir, entry->d_name);
	(void)closedir(list);
}

/*
 * Makes the names in dir, an O_PATH descriptor, durable.  A folder that
 * was there before us is synced too, since its maker may have been killed
 * between making and syncing; but one of the system's, such as "/", may
 * not allow it.
 */
static int
sync_parent(int dir, bool made)
{
	const int fd = open_at(dir, ".", O_RDONLY | O_DIRECTORY);
	const int rc = fd == -1 ? -1 : fsync(fd);
	const int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
	if (rc == -1 && !made &&
	    (saved == EACCES || saved == EINVAL || saved == EROFS))
		return 0;
	return rc;
}

/* jobs: the folder of jobs that the way leads to, or NULL. */
static int
failed_on_way(struct fault *f, int dir, const char *doing, const char *name,
    const char *jobs)
{
	return jobs == NULL
		   ? fault_disk(f, doing, name)
		   : share_fault_below(f, jobs, dir, name, SHARE_WRITE, doing);
}

/* Makes, when it is missing, the folder `name` in *dir; *dir becomes it. */
static int
step_into(int *dir, const char *name, const char *jobs, struct fault *f)
{
	const bool made =
	    (jobs != NULL ? share_mkdir(*dir, name)
			  : mkdirat(*dir, name, FOLDER_MODE)) == 0;
	int next;

	if (!made && errno != EEXIST)
		return failed_on_way(f, *dir, "make the folder", name, jobs);
	if (sync_parent(*dir, made) == -1)
		return failed_on_way(f, *dir, "sync the folder of", name, jobs);
	next = open_at(*dir, name, O_PATH | O_DIRECTORY);
	if (next == -1)
		return failed_on_way(f, *dir, "enter the folder", name, jobs);
	(void)close(*dir);
	*dir = next;
	return 0;
}

/* Takes the next name off *path: false at its end. */
static bool
next_name(const char **path, char name[NAME_MAX + 2])
{
	size_t n;

	*path += strspn(*path, "/");
	n = strcspn(*path, "/");
	/* One byte over what is allowed stays: the kernel then refuses it. */
	(void)snprintf(name, NAME_MAX + 2, "%.*s",
	    (int)(n > NAME_MAX ? NAME_MAX + 1 : n), *path);
	*path += n;
	return n > 0;
}

static int
make_folders(const char *path, bool is_jobs, struct fault *f)
{
	int dir =
	    open_at(AT_FDCWD, path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY);
	const char *rest = path;
	char name[NAME_MAX + 2];
	int rc = 0;

	if (dir == -1)
		return fault_disk(f, "make folders of", path);
	while (rc == 0 && next_name(&rest, name))
		rc = step_into(&dir, name, is_jobs ? path : NULL, f);
	(void)close(dir);
	return rc;
}

int
file_make_folders(const char *path, struct fault *f)
{
	return make_folders(path, false, f);
}

int
file_open_jobs_folder(const char *path, bool make, int *dir, struct fault *f)
{
	if (make && make_folders(path, true, f) == -1)
		return -1;
	*dir = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
	if (*dir != -1)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return fault_set(f, FAULT_ABSENT, "no such folder: %s", path);
	return share_fault_below(
	    f, path, AT_FDCWD, path, SHARE_READ, "open the folder");
}

int
file_open_folder(const char *path, int *dir, struct fault *f)
{
	const int fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);

	if (fd == -1)
		return fault_disk(f, "open the folder", path);
	*dir = fd;
	return 0;
}

int
file_sync_folder(int dir, struct fault *f)
{
	if (fsync(dir) == -1)
		return fault_disk(f, "sync", "a folder");
	return 0;
}

/* Reads until n bytes are there or the file ends: how many, or -1. */
static ssize_t
read_full(int fd, char *at, size_t n)
{
	size_t got = 0;
	ssize_t now;

	while (got < n) {
		now = read(fd, at + got, n - got);
		if (now == -1 && errno == EINTR)
			continue;
		if (now == -1)
			return -1;
		if (now == 0)
			break;
		got += (size_t)now;
	}
	return (ssize_t)got;
}

/* Reads what fstat promised, and sees that there is no more and no less. */
static int
read_open(
    int fd, const char *name, size_t size, struct buf *out, struct fault *f)
{
	char *room, more;
	ssize_t got;

	if (size > out->limit)
		return fault_set(f, FAULT_DISK,
		    "%s is %zu bytes, over the limit of %zu", name, size,
		    out->limit);
	room = buf_room(out, size);
	if (room == NULL)
		return buf_done(out, f);
	got = read_full(fd, room, size);
	if (got == (ssize_t)size && read_full(fd, &more, 1) == 0)
		return 0;
	if (got == -1)
		return fault_disk(f, "read", name);
	return fault_set(f, FAULT_DISK, "%s changed while it was read", name);
}

/* O_NONBLOCK: opening a pipe of that name must not wait. */
static int
read_at(int dir, const char *name, int flags, struct buf *out, struct fault *f)
{
	const int fd = open_at(dir, name, O_RDONLY | O_NONBLOCK | flags);
	struct stat st;
	int rc = -1;

	MUST(out->len == 0);
	if (fd == -1) {
		if (errno == ENOENT || errno == ELOOP)
			return fault_set(f, FAULT_ABSENT, "no such file");
		return fault_disk(f, "open", name);
	}
	if (fstat(fd, &st) == -1)
		(void)fault_disk(f, "look at", name);
	else if (!S_ISREG(st.st_mode))
		(void)fault_set(f, FAULT_ABSENT, "no such file");
	else
		rc = read_open(fd, name, (size_t)st.st_size, out, f);
	(void)close(fd);
	if (rc == -1)
		buf_clear(out);
	return rc;
}

int
file_read(int dir, const char *name, struct buf *out, struct fault *f)
{
	return read_at(dir, name, O_NOFOLLOW, out, f);
}

int
file_follow(const char *path, struct buf *out, struct fault *f)
{
	return read_at(AT_FDCWD, path, 0, out, f);
}

int64_t
file_size(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return -1;
	return st.st_size;
}

bool
file_is_folder(int dir, const char *path)
{
	struct stat ours, there;

	return fstat(dir, &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

int
file_free_space(int dir, int64_t *bytes, int64_t *files, struct fault *f)
{
	struct statvfs vfs;

	if (fstatvfs(dir, &vfs) == -1)
		return fault_disk(f, "ask for free space in", "a folder");
	if (vfs.f_frsize > 0 && vfs.f_bavail > INT64_MAX / vfs.f_frsize)
		*bytes = INT64_MAX;
	else
		*bytes = (int64_t)(vfs.f_bavail * vfs.f_frsize);
	/* Filesystems that make inodes as they need them count none. */
	*files = vfs.f_files == 0 || vfs.f_favail > INT64_MAX
		     ? INT64_MAX
		     : (int64_t)vfs.f_favail;
	return 0;
}

/*
 * The lock belongs to the open file, not to the process (F_OFD_SETLK), so
 * that closing some other descriptor of the lock file does not end it.
 */
int
file_lease_take(struct file_lease *l, int dir, const char *name, int64_t at,
    bool *held, struct fault *f)
{
	struct flock one_byte = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1 };

	int rc = 0;

	MUST(l->fd == -1 && at >= 0);
	*held = false;
	l->fd = open_at(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW);
	if (l->fd == -1)
		return fault_disk(f, "open", name);
	if (fcntl(l->fd, F_OFD_SETLK, &one_byte) == 0) {
		*held = true;
		return 0;
	}
	if (errno != EAGAIN && errno != EACCES)
		rc = fault_disk(f, "lock", name);
	file_lease_fini(l);
	return rc;
}

void
file_lease_fini(struct file_lease *l)
{
	if (l->fd != -1)
		(void)close(l->fd);
	l->fd = -1;
}
