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

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

enum {
	REPLY_MAX = 16,
	SOON_MS = 3000,
	SHORT_MS = 300,
	LATE_MS = 9000, /* for what has to end long before */
	IMAGE_BYTES = 1500 * 1000
};

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
again_unless_200_at_once(const struct http_call *call, void *arg)
{
	(void)arg;
	return call->status == 200 ? HTTP_ENOUGH : 0;
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
a_budget_is_never_said_to_be_below_its_least(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.budget_header = "X-Left";
	call.budget_least_s = 10;
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "\r\nX-Left: 10\r\n"), 1);
	buf_fini(&call.reply);
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.budget_header = "X-Left";
	call.budget_least_s = 2;
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "\r\nX-Left: 3\r\n"), 1);
	buf_fini(&call.reply);
}

static void
no_attempt_begins_with_less_than_its_least_time(void **state)
{
	const int64_t begun = clock_ticks_ms();
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call = ask(url);
	call.attempt_least_ms = SOON_MS - 900;
	run(&call, SOON_MS, again_in_a_second);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.status, 503); /* as it stood, and at once */
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_true(clock_ticks_ms() - begun < 900);
	buf_fini(&call.reply);
	PLAY({ .reply = OK_HI });
	call = ask(url);
	call.attempt_least_ms = SOON_MS + 1;
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	assert_int_equal(call.attempts, 0);
	assert_false(call.sent);
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

/* Opens the http of a test anew, as it needs it. */
static void
open_as(const struct http_setup *setup)
{
	struct fault f = FAULT_INIT;

	http_close(&http);
	assert_int_equal(http_open(&http, setup, &f), 0);
}

static void
open_kept(void)
{
	open_as(&(struct http_setup){ .keep = true, .parallel = 4 });
}

/* The same as ask, with another method, path and no body. */
static struct http_call
ask_to(enum http_method method, const char *path, char url[128])
{
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)snprintf(url, 128, "%s%s", server.url, path);
	call.url = url;
	call.method = method;
	return call;
}

static void
end_call(struct http_call *call)
{
	buf_fini(&call->reply);
	buf_fini(&call->reply_headers);
}

/* A byte of a long body that tells its place. */
static char
byte_at(int64_t offset)
{
	return (char)(offset * 7 + offset / 251);
}

static uint64_t
sum_of_image(void)
{
	uint64_t sum = SCRIPTED_SUM_OF_NOTHING;
	char c;
	int i;

	for (i = 0; i < IMAGE_BYTES; i++) {
		c = byte_at(i);
		sum = scripted_sum(sum, &c, 1);
	}
	return sum;
}

static int64_t
give_image(struct http_call *call, char *p, size_t n, int64_t offset)
{
	size_t i;

	assert_true(n > 0);
	assert_true(offset + (int64_t)n <= call->body_size);
	if (n > 1000 && offset % 3 == 0)
		n -= 999; /* may be less than asked */
	for (i = 0; i < n; i++)
		p[i] = byte_at(offset + (int64_t)i);
	return (int64_t)n;
}

/* Fails behind the first 100 kB as the call's owner says. */
static int64_t
give_some(struct http_call *call, char *p, size_t n, int64_t offset)
{
	const char *how = call->owner;

	if (offset < 100 * 1000)
		return give_image(call, p, n < 50000 ? n : 50000, offset);
	if (how[0] == '0')
		return 0;
	if (how[0] == 'f')
		(void)fault_set(&call->fault, FAULT_DISK, "disk is gone");
	return -1;
}

static struct http_call
put_image(char url[128])
{
	struct http_call call = ask_to(HTTP_PUT, "/a?key=hush", url);

	call.source = give_image;
	call.body_size = IMAGE_BYTES;
	return call;
}

/* Adds what comes to the buf that owns the call. */
static int
take(struct http_call *call, struct view bytes)
{
	struct buf *taken = call->owner;

	buf_add(taken, bytes);
	return taken->spoilt ? -1 : 0;
}

