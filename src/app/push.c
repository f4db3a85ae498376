#include "app/push.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/manifest.h"
#include "aws/guard.h"
#include "aws/multipart.h"
#include "base/clock.h"
#include "base/log.h"
#include "disk/catalogue.h"

enum { BATCH = 256 };

#define MANIFEST_FILES "\"files\":" /* where its list begins */

/* One small file on its way. */
struct parcel {
	struct plan *p;
	struct plan_file *file;
	struct s3_op op;
	char key[JOBPATH_KEY_MAX + 1];
	char name[STORE_NAME_SIZE]; /* in the store */
};

/* --- what the folder lacks --- */

/* A row that was made from the bucket's listing has no digest. */
static int
hash_stored(struct plan *p, const struct object *o, struct plan_file *file,
    struct fault *f)
{
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	int rc;

	rc = store_get(assets_store(p->a), &o->id, o->kind, &bytes, f);
	if (rc == 0)
		rc = digest_sha256(&file->sha256, buf_view(&bytes), f);
	buf_fini(&bytes);
	return rc;
}

/* An image of the job that is not in its folder comes from the store. */
static int
on_image(void *arg, const struct object *o, struct fault *f)
{
	struct plan *p = arg;
	char text[sizeof JOBPATH_REFERENCES + STORE_NAME_SIZE];
	char name[STORE_NAME_SIZE];
	struct plan_file *file;
	struct jobpath path;

	store_name(name, &o->id, o->kind);
	(void)snprintf(text, sizeof text, JOBPATH_REFERENCES "/%s", name);
	if (plan_find(p, text) != NULL ||
	    store_size(assets_store(p->a), &o->id, o->kind) < 0)
		return 0;
	if (jobpath_parse(&path, view_str(text), p->job, f) == -1 ||
	    plan_add(p, &path, &file, f) == -1)
		return -1;
	file->from_store = true;
	file->stamp.size = store_size(assets_store(p->a), &o->id, o->kind);
	file->sha256 = o->sha256;
	p->report->included++;
	return o->sha256.hex[0] == '\0' ? hash_stored(p, o, file, f) : 0;
}

static int
include_images(struct plan *p, struct fault *f)
{
	if (objects_of_job(assets_db(p->a), p->job, on_image, p, f) == -1)
		return -1;
	plan_sort(p);
	return 0;
}

static void
count(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!p->files[i].is_here && !p->files[i].from_store)
			continue;
		p->report->progress.files_total++;
		p->report->progress.bytes_total += p->files[i].stamp.size;
	}
}

static bool
is_ours(const struct plan_file *file)
{
	return (file->is_here || file->from_store) && !file->is_bad;
}

static void
tick(struct plan *p, const struct plan_file *file)
{
	p->report->progress.files_done++;
	p->report->progress.bytes_done += file->stamp.size;
	plan_progress(p, file->path);
}

/* --- what is there already --- */

/* The bucket has these bytes: the ETag is that of when we sent them. */
static void
settle_unchanged(struct plan *p, struct plan_file *file)
{
	file->is_right = true;
	memcpy(file->etag, file->etag_there, sizeof file->etag);
	p->report->unchanged++;
	tick(p, file);
}

static bool
is_unchanged(const struct plan_file *file)
{
	return file->is_there && file->size_there == file->stamp.size &&
	       file->sha256.hex[0] != '\0' && file->etag[0] != '\0' &&
	       strcmp(file->etag, file->etag_there) == 0;
}

/* One that we do not remember may be the same all the same: its object
 * says the digest of its bytes.  An image that only the store has is asked
 * for whatever its size: the job's own copy may be there. */
static bool
is_worth_asking(const struct plan_file *file)
{
	return is_ours(file) && !file->is_right && file->is_there &&
	       (file->from_store || file->size_there == file->stamp.size) &&
	       file->sha256.hex[0] != '\0';
}

/* The folder lacks it: the job's copy is what the bucket has. */
static void
take_over(struct plan_file *file, const struct s3_op *there)
{
	(void)snprintf(file->sha256.hex, sizeof file->sha256.hex, "%s",
	    there->found_sha256);
	file->stamp.size = there->found_size;
	file->mtime_ns = there->found_mtime_ns;
}

