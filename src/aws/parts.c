#include "aws/parts.h"

#include <string.h>

#include "codec/text.h"
#include "codec/xml.h"

/* Reads it whole, for the first time: it may be no document at all. */
static int
read_document(
    struct view document, xml_element *on_end, void *arg, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (xml_read(document, on_end, arg, &why) == 0)
		return 0;
	return fault_set(f,
	    why.kind == FAULT_MEMORY ? FAULT_MEMORY : FAULT_REMOTE, "%s",
	    why.text);
}

static struct view
unquoted(struct view etag)
{
	etag = text_trim(etag);
	if (etag.n >= 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
		etag = (struct view){ etag.p + 1, etag.n - 2 };
	return etag;
}

/* --- one word of a document --- */

struct word {
	const char *root;
	const char *path;
	bool is_it;
	struct buf *out;
};

static int
on_word(void *arg, const char *path, struct view text, struct fault *f)
{
	struct word *w = arg;

	if (strcmp(path, w->root) == 0)
		w->is_it = true;
	if (strcmp(path, w->path) != 0)
		return 0;
	text = unquoted(text);
	buf_clear(w->out);
	if (text.n > w->out->limit)
		return fault_set(f, FAULT_REMOTE, "more than %zu bytes of %s",
		    w->out->limit, path);
	buf_add(w->out, text);
	return buf_done(w->out, f);
}

static int
read_word(struct view document, struct word *w, struct fault *f)
{
	buf_clear(w->out);
	if (read_document(document, on_word, w, f) == -1)
		return fault_while(f, "read %s", w->path);
	if (!w->is_it)
		return fault_set(f, FAULT_REMOTE, "not a %s", w->root);
	return 0;
}

int
parts_read_id(struct view document, struct buf *out, struct fault *f)
{
	struct word w = { .root = "InitiateMultipartUploadResult",
		.path = "InitiateMultipartUploadResult/UploadId",
		.out = out };

	if (read_word(document, &w, f) == -1)
		return -1;
	if (out->len == 0)
		return fault_set(f, FAULT_REMOTE, "an upload without an id");
	return 0;
}

int
parts_read_etag(struct view document, struct buf *out, struct fault *f)
{
	struct word w = { .root = "CompleteMultipartUploadResult",
		.path = "CompleteMultipartUploadResult/ETag",
		.out = out };

	return read_word(document, &w, f);
}

/* --- a page of parts --- */

struct parts {
	bool is_page;
	bool goes_on;
	int64_t next;
	struct part part;
	struct buf etag;
	parts_part *found;
	void *arg;
};

static int
give_part(struct parts *r, struct fault *f)
{
	if (r->part.number < 1 || r->part.size < 0 || r->etag.len == 0)
		return fault_set(f, FAULT_REMOTE,
		    "a part without a number, a size or an ETag");
	r->part.etag = buf_view(&r->etag);
	if (r->found(r->arg, &r->part, f) == -1)
		return -1;
	r->part = (struct part){ .size = -1 };
	buf_clear(&r->etag);
	return 0;
}

/* An ETag that is too long is none. */
static void
take_part_etag(struct parts *r, struct view text)
{
	text = unquoted(text);
	buf_clear(&r->etag);
	if (text.n <= r->etag.limit)
		buf_add(&r->etag, text);
}

/* What the page says of itself, before any of its parts is believed. */
static int
on_parts(void *arg, const char *path, struct view text, struct fault *f)
{
	struct parts *r = arg;

	if (strcmp(path, "ListPartsResult") == 0)
		r->is_page = true;
	else if (strcmp(path, "ListPartsResult/IsTruncated") == 0)
		r->goes_on = view_is(text_trim(text), "true");
	else if (strcmp(path, "ListPartsResult/NextPartNumberMarker") == 0 &&
		 !text_number(text_trim(text), &r->next))
		return fault_set(f, FAULT_REMOTE, "%s is no number", path);
	return 0;
}

static int
on_part(void *arg, const char *path, struct view text, struct fault *f)
{
	struct parts *r = arg;
	int64_t *number = NULL;

	if (strcmp(path, "ListPartsResult/Part") == 0)
		return give_part(r, f);
	if (strcmp(path, "ListPartsResult/Part/ETag") == 0)
		take_part_etag(r, text);
	else if (strcmp(path, "ListPartsResult/Part/PartNumber") == 0)
		number = &r->part.number;
	else if (strcmp(path, "ListPartsResult/Part/Size") == 0)
		number = &r->part.size;
	if (number != NULL && !text_number(text_trim(text), number))
		return fault_set(f, FAULT_REMOTE, "%s is no number", path);
	return buf_done(&r->etag, f);
}

static int
read_parts(struct parts *r, struct view page, int64_t before, struct fault *f)
{
	if (read_document(page, on_parts, r, f) == -1)
		return -1;
	if (!r->is_page)
		return fault_set(f, FAULT_REMOTE, "not a ListPartsResult");
	if (r->goes_on && r->next <= before)
		return fault_set(f, FAULT_REMOTE, "it does not get on");
	return xml_read(page, on_part, r, f);
}

int
parts_read(struct view page, parts_part *found, void *arg, int64_t *marker,
    struct fault *f)
{
	struct parts r = { .part = { .size = -1 },
		.etag = BUF_INIT(PARTS_ETAG_MAX),
		.found = found,
		.arg = arg };
	const int rc = read_parts(&r, page, *marker, f);

	buf_fini(&r.etag);
	if (rc == -1)
		return fault_while(f, "read a list of parts");
	*marker = r.goes_on ? r.next : 0;
	return 0;
}

/* --- a page of uploads --- */

struct uploads {
	bool is_page;
	bool is_encoded; /* the server knows encoding-type */
	bool goes_on;
	struct parts_place *place; /* the next one */
	struct buf key;
	struct buf upload_id;
	parts_upload *found;
	void *arg;
};

static int
take(struct buf *out, struct view text, const char *path, struct fault *f)
{
	buf_clear(out);
	if (text.n > out->limit)
		return fault_set(f, FAULT_REMOTE, "more than %zu bytes of %s",
		    out->limit, path);
	buf_add(out, text);
	return buf_done(out, f);
}

static int
take_key(struct uploads *r, struct buf *out, struct view text, const char *path,
    struct fault *f)
{
	if (r->is_encoded)
		return listing_unescape(text, out, f);
	return take(out, text, path, f);
}

/* What decides how the rest is read comes anywhere in the document. */
static int
on_uploads(void *arg, const char *path, struct view text, struct fault *f)
{
	struct uploads *r = arg;

	(void)f;
	if (strcmp(path, "ListMultipartUploadsResult") == 0)
		r->is_page = true;
	else if (strcmp(path, "ListMultipartUploadsResult/EncodingType") == 0)
		r->is_encoded = view_is(text_trim(text), "url");
	else if (strcmp(path, "ListMultipartUploadsResult/IsTruncated") == 0)
		r->goes_on = view_is(text_trim(text), "true");
	return 0;
}

static int
give_upload(struct uploads *r, struct fault *f)
{
	if (r->key.len == 0 || r->upload_id.len == 0)
		return fault_set(
		    f, FAULT_REMOTE, "an upload without a key or an id");
	if (r->found(r->arg, buf_str(&r->key), buf_str(&r->upload_id), f) == -1)
		return -1;
	buf_clear(&r->key);
	buf_clear(&r->upload_id);
	return 0;
}

static int
on_upload(void *arg, const char *path, struct view text, struct fault *f)
{
	struct uploads *r = arg;

	if (strcmp(path, "ListMultipartUploadsResult/Upload/Key") == 0)
		return take_key(r, &r->key, text, path, f);
	if (strcmp(path, "ListMultipartUploadsResult/Upload/UploadId") == 0)
		return take(&r->upload_id, text, path, f);
	if (strcmp(path, "ListMultipartUploadsResult/NextKeyMarker") == 0)
		return take_key(r, &r->place->key, text, path, f);
	if (strcmp(path, "ListMultipartUploadsResult/NextUploadIdMarker") == 0)
		return take(&r->place->upload_id, text, path, f);
	if (strcmp(path, "ListMultipartUploadsResult/Upload") == 0)
		return give_upload(r, f);
	return 0;
}

void
parts_place_fini(struct parts_place *place)
{
	buf_fini(&place->key);
	buf_fini(&place->upload_id);
}

static bool
is_same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len &&
	       (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static int
read_uploads(struct uploads *r, struct view page,
    const struct parts_place *before, struct fault *f)
{
	if (read_document(page, on_uploads, r, f) == -1)
		return -1;
	if (!r->is_page)
		return fault_set(
		    f, FAULT_REMOTE, "not a ListMultipartUploadsResult");
	if (xml_read(page, on_upload, r, f) == -1)
		return -1;
	if (r->goes_on &&
	    (r->place->key.len == 0 ||
		(is_same(&r->place->key, &before->key) &&
		    is_same(&r->place->upload_id, &before->upload_id))))
		return fault_set(f, FAULT_REMOTE, "it does not get on");
	return 0;
}

int
parts_read_uploads(struct view page, parts_upload *found, void *arg,
    struct parts_place *place, struct fault *f)
{
	struct parts_place before = *place;
	struct uploads r = { .place = place,
		.key = BUF_INIT(LISTING_KEY_MAX),
		.upload_id = BUF_INIT(PARTS_ID_MAX),
		.found = found,
		.arg = arg };
	int rc;

	*place = PARTS_PLACE_INIT;
	rc = read_uploads(&r, page, &before, f);
	if (!r.goes_on) {
		buf_clear(&place->key);
		buf_clear(&place->upload_id);
	}
	parts_place_fini(&before);
	buf_fini(&r.key);
	buf_fini(&r.upload_id);
	return rc == -1 ? fault_while(f, "read a list of uploads") : 0;
}

/* --- the list that completes an upload --- */

static int
write_etag(struct buf *out, const char *etag, struct fault *f)
{
	const char *p;

	for (p = etag; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			return fault_set(f, FAULT_REMOTE,
			    "an ETag that no document can hold");
		if (*p == '&')
			buf_add(out, VIEW("&amp;"));
		else if (*p == '<')
			buf_add(out, VIEW("&lt;"));
		else if (*p == '>')
			buf_add(out, VIEW("&gt;"));
		else
			buf_add(out, (struct view){ p, 1 });
	}
	return 0;
}

int
parts_write(
    struct buf *out, const struct parts_etag *etags, size_t n, struct fault *f)
{
	size_t i;

	buf_add(
	    out, VIEW("<CompleteMultipartUpload "
		      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"));
	for (i = 0; i < n; i++) {
		buf_fmt(
		    out, "<Part><PartNumber>%zu</PartNumber><ETag>\"", i + 1);
		if (write_etag(out, etags[i].text, f) == -1)
			return -1;
		buf_add(out, VIEW("\"</ETag></Part>"));
	}
	buf_add(out, VIEW("</CompleteMultipartUpload>"));
	return buf_done(out, f);
}
