#include "aws/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#include "scripted.h"
#include "written.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

#define OK "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
#define BAD "HTTP/1.1 400 Bad Request\r\n\r\n"
#define KEYS_OF(id)                                                            \
	"<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws."    \
	"com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>"              \
	"<SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken>"         \
	"<Credentials><SessionToken>TOK+/=</SessionToken>"                     \
	"<SecretAccessKey>hush</SecretAccessKey>"                              \
	"<Expiration>2026-11-22T10:15:00Z</Expiration>"                        \
	"<AccessKeyId>" id "</AccessKeyId></Credentials>"                      \
	"</AssumeRoleWithWebIdentityResult></"                                 \
	"AssumeRoleWithWebIdentityResponse>"
#define ERROR_OF(code, message)                                                \
	"<ErrorResponse><Error><Type>Sender</Type><Code>" code                 \
	"</Code><Message>" message                                             \
	"</Message></Error><RequestId>1</RequestId></ErrorResponse>"

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
ask(void)
{
	char token[WRITTEN_PATH_SIZE];
	const struct sts_role role = { "arn:aws:iam::123456789012:role/a b",
		"charref", token, server.url, 0 };

	written_path(token, "token");
	keys = CREDS_KEYS_INIT;
	fault = FAULT_INIT;
	return sts_web_identity(
	    &keys, http, &role, clock_ticks_ms() + SOON_MS, &fault);
}

static int
set_up(void **state)
{
	const struct http_setup setup = { .unix_socket = NULL };
	struct fault f = FAULT_INIT;

	if (written_set_up(state) == -1)
		return -1;
	written(NULL, "token", "eyJ.a+b/c=.d\n");
	return http_open(&http, &setup, &f);
}

static int
tear_down(void **state)
{
	http_close(&http);
	keys_fini(&keys);
	return written_tear_down(state);
}

static void
a_role_is_asked_for_with_the_token_and_not_signed(void **state)
{
	(void)state;
	PLAY({ .reply = OK KEYS_OF("ASIA1") });
	assert_int_equal(ask(), 0);
	assert_int_equal(scripted_end(&server), 1);
	assert_string_equal(keys.id, "ASIA1");
	assert_string_equal(keys.source, "web identity");
	assert_true(secret_is(&keys.secret, VIEW("hush")));
	assert_true(secret_is(&keys.token, VIEW("TOK+/=")));
	assert_int_equal(keys.expires_at_ms, 1795342500000);
	assert_int_equal(scripted_said(&server, "POST / HTTP/1.1\r\n"), 1);
	assert_int_equal(scripted_said(&server, "Authorization"), 0);
	assert_int_equal(
	    scripted_said(&server,
		"\r\nContent-Type: application/x-www-form-urlencoded\r\n"),
	    1);
	assert_int_equal(
	    scripted_said(&server,
		"\r\n\r\nAction=AssumeRoleWithWebIdentity&Version=2011-06-15"
		"&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa%20b"
		"&RoleSessionName=charref"
		"&WebIdentityToken=eyJ.a%2Bb%2Fc%3D.d"),
	    1);
}

static void
a_refusal_is_told_in_the_words_of_sts(void **state)
{
	(void)state;
	PLAY({ .reply = "HTTP/1.1 403 No\r\n\r\n" ERROR_OF(
		   "AccessDenied", "Not authorized to perform") });
	assert_int_equal(ask(), -1);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(
	    fault.text, "web identity: AccessDenied: answered with status 403");
	assert_string_equal(fault.details, "Not authorized to perform");
}

static void
words_that_repeat_our_token_are_not_told(void **state)
{
	(void)state;
	PLAY({ .reply = BAD ERROR_OF(
		   "InvalidIdentityToken", "bad token eyJ.a+b/c=.d") });
	assert_int_equal(ask(), -1);
	(void)scripted_end(&server);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(fault.details, "");
	assert_null(strstr(fault.text, "eyJ"));
}

