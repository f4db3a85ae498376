#include "aws/s3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SCRIPTED_ACTS 40
#include "s3_kit.h"
#include "scripted.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

#define HELLO_SHA256                                                           \
	"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define NEW_YEAR "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n"
#define ELSEWHERE "x-amz-bucket-region: ap-south-1\r\n"

enum { SOON_MS = 8000, REPLY_MAX = 64, BATCH = 50, LATE = 36 };

static struct scripted server;
static struct kit kit;
static struct s3 *s3;
static struct state *shared;
static struct fault fault;
static struct s3_setup setup;
static const struct digest hello = { HELLO_SHA256 };

static void
open_s3(void)
{
	s3_close(&s3);
	setup.creds = kit.creds;
	if (s3_open(&s3, &setup, &fault) == -1)
		fail_msg("%s", fault.text);
}

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
	setup.endpoint = server.url;
	open_s3();
}

static int
set_up(void **state)
{
	(void)state;
	kit_begin(&kit);
	kit_keys(&kit);
	fault = FAULT_INIT;
	setup = (struct s3_setup){
		.bucket = "faces", .region = "eu-west-1", .attempts = 3
	};
	if (state_open(&shared, kit.folder, &fault) == -1)
		return -1;
	setup.state = shared;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	s3_close(&s3);
	state_close(&shared);
	kit_end(&kit);
	return 0;
}

static void
run(struct s3_op *ops, size_t n, int ms)
{
	s3_run(s3, ops, n, clock_ticks_ms() + ms);
}

static struct s3_op
put(const char *key)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, key);

	op.bytes = VIEW("hello");
	op.sha256 = &hello;
	op.media_type = "image/png";
	return op;
}

/* Sends one HEAD, whose script has ended afterwards. */
static struct s3_op
head(void)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, "a.png");

	run(&op, 1, SOON_MS);
	(void)scripted_end(&server);
	return op;
}

static struct s3_op
erase(void)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a.png");

	run(&op, 1, SOON_MS);
	(void)scripted_end(&server);
	return op;
}

#define SAID(text) assert_int_equal(scripted_said(&server, text), 1)
#define ASSERT_DONE(op)                                                        \
	do {                                                                   \
		if ((op)->fault.kind != FAULT_NONE)                            \
			fail_msg("%s", (op)->fault.text);                      \
	} while (0)
#define ASSERT_STORAGE(what) assert_int_equal(state_storage(shared), what)

static void
a_batch_is_done_and_shows_that_s3_is_up(void **state)
{
	struct s3_op ops[] = { put("a"), put("b"), put("c") };
	size_t i;

	(void)state;
	PLAY({ .reply = DONE }, { .reply = DONE }, { .reply = DONE });
	run(ops, 3, SOON_MS);
	assert_int_equal(scripted_end(&server), 3);
	for (i = 0; i < 3; i++) {
		ASSERT_DONE(&ops[i]);
		assert_int_equal(ops[i].status, 200);
		assert_int_equal(ops[i].attempts, 1);
		assert_string_equal(ops[i].found_etag, "e7");
		assert_string_equal(ops[i].s3_request_id, "TX1");
	}
	SAID("PUT /faces/a ");
	SAID("PUT /faces/b ");
	SAID("PUT /faces/c ");
	ASSERT_STORAGE(STATE_UP);
}

static void
nothing_is_nothing_to_do(void **state)
{
	(void)state;
	PLAY({ .reply = DONE });
	run(NULL, 0, SOON_MS);
	assert_int_equal(scripted_end(&server), 0);
	ASSERT_STORAGE(STATE_UNKNOWN);
}

static void
many_are_on_their_way_at_once(void **state)
{
	struct s3_op ops[] = { put("a"), put("b"), put("c"), put("d") };
	size_t i;

	(void)state;
	PLAY({ .reply = DONE, .hold = true }, { .reply = DONE, .hold = true },
	    { .reply = DONE, .hold = true }, { .reply = DONE });
	run(ops, 4, SOON_MS);
	assert_int_equal(scripted_end(&server), 4);
	for (i = 0; i < 4; i++)
		ASSERT_DONE(&ops[i]);
}

/* A reply that says nothing of an end of its connection. */
#define KEPT HEAD_OF("200 OK", "ETag: \"e7\"\r\nContent-Length: 0\r\n")

