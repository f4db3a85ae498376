/*
 * copies - a job's own copies of images, in its folder on this host.
 *
 * Real copies, for the pipeline edits them: a file that is there already
 * stays as it is.  The folder that jobs lie in is the administrator's or
 * the operator's, whose links are followed; below it none is, so that
 * nothing outside is ever touched.  The folders may be shared with the
 * pipeline's user (base/share).
 */
#ifndef APP_COPIES_H
#define APP_COPIES_H

#include "base/buf.h"
#include "codec/ident.h"
#include "codec/sniff.h"

#define COPIES_FOLDER "character_reference" /* in a job's folder */

/*
 * Opens base/job/COPIES_FOLDER (job NULL: base/COPIES_FOLDER), making what
 * is missing and removing the drafts of the dead.  *dir is the caller's.
 * FAULT_CONFLICT when a link, or something that is no folder, is in the way, or
 * a folder in which we may not write; FAULT_DISK, FAULT_FULL.
 */
int copies_open(
    int *dir, const char *base, const struct job_id *job, struct fault *f);

/* Does the job have its copy?  FAULT_CONFLICT when something that is no
 * regular file has its name. */
int copies_find(int dir, const struct image_id *id, enum sniff_kind kind,
    bool *found, struct fault *f);

/*
 * Makes the copy: whole, or not at all; one that has come meanwhile stays.
 * It survives a power cut after file_sync_folder.  Fails as copies_find,
 * or with FAULT_DISK, FAULT_FULL.
 */
int copies_put(int dir, const struct image_id *id, enum sniff_kind kind,
    struct view bytes, struct fault *f);

#endif
