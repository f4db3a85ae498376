/*
 * gen_gemini - Gemini's :generateContent dialect: one image a call.
 *
 * The image is the last inlineData part that is not a thought.  A 200
 * without one is FILTERED if it names a refusal: a blockReason, a finishReason
 * of safety, rights or personal data, or text in place of an image.  Any other
 * is FAILED: NO_IMAGE, OTHER, MAX_TOKENS, an unknown word, or nothing at all.
 */
#ifndef GEN_GEN_GEMINI_H
#define GEN_GEN_GEMINI_H

#include "gen/gen.h"

extern const struct gen_dialect gen_gemini;

#endif
