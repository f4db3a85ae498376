/*
 * dialect - what the tests of every dialect have in common: a reply is read
 * into images[], a request is written and compared.
 *
 * Included once by a test, after cmocka.h.  A test that has read something
 * ends with close_doc.
 */
#ifndef TESTS_DIALECT_H
#define TESTS_DIALECT_H

#include <string.h>

#include "gen/gen.h"

static struct json_doc *doc;
static struct gen_image images[GEN_IMAGES_MAX];

static inline void
open_doc(struct view text)
{
	struct fault f = FAULT_INIT;

	json_close(&doc);
	assert_int_equal(json_open(&doc, text, GEN_JSON_DEPTH_MAX, &f), 0);
}

static inline int
close_doc(void **state)
{
	(void)state;
	json_close(&doc);
	return 0;
}

static inline void
dialect_read(const struct gen_dialect *dialect, struct view text, int n)
{
	open_doc(text);
	memset(images, 0xa5, sizeof images); /* nothing may rely on zeroes */
	gen_read(dialect, json_root(doc), images, n);
}

static inline void
dialect_writes(const struct gen_dialect *dialect, const struct gen_ask *ask,
    int call, const char *want)
{
	struct buf out = BUF_INIT(4096);

	dialect->write(ask, call, &out);
	assert_false(out.spoilt);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static inline void
check_image(int at, const char *base64)
{
	assert_int_equal(images[at].outcome, GEN_OK);
	assert_int_equal(images[at].why.kind, FAULT_NONE);
	assert_true(view_is(images[at].base64, base64));
}

/* Appends the base64 of an image that is one byte over its limit. */
static inline void
add_too_large_an_image(struct buf *text)
{
	char *room = buf_room(text, (size_t)GEN_BASE64_MAX + 1);

	assert_non_null(room);
	memset(room, 'A', (size_t)GEN_BASE64_MAX + 1);
}

#endif
