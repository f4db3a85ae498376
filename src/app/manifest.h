/*
 * manifest - what a job consists of: videos/JOB/manifest.json.  Pure.
 *
 *   {"version":1,"job_id":"…","created_at":"…","files":[
 *     {"path":"scenes/1.mp4","bytes":123,"sha256":"…","media_type":"…",
 *      "mtime":"…"(ISO 8601), "image":{"image_id","prompt","model","seed",
 *      "created_at"}}, …]}
 *
 * "image" only for character references that the catalogue knows.
 */
#ifndef APP_MANIFEST_H
#define APP_MANIFEST_H

#include <stdint.h>

#include "codec/digest.h"
#include "codec/jobpath.h"
#include "disk/catalogue.h"

enum { MANIFEST_MAX = 64 << 20, MANIFEST_VERSION = 1 };

struct manifest_file {
	struct jobpath path;
	int64_t bytes;
	struct digest sha256;
	int64_t mtime_ns;
	const char *media_type;              /* lent                       */
	const struct catalogue_image *image; /* lent, or NULL              */
};

/*
 * Writing: begin, add each file, end; then ask buf_done.  A file has all its
 * members but perhaps the image.  Times outside of 1970 to 9999 become the
 * nearest inside; nanoseconds are written, and read, exactly.
 */
void manifest_begin(struct buf *out, const struct job_id *job, int64_t now_ms);
void manifest_add(
    struct buf *out, const struct manifest_file *file, bool first);
void manifest_end(struct buf *out);

/*
 * Reads one: each file is handed over, its texts lent for the call.
 * FAULT_INPUT when it is none of ours (members that we do not know do not
 * count), of another version, or another job's; nothing is handed over then.
 * A file whose path cannot be, or came before, is handed to refused() by
 * name, made safe to show, and the rest goes on.  Both return 0 to go on, or
 * -1 to stop, which is then returned.  FAULT_MEMORY.
 *
 * An image comes with the format, size and hash of its file; its width and
 * height (0) and request id ("") no manifest has.  Reading takes little memory
 * beyond the text itself.
 */
struct manifest_reader {
	int (*file)(
	    void *arg, const struct manifest_file *file, struct fault *f);
	int (*refused)(void *arg, const char *shown, const struct fault *why,
	    struct fault *f);
	void *arg;
};

int manifest_read(struct view text, const struct job_id *job,
    const struct manifest_reader *reader, struct fault *f);

#endif
