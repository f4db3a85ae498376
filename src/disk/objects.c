#include "disk/objects.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/text.h"

/* In one transaction: others wait that long, and not for all. */
enum { HURRIED_AT_ONCE = 5000 };

static const char *const words[] = {
	[OBJECTS_NONE] = "",
	[OBJECTS_WAITING] = "waiting",
	[OBJECTS_DONE] = "done",
	[OBJECTS_FAILED] = "failed",
};

/* What read_object reads: o may be absent, i may not. */
#define OBJECT                                                                 \
	"i.extension, i.bytes, i.sha256, coalesce(o.state, ''), o.attempts,"   \
	" o.next_attempt_at, o.queued_at, EXISTS (SELECT 1 FROM objects AS a " \
	"WHERE "                                                               \
	"a.image_id = i.id AND"                                                \
	" a.job_id = '' AND a.state = 'done')"

/* The same and then whose it is, for read_next. */
#define EACH_OBJECT                                                            \
	"SELECT " OBJECT ", o.image_id, o.job_id, o.last_error"                \
	" FROM objects AS o JOIN images AS i ON i.id = o.image_id "

static const char find[] = "SELECT " OBJECT " FROM images AS i LEFT JOIN"
			   " objects AS o ON o.image_id = i.id AND"
			   " o.job_id = ?2 WHERE i.id = ?1";

/* ?6: OBJECTS_LAZY.  A lazy one that becomes due begins to wait. */
static const char add[] =
    "INSERT INTO objects (image_id, job_id, key, state, next_attempt_at,"
    " queued_at) VALUES (?1, ?2, ?3, 'waiting', ?4, ?5) ON CONFLICT DO UPDATE"
    " SET attempts = iif(state = 'failed', 0, attempts),"
    " last_error = iif(state = 'failed', '', last_error), state = 'waiting',"
    " next_attempt_at = excluded.next_attempt_at,"
    " queued_at = excluded.queued_at"
    " WHERE state = 'failed' OR (state = 'waiting' AND"
    " next_attempt_at = ?6 AND excluded.next_attempt_at < ?6)";

static const char oldest_due[] =
    EACH_OBJECT "WHERE o.state = 'waiting' AND o.next_attempt_at <= ?"
		" ORDER BY o.next_attempt_at LIMIT 1";
static const char newest_due[] =
    EACH_OBJECT "WHERE o.state = 'waiting' AND o.next_attempt_at <= ?"
		" ORDER BY o.next_attempt_at DESC LIMIT 1";
/* What is done has a proof, nothing else has (objects_by_proof). */
static const char oldest_proof[] =
    EACH_OBJECT "WHERE o.verified_at < ?"
		" ORDER BY o.verified_at LIMIT 1";
static const char newest_proof[] =
    EACH_OBJECT "WHERE o.verified_at IS NOT NULL"
		" ORDER BY o.verified_at DESC LIMIT 1 OFFSET ?";
static const char errors[] =
    EACH_OBJECT "WHERE o.last_error <> '' ORDER BY o.error_at DESC LIMIT ?";

/* The second condition is the one of objects_by_job. */
static const char of_job[] =
    EACH_OBJECT "WHERE o.job_id = ? AND o.job_id <> '' ORDER BY o.image_id";

/* A program of the version before leaves queued_at 0. */
static const char put_off[] = "UPDATE objects SET next_attempt_at = ?3,"
			      " queued_at = iif(queued_at = 0, ?4, queued_at)"
			      " WHERE image_id = ?1 AND job_id = ?2";
static const char proved[] = "UPDATE objects SET verified_at = ?3"
			     " WHERE image_id = ?1 AND job_id = ?2";

/*
 * ?3 state, ?4 due, ?5 is_attempt, ?6 is the error (?7) to be kept, ?8 was
 * the object done, ?9 now.  What waits again begins anew.
 */
static const char settle[] =
    "UPDATE objects SET"
    " attempts = iif(state = 'done' AND ?3 <> 'done', 0, attempts) + ?5,"
    " queued_at = iif(state = 'done' AND ?3 <> 'done', ?9, queued_at),"
    " last_error = iif(?6, ?7, last_error), error_at = iif(?6, ?9, error_at),"
    " verified_at = iif(?3 = 'done', ?9, NULL),"
    " next_attempt_at = ?4, state = ?3"
    " WHERE image_id = ?1 AND job_id = ?2 AND"
    " (?3 = 'done' OR (state = 'done') = ?8)";

