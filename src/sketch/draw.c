#include "sketch/draw.h"

#include <math.h>
#include <string.h>

#include <cairo/cairo.h>
#include <fontconfig/fontconfig.h>

#include "codec/text.h"
#include "sketch/body.h"
#include "sketch/gear.h"
#include "sketch/head.h"

enum {
	LINES_MAX = 3,
	LINE_BYTES = 512,
	CAPTION_CHARACTERS = 480, /* more than three lines hold */
	FIGURE_TALL = 200,        /* units of sketch/pose */
	HAT_TALL = 44,
	WIDE = 0xe3 /* lead byte of the scripts that break anywhere */
};

static const struct colour ink = { 0.20, 0.22, 0.27 };
static const struct colour paper = { 0.995, 0.992, 0.985 };

/* Where things go on the card, in pixels. */
struct layout {
	double width, height;
	double unit;   /* a hundredth of the shorter side */
	double margin; /* from the edge to the frame */
	double text;   /* size of the caption */
	double panel_y, panel_h;
	double floor_y;
	double figure; /* pixels of one figure unit */
};

struct lines {
	char text[LINES_MAX][LINE_BYTES];
	int n;
};

/* Text. */

static void
choose_font(cairo_t *cr, double size, bool bold)
{
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
	    bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cr, size);
}

static double
text_width(cairo_t *cr, const char *text)
{
	cairo_text_extents_t e;

	cairo_text_extents(cr, text, &e);
	return e.x_advance;
}

/* Does the font have the character?  The only font: there is no other. */
static bool
has_glyph(cairo_t *cr, struct view character)
{
	cairo_glyph_t *glyphs = NULL;
	bool found = false;
	int n = 0;

	if (cairo_scaled_font_text_to_glyphs(cairo_get_scaled_font(cr), 0.0,
		0.0, character.p, (int)character.n, &glyphs, &n, NULL, NULL,
		NULL) == CAIRO_STATUS_SUCCESS)
		found = n > 0 && glyphs[0].index != 0;
	cairo_glyph_free(glyphs);
	return found;
}

/*
 * The beginning of the caption as it can be shown: a dot for what the font
 * has not, which is calmer than a row of empty boxes.
 */
static void
make_showable(cairo_t *cr, struct view caption, struct buf *out)
{
	struct view rest = text_cut(caption, CAPTION_CHARACTERS), one;

	for (; rest.n > 0; rest.p += one.n, rest.n -= one.n) {
		one = text_cut(rest, 1);
		if ((unsigned char)one.p[0] <= ' ')
			buf_add(out, VIEW(" "));
		else if (has_glyph(cr, one))
			buf_add(out, one);
		else
			buf_add(out, VIEW("\xc2\xb7"));
	}
}

static bool
is_wide(const char *p)
{
	/* A dot stands for a character that may have been wide. */
	return (unsigned char)*p >= WIDE || memcmp(p, "\xc2\xb7", 2) == 0;
}

/* Takes the next word, with the space before it, or one wide character. */
static struct view
take_piece(struct view *rest)
{
	struct view piece = { rest->p, 0 };
	size_t n = 0;

	while (n < rest->n && rest->p[n] == ' ')
		n++;
	if (n < rest->n && is_wide(rest->p + n))
		n += text_cut((struct view){ rest->p + n, rest->n - n }, 1).n;
	else
		while (
		    n < rest->n && rest->p[n] != ' ' && !is_wide(rest->p + n))
			n++;
	piece.n = n;
	rest->p += n;
	rest->n -= n;
	return piece;
}

/* Appends the piece to the line unless it would be wider than that. */
static bool
fits(cairo_t *cr, char *line, struct view piece, double width)
{
	const size_t n = strlen(line);

	if (n == 0)
		while (piece.n > 0 && piece.p[0] == ' ') {
			piece.p++;
			piece.n--;
		}
	if (n + piece.n >= LINE_BYTES)
		return false;
	memcpy(line + n, piece.p, piece.n);
	line[n + piece.n] = '\0';
	if (text_width(cr, line) <= width)
		return true;
	line[n] = '\0';
	return false;
}

/* A single word wider than a line is cut to what fits. */
static void
force(cairo_t *cr, char *line, struct view word, double width)
{
	struct view one;

	while (word.n > 0) {
		one = text_cut(word, 1);
		if (!fits(cr, line, one, width))
			return;
		word.p += one.n;
		word.n -= one.n;
	}
}

