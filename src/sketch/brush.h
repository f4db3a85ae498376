/*
 * brush - shapes, and the one way in which all of them are lit.
 *
 * The light comes from above left.  A path is made (brush_blob and its
 * like add to the current one), then brush_fill paints it in its colour
 * with a shaded edge below right and a bright one above left, so that
 * parts of one colour stay apart without an outline.
 */
#ifndef SKETCH_BRUSH_H
#define SKETCH_BRUSH_H

#include <stddef.h>

#include <cairo/cairo.h>

#include "sketch/palette.h"

struct point {
	double x, y;
};

/* Where a drawing in units of its own goes: its origin and its scale. */
struct place {
	double x, y, w, h;
};

enum finish { FINISH_CLOTH, FINISH_METAL, FINISH_SKIN };

/*
 * A smooth closed curve through n points (n >= 3).  A point given twice is
 * a corner.
 */
void brush_blob(
    cairo_t *cr, struct place at, const struct point *points, size_t n);

/* The same from its right half, top to bottom; the left half mirrors it. */
void brush_half(
    cairo_t *cr, struct place at, const struct point *points, size_t n);

/* Number of elements first, for tables. */
#define BRUSH_BLOB(cr, at, table)                                              \
	brush_blob((cr), (at), (table), sizeof(table) / sizeof *(table))
#define BRUSH_HALF(cr, at, table)                                              \
	brush_half((cr), (at), (table), sizeof(table) / sizeof *(table))

/* An arm or leg bent at joint[1], so wide at each joint, round at its ends. */
void brush_limb(
    cairo_t *cr, const struct point joint[3], const double width[3]);

void brush_oval(cairo_t *cr, double x, double y, double rx, double ry);
void brush_box(
    cairo_t *cr, double x, double y, double w, double h, double radius);

void brush_colour(cairo_t *cr, struct colour c, double alpha);

/* Paints the current path and forgets it; depth is the shaded edge's width. */
void brush_fill(cairo_t *cr, struct colour c, enum finish finish, double depth);

/* Paints the current path evenly. */
void brush_flat(cairo_t *cr, struct colour c, double alpha);

/* Strokes the current path with round ends. */
void brush_line(cairo_t *cr, struct colour c, double width, double alpha);

/* A disc of soft shadow (or, with a light colour, of soft light). */
void brush_glow(cairo_t *cr, struct place at, struct colour c, double alpha);

#endif
