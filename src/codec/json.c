#include "codec/json.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

struct json_doc {
	json_t *root; /* owned */
};

/*
 * The first byte after the string whose opening quote is at p, or end.
 * Strings of base64 are megabytes long, so the quote is sought by memchr.
 */
static const char *
after_string(const char *p, const char *end)
{
	const char *quote, *back;

	for (quote = p + 1; quote < end; quote++) {
		quote = memchr(quote, '"', (size_t)(end - quote));
		if (quote == NULL)
			return end;
		for (back = quote; back[-1] == '\\'; back--)
			;
		if ((quote - back) % 2 == 0) /* not itself escaped */
			return quote + 1;
	}
	return end;
}

/* FAULT_INPUT for the byte at p, with its line and column in text. */
static int
refuse_at(struct view text, const char *p, const char *why, struct fault *f)
{
	int line = 1, column = 1;
	const char *c;

	for (c = text.p; c < p; c++)
		if (*c == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*c & 0xc0) != 0x80) {
			column++; /* of characters, not of bytes */
		}
	return fault_set(f, FAULT_INPUT, "not JSON: line %d, column %d: %s",
	    line, column, why);
}

/*
 * jansson's parser calls itself for each level, so the levels are counted
 * first.  In what is not JSON the count may be wrong, but only beyond the
 * place where jansson will stop.
 */
static int
check_depth(struct view text, int depth_max, struct fault *f)
{
	const char *p = text.p, *end = text.p + text.n;
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = after_string(p, end);
			continue;
		}
		if (*p == '[' || *p == '{')
			depth++;
		else if ((*p == ']' || *p == '}') && depth > 0)
			depth--;
		if (depth > depth_max)
			return refuse_at(text, p, "nested too deep", f);
		p++;
	}
	return 0;
}

/*
 * jansson does not look whether the string it reads could grow, and runs
 * past its end when it could not.  A string and its copies take at most
 * four times the text: so the memory is asked for, and given back, here.
 */
static int
check_memory(size_t n, struct fault *f)
{
	void *volatile room = malloc(4 * n + 1); /* or gcc would drop it */

	if (room == NULL)
		return fault_set(f, FAULT_MEMORY, "read %zu bytes of JSON", n);
	free(room);
	return 0;
}

/* jansson's own words, without the piece of input that it quotes. */
static int
refuse(const json_error_t *e, struct fault *f)
{
	const char *quoted = strstr(e->text, " near '");
	const size_t n =
	    quoted == NULL ? strlen(e->text) : (size_t)(quoted - e->text);

	if (n == 0 || json_error_code(e) == json_error_out_of_memory)
		return fault_set(f, FAULT_MEMORY, "read JSON");
	if (json_error_code(e) == json_error_numeric_overflow)
		return fault_set(f, FAULT_RANGE,
		    "a number out of range: line %d, column %d", e->line,
		    e->column);
	return fault_set(f, FAULT_INPUT, "not JSON: line %d, column %d: %.*s",
	    e->line, e->column, (int)n, e->text);
}

int
json_open(
    struct json_doc **out, struct view text, int depth_max, struct fault *f)
{
	const char *nul = memchr(text.p, '\0', text.n);
	struct json_doc *doc;
	json_error_t e;

	if (nul != NULL) /* jansson overlooks one after a number */
		return refuse_at(text, nul, "a NUL byte", f);
	if (check_depth(text, depth_max, f) == -1 ||
	    check_memory(text.n, f) == -1)
		return -1;
	doc = calloc(1, sizeof *doc);
	if (doc == NULL)
		return fault_set(f, FAULT_MEMORY, "read JSON");
	doc->root = json_loadb(
	    text.p, text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (doc->root == NULL) {
		free(doc);
		return refuse(&e, f);
	}
	*out = doc;
	return 0;
}

void
json_close(struct json_doc **doc)
{
	if (*doc == NULL)
		return;
	json_decref((*doc)->root);
	free(*doc);
	*doc = NULL;
}

/* A json_value is jansson's json_t under another name, and never made. */
static const struct json_value *
lend(const json_t *j)
{
	return (const struct json_value *)j;
}

static const json_t *
of(const struct json_value *v)
{
	return (const json_t *)v;
}

const struct json_value *
json_root(const struct json_doc *doc)
{
	return lend(doc->root);
}

enum json_kind
json_kind(const struct json_value *v)
{
	if (v == NULL)
		return JSON_KIND_ABSENT;
	switch (json_typeof(of(v))) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_TEXT;
	case JSON_INTEGER:
		return JSON_KIND_INTEGER;
	case JSON_REAL:
		return JSON_KIND_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_NULL:
		break;
	}
	return JSON_KIND_NULL;
}

const char *
json_kind_word(enum json_kind kind)
{
	static const char *const words[] = {
		[JSON_KIND_ABSENT] = "nothing",
		[JSON_KIND_NULL] = "null",
		[JSON_KIND_BOOL] = "a boolean",
		[JSON_KIND_INTEGER] = "an integer",
		[JSON_KIND_REAL] = "a fraction",
		[JSON_KIND_TEXT] = "a string",
		[JSON_KIND_ARRAY] = "an array",
		[JSON_KIND_OBJECT] = "an object",
	};

	MUST((size_t)kind < sizeof words / sizeof words[0]);
	return words[kind];
}

const struct json_value *
json_member(const struct json_value *v, const char *name)
{
	return lend(json_object_get(of(v), name));
}

struct view
json_other_member(const struct json_value *v, const char *const *names)
{
	/* An iterator takes no const, though it changes nothing. */
	const union {
		const json_t *lent;
		json_t *walked;
	} object = { of(v) };
	const char *const *name;
	void *at;

	for (at = json_object_iter(object.walked); at != NULL;
	     at = json_object_iter_next(object.walked, at)) {
		name = names;
		while (*name != NULL &&
		       strcmp(*name, json_object_iter_key(at)) != 0)
			name++;
		if (*name == NULL)
			return view_str(json_object_iter_key(at));
	}
	return VIEW("");
}

size_t
json_count(const struct json_value *v)
{
	return json_array_size(of(v));
}

const struct json_value *
json_item(const struct json_value *v, size_t at)
{
	return lend(json_array_get(of(v), at));
}

struct view
json_text(const struct json_value *v)
{
	if (!json_is_string(of(v)))
		return VIEW("");
	return (
	    struct view){ json_string_value(of(v)), json_string_length(of(v)) };
}

int64_t
json_integer_or(const struct json_value *v, int64_t otherwise)
{
	return json_is_integer(of(v)) ? json_integer_value(of(v)) : otherwise;
}

bool
json_truth(const struct json_value *v)
{
	return json_is_true(of(v));
}
