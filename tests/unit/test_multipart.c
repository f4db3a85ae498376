#include "aws/multipart.h"

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

#define DOCUMENT(text) REPLY("200 OK", "", text)
#define BEGUN(id)                                                              \
	DOCUMENT("<InitiateMultipartUploadResult><UploadId>" id "</UploadId>"  \
		 "</InitiateMultipartUploadResult>")
#define TAKEN(etag)                                                            \
	REPLY("200 OK", "ETag: \"" etag "\"\r\nContent-Length: 0\r\n", "")
#define COMPLETED                                                              \
	DOCUMENT(" \n <CompleteMultipartUploadResult>"                         \
		 "<ETag>&quot;whole-3&quot;</ETag>"                            \
		 "</CompleteMultipartUploadResult>")
#define LISTED(inside) DOCUMENT("<ListPartsResult>" inside "</ListPartsResult>")
#define PART(number, size, etag)                                               \
	"<Part><PartNumber>" number "</PartNumber><ETag>&quot;" etag           \
	"&quot;</ETag><Size>" size "</Size></Part>"
#define PAGE_TO(marker)                                                        \
	"<IsTruncated>true</IsTruncated><NextPartNumberMarker>" marker         \
	"</NextPartNumberMarker>"
#define NO_UPLOAD CODE("404 N", "NoSuchUpload")
#define FIRST "16777216"

enum {
	SOON_MS = 20000,
	LAST = 5, /* bytes of the last part */
	PARTS = 3,
	MTIME_S = 1577836800
};

static struct scripted server;
static struct kit kit;
static struct s3 *s3;
static struct fault fault;
static struct s3_setup setup;
static struct digest whole, digests[PARTS];
static struct multipart_file file;
static char etag[S3_ETAG_MAX];

/* What the keeper heard. */
static char begun[PARTS][64];
static int begins;
static int refuse_at; /* a begin, from 1; 0: none */
static int64_t arrived;
static int parts_heard;

static int
on_begun(void *arg, const char *upload_id, struct fault *f)
{
	(void)arg;
	(void)snprintf(begun[begins % PARTS], sizeof begun[0], "%s", upload_id);
	return ++begins == refuse_at
		   ? fault_set(f, FAULT_DISK, "cannot keep the id")
		   : 0;
}

static void
on_arrived(void *arg, int64_t bytes)
{
	(void)arg;
	arrived += bytes;
	parts_heard += bytes > 0;
}

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
	setup.endpoint = server.url;
	setup.creds = kit.creds;
	s3_close(&s3);
	if (s3_open(&s3, &setup, &fault) == -1)
		fail_msg("%s", fault.text);
}

static size_t
size_of_part(int i)
{
	return i + 1 < PARTS ? MULTIPART_PART : LAST;
}

/* What the server makes of a part of one letter. */
static uint64_t
sum_of_part(int i)
{
	const char letter = (char)('a' + i);
	uint64_t sum = SCRIPTED_SUM_OF_NOTHING;
	size_t n;

	for (n = 0; n < size_of_part(i); n++)
		sum = scripted_sum(sum, &letter, 1);
	return sum;
}

