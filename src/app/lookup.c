#include "app/lookup.h"

#include <string.h>

#include "base/clock.h"

int
lookup_absent(const struct job_id *job, struct fault *f)
{
	return fault_in(f, FAULT_ABSENT, "image_id",
	    job->text[0] == '\0' ? "there is no image with this id"
				 : "this job has no image with this id");
}

int
lookup_foresee(struct cloud *cloud, const struct image_id *id,
    const struct job_id *job, struct fault *f)
{
	char prefix[OBJECTS_KEY_SIZE];

	objects_prefix(prefix, id, job);
	if (state_is_absent(cloud_state(cloud), view_str(prefix)))
		return lookup_absent(job, f);
	return cloud_ready(cloud, f);
}

struct search {
	struct view prefix;
	struct object *out;
};

/* A key that goes on behind the prefix with anything but an extension of
 * ours is not the image. */
static int
on_key(void *arg, const struct listing_object *object, struct fault *f)
{
	struct search *s = arg;
	const struct view key = object->key;
	struct view extension = { key.p + s->prefix.n, key.n - s->prefix.n };
	enum sniff_kind kind;

	(void)f;
	if (s->out->state != OBJECTS_NONE ||
	    !sniff_of_extension(extension, &kind) ||
	    view_str(sniff_extension(kind)).n != extension.n)
		return 0;
	s->out->kind = kind;
	s->out->bytes = object->size;
	s->out->state = OBJECTS_DONE;
	return 0;
}

/* Without the right to list, S3 answers 403 for what is not there, and for
 * everything when it refuses us: what is surely there tells these apart. */
static int
add_witness(struct db *db, struct s3_op *head, char key[OBJECTS_KEY_SIZE],
    bool *found, struct fault *f)
{
	struct object o;

	if (objects_newest_done(db, 0, &o, found, f) == -1)
		return -1;
	if (*found) {
		objects_key(key, &o.id, &o.job, o.kind);
		*head = S3_OP_INIT(S3_HEAD, key);
	}
	return 0;
}

static void
take_found(struct object *out, enum sniff_kind kind, const struct s3_op *head)
{
	out->kind = kind;
	out->bytes = head->found_size > 0 ? head->found_size : 0;
	out->state = OBJECTS_DONE;
	if (strlen(head->found_sha256) == sizeof out->sha256.hex - 1)
		memcpy(out->sha256.hex, head->found_sha256,
		    sizeof out->sha256.hex);
}

/* A HEAD's 403 may be for want of the object.  No other refusal is: not one
 * that came to nothing here, without keys, nor one of the keys. */
static bool
may_be_absent(const struct s3_op *head)
{
	return head->fault.kind == FAULT_ABSENT ||
	       (head->fault.kind == FAULT_DENIED && head->status == 403);
}

/* The first of the extensions that a HEAD finds. */
static int
ask_each(struct db *db, struct s3 *s3, struct object *out, int64_t deadline_ms,
    struct fault *f)
{
	struct s3_op heads[SNIFF_KINDS + 1]; /* the last: the witness */
	char keys[SNIFF_KINDS + 1][OBJECTS_KEY_SIZE];
	bool has_witness;
	int kind;

	for (kind = 0; kind < SNIFF_KINDS; kind++) {
		objects_key(
		    keys[kind], &out->id, &out->job, (enum sniff_kind)kind);
		heads[kind] = S3_OP_INIT(S3_HEAD, keys[kind]);
	}
	if (add_witness(db, &heads[SNIFF_KINDS], keys[SNIFF_KINDS],
		&has_witness, f) == -1)
		return -1;
	s3_run(s3, heads, SNIFF_KINDS + has_witness, deadline_ms);
	for (kind = 0; kind < SNIFF_KINDS; kind++) {
		const struct s3_op *head = &heads[kind];

		if (head->fault.kind == FAULT_NONE) {
			take_found(out, (enum sniff_kind)kind, head);
			return 0;
		}
		if (!may_be_absent(head)) {
			*f = head->fault;
			return -1;
		}
	}
	if (!has_witness || heads[SNIFF_KINDS].fault.kind != FAULT_DENIED)
		return 0;
	*f = heads[SNIFF_KINDS].fault;
	return -1;
}

/* A listing that was refused has told all of us if it was for our keys:
 * then a HEAD's 403 would say nothing of the object. */
static int
search(struct db *db, struct cloud *cloud, struct view prefix,
    struct object *out, int64_t deadline_ms, struct fault *f)
{
	struct search s = { prefix, out };
	struct s3 *s3 = cloud_s3(cloud);
	struct fault why = FAULT_INIT;

	if (s3_list(s3, prefix.p, deadline_ms, on_key, &s, &why) == 0)
		return 0;
	if (why.kind == FAULT_DENIED)
		return cloud_ready(cloud, f) == -1
			   ? -1
			   : ask_each(db, s3, out, deadline_ms, f);
	*f = why;
	return -1;
}

int
lookup_ask(struct db *db, struct cloud *cloud, const struct image_id *id,
    const struct job_id *job, int64_t deadline_ms, struct object *out,
    struct fault *f)
{
	char prefix[OBJECTS_KEY_SIZE];

	*out = (struct object){ .id = *id, .job = *job };
	objects_prefix(prefix, id, job);
	if (lookup_foresee(cloud, id, job, f) == -1)
		return -1;
	if (search(db, cloud, view_str(prefix), out, deadline_ms, f) == -1) {
		/* To whoever asks us it is down, and worth coming back to. */
		if (f->kind == FAULT_SLOW)
			f->kind = FAULT_BUSY;
		return fault_while(f, "look for image %s", id->text);
	}
	if (out->state == OBJECTS_DONE)
		return objects_discovered(db, out, clock_now_ms(), f);
	state_note_absent(cloud_state(cloud), view_str(prefix));
	return lookup_absent(job, f);
}
