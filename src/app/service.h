/*
 * service - what the handlers of requests share, and how each looks.
 */
#ifndef APP_SERVICE_H
#define APP_SERVICE_H

#include "app/assets.h"
#include "app/conf.h"
#include "app/exchange.h"
#include "app/generate.h"

struct service {
	const struct conf *conf;
	struct assets *assets;
	struct generate *generate;
	bool is_behind; /* images were kept that have no row yet */
};

/* The pools that nginx knows; see the routes. */
#define POOL_FAST "fast"     /* never waits for the network */
#define POOL_LOOKUP "lookup" /* what needs S3, 2 s at most  */
#define POOL_SLOW "slow"     /* a model's 5-60 s, uploads   */

/*
 * Answers one request, or fails before the first byte of the reply.  body:
 * whole and application/json where the route takes one, else empty.
 */
typedef int service_handler(
    struct service *s, struct exchange *x, struct view body, struct fault *f);

#endif
