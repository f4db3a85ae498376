/*
 * pidfile - a file with the pid of who does the work now.
 *
 * Its writer keeps it locked (flock) for as long as it lives, so a pid is
 * worth something exactly while the file cannot be locked: nobody has to ask
 * whether the process of that number is still the same.  The file changes
 * hands while both live; whoever leaves removes it only if it is its own.
 */
#ifndef POOL_PIDFILE_H
#define POOL_PIDFILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/fault.h"

struct pidfile {
	const char *path; /* borrowed */
	int fd;           /* owned, holds the lock; -1 before it is written */
};

#define PIDFILE_INIT ((struct pidfile){ .fd = -1 })

/* Takes the place of one that is there; readers see either, whole.
 * FAULT_DISK, FAULT_MEMORY. */
int pidfile_write(
    struct pidfile *p, const char *path, pid_t pid, struct fault *f);

/* Is what stands at the path still what we wrote? */
bool pidfile_is_current(const struct pidfile *p);

/* Removes it if it is current, and lets go of it.  It looks first and unlinks
 * then, and what took its place in between would be lost: who replaces one, or
 * tells its writer to leave, must hold the group's lock (deploy/group). */
void pidfile_fini(struct pidfile *p);

#endif
