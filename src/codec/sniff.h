/*
 * sniff - what image these bytes are, by the bytes alone.  Pure; no I/O.
 *
 * One table gives each format its extension and media type.  An image is
 * recognised only whole: its signature, its width and height, and its end
 * (PNG: chunks up to IEND; JPEG: a frame header, and an EOI marker after
 * it; WebP: a RIFF size within the bytes).  Pixels are not decoded.
 */
#ifndef CODEC_SNIFF_H
#define CODEC_SNIFF_H

#include <stdint.h>

#include "base/buf.h"

enum sniff_kind { SNIFF_PNG, SNIFF_JPEG, SNIFF_WEBP, SNIFF_KINDS };

struct sniff {
	enum sniff_kind kind;
	uint32_t width; /* pixels, 1 or more */
	uint32_t height;
};

/* FAULT_INPUT says what is wrong with the bytes. */
int sniff_image(struct sniff *out, struct view bytes, struct fault *f);

const char *sniff_media_type(enum sniff_kind kind); /* "image/png"    */
const char *sniff_extension(enum sniff_kind kind);  /* "png": no dot  */

/* The kind of an extension ("jpeg" counts as "jpg"): true if known. */
bool sniff_of_extension(struct view extension, enum sniff_kind *kind);

#endif
