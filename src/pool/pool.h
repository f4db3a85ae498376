/*
 * pool - keeps workers alive on the listening socket at descriptor 0.
 *
 * Each worker is a child that runs the same command and inherits that
 * socket.  One that ends is started again (pool/pace says when) until a
 * signal asks the pool to leave:
 *
 *   SIGTERM, SIGINT  the workers get SIGTERM: they answer what is queued
 *   SIGUSR1          the workers get SIGUSR1: they finish what they have
 *   SIGHUP           the workers are replaced one after another
 *
 * A second SIGTERM or SIGUSR1 is forwarded too.  Workers whose pool is
 * killed get SIGTERM from the kernel.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdint.h>

#include "base/fault.h"

enum {
	POOL_WORKERS_MAX = 256,
	/* From being told to leave until what is left is killed: a worker
	 * takes from the queue for a minute, and the last thing it took may
	 * be a generation of ten. */
	POOL_LEAVE_S = 700,
	POOL_LEAVE_S_MAX = 86400
};

struct pool_setup {
	int64_t workers;      /* 0 (then nothing runs) to POOL_WORKERS_MAX */
	char *const *command; /* ended by NULL; found by PATH */
	const char *pid_file; /* or NULL */
	int64_t leave_s;      /* POOL_LEAVE_S unless there is a reason */
};

/*
 * Runs until a signal has asked it to leave and all workers have gone.
 * *status is then 0, or, when each first worker ended otherwise than with
 * status 0 within its first second, what the last of them ended with (128
 * and the number for a signal).
 *
 * It is ready once all workers live and one of them takes connections.
 * Then our pid is written to the pid file, which takes the place of
 * another; the service manager is told (READY, MAINPID); and the
 * descriptors above 2 are closed that we were started with, of which the
 * workers never get any: a lock among them lasts as long as the start.
 *
 * FAULT_INPUT when descriptor 0 is not a socket, FAULT_MEMORY, FAULT_DISK.
 */
int pool_run(const struct pool_setup *setup, int *status, struct fault *f);

#endif
