#include "gen/models.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"

#include "scripted.h"

#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

#define REPLY(status, body)                                                    \
	"HTTP/1.1 " status " X\r\nContent-Type: application/json\r\n\r\n" body
#define TWO_IMAGES                                                             \
	REPLY("200", "{\"predictions\":[{\"bytesBase64Encoded\":\"AA\"},"      \
		     "{\"bytesBase64Encoded\":\"BB\"}]}")
#define ONE_IMAGE                                                              \
	REPLY("200",                                                           \
	    "{\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":"       \
	    "{\"data\":\"AA\"}}]},\"finishReason\":\"STOP\"}]}")
#define QUOTA(delay)                                                           \
	REPLY("429",                                                           \
	    "{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"" delay   \
	    "\"}]}}")
#define DAILY                                                                  \
	REPLY("429",                                                           \
	    "{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"0s\"},"   \
	    "{\"violations\":[{\"quotaId\":\"RequestsPerDay\"}]}]}}")
#define BLOCKED                                                                \
	REPLY("400",                                                           \
	    "{\"error\":{\"code\":400,\"message\":\"violate Google's "         \
	    "Responsible AI practices\"}}")
#define GONE REPLY("404", "{\"error\":{\"code\":404,\"status\":\"NOT_FOUND\"}}")
#define ASTRAY REPLY("404", "<html>404 Not Found</html>")
#define BROKEN REPLY("500", "oops")
#define WAIT(status, seconds)                                                  \
	"HTTP/1.1 " status " X\r\nRetry-After: " seconds "\r\n\r\n"
#define HTML REPLY("200", "<html>hello</html>")

enum { LONG_MS = 15000, SOON_MS = 5000, SHORT_MS = 300 };

static struct scripted server;
static struct models *models;
static struct models_answer answer;
static struct secret key;
static struct fault fault;
static uint32_t seed;
static char folder[32]; /* of the unix socket */
static int waiting;     /* how often somebody still waits for the images */

static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
}

static void
set_key(const char *text)
{
	struct fault f = FAULT_INIT;

	secret_fini(&key);
	assert_int_equal(secret_set(&key, view_str(text), &f), 0);
}

/* Opens the list on the server of the test. */
static void
open_models(const char *list)
{
	const struct models_setup setup = { .list = view_str(list),
		.base_url = server.url,
		.unix_socket = server.socket,
		.key = &key };
	struct fault f = FAULT_INIT;

	assert_int_equal(models_open(&models, &setup, &f), 0);
}

static bool
is_wanted(const void *arg)
{
	assert_ptr_equal(arg, &waiting);
	return waiting-- > 0;
}

static int
ask(int images, int ms)
{
	const struct gen_ask wish = { .prompt = VIEW("a knight"),
		.images = images,
		.aspect_ratio = "3:4",
		.media_type = "image/png",
		.has_seed = true,
		.seed = seed,
		.is_wanted = is_wanted,
		.wanted_arg = &waiting };

	models_answer_fini(&answer);
	fault = FAULT_INIT;
	return models_ask(
	    models, &wish, clock_ticks_ms() + ms, &answer, &fault);
}

static int
begin(void **state)
{
	(void)state;
	server.socket[0] = '\0';
	key = SECRET_INIT;
	set_key("hush");
	seed = 7;
	waiting = 100;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	models_answer_fini(&answer);
	models_answer_fini(&answer);
	models_close(&models);
	models_close(&models);
	secret_fini(&key);
	return 0;
}

static void
check_outcomes(int ok, int filtered, int failed)
{
	int i, seen[3] = { 0, 0, 0 };

	for (i = 0; i < answer.count; i++) {
		seen[answer.images[i].outcome]++;
		assert_int_equal(answer.images[i].outcome == GEN_OK,
		    answer.images[i].why.kind == FAULT_NONE);
	}
	assert_int_equal(seen[GEN_OK], ok);
	assert_int_equal(seen[GEN_FILTERED], filtered);
	assert_int_equal(seen[GEN_FAILED], failed);
}

/* Asks once for two images: the fault, and how often the server was asked. */
static void
check_refused(const char *list, int ms, enum fault_kind kind, int connections)
{
	open_models(list);
	assert_int_equal(ask(2, ms), -1);
	assert_int_equal(scripted_end(&server), connections);
	assert_int_equal(fault.kind, kind);
	assert_string_not_equal(fault.text, "");
	assert_null(strstr(fault.text, "hush"));
	models_close(&models);
}

