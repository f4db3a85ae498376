#include "codec/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int
parse_image(struct view text, struct fault *f)
{
	struct image_id id;

	*f = FAULT_INIT;
	memset(&id, '?', sizeof id);
	if (image_id_parse(&id, text, f) == -1)
		return -1;
	assert_int_equal(strlen(id.text), text.n);
	assert_memory_equal(id.text, text.p, text.n);
	return 0;
}

static void
makes_lower_case_uuids_of_version_4(void **state)
{
	static const char shape[] = "xxxxxxxx-xxxx-4xxx-Vxxx-xxxxxxxxxxxx";
	struct image_id id;
	size_t i;

	(void)state;
	memset(&id, '?', sizeof id);
	image_id_make(&id);
	assert_int_equal(strlen(id.text), sizeof shape - 1);
	for (i = 0; i < sizeof shape - 1; i++)
		if (shape[i] == 'x')
			assert_non_null(strchr("0123456789abcdef", id.text[i]));
		else if (shape[i] == 'V')
			assert_non_null(strchr("89ab", id.text[i]));
		else
			assert_int_equal(id.text[i], shape[i]);
}

static void
makes_another_id_each_time(void **state)
{
	struct image_id ids[50];
	size_t i, j;

	(void)state;
	for (i = 0; i < 50; i++)
		image_id_make(&ids[i]);
	for (i = 0; i < 50; i++)
		for (j = 0; j < i; j++)
			assert_string_not_equal(ids[i].text, ids[j].text);
}

static void
accepts_what_it_makes(void **state)
{
	struct image_id id;
	struct fault f;

	(void)state;
	image_id_make(&id);
	assert_int_equal(parse_image(view_str(id.text), &f), 0);
}

static void
accepts_letters_digits_and_inner_signs(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(parse_image(VIEW("a"), &f), 0);
	assert_int_equal(parse_image(VIEW("0"), &f), 0);
	assert_int_equal(parse_image(VIEW("Z_-9"), &f), 0);
	assert_int_equal(parse_image(VIEW("scene_01-"), &f), 0);
}

static void
accepts_128_characters_and_not_129(void **state)
{
	char text[IDENT_MAX + 1];
	struct fault f;

	(void)state;
	memset(text, 'x', sizeof text);
	assert_int_equal(parse_image((struct view){ text, 128 }, &f), 0);
	assert_int_equal(parse_image((struct view){ text, 129 }, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.field, "image_id");
	assert_string_equal(f.text, "image_id is longer than 128 characters");
}

static void
refuses_the_empty_id(void **state)
{
	struct fault f = FAULT_INIT;
	struct job_id job = { "old" };

	(void)state;
	assert_int_equal(job_id_parse(&job, VIEW(""), &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.field, "job_id");
	assert_string_equal(f.text, "job_id is empty");
	assert_string_equal(job.text, "old");
}

static void
refuses_a_sign_in_front(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(parse_image(VIEW("-rf"), &f), -1);
	assert_int_equal(parse_image(VIEW("_a"), &f), -1);
	assert_string_equal(
	    f.text, "image_id does not begin with a letter or a digit");
	assert_int_equal(parse_image(VIEW("."), &f), -1);
	assert_int_equal(parse_image(VIEW("../../etc/passwd"), &f), -1);
}

static void
says_where_a_character_is_not_allowed(void **state)
{
	struct fault f;

	(void)state;
	assert_int_equal(parse_image(VIEW("ab/c"), &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.field, "image_id");
	assert_string_equal(f.text,
	    "image_id has a character other than A-Z a-z 0-9 _ - "
	    "at position 3");
}

static void
refuses_every_byte_but_64(void **state)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz"
				   "0123456789_-";
	char text[3] = "a?";
	struct fault f;
	int c, want;

	(void)state;
	for (c = 0; c < 256; c++) {
		text[1] = (char)c;
		want = memchr(good, c, sizeof good - 1) == NULL ? -1 : 0;
		assert_int_equal(
		    parse_image((struct view){ text, 2 }, &f), want);
	}
}

static void
reads_job_ids_by_the_same_rule(void **state)
{
	struct fault f = FAULT_INIT;
	struct job_id job;

	(void)state;
	assert_int_equal(job_id_parse(&job, VIEW("Job_7-b"), &f), 0);
	assert_string_equal(job.text, "Job_7-b");
	assert_int_equal(job_id_parse(&job, VIEW("a\0b"), &f), -1);
	assert_string_equal(f.field, "job_id");
	assert_string_equal(job.text, "Job_7-b");
}

static void
tells_a_request_id_that_may_be_echoed(void **state)
{
	char text[65];

	(void)state;
	memset(text, '.', sizeof text);
	assert_true(ident_is_request_id((struct view){ text, 64 }));
	assert_false(ident_is_request_id((struct view){ text, 65 }));
	assert_false(ident_is_request_id(VIEW("")));
	assert_true(ident_is_request_id(VIEW("aZ09._-")));
	assert_false(ident_is_request_id(VIEW("a b")));
	assert_false(ident_is_request_id(VIEW("a\nb")));
	assert_false(ident_is_request_id(VIEW("a\0")));
	assert_false(ident_is_request_id(VIEW("a\"")));
	assert_false(ident_is_request_id(VIEW("\xc3\xa9")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_lower_case_uuids_of_version_4),
		cmocka_unit_test(makes_another_id_each_time),
		cmocka_unit_test(accepts_what_it_makes),
		cmocka_unit_test(accepts_letters_digits_and_inner_signs),
		cmocka_unit_test(accepts_128_characters_and_not_129),
		cmocka_unit_test(refuses_the_empty_id),
		cmocka_unit_test(refuses_a_sign_in_front),
		cmocka_unit_test(says_where_a_character_is_not_allowed),
		cmocka_unit_test(refuses_every_byte_but_64),
		cmocka_unit_test(reads_job_ids_by_the_same_rule),
		cmocka_unit_test(tells_a_request_id_that_may_be_echoed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
