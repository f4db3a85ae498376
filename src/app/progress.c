#include "app/progress.h"

#include <stdarg.h>
#include <stdio.h>

#define ERASE "\r\x1b[K" /* ECMA-48: EL, to the end of the line */

enum {
	MS = 1000,
	MINUTE = 60,
	HOUR = 3600,
	KIBI = 1024,
	SAMPLE_MS = 500,  /* between two looks at the rate         */
	SMOOTH_MS = 5000, /* time constant of its smoothing        */
	WIDE = 100,       /* columns from which the bar is longer  */
	NARROW = 40,      /* columns below which there is none     */
	BAR_LONG = 20,
	BAR_SHORT = 10,
	PATH_LEAST = 6, /* columns: less of a path says nothing    */
	ALL_COLUMNS = 1 << 20,
	ESCAPE_COLUMNS = 4 /* of \xNN */
};

/* --- characters --- */

struct span {
	uint32_t first;
	uint32_t last;
};

/* Controls, and what changes the direction of others (UAX #9). */
static const struct span odd[] = {
	{ 0, 0x1f },
	{ 0x7f, 0x9f },
	{ 0x61c, 0x61c },
	{ 0x200e, 0x200f },
	{ 0x2028, 0x202e },
	{ 0x2066, 0x2069 },
	{ 0xfeff, 0xfeff },
};

/* Two columns on a terminal (UAX #11, wide and full width, by blocks). */
static const struct span wide[] = {
	{ 0x1100, 0x115f },
	{ 0x2e80, 0xa4cf },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },
	{ 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f },
	{ 0x1f680, 0x1f6ff },
	{ 0x1f900, 0x1faff },
	{ 0x20000, 0x3fffd },
};

/* None: what is written over the character before it. */
static const struct span combining[] = {
	{ 0x300, 0x36f },
	{ 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff },
	{ 0x200b, 0x200d },
	{ 0x20d0, 0x20ff },
	{ 0xfe00, 0xfe0f },
	{ 0xfe20, 0xfe2f },
};

#define IS_AMONG(c, spans)                                                     \
	is_among((c), (spans), sizeof(spans) / sizeof(spans)[0])

static bool
is_among(uint32_t c, const struct span *spans, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (c >= spans[i].first && c <= spans[i].last)
			return true;
	return false;
}

static size_t
sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Bytes of the character that v begins with (RFC 3629); 0: it is none. */
static size_t
decode(struct view v, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)v.p;
	const size_t n = sequence_length(s[0]);
	uint32_t c;
	size_t i;

	if (n == 0 || n > v.n)
		return 0;
	c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return n;
}

/* What a text begins with, as it will be shown. */
struct glyph {
	size_t bytes;
	size_t columns;
	bool is_escaped;
};

static struct glyph
look(struct view v)
{
	struct glyph g = { .columns = 1 };
	uint32_t c = 0;

	g.bytes = decode(v, &c);
	if (g.bytes == 0 || IS_AMONG(c, odd)) {
		g.is_escaped = true;
		g.bytes = g.bytes == 0 ? 1 : g.bytes;
		g.columns = g.bytes * ESCAPE_COLUMNS;
	} else if (IS_AMONG(c, wide)) {
		g.columns = 2;
	} else if (IS_AMONG(c, combining)) {
		g.columns = 0;
	}
	return g;
}

static size_t
columns_of(struct view text)
{
	size_t sum = 0;

	while (text.n > 0) {
		const struct glyph g = look(text);

		sum += g.columns;
		text.p += g.bytes;
		text.n -= g.bytes;
	}
	return sum;
}

void
progress_safe(struct buf *out, struct view text)
{
	size_t i;

	while (text.n > 0) {
		const struct glyph g = look(text);

		if (!g.is_escaped)
			buf_add(out, (struct view){ text.p, g.bytes });
		for (i = 0; g.is_escaped && i < g.bytes; i++)
			buf_fmt(out, "\\x%02x", (unsigned char)text.p[i]);
		text.p += g.bytes;
		text.n -= g.bytes;
	}
}

/* The end of a path says more than its beginning. */
static void
add_end(struct buf *out, struct view path, size_t columns)
{
	const struct view dots = VIEW("...");
	size_t left = columns_of(path);

	if (left > columns) {
		buf_add(out, dots);
		columns -= dots.n;
	}
	while (left > columns || (path.n > 0 && look(path).columns == 0)) {
		const struct glyph g = look(path);

		left -= g.columns;
		path.p += g.bytes;
		path.n -= g.bytes;
	}
	progress_safe(out, path);
}

/* --- amounts --- */

static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };

