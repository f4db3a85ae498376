/*
 * intake - takes a file into the store and the catalogue, as the image of
 * an id.
 */
#ifndef APP_INTAKE_H
#define APP_INTAKE_H

#include "codec/ident.h"
#include "disk/catalogue.h"
#include "disk/store.h"

/*
 * The file's bytes become the image of that id: whole, durable and
 * recorded, as a generated one.  Nothing changes when they are that
 * already.  due_ms: when the uploader may take its object.
 *
 * FAULT_ABSENT "file not found" (field "file") with the path; FAULT_LARGE
 * over STORE_IMAGE_MAX; FAULT_INPUT when the file is no whole png, jpeg or
 * webp; FAULT_CONFLICT (field "image_id") when the id is taken by other
 * bytes, under whatever extension; FAULT_BUSY while another process takes
 * in the same id for too long; FAULT_FULL, FAULT_DISK, and what the
 * catalogue says.
 */
int intake_file(struct store *store, struct db *db, const struct image_id *id,
    const char *path, const struct catalogue_image *about, int64_t due_ms,
    struct fault *f);

#endif
