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
on_key(void *arg, struct view key, int64_t size, struct fault *f)
{
	struct search *s = arg;
	struct view extension = { key.p + s->prefix.n, key.n - s->prefix.n };
	enum sniff_kind kind;

	(void)f;
	if (s->out->state != OBJECTS_NONE ||
	    !sniff_of_extension(extension, &kind) ||
	    view_str(sniff_extension(kind)).n != extension.n)
		return 0;
	s->out->kind = kind;
	s->out->bytes = size;
	s->out->state = OBJECTS_DONE;
	return 0;
}

/* The first of the extensions that a HEAD finds.  Without the right to
 * list, S3 answers 403 for what is not there. */
static int
ask_each(
    struct s3 *s3, struct object *out, int64_t deadline_ms, struct fault *f)
{
	struct s3_op heads[SNIFF_KINDS];
	char keys[SNIFF_KINDS][OBJECTS_KEY_SIZE];
	int kind;

	for (kind = 0; kind < SNIFF_KINDS; kind++) {
		objects_key(
		    keys[kind], &out->id, &out->job, (enum sniff_kind)kind);
		heads[kind] = S3_OP_INIT(S3_HEAD, keys[kind]);
	}
	s3_run(s3, heads, SNIFF_KINDS, deadline_ms);
	for (kind = 0; kind < SNIFF_KINDS; kind++) {
		const struct s3_op *head = &heads[kind];

		if (head->fault.kind == FAULT_NONE) {
			out->kind = (enum sniff_kind)kind;
			out->bytes = head->found_size;
			out->state = OBJECTS_DONE;
			if (strlen(head->found_sha256) ==
			    sizeof out->sha256.hex - 1)
				memcpy(out->sha256.hex, head->found_sha256,
				    sizeof out->sha256.hex);
			return 0;
		}
		if (head->fault.kind != FAULT_ABSENT &&
		    head->fault.kind != FAULT_DENIED) {
			*f = head->fault;
			return -1;
		}
	}
	return 0;
}

static int
search(struct s3 *s3, struct view prefix, struct object *out,
    int64_t deadline_ms, struct fault *f)
{
	struct search s = { prefix, out };
	struct fault why = FAULT_INIT;

	if (s3_list(s3, prefix.p, deadline_ms, on_key, &s, &why) == 0)
		return 0;
	if (why.kind == FAULT_DENIED)
		return ask_each(s3, out, deadline_ms, f);
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
	if (search(cloud_s3(cloud), view_str(prefix), out, deadline_ms, f) ==
	    -1)
		return fault_while(f, "look for image %s", id->text);
	if (out->state == OBJECTS_DONE)
		return objects_discovered(db, out, clock_now_ms(), f);
	state_note_absent(cloud_state(cloud), view_str(prefix));
	return lookup_absent(job, f);
}
