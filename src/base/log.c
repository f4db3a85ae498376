#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 16384 };

static const char *const level_words[] = { "debug", "info", "warn", "error" };
static enum log_level threshold = LOG_INFO;

enum log_level
log_level_named(const char *name)
{
	enum log_level level;

	for (level = LOG_DEBUG; level <= LOG_ERROR; level++)
		if (strcmp(level_words[level], name) == 0)
			return level;
	return LOG_INFO;
}

void
log_threshold(enum log_level lowest)
{
	threshold = lowest;
}

int
log_to_file(const char *path, struct fault *f)
{
	const int fd =
	    open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd == -1)
		return fault_sys(f, FAULT_DISK, "open the log %s", path);
	if (dup2(fd, STDERR_FILENO) == -1) {
		(void)fault_sys(f, FAULT_DISK, "log to %s", path);
		(void)close(fd);
		return -1;
	}
	(void)close(fd);
	return 0;
}

static void
add_field(struct buf *line, const struct log_field *field)
{
	struct view text = field->text;

	if (field->name == NULL)
		return;
	buf_add(line, VIEW(",\""));
	buf_add(line, view_str(field->name));
	buf_add(line, VIEW("\":"));
	if (text.p == NULL) {
		buf_fmt(line, "%lld", (long long)field->number);
		return;
	}
	if (text.n > LOG_TEXT_MAX)
		text.n = LOG_TEXT_MAX;
	buf_json(line, text);
}

void
log_fields(enum log_level level, const char *event,
    const struct log_field *fields, size_t n)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	char stamp[CLOCK_STAMP_SIZE];
	ssize_t wrote;
	size_t i;

	if (level < threshold)
		return;
	clock_stamp(stamp);
	buf_fmt(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"",
	    stamp, level_words[level], event);
	for (i = 0; i < n; i++)
		add_field(&line, &fields[i]);
	buf_add(&line, VIEW("}\n"));
	if (line.spoilt) {
		buf_clear(&line);
		buf_fmt(&line,
		    "{\"time\":\"%s\",\"level\":\"error\",\"event\":\"log line "
		    "too long\"}\n",
		    stamp);
	}
	/* One write: lines of many workers in one file do not mix.  A full
	 * disk must not stop the service, so a failure is let go. */
	do
		wrote = write(STDERR_FILENO, line.data, line.len);
	while (wrote == -1 && errno == EINTR);
	buf_fini(&line);
}

void
must_failed(const char *cond, const char *file, int line, const char *func)
{
	char text[LOG_TEXT_MAX];

	(void)snprintf(
	    text, sizeof text, "%s:%d: %s: %s", file, line, func, cond);
	log_event(
	    LOG_ERROR, "broken promise", LOG_TEXT("message", view_str(text)));
	abort();
}
