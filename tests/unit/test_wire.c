#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "codec/sniff.h"
#include "codec/text.h"
#include "sketch/draw.h"
#include "sketch/wire.h"

#define PATH "/v1beta/models/imagen-4.0-generate-001:predict"

static int
read_body(struct wire_request *r, const char *body, struct fault *f)
{
	*r = WIRE_REQUEST_INIT;
	*f = FAULT_INIT;
	return wire_read(r, view_str(PATH), view_str(body), f);
}

static int
read_prompt(struct wire_request *r, const char *prompt, int images)
{
	struct buf body = BUF_INIT(WIRE_BODY_MAX);
	struct fault f;
	int rc;

	buf_add(&body, VIEW("{\"instances\":[{\"prompt\":"));
	buf_json(&body, view_str(prompt));
	buf_fmt(&body, "}],\"parameters\":{\"sampleCount\":%d}}", images);
	rc = read_body(r, buf_str(&body), &f);
	buf_fini(&body);
	return rc;
}

static void
expect_caption(const char *prompt, const char *caption)
{
	struct wire_request r;

	assert_int_equal(read_prompt(&r, prompt, 1), 0);
	assert_int_equal(r.caption.n, strlen(caption));
	assert_memory_equal(r.caption.p, caption, r.caption.n);
	wire_request_fini(&r);
}

static void
a_whole_request_is_read(void **state)
{
	struct wire_request r;
	struct fault f;

	(void)state;
	assert_int_equal(
	    read_body(&r,
		"{\"instances\":[{\"prompt\":\"a cat\"}],\"parameters\":{"
		"\"sampleCount\":2,\"aspectRatio\":\"9:16\",\"seed\":"
		"4294967295,"
		"\"personGeneration\":\"allow_adult\","
		"\"outputOptions\":{\"mimeType\":\"image/jpeg\"}}}",
		&f),
	    0);
	assert_string_equal(r.model, "imagen-4.0-generate-001");
	assert_int_equal(r.images, 2);
	assert_int_equal(r.width, 768);
	assert_int_equal(r.height, 1408);
	assert_true(r.seed == UINT32_MAX);
	wire_request_fini(&r);
}

static void
absent_parameters_have_imagens_defaults(void **state)
{
	struct wire_request r;
	struct fault f;

	(void)state;
	assert_int_equal(
	    read_body(&r, "{\"instances\":[{\"prompt\":\"a cat\"}]}", &f), 0);
	assert_int_equal(r.images, 4);
	assert_int_equal(r.width, 1024);
	assert_int_equal(r.height, 1024);
	assert_int_equal(r.seed, 0);
	wire_request_fini(&r);
}

static void
a_wrong_body_is_refused(void **state)
{
#define WITH(parameters)                                                       \
	"{\"instances\":[{\"prompt\":\"a\"}],\"parameters\":{" parameters "}}"
	static const char *const bodies[] = { "", "{", "[]", "{}",
		"{\"instances\":[]}", "{\"instances\":[{\"prompt\":7}]}",
		"{\"instances\":[{\"prompt\":\" \"}]}",
		WITH("\"sampleCount\":0"), WITH("\"sampleCount\":5"),
		WITH("\"sampleCount\":\"2\""), WITH("\"sampleCount\":null"),
		WITH("\"aspectRatio\":\"2:1\""), WITH("\"aspectRatio\":1"),
		WITH("\"seed\":-1"), WITH("\"seed\":4294967296"),
		WITH("\"outputOptions\":{\"mimeType\":\"image/gif\"}"),
		WITH("\"numberOfImages\":2"), WITH("\"samplecount\":2"),
		WITH("\"outputOptions\":{\"type\":\"image/png\"}"),
		WITH("\"personGeneration\":\"ALLOW_ADULT\""),
		WITH("\"safetySetting\":7"), WITH("\"sampleImageSize\":\"4K\""),
		"{\"instances\":[{\"prompt\":\"a\",\"image\":\"b\"}]}",
		"{\"instances\":[{\"prompt\":\"a\"}],\"model\":\"b\"}" };
	struct wire_request r;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		assert_int_equal(read_body(&r, bodies[i], &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
		wire_request_fini(&r);
	}
}

static void
an_unknown_field_is_named(void **state)
{
	struct wire_request r;
	struct fault f;

	(void)state;
	assert_int_equal(
	    read_body(&r, WITH("\"aspectRatio\":\"1:1\",\"size\":\"1K\""), &f),
	    -1);
	assert_string_equal(f.text,
	    "Invalid JSON payload received. Unknown name \"size\" at "
	    "'parameters': Cannot find field.");
	wire_request_fini(&r);
}

static void
a_timeout_below_ten_seconds_is_refused(void **state)
{
	static const char *const good[] = { "", "10", "600" };
	static const char *const bad[] = { "0", "9", "-1", "10.5", "soon" };
	struct fault f = FAULT_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(wire_check_timeout(view_str(good[i]), &f), 0);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(wire_check_timeout(view_str(bad[i]), &f), -1);
		assert_int_equal(f.kind, FAULT_INPUT);
	}
	f = FAULT_INIT;
	(void)wire_check_timeout(VIEW("8"), &f);
	assert_string_equal(f.text,
	    "Manually set deadline 8s is too short. Minimum allowed deadline "
	    "is 10s.");
}

