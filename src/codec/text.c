#include "codec/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t seconds_max = 1000000000;
static const int64_t moment_max_s = 253402300799; /* the end of year 9999 */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* tolower() asks the locale; protocols do not. */
static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

struct view
text_trim(struct view v)
{
	while (v.n > 0 && is_space(v.p[v.n - 1]))
		v.n--;
	while (v.n > 0 && is_space(v.p[0])) {
		v.p++;
		v.n--;
	}
	return v;
}

bool
text_split(struct view *rest, char at, struct view *piece)
{
	const char *found;

	if (rest->n == 0)
		return false;
	*piece = *rest;
	found = memchr(rest->p, at, rest->n);
	if (found != NULL)
		piece->n = (size_t)(found - rest->p);
	rest->p += piece->n + (found != NULL);
	rest->n -= piece->n + (found != NULL);
	return true;
}

bool
text_same(struct view a, struct view b)
{
	size_t i;

	if (a.n != b.n)
		return false;
	for (i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool
text_is_alnum(char c)
{
	return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool
text_is_visible(struct view v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~')
			return false;
	return true;
}

bool
text_is_word(struct view v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (!text_is_alnum(v.p[i]) && v.p[i] != '.' && v.p[i] != '_' &&
		    v.p[i] != '-')
			return false;
	return v.n > 0;
}

/* Every byte but UTF-8's continuations begins a character. */
static bool
begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t
text_characters(struct view v)
{
	size_t i, count = 0;

	for (i = 0; i < v.n; i++)
		count += begins_character(v.p[i]);
	return count;
}

struct view
text_cut(struct view v, size_t characters)
{
	size_t i, begun = 0;

	for (i = 0; i < v.n; i++) {
		begun += begins_character(v.p[i]);
		if (begun > characters)
			break;
	}
	return (struct view){ v.p, i };
}

struct view
text_fit(struct view v, size_t bytes)
{
	if (v.n <= bytes)
		return v;
	while (bytes > 0 && !begins_character(v.p[bytes]))
		bytes--;
	return (struct view){ v.p, bytes };
}

bool
text_number(struct view v, int64_t *out)
{
	const size_t sign = v.n > 0 && v.p[0] == '-';
	const uint64_t limit = (uint64_t)INT64_MAX + sign;
	uint64_t number = 0, digit;
	size_t i;

	if (v.n == sign)
		return false;
	for (i = sign; i < v.n; i++) {
		if (!is_digit(v.p[i]))
			return false;
		digit = (uint64_t)(v.p[i] - '0');
		if (number > (limit - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out = (int64_t)(sign == 1 ? 0 - number : number);
	return true;
}

/* The value of a hex digit, or -1. */
static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of an escape "%2F" at the beginning of v, or -1. */
static int
escaped_byte(struct view v)
{
	int high, low;

	if (v.n < 3)
		return -1;
	high = hex_value(v.p[1]);
	low = hex_value(v.p[2]);
	return high == -1 || low == -1 ? -1 : high * 16 + low;
}

int
text_unescape(struct view v, struct buf *out, struct fault *f)
{
	struct view rest = v, plain;
	const char *percent;
	char c;
	int byte;

	while (rest.n > 0) {
		percent = memchr(rest.p, '%', rest.n);
		plain = rest;
		if (percent != NULL)
			plain.n = (size_t)(percent - rest.p);
		buf_add(out, plain);
		rest.p += plain.n;
		rest.n -= plain.n;
		if (percent == NULL)
			break;
		byte = escaped_byte(rest);
		if (byte <= 0)
			return fault_set(f, FAULT_INPUT,
			    byte == 0 ? "%%00 at byte %zu"
				      : "broken %%-escape at byte %zu",
			    v.n - rest.n);
		c = (char)byte;
		buf_add(out, (struct view){ &c, 1 });
		rest.p += 3;
		rest.n -= 3;
	}
	return buf_done(out, f);
}

/* RFC 3986's unreserved characters, which need no escape anywhere. */
static const bool unreserved[256] = {
	/* clang-format off */
	['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1,
	['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
	['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1,
	['S'] = 1, ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1,
	['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
	['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
	['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1,
	['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1,
	['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1, ['0'] = 1, ['1'] = 1,
	['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1,
	['8'] = 1, ['9'] = 1, ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1,
	/* clang-format on */
};

static bool
needs_escape(char c, bool keep_slash)
{
	return !unreserved[(unsigned char)c] && !(keep_slash && c == '/');
}

/* How many bytes v begins with that stay as they are. */
static size_t
plain_bytes(struct view v, bool keep_slash)
{
	size_t n = 0;

	while (n < v.n && !needs_escape(v.p[n], keep_slash))
		n++;
	return n;
}

void
text_escape(struct buf *out, struct view v, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = plain_bytes(v, keep_slash);
	char escape[3] = { '%' };

	while (n < v.n) {
		escape[1] = hex[(unsigned char)v.p[n] >> 4];
		escape[2] = hex[(unsigned char)v.p[n] & 15];
		buf_add(out, (struct view){ v.p, n });
		buf_add(out, (struct view){ escape, sizeof escape });
		v.p += n + 1;
		v.n -= n + 1;
		n = plain_bytes(v, keep_slash);
	}
	buf_add(out, v);
}

bool
text_query(struct view query, const char *name, struct view *value)
{
	struct view pair, key;

	while (text_split(&query, '&', &pair)) {
		key = (struct view){ pair.p, 0 };
		while (key.n < pair.n && key.p[key.n] != '=')
			key.n++;
		if (!view_is(key, name))
			continue;
		pair.p += key.n;
		pair.n -= key.n;
		if (pair.n > 0) { /* the '=' */
			pair.p++;
			pair.n--;
		}
		*value = pair;
		return true;
	}
	return false;
}

size_t
text_base64_size(size_t n)
{
	return n / 3 * 4 + (n % 3 == 0 ? 0 : 4);
}

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
encode_group(char *to, uint32_t bits)
{
	to[0] = base64_letters[bits >> 18 & 63];
	to[1] = base64_letters[bits >> 12 & 63];
	to[2] = base64_letters[bits >> 6 & 63];
	to[3] = base64_letters[bits & 63];
}

void
text_base64(struct buf *out, struct view v)
{
	const uint8_t *in = (const uint8_t *)v.p;
	char *to = buf_room(out, text_base64_size(v.n));
	size_t i;

	if (to == NULL)
		return;
	for (i = 0; v.n - i >= 3; i += 3, to += 4)
		encode_group(to, (uint32_t)in[i] << 16 |
				     (uint32_t)in[i + 1] << 8 | in[i + 2]);
	if (v.n - i == 1) {
		encode_group(to, (uint32_t)in[i] << 16);
		to[2] = to[3] = '=';
	} else if (v.n - i == 2) {
		encode_group(
		    to, (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8);
		to[3] = '=';
	}
}

/*
 * A letter's six bits with LETTER set, and 0 for all other bytes: so one
 * "and" over a whole text tells whether every byte was a letter.
 */
enum { LETTER = 64 };
static const uint8_t base64_values[256] = {
	/* clang-format off */
	['A'] =  64, ['B'] =  65, ['C'] =  66, ['D'] =  67, ['E'] =  68,
	['F'] =  69, ['G'] =  70, ['H'] =  71, ['I'] =  72, ['J'] =  73,
	['K'] =  74, ['L'] =  75, ['M'] =  76, ['N'] =  77, ['O'] =  78,
	['P'] =  79, ['Q'] =  80, ['R'] =  81, ['S'] =  82, ['T'] =  83,
	['U'] =  84, ['V'] =  85, ['W'] =  86, ['X'] =  87, ['Y'] =  88,
	['Z'] =  89, ['a'] =  90, ['b'] =  91, ['c'] =  92, ['d'] =  93,
	['e'] =  94, ['f'] =  95, ['g'] =  96, ['h'] =  97, ['i'] =  98,
	['j'] =  99, ['k'] = 100, ['l'] = 101, ['m'] = 102, ['n'] = 103,
	['o'] = 104, ['p'] = 105, ['q'] = 106, ['r'] = 107, ['s'] = 108,
	['t'] = 109, ['u'] = 110, ['v'] = 111, ['w'] = 112, ['x'] = 113,
	['y'] = 114, ['z'] = 115, ['0'] = 116, ['1'] = 117, ['2'] = 118,
	['3'] = 119, ['4'] = 120, ['5'] = 121, ['6'] = 122, ['7'] = 123,
	['8'] = 124, ['9'] = 125, ['+'] = 126, ['/'] = 127,
	/* clang-format on */
};

/* Decodes n bytes, a multiple of four; false when one was no letter. */
static bool
decode_groups(uint8_t *to, const uint8_t *in, size_t n)
{
	uint32_t a, b, c, d, bits, letters = LETTER;
	size_t i;

	for (i = 0; i < n; i += 4, to += 3) {
		a = base64_values[in[i]];
		b = base64_values[in[i + 1]];
		c = base64_values[in[i + 2]];
		d = base64_values[in[i + 3]];
		letters &= a & b & c & d;
		/* LETTER of b, c and d spoils the bits of the one before. */
		bits = (a << 18) + (b << 12) + (c << 6) + d -
		       (LETTER << 18 | LETTER << 12 | LETTER << 6 | LETTER);
		to[0] = (uint8_t)(bits >> 16);
		to[1] = (uint8_t)(bits >> 8);
		to[2] = (uint8_t)bits;
	}
	return letters != 0;
}

/* The last four; false for what is no letter, and for unused bits set. */
static bool
decode_last(uint8_t *to, const uint8_t *in, size_t padding)
{
	uint8_t group[4], bytes[3];
	size_t i;

	for (i = 0; i < sizeof group; i++)
		group[i] = i < sizeof group - padding ? in[i] : 'A';
	if (!decode_groups(bytes, group, sizeof group))
		return false;
	for (i = 0; i < sizeof bytes; i++)
		if (i < sizeof bytes - padding)
			to[i] = bytes[i];
		else if (bytes[i] != 0)
			return false;
	return true;
}

/* Where a text that cannot be decoded goes wrong. */
static size_t
first_bad(const uint8_t *in, size_t letters)
{
	size_t i;

	for (i = 0; i < letters; i++)
		if (base64_values[in[i]] == 0)
			return i;
	return letters - 1; /* all letters: it is the unused bits */
}

int
text_unbase64(struct view v, struct buf *out, struct fault *f)
{
	const uint8_t *in = (const uint8_t *)v.p;
	size_t padding = 0;
	char *to;

	if (v.n % 4 != 0)
		return fault_set(f, FAULT_INPUT,
		    "base64 ends inside a group of four, at byte %zu", v.n);
	if (v.n == 0)
		return buf_done(out, f);
	if (in[v.n - 1] == '=')
		padding = in[v.n - 2] == '=' ? 2 : 1;
	to = buf_room(out, v.n / 4 * 3 - padding);
	if (to == NULL)
		return buf_done(out, f);
	if (!decode_groups((uint8_t *)to, in, v.n - 4) ||
	    !decode_last(
		(uint8_t *)to + (v.n - 4) / 4 * 3, in + v.n - 4, padding))
		return fault_set(f, FAULT_INPUT, "not base64 at byte %zu",
		    first_bad(in, v.n - padding));
	return 0;
}

/* As text_number, but without a sign. */
static bool
digits(struct view v, int64_t *out)
{
	return v.n > 0 && v.p[0] != '-' && text_number(v, out);
}

bool
text_duration_ms(struct view v, int64_t *ms)
{
	struct view whole, fraction = VIEW("0");
	int64_t seconds, nanos;
	const char *point;
	size_t i;

	if (v.n == 0 || v.p[v.n - 1] != 's')
		return false;
	v.n--;
	point = memchr(v.p, '.', v.n);
	whole = v;
	if (point != NULL) {
		whole.n = (size_t)(point - v.p);
		fraction = (struct view){ point + 1, v.n - whole.n - 1 };
	}
	if (!digits(whole, &seconds) || fraction.n > 9 ||
	    !digits(fraction, &nanos))
		return false;
	for (i = fraction.n; i < 9; i++)
		nanos *= 10;
	if (seconds > seconds_max || (seconds == seconds_max && nanos > 0))
		return false;
	*ms = seconds * 1000 + nanos / 1000000;
	return true;
}

/* Which of the three-letter names stands at p, from 0 on, or -1. */
static int
name_at(const char *p, const char *names)
{
	int i;

	for (i = 0; names[3 * i] != '\0'; i++)
		if (memcmp(p, names + 3 * i, 3) == 0)
			return i;
	return -1;
}

static int
two_digits(const char *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* Has v digits where the shape has a 0, anything at an x, and else just the
 * byte of the shape? */
static bool
has_shape(struct view v, const char *shape)
{
	size_t i;

	if (v.n != strlen(shape))
		return false;
	for (i = 0; i < v.n; i++) {
		if (shape[i] == '0' && !is_digit(v.p[i]))
			return false;
		if (shape[i] != '0' && shape[i] != 'x' && shape[i] != v.p[i])
			return false;
	}
	return true;
}

/* Adds "10:15:00" at p, and counts: false for what no clock and no calendar
 * shows. */
static bool
count_seconds(struct tm tm, const char *p, int64_t *unix_s)
{
	const int day = tm.tm_mday;
	int64_t seconds;

	tm.tm_hour = two_digits(p);
	tm.tm_min = two_digits(p + 3);
	tm.tm_sec = two_digits(p + 6);
	if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mon > 11 ||
	    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	if (tm.tm_sec == 60)
		tm.tm_sec = 59;
	seconds = timegm(&tm);
	if (tm.tm_mday != day) /* timegm moves 31 February to March */
		return false;
	*unix_s = seconds;
	return true;
}

bool
text_http_date_s(struct view v, int64_t *unix_s)
{
	struct tm tm = { 0 };

	if (!has_shape(v, "xxx, 00 xxx 0000 00:00:00 GMT") ||
	    name_at(v.p, "SunMonTueWedThuFriSat") == -1)
		return false;
	tm.tm_mday = two_digits(v.p + 5);
	tm.tm_mon = name_at(v.p + 8, "JanFebMarAprMayJunJulAugSepOctNovDec");
	tm.tm_year = two_digits(v.p + 12) * 100 + two_digits(v.p + 14) - 1900;
	return count_seconds(tm, v.p + 17, unix_s);
}

/* ".123Z" and its like: what may follow the seconds of a moment. */
static bool
is_moment_end(struct view v)
{
	size_t digits_end = 1;

	if (v.n > 0 && v.p[0] == '.') {
		while (digits_end < v.n && is_digit(v.p[digits_end]))
			digits_end++;
		if (digits_end == 1)
			return false;
		v.p += digits_end;
		v.n -= digits_end;
	}
	return view_is(v, "Z") || view_is(v, "+00:00");
}

bool
text_moment_s(struct view v, int64_t *unix_s)
{
	static const char shape[] = "0000-00-00T00:00:00";
	const size_t n = sizeof shape - 1;
	struct tm tm = { 0 };

	if (v.n < n || !has_shape((struct view){ v.p, n }, shape) ||
	    !is_moment_end((struct view){ v.p + n, v.n - n }))
		return false;
	tm.tm_year = two_digits(v.p) * 100 + two_digits(v.p + 2) - 1900;
	tm.tm_mon = two_digits(v.p + 5) - 1;
	tm.tm_mday = two_digits(v.p + 8);
	return count_seconds(tm, v.p + 11, unix_s);
}

void
text_basic_moment(char out[TEXT_BASIC_SIZE], int64_t unix_s)
{
	const time_t t = unix_s < 0              ? 0
			 : unix_s > moment_max_s ? moment_max_s
						 : unix_s;
	struct tm tm;

	MUST(gmtime_r(&t, &tm) != NULL);
	(void)snprintf(out, TEXT_BASIC_SIZE, "%04u%02u%02uT%02u%02u%02uZ",
	    (unsigned)(tm.tm_year + 1900) % 10000u,
	    (unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
	    (unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
	    (unsigned)tm.tm_sec % 100u);
}

/* delay-seconds may have any number of digits; we wait no longer than this. */
static bool
parse_delay(struct view v, int64_t *seconds)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (!is_digit(v.p[i]))
			return false;
	if (!text_number(v, seconds) || *seconds > seconds_max)
		*seconds = seconds_max;
	return v.n > 0;
}

bool
text_retry_after_ms(struct view v, int64_t now_ms, int64_t *ms)
{
	int64_t seconds;

	if (parse_delay(v, &seconds)) {
		*ms = seconds * 1000;
		return true;
	}
	if (!text_http_date_s(v, &seconds))
		return false;
	*ms = seconds * 1000 > now_ms ? seconds * 1000 - now_ms : 0;
	return true;
}
