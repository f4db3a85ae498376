#include "codec/ident.h"

#include <string.h>

#include <uuid/uuid.h>

#include "codec/text.h"

enum { REQUEST_ID_MAX = 64, UUID_LENGTH = 36 };

const struct job_id job_id_none = { "" };

void
image_id_make(struct image_id *out)
{
	uuid_t uuid;

	_Static_assert(sizeof out->text > UUID_LENGTH, "room for a UUID");
	uuid_generate_random(uuid);
	uuid_unparse_lower(uuid, out->text);
}

/* Copies a checked text; out is touched only when all of it is good. */
static int
parse(char out[IDENT_MAX + 1], const char *field, struct view text,
    struct fault *f)
{
	size_t i;

	if (text.n == 0)
		return fault_in(f, FAULT_INPUT, field, "%s is empty", field);
	if (text.n > IDENT_MAX)
		return fault_in(f, FAULT_INPUT, field,
		    "%s is longer than %d characters", field, IDENT_MAX);
	if (!text_is_alnum(text.p[0]))
		return fault_in(f, FAULT_INPUT, field,
		    "%s does not begin with a letter or a digit", field);
	for (i = 0; i < text.n; i++)
		if (!text_is_alnum(text.p[i]) && text.p[i] != '_' &&
		    text.p[i] != '-')
			return fault_in(f, FAULT_INPUT, field,
			    "%s has a character other than A-Z a-z 0-9 _ - "
			    "at position %zu",
			    field, i + 1);
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return 0;
}

int
image_id_parse(struct image_id *out, struct view text, struct fault *f)
{
	return parse(out->text, "image_id", text, f);
}

int
job_id_parse(struct job_id *out, struct view text, struct fault *f)
{
	return parse(out->text, "job_id", text, f);
}

bool
ident_is_request_id(struct view text)
{
	return text.n <= REQUEST_ID_MAX && text_is_word(text);
}