static void
a_connection_serves_one_batch_after_another(void **state)
{
	struct s3_op op = put("a");

	(void)state;
	PLAY({ .reply = KEPT, .keep = true }, { .reply = KEPT, .keep = true },
	    { .reply = KEPT });
	run(&op, 1, SOON_MS);
	run(&op, 1, SOON_MS);
	run(&op, 1, SOON_MS);
	ASSERT_DONE(&op);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(server.requests, 3);
}

static void
a_kept_connection_that_was_closed_does_no_harm(void **state)
{
	struct s3_op op = put("a");

	(void)state;
	PLAY({ .reply = KEPT }, { .reply = KEPT });
	run(&op, 1, SOON_MS);
	run(&op, 1, SOON_MS);
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 1);
	assert_int_equal(scripted_end(&server), 2);
}

static void
what_may_pass_is_sent_again(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = CODE("500 E", "InternalError") }, { .reset = true },
	    { .reply = GONE });
	op = erase();
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 3);
	assert_int_equal(server.connections, 3);
	assert_string_equal(op.code, "");
	ASSERT_STORAGE(STATE_UP);
}

static void
no_more_attempts_are_made_than_allowed(void **state)
{
	struct s3_op op;

	(void)state;
	setup.attempts = 2;
	PLAY({ .reply = CODE("500 E", "InternalError") },
	    { .reply = CODE("500 E", "InternalError") }, { .reply = GONE });
	op = erase();
	assert_int_equal(server.connections, 2);
	assert_int_equal(op.attempts, 2);
	assert_int_equal(op.fault.kind, FAULT_BUSY);
	assert_int_equal(op.status, 500);
	assert_string_equal(op.code, "InternalError");
	assert_string_equal(op.fault.text,
	    "delete a.png: S3 says InternalError (status 500, request TX1): "
	    "it is not well");
	ASSERT_STORAGE(STATE_DOWN);
}

static void
a_throttled_request_waits_longer(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = CODE("503 Slow Down", "SlowDown") }, { .reply = GONE });
	op = erase();
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 2);
	setup.attempts = 1;
	PLAY({ .reply = ERROR("503 Slow Down", "Retry-After: 7\r\n",
		   "<Code>SlowDown</Code>") });
	op = erase();
	assert_int_equal(op.fault.kind, FAULT_THROTTLED);
	assert_int_equal(op.fault.retry_after_s, 7);
	ASSERT_STORAGE(STATE_DOWN);
}

static void
a_wait_that_passes_the_deadline_is_not_begun(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a.png");
	const int64_t begun_ms = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = ERROR("503 E", "Retry-After: 4\r\n", "") });
	run(&op, 1, 2000);
	assert_true(clock_ticks_ms() - begun_ms < 1500);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(op.fault.kind, FAULT_BUSY);
	assert_int_equal(op.fault.retry_after_s, 4);
}

/* 36 would empty the budget. */
static void
a_wait_that_is_not_begun_costs_nothing(void **state)
{
	struct act acts[LATE + 2];
	struct s3_op ops[LATE], op;
	int i;

	(void)state;
	for (i = 0; i < LATE; i++) {
		acts[i] = (struct act){ .reply = ERROR("503 E",
					    "Retry-After: 60\r\n", "") };
		ops[i] = S3_OP_INIT(S3_DELETE, "a.png");
	}
	acts[LATE] = (struct act){ .reply = CODE("500 E", "InternalError") };
	acts[LATE + 1] = (struct act){ .reply = GONE };
	play(acts, LATE + 2);
	run(ops, LATE, 4000);
	for (i = 0; i < LATE; i++)
		assert_int_equal(ops[i].attempts, 1);
	op = erase();
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 2);
}

static void
retries_of_a_batch_share_a_budget(void **state)
{
	static struct s3_op ops[BATCH];
	struct s3_op op;
	int sent = 0, i;

	(void)state;
	/* The first gives back what its retry took. */
	PLAY({ .reply = CODE("500 E", "InternalError") }, { .reply = GONE });
	op = erase();
	ASSERT_DONE(&op); /* and nobody listens there now */
	for (i = 0; i < BATCH; i++)
		ops[i] = put("a");
	run(ops, BATCH, SOON_MS);
	for (i = 0; i < BATCH; i++) {
		assert_int_equal(ops[i].fault.kind, FAULT_BUSY);
		sent += ops[i].attempts;
	}
	assert_int_equal(sent, BATCH + 35);
	ASSERT_STORAGE(STATE_DOWN);
}

static void
a_copy_whose_200_holds_an_error_is_sent_again(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_COPY, "b");

	(void)state;
	op.source = "a";
	PLAY({ .reply = CODE("200 OK", "InternalError") },
	    { .reply = ERROR("200 OK", "", "") }, { .reply = COPIED });
	run(&op, 1, SOON_MS);
	assert_int_equal(scripted_end(&server), 3);
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 3);
}

