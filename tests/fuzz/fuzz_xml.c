#include <stdint.h>
#include <string.h>

#include "codec/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was handed over: how often, and the last path. */
struct seen {
	unsigned count;
	char path[XML_PATH_MAX + 1];
};

static int
keep_text(void *arg, const char *path, struct view text, struct fault *f)
{
	struct buf *kept = arg;

	(void)f;
	MUST(strcmp(path, "t") == 0);
	buf_add(kept, text);
	return 0;
}

/* The text is what XML allows: escaped and read again, it is the same. */
static void
check_text(struct view text)
{
	struct buf again = BUF_INIT(16 * XML_TEXT_MAX);
	struct buf kept = BUF_INIT(XML_TEXT_MAX);
	struct fault f = FAULT_INIT;
	size_t i;

	buf_add(&again, VIEW("<t>"));
	for (i = 0; i < text.n; i++)
		if (strchr("<>&\r", text.p[i]) != NULL)
			buf_fmt(&again, "&#%d;", text.p[i]);
		else
			buf_add(&again, (struct view){ text.p + i, 1 });
	buf_add(&again, VIEW("</t>"));
	MUST(xml_read(buf_view(&again), keep_text, &kept, &f) == 0);
	MUST(!kept.spoilt && kept.len == text.n &&
	     memcmp(buf_str(&kept), text.p, text.n) == 0);
	buf_fini(&again);
	buf_fini(&kept);
}

static int
look(void *arg, const char *path, struct view text, struct fault *f)
{
	struct seen *s = arg;
	size_t i, names = 1;

	(void)f;
	s->count++;
	MUST(strlen(path) <= XML_PATH_MAX);
	MUST(path[0] != '/' && path[0] != '\0');
	for (i = 0; path[i] != '\0'; i++) {
		MUST(path[i] != ':');
		if (path[i] != '/')
			continue;
		MUST(path[i + 1] != '/' && path[i + 1] != '\0');
		names++;
	}
	MUST(names <= XML_DEPTH_MAX);
	memcpy(s->path, path, i + 1);
	MUST(text.n <= XML_TEXT_MAX);
	MUST(memchr(text.p, '\0', text.n) == NULL);
	check_text(text);
	return 0;
}

static int
stop_at_once(void *arg, const char *path, struct view text, struct fault *f)
{
	unsigned *count = arg;

	(void)text;
	(*count)++;
	return fault_set(f, FAULT_REMOTE, "%s", path);
}

/* An answer of S3, or of whoever stands between. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	struct fault f = FAULT_INIT;
	struct seen s = { 0 };
	unsigned stopped = 0;

	if (xml_read(in, look, &s, &f) == 0) {
		/* The root comes last. */
		MUST(s.count > 0 && strchr(s.path, '/') == NULL);
		MUST(f.kind == FAULT_NONE);
	} else {
		MUST(f.kind == FAULT_INPUT);
	}
	f = FAULT_INIT;
	if (s.count > 0) {
		MUST(xml_read(in, stop_at_once, &stopped, &f) == -1);
		MUST(stopped == 1 && f.kind == FAULT_REMOTE);
	}
	return 0;
}
