#include "aws/multipart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "aws/guard.h"

enum {
	BATCH = 16 * S3_PARALLEL, /* parts of a run: a failure is noticed
				   * after them, and memory stays flat     */
	TRIES = 2, /* uploads: one that S3 has lost is begun anew          */
	LIST_MAX = 1024 + MULTIPART_PARTS_MAX * PARTS_LINE_MAX
};

struct put {
	struct s3 *s;
	const struct multipart_file *file;
	const struct multipart_keeper *keeper;
	int64_t deadline_ms;
	char *etag;
	char id[MULTIPART_ID_MAX + 1]; /* "": to be begun                 */
	struct parts_etag *etags;      /* of each part; "": it is missing */
	int64_t arrived;               /* bytes, as the keeper has heard  */
	bool is_gone;                  /* S3 does not know the upload     */
	bool is_void;                  /* it can never be completed       */
};

int64_t
multipart_part_size(int64_t size)
{
	const int64_t least =
	    size / MULTIPART_PARTS_MAX + (size % MULTIPART_PARTS_MAX > 0);

	return least > MULTIPART_PART ? least : MULTIPART_PART;
}

size_t
multipart_parts(int64_t size)
{
	const int64_t part = multipart_part_size(size);

	return size <= 0 ? 1 : (size_t)(size / part + (size % part > 0));
}

static int64_t
offset_of(const struct put *p, size_t i)
{
	return (int64_t)i * multipart_part_size(p->file->size);
}

static int64_t
size_of(const struct put *p, size_t i)
{
	const int64_t left = p->file->size - offset_of(p, i);
	const int64_t whole = multipart_part_size(p->file->size);

	return left < whole ? left : whole;
}

static void
hear(struct put *p, int64_t bytes)
{
	p->arrived += bytes;
	if (bytes != 0)
		p->keeper->arrived(p->keeper->arg, bytes);
}

/* The file must be what was said of it, before and after it is read. */
static int
check_file(struct put *p, struct fault *f)
{
	const struct multipart_file *file = p->file;
	struct stat st;

	if (fstatat(file->dir, file->name, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		p->is_void = errno == ENOENT;
		if (errno == ENOENT)
			return fault_in(
			    f, FAULT_ABSENT, "file", "%s is gone", file->name);
		return fault_sys(f, FAULT_DISK, "stat %s", file->name);
	}
	if (S_ISREG(st.st_mode) && st.st_size == file->size &&
	    (file->mtime_ns == 0 ||
		st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec ==
		    file->mtime_ns))
		return 0;
	p->is_void = true;
	return fault_in(
	    f, FAULT_CONFLICT, "file", "%s has changed", file->name);
}

/* Runs one operation about the upload. */
static int
run(struct put *p, struct s3_op *op, struct fault *f)
{
	op->upload_id = p->id;
	s3_run(p->s, op, 1, p->deadline_ms);
	if (op->fault.kind == FAULT_NONE)
		return 0;
	/* Ceph says NoSuchKey of an upload whose parts it cannot list. */
	p->is_gone = op->fault.kind == FAULT_ABSENT;
	*f = op->fault;
	return -1;
}

/* --- an upload's life --- */

static void
abort_upload(struct put *p)
{
	struct s3_op op = S3_OP_INIT(S3_ABORT, p->file->key);
	struct fault ignored = FAULT_INIT; /* the sweep comes after us */

	if (p->id[0] != '\0')
		(void)run(p, &op, &ignored);
	p->id[0] = '\0';
}

static int
take_id(struct put *p, struct view document, struct fault *f)
{
	struct buf id = BUF_INIT(MULTIPART_ID_MAX);
	int rc = parts_read_id(document, &id, f);

	if (rc == 0)
		memcpy(p->id, id.data, id.len + 1);
	buf_fini(&id);
	return rc == -1 ? fault_while(f, "upload %s", p->file->key) : 0;
}

static int
begin(struct put *p, struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_CREATE, p->file->key);
	int rc;

	op.media_type = p->file->media_type;
	op.sha256 = p->file->sha256;
	op.mtime_ns = p->file->mtime_ns;
	op.reply = BUF_INIT(PARTS_REPLY_MAX);
	rc = run(p, &op, f);
	p->is_gone = false; /* the bucket has no such thing to lose */
	if (rc == 0)
		rc = take_id(p, buf_view(&op.reply), f);
	buf_fini(&op.reply);
	if (rc == 0 && p->keeper->begun(p->keeper->arg, p->id, f) == -1) {
		p->is_void = true;
		return -1;
	}
	return rc;
}

