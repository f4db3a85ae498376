#include "pool/pidfile.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static char folder[FOLDER_SIZE];
static char path[FOLDER_SIZE + 8];
static struct fault fault;

static int
make(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	if (folder_make(folder) == -1)
		return -1;
	(void)snprintf(path, sizeof path, "%s/pid", folder);
	return 0;
}

static int
unmake(void **state)
{
	(void)state;
	return folder_remove(folder);
}

/* What stands in the file, and whether somebody keeps it locked. */
static bool
is_locked_with(const char *line)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char got[32] = "";
	bool locked;

	assert_int_not_equal(fd, -1);
	assert_true(read(fd, got, sizeof got - 1) > 0);
	assert_string_equal(got, line);
	locked = flock(fd, LOCK_EX | LOCK_NB) == -1;
	assert_int_equal(close(fd), 0);
	return locked;
}

static void
it_is_locked_while_its_writer_lives_and_gone_afterwards(void **state)
{
	struct pidfile p = PIDFILE_INIT;

	(void)state;
	assert_int_equal(pidfile_write(&p, path, 17, &fault), 0);
	assert_true(pidfile_is_current(&p));
	assert_true(is_locked_with("17\n"));
	pidfile_fini(&p);
	assert_int_equal(access(path, F_OK), -1);
	pidfile_fini(&p);
}

static void
a_successor_takes_the_place_and_the_first_leaves_it_alone(void **state)
{
	struct pidfile first = PIDFILE_INIT, second = PIDFILE_INIT;

	(void)state;
	assert_int_equal(pidfile_write(&first, path, 17, &fault), 0);
	assert_int_equal(pidfile_write(&second, path, 18, &fault), 0);
	assert_false(pidfile_is_current(&first));
	assert_true(pidfile_is_current(&second));
	pidfile_fini(&first);
	assert_true(is_locked_with("18\n"));
	pidfile_fini(&second);
	assert_int_equal(access(path, F_OK), -1);
}

static void
one_that_a_dead_process_left_is_replaced(void **state)
{
	struct pidfile p = PIDFILE_INIT;
	FILE *file = fopen(path, "w");

	(void)state;
	assert_non_null(file);
	assert_true(fputs("4711\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_false(is_locked_with("4711\n"));
	assert_int_equal(pidfile_write(&p, path, 17, &fault), 0);
	assert_true(is_locked_with("17\n"));
	pidfile_fini(&p);
}

static void
without_a_folder_it_is_a_fault_that_names_the_path(void **state)
{
	struct pidfile p = PIDFILE_INIT;

	(void)state;
	assert_int_equal(pidfile_write(&p, "/nonexistent/pid", 17, &fault), -1);
	assert_int_equal(fault.kind, FAULT_DISK);
	assert_non_null(strstr(fault.text, "/nonexistent/pid"));
	assert_false(pidfile_is_current(&p));
	pidfile_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    it_is_locked_while_its_writer_lives_and_gone_afterwards,
		    make, unmake),
		cmocka_unit_test_setup_teardown(
		    a_successor_takes_the_place_and_the_first_leaves_it_alone,
		    make, unmake),
		cmocka_unit_test_setup_teardown(
		    one_that_a_dead_process_left_is_replaced, make, unmake),
		cmocka_unit_test_setup_teardown(
		    without_a_folder_it_is_a_fault_that_names_the_path, make,
		    unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
