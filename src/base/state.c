#include "base/state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/shared.h"

enum {
	LAYOUT_VERSION = 3, /* another one for every change of the layout   */
	ABSENT_SLOTS = 4096,
	REGION_WORDS = STATE_REGION_SIZE / 8,
	VERDICT_BITS = 2,
	ABSENT_UNIT_BITS = 7, /* times of absence count 128 ms              */
	ABSENT_UNITS = STATE_ABSENT_MS >> ABSENT_UNIT_BITS
};

typedef shared_word word;

/*
 * The file.  A verdict and its time are one word, so that nobody reads one
 * without the other: milliseconds << VERDICT_BITS | enum state_storage.  A
 * word of zeros is what nobody has written yet.
 */
struct layout {
	struct shared_head head;
	uint64_t seed[2]; /* of the fingerprints; other in every file */
	word news;        /* the last verdict and when it came        */
	word change;      /* the first that was like it               */
	word clock_offset_ms;
	word clock_gap_ms; /* our two clocks, apart, when it was learnt */
	word region_check; /* of region and whose; a torn one does not fit */
	word region[REGION_WORDS];
	word absent[ABSENT_SLOTS]; /* tag << 32 | time in units        */
};

_Static_assert(STATE_DENIED >> VERDICT_BITS == 0, "a verdict fits its bits");
_Static_assert(
    sizeof(struct layout) == 72 + STATE_REGION_SIZE + 8 * ABSENT_SLOTS,
    "no padding");

struct state {
	struct layout *file; /* mapped, ours to unmap     */
	bool listens;        /* what we write stays with us */
};

static void
begin(void *fresh)
{
	struct layout *file = fresh;

	MUST(getrandom(file->seed, sizeof file->seed, 0) ==
	     (ssize_t)sizeof file->seed);
}

static const struct shared_kind kind = { "state",
	{ UINT64_C(0x6574617473666572) /* "refstate" */, LAYOUT_VERSION,
	    sizeof(struct layout) },
	begin };

/* For hearing the others alone, or for telling them, too. */
static int
hold(struct state **out, bool listens, const char *folder, struct fault *f)
{
	struct state *s = calloc(1, sizeof *s);
	void *map;
	int rc;

	if (s == NULL)
		return fault_set(f, FAULT_MEMORY, "open the state");
	rc = listens ? shared_listen(&kind, folder, &map, f)
		     : shared_open(&kind, folder, SHARED_OWN, &map, NULL, f);
	if (rc == -1) {
		free(s);
		return -1;
	}
	*s = (struct state){ map, listens };
	*out = s;
	return 0;
}

int
state_open(struct state **out, const char *folder, struct fault *f)
{
	return hold(out, false, folder, f);
}

int
state_listen(struct state **out, const char *folder, struct fault *f)
{
	return hold(out, true, folder, f);
}

int
state_follow(struct state *s, const char *folder, struct fault *f)
{
	void *map;

	if (s->listens)
		return 0;
	if (shared_open(&kind, folder, SHARED_OWN, &map, NULL, f) == -1)
		return -1;
	shared_close(&kind, s->file);
	s->file = map;
	return 0;
}

void
state_close(struct state **s)
{
	if (*s == NULL)
		return;
	shared_close(&kind, (*s)->file);
	free(*s);
	*s = NULL;
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
		shared_write(&s->file->change, news);
}

enum state_storage
state_storage(const struct state *s)
{
	const uint64_t news = shared_read(&s->file->news);
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
	return age_ms(shared_read(&s->file->news));
}

int64_t
state_change_age_ms(const struct state *s)
{
	return age_ms(shared_read(&s->file->change));
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
	shared_write(&s->file->clock_gap_ms, (uint64_t)clock_gap_ms());
	shared_write(&s->file->clock_offset_ms, (uint64_t)offset_ms);
}

int64_t
state_clock_offset_ms(const struct state *s)
{
	const int64_t offset_ms =
	    (int64_t)shared_read(&s->file->clock_offset_ms);
	uint64_t moved_ms; /* either way: a negative one wraps */

	/* Asked before each signature, and most clocks are right. */
	if (offset_ms == 0 || !is_offset(offset_ms))
		return 0;
	moved_ms =
	    (uint64_t)clock_gap_ms() - shared_read(&s->file->clock_gap_ms);
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
		shared_write(&s->file->region[i], words[i]);
	return atomic_exchange_explicit(&s->file->region_check, check,
		   memory_order_relaxed) != check;
}

bool
state_region(
    const struct state *s, struct view whose, char out[STATE_REGION_SIZE])
{
	const uint64_t check = shared_read(&s->file->region_check);
	uint64_t words[REGION_WORDS];
	size_t i;

	out[0] = '\0';
	if (check == 0) /* none was told; asked before each signature */
		return false;
	for (i = 0; i < REGION_WORDS; i++)
		words[i] = shared_read(&s->file->region[i]);
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
	const uint64_t a = shared_read(first), b = shared_read(second);
	word *at;

	if (tag_in(a) == m.tag)
		at = first;
	else if (tag_in(b) == m.tag)
		at = second;
	else
		at = age_units(b) > age_units(a) ? second : first;
	shared_write(at, (uint64_t)m.tag << 32 | units_now());
}

bool
state_is_absent(const struct state *s, struct view name)
{
	const struct mark m = mark_of(s, name);
	uint64_t absent;
	size_t i;

	for (i = 0; i < 2; i++) {
		absent = shared_read(&s->file->absent[m.slots[i]]);
		if (tag_in(absent) == m.tag &&
		    age_units(absent) <= ABSENT_UNITS)
			return true;
	}
	return false;
}
