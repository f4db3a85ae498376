#include "gen/gen.h"

#include "codec/text.h"

enum {
	RETRY_QUOTA_S = 30,   /* when a 429 does not say            */
	RETRY_DAILY_S = 3600, /* a daily quota: look in now and then */
	RETRY_DOWN_S = 10,    /* a 503                              */
	RETRY_MAX_S = 86400,
	CODE_MAX = 64 /* of a word like INVALID_ARGUMENT */
};

/*
 * Google's error object: {"error":{…}}, sometimes as the only element of an
 * array.  The object may be a string in gateways' replies.
 */
static const struct json_value *
error_of(const struct json_value *root)
{
	if (json_kind(root) == JSON_KIND_ARRAY)
		root = json_item(root, 0);
	return json_member(root, "error");
}

static struct view
message_of(const struct json_value *error)
{
	if (json_kind(error) == JSON_KIND_TEXT)
		return json_text(error);
	return json_text(json_member(error, "message"));
}

/* A word of Google's own making, so safe to show: INVALID_ARGUMENT. */
static bool
is_code(struct view v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (v.p[i] != '_' && (v.p[i] < 'A' || v.p[i] > 'Z'))
			return false;
	return v.n > 0 && v.n <= CODE_MAX;
}

/* The reason in the error's ErrorInfo, such as API_KEY_INVALID. */
static struct view
reason_of(const struct json_value *error)
{
	const struct json_value *details = json_member(error, "details");
	struct view reason;
	size_t i;

	for (i = 0; i < json_count(details); i++) {
		reason =
		    json_text(json_member(json_item(details, i), "reason"));
		if (is_code(reason))
			return reason;
	}
	return VIEW("");
}

int64_t
gen_retry_delay_ms(const struct json_value *root)
{
	const struct json_value *details =
	    json_member(error_of(root), "details");
	int64_t ms;
	size_t i;

	for (i = 0; i < json_count(details); i++)
		if (text_duration_ms(json_text(json_member(
					 json_item(details, i), "retryDelay")),
			&ms))
			return ms;
	return -1;
}

bool
gen_is_daily_quota(const struct json_value *root)
{
	const struct json_value *details =
	    json_member(error_of(root), "details");
	const struct json_value *violations;
	size_t i, k;

	for (i = 0; i < json_count(details); i++) {
		violations = json_member(json_item(details, i), "violations");
		for (k = 0; k < json_count(violations); k++)
			if (view_has(json_text(json_member(
					 json_item(violations, k), "quotaId")),
				"PerDay"))
				return true;
	}
	return false;
}

/* Whole seconds to wait, at least one: what was asked for, or otherwise. */
static int
retry_s(int64_t ms, int otherwise)
{
	int64_t s;

	if (ms < 0)
		return otherwise;
	s = ms / 1000 + (ms % 1000 > 0);
	if (s < 1)
		return 1;
	return s < RETRY_MAX_S ? (int)s : RETRY_MAX_S;
}

/*
 * Is the prompt to blame?  Not by the word "safety" alone: a bad parameter
 * is answered with "… for safetySetting", and is nobody's bad prompt.
 */
static bool
is_blocked_prompt(struct view message)
{
	static const char *const phrases[] = {
		"Responsible AI",
		"prompt could not be submitted",
		"sensitive words",
		"usage guidelines",
		"safety filter",
		"safety polic",
		"safety reason",
		"safety system",
	};
	size_t i;

	for (i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
		if (view_has(message, phrases[i]))
			return true;
	return false;
}

/* v cut to what a fault's details hold, between two characters. */
static struct view
fit_details(struct view v)
{
	const size_t room = sizeof((struct fault *)NULL)->details - 1;

	if (v.n <= room)
		return v;
	v.n = room;
	while (v.n > 0 && ((unsigned char)v.p[v.n] & 0xc0) == 0x80)
		v.n--;
	return v;
}

static int
filtered(struct fault *f, const char *text, struct view reason)
{
	reason = fit_details(reason);
	(void)fault_set(f, FAULT_FILTERED, "%s", text);
	return fault_details(f, "%.*s", (int)reason.n, reason.p);
}

/* Adds the error's own words of one piece; its sentences stay out. */
static int
add_codes(const struct json_value *error, struct fault *f)
{
	struct view status = json_text(json_member(error, "status"));
	const struct view reason = reason_of(error);

	if (!is_code(status))
		status = VIEW("");
	if (status.n == 0 && reason.n == 0)
		return -1;
	return fault_details(f, "%.*s%s%.*s", (int)status.n, status.p,
	    status.n > 0 && reason.n > 0 ? ", " : "", (int)reason.n, reason.p);
}

static int
refused_400(const struct json_value *error, struct fault *f)
{
	const struct view message = message_of(error);

	if (is_blocked_prompt(message))
		return filtered(f, "the model refused the prompt", message);
	if (view_is(reason_of(error), "API_KEY_INVALID") ||
	    view_has(message, "API key"))
		(void)fault_set(f, FAULT_REMOTE,
		    "the model API refused our key: check GEMINI_API_KEY");
	else
		(void)fault_set(
		    f, FAULT_REMOTE, "the model API refused the request");
	return add_codes(error, f);
}

static int
refused_429(const struct json_value *root, struct fault *f)
{
	if (gen_is_daily_quota(root)) {
		(void)fault_set(
		    f, FAULT_BUSY, "the model's quota for today is used up");
		f->retry_after_s = RETRY_DAILY_S;
	} else {
		(void)fault_set(
		    f, FAULT_BUSY, "the model's quota is used up for now");
		f->retry_after_s =
		    retry_s(gen_retry_delay_ms(root), RETRY_QUOTA_S);
	}
	return add_codes(error_of(root), f);
}

int
gen_refusal(int status, const struct json_value *root, struct fault *f)
{
	const struct json_value *error = error_of(root);

	MUST(status != 200 && f->kind == FAULT_NONE);
	switch (status) {
	case 400:
		return refused_400(error, f);
	case 401:
	case 403:
		(void)fault_set(f, FAULT_REMOTE,
		    "the model API refused our key: check GEMINI_API_KEY and "
		    "what it may do");
		return add_codes(error, f);
	case 404:
		return fault_set(f, FAULT_ABSENT, "no such model");
	case 429:
		return refused_429(root, f);
	case 503:
		(void)fault_set(f, FAULT_BUSY, "the model is overloaded");
		f->retry_after_s =
		    retry_s(gen_retry_delay_ms(root), RETRY_DOWN_S);
		return -1;
	case 504:
		return fault_set(
		    f, FAULT_SLOW, "the model did not finish in time");
	default:
		(void)fault_set(f, FAULT_REMOTE,
		    "the model API failed with HTTP status %d", status);
		return add_codes(error, f);
	}
}

void
gen_filtered(struct gen_image *image, struct view reason)
{
	*image =
	    (struct gen_image){ .outcome = GEN_FILTERED, .why = FAULT_INIT };
	(void)filtered(&image->why, "the model refused this image", reason);
}

void
gen_failed(struct gen_image *image, const char *why)
{
	*image = (struct gen_image){ .outcome = GEN_FAILED, .why = FAULT_INIT };
	(void)fault_set(&image->why, FAULT_REMOTE, "%s", why);
}
