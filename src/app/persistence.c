#include "app/persistence.h"

#include <stdlib.h>

#include "app/ask.h"
#include "app/describe.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/text.h"

enum {
	NO_LIFE = -1 /* a life that assets refuses: 0 is its default */
};

static int
send(struct exchange *x, struct buf *body, struct fault *f)
{
	if (buf_done(body, f) == -1)
		return -1;
	reply_json(&x->reply, 200, buf_view(body));
	return 0;
}

/* A member that is a string, or absent or null: then the empty view.  name
 * is a literal. */
static int
read_text(const struct json_value *root, const char *name, struct view *out,
    struct fault *f)
{
	const struct json_value *v = json_member(root, name);

	*out = json_text(v);
	switch (json_kind(v)) {
	case JSON_KIND_TEXT:
	case JSON_KIND_ABSENT:
	case JSON_KIND_NULL:
		return 0;
	default:
		(void)fault_in(
		    f, FAULT_INPUT, name, "%s must be a string", name);
		return fault_details(f, "got %s", json_kind_word(json_kind(v)));
	}
}

static int
read_image_id(
    const struct json_value *root, struct image_id *out, struct fault *f)
{
	struct view text;

	if (read_text(root, "image_id", &text, f) == -1)
		return -1;
	return image_id_parse(out, text, f);
}

static int
read_job_id(const struct json_value *root, bool required, struct job_id *out,
    struct fault *f)
{
	const enum json_kind kind = json_kind(json_member(root, "job_id"));
	struct view text;

	out->text[0] = '\0';
	if (!required && (kind == JSON_KIND_ABSENT || kind == JSON_KIND_NULL))
		return 0;
	if (read_text(root, "job_id", &text, f) == -1)
		return -1;
	return job_id_parse(out, text, f);
}

static int
open_body(struct json_doc **doc, struct view body, struct fault *f)
{
	if (json_open(doc, body, ASK_JSON_DEPTH_MAX, f) == -1)
		return fault_while(f, "the body");
	if (json_kind(json_root(*doc)) == JSON_KIND_OBJECT)
		return 0;
	return fault_set(f, FAULT_INPUT, "the body must be a JSON object");
}

static int
persist(struct service *s, struct exchange *x, const struct image_id *id,
    const struct job_id *job, struct asset *asset, struct fault *f)
{
	const int64_t began_us = clock_ticks_us();
	const int rc =
	    persist_character_reference(s->assets, id, NULL, job, asset, f);

	timing_add(&x->timing, TIMING_UPLOAD, began_us);
	return rc;
}

int
persistence_persist(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct asset asset = ASSET_INIT;
	struct buf reply = BUF_INIT(DESCRIBE_ASSET_MAX);
	struct json_doc *doc = NULL;
	struct image_id id;
	struct job_id job;
	int rc = -1;

	if (open_body(&doc, body, f) == 0 &&
	    read_image_id(json_root(doc), &id, f) == 0 &&
	    read_job_id(json_root(doc), false, &job, f) == 0 &&
	    persist(s, x, &id, &job, &asset, f) == 0) {
		describe_persisted(&asset, &reply);
		rc = send(x, &reply, f);
	}
	buf_fini(&reply);
	asset_fini(&asset);
	json_close(&doc);
	return rc;
}

/* --- associate --- */

struct crowd {
	struct job_id job;
	struct image_id ids[ASSETS_IMAGES_MAX];
	struct asset assets[ASSETS_IMAGES_MAX];
	size_t n;
};

