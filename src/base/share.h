/*
 * share - files and folders of jobs, which two users of the host work in:
 * the service, and the one that runs the pipeline.
 *
 * Each writes what the other has made by right of their common group.  The
 * administrator says where: a folder that is setgid and writable for its
 * group is shared.  What we make in such a folder is 0770 or 0660 whatever the
 * umask; elsewhere the umask holds.  A default ACL, which the kernel takes in
 * place of the umask, does the same for what the other user makes.  Modes
 * are never changed afterwards: that would drop setgid, and a service under
 * RestrictSUIDSGID cannot set it again.
 */
#ifndef BASE_SHARE_H
#define BASE_SHARE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/fault.h"

enum { SHARE_FOLDER_MODE = 0770, SHARE_FILE_MODE = 0660 };

/* The bits that make a folder a shared one. */
#define SHARE_BITS (S_ISGID | S_IRWXG)

bool share_is_shared(const struct stat *folder);

/* As mkdirat(2), and as openat(2) of a new file: -1 with errno. */
int share_mkdir(int dir, const char *name);
int share_create(int dir, const char *name, int flags);

/* What was to be done with a name in a folder. */
enum share_access {
	SHARE_READ, /* to open or enter what is there  */
	SHARE_WRITE /* to make or replace the name     */
};

/*
 * Tells what errno says of `name` in dir.  What the modes of a folder or file,
 * or a read-only file system, do not allow is FAULT_CONFLICT, whose text names
 * the obstacle with its owner, group and mode, and the command that helps,
 * with the nearest folder that is shared, or else the obstacle's;
 * else as fault_disk.  doing: what was tried ("make the folder").  With
 * AT_FDCWD name is a path.
 */
int share_fault(struct fault *f, int dir, const char *name,
    enum share_access access, const char *doing);

/* The same, of a name on the way to a folder of jobs, or that folder itself:
 * the command names that folder. */
int share_fault_below(struct fault *f, const char *jobs, int dir,
    const char *name, enum share_access access, const char *doing);

/* May we make names in that folder? */
bool share_may_write(int dir);

#endif
