#include "app/upload.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	RECORD_ATTEMPTS = 3, /* each waits for other writers as long as db */
	BACKOFF_FIRST_MS = 2000,
	BACKOFF_MAX_MS = 15 * 60 * 1000,
	BACKOFF_PASSING_MAX_MS = 60 * 1000 /* soon after it has passed */
};

/* One object on its way: what S3 is asked, and what that lends. */
struct work {
	struct upload *upload;
	struct s3_op op;
	char key[OBJECTS_KEY_SIZE];
	char source[OBJECTS_KEY_SIZE]; /* of the image alone               */
	char name[STORE_NAME_SIZE];
	bool is_planned;     /* the bucket was to be asked at all          */
	bool is_sent;        /* op is to be run                            */
	bool is_source_gone; /* of a copy: the image's object alone is     */
	bool is_foreign;     /* S3 has something else under its key        */
};

static const char other_bytes[] = "the bucket holds other bytes under its key";
static const char no_digest[] =
    "the bucket holds bytes without a digest under its key";

static int64_t
size_here(const struct upload_parts *p, const struct object *o)
{
	return store_size(p->store, &o->id, o->kind);
}

/* A row that was made from the bucket's listing has no digest. */
static int
need_digest(const struct upload_parts *p, struct object *o, struct fault *f)
{
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	int rc = 0;

	if (o->sha256.hex[0] == '\0') {
		rc = store_get(p->store, &o->id, o->kind, &bytes, f);
		if (rc == 0)
			rc = digest_sha256(&o->sha256, buf_view(&bytes), f);
		buf_fini(&bytes);
	}
	return rc;
}

static void
plan_put(const struct upload_parts *p, struct work *w)
{
	struct object *o = &w->upload->object;

	store_name(w->name, &o->id, o->kind);
	w->op = S3_OP_INIT(S3_PUT, w->key);
	w->op.dir = store_folder(p->store);
	w->op.name = w->name;
	w->op.size = o->bytes > 0 ? o->bytes : size_here(p, o);
	w->op.sha256 = &o->sha256;
	w->op.media_type = sniff_media_type(o->kind);
	w->op.cache_control = S3_CACHE_CONTROL;
	w->op.if_none_match = w->op.is_guarded = true;
	w->op.looks_first = !w->upload->is_new;
	w->is_sent = need_digest(p, o, &w->upload->fault) == 0;
}

static void
plan_copy(struct work *w)
{
	w->op = S3_OP_INIT(S3_COPY, w->key);
	w->op.source = w->source;
	w->op.if_none_match = w->op.is_guarded = true;
	w->is_sent = true;
}

static void
plan(const struct upload_parts *p, struct work *w)
{
	const struct object *o = &w->upload->object;

	w->is_planned = true;
	w->is_sent = false;
	w->upload->fault = FAULT_INIT;
	w->upload->is_copied = false;
	w->upload->is_kept = w->upload->is_there = false;
	objects_key(w->key, &o->id, &o->job, o->kind);
	objects_key(w->source, &o->id, &job_id_none, o->kind);
	if (o->job.text[0] != '\0' && o->is_alone_done)
		plan_copy(w);
	else if (size_here(p, o) >= 0)
		plan_put(p, w);
	else
		(void)fault_in(&w->upload->fault, FAULT_ABSENT, "file",
		    "the image's file is not in the local store");
}

/* Sends those that are planned, as one batch. */
static int
send_all(const struct upload_parts *p, struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	struct s3_op *ops = calloc(n, sizeof *ops);
	size_t i, count = 0;

	if (ops == NULL)
		return fault_set(f, FAULT_MEMORY, "upload");
	for (i = 0; i < n; i++)
		if (works[i].is_sent)
			ops[count++] = works[i].op;
	s3_run(cloud_s3(p->cloud), ops, count, deadline_ms);
	count = 0;
	for (i = 0; i < n; i++) {
		if (!works[i].is_sent)
			continue;
		works[i].op = ops[count++];
		works[i].upload->fault = works[i].op.fault;
		works[i].upload->is_copied =
		    works[i].op.verb == S3_COPY && !works[i].op.is_taken;
	}
	free(ops);
	return 0;
}

/* Who may not list may not look before a copy; a PUT has its condition. */
static bool
is_refused(const struct s3_op *op)
{
	return op->fault.kind == FAULT_DENIED && op->status == 403;
}

