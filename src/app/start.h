/*
 * start - what every program of ours does first.
 */
#ifndef APP_START_H
#define APP_START_H

#include "app/conf.h"

/* Reads the settings: 0, or -1 after all mistakes were printed on
 * standard error. */
int start_read(struct conf **conf);

/*
 * The same for a server, and points the log where the settings say, keeps
 * secrets out of core files, and has the memory of big replies given back
 * to the system.
 */
int start(struct conf **conf);

/* Says why a program cannot go on: a command on standard error, a server in
 * its log.  Returns 1, its exit status. */
int start_failed(const struct fault *f);
int start_gave_up(const struct fault *f);

#endif
