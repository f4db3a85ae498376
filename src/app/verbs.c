#include "app/verbs.h"

#include <stdio.h>
#include <string.h>

#include "app/access.h"
#include "app/describe.h"
#include "app/reindex.h"
#include "app/running.h"
#include "app/session.h"
#include "app/start.h"
#include "app/status.h"
#include "app/uploader.h"
#include "app/web.h"
#include "base/clock.h"
#include "codec/text.h"

/* --- what the verbs share --- */

static int
read_job(const struct verbs_line *line, struct job_id *job, struct fault *f)
{
	job->text[0] = '\0';
	return line->job == NULL ? 0
				 : job_id_parse(job, view_str(line->job), f);
}

static void
print_line(struct buf *out, struct view text)
{
	buf_add(out, text);
	buf_add(out, VIEW("\n"));
}

/* --- the verbs --- */

static void
tell_kept(const struct asset *asset)
{
	if (asset->status == ASSET_KEPT)
		(void)fprintf(stderr,
		    "%s: kept: the bucket has the job's own, edited copy\n",
		    asset->id.text);
}

int
verbs_persist(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct asset asset = ASSET_INIT;
	struct image_id id;
	struct job_id job;
	int rc = -1;

	if (image_id_parse(&id, view_str(line->words[0]), f) == 0 &&
	    read_job(line, &job, f) == 0 &&
	    session_open(&s, SESSION_ASKS, f) == 0)
		rc = persist_character_reference(
		    s.assets, &id, line->words[1], &job, &asset, f);
	if (rc == 0 && line->json) {
		describe_persisted(&asset, out);
		print_line(out, VIEW(""));
	} else if (rc == 0) {
		tell_kept(&asset);
		print_line(out, buf_view(&asset.url.text));
	}
	asset_fini(&asset);
	session_close(&s);
	return rc;
}

static int
read_ids(const struct verbs_line *line, struct image_id *ids, struct fault *f)
{
	size_t i;

	for (i = 1; i < line->n; i++)
		if (image_id_parse(&ids[i - 1], view_str(line->words[i]), f) ==
		    -1)
			return fault_while(f, "%.100s", line->words[i]);
	return 0;
}

/* Every image must have come to the bucket for the whole to be done. */
static int
judge(const struct asset *assets, size_t n, struct fault *f)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!asset_is_in_bucket(&assets[i]))
			return fault_set(f, FAULT_BUSY, "image %s is %s: %s",
			    assets[i].id.text,
			    asset_status_word(assets[i].status),
			    assets[i].fault.text);
	return 0;
}

static void
print_associated(const struct verbs_line *line, const struct job_id *job,
    const struct asset *assets, size_t n, struct buf *out)
{
	size_t i;

	if (line->json) {
		describe_associated(job, assets, n, out);
		print_line(out, VIEW(""));
		return;
	}
	for (i = 0; i < n; i++) {
		tell_kept(&assets[i]);
		if (assets[i].url.text.len > 0)
			print_line(out, buf_view(&assets[i].url.text));
		else
			buf_fmt(out, "%s: %s\n", assets[i].id.text,
			    asset_status_word(assets[i].status));
	}
}

int
verbs_associate(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	const size_t n = line->n - 1;
	struct session s = SESSION_INIT;
	struct asset assets[ASSETS_IMAGES_MAX];
	struct image_id ids[ASSETS_IMAGES_MAX];
	struct job_id job;
	size_t i;
	int rc = -1;

	for (i = 0; i < n; i++)
		assets[i] = ASSET_INIT;
	if (job_id_parse(&job, view_str(line->words[0]), f) == 0 &&
	    read_ids(line, ids, f) == 0 &&
	    session_open(&s, SESSION_ASKS, f) == 0)
		rc = associate_character_images_with_job(
		    s.assets, &job, ids, n, line->base, assets, f);
	if (rc == 0) {
		print_associated(line, &job, assets, n, out);
		rc = judge(assets, n, f);
	}
	for (i = 0; i < n; i++)
		asset_fini(&assets[i]);
	session_close(&s);
	return rc;
}

int
verbs_url(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct asset asset = ASSET_INIT;
	struct image_id id;
	struct job_id job;
	int64_t expires_s = 0;
	int rc = -1;

	if (line->expires != NULL &&
	    (!text_number(view_str(line->expires), &expires_s) ||
		expires_s < 1))
		return fault_set(
		    f, FAULT_RANGE, "--expires must be a number of seconds");
	if (image_id_parse(&id, view_str(line->words[0]), f) == 0 &&
	    read_job(line, &job, f) == 0 &&
	    session_open(&s, SESSION_ASKS, f) == 0)
		rc = get_character_reference_url(
		    s.assets, &id, &job, line->extension, expires_s, &asset, f);
	if (rc == 0 && line->json) {
		describe_url(&asset, out);
		print_line(out, VIEW(""));
	} else if (rc == 0) {
		print_line(out, buf_view(&asset.url.text));
	}
	asset_fini(&asset);
	session_close(&s);
	return rc;
}

int
verbs_uploader(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct conf *conf = NULL;
	int rc;

	(void)line, (void)out, (void)f;
	if (start_server(&conf) == -1)
		return -1;
	rc = uploader_run(conf, &why);
	if (rc == -1)
		(void)start_log_fault(&why);
	conf_close(&conf);
	return rc;
}

