#include "aws/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define ERROR(inside) XML "<Error>" inside "</Error>"
#define CODE(code) ERROR("<Code>" code "</Code><Message>m</Message>")
#define COPIED                                                                 \
	"<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" \
	"<ETag>&quot;e&quot;</ETag></CopyObjectResult>"

#define COMPLETED                                                              \
	"<CompleteMultipartUploadResult><ETag>e-2</ETag>"                      \
	"</CompleteMultipartUploadResult>"

static struct verdict
read_it(int asked, int status, const char *body)
{
	const struct verdict_reply r = { .asked = asked,
		.status = status,
		.body = view_str(body),
		.request_id = VIEW("TX1") };

	return verdict_read(&r);
}

struct expected {
	int status;
	const char *code; /* NULL: no body */
	enum fault_kind kind;
	enum verdict_next next;
	enum state_storage tells;
};

static void
assert_meaning(const struct expected *e)
{
	char body[256] = "";
	struct verdict v;

	if (e->code != NULL)
		(void)snprintf(body, sizeof body, CODE("%s"), e->code);
	v = read_it(0, e->status, body);
	if (v.kind != e->kind || v.next != e->next || v.tells != e->tells)
		fail_msg("%d %s: kind %s, next %d, tells %s", e->status,
		    e->code == NULL ? "-" : e->code, fault_word(v.kind),
		    (int)v.next, state_storage_word(v.tells));
	assert_string_equal(v.code, e->code == NULL ? "" : e->code);
	assert_int_equal(v.status, e->status);
}

static void
assert_meanings(const struct expected *e, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		assert_meaning(&e[i]);
}

#define MEANINGS(...)                                                          \
	assert_meanings((const struct expected[]){ __VA_ARGS__ },              \
	    sizeof((const struct expected[]){ __VA_ARGS__ }) /                 \
		sizeof(struct expected))

static void
a_good_status_is_done_and_shows_that_s3_is_up(void **state)
{
	(void)state;
	MEANINGS({ 200, NULL, FAULT_NONE, VERDICT_ENOUGH, STATE_UP },
	    { 204, NULL, FAULT_NONE, VERDICT_ENOUGH, STATE_UP },
	    { 206, NULL, FAULT_NONE, VERDICT_ENOUGH, STATE_UP });
}

static void
a_missing_key_and_a_missing_bucket_are_told_apart(void **state)
{
	(void)state;
	MEANINGS({ 404, "NoSuchKey", FAULT_ABSENT, VERDICT_ENOUGH, STATE_UP },
	    { 404, "NoSuchBucket", FAULT_DENIED, VERDICT_ENOUGH, STATE_DENIED },
	    { 404, NULL, FAULT_ABSENT, VERDICT_ENOUGH, STATE_UNKNOWN },
	    { 404, "NoSuchUpload", FAULT_ABSENT, VERDICT_ENOUGH, STATE_UP });
}

/* A proxy's empty 404 must not make an image lost. */
static void
an_empty_404_is_of_s3_only_when_it_has_s3s_id(void **state)
{
	static const int asked[] = { 0, VERDICT_BODILESS, VERDICT_DELETE };
	struct verdict_reply r = { .status = 404, .body = VIEW("\n") };
	struct verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		r.asked = asked[i];
		r.request_id = VIEW("");
		v = verdict_read(&r);
		assert_int_equal(v.kind, FAULT_REMOTE);
		assert_int_equal(v.tells, STATE_UNKNOWN);
		assert_non_null(strstr(v.advice, "not a reply of S3"));
		r.request_id = VIEW("tx00000a-0064-10-default");
		v = verdict_read(&r);
		assert_int_equal(v.kind,
		    asked[i] == VERDICT_DELETE ? FAULT_NONE : FAULT_ABSENT);
	}
}

