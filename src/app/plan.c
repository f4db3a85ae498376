#include "app/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/text.h"

#define MEDIA_TABLE "/etc/mime.types"

enum {
	FIRST_ROOM = 256,
	READ_STEP = 256 << 10,
	TICK_MS = 20, /* twice the longest tick of Linux */
	NS_PER_MS = 1000000
};

int
plan_begin(struct plan *p, struct fault *f)
{
	struct buf table = BUF_INIT(MEDIA_TABLE_MAX);
	struct fault none = FAULT_INIT;
	int rc;

	/* Without a table every file is of an unknown type. */
	(void)file_follow(MEDIA_TABLE, &table, &none);
	rc = media_open(&p->media, buf_view(&table), f);
	buf_fini(&table);
	p->deadline_ms = clock_ticks_ms() + PLAN_DEADLINE_MS;
	return rc;
}

void
plan_end(struct plan *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		free(p->files[i].path);
	free(p->files);
	p->files = NULL;
	p->n = p->room = p->sorted = 0;
	media_close(&p->media);
}

/* --- the list --- */

static int
by_path(const void *a, const void *b)
{
	const struct plan_file *one = a, *other = b;

	return strcmp(one->path, other->path);
}

void
plan_sort(struct plan *p)
{
	if (p->n > 0)
		qsort(p->files, p->n, sizeof *p->files, by_path);
	p->sorted = p->n;
}

struct plan_file *
plan_find(struct plan *p, const char *path)
{
	const struct plan_file wanted = { .path = (char *)(uintptr_t)path };

	if (p->sorted == 0)
		return NULL;
	return bsearch(&wanted, p->files, p->sorted, sizeof *p->files, by_path);
}

static int
grow(struct plan *p, struct fault *f)
{
	const size_t room = p->room == 0 ? FIRST_ROOM : 2 * p->room;
	struct plan_file *files;

	if (p->n >= TREE_FILES_MAX)
		return fault_set(f, FAULT_LARGE,
		    "a job may have %d files, and this one has more",
		    TREE_FILES_MAX);
	if (p->n < p->room)
		return 0;
	files = reallocarray(p->files, room, sizeof *files);
	if (files == NULL)
		return fault_set(f, FAULT_MEMORY, "plan a job");
	p->files = files;
	p->room = room;
	return 0;
}

int
plan_add(struct plan *p, const struct jobpath *path, struct plan_file **out,
    struct fault *f)
{
	struct plan_file *file;

	if (grow(p, f) == -1)
		return -1;
	file = &p->files[p->n];
	*file = (struct plan_file){ .path = strdup(path->text) };
	if (file->path == NULL)
		return fault_set(f, FAULT_MEMORY, "plan a job");
	p->n++;
	*out = file;
	return 0;
}

/* It was checked when it became part of the plan. */
void
plan_path(const struct plan_file *file, struct jobpath *out)
{
	const size_t n = strlen(file->path);

	MUST(n < sizeof out->text);
	memcpy(out->text, file->path, n + 1);
}

void
plan_key(const struct plan *p, const struct plan_file *file,
    char out[JOBPATH_KEY_MAX + 1])
{
	struct jobpath path;

	plan_path(file, &path);
	jobpath_key(out, p->job, &path);
}

bool
plan_is_image(
    const struct plan_file *file, struct image_id *id, enum sniff_kind *kind)
{
	struct view rest = view_str(file->path), name;
	struct fault none = FAULT_INIT;

	if (!text_split(&rest, '/', &name) ||
	    !view_is(name, JOBPATH_REFERENCES) ||
	    !text_split(&rest, '.', &name))
		return false;
	return image_id_parse(id, name, &none) == 0 &&
	       sniff_of_extension(rest, kind) &&
	       view_is(rest, sniff_extension(*kind));
}

/* Has the object of the image alone these bytes?  One that does not tell its
 * digest is taken to, when it is as long. */
static int
is_object_alone(struct plan *p, const struct plan_file *file,
    const struct image_id *id, enum sniff_kind kind, bool *is, struct fault *f)
{
	char key[OBJECTS_KEY_SIZE];
	struct s3_op head;

	objects_key(key, id, &job_id_none, kind);
	head = S3_OP_INIT(S3_HEAD, key);
	s3_run(cloud_s3(assets_cloud(p->a)), &head, 1, p->deadline_ms);
	*is = false;
	if (head.fault.kind == FAULT_NONE)
		*is = head.found_sha256[0] == '\0'
			  ? head.found_size == file->stamp.size
			  : strcmp(head.found_sha256, file->sha256.hex) == 0;
	else if (head.fault.kind != FAULT_ABSENT) {
		*f = head.fault;
		return -1;
	}
	return 0;
}

int
plan_is_original(struct plan *p, const struct plan_file *file, bool *original,
    struct fault *f)
{
	enum sniff_kind kind;
	struct image_id id;
	struct object o;
	bool known;

