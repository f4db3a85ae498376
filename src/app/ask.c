#include "app/ask.h"

#include <string.h>

#include "codec/sniff.h"
#include "codec/text.h"

/* The words each field allows; the first is the default, if it has one. */
static const char *const aspect_ratios[] = { "1:1", "3:4", "4:3", "9:16",
	"16:9", NULL };
static const char *const output_formats[] = { "png", "jpg", "jpeg", "webp",
	NULL };
static const char *const safety_levels[] = { "block_low_and_above",
	"block_medium_and_above", "block_only_high", "block_none", NULL };
static const char *const person_words[] = { "dont_allow", "allow_adult",
	"allow_all", NULL };

static int
wrong_type(const struct json_value *v, const char *field, const char *wanted,
    struct fault *f)
{
	(void)fault_in(f, FAULT_INPUT, field, "%s must be %s", field, wanted);
	return fault_details(f, "got %s", json_kind_word(json_kind(v)));
}

/* JSON null means the default, as if the field were not there. */
static bool
is_unset(const struct json_value *v)
{
	return json_kind(v) == JSON_KIND_ABSENT ||
	       json_kind(v) == JSON_KIND_NULL;
}

static int
read_text(const struct json_value *root, const char *field, struct view *out,
    struct fault *f)
{
	const struct json_value *v = json_member(root, field);
	size_t n;

	*out = VIEW("");
	if (is_unset(v))
		return 0;
	if (json_kind(v) != JSON_KIND_TEXT)
		return wrong_type(v, field, "a string", f);
	*out = text_trim(json_text(v));
	n = text_characters(*out);
	if (n <= ASK_DESCRIPTION_MAX)
		return 0;
	(void)fault_in(f, FAULT_RANGE, field,
	    "%s must have at most %d characters", field, ASK_DESCRIPTION_MAX);
	return fault_details(f, "got %zu", n);
}

static int
not_a_word(struct view got, const char *field, const char *const *words,
    struct fault *f)
{
	struct buf list = BUF_INIT(sizeof f->text);
	const struct view shown =
	    text_cut(got, 40); /* enough to see what it was */

	for (; *words != NULL; words++)
		buf_fmt(&list, "%s%s", list.len > 0 ? ", " : "", *words);
	(void)fault_in(f, FAULT_RANGE, field, "%s must be one of %s", field,
	    buf_str(&list));
	buf_fini(&list);
	return fault_details(f, "got \"%.*s\"", (int)shown.n, shown.p);
}

static int
read_word(const struct json_value *root, const char *field,
    const char *const *words, const char *standard, const char **out,
    struct fault *f)
{
	const struct json_value *v = json_member(root, field);
	const char *const *word;

	*out = standard;
	if (is_unset(v))
		return 0;
	if (json_kind(v) != JSON_KIND_TEXT)
		return wrong_type(v, field, "a string", f);
	for (word = words; *word != NULL; word++)
		if (view_is(json_text(v), *word)) {
			*out = *word;
			return 0;
		}
	return not_a_word(json_text(v), field, words, f);
}

static int
read_integer(const struct json_value *root, const char *field, int64_t min,
    int64_t max, int64_t *out, struct fault *f)
{
	const struct json_value *v = json_member(root, field);
	int64_t n;

	if (is_unset(v))
		return 0;
	if (json_kind(v) != JSON_KIND_INTEGER)
		return wrong_type(v, field, "an integer", f);
	n = json_integer_or(v, 0);
	if (n >= min && n <= max) {
		*out = n;
		return 0;
	}
	(void)fault_in(f, FAULT_RANGE, field,
	    "%s must be between %lld and %lld", field, (long long)min,
	    (long long)max);
	return fault_details(f, "got %lld", (long long)n);
}

