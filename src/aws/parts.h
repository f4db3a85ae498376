/*
 * parts - the documents of multipart uploads: what S3 answers to them, and
 * the list that completes one.  Pure.
 */
#ifndef AWS_PARTS_H
#define AWS_PARTS_H

#include <stdint.h>

#include "aws/listing.h"
#include "base/buf.h"
#include "base/fault.h"

enum {
	PARTS_ETAG_MAX = LISTING_ETAG_MAX,
	PARTS_ID_MAX = 1023, /* of an upload's id                          */
	PARTS_PAGE_MAX = LISTING_BYTES_MAX, /* of a page, of either kind   */
	PARTS_REPLY_MAX = 64 << 10, /* of the documents about one upload   */
	/* One part's share of the list: the ETag at its longest, with every
	 * byte escaped, and the tags around. */
	PARTS_LINE_MAX = 96 + 6 * PARTS_ETAG_MAX
};

/*
 * The id of an upload that was begun (InitiateMultipartUploadResult), or the
 * ETag, without its quotes, of an object that was completed
 * (CompleteMultipartUploadResult), in place of what out held.  FAULT_REMOTE
 * for another document, or one that does not say it, or at more length than
 * above; FAULT_MEMORY.
 */
int parts_read_id(struct view document, struct buf *out, struct fault *f);
int parts_read_etag(struct view document, struct buf *out, struct fault *f);

/* A part that has arrived, its ETag without quotes, lent for the call. */
struct part {
	int64_t number;
	int64_t size;
	struct view etag;
};

/* Both return 0 to go on, -1 with a fault to stop. */
typedef int parts_part(void *arg, const struct part *part, struct fault *f);
typedef int parts_upload(
    void *arg, const char *key, const char *upload_id, struct fault *f);

/*
 * Hands over each part of a page (ListPartsResult).  *marker, the last part
 * of the page before, becomes what to ask the next page with: 0 when this is
 * the last.  FAULT_REMOTE for a document that is no such page, or does not
 * get on; FAULT_MEMORY; or what found said.
 */
int parts_read(struct view page, parts_part *found, void *arg, int64_t *marker,
    struct fault *f);

/* Where a listing of uploads goes on: both empty at its beginning, and after
 * its end. */
struct parts_place {
	struct buf key;
	struct buf upload_id;
};

#define PARTS_PLACE_INIT                                                       \
	((struct parts_place){                                                 \
	    BUF_INIT(LISTING_KEY_MAX), BUF_INIT(PARTS_ID_MAX) })
void parts_place_fini(struct parts_place *place);

/* The same of a page of uploads (ListMultipartUploadsResult).  Keys are
 * unescaped when it says that they are escaped (encoding-type=url). */
int parts_read_uploads(struct view page, parts_upload *found, void *arg,
    struct parts_place *place, struct fault *f);

/* Appends the list that completes an upload: part numbers from 1 on, in
 * order.  FAULT_REMOTE for an ETag that no document can hold. */
struct parts_etag {
	char text[PARTS_ETAG_MAX + 1];
};
int parts_write(
    struct buf *out, const struct parts_etag *etags, size_t n, struct fault *f);

#endif
