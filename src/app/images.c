#include "app/images.h"

#include <string.h>

#include "app/describe.h"
#include "app/lookup.h"
#include "base/clock.h"

enum {
	/*
	 * A redirect that is kept leads to the bucket though that went down
	 * meanwhile and the image is here; so it is not kept for long, which
	 * still spares a page that shows an image often.  Nor is it followed
	 * so shortly before its URL ends.  A cache may answer a HEAD by the
	 * redirect of a GET, whose URL S3 refuses to a HEAD: for as long.
	 */
	REDIRECT_KEPT_S = 10,
	REDIRECT_MARGIN_S = 60,
	/* nginx counts whole seconds and serves through the last of them. */
	SHARED_TICK_S = 1,
	LOCAL_JSON_MAX = 1024
};

/* One GET as it goes on. */
struct get {
	struct service *s;
	struct exchange *x;
	struct image_id id;
	struct job_id job;
	bool redirect;
	bool known;           /* the image is in the catalogue */
	struct object object; /* as the job, or the image alone, has it */
};

static int
read_request(struct get *g, struct fault *f)
{
	int64_t began_us;
	int rc;

	if (exchange_image_id(g->x, &g->id, f) == -1 ||
	    exchange_redirect(g->x, &g->redirect, f) == -1 ||
	    exchange_job_id(g->x, &g->job, f) == -1)
		return -1;
	began_us = clock_ticks_us();
	rc = objects_find(
	    assets_db(g->s->assets), &g->id, &g->job, &g->known, &g->object, f);
	timing_add(&g->x->timing, TIMING_CATALOGUE, began_us);
	return rc;
}

static bool
is_held(const struct get *g)
{
	struct store *store = assets_store(g->s->assets);

	if (!g->known)
		return false;
	store_follow(store);
	return store_size(store, &g->id, g->object.kind) >= 0;
}

/* --- the local file --- */

static int
describe_local(struct get *g, struct fault *f)
{
	struct buf body = BUF_INIT(LOCAL_JSON_MAX);
	int rc;

	buf_fmt(&body,
	    "{\"image_id\":\"%s\",\"image_url\":\"" IMAGES_PATH
	    "%s?redirect=true%s%s\","
	    "\"storage_backend\":\"local\",\"expires_in_seconds\":null,"
	    "\"cloud_path\":null}",
	    g->id.text, g->id.text,
	    g->job.text[0] == '\0' ? "" : "&job_id=", g->job.text);
	rc = buf_done(&body, f);
	if (rc == 0)
		reply_json(&g->x->reply, 200, buf_view(&body));
	buf_fini(&body);
	return rc;
}

static void
send_local(struct get *g)
{
	char name[STORE_NAME_SIZE];
	char path[sizeof "/" STORE_FOLDER "/" + sizeof name] =
	    "/" STORE_FOLDER "/";

	store_name(name, &g->id, g->object.kind);
	memcpy(path + strlen(path), name, strlen(name) + 1);
	reply_accel(&g->x->reply, path, sniff_media_type(g->object.kind),
	    conf_protects_reads(g->s->conf));
}

static int
from_here(struct get *g, struct fault *f)
{
	if (!g->redirect && exchange_wants_json(g->x))
		return describe_local(g, f);
	send_local(g);
	return 0;
}

/* --- the cloud --- */

static int
send_json(
    struct get *g, const struct asset *asset, int64_t share_s, struct fault *f)
{
	struct buf body = BUF_INIT(DESCRIBE_ASSET_MAX);
	int rc;

