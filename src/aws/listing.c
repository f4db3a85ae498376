#include "aws/listing.h"

#include <string.h>

#include "codec/text.h"
#include "codec/xml.h"

struct reading {
	bool is_page;
	bool is_encoded; /* the server knows encoding-type */
	bool goes_on;
	struct buf *token;
	listing_key *found;
	void *arg;
	struct buf key;
	int64_t size; /* -1: not said yet */
};

/* What the page says of itself.  It is read before the keys, since S3
 * promises no order of the two. */
static int
on_page(void *arg, const char *path, struct view text, struct fault *f)
{
	struct reading *r = arg;

	if (strcmp(path, "ListBucketResult") == 0)
		r->is_page = true;
	else if (strcmp(path, "ListBucketResult/EncodingType") == 0)
		r->is_encoded = view_is(text, "url");
	else if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
		r->goes_on = view_is(text_trim(text), "true");
	else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0) {
		buf_clear(r->token);
		buf_add(r->token, text);
		return buf_done(r->token, f);
	}
	return 0;
}

/*
 * S3 encodes a key like a form's value: a space is '+' (Ceph writes %20)
 * and a plus is %2B everywhere, so that a '+' is always a space.  botocore
 * reads it the same way.
 */
static int
decode(struct reading *r, struct view text, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view piece;
	size_t i, from = 0;

	for (i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != '+')
			continue;
		piece = (struct view){ text.p + from, i - from };
		if (text_unescape(piece, &r->key, &why) == -1)
			return fault_set(
			    f, FAULT_REMOTE, "a key: %s", why.text);
		if (i < text.n)
			buf_add(&r->key, VIEW(" "));
		from = i + 1;
	}
	return buf_done(&r->key, f);
}

static int
take_key(struct reading *r, struct view text, struct fault *f)
{
	buf_clear(&r->key);
	if (r->is_encoded)
		return decode(r, text, f);
	buf_add(&r->key, text);
	return buf_done(&r->key, f);
}

static int
on_key(void *arg, const char *path, struct view text, struct fault *f)
{
	struct reading *r = arg;

	if (strcmp(path, "ListBucketResult/Contents/Key") == 0)
		return take_key(r, text, f);
	if (strcmp(path, "ListBucketResult/Contents/Size") == 0 &&
	    !text_number(text_trim(text), &r->size))
		return fault_set(f, FAULT_REMOTE, "a size is no number");
	if (strcmp(path, "ListBucketResult/Contents") != 0)
		return 0;
	if (r->key.len == 0 || r->size < 0)
		return fault_set(
		    f, FAULT_REMOTE, "an entry without a key or a size");
	if (r->found(r->arg, buf_view(&r->key), r->size, f) == -1)
		return -1;
	buf_clear(&r->key);
	r->size = -1;
	return 0;
}

static int
read_page(struct reading *r, struct view page, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (xml_read(page, on_page, r, &why) == -1)
		return fault_set(f,
		    why.kind == FAULT_MEMORY ? FAULT_MEMORY : FAULT_REMOTE,
		    "%s", why.text);
	if (!r->is_page)
		return fault_set(f, FAULT_REMOTE, "not a ListBucketResult");
	if (r->goes_on && r->token->len == 0)
		return fault_set(f, FAULT_REMOTE, "goes on, but not where");
	return 0;
}

int
listing_read(struct view page, listing_key *found, void *arg, struct buf *token,
    struct fault *f)
{
	struct reading r = { .token = token,
		.found = found,
		.arg = arg,
		.key = BUF_INIT(LISTING_KEY_MAX),
		.size = -1 };
	int rc;

	buf_clear(token);
	rc = read_page(&r, page, f);
	if (rc == 0 && !r.goes_on)
		buf_clear(token);
	if (rc == 0)
		rc = xml_read(page, on_key, &r, f);
	buf_fini(&r.key);
	return rc == -1 ? fault_while(f, "read a listing") : 0;
}
