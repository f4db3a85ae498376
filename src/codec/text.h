/*
 * text - the small notations of HTTP and Google's APIs.  Pure.
 */
#ifndef CODEC_TEXT_H
#define CODEC_TEXT_H

#include <stdint.h>

#include "base/buf.h"

/* v without the ASCII white space at its ends. */
struct view text_trim(struct view v);

/* Takes what stands before the first `at` off *rest (and the separator);
 * false once *rest was used up.  "a,,b" gives "a", "", "b". */
bool text_split(struct view *rest, char at, struct view *piece);

/* Equal but for ASCII letter case. */
bool text_same(struct view a, struct view b);

/* An ASCII letter or digit; isalnum() asks the locale. */
bool text_is_alnum(char c);

/* Nothing but visible ASCII: no blank, no control character. */
bool text_is_visible(struct view v);

/* Not empty, and all of it A-Z a-z 0-9 . _ -: safe in a URL and a log. */
bool text_is_word(struct view v);

/* Characters (code points) of v, which must be valid UTF-8. */
size_t text_characters(struct view v);

/* v cut after at most `characters` code points; v must be valid UTF-8. */
struct view text_cut(struct view v, size_t characters);

/* v cut after at most `bytes` bytes, between two characters; v must be
 * valid UTF-8. */
struct view text_fit(struct view v, size_t bytes);

/* A whole decimal number, an optional '-' and digits only, in range of
 * int64_t: true and *out.  No white space, no "+", not empty. */
bool text_number(struct view v, int64_t *out);

/*
 * Appends v percent-decoded (RFC 3986).  FAULT_INPUT for a broken escape
 * and for %00.  '+' stays '+'.
 */
int text_unescape(struct view v, struct buf *out, struct fault *f);

/*
 * Appends v percent-encoded as AWS signs it (RFC 3986): every byte but A-Z
 * a-z 0-9 - . _ ~ becomes %XX in upper case.  keep_slash: '/' stays, too.
 */
void text_escape(struct buf *out, struct view v, bool keep_slash);

/*
 * The raw (still escaped) value of the first parameter of that name in a
 * query string.  A name without '=' has the empty value.  True if there.
 */
bool text_query(struct view query, const char *name, struct view *value);

/* Bytes of standard base64 with padding (RFC 4648 section 4) for n bytes. */
size_t text_base64_size(size_t n);

/* Appends v in base64. */
void text_base64(struct buf *out, struct view v);

/*
 * Appends the bytes that v encodes.  Strict: RFC 4648 section 4's alphabet,
 * padding required, no white space, unused bits zero: what is accepted is
 * exactly what text_base64 would have written.  Else FAULT_INPUT with the
 * offset; nothing is promised of what out then holds.
 */
int text_unbase64(struct view v, struct buf *out, struct fault *f);

/*
 * Milliseconds of a protobuf duration as JSON has it ("34s", "1.5s"; at
 * most nine digits after the point), cut, not rounded.  False for anything
 * else, negative ones included, and for more than 1e9 seconds.
 */
bool text_duration_ms(struct view v, int64_t *ms);

/*
 * Milliseconds from now_ms to what a Retry-After header says: seconds, or
 * an HTTP date in IMF-fixdate (RFC 9110, 10.2.3); never below 0.  False
 * when it is neither.
 */
bool text_retry_after_ms(struct view v, int64_t now_ms, int64_t *ms);

/*
 * Seconds since 1970 of an HTTP date: IMF-fixdate alone (RFC 9110, 5.6.7),
 * "Sun, 22 Nov 2026 10:15:00 GMT", years 1970 to 9999.  The day must be in
 * the calendar, but of the week it may be any.  A leap second (60) is taken
 * for the one before.  False, with *unix_s as it was, for all else.
 */
bool text_http_date_s(struct view v, int64_t *unix_s);

/*
 * Seconds since 1970 of a moment as AWS writes it (ISO 8601, UTC):
 * "2026-11-22T10:15:00Z", with or without a fraction (cut), or with
 * "+00:00" in place of the Z.  Years, days, leap seconds as above.
 */
bool text_moment_s(struct view v, int64_t *unix_s);

/*
 * The same moment as signatures write it: "20261122T101500Z" and a NUL.  A
 * moment outside of the years above becomes the nearest inside.
 */
enum { TEXT_BASIC_SIZE = 17 };
void text_basic_moment(char out[TEXT_BASIC_SIZE], int64_t unix_s);

#endif
