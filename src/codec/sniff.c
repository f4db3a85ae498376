#include "codec/sniff.h"

#include <string.h>

struct row {
	const char *extension;
	const char *media_type;
};

static const struct row rows[SNIFF_KINDS] = {
	[SNIFF_PNG] = { "png", "image/png" },
	[SNIFF_JPEG] = { "jpg", "image/jpeg" },
	[SNIFF_WEBP] = { "webp", "image/webp" },
};

static const struct row *
row_of(enum sniff_kind kind)
{
	MUST((size_t)kind < SNIFF_KINDS);
	return &rows[kind];
}

const char *
sniff_media_type(enum sniff_kind kind)
{
	return row_of(kind)->media_type;
}

const char *
sniff_extension(enum sniff_kind kind)
{
	return row_of(kind)->extension;
}

bool
sniff_of_extension(struct view extension, enum sniff_kind *kind)
{
	size_t i;

	if (view_is(extension, "jpeg"))
		extension = view_str(rows[SNIFF_JPEG].extension);
	for (i = 0; i < SNIFF_KINDS; i++)
		if (view_is(extension, rows[i].extension)) {
			*kind = (enum sniff_kind)i;
			return true;
		}
	return false;
}

static bool
has_at(struct view v, size_t at, struct view want)
{
	return v.n >= at + want.n && memcmp(v.p + at, want.p, want.n) == 0;
}

/* The readers below trust their caller to have looked at the length. */
static uint32_t
byte_at(struct view v, size_t at)
{
	return (unsigned char)v.p[at];
}

static uint32_t
big16(struct view v, size_t at)
{
	return byte_at(v, at) << 8 | byte_at(v, at + 1);
}

static uint32_t
big32(struct view v, size_t at)
{
	return big16(v, at) << 16 | big16(v, at + 2);
}

static uint32_t
little16(struct view v, size_t at)
{
	return byte_at(v, at) | byte_at(v, at + 1) << 8;
}

static uint32_t
little24(struct view v, size_t at)
{
	return little16(v, at) | byte_at(v, at + 2) << 16;
}

static uint32_t
little32(struct view v, size_t at)
{
	return little16(v, at) | little16(v, at + 2) << 16;
}

/* Notes the size.  No side may be 0, nor over PNG's 2^31 - 1. */
static int
set_size(struct sniff *out, uint32_t width, uint32_t height, struct fault *f)
{
	if (width == 0 || height == 0 || width > INT32_MAX ||
	    height > INT32_MAX)
		return fault_set(f, FAULT_INPUT,
		    "an image of %ux%u pixels cannot be", width, height);
	out->width = width;
	out->height = height;
	return 0;
}

/* PNG, third edition, 5.3: length, type, data and CRC; IHDR is the first. */
static int
sniff_png(struct sniff *out, struct view v, struct fault *f)
{
	enum { FIRST = 8, AROUND = 12, IHDR_SIZE = 13 };
	size_t at = FIRST;
	uint32_t size;

	if (v.n < FIRST + AROUND + IHDR_SIZE || big32(v, FIRST) != IHDR_SIZE ||
	    !has_at(v, FIRST + 4, VIEW("IHDR")))
		return fault_set(f, FAULT_INPUT, "a PNG without its header");
	if (set_size(out, big32(v, FIRST + 8), big32(v, FIRST + 12), f) == -1)
		return -1;
	while (v.n - at >= AROUND) {
		size = big32(v, at);
		if (size > v.n - at - AROUND)
			break;
		if (has_at(v, at + 4, VIEW("IEND")))
			return 0;
		at += AROUND + size;
	}
	return fault_set(
	    f, FAULT_INPUT, "a PNG that ends inside a chunk, at byte %zu", at);
}

/* SOF0 to SOF15, but for DHT, JPG and DAC among them (T.81, table B.1). */
static bool
is_frame_header(uint32_t marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
	       marker != 0xc8 && marker != 0xcc;
}

/* Is there an EOI at or after `from`?  It is sought from the end. */
static bool
has_end_of_image(struct view v, size_t from)
{
	const char *p = v.p + from, *d9;
	size_t n = v.n - from;

	while ((d9 = memrchr(p, '\xd9', n)) != NULL && d9 > p) {
		if (d9[-1] == '\xff')
			return true;
		n = (size_t)(d9 - p);
	}
	return false;
}

/*
 * T.81, B.1.1: before the frame header come only segments: 0xff, as many
 * times as it likes, a marker, and a length that counts itself.  Markers
 * without one (TEM, RSTn, SOI, EOI), and a scan (SOS), cannot stand there.
 */
