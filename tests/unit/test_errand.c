#include "aws/errand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "s3_kit.h"
#include "scripted.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

enum { SOON_MS = 5000, REPLY_MAX = 64 };

#define HELLO_SHA256                                                           \
	"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define NOTHING_SHA256                                                         \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct scripted server;
static struct kit kit;
static struct http *http;
static struct bucket *bucket;
static struct errand_with with;
static struct errand errand;
static struct http_call call;
static const struct digest hello = { HELLO_SHA256 };
static int times; /* attempts that the judge allows */

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
}

static int64_t
judge(const struct http_call *c, void *arg)
{
	(void)arg;
	if (c->waited)
		return 0;
	errand_read(&errand);
	errand_rest(&errand);
	return c->attempts < times ? 0 : HTTP_ENOUGH;
}

static int
set_up(void **state)
{
	const struct http_setup setup = { .keep = true };
	struct fault f = FAULT_INIT;

	(void)state;
	kit_begin(&kit);
	kit_keys(&kit);
	times = 1;
	with = (struct errand_with){ .bucket = NULL };
	return http_open(&http, &setup, &f);
}

static int
tear_down(void **state)
{
	(void)state;
	http_close(&http);
	bucket_close(&bucket);
	kit_end(&kit);
	return 0;
}

/* Sends it to the server of the test, which has ended afterwards. */
static void
send_op(struct s3_op *op)
{
	const struct bucket_setup setup = { .name = "faces",
		.region = "eu-west-1",
		.endpoint = server.url,
		.creds = kit.creds };
	struct fault f = FAULT_INIT;

	bucket_close(&bucket);
	assert_int_equal(bucket_open(&bucket, &setup, &f), 0);
	with.bucket = bucket;
	errand_begin(&errand, &call, &with, op);
	http_run(http, &call, 1, clock_ticks_ms() + SOON_MS, judge, NULL);
	assert_int_equal(errand.fd, -1);
	assert_null(call.url);
	assert_null(errand.lines.data);
	(void)scripted_end(&server);
}

/* A PUT of "hello" from a file of that name. */
static struct s3_op
put_file(void)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "a.png");

	op.dir = kit.dir;
	op.name = "hello";
	op.size = 5;
	op.sha256 = &hello;
	op.media_type = "image/png";
	return op;
}

#define SAID(text) assert_int_equal(scripted_said(&server, text), 1)
#define NOT_SAID(text) assert_int_equal(scripted_said(&server, text), 0)

static void
a_put_says_what_the_object_is(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "a b/c+d.png");

	(void)state;
	PLAY({ .reply = DONE });
	op.bytes = VIEW("hello");
	op.sha256 = &hello;
	op.media_type = "image/png";
	op.cache_control = S3_CACHE_CONTROL;
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	SAID("PUT /faces/a%20b/c%2Bd.png HTTP/1.1\r\n");
	SAID("\r\ncontent-type: image/png\r\n");
	SAID("\r\ncache-control: " S3_CACHE_CONTROL "\r\n");
	SAID("\r\nx-amz-meta-sha256: " HELLO_SHA256 "\r\n");
	SAID("\r\nx-amz-content-sha256: " HELLO_SHA256 "\r\n");
	SAID("\r\nContent-Length: 5\r\n");
	SAID("\r\n\r\nhello");
	SAID("/eu-west-1/s3/aws4_request, "
	     "SignedHeaders=cache-control;content-type;host;"
	     "x-amz-content-sha256;x-amz-date;x-amz-meta-sha256, ");
	NOT_SAID("Expect");
	NOT_SAID("Transfer-Encoding");
	NOT_SAID("x-amz-server-side-encryption");
	NOT_SAID("hush");
	assert_string_equal(op.found_etag, "e7");
	errand_end(&errand);
}

