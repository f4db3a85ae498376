/*
 * What a presigned URL costs beside the bare SHA-256 of its text.
 *
 * Prints one line of JSON: presign_ns, one sigv4_presign; floor_ns, as many
 * blocks as that hashes, in one update of the library's SHA-256; blocks;
 * and ratio, the first by the second.  Each is the median of rounds that
 * take turns, so that a busy machine slows both.
 */
#include <stdio.h>
#include <stdlib.h>

/* EVP's update calls the same code, and is no faster. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

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
presign_ns(struct sigv4 *s, struct buf *url)
{
	const struct sigv4_keys keys = { .id = VIEW("AKIAIOSFODNN7EXAMPLE"),
		.secret = VIEW("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY") };
	const struct sigv4_request r = { .method = "GET",
		.host = VIEW("s3.eu-central-1.amazonaws.com"),
		.path = VIEW("/bucket/character_references/"
			     "3f2504e0-4f89-41d3-9a0c-0305e82c3301.png"),
		.at_s = 1369353600 };
	const int64_t begun = clock_ticks_us();
	struct fault f = FAULT_INIT;
	int i;

	for (i = 0; i < PER_ROUND; i++) {
		buf_clear(url);
		MUST(sigv4_presign(s, &keys, &r, EXPIRES_S, url, &f) == 0);
	}
	return (double)(clock_ticks_us() - begun) * 1000 / PER_ROUND;
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
	return (double)(clock_ticks_us() - begun) * 1000 / PER_ROUND;
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

int
main(void)
{
	const int64_t begun = clock_ticks_us();
	double presign[ROUNDS], bare[ROUNDS], ratio[ROUNDS];
	struct buf url = BUF_INIT(URL_MAX);
	struct fault f = FAULT_INIT;
	struct sigv4 *s = NULL;
	size_t blocks, n = 0;

	MUST(sigv4_open(&s, "eu-central-1", "s3", &f) == 0);
	(void)presign_ns(s, &url); /* derives the key, and warms up */
	blocks = count_blocks(s);
	do {
		presign[n] = presign_ns(s, &url);
		bare[n] = floor_ns(blocks);
		ratio[n] = presign[n] / bare[n];
		n++;
	} while (n < ROUNDS && clock_ticks_us() - begun < WORST_US);
	(void)printf("{\"presign_ns\": %.1f, \"floor_ns\": %.1f, "
		     "\"blocks\": %zu, \"ratio\": %.3f}\n",
	    median(presign, n), median(bare, n), blocks, median(ratio, n));
	buf_fini(&url);
	sigv4_close(&s);
	return 0;
}
