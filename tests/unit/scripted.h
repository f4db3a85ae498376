/*
 * scripted - a web server that plays a script: the act of each request says
 * what is done once it has been read.  It counts connections, those beyond
 * the script too, and keeps the requests to look at afterwards.
 */
#ifndef TESTS_SCRIPTED_H
#define TESTS_SCRIPTED_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fault.h"

/* A test that needs more acts says so before it includes this. */
#ifndef SCRIPTED_ACTS
#define SCRIPTED_ACTS 8
#endif

enum {
	SCRIPTED_MAX = SCRIPTED_ACTS,
	SCRIPTED_REQUEST_MAX = 8192, /* kept of a request; all are read   */
	SCRIPTED_OPEN_MAX = 64
};

struct act {
	const char *reply; /* sent as it is, then closed; NULL: silence */
	int delay_ms;      /* before the reply                          */
	bool reset;        /* close with a TCP reset                    */
	bool hold;         /* reply only when the next act has replied  */
	bool keep;         /* do not close: the next act is for the next
			    * request, on this connection or another    */
	bool deaf;         /* reply after the head, read no body, keep  */
};

struct scripted {
	char url[64];     /* "http://127.0.0.1:PORT"         */
	char socket[108]; /* of a unix server, "" for TCP    */
	/* these: after scripted_end */
	int connections;
	int requests;  /* the same, but for connections kept */
	int most_open; /* connections at once               */
	char request[SCRIPTED_MAX][SCRIPTED_REQUEST_MAX];
	size_t body_size[SCRIPTED_MAX];
	uint64_t body_sum[SCRIPTED_MAX]; /* see scripted_sum */
	/* the rest belongs to the server */
	const struct act *acts;
	int n;
	int listener;
	int stop[2];
	int kept[SCRIPTED_MAX];       /* connections held or left in silence */
	int queue[SCRIPTED_OPEN_MAX]; /* accepted, not yet read        */
	int queued;
	int idle[SCRIPTED_OPEN_MAX]; /* kept for a next request        */
	int idles;
	int open;
	pthread_t thread;
};

enum { SCRIPTED_SUM_OF_NOTHING = 17 };

/* Goes on with a sum that differs as soon as a byte or its place does. */
static uint64_t
scripted_sum(uint64_t sum, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sum = (sum ^ (unsigned char)p[i]) * 1099511628211u;
	return sum;
}

/* Reads until the head is whole: its size, or 0. */
static size_t
scripted_read_head(int fd, char *request, size_t *len)
{
	const char *end;
	ssize_t got;

	*len = 0;
	request[0] = '\0';
	while (*len < SCRIPTED_REQUEST_MAX - 1) {
		got = recv(
		    fd, request + *len, SCRIPTED_REQUEST_MAX - 1 - *len, 0);
		if (got <= 0)
			return 0;
		*len += (size_t)got;
		request[*len] = '\0';
		if (request[0] == 0x16) /* TLS: nobody here can answer */
			return 0;
		end = strstr(request, "\r\n\r\n");
		if (end != NULL)
			return (size_t)(end + 4 - request);
	}
	return 0;
}

/* Notes n bytes of a body; what has room is kept behind its head. */
static void
scripted_note(struct scripted *s, int at, const char *p, size_t n)
{
	s->body_sum[at] = scripted_sum(s->body_sum[at], p, n);
	s->body_size[at] += n;
}

static void
scripted_read(struct scripted *s, int fd, int at)
{
	char *request = s->request[at];
	char more[16384];
	size_t len, head, left;
	const char *size;
	ssize_t got;

	head = scripted_read_head(fd, request, &len);
	if (head == 0 || s->acts[at].deaf)
		return;
	scripted_note(s, at, request + head, len - head);
	size = strcasestr(request, "\r\nContent-Length:");
	left = size == NULL ? 0 : strtoul(size + 17, NULL, 10);
	left -= s->body_size[at] < left ? s->body_size[at] : left;
	while (left > 0) {
		got =
		    recv(fd, more, left < sizeof more ? left : sizeof more, 0);
		if (got <= 0)
			return;
		scripted_note(s, at, more, (size_t)got);
		left -= (size_t)got;
		if (len + (size_t)got < SCRIPTED_REQUEST_MAX) {
			memcpy(request + len, more, (size_t)got);
			len += (size_t)got;
			request[len] = '\0';
		}
	}
}