static void
check_wire(enum http_method method, const char *body, const char *name,
    const char *end)
{
	struct buf expected = BUF_INIT(1000);
	char url[128];
	struct http_call call;

	open_kept();
	PLAY({ .reply = OK_EMPTY });
	call = ask_to(method, "/a?b=c", url);
	call.headers[3] = "X-My: own";
	call.body = view_str(body);
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 200);
	buf_fmt(&expected,
	    "%s /a?b=c HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n"
	    "X-My: own\r\n%s",
	    name, server.url + strlen("http://"), end);
	assert_string_equal(server.request[0], buf_str(&expected));
	buf_fini(&expected);
	end_call(&call);
}

static void
each_method_is_sent_byte_by_byte_as_it_should(void **state)
{
	(void)state;
	check_wire(HTTP_GET, "not sent", "GET", "\r\n");
	check_wire(HTTP_HEAD, "not sent", "HEAD", "\r\n");
	check_wire(HTTP_DELETE, "not sent", "DELETE", "\r\n");
	check_wire(
	    HTTP_PUT, "its body", "PUT", "Content-Length: 8\r\n\r\nits body");
	check_wire(HTTP_PUT, NULL, "PUT", "Content-Length: 0\r\n\r\n");
	check_wire(HTTP_POST, "its body", "POST",
	    "Content-Length: 8\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
	    "its body");
}

static void
dot_segments_and_escapes_of_a_path_stay(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_EMPTY });
	call = ask_to(HTTP_GET, "/a/../b/./c//d%2Fe/..", url);
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(
	    scripted_said(&server, "GET /a/../b/./c//d%2Fe/.. HTTP/1.1\r\n"),
	    1);
	end_call(&call);
}

static void
check_source(enum http_method method)
{
	char url[128];
	struct http_call call;

	PLAY({ .reply = OK_HI });
	call = put_image(url);
	call.method = method;
	run(&call, LATE_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 200);
	assert_int_equal(server.body_size[0], IMAGE_BYTES);
	assert_true(server.body_sum[0] == sum_of_image());
	assert_int_equal(
	    scripted_said(&server, "\r\nContent-Length: 1500000\r\n"), 1);
	assert_int_equal(scripted_said(&server, "Expect"), 0);
	assert_int_equal(scripted_said(&server, "chunked"), 0);
	end_call(&call);
}

static void
a_long_body_from_a_source_arrives_whole(void **state)
{
	(void)state;
	check_source(HTTP_PUT);
	check_source(HTTP_POST);
	open_kept();
	check_source(HTTP_PUT);
	check_source(HTTP_POST);
}