/* Has the bucket the file's bytes, or those that it is to keep? */
static bool
is_there_already(struct plan_file *file, const struct s3_op *there)
{
	if (there->fault.kind != FAULT_NONE)
		return false;
	if (strcmp(there->found_sha256, file->sha256.hex) == 0)
		return true;
	if (!file->from_store ||
	    strlen(there->found_sha256) != sizeof file->sha256.hex - 1)
		return false;
	take_over(file, there);
	return true;
}

/* A key that we may not read is no reason to leave the others. */
static bool
ends_run(const struct fault *why)
{
	return plan_is_of_all(why->kind) && why->kind != FAULT_DENIED;
}

static int
settle_asked(struct plan *p, struct plan_file *file, const struct s3_op *there,
    struct fault *f)
{
	if (is_there_already(file, there)) {
		memcpy(file->etag_there, there->found_etag,
		    sizeof file->etag_there);
		settle_unchanged(p, file);
		return 0;
	}
	if (there->fault.kind == FAULT_ABSENT) {
		file->is_there = false; /* since it was listed */
		return 0;
	}
	file->is_other = true;
	if (!ends_run(&there->fault))
		return 0;
	*f = there->fault;
	return -1;
}

/* At most BATCH of them. */
static int
ask(struct plan *p, struct parcel *parcels, size_t n, struct fault *f)
{
	struct plan_file *files[BATCH] = { NULL };
	struct s3_op *ops = calloc(n, sizeof *ops);
	struct fault why = FAULT_INIT;
	size_t i;
	int rc = 0;

	if (ops == NULL)
		return fault_set(f, FAULT_MEMORY, "ask for files");
	for (i = 0; i < n; i++) {
		files[i] = parcels[i].file;
		plan_key(p, parcels[i].file, parcels[i].key);
		ops[i] = S3_OP_INIT(S3_HEAD, parcels[i].key);
	}
	s3_run(cloud_s3(assets_cloud(p->a)), ops, n, p->deadline_ms);
	for (i = 0; i < n; i++)
		if (settle_asked(p, files[i], &ops[i], &why) == -1)
			rc = -1;
	free(ops);
	if (plan_keep(p, files, n, f) == -1)
		return -1;
	if (rc == -1)
		*f = why;
	return rc;
}

/* --- what must not be replaced --- */

#define FORCE "; --force (over HTTP \"force\": true) replaces it"

static const char edited[] =
    "the bucket has another copy of this image, an edited one as far as is "
    "known, which this folder never had: download the job" FORCE;
static const char unknown_there[] =
    "the bucket has a copy of this image whose digest is not known, and this "
    "folder has none: download the job";
static const char changed_there[] =
    "another host has persisted the job meanwhile: the bucket has a newer "
    "version, which stays; download the job to have it, or persist the job "
    "again to replace it";

/*
 * An image as it was made is no news of this folder, unless the folder has
 * had the version in the bucket: then somebody has put the image back.  -1,
 * and why: it must not be replaced.
 */
static int
may_replace(struct plan *p, const struct plan_file *file, struct fault *why)
{
	const bool differs =
	    file->is_other || file->size_there != file->stamp.size;
	bool original = false;

	if (file->from_store)
		return fault_set(why, FAULT_CONFLICT, "%s", unknown_there);
	if (p->is_forced || file->is_seen || !differs)
		return 0;
	if (plan_is_original(p, file, &original, why) == -1)
		return -1;
	return original ? fault_set(why, FAULT_CONFLICT, "%s", edited) : 0;
}

static int
spare_all_edited(struct plan *p, struct fault *f)
{
	struct fault why;
	size_t i;

	for (i = 0; i < p->n; i++) {
		struct plan_file *file = &p->files[i];

		why = FAULT_INIT;
		if (!is_ours(file) || file->is_right || !file->is_there ||
		    may_replace(p, file, &why) == 0)
			continue;
		if (ends_run(&why)) {
			*f = why;
			return -1;
		}
		plan_trouble(p, file, &why);
	}
	return 0;
}

/* The version that was listed is replaced, and no other; by force, any, but
 * only by what the folder has. */
static void
guard(const struct plan *p, const struct plan_file *file, struct s3_op *op)
{
	if (!p->is_forced || file->from_store)
		guard_version(op, file->is_there ? file->etag_there : NULL);
}

/* Another host has persisted the job since it was listed: perhaps these very
 * bytes, or a reply to us was lost. */
