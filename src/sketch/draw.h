/*
 * draw - a character card: what charref-sketch has instead of a model.
 *
 * A studio, a figure in it, and a panel below with the caption and the
 * colours used; a wide card also shows two parts of the figure larger.
 * The same prompt, seed and index give the same picture, byte for byte on
 * one machine.
 */
#ifndef SKETCH_DRAW_H
#define SKETCH_DRAW_H

#include <stdint.h>

#include "base/buf.h"

struct draw_card {
	struct view prompt;  /* what the figure is drawn from: valid UTF-8 */
	struct view caption; /* below it, at most three lines; valid UTF-8 */
	uint32_t seed;
	int index; /* which of a batch: each looks different              */
	int width; /* pixels                                              */
	int height;
};

/* Appends the card as a PNG.  FAULT_MEMORY. */
int draw_card(const struct draw_card *card, struct buf *png, struct fault *f);

/*
 * Frees what the drawing libraries keep for the life of a process.  For its
 * end, so that a leak checker then finds leaks alone.
 */
void draw_forget(void);

#endif
