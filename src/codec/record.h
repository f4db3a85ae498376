/*
 * record - the head of a FastCGI request, checked before libfcgi sees it.
 *
 * libfcgi believes what the records say: it allocates whatever a length
 * claims and aborts when there is not that much.  So the bytes are looked
 * at first, and only a head that is whole, small and consistent goes on.
 * Pure.
 */
#ifndef CODEC_RECORD_H
#define CODEC_RECORD_H

#include "base/buf.h"

/* Of a head: BEGIN_REQUEST and all PARAMS.  nginx, with its four header
 * buffers of 8 KiB, sends less than 40 KiB. */
enum { RECORD_HEAD_MAX = 64 << 10 };

enum record_look {
	RECORD_MORE,  /* a good beginning: more must come           */
	RECORD_WHOLE, /* the head is there, and every pair in it fits */
	RECORD_BAD    /* no responder's request, or over the limit   */
};

/*
 * Looks at the first bytes of a connection (FastCGI specification, 3.3 to
 * 3.4 and 5): BEGIN_REQUEST for a responder, then PARAMS of the same id up
 * to an empty one, whose name-value pairs end exactly where they do.
 */
enum record_look record_look(struct view bytes);

#endif
