#include "disk/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/share.h"

enum {
	NS_PER_S = 1000000000,
	/* The longest path and one name more, of any system's length: what
	 * does not fit is cut, and still too long for a path. */
	WAY_SIZE = JOBPATH_MAX + 1 + JOBPATH_NAME_MAX + 1,
	NAMES_BYTES_MAX = TREE_NAMES_MAX * (JOBPATH_NAME_MAX + 1)
};

struct tree {
	int dir; /* owned */
};

static int
open_at(int dir, const char *name, int flags)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_CLOEXEC);
	while (fd == -1 && errno == EINTR);
	return fd;
}

int
tree_open(struct tree **out, const char *path, bool make, struct fault *f)
{
	struct tree *t = calloc(1, sizeof *t);

	if (t == NULL)
		return fault_set(f, FAULT_MEMORY, "tree");
	t->dir = -1;
	if (file_open_jobs_folder(path, make, &t->dir, f) == -1) {
		tree_close(&t);
		return -1;
	}
	*out = t;
	return 0;
}

void
tree_close(struct tree **t)
{
	if (*t == NULL)
		return;
	if ((*t)->dir != -1)
		(void)close((*t)->dir);
	free(*t);
	*t = NULL;
}

int
tree_folder(const struct tree *t)
{
	return t->dir;
}

static int64_t
nanoseconds(const struct timespec *t)
{
	return (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

static struct tree_stamp
stamp_of(const struct stat *st)
{
	return (struct tree_stamp){ .size = st->st_size,
		.mtime_ns = nanoseconds(&st->st_mtim),
		.ctime_ns = nanoseconds(&st->st_ctim),
		.inode = (int64_t)st->st_ino };
}

bool
tree_same(const struct tree_stamp *a, const struct tree_stamp *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns &&
	       a->ctime_ns == b->ctime_ns && a->inode == b->inode;
}

static int
look_at(int dir, const char *name, struct stat *st)
{
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW);
}

/* --- walking --- */

/* The names in one folder, sorted. */
struct names {
	struct buf bytes; /* each with its NUL         */
	char **at;        /* owned; they point into it */
	size_t n;
};

#define NAMES_INIT ((struct names){ .bytes = BUF_INIT(NAMES_BYTES_MAX) })

struct walk {
	const struct tree_visitor *visitor;
	struct fault *f;
	size_t files;
	size_t names;
	char way[WAY_SIZE]; /* path of what is at hand; "": the tree */
};

static void
names_fini(struct names *names)
{
	buf_fini(&names->bytes);
	free(names->at);
	*names = NAMES_INIT;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
sort_names(struct names *names, struct fault *f)
{
	char *name = names->bytes.data;
	size_t i;

	if (buf_done(&names->bytes, f) == -1)
		return -1;
	names->at = calloc(names->n + 1, sizeof names->at[0]);
	if (names->at == NULL)
		return fault_set(f, FAULT_MEMORY, "names of a folder");
	for (i = 0; i < names->n; i++) {
		names->at[i] = name;
		name += strlen(name) + 1;
	}
	if (names->n > 0)
		qsort(names->at, names->n, sizeof names->at[0], compare_names);
	return 0;
}

/* The next name of an open folder but dotfiles: NULL at its end, or with
 * errno when it cannot be read on. */
static const char *
next_name(DIR *list)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(list);
	} while (entry != NULL && entry->d_name[0] == '.');
	return entry == NULL ? NULL : entry->d_name;
}

static int
refuse(struct walk *w, const struct fault *why)
{
	char shown[JOBPATH_SHOWN_SIZE];

	jobpath_show(shown, view_str(w->way));
	return w->visitor->refused(w->visitor->arg, shown, why, w->f);
}

/* What the system says of the entry at hand (errno): one that vanished is
 * none; what we lack ourselves is no matter of the entry. */
static int
refuse_sys(struct walk *w, int dir, const char *name, const char *doing)
{
	struct fault why = FAULT_INIT;

	if (errno == ENOENT)
		return 0;
	if (errno == ENOMEM)
		return fault_sys(w->f, FAULT_MEMORY, "walk the tree");
	if (errno == EMFILE || errno == ENFILE)
		return fault_sys(w->f, FAULT_DISK, "walk the tree");
	(void)share_fault(&why, dir, name, SHARE_READ, doing);
	return refuse(w, &why);
}

