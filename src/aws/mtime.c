#include "aws/mtime.h"

#include "codec/text.h"

enum { FRACTION_DIGITS = 9, NS_OF_S = 1000000000 };

static const int64_t seconds_max = INT64_MAX / NS_OF_S - 1;

void
mtime_write(struct buf *out, int64_t ns)
{
	/* Of the least number the negative is no int64_t. */
	const uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	buf_fmt(out, "%s%llu.%09llu", ns < 0 ? "-" : "",
	    (unsigned long long)(size / NS_OF_S),
	    (unsigned long long)(size % NS_OF_S));
}

/* Nanoseconds of the digits after the point. */
static bool
read_fraction(struct view digits, int64_t *ns)
{
	size_t i;

	*ns = 0;
	for (i = 0; i < digits.n; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
	for (i = 0; i < FRACTION_DIGITS; i++)
		*ns = *ns * 10 + (i < digits.n ? digits.p[i] - '0' : 0);
	return digits.n > 0;
}

bool
mtime_read(struct view text, int64_t *ns)
{
	const bool is_negative = view_begins(text, "-");
	struct view seconds, fraction = VIEW("0");
	int64_t whole, part;
	size_t n;

	if (is_negative) {
		text.p++;
		text.n--;
	}
	n = text.n;
	if (view_begins(text, "-") || !text_split(&text, '.', &seconds))
		return false;
	if (seconds.n < n)
		fraction = text;
	if (!text_number(seconds, &whole) || whole > seconds_max ||
	    !read_fraction(fraction, &part))
		return false;
	whole = whole * NS_OF_S + part;
	*ns = is_negative ? -whole : whole;
	return true;
}
