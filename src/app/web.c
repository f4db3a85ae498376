#include "app/web.h"

#include <stdlib.h>
#include <string.h>

#include "app/answer.h"
#include "app/ask.h"
#include "app/exchange.h"
#include "app/generate.h"
#include "app/recover.h"
#include "app/reply.h"
#include "base/log.h"
#include "disk/catalogue.h"
#include "disk/store.h"

#define IMAGE_PATH "/api/mv/get_character_reference/"

struct web {
	struct store *store;
	struct db *db;
	struct generate *generate;
	bool is_behind; /* images were kept that have no row yet */
};

/* body: whole and application/json where the route takes one, else empty. */
typedef int handler(
    struct web *w, struct exchange *x, struct view body, struct fault *f);

static handler healthz, get_image, generate_images;

static const char pool_fast[] = "fast"; /* never waits for the network */
static const char pool_slow[] = "slow"; /* a model's 5-60 s            */

struct route {
	const char *method; /* GET stands for HEAD, too                */
	const char *path;   /* one that ends in '/' goes on with an id */
	const char *pool;
	handler *handle;
	size_t body_max; /* 0: takes none                              */
};

static const struct route routes[] = {
	{ "GET", "/healthz", pool_fast, healthz, 0 },
	{ "GET", IMAGE_PATH, pool_fast, get_image, 0 },
	{ "POST", "/api/mv/generate_character_reference", pool_slow,
	    generate_images, WEB_JSON_BODY_MAX },
};

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
healthz(struct web *w, struct exchange *x, struct view body, struct fault *f)
{
	(void)w, (void)body, (void)f;
	reply_json(&x->reply, 200, VIEW("{\"status\":\"ok\"}"));
	return 0;
}

static int
describe_local(struct exchange *x, const struct image_id *id,
    const struct job_id *job, struct fault *f)
{
	struct buf body = BUF_INIT(1024);
	int rc;

	buf_fmt(&body,
	    "{\"image_id\":\"%s\",\"image_url\":\"" IMAGE_PATH
	    "%s?redirect=true%s%s\","
	    "\"storage_backend\":\"local\",\"expires_in_seconds\":null,"
	    "\"cloud_path\":null}",
	    id->text, id->text,
	    job->text[0] == '\0' ? "" : "&job_id=", job->text);
	rc = buf_done(&body, f);
	if (rc == 0)
		reply_json(&x->reply, 200, buf_view(&body));
	buf_fini(&body);
	return rc;
}

static void
send_local(struct exchange *x, const struct image_id *id, enum sniff_kind kind)
{
	char name[STORE_NAME_SIZE];
	char path[sizeof "/" STORE_FOLDER "/" + sizeof name] =
	    "/" STORE_FOLDER "/";

	store_name(name, id, kind);
	memcpy(path + strlen(path), name, strlen(name) + 1);
	reply_accel(&x->reply, path, sniff_media_type(kind));
}

static int
get_image(struct web *w, struct exchange *x, struct view body, struct fault *f)
{
	struct image_id id;
	struct job_id job;
	enum sniff_kind kind;
	bool redirect, found;

	(void)body;
	if (exchange_image_id(x, &id, f) == -1 ||
	    exchange_redirect(x, &redirect, f) == -1 ||
	    exchange_job_id(x, &job, f) == -1 ||
	    catalogue_find(w->db, &id, &job, &found, &kind, f) == -1)
		return -1;
	if (!found)
		return fault_in(f, FAULT_ABSENT, "image_id",
		    job.text[0] == '\0' ? "there is no image with this id"
					: "this job has no image with this id");
	if (!redirect && exchange_wants_json(x))
		return describe_local(x, &id, &job, f);
	send_local(x, &id, kind);
	return 0;
}

static bool
is_wanted(const void *arg)
{
	return !fcgi_peer_gone(arg);
}

static int
run_generation(struct web *w, struct exchange *x, const struct ask *ask,
    struct view body, struct fault *f)
{
	struct generate_request request = { .ask = ask,
		.request_id = x->reply.request_id,
		.body = body,
		.is_wanted = is_wanted,
		.arg = x->c };
	struct generate_result result = GENERATE_RESULT_INIT;
	int rc = -1;

	if (exchange_key(x, &request.key, f) == 0 &&
	    generate(w->generate, &request, &result, f) == 0) {
		x->images = result.count;
		rc = answer_generate(
		    &x->reply, w->store, &result, ask->include_base64, f);
	}
	w->is_behind |= rc == -1 && result.count > 0;
	generate_result_fini(&result);
	return rc;
}

static int
generate_images(
    struct web *w, struct exchange *x, struct view body, struct fault *f)
{
	struct ask ask = ASK_INIT;
	int rc;

	if (ask_parse(&ask, body, f) == -1)
		return -1;
	exchange_note_prompt(x, ask.description);
	rc = run_generation(w, x, &ask, body, f);
	ask_fini(&ask);
	return rc;
}

static int
handle(struct web *w, struct exchange *x, const struct route *route,
    struct fault *f)
{
	struct buf body = BUF_INIT(route->body_max);
	int rc = -1;

	if (route->body_max == 0 ||
	    (exchange_must_be_json(x, f) == 0 &&
		fcgi_body(x->c, route->body_max, &body, f) == 0))
		rc = route->handle(w, x, buf_view(&body), f);
	buf_fini(&body);
	return rc;
}

static int
put_right(struct web *w, struct fault *f)
{
	int adopted = 0;

	if (recover(w->store, w->db, &adopted, f) == -1)
		return -1;
	if (adopted > 0)
		log_event(LOG_WARN, "adopted images without a row",
		    LOG_NUMBER("images", adopted));
	return 0;
}

/* Between requests: what could not be recorded then may be recorded now. */
static void
catch_up(struct web *w)
{
	struct fault f = FAULT_INIT;

	w->is_behind = put_right(w, &f) == -1;
	if (w->is_behind)
		log_event(LOG_ERROR, "images without a row",
		    LOG_TEXT("message", view_str(f.text)));
}

static int
open_parts(struct web *w, const struct conf *conf, struct fault *f)
{
	const char *root = conf_text(conf, CONF_CHARREF_ROOT);

	if (store_open(&w->store, root, f) == -1 ||
	    db_open(&w->db, root, f) == -1 || put_right(w, f) == -1)
		return -1;
	return generate_open(&w->generate, conf, w->store, w->db, f);
}

void
web_serve(struct web *w, struct fcgi *c)
{
	struct fault f = FAULT_INIT;
	const struct route *route;
	struct exchange x;

	exchange_begin(&x, c);
	route = find_route(&x, &f);
	if (route == NULL || check_method(&x, route, &f) == -1 ||
	    handle(w, &x, route, &f) == -1)
		reply_fault(&x.reply, &f,
		    f.kind == FAULT_METHOD ? allowed_methods(route) : "");
	exchange_end(&x, &f);
	if (w->is_behind)
		catch_up(w);
}

int
web_open(struct web **out, const struct conf *conf, struct fault *f)
{
	struct web *w = calloc(1, sizeof *w);

	if (w == NULL)
		return fault_set(f, FAULT_MEMORY, "open the service");
	if (open_parts(w, conf, f) == -1) {
		web_close(&w);
		return -1;
	}
	*out = w;
	return 0;
}

void
web_close(struct web **w)
{
	if (*w == NULL)
		return;
	generate_close(&(*w)->generate);
	db_close(&(*w)->db);
	store_close(&(*w)->store);
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
