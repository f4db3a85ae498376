/*
 * person - a user of this host: what the kernel lets them do with files.
 *
 * Who was started by root can try it as that user; anybody else must judge by
 * the modes, which know nothing of access lists or capabilities.
 */
#ifndef BASE_PERSON_H
#define BASE_PERSON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/fault.h"

enum {
	PERSON_GROUPS_MAX = 64,
	PERSON_NAME_SIZE = 33,
	PERSON_OWNERS_SIZE = 2 * PERSON_NAME_SIZE + 8
};

struct person {
	uid_t uid;
	gid_t gid;
	gid_t groups[PERSON_GROUPS_MAX];
	int groups_n;
	char name[PERSON_NAME_SIZE]; /* or the number */
};

/* The user of that number, with the groups of the user database, and the
 * user of that name: false when there is none. */
void person_of_uid(struct person *out, uid_t uid);
bool person_named(struct person *out, const char *name);

/* "OWNER:GROUP MODE" of a file, names where there are any: out. */
const char *person_owners(char out[PERSON_OWNERS_SIZE], const struct stat *st);

/* The users whose group that is, root excepted; at most max: how many. */
size_t person_members(gid_t gid, struct person *out, size_t max);

/* Whose process it is, with the groups that it has: false when it is gone. */
bool person_of_process(struct person *out, pid_t pid);

/* Do we act as that person?  Could we? */
bool person_is_us(const struct person *p);
bool person_can_be(const struct person *p);

/*
 * From here on we act as that person (effective user, group and groups), so
 * that what somebody else prepared for root to stumble over is theirs alone;
 * person_do still knows that root started us.  FAULT_DENIED.
 */
int person_act_as(const struct person *p, struct fault *f);

/* The same for good: nobody whom we start can be root again, nor we. */
int person_become(const struct person *p, struct fault *f);

enum { PERSON_PASS = 1, PERSON_WRITE = 2, PERSON_READ = 4 };

/* Do owner, group and mode of a file allow that (bits of the above)? */
bool person_may(const struct person *p, const struct stat *st, int what);

/*
 * May the person read the file (PERSON_READ) or connect to the socket
 * (PERSON_WRITE) at the absolute path, and pass all folders on the way?
 * Tried as that person when we can be them, else judged by the modes.
 * FAULT_DENIED names the first obstacle, its owner, group and mode.
 */
int person_reaches(
    const struct person *p, const char *path, int what, struct fault *f);

/*
 * Has the deed done as that person: by us, or by a child, which is killed
 * when it takes longer than PERSON_WAIT_MS (FAULT_SLOW).  Its fault is handed
 * over.  FAULT_DENIED when we cannot be them.
 */
enum { PERSON_WAIT_MS = 5000 };
typedef int person_deed(const void *arg, struct fault *f);
int person_do(const struct person *p, person_deed *deed, const void *arg,
    struct fault *f);

#endif
