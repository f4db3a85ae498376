#include "app/fetch.h"

#include <string.h>

/* Are these the bytes that the catalogue means, and a whole image? */
static int
check(const struct object *o, struct view bytes, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct digest sha256;
	struct sniff sniff;

	if (digest_sha256(&sha256, bytes, f) == -1)
		return -1;
	if (sniff_image(&sniff, bytes, &why) == 0 && sniff.kind == o->kind &&
	    objects_may_be(o, (int64_t)bytes.n, sha256.hex))
		return 0;
	return fault_set(f, FAULT_REMOTE,
	    "the bucket holds something else under the image's key");
}

int
fetch_image(const struct upload_parts *parts, const struct object *o,
    int64_t deadline_ms, struct buf *bytes, struct fault *f)
{
	struct object there = *o;
	char key[OBJECTS_KEY_SIZE];
	struct s3_op get = S3_OP_INIT(S3_GET, key);

	if (o->state != OBJECTS_DONE)
		there.job = job_id_none;
	there.state = OBJECTS_DONE;
	objects_key(key, &there.id, &there.job, there.kind);
	if (cloud_ready(parts->cloud, f) == -1)
		return -1;
	get.reply = *bytes;
	s3_run(cloud_s3(parts->cloud), &get, 1, deadline_ms);
	*bytes = get.reply;
	if (get.fault.kind == FAULT_NONE)
		return check(o, buf_view(bytes), f);
	if (get.fault.kind == FAULT_ABSENT)
		upload_mourn(parts, &there, 1, deadline_ms);
	*f = get.fault;
	return -1;
}

/* Its pipeline made it: it may be anything, but it is whole. */
static int
check_copy(const struct s3_op *get, struct view bytes, struct fault *f)
{
	struct digest sha256;

	if (digest_sha256(&sha256, bytes, f) == -1)
		return -1;
	if (get->found_sha256[0] == '\0' ||
	    strcmp(get->found_sha256, sha256.hex) == 0)
		return 0;
	return fault_set(
	    f, FAULT_REMOTE, "the job's copy is not what its digest says");
}

int
fetch_copy(const struct upload_parts *parts, const struct object *o,
    int64_t deadline_ms, struct buf *bytes, struct fault *f)
{
	char key[OBJECTS_KEY_SIZE];
	struct s3_op get = S3_OP_INIT(S3_GET, key);

	objects_key(key, &o->id, &o->job, o->kind);
	get.reply = *bytes;
	s3_run(cloud_s3(parts->cloud), &get, 1, deadline_ms);
	*bytes = get.reply;
	if (get.fault.kind == FAULT_NONE)
		return check_copy(&get, buf_view(bytes), f);
	*f = get.fault;
	return -1;
}
