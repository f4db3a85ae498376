#include "app/doctor_jobs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/sharing.h"
#include "base/clock.h"
#include "base/share.h"

#define OURS "ours"     /* a file that the service makes       */
#define THEIRS "theirs" /* a file that the pipeline's user does */

enum {
	MEMBERS_MAX = 16,
	JOBS_MAX = 1000, /* looked at of those that are there */
	PIPELINE_UMASK = 022,
	COMM_SIZE = 32
};

static void
advise(struct finding *it, const char *jobs)
{
	if (it->remedy.len == 0)
		finding_advise(
		    it, "run `charref-admin jobs-folder %s` as root", jobs);
}

/* The next entry, or NULL: at the end with errno 0. */
static const struct dirent *
next_entry(DIR *list)
{
	errno = 0;
	return readdir(list);
}

/* --- as both users --- */

/* Two probe folders in JOBS_DIR: one that the service makes and the other
 * user writes in, and the other way round. */
struct trial {
	const char *jobs;
	char by_service[NAME_MAX / 2];
	char by_member[NAME_MAX];
};

static int
open_in(const struct trial *t, const char *name, int *dir, struct fault *f)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/%s", t->jobs, name);
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *dir == -1 ? share_fault(f, AT_FDCWD, path, SHARE_READ, "enter")
			  : 0;
}

/* Makes the file, or writes to the one that is there. */
static int
write_file(int dir, const char *name, int fd, struct fault *f)
{
	int rc = 0;

	if (fd == -1 || write(fd, "charref doctor\n", 15) != 15)
		rc = share_fault(f, dir, name, SHARE_WRITE, "write");
	if (fd != -1)
		(void)close(fd);
	return rc;
}

static int
append(int dir, const char *name, struct fault *f)
{
	return write_file(dir, name,
	    openat(dir, name, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC), f);
}

static int
make_ours(const void *arg, struct fault *f)
{
	const struct trial *t = arg;
	int dir, rc;

	if (open_in(t, ".", &dir, f) == -1)
		return -1;
	rc = share_mkdir(dir, t->by_service);
	if (rc == -1)
		(void)share_fault(
		    f, dir, t->by_service, SHARE_WRITE, "make a folder");
	(void)close(dir);
	if (rc == -1 || open_in(t, t->by_service, &dir, f) == -1)
		return -1;
	rc = write_file(dir, OURS, share_create(dir, OURS, O_WRONLY), f);
	(void)close(dir);
	return rc;
}

/* A folder of their own, as programs make one that know nothing of us. */
static int
make_theirs(const struct trial *t, struct fault *f)
{
	int dir, rc;

	if (open_in(t, ".", &dir, f) == -1)
		return -1;
	rc = mkdirat(dir, t->by_member, 0777);
	if (rc == -1)
		(void)share_fault(
		    f, dir, t->by_member, SHARE_WRITE, "make a folder");
	(void)close(dir);
	if (rc == -1 || open_in(t, t->by_member, &dir, f) == -1)
		return -1;
	rc = write_file(dir, THEIRS,
	    openat(dir, THEIRS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666),
	    f);
	(void)close(dir);
	return rc;
}

static int
try_as_member(const void *arg, struct fault *f)
{
	const struct trial *t = arg;
	const mode_t old = umask(PIPELINE_UMASK);
	int dir, rc = -1;

	if (open_in(t, t->by_service, &dir, f) == 0) {
		rc = append(dir, OURS, f);
		if (rc == 0)
			rc = write_file(dir, THEIRS,
			    openat(dir, THEIRS,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666),
			    f);
		(void)close(dir);
	}
	if (rc == 0)
		rc = make_theirs(t, f);
	(void)umask(old);
	return rc;
}

static int
try_as_service(const void *arg, struct fault *f)
{
	const struct trial *t = arg;
	int dir, rc;

	if (open_in(t, t->by_member, &dir, f) == -1)
		return -1;
	rc = append(dir, THEIRS, f);
	if (rc == 0)
		rc =
		    write_file(dir, OURS, share_create(dir, OURS, O_WRONLY), f);
	(void)close(dir);
	return rc;
}

/* The one who made the folder may remove what anyone put there. */
static void
remove_folder(const struct trial *t, const char *name)
{
	struct fault none = FAULT_INIT;
	char path[PATH_MAX];
	int dir;

	if (open_in(t, name, &dir, &none) == -1)
		return;
	(void)unlinkat(dir, OURS, 0);
	(void)unlinkat(dir, THEIRS, 0);
	(void)close(dir);
	(void)snprintf(path, sizeof path, "%s/%s", t->jobs, name);
	(void)rmdir(path);
}

