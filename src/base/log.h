/*
 * log - one JSON object a line on standard error, each written at once.
 *
 * Every text value is escaped (buf_json), so nothing in a request can end
 * its own value or forge a line.  Text longer than LOG_TEXT_MAX is cut.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdint.h>

#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_TEXT_MAX = 512 };

struct log_field {
	const char *name; /* a literal; NULL: no field at all */
	struct view text; /* used when text.p is set */
	int64_t number;
};

#define LOG_TEXT(name, view) ((struct log_field){ (name), (view), 0 })
/* On behalf of which request, the same in all lines; no field for none. */
#define LOG_REQUEST(id)                                                        \
	((struct log_field){ (id).n > 0 ? "request_id" : NULL, (id), 0 })

#define LOG_NUMBER(name, n) ((struct log_field){ (name), { NULL, 0 }, (n) })

/* The level of that name ("warn"); LOG_INFO for any other. */
enum log_level log_level_named(const char *name);

/* Lines below this level are not written.  The default is LOG_INFO. */
void log_threshold(enum log_level lowest);

/*
 * From here on standard error, ours and every library's, is appended to
 * the file.  FAULT_DISK when it cannot be opened.
 */
int log_to_file(const char *path, struct fault *f);

/* Writes {"time":…,"level":…,"event":…,FIELDS}.  Never fails its caller. */
void log_fields(enum log_level level, const char *event,
    const struct log_field *fields, size_t n);

#define log_event(level, event, ...)                                           \
	log_fields((level), (event),                                           \
	    (const struct log_field[]){ __VA_ARGS__ },                         \
	    sizeof((const struct log_field[]){ __VA_ARGS__ }) /                \
		sizeof(struct log_field))

#endif
