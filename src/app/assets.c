#include "app/assets.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/intake.h"
#include "app/lookup.h"
#include "aws/sigv4.h"
#include "base/clock.h"

#define JOB_FOLDER "character_reference" /* in a job's own folder */

struct assets {
	const struct conf *conf;
	struct store *store;
	struct db *db;
	struct cloud *cloud; /* NULL without a bucket */
};

static const struct job_id alone = { "" };

int
assets_open(struct assets **out, const struct conf *conf, enum cloud_role role,
    int stop_fd, struct fault *f)
{
	const char *root = conf_text(conf, CONF_CHARREF_ROOT);
	struct assets *a = calloc(1, sizeof *a);

	if (a == NULL)
		return fault_set(f, FAULT_MEMORY, "open the assets");
	a->conf = conf;
	if (store_open(&a->store, root, f) == -1 ||
	    db_open(&a->db, root, f) == -1 ||
	    (conf_has_bucket(conf) &&
		cloud_open(&a->cloud, conf, role, stop_fd, f) == -1)) {
		assets_close(&a);
		return -1;
	}
	*out = a;
	return 0;
}

void
assets_close(struct assets **a)
{
	if (*a == NULL)
		return;
	cloud_close(&(*a)->cloud);
	db_close(&(*a)->db);
	store_close(&(*a)->store);
	free(*a);
	*a = NULL;
}

struct store *
assets_store(struct assets *a)
{
	return a->store;
}

struct db *
assets_db(struct assets *a)
{
	return a->db;
}

struct cloud *
assets_cloud(struct assets *a)
{
	return a->cloud;
}

struct upload_parts
assets_parts(struct assets *a)
{
	return (struct upload_parts){ a->store, a->db, a->cloud };
}

const char *
asset_status_word(enum asset_status status)
{
	static const char *const words[] = { [ASSET_UPLOADED] = "uploaded",
		[ASSET_COPIED] = "copied",
		[ASSET_QUEUED] = "queued",
		[ASSET_MISSING] = "missing",
		[ASSET_FAILED] = "failed" };

	return words[status];
}

void
asset_fini(struct asset *asset)
{
	s3_url_fini(&asset->url);
}

static int
need_bucket(const struct assets *a, struct fault *f)
{
	if (a->cloud != NULL)
		return 0;
	return fault_set(f, FAULT_BUSY,
	    "there is no cloud storage: STORAGE_BUCKET is not set");
}

/* When the uploader may take what this request is about to try itself. */
static int64_t
due_later_ms(void)
{
	return clock_now_ms() + ASSETS_UPLOAD_MS;
}

static int
presign(struct assets *a, const struct object *o, int64_t expires_s,
    struct asset *out, struct fault *f)
{
	out->id = o->id;
	objects_key(out->key, &o->id, &o->job, o->kind);
	return cloud_presign(a->cloud, o, "GET", expires_s, &out->url, f);
}

/* What came of an upload, as its asset. */
static void
report(struct assets *a, const struct upload *u, struct asset *out)
{
	out->fault = u->fault;
	switch (u->object.state) {
	case OBJECTS_DONE:
		out->status = u->is_copied ? ASSET_COPIED : ASSET_UPLOADED;
		(void)presign(a, &u->object, 0, out, &out->fault);
		break;
	case OBJECTS_FAILED:
		out->status = ASSET_FAILED;
		break;
	case OBJECTS_WAITING:
	case OBJECTS_NONE:
		out->status = ASSET_QUEUED;
		break;
	}
}

/* --- persist --- */

/* The image must be in the store, or, for a job, be copied in the bucket. */
static int
find_kept(struct assets *a, const struct image_id *id, const struct job_id *job,
    struct object *o, struct fault *f)
{
	char name[STORE_NAME_SIZE];
	bool known;

	if (objects_find(a->db, id, job, &known, o, f) == -1)
		return -1;
	if (!known)
		return fault_in(f, FAULT_ABSENT, "image_id",
		    "file not found: image %s is not in the local store",
		    id->text);
	if (o->state == OBJECTS_DONE || o->is_alone_done ||
	    store_size(a->store, id, o->kind) >= 0)
		return 0;
	store_name(name, id, o->kind);
	return fault_in(f, FAULT_ABSENT, "image_id",
	    "file not found: " STORE_FOLDER "/%s", name);
}

int
persist_character_reference(struct assets *a, const struct image_id *id,
    const char *local_image_path, const struct job_id *job, struct asset *out,
    struct fault *f)
{
	const struct upload_parts parts = assets_parts(a);
	struct upload u = { .fault = FAULT_INIT };

	if (job == NULL)
		job = &alone;
	if (need_bucket(a, f) == -1 ||
	    (local_image_path != NULL &&
		intake_file(a->store, a->db, id, local_image_path,
		    due_later_ms(), f) == -1) ||
	    find_kept(a, id, job, &u.object, f) == -1)
		return -1;
	out->id = *id;
	objects_key(out->key, id, job, u.object.kind);
	if (u.object.state != OBJECTS_DONE &&
	    (objects_want(a->db, id, job, u.object.kind, due_later_ms(), f) ==
		    -1 ||
		upload_run(&parts, &u, 1, clock_ticks_ms() + ASSETS_UPLOAD_MS,
		    f) == -1))
		return -1;
	report(a, &u, out);
	if (out->fault.kind == FAULT_NONE)
		return 0;
	*f = out->fault;
	return -1;
}

