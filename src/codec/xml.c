#include "codec/xml.h"

#include <string.h>

#include <expat.h>

#include "codec/text.h"

/* An element that has begun and not yet ended. */
struct level {
	size_t path_len; /* of its parent's path                */
	size_t kept;     /* bytes of text that are sure to stay */
	bool has_children;
	struct buf text;
};

struct reader {
	XML_Parser parser;
	xml_element *on_end; /* the caller's, with its argument */
	void *arg;
	struct fault *f;
	bool stopped; /* f says why */
	size_t depth;
	size_t path_len;
	char path[XML_PATH_MAX + 1];
	struct level levels[XML_DEPTH_MAX];
};

/* expat still hands over the end of an empty element, so whoever is called
 * must ask for `stopped` first. */
static void
stop(struct reader *r)
{
	r->stopped = true;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static int
refuse_at(XML_Parser parser, const char *why, struct fault *f)
{
	return fault_set(f, FAULT_INPUT,
	    "not our XML: line %lu, column %lu: %s",
	    (unsigned long)XML_GetCurrentLineNumber(parser),
	    (unsigned long)XML_GetCurrentColumnNumber(parser) + 1, why);
}

static void
refuse(struct reader *r, const char *why)
{
	(void)refuse_at(r->parser, why, r->f);
	stop(r);
}

/* Between the tags of an element with children, white space is layout. */
static void
drop_layout(struct level *l)
{
	const struct view text = buf_view(&l->text);
	const struct view last = { text.p + l->kept, text.n - l->kept };

	if (last.n > 0 && text_trim(last).n == 0) {
		l->text.len = l->kept;
		l->text.data[l->kept] = '\0';
	}
	l->kept = l->text.len;
}

/* Puts the name behind the path: false when there is no room for it. */
static bool
add_name(struct reader *r, const char *name)
{
	const size_t slash = r->depth > 0, n = strlen(name);

	if (n > XML_PATH_MAX || r->path_len + slash + n > XML_PATH_MAX)
		return false;
	if (slash == 1)
		r->path[r->path_len] = '/';
	memcpy(r->path + r->path_len + slash, name, n + 1);
	r->path_len += slash + n;
	return true;
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;
	const char *colon = strrchr(name, ':');
	const char *local = colon == NULL ? name : colon + 1;
	struct level *l;

	(void)attributes;
	if (r->stopped)
		return;
	if (r->depth == XML_DEPTH_MAX) {
		refuse(r, "nested too deep");
		return;
	}
	l = &r->levels[r->depth];
	l->path_len = r->path_len;
	if (local[0] == '\0' || !add_name(r, local)) {
		refuse(r, local[0] == '\0' ? "an element without a local name"
					   : "the path of names is too long");
		return;
	}
	if (r->depth > 0) {
		l[-1].has_children = true;
		drop_layout(&l[-1]);
	}
	l->kept = 0;
	l->has_children = false;
	buf_clear(&l->text);
	r->depth++;
}

static void
on_text(void *arg, const XML_Char *bytes, int n)
{
	struct reader *r = arg;
	struct buf *text;

	if (r->stopped)
		return;
	MUST(r->depth > 0 && n >= 0);
	text = &r->levels[r->depth - 1].text;
	if ((size_t)n > text->limit - text->len) {
		refuse(r, "the text of an element is too long");
		return;
	}
	buf_add(text, (struct view){ bytes, (size_t)n });
	if (buf_done(text, r->f) == -1)
		stop(r);
}

static void
on_finish(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	struct level *l;

	(void)name;
	if (r->stopped)
		return;
	MUST(r->depth > 0);
	l = &r->levels[--r->depth];
	if (l->has_children)
		drop_layout(l);
	if (r->on_end(r->arg, r->path, buf_view(&l->text), r->f) == -1)
		stop(r);
	r->path_len = l->path_len;
	r->path[r->path_len] = '\0';
}

/* Entities are declared in a document type alone: bombs and files of ours
 * end here. */
static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id,
    const XML_Char *public_id, int has_subset)
{
	struct reader *r = arg;

	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_subset;
	if (!r->stopped)
		refuse(r, "a document type");
}

static struct view
skip_blanks(struct view v)
{
	while (v.n > 0 && memchr(" \t\r\n", v.p[0], 4) != NULL) {
		v.p++;
		v.n--;
	}
	return v;
}

/* What S3 sends to keep a connection alive may stand before the document,
 * where XML allows nothing; and so may UTF-8's byte order mark. */
static struct view
skip_to_document(struct view v)
{
	static const char mark[] = "\xef\xbb\xbf";

	v = skip_blanks(v);
	if (view_begins(v, mark)) {
		v.p += sizeof mark - 1;
		v.n -= sizeof mark - 1;
	}
	return skip_blanks(v);
}

/* The whole document at once, so that expat parses it where it lies.  It
 * keeps every different name, so hostile ones cost it 14 times their size. */
static int
parse(struct reader *r, struct view document)
{
	enum XML_Error error;

	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_finish);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	if (XML_Parse(r->parser, document.p, (int)document.n, 1) ==
	    XML_STATUS_OK)
		return 0;
	if (r->stopped)
		return -1;
	error = XML_GetErrorCode(r->parser);
	if (error == XML_ERROR_NO_MEMORY)
		return fault_set(r->f, FAULT_MEMORY, "read XML");
	return refuse_at(r->parser, XML_ErrorString(error), r->f);
}

int
xml_read(struct view document, xml_element *on_end, void *arg, struct fault *f)
{
	struct reader r = { .on_end = on_end, .arg = arg, .f = f };
	size_t i;
	int rc;

	if (document.n > XML_DOCUMENT_MAX)
		return fault_set(f, FAULT_INPUT, "%zu bytes of XML, at most %d",
		    document.n, XML_DOCUMENT_MAX);
	/* expat takes UTF-16 for what it is, whatever we tell it.  That has a
	 * NUL in each '<', and UTF-8 has none. */
	if (document.n > 0 && memchr(document.p, '\0', document.n) != NULL)
		return fault_set(f, FAULT_INPUT, "not our XML: a NUL byte");
	r.parser = XML_ParserCreate("UTF-8");
	if (r.parser == NULL)
		return fault_set(f, FAULT_MEMORY, "read XML");
	for (i = 0; i < XML_DEPTH_MAX; i++)
		r.levels[i].text = BUF_INIT(XML_TEXT_MAX);
	rc = parse(&r, skip_to_document(document));
	for (i = 0; i < XML_DEPTH_MAX; i++)
		buf_fini(&r.levels[i].text);
	XML_ParserFree(r.parser);
	return rc;
}
