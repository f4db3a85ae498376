#include <stdint.h>
#include <string.h>

#include "codec/ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct view file;
	size_t line;
	size_t sections;
};

static void
check_inside(const struct seen *s, struct view v)
{
	MUST(v.n == 0 ||
	     (v.p >= s->file.p && v.p + v.n <= s->file.p + s->file.n));
	MUST(memchr(v.p, '\0', v.n) == NULL);
}

/* All that is handed over lies in the file, in the order of its lines. */
static int
look(void *arg, const struct ini_pair *pair, struct fault *f)
{
	struct seen *s = arg;

	(void)f;
	s->sections += pair->key.n == 0;
	MUST(s->sections > 0 && s->sections <= INI_SECTIONS_MAX);
	MUST(pair->line > s->line);
	s->line = pair->line;
	check_inside(s, pair->section);
	check_inside(s, pair->key);
	check_inside(s, pair->value);
	MUST(memchr(pair->key.p, '\n', pair->key.n) == NULL);
	MUST(memchr(pair->section.p, '\n', pair->section.n) == NULL);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { .file = { (const char *)data, size } };
	struct fault f = FAULT_INIT;
	const char *p;

	if (ini_read(s.file, look, &s, &f) == 0)
		return 0;
	MUST(f.kind == FAULT_INPUT);
	MUST(view_begins(view_str(f.text), "line "));
	for (p = f.text; *p != '\0'; p++)
		MUST(*p >= ' ' && *p <= '~');
	return 0;
}
