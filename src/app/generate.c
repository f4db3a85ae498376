#include "app/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/text.h"
#include "disk/objects.h"

enum {
	/* What one image may need on disk: twice a large 1K PNG. */
	NEED_PER_IMAGE = 8 << 20,
	PROMPT_MAX = 48 << 10,
	COME_BACK_S = 5,
	RECORD_ATTEMPTS =
	    3 /* each waits for other writers as long as db does */
};

#define MAYBE_PAID "maybe paid" /* in details: a client may look for it */

struct generate {
	const struct conf *conf;
	struct assets *assets;
	struct store *store;
	struct db *db;
	struct models *models;
};

/* One generation as it goes on. */
struct work {
	struct generate *g;
	const struct generate_request *request;
	struct generate_result *result;
	struct claim claim;
	struct catalogue_image rows[GEN_IMAGES_MAX];
	struct buf prompt;
};

int
generate_open(struct generate **out, const struct conf *conf,
    struct assets *assets, struct fault *f)
{
	const struct models_setup setup = {
		.list = view_str(conf_text(conf, CONF_IMAGE_MODELS)),
		.base_url = conf_text(conf, CONF_IMAGE_BASE_URL),
		.unix_socket = conf_text(conf, CONF_IMAGE_SOCKET),
		.key = conf_model_key(conf),
	};
	struct generate *g = calloc(1, sizeof *g);

	if (g == NULL)
		return fault_set(f, FAULT_MEMORY, "open the generator");
	*g = (struct generate){ conf, assets, assets_store(assets),
		assets_db(assets), NULL };
	if (models_open(&g->models, &setup, f) == -1) {
		free(g);
		return -1;
	}
	*out = g;
	return 0;
}

void
generate_close(struct generate **g)
{
	if (*g == NULL)
		return;
	models_close(&(*g)->models);
	free(*g);
	*g = NULL;
}

/*
 * What a claim keeps: the names of the images on the first line, the
 * metadata after it.  No image: all were refused, and the rest is the
 * model's reason.
 */
static void
write_memory(const struct generate_result *result, struct buf *out)
{
	char name[STORE_NAME_SIZE];
	int i;

	for (i = 0; i < result->count; i++) {
		store_name(name, &result->images[i].id, result->images[i].kind);
		buf_fmt(out, "%s%s", i == 0 ? "" : " ", name);
	}
	buf_add(out, VIEW("\n"));
	buf_add(out, buf_view(&result->metadata));
}

static int
recall_image(struct work *w, struct view name, struct fault *f)
{
	struct generate_image *image = &w->result->images[w->result->count];
	struct view id, extension = name;

	if (w->result->count == GEN_IMAGES_MAX ||
	    !text_split(&extension, '.', &id) ||
	    image_id_parse(&image->id, id, f) == -1 ||
	    !sniff_of_extension(extension, &image->kind))
		return fault_set(
		    f, FAULT_CATALOGUE, "a stored reply is not readable");
	image->bytes = store_size(w->g->store, &image->id, image->kind);
	w->result->count++;
	return 0;
}

static int
refused(struct fault *f, struct view reason)
{
	(void)fault_set(f, FAULT_FILTERED, "the model refused every image");
	return fault_details(f, "%.*s", (int)reason.n, reason.p);
}

static int
recall(struct work *w, struct view memory, struct fault *f)
{
	struct view names, name;

	if (!text_split(&memory, '\n', &names))
		return fault_set(
		    f, FAULT_CATALOGUE, "a stored reply is not readable");
	if (names.n == 0)
		return refused(f, memory);
	while (text_split(&names, ' ', &name))
		if (recall_image(w, name, f) == -1)
			return -1;
	w->result->replayed = true;
	buf_add(&w->result->metadata, memory);
	return buf_done(&w->result->metadata, f);
}

static int
refuse_claim(enum claims_state state, struct fault *f)
{
	static const char key[] = "Idempotency-Key";

	if (state == CLAIMS_OTHER)
		return fault_in(f, FAULT_RANGE, key,
		    "this Idempotency-Key was used with another body");
	if (state == CLAIMS_RUNNING) {
		(void)fault_in(f, FAULT_CONFLICT, key,
		    "a request with this Idempotency-Key is still running");
		f->retry_after_s = COME_BACK_S;
		return -1;
	}
	(void)fault_in(f, FAULT_CONFLICT, key,
	    "the first request with this Idempotency-Key ended inside a paid "
	    "call: it may have been paid, so it is not repeated; use a new "
	    "key to generate again");
	return fault_details(f, MAYBE_PAID);
}

