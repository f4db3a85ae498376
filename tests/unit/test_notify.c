#include "pool/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

static struct fault fault;

/* A manager's socket of that name, on which a byte 0 stands for itself. */
static int
manager(const char *name, size_t n)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(at.sun_path, name, n);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&at,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
	    0);
	return fd;
}

static void
must_hear(int fd, const char *lines)
{
	char got[64] = "";

	assert_int_equal(
	    recv(fd, got, sizeof got - 1, MSG_DONTWAIT), strlen(lines));
	assert_string_equal(got, lines);
}

static void
without_a_manager_nothing_is_said(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	assert_int_equal(notify_send("READY=1", &fault), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
	assert_int_equal(notify_send("READY=1", &fault), 0);
}

static void
a_manager_hears_the_lines_on_the_socket_of_its_path(void **state)
{
	char folder[FOLDER_SIZE], path[FOLDER_SIZE + 8];
	int fd;

	(void)state;
	fault = FAULT_INIT;
	assert_int_equal(folder_make(folder), 0);
	(void)snprintf(path, sizeof path, "%s/notify", folder);
	fd = manager(path, strlen(path) + 1);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	assert_int_equal(notify_send("READY=1\nMAINPID=7", &fault), 0);
	must_hear(fd, "READY=1\nMAINPID=7");
	assert_int_equal(close(fd), 0);
	assert_int_equal(folder_remove(folder), 0);
}

static void
a_name_that_begins_with_an_at_sign_is_abstract(void **state)
{
	char name[32];
	int fd;

	(void)state;
	fault = FAULT_INIT;
	(void)snprintf(name, sizeof name, "@charref-test-%ld", (long)getpid());
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	name[0] = '\0';
	fd = manager(name, 1 + strlen(name + 1));
	assert_int_equal(notify_send("STOPPING=1", &fault), 0);
	must_hear(fd, "STOPPING=1");
	assert_int_equal(close(fd), 0);
}

static void
a_manager_that_does_not_listen_is_a_fault_and_no_wait(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	assert_int_equal(setenv("NOTIFY_SOCKET", "/nonexistent/s", 1), 0);
	assert_int_equal(notify_send("READY=1", &fault), -1);
	assert_int_equal(fault.kind, FAULT_DISK);
}

static void
what_is_no_name_of_a_socket_is_a_mistake_of_the_settings(void **state)
{
	char longest[sizeof((struct sockaddr_un *)0)->sun_path + 1];
	const char *const names[] = { "relative", "/", "@", longest };
	size_t i;

	(void)state;
	memset(longest, '/', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		fault = FAULT_INIT;
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		assert_int_equal(notify_send("READY=1", &fault), -1);
		assert_int_equal(fault.kind, FAULT_INPUT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_manager_nothing_is_said),
		cmocka_unit_test(
		    a_manager_hears_the_lines_on_the_socket_of_its_path),
		cmocka_unit_test(
		    a_name_that_begins_with_an_at_sign_is_abstract),
		cmocka_unit_test(
		    a_manager_that_does_not_listen_is_a_fault_and_no_wait),
		cmocka_unit_test(
		    what_is_no_name_of_a_socket_is_a_mistake_of_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
