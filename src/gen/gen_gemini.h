/*
 * gen_gemini - Gemini's :generateContent dialect: one image a call.
 *
 * The image is the last inlineData part that is not a thought.  A 200
 * without one is FILTERED, whatever it gives as its reason: a blockReason,
 * a finishReason, text instead of an image, or nothing.
 */
#ifndef GEN_GEN_GEMINI_H
#define GEN_GEN_GEMINI_H

#include "gen/gen.h"

extern const struct gen_dialect gen_gemini;

#endif