/* *go_on: the key is ours, or there is none.  Otherwise the result is the
 * earlier one, or a fault says why there is none. */
static int
claim_key(struct work *w, bool *go_on, struct fault *f)
{
	struct buf memory = BUF_INIT(CLAIMS_REPLY_MAX);
	enum claims_state state = CLAIMS_OURS;
	struct digest body;
	int rc = -1;

	*go_on = true;
	if (w->request->key.n == 0)
		return 0;
	if (digest_sha256(&body, w->request->body, f) == -1 ||
	    claims_take(w->g->db, w->request->key, &body, &w->claim, &state,
		&memory, f) == -1)
		goto out;
	*go_on = state == CLAIMS_OURS;
	if (state == CLAIMS_REPLAY)
		rc = recall(w, buf_view(&memory), f);
	else
		rc = *go_on ? 0 : refuse_claim(state, f);
out:
	buf_fini(&memory);
	return rc;
}

/* Lets the key go, or marks it as maybe paid.  If even that fails, the
 * lease ends with us and the key reads as maybe paid: the safe side. */
static void
leave_claim(struct work *w, bool maybe_paid)
{
	struct db *db = w->g->db;
	struct fault f = FAULT_INIT;
	int rc;

	if (w->claim.serial == 0)
		return;
	rc = maybe_paid ? claims_doubt(db, &w->claim, &f)
			: claims_release(db, &w->claim, &f);
	if (rc == -1)
		log_event(LOG_ERROR, "claim not settled",
		    LOG_REQUEST(w->request->request_id),
		    LOG_TEXT("message", view_str(f.text)));
}

int
generate_room(struct generate *g, int images, struct fault *f)
{
	const int64_t need = (int64_t)images * NEED_PER_IMAGE;

	return store_guard(
	    g->store, images, need, conf_reserve_bytes(g->conf), f);
}

static int
guard(struct work *w, struct fault *f)
{
	if (generate_room(w->g, w->request->ask->num_images, f) == -1)
		return -1;
	/* A claim was just written, which shows as much. */
	if (w->claim.serial == 0 && db_guard(w->g->db, f) == -1)
		return -1;
	if (!w->request->is_wanted(w->request->arg))
		return fault_set(f, FAULT_PEER,
		    "the client left before the model was called");
	return 0;
}

static void
write_prompt(struct work *w)
{
	const char *form = conf_text(w->g->conf, CONF_IMAGE_PROMPT);
	const char *at = strstr(form, CONF_PROMPT_MARK);

	MUST(at != NULL); /* conf checked it */
	buf_add(&w->prompt, (struct view){ form, (size_t)(at - form) });
	buf_add(&w->prompt, w->request->ask->description);
	buf_add(&w->prompt, view_str(at + strlen(CONF_PROMPT_MARK)));
}

static int
call_model(struct work *w, struct fault *f)
{
	const struct ask *ask = w->request->ask;
	const int64_t deadline =
	    clock_ticks_ms() +
	    conf_number(w->g->conf, CONF_GENERATE_DEADLINE) * 1000;
	const int64_t began_us = clock_ticks_us();
	int rc;
	struct gen_ask gen = {
		.images = ask->num_images,
		.aspect_ratio = ask->aspect_ratio,
		.media_type = ask_media_type(ask),
		.negative_prompt = ask->negative_prompt,
		.has_seed = ask->has_seed,
		.seed = ask->seed,
		.safety_filter_level = ask->safety_filter_level,
		.person_generation = ask->person_generation,
		.request_id = w->request->request_id,
		.is_wanted = w->request->is_wanted,
		.wanted_arg = w->request->arg,
	};

	write_prompt(w);
	if (buf_done(&w->prompt, f) == -1)
		return -1;
	gen.prompt = buf_view(&w->prompt);
	rc = models_ask(w->g->models, &gen, deadline, &w->result->answer, f);
	timing_add(w->request->timing, TIMING_MODEL, began_us);
	return rc;
}

/* The bytes decide what it is; what the reply called them does not count. */
static int
check_image(
    struct view base64, struct buf *bytes, struct sniff *sniff, struct fault *f)
{
	struct fault why = FAULT_INIT;

