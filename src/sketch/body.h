/*
 * body - legs, clothes and arms of a figure.
 */
#ifndef SKETCH_BODY_H
#define SKETCH_BODY_H

#include "sketch/pose.h"

void body_legs(cairo_t *cr, const struct traits *t, const struct pose *p);
void body_torso(cairo_t *cr, const struct traits *t, const struct pose *p);
void body_arms(cairo_t *cr, const struct traits *t, const struct pose *p);

/* The sign that chest and shield bear, in a square of that half width. */
void body_emblem(
    cairo_t *cr, const struct traits *t, struct place at, struct colour c);

#endif
