#include "aws/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TRIES = 400 };

/* The longest wait that TRIES of them came to; none is below zero. */
static int64_t
longest(int before, bool throttled, int64_t asked_ms)
{
	int64_t most = 0, wait;
	int i;

	for (i = 0; i < TRIES; i++) {
		wait = retry_wait_ms(before, throttled, asked_ms);
		assert_true(wait >= 0);
		if (wait > most)
			most = wait;
	}
	return most;
}

static void
waits_double_and_are_longer_when_throttled(void **state)
{
	(void)state;
	assert_in_range(longest(0, false, -1), 40, 50);
	assert_in_range(longest(1, false, -1), 80, 100);
	assert_in_range(longest(2, false, -1), 160, 200);
	assert_in_range(longest(0, true, -1), 800, 1000);
	assert_in_range(longest(1, true, -1), 1600, 2000);
}

static void
no_wait_is_longer_than_twenty_seconds(void **state)
{
	(void)state;
	assert_in_range(longest(9, false, -1), 16000, 20000);
	assert_in_range(longest(1000, false, -1), 16000, 20000);
	assert_in_range(longest(5, true, -1), 16000, 20000);
}

static void
a_server_is_obeyed_within_reason(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < TRIES; i++) {
		assert_int_equal(retry_wait_ms(0, false, 3000), 3000);
		assert_in_range(
		    retry_wait_ms(0, false, 3600 * 1000), 5000, 5050);
		assert_in_range(retry_wait_ms(0, false, INT64_MAX), 5000, 5050);
		assert_in_range(retry_wait_ms(0, false, 0), 0, 50);
	}
	assert_in_range(longest(0, true, 1), 800, 1000);
}

static void
thirty_five_retries_spend_the_budget(void **state)
{
	struct retry r = RETRY_INIT;
	int n = 0;

	(void)state;
	while (retry_take(&r, false) == RETRY_COST)
		n++;
	assert_int_equal(n, 35);
	assert_int_equal(r.tokens, 10);
	assert_int_equal(retry_take(&r, true), RETRY_COST_THROTTLED);
	assert_int_equal(retry_take(&r, true), RETRY_COST_THROTTLED);
	assert_int_equal(retry_take(&r, true), 0);
	assert_int_equal(r.tokens, 0);
}

static void
a_success_gives_back_what_its_retry_took_or_one(void **state)
{
	struct retry r = { .tokens = 100 };
	int i;

	(void)state;
	retry_give(&r, retry_take(&r, false));
	assert_int_equal(r.tokens, 100);
	retry_give(&r, 0);
	assert_int_equal(r.tokens, 101);
	for (i = 0; i < RETRY_BUDGET; i++)
		retry_give(&r, 0);
	assert_int_equal(r.tokens, RETRY_BUDGET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_and_are_longer_when_throttled),
		cmocka_unit_test(no_wait_is_longer_than_twenty_seconds),
		cmocka_unit_test(a_server_is_obeyed_within_reason),
		cmocka_unit_test(thirty_five_retries_spend_the_budget),
		cmocka_unit_test(
		    a_success_gives_back_what_its_retry_took_or_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