	buf_clear(bytes);
	if (text_unbase64(base64, bytes, &why) == 0 &&
	    buf_done(bytes, &why) == 0 &&
	    sniff_image(sniff, buf_view(bytes), &why) == 0)
		return 0;
	if (why.kind == FAULT_MEMORY)
		return fault_set(f, FAULT_MEMORY, "decode an image");
	return fault_set(f, FAULT_REMOTE,
	    "the model sent something that is no whole png, jpeg or webp (%s)",
	    why.text);
}

static int
keep_image(struct work *w, const struct gen_image *image, struct buf *bytes,
    struct fault *f)
{
	const int at = w->result->count;
	struct catalogue_image *row = &w->rows[at];

	*row = (struct catalogue_image){
		.created_at_ms = clock_now_ms(),
		.prompt = buf_view(&w->prompt),
		.model = view_str(w->result->answer.model),
		.has_seed = w->request->ask->has_seed,
		.seed = image->seed,
		.request_id = w->request->request_id,
	};
	image_id_make(&row->id);
	if (check_image(image->base64, bytes, &row->sniff, f) == -1 ||
	    digest_sha256(&row->sha256, buf_view(bytes), f) == -1 ||
	    store_put(w->g->store, &row->id, row->sniff.kind, buf_view(bytes),
		f) == -1)
		return -1;
	row->bytes = (int64_t)bytes->len;
	w->result->images[at] = (struct generate_image){ .id = row->id,
		.kind = row->sniff.kind,
		.bytes = row->bytes,
		.base64 = image->base64 };
	w->result->count++;
	return 0;
}

/* A reply with fewer images does not say all of why: the log does. */
static void
log_failure(const struct work *w, int index, const struct fault *why)
{
	log_event(LOG_WARN, "image failed", LOG_REQUEST(w->request->request_id),
	    LOG_NUMBER("index", index),
	    LOG_TEXT("error", view_str(fault_word(why->kind))),
	    LOG_TEXT("message", view_str(why->text)));
}

/* Each image is kept or has its fault: one that is bad, or that the disk
 * refuses, does not take the others, which are paid for, with it.  Decoded
 * one after another, they need the memory of one. */
static void
keep_images(struct work *w)
{
	struct models_answer *answer = &w->result->answer;
	struct buf bytes = BUF_INIT(STORE_IMAGE_MAX);
	struct gen_image *image;
	int i;

	for (i = 0; i < answer->count; i++) {
		image = &answer->images[i];
		if (image->outcome == GEN_OK &&
		    keep_image(w, image, &bytes, &image->why) == -1)
			image->outcome = GEN_FAILED;
		if (image->outcome == GEN_FAILED)
			log_failure(w, i, &image->why);
		metrics_count(METRICS_IMAGES_MADE, answer->model,
		    metrics_outcome(image->outcome == GEN_OK ? FAULT_NONE
							     : image->why.kind),
		    1);
	}
	buf_fini(&bytes);
}

/* What failed is named to the client; what lies within us is not. */
static struct view
words_of(const struct fault *why)
{
	if (!fault_public(why->kind))
		return VIEW("the service could not keep it; its log says why");
	if (why->kind == FAULT_FILTERED && why->details[0] != '\0')
		return view_str(why->details);
	return view_str(why->text);
}

static void
add_failure(struct buf *out, int index, const struct fault *why)
{
	buf_fmt(out, "{\"index\":%d,\"error\":\"%s\",\"message\":", index,
	    fault_word(why->kind));
	buf_json(out, words_of(why));
	buf_add(out, VIEW("}"));
}

static int
write_metadata(struct work *w, struct fault *f)
{
	const struct models_answer *answer = &w->result->answer;
	struct buf *out = &w->result->metadata;
	char stamp[CLOCK_STAMP_SIZE];
	int filtered = 0;
	bool first = true;
	int i;

	for (i = 0; i < answer->count; i++)
		filtered += answer->images[i].outcome == GEN_FILTERED;
	buf_add(out, VIEW("{\"character_description\":"));
	buf_json(out, w->request->ask->description);
	buf_add(out, VIEW(",\"model_used\":"));
	buf_json(out, view_str(answer->model));
	buf_fmt(out,
	    ",\"num_images_requested\":%d,\"num_images_generated\":%d,"
	    "\"num_images_filtered\":%d,\"failures\":[",
	    w->request->ask->num_images, w->result->count, filtered);
	for (i = 0; i < answer->count; i++) {
		if (answer->images[i].outcome == GEN_OK)
			continue;
		buf_add(out, first ? VIEW("") : VIEW(","));
		add_failure(out, i, &answer->images[i].why);
		first = false;
	}
	buf_add(out, VIEW("],\"parameters_used\":"));
	ask_parameters(w->request->ask, out);
	clock_stamp(stamp);
	buf_fmt(out, ",\"generation_timestamp\":\"%s\"}", stamp);
	return buf_done(out, f);
}

