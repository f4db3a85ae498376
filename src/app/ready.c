#include "app/ready.h"

#include "app/running.h"

enum {
	BODY_MAX = 4096,
	REMARK_MAX = 256,
	COME_BACK_S = 5,
	NAMES_MOST = 3,
	SOON_S = 300 /* credentials that end sooner are told */
};

/* A check holds (0, perhaps with a remark), or does not (-1, and why). */
typedef int check(struct service *s, struct buf *remark, struct fault *f);

static int
check_catalogue(struct service *s, struct buf *remark, struct fault *f)
{
	(void)remark;
	return db_guard_within(assets_db(s->assets), READY_MS, f);
}

/* Room for the largest request. */
static int
check_disk(struct service *s, struct buf *remark, struct fault *f)
{
	(void)remark;
	return generate_room(s->generate, GEN_IMAGES_MAX, f);
}

static int
check_storage(struct service *s, struct buf *remark, struct fault *f)
{
	struct cloud *cloud = assets_cloud(s->assets);
	int64_t age_ms;

	if (!conf_serves_cloud(s->conf))
		return 0;
	if (cloud_ready(cloud, f) == -1)
		return -1;
	if (state_storage(cloud_state(cloud)) != STATE_UNKNOWN)
		return 0;
	age_ms = state_news_age_ms(cloud_state(cloud));
	if (age_ms < 0)
		buf_fmt(remark, "no news of the storage yet: taken as up");
	else
		buf_fmt(remark,
		    "no news of the storage for %lld s: taken as up; is the "
		    "uploader running?",
		    (long long)(age_ms / 1000));
	return 0;
}

static int
check_credentials(struct service *s, struct buf *remark, struct fault *f)
{
	int64_t left_ms;

	if (!conf_serves_cloud(s->conf))
		return 0;
	if (cloud_keys_left_ms(assets_cloud(s->assets), &left_ms, f) == -1)
		return -1;
	if (left_ms / 1000 < SOON_S)
		buf_fmt(remark,
		    "the credentials end in %lld s and were not renewed",
		    (long long)(left_ms / 1000));
	return 0;
}

/* Other processes serve with other settings than this worker: worth a remark,
 * and no reason to send requests elsewhere. */
static int
check_settings(struct service *s, struct buf *remark, struct fault *f)
{
	struct running_report report;
	struct fault why = FAULT_INIT;

	(void)f;
	if (running_compare(s->conf, NULL, &report, &why) == -1) {
		buf_add(remark, VIEW("not compared with other processes"));
	} else if (running_differences(&report) > 0) {
		buf_add(remark, VIEW("settings differ in other processes: "));
		running_names(&report, NAMES_MOST, remark);
	}
	return 0;
}

static const struct {
	const char *name;
	check *run;
} checks[] = { { "catalogue", check_catalogue }, { "disk", check_disk },
	{ "storage", check_storage }, { "credentials", check_credentials },
	{ "settings", check_settings } };

/* Why a check does not hold.  What names our files is for the log alone. */
static struct view
words_of(const char *name, const struct fault *f)
{
	if (fault_public(f->kind))
		return view_str(f->text);
	log_event(LOG_ERROR, "not ready", LOG_TEXT("check", view_str(name)),
	    LOG_TEXT("message", view_str(f->text)));
	return VIEW("it refuses to be written to; the log says why");
}

static bool
run_check(struct service *s, const char *name, check *run, struct buf *out)
{
	struct buf remark = BUF_INIT(REMARK_MAX);
	struct fault f = FAULT_INIT;
	const bool ok = run(s, &remark, &f) == 0;

	buf_fmt(out, "{\"name\":\"%s\",\"ok\":%s,\"reason\":", name,
	    ok ? "true" : "false");
	if (ok && remark.len == 0)
		buf_add(out, VIEW("null"));
	else
		buf_json(out, ok ? buf_view(&remark) : words_of(name, &f));
	buf_add(out, VIEW("}"));
	buf_fini(&remark);
	return ok;
}

/* Appends the checks; true when all hold. */
static bool
run_checks(struct service *s, struct buf *out)
{
	bool all = true;
	size_t i;

	for (i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		buf_add(out, i == 0 ? VIEW("") : VIEW(","));
		all &= run_check(s, checks[i].name, checks[i].run, out);
	}
	return all;
}

int
ready_answer(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct buf list = BUF_INIT(BODY_MAX), out = BUF_INIT(BODY_MAX);
	const bool ready = run_checks(s, &list);
	int rc;

	(void)body;
	buf_fmt(&out, "{\"status\":\"%s\",\"checks\":[",
	    ready ? "ready" : "not ready");
	buf_add(&out, buf_view(&list));
	buf_add(&out, VIEW("]}"));
	rc = buf_done(&list, f) == 0 ? buf_done(&out, f) : -1;
	if (rc == 0 && ready)
		reply_json(&x->reply, 200, buf_view(&out));
	else if (rc == 0)
		reply_unready(&x->reply, COME_BACK_S, buf_view(&out));
	buf_fini(&list);
	buf_fini(&out);
	return rc;
}
