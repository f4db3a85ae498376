#include "net/http.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

#include "scripted.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define BUSY_NOW "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n\r\nlater"

enum { REPLY_MAX = 16, SOON_MS = 3000, SHORT_MS = 300 };

static struct scripted server;
static struct http *http;

static int64_t
enough(const struct http_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return HTTP_ENOUGH;
}

static int64_t
again_unless_200(const struct http_call *call, void *arg)
{
	(void)arg;
	if (call->status == 200 || call->attempts == 3)
		return HTTP_ENOUGH;
	return 1;
}

static int64_t
again_in_a_minute(const struct http_call *call, void *arg)
{
	(void)call;
	(void)arg;
	return 60000;
}

static int64_t
again_in_a_second(const struct http_call *call, void *arg)
{
	(void)arg;
	return call->attempts == 1 ? 1000 : HTTP_ENOUGH;
}

/* Changes its mind while it waits; arg counts how often it was asked. */
static int64_t
again_but_not_in_the_end(const struct http_call *call, void *arg)
{
	int *asked = arg;

	assert_int_equal(call->waited, *asked == 1);
	assert_int_equal(call->attempts, 1);
	assert_int_equal(call->status, 503);
	return (*asked)++ == 0 ? 10 : HTTP_ENOUGH;
}

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
}

/* A POST of "body" to the server of the test. */
static struct http_call
ask(char url[128])
{
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)snprintf(url, 128, "%s/a?key=hush", server.url);
	call.url = url;
	call.body = VIEW("body");
	return call;
}

static void
run(struct http_call *call, int ms, http_judge *judge)
{
	http_run(http, call, 1, clock_ticks_ms() + ms, judge, NULL);
}

static int
open_http(void **state)
{
	const struct http_setup setup = { .unix_socket = NULL };
	struct fault f = FAULT_INIT;

	(void)state;
	server.socket[0] = '\0';
	return http_open(&http, &setup, &f);
}

static int
close_http(void **state)
{
	(void)state;
	http_close(&http);
	http_close(&http);
	return 0;
}

static void
a_post_carries_its_headers_and_body_and_brings_the_reply(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.headers[0] = "Content-Type: text/x";
	call.headers[2] = "x-key: secret";
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 200);
	assert_int_equal(call.attempts, 1);
	assert_int_equal(call.retry_after_ms, -1);
	assert_true(call.sent);
	assert_string_equal(buf_str(&call.reply), "hi");
	assert_int_equal(scripted_said(&server, "POST /a?key=hush HTTP/1."), 1);
	assert_int_equal(scripted_said(&server, "Content-Type: text/x\r\n"), 1);
	assert_int_equal(scripted_said(&server, "x-key: secret\r\n"), 1);
	assert_int_equal(scripted_said(&server, "\r\n\r\nbody"), 1);
	assert_int_equal(scripted_said(&server, "Expect"), 0);
	buf_fini(&call.reply);
}

static void
an_empty_post_does_not_read_standard_input(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.body = VIEW("");
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.status, 200);
	assert_int_equal(scripted_said(&server, "Content-Length: 0\r\n"), 1);
	buf_fini(&call.reply);
}

static void
a_unix_socket_takes_the_place_of_the_host(void **state)
{
	char folder[] = "/tmp/test_http.XXXXXX";
	struct fault f = FAULT_INIT;
	struct http *local = NULL;
	const struct http_setup setup = { .unix_socket = server.socket };
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(server.socket, sizeof server.socket, "%s/s", folder);
	PLAY({ .reply = OK_HI });
	assert_int_equal(http_open(&local, &setup, &f), 0);
	call.url = "http://model.example/a";
	http_run(local, &call, 1, clock_ticks_ms() + SOON_MS, enough, NULL);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.status, 200);
	assert_int_equal(scripted_said(&server, "Host: model.example\r\n"), 1);
	buf_fini(&call.reply);
	http_close(&local);
	(void)unlink(server.socket);
	(void)rmdir(folder);
}

static void
a_retry_leaves_only_the_last_answer(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call = ask(url);
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(call.attempts, 2);
	assert_int_equal(call.status, 200);
	assert_int_equal(call.retry_after_ms, -1);
	assert_string_equal(buf_str(&call.reply), "hi");
	buf_fini(&call.reply);
}

