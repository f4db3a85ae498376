/*
 * running - which settings the living processes of RUN_DIR were started with,
 * and how ours differ from them.
 *
 * Each process that serves publishes a file in RUN_DIR/settings (0600): for
 * each setting that its table says to compare, an HMAC of its value under a
 * random key that is in that folder, too.  Other processes of the same user
 * compare them with their own settings, and learn no value that they do not
 * have.  A file counts as long as its process lives and belongs to the pool
 * that serves: the process holds a lock on it, which the kernel drops, and
 * the file's name has the pool's pid, which is compared with the pool's pid
 * file.  So workers that finish their last requests, or are coming up, do not
 * count, and neither does a process of a version that publishes nothing.
 */
#ifndef APP_RUNNING_H
#define APP_RUNNING_H

#include "app/conf.h"

/* The command that brings the processes the settings of this one. */
#define RUNNING_HELP                                                           \
	"charref-reload, or without systemd `group replace` for each group, "  \
	"takes them over"

enum { RUNNING_WHO_SIZE = 160 };

/* What publishes the uploader's settings, who is no worker. */
#define RUNNING_UPLOADER "uploader"

struct running; /* opaque: what this process has published */

/*
 * Publishes the settings of this process, which is one of that group ("fast-a";
 * letters, digits and '-'), until running_end, or its death.  Removes what dead
 * processes left.  Never fails: without it the others know nothing of these
 * settings, which is logged, and *out is NULL.
 */
void running_publish(
    struct running **out, const struct conf *c, const char *group);
void running_end(struct running **r);

/* From the least to the most that it means. */
enum running_change {
	RUNNING_SAME,
	RUNNING_OTHER, /* another value                        */
	RUNNING_ADDED, /* set here, and not in those processes */
	RUNNING_GONE   /* set in those processes, and not here */
};

struct running_setting {
	enum running_change change;
	char who[RUNNING_WHO_SIZE]; /* groups, as "fast-a, fast-b" */
};

/* A plain value. */
struct running_report {
	size_t processes; /* that were compared */
	struct running_setting settings[CONF_COUNT];
	bool loses_model_key; /* one of them has any, and ours have none */
};

/*
 * Compares our settings with those of all processes; or, when a group is
 * named, of its workers, and when it has none, of all workers.  FAULT_DISK
 * when the folder cannot be read, FAULT_MEMORY.
 */
int running_compare(const struct conf *c, const char *group,
    struct running_report *out, struct fault *f);

/* How many settings differ. */
size_t running_differences(const struct running_report *r);

/* Would processes with our settings let in strangers that those keep out? */
bool running_opens(const struct running_report *r);

/* The reverse: do those let in strangers that our settings keep out? */
bool running_is_open(const struct running_report *r);

/*
 * May processes with our settings take the place of those?  FAULT_CONFLICT,
 * naming the settings, when that would open the service, or leave it without
 * a model key.
 */
int running_may_replace(const struct running_report *r, struct fault *f);

/* Appends "NAME: in which way it differs (groups)", without a newline; with
 * "warning: " before it for a secret that is gone. */
void running_describe(
    const struct running_report *r, enum conf_key key, struct buf *out);

/* Appends the names of the settings that differ, at most so many. */
void running_names(
    const struct running_report *r, size_t most, struct buf *out);

/* Appends it all as a JSON object. */
void running_json(const struct running_report *r, struct buf *out);

#endif
