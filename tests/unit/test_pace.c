#include "pool/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>

#include <cmocka.h>

static void
a_worker_that_lived_a_second_is_back_at_once(void **state)
{
	(void)state;
	assert_int_equal(pace_pause_ms(PACE_SOUND_MS, 0), 0);
	assert_int_equal(pace_pause_ms(PACE_SOUND_MS, PACE_MOST_MS), 0);
	assert_int_equal(pace_pause_ms(INT64_MAX, PACE_MOST_MS), 0);
}

static void
the_pause_doubles_with_each_short_life_up_to_its_most(void **state)
{
	static const int64_t pauses[] = { 50, 100, 200, 400, 800, 1000, 1000 };
	int64_t last = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
		last = pace_pause_ms(PACE_SOUND_MS - 1, last);
		assert_int_equal(last, pauses[i]);
	}
}

static void
one_sound_life_makes_the_next_pause_short_again(void **state)
{
	(void)state;
	assert_int_equal(
	    pace_pause_ms(0, pace_pause_ms(PACE_SOUND_MS, PACE_MOST_MS)),
	    PACE_FIRST_MS);
}

/* With the time that a worker takes to begin, this is the promise of two
 * seconds. */
static void
no_life_however_short_makes_the_pause_longer_than_a_second(void **state)
{
	int64_t lived, last;

	(void)state;
	for (lived = 0; lived < PACE_SOUND_MS; lived += 7)
		for (last = 0; last <= PACE_MOST_MS; last += 13)
			assert_in_range(pace_pause_ms(lived, last),
			    PACE_FIRST_MS, PACE_MOST_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_that_lived_a_second_is_back_at_once),
		cmocka_unit_test(
		    the_pause_doubles_with_each_short_life_up_to_its_most),
		cmocka_unit_test(
		    one_sound_life_makes_the_next_pause_short_again),
		cmocka_unit_test(
		    no_life_however_short_makes_the_pause_longer_than_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
