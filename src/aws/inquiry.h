/*
 * inquiry - what all who ask a network endpoint for keys have in common.
 *
 * An inquiry ends with keys or with a fault: BUSY (no connection, 5xx,
 * 429), SLOW, DENIED (refused: the other's own words are in details),
 * REMOTE (a reply that is none of its kind), INPUT (a token that cannot be
 * read or sent), MEMORY.
 */
#ifndef AWS_INQUIRY_H
#define AWS_INQUIRY_H

#include <stdint.h>

#include "aws/keys.h"
#include "net/http.h"

enum { INQUIRY_TOKEN_MAX = 16 << 10 /* bytes of a token file */ };

/* Sends the call once, and waits for at most ms and until deadline_ms
 * (clock_ticks_ms): 0 once there is a whole reply, whatever its status. */
int inquiry_ask(struct http *h, struct http_call *call, int64_t ms,
    int64_t deadline_ms, struct fault *f);

/* May it go better the next time: no whole reply, 5xx, 429? */
bool inquiry_may_pass(const struct http_call *call);

/* The fault of a status that brings no keys. */
int inquiry_refused(const struct http_call *call, struct fault *f);

/* Makes a fault of reading that of whoever sent it: REMOTE. */
int inquiry_junk(struct fault *f);

/* FAULT_INPUT for a token that is empty or has bytes that no header may. */
int inquiry_check_token(struct view token, struct fault *f);

/* Reads a token file, links followed, into the empty text, which holds a
 * secret then; *token is what stands in it. */
int inquiry_read_token(
    const char *path, struct buf *text, struct view *token, struct fault *f);

/* Waits before another try: false when there is no time for one, or when
 * stop_fd (0: none) is readable. */
bool inquiry_pause(int64_t ms, int64_t deadline_ms, int stop_fd);

/*
 * The host of a URL, in its brackets if it has some; false unless the URL
 * is http or https and nothing in it could be read in two ways.
 */
bool inquiry_host(const char *url, struct view *host);

/* Is that host this one, so that what is sent there in clear stays here? */
bool inquiry_is_loopback(struct view host);

#endif
