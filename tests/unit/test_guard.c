#include "aws/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "aws/s3.h"
#include "s3_kit.h"
#include "scripted.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

/* What a HEAD finds. */
#define VERSION(etag)                                                          \
	REPLY("200 OK",                                                        \
	    "ETag: \"" etag "\"\r\nContent-Length: 5\r\n"                      \
	    "x-amz-meta-sha256: abc\r\n",                                      \
	    "")
#define HIDDEN REPLY("403 F", "", "")
#define REFUSED CODE("501 N", "NotImplemented")
#define FALSE_SAYS_S3 CODE("412 P", "PreconditionFailed")

#define ASKED(i, text) assert_non_null(strstr(server.request[i], text))
#define NOT_ASKED(i, text) assert_null(strstr(server.request[i], text))

enum { SOON_MS = 20000 };

static struct scripted server;
static struct kit kit;
static struct s3 *s3;
static struct fault fault;
static struct s3_setup setup;
static struct digest sha256;

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
	MUST(digest_sha256(&sha256, VIEW("hello"), &fault) == 0);
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

static struct s3_op
put_of(const char *if_match)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, "k");

	op.bytes = VIEW("hello");
	op.size = 5;
	op.sha256 = &sha256;
	op.is_guarded = true;
	op.if_match = if_match;
	op.if_none_match = if_match == NULL;
	return op;
}

static struct s3_op
copy_of(void)
{
	struct s3_op op = S3_OP_INIT(S3_COPY, "k");

	op.source = "from";
	op.is_guarded = op.if_none_match = true;
	return op;
}

/* How many requests it took. */
static int
run(struct s3_op *op)
{
	s3_run(s3, op, 1, clock_ticks_ms() + SOON_MS);
	(void)scripted_end(&server);
	return server.requests;
}

static void
a_put_is_sent_at_once_and_looked_for_when_refused(void **state)
{
	struct s3_op op = put_of(NULL);

	(void)state;
	PLAY({ .reply = DONE });
	assert_int_equal(run(&op), 1);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	ASKED(0, "if-none-match: *\r\n");
	PLAY({ .reply = FALSE_SAYS_S3 }, { .reply = VERSION("e9") });
	assert_int_equal(run(&op), 2);
	assert_int_equal(op.fault.kind, FAULT_CONFLICT);
	assert_true(op.is_taken);
	assert_string_equal(op.found_etag, "e9");
	assert_string_equal(op.found_sha256, "abc");
	assert_int_equal(op.found_size, 5);
}

static void
a_refusal_without_a_reason_stands(void **state)
{
	struct s3_op op = put_of(NULL);

	(void)state;
	PLAY({ .reply = FALSE_SAYS_S3 }, { .reply = NOTHING });
	assert_int_equal(run(&op), 2);
	assert_int_equal(op.fault.kind, FAULT_CONFLICT);
	assert_false(op.is_taken);
	assert_int_equal(op.status, 412);
}

static void
the_version_to_replace_is_named_without_quotes(void **state)
{
	struct s3_op op = put_of("e7");

	(void)state;
	op.looks_first = true;
	PLAY({ .reply = VERSION("e7") }, { .reply = DONE });
	assert_int_equal(run(&op), 2);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	ASKED(0, "HEAD /faces/k ");
	ASKED(1, "if-match: e7\r\n");
	PLAY({ .reply = VERSION("e8") });
	assert_int_equal(run(&op), 1);
	assert_true(op.is_taken);
}

static void
a_version_that_is_gone_is_written_anew(void **state)
{
	struct s3_op op = put_of("e7");

	(void)state;
	PLAY({ .reply = CODE("404 N", "NoSuchKey") }, { .reply = NOTHING },
	    { .reply = DONE });
	assert_int_equal(run(&op), 3);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	ASKED(2, "if-none-match: *\r\n");
	NOT_ASKED(2, "if-match");
}

/* A server whose ETags are other texts in a condition. */
static void
a_condition_that_holds_and_is_refused_is_left_out(void **state)
{
	struct s3_op op = put_of("e7");

	(void)state;
	PLAY({ .reply = FALSE_SAYS_S3 }, { .reply = VERSION("e7") },
	    { .reply = DONE });
	assert_int_equal(run(&op), 3);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	NOT_ASKED(2, "if-match");
}

/* A write in progress: the old version is there until that one ends. */
static void
a_write_in_progress_is_never_written_over(void **state)
{
	struct s3_op op = put_of("e7");

	(void)state;
	setup.attempts = 1;
	PLAY({ .reply = CODE("409 C", "ConditionalRequestConflict") },
	    { .reply = VERSION("e7") }, { .reply = DONE });
	s3_run(s3, &op, 1, clock_ticks_ms() + SOON_MS);
	assert_int_equal(scripted_said(&server, "PUT /faces/k "), 1);
	(void)scripted_end(&server);
	assert_int_equal(op.fault.kind, FAULT_CONFLICT);
	assert_int_equal(op.status, 409);
	assert_false(op.is_taken);
}

