/*
 * s3 - asks a bucket with our own client; for tests in other languages.
 *
 *   s3 put FILE KEY...            the file to each of the keys
 *   s3 head KEY...
 *   s3 get KEY...
 *   s3 range END KEY...           bytes 0 to END of each
 *   s3 resume BEGIN ETAG KEY...   bytes from BEGIN on, of that ETag
 *   s3 copy SOURCE KEY...
 *   s3 delete KEY...
 *   s3 list PREFIX
 *   s3 presign METHOD EXPIRES WINDOW KEY...
 *   s3 probe must|may KEY...      one after the other
 *   s3 upload FILE KEY ID         in parts; ID: an upload to go on with, or ""
 *   s3 sweep PREFIX ID...         aborts all uploads but those
 *
 * Settings by environment: STORAGE_BUCKET, AWS_REGION, AWS_ENDPOINT_URL_S3,
 * S3_PUBLIC_ENDPOINT, S3_ADDRESSING_STYLE (path, virtual), S3_SSE,
 * AWS_MAX_ATTEMPTS, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN, DEADLINE_MS, RUN_DIR, where the state file is, and
 * CLAIM_SHA256, a digest to give in place of the file's own.
 *
 * Writes a line of JSON for each key, and one about the whole at the end.  An
 * upload writes one when it has begun and one when a part has arrived.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/multipart.h"
#include "aws/s3.h"
#include "base/clock.h"

enum {
	REPLY_MAX = 64 << 20,
	LINE_MAX_BYTES = 1 << 20,
	BAD_USE = 2,
	READ_BYTES = 1 << 20
};

#define FAULT(kind, word, http, shown) #kind,
static const char *const kinds[] = {
	"NONE",
#include "base/fault.tbl.h"
};
#undef FAULT

static struct s3 *s3;
static struct creds *creds;
static struct state *state;
static struct secret secrets[3];

static const char *
setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? otherwise : value;
}

static int64_t
deadline(void)
{
	return clock_ticks_ms() +
	       strtol(setting("DEADLINE_MS", "10000"), NULL, 10);
}

static void
add_text(struct buf *line, const char *name, struct view text)
{
	buf_fmt(line, "%s\"%s\":", line->len == 0 ? "{" : ",", name);
	buf_json(line, text);
}

static void
add_number(struct buf *line, const char *name, int64_t n)
{
	buf_fmt(line, "%s\"%s\":%lld", line->len == 0 ? "{" : ",", name,
	    (long long)n);
}

static void
add_fault(struct buf *line, const struct fault *f)
{
	add_text(line, "fault", view_str(kinds[f->kind]));
	add_text(line, "text", view_str(f->text));
	add_text(line, "field", view_str(f->field));
	add_number(line, "retry_after_s", f->retry_after_s);
}

static void
print_line(struct buf *line)
{
	buf_add(line, VIEW("}\n"));
	MUST(!line->spoilt);
	(void)fwrite(line->data, 1, line->len, stdout);
	buf_fini(line);
}

static void
print_op(const struct s3_op *op)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct digest digest;
	struct fault f = FAULT_INIT;

	add_text(&line, "key", view_str(op->key));
	add_fault(&line, &op->fault);
	add_number(&line, "status", op->status);
	add_number(&line, "attempts", op->attempts);
	add_text(&line, "code", view_str(op->code));
	add_text(&line, "request_id", view_str(op->s3_request_id));
	add_number(&line, "size", op->found_size);
	add_text(&line, "etag", view_str(op->found_etag));
	add_text(&line, "sha256", view_str(op->found_sha256));
	add_text(&line, "type", view_str(op->found_type));
	add_number(&line, "mtime_ns", op->found_mtime_ns);
	if (op->verb == S3_GET && op->fault.kind == FAULT_NONE) {
		MUST(digest_sha256(&digest, buf_view(&op->reply), &f) == 0);
		add_number(&line, "got", (int64_t)op->reply.len);
		add_text(&line, "got_sha256", view_str(digest.hex));
	}
	print_line(&line);
}

/* A file is named by its folder and its name in it, as the service does.  The
 * folder stays open until the tool ends. */