static void
an_empty_source_is_never_asked(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	PLAY({ .reply = OK_HI }, { .reply = OK_HI });
	for (i = 0; i < 2; i++) {
		call = put_image(url);
		call.method = i == 0 ? HTTP_PUT : HTTP_POST;
		call.body_size = 0;
		run(&call, SOON_MS, enough);
		assert_int_equal(call.status, 200);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(
	    scripted_said(&server, "\r\nContent-Length: 0\r\n"), 2);
}

static void
check_failing_source(char *how, enum fault_kind kind, const char *text)
{
	char url[128];
	struct http_call call;

	PLAY({ .reply = OK_HI });
	call = put_image(url);
	call.source = give_some;
	call.owner = how;
	run(&call, LATE_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, kind);
	assert_non_null(strstr(call.fault.text, "ask 127.0.0.1:"));
	assert_non_null(strstr(call.fault.text, text));
	assert_null(strstr(call.fault.text, "hush"));
	assert_int_equal(call.status, 0);
	assert_true(call.sent);
	end_call(&call);
}

static void
a_source_that_fails_midway_ends_the_attempt(void **state)
{
	char no[] = "-", end[] = "0", fault[] = "f";

	(void)state;
	check_failing_source(
	    no, FAULT_REMOTE, "body could not be read from byte 1");
	check_failing_source(
	    end, FAULT_REMOTE, "body could not be read from byte 1");
	check_failing_source(fault, FAULT_DISK, "disk is gone");
}

/* Served once, a connection that dies before it answers has sent nothing
 * that matters: libcurl sends the whole body again on another. */
static void
a_kept_connection_that_is_dead_gets_its_body_sent_again(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	open_kept();
	PLAY({ .reply = OK_HI, .keep = true }, { .reply = "" },
	    { .reply = OK_HI, .keep = true }, { .reset = true },
	    { .reply = OK_HI });
	for (i = 0; i < 3; i++) {
		call = put_image(url);
		run(&call, LATE_MS, enough);
		assert_int_equal(call.fault.kind, FAULT_NONE);
		assert_int_equal(call.status, 200);
		assert_int_equal(call.attempts, 1);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(server.requests, 5);
	for (i = 0; i < 5; i++) {
		assert_int_equal(server.body_size[i], IMAGE_BYTES);
		assert_true(server.body_sum[i] == sum_of_image());
	}
}

/* The same, but the server goes while the body is on its way. */
static void
a_kept_connection_that_dies_under_a_body_is_replaced(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	open_kept();
	PLAY({ .reply = OK_HI, .keep = true }, { .reset = true, .deaf = true },
	    { .reply = OK_HI });
	for (i = 0; i < 2; i++) {
		call = put_image(url);
		run(&call, LATE_MS, enough);
		assert_int_equal(call.fault.kind, FAULT_NONE);
		assert_int_equal(call.status, 200);
		assert_int_equal(call.attempts, 1);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(server.requests, 3);
	assert_true(server.body_sum[2] == sum_of_image());
}

/* But a new one that dies so was no kept one: that is the judge's. */
static void
a_new_connection_that_dies_under_a_body_is_a_fault(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_kept();
	PLAY({ .reset = true, .deaf = true }, { .reply = OK_HI });
	call = put_image(url);
	run(&call, LATE_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_true(call.sent);
	end_call(&call);
}

static void
a_connection_closed_between_two_calls_is_replaced(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	open_kept();
	PLAY({ .reply = OK_HI }, { .reply = OK_HI });
	for (i = 0; i < 2; i++) {
		call = put_image(url);
		run(&call, LATE_MS, enough);
		assert_int_equal(call.status, 200);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 2);
	assert_true(server.body_sum[1] == sum_of_image());
}

static int
connections_of_four_runs(void)
{
	char url[128];
	struct http_call call;
	int i;

	PLAY({ .reply = OK_HI, .keep = true }, { .reply = OK_HI, .keep = true },
	    { .reply = OK_HI, .keep = true }, { .reply = OK_HI, .keep = true });
	for (i = 0; i < 4; i++) {
		call = i % 2 == 0 ? ask(url) : ask_to(HTTP_HEAD, "/", url);
		run(&call, SOON_MS, enough);
		assert_int_equal(call.status, 200);
		end_call(&call);
	}
	return scripted_end(&server);
}

static void
only_a_setup_that_keeps_connections_does(void **state)
{
	(void)state;
	assert_int_equal(connections_of_four_runs(), 4);
	open_kept();
	assert_int_equal(connections_of_four_runs(), 1);
}

static void
what_is_sent_again_takes_a_new_connection(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_kept();
	PLAY({ .reply = OK_HI, .keep = true },
	    { .reply = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
		.keep = true },
	    { .reply = OK_HI, .keep = true });
	call = ask(url);
	run(&call, SOON_MS, enough);
	end_call(&call);
	call = ask(url);
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(call.status, 200);
	assert_int_equal(call.attempts, 2);
	end_call(&call);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(server.requests, 3);
}

/* An answer before the body's end: whole, and the connection, which may
 * still wait for the rest, not used again. */
static void
a_refusal_before_the_body_has_gone_is_heard(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_kept();
	PLAY({ .reply = "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
		 .deaf = true },
	    { .reply = OK_HI });
	call = put_image(url);
	call.body_size = 64 << 20; /* more than any socket takes */
	run(&call, LATE_MS, enough);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 403);
	assert_string_equal(buf_str(&call.reply), "no");
	end_call(&call);
	call = ask(url);
	run(&call, SOON_MS, enough);
	assert_int_equal(call.status, 200);
	end_call(&call);
	assert_int_equal(scripted_end(&server), 2);
}

static void
check_sink(int status, const char *taken, const char *reply)
{
	char url[128];
	struct http_call call;
	struct buf got = BUF_INIT(100);

	call = ask_to(HTTP_GET, "/", url);
	call.sink = take;
	call.owner = &got;
	run(&call, SOON_MS, enough);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, status);
	assert_string_equal(buf_str(&got), taken);
	assert_string_equal(buf_str(&call.reply), reply);
	end_call(&call);
	buf_fini(&got);
}

static void
a_sink_takes_the_bodies_of_2xx_alone(void **state)
{
	(void)state;
	PLAY({ .reply = "HTTP/1.1 404 No\r\n\r\nnot here" },
	    { .reply = "HTTP/1.1 206 Part\r\n\r\nmore than a reply may be" },
	    { .reply = "HTTP/1.1 302 Go\r\nLocation: /b\r\n\r\ngone" });
	check_sink(404, "", "not here");
	check_sink(206, "more than a reply may be", "");
	check_sink(302, "", "gone");
	assert_int_equal(scripted_end(&server), 3);
}

static void
a_sink_that_refuses_ends_the_attempt(void **state)
{
	char url[128];
	struct http_call call;
	struct buf taken = BUF_INIT(3);

	(void)state;
	PLAY({ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour" });
	call = ask_to(HTTP_GET, "/?key=hush", url);
	call.sink = take;
	call.owner = &taken;
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_non_null(strstr(call.fault.text, "was not taken"));
	assert_null(strstr(call.fault.text, "hush"));
	assert_int_equal(call.status, 200);
	end_call(&call);
	buf_fini(&taken);
}

static void
a_kept_reply_arrives_as_it_is_stored(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_kept();
	PLAY({ .reply = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
			"Content-Length: 8\r\n\r\nnot gzip" });
	call = ask_to(HTTP_GET, "/", url);
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_string_equal(buf_str(&call.reply), "not gzip");
	assert_int_equal(scripted_said(&server, "Accept-Encoding"), 0);
	end_call(&call);
}

static void
a_reply_shorter_than_promised_is_a_fault(void **state)
{
	char url[128];
	struct http_call call;
	struct buf taken = BUF_INIT(100);

	(void)state;
	open_kept();
	PLAY({ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi" });
	call = ask_to(HTTP_GET, "/", url);
	call.sink = take;
	call.owner = &taken;
	run(&call, SOON_MS, enough);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_int_equal(call.status, 200);
	end_call(&call);
	buf_fini(&taken);
}

/* What prepare of a test does: its calls are counted in asked. */
struct prepared {
	int asked;
	int ends_at;
	char url[128];
	char header[32];
};

static int
write_attempt(struct http_call *call)
{
	struct prepared *p = call->owner;

	p->asked++;
	assert_int_equal(call->attempts, p->asked - 1);
	assert_int_equal(call->fault.kind, FAULT_NONE);
	if (p->asked == p->ends_at)
		return fault_in(
		    &call->fault, FAULT_CONFLICT, "file", "it has changed");
	(void)snprintf(p->url, sizeof p->url, "%s/%d", server.url, p->asked);
	(void)snprintf(p->header, sizeof p->header, "X-Attempt: %d", p->asked);
	call->url = p->url;
	call->headers[0] = p->header;
	call->body = p->asked == 1 ? VIEW("one") : VIEW("again");
	return 0;
}

static void
each_attempt_is_prepared(void **state)
{
	struct prepared p = { .asked = 0 };
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call.method = HTTP_PUT;
	call.prepare = write_attempt;
	call.owner = &p;
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(p.asked, 2);
	assert_int_equal(call.status, 200);
	assert_non_null(strstr(server.request[0], "PUT /1 HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request[0], "X-Attempt: 1\r\n"));
	assert_non_null(strstr(server.request[0], "\r\n\r\none"));
	assert_non_null(strstr(server.request[1], "PUT /2 HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request[1], "X-Attempt: 2\r\n"));
	assert_non_null(strstr(server.request[1], "\r\n\r\nagain"));
	end_call(&call);
}

static void
preparing_may_end_the_call(void **state)
{
	struct prepared p = { .ends_at = 2 };
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)state;
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI });
	call.prepare = write_attempt;
	call.owner = &p;
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(p.asked, 2);
	assert_int_equal(call.attempts, 1);
	assert_int_equal(call.status, 0);
	assert_int_equal(call.fault.kind, FAULT_CONFLICT);
	assert_string_equal(call.fault.field, "file");
	assert_string_equal(call.fault.text, "it has changed");
	end_call(&call);
}

static void
a_call_that_ends_before_it_is_prepared_has_no_url(void **state)
{
	struct prepared p = { .asked = 0 };
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	(void)state;
	call.prepare = write_attempt;
	call.owner = &p;
	run(&call, -1, enough);
	assert_int_equal(p.asked, 0);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	end_call(&call);
}

static void
check_header(const struct http_call *call, const char *name, const char *value)
{
	struct view got;

	assert_true(http_header(call, name, &got));
	assert_true(view_is(got, value));
}

static void
the_headers_of_the_last_reply_are_read_by_name(void **state)
{
	struct view got;
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 503 No\r\nX-Old: gone\r\n\r\n" },
	    { .reply = "HTTP/1.1 103 Early\r\nX-Early: gone\r\n"
		       "Retry-After: 9\r\n\r\n"
		       "HTTP/1.1 200 OK\r\nETag:  \"a:b\" \r\nX-Empty:\r\n"
		       "X-Twice: first\r\nx-twice: second\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n"
		       "2\r\nhi\r\n0\r\nX-Trailer: gone\r\n\r\n" });
	call = ask_to(HTTP_GET, "/", url);
	call.reply_headers.limit = 1000;
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 200);
	assert_int_equal(call.retry_after_ms, -1);
	assert_string_equal(buf_str(&call.reply), "hi");
	check_header(&call, "etag", "\"a:b\"");
	check_header(&call, "X-Empty", "");
	check_header(&call, "X-TWICE", "first");
	assert_false(http_header(&call, "X-Old", &got));
	assert_false(http_header(&call, "X-Early", &got));
	assert_false(http_header(&call, "X-Trailer", &got));
	assert_false(http_header(&call, "X-Twic", &got));
	assert_false(http_header(&call, "HTTP/1.1 200 OK", &got));
	assert_true(
	    view_begins(buf_view(&call.reply_headers), "HTTP/1.1 200 OK\r\n"));
	end_call(&call);
}

static void
headers_are_kept_only_when_asked_for(void **state)
{
	struct view got;
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = OK_HI });
	call = ask_to(HTTP_GET, "/", url);
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.reply_headers.len, 0);
	assert_false(http_header(&call, "Content-Length", &got));
	end_call(&call);
}

static void
check_headers_over(size_t limit, enum fault_kind kind)
{
	static const char reply[] =
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
	char url[128];
	struct http_call call;

	PLAY({ .reply = reply });
	call = ask_to(HTTP_GET, "/", url);
	call.reply_headers.limit = limit;
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.fault.kind, kind);
	if (kind != FAULT_NONE)
		assert_non_null(
		    strstr(call.fault.text, "reply headers over 37 bytes"));
	end_call(&call);
}

static void
reply_headers_may_fill_their_limit_but_not_pass_it(void **state)
{
	(void)state;
	check_headers_over(38, FAULT_NONE);
	check_headers_over(37, FAULT_REMOTE);
}

static void
a_head_has_a_length_and_no_body(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	open_kept();
	PLAY({ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
		 .keep = true },
	    { .reply = "HTTP/1.1 404 No\r\nContent-Length: 300\r\n\r\n",
		.keep = true });
	for (i = 0; i < 2; i++) {
		call = ask_to(HTTP_HEAD, "/", url);
		call.reply_headers.limit = HTTP_REPLY_HEADERS_MAX;
		run(&call, SOON_MS, enough);
		assert_int_equal(call.fault.kind, FAULT_NONE);
		assert_int_equal(call.status, i == 0 ? 200 : 404);
		check_header(&call, "Content-Length", i == 0 ? "12345" : "300");
		assert_int_equal(call.reply.len, 0);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 1);
}

static void
a_204_ends_with_its_head(void **state)
{
	char url[128];
	struct http_call call;
	int i;

	(void)state;
	open_kept();
	PLAY({ .reply = "HTTP/1.1 204 None\r\n\r\n", .keep = true },
	    { .reply = "HTTP/1.1 204 None\r\n\r\n", .keep = true });
	for (i = 0; i < 2; i++) {
		call = ask_to(HTTP_DELETE, "/", url);
		run(&call, SOON_MS, enough);
		assert_int_equal(call.fault.kind, FAULT_NONE);
		assert_int_equal(call.status, 204);
		end_call(&call);
	}
	assert_int_equal(scripted_end(&server), 1);
}

static void
a_100_continue_that_nobody_asked_for_is_no_answer(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	PLAY({ .reply = "HTTP/1.1 100 Continue\r\n\r\n" OK_HI },
	    { .reply = "HTTP/1.1 100 Continue\r\n\r\n" });
	call = put_image(url);
	call.reply_headers.limit = HTTP_REPLY_HEADERS_MAX;
	run(&call, LATE_MS, enough);
	assert_int_equal(call.fault.kind, FAULT_NONE);
	assert_int_equal(call.status, 200);
	assert_true(view_begins(buf_view(&call.reply_headers), "HTTP/1.1 200"));
	end_call(&call);
	call = put_image(url);
	call.reply_headers.limit = HTTP_REPLY_HEADERS_MAX;
	run(&call, LATE_MS, enough);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(call.fault.kind, FAULT_REMOTE);
	assert_int_equal(call.reply_headers.len, 0);
	end_call(&call);
}

static void
no_more_calls_are_on_their_way_than_parallel_says(void **state)
{
	char url[SCRIPTED_MAX][128];
	struct http_call calls[SCRIPTED_MAX];
	int i;

	(void)state;
	open_as(&(struct http_setup){ .parallel = 2 });
	/* Pairs: the first of each has to wait for the second. */
	PLAY({ .reply = OK_HI, .hold = true },
	    { .reply = OK_HI, .delay_ms = 100 },
	    { .reply = OK_HI, .hold = true },
	    { .reply = OK_HI, .delay_ms = 100 },
	    { .reply = OK_HI, .hold = true },
	    { .reply = OK_HI, .delay_ms = 100 },
	    { .reply = OK_HI, .hold = true },
	    { .reply = OK_HI, .delay_ms = 100 });
	for (i = 0; i < SCRIPTED_MAX; i++)
		calls[i] = ask(url[i]);
	http_run(http, calls, SCRIPTED_MAX, clock_ticks_ms() + LATE_MS, enough,
	    NULL);
	assert_int_equal(scripted_end(&server), SCRIPTED_MAX);
	assert_int_equal(server.most_open, 2);
	for (i = 0; i < SCRIPTED_MAX; i++) {
		assert_int_equal(calls[i].status, 200);
		end_call(&calls[i]);
	}
}

/* The second is refused once and goes before the third. */
static void
calls_start_in_the_order_given(void **state)
{
	static const char *const lines[] = { "GET /0 ", "GET /1 ", "GET /1 ",
		"GET /2 ", "GET /3 " };
	char path[16], url[4][128];
	struct http_call calls[4];
	int i;

	(void)state;
	open_as(&(struct http_setup){ .parallel = 1 });
	PLAY({ .reply = OK_HI }, { .reply = BUSY_NOW }, { .reply = OK_HI },
	    { .reply = OK_HI }, { .reply = OK_HI });
	for (i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof path, "/%d", i);
		calls[i] = ask_to(HTTP_GET, path, url[i]);
	}
	http_run(http, calls, 4, clock_ticks_ms() + LATE_MS,
	    again_unless_200_at_once, NULL);
	assert_int_equal(scripted_end(&server), 5);
	assert_int_equal(server.most_open, 1);
	for (i = 0; i < 5; i++)
		assert_true(view_begins(view_str(server.request[i]), lines[i]));
	for (i = 0; i < 4; i++)
		end_call(&calls[i]);
}