static void
a_body_that_was_cut_is_asked_for_again(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_GET, "a");

	(void)state;
	op.reply = BUF_INIT(REPLY_MAX);
	PLAY({ .reply = FOUND("hel") }, { .reply = FOUND("hello") });
	run(&op, 1, SOON_MS);
	assert_int_equal(scripted_end(&server), 2);
	ASSERT_DONE(&op);
	assert_string_equal(buf_str(&op.reply), "hello");
	buf_fini(&op.reply);
}

static void
a_wrong_clock_is_put_right_once(void **state)
{
	struct s3_op op;

	(void)state;
	setup.attempts = 1;
	PLAY({ .reply = ERROR(
		   "403 F", NEW_YEAR, "<Code>RequestTimeTooSkewed</Code>") },
	    { .reply = GONE });
	op = erase();
	ASSERT_DONE(&op);
	assert_non_null(strstr(server.request[1], "x-amz-date: 20300101T0000"));
	assert_true(state_clock_offset_ms(shared) > 86400000);
	ASSERT_STORAGE(STATE_UP);
	PLAY({ .reply = GONE });
	op = erase();
	assert_non_null(strstr(server.request[0], "x-amz-date: 20300101T0000"));
}

static void
a_head_learns_the_clock_without_a_word(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = REPLY("403 F", NEW_YEAR, "") }, { .reply = DONE });
	op = head();
	ASSERT_DONE(&op);
	state_tell_clock_offset(shared, 0);
	PLAY({ .reply = REPLY("403 F", "", "") }, { .reply = DONE });
	op = head();
	assert_int_equal(server.connections, 1);
	assert_int_equal(op.fault.kind, FAULT_DENIED);
}

static void
a_clock_that_stays_wrong_ends_it(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = ERROR(
		   "403 F", NEW_YEAR, "<Code>RequestTimeTooSkewed</Code>") },
	    { .reply = ERROR("403 F", "Date: Tue, 01 Jan 2036 00:00:00 GMT\r\n",
		  "<Code>RequestTimeTooSkewed</Code>") },
	    { .reply = GONE });
	op = erase();
	assert_int_equal(server.connections, 2);
	assert_int_equal(op.fault.kind, FAULT_DENIED);
	assert_string_equal(op.code, "RequestTimeTooSkewed");
	ASSERT_STORAGE(STATE_DENIED);
}

static void
a_bad_signature_may_be_the_clocks_fault(void **state)
{
	struct s3_op op;
	char now[64], reply[256];
	const time_t t = time(NULL);
	struct tm tm;

	(void)state;
	PLAY({ .reply = ERROR(
		   "403 F", NEW_YEAR, "<Code>SignatureDoesNotMatch</Code>") },
	    { .reply = GONE });
	op = erase();
	ASSERT_DONE(&op);
	state_tell_clock_offset(shared, 0);
	assert_non_null(gmtime_r(&t, &tm));
	assert_true(
	    strftime(now, sizeof now, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0);
	(void)snprintf(reply, sizeof reply,
	    ERROR(
		"403 F", "Date: %s\r\n", "<Code>SignatureDoesNotMatch</Code>"),
	    now);
	PLAY({ .reply = reply }, { .reply = GONE });
	op = erase();
	assert_int_equal(server.connections, 1);
	assert_int_equal(op.fault.kind, FAULT_DENIED);
	assert_int_equal(state_clock_offset_ms(shared), 0);
	ASSERT_STORAGE(STATE_DENIED);
}

static void
a_region_is_learnt_for_what_follows(void **state)
{
	struct s3_url url = S3_URL_INIT;
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a");

	(void)state;
	PLAY({ .reply = ERROR("400 B", "",
		   "<Code>AuthorizationHeaderMalformed</Code>"
		   "<Region>ap-south-1</Region>") },
	    { .reply = GONE }, { .reply = GONE });
	run(&op, 1, SOON_MS);
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 2);
	run(&op, 1, SOON_MS);
	(void)scripted_end(&server);
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 1);
	assert_int_equal(scripted_said(&server, "/ap-south-1/s3/aws4_"), 2);
	assert_int_equal(s3_presign(s3, "GET", "a", 60, 0, &url, &fault), 0);
	assert_true(view_has(buf_view(&url.text), "%2Fap-south-1%2Fs3%2F"));
	s3_url_fini(&url);
}