static void
only_predict_of_a_model_is_a_path(void **state)
{
	static const char *const others[] = { "", "/", ":predict",
		"/v1beta/models/:predict", "/v1beta/models/a:generateContent",
		"/v1beta/models/a/b:predict", "/v1beta/models/a?x=:predict",
		"/v1beta/models:predict", "/models/" };
	const struct view body = VIEW("{\"instances\":[{\"prompt\":\"a\"}]}");
	struct wire_request r = WIRE_REQUEST_INIT;
	struct fault f;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof others / sizeof others[0]; i++) {
		f = FAULT_INIT;
		assert_int_equal(
		    wire_read(&r, view_str(others[i]), body, &f), -1);
		assert_int_equal(f.kind, FAULT_ABSENT);
	}
	f = FAULT_INIT;
	assert_int_equal(wire_read(&r, VIEW(PATH "?key=x"), body, &f), 0);
	wire_request_fini(&r);
}

static void
a_model_of_any_name_is_described(void **state)
{
	static const char *const others[] = { "", "/v1beta/models/",
		"/v1beta/models", "/v1beta/models/a/b", "/v1beta/models/a:x",
		"/v1beta/models/\"" };
	struct wire_reply reply = WIRE_REPLY_INIT;
	struct fault f = FAULT_INIT;
	size_t i;

	(void)state;
	assert_int_equal(
	    wire_describe(&reply, VIEW("/v1beta/models/imagen-x?key=y"), &f),
	    0);
	assert_int_equal(reply.status, 200);
	assert_true(
	    view_has(buf_view(&reply.body), "\"name\":\"models/imagen-x\""));
	assert_true(view_has(buf_view(&reply.body),
	    "\"supportedGenerationMethods\":[\"predict\"]"));
	wire_reply_fini(&reply);
	for (i = 0; i < sizeof others / sizeof others[0]; i++) {
		reply = WIRE_REPLY_INIT;
		f = FAULT_INIT;
		assert_int_equal(
		    wire_describe(&reply, view_str(others[i]), &f), -1);
		assert_int_equal(f.kind, FAULT_ABSENT);
	}
}

static void
the_caption_is_the_description(void **state)
{
	(void)state;
	expect_caption("A full-body character reference image of a red cat. "
		       "Clear, well-lit, neutral background, professional "
		       "quality, detailed features, front-facing view.",
	    "a red cat");
	expect_caption("A full-body character reference image of [429] a cat. "
		       "Clear, well-lit, neutral background, professional "
		       "quality, detailed features, front-facing view.",
	    "a cat");
	expect_caption("just a cat.", "just a cat.");
	expect_caption("[429] [delay 3]a [big]cat [lie]", "a cat");
}

static void
other_brackets_are_ordinary_text(void **state)
{
	static const char *const prompts[] = { "a [cat]", "[", "a ]", "[]",
		"[delay]", "[delay x]", "[delay 601]", "[delay -1]",
		"[delay  1]", "[429 once]", "[filter 5]", "[429", "[ 429]",
		"[LIE]" };
	struct wire_request r;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof prompts / sizeof prompts[0]; i++) {
		expect_caption(prompts[i], prompts[i]);
		assert_int_equal(read_prompt(&r, prompts[i], 1), 0);
		for (k = 0; k < WIRE_FAULTS; k++)
			assert_false(r.asked[k]);
		wire_request_fini(&r);
	}
}

