#include "gen/gen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DETAILS(text)                                                          \
	"{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\","          \
	"\"message\":\"Quota of project 3487 exceeded\",\"details\":[" text    \
	"]}}"
#define RETRY_INFO(delay)                                                      \
	"{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","             \
	"\"retryDelay\":" delay "}"
#define QUOTA_FAILURE(id)                                                      \
	"{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","          \
	"\"violations\":[{\"quotaMetric\":\"m\"},{\"quotaId\":\"" id "\"}]}"

static struct json_doc *doc;

static const struct json_value *
parse(const char *text)
{
	struct fault f = FAULT_INIT;

	json_close(&doc);
	assert_int_equal(
	    json_open(&doc, view_str(text), GEN_JSON_DEPTH_MAX, &f), 0);
	return json_root(doc);
}

static int
close_doc(void **state)
{
	(void)state;
	json_close(&doc);
	return 0;
}

static struct fault
refusal(int status, const char *text)
{
	struct fault f = FAULT_INIT;

	assert_int_equal(gen_refusal(status, parse(text), &f), -1);
	assert_int_not_equal(f.kind, FAULT_NONE);
	return f;
}

static void
each_status_has_its_kind_even_without_a_document(void **state)
{
	static const struct {
		int status;
		enum fault_kind kind;
		int retry_after_s;
	} cases[] = {
		{ 400, FAULT_REMOTE, 0 },
		{ 401, FAULT_REMOTE, 0 },
		{ 403, FAULT_REMOTE, 0 },
		{ 404, FAULT_REMOTE, 0 },
		{ 429, FAULT_BUSY, 30 },
		{ 500, FAULT_REMOTE, 0 },
		{ 503, FAULT_BUSY, 10 },
		{ 504, FAULT_SLOW, 0 },
		{ 302, FAULT_REMOTE, 0 },
		{ 418, FAULT_REMOTE, 0 },
	};
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(gen_refusal(cases[i].status, NULL, &f), -1);
		assert_int_equal(f.kind, cases[i].kind);
		assert_int_equal(f.retry_after_s, cases[i].retry_after_s);
		assert_string_not_equal(f.text, "");
		assert_string_equal(f.details, "");
	}
}

static void
a_blocked_prompt_is_filtered_with_the_models_words(void **state)
{
	const struct fault f = refusal(400,
	    "{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\","
	    "\"message\":\"Image generation failed with the following error: "
	    "The prompt could not be submitted. This prompt contains sensitive "
	    "words that violate Google's Responsible AI practices.\"}}");

	(void)state;
	assert_int_equal(f.kind, FAULT_FILTERED);
	assert_string_equal(f.text, "the model refused the prompt");
	assert_non_null(strstr(f.details, "sensitive words"));
}

static void
a_bad_parameter_is_not_a_blocked_prompt(void **state)
{
	const struct fault f = refusal(400,
	    "{\"error\":{\"code\":400,\"status\":\"INVALID_ARGUMENT\","
	    "\"message\":\"Only block_low_and_above is supported for "
	    "safetySetting.\"}}");

	(void)state;
	assert_int_equal(f.kind, FAULT_REMOTE);
	assert_string_equal(f.details, "INVALID_ARGUMENT");
	assert_null(strstr(f.text, "block_low"));
}

static void
a_bad_key_names_the_setting_to_look_at(void **state)
{
	struct fault f = refusal(400,
	    "{\"error\":{\"code\":400,\"message\":\"no\",\"status\":"
	    "\"INVALID_ARGUMENT\",\"details\":[{\"reason\":\"API_KEY_INVALID\"}"
	    "]}}");

	(void)state;
	assert_int_equal(f.kind, FAULT_REMOTE);
	assert_non_null(strstr(f.text, "check GEMINI_API_KEY"));
	assert_string_equal(f.details, "INVALID_ARGUMENT, API_KEY_INVALID");
	f = refusal(400,
	    "{\"error\":{\"message\":\"API key expired. Renew key1234.\"}}");
	assert_non_null(strstr(f.text, "check GEMINI_API_KEY"));
	assert_null(strstr(f.text, "key1234"));
	assert_string_equal(f.details, "");
	f = refusal(403,
	    "{\"error\":{\"message\":\"Permission denied on projects/77\","
	    "\"status\":\"PERMISSION_DENIED\"}}");
	assert_non_null(strstr(f.text, "check GEMINI_API_KEY"));
	assert_string_equal(f.details, "PERMISSION_DENIED");
}

