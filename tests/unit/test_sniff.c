#include "codec/sniff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/json.h"
#include "codec/text.h"

/* 1024 x 768 each, with as little else as the format allows. */
#define PNG_FRONT "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"
#define PNG_REST "\x08\x02\0\0\0CRC4"
#define PNG_DATA "\0\0\0\x02IDATxyCRC4"
#define PNG_END "\0\0\0\0IENDCRC4"
#define PNG PNG_FRONT "\0\0\x04\0\0\0\x03\0" PNG_REST PNG_DATA PNG_END

#define JPEG_APP0 "\xff\xe0\0\x07JFIF\0"
#define JPEG_SIZE "\x08\x03\0\x04\0\x01\x01\x11\0"
#define JPEG_FRAME "\xff\xc0\0\x0b" JPEG_SIZE
#define JPEG_SCAN "\xff\xda\0\x08\x01\x01\0\0\x3f\0data\xff\0more"
#define JPEG "\xff\xd8" JPEG_APP0 JPEG_FRAME JPEG_SCAN "\xff\xd9"

#define WEBP_VP8                                                               \
	"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0"                                     \
	"\x10\0\0\x9d\x01\x2a\0\x04\0\x03"
#define WEBP_VP8L "RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xc3\xbf\0\0"
#define WEBP_VP8X                                                              \
	"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0"                                     \
	"\x10\0\0\0\xff\x03\0\xff\x02\0"

static const struct {
	struct view bytes;
	enum sniff_kind kind;
} whole[] = {
	{ { PNG, sizeof PNG - 1 }, SNIFF_PNG },
	{ { JPEG, sizeof JPEG - 1 }, SNIFF_JPEG },
	{ { WEBP_VP8, sizeof WEBP_VP8 - 1 }, SNIFF_WEBP },
	{ { WEBP_VP8L, sizeof WEBP_VP8L - 1 }, SNIFF_WEBP },
	{ { WEBP_VP8X, sizeof WEBP_VP8X - 1 }, SNIFF_WEBP },
};
enum { WHOLE = sizeof whole / sizeof whole[0] };

static void
refuse(struct view bytes, const char *words)
{
	struct fault f = FAULT_INIT;
	struct sniff s;

	assert_int_equal(sniff_image(&s, bytes, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.text, words);
}

static void
accept(struct view bytes, enum sniff_kind kind, uint32_t width, uint32_t height)
{
	struct fault f = FAULT_INIT;
	struct sniff s;

	if (sniff_image(&s, bytes, &f) == -1)
		fail_msg("%s", f.text);
	assert_int_equal(s.kind, kind);
	assert_int_equal(s.width, width);
	assert_int_equal(s.height, height);
}

static void
knows_each_format_and_its_size(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < WHOLE; i++)
		accept(whole[i].bytes, whole[i].kind, 1024, 768);
}

/* In memory of exactly n bytes, so that a sanitizer sees a look beyond. */
static int
sniff_first(struct view bytes, size_t n, struct fault *f)
{
	char *copy = malloc(n + 1);
	struct sniff s;
	int rc;

	assert_non_null(copy);
	memcpy(copy + 1, bytes.p, n);
	rc = sniff_image(&s, (struct view){ copy + 1, n }, f);
	free(copy);
	return rc;
}

static void
refuses_an_image_that_lacks_its_last_bytes(void **state)
{
	struct fault f;
	size_t i, n;

	(void)state;
	for (i = 0; i < WHOLE; i++)
		for (n = 0; n < whole[i].bytes.n; n++) {
			f = FAULT_INIT;
			if (sniff_first(whole[i].bytes, n, &f) == 0)
				fail_msg("took %zu bytes of %zu", n, i);
			assert_int_equal(f.kind, FAULT_INPUT);
		}
}

static void
accepts_bytes_after_the_end(void **state)
{
	(void)state;
	accept(VIEW(PNG "tail"), SNIFF_PNG, 1024, 768);
	accept(VIEW(JPEG "\0\0\xd9"), SNIFF_JPEG, 1024, 768);
	accept(VIEW(WEBP_VP8 "tail"), SNIFF_WEBP, 1024, 768);
}

static void
refuses_what_is_no_image(void **state)
{
	const char *words = "neither a PNG nor a JPEG nor a WebP image";

	(void)state;
	refuse(VIEW(""), words);
	refuse(VIEW("<html>"), words);
	refuse(VIEW("GIF89a\x01\0\x01\0"), words);
	refuse(VIEW("\x89PNG\n\x1a\n"), words);
	refuse(VIEW("\xff\xd8"), words);
	refuse(VIEW("RIFF\x24\0\0\0WAVEfmt "), words);
	refuse(VIEW("x" PNG), words);
}

