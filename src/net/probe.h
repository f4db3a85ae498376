/*
 * probe - how far one comes to a host: to its address, a connection, TLS, a
 * reply.  For people who must be told which of these is broken.
 *
 * Asks HEAD / without any key, once, and no redirect is followed.
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

#include <stdint.h>

#include "base/fault.h"

enum probe_stage {
	PROBE_NAME,
	PROBE_CONNECTION,
	PROBE_TLS,
	PROBE_REPLY,
	PROBE_DONE
};

/* Texts: NULL or "" is not set. */
struct probe_ask {
	const char *origin; /* "http[s]://host[:port]" */
	const char *unix_socket;
	const char *ca_file;
	int64_t deadline_ms; /* clock_ticks_ms */
	int stop_fd;         /* as in http_setup: ends it as BUSY */
};

struct probe {
	enum probe_stage stage; /* which failed; DONE: there was a reply    */
	char why[256];          /* it failed, in curl's and TLS's own words */
	char address[64];       /* that was connected to, or ""             */
	int status;             /* of the reply                             */
	int64_t date_s;         /* of it, since 1970; -1: none              */
	int64_t asked_s;        /* by our clock, when that came             */
};

/* 0 when it could be tried; then out says what came of it.  FAULT_BUSY when
 * told to stop, FAULT_MEMORY. */
int probe_run(struct probe *out, const struct probe_ask *ask, struct fault *f);

#endif