static void
only_googles_own_404_means_that_the_model_is_gone(void **state)
{
	static const char *const others[] = { "null", "[]", "{}", "\"x\"",
		"{\"detail\":\"Not Found\"}", "{\"error\":\"Not Found\"}",
		"{\"error\":null}", "{\"error\":[]}", "{\"error\":{}}",
		"{\"error\":{\"message\":\"no route\",\"code\":404}}",
		"{\"error\":{\"status\":404}}", "{\"status\":\"NOT_FOUND\"}" };
	struct fault f;
	size_t i;

	(void)state;
	f = refusal(404,
	    "{\"error\":{\"code\":404,\"message\":\"models/x is not found for "
	    "API version v1beta\",\"status\":\"NOT_FOUND\"}}");
	assert_int_equal(f.kind, FAULT_ABSENT);
	f = refusal(404, "[{\"error\":{\"status\":\"NOT_FOUND\"}}]");
	assert_int_equal(f.kind, FAULT_ABSENT);
	for (i = 0; i < sizeof others / sizeof others[0]; i++) {
		f = refusal(404, others[i]);
		assert_int_equal(f.kind, FAULT_REMOTE);
		assert_string_equal(f.text,
		    "the model API's address answered 404: check "
		    "IMAGE_BASE_URL");
		assert_string_equal(f.details, "");
	}
}

static void
upstream_words_stay_out(void **state)
{
	const struct fault f = refusal(500,
	    "{\"error\":{\"message\":\"at /srv/secret.go:7\",\"status\":"
	    "\"at /srv/secret.go\",\"details\":[{\"reason\":\"<html>\"}]}}");

	(void)state;
	assert_string_equal(
	    f.text, "the model API failed with HTTP status 500");
	assert_string_equal(f.details, "");
}

static void
the_envelope_may_be_in_an_array_or_a_mere_string(void **state)
{
	struct fault f = refusal(429, "[" DETAILS(RETRY_INFO("\"34s\"")) "]");

	(void)state;
	assert_int_equal(f.retry_after_s, 34);
	f = refusal(400, "{\"error\":\"no such field\"}");
	assert_int_equal(f.kind, FAULT_REMOTE);
	f = refusal(400, "{\"error\":\"prompt could not be submitted\"}");
	assert_int_equal(f.kind, FAULT_FILTERED);
}

static void
documents_of_another_shape_do_no_harm(void **state)
{
	static const char *const shapes[] = { "null", "7", "\"x\"", "[]",
		"[[]]", "[7]", "{}", "{\"error\":null}", "{\"error\":[]}",
		"{\"error\":{}}", "{\"error\":{\"message\":7,\"status\":[]}}",
		"{\"error\":{\"details\":{}}}",
		"{\"error\":{\"details\":[null,7,\"x\",[],{}]}}",
		"{\"error\":{\"details\":[{\"violations\":{},\"retryDelay\":7,"
		"\"reason\":{}}]}}",
		"{\"error\":{\"details\":[{\"violations\":[null,{\"quotaId\":"
		"7}]}]}}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		assert_int_equal(refusal(400, shapes[i]).kind, FAULT_REMOTE);
		assert_int_equal(refusal(429, shapes[i]).retry_after_s, 30);
		assert_int_equal(gen_retry_delay_ms(parse(shapes[i])), -1);
		assert_false(gen_is_daily_quota(parse(shapes[i])));
	}
	assert_int_equal(gen_retry_delay_ms(NULL), -1);
	assert_false(gen_is_daily_quota(NULL));
}

static void
a_retry_delay_is_rounded_up_to_whole_seconds(void **state)
{
	(void)state;
	assert_int_equal(gen_retry_delay_ms(parse(DETAILS(
			     QUOTA_FAILURE("x") "," RETRY_INFO("\"1.5s\"")))),
	    1500);
	assert_int_equal(
	    refusal(429, DETAILS(RETRY_INFO("\"1.5s\""))).retry_after_s, 2);
	assert_int_equal(
	    refusal(429, DETAILS(RETRY_INFO("\"0s\""))).retry_after_s, 1);
	assert_int_equal(
	    refusal(429, DETAILS(RETRY_INFO("\"999999999s\""))).retry_after_s,
	    86400);
	assert_int_equal(
	    refusal(429, DETAILS(RETRY_INFO("\"soon\""))).retry_after_s, 30);
	assert_int_equal(
	    refusal(503, DETAILS(RETRY_INFO("\"3s\""))).retry_after_s, 3);
}