int
verbs_status(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	int rc = session_open(&s, 0, f);

	if (rc == 0)
		rc = status_describe(s.assets, line->json, out, f);
	session_close(&s);
	return rc;
}

static void
write_changes(const struct running_report *r, struct buf *out)
{
	int i;

	for (i = 0; i < CONF_COUNT; i++)
		if (r->settings[i].change != RUNNING_SAME) {
			running_describe(r, (enum conf_key)i, out);
			buf_add(out, VIEW("\n"));
		}
}

int
verbs_changes(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct running_report report;
	struct conf *conf = NULL;
	int rc;

	if (start_command(&conf) == -1)
		return -1;
	rc = running_compare(
	    conf, line->n == 1 ? line->words[0] : NULL, &report, f);
	if (rc == 0 && line->json) {
		running_json(&report, out);
		buf_add(out, VIEW("\n"));
	} else if (rc == 0) {
		write_changes(&report, out);
	}
	if (rc == 0)
		rc = running_may_replace(&report, f);
	conf_close(&conf);
	return rc;
}

int
verbs_retry(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct image_id id;
	int64_t n = 0;
	int rc = -1;

	if ((line->n == 1) == line->all)
		return fault_set(f, FAULT_INPUT, "name one image, or --all");
	if ((line->all ||
		image_id_parse(&id, view_str(line->words[0]), f) == 0) &&
	    session_open(&s, 0, f) == 0)
		rc = objects_retry(assets_db(s.assets), line->all ? NULL : &id,
		    clock_now_ms(), &n, f);
	if (rc == 0)
		buf_fmt(out, "%lld wait again\n", (long long)n);
	session_close(&s);
	return rc;
}

int
verbs_reindex(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct reindex_report r;
	int rc = -1;

	(void)line;
	if (session_open(&s, SESSION_ASKS, f) == 0)
		rc = reindex(s.assets, &r, f);
	if (rc == 0)
		buf_fmt(out,
		    "adopted     %lld  local images that had no row\n"
		    "queued      %lld  local images that had no object\n"
		    "discovered  %lld  objects of the bucket that had no row\n"
		    "confirmed   %lld  objects that are where they should be\n"
		    "conflicts   %lld  objects that are not the local image\n"
		    "lost        %lld  objects that have gone; what is here "
		    "waits for upload\n",
		    (long long)r.adopted, (long long)r.queued,
		    (long long)r.discovered, (long long)r.confirmed,
		    (long long)r.conflicts, (long long)r.lost);
	session_close(&s);
	return rc;
}

int
verbs_backup(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	int rc = -1;

	(void)out;
	if (session_open(&s, 0, f) == 0)
		rc = db_backup(assets_db(s.assets), line->words[0], f);
	session_close(&s);
	return rc;
}

static void
show_credentials(const struct conf *conf, struct buf *out)
{
	const struct creds_setup setup = conf_creds(conf);
	struct fault f = FAULT_INIT;
	struct creds *creds = NULL;

	if (creds_open(&creds, &setup, &f) == 0)
		buf_fmt(
		    out, "# credentials come from: %s\n", creds_source(creds));
	else
		buf_fmt(out, "# credentials: %s\n", f.text);
	creds_close(&creds);
}

int
verbs_config(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	enum conf_key keys[VERBS_WORDS_MAX];
	struct conf *conf = NULL;
	size_t i;

	if (line->markdown) {
		conf_markdown(out);
		return 0;
	}
	for (i = 0; i < line->n; i++)
		if (!conf_named(line->words[i], &keys[i]))
			return fault_set(f, FAULT_RANGE,
			    "there is no setting %s; `charref config` lists "
			    "them",
			    line->words[i]);
	if (start_command(&conf) == -1)
		return -1;
	for (i = 0; i < line->n; i++) {
		conf_show(conf, keys[i], out);
		buf_add(out, VIEW("\n"));
	}
	if (line->n == 0) {
		conf_show_all(conf, out);
		if (conf_has_bucket(conf))
			show_credentials(conf, out);
	}
	conf_close(&conf);
	return 0;
}

/* Where the hash goes, and where the key. */
static void
write_key(const char *key, const char *hash, struct buf *out)
{
	buf_fmt(out,
	    "The key, for whoever is to use the service; it is kept nowhere, "
	    "so note it now:\n\n    X-API-Key: %s\n\n"
	    "Its hash, for the service's settings (after those that are there, "
	    "behind a comma); then start its workers "
	    "anew:\n\n"
	    "    API_KEY=%s\n",
	    key, hash);
}

int
verbs_key(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	char key[ACCESS_KEY_SIZE], hash[ACCESS_HASH_SIZE];
	const int rc = access_make(key, hash, f);

	if (rc == 0 && line->json)
		buf_fmt(out, "{\"key\":\"%s\",\"hash\":\"%s\"}\n", key, hash);
	else if (rc == 0)
		write_key(key, hash, out);
	explicit_bzero(key, sizeof key);
	return rc;
}

int
verbs_routes(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	(void)line, (void)f;
	web_routes(out);
	return 0;
}
