#include "sketch/brush.h"

#include <math.h>

enum { HALF_MAX = 24 };

static const struct colour white = { 1.0, 1.0, 1.0 };

/*
 * One Catmull-Rom span from b to c, as the Bezier curve that it is.  At a
 * corner b is c: there is no way to go, and a curve would make a spur.
 */
static void
span(
    cairo_t *cr, struct point a, struct point b, struct point c, struct point d)
{
	if (hypot(c.x - b.x, c.y - b.y) < 1e-9)
		return;
	cairo_curve_to(cr, b.x + (c.x - a.x) / 6.0, b.y + (c.y - a.y) / 6.0,
	    c.x - (d.x - b.x) / 6.0, c.y - (d.y - b.y) / 6.0, c.x, c.y);
}

void
brush_blob(cairo_t *cr, struct place at, const struct point *points, size_t n)
{
	size_t i;

	cairo_save(cr);
	cairo_translate(cr, at.x, at.y);
	cairo_scale(cr, at.w, at.h);
	cairo_move_to(cr, points[0].x, points[0].y);
	for (i = 0; i < n; i++)
		span(cr, points[(i + n - 1) % n], points[i],
		    points[(i + 1) % n], points[(i + 2) % n]);
	cairo_close_path(cr);
	cairo_restore(cr);
}

void
brush_half(cairo_t *cr, struct place at, const struct point *points, size_t n)
{
	struct point whole[2 * HALF_MAX];
	size_t i;

	if (n > HALF_MAX)
		n = HALF_MAX;
	for (i = 0; i < n; i++) {
		whole[i] = points[i];
		whole[2 * n - 1 - i] =
		    (struct point){ -points[i].x, points[i].y };
	}
	brush_blob(cr, at, whole, 2 * n);
}

/* The unit normal, to the right hand, of the way from a to b. */
static struct point
normal(struct point a, struct point b)
{
	const double dx = b.x - a.x, dy = b.y - a.y;
	const double length = fmax(hypot(dx, dy), 1e-6);

	return (struct point){ -dy / length, dx / length };
}

static struct point
beside(struct point at, struct point n, double by)
{
	return (struct point){ at.x + n.x * by, at.y + n.y * by };
}

void
brush_limb(cairo_t *cr, const struct point joint[3], const double width[3])
{
	const struct point n[3] = { normal(joint[0], joint[1]),
		normal(joint[0], joint[2]), normal(joint[1], joint[2]) };
	struct point side[6];
	double turn;
	int i;

	for (i = 0; i < 3; i++) {
		side[i] = beside(joint[i], n[i], -width[i] / 2.0);
		side[5 - i] = beside(joint[i], n[i], width[i] / 2.0);
	}
	cairo_move_to(cr, side[0].x, side[0].y);
	span(cr, side[0], side[0], side[1], side[2]);
	span(cr, side[0], side[1], side[2], side[2]);
	turn = atan2(-n[2].y, -n[2].x);
	cairo_arc(
	    cr, joint[2].x, joint[2].y, width[2] / 2.0, turn, turn + M_PI);
	span(cr, side[3], side[3], side[4], side[5]);
	span(cr, side[3], side[4], side[5], side[5]);
	turn = atan2(n[0].y, n[0].x);
	cairo_arc(
	    cr, joint[0].x, joint[0].y, width[0] / 2.0, turn, turn + M_PI);
	cairo_close_path(cr);
}

void
brush_oval(cairo_t *cr, double x, double y, double rx, double ry)
{
	cairo_save(cr);
	cairo_translate(cr, x, y);
	cairo_scale(cr, rx, ry);
	cairo_new_sub_path(cr);
	cairo_arc(cr, 0.0, 0.0, 1.0, 0.0, 2.0 * M_PI);
	cairo_close_path(cr);
	cairo_restore(cr);
}

void
brush_box(cairo_t *cr, double x, double y, double w, double h, double radius)
{
	const double r = fmin(radius, fmin(w, h) / 2.0);

	cairo_new_sub_path(cr);
	cairo_arc(cr, x + w - r, y + r, r, -M_PI_2, 0.0);
	cairo_arc(cr, x + w - r, y + h - r, r, 0.0, M_PI_2);
	cairo_arc(cr, x + r, y + h - r, r, M_PI_2, M_PI);
	cairo_arc(cr, x + r, y + r, r, M_PI, 1.5 * M_PI);
	cairo_close_path(cr);
}

void
brush_colour(cairo_t *cr, struct colour c, double alpha)
{
	cairo_set_source_rgba(cr, c.r, c.g, c.b, alpha);
}

