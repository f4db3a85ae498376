#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void
ticks_never_go_back_and_agree_in_both_units(void **state)
{
	const int64_t first_ms = clock_ticks_ms();
	const int64_t us = clock_ticks_us();
	const int64_t second_ms = clock_ticks_ms();

	(void)state;
	assert_true(first_ms <= us / 1000);
	assert_true(us / 1000 <= second_ms);
}

static void
now_is_the_time_of_day(void **state)
{
	const int64_t before = (int64_t)time(NULL);
	const int64_t ms = clock_now_ms();

	(void)state;
	assert_true(ms / 1000 >= before - 1);
	assert_true(ms / 1000 <= (int64_t)time(NULL) + 1);
}

static void
a_stamp_is_iso_8601_with_microseconds_and_of_now(void **state)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddddd+00:00";
	const int64_t before = clock_now_ms() / 1000;
	char stamp[CLOCK_STAMP_SIZE];
	struct tm tm = { .tm_isdst = 0 };
	size_t i;

	(void)state;
	clock_stamp(stamp);
	assert_int_equal(strlen(stamp), sizeof shape - 1);
	for (i = 0; i < sizeof shape - 1; i++)
		if (shape[i] == 'd')
			assert_in_range(stamp[i], '0', '9');
		else
			assert_int_equal(stamp[i], shape[i]);
	assert_non_null(strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm));
	assert_in_range(timegm(&tm), before, before + 2);
}

static void
chance_stays_below_and_reaches_every_number(void **state)
{
	unsigned seen = 0;
	uint32_t n;
	int i;

	(void)state;
	assert_int_equal(clock_chance(1), 0);
	for (i = 0; i < 1000; i++) {
		n = clock_chance(8);
		assert_true(n < 8);
		seen |= 1u << n;
	}
	assert_int_equal(seen, 0xff);
}

static void
do_nothing(int signal_number)
{
	(void)signal_number;
}

static void
sleep_lasts_its_time_also_through_signals(void **state)
{
	const struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	const struct sigaction act = { .sa_handler = do_nothing };
	const int64_t before_us = clock_ticks_us();

	(void)state;
	clock_sleep_ms(0);
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &each_ms, NULL), 0);
	clock_sleep_ms(50);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(clock_ticks_us() - before_us >= 50000);
}

static void
waiting_to_be_stopped_ends_by_that_or_by_time(void **state)
{
	const int64_t began_ms = clock_ticks_ms();
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_false(clock_is_stopped(ends[0], 0));
	assert_false(clock_is_stopped(ends[0], -1));
	assert_false(clock_is_stopped(ends[0], 30));
	assert_false(clock_is_stopped(0, 30)); /* none */
	assert_false(clock_is_stopped(-1, 0));
	assert_true(clock_ticks_ms() - began_ms >= 60);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_true(clock_is_stopped(ends[0], 0));
	assert_true(clock_is_stopped(ends[0], 60000));
	assert_true(clock_ticks_ms() - began_ms < 30000);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_never_go_back_and_agree_in_both_units),
		cmocka_unit_test(now_is_the_time_of_day),
		cmocka_unit_test(
		    a_stamp_is_iso_8601_with_microseconds_and_of_now),
		cmocka_unit_test(sleep_lasts_its_time_also_through_signals),
		cmocka_unit_test(waiting_to_be_stopped_ends_by_that_or_by_time),
		cmocka_unit_test(chance_stays_below_and_reaches_every_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
