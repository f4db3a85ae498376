/*
 * ident - names that are safe to put in a path, a URL or a query.
 *
 * A struct image_id or job_id is proof that its text was checked: what
 * touches disk or network takes the struct, never a bare string.  We make
 * UUIDv4; we accept [A-Za-z0-9][A-Za-z0-9_-]{0,127}.
 */
#ifndef CODEC_IDENT_H
#define CODEC_IDENT_H

#include "base/buf.h"

enum { IDENT_MAX = 128 };

struct image_id {
	char text[IDENT_MAX + 1];
};

struct job_id {
	char text[IDENT_MAX + 1]; /* "" is no job: the image stands alone */
};

extern const struct job_id job_id_none;

/* A new random id (RFC 4122 version 4, lower case). */
void image_id_make(struct image_id *out);

/* FAULT_INPUT, field "image_id" or "job_id", says what is wrong. */
int image_id_parse(struct image_id *out, struct view text, struct fault *f);
int job_id_parse(struct job_id *out, struct view text, struct fault *f);

/* 1-64 of [A-Za-z0-9._-]: a request id that may be echoed and logged. */
bool ident_is_request_id(struct view text);

#endif
