#include "base/person.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	STATUS_MAX = 8 << 10,
	RECORD_MAX = 16 << 10,
	USERS_MAX = 10000 /* looked at, where a directory has very many */
};

/* --- who --- */

static void
take(struct person *out, const struct passwd *pw)
{
	int n = PERSON_GROUPS_MAX;

	*out = (struct person){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	(void)snprintf(out->name, sizeof out->name, "%s", pw->pw_name);
	if (getgrouplist(pw->pw_name, pw->pw_gid, out->groups, &n) == -1)
		n = PERSON_GROUPS_MAX; /* the first ones */
	out->groups_n = n;
}

void
person_of_uid(struct person *out, uid_t uid)
{
	struct passwd pw, *found = NULL;
	char record[RECORD_MAX];

	if (getpwuid_r(uid, &pw, record, sizeof record, &found) == 0 &&
	    found != NULL) {
		take(out, found);
		return;
	}
	*out = (struct person){ .uid = uid, .gid = (gid_t)-1 };
	(void)snprintf(out->name, sizeof out->name, "%lu", (unsigned long)uid);
}

const char *
person_owners(char out[PERSON_OWNERS_SIZE], const struct stat *st)
{
	struct group group, *found = NULL;
	char record[RECORD_MAX], name[PERSON_NAME_SIZE];
	struct person owner;

	person_of_uid(&owner, st->st_uid);
	(void)snprintf(name, sizeof name, "%lu", (unsigned long)st->st_gid);
	if (getgrgid_r(st->st_gid, &group, record, sizeof record, &found) ==
		0 &&
	    found != NULL)
		(void)snprintf(name, sizeof name, "%s", group.gr_name);
	(void)snprintf(out, PERSON_OWNERS_SIZE, "%s:%s %04o", owner.name, name,
	    (unsigned)st->st_mode & 07777);
	return out;
}

bool
person_named(struct person *out, const char *name)
{
	struct passwd pw, *found = NULL;
	char record[RECORD_MAX];

	if (getpwnam_r(name, &pw, record, sizeof record, &found) != 0 ||
	    found == NULL)
		return false;
	take(out, found);
	return true;
}

static void
read_groups(struct person *out, const char *line)
{
	unsigned long group;
	char *end;

	for (out->groups_n = 0; out->groups_n < PERSON_GROUPS_MAX; line = end) {
		group = strtoul(line, &end, 10);
		if (end == line)
			return;
		out->groups[out->groups_n++] = (gid_t)group;
	}
}

/* The effective ones, which are second of four (proc(5)). */
static bool
read_status(struct person *out, const char *text)
{
	const char *uid = strstr(text, "\nUid:");
	const char *gid = strstr(text, "\nGid:");
	const char *groups = strstr(text, "\nGroups:");
	unsigned long u, g;

	if (uid == NULL || gid == NULL || groups == NULL ||
	    sscanf(uid, "\nUid: %*u %lu", &u) != 1 ||
	    sscanf(gid, "\nGid: %*u %lu", &g) != 1)
		return false;
	person_of_uid(out, (uid_t)u);
	out->gid = (gid_t)g;
	read_groups(out, groups + strlen("\nGroups:"));
	return true;
}

bool
person_of_process(struct person *out, pid_t pid)
{
	char path[64], text[STATUS_MAX];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return read_status(out, text);
}

static bool
has_group(const struct person *p, gid_t gid)
{
	int i;

	for (i = 0; i < p->groups_n; i++)
		if (p->groups[i] == gid)
			return true;
	return p->gid == gid;
}

size_t
person_members(gid_t gid, struct person *out, size_t max)
{
	const struct passwd *pw;
	size_t n = 0;
	int left = USERS_MAX;

	setpwent();
	while (n < max && left-- > 0 && (pw = getpwent()) != NULL) {
		take(&out[n], pw);
		n += pw->pw_uid != 0 && has_group(&out[n], gid);
	}
	endpwent();
	return n;
}

bool
person_is_us(const struct person *p)
{
	return p->uid == geteuid();
}

bool
person_can_be(const struct person *p)
{
	return person_is_us(p) || getuid() == 0;
}

int
person_act_as(const struct person *p, struct fault *f)
{
	if (person_is_us(p))
		return 0;
	if (setgroups((size_t)p->groups_n, p->groups) == -1 ||
	    setegid(p->gid) == -1 || seteuid(p->uid) == -1)
		return fault_sys(f, FAULT_DENIED, "act as %s", p->name);
	return 0;
}

/* --- by the modes --- */

bool
person_may(const struct person *p, const struct stat *st, int what)
{
	unsigned bits = st->st_mode & 07;

	if (p->uid == 0)
		return (what & PERSON_PASS) == 0 || S_ISDIR(st->st_mode) ||
		       (st->st_mode & 0111) != 0;
	if (p->uid == st->st_uid)
		bits = st->st_mode >> 6 & 07;
	else if (has_group(p, st->st_gid))
		bits = st->st_mode >> 3 & 07;
	return (bits & (unsigned)what) == (unsigned)what;
}

/* --- by trying --- */

struct way {
	const struct person *p;
	const char *path;
	int what;
};

static int
obstacle(const struct way *w, const char *path, int what, struct fault *f)
{
	char owners[PERSON_OWNERS_SIZE];
	struct stat st;

	if (stat(path, &st) == -1)
		return fault_sys(
		    f, FAULT_DENIED, "%s cannot see %s", w->p->name, path);
	return fault_set(f, FAULT_DENIED, "%s may not %s %s (%s)", w->p->name,
	    what == PERSON_PASS    ? "pass"
	    : what == PERSON_WRITE ? "connect to"
				   : "read",
	    path, person_owners(owners, &st));
}

static bool
is_allowed(const struct way *w, const char *path, int what)
{
	struct stat st;

	/* The bits are those of access(2). */
	if (person_is_us(w->p))
		return eaccess(path, what) == 0;
	return stat(path, &st) == 0 && person_may(w->p, &st, what);
}

static int
go(const void *arg, struct fault *f)
{
	const struct way *w = arg;
	char path[PATH_MAX];
	const char *slash = w->path;
	size_t n;

	MUST(w->path[0] == '/');
	while ((slash = strchr(slash, '/')) != NULL) {
		n = slash == w->path ? 1 : (size_t)(slash - w->path);
		if (n >= sizeof path)
			return fault_set(f, FAULT_DENIED, "the path is long");
		memcpy(path, w->path, n);
		path[n] = '\0';
		if (!is_allowed(w, path, PERSON_PASS))
			return obstacle(w, path, PERSON_PASS, f);
		slash++;
	}
	return is_allowed(w, w->path, w->what)
		   ? 0
		   : obstacle(w, w->path, w->what, f);
}

int
person_reaches(
    const struct person *p, const char *path, int what, struct fault *f)
{
	struct way w = { p, path, what };

	if (!person_is_us(p) && person_can_be(p))
		return person_do(p, go, &w, f);
	return go(&w, f);
}

int
person_become(const struct person *p, struct fault *f)
{
	if (getuid() == p->uid && person_is_us(p))
		return 0;
	if (seteuid(0) == -1 ||
	    setgroups((size_t)p->groups_n, p->groups) == -1 ||
	    setresgid(p->gid, p->gid, p->gid) == -1 ||
	    setresuid(p->uid, p->uid, p->uid) == -1)
		return fault_sys(f, FAULT_DENIED, "become %s", p->name);
	return 0;
}

static _Noreturn void
be_child(const struct person *p, person_deed *deed, const void *arg, int to)
{
	struct fault f = FAULT_INIT;

	if (person_become(p, &f) == 0)
		(void)deed(arg, &f);
	/* A fault owns nothing, and its field is a literal of both. */
	_exit(write(to, &f, sizeof f) == (ssize_t)sizeof f ? 0 : 1);
}

static int
hear(int from, struct fault *f)
{
	struct pollfd told = { .fd = from, .events = POLLIN };
	struct fault said;

	if (poll(&told, 1, PERSON_WAIT_MS) != 1)
		return fault_set(
		    f, FAULT_SLOW, "not done in %d s", PERSON_WAIT_MS / 1000);
	if (read(from, &said, sizeof said) != (ssize_t)sizeof said)
		return fault_set(f, FAULT_DISK, "a child died");
	if (said.kind == FAULT_NONE)
		return 0;
	*f = said;
	return -1;
}

int
person_do(
    const struct person *p, person_deed *deed, const void *arg, struct fault *f)
{
	int pipes[2], rc;
	pid_t child;

	if (person_is_us(p))
		return deed(arg, f);
	if (!person_can_be(p))
		return fault_set(
		    f, FAULT_DENIED, "only %s or root can try that", p->name);
	if (pipe2(pipes, O_CLOEXEC) == -1)
		return fault_sys(f, FAULT_DISK, "a pipe");
	child = fork();
	if (child == 0)
		be_child(p, deed, arg, pipes[1]);
	(void)close(pipes[1]);
	rc = child == -1 ? fault_sys(f, FAULT_DISK, "fork") : hear(pipes[0], f);
	(void)close(pipes[0]);
	if (child != -1) {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, 0);
	}
	return rc;
}
