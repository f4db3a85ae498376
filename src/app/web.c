#include "app/web.h"

#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "app/ask.h"
#include "app/images.h"
#include "app/operations.h"
#include "app/persistence.h"
#include "app/ready.h"
#include "app/recover.h"
#include "app/running.h"
#include "app/scrape.h"
#include "app/service.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/text.h"

struct web {
	struct service service;
	struct running *running;
};

static service_handler healthz, generate_images;

/* What an API key is needed for, where there are any. */
enum right {
	WRITE, /* always                                      */
	READ,  /* when reads are protected; for other methods always */
	OPEN   /* never: health, and what nginx itself restricts */
};

struct route {
	const char *method; /* GET stands for HEAD, too                */
	const char *path;   /* one that ends in '/' goes on with an id */
	const char *pool;
	service_handler *handle;
	size_t body_max; /* 0: takes none                              */
	enum right right;
};

static const struct route routes[] = {
	{ "GET", "/healthz", POOL_FAST, healthz, 0, OPEN },
	{ "GET", "/readyz", POOL_FAST, ready_answer, 0, OPEN },
	{ "GET", "/metrics", POOL_FAST, scrape_answer, 0, OPEN },
	{ "GET", IMAGES_PATH, POOL_FAST, images_get, 0, READ },
	{ "GET", PERSISTENCE_URL_PATH, POOL_LOOKUP, persistence_url, 0, READ },
	{ "POST", "/api/mv/generate_character_reference", POOL_SLOW,
	    generate_images, WEB_JSON_BODY_MAX, WRITE },
	{ "POST", "/api/mv/persist_character_reference", POOL_SLOW,
	    persistence_persist, WEB_JSON_BODY_MAX, WRITE },
	{ "POST", "/api/mv/associate_character_images_with_job", POOL_SLOW,
	    persistence_associate, WEB_JSON_BODY_MAX, WRITE },
	{ "POST", "/api/mv/persist_job_assets", POOL_FAST, operations_persist,
	    WEB_JSON_BODY_MAX, WRITE },
	{ "POST", "/api/mv/download_job_assets", POOL_FAST, operations_download,
	    WEB_JSON_BODY_MAX, WRITE },
	{ "GET", OPERATIONS_PATH, POOL_FAST, operations_get, 0, READ },
};

/* Of a worker whose socket has no name, such as a TCP port. */
#define UNNAMED_GROUP "worker"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool
is_path_of(const struct route *route, struct view path)
{
	const size_t n = strlen(route->path);

	if (route->path[n - 1] == '/')
		return view_begins(path, route->path);
	return view_is(path, route->path);
}

/* The route of the path, or NULL; sets what is left of the path. */
static const struct route *
find_route(struct exchange *x, struct fault *f)
{
	const struct route *route;

	for (route = routes; route < routes + COUNT(routes); route++)
		if (is_path_of(route, x->path)) {
			x->route = route->path;
			x->rest.p = x->path.p + strlen(route->path);
			x->rest.n = x->path.n - strlen(route->path);
			return route;
		}
	(void)fault_set(f, FAULT_ABSENT, "there is nothing at this path");
	return NULL;
}

static const char *
allowed_methods(const struct route *route)
{
	return strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
}

static bool
needs_key(const struct conf *conf, const struct exchange *x,
    const struct route *route)
{
	const bool reads = x->reply.is_head || strcmp(x->method, "GET") == 0;

	switch (route->right) {
	case OPEN:
		return false;
	case READ:
		return !reads || conf_protects_reads(conf);
	case WRITE:
		break;
	}
	return true;
}

/* Before anything else of the request is looked at: a stranger learns no
 * more of it than that there is such a path, as the documents say. */
static int
check_right(const struct service *s, const struct exchange *x,
    const struct route *route, struct fault *f)
{
	const struct access *access = conf_access(s->conf);
	struct view key;

	if (access == NULL || !needs_key(s->conf, x, route))
		return 0;
	if (exchange_api_key(x, &key, f) == -1)
		return -1;
	return access_check(access, key, f);
}

static int
check_method(
    const struct exchange *x, const struct route *route, struct fault *f)
{
	if (strcmp(x->method, route->method) == 0 ||
	    (x->reply.is_head && strcmp(route->method, "GET") == 0))
		return 0;
	(void)fault_set(
	    f, FAULT_METHOD, "this path takes %s only", allowed_methods(route));
	return fault_details(f, "got %s", x->method);
}

static int
healthz(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	(void)s, (void)body, (void)f;
	reply_json(&x->reply, 200, VIEW("{\"status\":\"ok\"}"));
	return 0;
}

static bool
is_wanted(const void *arg)
{
	return !fcgi_peer_gone(arg);
}

static int
run_generation(struct service *s, struct exchange *x, const struct ask *ask,
    struct view body, struct fault *f)
{
	struct generate_request request = { .ask = ask,
		.request_id = x->reply.request_id,
		.timing = &x->timing,
		.body = body,
		.is_wanted = is_wanted,
		.arg = x->c };
	struct generate_result result = GENERATE_RESULT_INIT;
	int rc = -1;