static void
a_call_that_waits_to_be_sent_again_holds_no_place(void **state)
{
	char url[2][128];
	struct http_call calls[2];

	(void)state;
	open_as(&(struct http_setup){ .parallel = 1 });
	PLAY({ .reply = BUSY_NOW }, { .reply = OK_HI }, { .reply = OK_HI });
	calls[0] = ask_to(HTTP_GET, "/first", url[0]);
	calls[1] = ask_to(HTTP_GET, "/second", url[1]);
	http_run(http, calls, 2, clock_ticks_ms() + LATE_MS, again_in_a_second,
	    NULL);
	(void)scripted_end(&server);
	assert_non_null(strstr(server.request[0], "GET /first "));
	assert_non_null(strstr(server.request[1], "GET /second "));
	end_call(&calls[0]);
	end_call(&calls[1]);
}

static void
what_still_waits_for_its_turn_at_the_deadline_was_not_sent(void **state)
{
	const int64_t begun = clock_ticks_ms();
	char url[3][128];
	struct http_call calls[3];
	int i;

	(void)state;
	open_as(&(struct http_setup){ .parallel = 1 });
	PLAY({ .reply = NULL });
	for (i = 0; i < 3; i++)
		calls[i] = ask(url[i]);
	http_run(http, calls, 3, begun + SHORT_MS, enough, NULL);
	assert_in_range(clock_ticks_ms() - begun, SHORT_MS - 5, SHORT_MS + 700);
	assert_int_equal(scripted_end(&server), 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(calls[i].fault.kind, FAULT_SLOW);
		assert_int_equal(calls[i].attempts, i == 0);
		assert_int_equal(calls[i].sent, i == 0);
		assert_non_null(strstr(calls[i].fault.text, "in time"));
		end_call(&calls[i]);
	}
}