static void
a_batch_in_the_wrong_region_is_put_right_together(void **state)
{
	struct s3_op ops[] = { S3_OP_INIT(S3_HEAD, "a"),
		S3_OP_INIT(S3_HEAD, "b"), S3_OP_INIT(S3_HEAD, "c") };
	int i;

	(void)state;
	PLAY({ .reply = REPLY("400 B", ELSEWHERE, "") },
	    { .reply = REPLY("400 B", ELSEWHERE, "") },
	    { .reply = REPLY("400 B", ELSEWHERE, "") }, { .reply = DONE },
	    { .reply = DONE }, { .reply = DONE });
	run(ops, 3, SOON_MS);
	(void)scripted_end(&server);
	for (i = 0; i < 3; i++)
		ASSERT_DONE(&ops[i]);
}

static void
a_redirect_teaches_a_region_and_is_never_followed(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = REPLY("301 M",
		   ELSEWHERE "Location: http://127.0.0.1:1/\r\n", "") },
	    { .reply = DONE });
	op = head();
	ASSERT_DONE(&op);
	assert_int_equal(op.attempts, 2);
	PLAY({ .reply = REPLY("307 T", "Location: /other\r\n", "") },
	    { .reply = DONE });
	op = head();
	assert_int_equal(server.connections, 1);
	assert_int_equal(op.fault.kind, FAULT_REMOTE);
	assert_int_equal(op.status, 307);
}

static void
a_region_named_again_and_again_ends_it(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = REPLY("301 M", ELSEWHERE, "") },
	    { .reply =
		    REPLY("301 M", "x-amz-bucket-region: us-west-2\r\n", "") },
	    { .reply = DONE });
	op = head();
	assert_int_equal(server.connections, 2);
	assert_int_equal(op.fault.kind, FAULT_REMOTE);
}

static void
ended_keys_are_renewed_once_for_a_batch(void **state)
{
	struct s3_op ops[] = { S3_OP_INIT(S3_DELETE, "a"),
		S3_OP_INIT(S3_DELETE, "b") };

	(void)state;
	creds_close(&kit.creds);
	kit_session(&kit, "ASIAONE", 1800);
	clock_sleep_ms(KIT_REST_MS);
	kit_issue(&kit, "ASIATWO", 1800);
	PLAY({ .reply = CODE("400 B", "ExpiredToken"), .hold = true },
	    { .reply = CODE("403 F", "ExpiredToken") }, { .reply = GONE },
	    { .reply = GONE });
	run(ops, 2, SOON_MS);
	(void)scripted_end(&server);
	ASSERT_DONE(&ops[0]);
	ASSERT_DONE(&ops[1]);
	assert_int_equal(scripted_said(&server, "Credential=ASIAONE/"), 2);
	assert_int_equal(scripted_said(&server, "Credential=ASIATWO/"), 2);
	ASSERT_STORAGE(STATE_UP);
}

static void
long_lived_keys_that_are_refused_stay_refused(void **state)
{
	struct s3_op op;

	(void)state;
	PLAY({ .reply = CODE("400 B", "ExpiredToken") }, { .reply = GONE });
	op = erase();
	assert_int_equal(server.connections, 1);
	assert_int_equal(op.fault.kind, FAULT_DENIED);
	ASSERT_STORAGE(STATE_DENIED);
}

static void
silence_ends_with_the_deadline(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a");

	(void)state;
	PLAY({ .reply = NULL }, { .reply = NULL });
	run(&op, 1, 300);
	assert_int_equal(op.fault.kind, FAULT_SLOW);
	ASSERT_STORAGE(STATE_UNKNOWN); /* it had no time to say anything */
	run(&op, 1, S3_PATIENCE_MS + 200);
	assert_int_equal(op.fault.kind, FAULT_SLOW);
	assert_int_equal(op.status, 0);
	ASSERT_STORAGE(STATE_DOWN);
	(void)scripted_end(&server);
}

static void
a_deadline_already_past_sends_nothing(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a");

	(void)state;
	PLAY({ .reply = GONE });
	run(&op, 1, -1);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(op.fault.kind, FAULT_SLOW);
	assert_int_equal(op.attempts, 0);
	ASSERT_STORAGE(STATE_UNKNOWN);
}

static void
being_told_to_stop_says_nothing_of_s3(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a");
	int stop[2];

	(void)state;
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	setup.stop_fd = stop[0];
	assert_int_equal(write(stop[1], "x", 1), 1);
	PLAY({ .reply = NULL });
	run(&op, 1, SOON_MS);
	assert_int_equal(op.fault.kind, FAULT_BUSY);
	ASSERT_STORAGE(STATE_UNKNOWN);
	(void)scripted_end(&server);
	(void)close(stop[0]);
	(void)close(stop[1]);
}

