#include "gen/gen_imagen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dialect.h"

#define RECORDED "../shared/data/provider-replies/"

enum { RECORDED_MAX = 1 << 20 };

static void
read_view(struct view text, int n)
{
	dialect_read(&gen_imagen, text, n);
}

static void
read_reply(const char *text, int n)
{
	read_view(view_str(text), n);
}

static void
check_filtered(int at, const char *words)
{
	assert_int_equal(images[at].outcome, GEN_FILTERED);
	assert_int_equal(images[at].why.kind, FAULT_FILTERED);
	assert_non_null(strstr(images[at].why.details, words));
	assert_int_equal(images[at].base64.n, 0);
}

static void
check_failed(int at)
{
	assert_int_equal(images[at].outcome, GEN_FAILED);
	assert_int_equal(images[at].why.kind, FAULT_REMOTE);
	assert_string_not_equal(images[at].why.text, "");
}

static void
check_written(const struct gen_ask *ask, const char *want)
{
	dialect_writes(&gen_imagen, ask, 0, want);
}

static void
a_plain_ask_sends_only_what_it_must(void **state)
{
	(void)state;
	check_written(&(struct gen_ask){ .prompt = VIEW("a \"tall\"\nknight"),
			  .images = 4,
			  .aspect_ratio = "3:4",
			  .media_type = "image/png" },
	    "{\"instances\":[{\"prompt\":\"a \\\"tall\\\"\\u000aknight\"}],"
	    "\"parameters\":{\"sampleCount\":4,\"aspectRatio\":\"3:4\","
	    "\"includeRaiReason\":true,"
	    "\"outputOptions\":{\"mimeType\":\"image/png\"}}}");
}

static void
every_wish_is_sent_and_webp_is_left_to_the_model(void **state)
{
	(void)state;
	check_written(&(struct gen_ask){ .prompt = VIEW("x"),
			  .images = 1,
			  .aspect_ratio = "1:1",
			  .media_type = "image/webp",
			  .negative_prompt = VIEW("hats"),
			  .has_seed = true,
			  .seed = 4294967295u,
			  .safety_filter_level = "block_only_high",
			  .person_generation = "allow_adult" },
	    "{\"instances\":[{\"prompt\":\"x\"}],"
	    "\"parameters\":{\"sampleCount\":1,\"aspectRatio\":\"1:1\","
	    "\"includeRaiReason\":true,"
	    "\"personGeneration\":\"allow_adult\","
	    "\"safetySetting\":\"block_only_high\","
	    "\"negativePrompt\":\"hats\","
	    "\"addWatermark\":false,\"seed\":4294967295}}");
}

static void
images_come_in_their_order_whatever_the_order_of_keys(void **state)
{
	(void)state;
	read_reply("{\"predictions\":["
		   "{\"mimeType\":\"image/png\",\"bytesBase64Encoded\":\"AA\"},"
		   "{\"bytesBase64Encoded\":\"BB\",\"prompt\":\"rewritten\"}"
		   "]}",
	    2);
	check_image(0, "AA");
	check_image(1, "BB");
}

static void
one_reason_stands_for_all_the_missing(void **state)
{
	(void)state;
	read_reply("{\"predictions\":["
		   "{\"raiFilteredReason\":\"filtered out 2 images\"},"
		   "{\"bytesBase64Encoded\":\"AA\"},"
		   "{\"bytesBase64Encoded\":\"BB\"}]}",
	    4);
	check_image(0, "AA");
	check_image(1, "BB");
	check_filtered(2, "filtered out 2 images");
	check_filtered(3, "filtered out 2 images");
}

static void
reasons_given_apiece_are_kept_apiece(void **state)
{
	(void)state;
	read_reply("{\"predictions\":[{\"raiFilteredReason\":\"first\"},"
		   "{\"raiFilteredReason\":\"second\"},"
		   "{\"bytesBase64Encoded\":\"AA\"}]}",
	    3);
	check_image(0, "AA");
	check_filtered(1, "first");
	check_filtered(2, "second");
}

static void
missing_images_without_a_reason_have_failed(void **state)
{
	static const char *const empty[] = { "{}", "{\"predictions\":[]}",
		"{\"predictions\":null}", "{\"predictions\":[{}]}",
		"{\"deployedModelId\":\"7\"}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof empty / sizeof empty[0]; i++) {
		read_reply(empty[i], 2);
		check_failed(0);
		check_failed(1);
		assert_non_null(
		    strstr(images[1].why.text, "fewer images than asked for"));
	}
	read_reply("{\"predictions\":[{\"bytesBase64Encoded\":\"AA\"}]}", 2);
	check_image(0, "AA");
	check_failed(1);
}

static void
an_error_in_a_200_fails_what_did_not_come(void **state)
{
#define ERROR "\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\"}"
	(void)state;
	read_reply("{" ERROR "}", 2);
	check_failed(0);
	check_failed(1);
	assert_string_equal(images[1].why.text,
	    "the model API answered 200 with an error (RESOURCE_EXHAUSTED)");
	read_reply(
	    "{\"predictions\":[{\"bytesBase64Encoded\":\"AA\"}]," ERROR "}", 2);
	check_image(0, "AA");
	check_failed(1);
}

static void
an_element_with_only_safety_attributes_is_no_image(void **state)
{
	(void)state;
	read_reply(
	    "{\"predictions\":["
	    "{\"bytesBase64Encoded\":\"AA\",\"safetyAttributes\":"
	    "{\"categories\":[],\"scores\":[]}},"
	    "{\"bytesBase64Encoded\":\"BB\"},"
	    "{\"safetyAttributes\":{\"categories\":[\"Death\"],\"scores\":"
	    "[0.1]},\"contentType\":\"Positive Prompt\"}]}",
	    2);
	check_image(0, "AA");
	check_image(1, "BB");
}

