#include "app/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/digest.h"

#define KEY "correct-horse-battery"
#define OTHER "another-key-of-the-list"

/* Opens the list; the mistakes are the caller's to look at and end. */
static int
open_list(struct access **a, const char *list, struct buf *mistakes)
{
	struct fault f = FAULT_INIT;
	int rc;

	*mistakes = BUF_INIT(16 << 10);
	rc = access_open(a, view_str(list), mistakes, &f);
	assert_int_equal(f.kind, rc == 0 ? FAULT_NONE : FAULT_INPUT);
	assert_int_equal(rc == 0, mistakes->len == 0);
	return rc;
}

static bool
lets_in(const struct access *a, struct view key)
{
	struct fault f = FAULT_INIT;

	if (access_check(a, key, &f) == 0)
		return true;
	assert_int_equal(f.kind, FAULT_KEYLESS);
	return false;
}

static void
hash_of(const char *key, char out[ACCESS_HASH_SIZE])
{
	struct fault f = FAULT_INIT;
	struct digest sum;

	assert_int_equal(digest_sha256(&sum, view_str(key), &f), 0);
	(void)snprintf(out, ACCESS_HASH_SIZE, "sha256:%s", sum.hex);
}

static void
without_a_list_all_are_let_in(void **state)
{
	struct buf mistakes;
	struct access *a;

	(void)state;
	assert_int_equal(open_list(&a, "", &mistakes), 0);
	assert_null(a);
	assert_true(lets_in(a, VIEW("")));
	assert_true(lets_in(a, VIEW("anything")));
	access_close(&a);
}

static void
only_a_whole_key_of_the_list_is_let_in(void **state)
{
	static const char *const wrong[] = { "", "c", "correct-horse-batter",
		KEY "x", "x" KEY, KEY " ", "Correct-horse-battery",
		"correct-horse-batterz", "dorrect-horse-battery", KEY "," OTHER,
		"correct-horse\xc3\xa9", "sha256:" };
	struct buf mistakes;
	struct access *a;
	size_t i;

	(void)state;
	assert_int_equal(
	    open_list(&a, " " KEY " ,\t" OTHER "\n", &mistakes), 0);
	assert_true(lets_in(a, VIEW(KEY)));
	assert_true(lets_in(a, VIEW(OTHER)));
	for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (lets_in(a, view_str(wrong[i])))
			fail_msg("\"%s\" was let in", wrong[i]);
	assert_false(lets_in(a, (struct view){ KEY "\0", sizeof KEY }));
	access_close(&a);
	assert_null(a);
}

/* Whoever reads the settings must not be able to use the service. */
static void
a_hash_stands_for_its_key_and_is_none_itself(void **state)
{
	char hash[ACCESS_HASH_SIZE], upper[ACCESS_HASH_SIZE];
	struct buf mistakes;
	struct access *a;
	size_t i;

	(void)state;
	hash_of(KEY, hash);
	(void)snprintf(upper, sizeof upper, "%s", hash);
	for (i = strlen("sha256:"); upper[i] != '\0'; i++)
		if (upper[i] >= 'a')
			upper[i] = (char)(upper[i] - 'a' + 'A');
	assert_int_equal(open_list(&a, hash, &mistakes), 0);
	assert_true(lets_in(a, VIEW(KEY)));
	assert_false(lets_in(a, view_str(hash)));
	assert_false(lets_in(a, view_str(hash + strlen("sha256:"))));
	access_close(&a);
	assert_int_equal(open_list(&a, upper, &mistakes), 0);
	assert_true(lets_in(a, VIEW(KEY)));
	access_close(&a);
}

static void
a_key_of_any_length_is_compared(void **state)
{
	static char big[100 << 10];
	struct buf mistakes;
	struct access *a;

	(void)state;
	memset(big, 'k', sizeof big - 1);
	assert_int_equal(open_list(&a, KEY, &mistakes), 0);
	assert_false(lets_in(a, view_str(big)));
	access_close(&a);
	assert_int_equal(open_list(&a, big, &mistakes), 0);
	assert_true(lets_in(a, view_str(big)));
	big[0] = 'K';
	assert_false(lets_in(a, view_str(big)));
	access_close(&a);
}

static void
the_same_key_twice_does_no_harm(void **state)
{
	char list[sizeof KEY * 2 + ACCESS_HASH_SIZE];
	char hash[ACCESS_HASH_SIZE];
	struct buf mistakes;
	struct access *a;

	(void)state;
	hash_of(KEY, hash);
	(void)snprintf(list, sizeof list, "%s,%s,%s", KEY, KEY, hash);
	assert_int_equal(open_list(&a, list, &mistakes), 0);
	assert_true(lets_in(a, VIEW(KEY)));
	assert_false(lets_in(a, VIEW(OTHER)));
	access_close(&a);
}

