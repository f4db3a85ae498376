/*
 * state - what the processes of one host tell each other: a small file,
 * mapped by all of them, in the folder of what lives as long as they do.
 *
 * Every word is one relaxed atomic: a reader sees an old or a new one,
 * never a torn one, and nobody waits.  What it holds is news, not truth:
 * losing it costs some questions to S3 and nothing else.  Times in it are
 * of the clock that only grows, and begins anew with the host: one that is
 * later than now counts as none.  So that none from before a restart is ever
 * taken for new, the folder should be one that a restart empties.
 */
#ifndef BASE_STATE_H
#define BASE_STATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

enum {
	STATE_FRESH_MS = 5000,         /* older news of S3 is none          */
	STATE_ABSENT_MS = 5000,        /* so long is "not there" believed,
					  give or take 5%                   */
	STATE_OFFSET_MAX_DAYS = 36525, /* a clock offset over it is none   */
	STATE_CLOCK_SET_MS = 2000,     /* our clock moved by more: was set */
	STATE_REGION_SIZE = 64         /* of a region's name and its NUL     */
};

struct state; /* opaque; may be shared by threads and processes */

/*
 * Opens folder/state, making both when needed (0750 and 0600).  A file of
 * another layout or size, one that we may not open, a link, a pipe or a
 * socket of that name is made anew, and the drafts of those who died making
 * it are swept: the processes that have the old one mapped go on with it.  Who
 * come at once get the same file; for that they wait on a lock of the folder,
 * at most five seconds.  FAULT_DISK, FAULT_FULL, FAULT_MEMORY.
 *
 * The folder is the administrator's and ours: who makes the file shorter
 * while it is mapped kills those who read it (SIGBUS).
 */
int state_open(struct state **out, const char *folder, struct fault *f);
void state_close(struct state **s);

/*
 * For who has other settings than the service, perhaps, as an operator's
 * command: hears what the others tell, and what it tells itself stays with
 * it.  Makes nothing: without a file that it may read, nothing is known.
 * FAULT_MEMORY.
 */
int state_listen(struct state **out, const char *folder, struct fault *f);

/*
 * Goes over to the file that has the name now, or makes one, as state_open
 * does: whoever did not begin with it hears no more news from those who did.
 * After a failure, which is as state_open's, the old file is kept.  No other
 * thread may use s meanwhile.  Who listens stays where it is.
 */
int state_follow(struct state *s, const char *folder, struct fault *f);

enum state_storage {
	STATE_UNKNOWN, /* no news within STATE_FRESH_MS: taken as up */
	STATE_UP,
	STATE_DOWN,  /* unreachable, silent, or answering 5xx      */
	STATE_DENIED /* refuses our keys, or knows no such bucket  */
};

/* Somebody has just asked S3, and this came of it (never UNKNOWN). */
void state_tell_storage(struct state *s, enum state_storage now);
enum state_storage state_storage(const struct state *s);
const char *state_storage_word(enum state_storage storage); /* "up" */

/*
 * Milliseconds since the last news, however old, and since the last that
 * was unlike the one before (the first news is); -1: none.
 */
int64_t state_news_age_ms(const struct state *s);
int64_t state_change_age_ms(const struct state *s);

/* What to add to our clock to have S3's; 0 until somebody learnt it, and
 * again once our clock was set or the host began anew.  One of over
 * STATE_OFFSET_MAX_DAYS, either way, is not learnt. */
void state_tell_clock_offset(struct state *s, int64_t offset_ms);
int64_t state_clock_offset_ms(const struct state *s);

/*
 * The region that S3 named to somebody with the settings that `whose` stands
 * for; others do not hear of it.  Telling is true when it was news.  region
 * is shorter than STATE_REGION_SIZE; without one, false and out is "".
 */
bool state_tell_region(struct state *s, struct view whose, const char *region);
bool state_region(
    const struct state *s, struct view whose, char out[STATE_REGION_SIZE]);

/*
 * Names that S3 was asked for and does not have.  A fixed table of
 * fingerprints (their hash is seeded, so nobody can choose collisions): of
 * three that meet in one place it forgets the oldest, so of a thousand names
 * some thirty.  Any length; one name is taken for another once in 2^31.
 */
void state_note_absent(struct state *s, struct view name);
bool state_is_absent(const struct state *s, struct view name);

#endif
