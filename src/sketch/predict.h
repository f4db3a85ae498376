/*
 * predict - answers Imagen's :predict over FastCGI with drawn cards, and
 * models.get with a model of any name.
 *
 * sketch/wire has the formats and the faults that a prompt can ask for;
 * this has what takes a connection: the key, the waiting, the sending.
 */
#ifndef SKETCH_PREDICT_H
#define SKETCH_PREDICT_H

#include "base/buf.h"
#include "base/secret.h"
#include "net/fcgi.h"

/*
 * Reads the request in hand, answers it, finishes it, and logs one line.
 * Without a key set, every x-goog-api-key is as good as another.
 */
void predict_serve(struct fcgi *c, const struct secret *key);

#endif
