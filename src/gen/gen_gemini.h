/*
 * gen_gemini - Gemini's :generateContent dialect: one image a call.
 *
 * The image is the last inlineData part that is not a thought.  A 200
 * without one is an outcome of its own: promptFeedback.blockReason, a
 * finishReason other than STOP, or text only (a refusal) is FILTERED when
 * it names a policy, FAILED when it does not (NO_IMAGE, IMAGE_OTHER, OTHER,
 * MAX_TOKENS, LANGUAGE).
 */
#ifndef GEN_GEN_GEMINI_H
#define GEN_GEN_GEMINI_H

#include "gen/gen.h"

extern const struct gen_dialect gen_gemini;

#endif