static void
a_list_names_models_of_known_dialects(void **state)
{
	static const char *const bad[] = { "", " , ", "dall-e-3",
		"imagen-4,gpt", "Imagen-4", "imagen-4/../../x", "imagen-4:x",
		"imagen-4?key=1", "imagen-4 b", "imagen-\xc3\xa9",
		"gemini-012345678901234567890123456789012345678901234567890123"
		"4567",
		"imagen-1,imagen-2,imagen-3,imagen-4,imagen-5,imagen-6,"
		"imagen-7,imagen-8,imagen-9" };
	struct models_setup setup = { .base_url = "https://x", .key = &key };
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f = FAULT_INIT;
		setup.list = view_str(bad[i]);
		assert_int_equal(models_open(&models, &setup, &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		assert_null(models);
	}
	f = FAULT_INIT;
	setup.list = VIEW(" imagen-4.0-generate-001 , gemini-nano_2.1,");
	assert_int_equal(models_open(&models, &setup, &f), 0);
}

/* Opens a list that cannot be: what is said about it. */
static void
check_setup(const struct models_setup *setup, const char *words)
{
	struct fault f = FAULT_INIT;

	assert_int_equal(models_open(&models, setup, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_null(models);
	assert_non_null(strstr(f.text, words));
	assert_null(strstr(f.text, "hush"));
	assert_string_equal(f.details, "");
}

static void
a_wrong_model_is_named_and_said_what_is_wrong(void **state)
{
	static const struct {
		const char *list, *words;
	} cases[] = {
		{ "imagen-4, foo",
		    "\"foo\" is neither an imagen-* nor a gemini-* model" },
		{ "imagen-a b",
		    "\"imagen-a b\" has a character other than A-Z a-z 0-9 . "
		    "_ -" },
		{ "imagen-\x1b[2J\xc3\xa9\nb", "\"imagen-?[2J???b\" has" },
		{ "gemini-0123456789012345678901234567890123456789012345678901"
		  "23456789",
		    "\"gemini-0123456789012345678901234567890123456789012345678"
		    "9012345\" is longer than 63 characters" },
	};
	struct models_setup setup = { .base_url = "https://x", .key = &key };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		setup.list = view_str(cases[i].list);
		check_setup(&setup, cases[i].words);
	}
}

static void
an_address_over_its_limit_is_refused(void **state)
{
	char url[2050] = "https://";
	const struct models_setup setup = {
		.list = VIEW("imagen-4"), .base_url = url, .key = &key
	};
	struct fault f = FAULT_INIT;

	(void)state;
	memset(url + 8, 'x', sizeof url - 9);
	url[2049] = '\0';
	check_setup(&setup, "IMAGE_BASE_URL is over 2048 bytes");
	url[2048] = '\0';
	assert_int_equal(models_open(&models, &setup, &f), 0);
}

static void
a_key_that_would_be_no_header_is_refused(void **state)
{
	const struct view bad[] = { VIEW("hush\r\nX-Evil: 1"),
		VIEW("hush\nhush"), VIEW("hush\thush"), VIEW("hush\0hush"),
		VIEW("hush\x7f"), VIEW("\x01hush") };
	const struct models_setup setup = {
		.list = VIEW("imagen-4"), .base_url = "https://x", .key = &key
	};
	struct fault f = FAULT_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		secret_fini(&key);
		assert_int_equal(secret_set(&key, bad[i], &f), 0);
		check_setup(&setup, "the model key has a control byte inside");
	}
}

static void
a_key_over_its_limit_is_refused(void **state)
{
	char text[4098];
	const struct models_setup setup = {
		.list = VIEW("imagen-4"), .base_url = "https://x", .key = &key
	};
	struct fault f = FAULT_INIT;

	(void)state;
	memset(text, 'x', sizeof text);
	text[4097] = '\0';
	set_key(text);
	check_setup(&setup, "the model key is over 4096 bytes");
	text[4096] = '\n'; /* which is not sent */
	set_key(text);
	assert_int_equal(models_open(&models, &setup, &f), 0);
}

static void
the_longest_key_is_sent(void **state)
{
	char text[4097];

	(void)state;
	memset(text, 'x', sizeof text);
	text[4096] = '\0';
	set_key(text);
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, text), 1);
}