static void
settle_taken(struct plan *p, struct plan_file *file, const struct s3_op *op)
{
	struct fault why = FAULT_INIT;

	if (strcmp(op->found_sha256, file->sha256.hex) == 0) {
		memcpy(
		    file->etag_there, op->found_etag, sizeof file->etag_there);
		settle_unchanged(p, file);
		return;
	}
	(void)fault_set(&why, FAULT_CONFLICT, "%s", changed_there);
	plan_trouble(p, file, &why);
}

/* --- sending small files --- */

static void
plan_op(struct parcel *c)
{
	struct plan_file *file = c->file;

	plan_key(c->p, file, c->key);
	c->op = S3_OP_INIT(S3_PUT, c->key);
	c->op.dir = tree_folder(c->p->tree);
	c->op.name = file->path;
	if (file->from_store) {
		(void)snprintf(c->name, sizeof c->name, "%s",
		    strrchr(file->path, '/') + 1);
		c->op.dir = store_folder(assets_store(c->p->a));
		c->op.name = c->name;
	}
	c->op.size = file->stamp.size;
	c->op.sha256 = &file->sha256;
	c->op.mtime_ns = file->mtime_ns;
	c->op.media_type = media_type(c->p->media, file->path);
	c->op.owner = c;
	guard(c->p, file, &c->op);
}

static void
on_sent(struct s3_op *op)
{
	const struct parcel *c = op->owner;

	if (op->fault.kind == FAULT_NONE)
		tick(c->p, c->file);
}

static int
settle_sent(
    struct plan *p, struct parcel *c, const struct s3_op *op, struct fault *f)
{
	struct plan_file *file = c->file;
	struct fault changed = FAULT_INIT;

	if (op->fault.kind == FAULT_NONE) {
		file->is_right = true;
		memcpy(file->etag, op->found_etag, sizeof file->etag);
		p->report->sent++;
		if (file->is_here && !plan_is_same(p, file)) {
			(void)fault_in(&changed, FAULT_CONFLICT, "file",
			    "it has changed since it was read; what was there "
			    "before is in the bucket");
			plan_trouble(p, file, &changed);
		}
		return 0;
	}
	if (op->is_taken) {
		settle_taken(p, file, op);
		return 0;
	}
	if (plan_is_of_all(op->fault.kind)) {
		*f = op->fault;
		return -1;
	}
	plan_trouble(p, file, &op->fault);
	return 0;
}

static int
send(struct plan *p, struct parcel *parcels, size_t n, struct fault *f)
{
	struct plan_file *files[BATCH] = { NULL };
	struct s3_op *ops = calloc(n, sizeof *ops);
	struct fault why = FAULT_INIT;
	size_t i;
	int rc = 0;

	if (ops == NULL)
		return fault_set(f, FAULT_MEMORY, "send files");
	for (i = 0; i < n; i++) {
		plan_op(&parcels[i]);
		ops[i] = parcels[i].op;
		ops[i].finished = on_sent;
		files[i] = parcels[i].file;
	}
	s3_run(cloud_s3(assets_cloud(p->a)), ops, n, p->deadline_ms);
	for (i = 0; i < n; i++)
		if (settle_sent(p, &parcels[i], &ops[i], &why) == -1)
			rc = -1;
	free(ops);
	/* What has arrived is remembered also when the rest has not. */
	if (plan_keep(p, files, n, f) == -1)
		return -1;
	if (rc == -1)
		*f = why;
	return rc;
}

/* --- batches --- */

typedef int batch_work(
    struct plan *p, struct parcel *parcels, size_t n, struct fault *f);

/* Hands the files that `wanted` picks to `work`, BATCH at a time. */
static int
in_batches(struct plan *p, bool (*wanted)(const struct plan_file *),
    batch_work *work, struct fault *f)
{
	struct parcel *parcels = calloc(BATCH, sizeof *parcels);
	size_t i, n = 0;
	int rc = 0;

	if (parcels == NULL)
		return fault_set(f, FAULT_MEMORY, "send files");
	for (i = 0; i < p->n && rc == 0; i++) {
		if (!wanted(&p->files[i]))
			continue;
		parcels[n++] = (struct parcel){ .p = p, .file = &p->files[i] };
		if (n == BATCH) {
			rc = work(p, parcels, n, f);
			n = 0;
		}
	}
	if (rc == 0 && n > 0)
		rc = work(p, parcels, n, f);
	free(parcels);
	return rc;
}

