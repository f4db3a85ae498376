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
	struct buf etag;
	int64_t size; /* -1: not said yet */
	int64_t modified_s;
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
int
listing_unescape(struct view text, struct buf *out, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view piece;
	size_t i, from = 0;

	buf_clear(out);
	for (i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != '+')
			continue;
		piece = (struct view){ text.p + from, i - from };
		if (text_unescape(piece, out, &why) == -1)
			return fault_set(
			    f, FAULT_REMOTE, "a key: %s", why.text);
		if (i < text.n)
			buf_add(out, VIEW(" "));
		from = i + 1;
	}
	return buf_done(out, f);
}

static int
take_key(struct reading *r, struct view text, struct fault *f)
{
	if (r->is_encoded)
		return listing_unescape(text, &r->key, f);
	buf_clear(&r->key);
	buf_add(&r->key, text);
	return buf_done(&r->key, f);
}

/* Without its quotes; one that S3 would not give is none. */
static void
take_etag(struct reading *r, struct view text)
{
	struct view v = text_trim(text);

	buf_clear(&r->etag);
	if (v.n < 2 || v.p[0] != '"' || v.p[v.n - 1] != '"' ||
	    v.n - 2 > r->etag.limit)
		return;
	buf_add(&r->etag, (struct view){ v.p + 1, v.n - 2 });
}

static int
give(struct reading *r, struct fault *f)
{
	const struct listing_object object = { .key = buf_view(&r->key),
		.size = r->size,
		.etag = buf_view(&r->etag),
		.modified_s = r->modified_s };

	if (r->key.len == 0 || r->size < 0)
		return fault_set(
		    f, FAULT_REMOTE, "an entry without a key or a size");
	if (r->found(r->arg, &object, f) == -1)
		return -1;
	buf_clear(&r->key);
	buf_clear(&r->etag);
	r->size = -1;
	r->modified_s = 0;
	return 0;
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
	if (strcmp(path, "ListBucketResult/Contents/ETag") == 0)
		take_etag(r, text);
	else if (strcmp(path, "ListBucketResult/Contents/LastModified") == 0)
		(void)text_moment_s(text_trim(text), &r->modified_s);
	else if (strcmp(path, "ListBucketResult/Contents") == 0)
		return give(r, f);
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
		.etag = BUF_INIT(LISTING_ETAG_MAX),
		.size = -1 };
	int rc;

	buf_clear(token);
	rc = read_page(&r, page, f);
	if (rc == 0 && !r.goes_on)
		buf_clear(token);
	if (rc == 0)
		rc = xml_read(page, on_key, &r, f);
	buf_fini(&r.key);
	buf_fini(&r.etag);
	return rc == -1 ? fault_while(f, "read a listing") : 0;
}