static void
a_batch_is_one_call(void **state)
{
	(void)state;
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4.0");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 1);
	check_outcomes(2, 0, 0);
	assert_true(view_is(answer.images[1].base64, "BB"));
	assert_string_equal(answer.model, "imagen-4.0");
	assert_true(answer.maybe_paid);
	assert_int_equal(scripted_said(&server,
			     "POST /v1beta/models/imagen-4.0:predict HTTP"),
	    1);
	assert_int_equal(
	    scripted_said(&server, "\r\nx-goog-api-key: hush\r\n"), 1);
	assert_int_equal(
	    scripted_said(&server, "\r\nX-Server-Timeout: 10\r\n"), 1);
	assert_int_equal(
	    scripted_said(&server, "\r\nContent-Type: application/json\r\n"),
	    1);
	assert_int_equal(scripted_said(&server, "\"sampleCount\":2"), 1);
}

static void
single_images_are_asked_for_together(void **state)
{
	(void)state;
	PLAY({ .reply = ONE_IMAGE, .hold = true },
	    { .reply = ONE_IMAGE, .hold = true }, { .reply = ONE_IMAGE });
	open_models("gemini-2.1");
	assert_int_equal(ask(3, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 3);
	check_outcomes(3, 0, 0);
	assert_int_equal(
	    scripted_said(&server, "/models/gemini-2.1:generateContent "), 3);
	assert_int_equal(scripted_said(&server, "\"seed\":7"), 1);
	assert_int_equal(scripted_said(&server, "\"seed\":8"), 1);
	assert_int_equal(scripted_said(&server, "\"seed\":9"), 1);
	assert_int_equal(answer.images[0].seed, 7);
	assert_int_equal(answer.images[1].seed, 8);
	assert_int_equal(answer.images[2].seed, 9);
}

static void
every_image_keeps_the_seed_that_was_sent(void **state)
{
	(void)state;
	seed = UINT32_MAX;
	PLAY({ .reply = ONE_IMAGE }, { .reply = ONE_IMAGE });
	open_models("gemini-2.1");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "\"seed\":2147483647}"), 1);
	assert_int_equal(scripted_said(&server, "\"seed\":0}"), 1);
	assert_int_equal(answer.images[0].seed, 2147483647);
	assert_int_equal(answer.images[1].seed, 0);
	models_close(&models);
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "\"seed\":4294967295}"), 1);
	assert_true(answer.images[0].seed == UINT32_MAX);
	assert_true(answer.images[1].seed == UINT32_MAX);
}

