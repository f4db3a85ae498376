#include "app/doctor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/doctor_catalogue.h"
#include "app/doctor_cloud.h"
#include "app/doctor_jobs.h"
#include "app/doctor_local.h"
#include "app/doctor_model.h"
#include "app/doctor_nginx.h"
#include "app/doctor_rights.h"
#include "app/doctor_running.h"
#include "app/doctor_service.h"
#include "app/start.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/state.h"

enum { OUTPUT_MAX = 4 << 20 };

#define NOTHING NULL

/* What is not ours to judge because a need of it failed is skipped, and so is
 * what needs that. */
static const struct check {
	const char *name;
	const char *needs; /* the name of a check above */
	patient_check *look;
} checks[] = {
	{ "settings", NOTHING, doctor_settings },
	{ "data folder", "settings", doctor_data },
	{ "image folder", "data folder", doctor_images },
	{ "run folder", "settings", doctor_run_folder },
	{ "jobs folder", "settings", doctor_jobs_folder },
	{ "shared jobs", "jobs folder", doctor_shared_jobs },
	{ "disk", "data folder", doctor_disk },
	{ "catalogue", "data folder", doctor_catalogue },
	{ "rows and files", "catalogue", doctor_rows },
	{ "uploads", "catalogue", doctor_queue },
	{ "workers", "run folder", doctor_workers },
	{ "uploader", "run folder", doctor_uploader },
	{ "running settings", "run folder", doctor_running },
	{ "nginx reads", "image folder", doctor_nginx_reads },
	{ "nginx connects", "run folder", doctor_nginx_connects },
	{ "storage host", "settings", doctor_storage },
	{ "public host", "storage host", doctor_public },
	{ "addressing", "storage host", doctor_addressing },
	{ "model host", "settings", doctor_model_host },
	{ "clock", "settings", doctor_clock },
	{ "credentials", "addressing", doctor_credentials },
	{ "bucket", "credentials", doctor_bucket },
	{ "region", "bucket", doctor_region },
	{ "missing key", "bucket", doctor_missing },
	{ "DELETE", "bucket", doctor_delete },
	{ "PUT", "DELETE", doctor_put },
	{ "HEAD", "PUT", doctor_head },
	{ "GET", "PUT", doctor_get },
	{ "COPY", "PUT", doctor_copy },
	{ "LIST", "bucket", doctor_list },
	{ "presigned GET", "PUT", doctor_presigned_get },
	{ "presigned HEAD", "PUT", doctor_presigned_head },
	{ "cleaned up", "PUT", doctor_removed },
	{ "model key", "settings", doctor_model_key },
	{ "models", "model key", doctor_models },
};

enum { CHECKS = sizeof checks / sizeof checks[0] };

struct round {
	struct patient patient;
	bool json;
	bool in_colour;
	bool is_well;
	enum finding_state states[CHECKS];
	struct buf *out;
};

static size_t
find(const char *name)
{
	size_t i = 0;

	while (i < CHECKS && strcmp(checks[i].name, name) != 0)
		i++;
	return i;
}

const char *
doctor_wrong_row(void)
{
	size_t i;

	for (i = 0; i < CHECKS; i++)
		if (checks[i].needs != NOTHING && find(checks[i].needs) >= i)
			return checks[i].name;
	return NULL;
}

/* --- running --- */

static bool
may_look(struct round *r, const struct check *check, struct finding *it)
{
	enum finding_state need = FINDING_OK;

	if (check->needs != NOTHING)
		need = r->states[find(check->needs)];
	if (clock_is_stopped(r->patient.stop_fd, 0))
		finding_say(it, FINDING_SKIPPED, "told to stop");
	else if (clock_ticks_ms() >= r->patient.deadline_ms)
		finding_say(it, FINDING_SKIPPED, "no time was left for it");
	else if (need == FINDING_FAILED)
		finding_say(it, FINDING_SKIPPED, "it needs: %s", check->needs);
	else if (need == FINDING_SKIPPED)
		finding_say(it, FINDING_SKIPPED, "without: %s", check->needs);
	else
		return true;
	return false;
}

