/*
 * notify - tells the service manager how we are (sd_notify(3)).
 */
#ifndef POOL_NOTIFY_H
#define POOL_NOTIFY_H

#include "base/fault.h"

/*
 * Sends lines such as "READY=1\nMAINPID=17" as one datagram to the unix
 * socket that $NOTIFY_SOCKET names, an abstract one when it begins with @.
 * Nothing is done when it is not set.  FAULT_INPUT when it names no such
 * socket, FAULT_DISK when the message does not arrive.
 */
int notify_send(const char *lines, struct fault *f);

#endif