static void
each_answer_tells_what_it_shows(void **state)
{
	static const struct {
		const char *reply;
		enum fault_kind kind;
		enum state_storage told;
	} cases[] = {
		{ CODE("404 N", "NoSuchKey"), FAULT_ABSENT, STATE_UP },
		{ CODE("404 N", "NoSuchBucket"), FAULT_DENIED, STATE_DENIED },
		{ CODE("412 P", "PreconditionFailed"), FAULT_CONFLICT,
		    STATE_UP },
		{ CODE("403 F", "InvalidAccessKeyId"), FAULT_DENIED,
		    STATE_DENIED },
		{ CODE("403 F", "AccessDenied"), FAULT_DENIED, STATE_UNKNOWN },
		{ CODE("400 B", "InvalidArgument"), FAULT_REMOTE,
		    STATE_UNKNOWN },
		{ CODE("504 G", "X"), FAULT_SLOW, STATE_DOWN },
	};
	struct s3_op op = S3_OP_INIT(S3_GET, "a");
	size_t i;

	(void)state;
	setup.attempts = 1;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		state_close(&shared);
		(void)unlinkat(kit.dir, "state", 0);
		assert_int_equal(state_open(&shared, kit.folder, &fault), 0);
		setup.state = shared;
		PLAY({ .reply = cases[i].reply });
		run(&op, 1, SOON_MS);
		(void)scripted_end(&server);
		assert_int_equal(op.fault.kind, cases[i].kind);
		ASSERT_STORAGE(cases[i].told);
	}
}

static void
a_local_fault_is_of_its_own_operation_alone(void **state)
{
	struct s3_op ops[] = { put("a"), put("b"), put("c"), put("") };
	char longest[S3_KEY_MAX + 2];

	(void)state;
	memset(longest, 'k', sizeof longest);
	longest[S3_KEY_MAX + 1] = '\0';
	PLAY({ .reply = DONE });
	ops[0].dir = kit.dir;
	ops[0].name = "nowhere";
	ops[0].size = 5;
	ops[2].key = longest;
	run(ops, 4, SOON_MS);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(ops[0].fault.kind, FAULT_ABSENT);
	assert_string_equal(ops[0].fault.field, "file");
	assert_string_equal(ops[0].fault.text, "put a: nowhere is gone");
	ASSERT_DONE(&ops[1]);
	assert_int_equal(ops[2].fault.kind, FAULT_INPUT);
	assert_string_equal(ops[2].fault.field, "key");
	assert_int_equal(ops[3].fault.kind, FAULT_INPUT);
	ASSERT_STORAGE(STATE_UP);
}

/* What the finished of a batch heard, as "KEY=FAULT;". */
static void
note_finished(struct s3_op *op)
{
	struct buf *heard = op->owner;

	buf_fmt(heard, "%s=%s;", op->key, fault_word(op->fault.kind));
}

static void
each_operation_is_told_of_once_when_it_is_settled(void **state)
{
	struct s3_op ops[] = { put("a"), put(""), put("c") };
	struct buf heard = BUF_INIT(REPLY_MAX);
	char want[64];
	size_t i;

	(void)state;
	setup.attempts = 2;
	PLAY({ .reply = CODE("500 E", "InternalError") }, { .reply = DONE });
	for (i = 0; i < 3; i++) {
		ops[i].finished = note_finished;
		ops[i].owner = &heard;
	}
	ops[2].dir = kit.dir;
	ops[2].name = "nowhere";
	run(ops, 3, SOON_MS);
	(void)scripted_end(&server);
	ASSERT_DONE(&ops[0]);
	assert_int_equal(ops[0].attempts, 2);
	(void)snprintf(want, sizeof want, "=%s;a=%s;c=%s;",
	    fault_word(FAULT_INPUT), fault_word(FAULT_NONE),
	    fault_word(FAULT_ABSENT));
	assert_string_equal(buf_str(&heard), want);
	buf_clear(&heard);
	PLAY({ .reply = DONE });
	run(ops, 1, -1); /* never sent: its time is over */
	(void)scripted_end(&server);
	(void)snprintf(want, sizeof want, "a=%s;", fault_word(FAULT_SLOW));
	assert_string_equal(buf_str(&heard), want);
	buf_fini(&heard);
}

