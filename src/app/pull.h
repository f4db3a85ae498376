/*
 * pull - a job's folder back from the bucket.
 */
#ifndef APP_PULL_H
#define APP_PULL_H

#include "app/manifest.h"
#include "app/plan.h"

/*
 * Fetches everything of the job that the plan's tree does not have as it
 * should be; every file is checked against its object's digest and the
 * manifest before it appears.  FAULT_ABSENT when the bucket has nothing of
 * the job; else as push_run.
 */
int pull_run(struct plan *p, struct fault *f);

/*
 * Reads the manifest into the plan, and its text into the empty one: false
 * in *found when there is none.  What it has and the bucket has not is told
 * as a trouble.
 */
int pull_manifest(
    struct plan *p, struct buf *text, bool *found, struct fault *f);

#endif
