#include "app/doctor_catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "disk/catalogue.h"
#include "disk/objects.h"
#include "disk/store.h"

enum {
	CHECK_MS = 15 * 1000, /* of its pages */
	ROWS_MS = 10 * 1000,
	PAGE = 500,
	PROBLEMS_SHOWN = 5,
	OLD_S = 3600,
	MS = 1000
};

/* --- the file --- */

/* Only a fault that says so is about a broken file: a busy or a full one is
 * whole. */
static void
say_fault(struct finding *it, const struct fault *f)
{
	finding_add(it, FINDING_FAILED, "%s", f->text);
	if (f->kind == FAULT_FULL)
		finding_advise(it, "make room on the disk of CHARREF_ROOT");
	else
		finding_advise(it, "%s",
		    f->remedy != NULL ? f->remedy
				      : "do as it says, or ask again; see who "
					"else uses catalogue.db");
}

static int64_t
bound(struct patient *p, int64_t ms)
{
	const int64_t until = clock_ticks_ms() + ms;
	const int64_t least = until < p->deadline_ms ? until : p->deadline_ms;

	db_bound(p->db, least, p->stop_fd);
	return least;
}

/* Each problem is a row; a good one says "ok". */
static int
check_pages(struct patient *p, struct finding *it, struct fault *f)
{
	static const char quick_check[] = "PRAGMA quick_check(5)";
	struct db_query q = db_ask(p->db, quick_check);
	struct view line;
	int rc, n = 0;

	while ((rc = db_step(&q, f)) == 1) {
		if (db_text(&q, 0, &line, f) == -1) {
			rc = -1;
			break;
		}
		if (!view_is(line, "ok") && n++ < PROBLEMS_SHOWN)
			finding_add(
			    it, FINDING_FAILED, "%.*s", (int)line.n, line.p);
	}
	db_end(&q);
	return rc;
}

static void
judge_pages(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;

	(void)bound(p, CHECK_MS);
	if (check_pages(p, it, &f) == 0)
		(void)db_guard(p->db, &f);
	if (it->state == FINDING_FAILED)
		finding_advise(it, DB_BROKEN_REMEDY);
	else if (f.kind == FAULT_NONE)
		finding_say(it, FINDING_OK, "whole, and writable");
	if (f.kind == FAULT_SLOW) {
		finding_add(it, FINDING_WARNING,
		    "too big to be checked in %d s", CHECK_MS / MS);
		finding_advise(it,
		    "sqlite3 CHARREF_ROOT/catalogue.db 'PRAGMA quick_check'");
	} else if (f.kind != FAULT_NONE) {
		say_fault(it, &f);
	}
}

void
doctor_catalogue(struct patient *p, struct finding *it)
{
	const char *root = conf_text(p->conf, CONF_CHARREF_ROOT);
	struct fault f = FAULT_INIT;
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "%s/catalogue.db", root);
	if (access(path, F_OK) == -1 && errno == ENOENT) {
		finding_say(it, FINDING_WARNING,
		    "%s is not there yet: the first worker makes it", path);
		finding_advise(it, "start the service");
	} else if (db_open(&p->db, root, &f) == -1) {
		say_fault(it, &f);
	} else {
		judge_pages(p, it);
	}
}

/* --- rows and files --- */

struct count {
	struct db *db;
	int folder;
	int64_t until_ms;
	struct image_id last;
	int64_t rows;
	int64_t lost;   /* neither here nor, as far as is known, there */
	int64_t remote; /* only in the bucket */
	int page;
};

static bool
is_time_over(const struct count *c)
{
	return clock_ticks_ms() >= c->until_ms;
}

