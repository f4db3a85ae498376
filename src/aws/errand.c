#include "aws/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/mtime.h"
#include "base/clock.h"
#include "codec/text.h"

enum {
	URL_MAX = 32 << 10,   /* a listing's has a token in it             */
	LINES_MAX = 16 << 10, /* all headers of a request, token included  */
	FIELDS_MAX = 8,       /* of these, those that an operation adds    */
	ROOM_MAX = 4 * PLACE_PATH_MAX /* the longest is a COPY's source      */
};

/* SHA-256 of no bytes. */
#define NO_BODY_SHA256                                                         \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* How an operation is sent, and what a reply to it means. */
struct verb {
	const char *word; /* in a fault */
	const char *method;
	enum http_method http;
	int asked;
	bool sends; /* a body, whose digest is signed                    */
	bool takes; /* the body of a good reply: bytes, or a document    */
	bool finds; /* headers that tell of the object                   */
};

/* clang-format off */
static const struct verb verbs[] = {
	[S3_PUT] = { "put", "PUT", HTTP_PUT, VERDICT_ETAG,
	    .sends = true, .finds = true },
	[S3_HEAD] = { "head", "HEAD", HTTP_HEAD, VERDICT_BODILESS | VERDICT_ETAG,
	    .finds = true },
	[S3_GET] = { "get", "GET", HTTP_GET, VERDICT_ETAG,
	    .takes = true, .finds = true },
	[S3_COPY] = { "copy", "PUT", HTTP_PUT, VERDICT_COPY,
	    .sends = false },
	[S3_DELETE] = { "delete", "DELETE", HTTP_DELETE, VERDICT_DELETE,
	    .sends = false },
	[S3_CREATE] = { "begin the upload of", "POST", HTTP_POST,
	    .takes = true },
	[S3_PART] = { "put a part of", "PUT", HTTP_PUT, VERDICT_ETAG,
	    .sends = true, .finds = true },
	[S3_PARTS] = { "list the parts of", "GET", HTTP_GET,
	    .takes = true },
	[S3_COMPLETE] = { "complete the upload of", "POST", HTTP_POST,
	    VERDICT_COMPLETE, .sends = true, .takes = true },
	[S3_ABORT] = { "abort the upload of", "DELETE", HTTP_DELETE,
	    VERDICT_DELETE, .sends = false },
};
/* clang-format on */

static const struct verb *
verb_of(const struct errand *e)
{
	return &verbs[e->is_looking ? S3_HEAD : e->op->verb];
}

void
errand_rest(struct errand *e)
{
	if (e->fd != -1)
		(void)close(e->fd);
	e->fd = -1;
	e->call->url = NULL;
	memset(e->call->headers, 0, sizeof e->call->headers);
	buf_fini(&e->url);
	secret_buf_fini(&e->lines);
	e->url = BUF_INIT(URL_MAX);
	e->lines = BUF_INIT(LINES_MAX);
}

static int
check_file(struct errand *e, struct fault *f)
{
	const bool is_whole = e->op->verb == S3_PUT && e->op->offset == 0;
	struct stat st;

	if (fstat(e->fd, &st) == -1)
		return fault_sys(f, FAULT_DISK, "stat %s", e->op->name);
	if (!S_ISREG(st.st_mode))
		return fault_in(f, FAULT_ABSENT, "file",
		    "%s is no regular file", e->op->name);
	if (is_whole && st.st_size != e->op->size)
		return fault_in(f, FAULT_CONFLICT, "file",
		    "%s has %lld bytes, not %lld", e->op->name,
		    (long long)st.st_size, (long long)e->op->size);
	return 0;
}

/* Without following a link at any step: somebody may put one there while
 * others are sent, and what it leads to is not to leave this machine. */