static const char discover_image[] =
    "INSERT INTO images (id, extension, media_type, bytes, sha256, width,"
    " height, created_at, prompt, model, request_id)"
    " VALUES (?, ?, ?, ?, ?, 0, 0, ?, '', '', '') ON CONFLICT DO UPDATE"
    " SET bytes = excluded.bytes, sha256 = excluded.sha256 WHERE bytes = 0"
    " AND sha256 = '' AND extension = excluded.extension";

/* Nothing when the image is of another kind: this is not its object. */
static const char discover[] =
    "INSERT INTO objects (image_id, job_id, key, state, queued_at,"
    " verified_at) SELECT id, ?2, ?3, 'done', ?5, ?5 FROM images"
    " WHERE id = ?1 AND extension = ?4 ON CONFLICT DO UPDATE"
    " SET state = 'done', last_error = '', next_attempt_at = 0,"
    " verified_at = excluded.verified_at";

static const char retry[] =
    "UPDATE objects SET state = 'waiting', attempts = 0, last_error = '',"
    " next_attempt_at = ?2, queued_at = ?2"
    " WHERE state = 'failed' AND (?1 = '' OR image_id = ?1)";
static const char hurry[] =
    "UPDATE objects SET next_attempt_at = ?1, queued_at = ?1"
    " WHERE (image_id, job_id) IN (SELECT image_id, job_id FROM objects"
    " WHERE state = 'waiting' AND next_attempt_at = ?2 LIMIT ?3)";

static const char resume[] =
    "UPDATE objects SET next_attempt_at = ?1 WHERE state = 'waiting'"
    " AND attempts = 0 AND last_error <> '' AND next_attempt_at > ?1"
    " AND next_attempt_at < ?2";
static const char of_image[] =
    "SELECT job_id, state, key, last_error, attempts, verified_at"
    " FROM objects WHERE image_id = ? ORDER BY job_id";
/* Both are answered by objects_to_do alone. */
static const char not_lazy[] =
    "SELECT count(*), min(nullif(queued_at, 0)) FROM objects"
    " WHERE state = 'waiting' AND next_attempt_at < ?";
static const char count_of[] = "SELECT count(*) FROM objects WHERE state = ?";

#define JOB_FOLDER "/intermediate/character_reference/"

const char objects_alone[] = "character_references/";
const char objects_jobs[] = "videos/";

void
objects_prefix(char out[OBJECTS_KEY_SIZE], const struct image_id *id,
    const struct job_id *job)
{
	if (job->text[0] == '\0')
		(void)snprintf(
		    out, OBJECTS_KEY_SIZE, "%s%s.", objects_alone, id->text);
	else
		(void)snprintf(out, OBJECTS_KEY_SIZE, "%s%s" JOB_FOLDER "%s.",
		    objects_jobs, job->text, id->text);
}

void
objects_key(char out[OBJECTS_KEY_SIZE], const struct image_id *id,
    const struct job_id *job, enum sniff_kind kind)
{
	size_t n;

	objects_prefix(out, id, job);
	n = strlen(out);
	(void)snprintf(
	    out + n, OBJECTS_KEY_SIZE - n, "%s", sniff_extension(kind));
}

/* Takes a prefix off *v; false when it has none such. */
static bool
skip(struct view *v, const char *prefix)
{
	const struct view p = view_str(prefix);

	if (!view_begins(*v, prefix))
		return false;
	v->p += p.n;
	v->n -= p.n;
	return true;
}

bool
objects_parse_key(struct view key, struct object *out)
{
	struct view rest = key, job, id, extension;
	struct fault ignored = FAULT_INIT;

	*out = (struct object){ .state = OBJECTS_NONE };
	if (skip(&rest, objects_jobs)) {
		if (!text_split(&rest, '/', &job) ||
		    job_id_parse(&out->job, job, &ignored) == -1 ||
		    !skip(&rest, &JOB_FOLDER[1]))
			return false;
	} else if (!skip(&rest, objects_alone)) {
		return false;
	}
	extension = rest;
	return text_split(&extension, '.', &id) &&
	       image_id_parse(&out->id, id, &ignored) == 0 &&
	       sniff_of_extension(extension, &out->kind) &&
	       view_is(extension, sniff_extension(out->kind));
}

