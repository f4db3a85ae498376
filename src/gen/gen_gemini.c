#include "gen/gen_gemini.h"

#include <string.h>

enum { TEXT_MAX = 128 << 10 };

/*
 * Gemini has no field for what must not be seen, so it is said in the
 * prompt.
 */
static void
add_prompt(const struct gen_ask *ask, struct buf *out)
{
	struct buf text = BUF_INIT(TEXT_MAX);

	buf_add(&text, ask->prompt);
	if (ask->negative_prompt.n > 0) {
		buf_add(&text, VIEW(" Do not show any of this: "));
		buf_add(&text, ask->negative_prompt);
		buf_add(&text, VIEW("."));
	}
	buf_json(out, buf_view(&text));
	if (text.spoilt)
		out->spoilt = true;
	buf_fini(&text);
}

/* Our safety levels are Imagen's; Gemini's thresholds by the same names. */
static const char *
threshold_of(const char *level)
{
	static const char *const names[][2] = {
		{ "block_low_and_above", "BLOCK_LOW_AND_ABOVE" },
		{ "block_medium_and_above", "BLOCK_MEDIUM_AND_ABOVE" },
		{ "block_only_high", "BLOCK_ONLY_HIGH" },
		{ "block_none", "BLOCK_NONE" },
	};
	size_t i;

	for (i = 0; level != NULL && i < sizeof names / sizeof names[0]; i++)
		if (strcmp(level, names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

static void
add_safety(const char *threshold, struct buf *out)
{
	static const char *const categories[] = { "HARASSMENT", "HATE_SPEECH",
		"SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT" };
	size_t i;

	if (threshold == NULL)
		return;
	buf_add(out, VIEW(",\"safetySettings\":["));
	for (i = 0; i < sizeof categories / sizeof categories[0]; i++)
		buf_fmt(out,
		    "%s{\"category\":\"HARM_CATEGORY_%s\","
		    "\"threshold\":\"%s\"}",
		    i == 0 ? "" : ",", categories[i], threshold);
	buf_add(out, VIEW("]"));
}

static void
gemini_write(const struct gen_ask *ask, int call, struct buf *out)
{
	buf_add(out, VIEW("{\"contents\":[{\"role\":\"user\",\"parts\":["
			  "{\"text\":"));
	add_prompt(ask, out);
	buf_add(out, VIEW("}]}],\"generationConfig\":{"
			  "\"responseModalities\":[\"IMAGE\"]"));
	if (ask->aspect_ratio != NULL) {
		buf_add(out, VIEW(",\"imageConfig\":{\"aspectRatio\":"));
		buf_json(out, view_str(ask->aspect_ratio));
		buf_add(out, VIEW("}"));
	}
	if (ask->has_seed)
		buf_fmt(out, ",\"seed\":%u", gen_seed(&gen_gemini, ask, call));
	buf_add(out, VIEW("}"));
	add_safety(threshold_of(ask->safety_filter_level), out);
	buf_add(out, VIEW("}"));
}

/* The last image, or (when there is none) an absent value. */
static const struct json_value *
last_image(const struct json_value *parts)
{
	const struct json_value *part, *data, *found = NULL;
	size_t i;

	for (i = 0; i < json_count(parts); i++) {
		part = json_item(parts, i);
		data = json_member(json_member(part, "inlineData"), "data");
		if (json_kind(data) == JSON_KIND_TEXT &&
		    !json_truth(json_member(part, "thought")))
			found = data;
	}
	return found;
}

static struct view
first_words(const struct json_value *parts)
{
	const struct json_value *part;
	struct view text;
	size_t i;

	for (i = 0; i < json_count(parts); i++) {
		part = json_item(parts, i);
		text = json_text(json_member(part, "text"));
		if (text.n > 0 && !json_truth(json_member(part, "thought")))
			return text;
	}
	return VIEW("");
}

/* What a 200 says in place of an image; each may be empty. */
struct excuse {
	struct view block_message; /* of the prompt, in a sentence    */
	struct view block;         /* the same in a word: "SAFETY"    */
	struct view message;       /* of the image, in a sentence     */
	struct view words;         /* the model's own                 */
	struct view finish;        /* of the image, in a word: "STOP" */
};

static struct excuse
excuse_of(const struct json_value *reply, const struct json_value *candidate)
{
	const struct json_value *feedback =
	    json_member(reply, "promptFeedback");
	const struct json_value *parts =
	    json_member(json_member(candidate, "content"), "parts");

	return (struct excuse){
		json_text(json_member(feedback, "blockReasonMessage")),
		json_text(json_member(feedback, "blockReason")),
		json_text(json_member(candidate, "finishMessage")),
		first_words(parts),
		json_text(json_member(candidate, "finishReason")),
	};
}

/* Does the candidate's finishReason say that the image was refused? */
static bool
is_refusal(struct view finish)
{
	static const char *const refusals[] = { "SAFETY", "IMAGE_SAFETY",
		"PROHIBITED_CONTENT", "IMAGE_PROHIBITED_CONTENT", "BLOCKLIST",
		"SPII", "RECITATION", "IMAGE_RECITATION" };
	size_t i;

	for (i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (view_is(finish, refusals[i]))
			return true;
	return false;
}

/*
 * A refusal is given again for as long as its Idempotency-Key lives, so only
 * a reply that names one counts: the same request may bring an image where it
 * was merely missed.  Words in place of an image mean "I will not draw that",
 * unless the model was cut off among them.
 */
static bool
names_refusal(const struct excuse *said)
{
	if (said->block.n > 0 && !view_is(said->block, "OTHER"))
		return true;
	if (said->finish.n == 0 || view_is(said->finish, "STOP"))
		return said->words.n > 0;
	return is_refusal(said->finish);
}

/* The most telling words of a refusal: the API's message, else what the model
 * wrote, else the bare reason. */
static struct view
words_of_refusal(const struct excuse *said)
{
	const struct view words[] = { said->block_message, said->block,
		said->message, said->words };
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].n > 0)
			return words[i];
	return said->finish;
}

static void
read_excuse(const struct excuse *said, struct gen_image *image)
{
	if (names_refusal(said))
		gen_filtered(image, words_of_refusal(said));
	else
		gen_missed(
		    image, said->finish.n > 0 ? said->finish : said->block);
}

static void
gemini_read(const struct json_value *reply, struct gen_image *images, int n)
{
	const struct json_value *candidate =
	    json_item(json_member(reply, "candidates"), 0);
	const struct json_value *found =
	    last_image(json_member(json_member(candidate, "content"), "parts"));
	struct excuse said;

	MUST(n == 1);
	if (json_kind(reply) != JSON_KIND_OBJECT) {
		gen_nonsense(images, n);
	} else if (found == NULL) {
		said = excuse_of(reply, candidate);
		read_excuse(&said, images);
	} else {
		gen_take(images, json_text(found));
	}
}

const struct gen_dialect gen_gemini = {
	.prefix = "gemini-",
	.verb = "generateContent",
	.batch = false,
	.seed_mask = INT32_MAX, /* the API's seed is an int32 */
	.floor_s = GEN_GOOGLE_FLOOR_S,
	.write = gemini_write,
	.read = gemini_read,
};
