#include "net/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "scripted.h"

enum { SOON_MS = 400, IN_TIME_MS = 10000 };

static struct scripted server;

static struct probe
probe(const char *origin, const char *socket, int64_t ms)
{
	const struct probe_ask ask = { .origin = origin,
		.unix_socket = socket,
		.deadline_ms = clock_ticks_ms() + ms };
	struct fault f = FAULT_INIT;
	struct probe out;

	assert_int_equal(probe_run(&out, &ask, &f), 0);
	return out;
}

static void
a_reply_tells_status_address_and_date(void **state)
{
	static const struct act acts[] = {
		{ .reply = "HTTP/1.1 403 No\r\nContent-Length: 5\r\n"
			   "Date: Sun, 22 Nov 2026 10:15:00 GMT\r\n\r\n" }
	};
	struct probe p;

	(void)state;
	scripted_begin(&server, acts, 1);
	p = probe(server.url, "", IN_TIME_MS);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(p.stage, PROBE_DONE);
	assert_int_equal(p.status, 403);
	assert_string_equal(p.address, "127.0.0.1");
	assert_int_equal(p.date_s, 1795342500);
	assert_in_range(
	    p.asked_s, clock_now_ms() / 1000 - 5, clock_now_ms() / 1000);
	assert_int_equal(scripted_said(&server, "HEAD / HTTP/1.1"), 1);
	assert_int_equal(scripted_said(&server, "Authorization"), 0);
}

static void
a_redirect_is_a_reply(void **state)
{
	static const struct act acts[] = {
		{ .reply = "HTTP/1.1 301 Moved\r\nLocation: "
			   "http://127.0.0.1:1/\r\n"
			   "Content-Length: 0\r\n\r\n" }
	};
	struct probe p;

	(void)state;
	scripted_begin(&server, acts, 1);
	p = probe(server.url, "", IN_TIME_MS);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(p.stage, PROBE_DONE);
	assert_int_equal(p.status, 301);
	assert_int_equal(p.date_s, -1);
}

static void
a_server_that_says_nothing_is_no_reply(void **state)
{
	static const struct act acts[] = { { .reply = NULL } };
	struct probe p;

	(void)state;
	scripted_begin(&server, acts, 1);
	p = probe(server.url, "", SOON_MS);
	(void)scripted_end(&server);
	assert_int_equal(p.stage, PROBE_REPLY);
	assert_int_not_equal(p.why[0], '\0');
}

/* It never answers a handshake, so the connection is all there is. */
static void
a_server_without_tls_is_stopped_at_by_that_stage(void **state)
{
	static const struct act acts[] = { { .reply = "no TLS\r\n" } };
	char url[80];
	struct probe p;

	(void)state;
	scripted_begin(&server, acts, 1);
	(void)snprintf(url, sizeof url, "https%.60s", server.url + 4);
	p = probe(url, "", SOON_MS);
	(void)scripted_end(&server);
	assert_int_equal(p.stage, PROBE_TLS);
}

static void
a_port_that_nobody_listens_at_is_no_connection(void **state)
{
	struct probe p;

	(void)state;
	scripted_begin(&server, NULL, 0);
	(void)scripted_end(&server);
	p = probe(server.url, "", IN_TIME_MS);
	assert_int_equal(p.stage, PROBE_CONNECTION);
	assert_string_equal(p.address, "");
	assert_non_null(strstr(p.why, "connect"));
}

static void
a_name_that_is_none_is_told(void **state)
{
	const struct probe p = probe("http://charref.invalid", "", IN_TIME_MS);

	(void)state;
	assert_int_equal(p.stage, PROBE_NAME);
	assert_non_null(strstr(p.why, "charref.invalid"));
}

static void
a_socket_needs_no_name(void **state)
{
	static const struct act acts[] = {
		{ .reply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }
	};
	struct scripted local = { .url = "" };
	struct probe p;

	(void)state;
	(void)snprintf(local.socket, sizeof local.socket,
	    "/tmp/charref-probe-%ld.sock", (long)getpid());
	scripted_begin(&local, acts, 1);
	p = probe("http://charref.invalid", local.socket, IN_TIME_MS);
	assert_int_equal(scripted_end(&local), 1);
	assert_int_equal(unlink(local.socket), 0);
	assert_int_equal(p.stage, PROBE_DONE);
}

static void
who_is_told_to_stop_does_not_wait(void **state)
{
	static const struct act acts[] = { { .reply = NULL } };
	struct probe_ask ask = { .deadline_ms = clock_ticks_ms() + IN_TIME_MS };
	const int64_t began_ms = clock_ticks_ms();
	struct fault f = FAULT_INIT;
	struct probe p;
	int stop[2];

	(void)state;
	scripted_begin(&server, acts, 1);
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(close(stop[1]), 0); /* readable: its end */
	ask.origin = server.url;
	ask.stop_fd = stop[0];
	assert_int_equal(probe_run(&p, &ask, &f), -1);
	assert_int_equal(f.kind, FAULT_BUSY);
	assert_true(clock_ticks_ms() - began_ms < IN_TIME_MS / 2);
	(void)close(stop[0]);
	(void)scripted_end(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_tells_status_address_and_date),
		cmocka_unit_test(a_redirect_is_a_reply),
		cmocka_unit_test(a_server_that_says_nothing_is_no_reply),
		cmocka_unit_test(
		    a_server_without_tls_is_stopped_at_by_that_stage),
		cmocka_unit_test(
		    a_port_that_nobody_listens_at_is_no_connection),
		cmocka_unit_test(a_name_that_is_none_is_told),
		cmocka_unit_test(a_socket_needs_no_name),
		cmocka_unit_test(who_is_told_to_stop_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
