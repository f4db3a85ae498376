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
#define GONE REPLY("404", "{\"error\":{\"code\":404}}")
#define BROKEN REPLY("500", "oops")
#define HTML REPLY("200", "<html>hello</html>")

enum { SOON_MS = 5000, SHORT_MS = 300 };

static struct scripted server;
static struct models *models;
static struct models_answer answer;
static struct secret key;
static struct fault fault;

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

static int
ask(int images, int ms)
{
	const struct gen_ask wish = { .prompt = VIEW("a knight"),
		.images = images,
		.aspect_ratio = "3:4",
		.media_type = "image/png",
		.has_seed = true,
		.seed = 7 };

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
	    scripted_said(&server, "\r\nX-Server-Timeout: 5\r\n"), 1);
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
	check_outcomes(0, 1, 1);
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
	PLAY({ .reply = "HTTP/1.1 503 X\r\nRetry-After: 1\r\n\r\nnot json" },
	    { .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 2);
	assert_true(clock_ticks_ms() - begun >= 1000);
}

static void
a_quota_past_the_deadline_is_handed_on_at_once(void **state)
{
	const int64_t begun = clock_ticks_ms();

	(void)state;
	PLAY({ .reply = QUOTA("34s") });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 34);
	PLAY({ .reply = "HTTP/1.1 429 X\r\nRetry-After: 77\r\n\r\n" });
	check_refused("imagen-4", SOON_MS, FAULT_BUSY, 1);
	assert_int_equal(fault.retry_after_s, 77);
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
a_list_of_models_that_are_gone_is_not_asked(void **state)
{
	(void)state;
	PLAY({ .reply = GONE }, { .reply = GONE }, { .reply = GONE });
	open_models("imagen-4,gemini-2.1");
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_non_null(strstr(fault.text, "IMAGE_MODELS"));
	assert_false(answer.maybe_paid);
	assert_int_equal(ask(2, SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_int_equal(scripted_end(&server), 3);
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
	char folder[] = "/tmp/test_models.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(server.socket, sizeof server.socket, "%s/s", folder);
	PLAY({ .reply = TWO_IMAGES });
	open_models("imagen-4");
	assert_int_equal(ask(2, SOON_MS), 0);
	assert_int_equal(scripted_end(&server), 1);
	check_outcomes(2, 0, 0);
	(void)unlink(server.socket);
	(void)rmdir(folder);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_names_models_of_known_dialects),
		T(a_batch_is_one_call),
		T(single_images_are_asked_for_together),
		T(one_answer_among_refusals_is_an_answer),
		T(an_answer_without_any_image_is_still_an_answer),
		T(a_quota_that_says_when_is_asked_again_then),
		T(a_retry_after_header_is_honoured),
		T(a_quota_past_the_deadline_is_handed_on_at_once),
		T(a_daily_quota_is_not_asked_again),
		T(patience_ends_after_four_attempts),
		T(a_500_is_asked_again_once),
		T(clean_refusals_are_asked_once_and_cost_nothing),
		T(what_may_have_been_paid_is_never_sent_twice),
		T(no_connection_costs_nothing),
		T(a_model_that_is_gone_is_left_out_from_then_on),
		T(a_list_of_models_that_are_gone_is_not_asked),
		T(a_model_that_only_one_call_misses_is_not_gone),
		T(a_stand_in_may_be_asked_without_a_key),
		T(google_is_not_asked_without_a_key),
		T(a_keys_trailing_newline_does_not_become_a_header),
		T(a_unix_socket_takes_the_place_of_the_host),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	log_threshold(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
