/*
 * answer - the 200 of a generation, streamed with its exact length.
 *
 * The base64 goes out from where it lies in the model's reply, or is made
 * from the file as it is read (a replay); the document as a whole is never
 * in memory.
 */
#ifndef APP_ANSWER_H
#define APP_ANSWER_H

#include "app/generate.h"
#include "app/reply.h"
#include "disk/store.h"

/*
 * Sends the reply.  Fails only before its first byte (FAULT_MEMORY); a file
 * that cannot be read later cuts it off, so that it does not look whole.
 */
int answer_generate(struct reply *r, struct store *store,
    const struct generate_result *result, bool include_base64, struct fault *f);

#endif