/* A part of another size is of no use: it is sent again in its place. */
static int
on_part(void *arg, const struct part *part, struct fault *f)
{
	struct put *p = arg;
	size_t i;

	(void)f;
	if (part->number > (int64_t)p->file->parts_n)
		return 0;
	i = (size_t)part->number - 1;
	if (part->size == size_of(p, i))
		(void)snprintf(p->etags[i].text, sizeof p->etags[i].text,
		    "%.*s", (int)part->etag.n, part->etag.p);
	return 0;
}

static int
list_parts(struct put *p, struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_PARTS, p->file->key);
	int64_t marker = 0;
	int rc;

	op.reply = BUF_INIT(PARTS_PAGE_MAX);
	do {
		op.part = (int)marker;
		rc = run(p, &op, f);
		if (rc == 0)
			rc = parts_read(
			    buf_view(&op.reply), on_part, p, &marker, f);
	} while (rc == 0 && marker > 0 && marker < (int64_t)p->file->parts_n);
	buf_fini(&op.reply);
	return rc;
}

static int
go_on(struct put *p, struct fault *f)
{
	size_t i;

	if (list_parts(p, f) == -1)
		return -1;
	for (i = 0; i < p->file->parts_n; i++)
		if (p->etags[i].text[0] != '\0')
			hear(p, size_of(p, i));
	return 0;
}

/* --- sending parts --- */

static void
on_sent(struct s3_op *op)
{
	struct put *p = op->owner;
	struct parts_etag *etag = &p->etags[op->part - 1];

	if (op->fault.kind != FAULT_NONE)
		return;
	(void)snprintf(etag->text, sizeof etag->text, "%s", op->found_etag);
	hear(p, op->size);
}

static struct s3_op
part_op(struct put *p, size_t i)
{
	struct s3_op op = S3_OP_INIT(S3_PART, p->file->key);

	op.upload_id = p->id;
	op.part = (int)i + 1;
	op.dir = p->file->dir;
	op.name = p->file->name;
	op.offset = offset_of(p, i);
	op.size = size_of(p, i);
	op.sha256 = &p->file->parts[i];
	op.finished = on_sent;
	op.owner = p;
	return op;
}

/* What is wrong with the file outweighs what is wrong with S3, which may
 * pass. */
static void
weigh(struct put *p, const struct s3_op *op, struct fault *f)
{
	const bool is_of_file =
	    op->fault.field != NULL && strcmp(op->fault.field, "file") == 0;

	if (op->fault.kind == FAULT_NONE)
		return;
	if (is_of_file && !p->is_void) {
		p->is_void = true;
		*f = op->fault;
		return;
	}
	p->is_gone |= op->fault.kind == FAULT_ABSENT && !is_of_file;
	if (f->kind == FAULT_NONE)
		*f = op->fault;
}

static int
send_batch(struct put *p, struct s3_op *ops, size_t n, struct fault *f)
{
	size_t i;

	s3_run(p->s, ops, n, p->deadline_ms);
	for (i = 0; i < n; i++)
		weigh(p, &ops[i], f);
	return f->kind == FAULT_NONE ? 0 : -1;
}

static int
send_missing(struct put *p, struct fault *f)
{
	struct s3_op *ops = calloc(BATCH, sizeof *ops);
	size_t i, n = 0;
	int rc = 0;

	if (ops == NULL)
		return fault_set(f, FAULT_MEMORY, "upload %s", p->file->key);
	for (i = 0; i < p->file->parts_n && rc == 0; i++) {
		if (p->etags[i].text[0] == '\0')
			ops[n++] = part_op(p, i);
		if (n == BATCH) {
			rc = send_batch(p, ops, n, f);
			n = 0;
		}
	}
	if (rc == 0 && n > 0)
		rc = send_batch(p, ops, n, f);
	free(ops);
	return rc;
}

/* --- completing --- */

static bool
is_ours(const struct put *p, const struct s3_op *found)
{
	return found->found_size == p->file->size &&
	       found->found_mtime_ns == p->file->mtime_ns &&
	       strcmp(found->found_sha256, p->file->sha256->hex) == 0;
}

/* Is the object there, as it should be?  Its ETag is taken. */
static bool
find_object(struct put *p, struct fault *f)
{
	const struct multipart_file *file = p->file;
	struct s3_op op = S3_OP_INIT(S3_HEAD, file->key);

	s3_run(p->s, &op, 1, p->deadline_ms);
	/* A DENIED may be about a key that is not there. */
	if (op.fault.kind != FAULT_NONE && op.fault.kind != FAULT_ABSENT &&
	    op.fault.kind != FAULT_DENIED)
		*f = op.fault;
	if (op.fault.kind != FAULT_NONE || !is_ours(p, &op))
		return false;
	memcpy(p->etag, op.found_etag, S3_ETAG_MAX);
	return true;
}

