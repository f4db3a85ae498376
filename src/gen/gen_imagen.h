/*
 * gen_imagen - Imagen's :predict dialect: one call for all the images.
 *
 * Request: {"instances":[{"prompt"}],"parameters":{sampleCount, aspectRatio,
 * includeRaiReason, …}}.  Reply: {"predictions":[…]}, one element an image
 * in any key order; refused images are missing, or are elements that hold
 * only raiFilteredReason (one element may stand for several); an element
 * with only safetyAttributes is no image.  Since a reason is asked for, images
 * that are missing without any are FAILED, not FILTERED.
 */
#ifndef GEN_GEN_IMAGEN_H
#define GEN_GEN_IMAGEN_H

#include "gen/gen.h"

extern const struct gen_dialect gen_imagen;

#endif
