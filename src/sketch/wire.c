#include "sketch/wire.h"

#include <stdio.h>
#include <string.h>

#include "codec/ident.h"
#include "codec/json.h"
#include "codec/text.h"
#include "sketch/draw.h"

enum {
	DEPTH_MAX = 8,
	PNG_MAX = 1536 * 1024,
	SHOWN_CHARACTERS = 32 /* of a field or word that is refused */
};

/* clang-format off */
static const struct wire_word words[] = {
	{ "delay", "answers so many seconds later", WIRE_DELAY,
	    WIRE_DELAY_MAX_S, true },
	{ "429", "429: busy, come back in a second", WIRE_BUSY, 0, false },
	{ "429 day", "429: the quota of the day is used up", WIRE_DAY, 0, false },
	{ "429 free", "429: the key's project has no billing", WIRE_FREE, 0, false },
	{ "429 credits", "429: the prepaid credits are used up", WIRE_CREDITS, 0,
	    false },
	{ "500", "500: an internal error", WIRE_BROKEN, 0, false },
	{ "503", "503: overloaded", WIRE_DOWN, 0, false },
	{ "404", "404: no such model", WIRE_UNKNOWN, 0, false },
	{ "filter", "200, but all images (or so many) were filtered out",
	    WIRE_FILTER, WIRE_IMAGES_MAX, false },
	{ "miss", "200, but without an image or a reason", WIRE_MISS, 0, false },
	{ "error", "200, but with an error inside", WIRE_ERROR, 0, false },
	{ "block", "400: the prompt was blocked", WIRE_BLOCK, 0, false },
	{ "cut", "the reply breaks off half way", WIRE_CUT, 0, false },
	{ "base64", "the first image is not base64", WIRE_BASE64, 0, false },
	{ "html", "200, but a page in HTML", WIRE_HTML, 0, false },
	{ "html 404", "404: a page in HTML", WIRE_HTML_404, 0, false },
	{ "lie", "the first image is called a PNG and is none", WIRE_LIE, 0, false },
	{ "big", "a reply of 100 MB", WIRE_BIG, 0, false },
};
/* clang-format on */

