#include "net/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

enum { PATIENCE_S = 20 };

/* A listening socket at descriptor 0, and a worker on it. */
struct fixture {
	union {
		sa_family_t family;
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
	} address;
	socklen_t size;
	struct fcgi *c;
};

/* With no name asked for, the kernel gives one of its own. */
static int
set_up_in(void **state, sa_family_t family, socklen_t size)
{
	struct fixture *p = calloc(1, sizeof *p);
	const int fd = socket(family, SOCK_STREAM, 0);
	struct fault f = FAULT_INIT;

	*state = p;
	(void)alarm(PATIENCE_S); /* for a worker that waits or spins for ever */
	p->address.family = family;
	p->size = sizeof p->address;
	assert_int_equal(bind(fd, &p->address.any, size), 0);
	assert_int_equal(getsockname(fd, &p->address.any, &p->size), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	if (fd != STDIN_FILENO)
		assert_int_equal(close(fd), 0);
	return fcgi_open(&p->c, &f);
}

static int
set_up(void **state)
{
	return set_up_in(state, AF_UNIX, sizeof(sa_family_t));
}

static int
set_up_tcp(void **state)
{
	return set_up_in(state, AF_INET, sizeof(struct sockaddr_in));
}

static int
tear_down(void **state)
{
	struct fixture *p = *state;

	fcgi_close(&p->c);
	fcgi_close(&p->c);
	(void)close(STDIN_FILENO);
	free(p);
	return 0;
}

/* Puts something else in the place of the listening socket. */
static void
replace_listener(void)
{
	const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(close(fd), 0);
}

static void
assert_gives_up(struct fixture *p, const char *words)
{
	struct fault f = FAULT_INIT;

	assert_false(fcgi_next(p->c));
	assert_int_equal(fcgi_left(p->c, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_string_equal(f.text, words);
}

static void
assert_leaves(struct fixture *p)
{
	struct fault f = FAULT_INIT;

	assert_false(fcgi_next(p->c));
	assert_int_equal(fcgi_left(p->c, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
}

static void
a_socket_that_was_shut_down_is_given_up(void **state)
{
	assert_int_equal(shutdown(STDIN_FILENO, SHUT_RDWR), 0);
	assert_gives_up(*state, "the listening socket was shut down");
}

static void
a_tcp_socket_that_was_shut_down_is_given_up(void **state)
{
	assert_int_equal(shutdown(STDIN_FILENO, SHUT_RDWR), 0);
	assert_gives_up(*state, "accept a connection: Invalid argument");
}

static void
a_socket_that_was_closed_is_given_up(void **state)
{
	assert_int_equal(close(STDIN_FILENO), 0);
	assert_gives_up(*state, "accept a connection: Bad file descriptor");
}

static void
what_is_no_socket_is_given_up(void **state)
{
	replace_listener();
	assert_gives_up(
	    *state, "accept a connection: Socket operation on non-socket");
}

static void
sigterm_leaves_when_the_queue_is_empty(void **state)
{
	assert_int_equal(raise(SIGTERM), 0);
	assert_leaves(*state);
}

static void
sigterm_looks_at_all_that_is_queued_first(void **state)
{
	struct fixture *p = *state;
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char byte;

	assert_int_equal(connect(fd, &p->address.any, p->size), 0);
	assert_int_equal(write(fd, "no request", 10), 10);
	assert_int_equal(raise(SIGTERM), 0);
	assert_leaves(p);
	/* Taken and dropped: a connection left in the queue stays open. */
	assert_true(
	    recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
	assert_int_equal(close(fd), 0);
}

static void
sigusr1_leaves_at_once(void **state)
{
	assert_int_equal(raise(SIGUSR1), 0);
	assert_leaves(*state);
}

static void
a_worker_needs_a_listening_socket(void **state)
{
	struct fcgi *c = NULL;
	struct fault f = FAULT_INIT;

	(void)state;
	replace_listener();
	assert_int_equal(fcgi_open(&c, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_null(c);
}

static void
a_socket_is_known_by_its_file_name(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	char folder[FOLDER_SIZE], name[FCGI_NAME_SIZE] = "x";
	int fd;

	(void)state;
	fcgi_name(name); /* of the kernel's own choice: it has none */
	assert_string_equal(name, "");
	assert_int_equal(folder_make(folder), 0);
	(void)snprintf(
	    at.sun_path, sizeof at.sun_path, "%.90s/fast-a.sock", folder);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(close(fd), 0);
	fcgi_name(name);
	assert_string_equal(name, "fast-a.sock");
	assert_int_equal(folder_remove(folder), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_socket_that_was_shut_down_is_given_up),
		cmocka_unit_test_setup_teardown(
		    a_tcp_socket_that_was_shut_down_is_given_up, set_up_tcp,
		    tear_down),
		TEST(a_socket_that_was_closed_is_given_up),
		TEST(what_is_no_socket_is_given_up),
		TEST(sigterm_leaves_when_the_queue_is_empty),
		TEST(sigterm_looks_at_all_that_is_queued_first),
		TEST(sigusr1_leaves_at_once),
		TEST(a_worker_needs_a_listening_socket),
		TEST(a_socket_is_known_by_its_file_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
