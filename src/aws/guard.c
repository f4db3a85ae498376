#include "aws/guard.h"

#include <string.h>

static const char taken[] = "the bucket has another version";
static const char too_late[] = "the time was over";

void
guard_version(struct s3_op *op, const char *etag)
{
	op->is_guarded = true;
	op->looks_first = etag != NULL;
	op->if_none_match = etag == NULL;
	op->if_match = etag;
}

bool
guard_looks(const struct errand *e)
{
	return e->op->is_guarded &&
	       (e->op->verb != S3_PUT || e->op->looks_first || e->is_plain);
}

/* Until the write has been answered, a deadline that passes is its verdict. */
static enum guard_next
go_on(struct errand *e, enum guard_next next)
{
	e->verdict = (struct verdict){
		.kind = FAULT_SLOW, .advice = too_late, .server_s = -1
	};
	return next;
}

/* --- after a HEAD --- */

/* Of a version that its caller knows no ETag of, the first look tells it. */
static bool
is_version_to_replace(struct errand *e)
{
	if (e->op->if_match == NULL || e->is_new)
		return false;
	if (e->replaced[0] == '\0')
		memcpy(e->replaced, e->op->found_etag, sizeof e->replaced);
	return strcmp(e->replaced, e->op->found_etag) == 0;
}

/* The look does not tell why: another writer that has gone again, or (409)
 * one that is about to write. */
static enum guard_next
refuse(struct errand *e)
{
	e->verdict = e->refusal;
	return GUARD_OVER;
}

static enum guard_next
judge_found(struct errand *e)
{
	if (is_version_to_replace(e)) {
		if (e->is_refused && e->refusal.status != 412)
			return refuse(e);
		/* The condition holds, and was said not to: S3 has another
		 * notion of ETags in it. */
		e->is_plain |= e->is_refused;
		return go_on(e, GUARD_WRITE);
	}
	e->op->is_taken = true;
	e->verdict = (struct verdict){
		.kind = FAULT_CONFLICT, .advice = taken, .server_s = -1
	};
	return GUARD_OVER;
}

static enum guard_next
judge_nothing(struct errand *e)
{
	if (e->op->if_match != NULL && !e->is_new) {
		e->is_new = true;
		e->is_refused = false;
		return go_on(e, GUARD_WRITE);
	}
	return e->is_refused ? refuse(e) : go_on(e, GUARD_WRITE);
}

/* Servers that leave out the id of a request are not doubted here: a write
 * to what is no S3 fails by itself. */
static bool
is_absent(const struct verdict *v)
{
	return v->kind == FAULT_ABSENT || v->status == 404;
}

/* Those of a COPY and COMPLETE are passed over by some servers. */
static bool
is_condition_enough(const struct errand *e)
{
	return e->op->verb == S3_PUT && !e->is_plain && !e->is_refused &&
	       (e->op->if_match == NULL || e->replaced[0] != '\0');
}

static enum guard_next
judge_look(struct errand *e)
{
	const struct verdict *v = &e->verdict;

	if (v->kind == FAULT_NONE)
		return judge_found(e);
	if (is_absent(v))
		return judge_nothing(e);
	if (v->kind == FAULT_DENIED && v->status == 403 &&
	    is_condition_enough(e))
		return go_on(e, GUARD_WRITE);
	return GUARD_AGAIN;
}

/* --- after the write --- */

static bool
has_condition(const struct errand *e)
{
	return !e->is_plain &&
	       (e->op->if_none_match || e->op->if_match != NULL);
}

static bool
is_condition_refused(const struct verdict *v)
{
	return v->status == 501 || strcmp(v->code, "NotImplemented") == 0;
}

/* 404: what If-Match names is not there; of a COPY it is the source. */
static bool
is_condition_false(const struct errand *e)
{
	const struct verdict *v = &e->verdict;

	if (e->op->verb == S3_PUT && v->kind == FAULT_ABSENT)
		return e->op->if_match != NULL && !e->is_new;
	return v->kind == FAULT_CONFLICT &&
	       (v->status == 412 || v->status == 409);
}

static enum guard_next
doubt(struct errand *e)
{
	e->is_refused = true;
	e->refusal = e->verdict;
	return go_on(e, GUARD_LOOK);
}

enum guard_next
guard_judge(struct errand *e)
{
	const struct verdict *v = &e->verdict;

	if (e->is_looking)
		return judge_look(e);
	if (v->kind == FAULT_NONE || !has_condition(e))
		return v->kind == FAULT_NONE ? GUARD_OVER : GUARD_AGAIN;
	if (is_condition_refused(v)) {
		e->is_plain = true;
		return go_on(e, GUARD_LOOK);
	}
	if (is_condition_false(e) && v->next == VERDICT_ENOUGH)
		return doubt(e);
	return GUARD_AGAIN;
}

enum guard_next
guard_give_up(struct errand *e)
{
	if (!e->is_looking && has_condition(e) && !e->is_refused &&
	    is_condition_false(e))
		return doubt(e);
	return GUARD_OVER;
}
