#include "base/share.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/person.h"

bool
share_is_shared(const struct stat *folder)
{
	return (folder->st_mode & SHARE_BITS) == SHARE_BITS;
}

/*
 * Puts the umask aside where the folder is shared, and returns what
 * restore_umask takes.  The umask is the process's, and so is the time
 * between the two calls: no other thread of ours makes files.
 */
static mode_t
put_umask_aside(int dir)
{
	struct stat st;
	const mode_t old = umask(0);

	if (fstat(dir, &st) == -1 || !share_is_shared(&st))
		(void)umask(old);
	return old;
}

static void
restore_umask(mode_t old)
{
	const int saved = errno;

	(void)umask(old);
	errno = saved;
}

int
share_mkdir(int dir, const char *name)
{
	const mode_t old = put_umask_aside(dir);
	const int rc = mkdirat(dir, name, SHARE_FOLDER_MODE);

	restore_umask(old);
	return rc;
}

int
share_create(int dir, const char *name, int flags)
{
	const mode_t old = put_umask_aside(dir);
	const int fd = openat(
	    dir, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, SHARE_FILE_MODE);

	restore_umask(old);
	return fd;
}

/* --- what is in the way --- */

bool
share_may_write(int dir)
{
	return faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

/* The path of an open folder, and a name in it ("": none). */
static void
write_path(char path[PATH_MAX], int dir, const char *name)
{
	char link[sizeof "/proc/self/fd/" + 16];
	ssize_t n = 0;

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	if (dir != AT_FDCWD)
		n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
	if (name[0] == '\0')
		return;
	n = (ssize_t)strlen(path);
	(void)snprintf(
	    path + n, PATH_MAX - (size_t)n, "%s%s", n == 0 ? "" : "/", name);
}

/* Takes the last name off an absolute path: false before a folder of "/". */
static bool
go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return false;
	*slash = '\0';
	return strchr(path + 1, '/') != NULL;
}

/* The folder to make right: the nearest shared one, which may have been made
 * so after what is in it, or else the one that is the obstacle. */
static void
find_shared(char folder[PATH_MAX], const char *obstacle)
{
	char path[PATH_MAX];
	struct stat st;

	(void)snprintf(path, sizeof path, "%s", obstacle);
	if (stat(path, &st) == -1 || !S_ISDIR(st.st_mode))
		(void)go_up(path);
	(void)snprintf(folder, PATH_MAX, "%s", path);
	do {
		if (stat(path, &st) == -1 || !share_is_shared(&st))
			continue;
		(void)snprintf(folder, PATH_MAX, "%s", path);
		return;
	} while (go_up(path));
}

/* jobs: the folder to make right, or NULL when it is to be found. */
static int
name_obstacle(struct fault *f, int dir, const char *name,
    enum share_access access, const char *jobs)
{
	char path[PATH_MAX], folder[PATH_MAX], owners[PERSON_OWNERS_SIZE];
	struct person me;
	struct stat st;

	write_path(path, dir, name);
	find_shared(folder, path);
	if (jobs == NULL || jobs[0] != '/')
		jobs = folder;
	person_of_uid(&me, geteuid());
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) == -1)
		return fault_set(f, FAULT_CONFLICT,
		    "%s cannot reach %s: run `charref-admin jobs-folder %s` as "
		    "root",
		    me.name, path, jobs);
	return fault_set(f, FAULT_CONFLICT,
	    "%s may not %s %s (%s): run `charref-admin jobs-folder %s` as root",
	    me.name, access == SHARE_READ ? "read" : "write to", path,
	    person_owners(owners, &st), jobs);
}

/* The folder, or else what has the name in it, is the obstacle. */
static int
tell(struct fault *f, int dir, const char *name, enum share_access access,
    const char *doing, const char *jobs)
{
	const int wanted = access == SHARE_READ ? X_OK : W_OK | X_OK;
	const int saved = errno;

	if (saved != EACCES && saved != EPERM && saved != EROFS)
		return fault_disk(f, doing, name);
	if (dir != AT_FDCWD && faccessat(dir, ".", wanted, AT_EACCESS) == -1)
		return name_obstacle(f, dir, "", access, jobs);
	return name_obstacle(f, dir, name, access, jobs);
}

int
share_fault(struct fault *f, int dir, const char *name,
    enum share_access access, const char *doing)
{
	return tell(f, dir, name, access, doing, NULL);
}

int
share_fault_below(struct fault *f, const char *jobs, int dir, const char *name,
    enum share_access access, const char *doing)
{
	return tell(f, dir, name, access, doing, jobs);
}
