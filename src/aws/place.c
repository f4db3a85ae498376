#include "aws/place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"

enum { BUCKET_MIN = 3, PORT_MAX = 65535, HTTP_PORT = 80, HTTPS_PORT = 443 };

/* An endpoint, taken apart. */
struct endpoint {
	bool is_tls;
	bool is_ip;
	struct view host; /* as written; an IPv6 address has its brackets */
	int64_t port;     /* 0: the scheme's own */
};

static bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_ipv4(struct view v)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr ip;

	if (v.n >= sizeof text)
		return false;
	memcpy(text, v.p, v.n);
	text[v.n] = '\0';
	return inet_pton(AF_INET, text, &ip) == 1;
}

/* An address in brackets (RFC 3986, 3.2.2), without a zone. */
static bool
is_bracketed_ipv6(struct view v)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr ip;

	if (v.n < 2 || v.n - 2 >= sizeof text || v.p[0] != '[' ||
	    v.p[v.n - 1] != ']')
		return false;
	memcpy(text, v.p + 1, v.n - 2);
	text[v.n - 2] = '\0';
	return inet_pton(AF_INET6, text, &ip) == 1;
}

bool
place_is_region(struct view v)
{
	size_t i;

	if (v.n == 0 || v.n > PLACE_REGION_MAX || v.p[0] == '-' ||
	    v.p[v.n - 1] == '-')
		return false;
	for (i = 0; i < v.n; i++)
		if (!is_lower_or_digit(v.p[i]) && v.p[i] != '-')
			return false;
	return true;
}

static bool
is_bucket(struct view v)
{
	size_t i;

	if (v.n < BUCKET_MIN || v.n > PLACE_BUCKET_MAX ||
	    !is_lower_or_digit(v.p[0]) || !is_lower_or_digit(v.p[v.n - 1]))
		return false;
	for (i = 0; i < v.n; i++)
		if (!is_lower_or_digit(v.p[i]) && v.p[i] != '.' &&
		    v.p[i] != '-')
			return false;
	return !view_has(v, "..") && !is_ipv4(v);
}

/* Letters, digits, '-' and '_' (Docker has it) between single dots. */
static bool
is_host_name(struct view v)
{
	struct view label;
	size_t i;

	if (v.n == 0 || v.n > PLACE_HOST_MAX || v.p[v.n - 1] == '.')
		return false;
	while (text_split(&v, '.', &label)) {
		if (label.n == 0 || label.p[0] == '-')
			return false;
		for (i = 0; i < label.n; i++)
			if (!text_is_alnum(label.p[i]) && label.p[i] != '-' &&
			    label.p[i] != '_')
				return false;
	}
	return true;
}

static bool
read_port(struct view text, bool is_tls, int64_t *port)
{
	if (!text_number(text, port) || *port < 1 || *port > PORT_MAX)
		return false;
	if (*port == (is_tls ? HTTPS_PORT : HTTP_PORT))
		*port = 0; /* clients leave it out of Host */
	return true;
}

static bool
read_endpoint(struct endpoint *e, struct view text)
{
	const bool is_tls = view_begins(text, "https://");
	const char *colon;
	size_t skip = is_tls ? 8 : 7;

	*e = (struct endpoint){ .is_tls = is_tls };
	if (!is_tls && !view_begins(text, "http://"))
		return false;
	e->host = (struct view){ text.p + skip, text.n - skip };
	if (e->host.n > 0 && e->host.p[e->host.n - 1] == '/')
		e->host.n--;
	/* The last colon, unless it is one of an IPv6 address. */
	colon = e->host.n == 0 ? NULL : memrchr(e->host.p, ':', e->host.n);
	if (colon != NULL &&
	    memchr(colon, ']', (size_t)(e->host.p + e->host.n - colon)) ==
		NULL) {
		skip = (size_t)(colon + 1 - e->host.p);
		if (!read_port((struct view){ colon + 1, e->host.n - skip },
			is_tls, &e->port))
			return false;
		e->host.n = skip - 1;
	}
	e->is_ip = is_ipv4(e->host) || is_bracketed_ipv6(e->host);
	return e->is_ip || is_host_name(e->host);
}