static void
each_word_of_the_table_is_understood(void **state)
{
	struct buf prompt = BUF_INIT(256);
	const struct wire_word *row;
	struct wire_request r;
	size_t i;

	(void)state;
	for (i = 0; (row = wire_word(i)) != NULL; i++) {
		buf_clear(&prompt);
		buf_fmt(&prompt, "[%s%s] a cat", row->word,
		    row->number_max > 0 ? " 2" : "");
		assert_int_equal(read_prompt(&r, buf_str(&prompt), 1), 0);
		assert_true(r.asked[row->what]);
		assert_int_equal(
		    r.number[row->what], row->number_max > 0 ? 2 : 0);
		assert_true(view_is(r.caption, "a cat"));
		wire_request_fini(&r);
	}
	assert_int_equal(i, WIRE_FAULTS);
	buf_fini(&prompt);
}

/* The reply to a prompt; its JSON too, which the caller closes. */
static struct json_doc *
answer(const char *prompt, int images, struct wire_reply *reply)
{
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;
	struct wire_request r;

	*reply = WIRE_REPLY_INIT;
	assert_int_equal(read_prompt(&r, prompt, images), 0);
	assert_int_equal(wire_answer(reply, &r, &f), 0);
	wire_request_fini(&r);
	if (view_begins(view_str(reply->type), "application/json"))
		assert_int_equal(
		    json_open(&doc, buf_view(&reply->body), 16, &f), 0);
	return doc;
}

static const struct json_value *
prediction(const struct json_doc *doc, size_t at)
{
	return json_item(json_member(json_root(doc), "predictions"), at);
}

static void
images_come_as_base64_of_png(void **state)
{
	struct buf png = BUF_INIT(4 << 20);
	struct fault f = FAULT_INIT;
	struct wire_reply reply;
	struct json_doc *doc = answer("a small robot", 2, &reply);
	struct sniff found;
	size_t i;

	(void)state;
	assert_int_equal(reply.status, 200);
	assert_int_equal(
	    json_count(json_member(json_root(doc), "predictions")), 2);
	for (i = 0; i < 2; i++) {
		buf_clear(&png);
		assert_true(view_is(
		    json_text(json_member(prediction(doc, i), "mimeType")),
		    "image/png"));
		assert_int_equal(
		    text_unbase64(json_text(json_member(prediction(doc, i),
				      "bytesBase64Encoded")),
			&png, &f),
		    0);
		assert_int_equal(sniff_image(&found, buf_view(&png), &f), 0);
		assert_int_equal(found.width, 1024);
	}
	json_close(&doc);
	wire_reply_fini(&reply);
	buf_fini(&png);
}

static void
errors_come_in_googles_envelope(void **state)
{
	static const struct {
		const char *word, *status, *has;
		int http;
	} rows[] = {
		{ "[429] x", "RESOURCE_EXHAUSTED", "\"retryDelay\":\"1s\"",
		    429 },
		{ "[429 day] x", "RESOURCE_EXHAUSTED", "PerDay", 429 },
		{ "[429 free] x", "RESOURCE_EXHAUSTED", "limit: 0", 429 },
		{ "[429 free] x", "RESOURCE_EXHAUSTED", "-FreeTier\"", 429 },
		{ "[429 credits] x", "RESOURCE_EXHAUSTED", "prepayment", 429 },
		{ "[500] x", "INTERNAL", "", 500 },
		{ "[503] x", "UNAVAILABLE", "", 503 },
		{ "[404] x", "NOT_FOUND",
		    "models/imagen-4.0-generate-001 is not found", 404 },
		{ "[block] x", "INVALID_ARGUMENT", "Responsible AI", 400 },
	};
	const struct json_value *error;
	struct wire_reply reply;
	struct json_doc *doc;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		doc = answer(rows[i].word, 1, &reply);
		error = json_member(json_root(doc), "error");
		assert_int_equal(reply.status, rows[i].http);
		assert_int_equal(json_integer_or(json_member(error, "code"), 0),
		    rows[i].http);
		assert_true(view_is(
		    json_text(json_member(error, "status")), rows[i].status));
		assert_true(view_has(buf_view(&reply.body), rows[i].has));
		json_close(&doc);
		wire_reply_fini(&reply);
	}
}

static void
a_miss_is_a_200_without_an_image_or_a_reason(void **state)
{
	struct wire_reply reply;
	struct json_doc *doc = answer("[miss] x", 2, &reply);

	(void)state;
	assert_int_equal(reply.status, 200);
	assert_int_equal(json_kind(json_member(json_root(doc), "predictions")),
	    JSON_KIND_ARRAY);
	assert_int_equal(
	    json_count(json_member(json_root(doc), "predictions")), 0);
	json_close(&doc);
	wire_reply_fini(&reply);
	doc = answer("[error] x", 2, &reply);
	assert_int_equal(reply.status, 200);
	assert_true(
	    view_is(json_text(json_member(
			json_member(json_root(doc), "error"), "status")),
		"UNAVAILABLE"));
	json_close(&doc);
	wire_reply_fini(&reply);
}