static int
list_names(struct walk *w, DIR *list, struct names *names)
{
	const char *name;

	while ((name = next_name(list)) != NULL) {
		if (++w->names > TREE_NAMES_MAX)
			return fault_set(w->f, FAULT_LARGE,
			    "more than %d names", TREE_NAMES_MAX);
		buf_add(&names->bytes, (struct view){ name, strlen(name) + 1 });
		names->n++;
	}
	if (errno == 0)
		return sort_names(names, w->f);
	names->n = 0;
	return w->way[0] == '\0'
		   ? fault_disk(w->f, "list", "the tree")
		   : refuse_sys(w, dirfd(list), "", "cannot list it");
}

static const char *
kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a folder";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a pipe";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

static int
refuse_kind(struct walk *w, mode_t mode)
{
	struct fault why = FAULT_INIT;

	(void)fault_set(&why, FAULT_INPUT, "is %s", kind_of(mode));
	return refuse(w, &why);
}

static int walk_folder(struct walk *w, int dir, const char *name);

static int
walk_file(struct walk *w, const struct jobpath *path, const struct stat *st)
{
	const struct tree_stamp stamp = stamp_of(st);

	if (++w->files > TREE_FILES_MAX)
		return fault_set(
		    w->f, FAULT_LARGE, "more than %d files", TREE_FILES_MAX);
	return w->visitor->file(w->visitor->arg, path, &stamp, w->f);
}

/* The entry at hand, `name` in dir. */
static int
walk_entry(struct walk *w, int dir, const char *name)
{
	struct fault why = FAULT_INIT;
	struct jobpath path;
	struct stat st;

	if (look_at(dir, name, &st) == -1)
		return refuse_sys(w, dir, name, "cannot look at");
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return refuse_kind(w, st.st_mode);
	if (jobpath_parse(&path, view_str(w->way), w->visitor->job, &why) == -1)
		return refuse(w, &why);
	if (S_ISDIR(st.st_mode))
		return walk_folder(w, dir, name);
	return walk_file(w, &path, &st);
}

static int
walk_names(struct walk *w, int dir, const struct names *names)
{
	const size_t n = strlen(w->way);
	int rc = 0;
	size_t i;

	for (i = 0; i < names->n && rc == 0; i++) {
		(void)snprintf(w->way + n, sizeof w->way - n, "%s%s",
		    n == 0 ? "" : "/", names->at[i]);
		rc = walk_entry(w, dir, names->at[i]);
	}
	return rc;
}

/* Opens a folder to be listed: NULL with errno. */
static DIR *
open_list(int dir, const char *name)
{
	const int fd = open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *list = fd == -1 ? NULL : fdopendir(fd);
	const int saved = errno;

	if (list == NULL && fd != -1)
		(void)close(fd);
	errno = saved;
	return list;
}

static int
walk_list(struct walk *w, DIR *list)
{
	struct names names = NAMES_INIT;
	int rc = list_names(w, list, &names);

	if (rc == 0)
		rc = walk_names(w, dirfd(list), &names);
	names_fini(&names);
	return rc;
}

/* Calls itself by way of its entries, TREE_DEPTH_MAX deep: below that no
 * path is good. */
static int
walk_folder(struct walk *w, int dir, const char *name)
{
	DIR *list = open_list(dir, name);
	int rc;

	if (list == NULL)
		return refuse_sys(w, dir, name, "cannot enter");
	rc = walk_list(w, list);
	(void)closedir(list);
	return rc;
}

/* Opened anew: the place in a list belongs to the open folder. */
static DIR *
open_own_list(const struct tree *t, struct fault *f)
{
	DIR *list = open_list(t->dir, ".");

	if (list == NULL)
		(void)share_fault(f, t->dir, "", SHARE_READ, "list the tree");
	return list;
}

int
tree_walk(struct tree *t, const struct tree_visitor *visitor, struct fault *f)
{
	struct walk w = { .visitor = visitor, .f = f };
	DIR *list = open_own_list(t, f);
	int rc;

	if (list == NULL)
		return -1;
	rc = walk_list(&w, list);
	(void)closedir(list);
	return rc;
}

/* --- one file --- */

