#include "aws/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#include "scripted.h"
#include "written.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

#define OK "HTTP/1.1 200 OK\r\n\r\n"
#define KEYS_UNTIL(moment)                                                     \
	"{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":"         \
	"\"ASIA1\",\"SecretAccessKey\":\"hush\",\"Token\":\"T/+=\","           \
	"\"Expiration\":\"" moment "\"}"
#define FAR "2999-01-01T00:00:00Z"
#define FAR_MS 32472144000000

enum { SOON_MS = 8000 };

static struct scripted server;
static struct http *http;
static struct creds_keys keys;
static struct fault fault;

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
}

static int
ask_container(const char *token_file, const struct secret *token)
{
	char url[128];
	const struct metadata_agent agent = { url, token_file, token, 0 };

	(void)snprintf(url, sizeof url, "%s/v1/credentials", server.url);
	keys = CREDS_KEYS_INIT;
	fault = FAULT_INIT;
	return metadata_container(
	    &keys, http, &agent, clock_ticks_ms() + SOON_MS, &fault);
}

static int
ask_instance(void)
{
	keys = CREDS_KEYS_INIT;
	fault = FAULT_INIT;
	return metadata_instance(
	    &keys, http, server.url, clock_ticks_ms() + SOON_MS, &fault);
}

static int
set_up(void **state)
{
	const struct http_setup setup = { .unix_socket = NULL };
	struct fault f = FAULT_INIT;

	return written_set_up(state) == -1 ? -1 : http_open(&http, &setup, &f);
}

static int
tear_down(void **state)
{
	http_close(&http);
	keys_fini(&keys);
	return written_tear_down(state);
}

static void
an_agent_gives_keys_without_a_token(void **state)
{
	(void)state;
	PLAY({ .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_container(NULL, NULL), 0);
	assert_int_equal(scripted_end(&server), 1);
	assert_string_equal(keys.id, "ASIA1");
	assert_string_equal(keys.source, "container");
	assert_true(secret_is(&keys.secret, VIEW("hush")));
	assert_true(secret_is(&keys.token, VIEW("T/+=")));
	assert_int_equal(keys.expires_at_ms, FAR_MS);
	assert_int_equal(
	    scripted_said(&server, "GET /v1/credentials HTTP/1.1\r\n"), 1);
	assert_int_equal(scripted_said(&server, "Authorization"), 0);
}

static void
the_token_of_the_file_wins_and_is_read_each_time(void **state)
{
	struct secret token = SECRET_INIT;
	char path[WRITTEN_PATH_SIZE];
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&token, VIEW("Basic two"), &f), 0);
	PLAY({ .reply = OK KEYS_UNTIL(FAR) }, { .reply = OK KEYS_UNTIL(FAR) },
	    { .reply = OK KEYS_UNTIL(FAR) });
	written(path, "token", "Bearer one");
	assert_int_equal(ask_container(path, &token), 0);
	keys_fini(&keys);
	written(path, "token", "Bearer three\n");
	assert_int_equal(ask_container(path, &token), 0);
	keys_fini(&keys);
	assert_int_equal(ask_container("", &token), 0);
	assert_int_equal(scripted_end(&server), 3);
	assert_non_null(
	    strstr(server.request[0], "\r\nAuthorization: Bearer one\r\n"));
	assert_non_null(
	    strstr(server.request[1], "\r\nAuthorization: Bearer three\r\n"));
	assert_non_null(
	    strstr(server.request[2], "\r\nAuthorization: Basic two\r\n"));
	secret_fini(&token);
}