static void
a_daily_quota_will_not_come_back_in_seconds(void **state)
{
	const char *daily = DETAILS(RETRY_INFO("\"5s\"") "," QUOTA_FAILURE(
	    "GenerateRequestsPerDayPerProjectPerModel"));
	const char *minutely =
	    DETAILS(QUOTA_FAILURE("GenerateRequestsPerMinutePerProject"));

	(void)state;
	assert_true(gen_is_daily_quota(parse(daily)));
	assert_false(gen_is_daily_quota(parse(minutely)));
	assert_int_equal(refusal(429, daily).retry_after_s, 3600);
	assert_string_equal(refusal(429, daily).details, "RESOURCE_EXHAUSTED");
	assert_int_equal(refusal(429, minutely).retry_after_s, 30);
}

#define MESSAGE(text) "{\"error\":{\"code\":429,\"message\":\"" text "\"}}"

static void
a_project_that_cannot_pay_is_told_what_helps(void **state)
{
	static const struct {
		const char *reply, *words;
	} bills[] = {
		{ MESSAGE(
		      "* Quota exceeded for metric: m, limit: 10, model: "
		      "a\\n* Quota exceeded for metric: m, limit: 0, model: "
		      "a"),
		    "no billing" },
		{ MESSAGE("exceeded, limit: 0."), "no billing" },
		{ MESSAGE("exceeded, limit: 0"), "no billing" },
		{ DETAILS(RETRY_INFO("\"34s\"") ",{\"violations\":[{"
						"\"quotaId\":\"PerDay-"
						"FreeTier\"},{\"quotaId\":"
						"\"PerMinute-FreeTier\"}]}"),
		    "no billing" },
		{ MESSAGE("Your prepayment credits are depleted. Please go to "
			  "AI Studio."),
		    "credits" },
		{ MESSAGE("Your credits are depleted."), "credits" },
		{ MESSAGE("Your project has exceeded its monthly spending "
			  "cap."),
		    "spending cap" },
	};
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bills / sizeof bills[0]; i++) {
		f = refusal(429, bills[i].reply);
		assert_true(gen_is_unpayable(json_root(doc)));
		assert_int_equal(f.kind, FAULT_REMOTE);
		assert_int_equal(f.retry_after_s, 0);
		assert_non_null(strstr(f.text, bills[i].words));
		assert_non_null(strstr(f.text, f.remedy));
	}
}

static void
any_other_429_can_be_paid_later(void **state)
{
	static const char *const others[] = {
		MESSAGE("Resource exhausted. Please try again later."),
		MESSAGE("exceeded, limit: 0.5"), MESSAGE("exceeded, limit: 07"),
		MESSAGE("exceeded, limit: 10"), MESSAGE("limit:"),
		DETAILS("{\"violations\":[]}"),
		DETAILS(QUOTA_FAILURE("PerDay-FreeTier")), /* one of two */
		DETAILS("{\"violations\":[{\"quotaId\":\"PerDay-FreeTier\"},"
			"{\"quotaId\":\"PerDay-FreeTier-Tier1\"}]}"),
		"null", "[]", "{\"error\":\"limit\"}"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof others / sizeof others[0]; i++) {
		assert_int_equal(refusal(429, others[i]).kind, FAULT_BUSY);
		assert_false(gen_is_unpayable(json_root(doc)));
	}
	assert_false(gen_is_unpayable(NULL));
}

static void
one_rule_says_how_long_to_wait(void **state)
{
	const char *daily = DETAILS(RETRY_INFO("\"5s\"") "," QUOTA_FAILURE(
	    "GenerateRequestsPerDayPerProjectPerModel"));
	const char *soon = DETAILS(RETRY_INFO("\"1.5s\""));
	const char *ages = DETAILS(RETRY_INFO("\"999999999s\""));

	(void)state;
	assert_int_equal(gen_wait_ms(NULL, -1), -1);
	assert_int_equal(gen_wait_ms(NULL, 0), 0);
	assert_int_equal(gen_wait_ms(NULL, 7000), 7000);
	assert_int_equal(gen_wait_ms(NULL, 86400001), 86400000);
	assert_int_equal(gen_wait_ms(parse(soon), 7000), 1500);
	assert_int_equal(gen_wait_ms(parse(ages), -1), 86400000);
	assert_int_equal(gen_wait_ms(parse(daily), 7000), 3600000);
	assert_int_equal(gen_wait_s(429, NULL, -1), 30);
	assert_int_equal(gen_wait_s(503, NULL, -1), 10);
	assert_int_equal(gen_wait_s(503, NULL, 0), 1);
	assert_int_equal(gen_wait_s(429, NULL, 1001), 2);
	assert_int_equal(gen_wait_s(429, NULL, INT64_MAX), 86400);
	assert_int_equal(gen_wait_s(429, parse(daily), 7000), 3600);
}