static void
check_stall(const struct act *act, int status)
{
	const int64_t begun = clock_ticks_ms();
	char url[128];
	struct http_call call;

	play(act, 1);
	call = ask(url);
	run(&call, 30000, enough);
	assert_in_range(clock_ticks_ms() - begun, 900, LATE_MS);
	(void)scripted_end(&server);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	assert_non_null(strstr(call.fault.text, "not a byte for 1 s"));
	assert_int_equal(call.status, status);
	assert_true(call.sent);
	end_call(&call);
}

static void
an_attempt_that_moves_no_byte_ends_as_slow(void **state)
{
	(void)state;
	open_as(&(struct http_setup){ .stall_s = 1 });
	check_stall(&(struct act){ .reply = NULL }, 0);
	check_stall(&(struct act){ .reply = "HTTP/1.1 200 OK\r\n"
					    "Content-Length: 9\r\n\r\nhi",
			.keep = true },
	    200);
}

static void
an_upload_that_nobody_reads_ends_as_slow(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_as(&(struct http_setup){ .stall_s = 1 });
	PLAY({ .reply = "", .deaf = true });
	call = put_image(url);
	call.body_size = 64 << 20;
	run(&call, 30000, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.fault.kind, FAULT_SLOW);
	assert_non_null(strstr(call.fault.text, "not a byte for 1 s"));
	end_call(&call);
}