static void
an_answer_of_another_time_is_forgotten(void **state)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, "a");

	(void)state;
	PLAY({ .reply = REPLY("200 OK",
		   "ETag: \"e7\"\r\nContent-Length: 5\r\n"
		   "x-amz-meta-mtime: 7\r\n",
		   "") },
	    { .reply = REPLY("404 N", "", "") });
	run(&op, 1, SOON_MS);
	assert_int_equal(op.found_mtime_ns, 7000000000);
	run(&op, 1, SOON_MS);
	(void)scripted_end(&server);
	assert_int_equal(op.fault.kind, FAULT_ABSENT);
	assert_int_equal(op.found_mtime_ns, 0);
	assert_int_equal(op.found_size, -1);
	assert_string_equal(op.found_etag, "");
}

static void
without_keys_nothing_is_sent(void **state)
{
	const struct creds_setup none = { .no_instance = true,
		.home = kit.folder };
	struct s3_op op = S3_OP_INIT(S3_DELETE, "a");
	struct s3_url url = S3_URL_INIT;

	(void)state;
	creds_close(&kit.creds);
	assert_int_equal(creds_open(&kit.creds, &none, &fault), 0);
	PLAY({ .reply = GONE });
	run(&op, 1, SOON_MS);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(op.fault.kind, FAULT_DENIED);
	ASSERT_STORAGE(STATE_UNKNOWN);
	assert_int_equal(s3_presign(s3, "GET", "a", 60, 0, &url, &fault), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	s3_url_fini(&url);
}

static void
a_fault_shows_neither_url_nor_signature_nor_words_of_strangers(void **state)
{
	struct s3_op op;

	(void)state;
	setup.attempts = 1;
	PLAY({ .reply = ERROR("403 F", "",
		   "<Code>Evil\n\"code\"</Code><Message>words</Message>") });
	op = erase();
	assert_null(strstr(op.fault.text, "words"));
	assert_null(strstr(op.fault.text, "Evil"));
	assert_null(strstr(op.fault.text, "http"));
	assert_null(strstr(op.fault.text, "Signature"));
	assert_string_equal(op.fault.text,
	    "delete a.png: S3 answers (status 403, request TX1): "
	    "our keys are refused");
}

/* --- probe --- */

static enum state_storage
probe(bool must_exist, int ms, bool *absent)
{
	const enum state_storage health = s3_probe(
	    s3, "a", must_exist, clock_ticks_ms() + ms, absent, &fault);

	(void)scripted_end(&server);
	return health;
}

static void
a_probe_asks_for_a_byte_once(void **state)
{
	bool absent = true;

	(void)state;
	PLAY({ .reply = REPLY(
		   "206 P", "ETag: \"e\"\r\nContent-Length: 1\r\n", "h") });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_UP);
	SAID("\r\nrange: bytes=0-0\r\n");
	assert_false(absent);
	assert_int_equal(fault.kind, FAULT_NONE);
	ASSERT_STORAGE(STATE_UP);
	PLAY({ .reply = CODE("500 E", "InternalError") }, { .reply = DONE });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_DOWN);
	assert_int_equal(server.connections, 1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	ASSERT_STORAGE(STATE_DOWN);
}

static void
a_probe_of_a_missing_or_empty_object_shows_that_s3_is_up(void **state)
{
	bool absent;

	(void)state;
	PLAY({ .reply = CODE("404 N", "NoSuchKey") });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_UP);
	assert_true(absent);
	PLAY({ .reply = CODE("416 R", "InvalidRange") });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_UP);
	assert_false(absent);
	assert_int_equal(fault.kind, FAULT_NONE);
}

static void
a_probe_that_is_denied_asks_whether_the_key_must_exist(void **state)
{
	bool absent;

	(void)state;
	PLAY({ .reply = CODE("403 F", "AccessDenied") });
	assert_int_equal(probe(false, SOON_MS, &absent), STATE_UP);
	assert_int_equal(fault.kind, FAULT_NONE);
	PLAY({ .reply = CODE("403 F", "AccessDenied") });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_DENIED);
	ASSERT_STORAGE(STATE_DENIED);
	fault = FAULT_INIT;
	PLAY({ .reply = CODE("404 N", "NoSuchBucket") });
	assert_int_equal(probe(false, SOON_MS, &absent), STATE_DENIED);
	assert_int_equal(fault.kind, FAULT_DENIED);
}