	describe_image(asset, &body);
	rc = buf_done(&body, f);
	if (rc == 0) {
		reply_share(&g->x->reply, share_s);
		reply_json(&g->x->reply, 200, buf_view(&body));
	}
	buf_fini(&body);
	return rc;
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long the client itself may keep a redirect. */
static int64_t
kept_s(const struct get *g, const struct s3_url *url)
{
	return conf_protects_reads(g->s->conf)
		   ? 0
		   : least(REDIRECT_KEPT_S, url->lives_s - REDIRECT_MARGIN_S);
}

/*
 * How long nginx may answer with this URL in our place: within the window,
 * where it would not differ, and never so long that whoever gets it last has
 * little time left.  A HEAD is rare, and its URL is good for no GET.
 */
static int64_t
shared_s(const struct get *g, const struct s3_url *url)
{
	const struct conf *conf = g->s->conf;
	int64_t s = conf_number(conf, CONF_REDIRECT_CACHE);

	if (g->x->reply.is_head || conf_protects_reads(conf))
		return 0;
	s = least(s, url->same_s - SHARED_TICK_S);
	s = least(s, url->lives_s - REDIRECT_MARGIN_S - SHARED_TICK_S - 1);
	return s > 0 ? s : 0;
}

static int
presign(struct get *g, struct s3_url *url, struct fault *f)
{
	const bool is_head = g->redirect && g->x->reply.is_head;
	const int64_t began_us = clock_ticks_us();
	const int rc = cloud_presign(assets_cloud(g->s->assets), &g->object,
	    is_head ? "HEAD" : "GET", 0, url, f);

	timing_add(&g->x->timing, TIMING_SIGN, began_us);
	return rc;
}

static int
send_url(struct get *g, struct fault *f)
{
	struct asset asset = ASSET_INIT;
	int64_t share_s;
	int rc;

	asset.id = g->id;
	objects_key(asset.key, &g->id, &g->job, g->object.kind);
	rc = presign(g, &asset.url, f);
	if (rc == 0) {
		share_s = shared_s(g, &asset.url);
		/* What is said of its life is true for the last who hears it.
		 */
		if (share_s > 0)
			asset.url.lives_s -= share_s + SHARED_TICK_S;
		if (!g->redirect) {
			rc = send_json(g, &asset, share_s, f);
		} else {
			reply_share(&g->x->reply, share_s);
			reply_redirect(&g->x->reply, buf_view(&asset.url.text),
			    kept_s(g, &asset.url));
		}
	}
	asset_fini(&asset);
	return rc;
}

static bool
may_wait(const struct get *g)
{
	return strcmp(g->x->pool, POOL_FAST) != 0;
}

static int
hand_over(struct get *g)
{
	reply_hand_over(&g->x->reply, "@" POOL_LOOKUP);
	return 0;
}

/* It is in the bucket; while that is down, what we hold will do.  Keys that
 * ended are renewed where waiting for the network is no harm. */
static int
from_cloud(struct get *g, struct fault *f)
{
	struct fault why = FAULT_INIT;
	const bool asks = cloud_ready(assets_cloud(g->s->assets), &why) == 0;

	if (asks && send_url(g, &why) == 0)
		return 0;
	if (asks && why.kind == FAULT_DENIED && !may_wait(g))
		return hand_over(g);
	if (is_held(g))
		return from_here(g, f);
	*f = why;
	return -1;
}

/* --- what needs the network --- */

static int
find_in_cloud(struct get *g, struct fault *f)
{
	struct assets *a = g->s->assets;

	if (lookup_foresee(assets_cloud(a), &g->id, &g->job, f) == -1)
		return -1;
	if (!may_wait(g))
		return hand_over(g);
	if (lookup_ask(assets_db(a), assets_cloud(a), &g->id, &g->job,
		clock_ticks_ms() + LOOKUP_MS, &g->object, f) == -1)
		return -1;
	g->known = true;
	return from_cloud(g, f);
}

/* Its first GET uploads an image that was left for it. */
static void
upload_now(struct get *g)
{
	const int64_t began_us = clock_ticks_us();
	const struct upload_parts parts = assets_parts(g->s->assets);
	struct upload u = { .object = g->object, .fault = FAULT_INIT };
	struct fault f = FAULT_INIT;

	if (upload_run(&parts, &u, 1, clock_ticks_ms() + LOOKUP_MS, &f) == 0)
		g->object.state = u.object.state;
	else
		log_event(LOG_ERROR, "image not uploaded",
		    LOG_REQUEST(g->x->reply.request_id),
		    LOG_TEXT("image_id", view_str(g->id.text)),
		    LOG_TEXT("message", view_str(f.text)));
	timing_add(&g->x->timing, TIMING_UPLOAD, began_us);
}

static int
not_yet(struct get *g, struct fault *f)
{
	struct fault down = FAULT_INIT;

	if (g->object.is_lazy &&
	    cloud_ready(assets_cloud(g->s->assets), &down) == 0) {
		if (!may_wait(g))
			return hand_over(g);
		upload_now(g);
		if (g->object.state == OBJECTS_DONE)
			return from_cloud(g, f);
	}
	if (is_held(g))
		return from_here(g, f);
	if (g->object.state == OBJECTS_FAILED)
		return lookup_absent(&g->job, f);
	return fault_set(f, FAULT_BUSY,
	    "this image is not in the cloud storage yet, and not here");
}

/* The cloud is off: what the catalogue and the store have is all. */
static int
without_cloud(struct get *g, struct fault *f)
{
	const bool in_job =
	    g->job.text[0] == '\0' || g->object.state != OBJECTS_NONE;

	if (in_job && is_held(g))
		return from_here(g, f);
	return lookup_absent(&g->job, f);
}

int
images_get(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct get g = { .s = s, .x = x };

	(void)body;
	if (read_request(&g, f) == -1)
		return -1;
	if (!conf_serves_cloud(s->conf))
		return without_cloud(&g, f);
	if (g.object.state == OBJECTS_DONE)
		return from_cloud(&g, f);
	if (g.object.state != OBJECTS_NONE)
		return not_yet(&g, f);
	/* It may be here for a job, and was never meant to be alone there. */
	if (g.job.text[0] == '\0' && is_held(&g))
		return from_here(&g, f);
	return find_in_cloud(&g, f);
}
