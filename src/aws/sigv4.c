#include "aws/sigv4.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * The low-level interface, which OpenSSL 3 deprecates, and here alone: its
 * states are plain values, so HMAC goes on from a copied midstate and cannot
 * fail.  EVP, fetched once and its contexts kept, would allocate in each
 * EVP_MD_CTX_copy_ex, which brings a presigned URL too near the limit of
 * twice its bare compressions.  tests/tools/presign_speed.c measures it;
 * docs/PERFORMANCE.md has the figures.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "base/secret.h"
#include "codec/text.h"

enum {
	DAY_N = 8,     /* "20261122"                     */
	EXPIRES_N = 6, /* digits of SIGV4_EXPIRES_MAX_S  */
	OWN_MAX = 6,   /* fields that we add, at most    */
	FIELDS_MAX = SIGV4_FIELDS_MAX + OWN_MAX,
	CONSTANT_MAX = 1024, /* bytes that no caller chooses */
	TEXT_MAX = 256 << 10 /* of a stage, as room_for counts */
};

/* HMAC-SHA256 (RFC 2104) of one key, of which both pads are hashed. */
struct hmac {
	SHA256_CTX inner, outer;
};

struct sigv4 {
	char *region;  /* owned */
	char *service; /* owned */

	/* the moment last signed at, as text */
	int64_t at_s;
	char stamp[TEXT_BASIC_SIZE]; /* "" before the first */

	/* the key of a day, and what it is the key of */
	char day[DAY_N]; /* all zero: there is none */
	struct buf id;
	struct secret secret;
	struct hmac key;
	struct buf scope;      /* "20261122/us-east-1/s3/aws4_request" */
	struct buf credential; /* id/scope, encoded                    */

	/* one signature at a time; may hold the session token */
	struct buf encoded; /* pieces of the query, names of headers */
	struct buf canonical;
	struct buf to_sign;
};

/* Fields in order, as the canonical request lists them. */
struct fields {
	size_t n;
	struct sigv4_field all[FIELDS_MAX];
};

/* One signature on its way. */
struct signing {
	const struct sigv4_keys *keys;
	const struct sigv4_request *r;
	struct view payload;
	struct fields headers;
	struct fields query; /* encoded                              */
	struct view signed_names;
	size_t path_at, path_n; /* in the canonical request             */
	size_t query_n;         /* behind the path and a LF             */
	char expires[EXPIRES_N];
};