static int
remove_ours(const void *arg, struct fault *f)
{
	(void)f;
	remove_folder(arg, ((const struct trial *)arg)->by_service);
	return 0;
}

static int
remove_theirs(const void *arg, struct fault *f)
{
	(void)f;
	remove_folder(arg, ((const struct trial *)arg)->by_member);
	return 0;
}

static int
try_both(const struct patient *p, const struct person *member, const char *jobs,
    struct fault *f)
{
	struct trial t = { .jobs = jobs };
	struct fault none = FAULT_INIT;
	int rc;

	(void)snprintf(t.by_service, sizeof t.by_service,
	    ".charref-doctor-%08x", clock_chance(UINT32_MAX));
	(void)snprintf(t.by_member, sizeof t.by_member, "%s-%.32s",
	    t.by_service, member->name);
	rc = person_do(&p->service, make_ours, &t, f);
	if (rc == 0)
		rc = person_do(member, try_as_member, &t, f);
	if (rc == 0)
		rc = person_do(&p->service, try_as_service, &t, f);
	(void)person_do(member, remove_theirs, &t, &none);
	(void)person_do(&p->service, remove_ours, &t, &none);
	return rc;
}

static void
try_members(struct patient *p, struct finding *it, const char *jobs,
    const struct stat *st)
{
	struct person members[MEMBERS_MAX];
	const size_t n = person_members(st->st_gid, members, MEMBERS_MAX);
	char owners[PERSON_OWNERS_SIZE];
	struct fault f;
	size_t i;

	finding_say(it, FINDING_OK, "%s (%s) as %s", jobs,
	    person_owners(owners, st), p->service.name);
	for (i = 0; i < n; i++) {
		if (members[i].uid == p->service.uid)
			continue;
		f = FAULT_INIT;
		if (try_both(p, &members[i], jobs, &f) == 0) {
			finding_add(it, FINDING_OK,
			    "%s writes what %s made with umask %03o, and the "
			    "other way round",
			    p->service.name, members[i].name,
			    (unsigned)PIPELINE_UMASK);
			continue;
		}
		finding_add(it, FINDING_FAILED, "%s and %s: %s",
		    p->service.name, members[i].name, f.text);
		advise(it, jobs);
	}
}

/* --- as the units see it --- */

struct sight {
	const char *jobs;
	const char *run_dir;
	uid_t uid;
};

/* A worker of another installation, of a container perhaps, has another
 * folder there. */
static bool
has_run_dir(const char *pid, const char *run_dir)
{
	char path[PATH_MAX];
	struct stat ours, its;

	(void)snprintf(
	    path, sizeof path, "/proc/%.20s/root%.4000s", pid, run_dir);
	return stat(run_dir, &ours) == 0 && stat(path, &its) == 0 &&
	       ours.st_dev == its.st_dev && ours.st_ino == its.st_ino;
}

static bool
is_worker(const char *pid, uid_t uid)
{
	char path[PATH_MAX], comm[COMM_SIZE];
	struct stat st;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, comm, sizeof comm);
	(void)close(fd);
	(void)snprintf(path, sizeof path, "/proc/%.20s", pid);
	return n == 13 && memcmp(comm, "charref-fcgi\n", 13) == 0 &&
	       stat(path, &st) == 0 && st.st_uid == uid;
}

/* Its root is that of the unit's own mounts. */
static int
look_as(const char *pid, const char *jobs, struct fault *f)
{
	char path[PATH_MAX];
	struct statvfs vfs;

	(void)snprintf(path, sizeof path, "/proc/%.20s/root%.4000s", pid, jobs);
	if (statvfs(path, &vfs) == -1)
		return errno == ENOENT && access("/proc/self", F_OK) == 0 &&
			       access(jobs, F_OK) == 0
			   ? fault_set(f, FAULT_CONFLICT,
				 "worker %s does not see %s", pid, jobs)
			   : 0;
	if ((vfs.f_flag & ST_RDONLY) == 0)
		return 0;
	return fault_set(
	    f, FAULT_CONFLICT, "%s is read-only for worker %s", jobs, pid);
}