	*original = false;
	if (!plan_is_image(file, &id, &kind))
		return 0;
	if (objects_find(assets_db(p->a), &id, p->job, &known, &o, f) == -1)
		return -1;
	if (!known || o.sha256.hex[0] == '\0')
		return is_object_alone(p, file, &id, kind, original, f);
	*original = strcmp(o.sha256.hex, file->sha256.hex) == 0;
	return 0;
}

/* --- who is told --- */

bool
plan_is_of_all(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_BUSY:
	case FAULT_SLOW:
	case FAULT_THROTTLED:
	case FAULT_DENIED:
	case FAULT_MEMORY:
	case FAULT_CATALOGUE:
	case FAULT_FULL:
		return true;
	default:
		return false;
	}
}

int
plan_go_on(const struct plan *p, struct fault *f)
{
	if (s3_is_stopped(cloud_s3(assets_cloud(p->a))))
		return fault_set(f, FAULT_BUSY, "told to stop");
	return 0;
}

void
plan_trouble_named(struct plan *p, const char *shown, const struct fault *why)
{
	p->report->troubles++;
	if (p->listener != NULL && p->listener->trouble != NULL)
		p->listener->trouble(p->listener->arg, shown, why);
}

void
plan_trouble(struct plan *p, struct plan_file *file, const struct fault *why)
{
	if (file->is_bad)
		return;
	file->is_bad = true;
	file->is_right = false;
	plan_trouble_named(p, file->path, why);
}

void
plan_progress(struct plan *p, const char *path)
{
	if (p->listener != NULL && p->listener->progress != NULL)
		p->listener->progress(
		    p->listener->arg, &p->report->progress, path);
}

/* --- the folder --- */

static int
on_file(void *arg, const struct jobpath *path, const struct tree_stamp *stamp,
    struct fault *f)
{
	struct plan *p = arg;
	struct plan_file *file;

	if (plan_add(p, path, &file, f) == -1)
		return -1;
	file->is_here = true;
	file->stamp = *stamp;
	file->mtime_ns = stamp->mtime_ns;
	return 0;
}

int
plan_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)f;
	plan_trouble_named(arg, shown, why);
	return 0;
}

int
plan_pass_over(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)arg, (void)shown, (void)why, (void)f;
	return 0;
}

int
plan_walk(struct plan *p, bool tell, struct fault *f)
{
	const struct tree_visitor visitor = { on_file,
		tell ? plan_refused : plan_pass_over, p, p->job };

	if (tree_walk(p->tree, &visitor, f) == -1)
		return -1;
	plan_sort(p);
	return 0;
}

static int
on_remembered(void *arg, const struct jobs_file *seen, struct fault *f)
{
	struct plan *p = arg;
	struct plan_file *file = plan_find(p, seen->path.text);

	(void)f;
	if (file == NULL || !file->is_here)
		return 0;
	file->is_seen = file->is_there && file->etag_there[0] != '\0' &&
			strcmp(seen->etag, file->etag_there) == 0;
	if (!tree_same(&file->stamp, &seen->stamp))
		return 0;
	file->sha256 = seen->sha256;
	memcpy(file->etag, seen->etag, sizeof file->etag);
	return 0;
}

int
plan_remember(struct plan *p, struct fault *f)
{
	return jobs_files(
	    assets_db(p->a), p->job, p->folder, on_remembered, p, f);
}

int
plan_keep(
    struct plan *p, struct plan_file *const *files, size_t n, struct fault *f)
{
	struct jobs_file *rows = calloc(n == 0 ? 1 : n, sizeof *rows);
	size_t i, count = 0;
	int rc;

	if (rows == NULL)
		return fault_set(f, FAULT_MEMORY, "remember files");
	for (i = 0; i < n; i++) {
		if (!files[i]->is_right || !files[i]->is_here ||
		    files[i]->etag[0] == '\0')
			continue;
		plan_path(files[i], &rows[count].path);
		rows[count].stamp = files[i]->stamp;
		rows[count].sha256 = files[i]->sha256;
		memcpy(
		    rows[count].etag, files[i]->etag, sizeof rows[count].etag);
		count++;
	}
	rc =
	    jobs_files_keep(assets_db(p->a), p->job, p->folder, rows, count, f);
	free(rows);
	return rc;
}

bool
plan_is_same(struct plan *p, const struct plan_file *file)
{
	struct fault none = FAULT_INIT;
	struct tree_stamp now;
	struct jobpath path;
	int fd;

	plan_path(file, &path);
	if (tree_read(p->tree, &path, &fd, &now, &none) == -1)
		return false;
	(void)close(fd);
	return tree_same(&file->stamp, &now);
}

/* --- digests --- */

struct hashing {
	const struct plan *p;
	struct digest_run *whole;
	struct digest_run *part; /* NULL unless parts are wanted */
	struct digest *parts;
	int64_t part_size;
	int64_t at;
};