/* Another descriptor of the tree's folder. */
static int
own_folder(const struct tree *t, struct fault *f)
{
	const int dir = fcntl(t->dir, F_DUPFD_CLOEXEC, 0);

	if (dir == -1)
		(void)fault_disk(f, "open", "the tree");
	return dir;
}

/* Enters a folder: *dir becomes it.  -1 with errno. */
static int
enter(int *dir, const char *name, int how)
{
	const int next = open_at(*dir, name, how | O_DIRECTORY | O_NOFOLLOW);

	if (next == -1)
		return -1;
	(void)close(*dir);
	*dir = next;
	return 0;
}

/* Takes the next folder off *path; false at the name of the file, which
 * is left. */
static bool
next_folder(const char **path, char name[JOBPATH_NAME_MAX + 1])
{
	const char *slash = strchr(*path, '/');

	if (slash == NULL)
		return false;
	(void)snprintf(
	    name, JOBPATH_NAME_MAX + 1, "%.*s", (int)(slash - *path), *path);
	*path = slash + 1;
	return true;
}

/* What the system says of a way that is not there, as against one that it
 * does not let us go, at `name` in dir. */
static int
no_way(struct fault *f, int dir, const char *name)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return fault_set(f, FAULT_ABSENT, "no such file");
	return share_fault(f, dir, name, SHARE_READ, "open");
}

/*
 * Opens the file in dir.  It is looked at first, since a mere opening is
 * felt at the other end of a pipe, and by some devices; and O_NONBLOCK lets
 * none that comes in between keep us waiting.
 */
static int
open_regular(int dir, const char *name, int *fd, struct stat *st)
{
	if (look_at(dir, name, st) == -1)
		return -1;
	errno = ENOENT;
	if (!S_ISREG(st->st_mode))
		return -1;
	*fd = open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (*fd == -1)
		return -1;
	if (fstat(*fd, st) == 0 && S_ISREG(st->st_mode))
		return 0;
	(void)close(*fd);
	*fd = -1;
	errno = ENOENT;
	return -1;
}

int
tree_read(struct tree *t, const struct jobpath *path, int *fd,
    struct tree_stamp *stamp, struct fault *f)
{
	char folder[JOBPATH_NAME_MAX + 1];
	const char *rest = path->text, *name = folder;
	int dir = own_folder(t, f);
	struct stat st;
	int rc = 0;

	if (dir == -1)
		return -1;
	while (rc == 0 && next_folder(&rest, folder))
		rc = enter(&dir, folder, O_PATH);
	if (rc == 0) {
		name = rest;
		rc = open_regular(dir, name, fd, &st);
	}
	if (rc == 0)
		*stamp = stamp_of(&st);
	else
		(void)no_way(f, dir, name);
	(void)close(dir);
	return rc;
}

/* --- drafts --- */

/* Makes, when it is missing, the folder `name` in *dir, which becomes it. */
static int
step_into(int *dir, const char *name, struct fault *f)
{
	if (share_mkdir(*dir, name) == -1 && errno != EEXIST)
		return share_fault(
		    f, *dir, name, SHARE_WRITE, "make the folder");
	if (enter(dir, name, O_RDONLY) == 0)
		return 0;
	if (errno == ENOTDIR || errno == ELOOP)
		return fault_set(f, FAULT_CONFLICT,
		    "a link or a file is where the folder %s must be", name);
	return share_fault(f, *dir, name, SHARE_READ, "enter the folder");
}

static int
make_way(struct tree *t, struct tree_draft *d, const struct jobpath *path,
    struct fault *f)
{
	char folder[JOBPATH_NAME_MAX + 1];
	const char *rest = path->text;

	d->dir = own_folder(t, f);
	if (d->dir == -1)
		return -1;
	while (next_folder(&rest, folder))
		if (step_into(&d->dir, folder, f) == -1)
			return -1;
	MUST(strlen(rest) < sizeof d->name);
	memcpy(d->name, rest, strlen(rest) + 1);
	return 0;
}

/* Is there nothing of the name, or a regular file that may be replaced? */
static int
check_place(const struct tree_draft *d, struct fault *f)
{
	struct stat st;

	if (look_at(d->dir, d->name, &st) == -1)
		return errno == ENOENT ? 0
				       : share_fault(f, d->dir, d->name,
					     SHARE_READ, "look at");
	if (S_ISREG(st.st_mode))
		return 0;
	return fault_set(f, FAULT_CONFLICT, "%s is where the file %s must be",
	    kind_of(st.st_mode), d->name);
}

