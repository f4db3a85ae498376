#include "aws/verdict.h"

#include <stdio.h>
#include <string.h>

#include "aws/place.h"
#include "codec/text.h"
#include "codec/xml.h"

/*
 * The first row that fits a reply is its meaning.  Status 0 is any, a code
 * of NULL is any and none, one that ends in '*' is any that begins so.
 * Rows about codes come first: S3 sends the same code with several statuses
 * (ExpiredToken with 400 and 403).  The codes that ask to slow down are
 * those of the AWS SDKs' "standard" retry mode.
 */
struct rule {
	int status;
	const char *code;
	enum fault_kind kind;
	enum verdict_next next;
	enum state_storage tells;
	const char *advice;
};

static const char no_key[] = "no such key";
static const char no_upload[] = "no such upload";
static const char unfit[] = "the parts of the upload are not what it has";
static const char clock_off[] = "this host's clock is wrong";
static const char expired[] = "the session of temporary keys has ended";
static const char other_region[] = "correct AWS_REGION";
static const char slow_down[] = "it asks us to slow down";
static const char busy[] = "it is not well";
static const char late[] = "it waited too long";
static const char raced[] = "another writer was there at the same time";
static const char differs[] = "the bytes sent are not those of the digest";
static const char redirect[] =
    "a redirect, which is not followed: correct AWS_ENDPOINT_URL_S3";
static const char refused[] = "our keys are refused";

/* clang-format off */
static const struct rule rules[] = {
	{ 404, "NoSuchKey", FAULT_ABSENT, VERDICT_ENOUGH, STATE_UP, no_key },
	{ 0, "NoSuchUpload", FAULT_ABSENT, VERDICT_ENOUGH, STATE_UP, no_upload },
	{ 0, "InvalidPart*", FAULT_REMOTE, VERDICT_ENOUGH, STATE_UP, unfit },
	{ 0, "EntityTooSmall", FAULT_REMOTE, VERDICT_ENOUGH, STATE_UP, unfit },
	{ 0, "NoSuchBucket", FAULT_DENIED, VERDICT_ENOUGH, STATE_DENIED,
	    "no such bucket: correct STORAGE_BUCKET" },

	{ 0, "RequestTimeTooSkewed", FAULT_DENIED, VERDICT_CLOCK, STATE_DENIED, clock_off },
	{ 0, "RequestExpired", FAULT_DENIED, VERDICT_CLOCK, STATE_DENIED, clock_off },
	{ 0, "SignatureDoesNotMatch", FAULT_DENIED, VERDICT_CLOCK_IF_FAR, STATE_DENIED,
	    "correct AWS_SECRET_ACCESS_KEY" },
	{ 0, "InvalidAccessKeyId", FAULT_DENIED, VERDICT_ENOUGH, STATE_DENIED,
	    "correct AWS_ACCESS_KEY_ID" },
	{ 0, "ExpiredToken*", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED, expired },
	{ 0, "InvalidToken", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED, expired },
	{ 0, "TokenRefreshRequired", FAULT_DENIED, VERDICT_KEYS, STATE_DENIED, expired },
	{ 0, "AuthorizationHeaderMalformed", FAULT_DENIED, VERDICT_REGION, STATE_DENIED, other_region },
	{ 0, "IllegalLocationConstraintException", FAULT_DENIED, VERDICT_REGION, STATE_DENIED, other_region },
	{ 0, "AccessDenied", FAULT_DENIED, VERDICT_ENOUGH, STATE_UNKNOWN,
	    "our keys lack a permission" },

	{ 0, "SlowDown*", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "Throttl*", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "RequestThrottl*", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "TooManyRequests*", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "RequestLimitExceeded", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "BandwidthLimitExceeded", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "LimitExceededException", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "ProvisionedThroughputExceeded*", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "TransactionInProgressException", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "EC2ThrottledException", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 0, "PriorRequestNotComplete", FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },

	{ 0, "InternalError", FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN, busy },
	{ 0, "RequestTimeout*", FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN, late },
	{ 0, "IncompleteBody", FAULT_BUSY, VERDICT_AGAIN, STATE_UP, "the body was cut on its way" },
	{ 0, "BadDigest", FAULT_CONFLICT, VERDICT_AGAIN, STATE_UP, differs },
	{ 0, "XAmzContentSHA256Mismatch", FAULT_CONFLICT, VERDICT_AGAIN, STATE_UP, differs },
	{ 409, "ConditionalRequestConflict", FAULT_CONFLICT, VERDICT_AGAIN, STATE_UP, raced },
	{ 409, "ConcurrentModification", FAULT_CONFLICT, VERDICT_AGAIN, STATE_UP, raced },
	{ 409, "OperationAborted", FAULT_CONFLICT, VERDICT_AGAIN, STATE_UP, raced },

	{ 301, NULL, FAULT_REMOTE, VERDICT_REGION, STATE_UNKNOWN, redirect },
	{ 302, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN, redirect },
	{ 303, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN, redirect },
	{ 307, NULL, FAULT_REMOTE, VERDICT_REGION, STATE_UNKNOWN, redirect },
	{ 308, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN, redirect },
	{ 401, NULL, FAULT_DENIED, VERDICT_ENOUGH, STATE_DENIED, refused },
	/* A word we do not know may be about one object. */
	{ 403, NULL, FAULT_DENIED, VERDICT_ENOUGH, STATE_UNKNOWN, refused },
	{ 408, NULL, FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN, late },
	{ 409, NULL, FAULT_CONFLICT, VERDICT_ENOUGH, STATE_UP, raced },
	{ 412, NULL, FAULT_CONFLICT, VERDICT_ENOUGH, STATE_UP, "a precondition failed" },
	{ 429, NULL, FAULT_THROTTLED, VERDICT_LATER, STATE_DOWN, slow_down },
	{ 500, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN, busy },
	{ 502, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN, busy },
	{ 503, NULL, FAULT_BUSY, VERDICT_AGAIN, STATE_DOWN, busy },
	{ 504, NULL, FAULT_SLOW, VERDICT_AGAIN, STATE_DOWN, late },
	{ 0, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN,
	    "not what was expected" },
};

