#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

int
secret_set(struct secret *s, struct view v, struct fault *f)
{
	char *bytes;

	MUST(s->bytes == NULL);
	if (v.n == 0)
		return 0;
	bytes = malloc(v.n);
	if (bytes == NULL)
		return fault_set(f, FAULT_MEMORY, "keep a secret");
	memcpy(bytes, v.p, v.n);
	*s = (struct secret){ bytes, v.n };
	return 0;
}

bool
secret_is_set(const struct secret *s)
{
	return s->bytes != NULL;
}

struct view
secret_reveal(const struct secret *s)
{
	return s->bytes == NULL ? VIEW("") : (struct view){ s->bytes, s->n };
}

bool
secret_is(const struct secret *s, struct view guess)
{
	unsigned char differs = s->n != guess.n;
	size_t i;

	for (i = 0; i < s->n && i < guess.n; i++)
		differs |= (unsigned char)(s->bytes[i] ^ guess.p[i]);
	return differs == 0;
}

void
secret_fini(struct secret *s)
{
	if (s->bytes != NULL)
		explicit_bzero(s->bytes, s->n);
	free(s->bytes);
	*s = SECRET_INIT;
}

void
secret_buf_fini(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}