static void
refuses_a_side_of_no_pixels(void **state)
{
	(void)state;
	refuse(VIEW(PNG_FRONT "\0\0\0\0\0\0\x03\0" PNG_REST PNG_END),
	    "an image of 0x768 pixels cannot be");
	refuse(VIEW(PNG_FRONT "\0\0\x04\0\0\0\0\0" PNG_REST PNG_END),
	    "an image of 1024x0 pixels cannot be");
	refuse(VIEW("\xff\xd8\xff\xc0\0\x0b\x08\0\0\x04\0\x01\x01\x11\0"
		    "\xff\xd9"),
	    "an image of 1024x0 pixels cannot be");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\0\xc0\0\x03"),
	    "an image of 0x768 pixels cannot be");
}

static void
keeps_to_the_largest_side_of_a_png(void **state)
{
	(void)state;
	accept(VIEW(PNG_FRONT "\x7f\xff\xff\xff\0\0\0\x01" PNG_REST PNG_END),
	    SNIFF_PNG, INT32_MAX, 1);
	refuse(VIEW(PNG_FRONT "\x80\0\0\0\0\0\0\x01" PNG_REST PNG_END),
	    "an image of 2147483648x1 pixels cannot be");
}

static void
refuses_a_png_that_does_not_begin_with_ihdr(void **state)
{
	(void)state;
	refuse(VIEW("\x89PNG\r\n\x1a\n" PNG_DATA PNG_END PNG_END),
	    "a PNG without its header");
	refuse(VIEW("\x89PNG\r\n\x1a\n\0\0\0\x0cIHDR\0\0\x04\0\0\0\x03\0"
		    "\x08\x02\0\0CRC4" PNG_END),
	    "a PNG without its header");
}

static void
refuses_a_png_chunk_that_runs_past_the_end(void **state)
{
	(void)state;
#define HEADER PNG_FRONT "\0\0\x04\0\0\0\x03\0" PNG_REST
	refuse(VIEW(HEADER PNG_DATA),
	    "a PNG that ends inside a chunk, at byte 47");
	refuse(VIEW(HEADER "\0\0\0\x0dIDAT" PNG_END),
	    "a PNG that ends inside a chunk, at byte 33");
	refuse(VIEW(HEADER "\xff\xff\xff\xff"
			   "IDAT" PNG_END),
	    "a PNG that ends inside a chunk, at byte 33");
	refuse(VIEW(HEADER "\xff\xff\xff\xf4"
			   "IDAT" PNG_END),
	    "a PNG that ends inside a chunk, at byte 33");
}

static void
does_not_take_iend_inside_data_for_the_end(void **state)
{
	(void)state;
	refuse(VIEW(HEADER "\0\0\0\x0dIDAT" PNG_END "x"
			   "CRC"),
	    "a PNG that ends inside a chunk, at byte 33");
}

static void
skips_fill_bytes_and_segments_of_a_jpeg(void **state)
{
	(void)state;
	accept(VIEW("\xff\xd8\xff\xff\xff\xe1\0\x04\xff\xd9\xff\xc4\0\x02"
		    "\xff\xff\xc2\0\x0b" JPEG_SIZE "\xff\xd9"),
	    SNIFF_JPEG, 1024, 768);
	/* Length 8 is a frame of no components: enough to know its size. */
	accept(VIEW("\xff\xd8\xff\xcf\0\x08\x08\x03\0\x04\0\0\xff\xd9"),
	    SNIFF_JPEG, 1024, 768);
}

static void
takes_no_table_for_a_frame_header(void **state)
{
	(void)state;
	refuse(VIEW("\xff\xd8\xff\xc4\0\x0b" JPEG_SIZE "\xff\xd9"),
	    "a JPEG without a frame header, at byte 16");
	refuse(VIEW("\xff\xd8\xff\xc8\0\x0b" JPEG_SIZE "\xff\xd9"),
	    "a JPEG without a frame header, at byte 16");
	refuse(VIEW("\xff\xd8\xff\xcc\0\x0b" JPEG_SIZE "\xff\xd9"),
	    "a JPEG without a frame header, at byte 16");
}

