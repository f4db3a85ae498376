#include "app/access.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "codec/digest.h"
#include "codec/text.h"

#define HASHED "sha256:"

enum {
	HEX_DIGITS = sizeof((struct digest *)NULL)->hex - 1,
	KEY_BYTES = 32 /* of one that we make */
};

struct access {
	struct secret hash[ACCESS_KEYS_MAX]; /* in hexadecimal */
	size_t count;
};

/* In lower case, as our own are: false unless it is a whole hash. */
static bool
read_hash(struct view hex, struct digest *out)
{
	size_t i;

	if (hex.n != HEX_DIGITS)
		return false;
	for (i = 0; i < hex.n; i++) {
		const char c = hex.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') &&
		    !(c >= 'A' && c <= 'F'))
			return false;
		out->hex[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
	}
	out->hex[hex.n] = '\0';
	return true;
}

/* What is wrong with a key of the list, without a word of it; NULL when
 * nothing is, and *hash is its hash. */
static const char *
read_key(struct view key, struct digest *hash, struct fault *f)
{
	if (key.n == 0)
		return "is empty";
	if (view_begins(key, HASHED)) {
		key.p += strlen(HASHED);
		key.n -= strlen(HASHED);
		return read_hash(key, hash) ? NULL : "has a hash that is none";
	}
	if (!text_is_visible(key))
		return "has a blank, or a character that is not ASCII";
	if (key.n < ACCESS_KEY_MIN)
		return "is too short";
	(void)digest_sha256(hash, key, f);
	return NULL;
}

/* place: in the list, from 1. */
static int
add_key(struct access *a, struct view key, size_t place, struct buf *mistakes,
    struct fault *f)
{
	struct digest hash;
	const char *wrong = read_key(key, &hash, f);

	if (f->kind != FAULT_NONE)
		return -1;
	if (wrong != NULL) {
		buf_fmt(mistakes,
		    "API_KEY: key %zu of the list %s: it must be %d or more "
		    "visible ASCII characters, or " HASHED " and %d "
		    "hexadecimal digits; `charref key` makes one\n",
		    place, wrong, ACCESS_KEY_MIN, HEX_DIGITS);
		return 0;
	}
	return secret_set(&a->hash[a->count++], view_str(hash.hex), f);
}

static int
add_keys(
    struct access *a, struct view list, struct buf *mistakes, struct fault *f)
{
	const size_t before = mistakes->len;
	struct view key;
	size_t place = 0;

	while (text_split(&list, ',', &key)) {
		if (place == ACCESS_KEYS_MAX) {
			buf_fmt(mistakes, "API_KEY: over %d keys in the list\n",
			    ACCESS_KEYS_MAX);
			break;
		}
		if (add_key(a, text_trim(key), ++place, mistakes, f) == -1)
			return -1;
	}
	if (buf_done(mistakes, f) == -1)
		return -1;
	return mistakes->len == before
		   ? 0
		   : fault_set(f, FAULT_INPUT, "API_KEY is not a list of keys");
}

int
access_open(struct access **out, struct view list, struct buf *mistakes,
    struct fault *f)
{
	struct access *a;

	*out = NULL;
	if (list.n == 0)
		return 0;
	a = calloc(1, sizeof *a);
	if (a == NULL)
		return fault_set(f, FAULT_MEMORY, "keep the API keys");
	if (add_keys(a, list, mistakes, f) == -1) {
		access_close(&a);
		return -1;
	}
	*out = a;
	return 0;
}

void
access_close(struct access **a)
{
	size_t i;

	if (*a == NULL)
		return;
	for (i = 0; i < (*a)->count; i++)
		secret_fini(&(*a)->hash[i]);
	free(*a);
	*a = NULL;
}

/* Looks at every one, though an earlier one was it. */
static bool
is_one_of(const struct access *a, const struct digest *came)
{
	unsigned found = 0;
	size_t i;

	for (i = 0; i < a->count; i++)
		found |= secret_is(&a->hash[i], view_str(came->hex));
	return found != 0;
}

int
access_check(const struct access *a, struct view key, struct fault *f)
{
	struct digest came;

	if (a == NULL)
		return 0;
	if (key.n == 0)
		return fault_set(f, FAULT_KEYLESS,
		    "this needs an API key, as X-API-Key or Authorization: "
		    "Bearer");
	if (digest_sha256(&came, key, f) == -1)
		return -1;
	return is_one_of(a, &came)
		   ? 0
		   : fault_set(f, FAULT_KEYLESS, "this API key is not valid");
}

/* --- making one --- */

/* From base64 to its form for URLs and headers, without the padding. */
static void
write_key(struct view base64, char key[ACCESS_KEY_SIZE])
{
	size_t i;

	MUST(base64.n == ACCESS_KEY_SIZE);
	for (i = 0; i < ACCESS_KEY_SIZE - 1; i++) {
		key[i] = base64.p[i];
		if (key[i] == '+')
			key[i] = '-';
		else if (key[i] == '/')
			key[i] = '_';
	}
	key[i] = '\0';
}

int
access_make(
    char key[ACCESS_KEY_SIZE], char hash[ACCESS_HASH_SIZE], struct fault *f)
{
	struct buf text = BUF_INIT(ACCESS_KEY_SIZE);
	char bytes[KEY_BYTES];
	struct digest sum;
	size_t i;
	int rc;

	for (i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)clock_chance(1 << 8);
	text_base64(&text, (struct view){ bytes, sizeof bytes });
	rc = buf_done(&text, f);
	if (rc == 0) {
		write_key(buf_view(&text), key);
		rc = digest_sha256(&sum, view_str(key), f);
	}
	if (rc == 0) {
		memcpy(hash, HASHED, strlen(HASHED));
		memcpy(hash + strlen(HASHED), sum.hex, sizeof sum.hex);
	}
	explicit_bzero(bytes, sizeof bytes);
	secret_buf_fini(&text);
	return rc;
}