bool
objects_may_be(const struct object *o, int64_t bytes, const char *sha256)
{
	if (o->bytes > 0 && bytes >= 0 && o->bytes != bytes)
		return false;
	return o->sha256.hex[0] == '\0' || sha256[0] == '\0' ||
	       strcmp(o->sha256.hex, sha256) == 0;
}

/* Begins a statement whose first two values say whose object it is. */
static struct db_query
ask_about(struct db *db, const char *sql, const struct image_id *id,
    const struct job_id *job)
{
	struct db_query q = db_ask(db, sql);

	db_give_text(&q, view_str(id->text));
	db_give_text(&q, view_str(job->text));
	return q;
}

static bool
state_of(struct view word, enum objects_state *state)
{
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (view_is(word, words[i])) {
			*state = (enum objects_state)i;
			return true;
		}
	return false;
}

/* The columns of OBJECT: 1, 0 for an image of a kind we do not know, -1. */
static int
read_object(struct db_query *q, struct object *out, struct fault *f)
{
	struct view extension, sha256, state;

	if (db_text(q, 0, &extension, f) == -1 ||
	    db_text(q, 2, &sha256, f) == -1 || db_text(q, 3, &state, f) == -1)
		return -1;
	out->bytes = db_number(q, 1);
	out->attempts = (int)db_number(q, 4);
	out->queued_ms = db_number(q, 6);
	out->is_alone_done = db_flag(q, 7);
	out->sha256.hex[0] = '\0';
	if (sha256.n < sizeof out->sha256.hex)
		(void)snprintf(
		    out->sha256.hex, sizeof out->sha256.hex, "%s", sha256.p);
	if (!state_of(state, &out->state))
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an object in an unknown state");
	out->is_lazy =
	    out->state == OBJECTS_WAITING && db_number(q, 5) == OBJECTS_LAZY;
	return sniff_of_extension(extension, &out->kind) ? 1 : 0;
}

/*
 * The next row of EACH_OBJECT: 1, 0 at the end, or -1.  *usable is false
 * when a newer program wrote of a kind we do not know.
 */
static int
read_next(struct db_query *q, struct object *out, bool *usable, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view id, job;
	int rc = db_step(q, f);

	if (rc != 1)
		return rc;
	rc = read_object(q, out, f);
	*usable = rc == 1;
	if (rc == -1 || db_text(q, 8, &id, f) == -1 ||
	    db_text(q, 9, &job, f) == -1)
		return -1;
	out->job.text[0] = '\0';
	if (image_id_parse(&out->id, id, &why) == -1 ||
	    (job.n > 0 && job_id_parse(&out->job, job, &why) == -1))
		return fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an object with a wrong name: %s",
		    why.text);
	return 1;
}

int
objects_find(struct db *db, const struct image_id *id, const struct job_id *job,
    bool *known, struct object *out, struct fault *f)
{
	struct db_query q = ask_about(db, find, id, job);
	int rc = db_step(&q, f);

	*known = rc == 1;
	*out = (struct object){ .id = *id, .job = *job };
	if (rc == 1)
		rc = read_object(&q, out, f);
	if (*known && rc == 0)
		rc = fault_set(f, FAULT_CATALOGUE,
		    "the catalogue has an image of an unknown kind");
	db_end(&q);
	return rc == -1 ? fault_while(f, "find image %s", id->text) : 0;
}

int
objects_add(struct db *db, const struct image_id *id, const struct job_id *job,
    enum sniff_kind kind, int64_t due_ms, struct fault *f)
{
	struct db_query q = ask_about(db, add, id, job);
	char key[OBJECTS_KEY_SIZE];

	objects_key(key, id, job, kind);
	db_give_text(&q, view_str(key));
	db_give_number(&q, due_ms);
	db_give_number(&q, clock_now_ms());
	db_give_number(&q, OBJECTS_LAZY);
	return db_run(&q, f);
}

int
objects_want(struct db *db, const struct image_id *id, const struct job_id *job,
    enum sniff_kind kind, int64_t due_ms, struct fault *f)
{
	int rc = db_begin(db, f);