static void
filtered_images_are_missing(void **state)
{
	struct wire_reply reply;
	struct json_doc *doc = answer("[filter] x", 3, &reply);

	(void)state;
	assert_int_equal(reply.status, 200);
	assert_int_equal(
	    json_count(json_member(json_root(doc), "predictions")), 1);
	assert_int_equal(
	    json_kind(json_member(prediction(doc, 0), "raiFilteredReason")),
	    JSON_KIND_TEXT);
	json_close(&doc);
	wire_reply_fini(&reply);

	doc = answer("[filter 2] [lie] x", 3, &reply);
	assert_int_equal(
	    json_count(json_member(json_root(doc), "predictions")), 2);
	assert_int_equal(
	    json_kind(json_member(prediction(doc, 0), "bytesBase64Encoded")),
	    JSON_KIND_TEXT);
	assert_int_equal(
	    json_kind(json_member(prediction(doc, 1), "raiFilteredReason")),
	    JSON_KIND_TEXT);
	json_close(&doc);
	wire_reply_fini(&reply);
}

static void
bad_images_are_bad_in_their_own_way(void **state)
{
	struct buf bytes = BUF_INIT(1 << 20);
	struct fault f = FAULT_INIT;
	struct wire_reply reply;
	struct json_doc *doc = answer("[base64] x", 1, &reply);

	(void)state;
	assert_int_equal(text_unbase64(json_text(json_member(prediction(doc, 0),
					   "bytesBase64Encoded")),
			     &bytes, &f),
	    -1);
	json_close(&doc);
	wire_reply_fini(&reply);
	buf_clear(&bytes);
	f = FAULT_INIT;
	doc = answer("[lie] x", 1, &reply);
	assert_int_equal(text_unbase64(json_text(json_member(prediction(doc, 0),
					   "bytesBase64Encoded")),
			     &bytes, &f),
	    0);
	assert_true(view_begins(buf_view(&bytes), "GIF89a"));
	json_close(&doc);
	wire_reply_fini(&reply);
	buf_fini(&bytes);
}

static void
a_page_is_no_json(void **state)
{
	struct wire_reply reply;

	(void)state;
	assert_null(answer("[html] x", 1, &reply));
	assert_int_equal(reply.status, 200);
	assert_true(view_has(buf_view(&reply.body), "<html"));
	wire_reply_fini(&reply);
	assert_null(answer("[html 404] x", 1, &reply));
	assert_int_equal(reply.status, 404);
	wire_reply_fini(&reply);
}

static void
the_head_tells_the_length(void **state)
{
	struct wire_reply reply = WIRE_REPLY_INIT;
	struct buf head = BUF_INIT(256);

	(void)state;
	wire_refuse(&reply, WIRE_REFUSE_KEY, VIEW("no"));
	assert_true(view_has(buf_view(&reply.body), "API_KEY_INVALID"));
	buf_clear(&reply.body);
	buf_add(&reply.body, VIEW("12345"));
	wire_head(&reply, &head);
	assert_string_equal(buf_str(&head),
	    "Status: 400 Bad Request\r\n"
	    "Content-Type: application/json; charset=UTF-8\r\n"
	    "Content-Length: 5\r\n\r\n");
	buf_fini(&head);
	wire_reply_fini(&reply);
}

static int
forget(void **state)
{
	(void)state;
	draw_forget();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_request_is_read),
		cmocka_unit_test(absent_parameters_have_imagens_defaults),
		cmocka_unit_test(a_wrong_body_is_refused),
		cmocka_unit_test(an_unknown_field_is_named),
		cmocka_unit_test(a_timeout_below_ten_seconds_is_refused),
		cmocka_unit_test(only_predict_of_a_model_is_a_path),
		cmocka_unit_test(a_model_of_any_name_is_described),
		cmocka_unit_test(the_caption_is_the_description),
		cmocka_unit_test(other_brackets_are_ordinary_text),
		cmocka_unit_test(each_word_of_the_table_is_understood),
		cmocka_unit_test(images_come_as_base64_of_png),
		cmocka_unit_test(errors_come_in_googles_envelope),
		cmocka_unit_test(a_miss_is_a_200_without_an_image_or_a_reason),
		cmocka_unit_test(filtered_images_are_missing),
		cmocka_unit_test(bad_images_are_bad_in_their_own_way),
		cmocka_unit_test(a_page_is_no_json),
		cmocka_unit_test(the_head_tells_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
