#include "codec/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
assert_digest(struct view bytes, const char *want)
{
	struct fault f = FAULT_INIT;
	struct digest d;

	memset(&d, '?', sizeof d);
	assert_int_equal(digest_sha256(&d, bytes, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
	assert_string_equal(d.hex, want);
}

static void
agrees_with_the_examples_of_fips_180(void **state)
{
	(void)state;
	assert_digest(VIEW(""), "e3b0c44298fc1c149afbf4c8996fb924"
				"27ae41e4649b934ca495991b7852b855");
	assert_digest(VIEW("abc"), "ba7816bf8f01cfea414140de5dae2223"
				   "b00361a396177a9cb410ff61f20015ad");
	assert_digest(VIEW("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomn"
			   "opnopq"),
	    "248d6a61d20638b8e5c026930c3e6039"
	    "a33ce45964ff2167f6ecedd419db06c1");
}

static void
takes_bytes_after_a_nul_into_account(void **state)
{
	(void)state;
	assert_digest(VIEW("\0"), "6e340b9cffb37a989ca544e6bb780a2c"
				  "78901d3fb33738768511a30617afa01d");
	assert_digest(VIEW("a\0b"), "59b271ae1bbcb1d31d41929817f4b16f"
				    "b439eb4f31520b5ad1d5ce98920a7138");
}

static void
takes_a_million_bytes(void **state)
{
	static char bytes[1000000];

	(void)state;
	memset(bytes, 'a', sizeof bytes);
	assert_digest((struct view){ bytes, sizeof bytes },
	    "cdc76e5c9914fb9281a1c7e284d73e67"
	    "f1809a48a497200e046d39ccc7112cd0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_examples_of_fips_180),
		cmocka_unit_test(takes_bytes_after_a_nul_into_account),
		cmocka_unit_test(takes_a_million_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
