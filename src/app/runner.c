#include "app/runner.h"

#include "app/describe.h"
#include "app/jobs.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	IDLE_MS = 500,        /* between looks at an empty list            */
	AGAIN_MS = 5000,      /* before one is gone on with after an outage */
	TOLD_EVERY_MS = 1000, /* its progress, which costs a write         */
	TROUBLES_MAX = 100,   /* named in a result, of how many there be   */
	TROUBLES_BYTES_MAX = JOBS_RESULT_MAX - 1024
};

struct runner {
	struct assets *assets;
	int stop_fd;
};

/* One operation at work. */
struct errand_at_work {
	struct runner *r;
	struct jobs_operation *operation;
	struct buf troubles; /* JSON objects, divided by commas */
	int troubles_n;
	int64_t told_ms;
};

static void
on_progress(void *arg, const struct jobs_progress *now, const char *path)
{
	struct errand_at_work *e = arg;
	struct fault f = FAULT_INIT;

	(void)path;
	e->operation->progress = *now;
	if (clock_ticks_ms() < e->told_ms + TOLD_EVERY_MS)
		return;
	e->told_ms = clock_ticks_ms();
	if (jobs_progress(assets_db(e->r->assets), e->operation, clock_now_ms(),
		&f) == -1)
		log_event(LOG_WARN, "progress not written",
		    LOG_TEXT("operation", view_str(e->operation->id.text)),
		    LOG_TEXT("message", view_str(f.text)));
}

static void
on_trouble(void *arg, const char *path, const struct fault *why)
{
	struct errand_at_work *e = arg;

	struct buf one = BUF_INIT(TROUBLES_BYTES_MAX);
	struct fault none = FAULT_INIT;

	if (e->troubles_n >= TROUBLES_MAX)
		return;
	buf_add(&one, e->troubles_n == 0 ? VIEW("") : VIEW(","));
	buf_add(&one, VIEW("{\"path\":"));
	buf_json(&one, view_str(path));
	buf_fmt(&one, ",\"error\":\"%s\",\"message\":", fault_word(why->kind));
	buf_json(&one, view_str(why->text));
	buf_add(&one, VIEW("}"));
	if (buf_done(&one, &none) == 0 &&
	    e->troubles.len + one.len <= e->troubles.limit) {
		buf_add(&e->troubles, buf_view(&one));
		e->troubles_n++;
	}
	buf_fini(&one);
}

/* The bucket, not the job: it will go on when that is well. */
static bool
is_passing(enum fault_kind kind)
{
	return kind == FAULT_BUSY || kind == FAULT_SLOW ||
	       kind == FAULT_THROTTLED;
}

static int
settle(struct errand_at_work *e, const struct jobs_report *report,
    const struct fault *why, struct fault *f)
{
	struct buf result = BUF_INIT(JOBS_RESULT_MAX);
	struct buf error = BUF_INIT(JOBS_ERROR_MAX * 8);
	const bool is_done = why->kind == FAULT_NONE;
	int rc = -1;

	buf_fmt(&result,
	    "{\"sent\":%lld,\"unchanged\":%lld,\"included\":%lld,"
	    "\"troubles_total\":%lld,\"troubles\":[",
	    (long long)report->sent, (long long)report->unchanged,
	    (long long)report->included, (long long)report->troubles);
	buf_add(&result, buf_view(&e->troubles));
	buf_add(&result, VIEW("]}"));
	if (!is_done)
		describe_error(why, &error);
	e->operation->progress = report->progress;
	if (buf_done(&result, f) == 0 && buf_done(&error, f) == 0)
		rc = jobs_settle(assets_db(e->r->assets), e->operation,
		    is_done ? JOBS_DONE : JOBS_FAILED, buf_view(&result),
		    buf_view(&error), clock_now_ms(), f);
	buf_fini(&result);
	buf_fini(&error);
	return rc;
}

static int
run_operation(
    struct runner *r, struct jobs_operation *o, bool *stays, struct fault *f)
{
	struct errand_at_work e = { .r = r,
		.operation = o,
		.troubles = BUF_INIT(TROUBLES_BYTES_MAX),
		.told_ms = clock_ticks_ms() - TOLD_EVERY_MS };
	const struct jobs_listener listener = { on_progress, on_trouble, &e };
	struct jobs_report report;
	struct fault why = FAULT_INIT;
	int rc;

	if (o->kind == JOBS_PERSIST)
		(void)persist_job_assets(r->assets, &o->job, NULL, o->is_forced,
		    &listener, &report, &why);
	else
		(void)download_job_assets(
		    r->assets, &o->job, NULL, &listener, &report, &why);
	*stays = is_passing(why.kind);
	log_event(why.kind == FAULT_NONE ? LOG_INFO : LOG_ERROR, "operation",
	    LOG_TEXT("operation", view_str(o->id.text)),
	    LOG_TEXT("kind", view_str(jobs_kind_word(o->kind))),
	    LOG_TEXT("job_id", view_str(o->job.text)),
	    LOG_NUMBER("files", report.progress.files_done),
	    LOG_TEXT("message", view_str(why.text)));
	rc = *stays ? 0 : settle(&e, &report, &why, f);
	buf_fini(&e.troubles);
	return rc;
}

/* The oldest that is to be done, if there is one.  *wait_ms: until the next
 * look. */
static int
turn(struct runner *r, int *wait_ms, struct fault *f)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	bool found = false, stays = false;
	int rc;

	rc = jobs_take(
	    assets_db(r->assets), clock_now_ms(), &o, &lease, &found, f);
	if (rc == 0 && found)
		rc = run_operation(r, &o, &stays, f);
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
	*wait_ms = stays ? AGAIN_MS : found ? 0 : IDLE_MS;
	return rc;
}

int
runner_run(const struct conf *conf, int stop_fd, struct fault *f)
{
	struct runner r = { .stop_fd = stop_fd };
	struct fault why;
	int wait_ms = 0;

	if (assets_open(&r.assets, conf, CLOUD_USER, stop_fd, f) == -1)
		return fault_while(f, "run operations");
	metrics_begin(METRICS_RUNNER_ROLE);
	while (!clock_is_stopped(r.stop_fd, wait_ms)) {
		why = FAULT_INIT;
		metrics_follow(clock_ticks_us());
		cloud_tend(assets_cloud(r.assets));
		if (turn(&r, &wait_ms, &why) == -1) {
			wait_ms = AGAIN_MS;
			log_event(LOG_ERROR, "operations",
			    LOG_TEXT("message", view_str(why.text)));
		}
	}
	assets_close(&r.assets);
	return 0;
}