/* Ceph's first answer leaves the ETag out. */
static int
take_etag(struct put *p, struct view document, struct fault *f)
{
	struct buf etag = BUF_INIT(PARTS_ETAG_MAX);
	int rc = parts_read_etag(document, &etag, f);

	if (rc == 0 && etag.len > 0)
		memcpy(p->etag, etag.data, etag.len + 1);
	else if (rc == 0 && !find_object(p, f))
		rc = fault_set(
		    f, FAULT_REMOTE, "what was completed is not what is there");
	buf_fini(&etag);
	return rc == -1 ? fault_while(f, "upload %s", p->file->key) : 0;
}

static bool
is_misfit(const struct s3_op *op)
{
	return strncmp(op->code, "InvalidPart", strlen("InvalidPart")) == 0 ||
	       strcmp(op->code, "EntityTooSmall") == 0;
}

static int
send_list(struct put *p, struct buf *list, struct fault *f)
{
	struct s3_op op = S3_OP_INIT(S3_COMPLETE, p->file->key);
	struct digest digest;
	int rc;

	if (parts_write(list, p->etags, p->file->parts_n, f) == -1 ||
	    digest_sha256(&digest, buf_view(list), f) == -1)
		return fault_while(f, "upload %s", p->file->key);
	op.bytes = buf_view(list);
	op.sha256 = &digest;
	op.reply = BUF_INIT(PARTS_REPLY_MAX);
	if (!p->file->is_forced)
		guard_version(&op, p->file->replaces);
	rc = run(p, &op, f);
	p->is_void = is_misfit(&op);
	if (rc == -1 && op.is_taken && is_ours(p, &op)) {
		*f = FAULT_INIT;
		memcpy(p->etag, op.found_etag, S3_ETAG_MAX);
		abort_upload(p); /* unless it is what has been completed */
		rc = 0;
	} else if (rc == -1 && op.is_taken)
		f->field = "version";
	else if (rc == 0)
		rc = take_etag(p, buf_view(&op.reply), f);
	buf_fini(&op.reply);
	return rc;
}

static int
complete(struct put *p, struct fault *f)
{
	struct buf list = BUF_INIT(LIST_MAX);
	const int rc = send_list(p, &list, f);

	buf_fini(&list);
	return rc;
}

/* --- all of it --- */

static int
try(struct put *p, struct fault *f)
{
	p->is_gone = false;
	if (p->id[0] != '\0') {
		if (go_on(p, f) == -1)
			return -1;
	} else if (begin(p, f) == -1)
		return -1;
	if (send_missing(p, f) == -1 || check_file(p, f) == -1 ||
	    complete(p, f) == -1)
		return -1;
	return 0;
}

/*
 * S3 does not know the upload: it was completed, and we have not heard of
 * it, or it was aborted, and is to be begun anew.  True when all is done.
 */
static bool
mend(struct put *p, struct fault *f)
{
	*f = FAULT_INIT;
	if (find_object(p, f)) {
		hear(p, p->file->size - p->arrived);
		return true;
	}
	p->id[0] = '\0';
	memset(p->etags, 0, p->file->parts_n * sizeof *p->etags);
	hear(p, -p->arrived);
	return false;
}

static int
try_all(struct put *p, struct fault *f)
{
	int tries, rc;

	for (tries = 0; tries < TRIES; tries++) {
		rc = try(p, f);
		if (rc == 0 || p->is_void || !p->is_gone)
			return rc;
		if (mend(p, f))
			return 0;
		if (f->kind != FAULT_NONE)
			return -1;
	}
	return fault_set(
	    f, FAULT_REMOTE, "upload %s: S3 loses every upload", p->file->key);
}

int
multipart_put(struct s3 *s, const struct multipart_file *file,
    const char *upload_id, const struct multipart_keeper *keeper,
    int64_t deadline_ms, char etag[S3_ETAG_MAX], struct fault *f)
{
	struct put p = { .s = s,
		.file = file,
		.keeper = keeper,
		.deadline_ms = deadline_ms,
		.etag = etag };
	const int n = snprintf(p.id, sizeof p.id, "%s", upload_id);
	int rc;

	MUST(file->parts_n == multipart_parts(file->size));
	etag[0] = '\0';
	if (n >= (int)sizeof p.id) /* not one that we were ever given */
		p.id[0] = '\0';
	p.etags = calloc(file->parts_n, sizeof *p.etags);
	if (p.etags == NULL)
		return fault_set(f, FAULT_MEMORY, "upload %s", file->key);
	rc = check_file(&p, f);
	if (rc == 0)
		rc = try_all(&p, f);
	if (rc == -1 && p.is_void)
		abort_upload(&p);
	free(p.etags);
	return rc;
}

