/*
 * ready - GET /readyz: may this host be given requests?
 *
 * 200 when every check holds, else 503; either way with all of them and
 * their reasons, which are for operators, and so name no path and no secret.
 * Nobody is waited for longer than READY_MS.
 */
#ifndef APP_READY_H
#define APP_READY_H

#include "app/service.h"

enum { READY_MS = 150 };

service_handler ready_answer;

#endif
