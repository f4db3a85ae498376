/*
 * session - one run of a verb: the settings and what they open, and the
 * signals that end it.
 */
#ifndef APP_SESSION_H
#define APP_SESSION_H

#include "app/assets.h"

struct session {
	struct conf *conf;
	struct assets *assets;
	int stop_fd; /* -1 unless signals are heeded */
};

#define SESSION_INIT ((struct session){ .stop_fd = -1 })

enum {
	SESSION_ASKS = 1, /* it asks the bucket, and needs keys to do so    */
	SESSION_HEEDS = 2 /* SIGINT and SIGTERM end what is on its way to or
			   * from the bucket, instead of the process       */
};

/* Opens all that a verb needs: `how` is of the bits above.  When the settings
 * are wrong it fails without a fault: their mistakes have been said. */
int session_open(struct session *s, int how, struct fault *f);
void session_close(struct session *s);

/* Has such a signal come? */
bool session_is_stopped(const struct session *s);

#endif
