/*
 * file - files that appear whole, and locks that the kernel lets go.
 *
 * A struct file_draft is a file that does not exist yet.  Open one, write
 * it, publish it: readers see no file or the whole of it.  A draft that is
 * finished without being published leaves nothing behind; one whose owner
 * was killed is left with its lock open, and a sweep removes just those.
 *
 * A struct file_lease is one byte of a lock file: held while something
 * runs, let go by the kernel when its holder dies, whatever killed it.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

#define FILE_DRAFT_PREFIX ".draft-"

struct file_draft {
	int dir;       /* borrowed: the folder it will appear in */
	int fd;        /* owned, -1 when closed; holds the flock */
	char name[64]; /* its hidden name, "" when there is none */
};

#define FILE_DRAFT_INIT ((struct file_draft){ .dir = -1, .fd = -1 })

/* Full disks, quotas and inodes are FAULT_FULL; all else is FAULT_DISK. */
int file_draft_open(struct file_draft *d, int dir, struct fault *f);

/* The same for a file of a job, which base/share makes: FAULT_CONFLICT, too,
 * when we may not write in the folder. */
int file_draft_open_jobs(struct file_draft *d, int dir, struct fault *f);

/* The same for a file that only we may read (0600). */
int file_draft_open_secret(struct file_draft *d, int dir, struct fault *f);

/*
 * Writes the whole of bytes.  A draft is written once: after a failure it
 * can only be finished (a second fsync after a failed one lies).
 */
int file_draft_write(struct file_draft *d, struct view bytes, struct fault *f);

/*
 * fsync, then rename without replacing: a name already taken is
 * FAULT_CONFLICT.  After file_sync_folder the name survives a power cut.
 */
int file_draft_publish(struct file_draft *d, const char *name, struct fault *f);
void file_draft_fini(struct file_draft *d);

/*
 * Is the file that a draft became still held by who published it?  It is as
 * long as that process has not finished the draft, and lives; asking holds
 * nobody up.  False when there is no such file.
 */
bool file_is_held(int dir, const char *name);

/*
 * Writes a file that only we may read (0600) and that takes the place of
 * one of that name: readers see the old or the new, whole.
 */
int file_replace(
    int dir, const char *name, struct view secret, struct fault *f);

/*
 * Removes the draft of that name if its owner is dead: true when it did.
 * A live owner's draft, and one just renamed into place, are left alone.
 */
bool file_draft_sweep(int dir, const char *name);

/* Does so with all drafts in dir.  What cannot be listed stays. */
void file_sweep_drafts(int dir);

/* Makes the folder and its missing parents, 0750, each one durable. */
int file_make_folders(const char *path, struct fault *f);

/* Opens a folder of jobs or of one job; with make, makes it and its missing
 * parents as base/share does.  FAULT_ABSENT when there is none, FAULT_CONFLICT
 * when we may not.  The descriptor is the caller's. */
int file_open_jobs_folder(
    const char *path, bool make, int *dir, struct fault *f);

/* Opens a folder for the calls above.  The descriptor is the caller's. */
int file_open_folder(const char *path, int *dir, struct fault *f);

/* Makes the names inside dir durable (fsync of the folder). */
int file_sync_folder(int dir, struct fault *f);

/*
 * Reads the whole regular file into the empty out, up to its limit.
 * FAULT_ABSENT when there is none (or it is a link), FAULT_DISK.
 */
int file_read(int dir, const char *name, struct buf *out, struct fault *f);

/* The same for a path that someone chose in the settings: links are
 * followed, as those are that Kubernetes mounts its tokens with. */
int file_follow(const char *path, struct buf *out, struct fault *f);

/* Size in bytes of a regular file (links are not followed), or -1. */
int64_t file_size(int dir, const char *name);

/* Is dir still the folder at that path? */
bool file_is_folder(int dir, const char *path);

/* What the filesystem of dir still has room for, for us; INT64_MAX files
 * where they are not counted. */
int file_free_space(int dir, int64_t *bytes, int64_t *files, struct fault *f);

struct file_lease {
	int fd; /* owned, -1 when not held */
};

#define FILE_LEASE_INIT ((struct file_lease){ .fd = -1 })

/*
 * Takes byte `at` of the lock file dir/name.  *held tells whether it is now
 * ours; false, without a fault, when a living process has it.
 */
int file_lease_take(struct file_lease *l, int dir, const char *name, int64_t at,
    bool *held, struct fault *f);
void file_lease_fini(struct file_lease *l);

#endif
