/*
 * What a presigned URL costs beside the bare SHA-256 of its text.
 *
 *   presign_speed FOLDER
 *
 * Prints one line of JSON: floor_ns, as many blocks as one URL hashes, in
 * one update of the library's SHA-256; blocks; and for sigv4_presign, the
 * signer alone, and s3_presign, as the service calls it, with credentials,
 * a clock and the state file of FOLDER: ns, and ratio, that by the floor.
 * Each is the median of rounds that take turns, so that a busy machine
 * slows all.
 */
#include <stdio.h>
#include <stdlib.h>

/* EVP's update calls the same code, and is no faster. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "aws/s3.h"
#include "aws/sigv4.h"
#include "base/clock.h"

enum {
	ROUNDS = 1001,
	PER_ROUND = 800,
	WORST_US = 2000000, /* then the rounds so far have to do          */
	BLOCKS_MAX = 64,
	URL_MAX = 2048,
	PADDING = 9, /* SHA-256's own, at least                    */
	EXPIRES_S = 3600
};

/* Both sign the same text, but for its date. */
#define REGION "eu-central-1"
#define HOST "s3." REGION ".amazonaws.com"
#define KEY "character_references/3f2504e0-4f89-41d3-9a0c-0305e82c3301.png"
#define ID "AKIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

/* What the service has open when it presigns. */
struct service {
	struct secret id, secret;
	struct creds *creds;
	struct state *state;
	struct s3 *s3;
};

static void
service_open(struct service *v, const char *folder)
{
	const struct creds_setup creds = { .access_key_id = &v->id,
		.secret_access_key = &v->secret };
	struct s3_setup s3 = { .bucket = "bucket",
		.region = REGION,
		.endpoint = "https://" HOST,
		.style = S3_PATH,
		.attempts = 1 };
	struct fault f = FAULT_INIT;

	*v = (struct service){ .id = SECRET_INIT, .secret = SECRET_INIT };
	MUST(secret_set(&v->id, VIEW(ID), &f) == 0);
	MUST(secret_set(&v->secret, VIEW(SECRET), &f) == 0);
	MUST(creds_open(&v->creds, &creds, &f) == 0);
	MUST(state_open(&v->state, folder, &f) == 0);
	s3.creds = v->creds;
	s3.state = v->state;
	MUST(s3_open(&v->s3, &s3, &f) == 0);
}

static void
service_close(struct service *v)
{
	s3_close(&v->s3);
	state_close(&v->state);
	creds_close(&v->creds);
	secret_fini(&v->secret);
	secret_fini(&v->id);
}

static size_t
blocks_of(size_t n)
{
	return (n + PADDING + SHA256_CBLOCK - 1) / SHA256_CBLOCK;
}

/* Blocks of one signature: its canonical request; its string to sign and
 * that one's digest, each behind a pad which the key of the day holds. */
static size_t
count_blocks(const struct sigv4 *s)
{
	struct view canonical, to_sign;

	sigv4_stages(s, &canonical, &to_sign);
	return blocks_of(canonical.n) + blocks_of(to_sign.n) +
	       blocks_of(SHA256_DIGEST_LENGTH);
}

static double
each_ns(int64_t begun_us)
{
	return (double)(clock_ticks_us() - begun_us) * 1000 / PER_ROUND;
}

static double
signer_ns(struct sigv4 *s, struct buf *url)
{
	const struct sigv4_keys keys = { .id = VIEW(ID),
		.secret = VIEW(SECRET) };
	const struct sigv4_request r = { .method = "GET",
		.host = VIEW(HOST),
		.path = VIEW("/bucket/" KEY),
		.at_s = 1369353600 };
	const int64_t begun = clock_ticks_us();
	struct fault f = FAULT_INIT;
	int i;

	for (i = 0; i < PER_ROUND; i++) {
		buf_clear(url);
		MUST(sigv4_presign(s, &keys, &r, EXPIRES_S, url, &f) == 0);
	}
	return each_ns(begun);
}

/* Every request has a URL of its own, and wipes it. */
static double
service_ns(struct service *v)
{
	const int64_t begun = clock_ticks_us();
	struct fault f = FAULT_INIT;
	struct s3_url url;
	int i;

	for (i = 0; i < PER_ROUND; i++) {
		url = S3_URL_INIT;
		MUST(
		    s3_presign(v->s3, "GET", KEY, EXPIRES_S, 0, &url, &f) == 0);
		s3_url_fini(&url);
	}
	return each_ns(begun);
}

static double
floor_ns(size_t blocks)
{
	static const unsigned char bytes[BLOCKS_MAX * SHA256_CBLOCK];
	const int64_t begun = clock_ticks_us();
	SHA256_CTX c;
	int i;

	MUST(blocks <= BLOCKS_MAX && SHA256_Init(&c) == 1);
	for (i = 0; i < PER_ROUND; i++)
		(void)SHA256_Update(&c, bytes, blocks * SHA256_CBLOCK);
	return each_ns(begun);
}

static int
by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *all, size_t n)
{
	qsort(all, n, sizeof *all, by_size);
	return all[n / 2];
}

static void
print_one(const char *name, double *ns, double *ratio, size_t n)
{
	(void)printf(", \"%s\": {\"ns\": %.1f, \"ratio\": %.3f}", name,
	    median(ns, n), median(ratio, n));
}

static void
measure(struct sigv4 *s, struct service *v, struct buf *url)
{
	double signer[ROUNDS], service[ROUNDS], bare[ROUNDS];
	double signer_ratio[ROUNDS], service_ratio[ROUNDS];
	const int64_t begun = clock_ticks_us();
	size_t blocks, n = 0;

	(void)signer_ns(s, url); /* derives the keys, and warms up */
	(void)service_ns(v);
	blocks = count_blocks(s);
	do {
		signer[n] = signer_ns(s, url);
		service[n] = service_ns(v);
		bare[n] = floor_ns(blocks);
		signer_ratio[n] = signer[n] / bare[n];
		service_ratio[n] = service[n] / bare[n];
		n++;
	} while (n < ROUNDS && clock_ticks_us() - begun < WORST_US);
	(void)printf(
	    "{\"floor_ns\": %.1f, \"blocks\": %zu", median(bare, n), blocks);
	print_one("sigv4_presign", signer, signer_ratio, n);
	print_one("s3_presign", service, service_ratio, n);
	(void)printf("}\n");
}

int
main(int argc, char **argv)
{
	struct buf url = BUF_INIT(URL_MAX);
	struct fault f = FAULT_INIT;
	struct sigv4 *s = NULL;
	struct service v;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: presign_speed FOLDER\n");
		return 2;
	}
	MUST(sigv4_open(&s, REGION, "s3", &f) == 0);
	service_open(&v, argv[1]);
	measure(s, &v, &url);
	service_close(&v);
	sigv4_close(&s);
	buf_fini(&url);
	return 0;
}
