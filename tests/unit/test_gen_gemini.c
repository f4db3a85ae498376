#include "gen/gen_gemini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialect.h"

#define IMAGE(data) "{\"inlineData\":{\"data\":\"" data "\"}}"
#define SIGNED "{\"inlineData\":{\"data\":\"DD\"},\"thoughtSignature\":\"s\"}"
#define THOUGHT                                                                \
	"{\"text\":\"hm\",\"thought\":true},"                                  \
	"{\"inlineData\":{\"data\":\"CC\"},\"thought\":true}"
#define WORDS "{\"text\":\"I will not.\",\"thought\":false}"
#define CANDIDATE(parts, more)                                                 \
	"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts  \
	"]},\"index\":0" more "}],\"modelVersion\":\"m\"}"
#define FINISH(reason) ",\"finishReason\":\"" reason "\""

static void
read_reply(const char *text)
{
	dialect_read(&gen_gemini, view_str(text), 1);
}

static void
check_ok(const char *reply, const char *base64)
{
	read_reply(reply);
	check_image(0, base64);
}

static void
check_filtered(const char *reply, const char *details)
{
	read_reply(reply);
	assert_int_equal(images[0].outcome, GEN_FILTERED);
	assert_int_equal(images[0].why.kind, FAULT_FILTERED);
	assert_string_equal(images[0].why.details, details);
}

static void
check_failed(const char *reply, const char *text)
{
	read_reply(reply);
	assert_int_equal(images[0].outcome, GEN_FAILED);
	assert_int_equal(images[0].why.kind, FAULT_REMOTE);
	assert_string_equal(images[0].why.text, text);
	assert_string_equal(images[0].why.details, "");
}

static void
check_written(const struct gen_ask *ask, int call, const char *want)
{
	dialect_writes(&gen_gemini, ask, call, want);
}

static void
a_plain_ask_sends_only_what_it_must(void **state)
{
	(void)state;
	check_written(&(struct gen_ask){ .prompt = VIEW("a \"tall\" knight"),
			  .images = 4,
			  .aspect_ratio = "9:16",
			  .media_type = "image/png",
			  .person_generation = "allow_adult" },
	    3,
	    "{\"contents\":[{\"role\":\"user\",\"parts\":["
	    "{\"text\":\"a \\\"tall\\\" knight\"}]}],"
	    "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"],"
	    "\"imageConfig\":{\"aspectRatio\":\"9:16\"}}}");
}

static void
wishes_without_a_field_are_said_in_the_prompt(void **state)
{
	(void)state;
	check_written(&(struct gen_ask){ .prompt = VIEW("A knight."),
			  .images = 1,
			  .aspect_ratio = "1:1",
			  .negative_prompt = VIEW("hats"),
			  .safety_filter_level = "block_only_high" },
	    0,
	    "{\"contents\":[{\"role\":\"user\",\"parts\":["
	    "{\"text\":\"A knight. Do not show any of this: hats.\"}]}],"
	    "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"],"
	    "\"imageConfig\":{\"aspectRatio\":\"1:1\"}},"
	    "\"safetySettings\":["
	    "{\"category\":\"HARM_CATEGORY_HARASSMENT\","
	    "\"threshold\":\"BLOCK_ONLY_HIGH\"},"
	    "{\"category\":\"HARM_CATEGORY_HATE_SPEECH\","
	    "\"threshold\":\"BLOCK_ONLY_HIGH\"},"
	    "{\"category\":\"HARM_CATEGORY_SEXUALLY_EXPLICIT\","
	    "\"threshold\":\"BLOCK_ONLY_HIGH\"},"
	    "{\"category\":\"HARM_CATEGORY_DANGEROUS_CONTENT\","
	    "\"threshold\":\"BLOCK_ONLY_HIGH\"}]}");
}

static void
every_call_has_its_own_seed_and_none_passes_an_int32(void **state)
{
	const struct gen_ask ask = { .prompt = VIEW("x"),
		.images = 4,
		.has_seed = true,
		.seed = 0xffffffffu };

	(void)state;
	check_written(&ask, 0,
	    "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]}],"
	    "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"],"
	    "\"seed\":2147483647}}");
	check_written(&ask, 2,
	    "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]}],"
	    "\"generationConfig\":{\"responseModalities\":[\"IMAGE\"],"
	    "\"seed\":1}}");
}

static void
a_prompt_too_long_spoils_the_document(void **state)
{
	struct buf prompt = BUF_INIT(1 << 20);
	struct buf out = BUF_INIT(1 << 20);

	(void)state;
	memset(buf_room(&prompt, 512 << 10), 'x', 512 << 10);
	gen_gemini.write(
	    &(struct gen_ask){ .prompt = buf_view(&prompt), .images = 1 }, 0,
	    &out);
	assert_true(out.spoilt);
	buf_fini(&prompt);
	buf_fini(&out);
}

static void
the_last_image_that_is_not_a_thought_is_taken(void **state)
{
	(void)state;
	check_ok(CANDIDATE(IMAGE("AA"), FINISH("STOP")), "AA");
	check_ok(CANDIDATE(IMAGE("AA"), ""), "AA");
	check_ok(CANDIDATE(WORDS "," IMAGE("AA") "," IMAGE("BB"), ""), "BB");
	check_ok(CANDIDATE(THOUGHT "," IMAGE("AA"), ""), "AA");
	check_ok(CANDIDATE(IMAGE("AA") "," THOUGHT, ""), "AA");
	check_ok(CANDIDATE(SIGNED, FINISH("STOP")), "DD");
}