static void
refusals_of_our_keys_are_denied(void **state)
{
	(void)state;
	MEANINGS({ 403, "AccessDenied", FAULT_DENIED, VERDICT_ENOUGH,
		     STATE_UNKNOWN },
	    { 403, "InvalidAccessKeyId", FAULT_DENIED, VERDICT_ENOUGH,
		STATE_DENIED },
	    { 403, "SignatureDoesNotMatch", FAULT_DENIED, VERDICT_CLOCK_IF_FAR,
		STATE_DENIED },
	    { 403, "AccountProblem", FAULT_DENIED, VERDICT_ENOUGH,
		STATE_UNKNOWN },
	    { 403, "InvalidObjectState", FAULT_DENIED, VERDICT_ENOUGH,
		STATE_UNKNOWN },
	    { 403, NULL, FAULT_DENIED, VERDICT_ENOUGH, STATE_UNKNOWN },
	    { 401, NULL, FAULT_DENIED, VERDICT_ENOUGH, STATE_DENIED });
}

static void
sessions_that_have_ended_ask_for_other_keys(void **state)
{
	(void)state;
	MEANINGS(
	    { 400, "ExpiredToken", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED },
	    { 403, "ExpiredToken", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED },
	    { 400, "ExpiredTokenException", FAULT_DENIED, VERDICT_KEYS,
		STATE_DENIED },
	    { 400, "InvalidToken", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED },
	    { 400, "TokenRefreshRequired", FAULT_DENIED, VERDICT_KEYS,
		STATE_DENIED });
}

static void
every_way_to_say_slow_down_is_throttled(void **state)
{
	static const char *const codes[] = { "SlowDown", "SlowDownRead",
		"Throttling", "ThrottlingException", "ThrottledException",
		"RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded",
		"BandwidthLimitExceeded", "LimitExceededException",
		"ProvisionedThroughputExceededException",
		"TransactionInProgressException", "EC2ThrottledException",
		"PriorRequestNotComplete" };
	struct expected e = { 503, NULL, FAULT_THROTTLED, VERDICT_LATER,
		STATE_DOWN };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		e.code = codes[i];
		e.status = i % 2 == 0 ? 503 : 400;
		assert_meaning(&e);
	}
	MEANINGS({ 429, NULL, FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN });
}

static void
an_s3_that_is_not_well_is_asked_again(void **state)
{
	(void)state;
	MEANINGS(
	    { 500, "InternalError", FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN },
	    { 500, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN },
	    { 502, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN },
	    { 503, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN },
	    { 503, "ServiceUnavailable", FAULT_BUSY, VERDICT_AGAIN,
		STATE_DOWN },
	    { 504, NULL, FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN },
	    { 408, NULL, FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN },
	    { 400, "RequestTimeout", FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN },
	    { 400, "RequestTimeoutException", FAULT_SLOW, VERDICT_AGAIN,
		STATE_DOWN },
	    { 400, "IncompleteBody", FAULT_BUSY, VERDICT_AGAIN, STATE_UP });
}

static void
what_fails_for_good_is_not_sent_again(void **state)
{
	(void)state;
	MEANINGS({ 412, "PreconditionFailed", FAULT_CONFLICT, VERDICT_ENOUGH,
		     STATE_UP },
	    { 409, "BucketNotEmpty", FAULT_CONFLICT, VERDICT_ENOUGH, STATE_UP },
	    { 400, "InvalidArgument", FAULT_REMOTE, VERDICT_ENOUGH,
		STATE_UNKNOWN },
	    { 405, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN },
	    { 416, "InvalidRange", FAULT_REMOTE, VERDICT_ENOUGH,
		STATE_UNKNOWN },
	    { 501, "NotImplemented", FAULT_REMOTE, VERDICT_ENOUGH,
		STATE_UNKNOWN },
	    { 302, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN },
	    { 304, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN },
	    { 999, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN });
}

