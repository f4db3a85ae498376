#include "disk/catalogue.h"

#include <stdio.h>

#include "disk/objects.h"

static const char find[] = "SELECT extension FROM images WHERE id = ?";
static const char find_in_job[] =
    "SELECT i.extension FROM objects o JOIN images i ON i.id = o.image_id"
    " WHERE o.image_id = ? AND o.job_id = ?";

/* What read_image reads: take_kind's column first. */
#define EACH_IMAGE                                                             \
	"SELECT extension, id, bytes, sha256, width, height, created_at,"      \
	" prompt, model, seed IS NOT NULL, seed, request_id FROM images "

static const char find_image[] = EACH_IMAGE "WHERE id = ?";
static const char list[] = EACH_IMAGE "WHERE id > ? ORDER BY id LIMIT ?";

#define INSERT_IMAGE                                                           \
	"INSERT INTO images (id, extension, media_type, bytes, sha256, width," \
	" height, created_at, prompt, model, seed, request_id)"                \
	" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO "

static const char record_image[] = INSERT_IMAGE
    "UPDATE SET created_at = excluded.created_at, prompt = excluded.prompt,"
    " model = excluded.model, seed = excluded.seed,"
    " request_id = excluded.request_id";
static const char adopt_image[] = INSERT_IMAGE "NOTHING";

/* Rows are never deleted, so their numbers have no gaps. */
static const char count[] = "SELECT coalesce(max(rowid), 0) FROM images";

/* The kind of the row's first column. */
static int
take_kind(struct db_query *q, enum sniff_kind *kind, struct fault *f)
{
	struct view extension;

	if (db_text(q, 0, &extension, f) == -1)
		return -1;
	if (!sniff_of_extension(extension, kind))
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an image of an unknown kind");
	return 0;
}

int
catalogue_find(struct db *db, const struct image_id *id,
    const struct job_id *job, bool *found, enum sniff_kind *kind,
    struct fault *f)
{
	const bool in_job = job->text[0] != '\0';
	struct db_query q = db_ask(db, in_job ? find_in_job : find);
	int rc;

	db_give_text(&q, view_str(id->text));
	if (in_job)
		db_give_text(&q, view_str(job->text));
	rc = db_step(&q, f);
	*found = rc == 1;
	if (rc == 1)
		rc = take_kind(&q, kind, f);
	db_end(&q);
	return rc == -1 ? fault_while(f, "find image %s", id->text) : 0;
}

/* A name and a hash as they were recorded. */
static int
read_names(struct db_query *q, struct catalogue_image *out, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view id, sha256;

	if (db_text(q, 1, &id, f) == -1 || db_text(q, 3, &sha256, f) == -1)
		return -1;
	if (image_id_parse(&out->id, id, &why) == -1)
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an image with a wrong name: %s",
		    why.text);
	out->sha256.hex[0] = '\0';
	if (sha256.n < sizeof out->sha256.hex)
		(void)snprintf(
		    out->sha256.hex, sizeof out->sha256.hex, "%s", sha256.p);
	return 0;
}

/* A row of EACH_IMAGE, its kind aside; its texts are lent by the row. */
static int
read_image(struct db_query *q, struct catalogue_image *out, struct fault *f)
{
	*out = (struct catalogue_image){ .bytes = db_number(q, 2) };
	if (read_names(q, out, f) == -1 ||
	    db_text(q, 7, &out->prompt, f) == -1 ||
	    db_text(q, 8, &out->model, f) == -1 ||
	    db_text(q, 11, &out->request_id, f) == -1)
		return -1;
	out->sniff.width = (uint32_t)db_number(q, 4);
	out->sniff.height = (uint32_t)db_number(q, 5);
	out->created_at_ms = db_number(q, 6);
	out->has_seed = db_flag(q, 9);
	out->seed = (uint32_t)db_number(q, 10);
	return 0;
}

