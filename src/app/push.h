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
 *
 * A version in the bucket is replaced only when it is the one that was listed
 * (aws/guard), and an edited copy of an image never by the image as it was
 * made, unless this folder has had it; those are told by name.  A forced plan
 * replaces them, too.
 */
int push_run(struct plan *p, struct fault *f);

#endif
