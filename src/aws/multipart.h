/*
 * multipart - one big file into a bucket, in parts that go in parallel; a
 * broken-off upload is taken up where it was.
 */
#ifndef AWS_MULTIPART_H
#define AWS_MULTIPART_H

#include "aws/parts.h"
#include "aws/s3.h"

enum {
	MULTIPART_FROM = 64 << 20, /* bytes: below, a single PUT       */
	MULTIPART_PART = 16 << 20, /* bytes of a part, or more         */
	MULTIPART_PARTS_MAX = 10000,
	MULTIPART_ID_MAX = PARTS_ID_MAX
};

/* Bytes of each part (but the last) of a file of that size: the least that
 * MULTIPART_PARTS_MAX allow. */
int64_t multipart_part_size(int64_t size);

/* How many parts those are; one, when it is empty. */
size_t multipart_parts(int64_t size);

struct multipart_file {
	const char *key;
	int dir; /* as in s3_op */
	const char *name;
	int64_t size;
	int64_t mtime_ns;            /* as in s3_op            */
	const struct digest *sha256; /* of the whole           */
	const struct digest *parts;  /* of each part in turn   */
	size_t parts_n;              /* multipart_parts of it  */
	const char *media_type;
	const char *replaces; /* the version that it is to replace, as in
			       * guard_version                         */
	bool is_forced;       /* whatever is there is replaced          */
};

/* What the caller keeps, and hears. */
struct multipart_keeper {
	/* An upload has begun: its id must be durable before parts go. */
	int (*begun)(void *arg, const char *upload_id, struct fault *f);
	/* A part has arrived, or was there already: bytes of it; as a
	 * negative number, of what was lost with an upload that is begun
	 * anew. */
	void (*arrived)(void *arg, int64_t bytes);
	void *arg;
};

/*
 * Uploads it.  upload_id: one to go on with, of the same bytes, or "".  Its
 * parts are listed and only missing ones are sent.  When S3 does not know an
 * upload any more, the object itself may already be there, with this digest,
 * size and time; else the upload is begun anew, once.  etag gets the
 * object's.
 *
 * Fails as S3 requests do.  An upload that can never be completed is
 * aborted: CONFLICT, field "file", when the file is not, or does not stay,
 * what was said of it; ABSENT, field "file", when it is gone; REMOTE when S3
 * says that the parts do not fit; and what begun() said.  Other failures
 * leave it, to be gone on with: CONFLICT, field "version", too, when another
 * version has come under the key (aws/guard); one of these very bytes is
 * taken as ours.
 */
int multipart_put(struct s3 *s, const struct multipart_file *file,
    const char *upload_id, const struct multipart_keeper *keeper,
    int64_t deadline_ms, char etag[S3_ETAG_MAX], struct fault *f);

/* Aborts every upload whose key begins with prefix but those that keep()
 * wants (true); one that has just gone is fine, and not counted.  *n of them,
 * also before a fault, which is a request's. */
int multipart_sweep(struct s3 *s, const char *prefix, int64_t deadline_ms,
    bool (*keep)(void *arg, const char *key, const char *upload_id), void *arg,
    size_t *n, struct fault *f);

#endif