static int
open_below(int dir, const char *name)
{
	const char *slash = strchr(name, '/');
	char folder[NAME_MAX + 1];
	int next, fd, saved;

	if (slash == NULL)
		return openat(
		    dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	(void)snprintf(
	    folder, sizeof folder, "%.*s", (int)(slash - name), name);
	next =
	    openat(dir, folder, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (next == -1)
		return -1;
	fd = open_below(next, slash + 1);
	saved = errno;
	(void)close(next);
	errno = saved;
	return fd;
}

static int
open_file(struct errand *e, struct fault *f)
{
	e->fd = open_below(e->op->dir, e->op->name);
	if (e->fd == -1 &&
	    (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		return fault_in(
		    f, FAULT_ABSENT, "file", "%s is gone", e->op->name);
	if (e->fd == -1)
		return fault_sys(f, FAULT_DISK, "open %s", e->op->name);
	return check_file(e, f);
}

static int64_t
read_file(struct http_call *call, char *p, size_t n, int64_t offset)
{
	struct errand *e = call->owner;
	ssize_t got;

	do
		got = pread(e->fd, p, n, (off_t)(e->op->offset + offset));
	while (got == -1 && errno == EINTR);
	if (got > 0)
		return got;
	e->refused = true;
	return got == -1
		   ? fault_sys(&call->fault, FAULT_DISK, "read %s", e->op->name)
		   : fault_in(&call->fault, FAULT_CONFLICT, "file",
			 "%s became shorter", e->op->name);
}

/* Who asks to go on from a byte must not be given those before it. */
static int
check_range(struct errand *e)
{
	char begin[64];
	struct view range = VIEW("");

	(void)snprintf(
	    begin, sizeof begin, "bytes %lld-", (long long)e->op->range_begin);
	(void)http_header(e->call, "content-range", &range);
	if (e->op->range_begin == 0 || view_begins(range, begin))
		return 0;
	return fault_set(&e->call->fault, FAULT_REMOTE,
	    "the reply does not begin with byte %lld",
	    (long long)e->op->range_begin);
}

/* The bytes of a reply: whose they are decides what to do with them. */
static int
take_bytes(struct http_call *call, struct view bytes)
{
	struct errand *e = call->owner;
	struct s3_op *op = e->op;

	if (e->got == 0 && check_range(e) == -1) {
		e->refused = true;
		return -1;
	}
	e->got += (int64_t)bytes.n;
	if (op->sink != NULL)
		e->refused = op->sink(op, bytes, false) == -1;
	else if (bytes.n > op->reply.limit - op->reply.len)
		e->refused = fault_set(&call->fault, FAULT_REMOTE,
				 "more than %zu bytes", op->reply.limit) == -1;
	else {
		buf_add(&op->reply, bytes);
		e->refused = buf_done(&op->reply, &call->fault) == -1;
	}
	return e->refused ? -1 : 0;
}

/* What an earlier attempt has brought is void. */
static int
forget_bytes(struct errand *e, struct fault *f)
{
	e->got = 0;
	buf_clear(&e->op->reply);
	if (e->op->sink == NULL || e->call->attempts == 0 ||
	    e->op->sink(e->op, VIEW(""), true) == 0)
		return 0;
	return fault_set(f, FAULT_REMOTE, "refused to begin again");
}

static size_t
add_field(
    struct sigv4_field *fields, size_t n, const char *name, struct view value)
{
	if (value.n == 0)
		return n;
	MUST(n < FIELDS_MAX);
	fields[n] = (struct sigv4_field){ view_str(name), value };
	return n + 1;
}

static size_t
add_encryption(
    struct sigv4_field *fields, size_t n, const struct errand_with *with)
{
	n = add_field(
	    fields, n, "x-amz-server-side-encryption", view_str(with->sse));
	return add_field(fields, n,
	    "x-amz-server-side-encryption-aws-kms-key-id",
	    view_str(with->sse_key));
}

/* What was written into room since it had `from` bytes: lent, because room
 * never grows. */
static struct view
written(const struct buf *room, size_t from)
{
	return (struct view){ room->data + from, room->len - from };
}

/* What is kept with an object. */
static size_t
add_properties(const struct errand *e, struct sigv4_field *fields, size_t n,
    struct buf *room)
{
	const struct s3_op *op = e->op;
	const size_t from = room->len;

	n = add_field(fields, n, "content-type", view_str(op->media_type));
	n = add_field(fields, n, "cache-control", view_str(op->cache_control));
	n = add_field(
	    fields, n, "x-amz-meta-sha256", view_str(op->sha256->hex));
	if (op->mtime_ns != 0)
		mtime_write(room, op->mtime_ns);
	n = add_field(fields, n, "x-amz-meta-mtime", written(room, from));
	return add_encryption(fields, n, e->with);
}

/* The condition of a write.  The ETag stands bare: AWS and MinIO take it
 * with quotes and without, Ceph answers 412 to a quoted one. */
static size_t
add_condition(const struct errand *e, struct sigv4_field *fields, size_t n)
{
	const struct s3_op *op = e->op;

	if (e->is_plain)
		return n;
	if (op->if_none_match || e->is_new)
		return add_field(fields, n, "if-none-match", VIEW("*"));
	return add_field(fields, n, "if-match", view_str(e->replaced));
}

static size_t
add_source(const struct errand *e, struct sigv4_field *fields, size_t n,
    struct buf *room)
{
	const size_t from = room->len;

	buf_fmt(room, "/%s/", bucket_name(e->with->bucket));
	text_escape(room, view_str(e->op->source), true);
	n = add_field(fields, n, "x-amz-copy-source", written(room, from));
	return add_encryption(fields, n, e->with);
}

/* What a GET wants of the object. */
static size_t
add_choice(const struct s3_op *op, struct sigv4_field *fields, size_t n,
    struct buf *room)
{
	size_t from = room->len;

	if (op->range_end >= 0)
		buf_fmt(room, "bytes=%lld-%lld", (long long)op->range_begin,
		    (long long)op->range_end);
	else if (op->range_begin > 0)
		buf_fmt(room, "bytes=%lld-", (long long)op->range_begin);
	n = add_field(fields, n, "range", written(room, from));
	from = room->len;
	if (op->if_match != NULL)
		buf_fmt(room, "\"%s\"", op->if_match);
	return add_field(fields, n, "if-match", written(room, from));
}

/* The headers of an operation, in text that lives in room. */
static size_t
fields_of(const struct errand *e, struct sigv4_field fields[FIELDS_MAX],
    struct buf *room)
{
	size_t n = 0;

	if (e->is_looking)
		return 0;
	switch (e->op->verb) {
	case S3_PUT:
		n = add_properties(e, fields, n, room);
		return add_condition(e, fields, n);
	case S3_CREATE:
		return add_properties(e, fields, n, room);
	case S3_COPY:
		n = add_source(e, fields, n, room);
		return add_condition(e, fields, n);
	case S3_GET:
		return add_choice(e->op, fields, n, room);
	case S3_COMPLETE:
		n = add_field(
		    fields, n, "content-type", VIEW("application/xml"));
		return add_condition(e, fields, n);
	case S3_HEAD:
	case S3_DELETE:
	case S3_PART:
	case S3_PARTS:
	case S3_ABORT:
		return 0;
	}
	return 0;
}

/* Lines become the header texts of the call, each ended by a NUL. */
static void
hand_over_lines(struct errand *e)
{
	char *line = e->lines.data, *end;
	size_t n = 0;

	while (line < e->lines.data + e->lines.len) {
		end = strchr(line, '\n');
		MUST(end != NULL && n < HTTP_HEADERS_MAX);
		*end = '\0';
		e->call->headers[n++] = line;
		line = end + 1;
	}
}

static int
sign(struct errand *e, const struct sigv4_field *fields, size_t n,
    struct fault *f)
{
	const struct verb *verb = verb_of(e);
	const struct bucket_request request = { .method = verb->method,
		.key = view_str(e->op->key),
		.query = e->query,
		.query_n = e->is_looking ? 0 : e->query_n,
		.headers = fields,
		.headers_n = n,
		.payload_sha256 = verb->sends ? view_str(e->op->sha256->hex)
					      : VIEW(NO_BODY_SHA256) };
	size_t i;

	for (i = 0; i < n; i++) {
		buf_add(&e->lines, fields[i].name);
		buf_add(&e->lines, VIEW(": "));
		buf_add(&e->lines, fields[i].value);
		buf_add(&e->lines, VIEW("\n"));
	}
	/* Not signed: whoever stands between us and S3 may change it. */
	if (e->with->request_id.n > 0)
		buf_fmt(&e->lines, "x-request-id: %.*s\n",
		    (int)e->with->request_id.n, e->with->request_id.p);
	if (bucket_sign(e->with->bucket, &request, &e->url, &e->lines,
		&e->stamp, f) == -1 ||
	    buf_done(&e->url, f) == -1 || buf_done(&e->lines, f) == -1)
		return -1;
	e->call->url = buf_str(&e->url);
	hand_over_lines(e);
	return 0;
}

static int
sign_op(struct errand *e, struct fault *f)
{
	struct sigv4_field fields[FIELDS_MAX];
	struct buf room = BUF_INIT(ROOM_MAX);
	size_t n = 0;
	int rc = 0;

	/* Room at once, lest growing leaves copies of secrets behind, or
	 * moves the text of a field. */
	if (buf_room(&room, ROOM_MAX) == NULL ||
	    buf_room(&e->lines, LINES_MAX) == NULL)
		rc = fault_set(f, FAULT_MEMORY, "the headers of a request");
	if (rc == 0) {
		buf_clear(&room);
		buf_clear(&e->lines);
		n = fields_of(e, fields, &room);
		rc = buf_done(&room, f);
	}
	if (rc == 0)
		rc = sign(e, fields, n, f);
	buf_fini(&room);
	return rc;
}

static int
begin_attempt(struct errand *e, struct fault *f)
{
	if ((!e->is_looking && forget_bytes(e, f) == -1) || sign_op(e, f) == -1)
		return -1;
	if (verb_of(e)->sends && e->op->dir != -1 && open_file(e, f) == -1)
		return -1;
	if (e->silent_since_ms == -1)
		e->silent_since_ms = clock_ticks_ms();
	return 0;
}

/* Before each attempt: its file, its signature. */
static int
prepare(struct http_call *call)
{
	struct errand *e = call->owner;

	errand_rest(e);
	e->is_read = false;
	if (begin_attempt(e, &call->fault) == 0)
		return 0;
	errand_rest(e);
	return -1;
}

static struct view
header(const struct errand *e, const char *name)
{
	struct view value = VIEW("");

	(void)http_header(e->call, name, &value);
	return value;
}

/* What does not fit is not kept: half a digest helps nobody. */
static void
keep(char *out, size_t size, struct view value)
{
	if (value.n >= size)
		value.n = 0;
	if (value.n > 0)
		memcpy(out, value.p, value.n);
	out[value.n] = '\0';
}

static void
read_found(struct errand *e)
{
	struct s3_op *op = e->op;
	struct view etag = header(e, "etag");

	if (!verb_of(e)->finds)
		return; /* its headers are about the reply */
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		etag = (struct view){ etag.p + 1, etag.n - 2 };
	keep(op->found_etag, sizeof op->found_etag, etag);
	keep(op->found_sha256, sizeof op->found_sha256,
	    header(e, "x-amz-meta-sha256"));
	keep(op->found_type, sizeof op->found_type, header(e, "content-type"));
	if (!mtime_read(header(e, "x-amz-meta-mtime"), &op->found_mtime_ns))
		op->found_mtime_ns = 0;
	op->found_size = -1;
	if ((e->is_looking || op->verb == S3_HEAD || op->verb == S3_GET) &&
	    !text_number(header(e, "content-length"), &op->found_size))
		op->found_size = -1;
}

static struct verdict
verdict_of_reply(const struct errand *e)
{
	/* A document that completes an upload was taken as an answer. */
	const struct buf *body =
	    verb_of(e) == &verbs[S3_COMPLETE] && e->call->status / 100 == 2
		? &e->op->reply
		: &e->call->reply;
	const struct verdict_reply reply = {
		.asked = e->is_looking ? verb_of(e)->asked : e->asked,
		.status = e->call->status,
		.body = buf_view(body),
		.etag = header(e, "etag"),
		.date = header(e, "date"),
		.region = header(e, "x-amz-bucket-region"),
		.request_id = header(e, "x-amz-request-id")
	};

	return verdict_read(&reply);
}

static struct verdict
verdict_of_fault(enum fault_kind kind, const char *why)
{
	return (struct verdict){ .kind = kind, .advice = why, .server_s = -1 };
}

/* An error's status counts though its body was cut; a good one's does not. */
void
errand_read(struct errand *e)
{
	const struct http_call *call = e->call;
	const bool is_whole = call->fault.kind == FAULT_NONE;
	const bool is_fine = call->status / 100 == 2;

	e->is_read = true;
	if (is_whole)
		e->silent_since_ms = -1;
	if (e->refused)
		e->verdict = verdict_of_fault(call->fault.kind, "");
	else if (call->fault.kind == FAULT_MEMORY)
		e->verdict = verdict_silence(FAULT_MEMORY);
	else if (call->status == 0 || (is_fine && !is_whole))
		e->verdict = verdict_silence(call->fault.kind);
	else
		e->verdict = verdict_of_reply(e);
	if (e->verdict.kind != FAULT_NONE)
		return;
	read_found(e);
	if (e->op->verb == S3_GET && e->op->found_size >= 0 &&
	    e->op->found_size != e->got)
		e->verdict = verdict_silence(FAULT_REMOTE);
}

int64_t
errand_asked_wait_ms(const struct errand *e)
{
	int64_t ms;

	if (text_number(header(e, "x-amz-retry-after"), &ms) && ms >= 0)
		return ms;
	return e->call->retry_after_ms;
}

static void
ask(struct errand *e, const char *name, const char *value)
{
	MUST(e->query_n < ERRAND_QUERY_MAX);
	e->own[e->query_n++] =
	    (struct sigv4_field){ view_str(name), view_str(value) };
	e->query = e->own;
}

/* What of an upload is meant. */
static void
ask_about_upload(struct errand *e)
{
	const struct s3_op *op = e->op;

	(void)snprintf(e->number, sizeof e->number, "%d", op->part);
	if (op->verb == S3_CREATE)
		ask(e, "uploads", "");
	if (op->verb == S3_PART)
		ask(e, "partNumber", e->number);
	if (op->verb == S3_PARTS && op->part > 0)
		ask(e, "part-number-marker", e->number);
	if (op->verb == S3_PART || op->verb == S3_PARTS ||
	    op->verb == S3_COMPLETE || op->verb == S3_ABORT)
		ask(e, "uploadId", op->upload_id);
}

static void
give_body(struct errand *e)
{
	if (e->op->dir == -1)
		e->call->body = e->op->bytes;
	else {
		e->call->source = read_file;
		e->call->body_size = e->op->size;
	}
}

void
errand_begin(struct errand *e, struct http_call *call,
    const struct errand_with *with, struct s3_op *op)
{
	const struct verb *verb = &verbs[op->verb];

	MUST(!verb->sends || op->sha256 != NULL);
	MUST(op->verb != S3_CREATE ||
	     (op->sha256 != NULL && op->media_type != NULL));
	*e = (struct errand){ .with = with,
		.op = op,
		.call = call,
		.word = verb->word,
		.asked = verb->asked,
		.fd = -1,
		.silent_since_ms = -1 };
	*call = HTTP_CALL_INIT(VERDICT_BODY_MAX);
	call->method = verb->http;
	call->reply_headers.limit = HTTP_REPLY_HEADERS_MAX;
	call->prepare = prepare;
	call->owner = e;
	call->sink = verb->takes ? take_bytes : NULL;
	if (op->if_match != NULL)
		(void)snprintf(
		    e->replaced, sizeof e->replaced, "%s", op->if_match);
	ask_about_upload(e);
	if (verb->sends)
		give_body(e);
}

/* The call becomes one of that kind. */
static void
take_turn(struct errand *e, bool is_looking)
{
	struct s3_op *op = e->op;
	const struct verb *verb;

	e->is_looking = is_looking;
	verb = verb_of(e);
	e->call->method = verb->http;
	e->call->sink = verb->takes ? take_bytes : NULL;
	op->found_size = -1;
	op->found_mtime_ns = 0;
	op->found_etag[0] = op->found_sha256[0] = op->found_type[0] = '\0';
}

void
errand_look(struct errand *e)
{
	take_turn(e, true);
	e->call->follows = false;
}

void
errand_write(struct errand *e)
{
	take_turn(e, false);
	e->call->follows = true;
}

void
errand_list(struct errand *e, const struct sigv4_field *query, size_t query_n)
{
	e->word = "list";
	e->asked = 0; /* a page has no ETag */
	e->query = query;
	e->query_n = query_n;
}

void
errand_end(struct errand *e)
{
	errand_rest(e);
	buf_fini(&e->call->reply);
	buf_fini(&e->call->reply_headers);
}