/* A copy whose source is gone after all, or that S3 does not let us make, is
 * sent from here, if it is here. */
static bool
send_instead(const struct upload_parts *p, struct work *w)
{
	const struct upload *u = w->upload;

	w->is_sent = false;
	if (w->op.verb != S3_COPY ||
	    (u->fault.kind != FAULT_ABSENT && !is_refused(&w->op)))
		return false;
	w->is_source_gone = u->fault.kind == FAULT_ABSENT;
	if (size_here(p, &u->object) < 0)
		return false;
	w->upload->object.is_alone_done = false;
	plan(p, w);
	return w->is_sent;
}

/* --- what is under a key already --- */

/* A row that was made from a listing has no digest: the object of the image
 * alone tells. */
static bool
needs_original(const struct work *w)
{
	const struct object *o = &w->upload->object;

	return w->op.is_taken && o->sha256.hex[0] == '\0';
}

/* The image's own bytes, or a copy of them: both have its ETag then. */
static bool
is_like(const struct s3_op *found, const struct s3_op *original)
{
	if (original->fault.kind != FAULT_NONE ||
	    found->found_size != original->found_size)
		return false;
	if (found->found_sha256[0] != '\0' && original->found_sha256[0] != '\0')
		return strcmp(found->found_sha256, original->found_sha256) == 0;
	return found->found_etag[0] != '\0' &&
	       strcmp(found->found_etag, original->found_etag) == 0;
}

static bool
is_image(const struct work *w, const struct s3_op *original)
{
	if (needs_original(w))
		return is_like(&w->op, original);
	return w->op.found_sha256[0] != '\0' &&
	       objects_may_be(
		   &w->upload->object, w->op.found_size, w->op.found_sha256);
}

/*
 * The same image is as good as uploaded: another host, or an attempt of ours
 * whose reply was lost, has brought it.  Other bytes in a job are the job's
 * own, edited copy, which is to be there; but under the key of an image alone
 * they are a stranger's.
 */
static void
judge_taken(struct work *w, const struct s3_op *original)
{
	struct upload *u = w->upload;
	const bool is_same = is_image(w, original);
	const bool is_of_job = u->object.job.text[0] != '\0';
	/* This host does not know the image's bytes, and the bucket does not
	 * have it alone. */
	const bool is_unknown =
	    needs_original(w) && original->fault.kind != FAULT_NONE;

	if (!is_same && !is_of_job) {
		w->is_foreign = true;
		u->fault = FAULT_INIT;
		(void)fault_set(&u->fault, FAULT_CONFLICT, "%s",
		    w->op.found_sha256[0] == '\0' ? no_digest : other_bytes);
		return;
	}
	u->is_there = true;
	u->is_kept = !is_same && !is_unknown;
	u->fault = FAULT_INIT;
}

static int
judge_all_taken(const struct upload_parts *p, struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	struct s3_op *heads = calloc(n, sizeof *heads);
	size_t i, count = 0;

	if (heads == NULL)
		return fault_set(f, FAULT_MEMORY, "upload");
	for (i = 0; i < n; i++)
		if (needs_original(&works[i]))
			heads[count++] = S3_OP_INIT(S3_HEAD, works[i].source);
	if (count > 0)
		s3_run(cloud_s3(p->cloud), heads, count, deadline_ms);
	count = 0;
	for (i = 0; i < n; i++)
		if (works[i].op.is_taken)
			judge_taken(&works[i],
			    needs_original(&works[i]) ? &heads[count++] : NULL);
	free(heads);
	return 0;
}

/* Images that the bucket was said to have alone, and of which a copy has
 * shown that it has not: their rows would mislead the next one, too. */
static int
mourn_sources(const struct upload_parts *p, const struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	struct object *gone = calloc(n, sizeof *gone);
	size_t i, count = 0;

	if (gone == NULL)
		return fault_set(f, FAULT_MEMORY, "upload");
	for (i = 0; i < n; i++)
		if (works[i].is_source_gone) {
			gone[count] = works[i].upload->object;
			gone[count].job = job_id_none;
			gone[count++].state = OBJECTS_DONE;
		}
	upload_mourn(p, gone, count, deadline_ms);
	free(gone);
	return 0;
}

/* --- what comes of it --- */