static void
writers_that_raced_are_sent_again(void **state)
{
	(void)state;
	MEANINGS({ 409, "ConditionalRequestConflict", FAULT_CONFLICT,
		     VERDICT_AGAIN, STATE_UP },
	    { 409, "OperationAborted", FAULT_CONFLICT, VERDICT_AGAIN,
		STATE_UP });
}

static void
bytes_that_are_not_those_of_the_digest_are_the_files_fault(void **state)
{
	const struct verdict bad = read_it(0, 400, CODE("BadDigest"));
	const struct verdict sha =
	    read_it(0, 400, CODE("XAmzContentSHA256Mismatch"));

	(void)state;
	assert_int_equal(bad.kind, FAULT_CONFLICT);
	assert_string_equal(bad.field, "file");
	assert_int_equal(sha.kind, FAULT_CONFLICT);
	assert_int_equal(sha.next, VERDICT_AGAIN);
	assert_null(read_it(0, 412, "").field);
}

static void
the_clock_is_read_from_the_date_else_from_the_body(void **state)
{
	const char *body =
	    ERROR("<Code>RequestTimeTooSkewed</Code>"
		  "<ServerTime>2026-11-22T10:15:00Z</ServerTime>");
	struct verdict_reply r = { .status = 403,
		.body = view_str(body),
		.date = VIEW("Sun, 22 Nov 2026 10:15:07 GMT") };
	struct verdict v = verdict_read(&r);

	(void)state;
	assert_int_equal(v.next, VERDICT_CLOCK);
	assert_int_equal(v.server_s, 1795342507);
	r.date = VIEW("yesterday");
	assert_int_equal(verdict_read(&r).server_s, 1795342500);
	r.date = VIEW("");
	r.body = VIEW(CODE("RequestTimeTooSkewed"));
	assert_int_equal(verdict_read(&r).server_s, -1);
	r.body = VIEW(CODE("RequestExpired"));
	assert_int_equal(verdict_read(&r).next, VERDICT_CLOCK);
}

static void
the_region_is_read_from_the_header_else_from_the_body(void **state)
{
	struct verdict_reply r = { .status = 400,
		.body = VIEW(ERROR("<Code>AuthorizationHeaderMalformed</Code>"
				   "<Region>eu-central-1</Region>")) };
	struct verdict v = verdict_read(&r);

	(void)state;
	assert_int_equal(v.kind, FAULT_DENIED);
	assert_int_equal(v.next, VERDICT_REGION);
	assert_string_equal(v.region, "eu-central-1");
	r.region = VIEW("ap-south-1");
	assert_string_equal(verdict_read(&r).region, "ap-south-1");
	r.region = VIEW("bad region!");
	assert_string_equal(verdict_read(&r).region, "eu-central-1");
}

static void
a_redirect_helps_only_when_it_names_a_region(void **state)
{
	struct verdict_reply r = { .status = 301,
		.body = VIEW(CODE("PermanentRedirect")),
		.region = VIEW("eu-west-1") };

	(void)state;
	assert_int_equal(verdict_read(&r).next, VERDICT_REGION);
	r.status = 307;
	assert_int_equal(verdict_read(&r).next, VERDICT_REGION);
	r.region = VIEW("");
	assert_int_equal(verdict_read(&r).next, VERDICT_ENOUGH);
	assert_int_equal(verdict_read(&r).kind, FAULT_REMOTE);
	r.body = VIEW(ERROR("<Code>IllegalLocationConstraintException</Code>"
			    "<Region>../evil</Region>"));
	assert_int_equal(verdict_read(&r).next, VERDICT_ENOUGH);
	assert_string_equal(verdict_read(&r).region, "");
}

