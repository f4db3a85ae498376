/*
 * wire - Imagen's :predict request and reply, as bytes.  Pure.
 *
 * A prompt can ask for the faults that real models have, for tests and
 * demos, with words in square brackets: "[delay 5] [429] a robot".  One
 * table in wire.c has them all.  They are taken out before anything is
 * drawn; brackets around anything else are ordinary text.
 */
#ifndef SKETCH_WIRE_H
#define SKETCH_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

enum {
	WIRE_BODY_MAX = 64 * 1024,        /* of a request */
	WIRE_REPLY_MAX = 8 * 1024 * 1024, /* four cards are about 2 MB */
	WIRE_MODEL_MAX = 64,
	WIRE_DELAY_MAX_S = 600,
	WIRE_IMAGES_MAX = 4,
	WIRE_TIMEOUT_LEAST_S = 10 /* Google takes no shorter one */
};

enum wire_fault {
	WIRE_DELAY,
	WIRE_BUSY,
	WIRE_DAY,
	WIRE_FREE,
	WIRE_CREDITS,
	WIRE_BROKEN,
	WIRE_DOWN,
	WIRE_UNKNOWN,
	WIRE_FILTER,
	WIRE_MISS,
	WIRE_ERROR,
	WIRE_BLOCK,
	WIRE_CUT,
	WIRE_BASE64,
	WIRE_HTML,
	WIRE_HTML_404,
	WIRE_LIE,
	WIRE_BIG,
	WIRE_FAULTS
};

/* A row of the table: the word, what it does, and its number if any. */
struct wire_word {
	const char *word;     /* as in "[word]" or "[word 2]" */
	const char *sentence; /* for people */
	enum wire_fault what;
	int number_max;      /* 0: the word takes no number */
	bool number_must_be; /* "[delay]" says nothing      */
};

/* The row at that place, or NULL after the last. */
const struct wire_word *wire_word(size_t at);

struct wire_request {
	char model[WIRE_MODEL_MAX + 1];
	struct buf prompt;   /* owned; without the words in brackets */
	struct view caption; /* in prompt: without the usual frame   */
	int images;          /* 1 to WIRE_IMAGES_MAX                 */
	int width, height;
	uint32_t seed;
	bool asked[WIRE_FAULTS];
	int number[WIRE_FAULTS]; /* 0 when none was given */
};

#define WIRE_REQUEST_INIT                                                      \
	((struct wire_request){ .prompt = BUF_INIT(WIRE_BODY_MAX) })

/*
 * Checks an X-Server-Timeout header; empty: there was none.  FAULT_INPUT with
 * Google's words when it is no number of seconds, or below 10.
 */
int wire_check_timeout(struct view seconds, struct fault *f);

/*
 * Reads "/v1beta/models/NAME:predict" (a query is ignored) and the JSON
 * body.  Defaults are Imagen's: four images, 1:1.  Unknown fields and words
 * are refused as Google does it; parameters that do not matter to a drawing
 * have no effect; image/jpeg may be asked for, but image/png is what comes.
 * FAULT_ABSENT when the path is another's, FAULT_INPUT for the body, with the
 * text a client may read; FAULT_MEMORY.
 */
int wire_read(
    struct wire_request *r, struct view uri, struct view body, struct fault *f);
void wire_request_fini(struct wire_request *r);

struct wire_reply {
	int status;       /* HTTP */
	const char *type; /* a literal: its Content-Type */
	struct buf body;  /* owned */
};

#define WIRE_REPLY_INIT                                                        \
	((struct wire_reply){ .body = BUF_INIT(WIRE_REPLY_MAX) })

/*
 * Makes the empty reply what models.get says of the model at a path as above,
 * but without ":predict".  FAULT_ABSENT when the path is another's;
 * FAULT_MEMORY.
 */
int wire_describe(struct wire_reply *out, struct view uri, struct fault *f);

enum wire_refusal {
	WIRE_REFUSE_INPUT,
	WIRE_REFUSE_KEY,
	WIRE_REFUSE_ABSENT,
	WIRE_REFUSE_BUSY,
	WIRE_REFUSE_DAY,
	WIRE_REFUSE_FREE,
	WIRE_REFUSE_CREDITS,
	WIRE_REFUSE_BROKEN,
	WIRE_REFUSE_DOWN
};

/* Makes an error in Google's envelope of the empty reply. */
void wire_refuse(
    struct wire_reply *out, enum wire_refusal why, struct view message);

/*
 * Makes the empty reply the answer: drawn images, or what the faults asked
 * for say.  WIRE_DELAY, WIRE_CUT and WIRE_BIG are up to whoever sends it.
 * FAULT_MEMORY.
 */
int wire_answer(
    struct wire_reply *out, const struct wire_request *r, struct fault *f);

/* Appends the CGI header lines of a reply that is so long. */
void wire_head(const struct wire_reply *reply, struct buf *out);

void wire_reply_fini(struct wire_reply *reply);

#endif
