#include "base/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

enum {
	LAYOUT_VERSION = 3, /* another one for every change of the layout   */
	ABSENT_SLOTS = 4096,
	REGION_WORDS = STATE_REGION_SIZE / 8,
	FILE_MODE = 0600,
	LOCK_WAIT_MS = 5000, /* for another process that makes the file     */
	LOCK_STEP_MS = 5,
	VERDICT_BITS = 2,
	ABSENT_UNIT_BITS = 7, /* times of absence count 128 ms              */
	ABSENT_UNITS = STATE_ABSENT_MS >> ABSENT_UNIT_BITS
};

static const char file_name[] = "state";
static const uint64_t magic = UINT64_C(0x6574617473666572); /* "refstate" */

typedef _Atomic uint64_t word;

/*
 * The file.  A verdict and its time are one word, so that nobody reads one
 * without the other: milliseconds << VERDICT_BITS | enum state_storage.  A
 * word of zeros is what nobody has written yet.
 */
struct layout {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint64_t seed[2]; /* of the fingerprints; other in every file */
	word news;        /* the last verdict and when it came        */
	word change;      /* the first that was like it               */
	word clock_offset_ms;
	word clock_gap_ms; /* our two clocks, apart, when it was learnt */
	word region_check; /* of region and whose; a torn one does not fit */
	word region[REGION_WORDS];
	word absent[ABSENT_SLOTS]; /* tag << 32 | time in units        */
};

/* What has no lock in it can be shared by processes. */
_Static_assert(ATOMIC_LONG_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2 &&
		   sizeof(word) == sizeof(uint64_t),
    "words of 64 bits need no lock");
_Static_assert(STATE_DENIED >> VERDICT_BITS == 0, "a verdict fits its bits");
_Static_assert(
    sizeof(struct layout) == 72 + STATE_REGION_SIZE + 8 * ABSENT_SLOTS,
    "no padding");

struct state {
	struct layout *file; /* mapped, ours to unmap     */
	bool listens;        /* what we write stays with us */
};

static int
failed(struct fault *f, const char *doing)
{
	return fault_sys(f, errno == ENOMEM ? FAULT_MEMORY : FAULT_DISK,
	    "%s %s", doing, file_name);
}

/* Maps the open file, as `sharing` says (see mmap): NULL, without a fault,
 * when it is not of our layout. */
static int
map_open(struct layout **out, int fd, int sharing, struct fault *f)
{
	struct layout *file;
	struct stat st;

	*out = NULL;
	if (fstat(fd, &st) == -1)
		return failed(f, "look at");
	if (!S_ISREG(st.st_mode) || st.st_size != sizeof *file)
		return 0;
	file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, sharing, fd, 0);
	if (file == MAP_FAILED)
		return failed(f, "map");
	if (file->magic == magic && file->version == LAYOUT_VERSION &&
	    file->size == sizeof *file)
		*out = file;
	else
		(void)munmap(file, sizeof *file);
	return 0;
}

/* Maps the file of that name: NULL, without a fault, when there is none of
 * our layout, or one that is somebody else's. */