static void
an_issuer_out_of_reach_is_asked_once_more(void **state)
{
	(void)state;
	PLAY({ .reply = BAD ERROR_OF("IDPCommunicationError", "slow") },
	    { .reply = OK KEYS_OF("ASIA2") });
	assert_int_equal(ask(), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_string_equal(keys.id, "ASIA2");
	keys_fini(&keys);
	PLAY({ .reply = BAD ERROR_OF("IDPCommunicationError", "slow") },
	    { .reply = BAD ERROR_OF("IDPCommunicationError", "slow") },
	    { .reply = OK KEYS_OF("ASIA2") });
	assert_int_equal(ask(), -1);
	assert_int_equal(scripted_end(&server), 2);
}

static void
a_busy_service_is_asked_once_more(void **state)
{
	(void)state;
	PLAY({ .reply = "HTTP/1.1 503 Busy\r\n\r\n<html>" },
	    { .reply = OK KEYS_OF("ASIA2") });
	assert_int_equal(ask(), 0);
	assert_int_equal(scripted_end(&server), 2);
	keys_fini(&keys);
	PLAY({ .reply = "HTTP/1.1 503 Busy\r\n\r\n<html>" },
	    { .reply = "HTTP/1.1 500 No\r\n\r\n" });
	assert_int_equal(ask(), -1);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(fault.kind, FAULT_BUSY);
}

/* Puts the next token into the file while the first is being refused. */
static void *
rotate(void *arg)
{
	(void)arg;
	(void)poll(NULL, 0, 100);
	written(NULL, "token", "second");
	return NULL;
}

static void
an_expired_token_is_read_again_from_its_file(void **state)
{
	pthread_t thread;

	(void)state;
	PLAY({ .reply = BAD ERROR_OF("ExpiredTokenException", "expired"),
		 .delay_ms = 500 },
	    { .reply = OK KEYS_OF("ASIA3") });
	assert_int_equal(pthread_create(&thread, NULL, rotate, NULL), 0);
	assert_int_equal(ask(), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_non_null(
	    strstr(server.request[0], "&WebIdentityToken=eyJ.a%2Bb%2Fc%3D.d"));
	assert_non_null(strstr(server.request[1], "&WebIdentityToken=second"));
}

static void
replies_that_hold_no_keys_are_junk(void **state)
{
	static const char *const replies[] = { OK, OK "<a>", OK "hush",
		OK "<AssumeRoleWithWebIdentityResponse/>", OK KEYS_OF(""),
		OK KEYS_OF("a/b"),
		OK "<ErrorResponse><Error><Code>x</Code></Error>"
		   "</ErrorResponse>",
		"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\n\r\n" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		PLAY({ .reply = replies[i] });
		assert_int_equal(ask(), -1);
		assert_int_equal(scripted_end(&server), 1);
		assert_int_equal(fault.kind, FAULT_REMOTE);
		assert_null(strstr(fault.text, "hush"));
		assert_false(keys_are_set(&keys));
	}
}

static void
without_a_token_nobody_is_asked(void **state)
{
	char token[WRITTEN_PATH_SIZE];

	(void)state;
	written_path(token, "token");
	assert_int_equal(unlink(token), 0);
	PLAY({ .reply = OK KEYS_OF("ASIA1") });
	assert_int_equal(ask(), -1);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(fault.kind, FAULT_INPUT);
}

static void
the_deadline_ends_it(void **state)
{
	const struct sts_role role = { "r", "s", "/dev/null", "http://a", 0 };
	const int64_t began_ms = clock_ticks_ms();
	char token[WRITTEN_PATH_SIZE];
	struct sts_role slow = role;

	(void)state;
	written_path(token, "token");
	PLAY({ .reply = NULL });
	slow.token_file = token;
	slow.url = server.url;
	fault = FAULT_INIT;
	assert_int_equal(
	    sts_web_identity(&keys, http, &slow, began_ms + 200, &fault), -1);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_true(clock_ticks_ms() - began_ms < 3000);
	assert_int_equal(scripted_end(&server), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_role_is_asked_for_with_the_token_and_not_signed),
		TEST(a_refusal_is_told_in_the_words_of_sts),
		TEST(words_that_repeat_our_token_are_not_told),
		TEST(an_issuer_out_of_reach_is_asked_once_more),
		TEST(a_busy_service_is_asked_once_more),
		TEST(an_expired_token_is_read_again_from_its_file),
		TEST(replies_that_hold_no_keys_are_junk),
		TEST(without_a_token_nobody_is_asked),
		TEST(the_deadline_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