static void
stop(cairo_pattern_t *p, double at, struct colour c)
{
	cairo_pattern_add_color_stop_rgb(p, at, c.r, c.g, c.b);
}

static void
cloth_stops(cairo_pattern_t *p, struct colour c)
{
	stop(p, 0.0, colour_mix(c, white, 0.10));
	stop(p, 0.5, c);
	stop(p, 1.0, colour_mix(c, colour_shade(c), 0.45));
}

static void
metal_stops(cairo_pattern_t *p, struct colour c)
{
	const struct colour dark = colour_shade(c);

	stop(p, 0.00, colour_mix(c, dark, 0.5));
	stop(p, 0.22, c);
	stop(p, 0.34, colour_mix(c, white, 0.75));
	stop(p, 0.42, colour_mix(c, white, 0.25));
	stop(p, 0.70, colour_mix(c, dark, 0.55));
	stop(p, 0.90, dark);
	stop(p, 1.00, colour_mix(c, dark, 0.3));
}

/* Lays the base coat on the current path, which stays. */
static void
base_coat(cairo_t *cr, struct colour c, enum finish finish)
{
	double x0, y0, x1, y1;
	cairo_pattern_t *p;

	cairo_path_extents(cr, &x0, &y0, &x1, &y1);
	p = finish == FINISH_METAL
		? cairo_pattern_create_linear(x0, y0, x1, y0 + (y1 - y0) * 0.25)
		: cairo_pattern_create_linear(x0, y0, x0 + (x1 - x0) * 0.6, y1);
	if (finish == FINISH_METAL)
		metal_stops(p, c);
	else
		cloth_stops(p, c);
	cairo_set_source(cr, p);
	cairo_fill_preserve(cr);
	cairo_pattern_destroy(p);
}

/* What of the clipped shape lies outside a copy of it moved by (dx, dy). */
static void
edge(cairo_t *cr, const cairo_path_t *shape, double dx, double dy,
    struct colour c, double alpha)
{
	const double far = 4000.0;

	cairo_save(cr);
	cairo_new_path(cr);
	cairo_rectangle(cr, -far, -far, 2.0 * far, 2.0 * far);
	cairo_translate(cr, dx, dy);
	cairo_append_path(cr, shape);
	cairo_set_fill_rule(cr, CAIRO_FILL_RULE_EVEN_ODD);
	brush_flat(cr, c, alpha);
	cairo_restore(cr);
}

void
brush_fill(cairo_t *cr, struct colour c, enum finish finish, double depth)
{
	const double strength = finish == FINISH_SKIN ? 0.55 : 0.80;
	cairo_path_t *shape = cairo_copy_path(cr);

	cairo_save(cr);
	base_coat(cr, c, finish);
	cairo_clip(cr);
	edge(cr, shape, -depth, -depth * 0.45, colour_shade(c), strength);
	edge(cr, shape, depth * 0.35, depth * 0.30, colour_light(c),
	    finish == FINISH_SKIN ? 0.35 : 0.55);
	cairo_restore(cr);
	cairo_new_path(cr);
	cairo_path_destroy(shape);
}

void
brush_flat(cairo_t *cr, struct colour c, double alpha)
{
	brush_colour(cr, c, alpha);
	cairo_fill(cr);
}

void
brush_line(cairo_t *cr, struct colour c, double width, double alpha)
{
	cairo_set_line_cap(cr, CAIRO_LINE_CAP_ROUND);
	cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
	cairo_set_line_width(cr, width);
	brush_colour(cr, c, alpha);
	cairo_stroke(cr);
}

void
brush_glow(cairo_t *cr, struct place at, struct colour c, double alpha)
{
	cairo_pattern_t *p =
	    cairo_pattern_create_radial(0.0, 0.0, 0.0, 0.0, 0.0, 1.0);

	cairo_pattern_add_color_stop_rgba(p, 0.0, c.r, c.g, c.b, alpha);
	cairo_pattern_add_color_stop_rgba(p, 0.5, c.r, c.g, c.b, alpha * 0.55);
	cairo_pattern_add_color_stop_rgba(p, 1.0, c.r, c.g, c.b, 0.0);
	cairo_save(cr);
	cairo_translate(cr, at.x, at.y);
	cairo_scale(cr, at.w, at.h);
	cairo_rectangle(cr, -1.0, -1.0, 2.0, 2.0);
	cairo_set_source(cr, p);
	cairo_fill(cr);
	cairo_restore(cr);
	cairo_pattern_destroy(p);
}
