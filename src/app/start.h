/*
 * start - what every program of ours does first.
 */
#ifndef APP_START_H
#define APP_START_H

#include "app/conf.h"

/* A command: reads the settings.  0, or -1 after all mistakes were printed
 * on standard error. */
int start_command(struct conf **conf);

/*
 * A server: the same, but what it has to say goes where LOG_FILE says, the
 * mistakes included.  Keeps secrets out of core files, and has the memory
 * of big replies given back to the system.
 */
int start_server(struct conf **conf);

/* From here on SIGTERM and SIGINT do not end the process but make *fd
 * readable, for who looks (a stop_fd).  The descriptor is the caller's. */
int start_stop_fd(int *fd, struct fault *f);

/* Why a program cannot go on, as either says it.  Returns 1, its exit
 * status. */
int start_print_fault(const struct fault *f);
int start_log_fault(const struct fault *f);

#endif