static void
a_probe_without_an_answer_is_down(void **state)
{
	bool absent;

	(void)state;
	PLAY({ .reply = NULL });
	assert_int_equal(probe(false, 200, &absent), STATE_DOWN);
	assert_int_equal(fault.kind, FAULT_SLOW);
	ASSERT_STORAGE(STATE_DOWN);
	fault = FAULT_INIT;
	PLAY({ .reply = REPLY("200 OK", "", "hotel") });
	assert_int_equal(probe(false, SOON_MS, &absent), STATE_DOWN);
	assert_int_equal(fault.kind, FAULT_REMOTE);
}

static void
a_probe_that_is_told_to_stop_knows_nothing(void **state)
{
	bool absent;
	int stop[2];

	(void)state;
	assert_int_equal(pipe2(stop, O_CLOEXEC), 0);
	setup.stop_fd = stop[0];
	assert_int_equal(write(stop[1], "x", 1), 1);
	PLAY({ .reply = NULL });
	assert_int_equal(probe(true, SOON_MS, &absent), STATE_UNKNOWN);
	assert_int_equal(fault.kind, FAULT_BUSY);
	ASSERT_STORAGE(STATE_UNKNOWN);
	(void)close(stop[0]);
	(void)close(stop[1]);
}

static void
a_probe_teaches_the_clock_to_the_next(void **state)
{
	bool absent;

	(void)state;
	PLAY({ .reply = ERROR(
		   "403 F", NEW_YEAR, "<Code>RequestTimeTooSkewed</Code>") });
	assert_int_equal(probe(false, SOON_MS, &absent), STATE_DENIED);
	assert_true(state_clock_offset_ms(shared) > 86400000);
}

/* --- list --- */

#define PAGE(inside)                                                           \
	REPLY("200 OK", "",                                                    \
	    "<ListBucketResult><EncodingType>url</EncodingType>" inside        \
	    "</ListBucketResult>")
#define KEY(key) "<Contents><Key>" key "</Key><Size>1</Size></Contents>"
#define MORE(token)                                                            \
	"<IsTruncated>true</IsTruncated><NextContinuationToken>" token         \
	"</NextContinuationToken>"

static int
note(void *arg, const struct listing_object *object, struct fault *f)
{
	const struct view key = object->key;
	const int64_t size = object->size;
	struct buf *keys = arg;

	if (view_is(key, "stop"))
		return fault_set(f, FAULT_FULL, "no more");
	buf_fmt(keys, "%.*s:%lld;", (int)key.n, key.p, (long long)size);
	return 0;
}

static int
list(struct buf *keys)
{
	const int rc =
	    s3_list(s3, "a b/", clock_ticks_ms() + SOON_MS, note, keys, &fault);

	(void)scripted_end(&server);
	return rc;
}

static void
a_listing_reads_all_its_pages(void **state)
{
	struct buf keys = BUF_INIT(REPLY_MAX);

	(void)state;
	PLAY({ .reply = PAGE(KEY("a%2Fb") MORE("t/1+=")) },
	    { .reply = CODE("500 E", "InternalError") },
	    { .reply = PAGE(KEY("c+d")) });
	if (list(&keys) == -1)
		fail_msg("%s", fault.text);
	assert_string_equal(buf_str(&keys), "a/b:1;c d:1;");
	assert_non_null(strstr(server.request[0],
	    "GET /faces?encoding-type=url&list-type=2&max-keys=1000&"
	    "prefix=a%20b%2F HTTP"));
	assert_non_null(strstr(server.request[2],
	    "GET /faces?continuation-token=t%2F1%2B%3D&encoding-type=url"));
	ASSERT_STORAGE(STATE_UP);
	buf_fini(&keys);
}

static void
a_listing_that_does_not_get_on_ends(void **state)
{
	struct buf keys = BUF_INIT(REPLY_MAX);

	(void)state;
	PLAY({ .reply = PAGE(KEY("a") MORE("t")) },
	    { .reply = PAGE(KEY("b") MORE("t")) },
	    { .reply = PAGE(KEY("c") MORE("t")) });
	assert_int_equal(list(&keys), -1);
	assert_int_equal(server.connections, 2);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	buf_fini(&keys);
}

