#include "app/doctor_rights.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define FOLDER "character_references/"
#define CONTENT "charref doctor was here\n"

enum {
	REPLY_MAX = 4096,
	CLEAN_MS = 5000,
	DRAWS = 4 /* random words of a key */
};

/* Whose right is which, for the policy of the keys. */
struct right {
	const char *action;
	const char *resource; /* behind the bucket's name */
};

static const struct right delete_right = { "s3:DeleteObject",
	"/" FOLDER ".charref-doctor-*" },
			  put_right = { "s3:PutObject", "/*" },
			  get_right = { "s3:GetObject", "/*" },
			  list_right = { "s3:ListBucket", "" };

void
doctor_rights_begin(struct patient *p)
{
	char random[DRAWS * 8 + 1];
	size_t i, n = 0;

	for (i = 0; i < DRAWS; i++)
		n += (size_t)snprintf(random + n, sizeof random - n, "%06x",
		    (unsigned)clock_chance(1U << 24));
	for (i = 0; i < 2; i++)
		(void)snprintf(p->key[i], sizeof p->key[i],
		    FOLDER ".charref-doctor-%s%s", random,
		    i == 0 ? "" : "-copy");
}

static void
advise_right(struct patient *p, struct finding *it, const struct right *right)
{
	finding_advise(it,
	    "allow it in the policy of the keys: {\"Effect\":\"Allow\","
	    "\"Action\":\"%s\",\"Resource\":\"arn:aws:s3:::%s%s\"}",
	    right->action, conf_text(p->conf, CONF_STORAGE_BUCKET),
	    right->resource);
	if (right != &list_right && right != &delete_right &&
	    conf_is(p->conf, CONF_S3_SSE, "aws:kms"))
		finding_advise(
		    it, "and kms:GenerateDataKey and kms:Decrypt of the key");
}

static void
say_refused(struct patient *p, struct finding *it, const struct fault *f,
    const struct right *right)
{
	finding_say(it, FINDING_FAILED, "%s", f->text);
	if (f->kind == FAULT_DENIED)
		advise_right(p, it, right);
	else
		finding_advise(it,
		    "the storage is not well, or does not know this request: "
		    "ask again later");
}

static bool
do_it(struct patient *p, struct s3_op *op, struct finding *it,
    const struct right *right)
{
	s3_run(p->s3, op, 1, patient_until_ms(p));
	if (op->fault.kind == FAULT_NONE)
		return true;
	say_refused(p, it, &op->fault, right);
	return false;
}

/* --- one right each --- */

void
doctor_delete(struct patient *p, struct finding *it)
{
	struct s3_op op = S3_OP_INIT(S3_DELETE, p->key[0]);

	if (do_it(p, &op, it, &delete_right)) {
		finding_say(it, FINDING_OK, "allowed");
		return;
	}
	finding_add(it, FINDING_FAILED,
	    "the service itself deletes nothing; but without, the checks "
	    "below would leave objects behind");
}