static bool
same(struct view a, struct view b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static int
compare(struct view a, struct view b)
{
	const size_t n = a.n < b.n ? a.n : b.n;
	const int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Appends v where reserve() has made room: unlike buf_add, the compiler can
 * see through it, which takes a tenth off the cost of a URL. */
static inline void
put(struct buf *b, struct view v)
{
	MUST(v.n < b->cap - b->len);
	memcpy(b->data + b->len, v.p, v.n);
	b->len += v.n;
}

/* Appends a digest in hex.  Without a table of digits, compilers do many at
 * once. */
static void
put_hex(struct buf *b, const unsigned char sum[SHA256_DIGEST_LENGTH])
{
	unsigned char hex[2 * SHA256_DIGEST_LENGTH];
	size_t i;

	for (i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		hex[2 * i] = sum[i] >> 4;
		hex[2 * i + 1] = sum[i] & 15;
	}
	for (i = 0; i < sizeof hex; i++)
		hex[i] = (unsigned char)(hex[i] + '0' +
					 (hex[i] > 9 ? 'a' - '0' - 10 : 0));
	put(b, (struct view){ (const char *)hex, sizeof hex });
}

/* --- keys --- */

/* The functions of <openssl/sha.h> cannot fail. */
static void
update(SHA256_CTX *c, struct view v)
{
	(void)SHA256_Update(c, v.p, v.n);
}

static void
begin_pad(SHA256_CTX *c, const unsigned char *key, size_t n, unsigned char with)
{
	unsigned char pad[SHA256_CBLOCK];
	size_t i;

	for (i = 0; i < sizeof pad; i++)
		pad[i] = (i < n ? key[i] : 0) ^ with;
	(void)SHA256_Init(c);
	(void)SHA256_Update(c, pad, sizeof pad);
	explicit_bzero(pad, sizeof pad);
}

/* The key has at most SHA256_CBLOCK bytes. */
static void
hmac_begin(struct hmac *h, const unsigned char *key, size_t n)
{
	begin_pad(&h->inner, key, n, 0x36);
	begin_pad(&h->outer, key, n, 0x5c);
}

static void
hmac_of(const struct hmac *h, struct view text,
    unsigned char out[SHA256_DIGEST_LENGTH])
{
	SHA256_CTX c = h->inner;

	update(&c, text);
	(void)SHA256_Final(out, &c);
	c = h->outer;
	(void)SHA256_Update(&c, out, SHA256_DIGEST_LENGTH);
	(void)SHA256_Final(out, &c);
	explicit_bzero(&c, sizeof c); /* its last state is what it made */
}

/* Writes "AWS4" and the secret, or, as HMAC has it for a key longer than a
 * block, their digest; returns the bytes. */
static size_t
first_key(unsigned char out[SHA256_CBLOCK], struct view secret)
{
	const struct view prefix = VIEW("AWS4");
	SHA256_CTX c;

	if (prefix.n + secret.n <= SHA256_CBLOCK) {
		memcpy(out, prefix.p, prefix.n);
		memcpy(out + prefix.n, secret.p, secret.n);
		return prefix.n + secret.n;
	}
	(void)SHA256_Init(&c);
	update(&c, prefix);
	update(&c, secret);
	(void)SHA256_Final(out, &c);
	explicit_bzero(&c, sizeof c);
	return SHA256_DIGEST_LENGTH;
}

/* AWS: "Deriving the signing key". */
static void
derive(struct sigv4 *s)
{
	const struct view words[] = { { s->day, sizeof s->day },
		view_str(s->region), view_str(s->service),
		VIEW("aws4_request") };
	unsigned char key[SHA256_CBLOCK];
	size_t i, n = first_key(key, secret_reveal(&s->secret));

	for (i = 0; i < sizeof words / sizeof *words; i++) {
		hmac_begin(&s->key, key, n);
		hmac_of(&s->key, words[i], key);
		n = SHA256_DIGEST_LENGTH;
	}
	hmac_begin(&s->key, key, n);
	explicit_bzero(key, sizeof key);
}

static void
forget_key(struct sigv4 *s)
{
	secret_fini(&s->secret);
	explicit_bzero(&s->key, sizeof s->key);
	memset(s->day, 0, sizeof s->day);
	buf_clear(&s->id);
	buf_clear(&s->scope);
	buf_clear(&s->credential);
}

static bool
has_control(struct view v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return true;
	return false;
}

static int
take_key(struct sigv4 *s, const struct sigv4_keys *keys, struct fault *f)
{
	if (keys->id.n == 0 || has_control(keys->id))
		return fault_set(f, FAULT_INPUT,
		    "the access key id is empty or unprintable");
	if (secret_set(&s->secret, keys->secret, f) == -1)
		return -1;
	buf_add(&s->id, keys->id);
	buf_add(&s->scope, (struct view){ s->stamp, DAY_N });
	buf_fmt(&s->scope, "/%s/%s/aws4_request", s->region, s->service);
	text_escape(&s->credential, keys->id, false);
	text_escape(&s->credential, VIEW("/"), false);
	text_escape(&s->credential, buf_view(&s->scope), false);
	if (buf_done(&s->id, f) == -1 || buf_done(&s->scope, f) == -1 ||
	    buf_done(&s->credential, f) == -1)
		return -1;
	memcpy(s->day, s->stamp, sizeof s->day);
	derive(s);
	return 0;
}

/* Makes s->key the key of these credentials and the day of s->stamp. */
static int
use_key(struct sigv4 *s, const struct sigv4_keys *keys, struct fault *f)
{
	if (memcmp(s->day, s->stamp, sizeof s->day) == 0 &&
	    same(buf_view(&s->id), keys->id) &&
	    same(secret_reveal(&s->secret), keys->secret))
		return 0;
	forget_key(s);
	if (take_key(s, keys, f) == -1) {
		forget_key(s);
		return fault_while(f, "prepare the signing key");
	}
	return 0;
}

/* --- what is signed --- */

static bool
is_ours(struct view name)
{
	return view_is(name, "host") || view_is(name, "x-amz-date") ||
	       view_is(name, "x-amz-content-sha256") ||
	       view_is(name, "x-amz-security-token");
}

static bool
is_header_name(struct view name)
{
	size_t i;

	for (i = 0; i < name.n; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z')
			return false;
	return text_is_word(name) && !is_ours(name);
}

static int
check(const struct sigv4_request *r, struct fault *f)
{
	size_t i;

	MUST(r->path.n > 0 && r->path.p[0] == '/');
	if (r->query_n > SIGV4_FIELDS_MAX || r->headers_n > SIGV4_FIELDS_MAX)
		return fault_set(f, FAULT_INPUT,
		    "sign %zu parameters and %zu headers, at most %d each",
		    r->query_n, r->headers_n, SIGV4_FIELDS_MAX);
	if (r->host.n == 0 || has_control(r->host))
		return fault_set(
		    f, FAULT_INPUT, "sign a host that is empty or unprintable");
	for (i = 0; i < r->headers_n; i++) {
		if (!is_header_name(r->headers[i].name))
			return fault_set(f, FAULT_INPUT,
			    "sign header %zu: not a name in lower case, or one "
			    "that the signature brings itself",
			    i);
		if (has_control(r->headers[i].value))
			return fault_set(f, FAULT_INPUT,
			    "sign header %zu: a control byte in its value", i);
	}
	return 0;
}

/* Puts a field behind those that come before it by name and, when asked,
 * by value. */
static void
insert(struct fields *to, struct view name, struct view value, bool by_value)
{
	size_t i;
	int order;

	for (i = to->n++; i > 0; i--) {
		order = compare(to->all[i - 1].name, name);
		if (order == 0 && by_value)
			order = compare(to->all[i - 1].value, value);
		if (order <= 0)
			break;
		to->all[i] = to->all[i - 1];
	}
	to->all[i] = (struct sigv4_field){ name, value };
}

/* Headers of one name stay in the order that they are sent in. */
static void
list_header(struct signing *g, struct view name, struct view value)
{
	insert(&g->headers, name, value, false);
}

static void
list_parameter(struct signing *g, struct view name, struct view value)
{
	insert(&g->query, name, value, true);
}

/* What was appended to b since it held `at` bytes. */
static struct view
since(const struct buf *b, size_t at)
{
	return (struct view){ b->data + at, b->len - at };
}

/* What is lent here stays in place, because room was made before. */
static struct view
encode(struct sigv4 *s, struct view v)
{
	const char *data = s->encoded.data;
	const size_t at = s->encoded.len;

	text_escape(&s->encoded, v, false);
	MUST(s->encoded.data == data && !s->encoded.spoilt);
	return since(&s->encoded, at);
}

static bool
repeats(const struct fields *h, size_t i)
{
	return i > 0 && same(h->all[i - 1].name, h->all[i].name);
}

/* "host;x-amz-date" */
static struct view
join_names(struct sigv4 *s, const struct fields *h)
{
	const size_t at = s->encoded.len;
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (repeats(h, i))
			continue;
		if (i > 0)
			put(&s->encoded, VIEW(";"));
		put(&s->encoded, h->all[i].name);
	}
	return since(&s->encoded, at);
}

/* More than the encoded pieces or the canonical request can take. */
static size_t
room_for(const struct sigv4 *s, const struct signing *g)
{
	const struct sigv4_request *r = g->r;
	size_t i, plain, escaped;

	plain = CONSTANT_MAX + strlen(r->method) + 2 * r->host.n +
		s->credential.len + 2 * g->payload.n + g->keys->token.n;
	escaped = r->path.n + g->keys->token.n;
	for (i = 0; i < r->headers_n; i++) {
		plain += 2 * r->headers[i].name.n + r->headers[i].value.n + 4;
		escaped += r->headers[i].name.n + 1;
	}
	for (i = 0; i < r->query_n; i++)
		escaped += r->query[i].name.n + r->query[i].value.n + 2;
	return plain + 3 * escaped;
}

/* Empties b and makes room for n bytes.  No realloc: that would leave a
 * copy of a token in memory which nobody wipes. */
static int
reserve(struct buf *b, size_t n, struct fault *f)
{
	int rc = 0;

	if (b->cap <= n) {
		secret_buf_fini(b);
		(void)buf_room(b, n);
		rc = buf_done(b, f);
	}
	buf_clear(b);
	return rc;
}

static int
begin(struct sigv4 *s, struct signing *g, const struct sigv4_keys *keys,
    const struct sigv4_request *r, struct view payload, struct fault *f)
{
	size_t i, room;

	if (check(r, f) == -1)
		return -1;
	if (s->at_s != r->at_s || s->stamp[0] == '\0') {
		text_basic_moment(s->stamp, r->at_s);
		s->at_s = r->at_s;
	}
	if (use_key(s, keys, f) == -1)
		return -1;
	g->keys = keys;
	g->r = r;
	g->payload = payload;
	g->headers.n = g->query.n = 0;
	room = room_for(s, g);
	if (reserve(&s->canonical, room, f) + reserve(&s->encoded, room, f) +
		reserve(&s->to_sign, CONSTANT_MAX + s->scope.len, f) <
	    0)
		return -1;
	list_header(g, VIEW("host"), r->host);
	for (i = 0; i < r->headers_n; i++)
		list_header(g, r->headers[i].name, r->headers[i].value);
	for (i = 0; i < r->query_n; i++)
		list_parameter(g, encode(s, r->query[i].name),
		    encode(s, r->query[i].value));
	return 0;
}

static void
write_query(struct buf *b, const struct fields *q)
{
	size_t i;

	for (i = 0; i < q->n; i++) {
		if (i > 0)
			put(b, VIEW("&"));
		put(b, q->all[i].name);
		put(b, VIEW("="));
		put(b, q->all[i].value);
	}
}

/* Without blanks at the ends, and with one where there were several. */
static void
write_value(struct buf *b, struct view value)
{
	struct view word;
	bool first = true;

	while (text_split(&value, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (!first)
			put(b, VIEW(" "));
		put(b, word);
		first = false;
	}
}

static void
write_headers(struct buf *b, const struct fields *h)
{
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (repeats(h, i)) {
			put(b, VIEW(","));
		} else {
			put(b, VIEW("\n"));
			put(b, h->all[i].name);
			put(b, VIEW(":"));
		}
		write_value(b, h->all[i].value);
	}
	put(b, VIEW("\n"));
}

static void
write_canonical(struct sigv4 *s, struct signing *g)
{
	struct buf *b = &s->canonical;
	size_t query_at;

	put(b, view_str(g->r->method));
	put(b, VIEW("\n"));
	g->path_at = b->len;
	text_escape(b, g->r->path, true);
	g->path_n = b->len - g->path_at;
	put(b, VIEW("\n"));
	query_at = b->len;
	write_query(b, &g->query);
	g->query_n = b->len - query_at;
	write_headers(b, &g->headers);
	put(b, VIEW("\n"));
	put(b, g->signed_names);
	put(b, VIEW("\n"));
	put(b, g->payload);
}

static void
write_to_sign(struct sigv4 *s)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	struct buf *b = &s->to_sign;
	SHA256_CTX c;

	(void)SHA256_Init(&c);
	update(&c, buf_view(&s->canonical));
	(void)SHA256_Final(sum, &c);
	put(b, VIEW("AWS4-HMAC-SHA256\n"));
	put(b, (struct view){ s->stamp, sizeof s->stamp - 1 });
	put(b, VIEW("\n"));
	put(b, buf_view(&s->scope));
	put(b, VIEW("\n"));
	put_hex(b, sum);
}

/* Appends the signature to s->encoded, and lends it. */
static struct view
sign(struct sigv4 *s, struct signing *g)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	const size_t at = s->encoded.len;

	write_canonical(s, g);
	write_to_sign(s);
	hmac_of(&s->key, buf_view(&s->to_sign), sum);
	put_hex(&s->encoded, sum);
	return since(&s->encoded, at);
}

