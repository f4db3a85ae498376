/*
 * push - a job's folder to the bucket.
 */
#ifndef APP_PUSH_H
#define APP_PUSH_H

#include "app/plan.h"

/*
 * Brings what is in the plan's tree to the bucket, then the manifest of what
 * arrived.  One file's trouble is told and does not stop the others; fails
 * itself when the bucket, the catalogue or memory does, or it is told to
 * stop.
 */
int push_run(struct plan *p, struct fault *f);

#endif