static int
folder_of(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int dir;

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return AT_FDCWD;
	(void)snprintf(
	    folder, sizeof folder, "%.*s/", (int)(slash - path), path);
	dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	MUST(dir != -1);
	return dir;
}

/* Opens the file of a PUT. */
static void
take_file(struct s3_op *op, const char *path, struct digest *digest)
{
	const char *claim = setting("CLAIM_SHA256", NULL);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct fault f = FAULT_INIT;
	struct stat st;
	char *bytes;

	MUST(fd != -1 && fstat(fd, &st) == 0);
	bytes = malloc((size_t)st.st_size + 1);
	MUST(bytes != NULL);
	MUST(read(fd, bytes, (size_t)st.st_size) == st.st_size);
	MUST(digest_sha256(
		 digest, (struct view){ bytes, (size_t)st.st_size }, &f) == 0);
	if (claim != NULL)
		(void)snprintf(digest->hex, sizeof digest->hex, "%s", claim);
	free(bytes);
	(void)close(fd);
	op->dir = folder_of(path, &op->name);
	op->size = st.st_size;
	op->sha256 = digest;
	op->media_type = "image/png";
	op->cache_control = S3_CACHE_CONTROL;
}

static int
run_all(struct s3_op sample, char **keys, int n)
{
	struct s3_op *ops = calloc((size_t)n + 1, sizeof *ops);
	int i;

	MUST(ops != NULL);
	for (i = 0; i < n; i++) {
		ops[i] = sample;
		ops[i].key = keys[i];
		ops[i].reply = BUF_INIT(REPLY_MAX);
	}
	s3_run(s3, ops, (size_t)n, deadline());
	for (i = 0; i < n; i++) {
		print_op(&ops[i]);
		buf_fini(&ops[i].reply);
	}
	free(ops);
	return 0;
}

static int
print_key(void *arg, const struct listing_object *object, struct fault *f)
{
	const struct view key = object->key;
	const int64_t size = object->size;
	struct buf line = BUF_INIT(LINE_MAX_BYTES);

	(void)arg;
	(void)f;
	add_text(&line, "key", key);
	add_number(&line, "size", size);
	print_line(&line);
	return 0;
}

static int
list(const char *prefix)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct fault f = FAULT_INIT;

	(void)s3_list(s3, prefix, deadline(), print_key, NULL, &f);
	add_fault(&line, &f);
	print_line(&line);
	return 0;
}

static int
presign(char **args, int n)
{
	struct s3_url url = S3_URL_INIT;
	struct buf line;
	struct fault f;
	int i;

	for (i = 3; i < n; i++) {
		f = FAULT_INIT;
		(void)s3_presign(s3, args[0], args[i],
		    strtol(args[1], NULL, 10), strtol(args[2], NULL, 10), &url,
		    &f);
		line = BUF_INIT(LINE_MAX_BYTES);
		add_text(&line, "key", view_str(args[i]));
		add_fault(&line, &f);
		add_text(&line, "url", buf_view(&url.text));
		add_number(&line, "lives_s", url.lives_s);
		print_line(&line);
	}
	s3_url_fini(&url);
	return 0;
}

static int
probe(bool must_exist, char **keys, int n)
{
	enum state_storage health;
	struct buf line;
	struct fault f;
	bool absent;
	int i;

	for (i = 0; i < n; i++) {
		f = FAULT_INIT;
		health =
		    s3_probe(s3, keys[i], must_exist, deadline(), &absent, &f);
		line = BUF_INIT(LINE_MAX_BYTES);
		add_text(&line, "key", view_str(keys[i]));
		add_text(&line, "health", view_str(state_storage_word(health)));
		add_number(&line, "absent", absent);
		add_fault(&line, &f);
		print_line(&line);
	}
	return 0;
}

/* --- uploads in parts --- */

