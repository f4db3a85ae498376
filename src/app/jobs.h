/*
 * jobs - a job's folder as a whole: to the bucket, back from it, and
 * compared with it.  The requirement's functions under their own names.
 *
 * Whatever one file does, the others go on; what was refused or failed is
 * told by name, and the call then fails as a whole (FAULT_CONFLICT, "n of m
 * files …").  Each may be ended at any moment and begun again: it goes on
 * where it was.
 */
#ifndef APP_JOBS_H
#define APP_JOBS_H

#include "app/plan.h"

/*
 * Brings everything below local_base_path to videos/JOB/, with a manifest
 * at the end.  NULL: the job's folder in JOBS_DIR.  FAULT_ABSENT when there
 * is no such folder; FAULT_BUSY when somebody else works on the job (or as
 * the bucket fails); FAULT_CONFLICT when files were refused, failed, or
 * changed while being read: the manifest then names what did arrive.  So it
 * is when the bucket has a version of a file that another host has brought
 * since the listing, or an edited copy of an image that this folder never
 * had; force replaces those.
 */
int persist_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, bool force,
    const struct jobs_listener *listener, struct jobs_report *report,
    struct fault *f);

/*
 * The exact reverse.  FAULT_ABSENT when the bucket has no such job.  Files
 * that are right already are not fetched; others are replaced.  Character
 * references come back into the store and the catalogue, too.
 */
int download_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, const struct jobs_listener *listener,
    struct jobs_report *report, struct fault *f);

/*
 * Compares folder, manifest and bucket; each difference is a trouble.
 * FAULT_CONFLICT when there is one.  Reads every local file; asks the bucket
 * for its listing alone.
 */
int verify_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, const struct jobs_listener *listener,
    struct jobs_report *report, struct fault *f);

#endif
