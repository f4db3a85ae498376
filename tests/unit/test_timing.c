#include "app/timing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
assert_header(const struct timing *t, int64_t total_us, const char *expected)
{
	struct buf out = BUF_INIT(512);

	timing_header(t, total_us, &out);
	assert_false(out.spoilt);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void
what_never_began_is_not_told(void **state)
{
	struct log_field fields[TIMING_PHASES];
	struct timing t;

	(void)state;
	timing_begin(&t);
	assert_header(&t, 0, "Server-Timing: total;dur=0.0\r\n");
	assert_int_equal(timing_fields(&t, fields), 0);
}

static void
phases_are_told_in_the_order_of_their_table(void **state)
{
	struct timing t = { .began_us = 0 };

	(void)state;
	t.has_been[TIMING_UPLOAD] = t.has_been[TIMING_MODEL] = true;
	t.has_been[TIMING_SIGN] = true;
	t.spent_us[TIMING_UPLOAD] = 410299;
	t.spent_us[TIMING_MODEL] = 5123400;
	t.spent_us[TIMING_SIGN] = 7;
	assert_header(&t, 5550001,
	    "Server-Timing: sign;dur=0.0, model;dur=5123.4, upload;dur=410.2, "
	    "total;dur=5550.0\r\n");
}

/* They come in steps: an image that another model was asked for, say. */
static void
the_turns_of_a_phase_add_up(void **state)
{
	struct timing t;

	(void)state;
	timing_begin(&t);
	timing_add(&t, TIMING_MODEL, t.began_us - 2000000);
	assert_true(t.spent_us[TIMING_MODEL] >= 2000000);
	timing_add(&t, TIMING_MODEL, t.began_us - 3000000);
	assert_true(t.spent_us[TIMING_MODEL] >= 5000000);
	assert_false(t.has_been[TIMING_STORE]);
}

static void
the_log_has_whole_milliseconds_of_what_takes_some(void **state)
{
	struct log_field fields[TIMING_PHASES];
	struct timing t = { .began_us = 0 };
	size_t i;

	(void)state;
	for (i = 0; i < TIMING_PHASES; i++) {
		t.has_been[i] = true;
		t.spent_us[i] = (int64_t)(i + 1) * 1000 + 999;
	}
	assert_int_equal(timing_fields(&t, fields), 3);
	assert_string_equal(fields[0].name, "model_ms");
	assert_int_equal(fields[0].number, TIMING_MODEL + 1);
	assert_string_equal(fields[1].name, "store_ms");
	assert_string_equal(fields[2].name, "upload_ms");
	assert_int_equal(fields[2].number, TIMING_UPLOAD + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_never_began_is_not_told),
		cmocka_unit_test(phases_are_told_in_the_order_of_their_table),
		cmocka_unit_test(the_turns_of_a_phase_add_up),
		cmocka_unit_test(
		    the_log_has_whole_milliseconds_of_what_takes_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
