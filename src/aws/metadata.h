/*
 * metadata - temporary keys from whom a machine's owner put beside us: the
 * agent of a container (ECS, EKS pod identity), the instance (EC2).
 *
 * Each call sets the empty k by deadline_ms (clock_ticks_ms); faults are
 * those of inquiry.h.
 */
#ifndef AWS_METADATA_H
#define AWS_METADATA_H

#include <stdint.h>

#include "aws/keys.h"
#include "net/http.h"

enum {
	METADATA_CONTAINER_MS = 2000, /* for one attempt                 */
	METADATA_CONTAINER_TRIES = 3, /* a second apart                  */
	METADATA_INSTANCE_MS = 1000,  /* for each of three requests      */
	METADATA_EXTEND_MS = 10 * 60 * 1000,
	METADATA_URL_MAX = 2048
};

struct metadata_agent {
	const char *url;
	const char *token_file;     /* read anew each time; NULL or ""     */
	const struct secret *token; /* else this; NULL: none is sent       */
	int stop_fd;                /* as in http_setup: ends the pauses   */
};

int metadata_container(struct creds_keys *k, struct http *h,
    const struct metadata_agent *agent, int64_t deadline_ms, struct fault *f);

/*
 * Appends the URL of the agent.  relative ("/v2/...") belongs to ECS's own
 * address and wins over full, which must be https, or name loopback,
 * 169.254.170.2, 169.254.170.23 or fd00:ec2::23: any other would be given
 * the token in clear.  FAULT_INPUT with the variable as field.
 */
int metadata_container_url(
    struct buf *url, const char *relative, const char *full, struct fault *f);

/*
 * The role of the instance at endpoint ("http://169.254.169.254"), by
 * IMDSv2 alone.  Keys that end within METADATA_EXTEND_MS, or have ended, are
 * taken to live for that and up to as long again: an instance whose service
 * cannot renew serves the last it had, and AWS goes on taking them.
 */
int metadata_instance(struct creds_keys *k, struct http *h,
    const char *endpoint, int64_t deadline_ms, struct fault *f);

#endif
