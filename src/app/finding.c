#include "app/finding.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/text.h"

enum { NAME_COLUMNS = 18, STATE_COLUMNS = 7, TEXT_MAX = 2048 };

static const struct {
	const char *word;
	const char *colour; /* of a terminal: ECMA-48, SGR */
	const char *json;
} states[] = {
	[FINDING_OK] = { "ok", "\033[32m", "ok" },
	[FINDING_WARNING] = { "warning", "\033[33m", "warning" },
	[FINDING_FAILED] = { "FAILED", "\033[31m", "failed" },
	[FINDING_SKIPPED] = { "skipped", "\033[2m", "skipped" },
};

void
finding_fini(struct finding *it)
{
	buf_fini(&it->found);
	buf_fini(&it->remedy);
}

/* A text that is longer is cut: it is for people. */
static void __attribute__((format(printf, 2, 0)))
add_line(struct buf *to, const char *fmt, va_list ap)
{
	char text[TEXT_MAX];

	if (vsnprintf(text, sizeof text, fmt, ap) < 0)
		return;
	if (to->len > 0)
		buf_add(to, VIEW("\n"));
	buf_add(to, view_str(text));
}

void
finding_say(struct finding *it, enum finding_state state, const char *fmt, ...)
{
	va_list ap;

	it->state = state;
	buf_clear(&it->found);
	va_start(ap, fmt);
	add_line(&it->found, fmt, ap);
	va_end(ap);
}

void
finding_add(struct finding *it, enum finding_state state, const char *fmt, ...)
{
	va_list ap;

	if (state > it->state)
		it->state = state;
	va_start(ap, fmt);
	add_line(&it->found, fmt, ap);
	va_end(ap);
}

void
finding_advise(struct finding *it, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_line(&it->remedy, fmt, ap);
	va_end(ap);
}

const char *
finding_word(enum finding_state state)
{
	return states[state].word;
}

static void
add_plain(struct buf *out, struct view line)
{
	size_t i;
	char c;

	for (i = 0; i < line.n; i++) {
		c = line.p[i];
		if ((unsigned char)c < ' ' || c == 0x7f)
			c = '?';
		buf_add(out, (struct view){ &c, 1 });
	}
	buf_add(out, VIEW("\n"));
}

/* The first line goes on where the output stands, if it does. */
static void
add_lines(struct buf *out, struct view text, int columns, bool is_begun)
{
	struct view line;

	while (text_split(&text, '\n', &line)) {
		if (!is_begun)
			buf_fmt(out, "%*s", columns, "");
		add_plain(out, line);
		is_begun = false;
	}
}

void
finding_print(
    const struct finding *it, const char *name, bool in_colour, struct buf *out)
{
	const int columns = STATE_COLUMNS + 2;

	buf_fmt(out, "%s%-*s%s  %-*s  ",
	    in_colour ? states[it->state].colour : "", STATE_COLUMNS,
	    states[it->state].word, in_colour ? "\033[0m" : "", NAME_COLUMNS,
	    name);
	add_lines(out, buf_view(&it->found), columns + NAME_COLUMNS + 2, true);
	if (it->remedy.len > 0)
		add_lines(out, buf_view(&it->remedy), columns, false);
}

void
finding_json(const struct finding *it, const char *name, struct buf *out)
{
	buf_add(out, VIEW("{\"name\":"));
	buf_json(out, view_str(name));
	buf_fmt(out, ",\"state\":\"%s\",\"found\":", states[it->state].json);
	buf_json(out, buf_view(&it->found));
	buf_add(out, VIEW(",\"remedy\":"));
	if (it->remedy.len > 0)
		buf_json(out, buf_view(&it->remedy));
	else
		buf_add(out, VIEW("null"));
	buf_add(out, VIEW("}"));
}