static bool
is_of_the_file(const struct fault *why)
{
	return why->field != NULL && strcmp(why->field, "file") == 0;
}

/*
 * Neither the bad days of the bucket and of this host nor a right that we
 * lack are the object's own fault: they pass, or somebody puts them right.
 * A reply that S3 does not give is the object's own only when it is a 4xx
 * with S3's word for what is wrong with the request (400 InvalidRequest); one
 * without comes from somebody between us and S3.
 */
static bool
may_pass(const struct work *w)
{
	const struct fault *why = &w->upload->fault;

	switch (why->kind) {
	case FAULT_BUSY:
	case FAULT_SLOW:
	case FAULT_THROTTLED:
	case FAULT_DENIED:
	case FAULT_MEMORY:
		return true;
	case FAULT_DISK:
		return !is_of_the_file(why);
	case FAULT_REMOTE:
		return w->op.status / 100 != 4 || w->op.code[0] == '\0';
	default:
		return false;
	}
}

/* Would it fail for ever? */
static bool
is_poisoned(const struct work *w)
{
	const struct upload *u = w->upload;

	if (w->is_foreign || is_of_the_file(&u->fault) ||
	    (w->op.verb == S3_COPY && u->fault.kind == FAULT_ABSENT))
		return true;
	if (strcmp(w->op.code, "XAmzContentSHA256Mismatch") == 0 ||
	    strcmp(w->op.code, "BadDigest") == 0)
		return true;
	return u->object.attempts + 1 >= UPLOAD_ATTEMPTS_MAX;
}

