#include <stdint.h>
#include <string.h>

#include "aws/listing.h"
#include "aws/parts.h"
#include "aws/verdict.h"

enum { HEAD_BYTES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A word of a stranger goes into logs and faults. */
static void
check_word(const char word[VERDICT_WORD_SIZE])
{
	const char *p;

	MUST(memchr(word, '\0', VERDICT_WORD_SIZE) != NULL);
	for (p = word; *p != '\0'; p++)
		MUST((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
		     (*p >= '0' && *p <= '9') || *p == '.' || *p == '_' ||
		     *p == '-');
}

static void
check_verdict(const struct verdict_reply *r)
{
	const struct verdict v = verdict_read(r);
	struct fault f = FAULT_INIT;

	check_word(v.code);
	check_word(v.request_id);
	check_word(v.region);
	MUST(v.advice != NULL && v.advice[0] != '\0');
	MUST(v.server_s >= -1);
	if (v.kind == FAULT_NONE) {
		MUST(v.next == VERDICT_ENOUGH && v.tells == STATE_UP);
		MUST(r->status / 100 == 2 || (r->asked & VERDICT_DELETE) != 0);
		return;
	}
	if (v.next == VERDICT_REGION)
		MUST(v.region[0] != '\0');
	MUST(verdict_explain(&v, &f) == -1 && f.kind == v.kind);
}

static int
check_key(void *arg, const struct listing_object *object, struct fault *f)
{
	(void)arg;
	(void)f;
	MUST(object->key.n > 0 && object->key.n <= LISTING_KEY_MAX);
	MUST(object->size >= 0 && object->etag.n <= LISTING_ETAG_MAX);
	MUST(memchr(object->key.p, '\0', object->key.n) == NULL);
	return 0;
}

static void
check_listing(struct view page)
{
	struct buf token = BUF_INIT(LISTING_TOKEN_MAX);
	struct fault f = FAULT_INIT;

	if (listing_read(page, check_key, NULL, &token, &f) == -1)
		MUST(f.kind == FAULT_REMOTE || f.kind == FAULT_MEMORY);
	else
		MUST(token.len <= LISTING_TOKEN_MAX);
	buf_fini(&token);
}

static int
check_part(void *arg, const struct part *part, struct fault *f)
{
	(void)arg;
	(void)f;
	MUST(part->number > 0 && part->size >= 0);
	MUST(part->etag.n > 0 && part->etag.n <= PARTS_ETAG_MAX);
	return 0;
}

static int
check_upload(void *arg, const char *key, const char *upload_id, struct fault *f)
{
	(void)arg;
	(void)f;
	MUST(key[0] != '\0' && strlen(key) <= LISTING_KEY_MAX);
	MUST(upload_id[0] != '\0' && strlen(upload_id) <= PARTS_ID_MAX);
	return 0;
}

static void
check_pages(struct view page)
{
	struct parts_place place = PARTS_PLACE_INIT;
	struct fault f = FAULT_INIT;
	int64_t marker = 1;

	if (parts_read(page, check_part, NULL, &marker, &f) == -1)
		MUST(f.kind == FAULT_REMOTE || f.kind == FAULT_MEMORY);
	else
		MUST(marker == 0 || marker > 1);
	f = FAULT_INIT;
	if (parts_read_uploads(page, check_upload, NULL, &place, &f) == -1)
		MUST(f.kind == FAULT_REMOTE || f.kind == FAULT_MEMORY);
	else
		MUST(place.key.len > 0 || place.upload_id.len == 0);
	parts_place_fini(&place);
}

/* An ETag that a document told can be told back, or is refused. */
static void
check_words(struct view document)
{
	struct buf word = BUF_INIT(PARTS_ID_MAX);
	struct buf list = BUF_INIT(2 * PARTS_LINE_MAX);
	struct parts_etag etag = { "" };
	struct fault f = FAULT_INIT;

	if (parts_read_id(document, &word, &f) == 0)
		MUST(word.len > 0);
	buf_fini(&word);
	f = FAULT_INIT;
	word = BUF_INIT(PARTS_ETAG_MAX);
	if (parts_read_etag(document, &word, &f) == 0 && word.len > 0) {
		memcpy(etag.text, word.data, word.len + 1);
		if (parts_write(&list, &etag, 1, &f) == -1)
			MUST(f.kind == FAULT_REMOTE);
	}
	buf_fini(&word);
	buf_fini(&list);
}

/* The next line of the input, up to LF. */
static struct view
line_of(struct view *rest)
{
	const char *end = rest->n == 0 ? NULL : memchr(rest->p, '\n', rest->n);
	struct view line = { rest->p, 0 };

	if (end == NULL)
		return line;
	line.n = (size_t)(end - rest->p);
	rest->p = end + 1;
	rest->n -= line.n + 1;
	return line;
}

/* What was asked, status, four lines of headers, and the body. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct verdict_reply r = { .asked = 0 };
	struct view rest;

	if (size < HEAD_BYTES)
		return 0;
	r.asked = data[0] & (VERDICT_BODILESS | VERDICT_ETAG | VERDICT_COPY |
				VERDICT_DELETE | VERDICT_COMPLETE);
	r.status = data[1] << 8 | data[2];
	rest =
	    (struct view){ (const char *)data + HEAD_BYTES, size - HEAD_BYTES };
	r.etag = line_of(&rest);
	r.date = line_of(&rest);
	r.region = line_of(&rest);
	r.request_id = line_of(&rest);
	r.body = rest;
	check_verdict(&r);
	check_listing(rest);
	check_pages(rest);
	check_words(rest);
	return 0;
}
