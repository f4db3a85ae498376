/*
 * mtime - the time of a file as an object's metadata keeps it: seconds since
 * 1970 with a fraction, the notation of rclone's x-amz-meta-mtime.  Pure.
 */
#ifndef AWS_MTIME_H
#define AWS_MTIME_H

#include <stdint.h>

#include "base/buf.h"

/* Appends "1577836800.123456789": always nine digits of a fraction. */
void mtime_write(struct buf *out, int64_t ns);

/* Reads one, with any number of digits after the point (those beyond the
 * ninth are cut) or no point at all.  False, with *ns as it was, for what is
 * none and for what nanoseconds cannot count. */
bool mtime_read(struct view text, int64_t *ns);

#endif