	if (rc == 0)
		rc = objects_add(db, id, job, kind, due_ms, f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "queue image %s", id->text);
	return 0;
}

/* The row that `which` is about, of all up to that time: as read_next. */
static int
find_one(struct db *db, const char *which, int64_t time_ms, struct object *out,
    bool *usable, struct fault *f)
{
	struct db_query q = db_ask(db, which);
	int rc;

	db_give_number(&q, time_ms);
	rc = read_next(&q, out, usable, f);
	db_end(&q);
	return rc;
}

/* Moves its next attempt out of sight. */
static int
hide(struct db *db, const struct object *o, int64_t until_ms, int64_t now_ms,
    struct fault *f)
{
	struct db_query q = ask_about(db, put_off, &o->id, &o->job);

	db_give_number(&q, until_ms);
	db_give_number(&q, now_ms);
	return db_run(&q, f);
}

/*
 * Each row is found after the last was hidden, so none comes twice.  What
 * cannot be used is hidden, too, or it would stand before the others.
 */
static int
take_due(struct db *db, int64_t now_ms, int64_t until_ms, struct object *out,
    size_t max, size_t *n, struct fault *f)
{
	bool usable = false;
	size_t i;
	int rc;

	for (i = 0; i < max; i++) {
		rc = find_one(db, i % 2 == 0 ? oldest_due : newest_due, now_ms,
		    &out[*n], &usable, f);
		if (rc != 1)
			return rc;
		if (hide(db, &out[*n], until_ms, now_ms, f) == -1)
			return -1;
		*n += usable ? 1 : 0;
	}
	return 0;
}

int
objects_take(struct db *db, int64_t now_ms, int64_t until_ms,
    struct object *out, size_t max, size_t *n, struct fault *f)
{
	int rc = db_begin(db, f);

	MUST(until_ms > now_ms);
	*n = 0;
	if (rc == 0)
		rc = take_due(db, now_ms, until_ms, out, max, n, f);
	if (db_finish(db, rc, f) == -1) {
		*n = 0;
		return fault_while(f, "take what is to be uploaded");
	}
	return 0;
}

static int
mark_proved(
    struct db *db, const struct object *o, int64_t proof_ms, struct fault *f)
{
	struct db_query q = ask_about(db, proved, &o->id, &o->job);

	db_give_number(&q, proof_ms);
	return db_run(&q, f);
}

static int
take_proofs(struct db *db, int64_t before_ms, int64_t proof_ms,
    struct object *out, size_t max, size_t *n, struct fault *f)
{
	bool usable = false;
	size_t i;
	int rc;

	for (i = 0; i < max; i++) {
		rc =
		    find_one(db, oldest_proof, before_ms, &out[*n], &usable, f);
		if (rc != 1)
			return rc;
		if (mark_proved(db, &out[*n], proof_ms, f) == -1)
			return -1;
		*n += usable ? 1 : 0;
	}
	return 0;
}

int
objects_take_to_verify(struct db *db, int64_t before_ms, int64_t now_ms,
    struct object *out, size_t max, size_t *n, struct fault *f)
{
	/* A clock put back must not give the same object again and again. */
	const int64_t proof_ms = now_ms > before_ms ? now_ms : before_ms;
	int rc = db_begin(db, f);

	*n = 0;
	if (rc == 0)
		rc = take_proofs(db, before_ms, proof_ms, out, max, n, f);
	if (db_finish(db, rc, f) == -1) {
		*n = 0;
		return fault_while(f, "take what is to be verified");
	}
	return 0;
}

static int
settle_one(struct db *db, const struct objects_outcome *o, int64_t now_ms,
    struct fault *f)
{
	struct db_query q =
	    ask_about(db, settle, &o->object->id, &o->object->job);
	const bool is_done = o->state == OBJECTS_DONE;
	const struct view error =
	    text_fit(view_str(is_done ? "" : o->error), OBJECTS_ERROR_MAX);

