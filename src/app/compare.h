/*
 * compare - a job's folder against its manifest and the bucket.
 */
#ifndef APP_COMPARE_H
#define APP_COMPARE_H

#include "app/plan.h"

/*
 * Each difference is told as a trouble.  Reads every file of the folder,
 * asks the bucket for its listing and the manifest.  FAULT_ABSENT when the
 * bucket has nothing of the job, or no manifest.
 */
int compare_run(struct plan *p, struct fault *f);

#endif