static bool
is_small(const struct plan_file *file)
{
	return is_ours(file) && !file->is_right &&
	       file->stamp.size < MULTIPART_FROM;
}

/* --- big files --- */

struct giant {
	struct plan *p;
	struct plan_file *file;
	struct jobs_upload upload;
	struct digest *parts;
	size_t parts_n;
};

static int
on_begun(void *arg, const char *upload_id, struct fault *f)
{
	struct giant *g = arg;

	(void)snprintf(
	    g->upload.upload_id, sizeof g->upload.upload_id, "%s", upload_id);
	return jobs_upload_keep(
	    assets_db(g->p->a), &g->upload, clock_now_ms(), f);
}

static void
on_part(void *arg, int64_t bytes)
{
	struct giant *g = arg;

	g->p->report->progress.bytes_done += bytes;
	plan_progress(g->p, g->file->path);
}

/* One to go on with is of the same bytes, cut in the same way. */
static int
find_upload(struct giant *g, char id[MULTIPART_ID_MAX + 1], struct fault *f)
{
	struct jobs_upload known;
	bool found;

	id[0] = '\0';
	if (jobs_upload_find(
		assets_db(g->p->a), g->upload.key, &found, &known, f) == -1)
		return -1;
	if (found && known.size == g->upload.size &&
	    known.part_size == g->upload.part_size &&
	    strcmp(known.sha256.hex, g->upload.sha256.hex) == 0)
		(void)snprintf(id, MULTIPART_ID_MAX + 1, "%s", known.upload_id);
	return 0;
}

static int
send_parts(struct giant *g, struct fault *f)
{
	const struct multipart_keeper keeper = { on_begun, on_part, g };
	const struct multipart_file file = { .key = g->upload.key,
		.dir = tree_folder(g->p->tree),
		.name = g->file->path,
		.size = g->file->stamp.size,
		.mtime_ns = g->file->mtime_ns,
		.sha256 = &g->file->sha256,
		.parts = g->parts,
		.parts_n = g->parts_n,
		.media_type = media_type(g->p->media, g->file->path),
		.replaces = g->file->is_there ? g->file->etag_there : NULL,
		.is_forced = g->p->is_forced };
	char id[MULTIPART_ID_MAX + 1];

	if (find_upload(g, id, f) == -1 ||
	    multipart_put(cloud_s3(assets_cloud(g->p->a)), &file, id, &keeper,
		g->p->deadline_ms, g->file->etag, f) == -1)
		return -1;
	return jobs_upload_forget(assets_db(g->p->a), g->upload.key, f);
}

static int
ask_one(struct plan *p, struct plan_file *file, struct fault *f)
{
	struct parcel parcel = { .p = p, .file = file };

	return ask(p, &parcel, 1, f);
}

static int
send_giant(struct plan *p, struct plan_file *file, struct fault *f)
{
	const int64_t size = file->stamp.size;
	const int64_t part_size = multipart_part_size(size);
	struct giant g = { .p = p,
		.file = file,
		.upload = { .size = size, .part_size = part_size },
		.parts_n = multipart_parts(size) };
	const int64_t before = p->report->progress.bytes_done;
	int rc = -1;

	plan_key(p, file, g.upload.key);
	g.parts = calloc(g.parts_n, sizeof *g.parts);
	if (g.parts == NULL)
		return fault_set(f, FAULT_MEMORY, "send a big file");
	if (plan_hash(p, file, g.parts, part_size, f) == 0) {
		g.upload.sha256 = file->sha256;
		rc = is_worth_asking(file) ? ask_one(p, file, f) : 0;
		if (rc == 0 && !file->is_right)
			rc = send_parts(&g, f);
	}
	free(g.parts);
	if (rc == 0 && file->is_right)
		return 0; /* it was there already */
	if (rc == 0) {
		file->is_right = true;
		p->report->sent++;
		p->report->progress.files_done++;
		p->report->progress.bytes_done = before + size;
		plan_progress(p, file->path);
		return plan_keep(p, &file, 1, f);
	}
	p->report->progress.bytes_done = before;
	return -1;
}