static int
sniff_jpeg(struct sniff *out, struct view v, struct fault *f)
{
	enum { FIRST = 2, FRAME_SIZE_MIN = 8 };
	size_t at = FIRST, size;
	uint32_t marker;

	while (at < v.n && byte_at(v, at) == 0xff) {
		while (at < v.n && byte_at(v, at) == 0xff)
			at++;
		if (v.n - at < 3)
			break;
		marker = byte_at(v, at++);
		size = big16(v, at);
		if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda) ||
		    size < 2 || size > v.n - at)
			break;
		if (is_frame_header(marker)) {
			if (size < FRAME_SIZE_MIN)
				break;
			if (set_size(out, big16(v, at + 5), big16(v, at + 3),
				f) == -1)
				return -1;
			if (!has_end_of_image(v, at + size))
				return fault_set(
				    f, FAULT_INPUT, "a JPEG without its end");
			return 0;
		}
		at += size;
	}
	return fault_set(
	    f, FAULT_INPUT, "a JPEG without a frame header, at byte %zu", at);
}

/* RFC 6386, 9.1: a key frame's tag and start code; 14 bits a side. */
static int
size_of_vp8(struct sniff *out, struct view v, struct fault *f)
{
	if (v.n < 10 || (byte_at(v, 0) & 1) != 0 ||
	    !has_at(v, 3, VIEW("\x9d\x01\x2a")))
		return fault_set(
		    f, FAULT_INPUT, "a WebP without a VP8 key frame");
	return set_size(
	    out, little16(v, 6) & 0x3fff, little16(v, 8) & 0x3fff, f);
}

/* RFC 9649, 3.4: a signature, twice 14 bits less one, alpha, version 0. */
static int
size_of_vp8l(struct sniff *out, struct view v, struct fault *f)
{
	uint32_t bits;

	if (v.n < 5 || byte_at(v, 0) != 0x2f || byte_at(v, 4) >> 5 != 0)
		return fault_set(
		    f, FAULT_INPUT, "a WebP without a VP8L header");
	bits = little32(v, 1);
	return set_size(out, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, f);
}

/* RFC 9649, 2.7: flags, then twice 24 bits less one. */
static int
size_of_vp8x(struct sniff *out, struct view v, struct fault *f)
{
	if (v.n < 10)
		return fault_set(
		    f, FAULT_INPUT, "a WebP without a VP8X header");
	return set_size(out, little24(v, 4) + 1, little24(v, 7) + 1, f);
}

/* RFC 9649, 2.3: "RIFF", a size of what follows, "WEBP", and chunks. */
static int
sniff_webp(struct sniff *out, struct view v, struct fault *f)
{
	enum { RIFF = 8, CHUNK = 12, DATA = 20 };
	struct view data;
	uint32_t size;

	size = little32(v, 4);
	if (size < DATA - RIFF || size > v.n - RIFF)
		return fault_set(f, FAULT_INPUT,
		    "a WebP of %u bytes, of which %zu are here", size,
		    v.n - RIFF);
	data = (struct view){ v.p + DATA, size - (DATA - RIFF) };
	if (little32(v, CHUNK + 4) > data.n)
		return fault_set(
		    f, FAULT_INPUT, "a WebP that ends inside its first chunk");
	data.n = little32(v, CHUNK + 4);
	if (has_at(v, CHUNK, VIEW("VP8 ")))
		return size_of_vp8(out, data, f);
	if (has_at(v, CHUNK, VIEW("VP8L")))
		return size_of_vp8l(out, data, f);
	if (has_at(v, CHUNK, VIEW("VP8X")))
		return size_of_vp8x(out, data, f);
	return fault_set(f, FAULT_INPUT, "a WebP without an image in front");
}

int
sniff_image(struct sniff *out, struct view bytes, struct fault *f)
{
	if (has_at(bytes, 0, VIEW("\x89PNG\r\n\x1a\n"))) {
		out->kind = SNIFF_PNG;
		return sniff_png(out, bytes, f);
	}
	if (has_at(bytes, 0, VIEW("\xff\xd8\xff"))) {
		out->kind = SNIFF_JPEG;
		return sniff_jpeg(out, bytes, f);
	}
	if (has_at(bytes, 0, VIEW("RIFF")) && has_at(bytes, 8, VIEW("WEBP"))) {
		out->kind = SNIFF_WEBP;
		return sniff_webp(out, bytes, f);
	}
	return fault_set(
	    f, FAULT_INPUT, "neither a PNG nor a JPEG nor a WebP image");
}
