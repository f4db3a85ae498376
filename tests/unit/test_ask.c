#include "app/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int
parse(const char *body, struct ask *a, struct fault *f)
{
	*f = FAULT_INIT;
	*a = ASK_INIT;
	return ask_parse(a, view_str(body), f);
}

static void
assert_refused(const char *body, enum fault_kind kind, const char *field)
{
	struct fault f;
	struct ask a;

	if (parse(body, &a, &f) == 0)
		fail_msg("accepted: %s", body);
	if (f.kind != kind)
		fail_msg("%s: kind %d, text %s", body, (int)f.kind, f.text);
	if (field == NULL)
		assert_null(f.field);
	else
		assert_string_equal(f.field, field);
	assert_null(a.doc);
}

static void
a_description_alone_gets_the_documented_defaults(void **state)
{
	struct fault f;
	struct ask a;

	(void)state;
	assert_int_equal(
	    parse("{\"character_description\":\"  a robot\\n\"}", &a, &f), 0);
	assert_true(view_is(a.description, "a robot"));
	assert_int_equal(a.num_images, 4);
	assert_string_equal(a.aspect_ratio, "1:1");
	assert_string_equal(a.output_format, "png");
	assert_int_equal(a.negative_prompt.n, 0);
	assert_false(a.has_seed);
	assert_null(a.safety_filter_level);
	assert_null(a.person_generation);
	assert_true(a.include_base64);
	ask_fini(&a);
}

static void
null_means_the_default_and_unknown_fields_are_ignored(void **state)
{
	struct fault f;
	struct ask a;

	(void)state;
	assert_int_equal(
	    parse("{\"character_description\":\"x\",\"num_images\":null,"
		  "\"aspect_ratio\":null,\"output_format\":null,\"seed\":null,"
		  "\"include_base64\":null,\"negative_prompt\":null,"
		  "\"colour\":[1,2]}",
		&a, &f),
	    0);
	assert_int_equal(a.num_images, 4);
	assert_string_equal(a.aspect_ratio, "1:1");
	assert_false(a.has_seed);
	assert_true(a.include_base64);
	ask_fini(&a);
}

static void
every_field_is_taken_as_it_is_given(void **state)
{
	struct buf used = BUF_INIT(4096);
	struct fault f;
	struct ask a;

	(void)state;
	assert_int_equal(
	    parse("{\"character_description\":\"x\",\"num_images\":2,"
		  "\"aspect_ratio\":\"16:9\",\"output_format\":\"jpg\","
		  "\"negative_prompt\":\"blur\",\"seed\":4294967295,"
		  "\"safety_filter_level\":\"block_only_high\","
		  "\"person_generation\":\"dont_allow\","
		  "\"include_base64\":false}",
		&a, &f),
	    0);
	assert_string_equal(ask_media_type(&a), "image/jpeg");
	assert_false(a.include_base64);
	ask_parameters(&a, &used);
	assert_string_equal(buf_str(&used),
	    "{\"num_images\":2,\"aspect_ratio\":\"16:9\","
	    "\"output_format\":\"jpg\",\"negative_prompt\":\"blur\","
	    "\"seed\":4294967295,\"safety_filter_level\":\"block_only_high\","
	    "\"person_generation\":\"dont_allow\"}");
	buf_fini(&used);
	ask_fini(&a);
}