static int
send_giants(struct plan *p, struct fault *f)
{
	struct fault why;
	size_t i;

	for (i = 0; i < p->n; i++) {
		struct plan_file *file = &p->files[i];

		if (!is_ours(file) || file->is_right ||
		    file->stamp.size < MULTIPART_FROM)
			continue;
		why = FAULT_INIT;
		if (send_giant(p, file, &why) == 0)
			continue;
		if (why.field != NULL && strcmp(why.field, "version") == 0) {
			why = FAULT_INIT;
			(void)fault_set(
			    &why, FAULT_CONFLICT, "%s", changed_there);
		}
		if (plan_is_of_all(why.kind)) {
			*f = why;
			return -1;
		}
		plan_trouble(p, file, &why);
	}
	return 0;
}

/* Will the next run go on with it?  Parts of what has arrived, or changed or
 * gone since, are paid for until they are aborted. */
static bool
is_of_use(void *arg, const char *key, const char *upload_id)
{
	struct plan *p = arg;
	const struct plan_file *file;
	struct jobs_upload known;
	struct fault none = FAULT_INIT;
	struct jobpath path;
	bool found;

	if (jobpath_of_key(&path, view_str(key), p->job, &none) == -1)
		return false;
	file = plan_find(p, path.text);
	if (file == NULL || !file->is_here || file->is_right)
		return false;
	return jobs_upload_find(assets_db(p->a), key, &found, &known, &none) ==
		   -1 ||
	       (found && strcmp(known.upload_id, upload_id) == 0);
}

static void
sweep_uploads(struct plan *p)
{
	char prefix[JOBPATH_KEY_MAX + 1];
	struct fault f = FAULT_INIT;
	size_t n = 0;

	jobpath_prefix(prefix, p->job);
	if (multipart_sweep(cloud_s3(assets_cloud(p->a)), prefix,
		p->deadline_ms, is_of_use, p, &n, &f) == -1)
		log_event(LOG_WARN, "multipart uploads not swept",
		    LOG_TEXT("job_id", view_str(p->job->text)),
		    LOG_TEXT("message", view_str(f.text)));
}

/* --- hashing --- */

static int
hash_all(struct plan *p, struct fault *f)
{
	struct fault why;
	size_t i;

	for (i = 0; i < p->n; i++) {
		struct plan_file *file = &p->files[i];

		if (!file->is_here || file->sha256.hex[0] != '\0' ||
		    file->stamp.size >= MULTIPART_FROM)
			continue; /* big ones are read when they are sent */
		why = FAULT_INIT;
		if (plan_hash(p, file, NULL, 0, &why) == 0)
			continue;
		if (plan_is_of_all(why.kind)) {
			*f = why;
			return -1;
		}
		plan_trouble(p, file, &why);
	}
	return 0;
}

/* --- the manifest --- */

/* The catalogue speaks of the image that was made; a copy that was edited is
 * another. */
static int
add_to_manifest(struct plan *p, struct plan_file *file, bool first,
    struct buf *out, struct fault *f)
{
	struct manifest_file entry = { .bytes = file->stamp.size,
		.sha256 = file->sha256,
		.mtime_ns = file->mtime_ns,
		.media_type = media_type(p->media, file->path) };
	struct catalogue_image image;
	struct buf texts = BUF_INIT(CATALOGUE_TEXTS_MAX);
	struct image_id id;
	enum sniff_kind kind;
	bool found = false;
	int rc = 0;

	plan_path(file, &entry.path);
	if (plan_is_image(file, &id, &kind))
		rc = catalogue_image_find(
		    assets_db(p->a), &id, &found, &image, &texts, f);
	if (found && strcmp(image.sha256.hex, file->sha256.hex) == 0)
		entry.image = &image;
	if (rc == 0)
		manifest_add(out, &entry, first);
	buf_fini(&texts);
	return rc;
}

static int
write_manifest(struct plan *p, struct buf *out, struct fault *f)
{
	bool first = true;
	size_t i;

	manifest_begin(out, p->job, clock_now_ms());
	for (i = 0; i < p->n; i++) {
		if (!p->files[i].is_right)
			continue;
		if (add_to_manifest(p, &p->files[i], first, out, f) == -1)
			return -1;
		first = false;
	}
	manifest_end(out);
	return buf_done(out, f);
}

