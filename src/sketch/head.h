/*
 * head - face, hair, ears and what is worn on them.
 */
#ifndef SKETCH_HEAD_H
#define SKETCH_HEAD_H

#include "sketch/pose.h"

/* What hangs behind the body: long hair. */
void head_behind(cairo_t *cr, const struct traits *t, const struct pose *p);
void head_before(cairo_t *cr, const struct traits *t, const struct pose *p);

#endif
