/*
 * status - how the queue and the storage are: what `charref status` shows.
 */
#ifndef APP_STATUS_H
#define APP_STATUS_H

#include "app/assets.h"

enum { STATUS_ERRORS_MAX = 10 };

/* Seconds that an object has waited since then (objects_backlog); -1: none
 * does. */
int64_t status_waited_s(int64_t since_ms);

/* Appends it for people, or as one JSON object.  As objects fails. */
int status_describe(
    struct assets *a, bool as_json, struct buf *out, struct fault *f);

#endif
