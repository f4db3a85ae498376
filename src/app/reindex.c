#include "app/reindex.h"

#include <string.h>

#include "app/recover.h"
#include "base/clock.h"
#include "base/log.h"

/* Objects of a listing are recorded so many at a time. */
enum { RECORD_BATCH = UPLOAD_BATCH_MAX, VERIFY_MS = 60 * 1000 };

struct indexing {
	struct assets *a;
	struct reindex_report *report;
	int64_t began_ms;
	struct object known[RECORD_BATCH];
	size_t n;
	struct object found[RECORD_BATCH];
	size_t found_n;
	struct object doubted[RECORD_BATCH];
	size_t doubted_n;
};

/* --- the local folder --- */

static int
on_file(
    void *arg, const struct image_id *id, enum sniff_kind kind, struct fault *f)
{
	struct indexing *in = arg;
	struct db *db = assets_db(in->a);
	struct object o;
	bool known;

	if (objects_find(db, id, &job_id_none, &known, &o, f) == -1)
		return -1;
	if (!known || o.kind != kind || o.state != OBJECTS_NONE)
		return 0;
	in->report->queued++;
	return objects_want(
	    db, id, &job_id_none, kind, assets_due_ms(in->a, 0), f);
}

static int
index_folder(struct indexing *in, struct fault *f)
{
	int adopted = 0;

	if (recover(assets_store(in->a), assets_db(in->a),
		assets_due_ms(in->a, RECOVER_PATIENCE_MS), &adopted, f) == -1)
		return -1;
	in->report->adopted = adopted;
	return store_sweep(assets_store(in->a), on_file, in, f);
}

/* --- the bucket --- */

static int
settle_known(struct indexing *in, struct fault *f)
{
	struct objects_outcome outcomes[RECORD_BATCH];
	const size_t n = in->n;
	size_t i;

	for (i = 0; i < n; i++)
		outcomes[i] = (struct objects_outcome){ .object = &in->known[i],
			.state = OBJECTS_DONE,
			.error = "" };
	in->n = 0;
	return n == 0 ? 0
		      : objects_settle(
			    assets_db(in->a), outcomes, n, clock_now_ms(), f);
}

static int
record_found(struct indexing *in, struct fault *f)
{
	const size_t n = in->found_n;

	in->found_n = 0;
	return n == 0 ? 0
		      : objects_discovered_all(
			    assets_db(in->a), in->found, n, clock_now_ms(), f);
}

/* The size is right, and no more is known: a HEAD tells the digest.  What is
 * the image is done now, of whatever the catalogue had despaired. */
static int
judge_doubted(struct indexing *in, struct fault *f)
{
	const struct upload_parts parts = assets_parts(in->a);
	const size_t n = in->doubted_n;
	size_t wrong;

	in->doubted_n = 0;
	if (upload_verify(&parts, in->doubted, n, clock_ticks_ms() + VERIFY_MS,
		&wrong, f) == -1)
		return -1;
	in->report->discovered += (int64_t)(n - wrong);
	in->report->conflicts += (int64_t)wrong;
	return 0;
}

/* The catalogue does not know yet what is still to be recorded. */
static bool
is_among_found(const struct indexing *in, const struct image_id *id)
{
	size_t i;

	for (i = 0; i < in->found_n; i++)
		if (strcmp(in->found[i].id.text, id->text) == 0)
			return true;
	return false;
}

/* A job's object may be edited: it is the job's whatever its size. */
static bool
may_be_ours(const struct object *here, const struct object *there, int64_t size)
{
	return here->kind == there->kind &&
	       (there->job.text[0] != '\0' || objects_may_be(here, size, ""));
}

static int
on_key(void *arg, const struct listing_object *object, struct fault *f)
{
	struct indexing *in = arg;
	const struct view key = object->key;
	const int64_t size = object->size;
	struct object there, here;
	bool known;

	if (!objects_parse_key(key, &there))
		return 0;
	if ((is_among_found(in, &there.id) && record_found(in, f) == -1) ||
	    objects_find(assets_db(in->a), &there.id, &there.job, &known, &here,
		f) == -1)
		return -1;
	if (known && !may_be_ours(&here, &there, size)) {
		in->report->conflicts++;
		log_event(LOG_WARN, "object is not the local image",
		    LOG_TEXT("key", key), LOG_NUMBER("bytes", size));
		return 0;
	}
	if (known && here.state == OBJECTS_DONE) {
		in->report->confirmed++;
		in->known[in->n++] = here;
		return in->n < RECORD_BATCH ? 0 : settle_known(in, f);
	}
	if (known && here.state != OBJECTS_NONE) {
		in->doubted[in->doubted_n++] = here;
		return in->doubted_n < RECORD_BATCH ? 0 : judge_doubted(in, f);
	}
	there.bytes = size;
	in->report->discovered++;
	in->found[in->found_n++] = there;
	return in->found_n < RECORD_BATCH ? 0 : record_found(in, f);
}

/* What was said to be there and was not listed is asked for one by one:
 * it may have come or gone meanwhile. */
static int
find_lost(struct indexing *in, struct fault *f)
{
	const struct upload_parts parts = assets_parts(in->a);
	size_t n, lost;

	do {
		if (objects_take_to_verify(parts.db, in->began_ms,
			clock_now_ms(), in->known, RECORD_BATCH, &n, f) == -1 ||
		    upload_verify(&parts, in->known, n,
			clock_ticks_ms() + VERIFY_MS, &lost, f) == -1)
			return -1;
		in->report->lost += (int64_t)lost;
	} while (n > 0);
	return 0;
}

static int
index_bucket(struct indexing *in, struct fault *f)
{
	const char *const prefixes[] = { objects_alone, objects_jobs };
	struct s3 *s3 = cloud_s3(assets_cloud(in->a));
	size_t i;

	for (i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (s3_list(s3, prefixes[i], clock_ticks_ms() + REINDEX_LIST_MS,
			on_key, in, f) == -1)
			return -1;
	if (record_found(in, f) == -1 || settle_known(in, f) == -1 ||
	    judge_doubted(in, f) == -1)
		return -1;
	return find_lost(in, f);
}

int
reindex(struct assets *a, struct reindex_report *report, struct fault *f)
{
	struct indexing in = {
		.a = a, .report = report, .began_ms = clock_now_ms()
	};

	*report = (struct reindex_report){ .adopted = 0 };
	if (index_folder(&in, f) == -1 ||
	    (assets_cloud(a) != NULL && index_bucket(&in, f) == -1))
		return fault_while(f, "reindex");
	return 0;
}
