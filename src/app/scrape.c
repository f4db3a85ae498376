#include "app/scrape.h"

#include "app/status.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "disk/catalogue.h"
#include "disk/jobs.h"

#define MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

static void
gauge(struct buf *out, enum metrics_id id, double value)
{
	metrics_write_head(out, id);
	metrics_write(out, id, NULL, NULL, value);
}

static double
seconds(int64_t ms)
{
	return (double)ms / 1000;
}

/* --- the catalogue --- */

struct findings {
	struct objects_backlog backlog;
	int64_t images;
	int64_t operations[JOBS_STATES];
};

static void
write_findings(const struct findings *found, struct buf *out)
{
	const int64_t oldest_s = status_waited_s(found->backlog.oldest_ms);
	int i;

	gauge(out, METRICS_OBJECTS_WAITING, (double)found->backlog.waiting);
	gauge(out, METRICS_OBJECTS_FAILED, (double)found->backlog.failed);
	gauge(
	    out, METRICS_OLDEST_WAITING, oldest_s < 0 ? 0.0 : (double)oldest_s);
	gauge(out, METRICS_IMAGES, (double)found->images);
	metrics_write_head(out, METRICS_OPERATIONS);
	for (i = 0; i < JOBS_STATES; i++)
		metrics_write(out, METRICS_OPERATIONS,
		    jobs_state_word((enum jobs_state)i), NULL,
		    (double)found->operations[i]);
}

static void
write_catalogue(struct db *db, struct buf *out)
{
	struct fault f = FAULT_INIT;
	struct findings found;
	bool is_read;

	is_read = objects_backlog(db, &found.backlog, &f) == 0 &&
		  catalogue_count(db, &found.images, &f) == 0 &&
		  jobs_count(db, found.operations, &f) == 0;
	gauge(out, METRICS_CATALOGUE_READABLE, is_read ? 1 : 0);
	if (is_read)
		write_findings(&found, out);
	else
		log_event(LOG_ERROR, "catalogue not measured",
		    LOG_TEXT("message", view_str(f.text)));
}

/* --- the bucket --- */

static void
write_state(const struct state *state, struct buf *out)
{
	const enum state_storage now = state_storage(state);
	const int64_t age_ms = state_news_age_ms(state);
	int i;

	metrics_write_head(out, METRICS_STORAGE_STATE);
	for (i = STATE_UNKNOWN; i <= STATE_DENIED; i++)
		metrics_write(out, METRICS_STORAGE_STATE,
		    state_storage_word((enum state_storage)i), NULL,
		    i == (int)now);
	if (age_ms >= 0)
		gauge(out, METRICS_STORAGE_NEWS_AGE, seconds(age_ms));
	gauge(out, METRICS_CLOCK_OFFSET, seconds(state_clock_offset_ms(state)));
}

static void
write_credentials(struct cloud *cloud, struct buf *out)
{
	struct fault none = FAULT_INIT;
	int64_t left_ms = 0;

	metrics_write_head(out, METRICS_CREDENTIALS_INFO);
	metrics_write(out, METRICS_CREDENTIALS_INFO,
	    creds_source(cloud_creds(cloud)), NULL, 1);
	(void)cloud_keys_left_ms(cloud, &left_ms, &none);
	if (left_ms != INT64_MAX)
		gauge(out, METRICS_CREDENTIALS_LEFT, seconds(left_ms));
}

/* --- this host --- */

static void
write_disk(const struct service *s, struct buf *out)
{
	const int dir = store_folder(assets_store(s->assets));
	struct fault f = FAULT_INIT;
	int64_t bytes, files;

	if (file_free_space(dir, &bytes, &files, &f) == 0)
		gauge(out, METRICS_DISK_FREE, (double)bytes);
	else
		log_event(LOG_ERROR, "disk not measured",
		    LOG_TEXT("message", view_str(f.text)));
	gauge(out, METRICS_DISK_RESERVE, (double)conf_reserve_bytes(s->conf));
}

static bool
is_pool(int role)
{
	return role <= METRICS_OTHER_ROLE;
}

static void
write_living(struct buf *out)
{
	struct metrics_living living[METRICS_ROLES];
	const char *word;
	int i;

	metrics_living(living);
	metrics_write_head(out, METRICS_WORKERS);
	for (i = 0; is_pool(i); i++) {
		word = metrics_role_word((enum metrics_role)i);
		metrics_write(
		    out, METRICS_WORKERS, word, "busy", living[i].busy);
		metrics_write(
		    out, METRICS_WORKERS, word, "idle", living[i].idle);
	}
	metrics_write_head(out, METRICS_WORKER_BUSY);
	for (i = 0; is_pool(i); i++)
		metrics_write(out, METRICS_WORKER_BUSY,
		    metrics_role_word((enum metrics_role)i), NULL,
		    seconds(living[i].longest_us / 1000));
	metrics_write_head(out, METRICS_UPLOADER_PROCESSES);
	for (; i < METRICS_ROLES; i++)
		metrics_write(out, METRICS_UPLOADER_PROCESSES,
		    metrics_role_word((enum metrics_role)i), NULL,
		    living[i].busy + living[i].idle);
}

int
scrape_answer(
    struct service *s, struct exchange *x, struct view body, struct fault *f)
{
	struct buf out = BUF_INIT(METRICS_TEXT_MAX);
	struct cloud *cloud = assets_cloud(s->assets);
	int rc;

	(void)body;
	metrics_write_counted(&out);
	write_catalogue(assets_db(s->assets), &out);
	if (cloud != NULL) {
		write_state(cloud_state(cloud), &out);
		write_credentials(cloud, &out);
	}
	write_disk(s, &out);
	write_living(&out);
	rc = buf_done(&out, f);
	if (rc == 0) {
		reply_begin(&x->reply, 200, MEDIA_TYPE, (int64_t)out.len,
		    VIEW("Cache-Control: no-store\r\n"));
		reply_put(&x->reply, buf_view(&out));
	}
	buf_fini(&out);
	return rc;
}