static void
one_answer_among_refusals_is_an_answer(void **state)
{
	(void)state;
	PLAY({ .reply = ONE_IMAGE }, { .reply = BLOCKED }, { .reply = GONE },
	    { .reply = HTML });
	open_models("gemini-2.1");
	assert_int_equal(ask(4, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 4);
	check_outcomes(1, 1, 2);
	assert_true(answer.maybe_paid);
}

static void
an_answer_without_any_image_is_still_an_answer(void **state)
{
	(void)state;
	PLAY({ .reply = HTML }, { .reply = REPLY("200", "{}") });
	open_models("gemini-2.1,imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	check_outcomes(0, 0, 2);
	assert_true(answer.maybe_paid);
}

static void
a_quota_that_says_when_is_asked_again_then(void **state)
{
	const int64_t begun = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = QUOTA("0.2s") }, { .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_true(clock_ticks_ms() - begun >= 200);
	check_outcomes(2, 0, 0);
}

static void
a_retry_after_header_is_honoured(void **state)
{
	const int64_t begun = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = WAIT("503", "1") "not json" }, { .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_true(clock_ticks_ms() - begun >= 1000);
}

static void
every_attempt_says_what_time_is_left(void **state)
{
	(void)state;
	PLAY({ .reply = WAIT("503", "1") }, { .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, LONG_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_non_null(
	    strstr(server.request[0], "\r\nX-Server-Timeout: 15\r\n"));
	assert_non_null(strstr(server.request[1], "\r\nX-Server-Timeout: 1"));
	assert_null(strstr(server.request[1], "X-Server-Timeout: 15"));
}

static void
no_attempt_says_less_than_ten_seconds(void **state)
{
	(void)state;
	PLAY({ .reply = WAIT("503", "1") }, { .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(
	    scripted_said(&server, "\r\nX-Server-Timeout: 10\r\n"), 2);
}

static void
use_socket(void)
{
	(void)snprintf(folder, sizeof folder, "/tmp/test_models.XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(server.socket, sizeof server.socket, "%s/s", folder);
}

static void
leave_socket(void)
{
	(void)unlink(server.socket);
	(void)rmdir(folder);
}

/* Through a unix socket, so that the name of Google's host is not looked up. */
static void
open_google(const char *list)
{
	const struct models_setup setup = { .list = view_str(list),
		.base_url = "http://generativelanguage.googleapis.com",
		.unix_socket = server.socket,
		.key = &key };
	struct fault f = FAULT_INIT;

	assert_int_equal(models_open(&models, &setup, &f), 0);
}

static void
google_is_not_asked_with_less_than_ten_seconds_left(void **state)
{
	const int64_t begun = clock_ticks_ms();

	(void)state;
	use_socket();
	PLAY({ .reply = QUOTA("6s") }, { .reply = TWO_IMAGES });
	open_google("imagen-4");
	assert_int_equal(ask(2, LONG_MS), -1);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	assert_int_equal(fault.retry_after_s, 6);
	assert_false(answer.maybe_paid);
	models_close(&models);
	(void)unlink(server.socket);
	PLAY({ .reply = TWO_IMAGES });
	open_google("imagen-4");
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(scripted_end(&server), 0);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_false(answer.maybe_paid);
	assert_true(clock_ticks_ms() - begun < SOON_MS);
	leave_socket();
}

static void
a_model_that_is_gone_too_late_is_the_last_one_asked(void **state)
{
	(void)state;
	use_socket();
	PLAY({ .reply = GONE, .delay_ms = 200 }, { .reply = ONE_IMAGE });
	open_google("imagen-4,gemini-2");
	assert_int_equal(ask(1, 10 * 1000 + 100), -1);
	assert_int_equal(scripted_end(&server), 1);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_string_equal(fault.text,
	    "a model is gone, and too little time was left to ask the next");
	assert_false(answer.maybe_paid);
	leave_socket();
}

static void
google_is_known_by_its_name(void **state)
{
	static const char *const google[] = { "https://googleapis.com",
		"https://generativelanguage.googleapis.com",
		"https://generativelanguage.GoogleAPIs.com:443",
		"http://us-central1-aiplatform.googleapis.com.:80" };
	static const char *const others[] = { "https://notgoogleapis.com",
		"https://googleapis.com.example.org", "https://example.org",
		"http://127.0.0.1:80", "http://googleapis.co", "", "https://",
		"https://.", "http://com" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof google / sizeof google[0]; i++)
		assert_true(models_is_google(google[i]));
	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(models_is_google(others[i]));
}

static void
a_project_that_cannot_pay_is_not_asked_again(void **state)
{
	(void)state;
	PLAY({ .reply = REPLY("429",
		   "{\"error\":{\"code\":429,\"message\":\"m, limit: 0, "
		   "model: x\",\"details\":[{\"retryDelay\":\"0s\"}]}}") },
	    { .reply = TWO_IMAGES });
	check_refused("imagen-4,gemini-2", SOON_MS, FAULT_REMOTE, 1);
	assert_false(answer.maybe_paid);
}

static void
a_quota_past_the_deadline_is_handed_on_at_once(void **state)
{
	const int64_t begun = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = QUOTA("34s") });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 34);
	PLAY({ .reply = WAIT("429", "77") });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 77);
	PLAY({ .reply = WAIT("503", "90000") });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 86400);
	assert_false(answer.maybe_paid);
	assert_true(clock_ticks_ms() - begun < SOON_MS);
}

static void
a_daily_quota_is_not_asked_again(void **state)
{
	(void)state;
	PLAY({ .reply = DAILY });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 3600);
	assert_false(answer.maybe_paid);
}

static void
patience_ends_after_four_attempts(void **state)
{
	(void)state;
	PLAY({ .reply = QUOTA("0s") }, { .reply = QUOTA("0s") },
	    { .reply = QUOTA("0s") }, { .reply = QUOTA("0s") },
	    { .reply = TWO_IMAGES });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 4);
	assert_false(answer.maybe_paid);
}