/* Takes whoever waits at the door, so that all at once can be counted. */
static void
scripted_accept(struct scripted *s)
{
	const struct timeval patience = { .tv_sec = 2 };
	int fd;

	while (s->queued < SCRIPTED_OPEN_MAX &&
	       (fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		s->queue[s->queued++] = fd;
		s->connections++;
		s->open++;
		if (s->open > s->most_open)
			s->most_open = s->open;
	}
}

static void
scripted_close(struct scripted *s, int fd)
{
	(void)close(fd);
	s->open--;
}

static void
scripted_answer(struct scripted *s, int fd, const struct act *act)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	(void)poll(NULL, 0, act->delay_ms);
	scripted_accept(s);
	if (act->reset)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	else
		(void)send(fd, act->reply, strlen(act->reply), MSG_NOSIGNAL);
	if (act->keep && s->idles < SCRIPTED_OPEN_MAX)
		s->idle[s->idles++] = fd;
	else if (!act->deaf || act->reset)
		scripted_close(s, fd);
}

static void
scripted_play(struct scripted *s, int fd)
{
	const int at = s->requests++;
	const struct act *act;
	int i;

	if (at >= s->n) {
		scripted_close(s, fd);
		return;
	}
	act = &s->acts[at];
	scripted_read(s, fd, at);
	if (act->hold || (act->deaf && !act->reset) ||
	    (act->reply == NULL && !act->reset))
		s->kept[at] = fd;
	if (act->hold || (act->reply == NULL && !act->reset))
		return;
	scripted_answer(s, fd, act);
	for (i = at - 1; i >= 0 && s->acts[i].hold && s->kept[i] != -1; i--) {
		scripted_answer(s, s->kept[i], &s->acts[i]);
		s->kept[i] = -1;
	}
}

/* What an idle connection brought: the next request, or its end. */
static void
scripted_wake(struct scripted *s, int i)
{
	const int fd = s->idle[i];
	char byte;

	s->idle[i] = s->idle[--s->idles];
	if (recv(fd, &byte, 1, MSG_PEEK) > 0)
		scripted_play(s, fd);
	else
		scripted_close(s, fd);
}

/* Waits for something to do: false when told to stop. */
static bool
scripted_wait(struct scripted *s)
{
	struct pollfd fds[2 + SCRIPTED_OPEN_MAX] = { { .fd = s->listener,
							 .events = POLLIN },
		{ .fd = s->stop[0], .events = POLLIN } };
	int i;

	for (i = 0; i < s->idles; i++)
		fds[2 + i] =
		    (struct pollfd){ .fd = s->idle[i], .events = POLLIN };
	(void)poll(fds, 2 + (nfds_t)s->idles, -1);
	for (i = s->idles - 1; i >= 0; i--)
		if (fds[2 + i].revents != 0) {
			scripted_wake(s, i);
			break; /* the others have moved */
		}
	return fds[1].revents == 0;
}

/* Accepts until told to stop, and then what is still in the queue. */
static void *
scripted_serve(void *arg)
{
	struct scripted *s = arg;
	bool going = true;
	int fd;

	for (;;) {
		scripted_accept(s);
		if (s->queued > 0) {
			fd = s->queue[0];
			s->queued--;
			memmove(s->queue, s->queue + 1,
			    (size_t)s->queued * sizeof s->queue[0]);
			scripted_play(s, fd);
		} else if (!going)
			return NULL;
		else
			going = scripted_wait(s);
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
	s->connections = s->requests = s->most_open = 0;
	s->queued = s->idles = s->open = 0;
	for (i = 0; i < SCRIPTED_MAX; i++) {
		s->kept[i] = -1;
		s->body_size[i] = 0;
		s->body_sum[i] = SCRIPTED_SUM_OF_NOTHING;
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
	for (i = 0; i < s->idles; i++)
		(void)close(s->idle[i]);
	return s->connections;
}

/* How many of the requests hold the text. */
static int
scripted_said(const struct scripted *s, const char *text)
{
	int i, found = 0;

	for (i = 0; i < s->requests && i < SCRIPTED_MAX; i++)
		found += strstr(s->request[i], text) != NULL;
	return found;
}

#endif
