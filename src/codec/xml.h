/*
 * xml - reading the XML that S3 and STS answer with.  Pure; the only user
 * of expat.
 *
 * A document is handed over element by element, each when it ends, as its
 * path of local names from the root ("ListBucketResult/Contents/Key") and
 * the text directly inside it.  Namespaces, attributes, comments and white
 * space before the declaration (S3 sends some to keep a connection alive)
 * do not count, nor does white space alone between the tags of an element
 * that has children; in one that has none it stays.  A document type is
 * refused, so there are no entities but the five of XML and character
 * references.  The bytes must be UTF-8, whatever the declaration says.
 */
#ifndef CODEC_XML_H
#define CODEC_XML_H

#include "base/buf.h"

enum {
	XML_DEPTH_MAX = 16,
	XML_PATH_MAX = 256,        /* bytes of a path             */
	XML_TEXT_MAX = 8192,       /* bytes of one element's text */
	XML_DOCUMENT_MAX = 4 << 20 /* bytes of all                */
};

/* Returns 0 to go on, or -1 with a fault to stop.  path and text are lent
 * for the call. */
typedef int xml_element(
    void *arg, const char *path, struct view text, struct fault *f);

/*
 * FAULT_INPUT when the document is not whole, not well-formed, or over a
 * limit above; FAULT_MEMORY; else what on_end said.  What was handed over
 * before a fault stays with the caller.
 */
int xml_read(
    struct view document, xml_element *on_end, void *arg, struct fault *f);

#endif
