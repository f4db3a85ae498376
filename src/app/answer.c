#include "app/answer.h"

#include "base/log.h"
#include "codec/text.h"

enum {
	TEXT_MAX = 1024,
	URL_TEXT_MAX = S3_URL_MAX + 64, /* around one URL */
	/* Encoded in steps; a multiple of 3, so that only the last is padded */
	ENCODE_STEP = 3 * 16384
};

/* The words around the images' base64, built first to know their length. */
struct frame {
	struct buf before[GEN_IMAGES_MAX]; /* up to the base64 or null */
	struct buf behind[GEN_IMAGES_MAX]; /* from there to its end    */
	struct buf after;                  /* from the last image on   */
};

static bool
has_base64(const struct generate_image *image, bool include_base64)
{
	return include_base64 && image->bytes >= 0;
}

static struct view
around(bool quoted)
{
	return quoted ? VIEW("\"") : VIEW("null");
}

static void
write_before(
    const struct generate_image *image, int at, bool quoted, struct buf *out)
{
	char name[STORE_NAME_SIZE];

	store_name(name, &image->id, image->kind);
	buf_add(out, at == 0 ? VIEW("{\"images\":[") : VIEW(","));
	buf_fmt(out,
	    "{\"id\":\"%s\",\"path\":\"" STORE_FOLDER "/%s\",\"base64\":",
	    image->id.text, name);
	buf_add(out, around(quoted));
}

static void
write_behind(const struct generate_image *image, bool quoted, struct buf *out)
{
	const struct view url = buf_view(&image->cloud_url.text);

	buf_add(out, quoted ? VIEW("\"") : VIEW(""));
	buf_add(out, VIEW(",\"cloud_url\":"));
	if (url.n == 0)
		buf_add(out, VIEW("null"));
	else
		buf_json(out, url);
	buf_add(out, VIEW("}"));
}

static int
write_frame(struct frame *frame, const struct generate_result *result,
    bool include_base64, struct fault *f)
{
	bool quoted;
	int i;

	for (i = 0; i < result->count; i++) {
		quoted = has_base64(&result->images[i], include_base64);
		frame->before[i] = BUF_INIT(TEXT_MAX);
		frame->behind[i] = BUF_INIT(URL_TEXT_MAX);
		write_before(&result->images[i], i, quoted, &frame->before[i]);
		write_behind(&result->images[i], quoted, &frame->behind[i]);
		if (buf_done(&frame->before[i], f) == -1 ||
		    buf_done(&frame->behind[i], f) == -1)
			return -1;
	}
	frame->after = BUF_INIT(result->metadata.limit + TEXT_MAX);
	buf_add(&frame->after, VIEW("],\"metadata\":"));
	buf_add(&frame->after, buf_view(&result->metadata));
	buf_add(&frame->after, VIEW("}\n"));
	return buf_done(&frame->after, f);
}

static int64_t
total_length(const struct frame *frame, const struct generate_result *result,
    bool include_base64)
{
	int64_t n = (int64_t)frame->after.len;
	bool quoted;
	int i;

	for (i = 0; i < result->count; i++) {
		quoted = has_base64(&result->images[i], include_base64);
		n += (int64_t)(frame->before[i].len + frame->behind[i].len);
		if (quoted)
			n += (int64_t)text_base64_size(
			    (size_t)result->images[i].bytes);
	}
	return n;
}

static int
put_encoded(struct reply *r, struct view bytes, struct fault *f)
{
	struct buf text = BUF_INIT(text_base64_size(ENCODE_STEP));
	struct view step;
	int rc = 0;

	while (bytes.n > 0 && rc == 0) {
		step = bytes;
		if (step.n > ENCODE_STEP)
			step.n = ENCODE_STEP;
		buf_clear(&text);
		text_base64(&text, step);
		rc = buf_done(&text, f);
		reply_put(r, buf_view(&text));
		bytes.p += step.n;
		bytes.n -= step.n;
	}
	buf_fini(&text);
	return rc;
}

static int
put_file(struct reply *r, struct store *store,
    const struct generate_image *image, struct fault *f)
{
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	int rc = -1;

	if (store_get(store, &image->id, image->kind, &bytes, f) == -1)
		goto out;
	if ((int64_t)bytes.len != image->bytes)
		(void)fault_set(f, FAULT_DISK, "image %s has changed its size",
		    image->id.text);
	else
		rc = put_encoded(r, buf_view(&bytes), f);
out:
	buf_fini(&bytes);
	return rc;
}

static int
put_images(struct reply *r, struct store *store, const struct frame *frame,
    const struct generate_result *result, bool include_base64, struct fault *f)
{
	const struct generate_image *image;
	bool quoted;
	int i;

	for (i = 0; i < result->count; i++) {
		image = &result->images[i];
		quoted = has_base64(image, include_base64);
		reply_put(r, buf_view(&frame->before[i]));
		if (quoted && image->base64.n > 0)
			reply_put(r, image->base64);
		else if (quoted && put_file(r, store, image, f) == -1)
			return -1;
		reply_put(r, buf_view(&frame->behind[i]));
	}
	reply_put(r, buf_view(&frame->after));
	return 0;
}

static void
frame_fini(struct frame *frame)
{
	int i;

	for (i = 0; i < GEN_IMAGES_MAX; i++) {
		buf_fini(&frame->before[i]);
		buf_fini(&frame->behind[i]);
	}
	buf_fini(&frame->after);
}

int
answer_generate(struct reply *r, struct store *store,
    const struct generate_result *result, bool include_base64, struct fault *f)
{
	const struct view fresh = VIEW("Cache-Control: no-store\r\n");
	const struct view again =
	    VIEW("Cache-Control: no-store\r\nIdempotency-Replayed: true\r\n");
	struct frame frame = { .after = BUF_INIT(0) };
	struct fault late = FAULT_INIT;
	int rc = -1;

	MUST(result->count >= 1 && result->count <= GEN_IMAGES_MAX);
	if (write_frame(&frame, result, include_base64, f) == -1)
		goto out;
	reply_begin(r, 200, "application/json",
	    total_length(&frame, result, include_base64),
	    result->replayed ? again : fresh);
	if (put_images(r, store, &frame, result, include_base64, &late) == -1) {
		log_event(LOG_ERROR, "reply cut off",
		    LOG_REQUEST(r->request_id),
		    LOG_TEXT("message", view_str(late.text)));
		reply_cut(r);
	}
	rc = 0;
out:
	frame_fini(&frame);
	return rc;
}