static void
encryption_is_asked_for_with_puts_and_copies_alone(void **state)
{
	struct s3_op put = put_file();
	struct s3_op copy = S3_OP_INIT(S3_COPY, "b.png");
	struct s3_op head = S3_OP_INIT(S3_HEAD, "b.png");

	(void)state;
	with.sse = "aws:kms";
	with.sse_key = "arn:aws:kms:eu-west-1:1:key/2";
	kit_write(&kit, "hello", "hello");
	PLAY({ .reply = DONE });
	send_op(&put);
	SAID("\r\nx-amz-server-side-encryption: aws:kms\r\n");
	SAID("\r\nx-amz-server-side-encryption-aws-kms-key-id: "
	     "arn:aws:kms:eu-west-1:1:key/2\r\n");
	errand_end(&errand);
	PLAY({ .reply = COPIED });
	copy.source = "a.png";
	send_op(&copy);
	SAID("\r\nx-amz-server-side-encryption: aws:kms\r\n");
	errand_end(&errand);
	PLAY({ .reply = DONE });
	send_op(&head);
	NOT_SAID("x-amz-server-side-encryption");
	errand_end(&errand);
}

static void
a_copy_names_its_source_escaped(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_COPY, "b.png");

	(void)state;
	PLAY({ .reply = COPIED });
	op.source = "a b/\xc3\xa9+%.png";
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	SAID("PUT /faces/b.png HTTP/1.1\r\n");
	SAID("\r\nx-amz-copy-source: /faces/a%20b/%C3%A9%2B%25.png\r\n");
	SAID("\r\nx-amz-content-sha256: " NOTHING_SHA256 "\r\n");
	SAID("\r\nContent-Length: 0\r\n");
	NOT_SAID("metadata-directive");
	assert_string_equal(op.found_type, "");
	errand_end(&errand);
}

static void
a_head_finds_size_digest_and_type(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, "a.png");

	(void)state;
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: \"e7\"\r\nContent-Length: 1234567890123\r\n"
		   "X-Amz-Meta-Sha256: " HELLO_SHA256 "\r\n"
		   "Content-Type: image/png\r\n",
		   "") });
	send_op(&op);
	SAID("HEAD /faces/a.png HTTP/1.1\r\n");
	SAID("\r\nx-amz-content-sha256: " NOTHING_SHA256 "\r\n");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_int_equal(op.found_size, 1234567890123);
	assert_string_equal(op.found_sha256, HELLO_SHA256);
	assert_string_equal(op.found_type, "image/png");
	assert_string_equal(op.found_etag, "e7");
	assert_string_equal(errand.verdict.request_id, "TX1");
	errand_end(&errand);
}

static void
headers_too_long_to_be_true_are_not_kept(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, "a.png");

	(void)state;
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: e7\r\nContent-Length: 5\r\n"
		   "X-Amz-Meta-Sha256: " HELLO_SHA256 "0\r\n",
		   "") });
	send_op(&op);
	assert_string_equal(op.found_sha256, "");
	assert_string_equal(op.found_etag, "e7");
	errand_end(&errand);
}

