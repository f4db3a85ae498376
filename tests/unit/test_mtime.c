#include "aws/mtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void
a_time_is_written_with_nine_digits_of_a_fraction(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {
		{ 1577836800123456789, "1577836800.123456789" },
		{ 1577836800000000000, "1577836800.000000000" },
		{ 1, "0.000000001" },
		{ -1, "-0.000000001" },
		{ -1500000000, "-1.500000000" },
		{ INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" },
	};
	struct buf text = BUF_INIT(64);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		buf_clear(&text);
		mtime_write(&text, cases[i].ns);
		assert_string_equal(buf_str(&text), cases[i].text);
	}
	buf_fini(&text);
}

static void
a_time_is_read_with_any_fraction_or_none(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{ "1577836800.123456789", 1577836800123456789 },
		{ "1577836800.1234567899", 1577836800123456789 },
		{ "1577836800.5", 1577836800500000000 },
		{ "1577836800", 1577836800000000000 },
		{ "0.000000001", 1 },
		{ "-1.5", -1500000000 },
		{ "-0.000000001", -1 },
		{ "0", 0 },
		{ "9223372035.999999999", 9223372035999999999 },
	};
	int64_t ns;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ns = 7;
		assert_true(mtime_read(view_str(cases[i].text), &ns));
		assert_int_equal(ns, cases[i].ns);
	}
}

static void
what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = { "", "-", ".", ".5", "1.", "--1",
		"-.5", "1.5.6", "1,5", "1e9", "+1", " 1", "1 ", "1.5s", "1.-5",
		"2020-01-01T00:00:00Z", "9223372037", "99999999999999999999" };
	int64_t ns = 7;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (mtime_read(view_str(texts[i]), &ns))
			fail_msg("accepted: %s", texts[i]);
		assert_int_equal(ns, 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_time_is_written_with_nine_digits_of_a_fraction),
		cmocka_unit_test(a_time_is_read_with_any_fraction_or_none),
		cmocka_unit_test(what_is_no_time_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