/* Appends the path and query as they were signed, and a tail: in one piece,
 * so that a target which must grow does so before it holds a token. */
static void
write_target(const struct sigv4 *s, const struct signing *g, struct view tail,
    struct buf *target)
{
	const size_t n = g->path_n + (g->query_n > 0) + g->query_n;
	char *to = buf_room(target, n + tail.n);

	if (to == NULL)
		return;
	memcpy(to, s->canonical.data + g->path_at, n);
	if (g->query_n > 0)
		to[g->path_n] = '?'; /* there it is a LF */
	memcpy(to + n, tail.p, tail.n);
}

/* Appends to s->encoded the lines to send, and lends them. */
static struct view
write_lines(struct sigv4 *s, const struct signing *g, struct view signature)
{
	struct buf *b = &s->encoded;
	const size_t at = b->len;

	put(b, VIEW("Authorization: AWS4-HMAC-SHA256 Credential="));
	put(b, buf_view(&s->id));
	put(b, VIEW("/"));
	put(b, buf_view(&s->scope));
	put(b, VIEW(", SignedHeaders="));
	put(b, g->signed_names);
	put(b, VIEW(", Signature="));
	put(b, signature);
	put(b, VIEW("\nx-amz-date: "));
	put(b, view_str(s->stamp));
	put(b, VIEW("\nx-amz-content-sha256: "));
	put(b, g->payload);
	if (g->keys->token.n > 0) {
		put(b, VIEW("\nx-amz-security-token: "));
		put(b, g->keys->token);
	}
	put(b, VIEW("\n"));
	return since(b, at);
}

