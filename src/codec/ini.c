#include "codec/ini.h"

#include <string.h>

#include "codec/text.h"

struct reader {
	ini_taker *take;
	void *arg;
	struct ini_pair pair; /* not yet handed over, when key is not empty */
	size_t indent;        /* of the last key of this section            */
	bool has_key;         /* in this section                            */
	size_t sections;
	size_t line;
};

static int
refuse(const struct reader *r, const char *why, struct fault *f)
{
	return fault_set(f, FAULT_INPUT, "line %zu: %s", r->line, why);
}

/* Bytes of the UTF-8 character (RFC 3629) that v begins with, or 0. */
static size_t
character(struct view v)
{
	static const struct {
		unsigned char first, last, low, high; /* of bytes 1 and 2 */
		size_t n;
	} shapes[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	const unsigned char *p = (const unsigned char *)v.p;
	size_t i, at;

	if (p[0] < 0x80)
		return 1;
	for (i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		if (p[0] < shapes[i].first || p[0] > shapes[i].last)
			continue;
		if (v.n < shapes[i].n || p[1] < shapes[i].low ||
		    p[1] > shapes[i].high)
			return 0;
		for (at = 2; at < shapes[i].n; at++)
			if ((p[at] & 0xc0) != 0x80)
				return 0;
		return shapes[i].n;
	}
	return 0;
}

static int
check(const struct reader *r, struct view line, struct fault *f)
{
	size_t n;

	if (line.n > INI_LINE_MAX)
		return refuse(r, "too long", f);
	for (; line.n > 0; line.p += n, line.n -= n) {
		if (line.p[0] == '\0')
			return refuse(r, "a NUL byte", f);
		n = character(line);
		if (n == 0)
			return refuse(r, "not UTF-8", f);
	}
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Without a comment, which white space must stand before. */
static struct view
without_comment(struct view v)
{
	size_t i;

	for (i = 0; i + 1 < v.n; i++)
		if (is_blank(v.p[i]) &&
		    (v.p[i + 1] == '#' || v.p[i + 1] == ';'))
			return text_trim((struct view){ v.p, i });
	return text_trim(v);
}

/* Hands over the pair that no further line can belong to. */
static int
flush(struct reader *r, struct fault *f)
{
	const struct ini_pair pair = r->pair;

	if (pair.key.n == 0)
		return 0;
	r->pair.key.n = 0;
	return r->take(r->arg, &pair, f);
}

static int
begin_section(struct reader *r, struct view line, struct fault *f)
{
	struct view name;

	line.p++;
	line.n--;
	if (memchr(line.p, ']', line.n) == NULL ||
	    !text_split(&line, ']', &name))
		return refuse(r, "a section without its ]", f);
	line = text_trim(line);
	if (line.n > 0 && line.p[0] != '#' && line.p[0] != ';')
		return refuse(r, "more after the section's ]", f);
	if (++r->sections > INI_SECTIONS_MAX)
		return refuse(r, "too many sections", f);
	r->has_key = false;
	r->pair = (struct ini_pair){ .section = text_trim(name),
		.key = VIEW(""),
		.value = VIEW(""),
		.line = r->line };
	return r->take(r->arg, &r->pair, f);
}

static int
begin_pair(struct reader *r, struct view line, size_t indent, struct fault *f)
{
	struct view key;

	if (r->sections == 0)
		return refuse(r, "before the first section", f);
	if (memchr(line.p, '=', line.n) == NULL)
		return refuse(r, "neither a section nor key = value", f);
	(void)text_split(&line, '=', &key);
	key = text_trim(key);
	if (key.n == 0)
		return refuse(r, "a value without a key", f);
	r->pair.key = key;
	r->pair.value = without_comment(line);
	r->pair.line = r->line;
	r->indent = indent;
	r->has_key = true;
	return 0;
}

/* The value now ends where this line does. */
static void
go_on(struct reader *r, struct view line)
{
	line = without_comment(line);
	r->pair.value.n = (size_t)(line.p + line.n - r->pair.value.p);
}

static int
read_line(struct reader *r, struct view line, struct fault *f)
{
	size_t indent = 0;

	r->line++;
	if (check(r, line, f) == -1)
		return -1;
	while (indent < line.n && is_blank(line.p[indent]))
		indent++;
	line = text_trim(line);
	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
		return 0;
	if (r->has_key && indent > r->indent) {
		go_on(r, line);
		return 0;
	}
	if (flush(r, f) == -1)
		return -1;
	if (line.p[0] == '[')
		return begin_section(r, line, f);
	return begin_pair(r, line, indent, f);
}

int
ini_read(struct view file, ini_taker *take, void *arg, struct fault *f)
{
	struct reader r = { .take = take, .arg = arg };
	struct view line;

	if (view_begins(file, "\xef\xbb\xbf")) {
		file.p += 3;
		file.n -= 3;
	}
	while (text_split(&file, '\n', &line))
		if (read_line(&r, line, f) == -1)
			return -1;
	return flush(&r, f);
}
