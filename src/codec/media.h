/*
 * media - media types by extension, from the system's table.  Pure but for
 * what it is given.
 *
 * The table is /etc/mime.types (package media-types): "TYPE EXT EXT..." a
 * line, '#' begins a comment.  Of two types for one extension the first
 * counts.
 */
#ifndef CODEC_MEDIA_H
#define CODEC_MEDIA_H

#include "base/buf.h"

enum { MEDIA_TABLE_MAX = 1 << 20, MEDIA_TYPE_MAX = 127 };
#define MEDIA_UNKNOWN "application/octet-stream"

struct media; /* opaque; owns its table */

/*
 * Reads a table's text; what makes no sense in it (a type that is not
 * "word/word" of RFC 6838's characters or is over MEDIA_TYPE_MAX bytes) does
 * not count.  The empty text knows nothing.  FAULT_MEMORY.
 */
int media_open(struct media **out, struct view table, struct fault *f);
void media_close(struct media **m);

/* The type of a file of that name, or path, by what stands behind its last
 * dot, in any case of letters; MEDIA_UNKNOWN for any other.  Lent until the
 * end of m. */
const char *media_type(const struct media *m, const char *name);

#endif
