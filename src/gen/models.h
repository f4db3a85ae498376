/*
 * models - asks the first model of the list that can answer.
 *
 * A model's name chooses its dialect (imagen-* speaks :predict, gemini-*
 * :generateContent).  One of which Google says that it is not found is left
 * out for MODELS_GONE_MS, as long as another one answers: when no other is
 * left it is asked again, which costs nothing.  Sent again within the deadline,
 * and for as long as the images are wanted: 429 and 503 when gen_wait_ms says
 * so, and 500 once; never after a timeout or a connection that broke once some
 * of the request was sent, for that may have been paid for.
 *
 * Each attempt tells the API how long it has, in X-Server-Timeout: never less
 * than the dialect's floor.  At googleapis.com, which refuses less, no attempt
 * begins with less than that left: the last fault and its retry_after_s stand.
 */
#ifndef GEN_MODELS_H
#define GEN_MODELS_H

#include <stdint.h>

#include "base/secret.h"
#include "gen/gen.h"

/* Behind the address, in front of a model's name. */
#define MODELS_PATH "/v1beta/models/"

enum {
	MODELS_MAX = 8,
	MODELS_GONE_MS = 3600 * 1000,
	/* The shortest deadline of a generation at googleapis.com: the floor,
	 * and time for a connection and for a retry. */
	MODELS_GOOGLE_DEADLINE_S = GEN_GOOGLE_FLOOR_S + 5
};

/* Is the address ("https://host[:port]") googleapis.com or a name below it? */
bool models_is_google(const char *base_url);

struct models; /* opaque; one thread at a time */

struct models_setup {
	struct view list;         /* "imagen-a,gemini-b": tried in order    */
	const char *base_url;     /* "https://host", no slash at the end    */
	const char *unix_socket;  /* connect there instead; "" for TCP      */
	const struct secret *key; /* sent as x-goog-api-key; outlives us    */
};

/*
 * FAULT_INPUT: the list (field "IMAGE_MODELS") is empty, too long, or names
 * a model of no known dialect; the address is too long; the key (without
 * the blanks around it) is too long or has a control byte inside.  Libcurl is
 * not initialised before the first ask, so an idle worker stays small.
 */
int models_open(
    struct models **out, const struct models_setup *setup, struct fault *f);
void models_close(struct models **m);

/* What a model answered.  Ended by models_answer_fini, also after faults. */
struct models_answer {
	char model[64]; /* which one it was                               */
	int count;      /* images asked for; each has its outcome         */
	struct gen_image images[GEN_IMAGES_MAX];
	bool maybe_paid; /* unless every attempt was surely free; meaningful
			  * after a fault, too */
	struct models_docs *docs; /* owns what images[] point to          */
};

#define MODELS_ANSWER_INIT ((struct models_answer){ .docs = NULL })

/*
 * 0: at least one call was answered with 200, and every image has its
 * outcome, even if none is OK.  -1: no call was; f is the first call's
 * fault as gen_refusal and net/http have it, and REMOTE when every model,
 * each asked once, is gone or when no key is set, SLOW when a model was gone
 * and too little time was left for the next, or PEER when the images are no
 * longer wanted and one more attempt was due.  deadline_ms is in
 * clock_ticks_ms.
 */
int models_ask(struct models *m, const struct gen_ask *ask, int64_t deadline_ms,
    struct models_answer *answer, struct fault *f);
void models_answer_fini(struct models_answer *answer);

#endif