static void
a_500_is_asked_again_once(void **state)
{
	(void)state;
	PLAY({ .reply = BROKEN }, { .reply = BROKEN }, { .reply = TWO_IMAGES });
	check_refused("imagen-4", SOON_MS, FAULT_REMOTE, 2);
}

static void
clean_refusals_are_asked_once_and_cost_nothing(void **state)
{
	(void)state;
	PLAY({ .reply = BLOCKED });
	check_refused("imagen-4", SOON_MS, FAULT_FILTERED, 1);
	assert_non_null(strstr(fault.details, "Responsible AI"));
	assert_false(answer.maybe_paid);
	PLAY({ .reply = REPLY("403", "<html>") });
	check_refused("imagen-4", SOON_MS, FAULT_REMOTE, 1);
	assert_non_null(strstr(fault.text, "GEMINI_API_KEY"));
	assert_false(answer.maybe_paid);
	PLAY({ .reply = BLOCKED }, { .reply = BLOCKED });
	check_refused("gemini-2", SOON_MS, FAULT_FILTERED, 2);
	assert_false(answer.maybe_paid);
}

/* What one model answers with this status, to the last attempt. */
static void
check_paid(const char *status, bool maybe_paid)
{
	char reply[64];
	struct act acts[2] = { { .reply = reply }, { .reply = reply } };

	(void)snprintf(reply, sizeof reply, WAIT("%.3s", "60") "oops", status);
	play(acts, 2);
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), -1);
	(void)scripted_end(&server);
	if (answer.maybe_paid != maybe_paid)
		fail_msg("HTTP status %s: maybe paid is wrong", status);
	models_close(&models);
}

static void
only_a_clean_refusal_is_surely_free(void **state)
{
	static const char *const free_ones[] = { "400", "401", "403", "404",
		"429", "503" };
	static const char *const others[] = { "201", "204", "206", "302", "307",
		"402", "405", "408", "409", "418", "499", "500", "501", "502",
		"504", "520", "599" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof free_ones / sizeof free_ones[0]; i++)
		check_paid(free_ones[i], false);
	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		check_paid(others[i], true);
}

static void
a_doubt_outlives_the_refusal_that_follows(void **state)
{
	(void)state;
	PLAY({ .reply = BROKEN }, { .reply = QUOTA("34s") });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 2);
	assert_true(answer.maybe_paid);
	PLAY({ .reply = BROKEN }, { .reply = GONE }, { .reply = BLOCKED },
	    { .reply = BLOCKED });
	check_refused("imagen-4,gemini-2", SOON_MS, FAULT_FILTERED, 4);
	assert_true(answer.maybe_paid);
}

/* Nobody waits once it was asked so often: how it ends after one call. */
static void
check_left(const char *list, int asked)
{
	waiting = asked;
	check_refused(list, SOON_MS, FAULT_PEER, 1);
	assert_string_equal(
	    fault.text, "the client left before the model was called again");
}

static void
nothing_is_sent_again_for_a_client_that_left(void **state)
{
	(void)state;
	PLAY({ .reply = QUOTA("0.1s") }, { .reply = TWO_IMAGES });
	check_left("imagen-4", 0);
	assert_false(answer.maybe_paid);
	PLAY({ .reply = BROKEN }, { .reply = TWO_IMAGES });
	check_left("imagen-4", 0);
	assert_true(answer.maybe_paid);
}

static void
a_client_may_leave_during_the_wait(void **state)
{
	(void)state;
	PLAY({ .reply = QUOTA("0.1s") }, { .reply = TWO_IMAGES });
	check_left("imagen-4", 1);
}

static void
the_next_model_is_not_asked_for_a_client_that_left(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = ONE_IMAGE });
	check_left("imagen-4,gemini-2", 0);
	assert_false(answer.maybe_paid);
}

static void
what_came_for_a_client_that_left_is_kept(void **state)
{
	(void)state;
	waiting = 0;
	PLAY({ .reply = ONE_IMAGE }, { .reply = QUOTA("0.1s") },
	    { .reply = ONE_IMAGE });
	open_models("gemini-2.1");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	check_outcomes(1, 0, 1);
}

static void
a_last_word_is_handed_on_whoever_waits(void **state)
{
	(void)state;
	waiting = 0;
	PLAY({ .reply = BLOCKED });
	check_refused("imagen-4", SOON_MS, FAULT_FILTERED, 1);
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
}