int
sigv4_open(struct sigv4 **out, const char *region, const char *service,
    struct fault *f)
{
	struct sigv4 *s;

	if (!text_is_word(view_str(region)) || !text_is_word(view_str(service)))
		return fault_set(f, FAULT_INPUT,
		    "sign for region \"%s\", service \"%s\": not words", region,
		    service);
	s = calloc(1, sizeof *s);
	if (s == NULL)
		return fault_set(f, FAULT_MEMORY, "sigv4");
	s->id = s->scope = s->credential = BUF_INIT(TEXT_MAX);
	s->encoded = s->canonical = s->to_sign = BUF_INIT(TEXT_MAX);
	s->region = strdup(region);
	s->service = strdup(service);
	if (s->region == NULL || s->service == NULL) {
		sigv4_close(&s);
		return fault_set(f, FAULT_MEMORY, "sigv4");
	}
	*out = s;
	return 0;
}

void
sigv4_close(struct sigv4 **s)
{
	if (*s == NULL)
		return;
	forget_key(*s);
	buf_fini(&(*s)->id);
	buf_fini(&(*s)->scope);
	buf_fini(&(*s)->credential);
	secret_buf_fini(&(*s)->encoded);
	secret_buf_fini(&(*s)->canonical);
	secret_buf_fini(&(*s)->to_sign);
	free((*s)->region);
	free((*s)->service);
	free(*s);
	*s = NULL;
}