static int
print_begun(void *arg, const char *upload_id, struct fault *f)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);

	(void)arg;
	(void)f;
	add_text(&line, "begun", view_str(upload_id));
	print_line(&line);
	return fflush(stdout);
}

static void
print_arrived(void *arg, int64_t bytes)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);

	(void)arg;
	add_number(&line, "arrived", bytes);
	print_line(&line);
	(void)fflush(stdout);
}

/* The digest of size bytes from offset. */
static void
hash_range(int fd, int64_t offset, int64_t size, struct digest *digest)
{
	struct digest_run *run = NULL;
	struct fault f = FAULT_INIT;
	char *bytes = malloc(READ_BYTES);
	ssize_t got;

	MUST(bytes != NULL && digest_begin(&run, &f) == 0);
	for (; size > 0; size -= got, offset += got) {
		got = pread(fd, bytes,
		    size < READ_BYTES ? (size_t)size : READ_BYTES, offset);
		MUST(got > 0);
		MUST(digest_add(run, (struct view){ bytes, (size_t)got }, &f) ==
		     0);
	}
	MUST(digest_end(&run, digest, &f) == 0);
	free(bytes);
}

static int
upload(const char *path, const char *key, const char *id)
{
	const struct multipart_keeper keeper = { .begun = print_begun,
		.arrived = print_arrived };
	const char *claim = setting("CLAIM_SHA256", NULL);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct multipart_file file = { .key = key, .media_type = "video/mp4" };
	struct fault f = FAULT_INIT;
	char etag[S3_ETAG_MAX];
	struct digest whole, *parts;
	struct stat st;
	int64_t size;
	size_t i;

	MUST(fd != -1 && fstat(fd, &st) == 0);
	file.dir = folder_of(path, &file.name);
	file.size = st.st_size;
	file.mtime_ns =
	    st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	file.parts_n = multipart_parts(file.size);
	size = multipart_part_size(file.size);
	parts = calloc(file.parts_n, sizeof *parts);
	MUST(parts != NULL);
	hash_range(fd, 0, file.size, &whole);
	for (i = 0; i < file.parts_n; i++)
		hash_range(fd, (int64_t)i * size,
		    i + 1 < file.parts_n ? size : file.size - (int64_t)i * size,
		    &parts[i]);
	if (claim != NULL)
		(void)snprintf(parts[0].hex, sizeof parts[0].hex, "%s", claim);
	file.sha256 = &whole;
	file.parts = parts;
	(void)multipart_put(s3, &file, id, &keeper, deadline(), etag, &f);
	add_text(&line, "key", view_str(key));
	add_fault(&line, &f);
	add_text(&line, "etag", view_str(etag));
	print_line(&line);
	free(parts);
	(void)close(fd);
	return 0;
}

struct wanted {
	char **ids;
	int n;
};

static bool
is_wanted(void *arg, const char *key, const char *upload_id)
{
	const struct wanted *w = arg;
	int i;

	(void)key;
	for (i = 0; i < w->n; i++)
		if (strcmp(w->ids[i], upload_id) == 0)
			return true;
	return false;
}

static int
sweep(const char *prefix, char **ids, int n)
{
	struct wanted wanted = { ids, n };
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct fault f = FAULT_INIT;
	size_t aborted;

	(void)multipart_sweep(
	    s3, prefix, deadline(), is_wanted, &wanted, &aborted, &f);
	add_number(&line, "aborted", (int64_t)aborted);
	add_fault(&line, &f);
	print_line(&line);
	return 0;
}