static int
map_named(struct layout **out, int dir, struct fault *f)
{
	/* O_NONBLOCK: opening a pipe of that name must not wait. */
	const int fd = openat(
	    dir, file_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc;

	*out = NULL;
	if (fd == -1 && (errno == ENOENT || errno == ELOOP || errno == ENXIO ||
			    errno == EACCES))
		return 0;
	if (fd == -1)
		return failed(f, "open");
	rc = map_open(out, fd, MAP_SHARED, f);
	(void)close(fd);
	return rc;
}

static void
begin(struct layout *fresh)
{
	fresh->magic = magic;
	fresh->version = LAYOUT_VERSION;
	fresh->size = sizeof *fresh;
	MUST(getrandom(fresh->seed, sizeof fresh->seed, 0) ==
	     (ssize_t)sizeof fresh->seed);
}

/* Makes the file under its name, where there is none or a useless one; the
 * folder is locked. */
static int
make_named(int dir, struct fault *f)
{
	struct layout *fresh = calloc(1, sizeof *fresh);
	struct file_draft d = FILE_DRAFT_INIT;
	int rc = -1;

	if (fresh == NULL)
		return fault_set(f, FAULT_MEMORY, "make %s", file_name);
	begin(fresh);
	file_sweep_drafts(dir);
	if (file_draft_open(&d, dir, f) == -1)
		goto out;
	if (fchmod(d.fd, FILE_MODE) == -1 ||
	    (unlinkat(dir, file_name, 0) == -1 && errno != ENOENT)) {
		(void)failed(f, "replace");
		goto out;
	}
	if (file_draft_write(&d,
		(struct view){ (const char *)fresh, sizeof *fresh }, f) == -1)
		goto out;
	rc = file_draft_publish(&d, file_name, f);
out:
	file_draft_fini(&d);
	free(fresh);
	return rc;
}

/* Waits until no other process makes the file.  Closing dir unlocks it. */
static int
lock_folder(int dir, struct fault *f)
{
	const int64_t deadline_ms = clock_ticks_ms() + LOCK_WAIT_MS;

	while (flock(dir, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return failed(f, "lock the folder of");
		if (clock_ticks_ms() >= deadline_ms)
			return fault_set(f, FAULT_DISK,
			    "the folder of %s was locked for %d ms", file_name,
			    LOCK_WAIT_MS);
		clock_sleep_ms(LOCK_STEP_MS);
	}
	return 0;
}

/*
 * All that make the file do it under the lock, after one more look: so the
 * name leads to one file for everybody who comes, and it is never half made.
 */
static int
map_or_make(struct layout **out, int dir, struct fault *f)
{
	if (map_named(out, dir, f) == -1)
		return -1;
	if (*out != NULL)
		return 0;
	if (lock_folder(dir, f) == -1 || map_named(out, dir, f) == -1)
		return -1;
	if (*out != NULL)
		return 0;
	if (make_named(dir, f) == -1 || map_named(out, dir, f) == -1)
		return -1;
	return *out != NULL ? 0
			    : fault_set(f, FAULT_DISK,
				  "%s is not what was made", file_name);
}

static int
map_in(struct layout **out, const char *folder, struct fault *f)
{
	struct fault none = FAULT_INIT;
	int dir = -1, rc = -1;

	/* Making folders syncs them, which is not for every look. */
	if (file_open_folder(folder, &dir, &none) == 0 ||
	    (file_make_folders(folder, f) == 0 &&
		file_open_folder(folder, &dir, f) == 0))
		rc = map_or_make(out, dir, f);
	if (dir != -1)
		(void)close(dir);
	return rc == 0 ? 0 : fault_while(f, "open the state file");
}

int
state_open(struct state **out, const char *folder, struct fault *f)
{
	struct state *s = calloc(1, sizeof *s);

	if (s == NULL)
		return fault_set(f, FAULT_MEMORY, "open %s", file_name);
	if (map_in(&s->file, folder, f) == -1) {
		free(s);
		return -1;
	}
	*out = s;
	return 0;
}

/* What is there, for reading; or NULL. */
static struct layout *
map_aside(const char *folder)
{
	struct fault none = FAULT_INIT;
	struct layout *file = NULL;
	int dir = -1, fd;

	if (file_open_folder(folder, &dir, &none) == -1)
		return NULL;
	fd = openat(
	    dir, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	(void)close(dir);
	if (fd == -1)
		return NULL;
	(void)map_open(&file, fd, MAP_PRIVATE, &none);
	(void)close(fd);
	return file;
}

int
state_listen(struct state **out, const char *folder, struct fault *f)
{
	struct state *s = calloc(1, sizeof *s);

	if (s == NULL)
		return fault_set(f, FAULT_MEMORY, "open %s", file_name);
	s->listens = true;
	s->file = map_aside(folder);
	if (s->file == NULL) {
		s->file = mmap(NULL, sizeof *s->file, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->file == MAP_FAILED) {
			free(s);
			return failed(f, "map");
		}
		begin(s->file);
	}
	*out = s;
	return 0;
}

int
state_follow(struct state *s, const char *folder, struct fault *f)
{
	struct layout *file;

	if (s->listens)
		return 0;
	if (map_in(&file, folder, f) == -1)
		return -1;
	(void)munmap(s->file, sizeof *s->file);
	s->file = file;
	return 0;
}

void
state_close(struct state **s)
{
	if (*s == NULL)
		return;
	(void)munmap((*s)->file, sizeof *(*s)->file);
	free(*s);
	*s = NULL;
}

static uint64_t
read_word(const word *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static void
write_word(word *w, uint64_t value)
{
	atomic_store_explicit(w, value, memory_order_relaxed);
}

static enum state_storage
verdict_in(uint64_t verdict)
{
	return (enum state_storage)(verdict & ((1u << VERDICT_BITS) - 1));
}

/* Milliseconds since the verdict in the word, or -1 when it holds none.
 * The word was read before the clock is: else news could be of the future
 * when it is only new. */
static int64_t
age_ms(uint64_t verdict)
{
	const int64_t then_ms = (int64_t)(verdict >> VERDICT_BITS);
	const int64_t now_ms = clock_ticks_ms();

	if (verdict_in(verdict) == STATE_UNKNOWN || then_ms > now_ms)
		return -1;
	return now_ms - then_ms;
}

void
state_tell_storage(struct state *s, enum state_storage now)
{
	const uint64_t news =
	    (uint64_t)clock_ticks_ms() << VERDICT_BITS | (uint64_t)now;
	uint64_t before;

	MUST(now > STATE_UNKNOWN && now <= STATE_DENIED);
	before = atomic_exchange_explicit(
	    &s->file->news, news, memory_order_relaxed);
	if (verdict_in(before) != now || age_ms(before) == -1 ||
	    state_change_age_ms(s) == -1)
		write_word(&s->file->change, news);
}

enum state_storage
state_storage(const struct state *s)
{
	const uint64_t news = read_word(&s->file->news);
	const int64_t age = age_ms(news);

	return age == -1 || age > STATE_FRESH_MS ? STATE_UNKNOWN
						 : verdict_in(news);
}

const char *
state_storage_word(enum state_storage storage)
{
	static const char *const words[] = {
		[STATE_UNKNOWN] = "unknown",
		[STATE_UP] = "up",
		[STATE_DOWN] = "down",
		[STATE_DENIED] = "denied",
	};

	MUST((size_t)storage < sizeof words / sizeof words[0]);
	return words[storage];
}

int64_t
state_news_age_ms(const struct state *s)
{
	return age_ms(read_word(&s->file->news));
}

int64_t
state_change_age_ms(const struct state *s)
{
	return age_ms(read_word(&s->file->change));
}

/* A clock may be wrong by decades, but a sum with it must not overflow. */
static bool
is_offset(int64_t offset_ms)
{
	const int64_t max_ms = INT64_C(86400000) * STATE_OFFSET_MAX_DAYS;

	return offset_ms >= -max_ms && offset_ms <= max_ms;
}

/* Changes only when our clock is set, and when the host begins anew. */
static int64_t
clock_gap_ms(void)
{
	return clock_now_ms() - clock_ticks_ms();
}

void
state_tell_clock_offset(struct state *s, int64_t offset_ms)
{
	if (!is_offset(offset_ms))
		return;
	write_word(&s->file->clock_gap_ms, (uint64_t)clock_gap_ms());
	write_word(&s->file->clock_offset_ms, (uint64_t)offset_ms);
}

int64_t
state_clock_offset_ms(const struct state *s)
{
	const int64_t offset_ms = (int64_t)read_word(&s->file->clock_offset_ms);
	uint64_t moved_ms; /* either way: a negative one wraps */

	/* Asked before each signature, and most clocks are right. */
	if (offset_ms == 0 || !is_offset(offset_ms))
		return 0;
	moved_ms = (uint64_t)clock_gap_ms() - read_word(&s->file->clock_gap_ms);
	return moved_ms + STATE_CLOCK_SET_MS <= 2 * STATE_CLOCK_SET_MS
		   ? offset_ms
		   : 0;
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void
sip_block(uint64_t v[4], uint64_t block)
{
	v[3] ^= block;
	sip_round(v);
	sip_round(v);
	v[0] ^= block;
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012): without the seed, names that
 * collide cannot be chosen. */
static uint64_t
sip_hash(const uint64_t seed[2], struct view name)
{
	uint64_t v[4] = { seed[0] ^ UINT64_C(0x736f6d6570736575),
		seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261),
		seed[1] ^ UINT64_C(0x7465646279746573) };
	uint64_t block = 0;
	size_t i;

	for (i = 0; i < name.n; i++) {
		block |= (uint64_t)(unsigned char)name.p[i] << 8 * (i % 8);
		if (i % 8 == 7) {
			sip_block(v, block);
			block = 0;
		}
	}
	sip_block(v, block | (uint64_t)name.n << 56);
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t
region_check(const struct state *s, struct view whose,
    const uint64_t region[REGION_WORDS])
{
	return sip_hash(s->file->seed, whose) ^
	       sip_hash(s->file->seed,
		   (struct view){ (const char *)region, STATE_REGION_SIZE });
}

bool
state_tell_region(struct state *s, struct view whose, const char *region)
{
	const size_t n = strlen(region);
	uint64_t words[REGION_WORDS] = { 0 };
	uint64_t check;
	size_t i;

	MUST(n > 0 && n < STATE_REGION_SIZE);
	memcpy(words, region, n);
	check = region_check(s, whose, words);
	for (i = 0; i < REGION_WORDS; i++)
		write_word(&s->file->region[i], words[i]);
	return atomic_exchange_explicit(&s->file->region_check, check,
		   memory_order_relaxed) != check;
}

bool
state_region(
    const struct state *s, struct view whose, char out[STATE_REGION_SIZE])
{
	const uint64_t check = read_word(&s->file->region_check);
	uint64_t words[REGION_WORDS];
	size_t i;

	out[0] = '\0';
	if (check == 0) /* none was told; asked before each signature */
		return false;
	for (i = 0; i < REGION_WORDS; i++)
		words[i] = read_word(&s->file->region[i]);
	if (check != region_check(s, whose, words))
		return false;
	memcpy(out, words, STATE_REGION_SIZE);
	out[STATE_REGION_SIZE - 1] = '\0';
	return out[0] != '\0';
}

/* Where a name may stand, and how it looks there.  A tag is never 0, so
 * that no word of zeros is a name. */
struct mark {
	size_t slots[2];
	uint32_t tag;
};

static struct mark
mark_of(const struct state *s, struct view name)
{
	const uint64_t hash = sip_hash(s->file->seed, name);
	const size_t slot = (size_t)(hash % ABSENT_SLOTS);
	const uint32_t tag = (uint32_t)(hash >> 32);

	return (struct mark){ { slot, slot ^ 1 }, tag == 0 ? 1 : tag };
}

static uint32_t
tag_in(uint64_t absent)
{
	return (uint32_t)(absent >> 32);
}

static uint32_t
units_now(void)
{
	return (uint32_t)(clock_ticks_ms() >> ABSENT_UNIT_BITS);
}

/* A time later than now, from before a restart, wraps to a great age; that
 * of an empty slot is the time since the restart. */
static uint32_t
age_units(uint64_t absent)
{
	return units_now() - (uint32_t)absent;
}

void
state_note_absent(struct state *s, struct view name)
{
	const struct mark m = mark_of(s, name);
	word *const first = &s->file->absent[m.slots[0]];
	word *const second = &s->file->absent[m.slots[1]];
	const uint64_t a = read_word(first), b = read_word(second);
	word *at;

	if (tag_in(a) == m.tag)
		at = first;
	else if (tag_in(b) == m.tag)
		at = second;
	else
		at = age_units(b) > age_units(a) ? second : first;
	write_word(at, (uint64_t)m.tag << 32 | units_now());
}

bool
state_is_absent(const struct state *s, struct view name)
{
	const struct mark m = mark_of(s, name);
	uint64_t absent;
	size_t i;

	for (i = 0; i < 2; i++) {
		absent = read_word(&s->file->absent[m.slots[i]]);
		if (tag_in(absent) == m.tag &&
		    age_units(absent) <= ABSENT_UNITS)
			return true;
	}
	return false;
}
