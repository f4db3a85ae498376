/*
 * lookup - asks the bucket for an image that the catalogue does not know
 * there: one made on another host, or put there by hand.
 *
 * What is found is recorded, so it is asked for once.  What is not there is
 * remembered for STATE_ABSENT_MS by all processes of the host, so that
 * random ids become neither a bill nor a row.
 */
#ifndef APP_LOOKUP_H
#define APP_LOOKUP_H

#include "app/cloud.h"
#include "disk/objects.h"

enum { LOOKUP_MS = 2000 }; /* for one image */

/*
 * One listing of the image's prefix, or, where listing is denied, a HEAD of
 * each extension, and of an object that is known, if there is one: refused
 * that as well, or refused our keys, or without any, we are DENIED.
 * FAULT_ABSENT when the bucket does not have it; FAULT_BUSY when it does not
 * answer by deadline_ms (clock_ticks_ms); else as s3 and db.
 */
int lookup_ask(struct db *db, struct cloud *cloud, const struct image_id *id,
    const struct job_id *job, int64_t deadline_ms, struct object *out,
    struct fault *f);

/*
 * What lookup_ask would say without asking anybody: FAULT_ABSENT while it
 * is remembered, FAULT_BUSY and FAULT_DENIED while the bucket is so; 0 when
 * it has to be asked.
 */
int lookup_foresee(struct cloud *cloud, const struct image_id *id,
    const struct job_id *job, struct fault *f);

/* The fault of an image that nobody has.  Always returns -1. */
int lookup_absent(const struct job_id *job, struct fault *f);

#endif
