/*
 * store - finished images in one local folder, one file each.
 *
 * Named {image_id}.{extension}: whole or absent, never replaced.  Drafts
 * of the dead are swept; nothing else is ever removed.
 */
#ifndef DISK_STORE_H
#define DISK_STORE_H

#include "base/buf.h"
#include "base/file.h"
#include "codec/ident.h"
#include "codec/sniff.h"

/* Below CHARREF_ROOT; fixed by the requirement. */
#define STORE_FOLDER "mv/outputs/character_reference"

enum {
	STORE_IMAGE_MAX = 24 << 20, /* bytes of one image               */
	STORE_NAME_SIZE = IDENT_MAX + 6
};

struct store; /* opaque; one thread at a time */

/* Opens root/STORE_FOLDER, making it when needed. */
int store_open(struct store **out, const char *root, struct fault *f);
void store_close(struct store **st);

/* Writes "{id}.{extension}". */
void store_name(
    char out[STORE_NAME_SIZE], const struct image_id *id, enum sniff_kind kind);

/*
 * Keeps an image under its id: the whole file appears, or none.  The name
 * survives a power cut only after store_sync, which settles all before it.
 * FAULT_FULL, FAULT_DISK, FAULT_CONFLICT (the id is taken).
 */
int store_put(struct store *st, const struct image_id *id, enum sniff_kind kind,
    struct view image, struct fault *f);
int store_sync(struct store *st, struct fault *f);

/* Reads an image into the empty out.  FAULT_ABSENT, FAULT_DISK. */
int store_get(struct store *st, const struct image_id *id, enum sniff_kind kind,
    struct buf *out, struct fault *f);

/*
 * Opens a folder anew that was replaced under us; one that was removed is
 * left for the next image to make (store_guard).  For the beginning of a
 * request or a batch: what store_folder gave before is void.
 */
void store_follow(struct store *st);

/* The folder, open until store_follow or store_guard: for who streams from
 * it. */
int store_folder(const struct store *st);

/* Bytes of the image's file, or -1 when there is none. */
int64_t store_size(
    struct store *st, const struct image_id *id, enum sniff_kind kind);

/*
 * Asked before anything is paid for: can `files` images of need_bytes
 * together be kept here, with reserve_bytes still free?  FAULT_FULL when
 * there is too little room, FAULT_DISK when the folder takes no file.  A
 * folder that was removed or replaced is made and opened anew.
 */
int store_guard(struct store *st, int files, int64_t need_bytes,
    int64_t reserve_bytes, struct fault *f);

/*
 * Goes through the folder: drafts whose owner is dead are removed, and each
 * file that is named like an image is handed to `found`, which returns 0 to
 * go on or -1 to stop.  Other names are left alone and not reported.
 */
typedef int store_found(void *arg, const struct image_id *id,
    enum sniff_kind kind, struct fault *f);
int store_sweep(
    struct store *st, store_found *found, void *arg, struct fault *f);

#endif
