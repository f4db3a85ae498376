/*
 * json - reading JSON documents that strangers wrote.  Pure.
 *
 * A document is parsed whole, with a ceiling on depth, and refuses
 * duplicate keys, invalid UTF-8 and NUL in strings.  Values are lent by
 * their document and end with it.  Every reader accepts a NULL value and
 * says "not there", so that paths can be walked without asking at each
 * step.  Writing needs no module: see buf_json.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <stdint.h>

#include "base/buf.h"

struct json_doc;   /* owns its values */
struct json_value; /* lent; never freed by the reader */

enum json_kind {
	JSON_KIND_ABSENT, /* no such member, or a NULL value */
	JSON_KIND_NULL,
	JSON_KIND_BOOL,
	JSON_KIND_INTEGER,
	JSON_KIND_REAL,
	JSON_KIND_TEXT,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT
};

/*
 * Parses one document.  FAULT_INPUT with line and column in its text when
 * it is not JSON, is nested deeper than depth_max, or breaks a rule above;
 * FAULT_RANGE for a number that no int64_t or double holds.  FAULT_MEMORY.  On
 * success *out is the caller's to close.
 */
int json_open(
    struct json_doc **out, struct view text, int depth_max, struct fault *f);

/* Ends *doc and all its values and sets it to NULL.  NULL is fine. */
void json_close(struct json_doc **doc);

const struct json_value *json_root(const struct json_doc *doc);

enum json_kind json_kind(const struct json_value *v);
const char *json_kind_word(enum json_kind kind); /* "a string", "null"  */

/* The member of an object, or NULL. */
const struct json_value *json_member(
    const struct json_value *v, const char *name);

/*
 * The name of a member of the object that is not one of names (which end in
 * NULL), or the empty view: for readers that take no unknown members.
 */
struct view json_other_member(
    const struct json_value *v, const char *const *names);

/* Elements of an array (0 for anything else), and one of them or NULL. */
size_t json_count(const struct json_value *v);
const struct json_value *json_item(const struct json_value *v, size_t at);

/* The content of a string; the empty view for anything else. */
struct view json_text(const struct json_value *v);

/* The content of an integer, or otherwise. */
int64_t json_integer_or(const struct json_value *v, int64_t otherwise);

bool json_truth(const struct json_value *v);

#endif