/*
 * The image whose fault tells why none was kept: the first that failed, but
 * for one that only has to be asked for later: a client that did as it says
 * would pay again for the others.  NULL: all were refused.
 */
static const struct gen_image *
find_failure(const struct models_answer *answer)
{
	const struct gen_image *image, *first = NULL;
	int i;

	for (i = 0; i < answer->count; i++) {
		image = &answer->images[i];
		if (image->outcome != GEN_FAILED)
			continue;
		if (image->why.retry_after_s == 0)
			return image;
		if (first == NULL)
			first = image;
	}
	return first;
}

static int
nothing_kept(const struct models_answer *answer, struct fault *f)
{
	const struct gen_image *failed = find_failure(answer);

	if (failed == NULL)
		return refused(f, view_str(answer->images[0].why.details));
	*f = failed->why;
	return fault_while(f, "no image came of it");
}

/* What the claim is to remember: the result, or why all was refused.  A
 * refusal is an answer, too: the same key gives it again. */
static void
write_answer(
    const struct work *w, const struct fault *refusal, struct buf *memory)
{
	if (refusal == NULL)
		write_memory(w->result, memory);
	else
		buf_fmt(memory, "\n%s", refusal->details);
}

static bool
is_eager(const struct work *w)
{
	return conf_serves_cloud(w->g->conf) &&
	       conf_is(w->g->conf, CONF_UPLOAD_MODE, "eager");
}

static int64_t
budget_ms(const struct work *w)
{
	return conf_number(w->g->conf, CONF_UPLOAD_BUDGET) * 1000;
}

/* When the uploader may take the images: once we have had our turn. */
static int64_t
due_ms(const struct work *w)
{
	return assets_due_ms(
	    w->g->assets, is_eager(w) ? budget_ms(w) + UPLOAD_SETTLE_MS : 0);
}

/* It is paid for: a catalogue that is busy is asked again. */
static int
record_patiently(struct work *w, struct view memory, struct fault *f)
{
	struct fault last;
	int i, rc = -1;

	for (i = 0; i < RECORD_ATTEMPTS && rc == -1; i++) {
		last = FAULT_INIT;
		rc = catalogue_record(w->g->db, w->rows,
		    (size_t)w->result->count, due_ms(w), &w->claim, memory,
		    &last);
	}
	if (rc == -1)
		*f = last;
	return rc;
}

static int
record(struct work *w, const struct fault *refusal, struct fault *f)
{
	struct buf memory = BUF_INIT(CLAIMS_REPLY_MAX);
	int rc = -1;

	write_answer(w, refusal, &memory);
	if (buf_done(&memory, f) == 0 &&
	    (w->result->count == 0 || store_sync(w->g->store, f) == 0))
		rc = record_patiently(w, buf_view(&memory), f);
	buf_fini(&memory);
	return rc;
}

static int
keep_and_record(struct work *w, struct fault *f)
{
	struct fault why = FAULT_INIT;

	keep_images(w);
	if (w->result->count > 0)
		return write_metadata(w, f) == -1 ? -1 : record(w, NULL, f);
	(void)nothing_kept(&w->result->answer, &why);
	if (why.kind == FAULT_FILTERED && w->claim.serial != 0 &&
	    record(w, &why, f) == -1)
		return -1;
	*f = why;
	return -1;
}

static int
settle(struct work *w, struct fault *f)
{
	const int64_t began_us = clock_ticks_us();
	const int rc = keep_and_record(w, f);

	timing_add(w->request->timing, TIMING_STORE, began_us);
	return rc;
}

