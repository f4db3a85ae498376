#include "app/sharing.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "app/start.h"
#include "base/share.h"

#define JOBS_GROUP "charref-jobs"
#define DEFAULT_ACL "system.posix_acl_default"
#define ACCESS_ACL "system.posix_acl_access"

enum {
	DEPTH_MAX = 64,
	ACL_ENTRIES_MAX = 64,
	RWX = ACL_READ | ACL_WRITE | ACL_EXECUTE,
	LINK_SIZE = 40
};

/* --- access control lists --- */

/* As the kernel hands them over: little-endian (posix_acl_xattr.h). */
struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[ACL_ENTRIES_MAX];
};

/* The kernel takes the path of a descriptor that only names a file (O_PATH),
 * where it does not take the descriptor. */
static const char *
link_of(char link[LINK_SIZE], int fd)
{
	(void)snprintf(link, LINK_SIZE, "/proc/self/fd/%d", fd);
	return link;
}

/* How many entries the list has; 0: there is none; -1 with errno. */
static int
read_acl(int fd, const char *name, struct acl *acl)
{
	char link[LINK_SIZE];
	const ssize_t n = getxattr(link_of(link, fd), name, acl, sizeof *acl);

	if (n == -1)
		return errno == ENODATA ? 0 : -1;
	if ((size_t)n < sizeof acl->header)
		return 0;
	return (int)(((size_t)n - sizeof acl->header) / sizeof acl->entries[0]);
}

static int
write_acl(int fd, const char *name, const struct acl *acl, int n)
{
	char link[LINK_SIZE];

	return setxattr(link_of(link, fd), name, acl,
	    sizeof acl->header + (size_t)n * sizeof acl->entries[0], 0);
}

/* Gives the group those rights, and the mask, which bounds them.  Were they
 * less? */
static bool
raise_group(struct acl *acl, int n, unsigned rights)
{
	bool changed = false;
	int i;

	for (i = 0; i < n; i++) {
		const unsigned tag = le16toh(acl->entries[i].e_tag);
		const unsigned had = le16toh(acl->entries[i].e_perm);

		if ((tag != ACL_GROUP_OBJ && tag != ACL_MASK) ||
		    (had & rights) == rights)
			continue;
		acl->entries[i].e_perm = htole16((uint16_t)(had | rights));
		changed = true;
	}
	return changed;
}

static struct posix_acl_xattr_entry
entry_of(unsigned tag, unsigned rights)
{
	return (struct posix_acl_xattr_entry){ .e_tag = htole16((uint16_t)tag),
		.e_perm = htole16((uint16_t)rights),
		.e_id = htole32((uint32_t)ACL_UNDEFINED_ID) };
}

/* Others are given what they have of the folder, but not to write. */
static int
begin_acl(struct acl *acl, mode_t mode)
{
	acl->header.a_version = htole32(POSIX_ACL_XATTR_VERSION);
	acl->entries[0] = entry_of(ACL_USER_OBJ, RWX);
	acl->entries[1] = entry_of(ACL_GROUP_OBJ, 0);
	acl->entries[2] = entry_of(ACL_OTHER, mode & (S_IROTH | S_IXOTH));
	return 3;
}

/* 1: changed; 0: it was so; -1 with errno. */
static int
share_by_default(int fd, mode_t mode)
{
	struct acl acl;
	int n = read_acl(fd, DEFAULT_ACL, &acl);

	if (n == -1)
		return -1;
	if (n == 0)
		n = begin_acl(&acl, mode);
	if (!raise_group(&acl, n, RWX))
		return 0;
	return write_acl(fd, DEFAULT_ACL, &acl, n) == -1 ? -1 : 1;
}

/* With an access list, a group's bits of the mode are the list's mask. */
static int
share_access(int fd, unsigned rights)
{
	struct acl acl;
	const int n = read_acl(fd, ACCESS_ACL, &acl);

	if (n == -1)
		return errno == ENOTSUP ? 0 : -1;
	if (n == 0 || !raise_group(&acl, n, rights))
		return 0;
	return write_acl(fd, ACCESS_ACL, &acl, n) == -1 ? -1 : 1;
}

enum sharing_acl
sharing_acl_of(int dir)
{
	struct acl acl;
	const int n = read_acl(dir, DEFAULT_ACL, &acl);

	if (n == -1 && errno == ENOTSUP)
		return SHARING_UNABLE;
	return n > 0 && !raise_group(&acl, n, RWX) ? SHARING_ACL
						   : SHARING_NO_ACL;
}

/* --- one file or folder --- */

struct sharing {
	gid_t gid;
	bool has_no_acls;
	long folders;
	long files;
	long changed;
	long left; /* with a line of their own */
};

static void
leave(struct sharing *s, const char *path, const char *why)
{
	s->left++;
	(void)fprintf(stderr, "charref: %s: %s\n", path, why);
}

/* Owner and group first: they may take bits off the mode. */
static int
set_mode(int fd, const struct stat *st, gid_t gid, mode_t mode)
{
	char link[LINK_SIZE];
	const bool moves = st->st_gid != gid;

	if (moves && fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH) == -1)
		return -1;
	if (!moves && (st->st_mode & 07777) == mode)
		return 0;
	return chmod(link_of(link, fd), mode) == -1 ? -1 : 1;
}