static int
look_as_workers(const void *arg, struct fault *f)
{
	const struct sight *s = arg;
	DIR *list = opendir("/proc");
	const struct dirent *entry;
	int rc = 0;

	if (list == NULL)
		return fault_sys(f, FAULT_DISK, "list processes");
	while (rc == 0 && (entry = next_entry(list)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    is_worker(entry->d_name, s->uid) &&
		    has_run_dir(entry->d_name, s->run_dir))
			rc = look_as(entry->d_name, s->jobs, f);
	if (rc == 0 && errno != 0)
		rc = fault_sys(f, FAULT_DISK, "list processes");
	(void)closedir(list);
	return rc;
}

static void
look_from_units(struct patient *p, struct finding *it, const char *jobs)
{
	const struct sight s = { jobs, conf_text(p->conf, CONF_RUN_DIR),
		p->service.uid };
	struct person root;
	struct fault f = FAULT_INIT;

	person_of_uid(&root, 0);
	if (person_do(&root, look_as_workers, &s, &f) == 0)
		return;
	finding_add(it, FINDING_FAILED, "%s", f.text);
	finding_advise(it,
	    "run `charref-admin jobs-folder %s` and `charref-reload` as root",
	    jobs);
}

/* --- by the modes --- */

static void
judge_modes(
    struct finding *it, const char *jobs, int dir, const struct stat *st)
{
	char owners[PERSON_OWNERS_SIZE];
	const enum sharing_acl acl = sharing_acl_of(dir);

	finding_say(it, FINDING_OK,
	    "%s (%s), judged by its modes; as root the doctor tries it", jobs,
	    person_owners(owners, st));
	if (!share_is_shared(st)) {
		finding_add(it, FINDING_WARNING,
		    "it is not setgid: what is made there has other groups");
		advise(it, jobs);
	}
	if (acl == SHARING_ACL)
		return;
	finding_add(it, FINDING_WARNING,
	    "it has no default ACL: what a user with umask 022 makes there "
	    "is theirs alone to write");
	if (acl == SHARING_NO_ACL)
		advise(it, jobs);
	else
		finding_advise(it, "its file system has no ACLs: give the "
				   "pipeline's user the umask 002");
}

/* What was found of the folders of jobs. */
struct census {
	int n;
	int wrong;
	char first[PATH_MAX]; /* of the wrong ones */
};

static void
look_at_job(
    struct census *c, const char *jobs, int dir, const char *name, gid_t gid)
{
	char owners[PERSON_OWNERS_SIZE];
	struct stat st;

	if (name[0] == '.' ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISDIR(st.st_mode))
		return;
	c->n++;
	if (share_is_shared(&st) && st.st_gid == gid)
		return;
	if (c->wrong++ == 0)
		(void)snprintf(c->first, sizeof c->first, "%s/%s (%s)", jobs,
		    name, person_owners(owners, &st));
}

/* Folders that were moved in, or made before the folder was shared. */
static void
look_at_jobs(struct finding *it, const char *jobs, int dir, gid_t gid)
{
	const int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd == -1 ? NULL : fdopendir(fd);
	struct census c = { .n = 0 };
	const struct dirent *entry;

	while (list != NULL && c.n < JOBS_MAX &&
	       (entry = next_entry(list)) != NULL)
		look_at_job(&c, jobs, dir, entry->d_name, gid);
	if (list == NULL || (c.n < JOBS_MAX && errno != 0))
		finding_add(it, FINDING_WARNING,
		    "not all of %s can be listed: %s", jobs, strerror(errno));
	if (list != NULL)
		(void)closedir(list);
	else if (fd != -1)
		(void)close(fd);
	if (c.wrong == 0)
		return;
	finding_add(it, FINDING_WARNING,
	    "%d of %d jobs' folders are not the group's to write: %s", c.wrong,
	    c.n, c.first);
	advise(it, jobs);
}

static void
look_at_shared(struct patient *p, struct finding *it, const char *jobs, int dir,
    const struct stat *st)
{
	/* Only root can act as the service and as the members. */
	const bool may_try = getuid() == 0 && p->service.uid != 0;

	if (may_try)
		try_members(p, it, jobs, st);
	else
		judge_modes(it, jobs, dir, st);
	look_at_jobs(it, jobs, dir, st->st_gid);
}

void
doctor_shared_jobs(struct patient *p, struct finding *it)
{
	const char *jobs = conf_text(p->conf, CONF_JOBS_DIR);
	const int dir = open(jobs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir == -1 && errno == ENOENT)
		finding_say(it, FINDING_OK, "%s is not there", jobs);
	else if (dir == -1 || fstat(dir, &st) == -1)
		finding_say(it, FINDING_SKIPPED, "%s cannot be read", jobs);
	else if ((st.st_mode & S_IWGRP) == 0)
		finding_say(it, FINDING_OK,
		    "%s is not shared: its group may not write there", jobs);
	else
		look_at_shared(p, it, jobs, dir, &st);
	if (dir != -1 && getuid() == 0)
		look_from_units(p, it, jobs);
	if (dir != -1)
		(void)close(dir);
}
