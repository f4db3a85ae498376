/*
 * plan - one job's files while somebody works on them: what lies in the
 * folder, what is remembered of it, what the bucket has.  And who is told.
 */
#ifndef APP_PLAN_H
#define APP_PLAN_H

#include "app/assets.h"
#include "aws/listing.h"
#include "codec/media.h"
#include "disk/jobs.h"
#include "disk/tree.h"

enum { PLAN_DEADLINE_MS = 24 * 3600 * 1000 }; /* of one job as a whole */

/* Hears how it goes, at each file and part; may be NULL. */
struct jobs_listener {
	/* now: between its beginning and end; path: what is at hand, or "" */
	void (*progress)(
	    void *arg, const struct jobs_progress *now, const char *path);
	/* One file that is not as it should be, its name safe to show. */
	void (*trouble)(void *arg, const char *path, const struct fault *why);
	void *arg;
};

struct jobs_report {
	struct jobs_progress progress; /* at the end                       */
	int64_t sent;      /* files sent or fetched                        */
	int64_t unchanged; /* files that were right already                */
	int64_t included;  /* images added from the store                  */
	int64_t troubles;
};

struct plan_file {
	char *path;      /* owned: a checked one */
	bool is_here;    /* in the folder, with its stamp                  */
	bool from_store; /* an image of the job that the folder lacks      */
	bool is_there;   /* in the bucket, as size_there and etag_there say,
			  * which is "" where the listing has no ETags       */
	bool is_listed;  /* in the manifest, as size, sha256 and mtime_ns  */
	bool is_right;   /* nothing is to be sent or fetched               */
	bool is_bad;     /* it has had its trouble                         */
	bool is_seen;    /* this folder has had the bucket's version       */
	bool is_other;   /* the bucket's is not known to have these bytes   */
	struct tree_stamp stamp;
	struct digest sha256; /* of the bytes here; "": not known           */
	struct digest sha256_listed;
	char etag[S3_ETAG_MAX]; /* of what was sent as these bytes, or ""  */
	int64_t size_there;
	char etag_there[S3_ETAG_MAX];
	int64_t size_listed;
	int64_t mtime_ns;
};

struct plan {
	struct assets *a;
	const struct job_id *job;
	const char *folder; /* absolute path, owned by the caller          */
	struct tree *tree;
	struct media *media;
	struct plan_file *files; /* owned; sorted by path once plan_sort   */
	size_t n;
	size_t room;
	size_t sorted; /* so many are                                      */
	int64_t deadline_ms;
	bool is_forced; /* what the bucket has is replaced, whatever it is */
	bool is_manifest_there; /* as listed, with its ETag or "" */
	char etag_manifest[S3_ETAG_MAX];
	const struct jobs_listener *listener;
	struct jobs_report *report;
};

/* Begins a plan; media types are read.  plan_end ends what it owns, not the
 * tree. */
int plan_begin(struct plan *p, struct fault *f);
void plan_end(struct plan *p);

/* The file of that path among those that were there at the last plan_sort,
 * or NULL; or a new one of that path.  FAULT_LARGE over TREE_FILES_MAX.
 * Pointers are good until the next plan_add or plan_sort. */
struct plan_file *plan_find(struct plan *p, const char *path);
int plan_add(struct plan *p, const struct jobpath *path, struct plan_file **out,
    struct fault *f);
void plan_sort(struct plan *p);

/* What lies in the folder, and what is remembered of it, after plan_list.
 * tell: what cannot be part of a job is a trouble; else it is passed over. */
int plan_walk(struct plan *p, bool tell, struct fault *f);
int plan_remember(struct plan *p, struct fault *f);

/* What the bucket has; *found: anything of the job at all. */
int plan_list(struct plan *p, bool *found, struct fault *f);

/* The digest of a file here, read as it is now; FAULT_CONFLICT when it
 * changes meanwhile, FAULT_BUSY when told to stop.  parts: of each part in turn
 * too, if not NULL (room for all of them). */
int plan_hash(struct plan *p, struct plan_file *file, struct digest *parts,
    int64_t part_size, struct fault *f);

/* Is it still as its stamp says? */
bool plan_is_same(struct plan *p, const struct plan_file *file);

void plan_path(const struct plan_file *file, struct jobpath *out);
void plan_key(const struct plan *p, const struct plan_file *file,
    char out[JOBPATH_KEY_MAX + 1]);

/* Is the file here an image as it was made, and no edited copy?  The
 * catalogue tells, or else the object of the image alone: *original is false
 * when there is none, and it fails as s3_run did when S3 does not say. */
int plan_is_original(struct plan *p, const struct plan_file *file,
    bool *original, struct fault *f);

/* The id that a path is the image of ("character_reference/ID.EXT"). */
bool plan_is_image(
    const struct plan_file *file, struct image_id *id, enum sniff_kind *kind);

/* As `refused` of a walk and of a manifest, with a plan as arg: a trouble of
 * that name, or nothing. */
int plan_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f);
int plan_pass_over(
    void *arg, const char *shown, const struct fault *why, struct fault *f);

/* Would it be the same for every file: the bucket, the catalogue, memory? */
bool plan_is_of_all(enum fault_kind kind);

/* FAULT_BUSY once we were told to stop. */
int plan_go_on(const struct plan *p, struct fault *f);

/* Tells of a file's trouble, once, and counts it. */
void plan_trouble(
    struct plan *p, struct plan_file *file, const struct fault *why);
void plan_trouble_named(
    struct plan *p, const char *shown, const struct fault *why);
void plan_progress(struct plan *p, const char *path);

/* Remembers those files that are right and whose etag is known. */
int plan_keep(
    struct plan *p, struct plan_file *const *files, size_t n, struct fault *f);

#endif