	if (exchange_key(x, &request.key, f) == 0 &&
	    generate(s->generate, &request, &result, f) == 0) {
		x->images = result.count;
		rc = answer_generate(&x->reply, assets_store(s->assets),
		    &result, ask->include_base64, f);
	}
	s->is_behind |= rc == -1 && result.count > 0;
	generate_result_fini(&result);
	return rc;
}

static int
generate_images(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct ask ask = ASK_INIT;
	int rc;

	if (ask_parse(&ask, body, f) == -1)
		return -1;
	exchange_note_prompt(x, ask.description);
	rc = run_generation(s, x, &ask, body, f);
	ask_fini(&ask);
	return rc;
}

static int
handle(struct service *s, struct exchange *x, const struct route *route,
    struct fault *f)
{
	struct buf body = BUF_INIT(route->body_max);
	int rc = -1;

	if (route->body_max == 0 ||
	    (exchange_must_be_json(x, f) == 0 &&
		fcgi_body(x->c, route->body_max, &body, f) == 0))
		rc = route->handle(s, x, buf_view(&body), f);
	buf_fini(&body);
	return rc;
}

static int
put_right(struct service *s, struct fault *f)
{
	int adopted = 0;

	if (recover(assets_store(s->assets), assets_db(s->assets),
		assets_due_ms(s->assets, RECOVER_PATIENCE_MS), &adopted,
		f) == -1)
		return -1;
	if (adopted > 0)
		log_event(LOG_WARN, "adopted images without a row",
		    LOG_NUMBER("images", adopted));
	return 0;
}

/* Between requests: what could not be recorded then may be recorded now. */
static void
catch_up(struct service *s)
{
	struct fault f = FAULT_INIT;

	s->is_behind = put_right(s, &f) == -1;
	if (s->is_behind)
		log_event(LOG_ERROR, "images without a row",
		    LOG_TEXT("message", view_str(f.text)));
}

static int
open_parts(struct service *s, const struct conf *conf, struct fault *f)
{
	s->conf = conf;
	if (assets_open(&s->assets, conf, CLOUD_USER, 0, f) == -1 ||
	    put_right(s, f) == -1)
		return -1;
	return generate_open(&s->generate, conf, s->assets, f);
}

/* Before the request, so that the first after an idle night finds keys that
 * are good.  The fast pool leaves to others what waits for the network. */
static void
tend_cloud(struct service *s, const struct exchange *x)
{
	struct cloud *cloud = assets_cloud(s->assets);

	if (cloud == NULL)
		return;
	cloud_serve(cloud, x->reply.request_id);
	if (strcmp(x->pool, POOL_FAST) == 0)
		cloud_look(cloud);
	else
		cloud_tend(cloud);
}

/* Nothing after the request is done in its name. */
static void
release_cloud(struct service *s)
{
	if (assets_cloud(s->assets) != NULL)
		cloud_serve(assets_cloud(s->assets), VIEW(""));
}

void
web_serve(struct web *w, struct fcgi *c)
{
	struct service *s = &w->service;
	struct fault f = FAULT_INIT;
	const struct route *route;
	struct exchange x;

	exchange_begin(&x, c);
	metrics_follow(x.timing.began_us);
	metrics_busy(x.timing.began_us);
	tend_cloud(s, &x);
	route = find_route(&x, &f);
	if (route == NULL || check_right(s, &x, route, &f) == -1 ||
	    check_method(&x, route, &f) == -1 || handle(s, &x, route, &f) == -1)
		reply_fault(&x.reply, &f,
		    f.kind == FAULT_METHOD ? allowed_methods(route) : "");
	exchange_end(&x, &f);
	release_cloud(s);
	if (s->is_behind)
		catch_up(s);
	metrics_idle();
}

/* The group whose socket this is: fast-a.sock, or fast.sock without groups. */
static void
group_here(char group[FCGI_NAME_SIZE])
{
	size_t i;

	fcgi_name(group);
	for (i = 0; text_is_alnum(group[i]) || group[i] == '-'; i++)
		continue;
	group[i] = '\0';
}

/* Its pool. */
static enum metrics_role
pool_of(const char *group)
{
	size_t i;

	for (i = 0; text_is_alnum(group[i]); i++)
		continue;
	return metrics_role_named((struct view){ group, i });
}

int
web_open(struct web **out, const struct conf *conf, struct fault *f)
{
	struct web *w = calloc(1, sizeof *w);
	char group[FCGI_NAME_SIZE];

	if (w == NULL)
		return fault_set(f, FAULT_MEMORY, "open the service");
	if (open_parts(&w->service, conf, f) == -1) {
		web_close(&w);
		return -1;
	}
	group_here(group);
	metrics_begin(pool_of(group));
	running_publish(
	    &w->running, conf, group[0] == '\0' ? UNNAMED_GROUP : group);
	*out = w;
	return 0;
}

void
web_close(struct web **w)
{
	if (*w == NULL)
		return;
	running_end(&(*w)->running);
	generate_close(&(*w)->service.generate);
	assets_close(&(*w)->service.assets);
	free(*w);
	*w = NULL;
}

void
web_routes(struct buf *out)
{
	const struct route *route;

	for (route = routes; route < routes + COUNT(routes); route++)
		buf_fmt(
		    out, "%s %s %s\n", route->method, route->path, route->pool);
}
