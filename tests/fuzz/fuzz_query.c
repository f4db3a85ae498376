#include <stdint.h>
#include <string.h>

#include "codec/text.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Does v lie within whole? */
static bool
within(struct view v, struct view whole)
{
	return v.p >= whole.p && v.p + v.n <= whole.p + whole.n;
}

/* The first parameter of a name is found, whatever the others are. */
static void
look_for(struct view query, const char *name)
{
	struct view rest = query, pair, value = VIEW("");
	const bool found = text_query(query, name, &value);
	bool stands = false;

	while (text_split(&rest, '&', &pair)) {
		MUST(within(pair, query));
		MUST(memchr(pair.p, '&', pair.n) == NULL);
		if (!view_begins(pair, name) ||
		    (pair.n > strlen(name) && pair.p[strlen(name)] != '='))
			continue;
		if (!stands)
			MUST(found && within(value, pair));
		stands = true;
	}
	MUST(found == stands);
}

/* Decoding never makes more, and changes nothing that has no escape. */
static void
unescape(struct view v)
{
	struct buf plain = BUF_INIT(LIMIT);
	struct fault f = FAULT_INIT;

	if (text_unescape(v, &plain, &f) == 0) {
		MUST(plain.len <= v.n);
		if (v.n > 0 && memchr(v.p, '%', v.n) == NULL)
			MUST(plain.len == v.n &&
			     memcmp(plain.data, v.p, v.n) == 0);
	} else {
		MUST(f.kind == FAULT_INPUT && view_has(v, "%"));
	}
	buf_fini(&plain);
}

/* A query, and the other small notations that arrive with requests. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct view in = { (const char *)data, size };
	int64_t ms;

	look_for(in, "redirect");
	look_for(in, "a");
	look_for(in, "");
	unescape(in);
	MUST(within(text_trim(in), in));
	if (text_duration_ms(in, &ms))
		MUST(ms >= 0 && ms <= INT64_C(1000000000000));
	if (text_retry_after_ms(in, 0, &ms))
		MUST(ms >= 0);
	if (text_number(in, &ms))
		MUST(size > 0 && (ms >= 0 || data[0] == '-'));
	return 0;
}
