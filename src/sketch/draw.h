/*
 * draw - a character card: what charref-sketch has instead of a model.
 *
 * The figure's shape, palette and props follow from a hash of prompt, seed
 * and index, so the same ones give the same picture, byte for byte on one
 * machine.  The only user of cairo.
 */
#ifndef SKETCH_DRAW_H
#define SKETCH_DRAW_H

#include <stdint.h>

#include "base/buf.h"

struct draw_card {
	struct view prompt;  /* what the figure is drawn from: valid UTF-8 */
	struct view caption; /* written below it, wrapped and cut          */
	uint32_t seed;
	int index; /* which of a batch: each looks different              */
	int width; /* pixels                                              */
	int height;
};

/* Appends the card as a PNG.  FAULT_MEMORY. */
int draw_card(const struct draw_card *card, struct buf *png, struct fault *f);

#endif
