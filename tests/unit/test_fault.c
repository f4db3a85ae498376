#include "base/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
the_first_fault_wins(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(fault_set(&f, FAULT_SLOW, "read %d", 7), -1);
	assert_int_equal(fault_set(&f, FAULT_DISK, "close"), -1);
	assert_int_equal(fault_sys(&f, FAULT_DISK, "close"), -1);
	assert_int_equal(fault_in(&f, FAULT_DISK, "id", "close"), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	assert_string_equal(f.text, "read 7");
	assert_null(f.field);
}

static void
says_what_was_being_done_in_front(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	(void)fault_set(&f, FAULT_SLOW, "read %d", 7);
	assert_int_equal(fault_while(&f, "get %s", "cat"), -1);
	assert_int_equal(fault_while(&f, "serve"), -1);
	assert_string_equal(f.text, "serve: get cat: read 7");
}

static void
appends_the_meaning_of_errno(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(fault_sys(&f, FAULT_FULL, "write %s", "x"), -1);
	assert_string_equal(f.text, "write x: No space left on device");
}

static void
names_the_field_at_fault(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(
	    fault_in(&f, FAULT_RANGE, "num_images", "at most %d", 4), -1);
	assert_int_equal(f.kind, FAULT_RANGE);
	assert_string_equal(f.field, "num_images");
	assert_string_equal(f.text, "at most 4");
}

static void
keeps_the_first_details(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	(void)fault_set(&f, FAULT_RANGE, "bad");
	assert_string_equal(f.details, "");
	assert_int_equal(fault_details(&f, "got %d", 10), -1);
	assert_int_equal(fault_details(&f, "later"), -1);
	assert_string_equal(f.details, "got 10");
}

static void
says_the_first_remedy_behind_the_text(void **state)
{
	static const char late[] = "run";
	struct fault f = FAULT_INIT;

	(void)state;
	(void)fault_set(&f, FAULT_DISK, "%*d", (int)sizeof f.text - 20, 7);
	assert_int_equal(fault_remedy(&f, NULL), -1);
	assert_null(f.remedy);
	assert_int_equal(fault_remedy(&f, "make room"), -1);
	assert_int_equal(fault_remedy(&f, late), -1);
	assert_string_equal(f.remedy, "make room");
	assert_non_null(strstr(f.text, "7: make room"));
	f = FAULT_INIT;
	(void)fault_set(&f, FAULT_DISK, "%*d", (int)sizeof f.text - 4, 7);
	assert_int_equal(fault_remedy(&f, late), -1);
	assert_int_equal(strlen(f.text), sizeof f.text - 1);
	assert_ptr_equal(f.remedy, late); /* whole, though the text is cut */
}

static void
cuts_long_text_instead_of_overflowing(void **state)
{
	struct fault f = FAULT_INIT;
	char word[1000];

	(void)state;
	memset(word, 'w', sizeof word - 1);
	word[sizeof word - 1] = '\0';
	errno = EIO;
	(void)fault_sys(&f, FAULT_DISK, "%s", word);
	(void)fault_details(&f, "%s", word);
	(void)fault_while(&f, "%s", word);
	assert_int_equal(strlen(f.text), sizeof f.text - 1);
	assert_int_equal(strlen(f.details), sizeof f.details - 1);
	assert_int_equal(f.text[sizeof f.text - 2], 'w');
}

static void
every_kind_has_a_word_and_an_error_status(void **state)
{
	static const enum fault_kind kinds[] = {
#define FAULT(kind, word, http, shown) FAULT_##kind,
#include "base/fault.tbl.h"
#undef FAULT
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		assert_int_equal(kinds[i], i + 1);
		assert_true(fault_word(kinds[i])[0] != '\0');
		assert_in_range(fault_http(kinds[i]), 400, 599);
	}
}

static void
the_table_gives_word_status_and_secrecy(void **state)
{
	(void)state;
	assert_string_equal(fault_word(FAULT_RANGE), "ValidationError");
	assert_int_equal(fault_http(FAULT_RANGE), 422);
	assert_true(fault_public(FAULT_RANGE));
	assert_string_equal(fault_word(FAULT_FULL), "StorageFull");
	assert_int_equal(fault_http(FAULT_FULL), 507);
	assert_int_equal(fault_http(FAULT_DISK), 500);
	assert_false(fault_public(FAULT_DISK));
	assert_false(fault_public(FAULT_MEMORY));
	assert_int_equal(fault_http(FAULT_NONE), 200);
}

/* What a process says on standard error before it dies of MUST(false). */
static int
break_a_promise(char *said, size_t room)
{
	int status = 0, ends[2];
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)dup2(ends[1], STDERR_FILENO);
		MUST(said == NULL);
		_exit(0);
	}
	(void)close(ends[1]);
	n = read(ends[0], said, room - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void
a_broken_promise_says_where_and_aborts(void **state)
{
	char said[512];
	const int status = break_a_promise(said, sizeof said);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "\"event\":\"broken promise\""));
	assert_non_null(strstr(said, "test_fault.c:"));
	assert_non_null(strstr(said, "break_a_promise: "));
	assert_non_null(strstr(said, "said == NULL"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_fault_wins),
		cmocka_unit_test(says_what_was_being_done_in_front),
		cmocka_unit_test(appends_the_meaning_of_errno),
		cmocka_unit_test(names_the_field_at_fault),
		cmocka_unit_test(keeps_the_first_details),
		cmocka_unit_test(says_the_first_remedy_behind_the_text),
		cmocka_unit_test(cuts_long_text_instead_of_overflowing),
		cmocka_unit_test(every_kind_has_a_word_and_an_error_status),
		cmocka_unit_test(the_table_gives_word_status_and_secrecy),
		cmocka_unit_test(a_broken_promise_says_where_and_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
