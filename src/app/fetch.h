/*
 * fetch - an image's bytes from the bucket, checked.
 */
#ifndef APP_FETCH_H
#define APP_FETCH_H

#include "app/upload.h"
#include "disk/objects.h"

/*
 * Reads the image that the object is of into the empty bytes: from its own
 * place when it is done there, else from that of the image alone.
 * FAULT_REMOTE when they are no whole image of its kind, or not those that
 * the catalogue has recorded; else as s3, and as cloud_ready: a bucket that
 * is down is not asked.  The row of an object that is gone is put right.
 * deadline_ms: clock_ticks_ms.
 */
int fetch_image(const struct upload_parts *parts, const struct object *o,
    int64_t deadline_ms, struct buf *bytes, struct fault *f);

/* Reads the job's own copy of an image, which may be edited and no image at
 * all, into the empty bytes.  FAULT_REMOTE when they are not those of the
 * digest that the object carries; else as s3. */
int fetch_copy(const struct upload_parts *parts, const struct object *o,
    int64_t deadline_ms, struct buf *bytes, struct fault *f);

#endif