/* --- sweep --- */

struct sweep {
	struct s3 *s;
	const char *prefix;
	int64_t deadline_ms;
	bool (*keep)(void *arg, const char *key, const char *upload_id);
	void *arg;
	size_t *n;
	struct buf page;
	struct parts_place place;
	struct buf texts; /* of the page's uploads to abort: "KEY\0ID\0" */
	size_t found;
};

enum { TEXTS_MAX = LISTING_PAGE * (S3_KEY_MAX + MULTIPART_ID_MAX + 2) };

static int
on_upload(void *arg, const char *key, const char *upload_id, struct fault *f)
{
	struct sweep *w = arg;

	if (!view_begins(view_str(key), w->prefix) ||
	    w->keep(w->arg, key, upload_id))
		return 0;
	if (w->found++ == LISTING_PAGE)
		return fault_set(
		    f, FAULT_REMOTE, "more than %d uploads", LISTING_PAGE);
	buf_add(&w->texts, (struct view){ key, strlen(key) + 1 });
	buf_add(&w->texts, (struct view){ upload_id, strlen(upload_id) + 1 });
	return buf_done(&w->texts, f);
}

/*
 * Keys are asked for as they are: Ceph escapes them when told to, but does
 * not say that it did.  One that XML cannot hold, which is none of ours, ends
 * the sweep as REMOTE.
 */
static int
read_page(struct sweep *w, struct fault *f)
{
	const struct sigv4_field fields[] = {
		{ VIEW("uploads"), VIEW("") },
		{ VIEW("prefix"), view_str(w->prefix) },
		{ VIEW("key-marker"), buf_view(&w->place.key) },
		{ VIEW("upload-id-marker"), buf_view(&w->place.upload_id) },
	};
	const struct s3_question question = { .query = fields,
		.query_n = (size_t)2 + (w->place.key.len > 0) +
			   (w->place.upload_id.len > 0),
		.about = w->prefix,
		.deadline_ms = w->deadline_ms };

	buf_clear(&w->texts);
	w->found = 0;
	if (s3_ask(w->s, &question, &w->page, f) == -1)
		return -1;
	if (parts_read_uploads(
		buf_view(&w->page), on_upload, w, &w->place, f) == -1)
		return fault_while(f, "sweep %s", w->prefix);
	return 0;
}

static int
abort_found(struct sweep *w, struct fault *f)
{
	struct s3_op *ops = calloc(w->found + 1, sizeof *ops);
	const char *text = w->texts.data;
	int rc = 0;
	size_t i;

	if (ops == NULL)
		return fault_set(f, FAULT_MEMORY, "sweep %s", w->prefix);
	for (i = 0; i < w->found; i++) {
		ops[i] = S3_OP_INIT(S3_ABORT, text);
		text += strlen(text) + 1;
		ops[i].upload_id = text;
		text += strlen(text) + 1;
	}
	s3_run(w->s, ops, w->found, w->deadline_ms);
	for (i = 0; i < w->found; i++)
		if (ops[i].fault.kind == FAULT_NONE)
			*w->n += ops[i].status != 404;
		else if (rc == 0) {
			*f = ops[i].fault;
			rc = -1;
		}
	free(ops);
	return rc;
}

int
multipart_sweep(struct s3 *s, const char *prefix, int64_t deadline_ms,
    bool (*keep)(void *arg, const char *key, const char *upload_id), void *arg,
    size_t *n, struct fault *f)
{
	struct sweep w = { .s = s,
		.prefix = prefix,
		.deadline_ms = deadline_ms,
		.keep = keep,
		.arg = arg,
		.n = n,
		.page = BUF_INIT(PARTS_PAGE_MAX),
		.place = PARTS_PLACE_INIT,
		.texts = BUF_INIT(TEXTS_MAX) };
	int rc;

	*n = 0;
	do {
		rc = read_page(&w, f);
		if (rc == 0)
			rc = abort_found(&w, f);
	} while (rc == 0 && w.place.key.len > 0);
	buf_fini(&w.page);
	buf_fini(&w.texts);
	parts_place_fini(&w.place);
	return rc;
}