/* The image's own texts, moved into a buf with room for all. */
static int
keep_texts(struct catalogue_image *image, struct buf *texts, struct fault *f)
{
	struct view *const each[] = { &image->prompt, &image->model,
		&image->request_id };
	size_t i, at = 0;

	for (i = 0; i < sizeof each / sizeof each[0]; i++)
		buf_add(texts, *each[i]);
	if (buf_done(texts, f) == -1)
		return -1;
	for (i = 0; i < sizeof each / sizeof each[0]; i++) {
		each[i]->p = buf_str(texts) + at;
		at += each[i]->n;
	}
	return 0;
}

int
catalogue_count(struct db *db, int64_t *n, struct fault *f)
{
	struct db_query q = db_ask(db, count);
	const int rc = db_step(&q, f);

	*n = rc == 1 ? db_number(&q, 0) : 0;
	db_end(&q);
	return rc == 1 ? 0 : fault_while(f, "count the images");
}

int
catalogue_image_find(struct db *db, const struct image_id *id, bool *found,
    struct catalogue_image *out, struct buf *texts, struct fault *f)
{
	struct db_query q = db_ask(db, find_image);
	int rc;

	buf_clear(texts);
	db_give_text(&q, view_str(id->text));
	rc = db_step(&q, f);
	*found = rc == 1;
	if (rc == 1)
		rc = read_image(&q, out, f);
	if (*found && rc == 0)
		rc = take_kind(&q, &out->sniff.kind, f);
	if (*found && rc == 0)
		rc = keep_texts(out, texts, f);
	db_end(&q);
	return rc == -1 ? fault_while(f, "find image %s", id->text) : 0;
}

/* One row of a list; what a newer program wrote of another kind is none. */
static int
list_one(struct db_query *q, catalogue_seen *each, void *arg, struct fault *f)
{
	struct catalogue_image image;
	struct view extension;

	if (read_image(q, &image, f) == -1 ||
	    db_text(q, 0, &extension, f) == -1)
		return -1;
	if (!sniff_of_extension(extension, &image.sniff.kind))
		return 0;
	return each(arg, &image, f);
}

int
catalogue_list(struct db *db, const struct image_id *after, size_t max,
    catalogue_seen *each, void *arg, struct fault *f)
{
	struct db_query q = db_ask(db, list);
	int rc;

	db_give_text(&q, view_str(after == NULL ? "" : after->text));
	db_give_number(&q, (int64_t)max);
	while ((rc = db_step(&q, f)) == 1)
		if (list_one(&q, each, arg, f) == -1) {
			rc = -1;
			break;
		}
	db_end(&q);
	return rc;
}

/* The image's row, by record_image or adopt_image, and its object's. */
static int
add_image(struct db *db, const char *how, const struct catalogue_image *image,
    int64_t due_ms, struct fault *f)
{
	struct db_query q = db_ask(db, how);

	db_give_text(&q, view_str(image->id.text));
	db_give_text(&q, view_str(sniff_extension(image->sniff.kind)));
	db_give_text(&q, view_str(sniff_media_type(image->sniff.kind)));
	db_give_number(&q, image->bytes);
	db_give_text(&q, view_str(image->sha256.hex));
	db_give_number(&q, image->sniff.width);
	db_give_number(&q, image->sniff.height);
	db_give_number(&q, image->created_at_ms);
	db_give_text(&q, image->prompt);
	db_give_text(&q, image->model);
	if (image->has_seed)
		db_give_number(&q, image->seed);
	else
		db_give_null(&q);
	db_give_text(&q, image->request_id);
	if (db_run(&q, f) == -1)
		return -1;
	return objects_add(
	    db, &image->id, &job_id_none, image->sniff.kind, due_ms, f);
}

int
catalogue_adopt(struct db *db, const struct catalogue_image *image,
    int64_t due_ms, struct fault *f)
{
	int rc = db_begin(db, f);

	if (rc == 0)
		rc = add_image(db, adopt_image, image, due_ms, f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "adopt image %s", image->id.text);
	return 0;
}

int
catalogue_record(struct db *db, const struct catalogue_image *images, size_t n,
    int64_t due_ms, struct claim *claim, struct view reply, struct fault *f)
{
	int rc = db_begin(db, f);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		rc = add_image(db, record_image, &images[i], due_ms, f);
	if (rc == 0)
		rc = claims_done(db, claim, reply, f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "record the images");
	claims_fini(claim);
	return 0;
}