static void
a_retry_after_header_is_read(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 429 No\r\nretry-AFTER:  7 \r\n\r\n" });
	call = ask(url);
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.status, 429);
	assert_int_equal(call.retry_after_ms, 7000);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	buf_fini(&call.reply);
}

static void
every_attempt_says_what_time_it_has(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call = ask(url);
	call.budget_header = "X-Left";
	run(&call, SOON_MS, again_in_a_second);
	assert_int_equal(scripted_end(&server), 2);
	assert_non_null(strstr(server.request[0], "\r\nX-Left: 3\r\n"));
	assert_non_null(strstr(server.request[1], "\r\nX-Left: "));
	assert_null(strstr(server.request[1], "X-Left: 3"));
	buf_fini(&call.reply);
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.budget_header = "X-Left";
	run(&call, SHORT_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "\r\nX-Left: 1\r\n"), 1);
	buf_fini(&call.reply);
}

static void
a_wait_that_is_over_is_judged_again(void **state)
{
	char url[128];
	struct http_call call;
	int asked = 0;

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call = ask(url);
	http_run(http, &call, 1, clock_ticks_ms() + SOON_MS,
	    again_but_not_in_the_end, &asked);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(asked, 2);
	assert_int_equal(call.status, 503);
	assert_string_equal(buf_str(&call.reply), "later");
	buf_fini(&call.reply);
}

static void
a_wait_past_the_deadline_ends_the_call_as_it_stands(void **state)
{
	const int64_t begun = clock_ticks_ms();
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = BUSY_NOW });
	call = ask(url);
	run(&call, SOON_MS, again_in_a_minute);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.status, 503);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_string_equal(buf_str(&call.reply), "later");
	assert_true(clock_ticks_ms() - begun < SOON_MS);
	buf_fini(&call.reply);
}

/* One that broke was sent once, and its fault says so. */
static void
check_broken(const struct act *act)
{
	char url[128];
	struct http_call call;

	play(act, 1);
	call = ask(url);
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_int_equal(call.attempts, 1);
	assert_true(call.sent);
	assert_non_null(strstr(call.fault.text, "ask 127.0.0.1:"));
	assert_null(strstr(call.fault.text, "hush"));
	buf_fini(&call.reply);
}

static void
a_connection_that_breaks_is_never_tried_again_by_itself(void **state)
{
	(void)state;
	check_broken(&(struct act){ .reply = "" });
	check_broken(&(struct act){ .reset = true });
	check_broken(&(struct act){
	    .reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi" });
	check_broken(
	    &(struct act){ .reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				    "chunked\r\n\r\n5\r\nhi" });
	check_broken(&(struct act){ .reply = "220 mail.example ready\r\n" });
	check_broken(&(struct act){ .reply = "HTTP/1.1 200 OK\r\n"
					     "Content-Encoding: gzip\r\n\r\n"
					     "not gzip" });
}

static void
a_reply_may_fill_its_limit_but_not_pass_it(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdef" },
	    { .reply = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdefg" });
	call = ask(url);
	run(&call, SOON_MS, enough);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.reply.len, REPLY_MAX);
	buf_fini(&call.reply);
	call = ask(url);
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_non_null(strstr(call.fault.text, "reply over 16 bytes"));
	assert_true(call.sent);
	buf_fini(&call.reply);
}

static void
silence_ends_at_the_deadline(void **state)
{
	const int64_t begun = clock_ticks_ms();
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = NULL });
	call = ask(url);
	run(&call, SHORT_MS, again_unless_200);
	assert_in_range(clock_ticks_ms() - begun, SHORT_MS - 5, SHORT_MS + 700);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	assert_int_equal(call.status, 0);
	assert_true(call.sent);
	buf_fini(&call.reply);
}

static void
a_deadline_in_the_past_sends_nothing(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	call = ask(url);
	run(&call, -1, enough);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	assert_int_equal(call.attempts, 0);
	assert_false(call.sent);
	buf_fini(&call.reply);
}

static void
a_refused_connection_was_not_sent_and_may_be_tried_again(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	(void)scripted_end(&server); /* its port answers nobody now */
	call = ask(url);
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(call.fault.kind, FAULT_BUSY);
	assert_int_equal(call.attempts, 3);
	assert_int_equal(call.status, 0);
	assert_false(call.sent);
	buf_fini(&call.reply);
}