/* The bytes go into the whole and, piece by piece, into the parts. */
static int
add_bytes(struct hashing *h, struct view bytes, struct fault *f)
{
	if (digest_add(h->whole, bytes, f) == -1)
		return -1;
	while (h->parts != NULL && bytes.n > 0) {
		const int64_t left = h->part_size - h->at % h->part_size;
		const size_t n =
		    (int64_t)bytes.n < left ? bytes.n : (size_t)left;

		if ((h->part == NULL && digest_begin(&h->part, f) == -1) ||
		    digest_add(h->part, (struct view){ bytes.p, n }, f) == -1)
			return -1;
		if ((int64_t)n == left &&
		    digest_end(&h->part, &h->parts[h->at / h->part_size], f) ==
			-1)
			return -1;
		h->at += (int64_t)n;
		bytes.p += n;
		bytes.n -= n;
	}
	return 0;
}

static int
read_all(struct hashing *h, int fd, char *step, struct fault *f)
{
	ssize_t n;

	for (;;) {
		n = read(fd, step, READ_STEP);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fault_sys(f, FAULT_DISK, "read");
		if (n == 0)
			return 0;
		if (add_bytes(h, (struct view){ step, (size_t)n }, f) == -1 ||
		    plan_go_on(h->p, f) == -1)
			return -1;
	}
}

static int
hash_open(struct hashing *h, int fd, struct digest *out, struct fault *f)
{
	char *step = malloc(READ_STEP);
	int rc = -1;

	if (step == NULL)
		(void)fault_set(f, FAULT_MEMORY, "hash a file");
	else if (digest_begin(&h->whole, f) == 0)
		rc = read_all(h, fd, step, f);
	if (rc == 0 && h->part != NULL)
		rc = digest_end(&h->part, &h->parts[h->at / h->part_size], f);
	if (rc == 0)
		rc = digest_end(&h->whole, out, f);
	(void)digest_end(&h->part, NULL, f);
	(void)digest_end(&h->whole, NULL, f);
	free(step);
	return rc;
}

/* Times of files go in ticks: a second write within one leaves no trace in
 * the stamp, so the tick is let pass before the file is read. */
static void
let_tick_pass(const struct tree_stamp *stamp)
{
	const int64_t age_ms = clock_now_ms() - stamp->ctime_ns / NS_PER_MS;

	if (age_ms >= 0 && age_ms < TICK_MS)
		clock_sleep_ms(TICK_MS - age_ms);
}

int
plan_hash(struct plan *p, struct plan_file *file, struct digest *parts,
    int64_t part_size, struct fault *f)
{
	struct hashing h = { .p = p, .parts = parts, .part_size = part_size };
	struct tree_stamp before;
	struct jobpath path;
	int fd, rc;

	plan_path(file, &path);
	if (tree_read(p->tree, &path, &fd, &before, f) == -1)
		return -1;
	let_tick_pass(&before);
	rc = tree_same(&file->stamp, &before)
		 ? hash_open(&h, fd, &file->sha256, f)
		 : 0;
	(void)close(fd);
	if (rc == 0 && plan_is_same(p, file))
		return 0;
	if (rc == 0)
		(void)fault_in(f, FAULT_CONFLICT, "file",
		    "it changes while it is read; try again when it is done");
	file->sha256.hex[0] = '\0';
	return -1;
}

/* --- the bucket --- */

struct listing {
	struct plan *p;
	bool found;
};

static int
on_object(void *arg, const struct listing_object *object, struct fault *f)
{
	struct listing *l = arg;
	struct fault why = FAULT_INIT;
	char manifest[JOBPATH_KEY_MAX + 1], shown[JOBPATH_SHOWN_SIZE];
	struct plan_file *file;
	struct jobpath path;

	l->found = true;
	jobpath_manifest(manifest, l->p->job);
	if (view_is(object->key, manifest)) {
		l->p->is_manifest_there = true;
		if (object->etag.n < sizeof l->p->etag_manifest)
			memcpy(l->p->etag_manifest, object->etag.p,
			    object->etag.n);
		return 0;
	}
	if (jobpath_of_key(&path, object->key, l->p->job, &why) == -1) {
		jobpath_show(shown, object->key);
		plan_trouble_named(l->p, shown, &why);
		return 0;
	}
	file = plan_find(l->p, path.text);
	if (file == NULL && plan_add(l->p, &path, &file, f) == -1)
		return -1;
	file->is_there = true;
	file->size_there = object->size;
	if (object->etag.n < sizeof file->etag_there)
		memcpy(file->etag_there, object->etag.p, object->etag.n);
	return 0;
}

int
plan_list(struct plan *p, bool *found, struct fault *f)
{
	struct listing l = { .p = p };
	char prefix[JOBPATH_KEY_MAX + 1];
	int rc;

	jobpath_prefix(prefix, p->job);
	rc = s3_list(cloud_s3(assets_cloud(p->a)), prefix, p->deadline_ms,
	    on_object, &l, f);
	plan_sort(p);
	*found = l.found;
	return rc;
}