static int
open_hidden(struct tree_draft *d, struct fault *f)
{
	struct file_draft file = FILE_DRAFT_INIT;

	_Static_assert(sizeof d->hidden == sizeof file.name, "one name");
	if (file_draft_open_jobs(&file, d->dir, f) == -1)
		return -1;
	d->fd = file.fd;
	memcpy(d->hidden, file.name, sizeof d->hidden);
	return 0;
}

int
tree_draft_open(struct tree_draft *d, struct tree *t,
    const struct jobpath *path, struct fault *f)
{
	MUST(d->dir == -1 && d->fd == -1);
	if (make_way(t, d, path, f) == 0 && check_place(d, f) == 0 &&
	    open_hidden(d, f) == 0)
		return 0;
	tree_draft_fini(d);
	return -1;
}

static int
set_time(const struct tree_draft *d, int64_t mtime_ns, struct fault *f)
{
	const int64_t part = (mtime_ns % NS_PER_S + NS_PER_S) % NS_PER_S;
	const struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT }, /* of the last reading */
		{ .tv_sec = (mtime_ns - part) / NS_PER_S, .tv_nsec = part },
	};

	if (mtime_ns != 0 && futimens(d->fd, times) == -1)
		return fault_disk(f, "set the time of", d->name);
	return 0;
}

/* A link that comes between the look and the rename is itself replaced:
 * nothing is ever written where it leads. */
static int
rename_over(struct tree_draft *d, struct fault *f)
{
	if (check_place(d, f) == -1)
		return -1;
	if (renameat2(d->dir, d->hidden, d->dir, d->name, 0) == -1)
		return share_fault(
		    f, d->dir, d->name, SHARE_WRITE, "rename to");
	d->hidden[0] = '\0';
	return 0;
}

/* The stamp is taken last: a renaming changes ctime. */
static int
publish(struct tree_draft *d, int64_t mtime_ns, struct tree_stamp *stamp,
    struct fault *f)
{
	struct stat st;

	if (set_time(d, mtime_ns, f) == -1 || rename_over(d, f) == -1)
		return -1;
	if (fstat(d->fd, &st) == -1)
		return fault_disk(f, "look at", d->name);
	*stamp = stamp_of(&st);
	return 0;
}

int
tree_draft_publish(struct tree_draft *d, int64_t mtime_ns,
    struct tree_stamp *stamp, struct fault *f)
{
	MUST(d->fd != -1 && d->hidden[0] != '\0');
	if (publish(d, mtime_ns, stamp, f) == 0)
		return 0;
	/* Without its descriptor another try breaks a promise. */
	(void)close(d->fd);
	d->fd = -1;
	return -1;
}

void
tree_draft_fini(struct tree_draft *d)
{
	struct file_draft file = { .dir = d->dir, .fd = d->fd };

	memcpy(file.name, d->hidden, sizeof file.name);
	file_draft_fini(&file);
	if (d->dir != -1)
		(void)close(d->dir);
	*d = TREE_DRAFT_INIT;
}

int
tree_sync(struct tree *t, struct fault *f)
{
	return syncfs(t->dir) == -1 ? fault_disk(f, "sync", "the folder") : 0;
}

/* --- sweeping --- */

/* Goes through one open folder, `depth` names below the tree. */
static void
sweep_list(DIR *list, int depth)
{
	const struct dirent *entry;
	DIR *below;

	while ((entry = readdir(list)) != NULL) {
		if (entry->d_name[0] == '.') {
			(void)file_draft_sweep(dirfd(list), entry->d_name);
			continue;
		}
		if (depth == TREE_DEPTH_MAX - 1 ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		below = open_list(dirfd(list), entry->d_name);
		if (below == NULL)
			continue;
		sweep_list(below, depth + 1);
		(void)closedir(below);
	}
}

int
tree_sweep(struct tree *t, struct fault *f)
{
	DIR *list = open_own_list(t, f);

	if (list == NULL)
		return -1;
	sweep_list(list, 0);
	(void)closedir(list);
	return 0;
}
