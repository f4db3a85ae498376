/*
 * fault - what went wrong, once, with enough words to act on.
 *
 * A function that can fail returns 0 or -1 and takes a struct fault * as
 * its last parameter.  The struct lives on the stack of whoever wants to
 * know; it owns nothing.  The first fault wins: later ones on the way out
 * are consequences.  Callers branch on kind, never on text.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

#define FAULT(kind, word, http, shown) FAULT_##kind,
enum fault_kind {
	FAULT_NONE,
#include "base/fault.tbl.h"
};
#undef FAULT

struct fault {
	enum fault_kind kind;
	const char *field;  /* a literal: the input at fault, or NULL */
	const char *remedy; /* a literal: what to do, or NULL        */
	int retry_after_s;  /* when to come back; 0: nothing to say   */
	char text[480];
	char details[512]; /* what was got, or whose words; may be "" */
};

#define FAULT_INIT ((struct fault){ .kind = FAULT_NONE })

/* Record a failure.  Always returns -1, so that it can be returned. */
int fault_set(struct fault *f, enum fault_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the meaning of errno appended. */
int fault_sys(struct fault *f, enum fault_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * What errno says of work on a file: FAULT_FULL when disk, quota or a limit of
 * its size is used up, in a text that clients may read and that names no file;
 * FAULT_DISK for all else.
 */
int fault_disk(struct fault *f, const char *doing, const char *name);

/* Does that errno say that a disk, quota or file size is used up? */
bool fault_is_full(int error);

/* The same as fault_set, naming the input field at fault (a literal). */
int fault_in(struct fault *f, enum fault_kind kind, const char *field,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Say, in front of the text, what we were doing.  Always returns -1. */
int fault_while(struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Add what was got, unless details stand already.  Always returns -1. */
int fault_details(struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Say, behind the text, what somebody can do about it: a literal, or NULL for
 * nothing.  The first one stays.  Always returns -1. */
int fault_remedy(struct fault *f, const char *remedy);

/* The compiler sees that each result is -1: otherwise link-time optimization
 * takes what a failed function left unset for used. */
#define fault_set(...) (fault_set(__VA_ARGS__), -1)
#define fault_sys(...) (fault_sys(__VA_ARGS__), -1)
#define fault_disk(...) (fault_disk(__VA_ARGS__), -1)
#define fault_in(...) (fault_in(__VA_ARGS__), -1)
#define fault_while(...) (fault_while(__VA_ARGS__), -1)
#define fault_details(...) (fault_details(__VA_ARGS__), -1)
#define fault_remedy(...) (fault_remedy(__VA_ARGS__), -1)

const char *fault_word(enum fault_kind kind);
int fault_http(enum fault_kind kind);
bool fault_public(enum fault_kind kind);

/*
 * A broken promise inside this program, not a failure of the world: say
 * where, and stop.  Stays in release builds.  Never used on input.  Said in
 * a line of the log, so base/log has the function.
 */
#define MUST(cond)                                                             \
	((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__, __func__))

_Noreturn void must_failed(
    const char *cond, const char *file, int line, const char *func);

#endif