/* A file of two whole parts, each of one letter, and LAST bytes more. */
static void
write_file(void)
{
	static char part[MULTIPART_PART];
	const struct timespec times[2] = { { .tv_sec = MTIME_S, .tv_nsec = 7 },
		{ .tv_sec = MTIME_S, .tv_nsec = 7 } };
	const int fd =
	    openat(kit.dir, "film", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct digest_run *run = NULL;
	size_t n;
	int i;

	MUST(fd != -1 && digest_begin(&run, &fault) == 0);
	for (i = 0; i < PARTS; i++) {
		n = size_of_part(i);
		memset(part, 'a' + i, n);
		MUST(write(fd, part, n) == (ssize_t)n);
		MUST(digest_sha256(
			 &digests[i], (struct view){ part, n }, &fault) == 0);
		MUST(digest_add(run, (struct view){ part, n }, &fault) == 0);
	}
	MUST(digest_end(&run, &whole, &fault) == 0);
	MUST(futimens(fd, times) == 0);
	(void)close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	kit_keys(&kit);
	fault = FAULT_INIT;
	setup = (struct s3_setup){
		.bucket = "faces", .region = "eu-west-1", .attempts = 2
	};
	write_file();
	file = (struct multipart_file){ .key = "videos/j/a b.mp4",
		.dir = kit.dir,
		.name = "film",
		.size = 2 * (int64_t)MULTIPART_PART + LAST,
		.mtime_ns = MTIME_S * INT64_C(1000000000) + 7,
		.sha256 = &whole,
		.parts = digests,
		.parts_n = PARTS,
		.media_type = "video/mp4",
		.is_forced = true }; /* what is there is no matter */
	begins = refuse_at = parts_heard = 0;
	arrived = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	s3_close(&s3);
	kit_end(&kit);
	return 0;
}

/* Uploads it; the server has ended afterwards. */
static int
put(const char *upload_id)
{
	const struct multipart_keeper keeper = { .begun = on_begun,
		.arrived = on_arrived };
	int rc;

	fault = FAULT_INIT;
	rc = multipart_put(s3, &file, upload_id, &keeper,
	    clock_ticks_ms() + SOON_MS, etag, &fault);
	(void)scripted_end(&server);
	return rc;
}

static void
must_put(const char *upload_id)
{
	if (put(upload_id) == -1)
		fail_msg("%s", fault.text);
	assert_string_equal(etag, "whole-3");
	assert_int_equal(arrived, file.size);
}

static void
assert_fails(const char *upload_id, enum fault_kind kind, const char *field)
{
	assert_int_equal(put(upload_id), -1);
	if (fault.kind != kind)
		fail_msg("%s", fault.text);
	if (field == NULL)
		assert_null(fault.field);
	else
		assert_string_equal(fault.field, field);
}

#define SAID(text) assert_int_equal(scripted_said(&server, text), 1)
#define NOT_SAID(text) assert_int_equal(scripted_said(&server, text), 0)
#define PUT_OF(part, id)                                                       \
	"PUT /faces/videos/j/a%20b.mp4?partNumber=" part "&uploadId=" id " HT" \
	"TP"
#define ABORT_OF(id) "DELETE /faces/videos/j/a%20b.mp4?uploadId=" id " HTTP"
#define BEGIN "POST /faces/videos/j/a%20b.mp4?uploads= HTTP"
#define LIST_OF(id) "GET /faces/videos/j/a%20b.mp4?uploadId=" id " HTTP"
#define HEAD "HEAD /faces/videos/j/a%20b.mp4 HTTP"

/* The request that sent a part, or -1. */
static int
request_of_part(int number)
{
	char text[64];
	int i;

	(void)snprintf(text, sizeof text, "?partNumber=%d&", number);
	for (i = 0; i < server.requests && i < SCRIPTED_MAX; i++)
		if (strstr(server.request[i], text) != NULL)
			return i;
	return -1;
}

/* The list says of each part the ETag that the reply to it gave. */
static void
assert_list_in_order(const struct act *acts)
{
	char want[1024] = "\r\n\r\n<CompleteMultipartUpload "
			  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
	const char *tag;
	int n;

	for (n = 1; n <= PARTS; n++) {
		assert_int_not_equal(request_of_part(n), -1);
		tag = strstr(acts[request_of_part(n)].reply, "ETag: ") + 6;
		(void)snprintf(want + strlen(want), sizeof want - strlen(want),
		    "<Part><PartNumber>%d</PartNumber><ETag>%.*s</ETag></Part>",
		    n, (int)strcspn(tag, "\r"), tag);
	}
	(void)snprintf(want + strlen(want), sizeof want - strlen(want),
	    "</CompleteMultipartUpload>");
	SAID(want);
}

static void
part_sizes_are_the_least_that_the_count_allows(void **state)
{
	const int64_t limit = (int64_t)MULTIPART_PART * MULTIPART_PARTS_MAX;

	(void)state;
	assert_int_equal(multipart_part_size(0), MULTIPART_PART);
	assert_int_equal(multipart_part_size(1), MULTIPART_PART);
	assert_int_equal(multipart_part_size(limit), MULTIPART_PART);
	assert_int_equal(multipart_part_size(limit + 1), MULTIPART_PART + 1);
	assert_int_equal(multipart_part_size(INT64_MAX),
	    INT64_MAX / MULTIPART_PARTS_MAX + 1);
	assert_int_equal(multipart_parts(0), 1);
	assert_int_equal(multipart_parts(1), 1);
	assert_int_equal(multipart_parts(MULTIPART_PART), 1);
	assert_int_equal(multipart_parts(MULTIPART_PART + 1), 2);
	assert_int_equal(multipart_parts(64 << 20), 4);
	assert_int_equal(multipart_parts((64 << 20) + 1), 5);
	assert_int_equal(multipart_parts(limit), MULTIPART_PARTS_MAX);
	assert_true(multipart_parts(limit + 1) <= MULTIPART_PARTS_MAX);
	assert_true(multipart_parts(INT64_MAX) <= MULTIPART_PARTS_MAX);
}

static void
a_file_goes_in_parts_that_are_listed_in_order(void **state)
{
	static const struct act acts[] = { { .reply = BEGUN("u/1+") },
		{ .reply = TAKEN("x"), .hold = true },
		{ .reply = TAKEN("y"), .hold = true }, { .reply = TAKEN("z") },
		{ .reply = COMPLETED } };
	char text[256];
	int i, at;

	(void)state;
	play(acts, 5);
	must_put("");
	assert_int_equal(server.requests, 5);
	assert_non_null(strstr(server.request[0], BEGIN));
	SAID("\r\nx-amz-meta-mtime: 1577836800.000000007\r\n");
	SAID("\r\ncontent-type: video/mp4\r\n");
	NOT_SAID("cache-control");
	(void)snprintf(
	    text, sizeof text, "\r\nx-amz-meta-sha256: %s\r\n", whole.hex);
	SAID(text);
	for (i = 0; i < PARTS; i++) {
		at = request_of_part(i + 1);
		(void)snprintf(text, sizeof text,
		    "\r\nx-amz-content-sha256: %s\r\n", digests[i].hex);
		assert_non_null(strstr(server.request[at], text));
		assert_int_equal(server.body_size[at], size_of_part(i));
		assert_true(server.body_sum[at] == sum_of_part(i));
	}
	SAID(PUT_OF("1", "u%2F1%2B"));
	SAID("POST /faces/videos/j/a%20b.mp4?uploadId=u%2F1%2B HTTP");
	assert_list_in_order(acts);
	assert_int_equal(begins, 1);
	assert_string_equal(begun[0], "u/1+");
	assert_int_equal(parts_heard, PARTS);
}

static void
an_upload_goes_on_with_the_parts_that_are_missing(void **state)
{
	(void)state;
	PLAY({ .reply = LISTED(PART("1", FIRST, "e1") PAGE_TO("1")) },
	    { .reply = LISTED(PART("2", "77", "other size") PART("3", "5", "e3")
		      PART("4", FIRST, "too many") PART("10001", "1", "x")) },
	    { .reply = TAKEN("e2") }, { .reply = COMPLETED });
	must_put("old");
	assert_int_equal(server.requests, 4);
	assert_int_equal(begins, 0);
	SAID(LIST_OF("old"));
	SAID("?part-number-marker=1&uploadId=old HTTP");
	SAID(PUT_OF("2", "old"));
	SAID("<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
	     "<Part><PartNumber>2</PartNumber><ETag>\"e2\"</ETag></Part>"
	     "<Part><PartNumber>3</PartNumber><ETag>\"e3\"</ETag></Part>"
	     "</CompleteMultipartUpload>");
}

static void
a_part_beyond_the_last_has_no_place(void **state)
{
	(void)state;
	file.name = "empty";
	file.size = 0; /* the part after the last would have no bytes, too */
	file.mtime_ns = 0;
	file.parts_n = 1;
	kit_write(&kit, "empty", "");
	PLAY({ .reply = LISTED(PART("1", "0", "e1") PART("2", "0", "e2")) },
	    { .reply = COMPLETED });
	must_put("old");
	SAID("<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
	     "</CompleteMultipartUpload>");
	assert_int_equal(server.requests, 2);
}

static void
an_upload_that_is_gone_is_begun_anew(void **state)
{
	static const char *const gone[] = { NO_UPLOAD,
		CODE("404 N", "NoSuchKey") }; /* as Ceph says it */
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		arrived = begins = 0;
		PLAY({ .reply = gone[i] }, { .reply = REPLY("404 N", "", "") },
		    { .reply = BEGUN("new") }, { .reply = TAKEN("e") },
		    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
		    { .reply = COMPLETED });
		must_put("old");
		assert_int_equal(begins, 1);
		assert_string_equal(begun[0], "new");
		assert_int_equal(scripted_said(&server, "uploadId=new"), 4);
	}
}

