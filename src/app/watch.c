#include "app/watch.h"

#include "app/assets.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

/* Asked for while there is no object yet: S3 says that it is not there. */
#define NOTHING_KEY "character_references/.nothing"

struct watch {
	struct assets *assets;
	int stop_fd;
	struct object probe; /* state DONE, or there is none               */
	int64_t skip;        /* so many newer ones are not the next to try */
	enum state_storage last;
};

static bool
find_probe(struct watch *w)
{
	struct fault f = FAULT_INIT;
	bool found = false;

	if (objects_newest_done(
		assets_db(w->assets), w->skip, &w->probe, &found, &f) == -1 ||
	    !found)
		w->probe.state = OBJECTS_NONE;
	return w->probe.state == OBJECTS_DONE;
}

/* A newly uploaded object is best: it is known to have been there. */
static void
choose(struct watch *w)
{
	if (w->probe.state == OBJECTS_DONE || find_probe(w) || w->skip == 0)
		return;
	w->skip = 0; /* all were refused: from the newest on again */
	(void)find_probe(w);
}

/* Without the right to list, S3 refuses an object that is gone as it would
 * refuse us: another is asked for next, further and further back. */
static void
doubt(struct watch *w)
{
	w->probe.state = OBJECTS_NONE;
	w->skip = 2 * w->skip + 1;
}

/* The object that was asked for is gone: its row is put right. */
static void
mourn(struct watch *w)
{
	const struct upload_parts parts = assets_parts(w->assets);

	upload_mourn(
	    &parts, &w->probe, 1, clock_ticks_ms() + WATCH_PATIENCE_MS);
	w->probe.state = OBJECTS_NONE;
}

/* Told when it changes, not every second. */
static void
tell(struct watch *w, enum state_storage now, const struct fault *f)
{
	if (now == w->last)
		return;
	log_event(now == STATE_UP ? LOG_INFO : LOG_ERROR, "storage",
	    LOG_TEXT("state", view_str(state_storage_word(now))),
	    LOG_TEXT("message", view_str(f->text)));
	w->last = now;
}

static void
look(struct watch *w)
{
	struct cloud *cloud = assets_cloud(w->assets);
	char key[OBJECTS_KEY_SIZE] = NOTHING_KEY;
	struct fault f = FAULT_INIT;
	enum state_storage now;
	bool must_exist, absent = false;

	choose(w);
	must_exist = w->probe.state == OBJECTS_DONE;
	if (must_exist)
		objects_key(key, &w->probe.id, &w->probe.job, w->probe.kind);
	now = s3_probe(cloud_s3(cloud), key, must_exist,
	    clock_ticks_ms() + WATCH_PATIENCE_MS, &absent, &f);
	tell(w, now, &f);
	if (must_exist && absent)
		mourn(w);
	else if (must_exist && now == STATE_DENIED)
		doubt(w);
	else if (now == STATE_UP)
		w->skip = 0;
}

/* Waits for the rest of the period; false when told to stop. */
static bool
rest(struct watch *w, int64_t began_ms)
{
	return !clock_is_stopped(
	    w->stop_fd, began_ms + WATCH_PERIOD_MS - clock_ticks_ms());
}

int
watch_run(const struct conf *conf, int stop_fd, struct fault *f)
{
	struct watch w = { .stop_fd = stop_fd, .last = STATE_UNKNOWN };
	int64_t began_ms;

	if (assets_open(&w.assets, conf, CLOUD_KEEPER, stop_fd, f) == -1)
		return fault_while(f, "watch the storage");
	metrics_begin(METRICS_WATCHER_ROLE);
	do {
		metrics_follow(clock_ticks_us());
		began_ms = clock_ticks_ms();
		cloud_tend(assets_cloud(w.assets));
		look(&w);
	} while (rest(&w, began_ms));
	assets_close(&w.assets);
	return 0;
}