static void
refuses_a_jpeg_without_a_frame_header(void **state)
{
	(void)state;
	refuse(VIEW("\xff\xd8" JPEG_APP0 "\xff\xd9\0\0"),
	    "a JPEG without a frame header, at byte 13");
	refuse(VIEW("\xff\xd8" JPEG_SCAN JPEG_FRAME "\xff\xd9"),
	    "a JPEG without a frame header, at byte 4");
	refuse(VIEW("\xff\xd8" JPEG_APP0 "junk" JPEG_FRAME "\xff\xd9"),
	    "a JPEG without a frame header, at byte 11");
	refuse(VIEW("\xff\xd8\xff\x01\0\x02" JPEG_FRAME "\xff\xd9"),
	    "a JPEG without a frame header, at byte 4");
	refuse(VIEW("\xff\xd8\xff\xe0\0\x01\xff\xd9"),
	    "a JPEG without a frame header, at byte 4");
	refuse(VIEW("\xff\xd8\xff\xe0\xff\xff\xff\xd9"),
	    "a JPEG without a frame header, at byte 4");
	refuse(VIEW("\xff\xd8\xff\xc0\0\x07\x08\x03\0\x04\0\xff\xd9"),
	    "a JPEG without a frame header, at byte 4");
}

static void
refuses_a_jpeg_without_an_end_after_its_frame(void **state)
{
	(void)state;
	refuse(VIEW("\xff\xd8" JPEG_FRAME JPEG_SCAN), "a JPEG without its end");
	/* A thumbnail's end, before the frame, is not the picture's. */
	refuse(VIEW("\xff\xd8\xff\xe1\0\x04\xff\xd9" JPEG_FRAME JPEG_SCAN),
	    "a JPEG without its end");
	refuse(
	    VIEW("\xff\xd8" JPEG_FRAME "\xd9\xd9"), "a JPEG without its end");
	/* The last byte of the header and the first after it make no EOI. */
	refuse(VIEW("\xff\xd8\xff\xc0\0\x08\x08\x03\0\x04\0\xff\xd9"),
	    "a JPEG without its end");
}

static void
refuses_a_webp_that_says_it_is_longer(void **state)
{
	(void)state;
	refuse(VIEW("RIFF\x17\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP of 23 bytes, of which 22 are here");
	refuse(VIEW("RIFF\xff\xff\xff\xffWEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP of 4294967295 bytes, of which 22 are here");
	/* One byte too few for a chunk, though the bytes go on. */
	refuse(VIEW("RIFF\x0b\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP of 11 bytes, of which 22 are here");
	refuse(VIEW("RIFF\x04\0\0\0WEBP"),
	    "a WebP of 4 bytes, of which 4 are here");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8 \x0b\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP that ends inside its first chunk");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8 \xff\xff\xff\xff"
		    "\x10\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP that ends inside its first chunk");
}

static void
refuses_a_webp_without_a_picture_in_front(void **state)
{
	(void)state;
	refuse(VIEW("RIFF\x0c\0\0\0WEBPANIM\0\0\0\0"),
	    "a WebP without an image in front");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x11\0\0\x9d\x01\x2a\0\x04\0\x03"),
	    "a WebP without a VP8 key frame");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2b\0\x04\0\x03"),
	    "a WebP without a VP8 key frame");
	refuse(VIEW("RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2e\xff\xc3\xbf\0\0"),
	    "a WebP without a VP8L header");
	refuse(VIEW("RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xc3\xbf\x20\0"),
	    "a WebP without a VP8L header");
	refuse(VIEW("RIFF\x16\0\0\0WEBPVP8X\x09\0\0\0"
		    "\x10\0\0\0\xff\x03\0\xff\x02\0"),
	    "a WebP without a VP8X header");
}

static void
reads_the_extremes_of_a_webp(void **state)
{
	(void)state;
	accept(VIEW("RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\0\0\0\x10\0"),
	    SNIFF_WEBP, 1, 1);
	accept(VIEW("RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0"),
	    SNIFF_WEBP, 16384, 16384);
	/* The two bits above a VP8 side are a scale, not pixels. */
	accept(VIEW("RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0"
		    "\x10\0\0\x9d\x01\x2a\xff\xff\x01\xc0"),
	    SNIFF_WEBP, 16383, 1);
	accept(VIEW("RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0"
		    "\0\0\0\0\xff\xff\xff\0\0\0"),
	    SNIFF_WEBP, 1 << 24, 1);
}

static void
gives_each_kind_its_extension_and_media_type(void **state)
{
	(void)state;
	assert_string_equal(sniff_extension(SNIFF_PNG), "png");
	assert_string_equal(sniff_extension(SNIFF_JPEG), "jpg");
	assert_string_equal(sniff_extension(SNIFF_WEBP), "webp");
	assert_string_equal(sniff_media_type(SNIFF_PNG), "image/png");
	assert_string_equal(sniff_media_type(SNIFF_JPEG), "image/jpeg");
	assert_string_equal(sniff_media_type(SNIFF_WEBP), "image/webp");
}

