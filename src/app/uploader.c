#include "app/uploader.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/assets.h"
#include "app/runner.h"
#include "app/running.h"
#include "app/start.h"
#include "app/watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	CHILDREN = 2,
	IDLE_MS = 300, /* between looks at an empty queue */

	/* A batch grows while it takes less than QUICK_MS, and shrinks when
	 * it takes over TARDY_MS: what is taken is settled soon. */
	BATCH_FIRST = 16,
	QUICK_MS = 4000,
	TARDY_MS = 10000,
	BATCH_MS = 20000,
	FEW = 4, /* so few may take as long as a slow line needs */
	FEW_MS = 300 * 1000,

	VERIFY_BATCH = 16,
	VERIFY_EVERY_MS = 10 * 1000, /* so many, no more often */
	VERIFY_MS = 10 * 1000,
	VERIFY_AGAIN_MS = 3600 * 1000, /* when S3 did not say */
	DAY_MS = 24 * 3600 * 1000
};

struct uploader {
	const struct conf *conf;
	struct assets *assets;
	struct running *running;
	int stop_fd;
	pid_t children[CHILDREN]; /* by their roles; 0: none */
	bool was_down;            /* the bucket, when last looked at */
	size_t batch;
	int64_t verify_due_ms;
	struct object taken[UPLOAD_BATCH_MAX];
	struct upload uploads[UPLOAD_BATCH_MAX];
};

/* --- its children --- */

typedef int child_work(const struct conf *conf, int stop_fd, struct fault *f);

static const struct child_role {
	const char *name;
	child_work *work;
} roles[CHILDREN] = {
	{ "watcher",
	    watch_run }, /* without it nobody would tell of an outage */
	{ "runner", runner_run },
};

/* It opens everything anew: nothing of SQLite or libcurl outlives a fork. */
static _Noreturn void
be_child(const struct uploader *u, const struct child_role *role, pid_t parent)
{
	struct fault f = FAULT_INIT;
	int rc = 1;

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent) {
		rc = role->work(u->conf, u->stop_fd, &f) == 0 ? 0 : 1;
		if (rc != 0)
			log_event(LOG_ERROR, role->name,
			    LOG_TEXT("message", view_str(f.text)));
	}
	_exit(rc);
}

static int
begin_children(struct uploader *u, struct fault *f)
{
	const pid_t parent = getpid();
	int i;

	for (i = 0; i < CHILDREN; i++) {
		u->children[i] = fork();
		if (u->children[i] == 0)
			be_child(u, &roles[i], parent);
		if (u->children[i] == -1)
			return fault_sys(
			    f, FAULT_DISK, "fork the %s", roles[i].name);
	}
	return 0;
}

/* None is begun anew here, where SQLite is open; whoever begins us anew
 * begins them, too. */
static int
need_children(struct uploader *u, struct fault *f)
{
	int i;

	for (i = 0; i < CHILDREN; i++) {
		if (waitpid(u->children[i], NULL, WNOHANG) == 0)
			continue;
		u->children[i] = 0;
		return fault_set(f, FAULT_DISK,
		    "the %s has died; its log says why", roles[i].name);
	}
	return 0;
}

static void
end_children(struct uploader *u)
{
	int i;

	for (i = 0; i < CHILDREN; i++)
		if (u->children[i] > 0)
			(void)kill(u->children[i], SIGTERM);
	for (i = 0; i < CHILDREN; i++) {
		while (u->children[i] > 0 &&
		       waitpid(u->children[i], NULL, 0) == -1 && errno == EINTR)
			continue;
		u->children[i] = 0;
	}
}

/* --- uploading --- */

static int64_t
patience_ms(size_t batch)
{
	return batch > FEW ? BATCH_MS : FEW_MS;
}

static void
adapt(struct uploader *u, int64_t took_ms)
{
	if (took_ms > TARDY_MS && u->batch > 1)
		u->batch /= 2;
	else if (took_ms < QUICK_MS && u->batch < UPLOAD_BATCH_MAX)
		u->batch *= 2;
}

/* What is not brought has its own reasons in the catalogue; one of them is
 * told here. */
static void
log_batch(const struct uploader *u, size_t n, int64_t took_ms)
{
	const char *why = "";
	int64_t done = 0;
	size_t i;

	for (i = 0; i < n; i++)
		if (u->uploads[i].object.state == OBJECTS_DONE)
			done++;
		else
			why = u->uploads[i].fault.text;
	log_event(done == (int64_t)n ? LOG_INFO : LOG_WARN, "uploaded",
	    LOG_NUMBER("objects", done), LOG_NUMBER("not", (int64_t)n - done),
	    LOG_NUMBER("ms", took_ms), LOG_TEXT("message", view_str(why)));
}

