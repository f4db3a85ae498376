#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/sniff.h"
#include "sketch/draw.h"
#include "sketch/traits.h"

enum { PNG_LIMIT = 4 << 20, PNG_EXPECTED_MAX = 450 * 1024 };

static struct draw_card
card_of(const char *text)
{
	return (struct draw_card){ .prompt = view_str(text),
		.caption = view_str(text),
		.width = 512,
		.height = 512 };
}

static struct buf
drawn(const struct draw_card *card)
{
	struct buf png = BUF_INIT(PNG_LIMIT);
	struct fault f = FAULT_INIT;

	assert_int_equal(draw_card(card, &png, &f), 0);
	return png;
}

static bool
draw_alike(const struct draw_card *one, const struct draw_card *other)
{
	struct buf a = drawn(one), b = drawn(other);
	const bool alike = a.len == b.len && memcmp(a.data, b.data, a.len) == 0;

	buf_fini(&a);
	buf_fini(&b);
	return alike;
}

static void
the_same_card_is_the_same_bytes(void **state)
{
	const struct draw_card card = card_of("a silver robot");

	(void)state;
	assert_true(draw_alike(&card, &card));
}

static void
index_seed_and_prompt_each_change_the_picture(void **state)
{
	const struct draw_card card = card_of("a silver robot");
	struct draw_card other = card;

	(void)state;
	other.index = 1;
	assert_false(draw_alike(&card, &other));
	other = card;
	other.seed = 7;
	assert_false(draw_alike(&card, &other));
	other = card;
	other.prompt = VIEW("a golden robot");
	assert_false(draw_alike(&card, &other));
}

static void
every_size_is_a_png_of_that_size(void **state)
{
	static const int sizes[][2] = { { 1024, 1024 }, { 896, 1280 },
		{ 1280, 896 }, { 768, 1408 }, { 1408, 768 } };
	struct draw_card card = card_of("an old wizard with a blue cape");
	struct fault f = FAULT_INIT;
	struct sniff found;
	struct buf png;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		card.width = sizes[i][0];
		card.height = sizes[i][1];
		png = drawn(&card);
		assert_int_equal(sniff_image(&found, buf_view(&png), &f), 0);
		assert_int_equal(found.kind, SNIFF_PNG);
		assert_int_equal(found.width, card.width);
		assert_int_equal(found.height, card.height);
		assert_true(png.len < PNG_EXPECTED_MAX);
		buf_fini(&png);
	}
}

static void
any_caption_can_be_drawn(void **state)
{
	static const char *const captions[] = { "", " ", "\n\t\n",
		"\xf0\x9f\xa4\x96 \xe9\x8a\x80\xe8\x89\xb2\xe3\x81\xae"
		"\xe3\x83\xad\xe3\x83\x9c\xe3\x83\x83\xe3\x83\x88",
		"a\xcc\x81\xcc\x81\xcc\x81 \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
		"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW"
		"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW" };
	struct draw_card card;
	struct buf png;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof captions / sizeof captions[0]; i++) {
		card = card_of(captions[i]);
		png = drawn(&card);
		buf_fini(&png);
	}
}

static void
a_caption_of_any_length_can_be_drawn(void **state)
{
	struct buf text = BUF_INIT(64 * 1024);
	struct draw_card card;
	struct buf png;
	int i;

	(void)state;
	for (i = 0; i < 10000; i++)
		buf_add(&text, VIEW("\xe9\x8a\x80 "));
	card = card_of(buf_str(&text));
	png = drawn(&card);
	buf_fini(&png);
	buf_fini(&text);
}

static void
a_png_over_the_limit_is_a_fault(void **state)
{
	const struct draw_card card = card_of("a knight");
	struct buf png = BUF_INIT(1000);
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(draw_card(&card, &png, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	buf_fini(&png);
}

static struct traits
traits_of(const char *prompt, int index)
{
	struct fault f = FAULT_INIT;
	struct traits t;

	assert_int_equal(traits_read(&t, view_str(prompt), 0, index, &f), 0);
	return t;
}

static bool
same_colour(struct colour a, int rgb)
{
	const struct colour b = colour_hex(rgb);

	return memcmp(&a, &b, sizeof a) == 0;
}

static void
words_become_traits(void **state)
{
	struct traits t =
	    traits_of("A silver metallic humanoid robot with red shield", 0);

	(void)state;
	assert_int_equal(t.of[TRAIT_KIND], KIND_ROBOT);
	assert_int_equal(t.of[TRAIT_SHIELD], 1);
	assert_true(same_colour(t.colour[SLOT_MAIN], 0xb9c2cc));
	assert_true(same_colour(t.colour[SLOT_SHIELD], 0xc8373d));
	t = traits_of("two Fox-eared GIRLS, green scarf", 0);
	assert_int_equal(t.of[TRAIT_KIND], KIND_HUMAN);
	assert_int_equal(t.of[TRAIT_EARS], EARS_FOX);
	assert_int_equal(t.of[TRAIT_AGE], AGE_CHILD);
	assert_int_equal(t.of[TRAIT_SCARF], 1);
	assert_int_equal(traits_of("a fox", 0).of[TRAIT_KIND], KIND_BEAST);
}

static void
an_index_changes_the_pose_and_not_the_character(void **state)
{
	const struct traits first = traits_of("a woman in a coat", 0);
	struct traits t;
	int i;

	(void)state;
	for (i = 1; i < 4; i++) {
		t = traits_of("a woman in a coat", i);
		assert_memory_equal(t.of, first.of, sizeof t.of);
		assert_int_equal(t.pose, first.pose + (unsigned int)i);
	}
}

static int
forget(void **state)
{
	(void)state;
	draw_forget();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_card_is_the_same_bytes),
		cmocka_unit_test(index_seed_and_prompt_each_change_the_picture),
		cmocka_unit_test(every_size_is_a_png_of_that_size),
		cmocka_unit_test(any_caption_can_be_drawn),
		cmocka_unit_test(a_caption_of_any_length_can_be_drawn),
		cmocka_unit_test(a_png_over_the_limit_is_a_fault),
		cmocka_unit_test(words_become_traits),
		cmocka_unit_test(
		    an_index_changes_the_pose_and_not_the_character),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}