void
doctor_put(struct patient *p, struct finding *it)
{
	struct s3_op op = S3_OP_INIT(S3_PUT, p->key[0]);
	struct fault f = FAULT_INIT;
	struct digest sha256;

	if (digest_sha256(&sha256, VIEW(CONTENT), &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	op.bytes = VIEW(CONTENT);
	op.size = (int64_t)op.bytes.n;
	op.sha256 = &sha256;
	op.media_type = "text/plain";
	p->may_be_there[0] = true;
	if (do_it(p, &op, it, &put_right))
		finding_say(it, FINDING_OK, "allowed, with S3_SSE=%s",
		    conf_text(p->conf, CONF_S3_SSE));
	else if (op.fault.kind == FAULT_DENIED)
		p->may_be_there[0] = false;
}

void
doctor_head(struct patient *p, struct finding *it)
{
	struct s3_op op = S3_OP_INIT(S3_HEAD, p->key[0]);

	if (!do_it(p, &op, it, &get_right))
		return;
	if (op.found_size == (int64_t)(sizeof CONTENT - 1))
		finding_say(it, FINDING_OK, "allowed");
	else
		finding_say(it, FINDING_FAILED,
		    "it says %lld bytes where %zu were put",
		    (long long)op.found_size, sizeof CONTENT - 1);
}

static void
compare(struct finding *it, const struct buf *reply)
{
	if (view_is(buf_view(reply), CONTENT)) {
		finding_say(it, FINDING_OK, "allowed, and the bytes are right");
		return;
	}
	finding_say(it, FINDING_FAILED, "other bytes come than were put");
	finding_advise(it, "see what stands between this host and the "
			   "storage: a proxy, a cache");
}

void
doctor_get(struct patient *p, struct finding *it)
{
	struct s3_op op = S3_OP_INIT(S3_GET, p->key[0]);

	op.reply = BUF_INIT(REPLY_MAX);
	if (do_it(p, &op, it, &get_right))
		compare(it, &op.reply);
	buf_fini(&op.reply);
}

void
doctor_copy(struct patient *p, struct finding *it)
{
	struct s3_op op = S3_OP_INIT(S3_COPY, p->key[1]);

	op.source = p->key[0];
	p->may_be_there[1] = true;
	if (do_it(p, &op, it, &put_right))
		finding_say(it, FINDING_OK, "allowed");
	else if (op.fault.kind == FAULT_DENIED)
		p->may_be_there[1] = false;
}

struct search {
	const char *key;
	bool found;
};

static int
on_key(void *arg, const struct listing_object *object, struct fault *f)
{
	struct search *s = arg;

	(void)f;
	s->found = s->found || view_is(object->key, s->key);
	return 0;
}

void
doctor_list(struct patient *p, struct finding *it)
{
	struct search s = { .key = p->key[0] };
	struct fault f = FAULT_INIT;

	if (s3_list(p->s3, p->key[0], patient_until_ms(p), on_key, &s, &f) ==
	    -1)
		say_refused(p, it, &f, &list_right);
	else if (s.found || !p->may_be_there[0])
		finding_say(it, FINDING_OK, "allowed%s",
		    s.found ? ", and it has what was put" : "");
	else
		finding_say(it, FINDING_WARNING,
		    "allowed, but what was just put is not in it");
	if (it->state == FINDING_WARNING)
		finding_advise(it, "wait before `charref reindex` until the "
				   "storage's listings have caught up");
}

void
doctor_missing(struct patient *p, struct finding *it)
{
	char key[PATIENT_KEY_SIZE + 8];
	struct s3_op op = S3_OP_INIT(S3_HEAD, key);

	(void)snprintf(key, sizeof key, "%s-none", p->key[0]);
	s3_run(p->s3, &op, 1, patient_until_ms(p));
	if (op.fault.kind == FAULT_ABSENT) {
		finding_say(it, FINDING_OK, "a key that is missing is 404");
	} else if (op.fault.kind == FAULT_DENIED) {
		finding_say(it, FINDING_WARNING,
		    "a key that is missing is 403, so an unknown image is "
		    "answered with 502, not 404");
		advise_right(p, it, &list_right);
	} else {
		finding_say(it, FINDING_FAILED, "%s",
		    op.fault.kind == FAULT_NONE ? "a key that nobody has put "
						  "is there"
						: op.fault.text);
		finding_advise(it, "correct AWS_ENDPOINT_URL_S3: S3 answers "
				   "404");
	}
}

/* --- presigned --- */

/* As a client does it, who has the URL and nothing else. */
static int
fetch(struct patient *p, struct http_call *call, struct fault *f)
{
	if (patient_fetch(p, NULL, conf_text(p->conf, CONF_AWS_CA_BUNDLE), call,
		patient_until_ms(p), f) == -1)
		return -1;
	if (call->fault.kind == FAULT_NONE && call->status == 200)
		return 0;
	if (call->fault.kind == FAULT_NONE)
		return fault_set(f, FAULT_DENIED,
		    "the URL that was presigned is answered with %d",
		    call->status);
	*f = call->fault;
	return -1;
}

/* Its life, or why it does not work; the URL itself is never shown. */
static void
say_presigned(struct patient *p, struct finding *it, const char *method,
    struct http_call *call)
{
	struct s3_url url = S3_URL_INIT;
	struct fault f = FAULT_INIT;
	bool is_there = false;

	if (s3_presign(p->s3, method, p->key[0],
		conf_number(p->conf, CONF_PRESIGNED_URL_EXPIRY),
		conf_number(p->conf, CONF_PRESIGNED_URL_WINDOW), &url,
		&f) == 0) {
		call->url = buf_str(&url.text);
		is_there = fetch(p, call, &f) == 0;
		call->url = NULL;
	}
	if (is_there) {
		finding_say(it, FINDING_OK, "works, and lives %lld s",
		    (long long)url.lives_s);
	} else {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		finding_advise(it,
		    "correct S3_PUBLIC_ENDPOINT: it must lead to the same "
		    "bucket, and pass Host and query on as they are");
	}
	s3_url_fini(&url);
}

void
doctor_presigned_get(struct patient *p, struct finding *it)
{
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	call.method = HTTP_GET;
	say_presigned(p, it, "GET", &call);
	if (it->state == FINDING_OK && !view_is(buf_view(&call.reply), CONTENT))
		compare(it, &call.reply);
	buf_fini(&call.reply);
}

void
doctor_presigned_head(struct patient *p, struct finding *it)
{
	struct http_call call = HTTP_CALL_INIT(REPLY_MAX);

	call.method = HTTP_HEAD;
	say_presigned(p, it, "HEAD", &call);
	buf_fini(&call.reply);
}

/* --- leaving nothing --- */

static int
remove_all(struct patient *p, struct s3 *s3, int64_t until_ms, struct fault *f)
{
	struct s3_op op;
	size_t i;

	for (i = 0; i < 2; i++) {
		if (!p->may_be_there[i])
			continue;
		op = S3_OP_INIT(S3_DELETE, p->key[i]);
		s3_run(s3, &op, 1, until_ms);
		if (op.fault.kind == FAULT_NONE)
			p->may_be_there[i] = false;
		else if (f->kind == FAULT_NONE)
			*f = op.fault;
	}
	return f->kind == FAULT_NONE ? 0 : -1;
}

void
doctor_removed(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;

	if (remove_all(p, p->s3, patient_until_ms(p), &f) == 0) {
		finding_say(it, FINDING_OK, "nothing is left behind");
		return;
	}
	say_refused(p, it, &f, &delete_right);
	finding_advise(it, "remove by hand what begins with %s", p->key[0]);
}

bool
doctor_rights_end(struct patient *p)
{
	struct s3_setup setup;
	struct fault f = FAULT_INIT;
	struct s3 *s3 = NULL;

	if (!p->may_be_there[0] && !p->may_be_there[1])
		return true;
	/* Of its own, for ours has been told to stop. */
	setup = conf_s3(p->conf, p->creds);
	setup.state = p->state;
	if (s3_open(&s3, &setup, &f) == 0)
		(void)remove_all(p, s3, clock_ticks_ms() + CLEAN_MS, &f);
	s3_close(&s3);
	return f.kind == FAULT_NONE;
}
