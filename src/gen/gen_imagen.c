#include "gen/gen_imagen.h"

#include <string.h>

/* Appends ,"name":"value" unless there is no value. */
static void
add_text(struct buf *out, const char *name, struct view value)
{
	if (value.n == 0)
		return;
	buf_fmt(out, ",\"%s\":", name);
	buf_json(out, value);
}

/* Imagen draws these two; any other wish is left to what it returns. */
static bool
is_drawn(const char *media_type)
{
	return media_type != NULL && (strcmp(media_type, "image/png") == 0 ||
					 strcmp(media_type, "image/jpeg") == 0);
}

static void
imagen_write(const struct gen_ask *ask, int call, struct buf *out)
{
	MUST(call == 0);
	buf_add(out, VIEW("{\"instances\":[{\"prompt\":"));
	buf_json(out, ask->prompt);
	buf_fmt(out, "}],\"parameters\":{\"sampleCount\":%d", ask->images);
	add_text(out, "aspectRatio", view_str(ask->aspect_ratio));
	buf_add(out, VIEW(",\"includeRaiReason\":true"));
	if (is_drawn(ask->media_type))
		buf_fmt(out, ",\"outputOptions\":{\"mimeType\":\"%s\"}",
		    ask->media_type);
	add_text(out, "personGeneration", view_str(ask->person_generation));
	add_text(out, "safetySetting", view_str(ask->safety_filter_level));
	add_text(out, "negativePrompt", ask->negative_prompt);
	/* A seed is only taken for images without a watermark. */
	if (ask->has_seed)
		buf_fmt(out, ",\"addWatermark\":false,\"seed\":%u",
		    gen_seed(&gen_imagen, ask, call));
	buf_add(out, VIEW("}}"));
}

/* The images that came, in their order: how many of images[] that fills. */
static int
take_images(
    const struct json_value *predictions, struct gen_image *images, int n)
{
	const struct json_value *bytes;
	size_t i;
	int filled = 0;

	for (i = 0; i < json_count(predictions) && filled < n; i++) {
		bytes = json_member(
		    json_item(predictions, i), "bytesBase64Encoded");
		if (json_kind(bytes) != JSON_KIND_ABSENT)
			gen_take(&images[filled++], json_text(bytes));
	}
	return filled;
}

/* The last reason given stands for all that are left. */
static void
give_reasons(
    const struct json_value *predictions, struct gen_image *images, int n)
{
	struct view last = VIEW("");
	struct view reason;
	size_t i;
	int filled = 0;

	for (i = 0; i < json_count(predictions) && filled < n; i++) {
		reason = json_text(json_member(
		    json_item(predictions, i), "raiFilteredReason"));
		if (reason.n == 0)
			continue;
		gen_filtered(&images[filled++], reason);
		last = reason;
	}
	for (; filled < n; filled++)
		if (last.n > 0)
			gen_filtered(&images[filled], last);
		else
			gen_failed(&images[filled],
			    "the model sent fewer images than asked for, "
			    "without a reason");
}

static bool
is_reply(const struct json_value *reply)
{
	const enum json_kind predictions =
	    json_kind(json_member(reply, "predictions"));

	return json_kind(reply) == JSON_KIND_OBJECT &&
	       (predictions == JSON_KIND_ARRAY ||
		   predictions == JSON_KIND_ABSENT ||
		   predictions == JSON_KIND_NULL);
}

static void
imagen_read(const struct json_value *reply, struct gen_image *images, int n)
{
	const struct json_value *predictions =
	    json_member(reply, "predictions");
	int filled;

	if (!is_reply(reply)) {
		gen_nonsense(images, n);
		return;
	}
	filled = take_images(predictions, images, n);
	give_reasons(predictions, images + filled, n - filled);
}

const struct gen_dialect gen_imagen = {
	.prefix = "imagen-",
	.verb = "predict",
	.batch = true,
	.seed_mask = UINT32_MAX,
	.floor_s = GEN_GOOGLE_FLOOR_S,
	.write = imagen_write,
	.read = imagen_read,
};