static void
end_with_ellipsis(cairo_t *cr, char *line, double width)
{
	size_t n = strlen(line);

	while (n > 0 && !fits(cr, line, VIEW("\xe2\x80\xa6"), width)) {
		do
			n--;
		while (n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80);
		line[n] = '\0';
	}
}

static void
wrap(cairo_t *cr, struct view caption, double width, struct lines *out)
{
	struct buf shown = BUF_INIT(4 * CAPTION_CHARACTERS);
	const bool cut = text_cut(caption, CAPTION_CHARACTERS).n < caption.n;
	struct view rest;
	struct view piece;

	memset(out, 0, sizeof *out);
	make_showable(cr, caption, &shown);
	rest = text_trim(buf_view(&shown));
	while (rest.n > 0) {
		piece = take_piece(&rest);
		if (fits(cr, out->text[out->n], piece, width))
			continue;
		if (out->text[out->n][0] != '\0' && ++out->n == LINES_MAX) {
			end_with_ellipsis(cr, out->text[--out->n], width);
			break;
		}
		if (!fits(cr, out->text[out->n], piece, width))
			force(cr, out->text[out->n], text_trim(piece), width);
	}
	if (rest.n == 0 && cut)
		end_with_ellipsis(cr, out->text[out->n], width);
	if (out->text[out->n][0] != '\0')
		out->n++;
	buf_fini(&shown);
}

/* The card. */

static struct layout
lay_out(const struct draw_card *card)
{
	struct layout l = { .width = card->width, .height = card->height };
	double room;

	l.unit = fmin(l.width, l.height) / 100.0;
	l.margin = 2.4 * l.unit;
	l.text = 2.5 * l.unit;
	l.panel_h = 13.2 * l.unit;
	l.panel_y = l.height - 2.0 * l.margin - l.panel_h;
	l.floor_y = l.panel_y - 6.0 * l.unit;
	/* Above the head there is room for a hat. */
	room = l.floor_y - 2.6 * l.margin;
	l.figure = fmin(room / (FIGURE_TALL + HAT_TALL), l.width / 184.0);
	/* On a tall card the figure stands in the middle of what is left. */
	l.floor_y -= (room - l.figure * (FIGURE_TALL + HAT_TALL)) * 0.42;
	return l;
}

static void
fill_vertical(cairo_t *cr, double y0, double y1, double width,
    struct colour top, struct colour bottom)
{
	cairo_pattern_t *p = cairo_pattern_create_linear(0.0, y0, 0.0, y1);

	cairo_pattern_add_color_stop_rgb(p, 0.0, top.r, top.g, top.b);
	cairo_pattern_add_color_stop_rgb(p, 1.0, bottom.r, bottom.g, bottom.b);
	cairo_rectangle(cr, 0.0, y0, width, y1 - y0);
	cairo_set_source(cr, p);
	cairo_fill(cr);
	cairo_pattern_destroy(p);
}

/* A studio: a wall that runs into the floor, and light on the middle. */
static void
room(cairo_t *cr, const struct layout *l, const struct traits *t)
{
	const struct colour wall = palette_wall(t->wall);
	const struct colour low = colour_mix(wall, colour_shade(wall), 0.30);
	const double horizon = floor(l->floor_y - 9.0 * l->figure);
	const double near = floor(horizon + 7.0 * l->unit);
	const double tall = FIGURE_TALL * l->figure;

	fill_vertical(
	    cr, 0.0, horizon, l->width, colour_mix(wall, low, 0.35), wall);
	fill_vertical(
	    cr, horizon, near, l->width, wall, colour_mix(wall, low, 0.30));
	fill_vertical(cr, near, l->height, l->width,
	    colour_mix(wall, low, 0.30), colour_mix(wall, paper, 0.20));
	brush_glow(cr,
	    (struct place){ l->width / 2.0, horizon - tall * 0.42, tall * 0.85,
		tall * 0.62 },
	    paper, 0.85);
	brush_oval(cr, l->width / 2.0, l->floor_y - tall * 0.56, tall * 0.40,
	    tall * 0.40);
	brush_flat(cr, colour_mix(wall, t->colour[SLOT_ACCENT], 0.30), 0.34);
	brush_oval(cr, l->width / 2.0, l->floor_y - tall * 0.56, tall * 0.43,
	    tall * 0.43);
	brush_line(cr, paper, 0.35 * l->unit, 0.8);
}