static void
a_listing_fails_like_a_request(void **state)
{
	struct buf keys = BUF_INIT(REPLY_MAX);

	(void)state;
	PLAY({ .reply = CODE("403 F", "AccessDenied") });
	assert_int_equal(list(&keys), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(fault.text,
	    "list a b/: S3 says AccessDenied (status 403, request TX1): our "
	    "keys lack a permission");
	fault = FAULT_INIT;
	PLAY({ .reply = PAGE("<Contents>") });
	assert_int_equal(list(&keys), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	fault = FAULT_INIT;
	PLAY({ .reply = PAGE(KEY("a") KEY("stop") KEY("b") MORE("t")) });
	assert_int_equal(list(&keys), -1);
	assert_int_equal(fault.kind, FAULT_FULL);
	assert_int_equal(server.connections, 1);
	assert_string_equal(buf_str(&keys), "a:1;");
	buf_fini(&keys);
}

/* --- presign, open --- */

static void
a_url_replaces_what_was_there(void **state)
{
	struct s3_url url = S3_URL_INIT;
	char key[S3_KEY_MAX + 2];

	(void)state;
	open_s3();
	memset(key, '\xff', S3_KEY_MAX);
	key[S3_KEY_MAX] = '\0';
	assert_int_equal(s3_presign(s3, "GET", key, 60, 0, &url, &fault), 0);
	assert_true(url.text.len > 3 * S3_KEY_MAX);
	assert_int_equal(s3_presign(s3, "HEAD", "a", 60, 0, &url, &fault), 0);
	assert_true(view_begins(buf_view(&url.text),
	    "https://faces.s3.eu-west-1.amazonaws.com/a?X-Amz-Algorithm="));
	assert_int_equal(url.lives_s, 60);
	key[S3_KEY_MAX] = 'k';
	key[S3_KEY_MAX + 1] = '\0';
	assert_int_equal(s3_presign(s3, "GET", key, 60, 0, &url, &fault), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	s3_url_fini(&url);
	s3_url_fini(&url);
}

static void
settings_that_cannot_be_are_refused(void **state)
{
	(void)state;
	setup.bucket = "No_Bucket";
	assert_int_equal(s3_open(&s3, &setup, &fault), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_string_equal(fault.field, "STORAGE_BUCKET");
	assert_null(s3);
	s3_close(&s3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_is_done_and_shows_that_s3_is_up),
		TEST(nothing_is_nothing_to_do),
		TEST(many_are_on_their_way_at_once),
		TEST(a_connection_serves_one_batch_after_another),
		TEST(a_kept_connection_that_was_closed_does_no_harm),
		TEST(what_may_pass_is_sent_again),
		TEST(no_more_attempts_are_made_than_allowed),
		TEST(a_throttled_request_waits_longer),
		TEST(a_wait_that_passes_the_deadline_is_not_begun),
		TEST(a_wait_that_is_not_begun_costs_nothing),
		TEST(retries_of_a_batch_share_a_budget),
		TEST(a_copy_whose_200_holds_an_error_is_sent_again),
		TEST(a_body_that_was_cut_is_asked_for_again),
		TEST(a_wrong_clock_is_put_right_once),
		TEST(a_head_learns_the_clock_without_a_word),
		TEST(a_clock_that_stays_wrong_ends_it),
		TEST(a_bad_signature_may_be_the_clocks_fault),
		TEST(a_region_is_learnt_for_what_follows),
		TEST(a_batch_in_the_wrong_region_is_put_right_together),
		TEST(a_redirect_teaches_a_region_and_is_never_followed),
		TEST(a_region_named_again_and_again_ends_it),
		TEST(ended_keys_are_renewed_once_for_a_batch),
		TEST(long_lived_keys_that_are_refused_stay_refused),
		TEST(silence_ends_with_the_deadline),
		TEST(a_deadline_already_past_sends_nothing),
		TEST(being_told_to_stop_says_nothing_of_s3),
		TEST(each_answer_tells_what_it_shows),
		TEST(a_local_fault_is_of_its_own_operation_alone),
		TEST(each_operation_is_told_of_once_when_it_is_settled),
		TEST(an_answer_of_another_time_is_forgotten),
		TEST(without_keys_nothing_is_sent),
		TEST(
		    a_fault_shows_neither_url_nor_signature_nor_words_of_strangers),
		TEST(a_probe_asks_for_a_byte_once),
		TEST(a_probe_of_a_missing_or_empty_object_shows_that_s3_is_up),
		TEST(a_probe_that_is_denied_asks_whether_the_key_must_exist),
		TEST(a_probe_without_an_answer_is_down),
		TEST(a_probe_that_is_told_to_stop_knows_nothing),
		TEST(a_probe_teaches_the_clock_to_the_next),
		TEST(a_listing_reads_all_its_pages),
		TEST(a_listing_that_does_not_get_on_ends),
		TEST(a_listing_fails_like_a_request),
		TEST(a_url_replaces_what_was_there),
		TEST(settings_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