/* One batch of what waits: *n of them. */
static int
upload_some(struct uploader *u, size_t *n, struct fault *f)
{
	const struct upload_parts parts = assets_parts(u->assets);
	const int64_t began_ms = clock_ticks_ms();
	const int64_t now_ms = clock_now_ms();
	const int64_t patience = patience_ms(u->batch);
	size_t i;

	if (objects_take(parts.db, now_ms, now_ms + patience + UPLOAD_SETTLE_MS,
		u->taken, u->batch, n, f) == -1)
		return -1;
	if (*n == 0)
		return 0;
	for (i = 0; i < *n; i++)
		u->uploads[i] = (struct upload){ .object = u->taken[i],
			.fault = FAULT_INIT };
	if (upload_run(&parts, u->uploads, *n, began_ms + patience, f) == -1)
		return -1;
	log_batch(u, *n, clock_ticks_ms() - began_ms);
	adapt(u, clock_ticks_ms() - began_ms);
	return 0;
}

/* --- verifying --- */

/* A few of those that were proved longest ago. */
static int
verify_some(struct uploader *u, struct fault *f)
{
	const struct upload_parts parts = assets_parts(u->assets);
	const int64_t days = conf_number(u->conf, CONF_VERIFY_DAYS);
	const int64_t before_ms = clock_now_ms() - days * DAY_MS;
	size_t n, lost;

	if (days == 0 || clock_ticks_ms() < u->verify_due_ms)
		return 0;
	u->verify_due_ms = clock_ticks_ms() + VERIFY_EVERY_MS;
	if (objects_take_to_verify(parts.db, before_ms,
		before_ms + VERIFY_AGAIN_MS, u->taken, VERIFY_BATCH, &n,
		f) == -1)
		return -1;
	return upload_verify(
	    &parts, u->taken, n, clock_ticks_ms() + VERIFY_MS, &lost, f);
}

/* One look at the queue; *busy: there may be more at once. */
static int
turn(struct uploader *u, bool *busy, struct fault *f)
{
	struct fault down = FAULT_INIT;
	size_t n = 0;

	*busy = false;
	if (cloud_ready(assets_cloud(u->assets), &down) == -1) {
		u->was_down = true;
		return 0;
	}
	if (u->was_down &&
	    objects_resume(assets_db(u->assets), clock_now_ms(), f) == -1)
		return -1;
	u->was_down = false;
	if (upload_some(u, &n, f) == -1)
		return -1;
	*busy = n > 0;
	return n > 0 ? 0 : verify_some(u, f);
}

/* What fails in one turn is told, and may go well in the next. */
static int
work(struct uploader *u, struct fault *f)
{
	struct fault why;
	bool busy = false;

	do {
		if (need_children(u, f) == -1)
			return -1;
		why = FAULT_INIT;
		metrics_follow(clock_ticks_us());
		cloud_tend(assets_cloud(u->assets));
		if (turn(u, &busy, &why) == -1)
			log_event(LOG_ERROR, "uploader",
			    LOG_TEXT("message", view_str(why.text)));
	} while (!clock_is_stopped(u->stop_fd, busy ? 0 : IDLE_MS));
	return 0;
}

/* Images that were left until somebody asks, by settings that were other
 * than ours. */
static int
hurry(struct uploader *u, struct fault *f)
{
	const int64_t due_ms = assets_due_ms(u->assets, 0);

	return due_ms == OBJECTS_LAZY
		   ? 0
		   : objects_hurry(assets_db(u->assets), due_ms, f);
}

static int
begin(struct uploader *u, struct fault *f)
{
	if (!conf_has_bucket(u->conf))
		return fault_in(f, FAULT_INPUT, "STORAGE_BUCKET",
		    "STORAGE_BUCKET is not set: there is nothing to upload to");
	/* They come before anything is open that they must not share. */
	if (start_stop_fd(&u->stop_fd, f) == -1 || begin_children(u, f) == -1 ||
	    assets_open(&u->assets, u->conf, CLOUD_USER, u->stop_fd, f) == -1)
		return -1;
	metrics_begin(METRICS_UPLOADER_ROLE);
	running_publish(&u->running, u->conf, RUNNING_UPLOADER);
	return hurry(u, f);
}

int
uploader_run(const struct conf *conf, struct fault *f)
{
	struct uploader *u = calloc(1, sizeof *u);
	int rc;

	if (u == NULL)
		return fault_set(f, FAULT_MEMORY, "uploader");
	*u = (struct uploader){
		.conf = conf, .stop_fd = -1, .batch = BATCH_FIRST
	};
	rc = begin(u, f);
	if (rc == 0) {
		log_event(LOG_INFO, "uploader begins",
		    LOG_TEXT("bucket",
			view_str(conf_text(conf, CONF_STORAGE_BUCKET))));
		rc = work(u, f);
	}
	running_end(&u->running);
	end_children(u);
	assets_close(&u->assets);
	if (u->stop_fd != -1)
		(void)close(u->stop_fd);
	free(u);
	return rc;
}
