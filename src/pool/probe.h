/*
 * probe - does anybody take connections from the socket at descriptor 0?
 *
 * That somebody listens says nothing: the kernel queues connections for
 * workers that never come.  So one is made that brings nothing, and a
 * worker that takes it closes it.
 */
#ifndef POOL_PROBE_H
#define POOL_PROBE_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/fault.h"

struct probe {
	struct sockaddr_storage to;
	socklen_t size;
	int fd; /* owned, -1 while none is on its way */
};

#define PROBE_INIT ((struct probe){ .fd = -1 })

/* FAULT_INPUT when descriptor 0 is not a socket. */
int probe_open(struct probe *p, struct fault *f);

/* Has one been answered?  Ask again while it has not; waits 0.1 s at most. */
bool probe_answered(struct probe *p);
void probe_fini(struct probe *p);

#endif
