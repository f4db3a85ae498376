/*
 * exchange - one request and its reply, from its parameters to its line in
 * the log.
 *
 * Reads what an HTTP request carries beside its body: each reader checks
 * what it reads and names the field that is wrong.
 */
#ifndef APP_EXCHANGE_H
#define APP_EXCHANGE_H

#include "app/reply.h"
#include "app/timing.h"
#include "base/log.h"
#include "codec/ident.h"
#include "net/fcgi.h"

enum {
	EXCHANGE_PROMPT_LOGGED = 80, /* characters                  */
	EXCHANGE_QUERY_MAX = 1024    /* bytes of a decoded parameter */
};

struct exchange {
	struct fcgi *c;
	struct reply reply;
	struct timing timing;
	const char *route; /* its path in the table of routes, or "other" */
	struct view path;  /* raw, without the query */
	struct view rest;  /* of the path, after its route's own */
	struct view query; /* raw, without '?' */
	/* What the log needs after fcgi_finish has ended the parameters. */
	char request_id[IDENT_MAX + 1];
	char method[16];
	char pool[16]; /* which one nginx chose, or "" */
	char logged_path[LOG_TEXT_MAX];
	char prompt[EXCHANGE_PROMPT_LOGGED * 4 + 1];
	int images;
};

/* Takes the request in hand of c. */
void exchange_begin(struct exchange *x, struct fcgi *c);

/* Ends it and logs it; f: what went wrong, if anything did. */
void exchange_end(struct exchange *x, const struct fault *f);

/* Notes the beginning of a prompt, valid UTF-8, for the log. */
void exchange_note_prompt(struct exchange *x, struct view prompt);

/* The id that the rest of the path is.  FAULT_INPUT. */
int exchange_image_id(
    const struct exchange *x, struct image_id *out, struct fault *f);

/* The query's job_id, "" without one.  FAULT_INPUT. */
int exchange_job_id(
    const struct exchange *x, struct job_id *out, struct fault *f);

/* A parameter of the query, decoded into the empty out; *given is false
 * without it.  FAULT_INPUT with its name as field. */
int exchange_query(const struct exchange *x, const char *name, bool *given,
    struct buf *out, struct fault *f);

/* The query's redirect, false without one.  FAULT_INPUT, FAULT_RANGE. */
int exchange_redirect(const struct exchange *x, bool *out, struct fault *f);

/* Does the client name application/json itself (a wildcard does not count)
 * in Accept, and not only to refuse it (q=0)? */
bool exchange_wants_json(const struct exchange *x);

/* FAULT_MEDIA unless the body is said to be application/json. */
int exchange_must_be_json(const struct exchange *x, struct fault *f);

/* The API key that came as X-API-Key or Authorization: Bearer, empty
 * without one.  FAULT_KEYLESS when it is given twice, or as two. */
int exchange_api_key(
    const struct exchange *x, struct view *key, struct fault *f);

/* The Idempotency-Key, empty without one.  FAULT_INPUT. */
int exchange_key(const struct exchange *x, struct view *key, struct fault *f);

#endif
