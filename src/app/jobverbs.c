#include "app/jobverbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/describe.h"
#include "app/jobs.h"
#include "app/progress.h"
#include "app/session.h"
#include "base/clock.h"

enum {
	COLUMNS = 80,            /* of a terminal that does not say */
	DOCUMENT_MAX = 48 << 20, /* a part of what is printed */
	MS = 1000
};

typedef int job_function(struct assets *a, const struct job_id *job,
    const char *local_base_path, const struct jobs_listener *listener,
    struct jobs_report *report, struct fault *f);

struct task {
	const char *verb;
	job_function *run; /* NULL: persist_job_assets, which has an option */
	const char *moved; /* what it does with a file; NULL: it looks */
};

struct work {
	const struct task *task;
	bool json;
	struct session session;
	struct job_id job;
	struct jobs_report report;
	int64_t unchanged; /* of the report when last heard from      */
	struct progress progress;
	struct buf troubles; /* as JSON, where that is asked for        */
	char what[IDENT_MAX + 32];
};

static void
write_stderr(struct buf *text)
{
	(void)fwrite(buf_str(text), 1, text->len, stderr);
	(void)fflush(stderr);
	buf_fini(text);
}

static size_t
terminal_columns(void)
{
	struct winsize size = { .ws_col = 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return COLUMNS;
	return size.ws_col;
}

static enum progress_form
form_for(bool json)
{
	const char *terminal = getenv("TERM");

	if (json)
		return PROGRESS_SILENT;
	return isatty(STDERR_FILENO) && terminal != NULL &&
		       strcmp(terminal, "dumb") != 0
		   ? PROGRESS_TERMINAL
		   : PROGRESS_LINES;
}

static void
on_progress(void *arg, const struct jobs_progress *now, const char *path)
{
	struct work *w = arg;
	struct buf text = BUF_INIT(PROGRESS_TEXT_MAX);
	const struct progress_news news = { .now = *now,
		.path = path,
		.is_idle = w->report.unchanged != w->unchanged,
		.columns = w->progress.form == PROGRESS_TERMINAL
			       ? terminal_columns()
			       : COLUMNS,
		.ticks_ms = clock_ticks_ms() };

	w->unchanged = w->report.unchanged;
	progress_tell(&w->progress, &news, &text);
	if (text.len > 0)
		write_stderr(&text);
	buf_fini(&text);
}

static void
on_trouble(void *arg, const char *path, const struct fault *why)
{
	struct work *w = arg;
	struct buf line = BUF_INIT(PROGRESS_TEXT_MAX);
	struct buf text = BUF_INIT(PROGRESS_TEXT_MAX);

	buf_fmt(&line, "%s: %s", path, why->text);
	progress_say(&w->progress, buf_view(&line), &text);
	write_stderr(&text);
	buf_fini(&line);
	if (!w->json)
		return;
	buf_add(&w->troubles, w->troubles.len == 0 ? VIEW("") : VIEW(","));
	buf_add(&w->troubles, VIEW("{"));
	describe_text(&w->troubles, "path", view_str(path));
	buf_fmt(&w->troubles, ",\"error\":\"%s\",", fault_word(why->kind));
	describe_text(&w->troubles, "message", view_str(why->text));
	buf_add(&w->troubles, VIEW("}"));
}

static void
add_report_json(const struct work *w, const struct fault *f, struct buf *out)
{
	const struct jobs_report *r = &w->report;

	buf_fmt(out,
	    "{\"job_id\":\"%s\",\"files_total\":%lld,\"bytes_total\":%lld,"
	    "\"sent\":%lld,\"unchanged\":%lld,\"included\":%lld,"
	    "\"troubles\":[",
	    w->job.text, (long long)r->progress.files_total,
	    (long long)r->progress.bytes_total, (long long)r->sent,
	    (long long)r->unchanged, (long long)r->included);
	buf_add(out, buf_view(&w->troubles));
	buf_add(out, VIEW("]"));
	if (f->kind != FAULT_NONE)
		describe_detail(f, out);
	buf_add(out, VIEW("}\n"));
}

static void
add_summary(const struct work *w, struct buf *out)
{
	const struct jobs_report *r = &w->report;

	buf_fmt(out, "%s: %lld files, ", w->what,
	    (long long)r->progress.files_total);
	progress_bytes(out, r->progress.bytes_total);
	if (w->task->moved != NULL)
		buf_fmt(out, ": %lld %s, %lld unchanged", (long long)r->sent,
		    w->task->moved, (long long)r->unchanged);
	if (r->included > 0)
		buf_fmt(out, "; %lld of them were in the store alone",
		    (long long)r->included);
	if (r->troubles > 0)
		buf_fmt(out, "; %lld not as they should be",
		    (long long)r->troubles);
	else if (w->task->moved == NULL &&
		 r->progress.files_done == r->progress.files_total)
		buf_add(out, VIEW(": all as they should be"));
	buf_add(out, VIEW("\n"));
}

static int
run_task(struct work *w, const struct verbs_line *line,
    const struct jobs_listener *listener, struct fault *f)
{
	struct assets *a = w->session.assets;

	if (w->task->run == NULL)
		return persist_job_assets(a, &w->job, line->words[1],
		    line->force, listener, &w->report, f);
	return w->task->run(
	    a, &w->job, line->words[1], listener, &w->report, f);
}

static int
run_job(struct work *w, const struct verbs_line *line, struct buf *out,
    struct fault *f)
{
	const struct jobs_listener listener = { on_progress, on_trouble, w };
	struct buf text = BUF_INIT(PROGRESS_TEXT_MAX);
	int rc;

	progress_begin(
	    &w->progress, form_for(w->json), w->what, clock_ticks_ms());
	rc = run_task(w, line, &listener, f);
	progress_end(&w->progress, clock_ticks_ms(), &text);
	write_stderr(&text);
	if (rc == -1 && session_is_stopped(&w->session)) {
		*f = FAULT_INIT;
		(void)fault_set(f, FAULT_BUSY,
		    "stopped; run the same command again to go on");
	}
	if (w->json && buf_done(&w->troubles, f) == 0)
		add_report_json(w, f, out);
	else if (!w->json && (rc == 0 || w->report.progress.files_total > 0))
		add_summary(w, out);
	return rc;
}

static int
work_on(const struct task *task, const struct verbs_line *line, struct buf *out,
    struct fault *f)
{
	struct work w = { .task = task,
		.json = line->json,
		.session = SESSION_INIT,
		.troubles = BUF_INIT(DOCUMENT_MAX) };
	int rc = -1;

	if (job_id_parse(&w.job, view_str(line->words[0]), f) == 0 &&
	    session_open(&w.session, SESSION_ASKS | SESSION_HEEDS, f) == 0) {
		(void)snprintf(
		    w.what, sizeof w.what, "%s %s", task->verb, w.job.text);
		rc = run_job(&w, line, out, f);
	}
	buf_fini(&w.troubles);
	session_close(&w.session);
	return rc;
}

int
jobverbs_persist(
    const struct verbs_line *line, struct buf *out, struct fault *f)
{
	static const struct task persist = { "persist-job", NULL, "sent" };

	return work_on(&persist, line, out, f);
}

int
jobverbs_download(
    const struct verbs_line *line, struct buf *out, struct fault *f)
{
	static const struct task download = { "download-job",
		download_job_assets, "fetched" };

	return work_on(&download, line, out, f);
}

int
jobverbs_verify(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	static const struct task verify = { "verify-job", verify_job_assets,
		NULL };

	return work_on(&verify, line, out, f);
}
