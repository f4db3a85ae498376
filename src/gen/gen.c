#include "gen/gen.h"

#include <stdio.h>
#include <string.h>

#include "codec/text.h"

enum {
	RETRY_QUOTA_S = 30,   /* when a 429 does not say            */
	RETRY_DAILY_S = 3600, /* a daily quota: look in now and then */
	RETRY_DOWN_S = 10,    /* when a 503 does not say            */
	RETRY_MAX_S = 86400,
	CODE_MAX = 64, /* of a word like INVALID_ARGUMENT */
	WHY_MAX = 128  /* of a sentence with such a word */
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

/* "limit: 0", and not "limit: 0.5" or "limit: 07". */
static bool
has_limit_of_zero(struct view message)
{
	static const char words[] = "limit: 0";
	const char *end = message.p + message.n, *at = message.p;

	while ((at = memmem(at, (size_t)(end - at), words, sizeof words - 1)) !=
	       NULL) {
		at += sizeof words - 1;
		if (at < end && at[0] == '.')
			at++;
		if (at == end || at[0] < '0' || at[0] > '9')
			return true;
	}
	return false;
}

/* Is there a quota, and is every one that was exceeded of the free tier? */
static bool
is_free_tier(const struct json_value *error)
{
	const struct json_value *details = json_member(error, "details");
	const struct json_value *violations;
	size_t i, k, seen = 0;

	for (i = 0; i < json_count(details); i++) {
		violations = json_member(json_item(details, i), "violations");
		for (k = 0; k < json_count(violations); k++, seen++)
			if (!view_ends(
				json_text(json_member(
				    json_item(violations, k), "quotaId")),
				"-FreeTier"))
				return false;
	}
	return seen > 0;
}

/* Why a project cannot pay, and what its owner can do about it. */
struct bill {
	const char *phrase; /* in the message of a 429 */
	const char *problem, *remedy;
};

/*
 * By their words, since these 429s have no details; and so has one of Vertex
 * that passes by itself ("Resource exhausted. Please try again later.").
 */
static const struct bill bills[] = {
	{ "spending cap",
	    "the project of the model key has reached its monthly spending cap",
	    "raise it at https://ai.studio/spend" },
	{ "prepayment",
	    "the project of the model key has used up its prepaid credits",
	    "buy more at https://ai.studio/projects" },
	{ "credits are depleted",
	    "the project of the model key has used up its credits",
	    "buy more at https://ai.studio/projects" },
};

static const struct bill no_billing = {
	NULL,
	"the project of the model key has no billing, and image models have no "
	"free tier",
	"link billing to it, see https://ai.google.dev/gemini-api/docs/billing"
};

/* NULL: it can pay, as far as this 429 says. */
static const struct bill *
bill_of(const struct json_value *error)
{
	const struct view message = message_of(error);
	size_t i;

	for (i = 0; i < sizeof bills / sizeof bills[0]; i++)
		if (view_has(message, bills[i].phrase))
			return &bills[i];
	return has_limit_of_zero(message) || is_free_tier(error) ? &no_billing
								 : NULL;
}

bool
gen_is_unpayable(const struct json_value *root)
{
	return bill_of(error_of(root)) != NULL;
}

int64_t
gen_wait_ms(const struct json_value *root, int64_t header_ms)
{
	const int64_t most_ms = RETRY_MAX_S * INT64_C(1000);
	int64_t ms;

	/* Such replies ask for seconds all the same; see no use in that. */
	if (gen_is_daily_quota(root))
		return RETRY_DAILY_S * INT64_C(1000);
	ms = gen_retry_delay_ms(root);
	if (ms < 0)
		ms = header_ms;
	return ms < most_ms ? ms : most_ms;
}

int
gen_wait_s(int status, const struct json_value *root, int64_t header_ms)
{
	const int64_t ms = gen_wait_ms(root, header_ms);

	if (ms < 0)
		return status == 429 ? RETRY_QUOTA_S : RETRY_DOWN_S;
	return ms <= 1000 ? 1 : (int)((ms + 999) / 1000);
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

static int
filtered(struct fault *f, const char *text, struct view reason)
{
	reason = text_fit(reason, sizeof f->details - 1);
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

/* A proxy that knows no such path answers 404 as well, in its own words. */
static int
refused_404(const struct json_value *error, struct fault *f)
{
	if (view_is(json_text(json_member(error, "status")), "NOT_FOUND"))
		return fault_set(f, FAULT_ABSENT, "no such model");
	return fault_set(f, FAULT_REMOTE,
	    "the model API's address answered 404: check IMAGE_BASE_URL");
}

static int
refused_429(const struct json_value *root, struct fault *f)
{
	const struct bill *bill = bill_of(error_of(root));

	if (bill != NULL) {
		(void)fault_set(f, FAULT_REMOTE, "%s", bill->problem);
		(void)fault_remedy(f, bill->remedy);
		return add_codes(error_of(root), f);
	}
	(void)fault_set(f, FAULT_BUSY,
	    gen_is_daily_quota(root) ? "the model's quota for today is used up"
				     : "the model's quota is used up for now");
	f->retry_after_s = gen_wait_s(429, root, -1);
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
		return refused_404(error, f);
	case 429:
		return refused_429(root, f);
	case 503:
		(void)fault_set(f, FAULT_BUSY, "the model is overloaded");
		f->retry_after_s = gen_wait_s(status, root, -1);
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

uint32_t
gen_seed(const struct gen_dialect *dialect, const struct gen_ask *ask, int call)
{
	return (ask->seed + (uint32_t)call) & dialect->seed_mask;
}

void
gen_take(struct gen_image *image, struct view base64)
{
	if (base64.n == 0)
		gen_failed(image, "the model returned an empty image");
	else if (base64.n > GEN_BASE64_MAX)
		gen_failed(image, "the model returned too large an image");
	else
		*image = (struct gen_image){
			.outcome = GEN_OK, .base64 = base64, .why = FAULT_INIT
		};
}

void
gen_nonsense(struct gen_image *images, int n)
{
	int i;

	for (i = 0; i < n; i++)
		gen_failed(&images[i], "the model's reply made no sense");
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

/* Sets the text, and behind it the code in brackets if there is one. */
static void
failed_with(struct gen_image *image, const char *what, struct view code)
{
	char why[WHY_MAX];

	if (!is_code(code))
		code = VIEW("");
	(void)snprintf(why, sizeof why, "%s%s%.*s%s", what,
	    code.n > 0 ? " (" : "", (int)code.n, code.p, code.n > 0 ? ")" : "");
	gen_failed(image, why);
}

void
gen_missed(struct gen_image *image, struct view reason)
{
	failed_with(image, "the model sent no image", reason);
}

static bool
is_error(const struct json_value *error)
{
	return json_kind(error) == JSON_KIND_OBJECT || json_text(error).n > 0;
}

void
gen_read(const struct gen_dialect *dialect, const struct json_value *reply,
    struct gen_image *images, int n)
{
	const struct json_value *error = error_of(reply);
	int i;

	dialect->read(reply, images, n);
	if (!is_error(error))
		return;
	for (i = 0; i < n; i++)
		if (images[i].outcome == GEN_OK)
			return;
	for (i = 0; i < n; i++)
		failed_with(&images[i],
		    "the model API answered 200 with an error",
		    json_text(json_member(error, "status")));
}
