#include "aws/inquiry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#include "scripted.h"
#include "written.h"

static enum fault_kind
kind_of_status(int status)
{
	struct http_call call = HTTP_CALL_INIT(0);
	struct fault f = FAULT_INIT;

	call.status = status;
	assert_int_equal(inquiry_refused(&call, &f), -1);
	return f.kind;
}

static void
statuses_have_their_faults(void **state)
{
	(void)state;
	assert_int_equal(kind_of_status(400), FAULT_DENIED);
	assert_int_equal(kind_of_status(403), FAULT_DENIED);
	assert_int_equal(kind_of_status(429), FAULT_BUSY);
	assert_int_equal(kind_of_status(500), FAULT_BUSY);
	assert_int_equal(kind_of_status(503), FAULT_BUSY);
	assert_int_equal(kind_of_status(302), FAULT_REMOTE);
	assert_int_equal(kind_of_status(204), FAULT_REMOTE);
}

static void
what_may_pass_is_no_reply_or_a_busy_one(void **state)
{
	struct http_call call = HTTP_CALL_INIT(0);

	(void)state;
	call.status = 200;
	assert_false(inquiry_may_pass(&call));
	call.status = 403;
	assert_false(inquiry_may_pass(&call));
	call.status = 429;
	assert_true(inquiry_may_pass(&call));
	call.status = 503;
	assert_true(inquiry_may_pass(&call));
	call.status = 0;
	(void)fault_set(&call.fault, FAULT_REMOTE, "reset");
	assert_true(inquiry_may_pass(&call));
}

static void
a_token_cannot_end_its_line(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(inquiry_check_token(VIEW("Basic a=b"), &f), 0);
	assert_int_equal(inquiry_check_token(VIEW(""), &f), -1);
	f = FAULT_INIT;
	assert_int_equal(inquiry_check_token(VIEW("hush\r\nHost: b"), &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_null(strstr(f.text, "hush"));
	f = FAULT_INIT;
	assert_int_equal(inquiry_check_token(VIEW("a\nb"), &f), -1);
	f = FAULT_INIT;
	assert_int_equal(inquiry_check_token(VIEW("a\0b"), &f), -1);
	f = FAULT_INIT;
	assert_int_equal(inquiry_check_token(VIEW("\xc3\xa9"), &f), -1);
}

static void
a_token_file_is_read_trimmed_and_through_links(void **state)
{
	char path[WRITTEN_PATH_SIZE], link[WRITTEN_PATH_SIZE];
	struct buf text = BUF_INIT(16);
	struct fault f = FAULT_INIT;
	struct view token;

	(void)state;
	written(path, "token", "\n abc \r\n");
	written_path(link, "link");
	assert_int_equal(symlink("token", link), 0);
	assert_int_equal(inquiry_read_token(link, &text, &token, &f), 0);
	assert_true(view_is(token, "abc"));
	secret_buf_fini(&text);
	written(path, "token", " \n");
	text = BUF_INIT(16);
	assert_int_equal(inquiry_read_token(path, &text, &token, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	secret_buf_fini(&text);
	f = FAULT_INIT;
	written(path, "token", "hush 0123456789 0123456789");
	text = BUF_INIT(16);
	assert_int_equal(inquiry_read_token(path, &text, &token, &f), -1);
	assert_null(strstr(f.text, "hush"));
	f = FAULT_INIT;
	written_path(path, "none");
	assert_int_equal(inquiry_read_token(path, &text, &token, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_non_null(strstr(f.text, "/none: no such file"));
	secret_buf_fini(&text);
}

static void
one_attempt_has_the_sooner_of_two_ends(void **state)
{
	static const struct act silence[] = { { .reply = NULL },
		{ .reply = NULL } };
	struct http_call call = HTTP_CALL_INIT(16);
	const struct http_setup setup = { .unix_socket = NULL };
	static struct scripted server;
	struct fault f = FAULT_INIT;
	struct http *http = NULL;
	int64_t began_ms;

	(void)state;
	scripted_begin(&server, silence, 2);
	assert_int_equal(http_open(&http, &setup, &f), 0);
	call.method = HTTP_GET;
	call.url = server.url;
	began_ms = clock_ticks_ms();
	assert_int_equal(
	    inquiry_ask(http, &call, 200, began_ms + 60000, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	f = FAULT_INIT;
	call = HTTP_CALL_INIT(16);
	call.url = server.url;
	assert_int_equal(
	    inquiry_ask(http, &call, 60000, clock_ticks_ms() + 200, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	assert_true(clock_ticks_ms() - began_ms < 10000);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(scripted_said(&server, "GET / HTTP/1.1\r\n"), 1);
	http_close(&http);
}

static void
a_pause_ends_when_we_are_told_to_stop(void **state)
{
	const int64_t now_ms = clock_ticks_ms();
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	assert_true(inquiry_pause(20, now_ms + 60000, stop[0]));
	assert_true(clock_ticks_ms() - now_ms >= 20);
	assert_int_equal(close(stop[1]), 0);
	assert_false(inquiry_pause(30000, now_ms + 60000, stop[0]));
	assert_true(clock_ticks_ms() - now_ms < 20000);
	(void)close(stop[0]);
}

static void
nobody_waits_past_the_deadline(void **state)
{
	const int64_t now_ms = clock_ticks_ms();

	(void)state;
	assert_false(inquiry_pause(60000, now_ms + 1000, 0));
	assert_true(inquiry_pause(20, now_ms + 60000, 0));
	assert_true(clock_ticks_ms() - now_ms >= 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_have_their_faults),
		cmocka_unit_test(what_may_pass_is_no_reply_or_a_busy_one),
		cmocka_unit_test(a_token_cannot_end_its_line),
		cmocka_unit_test_setup_teardown(
		    a_token_file_is_read_trimmed_and_through_links,
		    written_set_up, written_tear_down),
		cmocka_unit_test(one_attempt_has_the_sooner_of_two_ends),
		cmocka_unit_test(a_pause_ends_when_we_are_told_to_stop),
		cmocka_unit_test(nobody_waits_past_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