static const struct {
	const char *ratio;
	int width, height;
} sizes[] = {
	{ "1:1", 1024, 1024 },
	{ "3:4", 896, 1280 },
	{ "4:3", 1280, 896 },
	{ "9:16", 768, 1408 },
	{ "16:9", 1408, 768 },
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

const struct wire_word *
wire_word(size_t at)
{
	return at < COUNT(words) ? &words[at] : NULL;
}

/* The request. */

static bool
is_word(const struct wire_word *row, struct view inside, int64_t *number)
{
	const size_t n = strlen(row->word);

	*number = 0;
	if (view_is(inside, row->word))
		return !row->number_must_be;
	if (row->number_max == 0 || !view_begins(inside, row->word) ||
	    inside.p[n] != ' ')
		return false;
	inside = (struct view){ inside.p + n + 1, inside.n - n - 1 };
	return text_number(inside, number) && *number >= 0 &&
	       *number <= row->number_max;
}

/* Notes what "[inside]" asks for; false when it is ordinary text. */
static bool
ask_for(struct wire_request *r, struct view inside)
{
	int64_t number;
	size_t i;

	for (i = 0; i < COUNT(words); i++)
		if (is_word(&words[i], inside, &number)) {
			r->asked[words[i].what] = true;
			r->number[words[i].what] = (int)number;
			return true;
		}
	return false;
}

/* The text between '[' at the start of rest and the next ']', or nothing. */
static bool
in_brackets(struct view rest, struct view *inside)
{
	const char *end = memchr(rest.p, ']', rest.n);

	if (rest.p[0] != '[' || end == NULL)
		return false;
	*inside = (struct view){ rest.p + 1, (size_t)(end - rest.p) - 1 };
	return true;
}

static void
take_words_out(struct wire_request *r, struct view prompt)
{
	struct view rest = prompt, inside;
	size_t step;

	while (rest.n > 0) {
		step = 1;
		if (in_brackets(rest, &inside) && ask_for(r, inside)) {
			step = inside.n + 2;
			/* the space after it goes too */
			if (step < rest.n && rest.p[step] == ' ')
				step++;
		} else {
			buf_add(&r->prompt, (struct view){ rest.p, 1 });
		}
		rest.p += step;
		rest.n -= step;
	}
}

/* The description inside the sentences that the service puts around it. */
static struct view
description_in(struct view prompt)
{
	static const char before[] = "A full-body character reference image of";
	static const char after[] =
	    "Clear, well-lit, neutral background, professional quality, "
	    "detailed features, front-facing view.";
	struct view v = text_trim(prompt);

	if (view_begins(v, before)) {
		v.p += sizeof before - 1;
		v.n -= sizeof before - 1;
	}
	if (v.n >= sizeof after - 1 &&
	    view_is((struct view){ v.p + v.n - (sizeof after - 1),
			sizeof after - 1 },
		after)) {
		v.n -= sizeof after - 1;
		v = text_trim(v);
		if (v.n > 0 && v.p[v.n - 1] == '.')
			v.n--;
	}
	return text_trim(v);
}

/* The name in ".../models/NAME" and what must come after it. */
static int
read_path(char model[WIRE_MODEL_MAX + 1], struct view uri, struct view after,
    struct fault *f)
{
	static const char before[] = "/models/";
	struct view path = { "", 0 }, name;
	const char *at;

	(void)text_split(&uri, '?', &path);
	at = memmem(path.p, path.n, before, sizeof before - 1);
	if (at == NULL || path.n < after.n ||
	    memcmp(path.p + path.n - after.n, after.p, after.n) != 0)
		return fault_set(f, FAULT_ABSENT, "no such path");
	at += sizeof before - 1;
	if (at + after.n > path.p + path.n)
		return fault_set(f, FAULT_ABSENT, "no such path");
	name = (struct view){ at, (size_t)(path.p + path.n - at) - after.n };
	if (name.n > WIRE_MODEL_MAX || !ident_is_request_id(name))
		return fault_set(f, FAULT_ABSENT, "no such model");
	memcpy(model, name.p, name.n);
	model[name.n] = '\0';
	return 0;
}

int
wire_check_timeout(struct view seconds, struct fault *f)
{
	int64_t n;

	if (seconds.n == 0)
		return 0;
	if (!text_number(seconds, &n))
		return fault_set(f, FAULT_INPUT,
		    "X-Server-Timeout must be a number of seconds.");
	if (n < WIRE_TIMEOUT_LEAST_S)
		return fault_set(f, FAULT_INPUT,
		    "Manually set deadline %llds is too short. Minimum allowed "
		    "deadline is %ds.",
		    (long long)n, WIRE_TIMEOUT_LEAST_S);
	return 0;
}

/* Refuses members that Google does not know. */
static int
check_members(const struct json_value *object, const char *where,
    const char *const *names, struct fault *f)
{
	const struct view other = json_other_member(object, names);
	const struct view shown = text_cut(other, SHOWN_CHARACTERS);

	if (other.n == 0)
		return 0;
	return fault_set(f, FAULT_INPUT,
	    "Invalid JSON payload received. Unknown name \"%.*s\" at '%s': "
	    "Cannot find field.",
	    (int)shown.n, shown.p, where);
}

static int
check_names(const struct json_value *root, struct fault *f)
{
	static const char *const names[] = { "instances", "parameters", NULL };
	static const char *const of_instance[] = { "prompt", NULL };
	static const char *const of_parameters[] = { "sampleCount",
		"aspectRatio", "personGeneration", "sampleImageSize",
		"safetySetting", "includeRaiReason", "includeSafetyAttributes",
		"outputOptions", "language", "guidanceScale", "negativePrompt",
		"seed", "addWatermark", "enhancePrompt", NULL };
	static const char *const of_options[] = { "mimeType",
		"compressionQuality", NULL };
	const struct json_value *parameters = json_member(root, "parameters");

	if (check_members(root, "", names, f) == -1 ||
	    check_members(json_item(json_member(root, "instances"), 0),
		"instances[0]", of_instance, f) == -1 ||
	    check_members(parameters, "parameters", of_parameters, f) == -1)
		return -1;
	return check_members(json_member(parameters, "outputOptions"),
	    "parameters.output_options", of_options, f);
}

/* A parameter that may only be one of these words, or absent. */
static int
check_word(const struct json_value *parameters, const char *name,
    const char *const *allowed, struct fault *f)
{
	const struct json_value *v = json_member(parameters, name);
	const struct view shown = text_cut(json_text(v), SHOWN_CHARACTERS);

	if (json_kind(v) == JSON_KIND_ABSENT)
		return 0;
	for (; *allowed != NULL; allowed++)
		if (view_is(json_text(v), *allowed))
			return 0;
	return fault_set(f, FAULT_INPUT, "%.*s is not a valid %s.",
	    (int)shown.n, shown.p, name);
}

static int
check_words(const struct json_value *parameters, struct fault *f)
{
	static const char *const people[] = { "dont_allow", "allow_adult",
		"allow_all", NULL };
	static const char *const levels[] = { "block_low_and_above",
		"block_medium_and_above", "block_only_high", "block_none",
		NULL };
	static const char *const image_sizes[] = { "1K", "2K", NULL };

	if (check_word(parameters, "personGeneration", people, f) == -1 ||
	    check_word(parameters, "safetySetting", levels, f) == -1)
		return -1;
	return check_word(parameters, "sampleImageSize", image_sizes, f);
}

static int
read_prompt(
    struct wire_request *r, const struct json_value *root, struct fault *f)
{
	const struct json_value *prompt =
	    json_member(json_item(json_member(root, "instances"), 0), "prompt");

	if (json_kind(prompt) != JSON_KIND_TEXT ||
	    text_trim(json_text(prompt)).n == 0)
		return fault_set(
		    f, FAULT_INPUT, "Text content is empty or absent.");
	take_words_out(r, json_text(prompt));
	if (buf_done(&r->prompt, f) == -1)
		return -1;
	r->caption = description_in(buf_view(&r->prompt));
	return 0;
}

/* An integer parameter between low and high, or otherwise when absent. */
static int
read_integer(const struct json_value *parameters, const char *name, int64_t low,
    int64_t high, int64_t *value, struct fault *f)
{
	const struct json_value *v = json_member(parameters, name);

	if (json_kind(v) == JSON_KIND_ABSENT)
		return 0;
	*value = json_integer_or(v, low - 1);
	if (*value < low || *value > high)
		return fault_set(f, FAULT_INPUT,
		    "%s must be an integer in the range [%lld, %lld].", name,
		    (long long)low, (long long)high);
	return 0;
}

static int
read_ratio(struct wire_request *r, const struct json_value *parameters,
    struct fault *f)
{
	const struct json_value *v = json_member(parameters, "aspectRatio");
	const struct view ratio = json_kind(v) == JSON_KIND_ABSENT
				      ? view_str(sizes[0].ratio)
				      : json_text(v);
	size_t i;

	for (i = 0; i < COUNT(sizes); i++)
		if (view_is(ratio, sizes[i].ratio)) {
			r->width = sizes[i].width;
			r->height = sizes[i].height;
			return 0;
		}
	return fault_set(f, FAULT_INPUT, "%.*s is not a valid aspect ratio.",
	    (int)(ratio.n < 32 ? ratio.n : 32), ratio.p);
}

static int
read_type(const struct json_value *parameters, struct fault *f)
{
	const struct json_value *v =
	    json_member(json_member(parameters, "outputOptions"), "mimeType");

	if (json_kind(v) == JSON_KIND_ABSENT ||
	    view_is(json_text(v), "image/png") ||
	    view_is(json_text(v), "image/jpeg"))
		return 0;
	return fault_set(f, FAULT_INPUT,
	    "outputOptions.mimeType must be image/png or image/jpeg.");
}

static int
read_body(
    struct wire_request *r, const struct json_value *root, struct fault *f)
{
	const struct json_value *parameters = json_member(root, "parameters");
	int64_t images = WIRE_IMAGES_MAX, seed = 0;

	if (check_names(root, f) == -1 || check_words(parameters, f) == -1 ||
	    read_prompt(r, root, f) == -1 ||
	    read_integer(parameters, "sampleCount", 1, WIRE_IMAGES_MAX, &images,
		f) == -1 ||
	    read_integer(parameters, "seed", 0, UINT32_MAX, &seed, f) == -1 ||
	    read_ratio(r, parameters, f) == -1)
		return -1;
	r->images = (int)images;
	r->seed = (uint32_t)seed;
	return read_type(parameters, f);
}

int
wire_read(
    struct wire_request *r, struct view uri, struct view body, struct fault *f)
{
	struct json_doc *doc = NULL;
	int rc = -1;

	MUST(r->prompt.len == 0);
	if (read_path(r->model, uri, VIEW(":predict"), f) == -1)
		return -1;
	if (json_open(&doc, body, DEPTH_MAX, f) == -1)
		(void)fault_while(f, "Invalid JSON payload received");
	else
		rc = read_body(r, json_root(doc), f);
	json_close(&doc);
	return rc;
}

void
wire_request_fini(struct wire_request *r)
{
	buf_fini(&r->prompt);
	*r = WIRE_REQUEST_INIT;
}

/* The reply. */

static const char json_type[] = "application/json; charset=UTF-8";

#define GOOGLE_TYPE "{\"@type\":\"type.googleapis.com/google.rpc."

static const struct {
	int http;
	const char *status;
	const char *details; /* JSON, or NULL */
} refusals[] = {
	[WIRE_REFUSE_INPUT] = { 400, "INVALID_ARGUMENT", NULL },
	[WIRE_REFUSE_KEY] = { 400, "INVALID_ARGUMENT",
	    GOOGLE_TYPE "ErrorInfo\",\"reason\":\"API_KEY_INVALID\","
			"\"domain\":\"googleapis.com\",\"metadata\":{"
			"\"service\":\"generativelanguage.googleapis.com\"}}" },
	[WIRE_REFUSE_ABSENT] = { 404, "NOT_FOUND", NULL },
	[WIRE_REFUSE_BUSY] = { 429, "RESOURCE_EXHAUSTED",
	    GOOGLE_TYPE "RetryInfo\",\"retryDelay\":\"1s\"}" },
	[WIRE_REFUSE_DAY] = { 429, "RESOURCE_EXHAUSTED",
	    GOOGLE_TYPE
	    "QuotaFailure\",\"violations\":[{\"quotaMetric\":"
	    "\"generativelanguage.googleapis.com/predict_requests\","
	    "\"quotaId\":\"PredictRequestsPerDayPerProjectPerModel\"}]}" },
	[WIRE_REFUSE_FREE] = { 429, "RESOURCE_EXHAUSTED",
	    GOOGLE_TYPE
	    "QuotaFailure\",\"violations\":[{\"quotaMetric\":"
	    "\"generativelanguage.googleapis.com/predict_free_tier_requests\","
	    "\"quotaId\":\"PredictRequestsPerDayPerProjectPerModel-FreeTier\""
	    "}]}," GOOGLE_TYPE "RetryInfo\",\"retryDelay\":\"34s\"}" },
	[WIRE_REFUSE_CREDITS] = { 429, "RESOURCE_EXHAUSTED", NULL },
	[WIRE_REFUSE_BROKEN] = { 500, "INTERNAL", NULL },
	[WIRE_REFUSE_DOWN] = { 503, "UNAVAILABLE", NULL },
};

void
wire_refuse(struct wire_reply *out, enum wire_refusal why, struct view message)
{
	MUST(out->body.len == 0);
	out->status = refusals[why].http;
	out->type = json_type;
	buf_fmt(
	    &out->body, "{\"error\":{\"code\":%d,\"message\":", out->status);
	buf_json(&out->body, message);
	buf_fmt(&out->body, ",\"status\":\"%s\"", refusals[why].status);
	if (refusals[why].details != NULL)
		buf_fmt(&out->body, ",\"details\":[%s]", refusals[why].details);
	buf_add(&out->body, VIEW("}}"));
}

int
wire_describe(struct wire_reply *out, struct view uri, struct fault *f)
{
	char model[WIRE_MODEL_MAX + 1];

	MUST(out->body.len == 0);
	if (read_path(model, uri, VIEW(""), f) == -1)
		return -1;
	out->status = 200;
	out->type = json_type;
	buf_fmt(&out->body,
	    "{\"name\":\"models/%s\",\"version\":\"001\","
	    "\"displayName\":\"Offline sketch\","
	    "\"supportedGenerationMethods\":[\"predict\"]}\n",
	    model);
	return buf_done(&out->body, f);
}

static void
refuse_model(struct wire_reply *out, const struct wire_request *r)
{
	struct buf text = BUF_INIT(512);

	buf_fmt(&text,
	    "models/%s is not found for API version v1beta, or is not "
	    "supported for predict. Call ListModels to see the list of "
	    "available models and their supported methods.",
	    r->model);
	wire_refuse(out, WIRE_REFUSE_ABSENT, buf_view(&text));
	buf_fini(&text);
}

/* The faults that are errors with words of their own. */
static const struct {
	enum wire_fault asked;
	enum wire_refusal why;
	const char *message;
} errors[] = {
	{ WIRE_BUSY, WIRE_REFUSE_BUSY,
	    "Resource has been exhausted (e.g. check quota)." },
	{ WIRE_DAY, WIRE_REFUSE_DAY,
	    "You exceeded your current quota, please check your plan and "
	    "billing details." },
	{ WIRE_FREE, WIRE_REFUSE_FREE,
	    "You exceeded your current quota, please check your plan and "
	    "billing details. \n* Quota exceeded for metric: "
	    "generativelanguage.googleapis.com/predict_free_tier_requests, "
	    "limit: 0" },
	{ WIRE_CREDITS, WIRE_REFUSE_CREDITS,
	    "Your prepayment credits are depleted. Please go to AI Studio at "
	    "https://ai.studio/projects to manage your project." },
	{ WIRE_BROKEN, WIRE_REFUSE_BROKEN, "Internal error encountered." },
	{ WIRE_DOWN, WIRE_REFUSE_DOWN,
	    "The model is overloaded. Please try again later." },
	{ WIRE_BLOCK, WIRE_REFUSE_INPUT,
	    "Image generation failed with the following error: The prompt "
	    "could not be submitted. This prompt contains sensitive words "
	    "that violate Google's Responsible AI practices. Try rephrasing "
	    "the prompt. If you think this was an error, send feedback. "
	    "Support codes: 42876398" },
};

static bool
refuse_if_asked(struct wire_reply *out, const struct wire_request *r)
{
	size_t i;

	for (i = 0; i < COUNT(errors); i++)
		if (r->asked[errors[i].asked]) {
			wire_refuse(
			    out, errors[i].why, view_str(errors[i].message));
			return true;
		}
	if (r->asked[WIRE_UNKNOWN])
		refuse_model(out, r);
	return r->asked[WIRE_UNKNOWN];
}

static bool
page_if_asked(struct wire_reply *out, const struct wire_request *r)
{
	if (!r->asked[WIRE_HTML] && !r->asked[WIRE_HTML_404])
		return false;
	out->status = r->asked[WIRE_HTML_404] ? 404 : 200;
	out->type = "text/html; charset=UTF-8";
	buf_fmt(&out->body,
	    "<!DOCTYPE html>\n<html lang=en>\n<title>%s</title>\n"
	    "<p>This is a page, and not what was asked for.\n</html>\n",
	    r->asked[WIRE_HTML_404] ? "Error 404 (Not Found)!!1" : "Sign in");
	return true;
}

/* A 200 that has neither images nor a reason why there are none. */
static bool
miss_if_asked(struct wire_reply *out, const struct wire_request *r)
{
	if (!r->asked[WIRE_ERROR] && !r->asked[WIRE_MISS])
		return false;
	if (r->asked[WIRE_ERROR])
		wire_refuse(out, WIRE_REFUSE_DOWN,
		    VIEW("The model is overloaded. Please try again later."));
	else
		buf_add(&out->body, VIEW("{\"predictions\":[]}\n"));
	out->status = 200;
	out->type = json_type;
	return true;
}

static int
add_drawing(
    struct buf *body, const struct wire_request *r, int index, struct fault *f)
{
	const struct draw_card card = { .prompt = r->caption,
		.caption = r->caption,
		.seed = r->seed,
		.index = index,
		.width = r->width,
		.height = r->height };
	struct buf png = BUF_INIT(PNG_MAX);
	int rc = draw_card(&card, &png, f);

	if (rc == 0)
		text_base64(body, buf_view(&png));
	buf_fini(&png);
	return rc;
}

static int
add_image(
    struct buf *body, const struct wire_request *r, int index, struct fault *f)
{
	int rc = 0;

	buf_fmt(body, "%s{\"mimeType\":\"image/png\",\"bytesBase64Encoded\":\"",
	    index == 0 ? "" : ",");
	if (index == 0 && r->asked[WIRE_BASE64])
		buf_add(body, VIEW("this*is*not*base64"));
	else if (index == 0 && r->asked[WIRE_LIE])
		text_base64(body, VIEW("GIF89a, or so it says"));
	else
		rc = add_drawing(body, r, index, f);
	buf_add(body, VIEW("\"}"));
	return rc;
}

/* How many of the images are filtered out: a bare word means all. */
static int
filtered_of(const struct wire_request *r)
{
	const int number = r->number[WIRE_FILTER];

	if (!r->asked[WIRE_FILTER])
		return 0;
	return number == 0 || number > r->images ? r->images : number;
}

static void
add_filtered(struct buf *body, int filtered, int left)
{
	if (left == 0)
		buf_add(body,
		    VIEW("{\"raiFilteredReason\":\"Unable to show generated "
			 "images. All images were filtered out because they "
			 "violated usage guidelines. You will not be charged "
			 "for blocked images. Try rephrasing the prompt. "
			 "Support codes: 39322892, 29310472\"}"));
	else if (filtered > 0)
		buf_fmt(body,
		    ",{\"raiFilteredReason\":\"Your current safety filter "
		    "threshold filtered out %d generated images. You will not "
		    "be charged for blocked images. Try rephrasing the "
		    "prompt.\"}",
		    filtered);
}

int
wire_answer(
    struct wire_reply *out, const struct wire_request *r, struct fault *f)
{
	const int filtered = filtered_of(r), left = r->images - filtered;
	int i;

	MUST(out->body.len == 0);
	if (refuse_if_asked(out, r) || page_if_asked(out, r) ||
	    miss_if_asked(out, r))
		return buf_done(&out->body, f);
	out->status = 200;
	out->type = json_type;
	buf_add(&out->body, VIEW("{\"predictions\":["));
	for (i = 0; i < left; i++)
		if (add_image(&out->body, r, i, f) == -1)
			return -1;
	add_filtered(&out->body, filtered, left);
	buf_add(&out->body, VIEW("]}\n"));
	return buf_done(&out->body, f);
}

static const char *
reason_of(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

void
wire_head(const struct wire_reply *reply, struct buf *out)
{
	buf_fmt(out,
	    "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
	    reply->status, reason_of(reply->status), reply->type,
	    reply->body.len);
}

void
wire_reply_fini(struct wire_reply *reply)
{
	buf_fini(&reply->body);
}