static void
an_image_without_bytes_has_failed(void **state)
{
	(void)state;
	read_reply("{\"predictions\":[{\"bytesBase64Encoded\":\"\"},"
		   "{\"bytesBase64Encoded\":null},"
		   "{\"bytesBase64Encoded\":[7]},"
		   "{\"bytesBase64Encoded\":\"AA\"}]}",
	    4);
	check_failed(0);
	check_failed(1);
	check_failed(2);
	check_image(3, "AA");
}

static void
an_image_over_its_limit_has_failed(void **state)
{
	struct buf text = BUF_INIT((size_t)GEN_BASE64_MAX + 100);

	(void)state;
	buf_add(&text, VIEW("{\"predictions\":[{\"bytesBase64Encoded\":\""));
	add_too_large_an_image(&text);
	buf_add(&text, VIEW("\"}]}"));
	read_view(buf_view(&text), 1);
	buf_fini(&text);
	check_failed(0);
}

static void
more_images_than_asked_for_are_left(void **state)
{
	(void)state;
	read_reply("{\"predictions\":[{\"bytesBase64Encoded\":\"AA\"},"
		   "{\"bytesBase64Encoded\":\"BB\"}]}",
	    1);
	check_image(0, "AA");
}

static void
nonsense_is_a_failure_of_every_image(void **state)
{
	static const char *const nonsense[] = { "null", "[]", "7", "\"x\"",
		"{\"predictions\":7}", "{\"predictions\":{}}",
		"{\"predictions\":\"x\"}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
		read_reply(nonsense[i], 2);
		check_failed(0);
		check_failed(1);
	}
}

/* A recorded reply; false when this copy of the project has none. */
static bool
load(const char *name, struct buf *out)
{
	char path[128];
	FILE *in;
	char *room;
	size_t n;

	(void)snprintf(path, sizeof path, RECORDED "%s", name);
	in = fopen(path, "rb");
	if (in == NULL)
		return false;
	room = buf_room(out, RECORDED_MAX);
	n = fread(room, 1, RECORDED_MAX, in);
	(void)fclose(in);
	out->len = n;
	return true;
}

static void
the_recorded_images_are_read(void **state)
{
	struct buf text = BUF_INIT(RECORDED_MAX);
	int i;

	(void)state;
	if (!load("unary-success-generate-images-base64.json", &text))
		skip();
	read_view(buf_view(&text), 4);
	buf_fini(&text);
	for (i = 0; i < 4; i++) {
		assert_int_equal(images[i].outcome, GEN_OK);
		assert_true(view_begins(images[i].base64, "iVBORw0KGgo"));
	}
}

static void
the_recorded_partial_filter_is_read(void **state)
{
	struct buf text = BUF_INIT(RECORDED_MAX);

	(void)state;
	if (!load("unary-failure-generate-images-base64-some-filtered.json",
		&text))
		skip();
	read_view(buf_view(&text), 4);
	buf_fini(&text);
	assert_int_equal(images[0].outcome, GEN_OK);
	assert_int_equal(images[1].outcome, GEN_OK);
	check_filtered(2, "filtered out 2 generated images");
	check_filtered(3, "filtered out 2 generated images");
}

static void
the_recorded_full_filter_is_read(void **state)
{
	struct buf text = BUF_INIT(RECORDED_MAX);
	int i;

	(void)state;
	if (!load("unary-failure-generate-images-all-filtered.json", &text))
		skip();
	read_view(buf_view(&text), 4);
	buf_fini(&text);
	for (i = 0; i < 4; i++)
		check_filtered(i, "All images were filtered out");
}

static struct fault
recorded_refusal(int status, const char *name)
{
	struct buf text = BUF_INIT(RECORDED_MAX);
	struct fault f = FAULT_INIT;

	if (!load(name, &text))
		skip();
	open_doc(buf_view(&text));
	buf_fini(&text);
	(void)gen_refusal(status, json_root(doc), &f);
	return f;
}

static void
the_recorded_errors_are_read(void **state)
{
	struct fault f = recorded_refusal(400, "unary-failure-api-key.json");

	(void)state;
	assert_int_equal(f.kind, FAULT_REMOTE);
	assert_non_null(strstr(f.text, "GEMINI_API_KEY"));
	assert_null(strstr(f.details, "key1234"));
	f = recorded_refusal(429, "unary-failure-quota-exceeded.json");
	assert_int_equal(f.kind, FAULT_BUSY);
	assert_int_equal(f.retry_after_s, 30);
	assert_null(strstr(f.details, "348715329010"));
}

#define T(name) cmocka_unit_test_teardown(name, close_doc)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_plain_ask_sends_only_what_it_must),
		T(every_wish_is_sent_and_webp_is_left_to_the_model),
		T(images_come_in_their_order_whatever_the_order_of_keys),
		T(one_reason_stands_for_all_the_missing),
		T(reasons_given_apiece_are_kept_apiece),
		T(missing_images_without_a_reason_have_failed),
		T(an_error_in_a_200_fails_what_did_not_come),
		T(an_element_with_only_safety_attributes_is_no_image),
		T(an_image_without_bytes_has_failed),
		T(an_image_over_its_limit_has_failed),
		T(more_images_than_asked_for_are_left),
		T(nonsense_is_a_failure_of_every_image),
		T(the_recorded_images_are_read),
		T(the_recorded_partial_filter_is_read),
		T(the_recorded_full_filter_is_read),
		T(the_recorded_errors_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
