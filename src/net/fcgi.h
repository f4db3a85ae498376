/*
 * fcgi - a FastCGI responder on the listening socket at descriptor 0.
 *
 * Accepts and closes connections itself, one request each, so that no byte
 * a client sent can ever be taken for a second request (FastCGI spec 3.5's
 * keep-connection is accepted and not used).  The only user of libfcgi.
 *
 * Signals are seen between requests alone: SIGTERM accepts what is queued
 * and then leaves, SIGUSR1 leaves at once; neither touches the request in
 * hand.  Running out of descriptors, or a peer that dies or stays silent
 * (FCGI_PEER_SILENCE_MS), costs that connection, never the worker.  A stop
 * signal (SIGSTOP, then SIGCONT) may cost the request in hand: on a socket
 * with a timeout it breaks into a read, blocked or not (signal(7)).
 */
#ifndef NET_FCGI_H
#define NET_FCGI_H

#include "base/buf.h"
#include "base/fault.h"

enum { FCGI_PEER_SILENCE_MS = 10000, FCGI_DRAIN_MS = 60000 };

struct fcgi; /* opaque; one a process */

/*
 * FAULT_INPUT when descriptor 0 is not a listening socket, FAULT_MEMORY, and
 * FAULT_DISK when the system refuses us a descriptor or a signal mask.
 */
int fcgi_open(struct fcgi **out, struct fault *f);
void fcgi_close(struct fcgi **c);

enum { FCGI_NAME_SIZE = 109 };

/* The file name of the listening socket ("fast-a.sock"), or "". */
void fcgi_name(char out[FCGI_NAME_SIZE]);

/*
 * Waits for the next request and takes it in hand: true; its parameters
 * are read, its body is not.  False: there will be none, fcgi_left says why.
 */
bool fcgi_next(struct fcgi *c);

/*
 * Why fcgi_next was false: 0 when a signal asked us to leave, or -1 and
 * FAULT_DISK when the listening socket was shut down or closed.
 */
int fcgi_left(const struct fcgi *c, struct fault *f);

/* A parameter of the request in hand; "" when it is absent. */
const char *fcgi_param(const struct fcgi *c, const char *name);

/* How often it was given: a header that a client repeats comes again. */
int fcgi_param_count(const struct fcgi *c, const char *name);

/*
 * Appends the whole body.  FAULT_LARGE over max bytes, FAULT_INPUT when its
 * length disagrees with CONTENT_LENGTH, FAULT_PEER when the peer is lost.
 */
int fcgi_body(struct fcgi *c, size_t max, struct buf *out, struct fault *f);

/* Has the web server hung up (so that nobody waits for the reply)? */
bool fcgi_peer_gone(const struct fcgi *c);

/* Sends bytes of the reply; after the first failure it does nothing. */
void fcgi_put(struct fcgi *c, struct view bytes);

/*
 * Ends the request: true when the whole reply reached the web server.  A
 * reply that was given up (fcgi_abandon) is cut off, so that the web server
 * sees it is not whole.
 */
bool fcgi_finish(struct fcgi *c);
void fcgi_abandon(struct fcgi *c);

#endif