	MUST(o->state != OBJECTS_NONE);
	db_give_text(&q, view_str(words[o->state]));
	db_give_number(&q, o->state == OBJECTS_WAITING ? o->due_ms : 0);
	db_give_number(&q, o->is_attempt);
	db_give_number(&q, error.n > 0 || o->state != OBJECTS_WAITING);
	db_give_text(&q, error);
	db_give_number(&q, o->object->state == OBJECTS_DONE);
	db_give_number(&q, now_ms);
	return db_run(&q, f);
}

int
objects_settle(struct db *db, const struct objects_outcome *outcomes, size_t n,
    int64_t now_ms, struct fault *f)
{
	int rc = db_begin(db, f);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++)
		rc = settle_one(db, &outcomes[i], now_ms, f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "record what came of the uploads");
	return 0;
}

static int
add_discovered_image(
    struct db *db, const struct object *found, int64_t now_ms, struct fault *f)
{
	struct db_query q = db_ask(db, discover_image);
	/* A job's copy may be edited: its bytes tell nothing of the image. */
	const bool is_image = found->job.text[0] == '\0';

	db_give_text(&q, view_str(found->id.text));
	db_give_text(&q, view_str(sniff_extension(found->kind)));
	db_give_text(&q, view_str(sniff_media_type(found->kind)));
	db_give_number(&q, is_image ? found->bytes : 0);
	db_give_text(&q, view_str(is_image ? found->sha256.hex : ""));
	db_give_number(&q, now_ms);
	return db_run(&q, f);
}

static int
add_discovered_object(
    struct db *db, const struct object *found, int64_t now_ms, struct fault *f)
{
	struct db_query q = ask_about(db, discover, &found->id, &found->job);
	char key[OBJECTS_KEY_SIZE];

	objects_key(key, &found->id, &found->job, found->kind);
	db_give_text(&q, view_str(key));
	db_give_text(&q, view_str(sniff_extension(found->kind)));
	db_give_number(&q, now_ms);
	return db_run(&q, f);
}

int
objects_discovered_all(struct db *db, const struct object *found, size_t n,
    int64_t now_ms, struct fault *f)
{
	int rc = db_begin(db, f);
	size_t i;

	for (i = 0; rc == 0 && i < n; i++) {
		rc = add_discovered_image(db, &found[i], now_ms, f);
		if (rc == 0)
			rc = add_discovered_object(db, &found[i], now_ms, f);
	}
	return db_finish(db, rc, f) == -1 ? fault_while(f, "add what was found")
					  : 0;
}

int
objects_discovered(
    struct db *db, const struct object *found, int64_t now_ms, struct fault *f)
{
	if (objects_discovered_all(db, found, 1, now_ms, f) == -1)
		return fault_while(f, "image %s", found->id.text);
	return 0;
}

int
objects_newest_done(struct db *db, int64_t skip, struct object *out,
    bool *found, struct fault *f)
{
	struct db_query q = db_ask(db, newest_proof);
	bool usable = false;
	int rc;

	db_give_number(&q, skip);
	rc = read_next(&q, out, &usable, f);
	db_end(&q);
	*found = rc == 1 && usable;
	return rc == -1 ? fault_while(f, "find an object to probe") : 0;
}

int
objects_retry(struct db *db, const struct image_id *id, int64_t now_ms,
    int64_t *n, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	*n = 0;
	if (rc == 0) {
		q = db_ask(db, retry);
		db_give_text(&q, view_str(id == NULL ? "" : id->text));
		db_give_number(&q, now_ms);
		rc = db_run(&q, f);
	}
	if (rc == 0)
		*n = db_changed(db);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "queue what has failed");
	return 0;
}

/* One transaction's part of all: *n of them. */
static int
hurry_some(struct db *db, int64_t now_ms, int64_t *n, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	*n = 0;
	if (rc == 0) {
		q = db_ask(db, hurry);
		db_give_number(&q, now_ms);
		db_give_number(&q, OBJECTS_LAZY);
		db_give_number(&q, HURRIED_AT_ONCE);
		rc = db_run(&q, f);
	}
	if (rc == 0)
		*n = db_changed(db);
	return db_finish(db, rc, f);
}

int
objects_hurry(struct db *db, int64_t now_ms, struct fault *f)
{
	int64_t n;

	MUST(now_ms < OBJECTS_LAZY);
	do {
		if (hurry_some(db, now_ms, &n, f) == -1)
			return fault_while(f, "hurry what is lazy");
	} while (n == HURRIED_AT_ONCE);
	return 0;
}

