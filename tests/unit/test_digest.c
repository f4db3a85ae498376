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

/* RFC 4231, 4.3 and 4.4 (its second and third test cases). */
static void
hmac_of_known_messages(void **state)
{
	struct fault f = FAULT_INIT;
	char key[20], bytes[50];
	struct digest d;

	(void)state;
	assert_int_equal(digest_hmac(&d, VIEW("Jefe"),
			     VIEW("what do ya want for nothing?"), &f),
	    0);
	assert_string_equal(d.hex, "5bdcc146bf60754e6a042426089575c7"
				   "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof key);
	memset(bytes, 0xdd, sizeof bytes);
	assert_int_equal(digest_hmac(&d, (struct view){ key, sizeof key },
			     (struct view){ bytes, sizeof bytes }, &f),
	    0);
	assert_string_equal(d.hex, "773ea91e36800e46854db8ebd09181a7"
				   "2959098b3ef8c122d9635514ced565fe");
}

/* The digest of bytes added in pieces of that size. */
static void
assert_pieces(struct view bytes, size_t piece, const char *want)
{
	struct digest_run *run = NULL;
	struct fault f = FAULT_INIT;
	struct digest d;
	size_t n;

	memset(&d, '?', sizeof d);
	assert_int_equal(digest_begin(&run, &f), 0);
	for (; bytes.n > 0; bytes.p += n, bytes.n -= n) {
		n = bytes.n < piece ? bytes.n : piece;
		assert_int_equal(
		    digest_add(run, (struct view){ bytes.p, n }, &f), 0);
	}
	assert_int_equal(digest_end(&run, &d, &f), 0);
	assert_null(run);
	assert_int_equal(f.kind, FAULT_NONE);
	assert_string_equal(d.hex, want);
}

static void
pieces_of_any_size_make_the_same_digest(void **state)
{
	static char bytes[100000];
	const struct view all = { bytes, sizeof bytes };
	struct fault f = FAULT_INIT;
	struct digest whole;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	assert_int_equal(digest_sha256(&whole, all, &f), 0);
	assert_pieces(all, 1, whole.hex);
	assert_pieces(all, 63, whole.hex);
	assert_pieces(all, 64, whole.hex);
	assert_pieces(all, 65, whole.hex);
	assert_pieces(all, 4096, whole.hex);
	assert_pieces(all, sizeof bytes, whole.hex);
	assert_pieces(VIEW("abc"), 2,
	    "ba7816bf8f01cfea414140de5dae2223"
	    "b00361a396177a9cb410ff61f20015ad");
	assert_pieces(VIEW(""), 1,
	    "e3b0c44298fc1c149afbf4c8996fb924"
	    "27ae41e4649b934ca495991b7852b855");
}

static void
empty_pieces_change_nothing(void **state)
{
	struct digest_run *run = NULL;
	struct fault f = FAULT_INIT;
	struct digest d;

	(void)state;
	assert_int_equal(digest_begin(&run, &f), 0);
	assert_int_equal(digest_add(run, (struct view){ NULL, 0 }, &f), 0);
	assert_int_equal(digest_add(run, VIEW("abc"), &f), 0);
	assert_int_equal(digest_add(run, VIEW(""), &f), 0);
	assert_int_equal(digest_end(&run, &d, &f), 0);
	assert_string_equal(d.hex, "ba7816bf8f01cfea414140de5dae2223"
				   "b00361a396177a9cb410ff61f20015ad");
}

static void
two_runs_do_not_mix(void **state)
{
	struct digest_run *one = NULL, *other = NULL;
	struct fault f = FAULT_INIT;
	struct digest d;

	(void)state;
	assert_int_equal(digest_begin(&one, &f), 0);
	assert_int_equal(digest_begin(&other, &f), 0);
	assert_int_equal(digest_add(one, VIEW("ab"), &f), 0);
	assert_int_equal(digest_add(other, VIEW("something else"), &f), 0);
	assert_int_equal(digest_add(one, VIEW("c"), &f), 0);
	assert_int_equal(digest_end(&other, &d, &f), 0);
	assert_int_equal(digest_end(&one, &d, &f), 0);
	assert_string_equal(d.hex, "ba7816bf8f01cfea414140de5dae2223"
				   "b00361a396177a9cb410ff61f20015ad");
}

static void
a_run_may_end_without_a_digest_and_more_than_once(void **state)
{
	struct digest_run *run = NULL;
	struct fault f = FAULT_INIT;
	struct digest d = { "as before" };

	(void)state;
	assert_int_equal(digest_end(&run, NULL, &f), 0);
	assert_int_equal(digest_begin(&run, &f), 0);
	assert_int_equal(digest_add(run, VIEW("abc"), &f), 0);
	assert_int_equal(digest_end(&run, NULL, &f), 0);
	assert_null(run);
	assert_int_equal(digest_end(&run, &d, &f), 0);
	assert_string_equal(d.hex, "as before");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_examples_of_fips_180),
		cmocka_unit_test(takes_bytes_after_a_nul_into_account),
		cmocka_unit_test(takes_a_million_bytes),
		cmocka_unit_test(hmac_of_known_messages),
		cmocka_unit_test(pieces_of_any_size_make_the_same_digest),
		cmocka_unit_test(empty_pieces_change_nothing),
		cmocka_unit_test(two_runs_do_not_mix),
		cmocka_unit_test(
		    a_run_may_end_without_a_digest_and_more_than_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
