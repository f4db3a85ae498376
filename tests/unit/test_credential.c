#include "app/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static char folder[FOLDER_SIZE];
static struct secret secret;
static struct fault fault;

static int
make(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	secret = SECRET_INIT;
	if (folder_make(folder) == -1)
		return -1;
	return setenv("CREDENTIALS_DIRECTORY", folder, 1);
}

static int
unmake(void **state)
{
	(void)state;
	secret_fini(&secret);
	return folder_remove(folder);
}

static void
hand_over(const char *name, const char *bytes, size_t n)
{
	char path[FOLDER_SIZE + 64];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	assert_int_equal(fclose(file), 0);
}

static void
must_be(const char *text)
{
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_true(view_is(secret_reveal(&secret), text));
	secret_fini(&secret);
}

static void
a_file_of_the_name_is_the_secret_without_its_newline(void **state)
{
	(void)state;
	hand_over("API_KEY", "hush-1\n", 7);
	must_be("hush-1");
}

static void
a_file_without_a_newline_is_taken_whole(void **state)
{
	(void)state;
	hand_over("API_KEY", "hush-2", 6);
	must_be("hush-2");
}

static void
a_folder_loaded_by_systemd_has_our_prefix(void **state)
{
	(void)state;
	hand_over(CREDENTIAL_PREFIX "API_KEY", "hush-3\n", 7);
	must_be("hush-3");
	hand_over("API_KEY", "hush-4\n", 7);
	must_be("hush-4");
}

static void
without_a_folder_or_a_file_it_stays_unset(void **state)
{
	(void)state;
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nonexistent", 1), 0);
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "", 1), 0);
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_false(secret_is_set(&secret));
}

static void
must_be_refused(const char *bytes, size_t n)
{
	fault = FAULT_INIT;
	hand_over("API_KEY", bytes, n);
	assert_int_equal(credential_read("API_KEY", &secret, &fault), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_null(strstr(fault.text, "hush"));
	assert_string_equal(fault.details, "");
	assert_false(secret_is_set(&secret));
}

static void
more_than_a_line_is_refused_without_being_shown(void **state)
{
	(void)state;
	must_be_refused("hush\nX: y\n", 10);
	must_be_refused("hush\n\n", 6);
	must_be_refused("hush\r\n", 6);
	must_be_refused("hu\0sh", 5);
}

/* Taken for unset it would open what a key is to close. */
static void
an_empty_one_is_refused_and_not_taken_for_none(void **state)
{
	(void)state;
	must_be_refused("", 0);
	must_be_refused("\n", 1);
	assert_non_null(strstr(fault.text, "is empty"));
	assert_non_null(strstr(fault.text, "remove the file"));
}

static void
the_longest_is_taken_and_a_longer_one_refused(void **state)
{
	static char bytes[CREDENTIAL_MAX + 1];

	(void)state;
	memset(bytes, 'k', sizeof bytes);
	must_be_refused(bytes, sizeof bytes);
	hand_over("API_KEY", bytes, CREDENTIAL_MAX);
	fault = FAULT_INIT;
	assert_int_equal(credential_read("API_KEY", &secret, &fault), 0);
	assert_int_equal(secret_reveal(&secret).n, CREDENTIAL_MAX);
}

#define HERE(test) cmocka_unit_test_setup_teardown(test, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		HERE(a_file_of_the_name_is_the_secret_without_its_newline),
		HERE(a_file_without_a_newline_is_taken_whole),
		HERE(a_folder_loaded_by_systemd_has_our_prefix),
		HERE(without_a_folder_or_a_file_it_stays_unset),
		HERE(more_than_a_line_is_refused_without_being_shown),
		HERE(an_empty_one_is_refused_and_not_taken_for_none),
		HERE(the_longest_is_taken_and_a_longer_one_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
