/*
 * gear - what a figure carries: on its back, in its hands, at its neck.
 */
#ifndef SKETCH_GEAR_H
#define SKETCH_GEAR_H

#include "sketch/pose.h"

void gear_behind(cairo_t *cr, const struct traits *t, const struct pose *p);
void gear_in_hand(cairo_t *cr, const struct traits *t, const struct pose *p);
void gear_at_neck(cairo_t *cr, const struct traits *t, const struct pose *p);
void gear_shield(cairo_t *cr, const struct traits *t, const struct pose *p);

#endif