int
sigv4_sign(struct sigv4 *s, const struct sigv4_keys *keys,
    const struct sigv4_request *r, struct buf *target, struct buf *headers,
    struct fault *f)
{
	struct signing g;

	MUST(r->payload_sha256.n == 2 * SHA256_DIGEST_LENGTH ||
	     view_is(r->payload_sha256, SIGV4_UNSIGNED));
	if (has_control(keys->token))
		return fault_set(f, FAULT_INPUT,
		    "sign with a session token that is not one line");
	if (begin(s, &g, keys, r, r->payload_sha256, f) == -1)
		return -1;
	list_header(&g, VIEW("x-amz-content-sha256"), g.payload);
	list_header(&g, VIEW("x-amz-date"), view_str(s->stamp));
	if (keys->token.n > 0)
		list_header(&g, VIEW("x-amz-security-token"), keys->token);
	g.signed_names = join_names(s, &g.headers);
	buf_add(headers, write_lines(s, &g, sign(s, &g)));
	write_target(s, &g, VIEW(""), target);
	return buf_done(target, f) == -1 ? -1 : buf_done(headers, f);
}

/* Writes the digits of 1 to SIGV4_EXPIRES_MAX_S at the end of to. */
static struct view
write_seconds(char to[EXPIRES_N], int64_t seconds)
{
	size_t at = EXPIRES_N;

	for (; seconds > 0 && at > 0; seconds /= 10)
		to[--at] = (char)('0' + seconds % 10);
	return (struct view){ to + at, EXPIRES_N - at };
}

int
sigv4_presign(struct sigv4 *s, const struct sigv4_keys *keys,
    const struct sigv4_request *r, int64_t expires_s, struct buf *target,
    struct fault *f)
{
	struct signing g;
	size_t tail_at;

	if (expires_s < 1 || expires_s > SIGV4_EXPIRES_MAX_S)
		return fault_set(f, FAULT_INPUT,
		    "presign for %" PRId64 " s: 1 to %d are possible",
		    expires_s, SIGV4_EXPIRES_MAX_S);
	if (begin(s, &g, keys, r, VIEW(SIGV4_UNSIGNED), f) == -1)
		return -1;
	g.signed_names = join_names(s, &g.headers);
	list_parameter(&g, VIEW("X-Amz-Algorithm"), VIEW("AWS4-HMAC-SHA256"));
	list_parameter(&g, VIEW("X-Amz-Credential"), buf_view(&s->credential));
	list_parameter(&g, VIEW("X-Amz-Date"), view_str(s->stamp));
	list_parameter(
	    &g, VIEW("X-Amz-Expires"), write_seconds(g.expires, expires_s));
	if (keys->token.n > 0)
		list_parameter(
		    &g, VIEW("X-Amz-Security-Token"), encode(s, keys->token));
	list_parameter(
	    &g, VIEW("X-Amz-SignedHeaders"), encode(s, g.signed_names));
	tail_at = s->encoded.len;
	put(&s->encoded, VIEW("&X-Amz-Signature="));
	(void)sign(s, &g);
	write_target(s, &g, since(&s->encoded, tail_at), target);
	return buf_done(target, f);
}

void
sigv4_stages(const struct sigv4 *s, struct view *canonical_request,
    struct view *string_to_sign)
{
	*canonical_request = buf_view(&s->canonical);
	*string_to_sign = buf_view(&s->to_sign);
}