/* 1: changed; 0: it was so; -1 with errno. */
static int
share_file(struct sharing *s, int fd, const struct stat *st)
{
	const bool runs = (st->st_mode & S_IXUSR) != 0;
	const mode_t mode =
	    (st->st_mode & 0777) | S_IRGRP | S_IWGRP | (runs ? S_IXGRP : 0);
	const int acl = share_access(fd, runs ? RWX : ACL_READ | ACL_WRITE);
	const int rc = acl == -1 ? -1 : set_mode(fd, st, s->gid, mode);

	return rc == 0 ? acl : rc;
}

static int
share_folder(struct sharing *s, int fd, const struct stat *st)
{
	const mode_t mode = (st->st_mode & 07777) | S_IRWXU | SHARE_BITS;
	const int acl = share_access(fd, RWX);
	const int rc = acl == -1 ? -1 : set_mode(fd, st, s->gid, mode);
	int preset;

	if (rc == -1)
		return -1;
	preset = share_by_default(fd, mode);
	if (preset == -1 && errno == ENOTSUP) {
		s->has_no_acls = true;
		preset = 0;
	}
	return preset == -1 ? -1 : acl + rc + preset > 0;
}

/* --- all of them --- */

static void share_below(struct sharing *s, int dir, char *path, int depth);

static void
count(struct sharing *s, const char *path, int rc)
{
	if (rc == -1)
		leave(s, path, strerror(errno));
	s->changed += rc == 1;
}

/* `path` is for people; what is there is reached by its name in dir. */
static void
share_entry(struct sharing *s, int dir, const char *name, char *path, int depth)
{
	const int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1) {
		leave(s, path, strerror(errno));
	} else if (S_ISDIR(st.st_mode)) {
		s->folders++;
		count(s, path, share_folder(s, fd, &st));
		share_below(s, fd, path, depth);
	} else if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
		leave(s, path, "is a hard link; not changed");
	} else if (S_ISREG(st.st_mode)) {
		s->files++;
		count(s, path, share_file(s, fd, &st));
	}
	if (fd != -1)
		(void)close(fd);
}

static bool
is_entry(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The next entry, or NULL: at the end with errno 0. */
static const struct dirent *
next_entry(DIR *list)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(list);
	} while (entry != NULL && !is_entry(entry->d_name));
	return entry;
}

/* Calls itself by way of share_entry, DEPTH_MAX deep. */
static void
share_below(struct sharing *s, int dir, char *path, int depth)
{
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd == -1 ? NULL : fdopendir(fd);
	const size_t n = strlen(path);
	const struct dirent *entry;

	if (list == NULL || depth == DEPTH_MAX) {
		leave(s, path, list == NULL ? strerror(errno) : "is too deep");
		if (list != NULL)
			(void)closedir(list);
		else if (fd != -1)
			(void)close(fd);
		return;
	}
	while ((entry = next_entry(list)) != NULL) {
		(void)snprintf(path + n, PATH_MAX - n, "/%s", entry->d_name);
		share_entry(s, dirfd(list), entry->d_name, path, depth + 1);
		path[n] = '\0';
	}
	if (errno != 0)
		leave(s, path, strerror(errno));
	(void)closedir(list);
}

/* --- the verb --- */

/* No part of the path may be a link: its owner could lead root anywhere. */
static int
open_top(const char *path, struct stat *st, struct fault *f)
{
	const struct open_how how = { .flags =
					  O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS };
	const int dir =
	    (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	if (dir != -1 && fstat(dir, st) == 0)
		return dir;
	if (errno == ENOENT)
		return fault_set(f, FAULT_ABSENT, "no such folder: %s", path);
	if (errno == ELOOP)
		return fault_set(f, FAULT_CONFLICT,
		    "a part of %s is a symbolic link: give the path without "
		    "links",
		    path);
	return fault_sys(f, FAULT_DISK, "open %s", path);
}

/* The group of an installed service, if the host has it. */
static gid_t
group_for(const struct stat *folder)
{
	const struct group *group = getgrnam(JOBS_GROUP);

	return group == NULL ? folder->st_gid : group->gr_gid;
}

static void
report(const struct sharing *s, const char *path, struct buf *out)
{
	buf_fmt(out,
	    "%s: %ld folders and %ld files are for owner and group, %ld of "
	    "them changed\n",
	    path, s->folders, s->files, s->changed);
	if (s->has_no_acls)
		buf_add(out,
		    VIEW("its file system has no ACLs: the pipeline's user "
			 "needs the umask 002\n"));
}

int
sharing_verb(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct sharing s = { .folders = 0 };
	char path[PATH_MAX];
	struct stat st;
	int dir;

	if (strlen(line->words[0]) >= sizeof path)
		return fault_set(f, FAULT_RANGE, "the path is too long");
	(void)snprintf(path, sizeof path, "%s", line->words[0]);
	dir = open_top(path, &st, f);
	if (dir == -1)
		return -1;
	s.gid = group_for(&st);
	share_entry(&s, dir, ".", path, 0);
	(void)close(dir);
	report(&s, path, out);
	return s.left == 0
		   ? 0
		   : fault_set(f, FAULT_CONFLICT,
			 "%ld files or folders were not changed", s.left);
}