static void
a_token_with_a_line_feed_is_not_sent(void **state)
{
	struct secret token = SECRET_INIT;
	char path[WRITTEN_PATH_SIZE];
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&token, VIEW("hush\r\nX: y"), &f), 0);
	PLAY({ .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_container(NULL, &token), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_null(strstr(fault.text, "hush"));
	written(path, "token", "hush\nX: y");
	assert_int_equal(ask_container(path, NULL), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_null(strstr(fault.text, "hush"));
	assert_int_equal(scripted_end(&server), 0);
	secret_fini(&token);
}

static void
an_agent_is_asked_three_times_a_second_apart(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = "HTTP/1.1 500 No\r\n\r\n" }, { .reset = true },
	    { .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_container(NULL, NULL), 0);
	assert_int_equal(scripted_end(&server), 3);
	assert_true(clock_ticks_ms() - began_ms >= 2000);
	keys_fini(&keys);
	PLAY({ .reset = true }, { .reply = "HTTP/1.1 429 No\r\n\r\n" },
	    { .reply = "HTTP/1.1 503 No\r\n\r\n" },
	    { .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_container(NULL, NULL), -1);
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(fault.kind, FAULT_BUSY);
}

static void
an_agent_that_refuses_is_asked_once(void **state)
{
	(void)state;
	PLAY({ .reply = "HTTP/1.1 403 No\r\n\r\n{\"code\":\"x\"}" },
	    { .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_container(NULL, NULL), -1);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(fault.text, "container: answered with status 403");
}

static void
replies_that_hold_no_keys_are_junk(void **state)
{
	static const char *const replies[] = { OK, OK "hush", OK "{}", OK "[]",
		OK "{\"AccessKeyId\":\"A\"}",
		OK "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}",
		OK KEYS_UNTIL("never"), OK "{\"a\":[[[[1]]]]}",
		"HTTP/1.1 301 Moved\r\nLocation: http://localhost/\r\n\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		PLAY({ .reply = replies[i] });
		assert_int_equal(ask_container(NULL, NULL), -1);
		assert_int_equal(scripted_end(&server), 1);
		assert_int_equal(fault.kind, FAULT_REMOTE);
		assert_null(strstr(fault.text, "hush"));
		assert_false(keys_are_set(&keys));
	}
}

/* The URL, or the field at fault in parentheses. */
static const char *
url_of(const char *relative, const char *full)
{
	static char text[METADATA_URL_MAX];
	struct buf url = BUF_INIT(METADATA_URL_MAX);
	struct fault f = FAULT_INIT;

	if (metadata_container_url(&url, relative, full, &f) == 0) {
		(void)snprintf(text, sizeof text, "%s", buf_str(&url));
	} else {
		assert_int_equal(f.kind, FAULT_INPUT);
		(void)snprintf(text, sizeof text, "(%s)", f.field);
	}
	buf_fini(&url);
	return text;
}

static void
an_agent_is_near_or_behind_tls(void **state)
{
	static const char *const near[] = { "http://127.0.0.1/a",
		"http://127.255.3.4:80", "http://localhost:1/a?b",
		"http://[::1]/", "http://169.254.170.2/v2/x",
		"http://169.254.170.23/v1/credentials",
		"http://[fd00:ec2::23]/v1/credentials", "https://a.example/b",
		"https://10.0.0.1:8443/" };
	static const char *const far[] = { "http://a.example/",
		"http://10.0.0.1/", "http://169.254.169.254/",
		"http://127.0.0.1.example/", "http://127.0.0.1@a.example/",
		"http://a.example:80@127.0.0.1/", "http://127.1/",
		"http://localhost.example/", "http://[::2]/", "http://[::1",
		"http://[::1]a.example/", "http://127.0.0.1\\@a.example/",
		"http://127.0.0.1 a/", "http://127.0.0.1:80a/",
		"http://127.0.0.1#@a.example/", "http:///a", "ftp://127.0.0.1/",
		"127.0.0.1", "HTTP://127.0.0.1/", "https://", "",
		"http://127.0.0.1/\r\nX: y" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof near / sizeof near[0]; i++)
		assert_string_equal(url_of("", near[i]), near[i]);
	for (i = 0; i < sizeof far / sizeof far[0]; i++)
		assert_string_equal(url_of(NULL, far[i]),
		    "(AWS_CONTAINER_CREDENTIALS_FULL_URI)");
}

static void
a_relative_address_is_that_of_ecs(void **state)
{
	static const char *const bad[] = { "v2/a", "@a.example/", ":80/",
		".example/", "/a b", "/\r\n" };
	size_t i;

	(void)state;
	assert_string_equal(
	    url_of("/v2/a", "http://a.example/"), "http://169.254.170.2/v2/a");
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_string_equal(url_of(bad[i], NULL),
		    "(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)");
}

static void
an_instance_is_asked_for_token_role_and_keys(void **state)
{
	(void)state;
	PLAY({ .reply = OK "tok==" }, { .reply = OK "role a\nother\n" },
	    { .reply = OK KEYS_UNTIL(FAR) });
	assert_int_equal(ask_instance(), 0);
	assert_int_equal(scripted_end(&server), 3);
	assert_string_equal(keys.source, "instance");
	assert_int_equal(keys.expires_at_ms, FAR_MS);
	assert_non_null(
	    strstr(server.request[0], "PUT /latest/api/token HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request[0],
	    "\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"));
	assert_non_null(strstr(server.request[1],
	    "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request[2],
	    "GET /latest/meta-data/iam/security-credentials/role%20a "));
	assert_int_equal(
	    scripted_said(&server, "\r\nX-aws-ec2-metadata-token: tok==\r\n"),
	    2);
}

static void
version_one_is_never_spoken(void **state)
{
	static const char *const statuses[] = { "403", "404", "405" };
	char reply[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		(void)snprintf(
		    reply, sizeof reply, "HTTP/1.1 %s No\r\n\r\n", statuses[i]);
		PLAY({ .reply = reply }, { .reply = OK "role" },
		    { .reply = OK KEYS_UNTIL(FAR) });
		assert_int_equal(ask_instance(), -1);
		assert_int_equal(scripted_end(&server), 1);
		assert_int_equal(fault.kind, FAULT_DENIED);
	}
}

static void
each_answer_of_an_instance_is_checked(void **state)
{
	(void)state;
	PLAY({ .reply = OK "a\r\nb" });
	assert_int_equal(ask_instance(), -1);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	PLAY({ .reply = OK "tok" }, { .reply = "HTTP/1.1 404 No\r\n\r\n" });
	assert_int_equal(ask_instance(), -1);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(
	    fault.text, "instance: its role: the instance has no role");
	PLAY({ .reply = OK "tok" }, { .reply = OK "\n" });
	assert_int_equal(ask_instance(), -1);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	PLAY({ .reply = OK "tok" }, { .reply = OK "role" },
	    { .reply = OK "{\"Code\":\"AssumeRoleUnauthorizedAccess\","
			  "\"Message\":\"no trust\"}" });
	assert_int_equal(ask_instance(), -1);
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_non_null(strstr(fault.text, "AssumeRoleUnauthorizedAccess"));
	assert_string_equal(fault.details, "no trust");
}

static void
an_instance_that_is_silent_is_left_after_a_second(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = NULL });
	assert_int_equal(ask_instance(), -1);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_string_equal(
	    fault.details, "a container needs a hop limit of 2");
	assert_true(clock_ticks_ms() - began_ms < 4000);
	assert_int_equal(scripted_end(&server), 1);
}

/* Asks an instance whose keys end so long from now: how long they live. */
static int64_t
life_of(int64_t left_ms)
{
	const time_t end = (time_t)((clock_now_ms() + left_ms) / 1000);
	char reply[512], moment[64];
	struct tm tm;

	assert_non_null(gmtime_r(&end, &tm));
	assert_true(
	    strftime(moment, sizeof moment, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
	(void)snprintf(reply, sizeof reply, OK KEYS_UNTIL("%s"), moment);
	PLAY({ .reply = OK "tok" }, { .reply = OK "role" }, { .reply = reply });
	assert_int_equal(ask_instance(), 0);
	assert_int_equal(scripted_end(&server), 3);
	assert_true(secret_is(&keys.secret, VIEW("hush")));
	left_ms = keys.expires_at_ms - clock_now_ms();
	keys_fini(&keys);
	return left_ms;
}

static void
keys_that_the_instance_could_not_renew_live_on(void **state)
{
	static const int64_t lefts_ms[] = { -86400000, -1000,
		METADATA_EXTEND_MS / 2, METADATA_EXTEND_MS - 5000 };
	int64_t life_ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof lefts_ms / sizeof lefts_ms[0]; i++) {
		life_ms = life_of(lefts_ms[i]);
		assert_true(life_ms > METADATA_EXTEND_MS - 4000);
		assert_true(life_ms <= 2 * METADATA_EXTEND_MS);
	}
	life_ms = life_of(METADATA_EXTEND_MS + 60000);
	assert_true(life_ms > METADATA_EXTEND_MS + 50000);
	assert_true(life_ms <= METADATA_EXTEND_MS + 60000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_agent_gives_keys_without_a_token),
		TEST(the_token_of_the_file_wins_and_is_read_each_time),
		TEST(a_token_with_a_line_feed_is_not_sent),
		TEST(an_agent_is_asked_three_times_a_second_apart),
		TEST(an_agent_that_refuses_is_asked_once),
		TEST(replies_that_hold_no_keys_are_junk),
		TEST(an_agent_is_near_or_behind_tls),
		TEST(a_relative_address_is_that_of_ecs),
		TEST(an_instance_is_asked_for_token_role_and_keys),
		TEST(version_one_is_never_spoken),
		TEST(each_answer_of_an_instance_is_checked),
		TEST(an_instance_that_is_silent_is_left_after_a_second),
		TEST(keys_that_the_instance_could_not_renew_live_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
