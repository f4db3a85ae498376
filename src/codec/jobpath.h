/*
 * jobpath - a job's files: where each lies in its folder, and under which
 * key in the bucket.  Pure.
 *
 *   final/PATH     <->  videos/JOB/final/PATH
 *   any other PATH <->  videos/JOB/intermediate/PATH
 *                       videos/JOB/manifest.json
 *
 * A checked path is a type; only the type can become a path or a key.
 */
#ifndef CODEC_JOBPATH_H
#define CODEC_JOBPATH_H

#include "base/buf.h"
#include "codec/ident.h"

enum {
	JOBPATH_KEY_MAX = 1024, /* S3's limit of a key                     */
	JOBPATH_MAX = JOBPATH_KEY_MAX, /* of a path, less what a job adds  */
	JOBPATH_NAME_MAX = 255, /* of one name in it                       */
	JOBPATH_DEPTH_MAX = 64, /* names                                   */
	JOBPATH_SHOWN_SIZE = 512
};

#define JOBPATH_REFERENCES "character_reference" /* folder of the images */

struct jobpath {
	char text[JOBPATH_MAX + 1]; /* "scenes/1/a.mp4": relative           */
};

/*
 * Checks a path below a job's folder: valid UTF-8, no control character
 * (C0, DEL, C1), names of 1 to JOBPATH_NAME_MAX bytes divided by single
 * '/', none of which begins with a dot, JOBPATH_DEPTH_MAX of them at most,
 * and short enough for a key of that job.  FAULT_INPUT says what is wrong,
 * without the path itself: "has an empty name in it".
 */
int jobpath_parse(struct jobpath *out, struct view text,
    const struct job_id *job, struct fault *f);

/* The key of a path that was checked for that job. */
void jobpath_key(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job,
    const struct jobpath *path);

/* The prefix of all keys of a job, "videos/JOB/", and its manifest's key. */
void jobpath_prefix(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job);
void jobpath_manifest(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job);

/*
 * The path that a key of the job stands for: the exact reverse, so a key
 * that no path would be given is FAULT_INPUT, with the reason.  The
 * manifest's key is none of them.
 */
int jobpath_of_key(struct jobpath *out, struct view key,
    const struct job_id *job, struct fault *f);

/*
 * A path or key of strangers made safe to show, in one line of UTF-8:
 * control characters, bytes that are not UTF-8 and '\' become \xNN.  What
 * does not fit is cut, and ends in "...".
 */
void jobpath_show(char out[JOBPATH_SHOWN_SIZE], struct view text);

#endif