static void
what_may_have_been_paid_is_never_sent_twice(void **state)
{
	static const struct act broken[] = { { .reply = "" }, { .reset = true },
		{ .reply =
			"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{\"a\"" },
		{ .reply =
			"HTTP/1.1 503 X\r\nContent-Length: 9\r\n\r\n{\"a\"" } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		play(&broken[i], 1);
		check_refused("imagen-4,gemini-2", SOON_MS, FAULT_REMOTE, 1);
		assert_true(answer.maybe_paid);
	}
	PLAY({ .reply = NULL });
	check_refused("imagen-4,gemini-2", SHORT_MS, FAULT_SLOW, 1);
	assert_true(answer.maybe_paid);
	PLAY({ .reply = REPLY("504", "") });
	check_refused("imagen-4,gemini-2", SOON_MS, FAULT_SLOW, 1);
	assert_true(answer.maybe_paid);
	PLAY({ .reply = HTML });
	check_refused("imagen-4,gemini-2", SOON_MS, FAULT_REMOTE, 1);
	assert_string_equal(fault.text, "the model's reply was not JSON");
	assert_true(answer.maybe_paid);
	PLAY({ .reply = REPLY("200", "{\"a\":1e999}") });
	check_refused("imagen-4,gemini-2", SOON_MS, FAULT_REMOTE, 1);
	assert_true(answer.maybe_paid);
}

static void
no_connection_costs_nothing(void **state)
{
	(void)state;
	PLAY({ .reply = TWO_IMAGES });
	(void)scripted_end(&server); /* its port answers nobody now */
	open_models("imagen-4");
	assert_int_equal(ask(2, SHORT_MS), -1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	assert_false(answer.maybe_paid);
}

static void
a_model_that_is_gone_is_left_out_from_then_on(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = ONE_IMAGE }, { .reply = ONE_IMAGE });
	open_models("imagen-4,gemini-2.1");
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_string_equal(answer.model, "gemini-2.1");
	check_outcomes(1, 0, 0);
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_string_equal(answer.model, "gemini-2.1");
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(scripted_said(&server, "imagen-4"), 1);
}

static void
a_404_that_is_not_googles_takes_no_model_away(void **state)
{
	(void)state;
	PLAY({ .reply = ASTRAY }, { .reply = ASTRAY }, { .reply = TWO_IMAGES });
	open_models("imagen-4,gemini-2.1");
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_non_null(strstr(fault.text, "IMAGE_BASE_URL"));
	assert_false(answer.maybe_paid);
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_string_equal(answer.model, "imagen-4");
	assert_int_equal(scripted_end(&server), 3);
}

/* Asks for two images, of which no model knows anything. */
static void
check_all_gone(void)
{
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(fault.text,
	    "none of the models exists any more: check IMAGE_MODELS");
	assert_false(answer.maybe_paid);
}

static void
a_list_of_models_that_are_gone_is_asked_again(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = GONE }, { .reply = GONE },
	    { .reply = GONE }, { .reply = GONE }, { .reply = GONE });
	open_models("imagen-4,gemini-2.1");
	check_all_gone();
	check_all_gone();
	assert_int_equal(scripted_end(&server), 6);
	assert_int_equal(scripted_said(&server, "imagen-4"), 2);
}

static void
the_only_model_is_back_as_soon_as_it_answers(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = TWO_IMAGES });
	open_models("imagen-4");
	check_all_gone();
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	check_outcomes(2, 0, 0);
}

static void
a_model_that_came_back_is_asked_before_one_that_did_not(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = GONE }, { .reply = GONE },
	    { .reply = ONE_IMAGE }, { .reply = ONE_IMAGE });
	open_models("imagen-4,gemini-2.1");
	assert_int_equal(ask(1, SOON_MS), -1);
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 5);
	assert_string_equal(answer.model, "gemini-2.1");
	assert_int_equal(scripted_said(&server, "imagen-4"), 2);
}

static void
a_model_left_out_is_asked_when_the_last_other_is_gone(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = ONE_IMAGE }, { .reply = GONE },
	    { .reply = TWO_IMAGES }, { .reply = TWO_IMAGES });
	open_models("imagen-4,gemini-2.1");
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_string_equal(answer.model, "imagen-4");
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_string_equal(answer.model, "imagen-4");
	assert_int_equal(scripted_end(&server), 5);
}

