#include "pool/pidfile.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { PIDFILE_MODE = 0640 };

/* Locked before it has its name, so that nobody finds it unlocked. */
static int
write_draft(struct pidfile *p, const char *draft, pid_t pid, struct fault *f)
{
	(void)unlink(draft); /* of a process of our number, long gone */
	p->fd =
	    open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, PIDFILE_MODE);
	if (p->fd == -1 || flock(p->fd, LOCK_EX | LOCK_NB) == -1 ||
	    dprintf(p->fd, "%ld\n", (long)pid) < 0 ||
	    rename(draft, p->path) == -1)
		return fault_sys(
		    f, FAULT_DISK, "write the pid file %s", p->path);
	return 0;
}

int
pidfile_write(struct pidfile *p, const char *path, pid_t pid, struct fault *f)
{
	struct buf draft = BUF_INIT(PATH_MAX);
	int rc;

	p->path = path;
	buf_fmt(&draft, "%s.%ld", path, (long)pid);
	rc = buf_done(&draft, f);
	if (rc == 0)
		rc = write_draft(p, buf_str(&draft), pid, f);
	if (rc == -1 && p->fd != -1) {
		(void)unlink(buf_str(&draft));
		(void)close(p->fd);
		p->fd = -1;
	}
	buf_fini(&draft);
	return rc;
}

bool
pidfile_is_current(const struct pidfile *p)
{
	struct stat ours, there;

	return p->fd != -1 && fstat(p->fd, &ours) == 0 &&
	       stat(p->path, &there) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

void
pidfile_fini(struct pidfile *p)
{
	if (pidfile_is_current(p))
		(void)unlink(p->path);
	if (p->fd != -1)
		(void)close(p->fd);
	p->fd = -1;
}
