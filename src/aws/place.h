/*
 * place - where a bucket is: the origin to connect to, the Host to sign,
 * the path of a key.  Pure.
 *
 * Hosts are kept in the form in which clients send them, in lower case and
 * without the port that the scheme implies, because the Host is part of
 * what is signed.
 */
#ifndef AWS_PLACE_H
#define AWS_PLACE_H

#include "base/buf.h"
#include "base/fault.h"

enum {
	PLACE_BUCKET_MAX = 63,
	PLACE_REGION_MAX = 63,
	PLACE_HOST_MAX = 253, /* of a name in the DNS: RFC 1035, 2.3.4 */
	PLACE_KEY_MAX = 1024, /* S3's limit of an object key           */
	PLACE_PATH_MAX = 1 + PLACE_BUCKET_MAX + 1 + PLACE_KEY_MAX
};

/* AUTO puts the bucket in the path when its name has a dot (no wildcard
 * certificate covers that) and when the endpoint is an IP address or a
 * name without a dot, like localhost or a container's: such a name has no
 * names below it.  Else the bucket is the first label of the host. */
enum s3_style { S3_AUTO, S3_PATH, S3_VIRTUAL };

struct place_ask {
	const char *bucket;
	const char *region;
	const char *endpoint; /* "http[s]://host[:port]"; NULL or "": AWS's */
	const char *setting;  /* a literal: whose value the endpoint is     */
	enum s3_style style;
};

struct place {
	/* "https://" PLACE_BUCKET_MAX "." PLACE_HOST_MAX ":65535" and a NUL */
	char origin[8 + PLACE_BUCKET_MAX + 1 + PLACE_HOST_MAX + 6 + 1];
	char root[1 + PLACE_BUCKET_MAX + 1]; /* "/bucket", or "" */
};

/*
 * FAULT_INPUT, with the setting as field: STORAGE_BUCKET for a name that
 * is none of a general purpose bucket (3 to 63 of a-z 0-9 . -, a letter or
 * digit at both ends, no "..", not an IP address), AWS_REGION for one that
 * is no word of a-z 0-9 and '-', ask->setting for an endpoint with a path,
 * a query, a user or anything else that is not http[s]://host[:port], and
 * S3_ADDRESSING_STYLE for VIRTUAL below an IP address.
 */
int place_find(struct place *out, const struct place_ask *ask, struct fault *f);

/* What the header Host says. */
struct view place_host(const struct place *p);

/* May it stand in a host's name and in a signature? */
bool place_is_region(struct view v);

/*
 * The raw path of a key, lent as long as room; "" is the bucket itself.
 * The key is at most PLACE_KEY_MAX bytes.
 */
struct view place_path(
    const struct place *p, struct view key, char room[PLACE_PATH_MAX]);

#endif
