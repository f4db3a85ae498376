/*
 * shared - a small file of one layout, mapped by all processes that share it.
 *
 * Its words are relaxed atomics of whoever owns the layout: a reader sees an
 * old or a new one, never a torn one, and nobody waits.  Making it is the
 * one thing that is done under a lock, that of its folder: who come at once
 * get the same file, and none sees it half made.
 *
 * The folder is the administrator's and ours: who makes the file shorter
 * while it is mapped kills those who read it (SIGBUS).
 */
#ifndef BASE_SHARED_H
#define BASE_SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/fault.h"

typedef _Atomic uint64_t shared_word;

/* What has no lock in it can be shared by processes. */
_Static_assert(ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2 &&
		   sizeof(shared_word) == sizeof(uint64_t),
    "words of 64 bits need no lock");

/* How every such file begins. */
struct shared_head {
	uint64_t magic;
	uint32_t version;
	uint32_t size; /* of the whole file */
};

/* A layout; what is in a fresh file behind its head is 0. */
struct shared_kind {
	const char *name; /* of the file in its folder */
	struct shared_head head;
	void (*begin)(void *fresh); /* writes what is not 0; or NULL */
};

enum shared_how {
	SHARED_OWN,  /* made anew when it is of another layout or none */
	SHARED_MEET, /* made when there is none; another one stays     */
	SHARED_JOIN  /* never made                                     */
};

/*
 * Maps folder/name, making it as `how` says (0600; the folder 0750).  A file
 * of another layout or size, one that we may not open, a link, a pipe or a
 * socket of that name is another one; those that have it mapped go on with
 * it when it is made anew, and the drafts of those who died making it are
 * swept.  For making it others are waited for, five seconds at most.
 * FAULT_ABSENT when it is not there and not to be made, FAULT_DISK,
 * FAULT_FULL, FAULT_MEMORY.  The map is ended by shared_close; fd, unless
 * NULL, gets the open file, which is then the caller's.
 */
int shared_open(const struct shared_kind *kind, const char *folder,
    enum shared_how how, void **map, int *fd, struct fault *f);

/* A copy that hears what the others write until its own first write to the
 * same page, and that they hear nothing of: of a fresh file when there is
 * none that we may read.  FAULT_MEMORY. */
int shared_listen(const struct shared_kind *kind, const char *folder,
    void **map, struct fault *f);

/* Safe on NULL. */
void shared_close(const struct shared_kind *kind, void *map);

static inline uint64_t
shared_read(const shared_word *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static inline void
shared_write(shared_word *w, uint64_t value)
{
	atomic_store_explicit(w, value, memory_order_relaxed);
}

static inline void
shared_add(shared_word *w, uint64_t n)
{
	(void)atomic_fetch_add_explicit(w, n, memory_order_relaxed);
}

#endif