#define THERE(size, sha256, mtime)                                             \
	REPLY("200 OK",                                                        \
	    "ETag: \"whole-3\"\r\nContent-Length: " size                       \
	    "\r\nx-amz-meta-sha256: " sha256 "\r\nx-amz-meta-mtime: " mtime    \
	    "\r\n",                                                            \
	    "")

static void
an_upload_that_was_completed_unheard_is_done(void **state)
{
	static char there[512];

	(void)state;
	(void)snprintf(there, sizeof there,
	    THERE("33554437", "%s", "1577836800.000000007"), whole.hex);
	PLAY({ .reply = NO_UPLOAD }, { .reply = there });
	must_put("old");
	assert_int_equal(server.requests, 2);
	SAID(HEAD);
	assert_int_equal(begins, 0);
	arrived = 0;
	PLAY({ .reply = BEGUN("u") }, { .reply = TAKEN("e") },
	    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
	    { .reply = NO_UPLOAD }, { .reply = there });
	must_put("");
	assert_int_equal(begins, 1);
	assert_int_equal(server.requests, 6);
}

/* --- what is under the key already --- */

#define WHOLE                                                                  \
	LISTED(PART("1", FIRST, "e1") PART("2", FIRST, "e2")                   \
		PART("3", "5", "e3"))
