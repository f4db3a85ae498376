/*
 * recover - puts right what a killed worker left behind.
 *
 * Drafts of the dead are removed; a whole image without a row, paid for
 * but never recorded, is adopted.  Nothing else is touched, nothing is
 * deleted: a file that cannot be read, or is no whole image, is logged and
 * passed over.
 */
#ifndef APP_RECOVER_H
#define APP_RECOVER_H

#include "disk/catalogue.h"
#include "disk/store.h"

/* An image may be one that a live worker is about to record and to upload:
 * the uploader is to leave it alone for so long. */
enum { RECOVER_PATIENCE_MS = 60 * 1000 };

/*
 * Runs at the start of each worker; while one of them is at it, the others
 * go on without.  due_ms: when the uploader may take an adopted image
 * (assets_due_ms with RECOVER_PATIENCE_MS).  *adopted counts the images that
 * got a row.  Fails when the catalogue does, or the folder cannot be listed.
 */
int recover(struct store *st, struct db *db, int64_t due_ms, int *adopted,
    struct fault *f);

#endif