static void
figure(cairo_t *cr, const struct traits *t, const struct pose *p)
{
	gear_behind(cr, t, p);
	head_behind(cr, t, p);
	body_legs(cr, t, p);
	body_torso(cr, t, p);
	gear_at_neck(cr, t, p);
	gear_in_hand(cr, t, p);
	body_arms(cr, t, p);
	head_before(cr, t, p);
	gear_shield(cr, t, p);
}

static void
stand(cairo_t *cr, const struct layout *l, const struct traits *t,
    const struct pose *p)
{
	const struct colour dusk = { 0.16, 0.17, 0.27 };
	/* A child is drawn a little larger than life beside a grown one. */
	const double size = p->head.y > -150.0 ? 1.12 : 1.0;

	cairo_save(cr);
	cairo_translate(cr, l->width / 2.0, l->floor_y);
	cairo_scale(cr, l->figure * size, l->figure * size);
	brush_glow(cr, (struct place){ 8.0, 0.0, 78.0, 12.0 }, dusk, 0.34);
	brush_glow(cr, (struct place){ 2.0, -1.0, 40.0, 6.0 }, dusk, 0.46);
	figure(cr, t, p);
	cairo_restore(cr);
}

/* A round window on a part of the figure, larger. */
static void
detail(cairo_t *cr, const struct layout *l, const struct traits *t,
    const struct pose *p, struct place window, struct point look_at,
    double zoom)
{
	const struct colour wall = palette_wall(t->wall + 1);

	brush_glow(cr,
	    (struct place){ window.x + l->unit * 0.6, window.y + l->unit * 1.2,
		window.w * 1.12, window.h * 1.12 },
	    colour_hex(0x4a4f60), 0.30);
	brush_oval(cr, window.x, window.y, window.w, window.h);
	brush_flat(cr, colour_mix(wall, paper, 0.45), 1.0);
	cairo_save(cr);
	brush_oval(cr, window.x, window.y, window.w, window.h);
	cairo_clip(cr);
	cairo_translate(cr, window.x, window.y);
	cairo_scale(cr, l->figure * zoom, l->figure * zoom);
	cairo_translate(cr, -look_at.x, -look_at.y);
	figure(cr, t, p);
	cairo_restore(cr);
	brush_oval(cr, window.x, window.y, window.w, window.h);
	brush_line(cr, paper, 0.9 * l->unit, 1.0);
}

/* What a wide card has beside the figure: its face and its clothes. */
static void
details(cairo_t *cr, const struct layout *l, const struct traits *t,
    const struct pose *p)
{
	const double r = fmin(l->width * 0.13, l->panel_y * 0.26);
	const double y = l->panel_y * 0.46;
	const struct point chest = { 4.0, p->waist_y - 6.0 };
	const struct point face = { p->head.x, p->head.y - 6.0 };

	if (l->width < l->height * 1.2)
		return;
	detail(cr, l, t, p, (struct place){ l->width * 0.185, y, r, r }, face,
	    r / l->figure / (p->head_ry * 1.75));
	detail(cr, l, t, p, (struct place){ l->width * 0.815, y, r, r }, chest,
	    r / l->figure / 44.0);
}

static void
swatches(cairo_t *cr, const struct layout *l, const struct traits *t, double x,
    double y)
{
	static const enum slot shown[] = { SLOT_MAIN, SLOT_ACCENT, SLOT_SKIN,
		SLOT_HAIR, SLOT_LEGS };
	const double r = 1.55 * l->unit;
	const bool robot = t->of[TRAIT_KIND] == KIND_ROBOT;
	size_t i;

	for (i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		enum slot slot = shown[i];

		if (robot && slot == SLOT_SKIN)
			slot = SLOT_EYES;
		if (robot && slot == SLOT_HAIR)
			slot = SLOT_SHIELD;
		if (t->of[TRAIT_KIND] == KIND_BEAST && slot == SLOT_SKIN)
			slot = SLOT_FUR;
		brush_oval(cr, x + (double)i * 2.45 * r, y, r, r);
		brush_flat(cr, t->colour[slot], 1.0);
		brush_oval(cr, x + (double)i * 2.45 * r, y, r, r);
		brush_line(cr, ink, 0.12 * l->unit, 0.25);
	}
}

