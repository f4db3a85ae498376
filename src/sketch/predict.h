/*
 * predict - answers Imagen's :predict wire format with drawn cards.
 *
 * A prompt can ask for the faults that real models have, for tests and
 * demos, with a word in square brackets: see predict_faults in predict.c,
 * which is one table and is documented in docs/TESTING_GUIDE.md.
 */
#ifndef SKETCH_PREDICT_H
#define SKETCH_PREDICT_H

#include "base/buf.h"
#include "base/secret.h"
#include "net/fcgi.h"

/* Reads the request in hand, answers it, and finishes it. */
void predict_serve(struct fcgi *c, const struct secret *key);

#endif