static void
a_server_without_tls_gets_no_request_meant_for_tls(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 400 Bad\r\n\r\n" });
	call = ask(url);
	(void)snprintf(
	    url, sizeof url, "https%.60s/a", strchr(server.url, ':'));
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_BUSY);
	assert_false(call.sent);
	buf_fini(&call.reply);
}

static void
other_protocols_and_redirects_are_not_followed(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 307 Go\r\nLocation: /b\r\n\r\n" },
	    { .reply = OK_HI });
	call = ask(url);
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.status, 307);
	buf_fini(&call.reply);
	call = HTTP_CALL_INIT(REPLY_MAX);
	call.url = "file:///etc/hostname";
	run(&call, SOON_MS, enough);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_int_equal(call.reply.len, 0);
	assert_false(call.sent);
	buf_fini(&call.reply);
}

static void
calls_of_one_run_are_under_way_together(void **state)
{
	char url[3][128];
	struct http_call calls[3];
	int i;

	(void)state;
	PLAY({ .reply = OK_HI, .hold = true }, { .reply = OK_HI, .hold = true },
	    { .reply = OK_HI });
	for (i = 0; i < 3; i++)
		calls[i] = ask(url[i]);
	http_run(http, calls, 3, clock_ticks_ms() + SOON_MS, enough, NULL);
	assert_int_equal(scripted_end(&server), 3);
	for (i = 0; i < 3; i++) {
		assert_int_equal(calls[i].status, 200);
		buf_fini(&calls[i].reply);
	}
}

static void
a_slow_call_does_not_hold_back_the_others(void **state)
{
	char url[2][128];
	struct http_call calls[2];

	(void)state;
	PLAY({ .reply = NULL }, { .reply = BUSY_NOW }, { .reply = OK_HI });
	calls[0] = ask(url[0]);
	calls[1] = ask(url[1]);
	http_run(http, calls, 2, clock_ticks_ms() + SHORT_MS, again_unless_200,
	    NULL);
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(calls[0].fault.kind + calls[1].fault.kind, FAULT_SLOW);
	assert_int_equal(calls[0].status + calls[1].status, 200);
	buf_fini(&calls[0].reply);
	buf_fini(&calls[1].reply);
}

static void
no_calls_are_no_work(void **state)
{
	(void)state;
	http_run(http, NULL, 0, clock_ticks_ms() + SOON_MS, enough, NULL);
}

static void
the_backoff_grows_to_eight_seconds(void **state)
{
	static const int64_t most[] = { 1000, 1000, 2000, 4000, 8000, 8000 };
	int64_t ms;
	int i, attempts;

	(void)state;
	for (attempts = 0; attempts < 6; attempts++)
		for (i = 0; i < 100; i++) {
			ms = http_backoff_ms(attempts);
			assert_true(ms >= 0 && ms <= most[attempts]);
		}
	assert_true(http_backoff_ms(1 << 30) <= 8000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_http, close_http)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_post_carries_its_headers_and_body_and_brings_the_reply),
		T(an_empty_post_does_not_read_standard_input),
		T(every_attempt_says_what_time_it_has),
		T(a_wait_that_is_over_is_judged_again),
		T(a_unix_socket_takes_the_place_of_the_host),
		T(a_retry_leaves_only_the_last_answer),
		T(a_retry_after_header_is_read),
		T(a_wait_past_the_deadline_ends_the_call_as_it_stands),
		T(a_connection_that_breaks_is_never_tried_again_by_itself),
		T(a_reply_may_fill_its_limit_but_not_pass_it),
		T(silence_ends_at_the_deadline),
		T(a_deadline_in_the_past_sends_nothing),
		T(a_refused_connection_was_not_sent_and_may_be_tried_again),
		T(a_server_without_tls_gets_no_request_meant_for_tls),
		T(other_protocols_and_redirects_are_not_followed),
		T(calls_of_one_run_are_under_way_together),
		T(a_slow_call_does_not_hold_back_the_others),
		T(no_calls_are_no_work),
		T(the_backoff_grows_to_eight_seconds),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
