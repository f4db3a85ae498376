#include "app/compare.h"

#include <string.h>

#include "app/pull.h"

/* What is told of a file that is there but not everywhere. */
static const char *
missing(const struct plan_file *file)
{
	if (!file->is_listed && file->is_here && file->is_there)
		return "it is in the folder and the bucket, and not in the "
		       "manifest";
	if (!file->is_listed)
		return file->is_here
			   ? "it is in the folder, and not in the bucket"
			   : "it is in the bucket, and not in the manifest";
	return file->is_here ? NULL
			     : "it is in the bucket, and not in the folder";
}

/* Bucket and manifest agree on the size; of the bytes here all is known. */
static const char *
differing(const struct plan_file *file)
{
	if (file->size_there != file->size_listed)
		return "the bucket's object has another size than the manifest "
		       "says";
	if (file->stamp.size != file->size_listed)
		return "it has another size than the manifest says";
	if (strcmp(file->sha256.hex, file->sha256_listed.hex) != 0)
		return "its bytes are not those of the manifest";
	return NULL;
}

static int
hash(struct plan *p, struct plan_file *file, struct fault *f)
{
	struct fault why = FAULT_INIT;

	file->sha256.hex[0] = '\0';
	if (plan_hash(p, file, NULL, 0, &why) == 0)
		return 0;
	if (plan_is_of_all(why.kind)) {
		*f = why;
		return -1;
	}
	plan_trouble(p, file, &why);
	return 0;
}

static int
look_at(struct plan *p, struct plan_file *file, struct fault *f)
{
	struct fault why = FAULT_INIT;
	const char *words = file->is_bad ? NULL : missing(file);

	if (words == NULL && !file->is_bad && hash(p, file, f) == -1)
		return -1;
	if (words == NULL && !file->is_bad)
		words = differing(file);
	if (words != NULL) {
		(void)fault_set(&why, FAULT_CONFLICT, "%s", words);
		plan_trouble(p, file, &why);
	}
	p->report->progress.files_done++;
	p->report->progress.bytes_done += file->stamp.size;
	plan_progress(p, file->path);
	return 0;
}

static void
count(struct plan *p)
{
	size_t i;

	p->report->progress.files_total = (int64_t)p->n;
	for (i = 0; i < p->n; i++)
		p->report->progress.bytes_total += p->files[i].stamp.size;
}

static int
read_bucket(struct plan *p, struct fault *f)
{
	struct buf manifest = BUF_INIT(MANIFEST_MAX);
	bool found, has_manifest = false;
	int rc = plan_list(p, &found, f);

	if (rc == 0 && !found)
		rc = fault_in(f, FAULT_ABSENT, "job_id",
		    "the bucket has nothing of job %s", p->job->text);
	if (rc == 0)
		rc = pull_manifest(p, &manifest, &has_manifest, f);
	if (rc == 0 && !has_manifest)
		rc = fault_in(f, FAULT_ABSENT, "job_id",
		    "job %s has no manifest: it was never persisted as a whole",
		    p->job->text);
	buf_fini(&manifest);
	return rc;
}

int
compare_run(struct plan *p, struct fault *f)
{
	size_t i;

	if (plan_walk(p, true, f) == -1 || read_bucket(p, f) == -1)
		return -1;
	count(p);
	plan_progress(p, "");
	for (i = 0; i < p->n; i++)
		if (look_at(p, &p->files[i], f) == -1)
			return -1;
	return 0;
}