static void
a_get_brings_the_bytes(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	PLAY({ .reply = FOUND("hello") });
	send_op(&op);
	SAID("GET /faces/a.png HTTP/1.1\r\n");
	NOT_SAID("range");
	NOT_SAID("Accept-Encoding");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(buf_str(&op.reply), "hello");
	assert_int_equal(op.found_size, 5);
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
a_range_begins_at_the_first_byte(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	op.range_end = 3;
	PLAY({ .reply = REPLY("206 Partial Content",
		   "ETag: \"e7\"\r\nContent-Length: 4\r\n"
		   "Content-Range: bytes 0-3/5\r\n",
		   "hell") });
	send_op(&op);
	SAID("\r\nrange: bytes=0-3\r\n");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_int_equal(errand.verdict.status, 206);
	assert_string_equal(buf_str(&op.reply), "hell");
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
a_get_of_more_than_the_limit_ends(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(4);
	PLAY({ .reply = FOUND("hello") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_REMOTE);
	assert_int_equal(errand.verdict.next, VERDICT_ENOUGH);
	assert_int_equal(errand.verdict.tells, STATE_UNKNOWN);
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
a_body_that_ends_early_is_no_object(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	PLAY({ .reply = FOUND("hell") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_BUSY);
	assert_int_equal(errand.verdict.next, VERDICT_AGAIN);
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
a_body_shorter_than_was_said_is_no_object(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	/* Somebody in between has put it into chunks, and lost some. */
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: e7\r\nContent-Length: 5\r\n"
		   "Transfer-Encoding: chunked\r\n",
		   "3\r\nhel\r\n0\r\n\r\n") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_BUSY);
	assert_int_equal(errand.verdict.next, VERDICT_AGAIN);
	errand_end(&errand);
	buf_fini(&op.reply);
}

struct takes {
	char text[64];
	int again;
	int refuse_at; /* the piece of that number, from 1 */
	int n;
};

static int
take(struct s3_op *op, struct view bytes, bool again)
{
	struct takes *t = op->owner;
	const size_t len = strlen(t->text);

	if (again) {
		t->again++;
		t->text[0] = '\0';
		return 0;
	}
	t->n++;
	if (t->n == t->refuse_at)
		return fault_set(&op->fault, FAULT_FULL, "no room");
	(void)snprintf(
	    t->text + len, sizeof t->text - len, "%.*s", (int)bytes.n, bytes.p);
	return 0;
}

static void
a_sink_is_told_when_it_begins_again(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");
	struct takes takes = { .n = 0 };

	(void)state;
	op.sink = take;
	op.owner = &takes;
	times = 2;
	PLAY({ .reply = FOUND("hel") }, { .reply = FOUND("hello") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(takes.text, "hello");
	assert_int_equal(takes.again, 1);
	errand_end(&errand);
}

static void
an_errors_body_never_reaches_the_sink(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");
	struct takes takes = { .n = 0 };

	(void)state;
	op.sink = take;
	op.owner = &takes;
	PLAY({ .reply = CODE("404 Not Found", "NoSuchKey") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_ABSENT);
	assert_int_equal(takes.n, 0);
	errand_end(&errand);
}

static void
a_sink_that_refuses_ends_it_with_its_own_fault(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");
	struct takes takes = { .refuse_at = 1 };

	(void)state;
	op.sink = take;
	op.owner = &takes;
	PLAY({ .reply = FOUND("hello") });
	send_op(&op);
	assert_int_equal(op.fault.kind, FAULT_FULL);
	assert_int_equal(errand.verdict.next, VERDICT_ENOUGH);
	assert_int_not_equal(errand.verdict.kind, FAULT_NONE);
	errand_end(&errand);
}

static void
a_delete_is_done_with_204(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a.png");

	(void)state;
	PLAY({ .reply = GONE });
	send_op(&op);
	SAID("DELETE /faces/a.png HTTP/1.1\r\n");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	errand_end(&errand);
}

static void
a_file_is_sent_as_it_is(void **state)
{
	struct s3_op op = put_file();

	(void)state;
	kit_write(&kit, "hello", "hello");
	PLAY({ .reply = DONE });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	SAID("\r\nContent-Length: 5\r\n");
	SAID("\r\n\r\nhello");
	errand_end(&errand);
}

static void
a_file_is_sent_whole_again(void **state)
{
	struct s3_op op = put_file();

	(void)state;
	kit_write(&kit, "hello", "hello");
	times = 2;
	PLAY({ .reset = true }, { .reply = DONE });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_int_equal(scripted_said(&server, "\r\n\r\nhello"), 2);
	errand_end(&errand);
}

/* The op of a file that cannot be sent: nothing is. */
static void
assert_not_sent(struct s3_op op, enum fault_kind kind)
{
	PLAY({ .reply = DONE });
	send_op(&op);
	assert_int_equal(server.connections, 0);
	assert_int_equal(call.fault.kind, kind);
	assert_string_equal(call.fault.field, "file");
	assert_false(errand.is_read);
	errand_end(&errand);
}

static void
a_file_that_is_gone_or_another_is_told(void **state)
{
	struct s3_op op = put_file();

	(void)state;
	assert_not_sent(op, FAULT_ABSENT);
	kit_write(&kit, "hello", "hell");
	assert_not_sent(op, FAULT_CONFLICT);
	kit_write(&kit, "hello", "hello!");
	assert_not_sent(op, FAULT_CONFLICT);
	assert_int_equal(symlinkat("hello", kit.dir, "link"), 0);
	op.name = "link";
	op.size = 6;
	assert_not_sent(op, FAULT_ABSENT);
	assert_int_equal(mkdirat(kit.dir, "folder", 0700), 0);
	op.name = "folder";
	assert_not_sent(op, FAULT_ABSENT);
	assert_int_equal(mkfifoat(kit.dir, "pipe", 0600), 0);
	op.name = "pipe";
	assert_not_sent(op, FAULT_ABSENT);
}

static void
a_signature_is_of_its_own_attempt(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a.png");
	char stamp[2][64];
	const char *at;
	int i;

	(void)state;
	times = 2;
	/* The second is signed in a later second than the first. */
	PLAY({ .reply = CODE("500 E", "InternalError"), .delay_ms = 1100 },
	    { .reply = GONE });
	send_op(&op);
	for (i = 0; i < 2; i++) {
		at = strstr(server.request[i], "x-amz-date: ");
		assert_non_null(at);
		(void)snprintf(stamp[i], sizeof stamp[i], "%.28s", at);
	}
	assert_string_not_equal(stamp[0], stamp[1]);
	errand_end(&errand);
}

static void
a_session_sends_its_token(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, "a.png");

	(void)state;
	creds_close(&kit.creds);
	kit_session(&kit, "ASIAONE", 1800);
	PLAY({ .reply = DONE });
	send_op(&op);
	SAID("\r\nx-amz-security-token: token/of+ASIAONE=\r\n");
	SAID(";x-amz-security-token, Signature=");
	assert_true(errand.stamp.is_temporary);
	errand_end(&errand);
}

static void
a_control_byte_in_a_header_is_refused(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "a.png");

	(void)state;
	PLAY({ .reply = DONE });
	op.sha256 = &hello;
	op.media_type = "image/png\r\nx-evil: 1";
	send_op(&op);
	assert_int_equal(server.connections, 0);
	assert_int_equal(call.fault.kind, FAULT_INPUT);
	errand_end(&errand);
}

static void
a_listing_asks_the_bucket_itself(void **state)
{
	const struct sigv4_field query[] = { { VIEW("prefix"), VIEW("a b/") },
		{ VIEW("list-type"), VIEW("2") } };
	const struct bucket_setup setup = { .name = "faces",
		.region = "eu-west-1",
		.endpoint = server.url,
		.creds = kit.creds };
	struct s3_op op = S3_OP_INIT(S3_GET, "");
	struct fault f = FAULT_INIT;

	(void)state;
	PLAY({ .reply = REPLY("200 OK", "Content-Length: 3\r\n", "<a>") });
	assert_int_equal(bucket_open(&bucket, &setup, &f), 0);
	with.bucket = bucket;
	op.reply = BUF_INIT(REPLY_MAX);
	errand_begin(&errand, &call, &with, &op);
	errand_list(&errand, query, 2);
	http_run(http, &call, 1, clock_ticks_ms() + SOON_MS, judge, NULL);
	(void)scripted_end(&server);
	SAID("GET /faces?list-type=2&prefix=a%20b%2F HTTP/1.1\r\n");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(buf_str(&op.reply), "<a>");
	errand_end(&errand);
	buf_fini(&op.reply);
}

/* --- times, ranges, conditions --- */

static void
a_put_says_no_more_than_it_was_told(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "a.mp4");

	(void)state;
	PLAY({ .reply = DONE });
	op.bytes = VIEW("hello");
	op.sha256 = &hello;
	op.media_type = "video/mp4";
	send_op(&op);
	NOT_SAID("cache-control");
	NOT_SAID("x-amz-meta-mtime");
	errand_end(&errand);
}

static void
a_files_time_goes_and_comes_with_it(void **state)
{
	struct s3_op put = put_file();
	struct s3_op head = S3_OP_INIT(S3_HEAD, "a.png");

	(void)state;
	kit_write(&kit, "hello", "hello");
	put.mtime_ns = 1577836800000000007;
	PLAY({ .reply = DONE });
	send_op(&put);
	SAID("\r\nx-amz-meta-mtime: 1577836800.000000007\r\n");
	SAID(";x-amz-meta-mtime;x-amz-meta-sha256, ");
	errand_end(&errand);
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: \"e7\"\r\nContent-Length: 5\r\n"
		   "X-Amz-Meta-Mtime: 1577836800.5\r\n",
		   "") });
	send_op(&head);
	assert_int_equal(head.found_mtime_ns, 1577836800500000000);
	errand_end(&errand);
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: \"e7\"\r\nContent-Length: 5\r\n"
		   "X-Amz-Meta-Mtime: noon\r\n",
		   "") });
	send_op(&head);
	assert_int_equal(head.found_mtime_ns, 0);
	errand_end(&errand);
}