static void
a_seed_is_counted_up_within_the_bits_that_are_taken(void **state)
{
	const struct gen_dialect all = { .seed_mask = UINT32_MAX };
	const struct gen_dialect low = { .seed_mask = INT32_MAX };
	const struct gen_ask small = { .seed = 5 };
	const struct gen_ask large = { .seed = UINT32_MAX };

	(void)state;
	assert_true(gen_seed(&all, &small, 3) == 8);
	assert_true(gen_seed(&all, &large, 0) == UINT32_MAX);
	assert_true(gen_seed(&all, &large, 1) == 0);
	assert_true(gen_seed(&low, &large, 0) == INT32_MAX);
	assert_true(gen_seed(&low, &large, 3) == 2);
}

static void
what_came_is_an_image_unless_it_is_empty_or_too_large(void **state)
{
	struct gen_image image;

	(void)state;
	gen_take(&image, VIEW("AA"));
	assert_int_equal(image.outcome, GEN_OK);
	assert_int_equal(image.why.kind, FAULT_NONE);
	assert_true(view_is(image.base64, "AA"));
	gen_take(&image, VIEW(""));
	assert_int_equal(image.outcome, GEN_FAILED);
	assert_string_equal(
	    image.why.text, "the model returned an empty image");
	/* Nothing of it is read. */
	gen_take(&image, (struct view){ "A", (size_t)GEN_BASE64_MAX + 1 });
	assert_int_equal(image.outcome, GEN_FAILED);
	assert_string_equal(
	    image.why.text, "the model returned too large an image");
	assert_int_equal(image.base64.n, 0);
}

static void
nonsense_is_the_end_of_every_image(void **state)
{
	struct gen_image images[3] = { { .outcome = GEN_OK },
		{ .outcome = GEN_OK }, { .outcome = GEN_OK } };

	(void)state;
	gen_nonsense(images, 2);
	assert_int_equal(images[0].outcome, GEN_FAILED);
	assert_int_equal(images[1].why.kind, FAULT_REMOTE);
	assert_string_equal(
	    images[1].why.text, "the model's reply made no sense");
	assert_int_equal(images[2].outcome, GEN_OK);
}

static void
a_filtered_image_keeps_the_reason_cut_between_characters(void **state)
{
	struct gen_image image;
	char reason[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof reason; i += 3)
		memcpy(reason + i, "\xe2\x82\xac", 3);
	gen_filtered(&image, (struct view){ reason, sizeof reason });
	assert_int_equal(image.outcome, GEN_FILTERED);
	assert_int_equal(image.why.kind, FAULT_FILTERED);
	assert_string_equal(image.why.text, "the model refused this image");
	assert_int_equal(strlen(image.why.details), 510); /* 170 of 3 bytes */
	gen_filtered(&image, (struct view){ reason, 300 });
	assert_int_equal(strlen(image.why.details), 300);
	gen_filtered(&image, VIEW(""));
	assert_string_equal(image.why.details, "");
}

static void
a_failed_image_says_why(void **state)
{
	struct gen_image image;

	(void)state;
	gen_failed(&image, "100% of it is gone");
	assert_int_equal(image.outcome, GEN_FAILED);
	assert_int_equal(image.why.kind, FAULT_REMOTE);
	assert_string_equal(image.why.text, "100% of it is gone");
	assert_int_equal(image.base64.n, 0);
}

#define T(name) cmocka_unit_test_teardown(name, close_doc)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_status_has_its_kind_even_without_a_document),
		T(a_blocked_prompt_is_filtered_with_the_models_words),
		T(a_bad_parameter_is_not_a_blocked_prompt),
		T(a_bad_key_names_the_setting_to_look_at),
		T(only_googles_own_404_means_that_the_model_is_gone),
		T(upstream_words_stay_out),
		T(the_envelope_may_be_in_an_array_or_a_mere_string),
		T(documents_of_another_shape_do_no_harm),
		T(a_retry_delay_is_rounded_up_to_whole_seconds),
		T(a_daily_quota_will_not_come_back_in_seconds),
		T(a_project_that_cannot_pay_is_told_what_helps),
		T(any_other_429_can_be_paid_later),
		T(one_rule_says_how_long_to_wait),
		T(a_seed_is_counted_up_within_the_bits_that_are_taken),
		T(what_came_is_an_image_unless_it_is_empty_or_too_large),
		T(nonsense_is_the_end_of_every_image),
		T(a_filtered_image_keeps_the_reason_cut_between_characters),
		T(a_failed_image_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