static void
knows_the_kind_of_an_extension(void **state)
{
	enum sniff_kind kind = SNIFF_KINDS;
	int i;

	(void)state;
	for (i = 0; i < SNIFF_KINDS; i++) {
		assert_true(sniff_of_extension(
		    view_str(sniff_extension((enum sniff_kind)i)), &kind));
		assert_int_equal(kind, i);
	}
	assert_true(sniff_of_extension(VIEW("jpeg"), &kind));
	assert_int_equal(kind, SNIFF_JPEG);
	assert_false(sniff_of_extension(VIEW(""), &kind));
	assert_false(sniff_of_extension(VIEW("gif"), &kind));
	assert_false(sniff_of_extension(VIEW("PNG"), &kind));
	assert_false(sniff_of_extension(VIEW(".png"), &kind));
	assert_false(sniff_of_extension(VIEW("png\0"), &kind));
	assert_int_equal(kind, SNIFF_JPEG);
}

/* A recorded reply, or false where there are none (a public clone). */
static bool
read_reply(const char *name, struct buf *out)
{
	const char *shared = getenv("CHARREF_SHARED");
	struct buf path = BUF_INIT(4096);
	char piece[4096];
	FILE *in;
	size_t n;

	buf_fmt(&path, "%s/data/provider-replies/%s",
	    shared == NULL ? "../shared" : shared, name);
	in = fopen(buf_str(&path), "rb");
	buf_fini(&path);
	if (in == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		buf_add(out, (struct view){ piece, n });
	assert_int_equal(fclose(in), 0);
	return true;
}

/* Every image in the reply must be a whole PNG; gives their number. */
static int
images_in(struct view reply)
{
	struct buf image = BUF_INIT(1 << 20);
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;
	const struct json_value *list;
	struct view coded;
	int found = 0;
	size_t i;

	assert_int_equal(json_open(&doc, reply, 32, &f), 0);
	list = json_member(json_root(doc), "predictions");
	for (i = 0; i < json_count(list); i++) {
		coded = json_text(
		    json_member(json_item(list, i), "bytesBase64Encoded"));
		if (coded.n == 0)
			continue;
		buf_clear(&image);
		assert_int_equal(text_unbase64(coded, &image, &f), 0);
		accept(buf_view(&image), SNIFF_PNG, 1024, 1024);
		found++;
	}
	json_close(&doc);
	buf_fini(&image);
	return found;
}

static void
recognises_every_recorded_image_of_a_real_model(void **state)
{
	static const struct {
		const char *name;
		int images;
	} replies[] = {
		{ "unary-success-generate-images-base64.json", 4 },
		{ "unary-failure-generate-images-base64-some-filtered.json",
		    2 },
	};
	struct buf reply = BUF_INIT(1 << 20);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof replies / sizeof replies[0]; i++) {
		buf_clear(&reply);
		if (!read_reply(replies[i].name, &reply)) {
			print_message("no recorded replies here\n");
			buf_fini(&reply);
			skip();
		}
		assert_int_equal(
		    images_in(buf_view(&reply)), replies[i].images);
	}
	buf_fini(&reply);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_each_format_and_its_size),
		cmocka_unit_test(refuses_an_image_that_lacks_its_last_bytes),
		cmocka_unit_test(accepts_bytes_after_the_end),
		cmocka_unit_test(refuses_what_is_no_image),
		cmocka_unit_test(refuses_a_side_of_no_pixels),
		cmocka_unit_test(keeps_to_the_largest_side_of_a_png),
		cmocka_unit_test(refuses_a_png_that_does_not_begin_with_ihdr),
		cmocka_unit_test(refuses_a_png_chunk_that_runs_past_the_end),
		cmocka_unit_test(does_not_take_iend_inside_data_for_the_end),
		cmocka_unit_test(skips_fill_bytes_and_segments_of_a_jpeg),
		cmocka_unit_test(takes_no_table_for_a_frame_header),
		cmocka_unit_test(refuses_a_jpeg_without_a_frame_header),
		cmocka_unit_test(refuses_a_jpeg_without_an_end_after_its_frame),
		cmocka_unit_test(refuses_a_webp_that_says_it_is_longer),
		cmocka_unit_test(refuses_a_webp_without_a_picture_in_front),
		cmocka_unit_test(reads_the_extremes_of_a_webp),
		cmocka_unit_test(gives_each_kind_its_extension_and_media_type),
		cmocka_unit_test(knows_the_kind_of_an_extension),
		cmocka_unit_test(
		    recognises_every_recorded_image_of_a_real_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