#define FROM(range, body)                                                      \
	REPLY("206 Partial Content",                                           \
	    "ETag: \"e7\"\r\nContent-Length: 2\r\n"                            \
	    "Content-Range: bytes " range "\r\n",                              \
	    body)

static void
a_get_goes_on_from_a_byte_of_the_same_object(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	op.range_begin = 3;
	op.if_match = "e7";
	PLAY({ .reply = FROM("3-4/5", "lo") });
	send_op(&op);
	SAID("\r\nrange: bytes=3-\r\n");
	SAID("\r\nif-match: \"e7\"\r\n");
	SAID("SignedHeaders=host;if-match;range;");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(buf_str(&op.reply), "lo");
	errand_end(&errand);
	op.range_end = 4;
	PLAY({ .reply = CODE("412 P", "PreconditionFailed") });
	send_op(&op);
	SAID("\r\nrange: bytes=3-4\r\n");
	assert_int_equal(errand.verdict.kind, FAULT_CONFLICT);
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
bytes_from_elsewhere_never_reach_the_sink(void **state)
{
	static const char *const replies[] = { FOUND("hello"),
		FROM("0-1/5", "he"), FROM("30-31/50", "xx") };
	struct s3_op op = S3_OP_INIT(S3_GET, "a.png");
	struct takes takes = { .n = 0 };
	size_t i;

	(void)state;
	op.sink = take;
	op.owner = &takes;
	op.range_begin = 3;
	for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		PLAY({ .reply = replies[i] });
		send_op(&op);
		assert_int_equal(errand.verdict.kind, FAULT_REMOTE);
		assert_int_equal(errand.verdict.next, VERDICT_ENOUGH);
		assert_int_equal(takes.n, 0);
		errand_end(&errand);
	}
}

