#include "codec/digest.h"

#include <stdlib.h>

#include <openssl/evp.h>

struct digest_run {
	EVP_MD_CTX *context; /* owned                                    */
	bool failed;         /* an add did: there is no digest to be had */
};

/* The library says no more than no, and lacks nothing but memory. */
static int
refused(struct fault *f)
{
	return fault_set(f, FAULT_MEMORY, "SHA-256");
}

static void
write_hex(struct digest *out, const unsigned char *sum, unsigned n)
{
	static const char digits[] = "0123456789abcdef";
	unsigned i;

	MUST(n * 2 == sizeof out->hex - 1);
	for (i = 0; i < n; i++) {
		out->hex[2 * i] = digits[sum[i] >> 4];
		out->hex[2 * i + 1] = digits[sum[i] & 15];
	}
	out->hex[2 * n] = '\0';
}

int
digest_sha256(struct digest *out, struct view bytes, struct fault *f)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(bytes.p, bytes.n, sum, &n, EVP_sha256(), NULL) != 1)
		return refused(f);
	write_hex(out, sum, n);
	return 0;
}

int
digest_hmac(
    struct digest *out, struct view key, struct view bytes, struct fault *f)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	size_t n = 0;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.p, key.n,
		(const unsigned char *)bytes.p, bytes.n, sum, sizeof sum,
		&n) == NULL)
		return fault_set(f, FAULT_MEMORY, "HMAC-SHA-256");
	write_hex(out, sum, (unsigned)n);
	return 0;
}

int
digest_begin(struct digest_run **run, struct fault *f)
{
	struct digest_run *r = calloc(1, sizeof *r);

	if (r == NULL)
		return refused(f);
	r->context = EVP_MD_CTX_new();
	if (r->context == NULL ||
	    EVP_DigestInit_ex(r->context, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(r->context);
		free(r);
		return refused(f);
	}
	*run = r;
	return 0;
}

int
digest_add(struct digest_run *run, struct view bytes, struct fault *f)
{
	if (run->failed ||
	    EVP_DigestUpdate(run->context, bytes.p, bytes.n) != 1) {
		run->failed = true;
		return refused(f);
	}
	return 0;
}

int
digest_end(struct digest_run **run, struct digest *out, struct fault *f)
{
	struct digest_run *r = *run;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	int rc = 0;

	if (r == NULL)
		return 0;
	if (out != NULL &&
	    (r->failed || EVP_DigestFinal_ex(r->context, sum, &n) != 1))
		rc = refused(f);
	else if (out != NULL)
		write_hex(out, sum, n);
	EVP_MD_CTX_free(r->context);
	free(r);
	*run = NULL;
	return rc;
}
