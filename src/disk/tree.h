/*
 * tree - a folder of regular files and everything below it, read and
 * written without ever leaving it.
 *
 * Each folder on a way is entered by its own name, from the one before it
 * and without following links (O_NOFOLLOW), and names are never "..": so
 * nothing that someone puts there meanwhile leads out of it.  The path of
 * the folder itself is its operator's choice, and may lead over links.
 */
#ifndef DISK_TREE_H
#define DISK_TREE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "codec/jobpath.h"

enum {
	TREE_FILES_MAX = 20000,
	TREE_NAMES_MAX = 4 * TREE_FILES_MAX, /* of any kind, but dotfiles */
	TREE_DEPTH_MAX = JOBPATH_DEPTH_MAX
};

struct tree; /* opaque; a folder held open */

/* FAULT_ABSENT when there is no such folder; with make, it is made, and its
 * parents.  FAULT_CONFLICT when we may not, FAULT_DISK, FAULT_FULL,
 * FAULT_MEMORY. */
int tree_open(struct tree **out, const char *path, bool make, struct fault *f);
void tree_close(struct tree **t);
int tree_folder(const struct tree *t); /* its descriptor */

/* What tells that a file is as it was: any write changes one of them. */
struct tree_stamp {
	int64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
	int64_t inode;
};

bool tree_same(const struct tree_stamp *a, const struct tree_stamp *b);

/*
 * Goes through the tree, each folder in the order of its names' bytes.
 * Regular files are handed to file(); what is neither a regular file nor a
 * folder, or has a name that no key may have (FAULT_INPUT), and what cannot
 * be entered or looked at (FAULT_CONFLICT, FAULT_DISK), is handed to refused(),
 * with its path made safe to show (jobpath_show); names that begin with a dot
 * are passed over, and so is what vanishes meanwhile.  Nothing but folders is
 * opened.  Both return 0 to go on, -1 with a fault to stop.  FAULT_LARGE
 * over TREE_FILES_MAX files or TREE_NAMES_MAX names, FAULT_MEMORY.
 */
struct tree_visitor {
	int (*file)(void *arg, const struct jobpath *path,
	    const struct tree_stamp *stamp, struct fault *f);
	int (*refused)(void *arg, const char *shown, const struct fault *why,
	    struct fault *f);
	void *arg;
	const struct job_id *job;
};

int tree_walk(
    struct tree *t, const struct tree_visitor *visitor, struct fault *f);

/* Opens a regular file for reading, as it is now.  FAULT_ABSENT when there
 * is none (a link, a folder, a pipe is none), FAULT_CONFLICT when we may not,
 * FAULT_DISK. */
int tree_read(struct tree *t, const struct jobpath *path, int *fd,
    struct tree_stamp *stamp, struct fault *f);

/*
 * A file on its way into the tree: appears whole, in place of what regular
 * file is there, or not at all.  Folders on the way are made, as base/share
 * does. None of it survives a power cut for sure before tree_sync, after which
 * all does: until then a file is not to be remembered as whole.  FAULT_CONFLICT
 * when a link, or a file where a folder must be, or anything but a regular file
 * where the file must be, is in the way; FAULT_FULL, FAULT_DISK.  A draft whose
 * write or publishing failed can only be finished, as one of base/file.
 */
struct tree_draft {
	int dir; /* owned: the folder it will appear in */
	int fd;  /* owned: to be written to             */
	char hidden[64];
	char name[JOBPATH_NAME_MAX + 1];
};

#define TREE_DRAFT_INIT ((struct tree_draft){ .dir = -1, .fd = -1 })

int tree_draft_open(struct tree_draft *d, struct tree *t,
    const struct jobpath *path, struct fault *f);

/* Sets the time (0: leaves it) and renames over; the stamp is of the file as
 * it then is. */
int tree_draft_publish(struct tree_draft *d, int64_t mtime_ns,
    struct tree_stamp *stamp, struct fault *f);
void tree_draft_fini(struct tree_draft *d);

/* Everything written below the tree so far survives a power cut (syncfs).
 * FAULT_DISK, FAULT_FULL. */
int tree_sync(struct tree *t, struct fault *f);

/* Removes what drafts the dead left anywhere in the tree; folders that
 * cannot be entered are passed over.  FAULT_DISK when the tree itself cannot
 * be read. */
int tree_sweep(struct tree *t, struct fault *f);

#endif