/* --- of an upload in parts --- */

#define ID "2~a/b+c"
#define ASKED_ID "uploadId=2~a%2Fb%2Bc HTTP/1.1\r\n"
#define DOCUMENT(text) REPLY("200 OK", "", text)
#define COMPLETED                                                              \
	"<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag>"          \
	"</CompleteMultipartUploadResult>"

static struct s3_op
about_upload(enum s3_verb verb)
{
	struct s3_op op = S3_OP_INIT(verb, "a b.mp4");

	op.upload_id = ID;
	op.reply = BUF_INIT(512);
	return op;
}

static void
an_upload_is_begun_with_what_the_object_is(void **state)
{
	struct s3_op op = about_upload(S3_CREATE);

	(void)state;
	with.sse = "AES256";
	op.sha256 = &hello;
	op.media_type = "video/mp4";
	op.mtime_ns = 1500000000;
	PLAY({ .reply = DOCUMENT("<a/>") });
	send_op(&op);
	SAID("POST /faces/a%20b.mp4?uploads= HTTP/1.1\r\n");
	SAID("\r\ncontent-type: video/mp4\r\n");
	SAID("\r\nx-amz-meta-sha256: " HELLO_SHA256 "\r\n");
	SAID("\r\nx-amz-meta-mtime: 1.500000000\r\n");
	SAID("\r\nx-amz-server-side-encryption: AES256\r\n");
	SAID("\r\nx-amz-content-sha256: " NOTHING_SHA256 "\r\n");
	SAID("\r\nContent-Length: 0\r\n");
	NOT_SAID("x-www-form-urlencoded");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(buf_str(&op.reply), "<a/>");
	errand_end(&errand);
	buf_fini(&op.reply);
}

