/*
 * ini - AWS profile files ("credentials", "config").  Pure.
 *
 * A file is handed over section by section and pair by pair, in order:
 *
 *     [profile name]          # a comment
 *     key = value             ; another
 *     s3 =
 *       addressing_style = path
 *
 * Whole lines and the rest of a line after white space may be comments,
 * from # or ; on.  Lines indented deeper than their key belong to its value,
 * which then holds line feeds: it is for the reader to know whether that
 * can be.  CRLF and a byte order mark are accepted.
 */
#ifndef CODEC_INI_H
#define CODEC_INI_H

#include "base/buf.h"

enum {
	INI_LINE_MAX = 16 << 10, /* bytes of one line       */
	INI_SECTIONS_MAX = 1000  /* in a file               */
};

struct ini_pair {
	struct view section; /* what stands in the brackets, trimmed       */
	struct view key;     /* as written; empty: the section begins here */
	struct view value;   /* trimmed; may be empty                      */
	size_t line;         /* of the key or the section, from 1          */
};

/* Returns 0 to go on, or -1 with a fault to stop.  The pair is lent for the
 * call, its texts as long as the file's bytes live. */
typedef int ini_taker(void *arg, const struct ini_pair *pair, struct fault *f);

/*
 * FAULT_INPUT, naming the line and no word of it, for NUL, bytes that are
 * not UTF-8, a pair before the first section, a line that is neither
 * section nor pair, and what is over a limit above; else what take said.
 */
int ini_read(struct view file, ini_taker *take, void *arg, struct fault *f);

#endif