static void
wrong_json_and_wrong_types_are_input_faults(void **state)
{
#define WITH(rest) "{\"character_description\":\"x\"," rest "}"
	(void)state;
	assert_refused("", FAULT_INPUT, NULL);
	assert_refused("{", FAULT_INPUT, NULL);
	assert_refused("[]", FAULT_INPUT, NULL);
	assert_refused("\"x\"", FAULT_INPUT, NULL);
	assert_refused("{}", FAULT_INPUT, "character_description");
	assert_refused("{\"character_description\":7}", FAULT_INPUT,
	    "character_description");
	assert_refused("{\"character_description\":\" \\t\\n\"}", FAULT_INPUT,
	    "character_description");
	assert_refused(WITH("\"num_images\":\"4\""), FAULT_INPUT, "num_images");
	assert_refused(WITH("\"num_images\":4.5"), FAULT_INPUT, "num_images");
	assert_refused(WITH("\"num_images\":true"), FAULT_INPUT, "num_images");
	assert_refused(
	    WITH("\"aspect_ratio\":11"), FAULT_INPUT, "aspect_ratio");
	assert_refused(
	    WITH("\"include_base64\":\"no\""), FAULT_INPUT, "include_base64");
	assert_refused(WITH("\"seed\":1,\"seed\":2"), FAULT_INPUT, NULL);
	assert_refused(WITH("\"a\":\"\\u0000\""), FAULT_INPUT, NULL);
	assert_refused(WITH("\"a\":\"\xff\""), FAULT_INPUT, NULL);
}

static void
values_outside_their_range_are_range_faults(void **state)
{
	(void)state;
	assert_refused(WITH("\"num_images\":0"), FAULT_RANGE, "num_images");
	assert_refused(WITH("\"num_images\":5"), FAULT_RANGE, "num_images");
	assert_refused(WITH("\"num_images\":-1"), FAULT_RANGE, "num_images");
	assert_refused(
	    WITH("\"aspect_ratio\":\"2:1\""), FAULT_RANGE, "aspect_ratio");
	assert_refused(
	    WITH("\"output_format\":\"gif\""), FAULT_RANGE, "output_format");
	assert_refused(WITH("\"seed\":4294967296"), FAULT_RANGE, "seed");
	assert_refused(WITH("\"seed\":-1"), FAULT_RANGE, "seed");
	assert_refused(WITH("\"safety_filter_level\":\"\""), FAULT_RANGE,
	    "safety_filter_level");
	assert_refused(WITH("\"person_generation\":\"ALLOW\""), FAULT_RANGE,
	    "person_generation");
#undef WITH
}

/* Two bytes a character, so that counting bytes would refuse it. */
static void
parse_letters(int n, struct ask *a, struct fault *f, int *rc)
{
	struct buf body = BUF_INIT(64 << 10);

	buf_add(&body, VIEW("{\"character_description\":\""));
	while (n-- > 0)
		buf_add(&body, VIEW("\xc3\xa9"));
	buf_add(&body, VIEW("\"}"));
	*f = FAULT_INIT;
	*a = ASK_INIT;
	*rc = ask_parse(a, buf_view(&body), f);
	buf_fini(&body);
}

static void
four_thousand_characters_fit_and_one_more_does_not(void **state)
{
	struct fault f;
	struct ask a;
	int rc;

	(void)state;
	parse_letters(ASK_DESCRIPTION_MAX, &a, &f, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(a.description.n, ASK_DESCRIPTION_MAX * 2);
	ask_fini(&a);
	parse_letters(ASK_DESCRIPTION_MAX + 1, &a, &f, &rc);
	assert_int_equal(rc, -1);
	assert_int_equal(f.kind, FAULT_RANGE);
	assert_string_equal(f.details, "got 4001");
}

static void
a_deep_document_is_refused_before_it_is_parsed(void **state)
{
	char body[4096];
	struct fault f;
	struct ask a;

	(void)state;
	memset(body, '[', sizeof body - 1);
	body[sizeof body - 1] = '\0';
	assert_int_equal(parse(body, &a, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_description_alone_gets_the_documented_defaults),
		cmocka_unit_test(
		    null_means_the_default_and_unknown_fields_are_ignored),
		cmocka_unit_test(every_field_is_taken_as_it_is_given),
		cmocka_unit_test(wrong_json_and_wrong_types_are_input_faults),
		cmocka_unit_test(values_outside_their_range_are_range_faults),
		cmocka_unit_test(
		    four_thousand_characters_fit_and_one_more_does_not),
		cmocka_unit_test(
		    a_deep_document_is_refused_before_it_is_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
