#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
keeps_a_copy_of_the_bytes(void **state)
{
	char source[] = "k\0y";
	struct secret s = SECRET_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&s, (struct view){ source, 3 }, &f), 0);
	memset(source, 'x', sizeof source);
	assert_true(secret_is_set(&s));
	assert_int_equal(secret_reveal(&s).n, 3);
	assert_memory_equal(secret_reveal(&s).p, "k\0y", 3);
	secret_fini(&s);
}

static void
is_not_set_by_the_empty_text(void **state)
{
	struct secret s = SECRET_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&s, VIEW(""), &f), 0);
	assert_false(secret_is_set(&s));
	assert_int_equal(secret_reveal(&s).n, 0);
	assert_non_null(secret_reveal(&s).p);
	secret_fini(&s);
}

static void
ends_empty_and_may_be_set_again(void **state)
{
	struct secret s = SECRET_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&s, VIEW("one"), &f), 0);
	secret_fini(&s);
	assert_false(secret_is_set(&s));
	secret_fini(&s);
	assert_int_equal(secret_set(&s, VIEW("two"), &f), 0);
	assert_true(secret_is(&s, VIEW("two")));
	secret_fini(&s);
}

static void
is_only_the_very_same_bytes(void **state)
{
	struct secret s = SECRET_INIT;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&s, VIEW("secret"), &f), 0);
	assert_true(secret_is(&s, VIEW("secret")));
	assert_false(secret_is(&s, VIEW("Secret")));
	assert_false(secret_is(&s, VIEW("secreT")));
	assert_false(secret_is(&s, VIEW("secre")));
	assert_false(secret_is(&s, VIEW("secrets")));
	assert_false(secret_is(&s, VIEW("secret\0")));
	assert_false(secret_is(&s, VIEW("")));
	secret_fini(&s);
	assert_false(secret_is(&s, VIEW("secret")));
}

static void
ends_a_buf_that_held_a_secret(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	buf_add(&b, VIEW("Authorization: secret"));
	secret_buf_fini(&b);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	secret_buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_a_copy_of_the_bytes),
		cmocka_unit_test(is_not_set_by_the_empty_text),
		cmocka_unit_test(ends_empty_and_may_be_set_again),
		cmocka_unit_test(is_only_the_very_same_bytes),
		cmocka_unit_test(ends_a_buf_that_held_a_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