#define ANOTHER REPLY("200 OK", "ETag: \"e7\"\r\nContent-Length: 5\r\n", "")

/* It goes on with an upload whose parts are all there. */
static int
complete_over(const char *replaces)
{
	file.is_forced = false;
	file.replaces = replaces;
	return put("old");
}

static void
a_completion_comes_right_after_a_look_at_the_key(void **state)
{
	(void)state;
	PLAY({ .reply = WHOLE }, { .reply = NOTHING }, { .reply = COMPLETED });
	assert_int_equal(complete_over(NULL), 0);
	assert_int_equal(server.requests, 3);
	assert_non_null(strstr(server.request[1], HEAD));
	assert_non_null(strstr(server.request[2], "if-none-match: *"));
	PLAY({ .reply = WHOLE }, { .reply = ANOTHER }, { .reply = COMPLETED });
	assert_int_equal(complete_over("e7"), 0);
	assert_non_null(strstr(server.request[2], "if-match: e7\r\n"));
}

static void
another_version_under_the_key_is_not_replaced(void **state)
{
	(void)state;
	PLAY({ .reply = WHOLE }, { .reply = ANOTHER });
	assert_int_equal(complete_over(NULL), -1);
	assert_int_equal(fault.kind, FAULT_CONFLICT);
	assert_string_equal(fault.field, "version");
	PLAY({ .reply = WHOLE }, { .reply = ANOTHER });
	assert_int_equal(complete_over("e6"), -1);
	assert_int_equal(fault.kind, FAULT_CONFLICT);
	assert_int_equal(server.requests, 2); /* nor is it aborted */
}

static void
a_server_without_conditions_is_looked_at_again(void **state)
{
	(void)state;
	PLAY({ .reply = WHOLE }, { .reply = NOTHING },
	    { .reply = CODE("501 N", "NotImplemented") }, { .reply = NOTHING },
	    { .reply = COMPLETED });
	assert_int_equal(complete_over(NULL), 0);
	assert_int_equal(server.requests, 5);
	assert_null(strstr(server.request[4], "if-none-match"));
}

static void
a_completion_whose_reply_is_lost_is_found(void **state)
{
	static char there[512];

	(void)state;
	(void)snprintf(there, sizeof there,
	    THERE("33554437", "%s", "1577836800.000000007"), whole.hex);
	PLAY({ .reply = WHOLE }, { .reply = NOTHING }, { .reset = true },
	    { .reply = there }, { .reply = NO_UPLOAD });
	assert_int_equal(complete_over(NULL), 0);
	assert_string_equal(etag, "whole-3");
	assert_int_equal(server.requests, 5);
}