static int
act(const char *verb, char **args, int n)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "");
	struct digest digest;

	if (strcmp(verb, "presign") == 0 && n > 3)
		return presign(args, n);
	if (strcmp(verb, "probe") == 0 && n > 1)
		return probe(strcmp(args[0], "must") == 0, args + 1, n - 1);
	if (strcmp(verb, "upload") == 0 && n == 3)
		return upload(args[0], args[1], args[2]);
	if (strcmp(verb, "sweep") == 0 && n > 0)
		return sweep(args[0], args + 1, n - 1);
	if (strcmp(verb, "resume") == 0 && n > 2) {
		op.verb = S3_GET;
		op.range_begin = strtol(args[0], NULL, 10);
		op.if_match = args[1];
		return run_all(op, args + 2, n - 2);
	}
	if (strcmp(verb, "list") == 0 && n == 1)
		return list(args[0]);
	if (strcmp(verb, "put") == 0 && n > 1) {
		take_file(&op, args[0], &digest);
		return run_all(op, args + 1, n - 1);
	}
	if (strcmp(verb, "copy") == 0 && n > 1) {
		op.verb = S3_COPY;
		op.source = args[0];
		return run_all(op, args + 1, n - 1);
	}
	if (strcmp(verb, "range") == 0 && n > 1) {
		op.verb = S3_GET;
		op.range_end = strtol(args[0], NULL, 10);
		return run_all(op, args + 1, n - 1);
	}
	if (strcmp(verb, "head") == 0)
		op.verb = S3_HEAD;
	else if (strcmp(verb, "get") == 0)
		op.verb = S3_GET;
	else if (strcmp(verb, "delete") == 0)
		op.verb = S3_DELETE;
	else
		return BAD_USE;
	return run_all(op, args, n);
}

static enum s3_style
style(void)
{
	const char *word = setting("S3_ADDRESSING_STYLE", "auto");

	if (strcmp(word, "path") == 0)
		return S3_PATH;
	return strcmp(word, "virtual") == 0 ? S3_VIRTUAL : S3_AUTO;
}

static int
open_all(struct fault *f)
{
	const struct creds_setup keys = { .access_key_id = &secrets[0],
		.secret_access_key = &secrets[1],
		.session_token = &secrets[2],
		.no_instance = true };
	struct s3_setup setup = { .bucket = getenv("STORAGE_BUCKET"),
		.region = setting("AWS_REGION", "us-east-1"),
		.endpoint = getenv("AWS_ENDPOINT_URL_S3"),
		.public_endpoint = getenv("S3_PUBLIC_ENDPOINT"),
		.style = style(),
		.sse = getenv("S3_SSE"),
		.attempts =
		    (int)strtol(setting("AWS_MAX_ATTEMPTS", "3"), NULL, 10) };
	const char *folder = getenv("RUN_DIR");

	if (secret_set(&secrets[0], view_str(getenv("AWS_ACCESS_KEY_ID")), f) ==
		-1 ||
	    secret_set(&secrets[1], view_str(getenv("AWS_SECRET_ACCESS_KEY")),
		f) == -1 ||
	    secret_set(&secrets[2], view_str(getenv("AWS_SESSION_TOKEN")), f) ==
		-1 ||
	    creds_open(&creds, &keys, f) == -1)
		return -1;
	if (folder != NULL && state_open(&state, folder, f) == -1)
		return -1;
	setup.creds = creds;
	setup.state = state;
	return s3_open(&s3, &setup, f);
}

/* The most memory we ever had; getrusage would tell of our parent's, too. */
static int64_t
peak_kb(void)
{
	FILE *in = fopen("/proc/self/status", "re");
	char line[256];
	long kb = 0;

	MUST(in != NULL);
	while (fgets(line, sizeof line, in) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kb = strtol(line + 6, NULL, 10);
	(void)fclose(in);
	MUST(kb > 0);
	return kb;
}

int
main(int argc, char **argv)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	struct fault f = FAULT_INIT;
	int rc = BAD_USE, i;

	if (open_all(&f) == 0 && argc > 2)
		rc = act(argv[1], argv + 2, argc - 2);
	add_fault(&line, &f);
	add_text(&line, "storage",
	    view_str(
		state == NULL ? "" : state_storage_word(state_storage(state))));
	add_number(&line, "peak_kb", peak_kb());
	print_line(&line);
	s3_close(&s3);
	creds_close(&creds);
	state_close(&state);
	for (i = 0; i < 3; i++)
		secret_fini(&secrets[i]);
	return rc;
}