int
objects_resume(struct db *db, int64_t now_ms, struct fault *f)
{
	struct db_query q;
	int rc = db_begin(db, f);

	if (rc == 0) {
		q = db_ask(db, resume);
		db_give_number(&q, now_ms);
		db_give_number(&q, OBJECTS_LAZY);
		rc = db_run(&q, f);
	}
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "go on with what waited for the bucket");
	return 0;
}

int
objects_of_job(struct db *db, const struct job_id *job, objects_seen *each,
    void *arg, struct fault *f)
{
	struct db_query q = db_ask(db, of_job);
	struct object object;
	bool usable;
	int rc;

	MUST(job->text[0] != '\0');
	db_give_text(&q, view_str(job->text));
	while ((rc = read_next(&q, &object, &usable, f)) == 1)
		if (usable && each(arg, &object, f) == -1) {
			rc = -1;
			break;
		}
	db_end(&q);
	return rc;
}

static int
read_row(struct db_query *q, struct objects_row *row, struct fault *f)
{
	if (db_text(q, 0, &row->job, f) == -1 ||
	    db_text(q, 1, &row->state, f) == -1 ||
	    db_text(q, 2, &row->key, f) == -1 ||
	    db_text(q, 3, &row->last_error, f) == -1)
		return -1;
	row->attempts = db_number(q, 4);
	row->verified_at_ms = db_number(q, 5);
	return 0;
}

int
objects_of_image(struct db *db, const struct image_id *id, objects_told *each,
    void *arg, struct fault *f)
{
	struct db_query q = db_ask(db, of_image);
	struct objects_row row;
	int rc;

	db_give_text(&q, view_str(id->text));
	while ((rc = db_step(&q, f)) == 1)
		if (read_row(&q, &row, f) == -1 || each(arg, &row, f) == -1) {
			rc = -1;
			break;
		}
	db_end(&q);
	return rc;
}

static int
count_state(
    struct db *db, enum objects_state state, int64_t *n, struct fault *f)
{
	struct db_query q = db_ask(db, count_of);
	int rc;

	db_give_text(&q, view_str(words[state]));
	rc = db_step(&q, f);
	*n = rc == 1 ? db_number(&q, 0) : 0;
	db_end(&q);
	return rc == 1 ? 0 : fault_while(f, "count the objects");
}

int
objects_backlog(struct db *db, struct objects_backlog *out, struct fault *f)
{
	struct db_query q = db_ask(db, not_lazy);
	int rc;

	*out = (struct objects_backlog){ .waiting = 0 };
	db_give_number(&q, OBJECTS_LAZY);
	rc = db_step(&q, f);
	if (rc == 1) {
		out->waiting = db_number(&q, 0);
		out->oldest_ms = db_number(&q, 1);
	}
	db_end(&q);
	if (rc != 1)
		return fault_while(f, "count the objects");
	return count_state(db, OBJECTS_FAILED, &out->failed, f);
}

int
objects_summary(struct db *db, struct objects_summary *out, struct fault *f)
{
	struct objects_backlog due;

	*out = (struct objects_summary){ .waiting = 0 };
	if (objects_backlog(db, &due, f) == -1 ||
	    count_state(db, OBJECTS_WAITING, &out->waiting, f) == -1 ||
	    count_state(db, OBJECTS_DONE, &out->done, f) == -1)
		return -1;
	/* Others may have added some in between. */
	out->lazy = out->waiting > due.waiting ? out->waiting - due.waiting : 0;
	out->failed = due.failed;
	out->oldest_ms = due.oldest_ms;
	return 0;
}

int
objects_errors(
    struct db *db, size_t max, objects_error *each, void *arg, struct fault *f)
{
	struct db_query q = db_ask(db, errors);
	struct object object;
	struct view error;
	bool usable;
	int rc;

	db_give_number(&q, (int64_t)max);
	while ((rc = read_next(&q, &object, &usable, f)) == 1) {
		if (!usable)
			continue;
		if (db_text(&q, 10, &error, f) == -1 ||
		    each(arg, &object, error, f) == -1) {
			rc = -1;
			break;
		}
	}
	db_end(&q);
	return rc;
}