static void
panel(cairo_t *cr, const struct layout *l, const struct traits *t,
    struct view caption)
{
	const double x = 2.0 * l->margin, w = l->width - 4.0 * l->margin;
	const double pad = 3.0 * l->unit, row = l->text * 1.38;
	const double swatch_w = 5.0 * 2.45 * 1.55 * l->unit;
	const double mid = l->panel_y + l->panel_h / 2.0;
	struct lines lines;
	int i;

	brush_box(
	    cr, x, l->panel_y + 0.5 * l->unit, w, l->panel_h, 1.8 * l->unit);
	brush_flat(cr, colour_hex(0x3a4050), 0.13);
	brush_box(cr, x, l->panel_y, w, l->panel_h, 1.8 * l->unit);
	brush_flat(cr, paper, 1.0);
	brush_box(cr, x + 1.3 * l->unit, l->panel_y + 2.0 * l->unit,
	    0.7 * l->unit, l->panel_h - 4.0 * l->unit, 0.35 * l->unit);
	brush_flat(cr, t->colour[SLOT_ACCENT], 1.0);
	swatches(cr, l, t, x + w - swatch_w, mid);
	choose_font(cr, l->text, false);
	brush_colour(cr, ink, 1.0);
	wrap(cr, caption, w - swatch_w - 2.6 * pad, &lines);
	for (i = 0; i < lines.n; i++) {
		cairo_move_to(cr, x + 1.15 * pad,
		    mid + l->text * 0.35 + row * (i - (lines.n - 1) / 2.0));
		cairo_show_text(cr, lines.text[i]);
	}
	cairo_new_path(cr);
}

static void
frame(cairo_t *cr, const struct layout *l)
{
	static const char mark[] = "offline sketch";

	brush_box(cr, l->margin, l->margin, l->width - 2.0 * l->margin,
	    l->height - 2.0 * l->margin, 2.4 * l->unit);
	brush_line(cr, ink, 0.18 * l->unit, 0.38);
	choose_font(cr, 1.75 * l->unit, false);
	brush_colour(cr, ink, 0.5);
	cairo_move_to(cr, l->width - 2.0 * l->margin - text_width(cr, mark),
	    2.0 * l->margin + 1.4 * l->unit);
	cairo_show_text(cr, mark);
	cairo_new_path(cr);
}

static void
paint(cairo_t *cr, const struct draw_card *card, const struct traits *t)
{
	const struct layout l = lay_out(card);
	struct pose p;

	pose_strike(&p, t);
	room(cr, &l, t);
	stand(cr, &l, t, &p);
	details(cr, &l, t, &p);
	panel(cr, &l, t, card->caption);
	frame(cr, &l);
}

static cairo_status_t
into_buf(void *png, const unsigned char *bytes, unsigned int n)
{
	struct buf *out = png;

	buf_add(out, (struct view){ (const char *)bytes, n });
	return out->spoilt ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

void
draw_forget(void)
{
	cairo_debug_reset_static_data();
	FcFini();
}

int
draw_card(const struct draw_card *card, struct buf *png, struct fault *f)
{
	cairo_surface_t *surface = NULL;
	cairo_t *cr = NULL;
	struct traits t;
	cairo_status_t status;
	int rc = -1;

	if (traits_read(&t, card->prompt, card->seed, card->index, f) == -1)
		return -1;
	surface = cairo_image_surface_create(
	    CAIRO_FORMAT_RGB24, card->width, card->height);
	cr = cairo_create(surface);
	paint(cr, card, &t);
	status = cairo_status(cr);
	if (status == CAIRO_STATUS_SUCCESS)
		status =
		    cairo_surface_write_to_png_stream(surface, into_buf, png);
	if (buf_done(png, f) == -1)
		goto out;
	if (status != CAIRO_STATUS_SUCCESS) {
		(void)fault_set(f, FAULT_MEMORY, "draw a card: %s",
		    cairo_status_to_string(status));
		goto out;
	}
	rc = 0;
out:
	cairo_destroy(cr);
	cairo_surface_destroy(surface);
	return rc;
}