static size_t
unit_for(int64_t bytes)
{
	size_t unit = 0;

	while (bytes >= KIBI && unit + 1 < sizeof units / sizeof units[0]) {
		bytes /= KIBI;
		unit++;
	}
	return unit;
}

static void
add_number(struct buf *out, int64_t bytes, size_t unit)
{
	const int64_t one = (int64_t)1 << (10 * unit);

	buf_fmt(out, "%lld", (long long)(bytes / one));
	if (unit > 0)
		buf_fmt(out, ".%lld", (long long)(bytes % one * 10 / one));
}

void
progress_bytes(struct buf *out, int64_t bytes)
{
	const size_t unit = unit_for(bytes);

	add_number(out, bytes, unit);
	buf_fmt(out, " %s", units[unit]);
}

void
progress_span(struct buf *out, int64_t seconds)
{
	if (seconds >= HOUR)
		buf_fmt(out, "%lld:%02d:%02d", (long long)(seconds / HOUR),
		    (int)(seconds % HOUR / MINUTE), (int)(seconds % MINUTE));
	else
		buf_fmt(out, "%d:%02d", (int)(seconds / MINUTE),
		    (int)(seconds % MINUTE));
}

/* In thousandths, rounded down; of files when there are no bytes. */
static int
share_done(const struct jobs_progress *now)
{
	const bool by_bytes = now->bytes_total > 0;
	const int64_t total = by_bytes ? now->bytes_total : now->files_total;
	const int64_t done = by_bytes ? now->bytes_done : now->files_done;

	if (done >= total)
		return 1000;
	return done <= 0 ? 0 : (int)((double)done / (double)total * 1000);
}

/* --- a line from its parts --- */

/* Parts join a line as long as they fit; the first that does not ends it. */
struct sheet {
	struct buf *out;
	const char *between;
	size_t room;  /* columns that are left           */
	bool has_any; /* is there something to go on from? */
	bool is_full;
};

static void
add_part(struct sheet *s, struct buf *part)
{
	const struct view between = view_str(s->has_any ? s->between : "");

	if (part->len + between.n > s->room)
		s->is_full = true;
	if (!s->is_full) {
		buf_add(s->out, between);
		buf_add(s->out, buf_view(part));
		s->room -= part->len + between.n;
		s->has_any = true;
	}
	buf_fini(part);
}

static void
add_bar(struct sheet *s, int share, size_t columns)
{
	const int cells = columns < WIDE ? BAR_SHORT : BAR_LONG;
	struct buf part = BUF_INIT(PROGRESS_TEXT_MAX);
	int i;

	if (columns < NARROW)
		return;
	buf_add(&part, VIEW("["));
	for (i = 0; i < cells; i++)
		buf_add(
		    &part, share * cells > i * 1000 ? VIEW("#") : VIEW("-"));
	buf_add(&part, VIEW("]"));
	add_part(s, &part);
}

static void
add_share(struct sheet *s, int share)
{
	struct buf part = BUF_INIT(PROGRESS_TEXT_MAX);

	buf_fmt(&part, "%d%%", share / 10);
	add_part(s, &part);
}

static void
add_bytes(struct sheet *s, const struct jobs_progress *now)
{
	const size_t unit = unit_for(now->bytes_total);
	struct buf part = BUF_INIT(PROGRESS_TEXT_MAX);

	add_number(&part, now->bytes_done, unit);
	buf_add(&part, VIEW("/"));
	add_number(&part, now->bytes_total, unit);
	buf_fmt(&part, " %s", units[unit]);
	add_part(s, &part);
}

static void
add_files(struct sheet *s, const struct jobs_progress *now)
{
	struct buf part = BUF_INIT(PROGRESS_TEXT_MAX);

	buf_fmt(&part, "%lld/%lld files", (long long)now->files_done,
	    (long long)now->files_total);
	add_part(s, &part);
}

static void
add_speed(struct sheet *s, const struct progress_view *v)
{
	const int64_t left = v->now.bytes_total - v->now.bytes_done;
	struct buf rate = BUF_INIT(PROGRESS_TEXT_MAX);
	struct buf time = BUF_INIT(PROGRESS_TEXT_MAX);

	if (v->rate <= 0)
		return;
	progress_bytes(&rate, v->rate);
	buf_add(&rate, VIEW("/s"));
	add_part(s, &rate);
	if (left <= 0)
		return;
	progress_span(&time, left / v->rate);
	buf_add(&time, VIEW(" left"));
	add_part(s, &time);
}

static void
add_figures(struct sheet *s, const struct progress_view *v)
{
	add_share(s, share_done(&v->now));
	add_bytes(s, &v->now);
	add_files(s, &v->now);
	add_speed(s, v);
}

