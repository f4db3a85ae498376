/*
 * verbs - what each verb of `charref` does: thin faces of the operations.
 */
#ifndef APP_VERBS_H
#define APP_VERBS_H

#include "app/assets.h"

enum { VERBS_WORDS_MAX = ASSETS_IMAGES_MAX + 1 };

/* What stands behind the verb: its options, and the other words. */
struct verbs_line {
	const char *words[VERBS_WORDS_MAX];
	size_t n;
	const char *job;
	const char *base;
	const char *extension;
	const char *expires;
	bool json;
	bool all;
	bool markdown;
	bool force;
};

/*
 * Appends to out what is to be printed, which is printed after a failure,
 * too.  -1 without a fault: what there was to say has been said.
 */
typedef int verbs_function(
    const struct verbs_line *line, struct buf *out, struct fault *f);

verbs_function verbs_associate, verbs_backup, verbs_changes, verbs_config,
    verbs_key, verbs_persist, verbs_reindex, verbs_retry, verbs_routes,
    verbs_status, verbs_uploader, verbs_url;

#endif