static void
another_object_under_the_key_is_not_taken_for_ours(void **state)
{
	static char there[512];

	(void)state;
	(void)snprintf(there, sizeof there,
	    THERE("33554437", "%s", "1577836800.000000008"), whole.hex);
	PLAY({ .reply = NO_UPLOAD }, { .reply = there },
	    { .reply = CODE("403 F", "AccessDenied") });
	assert_fails("old", FAULT_DENIED, NULL);
	assert_non_null(strstr(server.request[2], BEGIN));
}

static void
an_answer_without_an_etag_is_asked_after(void **state)
{
	static char there[512];

	(void)state;
	(void)snprintf(there, sizeof there,
	    THERE("33554437", "%s", "1577836800.000000007"), whole.hex);
	PLAY({ .reply = BEGUN("u") }, { .reply = TAKEN("e") },
	    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
	    { .reply = DOCUMENT("<CompleteMultipartUploadResult><ETag></ETag>"
				"</CompleteMultipartUploadResult>") },
	    { .reply = there });
	must_put("");
	SAID(HEAD);
}

static void
what_was_lost_with_an_upload_is_taken_back(void **state)
{
	(void)state;
	PLAY({ .reply = LISTED(PART("1", FIRST, "e1") PART("2", FIRST, "e2")) },
	    { .reply = NO_UPLOAD }, { .reply = REPLY("404 N", "", "") },
	    { .reply = BEGUN("new") }, { .reply = TAKEN("e") },
	    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
	    { .reply = COMPLETED });
	must_put("old");
	assert_int_equal(parts_heard, 5);
}

static void
uploads_that_get_lost_again_and_again_end_it(void **state)
{
	(void)state;
	file.size = LAST;
	file.parts_n = 1;
	file.parts = &digests[2];
	file.mtime_ns = 0;
	kit_write(&kit, "short", "ccccc");
	file.name = "short";
	PLAY({ .reply = NO_UPLOAD }, { .reply = REPLY("404 N", "", "") },
	    { .reply = BEGUN("new") }, { .reply = NO_UPLOAD },
	    { .reply = REPLY("404 N", "", "") }, { .reply = BEGUN("newer") });
	assert_fails("old", FAULT_REMOTE, NULL);
	assert_int_equal(server.requests, 5);
	assert_int_equal(begins, 1);
	assert_int_equal(arrived, 0);
}

static void
a_part_is_sent_again_like_every_request(void **state)
{
	(void)state;
	PLAY({ .reply = BEGUN("u") },
	    { .reply = CODE("500 E", "InternalError") },
	    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
	    { .reply = TAKEN("e") },
	    { .reply = CODE("200 OK", "InternalError") },
	    { .reply = COMPLETED });
	must_put("");
	assert_int_equal(server.requests, 7);
	assert_int_equal(parts_heard, PARTS);
}

static void
a_failure_of_s3_leaves_the_upload(void **state)
{
	(void)state;
	setup.attempts = 1;
	PLAY({ .reply = BEGUN("u") }, { .reply = TAKEN("e") },
	    { .reply = CODE("503 E", "SlowDown") }, { .reply = TAKEN("e") },
	    { .reply = GONE });
	assert_fails("", FAULT_THROTTLED, NULL);
	NOT_SAID("DELETE");
	NOT_SAID("<CompleteMultipartUpload");
	assert_true(arrived > 0 && arrived < file.size);
	assert_int_equal(parts_heard, 2);
}

static void
being_told_to_stop_leaves_the_upload(void **state)
{
	int stop[2];

	(void)state;
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	setup.stop_fd = stop[0];
	PLAY({ .reply = GONE });
	assert_int_equal(write(stop[1], "x", 1), 1);
	assert_fails("old", FAULT_BUSY, NULL);
	assert_int_equal(server.requests, 0);
	(void)close(stop[0]);
	(void)close(stop[1]);
}

static void
bytes_that_s3_refuses_end_the_upload(void **state)
{
	(void)state;
	setup.attempts = 1;
	PLAY({ .reply = BEGUN("u") },
	    { .reply = CODE("503 E", "SlowDown"), .hold = true },
	    { .reply = CODE("400 B", "XAmzContentSHA256Mismatch"),
		.hold = true },
	    { .reply = TAKEN("e") }, { .reply = GONE });
	assert_fails("", FAULT_CONFLICT, "file");
	SAID(ABORT_OF("u"));
}