/* People see each line when it is known: some take seconds. */
static void
tell(struct round *r, size_t at, const struct finding *it)
{
	if (r->json) {
		buf_add(r->out, at == 0 ? VIEW("[") : VIEW(",\n"));
		finding_json(it, checks[at].name, r->out);
		return;
	}
	buf_clear(r->out);
	finding_print(it, checks[at].name, r->in_colour, r->out);
	if (fputs(buf_str(r->out), stdout) == EOF || fflush(stdout) == EOF)
		r->is_well = false; /* nobody has read it */
	buf_clear(r->out);
}

/* What was broken off says nothing of what it looked at; and everybody who is
 * told of a failure is told what to do. */
static void
judge(const struct round *r, struct finding *it)
{
	if (it->state != FINDING_FAILED)
		return;
	if (clock_is_stopped(r->patient.stop_fd, 0)) {
		buf_clear(&it->remedy);
		finding_say(it, FINDING_SKIPPED, "told to stop");
	} else if (it->remedy.len == 0) {
		finding_advise(it,
		    "see that this host has memory and disk left, and ask "
		    "again");
	}
}

static void
look(struct round *r, size_t at)
{
	struct finding it = FINDING_INIT;

	if (may_look(r, &checks[at], &it)) {
		checks[at].look(&r->patient, &it);
		judge(r, &it);
	}
	r->states[at] = it.state;
	r->is_well = r->is_well && it.state != FINDING_FAILED;
	tell(r, at, &it);
	finding_fini(&it);
}

static void
end(struct round *r)
{
	struct patient *p = &r->patient;
	struct fault f = FAULT_INIT;

	/* Nothing from here on needs root, if it was that. */
	if (p->conf != NULL && person_become(&p->service, &f) == -1) {
		(void)start_print_fault(&f);
		r->is_well = false;
	}
	if (!doctor_rights_end(p)) {
		r->is_well = false;
		(void)fprintf(stderr,
		    "charref: remove what begins with %s from the bucket\n",
		    p->key[0]);
	}
	doctor_model_end(p);
	doctor_cloud_end(p);
	db_close(&p->db);
	conf_close(&p->conf);
	if (clock_is_stopped(p->stop_fd, 0))
		r->is_well = false;
	if (p->stop_fd > 0)
		(void)close(p->stop_fd);
}

static void
run(struct round *r)
{
	size_t i;

	r->patient.storage.date_s = r->patient.model_host.date_s = -1;
	r->patient.deadline_ms = clock_ticks_ms() + PATIENT_RUN_MS;
	doctor_rights_begin(&r->patient);
	for (i = 0; i < CHECKS; i++)
		look(r, i);
	end(r);
}

/* Whoever reads us may go away (a pager, a terminal); what was put into the
 * bucket must be removed all the same. */
static void
outlive_the_reader(void)
{
	MUST(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	MUST(signal(SIGHUP, SIG_IGN) != SIG_ERR);
}

/* What other commands log of clock and region is found and said here. */
int
doctor_verb(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct buf list = BUF_INIT(OUTPUT_MAX);
	struct round r = { .json = line->json,
		.in_colour = isatty(STDOUT_FILENO) == 1,
		.is_well = true,
		.out = &list };

	if (start_stop_fd(&r.patient.stop_fd, f) == -1)
		return -1;
	outlive_the_reader();
	(void)umask(027); /* as the service's */
	log_threshold(LOG_ERROR);
	run(&r);
	if (line->json) {
		buf_fmt(out,
		    "{\"ok\":%s,\"checks\":", r.is_well ? "true" : "false");
		buf_add(out, buf_view(&list));
		buf_add(out, VIEW("]}\n"));
	}
	buf_fini(&list);
	return r.is_well ? 0 : -1;
}
