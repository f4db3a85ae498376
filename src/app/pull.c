#include "app/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/intake.h"
#include "aws/multipart.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	BATCH = 256,
	RANGE = 16 << 20, /* of a big file, fetched side by side */
	READ_STEP = 256 << 10,
	/* Curl brings 16 KiB at a time; writing more at once takes a third
	 * off the kernel's time. */
	WRITE_STEP = 256 << 10
};

/* --- the manifest --- */

static int
on_listed(void *arg, const struct manifest_file *entry, struct fault *f)
{
	struct plan *p = arg;
	struct plan_file *file = plan_find(p, entry->path.text);
	struct fault lost = FAULT_INIT;

	(void)f;
	if (file == NULL || !file->is_there) {
		(void)fault_set(&lost, FAULT_ABSENT,
		    "the manifest has it, and the bucket has not");
		if (file != NULL)
			plan_trouble(p, file, &lost);
		else
			plan_trouble_named(p, entry->path.text, &lost);
		return 0;
	}
	file->is_listed = true;
	file->size_listed = entry->bytes;
	file->sha256_listed = entry->sha256;
	file->mtime_ns = entry->mtime_ns;
	return 0;
}

int
pull_manifest(struct plan *p, struct buf *text, bool *found, struct fault *f)
{
	const struct manifest_reader reader = { on_listed, plan_refused, p };
	char key[JOBPATH_KEY_MAX + 1];
	struct s3_op get;

	jobpath_manifest(key, p->job);
	get = S3_OP_INIT(S3_GET, key);
	get.reply = *text;
	s3_run(cloud_s3(assets_cloud(p->a)), &get, 1, p->deadline_ms);
	*text = get.reply;
	*found = get.fault.kind == FAULT_NONE;
	if (get.fault.kind == FAULT_ABSENT)
		return 0;
	if (!*found)
		*f = get.fault;
	if (!*found || manifest_read(buf_view(text), p->job, &reader, f) == -1)
		return fault_while(f, "read the manifest");
	return 0;
}

/* --- what is right already --- */

static bool
is_wanted(const struct plan_file *file)
{
	return file->is_there && !file->is_right && !file->is_bad;
}

static bool
is_known_right(const struct plan_file *file)
{
	return file->is_here && file->stamp.size == file->size_there &&
	       file->etag[0] != '\0' &&
	       strcmp(file->etag, file->etag_there) == 0;
}

/* Has the file here the size and the digest that the manifest names?  One
 * that cannot be read is replaced. */
static int
find_right(struct plan *p, struct plan_file *file, bool *right, struct fault *f)
{
	struct fault why = FAULT_INIT;

	*right = false;
	if (!file->is_here || !file->is_listed ||
	    file->stamp.size != file->size_there ||
	    file->size_listed != file->size_there)
		return 0;
	if (file->sha256.hex[0] == '\0' &&
	    plan_hash(p, file, NULL, 0, &why) == -1) {
		if (!plan_is_of_all(why.kind))
			return 0;
		*f = why;
		return -1;
	}
	*right = strcmp(file->sha256.hex, file->sha256_listed.hex) == 0;
	return 0;
}

static void
count(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!p->files[i].is_there)
			continue;
		p->report->progress.files_total++;
		p->report->progress.bytes_total += p->files[i].size_there;
	}
}

static void
leave(struct plan *p, struct plan_file *file)
{
	file->is_right = true;
	memcpy(file->etag, file->etag_there, sizeof file->etag);
	p->report->unchanged++;
	p->report->progress.files_done++;
	p->report->progress.bytes_done += file->size_there;
	plan_progress(p, file->path);
}

static int
leave_what_is_right(struct plan *p, struct fault *f)
{
	struct plan_file *found[BATCH];
	size_t i, n = 0;
	bool right;

	for (i = 0; i < p->n; i++) {
		struct plan_file *file = &p->files[i];

		if (!is_wanted(file))
			continue;
		if (is_known_right(file)) {
			leave(p, file);
			continue;
		}
		if (find_right(p, file, &right, f) == -1)
			return -1;
		if (!right)
			continue;
		leave(p, file);
		found[n++] = file;
		if (n == BATCH) {
			if (plan_keep(p, found, n, f) == -1)
				return -1;
			n = 0;
		}
	}
	return n == 0 ? 0 : plan_keep(p, found, n, f);
}

/* --- a file that arrives --- */

