/*
 * scripted - a web server that plays a script: the act of each connection
 * says what is done once its request has been read.  It counts connections,
 * those beyond the script too, and keeps the requests to look at afterwards.
 */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fault.h"

enum { SCRIPTED_MAX = 8, SCRIPTED_REQUEST_MAX = 8192 };

struct act {
	const char *reply; /* sent as it is, then closed; NULL: silence */
	int delay_ms;      /* before the reply                          */
	bool reset;        /* close with a TCP reset                    */
	bool hold;         /* reply only when the next act has replied  */
};

struct scripted {
	char url[64];     /* "http://127.0.0.1:PORT"         */
	char socket[108]; /* of a unix server, "" for TCP    */
	int connections;  /* these two: after scripted_end   */
	char request[SCRIPTED_MAX][SCRIPTED_REQUEST_MAX];
	/* the rest belongs to the server */
	const struct act *acts;
	int n;
	int listener;
	int stop[2];
	int kept[SCRIPTED_MAX]; /* connections held or left in silence */
	pthread_t thread;
};

/* Is the request whole: its headers, and as much body as they promise? */
static bool
scripted_is_whole(const char *request, size_t len)
{
	const char *end = strstr(request, "\r\n\r\n");
	const char *size = strcasestr(request, "\r\nContent-Length:");

	if (request[0] == 0x16) /* a TLS hello: nobody here can answer */
		return true;
	if (end == NULL)
		return false;
	end += 4;
	return size == NULL ||
	       len - (size_t)(end - request) >= strtoul(size + 17, NULL, 10);
}

static void
scripted_read(int fd, char *request)
{
	size_t len = 0;
	ssize_t got;

	request[0] = '\0';
	while (len < SCRIPTED_REQUEST_MAX - 1) {
		got =
		    recv(fd, request + len, SCRIPTED_REQUEST_MAX - 1 - len, 0);
		if (got <= 0)
			return;
		len += (size_t)got;
		request[len] = '\0';
		if (scripted_is_whole(request, len))
			return;
	}
}

static void
scripted_answer(int fd, const struct act *act)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)poll(NULL, 0, act->delay_ms);
	if (act->reset)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	else
		(void)send(fd, act->reply, strlen(act->reply), MSG_NOSIGNAL);
	(void)close(fd);
}

static void
scripted_play(struct scripted *s, int fd)
{
	const struct timeval patience = { .tv_sec = 2 };
	const int at = s->connections++;
	const struct act *act;
	int i;

	if (at >= s->n) {
		(void)close(fd);
		return;
	}
	act = &s->acts[at];
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	scripted_read(fd, s->request[at]);
	if (act->hold || (act->reply == NULL && !act->reset)) {
		s->kept[at] = fd;
		return;
	}
	scripted_answer(fd, act);
	for (i = at - 1; i >= 0 && s->acts[i].hold && s->kept[i] != -1; i--) {
		scripted_answer(s->kept[i], &s->acts[i]);
		s->kept[i] = -1;
	}
}

/* Accepts until told to stop, and then what is still in the queue. */
static void *
scripted_serve(void *arg)
{
	struct scripted *s = arg;
	struct pollfd fds[2] = { { .fd = s->listener, .events = POLLIN },
		{ .fd = s->stop[0], .events = POLLIN } };
	int fd;

	for (;;) {
		fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd != -1)
			scripted_play(s, fd);
		else if (fds[1].revents != 0)
			return NULL;
		else
			(void)poll(fds, 2, -1);
	}
}

static void
scripted_listen(struct scripted *s)
{
	struct sockaddr_in tcp = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof tcp;
	const bool is_un = s->socket[0] != '\0';
	const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

	memcpy(un.sun_path, s->socket, sizeof s->socket);
	tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(is_un ? AF_UNIX : AF_INET, type, 0);
	MUST(s->listener != -1);
	if (is_un)
		MUST(bind(s->listener, (struct sockaddr *)&un, sizeof un) == 0);
	else
		MUST(bind(s->listener, (struct sockaddr *)&tcp, len) == 0);
	MUST(listen(s->listener, 64) == 0);
	if (!is_un)
		MUST(getsockname(s->listener, (struct sockaddr *)&tcp, &len) ==
		     0);
	(void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u",
	    (unsigned)ntohs(tcp.sin_port));
}

/* Starts a server on a port of the kernel's, or on s->socket if given. */
static void
scripted_begin(struct scripted *s, const struct act *acts, size_t n)
{
	int i;

	MUST(n <= SCRIPTED_MAX);
	s->acts = acts;
	s->n = (int)n;
	s->connections = 0;
	for (i = 0; i < SCRIPTED_MAX; i++) {
		s->kept[i] = -1;
		s->request[i][0] = '\0';
	}
	scripted_listen(s);
	MUST(pipe2(s->stop, O_CLOEXEC) == 0);
	MUST(pthread_create(&s->thread, NULL, scripted_serve, s) == 0);
}

/* Stops it: how many connections there were. */
static int
scripted_end(struct scripted *s)
{
	int i;

	(void)close(s->stop[1]);
	MUST(pthread_join(s->thread, NULL) == 0);
	(void)close(s->stop[0]);
	(void)close(s->listener);
	for (i = 0; i < SCRIPTED_MAX; i++)
		if (s->kept[i] != -1)
			(void)close(s->kept[i]);
	return s->connections;
}

/* How many of the requests hold the text. */
static int
scripted_said(const struct scripted *s, const char *text)
{
	int i, found = 0;

	for (i = 0; i < s->connections && i < SCRIPTED_MAX; i++)
		found += strstr(s->request[i], text) != NULL;
	return found;
}

#endif