/* --- associate --- */

/* One association as it goes on. */
struct association {
	struct assets *a;
	const struct job_id *job;
	struct asset *out;
	size_t n;
	int folder;              /* of the job, for its own copies       */
	int64_t lookup_until_ms; /* for all unknown images together      */
	struct upload *uploads;  /* n, in the order of out               */
	size_t *whose;           /* uploads[i] is of out[whose[i]]       */
	size_t count;
};

static int
open_job_folder(struct association *as, const char *base_path, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc;

	if (base_path != NULL)
		buf_fmt(&path, "%s/" JOB_FOLDER, base_path);
	else
		buf_fmt(&path, "%s/%s/" JOB_FOLDER,
		    conf_text(as->a->conf, CONF_JOBS_DIR), as->job->text);
	rc = buf_done(&path, f);
	if (rc == 0)
		rc = file_make_folders(path.data, f);
	if (rc == 0)
		rc = file_open_folder(path.data, &as->folder, f);
	buf_fini(&path);
	return rc;
}

/* The image as this job sees it; one that we do not know is asked for. */
static int
find_anywhere(struct association *as, const struct image_id *id,
    struct object *o, struct fault *f)
{
	struct assets *a = as->a;
	struct object found;
	bool known;

	if (objects_find(a->db, id, as->job, &known, o, f) == -1)
		return -1;
	if (known && (o->is_alone_done || o->state == OBJECTS_DONE ||
			 store_size(a->store, id, o->kind) >= 0))
		return 0;
	if (a->cloud == NULL)
		return lookup_absent(&alone, f);
	if (lookup_ask(a->db, a->cloud, id, &alone, as->lookup_until_ms, &found,
		f) == -1)
		return -1;
	return objects_find(a->db, id, as->job, &known, o, f);
}

static int
read_image(struct association *as, const struct object *o, struct buf *bytes,
    struct fault *f)
{
	struct s3_op get;
	char key[OBJECTS_KEY_SIZE];

	if (store_size(as->a->store, &o->id, o->kind) >= 0)
		return store_get(as->a->store, &o->id, o->kind, bytes, f);
	MUST(as->a->cloud != NULL);
	objects_key(key, &o->id, o->is_alone_done ? &alone : &o->job, o->kind);
	get = S3_OP_INIT(S3_GET, key);
	get.reply = *bytes;
	s3_run(cloud_s3(as->a->cloud), &get, 1,
	    clock_ticks_ms() + ASSETS_UPLOAD_MS);
	*bytes = get.reply;
	*f = get.fault;
	return get.fault.kind == FAULT_NONE ? 0 : -1;
}

static int
write_copy(struct association *as, const struct object *o,
    const struct buf *bytes, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	struct fault why = FAULT_INIT;
	char name[STORE_NAME_SIZE];
	int rc = -1;

	store_name(name, &o->id, o->kind);
	if (file_draft_open(&draft, as->folder, &why) == 0 &&
	    file_draft_write(&draft, buf_view(bytes), &why) == 0)
		rc = file_draft_publish(&draft, name, &why);
	file_draft_fini(&draft);
	if (rc == 0 || why.kind == FAULT_CONFLICT) /* theirs stays */
		return 0;
	*f = why;
	return -1;
}

/* The job's own copy: a copy, not a link, for the pipeline edits it. */
static int
copy_to_job(struct association *as, const struct object *o, struct fault *f)
{
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	char name[STORE_NAME_SIZE];
	int rc = 0;

	store_name(name, &o->id, o->kind);
	if (file_size(as->folder, name) < 0) {
		rc = read_image(as, o, &bytes, f);
		if (rc == 0)
			rc = write_copy(as, o, &bytes, f);
	}
	buf_fini(&bytes);
	return rc == 0 ? 0 : fault_while(f, "copy into the job's folder");
}

/* One image: its copy in the folder and its place in the queue. */
static int
associate_one(
    struct association *as, size_t at, struct object *o, struct fault *f)
{
	struct asset *out = &as->out[at];

	if (find_anywhere(as, &out->id, o, f) == -1)
		return -1;
	objects_key(out->key, &o->id, as->job, o->kind);
	if (copy_to_job(as, o, f) == -1)
		return -1;
	return objects_want(
	    as->a->db, &o->id, as->job, o->kind, due_later_ms(), f);
}

static bool
is_ours(enum fault_kind kind)
{
	return kind == FAULT_CATALOGUE || kind == FAULT_MEMORY;
}

/* Goes through the images; only what stops them all is a failure. */
static int
gather(struct association *as, struct fault *f)
{
	size_t i;

	for (i = 0; i < as->n; i++) {
		struct upload *u = &as->uploads[as->count];
		struct asset *out = &as->out[i];

		*u = (struct upload){ .fault = FAULT_INIT };
		out->status = ASSET_FAILED;
		if (associate_one(as, i, &u->object, &out->fault) == 0) {
			as->whose[as->count++] = i;
		} else if (is_ours(out->fault.kind)) {
			*f = out->fault;
			return -1;
		} else if (out->fault.kind == FAULT_ABSENT) {
			out->status = ASSET_MISSING;
		}
	}
	return as->count == 0 ? 0 : file_sync_folder(as->folder, f);
}