static void
a_head_has_no_word_but_its_status(void **state)
{
	struct verdict_reply r = { .asked = VERDICT_BODILESS | VERDICT_ETAG,
		.status = 404,
		.request_id = VIEW("TX1") };
	struct verdict v = verdict_read(&r);

	(void)state;
	assert_int_equal(v.kind, FAULT_ABSENT);
	assert_int_equal(v.tells, STATE_UNKNOWN);
	r.status = 403;
	v = verdict_read(&r);
	assert_int_equal(v.kind, FAULT_DENIED);
	assert_int_equal(v.next, VERDICT_CLOCK_IF_FAR);
	assert_int_equal(v.tells, STATE_UNKNOWN);
	r.status = 400;
	v = verdict_read(&r);
	assert_int_equal(v.kind, FAULT_DENIED);
	assert_int_equal(v.next, VERDICT_KEYS);
	r.region = VIEW("eu-west-1");
	v = verdict_read(&r);
	assert_int_equal(v.next, VERDICT_REGION);
	r.status = 301;
	assert_int_equal(verdict_read(&r).next, VERDICT_REGION);
	r.status = 503;
	assert_int_equal(verdict_read(&r).kind, FAULT_BUSY);
}

static void
an_object_without_an_etag_is_not_from_s3(void **state)
{
	struct verdict_reply r = { .asked = VERDICT_ETAG,
		.status = 200,
		.body = VIEW("<html>Welcome to our hotel</html>") };

	(void)state;
	assert_int_equal(verdict_read(&r).kind, FAULT_REMOTE);
	r.etag = VIEW("\"e\"");
	assert_int_equal(verdict_read(&r).kind, FAULT_NONE);
	assert_int_equal(
	    read_it(0, 404, "<html>no such page</html>").kind, FAULT_REMOTE);
}

static void
a_copy_is_done_when_it_says_so(void **state)
{
	(void)state;
	assert_int_equal(read_it(VERDICT_COPY, 200, COPIED).kind, FAULT_NONE);
	assert_int_equal(
	    read_it(VERDICT_COPY, 200, " \n \n" COPIED).kind, FAULT_NONE);
}

static void
an_upload_is_completed_when_it_says_so(void **state)
{
	static const char *const bodies[] = { "", "  ", "hello", COPIED,
		"<CompleteMultipartUploadResult>", " \n " CODE("InternalError"),
		CODE("SomethingNew") };
	struct verdict v;
	size_t i;

	(void)state;
	assert_int_equal(
	    read_it(VERDICT_COMPLETE, 200, COMPLETED).kind, FAULT_NONE);
	assert_int_equal(
	    read_it(VERDICT_COMPLETE, 200, " \n \n" COMPLETED).kind,
	    FAULT_NONE);
	assert_int_equal(
	    read_it(VERDICT_COPY, 200, COMPLETED).kind, FAULT_BUSY);
	for (i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		v = read_it(VERDICT_COMPLETE, 200, bodies[i]);
		assert_int_equal(v.kind, FAULT_BUSY);
		assert_int_equal(v.next, VERDICT_AGAIN);
	}
}

static void
an_upload_that_cannot_be_completed_is_not_tried_again(void **state)
{
	static const char *const codes[] = { "InvalidPart", "InvalidPartOrder",
		"EntityTooSmall" };
	char body[128];
	struct verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		(void)snprintf(body, sizeof body, "  " CODE("%s"), codes[i]);
		v = read_it(VERDICT_COMPLETE, i % 2 == 0 ? 200 : 400, body);
		assert_int_equal(v.kind, FAULT_REMOTE);
		assert_int_equal(v.next, VERDICT_ENOUGH);
		assert_int_equal(v.tells, STATE_UP);
		assert_string_equal(v.code, codes[i]);
	}
}

static void
a_missing_upload_is_told_by_its_word(void **state)
{
	struct verdict v = read_it(VERDICT_ETAG, 404, CODE("NoSuchUpload"));

	(void)state;
	assert_int_equal(v.kind, FAULT_ABSENT);
	assert_string_equal(v.code, "NoSuchUpload");
	v = read_it(VERDICT_COMPLETE, 200, " " CODE("NoSuchUpload"));
	assert_int_equal(v.kind, FAULT_ABSENT);
	assert_int_equal(v.next, VERDICT_ENOUGH);
	v = read_it(VERDICT_DELETE, 404, CODE("NoSuchUpload"));
	assert_int_equal(v.kind, FAULT_NONE);
}