/* The part "ell" of "hello". */
static struct s3_op
put_part(void)
{
	static struct digest digest;
	struct s3_op op = about_upload(S3_PART);
	struct fault f = FAULT_INIT;

	assert_int_equal(digest_sha256(&digest, VIEW("ell"), &f), 0);
	op.part = 7;
	op.dir = kit.dir;
	op.name = "hello";
	op.offset = 1;
	op.size = 3;
	op.sha256 = &digest;
	return op;
}

static void
a_part_is_sent_from_the_middle_of_a_file(void **state)
{
	struct s3_op op = put_part();
	char signed_digest[128];

	(void)state;
	with.sse = "AES256";
	kit_write(&kit, "hello", "hello");
	times = 2;
	PLAY({ .reset = true }, { .reply = DONE });
	send_op(&op);
	assert_int_equal(scripted_said(&server,
			     "PUT /faces/a%20b.mp4?partNumber=7&" ASKED_ID),
	    2);
	assert_int_equal(scripted_said(&server, "\r\n\r\nell"), 2);
	assert_int_equal(server.body_size[0], 3);
	assert_int_equal(server.body_size[1], 3);
	(void)snprintf(signed_digest, sizeof signed_digest,
	    "\r\nx-amz-content-sha256: %s\r\n", op.sha256->hex);
	assert_int_equal(scripted_said(&server, signed_digest), 2);
	NOT_SAID("x-amz-server-side-encryption");
	NOT_SAID("x-amz-meta");
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(op.found_etag, "e7");
	errand_end(&errand);
}

static void
a_part_beyond_the_files_end_is_told(void **state)
{
	struct s3_op op = put_part();

	(void)state;
	kit_write(&kit, "hello", "hel");
	PLAY({ .reply = DONE });
	send_op(&op);
	assert_int_equal(call.fault.kind, FAULT_CONFLICT);
	assert_string_equal(call.fault.field, "file");
	assert_int_equal(errand.verdict.kind, FAULT_CONFLICT);
	errand_end(&errand);
	op.name = "nowhere";
	assert_not_sent(op, FAULT_ABSENT);
}