/* Those that the bucket has already are not sent again. */
static int
bring(struct association *as, struct fault *f)
{
	const struct upload_parts parts = assets_parts(as->a);
	struct upload *sent;
	size_t *whose;
	size_t i, n = 0;
	int rc = 0;

	sent = calloc(as->count, sizeof *sent);
	whose = calloc(as->count, sizeof *whose);
	if (sent == NULL || whose == NULL)
		rc = fault_set(f, FAULT_MEMORY, "associate images");
	for (i = 0; i < as->count && rc == 0; i++) {
		if (as->uploads[i].object.state == OBJECTS_DONE) {
			report(as->a, &as->uploads[i], &as->out[as->whose[i]]);
			continue;
		}
		sent[n] = as->uploads[i];
		whose[n++] = as->whose[i];
	}
	if (rc == 0)
		rc = upload_run(
		    &parts, sent, n, clock_ticks_ms() + ASSETS_UPLOAD_MS, f);
	for (i = 0; i < n && rc == 0; i++)
		report(as->a, &sent[i], &as->out[whose[i]]);
	free(sent);
	free(whose);
	return rc;
}

static void
leave_queued(struct association *as)
{
	size_t i;

	for (i = 0; i < as->count; i++) {
		struct asset *out = &as->out[as->whose[i]];

		out->status = ASSET_QUEUED;
		(void)need_bucket(as->a, &out->fault);
	}
}

static int
associate(struct association *as, const char *base_path, struct fault *f)
{
	size_t i;

	if (open_job_folder(as, base_path, f) == -1 || gather(as, f) == -1)
		return -1;
	if (as->count == 0) {
		for (i = 0; i < as->n; i++)
			if (as->out[i].status != ASSET_MISSING)
				return 0;
		return fault_in(f, FAULT_ABSENT, "image_ids",
		    "there is no image with any of these ids");
	}
	if (as->a->cloud != NULL)
		return bring(as, f);
	leave_queued(as);
	return 0;
}

int
associate_character_images_with_job(struct assets *a, const struct job_id *job,
    const struct image_id *ids, size_t n, const char *local_base_path,
    struct asset *out, struct fault *f)
{
	struct association as = { .a = a,
		.job = job,
		.out = out,
		.n = n,
		.folder = -1,
		.lookup_until_ms = clock_ticks_ms() + 5 * LOOKUP_MS,
		.uploads = calloc(n, sizeof *as.uploads),
		.whose = calloc(n, sizeof *as.whose) };
	size_t i;
	int rc = -1;

	MUST(n >= 1 && n <= ASSETS_IMAGES_MAX);
	for (i = 0; i < n; i++)
		out[i].id = ids[i];
	if (as.uploads == NULL || as.whose == NULL)
		(void)fault_set(f, FAULT_MEMORY, "associate images");
	else
		rc = associate(&as, local_base_path, f);
	if (as.folder != -1)
		(void)close(as.folder);
	free(as.uploads);
	free(as.whose);
	return rc == 0 ? 0 : fault_while(f, "associate with job %s", job->text);
}

/* --- presign --- */

static int
check_asked(const char *extension, int64_t expires_s, enum sniff_kind *kind,
    struct fault *f)
{
	if (extension != NULL && !sniff_of_extension(view_str(extension), kind))
		return fault_in(f, FAULT_RANGE, "extension",
		    "extension must be one of png, jpg, jpeg, webp");
	if (expires_s < 0 || expires_s > SIGV4_EXPIRES_MAX_S)
		return fault_in(f, FAULT_RANGE, "expires_in",
		    "expires_in must be from 1 to %d", SIGV4_EXPIRES_MAX_S);
	return 0;
}

int
get_character_reference_url(struct assets *a, const struct image_id *id,
    const struct job_id *job, const char *extension, int64_t expires_s,
    struct asset *out, struct fault *f)
{
	enum sniff_kind kind;
	struct object o;
	bool known;

	if (job == NULL)
		job = &alone;
	if (check_asked(extension, expires_s, &kind, f) == -1 ||
	    need_bucket(a, f) == -1 ||
	    objects_find(a->db, id, job, &known, &o, f) == -1)
		return -1;
	if ((!known || o.state == OBJECTS_NONE) &&
	    lookup_ask(a->db, a->cloud, id, job, clock_ticks_ms() + LOOKUP_MS,
		&o, f) == -1)
		return -1;
	if (o.state != OBJECTS_DONE)
		return fault_in(f, FAULT_ABSENT, "image_id",
		    "this image is not in the cloud storage yet");
	if (extension != NULL && o.kind != kind)
		return fault_in(f, FAULT_ABSENT, "extension",
		    "this image is a %s", sniff_extension(o.kind));
	return presign(a, &o, expires_s, out, f);
}
