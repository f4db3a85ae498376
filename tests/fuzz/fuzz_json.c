#include <stdint.h>
#include <string.h>

#include "codec/json.h"

enum { DEPTH = 16, LIMIT = 8 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fault's text is for strangers' eyes: whole, and printable. */
static void
check_fault(const struct fault *f)
{
	size_t i;

	if (f->kind == FAULT_RANGE)
		MUST(view_begins(view_str(f->text), "a number out of range: "));
	else
		MUST(view_begins(view_str(f->text), "not JSON: line "));
	for (i = 0; f->text[i] != '\0'; i++)
		MUST(f->text[i] >= ' ' && f->text[i] <= '~');
}

/* What was read from a document comes back from what we write of it. */
static void
check_text(struct view text)
{
	struct buf again = BUF_INIT(LIMIT);
	struct fault f = FAULT_INIT;
	struct json_doc *doc = NULL;
	struct view back;

	buf_json(&again, text);
	MUST(json_open(&doc, buf_view(&again), DEPTH, &f) == 0);
	back = json_text(json_root(doc));
	MUST(back.n == text.n && memcmp(back.p, text.p, text.n) == 0);
	json_close(&doc);
	buf_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	const struct json_value *v;
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;
	int level;

	if (json_open(&doc, in, DEPTH, &f) == -1) {
		MUST(doc == NULL);
		check_fault(&f);
		return 0;
	}
	v = json_root(doc);
	for (level = 0; json_kind(v) == JSON_KIND_ARRAY; level++)
		v = json_item(v, json_count(v) - 1);
	MUST(level <= DEPTH);
	MUST(json_kind_word(json_kind(v)) != NULL);
	check_text(json_text(v));
	check_text(json_text(json_member(v, "prompt")));
	json_close(&doc);
	return 0;
}
