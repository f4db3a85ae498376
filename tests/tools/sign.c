/*
 * Signs what it reads, for tests that know another signer.
 *
 * A case is a line of words between single blanks, a name and its value in
 * hex each, in any order: id secret token region service method host path
 * payload at expires, and q and h, a query parameter and a header, with two
 * values.  "path:2f61 q:6b:76".  With expires, it presigns.
 *
 * The answer is a line of JSON: canonical, to_sign, target and headers in
 * hex, or fault, its word and text.  One signer serves all cases of a
 * region and service, as it would in a worker.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/sigv4.h"
#include "codec/text.h"

enum { ANSWER_MAX = 1 << 20, FIELDS = SIGV4_FIELDS_MAX + 1 };

struct ask {
	struct buf bytes; /* what all views lend from */
	struct view region, service, method, at, expires;
	struct sigv4_keys keys;
	struct sigv4_request r;
	struct sigv4_field query[FIELDS], headers[FIELDS];
};

/* The region and service of the signer in hand. */
struct signer {
	struct sigv4 *s;
	char region[64], service[16];
};

static unsigned char
digit(char c)
{
	MUST((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
	return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes, and a NUL behind them that is not counted. */
static struct view
unhex(struct ask *a, struct view v)
{
	char *to = buf_room(&a->bytes, v.n / 2 + 1);
	size_t i;

	MUST(v.n % 2 == 0 && to != NULL);
	for (i = 0; i < v.n / 2; i++)
		to[i] = (char)(digit(v.p[2 * i]) << 4 | digit(v.p[2 * i + 1]));
	to[i] = '\0';
	return (struct view){ to, v.n / 2 };
}

static void
read_field(struct ask *a, struct sigv4_field *all, size_t *n, struct view rest)
{
	struct view name, value = VIEW("");

	MUST(*n < FIELDS && text_split(&rest, ':', &name));
	(void)text_split(&rest, ':', &value);
	all[*n].name = unhex(a, name);
	all[*n].value = unhex(a, value);
	++*n;
}

static void
read_word(struct ask *a, struct view word)
{
	const struct {
		const char *name;
		struct view *to;
	} single[] = {
		{ "id", &a->keys.id },
		{ "secret", &a->keys.secret },
		{ "token", &a->keys.token },
		{ "region", &a->region },
		{ "service", &a->service },
		{ "method", &a->method },
		{ "host", &a->r.host },
		{ "path", &a->r.path },
		{ "payload", &a->r.payload_sha256 },
		{ "at", &a->at },
		{ "expires", &a->expires },
	};
	struct view name;
	size_t i;

	MUST(text_split(&word, ':', &name));
	if (view_is(name, "q")) {
		read_field(a, a->query, &a->r.query_n, word);
		return;
	}
	if (view_is(name, "h")) {
		read_field(a, a->headers, &a->r.headers_n, word);
		return;
	}
	for (i = 0; i < sizeof single / sizeof *single; i++)
		if (view_is(name, single[i].name)) {
			*single[i].to = unhex(a, word);
			return;
		}
	MUST(false && "a name that we know");
}

static void
read_case(struct ask *a, struct view line)
{
	struct buf bytes = a->bytes;
	struct view word;

	buf_clear(&bytes);
	memset(a, 0, sizeof *a);
	a->bytes = bytes;
	while (text_split(&line, ' ', &word))
		read_word(a, word);
	MUST(text_number(a->at, &a->r.at_s) && a->method.n > 0);
	a->r.method = a->method.p;
	a->r.query = a->query;
	a->r.headers = a->headers;
}

static void
use_signer(struct signer *in_hand, const struct ask *a)
{
	struct fault f = FAULT_INIT;

	if (in_hand->s != NULL && view_is(a->region, in_hand->region) &&
	    view_is(a->service, in_hand->service))
		return;
	sigv4_close(&in_hand->s);
	(void)snprintf(
	    in_hand->region, sizeof in_hand->region, "%s", a->region.p);
	(void)snprintf(
	    in_hand->service, sizeof in_hand->service, "%s", a->service.p);
	MUST(sigv4_open(&in_hand->s, in_hand->region, in_hand->service, &f) ==
	     0);
}

static void
print_hex(const char *name, struct view v)
{
	size_t i;

	(void)printf("\"%s\": \"", name);
	for (i = 0; i < v.n; i++)
		(void)printf("%02x", (unsigned char)v.p[i]);
	(void)printf("\"");
}

static void
print_fault(const struct fault *f)
{
	struct buf text = BUF_INIT(ANSWER_MAX);

	buf_json(&text, view_str(f->text));
	(void)printf("{\"fault\": \"%s\", \"text\": %s}\n", fault_word(f->kind),
	    buf_str(&text));
	buf_fini(&text);
}

static void
answer(struct sigv4 *s, const struct ask *a)
{
	struct buf target = BUF_INIT(ANSWER_MAX), lines = BUF_INIT(ANSWER_MAX);
	struct fault f = FAULT_INIT;
	struct view canonical, to_sign;
	int64_t expires_s;
	int rc;

	if (text_number(a->expires, &expires_s))
		rc = sigv4_presign(s, &a->keys, &a->r, expires_s, &target, &f);
	else
		rc = sigv4_sign(s, &a->keys, &a->r, &target, &lines, &f);
	if (rc == -1) {
		print_fault(&f);
	} else {
		sigv4_stages(s, &canonical, &to_sign);
		(void)printf("{");
		print_hex("canonical", canonical);
		(void)printf(", ");
		print_hex("to_sign", to_sign);
		(void)printf(", ");
		print_hex("target", buf_view(&target));
		(void)printf(", ");
		print_hex("headers", buf_view(&lines));
		(void)printf("}\n");
	}
	buf_fini(&target);
	buf_fini(&lines);
}

int
main(void)
{
	struct signer in_hand = { .s = NULL };
	struct ask a = { .bytes = BUF_INIT(0) };
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		buf_fini(&a.bytes);
		a.bytes = BUF_INIT((size_t)n + FIELDS * 8);
		MUST(buf_room(&a.bytes, (size_t)n + FIELDS * 8) != NULL);
		read_case(&a, (struct view){ line, (size_t)n });
		use_signer(&in_hand, &a);
		answer(in_hand.s, &a);
	}
	buf_fini(&a.bytes);
	sigv4_close(&in_hand.s);
	free(line);
	return 0;
}