/* Makes the pipe that owns the call readable. */
static int
stop_now(struct http_call *call, struct view bytes)
{
	const int *stop = call->owner;

	(void)bytes;
	assert_int_equal(write(stop[1], "!", 1), 1);
	return 0;
}

static void
all_ends_when_told_to_stop(void **state)
{
	const int64_t begun = clock_ticks_ms();
	char url[3][128];
	struct http_call calls[3];
	int stop[2], i;

	(void)state;
	assert_int_equal(pipe(stop), 0);
	open_as(&(struct http_setup){ .parallel = 2, .stop_fd = stop[0] });
	PLAY({ .reply = BUSY_NOW, .keep = true },
	    { .reply = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
		.keep = true,
		.delay_ms = 100 });
	for (i = 0; i < 3; i++) {
		calls[i] = ask(url[i]);
		calls[i].sink = stop_now;
		calls[i].owner = stop;
	}
	calls[2].url = NULL; /* its prepare never comes */
	http_run(http, calls, 3, begun + 60000, again_unless_200, NULL);
	assert_true(clock_ticks_ms() - begun < SOON_MS);
	(void)scripted_end(&server);
	for (i = 0; i < 3; i++) {
		assert_int_equal(calls[i].fault.kind, FAULT_BUSY);
		assert_non_null(strstr(calls[i].fault.text, "told to stop"));
		assert_null(strstr(calls[i].fault.text, "hush"));
		assert_int_equal(calls[i].attempts, i < 2);
		assert_int_equal(calls[i].sent, i < 2);
		end_call(&calls[i]);
	}
	(void)close(stop[0]);
	(void)close(stop[1]);
}