static void
parts_are_listed_from_the_last_one_seen(void **state)
{
	struct s3_op op = about_upload(S3_PARTS);

	(void)state;
	PLAY({ .reply = DOCUMENT("<a/>") });
	send_op(&op);
	SAID("GET /faces/a%20b.mp4?" ASKED_ID);
	assert_string_equal(buf_str(&op.reply), "<a/>");
	errand_end(&errand);
	op.part = 1000;
	PLAY({ .reply = DOCUMENT("<b/>") });
	send_op(&op);
	SAID("GET /faces/a%20b.mp4?part-number-marker=1000&" ASKED_ID);
	assert_string_equal(buf_str(&op.reply), "<b/>");
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
an_upload_is_complete_when_the_document_says_so(void **state)
{
	struct s3_op op = about_upload(S3_COMPLETE);

	(void)state;
	op.bytes = VIEW("hello");
	op.sha256 = &hello;
	times = 3;
	PLAY({ .reply = DOCUMENT(" \n <Error><Code>InternalError</Code>"
				 "</Error>") },
	    { .reply = DOCUMENT("   ") },
	    { .reply = DOCUMENT(" \n " COMPLETED) });
	send_op(&op);
	assert_int_equal(
	    scripted_said(&server, "POST /faces/a%20b.mp4?" ASKED_ID), 3);
	assert_int_equal(
	    scripted_said(&server, "\r\ncontent-type: application/xml\r\n"), 3);
	assert_int_equal(scripted_said(&server, "\r\n\r\nhello"), 3);
	assert_int_equal(scripted_said(&server,
			     "\r\nx-amz-content-sha256: " HELLO_SHA256 "\r\n"),
	    3);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	assert_string_equal(buf_str(&op.reply), " \n " COMPLETED);
	errand_end(&errand);
	times = 1;
	PLAY({ .reply = CODE("200 OK", "InternalError") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_BUSY);
	assert_string_equal(errand.verdict.code, "InternalError");
	errand_end(&errand);
	PLAY({ .reply = CODE("404 N", "NoSuchUpload") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_ABSENT);
	assert_string_equal(errand.verdict.code, "NoSuchUpload");
	errand_end(&errand);
	buf_fini(&op.reply);
}

static void
an_upload_that_is_gone_is_aborted(void **state)
{
	struct s3_op op = about_upload(S3_ABORT);

	(void)state;
	PLAY({ .reply = GONE });
	send_op(&op);
	SAID("DELETE /faces/a%20b.mp4?" ASKED_ID);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	errand_end(&errand);
	PLAY({ .reply = CODE("404 N", "NoSuchUpload") });
	send_op(&op);
	assert_int_equal(errand.verdict.kind, FAULT_NONE);
	errand_end(&errand);
}

static void
a_servers_wait_is_read(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a.png");

	(void)state;
	PLAY({ .reply = ERROR("503 E", "Retry-After: 2\r\n", "") });
	send_op(&op);
	assert_int_equal(errand_asked_wait_ms(&errand), 2000);
	errand_end(&errand);
	PLAY({ .reply = ERROR("503 E", "x-amz-retry-after: 1500\r\n", "") });
	send_op(&op);
	assert_int_equal(errand_asked_wait_ms(&errand), 1500);
	errand_end(&errand);
	PLAY({ .reply = ERROR("503 E", "x-amz-retry-after: -7\r\n", "") });
	send_op(&op);
	assert_int_equal(errand_asked_wait_ms(&errand), -1);
	errand_end(&errand);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_put_says_what_the_object_is),
		TEST(encryption_is_asked_for_with_puts_and_copies_alone),
		TEST(a_copy_names_its_source_escaped),
		TEST(a_head_finds_size_digest_and_type),
		TEST(headers_too_long_to_be_true_are_not_kept),
		TEST(a_get_brings_the_bytes),
		TEST(a_range_begins_at_the_first_byte),
		TEST(a_get_of_more_than_the_limit_ends),
		TEST(a_body_that_ends_early_is_no_object),
		TEST(a_body_shorter_than_was_said_is_no_object),
		TEST(a_sink_is_told_when_it_begins_again),
		TEST(an_errors_body_never_reaches_the_sink),
		TEST(a_sink_that_refuses_ends_it_with_its_own_fault),
		TEST(a_delete_is_done_with_204),
		TEST(a_file_is_sent_as_it_is),
		TEST(a_file_is_sent_whole_again),
		TEST(a_file_that_is_gone_or_another_is_told),
		TEST(a_signature_is_of_its_own_attempt),
		TEST(a_session_sends_its_token),
		TEST(a_control_byte_in_a_header_is_refused),
		TEST(a_listing_asks_the_bucket_itself),
		TEST(a_put_says_no_more_than_it_was_told),
		TEST(a_files_time_goes_and_comes_with_it),
		TEST(a_get_goes_on_from_a_byte_of_the_same_object),
		TEST(bytes_from_elsewhere_never_reach_the_sink),
		TEST(an_upload_is_begun_with_what_the_object_is),
		TEST(a_part_is_sent_from_the_middle_of_a_file),
		TEST(a_part_beyond_the_files_end_is_told),
		TEST(parts_are_listed_from_the_last_one_seen),
		TEST(an_upload_is_complete_when_the_document_says_so),
		TEST(an_upload_that_is_gone_is_aborted),
		TEST(a_servers_wait_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