static void
a_version_without_an_etag_is_the_one_that_is_seen_first(void **state)
{
	struct s3_op op = put_of(NULL);

	(void)state;
	guard_version(&op, "");
	PLAY({ .reply = VERSION("e7") },
	    { .reply = CODE("500 I", "InternalError") },
	    { .reply = VERSION("e7") }, { .reply = DONE });
	assert_int_equal(run(&op), 4);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	ASKED(0, "HEAD /faces/k ");
	ASKED(3, "if-match: e7\r\n");
	guard_version(&op, "");
	PLAY({ .reply = VERSION("e7") },
	    { .reply = CODE("500 I", "InternalError") },
	    { .reply = VERSION("e8") });
	assert_int_equal(run(&op), 3);
	assert_true(op.is_taken);
	guard_version(&op, "");
	PLAY({ .reply = NOTHING }, { .reply = DONE });
	assert_int_equal(run(&op), 2);
	ASKED(1, "if-none-match: *\r\n");
	guard_version(&op, "");
	PLAY({ .reply = HIDDEN });
	assert_int_equal(run(&op), 1); /* there is no condition to guard it */
	assert_int_equal(op.fault.kind, FAULT_DENIED);
}

/* Some front refuses one write with 501; the next one has its condition. */
static void
conditions_are_given_up_only_when_a_write_without_them_succeeds(void **state)
{
	struct s3_op op = put_of(NULL);

	(void)state;
	PLAY({ .reply = REFUSED }, { .reply = NOTHING }, { .reply = REFUSED },
	    { .reply = DONE });
	s3_run(s3, &op, 1, clock_ticks_ms() + SOON_MS);
	assert_int_not_equal(op.fault.kind, FAULT_NONE);
	assert_int_equal(run(&op), 4);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	ASKED(3, "if-none-match: *\r\n");
}

static void
a_server_that_knows_no_conditions_is_asked_once(void **state)
{
	struct s3_op op = put_of(NULL), copy = copy_of();

	(void)state;
	PLAY({ .reply = REFUSED }, { .reply = NOTHING }, { .reply = DONE },
	    { .reply = NOTHING }, { .reply = DONE }, { .reply = NOTHING },
	    { .reply = COPIED });
	s3_run(s3, &op, 1, clock_ticks_ms() + SOON_MS);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	s3_run(s3, &op, 1, clock_ticks_ms() + SOON_MS);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	assert_int_equal(run(&copy), 7);
	NOT_ASKED(2, "if-none-match");
	ASKED(3, "HEAD ");
	NOT_ASKED(4, "if-none-match");
	ASKED(6, "if-none-match"); /* each kind of write by itself */
}

static void
every_attempt_of_a_copy_begins_with_a_look(void **state)
{
	struct s3_op op = copy_of();

	(void)state;
	PLAY({ .reply = NOTHING }, { .reply = CODE("500 I", "InternalError") },
	    { .reply = NOTHING }, { .reset = true }, { .reply = VERSION("x") });
	assert_int_equal(run(&op), 5);
	assert_true(op.is_taken);
	ASKED(2, "HEAD ");
	assert_int_equal(scripted_said(&server, "HEAD /faces/k "), 3);
}

static void
who_may_not_list_is_guarded_by_the_condition_of_a_put_alone(void **state)
{
	struct s3_op op = put_of(NULL), copy = copy_of();

	(void)state;
	op.looks_first = true;
	PLAY({ .reply = HIDDEN }, { .reply = DONE });
	assert_int_equal(run(&op), 2);
	assert_int_equal(op.fault.kind, FAULT_NONE);
	PLAY({ .reply = HIDDEN }, { .reply = REFUSED }, { .reply = HIDDEN });
	assert_int_equal(run(&op), 3); /* and never without one */
	assert_int_equal(op.fault.kind, FAULT_DENIED);
	PLAY({ .reply = HIDDEN }, { .reply = COPIED });
	s3_run(s3, &copy, 1, clock_ticks_ms() + SOON_MS);
	assert_int_equal(scripted_said(&server, "PUT "), 0);
	(void)scripted_end(&server);
	assert_int_equal(copy.fault.kind, FAULT_DENIED);
	assert_int_equal(copy.status, 403);
}

static void
a_deadline_after_the_look_is_no_success(void **state)
{
	struct s3_op op = copy_of();

	(void)state;
	PLAY({ .reply = NOTHING, .delay_ms = 300 }, { .reply = NULL });
	s3_run(s3, &op, 1, clock_ticks_ms() + 600);
	(void)scripted_end(&server);
	assert_int_equal(op.fault.kind, FAULT_SLOW);
	assert_false(op.is_taken);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_put_is_sent_at_once_and_looked_for_when_refused),
		TEST(a_refusal_without_a_reason_stands),
		TEST(the_version_to_replace_is_named_without_quotes),
		TEST(a_version_that_is_gone_is_written_anew),
		TEST(a_condition_that_holds_and_is_refused_is_left_out),
		TEST(a_write_in_progress_is_never_written_over),
		TEST(a_version_without_an_etag_is_the_one_that_is_seen_first),
		TEST(
		    conditions_are_given_up_only_when_a_write_without_them_succeeds),
		TEST(a_server_that_knows_no_conditions_is_asked_once),
		TEST(every_attempt_of_a_copy_begins_with_a_look),
		TEST(
		    who_may_not_list_is_guarded_by_the_condition_of_a_put_alone),
		TEST(a_deadline_after_the_look_is_no_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
