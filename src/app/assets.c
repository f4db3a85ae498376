#include "app/assets.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/copies.h"
#include "app/fetch.h"
#include "app/intake.h"
#include "app/lookup.h"
#include "aws/sigv4.h"
#include "base/share.h"
#include "base/clock.h"
#include "base/metrics.h"

struct assets {
	const struct conf *conf;
	struct store *store;
	struct db *db;
	struct cloud *cloud; /* NULL without a bucket */
};

static int
open_store(struct assets *a, const char *root, struct fault *f)
{
	if (store_open(&a->store, root, f) == 0)
		return 0;
	return f->kind == FAULT_DISK
		   ? fault_while(f,
			 "CHARREF_ROOT must be a folder that this user may "
			 "write, and %.100s is not",
			 root)
		   : -1;
}

int
assets_open(struct assets **out, const struct conf *conf, enum cloud_role role,
    int stop_fd, struct fault *f)
{
	const char *root = conf_text(conf, CONF_CHARREF_ROOT);
	struct assets *a = calloc(1, sizeof *a);

	if (a == NULL)
		return fault_set(f, FAULT_MEMORY, "open the assets");
	a->conf = conf;
	metrics_open(conf_text(conf, CONF_RUN_DIR), role == CLOUD_COMMAND);
	if (open_store(a, root, f) == -1 || db_open(&a->db, root, f) == -1 ||
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
	metrics_close();
	free(*a);
	*a = NULL;
}

const struct conf *
assets_conf(const struct assets *a)
{
	return a->conf;
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

int64_t
assets_due_ms(const struct assets *a, int64_t wait_ms)
{
	if (!conf_serves_cloud(a->conf) ||
	    conf_is(a->conf, CONF_UPLOAD_MODE, "lazy"))
		return OBJECTS_LAZY;
	return clock_now_ms() + wait_ms;
}

const char *
asset_status_word(enum asset_status status)
{
	static const char *const words[] = { [ASSET_UPLOADED] = "uploaded",
		[ASSET_COPIED] = "copied",
		[ASSET_KEPT] = "kept",
		[ASSET_QUEUED] = "queued",
		[ASSET_MISSING] = "missing",
		[ASSET_FAILED] = "failed" };

	return words[status];
}

bool
asset_is_in_bucket(const struct asset *asset)
{
	return asset->status == ASSET_UPLOADED ||
	       asset->status == ASSET_COPIED || asset->status == ASSET_KEPT;
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
	out->id = u->object.id;
	objects_key(out->key, &out->id, &u->object.job, u->object.kind);
	switch (u->object.state) {
	case OBJECTS_DONE:
		out->status = u->is_kept     ? ASSET_KEPT
			      : u->is_copied ? ASSET_COPIED
					     : ASSET_UPLOADED;
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

/* When the uploader may take what a request is about to bring itself. */
static int64_t
due_after_us_ms(void)
{
	return clock_now_ms() + ASSETS_UPLOAD_MS + UPLOAD_SETTLE_MS;
}

/* Until all of them are in the bucket they stand in the queue. */
static int
queue(struct assets *a, struct upload *uploads, size_t n, struct fault *f)
{
	const int64_t due_ms = due_after_us_ms();
	int rc = db_begin(a->db, f);
	size_t i;

	for (i = 0; i < n && rc == 0; i++) {
		struct object *o = &uploads[i].object;

		rc = objects_add(a->db, &o->id, &o->job, o->kind, due_ms, f);
		if (o->state == OBJECTS_FAILED)
			o->attempts = 0; /* as its row has it now */
		if (o->state == OBJECTS_FAILED || o->is_lazy)
			o->queued_ms = 0;
	}
	return db_finish(a->db, rc, f) == 0 ? 0
					    : fault_while(f, "queue images");
}

/* Queued first, so that nothing is lost whatever happens to us. */
static int
bring(struct assets *a, struct upload *uploads, size_t n, int64_t until_ms,
    struct fault *f)
{
	const struct upload_parts parts = assets_parts(a);

	if (n == 0)
		return 0;
	if (queue(a, uploads, n, f) == -1)
		return -1;
	return a->cloud == NULL ? 0
				: upload_run(&parts, uploads, n, until_ms, f);
}

/* An image of that id may be another host's.  A bucket that does not say is
 * no reason to refuse the file: what it holds is not sent over later. */
static int
look_elsewhere(struct assets *a, const struct image_id *id, struct fault *f)
{
	struct fault ignored = FAULT_INIT;
	struct object o;
	bool known;

	if (objects_find(a->db, id, &job_id_none, &known, &o, f) == -1)
		return -1;
	if (!known || o.state == OBJECTS_NONE)
		(void)lookup_ask(a->db, a->cloud, id, &job_id_none,
		    clock_ticks_ms() + LOOKUP_MS, &o, &ignored);
	return 0;
}

/*
 * An image that was found in the bucket, whose bytes nobody here has seen:
 * they come into the store, so that others under its id are told apart.
 */
static int
recall(struct assets *a, const struct image_id *id, int64_t until_ms,
    struct fault *f)
{
	const struct upload_parts parts = assets_parts(a);
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	struct fault why = FAULT_INIT;
	struct object o;
	bool known;
	int rc;

	if (objects_find(a->db, id, &job_id_none, &known, &o, f) == -1)
		return -1;
	if (!known || o.state != OBJECTS_DONE || o.sha256.hex[0] != '\0' ||
	    store_size(a->store, id, o.kind) >= 0)
		return 0;
	rc = fetch_image(&parts, &o, until_ms, &bytes, &why);
	if (rc == 0)
		rc = store_put(a->store, id, o.kind, buf_view(&bytes), &why);
	buf_fini(&bytes);
	if (rc == 0 || why.kind == FAULT_CONFLICT) /* somebody was faster */
		return 0;
	*f = why;
	return -1;
}

static int
take_in(struct assets *a, const struct image_id *id, const char *path,
    int64_t until_ms, struct fault *f)
{
	if (look_elsewhere(a, id, f) == -1 || recall(a, id, until_ms, f) == -1)
		return -1;
	return intake_file(
	    a->store, a->db, id, path, NULL, due_after_us_ms(), f);
}

/* Is what a job has the image or the job's own copy?  A bucket that does not
 * say within LOOKUP_MS leaves it at "uploaded". */
static int
look_at_done(struct assets *a, struct upload *u, struct fault *f)
{
	const struct upload_parts parts = assets_parts(a);

	if (cloud_ready(a->cloud, f) == -1)
		return -1;
	if (u->object.job.text[0] != '\0' &&
	    upload_look(&parts, (struct upload *const[]){ u }, 1,
		clock_ticks_ms() + LOOKUP_MS, f) == -1)
		return -1;
	u->fault = FAULT_INIT;
	return 0;
}

int
persist_character_reference(struct assets *a, const struct image_id *id,
    const char *local_image_path, const struct job_id *job, struct asset *out,
    struct fault *f)
{
	const int64_t until_ms = clock_ticks_ms() + ASSETS_UPLOAD_MS;
	struct upload u = { .fault = FAULT_INIT };

	if (job == NULL)
		job = &job_id_none;
	store_follow(a->store);
	if (need_bucket(a, f) == -1 ||
	    (local_image_path != NULL &&
		take_in(a, id, local_image_path, until_ms, f) == -1) ||
	    find_kept(a, id, job, &u.object, f) == -1)
		return -1;
	/* Of a bucket that is known to be down no URL is of use. */
	if ((u.object.state == OBJECTS_DONE
		    ? look_at_done(a, &u, f)
		    : bring(a, &u, 1, until_ms, f)) == -1)
		return -1;
	report(a, &u, out);
	if (out->fault.kind == FAULT_NONE)
		return 0;
	*f = out->fault;
	return -1;
}

/* --- associate --- */

/* One image of an association. */
struct wanted {
	struct asset *out;
	struct upload upload;
	bool has_file; /* the folder has its copy */
};

/* One association as it goes on. */
struct association {
	struct assets *a;
	const struct job_id *job;
	struct asset *out; /* n */
	size_t n;
	int folder;              /* of the job's own copies              */
	int64_t lookup_until_ms; /* for all unknown images together      */
	int64_t until_ms;        /* for all that the bucket is asked     */
	size_t count;
	struct wanted wanted[ASSETS_IMAGES_MAX];  /* count, found        */
	struct upload uploads[ASSETS_IMAGES_MAX]; /* count, to be sent   */
	struct asset *whose[ASSETS_IMAGES_MAX];   /* uploads[i]'s asset  */
};

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
	if (known && store_size(a->store, id, o->kind) >= 0)
		return 0;
	if (a->cloud == NULL)
		return known ? need_bucket(a, f)
			     : lookup_absent(&job_id_none, f);
	if (known && (o->is_alone_done || o->state == OBJECTS_DONE))
		return 0;
	if (lookup_ask(a->db, a->cloud, id, &job_id_none, as->lookup_until_ms,
		&found, f) == -1)
		return -1;
	return objects_find(a->db, id, as->job, &known, o, f);
}

/* What the folder lacks is what the bucket has in the job: the image, or the
 * job's own copy; else the image as it was made. */
static int
find_bytes(struct association *as, const struct upload *u, struct buf *bytes,
    struct fault *f)
{
	const struct upload_parts parts = assets_parts(as->a);
	const struct object *o = &u->object;
	const bool is_here = store_size(as->a->store, &o->id, o->kind) >= 0;

	if (u->is_kept || (u->is_there && !is_here))
		return fetch_copy(&parts, o, as->until_ms, bytes, f);
	if (is_here)
		return store_get(as->a->store, &o->id, o->kind, bytes, f);
	return fetch_image(&parts, o, as->until_ms, bytes, f);
}

static int
copy_to_job(struct association *as, const struct upload *u, struct fault *f)
{
	const struct object *o = &u->object;
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	int rc = find_bytes(as, u, &bytes, f);

	if (rc == 0)
		rc = copies_put(
		    as->folder, &o->id, o->kind, buf_view(&bytes), f);
	buf_fini(&bytes);
	return rc == 0 ? 0 : fault_while(f, "copy into the job's folder");
}

/* A folder in which we may not write takes no copy of any image. */
static bool
stops_them_all(const struct association *as, const struct fault *f)
{
	return f->kind == FAULT_CATALOGUE || f->kind == FAULT_MEMORY ||
	       (f->kind == FAULT_CONFLICT && !share_may_write(as->folder));
}

/* Only what stops all of them is a failure; else the asset has its fault. */
static int
settle_trouble(const struct association *as, struct asset *out, struct fault *f)
{
	if (stops_them_all(as, &out->fault)) {
		*f = out->fault;
		return -1;
	}
	out->status =
	    out->fault.kind == FAULT_ABSENT ? ASSET_MISSING : ASSET_FAILED;
	return 0;
}

static int
check_time(const struct association *as, struct fault *f)
{
	if (clock_ticks_ms() < as->until_ms)
		return 0;
	return fault_set(
	    f, FAULT_SLOW, "the others took all the time there was");
}

static int
find_one(struct association *as, struct asset *out, struct fault *f)
{
	struct wanted *w = &as->wanted[as->count];

	*w = (struct wanted){ .out = out, .upload.fault = FAULT_INIT };
	if (check_time(as, f) == -1 ||
	    find_anywhere(as, &out->id, &w->upload.object, f) == -1)
		return -1;
	objects_key(out->key, &out->id, as->job, w->upload.object.kind);
	if (copies_find(as->folder, &out->id, w->upload.object.kind,
		&w->has_file, f) == -1)
		return fault_while(f, "copy into the job's folder");
	as->count++;
	return 0;
}

/*
 * What the bucket has of them in this job: whether it is an edited copy
 * decides what the folder gets, and what is answered for those that the
 * catalogue has there.  Others are looked at when they are sent.  A bucket
 * that does not say within LOOKUP_MS leaves all as it was.
 */
static int
look_at_copies(struct association *as, struct fault *f)
{
	const struct upload_parts parts = assets_parts(as->a);
	struct upload *looked[ASSETS_IMAGES_MAX];
	struct fault down = FAULT_INIT;
	size_t i, n = 0;

	if (as->a->cloud == NULL || cloud_ready(as->a->cloud, &down) == -1)
		return 0;
	for (i = 0; i < as->count; i++)
		if (!as->wanted[i].has_file ||
		    as->wanted[i].upload.object.state == OBJECTS_DONE)
			looked[n++] = &as->wanted[i].upload;
	return upload_look(&parts, looked, n, clock_ticks_ms() + LOOKUP_MS, f);
}

/* One that the catalogue thought was there waits again. */
static int
look_again(struct association *as, struct object *o, struct fault *f)
{
	const struct upload_parts parts = assets_parts(as->a);
	bool known;

	upload_mourn(&parts, o, 1, as->until_ms);
	return objects_find(as->a->db, &o->id, as->job, &known, o, f);
}

/* What the bucket lacks is to be sent. */
static int
bring_to_folder(struct association *as, struct wanted *w, struct fault *f)
{
	struct upload *u = &w->upload;
	const bool is_gone = u->fault.kind == FAULT_ABSENT;

	if (check_time(as, f) == -1)
		return -1;
	u->fault = FAULT_INIT;
	if (is_gone && u->object.state == OBJECTS_DONE &&
	    look_again(as, &u->object, f) == -1)
		return -1;
	return w->has_file ? 0 : copy_to_job(as, u, f);
}

/* Who has the same id, and was first. */
static struct asset *
first_of(struct association *as, const struct asset *asset)
{
	struct asset *first = as->out;

	while (strcmp(first->id.text, asset->id.text) != 0)
		first++;
	return first;
}

static int
find_all(struct association *as, struct fault *f)
{
	struct asset *out;

	for (out = as->out; out < as->out + as->n; out++)
		if (first_of(as, out) == out &&
		    find_one(as, out, &out->fault) == -1 &&
		    settle_trouble(as, out, f) == -1)
			return -1;
	return 0;
}

/* Those that are to be sent stay wanted. */
static int
gather(struct association *as, struct fault *f)
{
	const size_t n = as->count;
	size_t i;

	if (look_at_copies(as, f) == -1)
		return -1;
	as->count = 0;
	for (i = 0; i < n; i++) {
		struct wanted *w = &as->wanted[i];

		if (bring_to_folder(as, w, &w->out->fault) == -1) {
			if (settle_trouble(as, w->out, f) == -1)
				return -1;
		} else if (w->upload.object.state == OBJECTS_DONE &&
			   as->a->cloud != NULL)
			report(as->a, &w->upload, w->out);
		else {
			as->uploads[as->count] = w->upload;
			as->whose[as->count++] = w->out;
		}
	}
	return file_sync_folder(as->folder, f);
}

/* An id that was given twice is answered twice. */
static int
repeat(const struct asset *first, struct asset *again, struct fault *f)
{
	again->status = first->status;
	again->fault = first->fault;
	again->url.lives_s = first->url.lives_s;
	memcpy(again->key, first->key, sizeof again->key);
	buf_add(&again->url.text, buf_view(&first->url.text));
	return buf_done(&again->url.text, f);
}

static int
conclude(struct association *as, struct fault *f)
{
	struct asset *out;
	size_t i, missing = 0;
	int rc = 0;

	for (i = 0; i < as->count; i++) {
		if (as->a->cloud == NULL)
			(void)need_bucket(as->a, &as->uploads[i].fault);
		report(as->a, &as->uploads[i], as->whose[i]);
	}
	for (out = as->out; out < as->out + as->n && rc == 0; out++) {
		if (first_of(as, out) != out)
			rc = repeat(first_of(as, out), out, f);
		missing += out->status == ASSET_MISSING;
	}
	if (missing == as->n)
		return fault_in(f, FAULT_ABSENT, "image_ids",
		    "there is no image with any of these ids");
	return rc;
}

static int
associate(struct association *as, const char *base_path, struct fault *f)
{
	const char *jobs = conf_text(as->a->conf, CONF_JOBS_DIR);

	if (copies_open(&as->folder, base_path == NULL ? jobs : base_path,
		base_path == NULL ? as->job : NULL, f) == -1 ||
	    find_all(as, f) == -1 || gather(as, f) == -1 ||
	    bring(as->a, as->uploads, as->count, as->until_ms, f) == -1)
		return -1;
	return conclude(as, f);
}

int
associate_character_images_with_job(struct assets *a, const struct job_id *job,
    const struct image_id *ids, size_t n, const char *local_base_path,
    struct asset *out, struct fault *f)
{
	const int64_t now_ms = clock_ticks_ms();
	struct association *as = calloc(1, sizeof *as);
	size_t i;
	int rc;

	MUST(n >= 1 && n <= ASSETS_IMAGES_MAX);
	store_follow(a->store);
	if (as == NULL)
		return fault_set(f, FAULT_MEMORY, "associate images");
	as->a = a;
	as->job = job;
	as->out = out;
	as->n = n;
	as->folder = -1;
	as->lookup_until_ms = now_ms + ASSETS_LOOKUP_MS;
	as->until_ms = now_ms + ASSETS_UPLOAD_MS;
	for (i = 0; i < n; i++)
		out[i].id = ids[i];
	rc = associate(as, local_base_path, f);
	if (as->folder != -1)
		(void)close(as->folder);
	free(as);
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
		job = &job_id_none;
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
	if (cloud_ready(a->cloud, f) == -1)
		return -1;
	return presign(a, &o, expires_s, out, f);
}
