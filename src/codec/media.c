#include "codec/media.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/text.h"

/* One extension, and its type; both stand in the table, each with a NUL. */
struct pair {
	const char *extension;
	const char *type;
};

struct media {
	char *table;        /* owned: the text, cut into words */
	struct pair *pairs; /* owned: sorted by extension      */
	size_t n;
};

/* tolower() asks the locale. */
static int
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static int
compare(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) - lower(*b);
}

/* Equal extensions stay in the order of the table, whose words lie so in
 * memory: qsort() need not be stable. */
static int
compare_pairs(const void *a, const void *b)
{
	const struct pair *left = a, *right = b;
	const int order = compare(left->extension, right->extension);
	const uintptr_t at = (uintptr_t)left->extension;
	const uintptr_t other = (uintptr_t)right->extension;

	return order != 0 ? order : (at > other) - (at < other);
}

static int
compare_extension(const void *extension, const void *element)
{
	const struct pair *pair = element;

	return compare(extension, pair->extension);
}

/* A type's or subtype's name (RFC 6838, 4.2). */
static size_t
span_name(const char *s)
{
	size_t n = 0;

	while (text_is_alnum(s[n]) ||
	       (n > 0 && s[n] != '\0' && strchr("!#$&-^_.+", s[n]) != NULL))
		n++;
	return n;
}

static bool
is_type(const char *word)
{
	const size_t n = span_name(word);
	const size_t sub = word[n] == '/' ? span_name(word + n + 1) : 0;

	return n > 0 && sub > 0 && word[n + 1 + sub] == '\0' &&
	       n + 1 + sub <= MEDIA_TYPE_MAX;
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Takes the next word off *line, and ends it with a NUL: NULL for none. */
static char *
next_word(char **line)
{
	char *word = *line;

	while (is_space(*word))
		word++;
	for (*line = word; **line != '\0' && !is_space(**line);)
		(*line)++;
	if (**line != '\0')
		*(*line)++ = '\0';
	return *word == '\0' ? NULL : word;
}

static void
read_line(struct media *m, char *line)
{
	char *rest = line, *type, *extension;

	line[strcspn(line, "#")] = '\0';
	type = next_word(&rest);
	if (type == NULL || !is_type(type))
		return;
	while ((extension = next_word(&rest)) != NULL)
		m->pairs[m->n++] = (struct pair){ extension, type };
}

/* Lines end at NULs, too, so that no word has one inside. */
static void
read_table(struct media *m, size_t size)
{
	char *line = m->table, *const end = m->table + size;
	size_t n;

	while (line < end) {
		n = strcspn(line, "\n");
		line[n] = '\0';
		read_line(m, line);
		line += n + 1;
	}
}

/* Of equal extensions the first stays, so that a search finds that one. */
static void
sort(struct media *m)
{
	size_t i, kept = 0;

	if (m->n == 0)
		return;
	qsort(m->pairs, m->n, sizeof m->pairs[0], compare_pairs);
	for (i = 1; i < m->n; i++)
		if (compare(m->pairs[kept].extension, m->pairs[i].extension) !=
		    0)
			m->pairs[++kept] = m->pairs[i];
	m->n = kept + 1;
}

int
media_open(struct media **out, struct view table, struct fault *f)
{
	/* Each extension takes two bytes at least, with what divides them. */
	const size_t most = table.n / 2 + 1;
	struct media *m = calloc(1, sizeof *m);

	if (m != NULL) {
		m->table = malloc(table.n + 1);
		m->pairs = calloc(most, sizeof m->pairs[0]);
	}
	if (m == NULL || m->table == NULL || m->pairs == NULL) {
		media_close(&m);
		return fault_set(f, FAULT_MEMORY, "media types");
	}
	if (table.n > 0)
		memcpy(m->table, table.p, table.n);
	m->table[table.n] = '\0';
	read_table(m, table.n);
	sort(m);
	*out = m;
	return 0;
}

void
media_close(struct media **m)
{
	if (*m == NULL)
		return;
	free((*m)->table);
	free((*m)->pairs);
	free(*m);
	*m = NULL;
}

const char *
media_type(const struct media *m, const char *name)
{
	const char *dot = strrchr(name, '.');
	const struct pair *found = NULL;

	if (dot != NULL && m->n > 0)
		found = bsearch(dot + 1, m->pairs, m->n, sizeof m->pairs[0],
		    compare_extension);
	return found == NULL ? MEDIA_UNKNOWN : found->type;
}
