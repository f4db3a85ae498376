/*
 * sts - temporary keys for a role, from AWS's Security Token Service.
 */
#ifndef AWS_STS_H
#define AWS_STS_H

#include <stdint.h>

#include "aws/keys.h"
#include "net/http.h"

enum {
	STS_MS = 5000, /* for one attempt */
	STS_TRIES = 2
};

struct sts_role {
	const char *arn;
	const char *session;    /* its name in STS's records               */
	const char *token_file; /* read anew for each attempt, links too   */
	const char *url;        /* of STS                                  */
	int stop_fd;            /* as in http_setup: ends the pause        */
};

/*
 * AssumeRoleWithWebIdentity (STS API 2011-06-15), not signed: sets the
 * empty k by deadline_ms (clock_ticks_ms); faults are those of inquiry.h.
 * Asked once more when STS is down or busy, could not reach the token's
 * issuer (IDPCommunicationError), or found the token expired, as the file
 * may by then hold the next.
 */
int sts_web_identity(struct creds_keys *k, struct http *h,
    const struct sts_role *role, int64_t deadline_ms, struct fault *f);

#endif