static void
a_file_that_is_not_what_was_said_ends_the_upload(void **state)
{
	(void)state;
	file.mtime_ns++;
	PLAY({ .reply = GONE });
	assert_fails("old", FAULT_CONFLICT, "file");
	SAID(ABORT_OF("old"));
	assert_int_equal(server.requests, 1);
	PLAY({ .reply = GONE });
	assert_fails("", FAULT_CONFLICT, "file");
	assert_int_equal(server.requests, 0);
	file.mtime_ns = 0;
	file.size--;
	PLAY({ .reply = GONE });
	assert_fails("old", FAULT_CONFLICT, "file");
	file.name = "nowhere";
	PLAY({ .reply = GONE });
	assert_fails("old", FAULT_ABSENT, "file");
	SAID(ABORT_OF("old"));
	assert_int_equal(symlinkat("film", kit.dir, "link"), 0);
	file.name = "link";
	PLAY({ .reply = GONE });
	assert_fails("", FAULT_CONFLICT, "file");
}

/* Changes the file while its parts are on their way. */
static void
touch(void *arg, int64_t bytes)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = MTIME_S, .tv_nsec = 8 } };

	(void)arg;
	(void)bytes;
	assert_int_equal(utimensat(kit.dir, "film", times, 0), 0);
}

static void
a_file_that_changes_meanwhile_is_not_completed(void **state)
{
	const struct multipart_keeper keeper = { .begun = on_begun,
		.arrived = touch };

	(void)state;
	PLAY({ .reply = BEGUN("u") }, { .reply = TAKEN("e") },
	    { .reply = TAKEN("e") }, { .reply = TAKEN("e") },
	    { .reply = GONE });
	assert_int_equal(multipart_put(s3, &file, "", &keeper,
			     clock_ticks_ms() + SOON_MS, etag, &fault),
	    -1);
	(void)scripted_end(&server);
	assert_int_equal(fault.kind, FAULT_CONFLICT);
	assert_string_equal(fault.field, "file");
	SAID(ABORT_OF("u"));
	NOT_SAID("<CompleteMultipartUpload");
}

static void
an_upload_whose_id_cannot_be_kept_sends_no_part(void **state)
{
	(void)state;
	refuse_at = 1;
	PLAY({ .reply = BEGUN("u") }, { .reply = GONE });
	assert_fails("", FAULT_DISK, NULL);
	assert_string_equal(fault.text, "cannot keep the id");
	assert_int_equal(server.requests, 2);
	SAID(ABORT_OF("u"));
}

static void
parts_that_do_not_fit_end_the_upload(void **state)
{
	(void)state;
	PLAY({ .reply = LISTED(PART("1", FIRST, "e1") PART("2", FIRST, "e2")
		       PART("3", "5", "e3")) },
	    { .reply = CODE("400 B", "InvalidPart") }, { .reply = GONE });
	assert_fails("old", FAULT_REMOTE, NULL);
	SAID(ABORT_OF("old"));
}

static void
a_beginning_that_says_no_id_is_refused(void **state)
{
	(void)state;
	PLAY({ .reply = DOCUMENT("<html/>") });
	assert_fails("", FAULT_REMOTE, NULL);
	assert_int_equal(server.requests, 1);
	assert_int_equal(begins, 0);
}

/* --- sweep --- */

#define UPLOADS(inside)                                                        \
	DOCUMENT("<ListMultipartUploadsResult>"                                \
		 "<EncodingType>url</EncodingType>" inside                     \
		 "</ListMultipartUploadsResult>")
#define UPLOAD(key, id)                                                        \
	"<Upload><Key>" key "</Key><UploadId>" id "</UploadId></Upload>"
#define NEXT(key, id)                                                          \
	"<IsTruncated>true</IsTruncated><NextKeyMarker>" key                   \
	"</NextKeyMarker><NextUploadIdMarker>" id "</NextUploadIdMarker>"

static bool
keep_wanted(void *arg, const char *key, const char *upload_id)
{
	char *asked = arg;

	(void)snprintf(asked + strlen(asked), 256 - strlen(asked), "%s=%s;",
	    key, upload_id);
	return strcmp(upload_id, "wanted") == 0;
}

static int
sweep(char asked[256], size_t *n)
{
	int rc;

	asked[0] = '\0';
	fault = FAULT_INIT;
	rc = multipart_sweep(s3, "videos/j/", clock_ticks_ms() + SOON_MS,
	    keep_wanted, asked, n, &fault);
	(void)scripted_end(&server);
	return rc;
}