static void
a_copy_that_ends_in_an_error_is_sent_again(void **state)
{
	static const char *const bodies[] = { "", "   ", "hello",
		CODE("InternalError"), CODE("SomethingNew"),
		"<CopyObjectResult>", "<Other/>", COPIED "<Error>",
		"  <?xml version=\"1.0\"?><Error><Code>Slow" };
	const struct verdict slow =
	    read_it(VERDICT_COPY, 200, " \n" CODE("SlowDown"));
	struct verdict v;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		v = read_it(VERDICT_COPY, 200, bodies[i]);
		assert_int_equal(v.kind, FAULT_BUSY);
		assert_int_equal(v.next, VERDICT_AGAIN);
	}
	assert_int_equal(slow.kind, FAULT_THROTTLED);
	assert_int_equal(read_it(VERDICT_COPY, 200, CODE("AccessDenied")).kind,
	    FAULT_DENIED);
	assert_int_equal(
	    read_it(VERDICT_COPY, 404, CODE("NoSuchKey")).kind, FAULT_ABSENT);
}

static void
deleting_what_is_not_there_is_done(void **state)
{
	(void)state;
	assert_int_equal(read_it(VERDICT_DELETE, 204, "").kind, FAULT_NONE);
	assert_int_equal(read_it(VERDICT_DELETE, 404, "").kind, FAULT_NONE);
	assert_int_equal(
	    read_it(VERDICT_DELETE, 404, CODE("NoSuchKey")).kind, FAULT_NONE);
	assert_int_equal(
	    read_it(VERDICT_DELETE, 404, CODE("NoSuchBucket")).kind,
	    FAULT_DENIED);
	assert_int_equal(
	    read_it(VERDICT_DELETE, 404, "<html>?</html>").kind, FAULT_REMOTE);
}

static void
words_that_may_not_be_shown_are_dropped(void **state)
{
	char body[256];
	struct verdict_reply r = { .status = 403,
		.body = VIEW(CODE("Access Denied\n{}")),
		.request_id = VIEW("a\"b") };
	struct verdict v = verdict_read(&r);

	(void)state;
	assert_string_equal(v.code, "");
	assert_string_equal(v.request_id, "");
	assert_int_equal(v.kind, FAULT_DENIED);
	(void)snprintf(body, sizeof body, CODE("%.*s"), VERDICT_WORD_SIZE,
	    "AccessDeniedAccessDeniedAccessDeniedAccessDeniedAccessDeniedAcce");
	r.body = view_str(body);
	assert_string_equal(verdict_read(&r).code, "");
}

static void
the_request_id_is_of_the_header_else_of_the_body(void **state)
{
	struct verdict_reply r = { .status = 403,
		.body = VIEW(ERROR("<Code>AccessDenied</Code>"
				   "<RequestId>B0DY</RequestId>")) };

	(void)state;
	assert_string_equal(verdict_read(&r).request_id, "B0DY");
	r.request_id = VIEW("HEAD3R");
	assert_string_equal(verdict_read(&r).request_id, "HEAD3R");
}

static void
a_body_that_was_cut_counts_as_far_as_it_goes(void **state)
{
	(void)state;
	assert_string_equal(
	    read_it(0, 503, "<Error><Code>SlowDown</Code><Mess").code,
	    "SlowDown");
	assert_string_equal(read_it(0, 503, "<Error><Code>SlowDo").code, "");
}