static int
read_ids(const struct json_value *root, struct crowd *crowd, struct fault *f)
{
	const struct json_value *list = json_member(root, "image_ids");
	size_t i;

	if (json_kind(list) != JSON_KIND_ARRAY) {
		(void)fault_in(f, FAULT_INPUT, "image_ids",
		    "image_ids must be a list of strings");
		return fault_details(
		    f, "got %s", json_kind_word(json_kind(list)));
	}
	crowd->n = json_count(list);
	if (crowd->n < 1 || crowd->n > ASSETS_IMAGES_MAX) {
		(void)fault_in(f, FAULT_RANGE, "image_ids",
		    "image_ids must have 1 to %d ids", ASSETS_IMAGES_MAX);
		return fault_details(f, "got %zu", crowd->n);
	}
	for (i = 0; i < crowd->n; i++) {
		const struct json_value *v = json_item(list, i);

		if (json_kind(v) != JSON_KIND_TEXT)
			return fault_in(f, FAULT_INPUT, "image_ids",
			    "image_ids[%zu] must be a string", i);
		if (image_id_parse(&crowd->ids[i], json_text(v), f) == -1) {
			f->field = "image_ids";
			return fault_while(f, "image_ids[%zu]", i);
		}
	}
	return 0;
}

static int
associate(
    struct service *s, struct exchange *x, struct crowd *crowd, struct fault *f)
{
	struct buf reply = BUF_INIT(crowd->n * DESCRIBE_ASSET_MAX);
	const int64_t began_us = clock_ticks_us();
	int rc;

	rc = associate_character_images_with_job(s->assets, &crowd->job,
	    crowd->ids, crowd->n, NULL, crowd->assets, f);
	timing_add(&x->timing, TIMING_UPLOAD, began_us);
	if (rc == 0) {
		describe_associated(
		    &crowd->job, crowd->assets, crowd->n, &reply);
		rc = send(x, &reply, f);
	}
	buf_fini(&reply);
	return rc;
}

int
persistence_associate(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct crowd *crowd = calloc(1, sizeof *crowd);
	struct json_doc *doc = NULL;
	size_t i;
	int rc = -1;

	if (crowd == NULL)
		return fault_set(f, FAULT_MEMORY, "associate images");
	for (i = 0; i < ASSETS_IMAGES_MAX; i++)
		crowd->assets[i] = ASSET_INIT;
	if (open_body(&doc, body, f) == 0 &&
	    read_job_id(json_root(doc), true, &crowd->job, f) == 0 &&
	    read_ids(json_root(doc), crowd, f) == 0)
		rc = associate(s, x, crowd, f);
	for (i = 0; i < ASSETS_IMAGES_MAX; i++)
		asset_fini(&crowd->assets[i]);
	free(crowd);
	json_close(&doc);
	return rc;
}

/* --- url --- */

static int
read_expiry(const struct exchange *x, int64_t *expires_s, struct fault *f)
{
	struct buf text = BUF_INIT(EXCHANGE_QUERY_MAX);
	bool given;
	int rc = exchange_query(x, "expires_in", &given, &text, f);

	*expires_s = 0;
	if (rc == 0 && given &&
	    (!text_number(buf_view(&text), expires_s) || *expires_s < 1))
		*expires_s = NO_LIFE;
	buf_fini(&text);
	return rc;
}

int
persistence_url(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct buf extension = BUF_INIT(EXCHANGE_QUERY_MAX);
	struct buf reply = BUF_INIT(DESCRIBE_ASSET_MAX);
	struct asset asset = ASSET_INIT;
	struct image_id id;
	struct job_id job;
	int64_t expires_s;
	bool given;
	int rc = -1;

	(void)body;
	if (exchange_image_id(x, &id, f) == 0 &&
	    exchange_job_id(x, &job, f) == 0 &&
	    exchange_query(x, "extension", &given, &extension, f) == 0 &&
	    read_expiry(x, &expires_s, f) == 0 &&
	    get_character_reference_url(s->assets, &id, &job,
		given ? buf_str(&extension) : NULL, expires_s, &asset,
		f) == 0) {
		describe_url(&asset, &reply);
		rc = send(x, &reply, f);
	}
	buf_fini(&extension);
	buf_fini(&reply);
	asset_fini(&asset);
	return rc;
}