/* Do two manifests of the job name the same files?  Each begins with when it
 * was written. */
static bool
is_same_list(const struct buf *a, const struct buf *b)
{
	const char *one = strstr(buf_str(a), MANIFEST_FILES);
	const char *other = strstr(buf_str(b), MANIFEST_FILES);

	return one != NULL && other != NULL && strcmp(one, other) == 0;
}

/* One that says the same stays as it is: a run that had nothing to do
 * changes nothing. */
static bool
has_manifest(struct plan *p, const char *key, const struct buf *text)
{
	struct s3_op op = S3_OP_INIT(S3_GET, key);
	bool same;

	if (p->report->sent > 0)
		return false;
	op.reply = BUF_INIT(MANIFEST_MAX);
	s3_run(cloud_s3(assets_cloud(p->a)), &op, 1, p->deadline_ms);
	same = op.fault.kind == FAULT_NONE && is_same_list(&op.reply, text);
	buf_fini(&op.reply);
	return same;
}

/* What arrived is there; which files the job has is the other's word. */
static void
tell_taken_manifest(struct plan *p)
{
	struct fault why = FAULT_INIT;

	(void)fault_set(&why, FAULT_CONFLICT, "%s", changed_there);
	plan_trouble_named(p, "manifest.json", &why);
}

static int
put_manifest(
    struct plan *p, const char *key, const struct buf *text, struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, key);
	struct digest sha256;

	if (digest_sha256(&sha256, buf_view(text), f) == -1)
		return -1;
	op.bytes = buf_view(text);
	op.size = (int64_t)text->len;
	op.sha256 = &sha256;
	op.media_type = "application/json";
	if (!p->is_forced)
		guard_version(
		    &op, p->is_manifest_there ? p->etag_manifest : NULL);
	s3_run(cloud_s3(assets_cloud(p->a)), &op, 1, p->deadline_ms);
	if (op.fault.kind == FAULT_NONE ||
	    (op.is_taken && strcmp(op.found_sha256, sha256.hex) == 0))
		return 0;
	if (op.is_taken) {
		tell_taken_manifest(p);
		return 0;
	}
	*f = op.fault;
	return -1;
}

static int
send_manifest(struct plan *p, struct fault *f)
{
	struct buf text = BUF_INIT(MANIFEST_MAX);
	char key[JOBPATH_KEY_MAX + 1];
	int rc;

	jobpath_manifest(key, p->job);
	rc = write_manifest(p, &text, f);
	if (rc == 0 && !has_manifest(p, key, &text))
		rc = put_manifest(p, key, &text, f);
	buf_fini(&text);
	return rc == 0 ? 0 : fault_while(f, "send the manifest");
}

/* The queue need not bring what is there now. */
static int
settle_images(struct plan *p, struct fault *f)
{
	struct image_id id;
	enum sniff_kind kind;
	struct object o;
	bool known;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!p->files[i].is_right ||
		    !plan_is_image(&p->files[i], &id, &kind))
			continue;
		if (objects_find(assets_db(p->a), &id, p->job, &known, &o, f) ==
		    -1)
			return -1;
		if (known && o.state != OBJECTS_DONE) {
			const struct objects_outcome done = {
				.object = &o, .state = OBJECTS_DONE, .error = ""
			};

			if (objects_settle(assets_db(p->a), &done, 1,
				clock_now_ms(), f) == -1)
				return -1;
		}
	}
	return 0;
}

int
push_run(struct plan *p, struct fault *f)
{
	bool found;
	size_t i;

	if (plan_walk(p, true, f) == -1 || include_images(p, f) == -1)
		return -1;
	count(p);
	plan_progress(p, "");
	if (plan_list(p, &found, f) == -1 || plan_remember(p, f) == -1 ||
	    hash_all(p, f) == -1)
		return -1;
	for (i = 0; i < p->n; i++)
		if (is_ours(&p->files[i]) && is_unchanged(&p->files[i]))
			settle_unchanged(p, &p->files[i]);
	if (in_batches(p, is_worth_asking, ask, f) == -1 ||
	    spare_all_edited(p, f) == -1 ||
	    in_batches(p, is_small, send, f) == -1 || send_giants(p, f) == -1)
		return -1;
	sweep_uploads(p);
	if (settle_images(p, f) == -1)
		return -1;
	return send_manifest(p, f);
}