static void
a_model_that_only_one_call_misses_is_not_gone(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = DAILY }, { .reply = ONE_IMAGE });
	open_models("gemini-2.1");
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	assert_int_equal(ask(1, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 3);
}

static void
a_stand_in_may_be_asked_without_a_key(void **state)
{
	(void)state;
	set_key("");
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
	assert_int_equal(scripted_said(&server, "x-goog-api-key"), 0);
}

static void
google_is_not_asked_without_a_key(void **state)
{
	(void)state;
	set_key("");
	(void)snprintf(server.url, sizeof server.url, "https://127.0.0.1:1");
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(
	    fault.text, "no model key is set: set GEMINI_API_KEY");
	assert_false(answer.maybe_paid);
}

static void
a_key_of_blanks_is_none(void **state)
{
	(void)state;
	set_key(" \t\r\n");
	(void)snprintf(server.url, sizeof server.url, "https://127.0.0.1:1");
	open_models("imagen-4");
	assert_int_equal(ask(2, SHORT_MS), -1);
	assert_string_equal(
	    fault.text, "no model key is set: set GEMINI_API_KEY");
}

static void
a_keys_trailing_newline_does_not_become_a_header(void **state)
{
	(void)state;
	set_key("hush\n");
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	(void)scripted_end(&server);
	assert_int_equal(
	    scripted_said(&server, "\r\nx-goog-api-key: hush\r\n"), 1);
}

static void
a_unix_socket_takes_the_place_of_the_host(void **state)
{
	(void)state;
	use_socket();
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 1);
	check_outcomes(2, 0, 0);
	leave_socket();
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_names_models_of_known_dialects),
		T(a_wrong_model_is_named_and_said_what_is_wrong),
		T(an_address_over_its_limit_is_refused),
		T(a_key_that_would_be_no_header_is_refused),
		T(a_key_over_its_limit_is_refused),
		T(the_longest_key_is_sent),
		T(a_batch_is_one_call),
		T(single_images_are_asked_for_together),
		T(every_image_keeps_the_seed_that_was_sent),
		T(one_answer_among_refusals_is_an_answer),
		T(an_answer_without_any_image_is_still_an_answer),
		T(a_quota_that_says_when_is_asked_again_then),
		T(a_retry_after_header_is_honoured),
		T(every_attempt_says_what_time_is_left),
		T(no_attempt_says_less_than_ten_seconds),
		T(google_is_not_asked_with_less_than_ten_seconds_left),
		T(a_model_that_is_gone_too_late_is_the_last_one_asked),
		T(google_is_known_by_its_name),
		T(a_project_that_cannot_pay_is_not_asked_again),
		T(a_quota_past_the_deadline_is_handed_on_at_once),
		T(a_daily_quota_is_not_asked_again),
		T(patience_ends_after_four_attempts),
		T(a_500_is_asked_again_once),
		T(clean_refusals_are_asked_once_and_cost_nothing),
		T(only_a_clean_refusal_is_surely_free),
		T(a_doubt_outlives_the_refusal_that_follows),
		T(nothing_is_sent_again_for_a_client_that_left),
		T(a_client_may_leave_during_the_wait),
		T(the_next_model_is_not_asked_for_a_client_that_left),
		T(what_came_for_a_client_that_left_is_kept),
		T(a_last_word_is_handed_on_whoever_waits),
		T(what_may_have_been_paid_is_never_sent_twice),
		T(no_connection_costs_nothing),
		T(a_model_that_is_gone_is_left_out_from_then_on),
		T(a_404_that_is_not_googles_takes_no_model_away),
		T(a_list_of_models_that_are_gone_is_asked_again),
		T(the_only_model_is_back_as_soon_as_it_answers),
		T(a_model_that_came_back_is_asked_before_one_that_did_not),
		T(a_model_left_out_is_asked_when_the_last_other_is_gone),
		T(a_model_that_only_one_call_misses_is_not_gone),
		T(a_stand_in_may_be_asked_without_a_key),
		T(google_is_not_asked_without_a_key),
		T(a_key_of_blanks_is_none),
		T(a_keys_trailing_newline_does_not_become_a_header),
		T(a_unix_socket_takes_the_place_of_the_host),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	log_threshold(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