static void
a_sweep_aborts_all_that_nobody_wants(void **state)
{
	char asked[256];
	size_t n;

	(void)state;
	PLAY({ .reply = UPLOADS(UPLOAD("videos%2Fj%2Fa+b%2B", "1")
		       UPLOAD("videos%2Fj%2Fc", "wanted")
			   NEXT("videos%2Fj%2Fc", "wanted")) },
	    { .reply = GONE },
	    { .reply = UPLOADS(UPLOAD("videos%2Fj%2Fd", "3")
		      UPLOAD("videos%2Fk", "another's")) },
	    { .reply = NO_UPLOAD });
	if (sweep(asked, &n) == -1)
		fail_msg("%s", fault.text);
	assert_int_equal(n, 1); /* the other was gone */
	assert_string_equal(
	    asked, "videos/j/a b+=1;videos/j/c=wanted;videos/j/d=3;");
	SAID("GET /faces?prefix=videos%2Fj%2F&uploads= HTTP");
	SAID("DELETE /faces/videos/j/a%20b%2B?uploadId=1 HTTP");
	SAID("GET /faces?key-marker=videos%2Fj%2Fc&"
	     "prefix=videos%2Fj%2F&upload-id-marker=wanted&uploads= HTTP");
	SAID("DELETE /faces/videos/j/d?uploadId=3 HTTP");
	assert_int_equal(server.requests, 4);
}

static void
a_sweep_fails_like_a_request(void **state)
{
	char asked[256];
	size_t n = 7;

	(void)state;
	PLAY({ .reply = CODE("501 N", "NotImplemented") });
	assert_int_equal(sweep(asked, &n), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_int_equal(n, 0);
	PLAY({ .reply = UPLOADS("<Upload/>") });
	assert_int_equal(sweep(asked, &n), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	setup.attempts = 1;
	PLAY({ .reply = UPLOADS(UPLOAD("videos%2Fj%2Fa", "1") UPLOAD(
		   "videos%2Fj%2Fb", "2") NEXT("videos%2Fj%2Fb", "2")) },
	    { .reply = GONE }, { .reply = CODE("403 F", "AccessDenied") });
	assert_int_equal(sweep(asked, &n), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_int_equal(n, 1);
	assert_int_equal(server.requests, 3);
}

static void
a_sweep_of_nothing_is_done(void **state)
{
	char asked[256];
	size_t n = 7;

	(void)state;
	PLAY({ .reply = UPLOADS("") });
	assert_int_equal(sweep(asked, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(server.requests, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    part_sizes_are_the_least_that_the_count_allows),
		TEST(a_file_goes_in_parts_that_are_listed_in_order),
		TEST(an_upload_goes_on_with_the_parts_that_are_missing),
		TEST(a_part_beyond_the_last_has_no_place),
		TEST(an_upload_that_is_gone_is_begun_anew),
		TEST(an_upload_that_was_completed_unheard_is_done),
		TEST(a_completion_comes_right_after_a_look_at_the_key),
		TEST(another_version_under_the_key_is_not_replaced),
		TEST(a_server_without_conditions_is_looked_at_again),
		TEST(a_completion_whose_reply_is_lost_is_found),
		TEST(another_object_under_the_key_is_not_taken_for_ours),
		TEST(an_answer_without_an_etag_is_asked_after),
		TEST(what_was_lost_with_an_upload_is_taken_back),
		TEST(uploads_that_get_lost_again_and_again_end_it),
		TEST(a_part_is_sent_again_like_every_request),
		TEST(a_failure_of_s3_leaves_the_upload),
		TEST(being_told_to_stop_leaves_the_upload),
		TEST(bytes_that_s3_refuses_end_the_upload),
		TEST(a_file_that_is_not_what_was_said_ends_the_upload),
		TEST(a_file_that_changes_meanwhile_is_not_completed),
		TEST(an_upload_whose_id_cannot_be_kept_sends_no_part),
		TEST(parts_that_do_not_fit_end_the_upload),
		TEST(a_beginning_that_says_no_id_is_refused),
		TEST(a_sweep_aborts_all_that_nobody_wants),
		TEST(a_sweep_fails_like_a_request),
		TEST(a_sweep_of_nothing_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