/* It failed; the client learns whether it may cost something. */
static int
give_up(struct work *w, bool maybe_paid, struct fault *f)
{
	leave_claim(w, maybe_paid);
	return maybe_paid ? fault_details(f, MAYBE_PAID) : -1;
}

/* Pays: from here on every way out must settle the claim. */
static int
pay(struct work *w, struct fault *f)
{
	if (guard(w, f) == -1)
		return give_up(w, false, f);
	if (call_model(w, f) == -1)
		return give_up(w, w->result->answer.maybe_paid, f);
	if (settle(w, f) == 0)
		return 0;
	return f->kind == FAULT_FILTERED ? -1 : give_up(w, true, f);
}

/* A generation that was begun has ended. */
static void
count_it(const struct work *w, int rc, const struct fault *f)
{
	const char *model = w->result->answer.model;

	metrics_count(METRICS_GENERATIONS, model[0] == '\0' ? "none" : model,
	    metrics_outcome(rc == 0 ? FAULT_NONE : f->kind), 1);
}

/* The images of this generation are in the bucket when this returns, or
 * wait in the queue: that fails no generation. */
static void
bring_to_cloud(struct work *w)
{
	const struct upload_parts parts = assets_parts(w->g->assets);
	const int64_t began_us = clock_ticks_us();
	struct upload uploads[GEN_IMAGES_MAX];
	struct fault f = FAULT_INIT;
	int i;

	for (i = 0; i < w->result->count; i++)
		uploads[i] = (struct upload){ .object = { .id = w->rows[i].id,
						  .kind = w->rows[i].sniff.kind,
						  .bytes = w->rows[i].bytes,
						  .sha256 = w->rows[i].sha256,
						  .state = OBJECTS_WAITING },
			.is_new = true };
	if (upload_run(&parts, uploads, (size_t)w->result->count,
		clock_ticks_ms() + budget_ms(w), &f) == -1)
		log_event(LOG_ERROR, "images not uploaded",
		    LOG_REQUEST(w->request->request_id),
		    LOG_TEXT("message", view_str(f.text)));
	timing_add(w->request->timing, TIMING_UPLOAD, began_us);
}

static void
add_url(struct work *w, struct generate_image *image)
{
	struct cloud *cloud = assets_cloud(w->g->assets);
	struct fault f = FAULT_INIT;
	struct object o;
	bool known;

	image->cloud_url = S3_URL_INIT;
	if (objects_find(w->g->db, &image->id, &job_id_none, &known, &o, &f) ==
		-1 ||
	    !known || o.state != OBJECTS_DONE ||
	    cloud_presign(cloud, &o, "GET", 0, &image->cloud_url, &f) == 0)
		return;
	log_event(LOG_ERROR, "no URL for an image",
	    LOG_REQUEST(w->request->request_id),
	    LOG_TEXT("message", view_str(f.text)));
}

/* What has been kept is answered with, whatever becomes of it here.  A
 * replay gives no URL of a bucket that is down; what has just come to the
 * bucket has one, though another image of the request found it slow. */
static void
share(struct work *w)
{
	struct fault down = FAULT_INIT;
	int i;

	if (!conf_serves_cloud(w->g->conf))
		return;
	if (w->result->replayed &&
	    cloud_ready(assets_cloud(w->g->assets), &down) == -1)
		return;
	if (is_eager(w) && !w->result->replayed)
		bring_to_cloud(w);
	for (i = 0; i < w->result->count; i++)
		add_url(w, &w->result->images[i]);
}

int
generate(struct generate *g, const struct generate_request *request,
    struct generate_result *result, struct fault *f)
{
	struct work w = { .g = g,
		.request = request,
		.result = result,
		.claim = CLAIM_INIT,
		.prompt = BUF_INIT(PROMPT_MAX) };
	bool go_on;
	int rc;

	store_follow(g->store);
	rc = claim_key(&w, &go_on, f);
	if (rc == 0 && go_on) {
		rc = pay(&w, f);
		count_it(&w, rc, f);
	}
	if (rc == 0)
		share(&w);
	claims_fini(&w.claim);
	buf_fini(&w.prompt);
	return rc;
}

void
generate_result_fini(struct generate_result *result)
{
	int i;

	for (i = 0; i < result->count; i++)
		s3_url_fini(&result->images[i].cloud_url);
	models_answer_fini(&result->answer);
	buf_fini(&result->metadata);
	*result = GENERATE_RESULT_INIT;
}
