/*
 * status - how the queue and the storage are: what `charref status` shows.
 */
#ifndef APP_STATUS_H
#define APP_STATUS_H

#include "app/assets.h"

enum { STATUS_ERRORS_MAX = 10 };

/* Appends it for people, or as one JSON object.  As objects fails. */
int status_describe(
    struct assets *a, bool as_json, struct buf *out, struct fault *f);

#endif
