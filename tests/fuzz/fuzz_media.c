#include <stdint.h>
#include <string.h>

#include "codec/media.h"
#include "codec/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
word_length(struct view line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != ' ' &&
	       (line.p[n] < '\t' || line.p[n] > '\r'))
		n++;
	return n;
}

/* Is the extension one of the words behind the first, the type? */
static bool
line_says(struct view line, struct view type, struct view extension)
{
	size_t n = word_length(line);

	if (n != type.n || memcmp(line.p, type.p, n) != 0)
		return false;
	for (; line.n > 0; n = word_length(line)) {
		line = text_trim((struct view){ line.p + n, line.n - n });
		if (text_same(
			(struct view){ line.p, word_length(line) }, extension))
			return true;
	}
	return false;
}

static bool
is_said(struct view table, struct view type, struct view extension)
{
	struct view line;
	const char *hash;

	while (text_split(&table, '\n', &line)) {
		hash = memchr(line.p, '#', line.n);
		if (hash != NULL)
			line.n = (size_t)(hash - line.p);
		if (line_says(text_trim(line), type, extension))
			return true;
	}
	return false;
}

/* The type fits into a header, and is what the table says. */
static void
check_type(const struct media *m, struct view table, const char *name)
{
	const char *type = media_type(m, name), *dot = strrchr(name, '.');
	const size_t n = strlen(type);
	size_t i;

	MUST(n >= 3 && n <= MEDIA_TYPE_MAX && strchr(type, '/') != NULL);
	for (i = 0; i < n; i++)
		MUST(type[i] > ' ' && type[i] <= '~');
	if (strcmp(type, MEDIA_UNKNOWN) != 0)
		MUST(dot != NULL &&
		     is_said(table, view_str(type), view_str(dot + 1)));
}

/* The first line is a name, the rest a table. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view rest = { (const char *)data, size };
	struct view name = { "", 0 }, table, word;
	struct buf text = BUF_INIT(size + 8);
	struct fault f = FAULT_INIT;
	struct media *m = NULL;

	(void)text_split(&rest, '\n', &name);
	table = rest;
	/* A NUL ends a line for the module, and is no end for the oracle. */
	if (table.n > 0)
		table.n = strnlen(table.p, table.n);
	MUST(media_open(&m, table, &f) == 0);
	buf_add(&text, name);
	check_type(m, table, buf_str(&text));
	for (rest = table; text_split(&rest, ' ', &word);) {
		buf_clear(&text);
		buf_add(&text, VIEW("a."));
		buf_add(&text, word);
		check_type(m, table, buf_str(&text));
	}
	buf_fini(&text);
	media_close(&m);
	MUST(m == NULL);
	return 0;
}
