/*
 * watch - one process watches the storage for all others of the host: asks
 * it about once a second, keeps the state file, and renews temporary
 * credentials.
 */
#ifndef APP_WATCH_H
#define APP_WATCH_H

#include "app/conf.h"

/* Together under two seconds, in which all are to know of an outage. */
enum { WATCH_PERIOD_MS = 800, WATCH_PATIENCE_MS = 1000 };

/* Goes on until stop_fd becomes readable; fails only when it cannot begin. */
int watch_run(const struct conf *conf, int stop_fd, struct fault *f);

#endif