static void
a_blocked_prompt_is_filtered(void **state)
{
	(void)state;
	check_filtered("{\"promptFeedback\":{\"blockReason\":"
		       "\"PROHIBITED_CONTENT\"},\"modelVersion\":\"m\"}",
	    "PROHIBITED_CONTENT");
	check_filtered("{\"promptFeedback\":{\"blockReason\":\"SAFETY\","
		       "\"blockReasonMessage\":\"No weapons\"}}",
	    "No weapons");
	check_filtered("{\"promptFeedback\":{\"blockReason\":\"JAILBREAK\"}}",
	    "JAILBREAK");
	check_failed("{\"promptFeedback\":{\"blockReason\":\"OTHER\"}}",
	    "the model sent no image (OTHER)");
}

/* A 200 without an image that ends for that reason. */
static const char *
finished(const char *reason)
{
	static char reply[256];

	(void)snprintf(reply, sizeof reply,
	    "{\"candidates\":[{\"content\":{\"role\":\"model\"},"
	    "\"finishReason\":\"%s\"}]}",
	    reason);
	return reply;
}

static void
a_finish_reason_that_names_a_refusal_is_filtered(void **state)
{
	static const char *const reasons[] = { "IMAGE_SAFETY",
		"IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "SAFETY",
		"PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		check_filtered(finished(reasons[i]), reasons[i]);
	check_filtered("{\"candidates\":[{\"finishReason\":\"IMAGE_SAFETY\","
		       "\"finishMessage\":\"Unable to show it\"}]}",
	    "Unable to show it");
}

static void
any_other_finish_reason_without_an_image_is_a_failure(void **state)
{
	static const char *const reasons[] = { "MODEL_ARMOR", "NO_IMAGE",
		"IMAGE_OTHER", "OTHER", "MAX_TOKENS", "LANGUAGE",
		"MALFORMED_FUNCTION_CALL", "STOP", "NEW_IN" };
	char text[80];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		(void)snprintf(text, sizeof text,
		    "the model sent no image (%s)", reasons[i]);
		check_failed(finished(reasons[i]), text);
	}
	check_failed(finished("<b>not a word</b>"), "the model sent no image");
	check_failed(CANDIDATE(WORDS, FINISH("MAX_TOKENS")),
	    "the model sent no image (MAX_TOKENS)");
}

static void
text_alone_is_a_refusal(void **state)
{
	(void)state;
	check_filtered(CANDIDATE(WORDS, FINISH("STOP")), "I will not.");
	check_filtered(CANDIDATE(THOUGHT "," WORDS, ""), "I will not.");
	check_failed(CANDIDATE(THOUGHT, FINISH("STOP")),
	    "the model sent no image (STOP)");
}

static void
nothing_at_all_is_a_failure(void **state)
{
	static const char *const empty[] = { "{}", "{\"candidates\":[]}",
		"{\"candidates\":7}", "{\"candidates\":[null]}",
		"{\"candidates\":[{\"content\":{\"parts\":[7,null,[]]}}]}",
		("{\"candidates\":[{\"content\":{\"parts\":"
		 "[{\"inlineData\":{\"data\":null}}]}}]}"),
		"{\"candidates\":[{\"content\":\"x\",\"finishReason\":7}]}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof empty / sizeof empty[0]; i++)
		check_failed(empty[i], "the model sent no image");
}

static void
an_error_in_a_200_is_a_failure(void **state)
{
	static const char said[] =
	    "the model API answered 200 with an error (UNAVAILABLE)";

	(void)state;
	check_failed("{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\","
		     "\"message\":\"at /srv/secret.go\"}}",
	    said);
	check_failed("[{\"error\":{\"status\":\"UNAVAILABLE\"}}]", said);
	check_failed("{\"error\":\"upstream is down\"}",
	    "the model API answered 200 with an error");
	check_failed("{\"error\":{\"status\":\"UNAVAILABLE\"},\"candidates\":"
		     "[{\"finishReason\":\"SAFETY\"}]}",
	    said);
	check_failed("{\"error\":null}", "the model sent no image");
	check_ok("{\"error\":{\"status\":\"UNAVAILABLE\"},\"candidates\":"
		 "[{\"content\":{\"parts\":[" IMAGE("AA") "]}}]}",
	    "AA");
}

static void
nonsense_and_empty_images_are_failures(void **state)
{
	(void)state;
	check_failed("[]", "the model's reply made no sense");
	check_failed("null", "the model's reply made no sense");
	check_failed("\"x\"", "the model's reply made no sense");
	check_failed(CANDIDATE(IMAGE(""), FINISH("STOP")),
	    "the model returned an empty image");
}

static void
an_image_over_its_limit_has_failed(void **state)
{
	struct buf text = BUF_INIT((size_t)GEN_BASE64_MAX + 200);

	(void)state;
	buf_add(&text, VIEW("{\"candidates\":[{\"content\":{\"parts\":["
			    "{\"inlineData\":{\"data\":\""));
	add_too_large_an_image(&text);
	buf_add(&text, VIEW("\"}}]}}]}"));
	check_failed(buf_str(&text), "the model returned too large an image");
	buf_fini(&text);
}

#define T(name) cmocka_unit_test_teardown(name, close_doc)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_plain_ask_sends_only_what_it_must),
		T(wishes_without_a_field_are_said_in_the_prompt),
		T(every_call_has_its_own_seed_and_none_passes_an_int32),
		T(a_prompt_too_long_spoils_the_document),
		T(the_last_image_that_is_not_a_thought_is_taken),
		T(a_blocked_prompt_is_filtered),
		T(a_finish_reason_that_names_a_refusal_is_filtered),
		T(any_other_finish_reason_without_an_image_is_a_failure),
		T(text_alone_is_a_refusal),
		T(nothing_at_all_is_a_failure),
		T(an_error_in_a_200_is_a_failure),
		T(nonsense_and_empty_images_are_failures),
		T(an_image_over_its_limit_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
