/*
 * describe - the JSON of the persistence service, the same over HTTP and on
 * the command line (docs/API.md).  Pure.
 */
#ifndef APP_DESCRIBE_H
#define APP_DESCRIBE_H

#include "app/assets.h"

/* Of one asset's reply in bytes, at most. */
enum { DESCRIBE_ASSET_MAX = 16 << 10, DESCRIBE_FAULT_MAX = 8192 };

/* {"image_id","status","cloud_url","cloud_path","expires_in_seconds"} */
void describe_persisted(const struct asset *asset, struct buf *out);

/* {"job_id","images":[{"image_id","status","cloud_url","cloud_path"}]},
 * with "error" and "message" where an image has a fault. */
void describe_associated(const struct job_id *job, const struct asset *assets,
    size_t n, struct buf *out);

/* {"image_id","image_url","expires_in_seconds","cloud_path"} */
void describe_url(const struct asset *asset, struct buf *out);

/* {"image_id","image_url","storage_backend":"s3","expires_in_seconds",
 * "cloud_path"}: what GET get_character_reference answers */
void describe_image(const struct asset *asset, struct buf *out);

/* {"error","message"} of a fault, as far as clients may read it. */
void describe_error(const struct fault *f, struct buf *out);

/* {"detail":{...}} of a fault: the error of every reply.  request_id may be
 * empty: then it has none. */
void describe_fault(
    const struct fault *f, struct view request_id, struct buf *out);

/* The same as the last member of a document that was begun. */
void describe_detail(const struct fault *f, struct buf *out);

/* "name":"value", null for the empty one. */
void describe_text(struct buf *out, const char *name, struct view value);

/* "2026-11-22T10:15:00Z" of milliseconds since 1970, nothing for a time that
 * is not known (0); and as a member of that name, or null. */
void describe_time(struct buf *out, int64_t ms);
void describe_moment(struct buf *out, const char *name, int64_t ms);

#endif
