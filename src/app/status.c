#include "app/status.h"

#include "app/running.h"
#include "base/clock.h"

enum { ERRORS_TEXT_MAX = 16 << 10, MS = 1000 };

struct status {
	struct objects_summary queue;
	int64_t oldest_s; /* -1: nothing waits for the uploader */
	const char *storage;
	int64_t news_ms; /* -1: none */
	int64_t clock_offset_ms;
	const char *credentials;
	struct running_report running;
	struct buf errors; /* written as asked for */
	bool as_json;
};

static void
write_error_json(
    const struct object *o, struct view error, bool first, struct buf *out)
{
	buf_fmt(out, "%s{\"image_id\":\"%s\",\"job_id\":", first ? "" : ",",
	    o->id.text);
	if (o->job.text[0] == '\0')
		buf_add(out, VIEW("null"));
	else
		buf_json(out, view_str(o->job.text));
	buf_fmt(out, ",\"state\":\"%s\",\"attempts\":%d,\"error\":",
	    o->state == OBJECTS_FAILED ? "failed" : "waiting", o->attempts);
	buf_json(out, error);
	buf_add(out, VIEW("}"));
}

static void
write_error_text(const struct object *o, struct view error, struct buf *out)
{
	buf_fmt(out, "  %s%s%s  %s, %d attempts: %.*s\n", o->id.text,
	    o->job.text[0] == '\0' ? "" : " in job ", o->job.text,
	    o->state == OBJECTS_FAILED ? "failed" : "waiting", o->attempts,
	    (int)error.n, error.p);
}

static int
on_error(void *arg, const struct object *o, struct view error, struct fault *f)
{
	struct status *s = arg;

	(void)f;
	if (s->as_json)
		write_error_json(o, error, s->errors.len == 0, &s->errors);
	else
		write_error_text(o, error, &s->errors);
	return 0;
}

static void
look_at_storage(struct assets *a, struct status *s)
{
	struct cloud *cloud = assets_cloud(a);

	s->storage = "off";
	s->credentials = "none";
	s->news_ms = -1;
	if (cloud == NULL)
		return;
	s->storage = state_storage_word(state_storage(cloud_state(cloud)));
	s->news_ms = state_news_age_ms(cloud_state(cloud));
	s->clock_offset_ms = state_clock_offset_ms(cloud_state(cloud));
	s->credentials = creds_source(cloud_creds(cloud));
}

static void
write_json(const struct status *s, struct buf *out)
{
	buf_fmt(out,
	    "{\"waiting\":%lld,\"lazy\":%lld,\"done\":%lld,\"failed\":%lld,"
	    "\"oldest_seconds\":",
	    (long long)s->queue.waiting, (long long)s->queue.lazy,
	    (long long)s->queue.done, (long long)s->queue.failed);
	if (s->oldest_s < 0)
		buf_add(out, VIEW("null"));
	else
		buf_fmt(out, "%lld", (long long)s->oldest_s);
	buf_fmt(out, ",\"storage\":\"%s\",\"storage_news_ms\":", s->storage);
	if (s->news_ms < 0)
		buf_add(out, VIEW("null"));
	else
		buf_fmt(out, "%lld", (long long)s->news_ms);
	buf_fmt(out,
	    ",\"clock_offset_ms\":%lld,\"credentials\":\"%s\",\"settings\":",
	    (long long)s->clock_offset_ms, s->credentials);
	running_json(&s->running, out);
	buf_add(out, VIEW(",\"errors\":["));
	buf_add(out, buf_view(&s->errors));
	buf_add(out, VIEW("]}\n"));
}

/* Those of the processes that run, beside those of this command. */
static void
write_settings(const struct running_report *r, struct buf *out)
{
	int i;

	buf_add(out, VIEW("settings     "));
	if (r->processes == 0) {
		buf_add(out, VIEW("no process runs that could be compared\n"));
		return;
	}
	if (running_differences(r) == 0) {
		buf_fmt(out, "same as in the %zu running processes\n",
		    r->processes);
		return;
	}
	buf_fmt(out,
	    "%zu differ from those of %zu processes that run; " RUNNING_HELP
	    "\n",
	    running_differences(r), r->processes);
	for (i = 0; i < CONF_COUNT; i++)
		if (r->settings[i].change != RUNNING_SAME) {
			buf_add(out, VIEW("  "));
			running_describe(r, (enum conf_key)i, out);
			buf_add(out, VIEW("\n"));
		}
}

static void
write_text(const struct status *s, struct buf *out)
{
	buf_fmt(out, "waiting      %lld", (long long)s->queue.waiting);
	if (s->oldest_s >= 0)
		buf_fmt(out, ", the oldest for %lld s", (long long)s->oldest_s);
	if (s->queue.lazy > 0)
		buf_fmt(out, ", %lld of them for their first GET",
		    (long long)s->queue.lazy);
	buf_fmt(out, "\ndone         %lld\nfailed       %lld%s\n",
	    (long long)s->queue.done, (long long)s->queue.failed,
	    s->queue.failed > 0 ? "  (charref retry --all tries them again)"
				: "");
	buf_fmt(out, "storage      %s", s->storage);
	if (s->news_ms >= 0)
		buf_fmt(out, ", asked %lld.%lld s ago",
		    (long long)(s->news_ms / MS),
		    (long long)(s->news_ms % MS / 100));
	if (s->clock_offset_ms != 0)
		buf_fmt(out, "; its clock is %lld ms from ours",
		    (long long)s->clock_offset_ms);
	buf_fmt(out, "\ncredentials  %s\n", s->credentials);
	write_settings(&s->running, out);
	if (s->errors.len > 0)
		buf_add(out, VIEW("last errors\n"));
	buf_add(out, buf_view(&s->errors));
}

/* Another user's processes cannot be compared, and all else is shown. */
static void
compare_settings(const struct conf *conf, struct running_report *out)
{
	struct fault why = FAULT_INIT;

	if (running_compare(conf, NULL, out, &why) == -1)
		*out = (struct running_report){ .processes = 0 };
}

/* What began later than now, by a clock that was put back, is new. */
int64_t
status_waited_s(int64_t since_ms)
{
	const int64_t age_ms = clock_now_ms() - since_ms;

	if (since_ms == 0)
		return -1;
	return age_ms > 0 ? age_ms / MS : 0;
}

int
status_describe(
    struct assets *a, bool as_json, struct buf *out, struct fault *f)
{
	struct status s = { .as_json = as_json,
		.errors = BUF_INIT(ERRORS_TEXT_MAX) };
	int rc = -1;

	if (objects_summary(assets_db(a), &s.queue, f) == 0 &&
	    objects_errors(assets_db(a), STATUS_ERRORS_MAX, on_error, &s, f) ==
		0 &&
	    buf_done(&s.errors, f) == 0) {
		compare_settings(assets_conf(a), &s.running);
		s.oldest_s = status_waited_s(s.queue.oldest_ms);
		look_at_storage(a, &s);
		(as_json ? write_json : write_text)(&s, out);
		rc = buf_done(out, f);
	}
	buf_fini(&s.errors);
	return rc;
}