/* Replies that hold no code: their status and what was asked decide. */
static const struct rule
	done = { 0, NULL, FAULT_NONE, VERDICT_ENOUGH, STATE_UP, "done" },
	/* Without a word it may as well be the bucket that is missing. */
	absent = { 0, NULL, FAULT_ABSENT, VERDICT_ENOUGH, STATE_UNKNOWN, no_key },
	/* S3 leaves a stranger and one whose keys ended in the dark. */
	bad_head = { 0, NULL, FAULT_DENIED, VERDICT_KEYS, STATE_UNKNOWN, refused },
	bad_head_region = { 0, NULL, FAULT_DENIED, VERDICT_REGION, STATE_DENIED, other_region },
	/* Without ListBucket a missing key looks the same, and so does a
	 * clock that is wrong. */
	denied_head = { 0, NULL, FAULT_DENIED, VERDICT_CLOCK_IF_FAR, STATE_UNKNOWN,
	    "our keys lack a permission, or there is no such key" },
	not_s3 = { 0, NULL, FAULT_REMOTE, VERDICT_ENOUGH, STATE_UNKNOWN,
	    "not a reply of S3: correct AWS_ENDPOINT_URL_S3" };
/* clang-format on */

static const int wants_result = VERDICT_COPY | VERDICT_COMPLETE;

/* What the body of a reply holds, as far as we understand it. */
struct found {
	struct verdict *v;
	int asked;
	bool has_result; /* the document that was asked for */
	int64_t server_s;
};

/* Words of a stranger: kept only when they may be shown as they are. */
static void
keep_word(char out[VERDICT_WORD_SIZE], struct view word)
{
	if (!text_is_word(word) || word.n >= VERDICT_WORD_SIZE)
		return;
	memcpy(out, word.p, word.n);
	out[word.n] = '\0';
}

static void
keep_region(struct verdict *v, struct view region)
{
	if (v->region[0] == '\0' && place_is_region(region))
		keep_word(v->region, region);
}

static int
on_element(void *arg, const char *path, struct view text, struct fault *f)
{
	struct found *found = arg;

	(void)f;
	text = text_trim(text);
	if (strcmp(path, "Error/Code") == 0)
		keep_word(found->v->code, text);
	else if (strcmp(path, "Error/Region") == 0)
		keep_region(found->v, text);
	else if (strcmp(path, "Error/RequestId") == 0 &&
		 found->v->request_id[0] == '\0')
		keep_word(found->v->request_id, text);
	else if (strcmp(path, "Error/ServerTime") == 0)
		(void)text_moment_s(text, &found->server_s);
	else if (strcmp(path, "CopyObjectResult") == 0)
		found->has_result |= (found->asked & VERDICT_COPY) != 0;
	else if (strcmp(path, "CompleteMultipartUploadResult") == 0)
		found->has_result |= (found->asked & VERDICT_COMPLETE) != 0;
	return 0;
}