void
progress_render(const struct progress_view *v, size_t columns, struct buf *out)
{
	struct sheet s = { .out = out, .between = "  ", .room = columns };

	add_bar(&s, share_done(&v->now), columns);
	add_figures(&s, v);
	if (s.is_full || v->path[0] == '\0' || s.room < PATH_LEAST + 2)
		return;
	buf_add(out, VIEW("  "));
	add_end(out, view_str(v->path), s.room - 2);
}

/* --- from beginning to end --- */

void
progress_begin(struct progress *p, enum progress_form form, const char *what,
    int64_t ticks_ms)
{
	*p = (struct progress){ .form = form,
		.what = what,
		.began_ms = ticks_ms,
		.told_ms = -1,
		.sampled_ms = ticks_ms };
}

/* A first-order filter: what was long ago counts less and less.  What came
 * by no work at all, or was taken back, is not speed; nor is what came first,
 * for nobody knows since when it was on its way. */
static void
sample(struct progress *p, const struct progress_news *news)
{
	const int64_t more = news->now.bytes_done - p->now.bytes_done;
	const int64_t past_ms = news->ticks_ms - p->sampled_ms;
	const bool is_moving = !news->is_idle && more > 0;
	double speed;

	if (!p->has_moved) {
		p->has_moved = is_moving;
		p->sampled_ms = news->ticks_ms;
		return;
	}
	p->moved += is_moving ? more : 0;
	if (past_ms < SAMPLE_MS)
		return;
	speed = (double)p->moved * MS / (double)past_ms;
	if (p->rate > 0)
		speed = (double)p->rate + (speed - (double)p->rate) *
					      (double)past_ms /
					      (double)(past_ms + SMOOTH_MS);
	p->rate = (int64_t)speed;
	p->moved = 0;
	p->sampled_ms = news->ticks_ms;
}

static void
draw(struct progress *p, const struct progress_news *news, struct buf *out)
{
	const struct progress_view v = { news->now, p->rate, news->path };

	buf_add(out, VIEW("\r"));
	/* In the last column some terminals go on to the next line. */
	progress_render(&v, news->columns > 0 ? news->columns - 1 : 0, out);
	buf_add(out, VIEW("\x1b[K"));
	p->is_drawn = true;
}

static void
write_first(const struct progress *p, struct buf *out)
{
	progress_safe(out, view_str(p->what));
	buf_fmt(out, ": %lld files, ", (long long)p->now.files_total);
	progress_bytes(out, p->now.bytes_total);
	buf_add(out, VIEW("\n"));
}

static void
write_line(const struct progress *p, struct buf *out)
{
	const struct progress_view v = { p->now, p->rate, "" };
	struct sheet s = { .out = out, .between = ", ", .room = ALL_COLUMNS };

	progress_safe(out, view_str(p->what));
	buf_add(out, VIEW(": "));
	add_figures(&s, &v);
	buf_add(out, VIEW("\n"));
}

void
progress_tell(
    struct progress *p, const struct progress_news *news, struct buf *out)
{
	const int64_t apart_ms =
	    p->form == PROGRESS_LINES ? PROGRESS_LINE_MS : PROGRESS_DRAW_MS;
	const bool is_first = !p->has_begun;

	sample(p, news);
	p->now = news->now;
	p->has_begun = true;
	if (p->form == PROGRESS_SILENT ||
	    (p->told_ms != -1 && news->ticks_ms - p->told_ms < apart_ms))
		return;
	p->told_ms = news->ticks_ms;
	if (p->form == PROGRESS_TERMINAL)
		draw(p, news, out);
	else if (is_first)
		write_first(p, out);
	else
		write_line(p, out);
}

static void
erase(struct progress *p, struct buf *out)
{
	if (p->is_drawn)
		buf_add(out, VIEW(ERASE));
	p->is_drawn = false;
}

void
progress_say(struct progress *p, struct view line, struct buf *out)
{
	if (p->form == PROGRESS_SILENT)
		return;
	erase(p, out);
	progress_safe(out, line);
	buf_add(out, VIEW("\n"));
}

void
progress_end(struct progress *p, int64_t ticks_ms, struct buf *out)
{
	erase(p, out);
	if (p->form != PROGRESS_LINES || !p->has_begun)
		return;
	progress_safe(out, view_str(p->what));
	buf_fmt(out, ": %lld/%lld files after ", (long long)p->now.files_done,
	    (long long)p->now.files_total);
	progress_span(out, (ticks_ms - p->began_ms) / MS);
	buf_add(out, VIEW("\n"));
}
