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
	    (o->bytes == 0 || o->bytes == (int64_t)bytes.n) &&
	    (o->sha256.hex[0] == '\0' ||
		strcmp(o->sha256.hex, sha256.hex) == 0))
		return 0;
	return fault_set(f, FAULT_REMOTE,
	    "the bucket holds something else under the image's key");
}

int
fetch_image(struct cloud *cloud, const struct object *o, int64_t deadline_ms,
    struct buf *bytes, struct fault *f)
{
	static const struct job_id alone = { "" };
	char key[OBJECTS_KEY_SIZE];
	struct s3_op get = S3_OP_INIT(S3_GET, key);

	objects_key(
	    key, &o->id, o->state == OBJECTS_DONE ? &o->job : &alone, o->kind);
	if (cloud_ready(cloud, f) == -1)
		return -1;
	get.reply = *bytes;
	s3_run(cloud_s3(cloud), &get, 1, deadline_ms);
	*bytes = get.reply;
	if (get.fault.kind == FAULT_NONE)
		return check(o, buf_view(bytes), f);
	*f = get.fault;
	return -1;
}
