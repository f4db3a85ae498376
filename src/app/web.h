/*
 * web - the HTTP service: one table of routes, and what each does.
 *
 * The contract is docs/API.md.  nginx is in front: it sends each path to
 * the pool that the table names, and the files that we point it to.
 */
#ifndef APP_WEB_H
#define APP_WEB_H

#include "app/conf.h"
#include "base/buf.h"
#include "net/fcgi.h"

enum { WEB_JSON_BODY_MAX = 64 << 10 };

struct web; /* opaque; one a process */

/*
 * Opens store and catalogue below CHARREF_ROOT, and the cloud when there is
 * a bucket, and recovers what a killed worker left.  conf outlives it.
 */
int web_open(struct web **out, const struct conf *conf, struct fault *f);
void web_close(struct web **w);

/* Answers the request in hand, finishes it, and logs it in one line. */
void web_serve(struct web *w, struct fcgi *c);

/* Appends the routes: METHOD PATH POOL a line. */
void web_routes(struct buf *out);

#endif
