#include "codec/digest.h"

#include <openssl/evp.h>

int
digest_sha256(struct digest *out, struct view bytes, struct fault *f)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0, i;

	if (EVP_Digest(bytes.p, bytes.n, sum, &n, EVP_sha256(), NULL) != 1 ||
	    n * 2 != sizeof out->hex - 1)
		return fault_set(f, FAULT_MEMORY, "SHA-256");
	for (i = 0; i < n; i++) {
		out->hex[2 * i] = digits[sum[i] >> 4];
		out->hex[2 * i + 1] = digits[sum[i] & 15];
	}
	out->hex[2 * n] = '\0';
	return 0;
}