/* Does the bucket's name stand in the path? */
static bool
is_in_path(const struct endpoint *e, struct view bucket, enum s3_style style)
{
	if (style != S3_AUTO)
		return style == S3_PATH;
	return e->is_ip || memchr(e->host.p, '.', e->host.n) == NULL ||
	       memchr(bucket.p, '.', bucket.n) != NULL;
}

/* Amazon's own host of a region; China has a domain of its own. */
static struct view
amazon_host(const char *region, char room[PLACE_HOST_MAX + 1])
{
	const char *suffix = strncmp(region, "cn-", 3) == 0 ? ".cn" : "";

	(void)snprintf(
	    room, PLACE_HOST_MAX + 1, "s3.%s.amazonaws.com%s", region, suffix);
	return view_str(room);
}

static void
write_place(struct place *out, const struct endpoint *e, struct view bucket,
    bool in_path)
{
	const char *scheme = e->is_tls ? "https://" : "http://";
	char port[8] = "";
	size_t i;

	if (e->port != 0)
		(void)snprintf(port, sizeof port, ":%d", (int)e->port);
	(void)snprintf(out->origin, sizeof out->origin, "%s%.*s%s%.*s%s",
	    scheme, in_path ? 0 : (int)bucket.n, bucket.p, in_path ? "" : ".",
	    (int)e->host.n, e->host.p, port);
	for (i = 0; out->origin[i] != '\0'; i++)
		if (out->origin[i] >= 'A' && out->origin[i] <= 'Z')
			out->origin[i] = (char)(out->origin[i] - 'A' + 'a');
	(void)snprintf(out->root, sizeof out->root, "%s%.*s",
	    in_path ? "/" : "", in_path ? (int)bucket.n : 0, bucket.p);
}

int
place_find(struct place *out, const struct place_ask *ask, struct fault *f)
{
	const struct view bucket = view_str(ask->bucket);
	struct view endpoint = view_str(ask->endpoint);
	char room[PLACE_HOST_MAX + 1];
	struct endpoint e = { .is_tls = true };

	if (!is_bucket(bucket))
		return fault_in(f, FAULT_INPUT, "STORAGE_BUCKET",
		    "a bucket has 3 to 63 of a-z 0-9 . - in its name, begins "
		    "and ends with a letter or digit, and is no IP address");
	if (!place_is_region(view_str(ask->region)))
		return fault_in(f, FAULT_INPUT, "AWS_REGION",
		    "a region is a word like eu-central-1");
	if (endpoint.n == 0)
		e.host = amazon_host(ask->region, room);
	else if (!read_endpoint(&e, endpoint))
		return fault_in(f, FAULT_INPUT, ask->setting,
		    "an endpoint is http[s]://host[:port], without a path, a "
		    "query or a user");
	if (e.is_ip && ask->style == S3_VIRTUAL)
		return fault_in(f, FAULT_INPUT, "S3_ADDRESSING_STYLE",
		    "no bucket's name can stand in front of an IP address");
	write_place(out, &e, bucket, is_in_path(&e, bucket, ask->style));
	return 0;
}

struct view
place_host(const struct place *p)
{
	return view_str(strstr(p->origin, "://") + 3);
}

struct view
place_path(const struct place *p, struct view key, char room[PLACE_PATH_MAX])
{
	const size_t root = strlen(p->root);

	MUST(key.n <= PLACE_KEY_MAX);
	memcpy(room, p->root, root);
	if (key.n == 0 && root > 0)
		return (struct view){ room, root };
	room[root] = '/';
	if (key.n > 0)
		memcpy(room + root + 1, key.p, key.n);
	return (struct view){ room, root + 1 + key.n };
}