static int
on_row(void *arg, const struct catalogue_image *image, struct fault *f)
{
	char name[STORE_NAME_SIZE];
	struct count *c = arg;
	struct object o;
	struct stat st;
	bool known;

	c->last = image->id;
	c->rows++;
	c->page++;
	store_name(name, &image->id, image->sniff.kind);
	if (fstatat(c->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (objects_find(c->db, &image->id, &job_id_none, &known, &o, f) == -1)
		return -1;
	if (known && o.state == OBJECTS_DONE)
		c->remote++;
	else
		c->lost++;
	return 0;
}

static int
count_rows(struct count *c, struct fault *f)
{
	do {
		c->page = 0;
		if (catalogue_list(c->db, c->rows == 0 ? NULL : &c->last, PAGE,
			on_row, c, f) == -1)
			return -1;
	} while (c->page > 0 && !is_time_over(c));
	return 0;
}

/* Files that look like images; drafts begin with a dot. */
static int64_t
count_files(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *one;
	int64_t n = 0;

	while (folder != NULL && (one = readdir(folder)) != NULL)
		n += one->d_name[0] != '.';
	if (folder != NULL)
		(void)closedir(folder);
	return n;
}

static void
say_rows(struct finding *it, const struct count *c, int64_t files)
{
	const int64_t unknown = files - (c->rows - c->lost - c->remote);

	finding_say(it, FINDING_OK,
	    "%lld images, %lld of them only in the "
	    "bucket; %lld files%s",
	    (long long)c->rows, (long long)c->remote, (long long)files,
	    is_time_over(c) ? " (not all rows were compared)" : "");
	if (c->lost > 0) {
		finding_add(it, FINDING_FAILED,
		    "%lld have no file here, and are not known to be in the "
		    "bucket",
		    (long long)c->lost);
		finding_advise(it,
		    "restore the folder from a backup, or run `charref "
		    "reindex` to see what the bucket has");
	}
	if (unknown > 0 && !is_time_over(c)) {
		finding_add(it, FINDING_WARNING, "%lld files have no row",
		    (long long)unknown);
		finding_advise(it, "charref reindex");
	}
}

void
doctor_rows(struct patient *p, struct finding *it)
{
	struct count c = { .db = p->db, .folder = -1 };
	struct fault f = FAULT_INIT;
	char path[PATH_MAX];

	if (p->db == NULL || !patient_images(p, path) ||
	    access(path, F_OK) == -1) {
		finding_say(it, FINDING_SKIPPED, "no catalogue or images yet");
		return;
	}
	c.until_ms = bound(p, ROWS_MS);
	c.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c.folder == -1)
		(void)fault_sys(&f, FAULT_DISK, "open %s", path);
	if (c.folder == -1 || (count_rows(&c, &f) == -1 && !is_time_over(&c)))
		finding_say(it, FINDING_FAILED, "%s", f.text);
	else
		say_rows(it, &c, count_files(path));
	if (c.folder != -1)
		(void)close(c.folder);
}

/* --- what waits --- */

void
doctor_queue(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;
	struct objects_summary q;
	int64_t age_s = 0;

	if (p->db == NULL || !conf_has_bucket(p->conf)) {
		finding_say(it, FINDING_SKIPPED, "%s",
		    p->db == NULL ? "no catalogue yet" : "no bucket is set");
		return;
	}
	(void)bound(p, PATIENT_ASK_MS);
	if (objects_summary(p->db, &q, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	if (q.oldest_ms != 0)
		age_s = (clock_now_ms() - q.oldest_ms) / MS;
	finding_say(it, FINDING_OK, "%lld wait, %lld are done, %lld failed",
	    (long long)q.waiting, (long long)q.done, (long long)q.failed);
	if (q.failed > 0) {
		finding_add(it, FINDING_WARNING,
		    "what failed is not tried again by itself");
		finding_advise(it,
		    "`charref status` says why; then `charref retry --all`");
	}
	if (age_s > OLD_S) {
		finding_add(it, FINDING_WARNING,
		    "the oldest waits for %lld hours",
		    (long long)(age_s / OLD_S));
		finding_advise(it,
		    "see that `charref uploader` runs; `charref status` has "
		    "the last errors");
	}
}
