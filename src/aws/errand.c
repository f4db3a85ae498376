#include "aws/errand.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/text.h"

enum {
	URL_MAX = 32 << 10,   /* a listing's has a token in it             */
	LINES_MAX = 16 << 10, /* all headers of a request, token included  */
	FIELDS_MAX = 6,       /* of these, those that an operation adds    */
	SOURCE_MAX = 4 * PLACE_PATH_MAX
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
};

static const struct verb verbs[] = {
	[S3_PUT] = { "put", "PUT", HTTP_PUT, VERDICT_ETAG },
	[S3_HEAD] = { "head", "HEAD", HTTP_HEAD,
	    VERDICT_BODILESS | VERDICT_ETAG },
	[S3_GET] = { "get", "GET", HTTP_GET, VERDICT_ETAG },
	[S3_COPY] = { "copy", "PUT", HTTP_PUT, VERDICT_COPY },
	[S3_DELETE] = { "delete", "DELETE", HTTP_DELETE, VERDICT_DELETE },
};

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
	struct stat st;

	if (fstat(e->fd, &st) == -1)
		return fault_sys(f, FAULT_DISK, "stat %s", e->op->name);
	if (!S_ISREG(st.st_mode))
		return fault_in(f, FAULT_ABSENT, "file",
		    "%s is no regular file", e->op->name);
	if (st.st_size != e->op->size)
		return fault_in(f, FAULT_CONFLICT, "file",
		    "%s has %lld bytes, not %lld", e->op->name,
		    (long long)st.st_size, (long long)e->op->size);
	return 0;
}

static int
open_file(struct errand *e, struct fault *f)
{
	e->fd = openat(e->op->dir, e->op->name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (e->fd == -1 && (errno == ENOENT || errno == ELOOP))
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
		got = pread(e->fd, p, n, (off_t)offset);
	while (got == -1 && errno == EINTR);
	if (got > 0)
		return got;
	e->refused = true;
	return got == -1
		   ? fault_sys(&call->fault, FAULT_DISK, "read %s", e->op->name)
		   : fault_in(&call->fault, FAULT_CONFLICT, "file",
			 "%s became shorter", e->op->name);
}

/* The bytes of a reply: whose they are decides what to do with them. */
static int
take_bytes(struct http_call *call, struct view bytes)
{
	struct errand *e = call->owner;
	struct s3_op *op = e->op;

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

/* The headers of an operation, in text that lives in room. */
static size_t
fields_of(const struct errand *e, struct sigv4_field fields[FIELDS_MAX],
    struct buf *room)
{
	const struct s3_op *op = e->op;
	size_t n = 0;

	switch (op->verb) {
	case S3_PUT:
		n = add_field(
		    fields, n, "content-type", view_str(op->media_type));
		n = add_field(
		    fields, n, "cache-control", VIEW(S3_CACHE_CONTROL));
		n = add_field(
		    fields, n, "x-amz-meta-sha256", view_str(op->sha256->hex));
		if (op->if_none_match)
			n = add_field(fields, n, "if-none-match", VIEW("*"));
		return add_encryption(fields, n, e->with);
	case S3_COPY:
		buf_fmt(room, "/%s/", bucket_name(e->with->bucket));
		text_escape(room, view_str(op->source), true);
		n = add_field(fields, n, "x-amz-copy-source", buf_view(room));
		return add_encryption(fields, n, e->with);
	case S3_GET:
		if (op->range_end < 0)
			return 0;
		buf_fmt(room, "bytes=0-%lld", (long long)op->range_end);
		return add_field(fields, n, "range", buf_view(room));
	case S3_HEAD:
	case S3_DELETE:
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
	const struct bucket_request request = { .method =
						    verbs[e->op->verb].method,
		.key = view_str(e->op->key),
		.query = e->query,
		.query_n = e->query_n,
		.headers = fields,
		.headers_n = n,
		.payload_sha256 = e->op->verb == S3_PUT
				      ? view_str(e->op->sha256->hex)
				      : VIEW(NO_BODY_SHA256) };
	size_t i;

	for (i = 0; i < n; i++) {
		buf_add(&e->lines, fields[i].name);
		buf_add(&e->lines, VIEW(": "));
		buf_add(&e->lines, fields[i].value);
		buf_add(&e->lines, VIEW("\n"));
	}
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
	struct buf room = BUF_INIT(SOURCE_MAX);
	const size_t n = fields_of(e, fields, &room);
	int rc = buf_done(&room, f);

	/* Room at once, lest growing leaves copies of secrets behind. */
	if (rc == 0 && buf_room(&e->lines, LINES_MAX) == NULL)
		rc = buf_done(&e->lines, f);
	if (rc == 0) {
		buf_clear(&e->lines);
		rc = sign(e, fields, n, f);
	}
	buf_fini(&room);
	return rc;
}

static int
begin_attempt(struct errand *e, struct fault *f)
{
	if (forget_bytes(e, f) == -1 || sign_op(e, f) == -1)
		return -1;
	if (e->op->verb == S3_PUT && e->op->dir != -1 && open_file(e, f) == -1)
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

	if (op->verb == S3_COPY || op->verb == S3_DELETE)
		return; /* its headers are about the reply */
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		etag = (struct view){ etag.p + 1, etag.n - 2 };
	keep(op->found_etag, sizeof op->found_etag, etag);
	keep(op->found_sha256, sizeof op->found_sha256,
	    header(e, "x-amz-meta-sha256"));
	keep(op->found_type, sizeof op->found_type, header(e, "content-type"));
	op->found_size = -1;
	if ((op->verb == S3_HEAD || op->verb == S3_GET) &&
	    !text_number(header(e, "content-length"), &op->found_size))
		op->found_size = -1;
}

static struct verdict
verdict_of_reply(const struct errand *e)
{
	const struct verdict_reply reply = { .asked = e->asked,
		.status = e->call->status,
		.body = buf_view(&e->call->reply),
		.etag = header(e, "etag"),
		.date = header(e, "date"),
		.region = header(e, "x-amz-bucket-region"),
		.request_id = header(e, "x-amz-request-id") };

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

void
errand_begin(struct errand *e, struct http_call *call,
    const struct errand_with *with, struct s3_op *op)
{
	const bool is_put = op->verb == S3_PUT;

	MUST(!is_put || op->sha256 != NULL);
	*e = (struct errand){ .with = with,
		.op = op,
		.call = call,
		.word = verbs[op->verb].word,
		.asked = verbs[op->verb].asked,
		.fd = -1,
		.silent_since_ms = -1 };
	*call = HTTP_CALL_INIT(VERDICT_BODY_MAX);
	call->method = verbs[op->verb].http;
	call->reply_headers.limit = HTTP_REPLY_HEADERS_MAX;
	call->prepare = prepare;
	call->owner = e;
	call->sink = op->verb == S3_GET ? take_bytes : NULL;
	if (is_put && op->dir == -1)
		call->body = op->bytes;
	if (is_put && op->dir != -1) {
		call->source = read_file;
		call->body_size = op->size;
	}
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