/* Are these the bytes that the object and the manifest speak of? */
static int
check(const struct plan_file *file, const struct digest *got, int64_t size,
    const char *found_sha256, struct fault *f)
{
	if (file->is_listed &&
	    (size != file->size_listed ||
		strcmp(got->hex, file->sha256_listed.hex) != 0))
		return fault_set(f, FAULT_CONFLICT,
		    "the bucket's object is not what the manifest says");
	if (found_sha256[0] != '\0' && strcmp(got->hex, found_sha256) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "its bytes are not those of its digest");
	return 0;
}

static int
publish(struct plan *p, struct plan_file *file, struct tree_draft *draft,
    const struct digest *got, int64_t mtime_ns, struct fault *f)
{
	if (tree_draft_publish(draft,
		file->is_listed ? file->mtime_ns : mtime_ns, &file->stamp,
		f) == -1)
		return -1;
	file->is_right = file->is_here = true;
	file->sha256 = *got;
	memcpy(file->etag, file->etag_there, sizeof file->etag);
	p->report->sent++;
	p->report->progress.files_done++;
	plan_progress(p, file->path);
	return 0;
}

static int
write_all(int fd, struct view bytes, int64_t at, struct fault *f)
{
	ssize_t n;

	while (bytes.n > 0) {
		n = pwrite(fd, bytes.p, bytes.n, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fault_disk(f, "write", "the file");
		bytes.p += n;
		bytes.n -= (size_t)n;
		at += n;
	}
	return 0;
}

/* --- small files --- */

struct parcel {
	struct plan *p;
	struct plan_file *file;
	struct tree_draft draft;
	struct digest_run *digest;
	int64_t got;
	char key[JOBPATH_KEY_MAX + 1];
};

static int
open_parcel(struct parcel *c, struct fault *f)
{
	struct jobpath path;

	plan_path(c->file, &path);
	c->got = 0;
	if (digest_end(&c->digest, NULL, f) == -1 ||
	    digest_begin(&c->digest, f) == -1)
		return -1;
	if (c->draft.fd != -1)
		return ftruncate(c->draft.fd, 0) == 0
			   ? 0
			   : fault_sys(f, FAULT_DISK, "begin it again");
	return tree_draft_open(&c->draft, c->p->tree, &path, f);
}

static int
on_bytes(struct s3_op *op, struct view bytes, bool again)
{
	struct parcel *c = op->owner;

	if ((again || c->draft.fd == -1) && open_parcel(c, &op->fault) == -1)
		return -1;
	if (bytes.n == 0)
		return 0;
	if (write_all(c->draft.fd, bytes, c->got, &op->fault) == -1 ||
	    digest_add(c->digest, bytes, &op->fault) == -1)
		return -1;
	c->got += (int64_t)bytes.n;
	return 0;
}

static int
settle_parcel(struct parcel *c, const struct s3_op *op, struct fault *f)
{
	struct digest got;

	/* Of an empty object no byte comes. */
	if ((c->draft.fd == -1 && open_parcel(c, f) == -1) ||
	    digest_end(&c->digest, &got, f) == -1 ||
	    check(c->file, &got, c->got, op->found_sha256, f) == -1)
		return -1;
	c->p->report->progress.bytes_done += c->got;
	return publish(c->p, c->file, &c->draft, &got, op->found_mtime_ns, f);
}

static void
end_parcel(struct parcel *c)
{
	struct fault none = FAULT_INIT;

	(void)digest_end(&c->digest, NULL, &none);
	tree_draft_fini(&c->draft);
}

/* At once, so that no more files are open than are on their way. */
static void
on_finished(struct s3_op *op)
{
	struct parcel *c = op->owner;
	struct fault *f = &op->fault; /* fetch asks for what is of all */

	if (f->kind == FAULT_NONE)
		(void)settle_parcel(c, op, f);
	end_parcel(c);
	if (f->kind != FAULT_NONE && !plan_is_of_all(f->kind))
		plan_trouble(c->p, c->file, f);
}

static struct s3_op
plan_get(struct plan *p, struct plan_file *file, char key[JOBPATH_KEY_MAX + 1])
{
	struct s3_op op;

	plan_key(p, file, key);
	op = S3_OP_INIT(S3_GET, key);
	op.if_match = file->etag_there[0] == '\0' ? NULL : file->etag_there;
	return op;
}

static int
fetch(struct plan *p, struct plan_file **files, size_t n, struct fault *f)
{
	struct parcel *parcels = calloc(n, sizeof *parcels);
	struct s3_op *ops = calloc(n, sizeof *ops);
	size_t i;
	int rc = 0;

	if (parcels == NULL || ops == NULL)
		rc = fault_set(f, FAULT_MEMORY, "fetch files");
	for (i = 0; i < n && rc == 0; i++) {
		parcels[i] = (struct parcel){
			.p = p, .file = files[i], .draft = TREE_DRAFT_INIT
		};
		ops[i] = plan_get(p, files[i], parcels[i].key);
		ops[i].sink = on_bytes;
		ops[i].finished = on_finished;
		ops[i].owner = &parcels[i];
	}
	if (rc == 0)
		s3_run(cloud_s3(assets_cloud(p->a)), ops, n, p->deadline_ms);
	for (i = 0; i < n && rc == 0; i++)
		if (plan_is_of_all(ops[i].fault.kind)) {
			*f = ops[i].fault;
			rc = -1;
		}
	free(parcels);
	free(ops);
	return rc;
}

/* What has arrived is durable, and remembered, also when the rest is not. */
static int
fetch_batch(struct plan *p, struct plan_file **files, size_t n, struct fault *f)
{
	struct fault why = FAULT_INIT;
	const int rc = fetch(p, files, n, &why);

	if (tree_sync(p->tree, f) == -1 || plan_keep(p, files, n, f) == -1)
		return -1;
	if (rc == -1)
		*f = why;
	return rc;
}

static int
fetch_small(struct plan *p, struct fault *f)
{
	struct plan_file *files[BATCH];
	size_t i, n = 0;

	for (i = 0; i < p->n; i++) {
		if (!is_wanted(&p->files[i]) ||
		    p->files[i].size_there >= MULTIPART_FROM)
			continue;
		files[n++] = &p->files[i];
		if (n == BATCH) {
			if (fetch_batch(p, files, n, f) == -1)
				return -1;
			n = 0;
		}
	}
	return n == 0 ? 0 : fetch_batch(p, files, n, f);
}

/* --- big files --- */

struct giant {
	struct plan *p;
	struct plan_file *file;
	struct tree_draft draft;
	struct digest_run *digest;
	struct slice *slices;
	size_t n;
	size_t hashed; /* so many slices from the beginning */
	char *step;    /* READ_STEP bytes */
};

struct slice {
	struct giant *g;
	int64_t offset;
	int64_t size;
	int64_t got;
	char *held; /* WRITE_STEP bytes, while it is on its way     */
	size_t n;   /* the last bytes that came, not written yet    */
	bool is_here;
};

static int
write_held(struct slice *s, struct fault *f)
{
	const struct view held = { s->held, s->n };

	s->n = 0;
	return write_all(
	    s->g->draft.fd, held, s->offset + s->got - (int64_t)held.n, f);
}

static int
hold(struct slice *s, struct view bytes, struct fault *f)
{
	size_t n;

	if (s->held == NULL && (s->held = malloc(WRITE_STEP)) == NULL)
		return fault_set(f, FAULT_MEMORY, "fetch a big file");
	while (bytes.n > 0) {
		n = WRITE_STEP - s->n < bytes.n ? WRITE_STEP - s->n : bytes.n;
		memcpy(s->held + s->n, bytes.p, n);
		s->n += n;
		s->got += (int64_t)n;
		bytes.p += n;
		bytes.n -= n;
		if (s->n == WRITE_STEP && write_held(s, f) == -1)
			return -1;
	}
	return 0;
}

static void
let_go(struct slice *s)
{
	free(s->held);
	s->held = NULL;
	s->n = 0;
}

static int
on_range(struct s3_op *op, struct view bytes, bool again)
{
	struct slice *s = op->owner;

	if (again) {
		s->got = 0;
		s->n = 0;
	}
	if (s->got + (int64_t)bytes.n > s->size)
		return fault_set(
		    &op->fault, FAULT_REMOTE, "more came than was asked for");
	return hold(s, bytes, &op->fault);
}

/* Reads back what has just been written: it is in memory still. */
static int
hash_slice(struct giant *g, const struct slice *s, struct fault *f)
{
	int64_t at = 0;
	ssize_t n;

	while (at < s->size) {
		n = pread(g->draft.fd, g->step,
		    s->size - at < READ_STEP ? (size_t)(s->size - at)
					     : READ_STEP,
		    s->offset + at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return fault_sys(f, FAULT_DISK, "read it back");
		if (digest_add(g->digest, (struct view){ g->step, (size_t)n },
			f) == -1)
			return -1;
		at += n;
	}
	return 0;
}

static void
on_slice(struct s3_op *op)
{
	struct slice *s = op->owner;
	struct giant *g = s->g;

	if (op->fault.kind == FAULT_NONE && s->got != s->size)
		(void)fault_set(&op->fault, FAULT_REMOTE,
		    "%lld bytes came of %lld", (long long)s->got,
		    (long long)s->size);
	if (op->fault.kind == FAULT_NONE)
		(void)write_held(s, &op->fault);
	let_go(s);
	if (op->fault.kind != FAULT_NONE)
		return;
	s->is_here = true;
	/* On its way to the disk while the rest is on its way here; whether
	 * it arrives, tree_sync asks. */
	(void)sync_file_range(
	    g->draft.fd, s->offset, s->size, SYNC_FILE_RANGE_WRITE);
	g->p->report->progress.bytes_done += s->size;
	plan_progress(g->p, g->file->path);
	while (g->hashed < g->n && g->slices[g->hashed].is_here &&
	       op->fault.kind == FAULT_NONE)
		(void)hash_slice(g, &g->slices[g->hashed++], &op->fault);
}

static int
run_slices(struct giant *g, struct s3_op *ops, struct fault *f)
{
	char key[JOBPATH_KEY_MAX + 1];
	struct digest got;
	size_t i;

	for (i = 0; i < g->n; i++) {
		struct slice *s = &g->slices[i];

		s->g = g;
		s->offset = (int64_t)i * RANGE;
		s->size = g->file->size_there - s->offset < RANGE
			      ? g->file->size_there - s->offset
			      : RANGE;
		ops[i] = plan_get(g->p, g->file, key);
		ops[i].range_begin = s->offset;
		ops[i].range_end = s->offset + s->size - 1;
		ops[i].sink = on_range;
		ops[i].finished = on_slice;
		ops[i].owner = s;
	}
	s3_run(cloud_s3(assets_cloud(g->p->a)), ops, g->n, g->p->deadline_ms);
	for (i = 0; i < g->n; i++)
		if (ops[i].fault.kind != FAULT_NONE) {
			*f = ops[i].fault;
			return -1;
		}
	if (digest_end(&g->digest, &got, f) == -1 ||
	    check(g->file, &got, g->file->size_there, ops[0].found_sha256, f) ==
		-1 ||
	    tree_sync(g->p->tree, f) == -1)
		return -1;
	return publish(
	    g->p, g->file, &g->draft, &got, ops[0].found_mtime_ns, f);
}

static int
fetch_giant(struct plan *p, struct plan_file *file, struct fault *f)
{
	struct giant g = { .p = p,
		.file = file,
		.draft = TREE_DRAFT_INIT,
		.n = (size_t)((file->size_there + RANGE - 1) / RANGE),
		.step = malloc(READ_STEP) };
	const int64_t before = p->report->progress.bytes_done;
	struct s3_op *ops = calloc(g.n, sizeof *ops);
	struct jobpath path;
	struct fault none = FAULT_INIT;
	int rc = -1;

	g.slices = calloc(g.n, sizeof *g.slices);
	plan_path(file, &path);
	if (ops == NULL || g.slices == NULL || g.step == NULL)
		(void)fault_set(f, FAULT_MEMORY, "fetch a big file");
	else if (digest_begin(&g.digest, f) == 0 &&
		 tree_draft_open(&g.draft, p->tree, &path, f) == 0)
		rc = run_slices(&g, ops, f);
	if (rc == -1)
		p->report->progress.bytes_done = before;
	(void)digest_end(&g.digest, NULL, &none);
	tree_draft_fini(&g.draft);
	free(g.slices);
	free(g.step);
	free(ops);
	if (rc == -1)
		return -1;
	return tree_sync(p->tree, f) == -1 ? -1 : plan_keep(p, &file, 1, f);
}

static int
fetch_giants(struct plan *p, struct fault *f)
{
	struct fault why;
	size_t i;

	for (i = 0; i < p->n; i++) {
		if (!is_wanted(&p->files[i]) ||
		    p->files[i].size_there < MULTIPART_FROM)
			continue;
		why = FAULT_INIT;
		if (fetch_giant(p, &p->files[i], &why) == 0)
			continue;
		if (plan_is_of_all(why.kind)) {
			*f = why;
			return -1;
		}
		plan_trouble(p, &p->files[i], &why);
	}
	return 0;
}

/* --- character references --- */

static void
log_not_taken(
    const struct plan *p, const struct image_id *id, const struct fault *why)
{
	log_event(LOG_WARN, "image not taken in",
	    LOG_TEXT("image_id", view_str(id->text)),
	    LOG_TEXT("job_id", view_str(p->job->text)),
	    LOG_TEXT("message", view_str(why->text)));
}

/* The image comes back into the store and the catalogue as it was made. */
static int
take_in(struct plan *p, const struct plan_file *file,
    const struct catalogue_image *about, struct fault *f)
{
	struct object o = { .job = *p->job, .state = OBJECTS_DONE };
	struct buf path = BUF_INIT(PATH_MAX);
	struct fault why = FAULT_INIT;
	int rc;

	if (!plan_is_image(file, &o.id, &o.kind))
		return 0;
	buf_fmt(&path, "%s/%s", p->folder, file->path);
	rc = buf_done(&path, f);
	if (rc == 0 && intake_file(assets_store(p->a), assets_db(p->a), &o.id,
			   buf_str(&path), about, clock_now_ms(), &why) == -1) {
		log_not_taken(p, &o.id, &why);
		if (plan_is_of_all(why.kind)) {
			*f = why;
			rc = -1;
		}
	} else if (rc == 0) {
		o.bytes = file->stamp.size;
		o.sha256 = file->sha256;
		rc = objects_discovered(assets_db(p->a), &o, clock_now_ms(), f);
	}
	buf_fini(&path);
	return rc;
}

/* The manifest speaks of an image only where its file is the image itself. */
static int
on_image(void *arg, const struct manifest_file *entry, struct fault *f)
{
	struct plan *p = arg;
	const struct plan_file *file = plan_find(p, entry->path.text);

	if (entry->image == NULL || file == NULL || !file->is_right ||
	    strcmp(file->sha256.hex, entry->sha256.hex) != 0)
		return 0;
	return take_in(p, file, entry->image, f);
}

/* One that the manifest does not speak of: an edited copy is no image.  The
 * file has come also when we may not read the object of the image alone. */
static int
take_in_original(struct plan *p, const struct plan_file *file, struct fault *f)
{
	struct fault why = FAULT_INIT;
	bool original;

	if (!file->is_right || file->is_listed)
		return 0;
	if (plan_is_original(p, file, &original, &why) == 0)
		return original ? take_in(p, file, NULL, f) : 0;
	if (why.kind == FAULT_DENIED || !plan_is_of_all(why.kind))
		return 0;
	*f = why;
	return -1;
}

/* What was associated after the manifest was written is not in it. */
static int
take_in_images(struct plan *p, struct view manifest, struct fault *f)
{
	const struct manifest_reader reader = { on_image, plan_pass_over, p };
	size_t i;

	if (manifest.n > 0 && manifest_read(manifest, p->job, &reader, f) == -1)
		return -1;
	for (i = 0; i < p->n; i++)
		if (take_in_original(p, &p->files[i], f) == -1)
			return -1;
	return 0;
}

/* One that cannot be read is told of, and the files come without it, each
 * by the digest of its object. */
static int
use_manifest(struct plan *p, struct buf *text, struct fault *f)
{
	struct fault why = FAULT_INIT;
	bool found;

	if (pull_manifest(p, text, &found, &why) == 0)
		return 0;
	if (plan_is_of_all(why.kind)) {
		*f = why;
		return -1;
	}
	buf_clear(text);
	plan_trouble_named(p, "manifest.json", &why);
	return 0;
}

static int
run(struct plan *p, struct buf *manifest, struct fault *f)
{
	bool found;

	if (plan_walk(p, false, f) == -1 || plan_list(p, &found, f) == -1 ||
	    plan_remember(p, f) == -1)
		return -1;
	if (!found)
		return fault_in(f, FAULT_ABSENT, "job_id",
		    "the bucket has nothing of job %s", p->job->text);
	if (use_manifest(p, manifest, f) == -1)
		return -1;
	count(p);
	plan_progress(p, "");
	if (leave_what_is_right(p, f) == -1 || fetch_small(p, f) == -1 ||
	    fetch_giants(p, f) == -1)
		return -1;
	return take_in_images(p, buf_view(manifest), f);
}

int
pull_run(struct plan *p, struct fault *f)
{
	struct buf manifest = BUF_INIT(MANIFEST_MAX);
	const int rc = run(p, &manifest, f);

	buf_fini(&manifest);
	return rc;
}