static void
silence_is_asked_again_and_shows_that_s3_is_down(void **state)
{
	(void)state;
	assert_int_equal(verdict_silence(FAULT_BUSY).kind, FAULT_BUSY);
	assert_int_equal(verdict_silence(FAULT_BUSY).next, VERDICT_AGAIN);
	assert_int_equal(verdict_silence(FAULT_BUSY).tells, STATE_DOWN);
	assert_int_equal(verdict_silence(FAULT_SLOW).kind, FAULT_SLOW);
	assert_int_equal(verdict_silence(FAULT_REMOTE).kind, FAULT_BUSY);
	assert_int_equal(verdict_silence(FAULT_MEMORY).kind, FAULT_MEMORY);
	assert_int_equal(verdict_silence(FAULT_MEMORY).next, VERDICT_ENOUGH);
	assert_int_equal(verdict_silence(FAULT_MEMORY).tells, STATE_UNKNOWN);
}

static void
the_text_has_the_code_the_request_and_what_to_do(void **state)
{
	struct verdict_reply r = { .status = 404,
		.body = VIEW(CODE("NoSuchBucket")),
		.request_id = VIEW("4711") };
	const struct verdict with = verdict_read(&r);
	struct verdict without = read_it(0, 503, "secret words");
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(verdict_explain(&with, &f), -1);
	assert_int_equal(f.kind, FAULT_DENIED);
	assert_string_equal(f.text,
	    "S3 says NoSuchBucket (status 404, request 4711): no such bucket: "
	    "correct STORAGE_BUCKET");
	f = FAULT_INIT;
	assert_int_equal(verdict_explain(&without, &f), -1);
	assert_string_equal(
	    f.text, "S3 answers (status 503, request TX1): it is not well");
	r = (struct verdict_reply){ .status = 503 };
	without = verdict_read(&r);
	f = FAULT_INIT;
	assert_int_equal(verdict_explain(&without, &f), -1);
	assert_string_equal(f.text, "S3 answers (status 503): it is not well");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_status_is_done_and_shows_that_s3_is_up),
		cmocka_unit_test(
		    a_missing_key_and_a_missing_bucket_are_told_apart),
		cmocka_unit_test(an_empty_404_is_of_s3_only_when_it_has_s3s_id),
		cmocka_unit_test(refusals_of_our_keys_are_denied),
		cmocka_unit_test(sessions_that_have_ended_ask_for_other_keys),
		cmocka_unit_test(every_way_to_say_slow_down_is_throttled),
		cmocka_unit_test(an_s3_that_is_not_well_is_asked_again),
		cmocka_unit_test(what_fails_for_good_is_not_sent_again),
		cmocka_unit_test(writers_that_raced_are_sent_again),
		cmocka_unit_test(
		    bytes_that_are_not_those_of_the_digest_are_the_files_fault),
		cmocka_unit_test(
		    the_clock_is_read_from_the_date_else_from_the_body),
		cmocka_unit_test(
		    the_region_is_read_from_the_header_else_from_the_body),
		cmocka_unit_test(a_redirect_helps_only_when_it_names_a_region),
		cmocka_unit_test(a_head_has_no_word_but_its_status),
		cmocka_unit_test(an_object_without_an_etag_is_not_from_s3),
		cmocka_unit_test(a_copy_is_done_when_it_says_so),
		cmocka_unit_test(a_copy_that_ends_in_an_error_is_sent_again),
		cmocka_unit_test(an_upload_is_completed_when_it_says_so),
		cmocka_unit_test(
		    an_upload_that_cannot_be_completed_is_not_tried_again),
		cmocka_unit_test(a_missing_upload_is_told_by_its_word),
		cmocka_unit_test(deleting_what_is_not_there_is_done),
		cmocka_unit_test(words_that_may_not_be_shown_are_dropped),
		cmocka_unit_test(
		    the_request_id_is_of_the_header_else_of_the_body),
		cmocka_unit_test(a_body_that_was_cut_counts_as_far_as_it_goes),
		cmocka_unit_test(
		    silence_is_asked_again_and_shows_that_s3_is_down),
		cmocka_unit_test(
		    the_text_has_the_code_the_request_and_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
