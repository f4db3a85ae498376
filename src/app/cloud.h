/*
 * cloud - the bucket as one process of ours sees it: credentials, client,
 * and what the processes of the host know about it.
 */
#ifndef APP_CLOUD_H
#define APP_CLOUD_H

#include "app/conf.h"
#include "aws/s3.h"
#include "base/state.h"
#include "codec/ident.h"
#include "disk/objects.h"

struct cloud; /* opaque; one a process */

enum cloud_role {
	CLOUD_USER,   /* of the service: a worker, the uploader            */
	CLOUD_KEEPER, /* the one that renews temporary keys for the others */
	CLOUD_COMMAND /* an operator's, perhaps with other settings: what it
		       * learns, and its keys, it keeps to itself          */
};

/*
 * conf must have a bucket and outlives it; stop_fd as in s3_setup.  Asks
 * for credentials when none are at hand, for CLOUD_KEYS_MS at most; without
 * any it opens all the same, and what needs them fails.  CLOUD_COMMAND asks
 * nobody before cloud_tend.  FAULT_INPUT, FAULT_DISK, FAULT_MEMORY.
 */
int cloud_open(struct cloud **out, const struct conf *conf,
    enum cloud_role role, int stop_fd, struct fault *f);
void cloud_close(struct cloud **c);

enum { CLOUD_KEYS_MS = 3000 };

struct s3 *cloud_s3(struct cloud *c);
struct state *cloud_state(struct cloud *c);
const struct creds *cloud_creds(const struct cloud *c);

/* What is left of the life of the keys in hand; INT64_MAX: they never end.
 * Waits for nobody.  FAULT_DENIED when there are none that are good. */
int cloud_keys_left_ms(struct cloud *c, int64_t *left_ms, struct fault *f);

/*
 * Is the bucket to be asked at all?  0 when it is, or nobody knows; else
 * why not: FAULT_BUSY while it is down, FAULT_DENIED while it refuses us.
 */
int cloud_ready(struct cloud *c, struct fault *f);

/* On behalf of which request it is used from here on, as s3_serve has it;
 * and of which it is. */
void cloud_serve(struct cloud *c, struct view request_id);
struct view cloud_request_id(const struct cloud *c);

/*
 * Between requests: renews credentials that are due when no keeper did, for
 * CLOUD_KEYS_MS at most, and goes over to a new state file if ours was
 * removed.  A failure is logged, with its reason, when it is another than
 * before.
 */
void cloud_tend(struct cloud *c);

/* The half of it that waits for nobody: takes the credentials that others
 * have renewed by now. */
void cloud_look(struct cloud *c);

/*
 * Presigns GET or HEAD of an object, by the settings' window.  expires_s 0:
 * PRESIGNED_URL_EXPIRY.
 */
int cloud_presign(struct cloud *c, const struct object *object,
    const char *method, int64_t expires_s, struct s3_url *url, struct fault *f);

#endif