/* Doubled by each refusal. */
static int64_t
refused_ms(const struct object *o)
{
	int64_t ms = BACKOFF_FIRST_MS;
	int i;

	for (i = 0; i < o->attempts && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* As long as it has waited, which doubles as well. */
static int64_t
passing_ms(const struct object *o, int64_t now_ms)
{
	const int64_t ms = o->queued_ms > 0 ? now_ms - o->queued_ms : 0;

	if (ms < BACKOFF_FIRST_MS)
		return BACKOFF_FIRST_MS;
	return ms < BACKOFF_PASSING_MAX_MS ? ms : BACKOFF_PASSING_MAX_MS;
}

/* From half of it to one and a half, at random. */
static int64_t
backoff_ms(const struct work *w, int64_t now_ms)
{
	const struct object *o = &w->upload->object;
	const int64_t ms = may_pass(w) ? passing_ms(o, now_ms) : refused_ms(o);

	return ms / 2 + clock_chance((uint32_t)ms);
}

static struct objects_outcome
outcome_of(const struct work *w, int64_t now_ms)
{
	const struct upload *u = w->upload;
	struct objects_outcome out = { .object = &u->object,
		.state = OBJECTS_WAITING,
		.is_attempt = w->is_planned && !may_pass(w),
		.error = w->is_planned ? u->fault.text : "" };

	if (u->fault.kind == FAULT_NONE)
		out.state = OBJECTS_DONE;
	else if (!may_pass(w) && is_poisoned(w))
		out.state = OBJECTS_FAILED;
	else
		out.due_ms = now_ms + backoff_ms(w, now_ms);
	return out;
}

static void
log_failed(const struct upload_parts *p, const struct upload *u)
{
	log_event(LOG_ERROR, "upload given up",
	    LOG_REQUEST(cloud_request_id(p->cloud)),
	    LOG_TEXT("image_id", view_str(u->object.id.text)),
	    LOG_TEXT("job_id", view_str(u->object.job.text)),
	    LOG_TEXT("message", view_str(u->fault.text)));
}

/* A catalogue that others hold is asked again while there is time: what is
 * not recorded would be sent again. */
static int
record(const struct upload_parts *p, const struct objects_outcome *outcomes,
    size_t n, int64_t now_ms, int64_t deadline_ms, struct fault *f)
{
	struct fault last;
	int tries = 0, rc;

	do {
		last = FAULT_INIT;
		rc = objects_settle(p->db, outcomes, n, now_ms, &last);
	} while (rc == -1 && ++tries < RECORD_ATTEMPTS &&
		 clock_ticks_ms() < deadline_ms);
	if (rc == -1)
		*f = last;
	return rc;
}

static int
settle(const struct upload_parts *p, struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	struct objects_outcome *outcomes = calloc(n, sizeof *outcomes);
	const int64_t now_ms = clock_now_ms();
	size_t i;
	int rc;

	if (outcomes == NULL)
		return fault_set(f, FAULT_MEMORY, "upload");
	for (i = 0; i < n; i++)
		outcomes[i] = outcome_of(&works[i], now_ms);
	rc = record(p, outcomes, n, now_ms, deadline_ms, f);
	for (i = 0; i < n && rc == 0; i++) {
		works[i].upload->object.state = outcomes[i].state;
		if (outcomes[i].state == OBJECTS_FAILED)
			log_failed(p, works[i].upload);
	}
	free(outcomes);
	return rc;
}

static int
run_works(const struct upload_parts *p, struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	bool any = false;
	size_t i;

	for (i = 0; i < n; i++)
		plan(p, &works[i]);
	if (send_all(p, works, n, deadline_ms, f) == -1)
		return -1;
	for (i = 0; i < n; i++)
		any |= send_instead(p, &works[i]);
	if (any && send_all(p, works, n, deadline_ms, f) == -1)
		return -1;
	if (judge_all_taken(p, works, n, deadline_ms, f) == -1)
		return -1;
	return mourn_sources(p, works, n, deadline_ms, f);
}

/* The bucket is not asked, and every object hears why. */
static bool
is_ready(const struct upload_parts *p, struct work *works, size_t n)
{
	struct fault why = FAULT_INIT;
	size_t i;

	if (cloud_ready(p->cloud, &why) == 0)
		return true;
	for (i = 0; i < n; i++)
		works[i].upload->fault = why;
	return false;
}

/* What was asked of the bucket; bytes that it had already have not moved. */
static void
count_them(const struct work *works, size_t n)
{
	const struct upload *u;
	size_t i;

	for (i = 0; i < n; i++) {
		u = works[i].upload;
		if (!works[i].is_planned)
			continue;
		metrics_count(
		    METRICS_UPLOADS, metrics_outcome(u->fault.kind), NULL, 1);
		if (u->fault.kind == FAULT_NONE && works[i].op.verb == S3_PUT &&
		    !works[i].op.is_taken)
			metrics_count(METRICS_UPLOADED_BYTES, NULL, NULL,
			    (uint64_t)works[i].op.size);
	}
}

int
upload_run(const struct upload_parts *p, struct upload *uploads, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	struct work *works;
	size_t i;
	int rc = 0;

	if (n == 0)
		return 0;
	works = calloc(n, sizeof *works);
	if (works == NULL)
		return fault_set(f, FAULT_MEMORY, "upload");
	for (i = 0; i < n; i++)
		works[i].upload = &uploads[i];
	store_follow(p->store);
	if (is_ready(p, works, n))
		rc = run_works(p, works, n, deadline_ms, f);
	if (rc == 0) {
		count_them(works, n);
		rc = settle(p, works, n, deadline_ms, f);
	}
	free(works);
	return rc == 0 ? 0 : fault_while(f, "upload");
}

/* --- what is there already --- */

static void
plan_look(struct work *w)
{
	const struct object *o = &w->upload->object;

	objects_key(w->key, &o->id, &o->job, o->kind);
	objects_key(w->source, &o->id, &job_id_none, o->kind);
	w->op = S3_OP_INIT(S3_HEAD, w->key);
	w->is_sent = true;
}

static int
look(const struct upload_parts *p, struct work *works, size_t n,
    int64_t deadline_ms, struct fault *f)
{
	size_t i;

	for (i = 0; i < n; i++)
		plan_look(&works[i]);
	if (send_all(p, works, n, deadline_ms, f) == -1)
		return -1;
	for (i = 0; i < n; i++)
		works[i].op.is_taken = works[i].op.fault.kind == FAULT_NONE;
	return judge_all_taken(p, works, n, deadline_ms, f);
}

int
upload_look(const struct upload_parts *p, struct upload *const *uploads,
    size_t n, int64_t deadline_ms, struct fault *f)
{
	struct work *works;
	size_t i;
	int rc;

	if (n == 0)
		return 0;
	works = calloc(n, sizeof *works);
	if (works == NULL)
		return fault_set(f, FAULT_MEMORY, "look at objects");
	for (i = 0; i < n; i++)
		works[i].upload = uploads[i];
	rc = look(p, works, n, deadline_ms, f);
	free(works);
	return rc;
}

/* A job's object is a copy that its pipeline may have edited: that there is
 * one is all there is to ask. */
static bool
is_as_it_should_be(const struct object *o, const struct s3_op *head)
{
	return o->job.text[0] != '\0' ||
	       objects_may_be(o, head->found_size, head->found_sha256);
}

/* What a HEAD says of an object; false, and *f, when it says nothing. */
static bool
judge(const struct upload_parts *p, const struct object *o,
    const struct s3_op *head, int64_t now_ms, struct objects_outcome *out,
    struct fault *f)
{
	const bool is_here = size_here(p, o) >= 0;
	const bool can_copy = o->job.text[0] != '\0' && o->is_alone_done;

	*out = (struct objects_outcome){
		.object = o, .state = OBJECTS_DONE, .error = ""
	};
	if (head->fault.kind == FAULT_NONE && is_as_it_should_be(o, head))
		return true;
	if (head->fault.kind == FAULT_NONE) {
		out->state = OBJECTS_FAILED;
		out->error = other_bytes;
	} else if (head->fault.kind != FAULT_ABSENT) {
		*f = head->fault;
		return false;
	} else if (is_here || can_copy) {
		out->state = OBJECTS_WAITING;
		out->due_ms = now_ms;
		out->error = "it was gone from the bucket";
	} else {
		out->state = OBJECTS_FAILED;
		out->error = "gone from the bucket, and not in the local store";
	}
	return true;
}

static void
log_lost(const struct upload_parts *p, const struct objects_outcome *outcome)
{
	log_event(LOG_ERROR, "object not as it was left",
	    LOG_REQUEST(cloud_request_id(p->cloud)),
	    LOG_TEXT("image_id", view_str(outcome->object->id.text)),
	    LOG_TEXT("job_id", view_str(outcome->object->job.text)),
	    LOG_TEXT("message", view_str(outcome->error)));
}

struct inspection {
	struct s3_op heads[UPLOAD_BATCH_MAX];
	char keys[UPLOAD_BATCH_MAX][OBJECTS_KEY_SIZE];
	struct objects_outcome outcomes[UPLOAD_BATCH_MAX];
};

static int
inspect(const struct upload_parts *p, struct inspection *in,
    const struct object *objects, size_t n, int64_t deadline_ms, size_t *lost,
    struct fault *f)
{
	const int64_t now_ms = clock_now_ms();
	struct fault silence = FAULT_INIT;
	size_t i, said = 0;

	for (i = 0; i < n; i++) {
		objects_key(in->keys[i], &objects[i].id, &objects[i].job,
		    objects[i].kind);
		in->heads[i] = S3_OP_INIT(S3_HEAD, in->keys[i]);
	}
	s3_run(cloud_s3(p->cloud), in->heads, n, deadline_ms);
	for (i = 0; i < n; i++)
		if (judge(p, &objects[i], &in->heads[i], now_ms,
			&in->outcomes[said], &silence)) {
			if (in->outcomes[said].state != OBJECTS_DONE) {
				log_lost(p, &in->outcomes[said]);
				(*lost)++;
			}
			said++;
		}
	if (objects_settle(p->db, in->outcomes, said, now_ms, f) == -1)
		return -1;
	if (said < n)
		*f = silence;
	return said < n ? -1 : 0;
}

int
upload_verify(const struct upload_parts *p, const struct object *objects,
    size_t n, int64_t deadline_ms, size_t *lost, struct fault *f)
{
	struct inspection *in;
	int rc;

	MUST(n <= UPLOAD_BATCH_MAX);
	*lost = 0;
	if (n == 0)
		return 0;
	store_follow(p->store);
	in = calloc(1, sizeof *in);
	if (in == NULL)
		return fault_set(f, FAULT_MEMORY, "verify objects");
	rc = inspect(p, in, objects, n, deadline_ms, lost, f);
	free(in);
	return rc == 0 ? 0 : fault_while(f, "verify objects");
}

void
upload_mourn(const struct upload_parts *p, const struct object *objects,
    size_t n, int64_t deadline_ms)
{
	struct fault f = FAULT_INIT;
	size_t lost;

	if (upload_verify(p, objects, n, deadline_ms, &lost, &f) == -1)
		log_event(LOG_ERROR, "object not verified",
		    LOG_REQUEST(cloud_request_id(p->cloud)),
		    LOG_TEXT("message", view_str(f.text)));
}