static int
read_description(
    const struct json_value *root, struct view *out, struct fault *f)
{
	static const char field[] = "character_description";

	if (read_text(root, field, out, f) == -1)
		return -1;
	if (out->n > 0)
		return 0;
	return fault_in(f, FAULT_INPUT, field,
	    "%s is required and must not be empty", field);
}

static int
read_numbers(const struct json_value *root, struct ask *a, struct fault *f)
{
	int64_t images = GEN_IMAGES_MAX;
	int64_t seed = -1;

	if (read_integer(root, "num_images", 1, GEN_IMAGES_MAX, &images, f) ==
		-1 ||
	    read_integer(root, "seed", 0, UINT32_MAX, &seed, f) == -1)
		return -1;
	a->num_images = (int)images;
	a->has_seed = seed >= 0;
	a->seed = a->has_seed ? (uint32_t)seed : 0;
	return 0;
}

static int
read_flag(const struct json_value *root, const char *field, bool standard,
    bool *out, struct fault *f)
{
	const struct json_value *v = json_member(root, field);

	*out = standard;
	if (is_unset(v))
		return 0;
	if (json_kind(v) != JSON_KIND_BOOL)
		return wrong_type(v, field, "true or false", f);
	*out = json_truth(v);
	return 0;
}

static int
read_fields(const struct json_value *root, struct ask *a, struct fault *f)
{
	if (json_kind(root) != JSON_KIND_OBJECT) {
		(void)fault_set(
		    f, FAULT_INPUT, "the body must be a JSON object");
		return fault_details(
		    f, "got %s", json_kind_word(json_kind(root)));
	}
	if (read_description(root, &a->description, f) == -1 ||
	    read_numbers(root, a, f) == -1 ||
	    read_word(root, "aspect_ratio", aspect_ratios, aspect_ratios[0],
		&a->aspect_ratio, f) == -1 ||
	    read_word(root, "output_format", output_formats, output_formats[0],
		&a->output_format, f) == -1 ||
	    read_text(root, "negative_prompt", &a->negative_prompt, f) == -1 ||
	    read_word(root, "safety_filter_level", safety_levels, NULL,
		&a->safety_filter_level, f) == -1 ||
	    read_word(root, "person_generation", person_words, NULL,
		&a->person_generation, f) == -1)
		return -1;
	return read_flag(root, "include_base64", true, &a->include_base64, f);
}

int
ask_parse(struct ask *out, struct view body, struct fault *f)
{
	struct ask a = ASK_INIT;

	if (json_open(&a.doc, body, ASK_JSON_DEPTH_MAX, f) == -1)
		return fault_while(f, "the body");
	if (read_fields(json_root(a.doc), &a, f) == -1) {
		ask_fini(&a);
		return -1;
	}
	*out = a;
	return 0;
}

void
ask_fini(struct ask *a)
{
	json_close(&a->doc);
	*a = ASK_INIT;
}

const char *
ask_media_type(const struct ask *a)
{
	enum sniff_kind kind;

	MUST(sniff_of_extension(view_str(a->output_format), &kind));
	return sniff_media_type(kind);
}

static void
add_word(struct buf *out, const char *name, struct view word)
{
	buf_fmt(out, ",\"%s\":", name);
	if (word.n == 0)
		buf_add(out, VIEW("null"));
	else
		buf_json(out, word);
}

void
ask_parameters(const struct ask *a, struct buf *out)
{
	buf_fmt(out, "{\"num_images\":%d", a->num_images);
	add_word(out, "aspect_ratio", view_str(a->aspect_ratio));
	add_word(out, "output_format", view_str(a->output_format));
	add_word(out, "negative_prompt", a->negative_prompt);
	if (a->has_seed)
		buf_fmt(out, ",\"seed\":%u", a->seed);
	else
		buf_add(out, VIEW(",\"seed\":null"));
	add_word(out, "safety_filter_level", view_str(a->safety_filter_level));
	add_word(out, "person_generation", view_str(a->person_generation));
	buf_add(out, VIEW("}"));
}