static void
assert_mistake(const char *list, const char *said)
{
	struct buf mistakes;
	struct access *a;

	if (open_list(&a, list, &mistakes) == 0)
		fail_msg("\"%s\" is taken", list);
	assert_null(a);
	if (!view_has(buf_view(&mistakes), said))
		fail_msg("\"%s\": %s", list, buf_str(&mistakes));
	buf_fini(&mistakes);
}

static void
every_mistake_is_told_by_its_place(void **state)
{
	(void)state;
	assert_mistake(",", "key 1 of the list is empty");
	assert_mistake(" ", "key 1 of the list is empty");
	assert_mistake(KEY ",," OTHER, "key 2 of the list is empty");
	assert_mistake("fifteen-letters", "key 1 of the list is too short");
	assert_mistake(KEY ",two words of a key", "key 2 of the list has a");
	assert_mistake("caf\xc3\xa9-and-more-letters", "key 1 of the list has");
	assert_mistake("tab\tin-the-middle-of", "key 1 of the list has");
	assert_mistake("sha256:", "key 1 of the list has a hash that is none");
	assert_mistake("sha256:correct-horse-battery", "a hash that is none");
	assert_mistake("sha256:"
		       "0123456789abcdef0123456789abcdef"
		       "0123456789abcdef0123456789abcdeg",
	    "a hash that is none");
	assert_mistake("sha256:"
		       "0123456789abcdef0123456789abcdef"
		       "0123456789abcdef0123456789abcdef0",
	    "a hash that is none");
	assert_mistake("short,,two words", "key 1 of the list is too short");
	assert_mistake("short,,two words", "key 2 of the list is empty");
	assert_mistake("short,,two words", "key 3 of the list has a blank");
}

static void
no_mistake_tells_the_key(void **state)
{
	struct buf mistakes;
	struct access *a;

	(void)state;
	assert_int_equal(
	    open_list(&a, "hunter2,sha256:hunter2,hunter2 hunter2 hunter2",
		&mistakes),
	    -1);
	assert_false(view_has(buf_view(&mistakes), "hunter2"));
	buf_fini(&mistakes);
}

static void
the_list_has_an_end(void **state)
{
	char list[(ACCESS_KEYS_MAX + 1) * sizeof KEY];
	struct buf mistakes;
	struct access *a;
	size_t i;

	(void)state;
	list[0] = '\0';
	for (i = 0; i < ACCESS_KEYS_MAX; i++)
		(void)snprintf(list + strlen(list), sizeof list - strlen(list),
		    "%s" KEY, i == 0 ? "" : ",");
	assert_int_equal(open_list(&a, list, &mistakes), 0);
	access_close(&a);
	(void)snprintf(
	    list + strlen(list), sizeof list - strlen(list), "," KEY);
	assert_mistake(list, "over 64 keys");
}

static void
a_key_that_is_made_is_new_and_good(void **state)
{
	char key[ACCESS_KEY_SIZE], hash[ACCESS_HASH_SIZE];
	char again[ACCESS_KEY_SIZE], list[256];
	struct fault f = FAULT_INIT;
	struct buf mistakes;
	struct access *a;

	(void)state;
	assert_int_equal(access_make(key, hash, &f), 0);
	assert_int_equal(strlen(key), ACCESS_KEY_SIZE - 1);
	assert_int_equal(strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789-_"),
	    ACCESS_KEY_SIZE - 1);
	(void)snprintf(list, sizeof list, "%s,%s", OTHER, hash);
	assert_int_equal(open_list(&a, list, &mistakes), 0);
	assert_true(lets_in(a, view_str(key)));
	access_close(&a);
	assert_int_equal(access_make(again, hash, &f), 0);
	assert_string_not_equal(key, again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_list_all_are_let_in),
		cmocka_unit_test(only_a_whole_key_of_the_list_is_let_in),
		cmocka_unit_test(a_hash_stands_for_its_key_and_is_none_itself),
		cmocka_unit_test(a_key_of_any_length_is_compared),
		cmocka_unit_test(the_same_key_twice_does_no_harm),
		cmocka_unit_test(every_mistake_is_told_by_its_place),
		cmocka_unit_test(no_mistake_tells_the_key),
		cmocka_unit_test(the_list_has_an_end),
		cmocka_unit_test(a_key_that_is_made_is_new_and_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