static bool
is_code(const char *pattern, const char *code)
{
	const size_t n = strlen(pattern);

	if (pattern[n - 1] == '*')
		return strncmp(pattern, code, n - 1) == 0;
	return strcmp(pattern, code) == 0;
}

static const struct rule *
rule_of(int status, const char *code)
{
	const struct rule *r = rules;

	while ((r->status != 0 && r->status != status) ||
	       (r->code != NULL && !is_code(r->code, code)))
		r++; /* the last row fits all */
	return r;
}

/* A 404 without a word.  Anybody between us and S3 can send one, but S3's
 * has the id of the request. */
static const struct rule *
rule_of_nothing(const struct verdict_reply *r)
{
	return r->request_id.n > 0 && text_trim(r->body).n == 0 ? &absent
								: &not_s3;
}

static const struct rule *
rule_of_head(int status, const char *region)
{
	if (status == 403)
		return &denied_head;
	if (status == 400)
		return region[0] == '\0' ? &bad_head : &bad_head_region;
	return rule_of(status, "");
}

/* S3 keeps the connection alive with a 200 and some white space while it
 * copies or completes, before it knows what comes of it. */
static const struct rule *
rule_of_result(const char *code, bool has_result)
{
	return has_result && code[0] == '\0' ? &done : rule_of(500, code);
}

static const struct rule *
judge(const struct verdict_reply *r, const struct verdict *v, bool has_result)
{
	const bool is_fine = r->status >= 200 && r->status <= 299;

	if (is_fine && (r->asked & wants_result) != 0)
		return rule_of_result(v->code, has_result);
	if (is_fine && (r->asked & VERDICT_ETAG) != 0 && r->etag.n == 0)
		return &not_s3;
	if (is_fine)
		return &done;
	if (r->status == 404 && v->code[0] == '\0')
		return rule_of_nothing(r);
	if ((r->asked & VERDICT_BODILESS) != 0)
		return rule_of_head(r->status, v->region);
	return rule_of(r->status, v->code);
}

static void
take(struct verdict *v, const struct rule *rule)
{
	v->kind = rule->kind;
	v->next = rule->next;
	v->tells = rule->tells;
	v->advice = rule->advice;
	if (rule->advice == differs)
		v->field = "file";
}

struct verdict
verdict_read(const struct verdict_reply *r)
{
	const bool is_fine = r->status >= 200 && r->status <= 299;
	struct verdict v = { .status = r->status, .server_s = -1 };
	struct found found = { .v = &v, .asked = r->asked, .server_s = -1 };
	struct fault ignored = FAULT_INIT;

	keep_word(v.request_id, r->request_id);
	keep_region(&v, r->region);
	/* A body that is cut or not XML at all leaves what was read of it;
	 * but a result is one only in a document that is whole. */
	if ((!is_fine || (r->asked & wants_result) != 0) &&
	    xml_read(r->body, on_element, &found, &ignored) == -1)
		found.has_result = false;
	if (!text_http_date_s(r->date, &v.server_s))
		v.server_s = found.server_s;
	take(&v, judge(r, &v, found.has_result));
	if (v.kind == FAULT_ABSENT && (r->asked & VERDICT_DELETE) != 0)
		take(&v, &done);
	if (v.next == VERDICT_REGION && v.region[0] == '\0')
		v.next = VERDICT_ENOUGH;
	return v;
}

struct verdict
verdict_silence(enum fault_kind kind)
{
	struct verdict v = { .kind = kind, .server_s = -1 };

	v.advice = "no whole reply";
	if (kind == FAULT_REMOTE)
		v.kind = FAULT_BUSY;
	if (v.kind != FAULT_BUSY && v.kind != FAULT_SLOW)
		return v;
	v.next = VERDICT_AGAIN;
	v.tells = STATE_DOWN;
	return v;
}

int
verdict_explain(const struct verdict *v, struct fault *f)
{
	char request[sizeof ", request " + VERDICT_WORD_SIZE] = "";
	const char *code = v->code[0] == '\0' ? "" : "says ";

	MUST(v->kind != FAULT_NONE);
	if (v->request_id[0] != '\0')
		(void)snprintf(
		    request, sizeof request, ", request %s", v->request_id);
	if (v->code[0] == '\0')
		code = "answers";
	return fault_in(f, v->kind, v->field, "S3 %s%s (status %d%s): %s", code,
	    v->code, v->status, request, v->advice);
}
