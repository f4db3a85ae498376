#include "app/jobs.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/compare.h"
#include "app/pull.h"
#include "app/push.h"

enum { COME_BACK_S = 10 };

typedef int job_work(struct plan *p, struct fault *f);

/* What is to be done with a folder, and whether it is made when missing. */
struct deed {
	job_work *work;
	bool makes_folder;
	const char *doing;
};

static int
hold(struct plan *p, struct file_lease *lease, struct fault *f)
{
	bool held;

	if (jobs_lease(assets_db(p->a), p->job, lease, &held, f) == -1)
		return -1;
	if (held)
		return 0;
	(void)fault_in(f, FAULT_BUSY, "job_id",
	    "somebody else is at work on job %s", p->job->text);
	f->retry_after_s = COME_BACK_S;
	return -1;
}

/* The name under which the folder is remembered has no links in it. */
static int
open_folder(struct plan *p, const struct deed *deed, const char *path,
    char real[PATH_MAX], struct fault *f)
{
	if (tree_open(&p->tree, path, deed->makes_folder, f) == -1)
		return -1;
	if (realpath(path, real) == NULL)
		return fault_sys(f, FAULT_DISK, "find %s", path);
	p->folder = real;
	return deed->makes_folder ? tree_sweep(p->tree, f) : 0;
}

static int
work(struct plan *p, const struct deed *deed, const char *path, struct fault *f)
{
	struct file_lease lease = FILE_LEASE_INIT;
	char real[PATH_MAX];
	bool was_there = false;
	int rc = -1;

	if (hold(p, &lease, f) == 0) {
		was_there = access(path, F_OK) == 0;
		if (open_folder(p, deed, path, real, f) == 0 &&
		    plan_begin(p, f) == 0)
			rc = deed->work(p, f);
	}
	plan_end(p);
	tree_close(&p->tree);
	/* Of a job that does not exist no folder is left. */
	if (rc == -1 && p->folder != NULL && !was_there)
		(void)rmdir(p->folder);
	file_lease_fini(&lease);
	return rc;
}

static int
conclude(const struct jobs_report *report, struct fault *f)
{
	if (report->troubles == 0)
		return 0;
	return fault_set(f, FAULT_CONFLICT,
	    "%lld of the job's files are not as they should be",
	    (long long)report->troubles);
}

static int
run(struct plan *p, const struct deed *deed, const char *path, struct fault *f)
{
	struct buf folder = BUF_INIT(PATH_MAX);
	int rc = -1;

	*p->report = (struct jobs_report){ .sent = 0 };
	if (path == NULL)
		buf_fmt(&folder, "%s/%s",
		    conf_text(assets_conf(p->a), CONF_JOBS_DIR), p->job->text);
	else
		buf_add(&folder, view_str(path));
	if (assets_cloud(p->a) == NULL)
		(void)fault_set(f, FAULT_BUSY,
		    "there is no cloud storage: STORAGE_BUCKET is not set");
	else if (buf_done(&folder, f) == 0)
		rc = work(p, deed, buf_str(&folder), f);
	buf_fini(&folder);
	if (rc == 0)
		rc = conclude(p->report, f);
	return rc == 0 ? 0 : fault_while(f, "%s %s", deed->doing, p->job->text);
}

int
persist_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, bool force,
    const struct jobs_listener *listener, struct jobs_report *report,
    struct fault *f)
{
	static const struct deed push = { push_run, false, "persist job" };
	struct plan p = { .a = a,
		.job = job,
		.is_forced = force,
		.listener = listener,
		.report = report };

	return run(&p, &push, local_base_path, f);
}

int
download_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, const struct jobs_listener *listener,
    struct jobs_report *report, struct fault *f)
{
	static const struct deed pull = { pull_run, true, "download job" };
	struct plan p = {
		.a = a, .job = job, .listener = listener, .report = report
	};

	return run(&p, &pull, local_base_path, f);
}

int
verify_job_assets(struct assets *a, const struct job_id *job,
    const char *local_base_path, const struct jobs_listener *listener,
    struct jobs_report *report, struct fault *f)
{
	static const struct deed compare = { compare_run, false, "verify job" };
	struct plan p = {
		.a = a, .job = job, .listener = listener, .report = report
	};

	return run(&p, &compare, local_base_path, f);
}
