#include "pool/probe.h"

#include <errno.h>
#include <sys/time.h>
#include <unistd.h>

enum { LISTENER = 0, CONNECT_US = 100000 };

int
probe_open(struct probe *p, struct fault *f)
{
	p->size = sizeof p->to;
	if (getsockname(LISTENER, (struct sockaddr *)&p->to, &p->size) == 0)
		return 0;
	return fault_set(f, FAULT_INPUT,
	    "descriptor 0 is not a listening socket: start this program with "
	    "spawn-fcgi -n -s SOCKET -- charref-pool N COMMAND");
}

/* A full queue, or a name that is not there yet, is tried again. */
static void
send_one(struct probe *p)
{
	const struct timeval patience = { 0, CONNECT_US };

	p->fd = socket(p->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd == -1)
		return;
	if (setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof patience) == -1 ||
	    connect(p->fd, (struct sockaddr *)&p->to, p->size) == -1 ||
	    shutdown(p->fd, SHUT_WR) == -1)
		probe_fini(p);
}

bool
probe_answered(struct probe *p)
{
	ssize_t n = -1;
	char byte;

	if (p->fd == -1)
		send_one(p);
	if (p->fd == -1)
		return false;
	n = recv(p->fd, &byte, sizeof byte, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	probe_fini(p); /* a reset is no answer: the next look sends another */
	return n == 0;
}

void
probe_fini(struct probe *p)
{
	if (p->fd != -1)
		(void)close(p->fd);
	p->fd = -1;
}
