#include "app/operations.h"

#include "app/ask.h"
#include "base/clock.h"
#include "codec/json.h"
#include "disk/jobs.h"

enum { REPLY_MAX = JOBS_RESULT_MAX + JOBS_ERROR_MAX * 8 + 4096 };

static int
read_job(const struct json_value *root, struct job_id *job, struct fault *f)
{
	const struct json_value *v = json_member(root, "job_id");

	if (json_kind(v) == JSON_KIND_TEXT)
		return job_id_parse(job, json_text(v), f);
	(void)fault_in(f, FAULT_INPUT, "job_id", "job_id must be a string");
	return fault_details(f, "got %s", json_kind_word(json_kind(v)));
}

/* A member that is true or false, or absent or null: then false. */
static int
read_force(const struct json_value *root, bool *force, struct fault *f)
{
	const struct json_value *v = json_member(root, "force");
	const enum json_kind kind = json_kind(v);

	*force = json_truth(v);
	if (kind == JSON_KIND_BOOL || kind == JSON_KIND_ABSENT ||
	    kind == JSON_KIND_NULL)
		return 0;
	(void)fault_in(f, FAULT_INPUT, "force", "force must be true or false");
	return fault_details(f, "got %s", json_kind_word(kind));
}

static int
read_body(struct view body, enum jobs_kind kind, struct job_id *job,
    bool *force, struct fault *f)
{
	struct json_doc *doc = NULL;
	int rc = json_open(&doc, body, ASK_JSON_DEPTH_MAX, f);

	if (rc == -1)
		return fault_while(f, "the body");
	rc = read_job(json_root(doc), job, f);
	if (rc == 0 && kind == JOBS_PERSIST)
		rc = read_force(json_root(doc), force, f);
	json_close(&doc);
	return rc;
}

static int
accept(struct exchange *x, const struct jobs_operation *o, struct fault *f)
{
	struct buf reply = BUF_INIT(REPLY_MAX);
	int rc;

	buf_fmt(&reply,
	    "{\"operation_id\":\"%s\",\"status_url\":\"" OPERATIONS_PATH
	    "%s\"}",
	    o->id.text, o->id.text);
	rc = buf_done(&reply, f);
	if (rc == 0)
		reply_json(&x->reply, 202, buf_view(&reply));
	buf_fini(&reply);
	return rc;
}

static int
ask(struct service *s, struct exchange *x, enum jobs_kind kind,
    struct view body, struct fault *f)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct job_id job;
	bool force = false;
	int rc = -1;

	if (assets_cloud(s->assets) == NULL)
		(void)fault_set(f, FAULT_BUSY,
		    "there is no cloud storage: STORAGE_BUCKET is not set");
	else if (read_body(body, kind, &job, &force, f) == 0 &&
		 jobs_ask(assets_db(s->assets), kind, &job, force,
		     clock_now_ms(), &o, f) == 0)
		rc = accept(x, &o, f);
	jobs_operation_fini(&o);
	return rc;
}

int
operations_persist(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	return ask(s, x, JOBS_PERSIST, body, f);
}

int
operations_download(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	return ask(s, x, JOBS_DOWNLOAD, body, f);
}

/* --- looking at one --- */

static void
add_stamp(struct buf *out, const char *name, int64_t ms)
{
	char stamp[CLOCK_STAMP_SIZE];

	clock_stamp_of(stamp, ms);
	buf_fmt(out, ",\"%s\":\"%s\"", name, stamp);
}

/* A JSON document of the catalogue's, or null. */
static void
add_document(struct buf *out, const char *name, const struct buf *document)
{
	buf_fmt(out, ",\"%s\":", name);
	buf_add(out, document->len == 0 ? VIEW("null") : buf_view(document));
}

static void
describe(const struct jobs_operation *o, struct buf *out)
{
	buf_fmt(out,
	    "{\"id\":\"%s\",\"kind\":\"%s\",\"job_id\":\"%s\",\"state\":\"%s\","
	    "\"files_done\":%lld,\"files_total\":%lld,\"bytes_done\":%lld,"
	    "\"bytes_total\":%lld",
	    o->id.text, jobs_kind_word(o->kind), o->job.text,
	    jobs_state_word(o->state), (long long)o->progress.files_done,
	    (long long)o->progress.files_total,
	    (long long)o->progress.bytes_done,
	    (long long)o->progress.bytes_total);
	add_document(out, "result", &o->result);
	add_document(out, "error", &o->error);
	add_stamp(out, "created_at", o->created_at_ms);
	add_stamp(out, "updated_at", o->updated_at_ms);
	buf_add(out, VIEW("}"));
}

int
operations_get(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct buf reply = BUF_INIT(REPLY_MAX);
	struct image_id id;
	int rc = -1;

	(void)body;
	if (exchange_image_id(x, &id, f) == -1)
		f->field = "operation_id";
	else if (jobs_find(assets_db(s->assets), &id, &o, f) == 0) {
		describe(&o, &reply);
		rc = buf_done(&reply, f);
	}
	if (rc == 0)
		reply_json(&x->reply, 200, buf_view(&reply));
	buf_fini(&reply);
	jobs_operation_fini(&o);
	return rc;
}
