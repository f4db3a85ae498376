/*
 * shown - what jobpath_show promises of a text that it made safe to show.
 */
#ifndef TESTS_SHOWN_H
#define TESTS_SHOWN_H

#include <string.h>

#include "codec/jobpath.h"

/* One line of UTF-8 without control characters, of bounded length, in which
 * '\' only begins \xNN. */
static inline void
check_shown(const char *shown)
{
	struct buf json = BUF_INIT(8 * JOBPATH_SHOWN_SIZE);
	const char *at;

	MUST(strlen(shown) < JOBPATH_SHOWN_SIZE);
	for (at = shown; *at != '\0'; at++) {
		MUST((unsigned char)*at >= ' ' && *at != '\x7f');
		if (*at == '\\')
			MUST(at[1] == 'x' && at[2] != '\0' && at[3] != '\0');
	}
	/* buf_json puts U+FFFD in place of what is not UTF-8. */
	buf_json(&json, view_str(shown));
	MUST(!view_has(buf_view(&json), "\\ufffd"));
	buf_fini(&json);
}

#endif