static void
nothing_is_sent_once_told_to_stop(void **state)
{
	char url[128];
	struct http_call call;
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	(void)close(stop[1]); /* the end counts as well as a byte */
	open_as(&(struct http_setup){ .stop_fd = stop[0] });
	PLAY({ .reply = OK_HI });
	call = ask(url);
	run(&call, SOON_MS, again_unless_200);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(call.fault.kind, FAULT_BUSY);
	assert_non_null(strstr(call.fault.text, "told to stop"));
	assert_int_equal(call.attempts, 0);
	assert_false(call.sent);
	end_call(&call);
	(void)close(stop[0]);
}

static void
certificates_that_cannot_be_read_are_trusted_by_nobody(void **state)
{
	char url[128];
	struct http_call call;

	(void)state;
	open_as(&(struct http_setup){ .ca_file = "/nonexistent/ca.pem" });
	PLAY({ .reply = OK_HI });
	call = ask(url);
	(void)snprintf(
	    url, sizeof url, "https%.60s/a", strchr(server.url, ':'));
	run(&call, SOON_MS, enough);
	(void)scripted_end(&server);
	assert_int_equal(call.fault.kind, FAULT_BUSY);
	assert_non_null(strstr(call.fault.text, "CA cert"));
	assert_false(call.sent);
	end_call(&call);
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
		T(a_budget_is_never_said_to_be_below_its_least),
		T(no_attempt_begins_with_less_than_its_least_time),
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
		T(each_method_is_sent_byte_by_byte_as_it_should),
		T(dot_segments_and_escapes_of_a_path_stay),
		T(a_long_body_from_a_source_arrives_whole),
		T(an_empty_source_is_never_asked),
		T(a_source_that_fails_midway_ends_the_attempt),
		T(a_kept_connection_that_is_dead_gets_its_body_sent_again),
		T(a_kept_connection_that_dies_under_a_body_is_replaced),
		T(a_new_connection_that_dies_under_a_body_is_a_fault),
		T(a_connection_closed_between_two_calls_is_replaced),
		T(only_a_setup_that_keeps_connections_does),
		T(what_is_sent_again_takes_a_new_connection),
		T(a_refusal_before_the_body_has_gone_is_heard),
		T(a_sink_takes_the_bodies_of_2xx_alone),
		T(a_sink_that_refuses_ends_the_attempt),
		T(a_kept_reply_arrives_as_it_is_stored),
		T(a_reply_shorter_than_promised_is_a_fault),
		T(each_attempt_is_prepared),
		T(preparing_may_end_the_call),
		T(a_call_that_ends_before_it_is_prepared_has_no_url),
		T(the_headers_of_the_last_reply_are_read_by_name),
		T(headers_are_kept_only_when_asked_for),
		T(reply_headers_may_fill_their_limit_but_not_pass_it),
		T(a_head_has_a_length_and_no_body),
		T(a_204_ends_with_its_head),
		T(a_100_continue_that_nobody_asked_for_is_no_answer),
		T(no_more_calls_are_on_their_way_than_parallel_says),
		T(calls_start_in_the_order_given),
		T(a_call_that_waits_to_be_sent_again_holds_no_place),
		T(what_still_waits_for_its_turn_at_the_deadline_was_not_sent),
		T(an_attempt_that_moves_no_byte_ends_as_slow),
		T(an_upload_that_nobody_reads_ends_as_slow),
		T(all_ends_when_told_to_stop),
		T(nothing_is_sent_once_told_to_stop),
		T(certificates_that_cannot_be_read_are_trusted_by_nobody),
		T(no_calls_are_no_work),
		T(the_backoff_grows_to_eight_seconds),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
