#include "base/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "folder.h"

enum {
	PATH_SIZE = 512,
	NAME_SIZE = 64,
	/* Of 64 bits: the table, and what is before it. */
	FILE_WORDS = 4096 + 9 + STATE_REGION_SIZE / 8,
	CLOCK_GAP = 7, /* the word of the moment an offset was learnt   */
	BYTES = 8 * FILE_WORDS,
	SOMEBODY = 65534,
	PROCESSES = 4,
	ROUNDS = 30,
	STORM = 400000
};

/* Each test has a folder of its own, and the state's inside. */
struct place {
	char path[FOLDER_SIZE];
	char folder[PATH_SIZE];
	char file[PATH_SIZE + 8];
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	*state = p;
	if (p == NULL || folder_make(p->path) == -1)
		return -1;
	(void)snprintf(p->folder, sizeof p->folder, "%s/run/charref", p->path);
	(void)snprintf(p->file, sizeof p->file, "%s/state", p->folder);
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	const int rc = folder_remove(p->path);

	free(p);
	return rc;
}

static struct state *
open_state(const struct place *p)
{
	struct state *s = NULL;
	struct fault f = FAULT_INIT;

	if (state_open(&s, p->folder, &f) == -1)
		fail_msg("%s", f.text);
	assert_non_null(s);
	return s;
}

static void
assert_refused(const struct place *p, enum fault_kind kind)
{
	struct state *s = NULL;
	struct fault f = FAULT_INIT;

	assert_int_equal(state_open(&s, p->folder, &f), -1);
	assert_null(s);
	assert_int_equal(f.kind, kind);
	assert_true(view_begins(view_str(f.text), "open the state file: "));
}

static ino_t
inode_of(const struct place *p)
{
	struct stat st;

	assert_int_equal(lstat(p->file, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, BYTES);
	return st.st_ino;
}

static void
assert_alone(const struct place *p)
{
	struct dirent **names;
	const int n = scandir(p->folder, &names, NULL, NULL);
	int i;

	for (i = 0; i < n; i++)
		free(names[i]);
	free(names);
	assert_int_equal(n, 3); /* with "." and ".." */
}

static void
put(const char *path, const void *bytes, size_t n)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

/* The words of the file itself, as any other process could map them. */
static uint64_t *
map_words(const struct place *p)
{
	const int fd = open(p->file, O_RDWR);
	void *words =
	    mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(words, MAP_FAILED);
	(void)close(fd);
	return words;
}

/* Adds to each word in which now differs from before: how many. */
static int
shift(uint64_t *now, const uint64_t *before, uint64_t by)
{
	int i, shifted = 0;

	for (i = 0; i < FILE_WORDS; i++)
		if (now[i] != before[i]) {
			now[i] += by;
			shifted++;
		}
	return shifted;
}

static struct view
name_of(char room[NAME_SIZE], const char *kind, int i)
{
	return (struct view){ room,
		(size_t)snprintf(room, NAME_SIZE, "%s/%d.png", kind, i) };
}

static void
a_new_file_knows_nothing(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);

	assert_int_equal(state_storage(s), STATE_UNKNOWN);
	assert_true(state_news_age_ms(s) == -1);
	assert_true(state_change_age_ms(s) == -1);
	assert_true(state_clock_offset_ms(s) == 0);
	assert_false(state_is_absent(s, VIEW("cat.png")));
	assert_false(state_is_absent(s, VIEW("")));
	state_close(&s);
	assert_null(s);
	state_close(&s);
	(void)inode_of(p);
	assert_alone(p);
}

static void
two_handles_of_one_file_see_each_other(void **state)
{
	struct place *p = *state;
	struct state *a = open_state(p), *b = open_state(p);

	state_tell_storage(a, STATE_UP);
	assert_int_equal(state_storage(b), STATE_UP);
	state_tell_storage(b, STATE_DENIED);
	assert_int_equal(state_storage(a), STATE_DENIED);
	state_tell_clock_offset(a, -90061);
	assert_true(state_clock_offset_ms(b) == -90061);
	state_note_absent(b, VIEW("cat.png"));
	assert_true(state_is_absent(a, VIEW("cat.png")));
	assert_false(state_is_absent(a, VIEW("cat.pn")));
	assert_false(state_is_absent(a, VIEW("cat.png\0")));
	state_close(&a);
	a = open_state(p); /* and it outlives those who have it open */
	assert_int_equal(state_storage(a), STATE_DENIED);
	state_close(&a);
	state_close(&b);
}

static void
a_region_is_news_once_and_only_for_its_own(void **state)
{
	struct place *p = *state;
	struct state *a = open_state(p), *b = open_state(p);
	char longest[STATE_REGION_SIZE], region[STATE_REGION_SIZE];

	assert_false(state_region(a, VIEW("us"), region));
	assert_string_equal(region, "");
	assert_true(state_tell_region(a, VIEW("us"), "eu-central-1"));
	assert_false(state_tell_region(b, VIEW("us"), "eu-central-1"));
	assert_true(state_region(b, VIEW("us"), region));
	assert_string_equal(region, "eu-central-1");
	assert_false(state_region(b, VIEW("eu"), region));
	assert_string_equal(region, "");
	memset(longest, 'r', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_true(state_tell_region(b, VIEW("us"), longest));
	assert_true(state_region(a, VIEW("us"), region));
	assert_string_equal(region, longest);
	state_close(&a);
	state_close(&b);
}

static void
a_torn_region_is_none(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p);
	char region[STATE_REGION_SIZE];
	int i;

	assert_true(state_tell_region(s, VIEW("us"), "eu-central-1"));
	for (i = 8; i < 9 + STATE_REGION_SIZE / 8; i++) {
		words[i] ^= 1;
		assert_false(state_region(s, VIEW("us"), region));
		words[i] ^= 1;
	}
	assert_true(state_region(s, VIEW("us"), region));
	(void)munmap(words, BYTES);
	state_close(&s);
}

static void
who_follows_the_name_meets_the_others(void **state)
{
	struct place *p = *state;
	struct state *old = open_state(p), *fresh;
	struct fault f = FAULT_INIT;

	state_tell_storage(old, STATE_UP);
	assert_int_equal(state_follow(old, p->folder, &f), 0);
	assert_int_equal(state_storage(old), STATE_UP);
	assert_int_equal(unlink(p->file), 0);
	fresh = open_state(p);
	state_tell_storage(fresh, STATE_DOWN);
	assert_int_equal(state_storage(old), STATE_UP);
	assert_int_equal(state_follow(old, p->folder, &f), 0);
	assert_int_equal(state_storage(old), STATE_DOWN);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mkdir(p->file, 0700), 0);
	assert_int_equal(state_follow(old, p->folder, &f), -1);
	assert_int_equal(state_storage(old), STATE_DOWN);
	assert_int_equal(rmdir(p->file), 0);
	state_close(&fresh);
	state_close(&old);
}

static int
status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
a_forked_child_shares_what_its_parent_opened(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	const pid_t child = fork();

	if (child == 0) {
		state_tell_storage(s, STATE_DOWN);
		state_note_absent(s, VIEW("dog.png"));
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
	assert_int_equal(state_storage(s), STATE_DOWN);
	assert_true(state_is_absent(s, VIEW("dog.png")));
	state_close(&s);
}

static void
every_verdict_has_its_word(void **state)
{
	(void)state;
	assert_string_equal(state_storage_word(STATE_UNKNOWN), "unknown");
	assert_string_equal(state_storage_word(STATE_UP), "up");
	assert_string_equal(state_storage_word(STATE_DOWN), "down");
	assert_string_equal(state_storage_word(STATE_DENIED), "denied");
}

static void
only_another_verdict_is_a_change(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	int64_t change_ms;

	state_tell_storage(s, STATE_UP);
	assert_in_range(state_change_age_ms(s), 0, 5000);
	while (state_news_age_ms(s) < 30)
		clock_sleep_ms(5);
	state_tell_storage(s, STATE_UP);
	change_ms = state_change_age_ms(s);
	assert_true(change_ms >= 30);
	assert_true(state_news_age_ms(s) <= change_ms);
	state_tell_storage(s, STATE_DOWN);
	/* Both are of the same moment; the second was read no earlier. */
	change_ms = state_change_age_ms(s);
	assert_true(change_ms <= state_news_age_ms(s));
	state_close(&s);
}

/* The file is opened by hand, and its news moved into the past. */
static void
old_news_is_none_but_keeps_its_age(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p), *empty = malloc(BYTES);
	int64_t age_ms;

	memcpy(empty, words, BYTES);
	state_tell_storage(s, STATE_UP);
	/* The verdict takes the low two bits. */
	assert_int_equal(
	    shift(words, empty, -((uint64_t)(STATE_FRESH_MS - 2000) << 2)), 2);
	assert_int_equal(state_storage(s), STATE_UP);
	assert_true(state_news_age_ms(s) >= STATE_FRESH_MS - 2000);
	(void)shift(words, empty, -((uint64_t)2001 << 2));
	assert_int_equal(state_storage(s), STATE_UNKNOWN);
	age_ms = state_news_age_ms(s);
	assert_true(age_ms > STATE_FRESH_MS && age_ms < STATE_FRESH_MS + 60000);
	assert_true(state_change_age_ms(s) >= age_ms);
	/* The same again is no change, however old the news was. */
	state_tell_storage(s, STATE_UP);
	assert_int_equal(state_storage(s), STATE_UP);
	assert_true(state_change_age_ms(s) >= age_ms);
	(void)munmap(words, BYTES);
	free(empty);
	state_close(&s);
}

/* Of the two words of a verdict, the one that the same again leaves. */
static void
a_change_in_the_future_is_told_anew(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p), first[FILE_WORDS], empty[FILE_WORDS];
	int i, moved = 0;

	memcpy(empty, words, BYTES);
	state_tell_storage(s, STATE_UP);
	memcpy(first, words, BYTES);
	while (state_news_age_ms(s) < 2)
		clock_sleep_ms(1);
	state_tell_storage(s, STATE_UP);
	for (i = 0; i < FILE_WORDS; i++)
		if (words[i] != empty[i] && words[i] == first[i]) {
			words[i] += UINT64_C(3600000) << 2;
			moved++;
		}
	assert_int_equal(moved, 1);
	assert_true(state_change_age_ms(s) == -1);
	state_tell_storage(s, STATE_UP);
	assert_true(state_change_age_ms(s) >= 0);
	(void)munmap(words, BYTES);
	state_close(&s);
}

static void
what_comes_from_the_future_is_none(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p), *empty = malloc(BYTES);

	memcpy(empty, words, BYTES);
	state_tell_storage(s, STATE_DOWN);
	assert_int_equal(shift(words, empty, UINT64_C(3600000) << 2), 2);
	assert_int_equal(state_storage(s), STATE_UNKNOWN);
	assert_true(state_news_age_ms(s) == -1);
	assert_true(state_change_age_ms(s) == -1);
	state_tell_storage(s, STATE_DOWN);
	assert_int_equal(state_storage(s), STATE_DOWN);
	assert_true(state_change_age_ms(s) >= 0);
	memcpy(empty, words, BYTES);
	state_note_absent(s, VIEW("cat.png"));
	assert_int_equal(shift(words, empty, 3600000 >> 7), 1);
	assert_false(state_is_absent(s, VIEW("cat.png")));
	state_note_absent(s, VIEW("cat.png"));
	assert_true(state_is_absent(s, VIEW("cat.png")));
	(void)munmap(words, BYTES);
	free(empty);
	state_close(&s);
}

/* The true age lies between what the two clocks around it say. */
static void
news_and_absence_end_in_their_time(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	const int64_t before_ms = clock_ticks_ms();
	int64_t after_ms, least_ms, most_ms;
	bool absent, up;

	state_note_absent(s, VIEW("cat.png"));
	state_tell_storage(s, STATE_UP);
	after_ms = clock_ticks_ms();
	do {
		clock_sleep_ms(10);
		least_ms = clock_ticks_ms() - after_ms;
		absent = state_is_absent(s, VIEW("cat.png"));
		up = state_storage(s) == STATE_UP;
		most_ms = clock_ticks_ms() - before_ms;
		if (absent)
			assert_true(least_ms <= STATE_ABSENT_MS * 105 / 100);
		else
			assert_true(most_ms >= STATE_ABSENT_MS * 95 / 100);
		if (up)
			assert_true(least_ms <= STATE_FRESH_MS);
		else
			assert_true(most_ms > STATE_FRESH_MS);
	} while (absent || up);
	state_close(&s);
}

static void
a_clock_offset_is_kept_within_its_limit(void **state)
{
	const int64_t max = INT64_C(86400000) * STATE_OFFSET_MAX_DAYS;
	struct place *p = *state;
	struct state *s = open_state(p);

	state_tell_clock_offset(s, max);
	assert_true(state_clock_offset_ms(s) == max);
	state_tell_clock_offset(s, max + 1);
	state_tell_clock_offset(s, -max - 1);
	state_tell_clock_offset(s, INT64_MAX);
	state_tell_clock_offset(s, INT64_MIN);
	assert_true(state_clock_offset_ms(s) == max);
	state_tell_clock_offset(s, -max);
	assert_true(state_clock_offset_ms(s) == -max);
	state_tell_clock_offset(s, 0);
	assert_true(state_clock_offset_ms(s) == 0);
	state_close(&s);
}

/* What our clocks were apart when it was learnt is moved by hand: so it
 * looks when our clock is set, or when the host has begun anew. */
static void
a_clock_offset_ends_when_our_clock_is_set(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p);

	state_tell_clock_offset(s, 90000);
	words[CLOCK_GAP] += 1000;
	assert_true(state_clock_offset_ms(s) == 90000);
	words[CLOCK_GAP] -= 2000;
	assert_true(state_clock_offset_ms(s) == 90000);
	words[CLOCK_GAP] -= 2000;
	assert_true(state_clock_offset_ms(s) == 0);
	words[CLOCK_GAP] += 7000;
	assert_true(state_clock_offset_ms(s) == 0);
	words[CLOCK_GAP] = 0;
	assert_true(state_clock_offset_ms(s) == 0);
	state_tell_clock_offset(s, -5);
	assert_true(state_clock_offset_ms(s) == -5);
	(void)munmap(words, BYTES);
	state_close(&s);
}

static int
count_absent(const struct state *s, const char *kind, int n)
{
	char room[NAME_SIZE];
	int i, count = 0;

	for (i = 0; i < n; i++)
		count += state_is_absent(s, name_of(room, kind, i));
	return count;
}

static void
most_of_a_thousand_absent_names_are_remembered(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	char room[NAME_SIZE];
	int i, n;

	for (i = 0; i < 1000; i++) {
		state_note_absent(s, name_of(room, "absent", i));
		assert_true(state_is_absent(s, name_of(room, "absent", i)));
	}
	n = count_absent(s, "absent", 1000);
	/* 969 are expected; 900 would be 14 standard deviations less. */
	assert_in_range(n, 900, 1000);
	assert_int_equal(count_absent(s, "present", 100000), 0);
	/* Far too many drive the older out, and never a wrong one in. */
	for (i = 0; i < 100000; i++)
		state_note_absent(s, name_of(room, "more", i));
	assert_in_range(count_absent(s, "absent", 1000), 0, 10);
	assert_in_range(count_absent(s, "more", 100000), 3000, 4096);
	assert_int_equal(count_absent(s, "present", 100000), 0);
	state_close(&s);
}

static void
names_of_any_length_are_told_apart(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	char name[40];
	size_t n;

	memset(name, '\0', sizeof name);
	for (n = 0; n < sizeof name; n++) {
		assert_false(state_is_absent(s, (struct view){ name, n }));
		state_note_absent(s, (struct view){ name, n });
		assert_true(state_is_absent(s, (struct view){ name, n }));
	}
	for (n = 0; n < sizeof name; n++) {
		name[n] = 'x';
		assert_false(
		    state_is_absent(s, (struct view){ name, sizeof name }));
		name[n] = '\0';
	}
	state_close(&s);
}

static void
each_file_has_a_seed_of_its_own(void **state)
{
	struct place *p = *state;
	uint64_t first[FILE_WORDS], *words;
	struct state *s = open_state(p);
	int i, differ = 0;

	state_note_absent(s, VIEW("cat.png"));
	words = map_words(p);
	memcpy(first, words, BYTES);
	(void)munmap(words, BYTES);
	state_close(&s);
	assert_int_equal(unlink(p->file), 0);
	s = open_state(p);
	assert_false(state_is_absent(s, VIEW("cat.png")));
	state_note_absent(s, VIEW("cat.png"));
	words = map_words(p);
	for (i = 0; i < FILE_WORDS; i++)
		differ += words[i] != first[i];
	/* The two words of the seed, and where the name stands now. */
	assert_in_range(differ, 3, 4);
	(void)munmap(words, BYTES);
	state_close(&s);
}

/* Spoils the file of an open state, and sees it made anew by the next. */
static void
assert_replaced(const struct place *p, struct state *old)
{
	struct state *fresh = open_state(p);

	(void)inode_of(p);
	assert_alone(p);
	assert_int_equal(state_storage(fresh), STATE_UNKNOWN);
	state_tell_storage(old, STATE_DENIED);
	assert_int_equal(state_storage(old), STATE_DENIED);
	assert_int_equal(state_storage(fresh), STATE_UNKNOWN);
	state_close(&fresh);
}

static void
a_damaged_file_is_made_anew(void **state)
{
	struct place *p = *state;
	struct state *s;
	uint64_t *words;
	int i;

	for (i = 0; i < 4; i++) { /* the magic, the version, the size */
		s = open_state(p);
		words = map_words(p);
		words[i / 2] ^= UINT64_C(1) << (i % 2 * 32);
		assert_replaced(p, s);
		(void)munmap(words, BYTES);
		state_close(&s);
		assert_int_equal(unlink(p->file), 0);
	}
}

static void
a_file_of_another_size_is_made_anew(void **state)
{
	struct place *p = *state;
	const size_t sizes[] = { 0, 1, 8, BYTES - 1, BYTES + 1, 2 * BYTES };
	struct state *s = open_state(p);
	char *bytes = calloc(2, BYTES);
	uint64_t *words = map_words(p);
	ino_t last = inode_of(p);
	size_t i;

	memcpy(bytes, words, BYTES);
	for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		assert_int_equal(unlink(p->file), 0);
		put(p->file, bytes, sizes[i]);
		assert_replaced(p, s);
	}
	/* The right size alone does not make it ours. */
	memset(bytes, 0, BYTES);
	assert_int_equal(unlink(p->file), 0);
	put(p->file, bytes, BYTES);
	assert_replaced(p, s);
	last = inode_of(p);
	state_close(&s);
	s = open_state(p); /* what is whole stays */
	assert_int_equal(inode_of(p), last);
	state_close(&s);
	(void)munmap(words, BYTES);
	free(bytes);
}

static void
a_file_of_random_words_does_no_harm(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	uint64_t *words = map_words(p);
	int i;

	for (i = 2; i < FILE_WORDS; i++)
		words[i] = UINT64_MAX - (uint64_t)i * UINT64_C(0x9e3779b97f4a);
	assert_int_equal(state_storage(s), STATE_UNKNOWN);
	assert_true(state_news_age_ms(s) == -1);
	assert_true(state_clock_offset_ms(s) == 0);
	assert_int_equal(count_absent(s, "present", 10000), 0);
	state_tell_storage(s, STATE_UP);
	assert_int_equal(state_storage(s), STATE_UP);
	assert_in_range(state_change_age_ms(s), 0, 60000);
	state_note_absent(s, VIEW("cat.png"));
	assert_true(state_is_absent(s, VIEW("cat.png")));
	(void)munmap(words, BYTES);
	state_close(&s);
}

static void
a_link_of_that_name_is_replaced_and_not_followed(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	char target[PATH_SIZE];
	struct stat st;

	(void)snprintf(target, sizeof target, "%s/target", p->path);
	assert_int_equal(rename(p->file, target), 0);
	assert_int_equal(symlink(target, p->file), 0);
	state_tell_storage(s, STATE_UP);
	assert_replaced(p, s);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(symlink("nowhere", p->file), 0);
	assert_replaced(p, s);
	state_close(&s);
}

/* Root may open any file, so as root this is somebody else. */
static void
a_file_that_is_not_ours_is_made_anew(void **state)
{
	const bool is_root = geteuid() == 0;
	struct place *p = *state;
	struct state *s = open_state(p);
	ino_t before = inode_of(p);

	assert_int_equal(chmod(p->file, 0), 0);
	if (is_root) {
		assert_int_equal(chmod(p->path, 0755), 0);
		assert_int_equal(chmod(p->folder, 0777), 0);
		(void)snprintf(p->file, sizeof p->file, "%s/run", p->path);
		assert_int_equal(chmod(p->file, 0755), 0);
		(void)snprintf(p->file, sizeof p->file, "%s/state", p->folder);
		assert_int_equal(seteuid(SOMEBODY), 0);
	}
	assert_replaced(p, s);
	assert_true(inode_of(p) != before);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	state_close(&s);
}

static void
a_new_file_sweeps_the_drafts_of_the_dead(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	char draft[PATH_SIZE + NAME_SIZE];

	assert_int_equal(unlink(p->file), 0);
	(void)snprintf(
	    draft, sizeof draft, "%s/%s", p->folder, FILE_DRAFT_PREFIX "0123");
	put(draft, "x", 1);
	assert_replaced(p, s);
	state_close(&s);
}

static void
who_listens_hears_all_and_tells_nobody(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p), *listener = NULL;
	struct fault f = FAULT_INIT;
	char region[STATE_REGION_SIZE];

	assert_int_equal(state_listen(&listener, p->folder, &f), 0);
	state_tell_storage(s, STATE_UP);
	state_note_absent(s, VIEW("cat.png"));
	assert_int_equal(state_storage(listener), STATE_UP);
	assert_true(state_is_absent(listener, VIEW("cat.png")));
	state_tell_storage(listener, STATE_DENIED);
	state_tell_clock_offset(listener, 5000);
	assert_true(state_tell_region(listener, VIEW("us"), "eu-west-1"));
	state_note_absent(listener, VIEW("dog.png"));
	assert_int_equal(state_follow(listener, p->folder, &f), 0);
	/* It has them for itself. */
	assert_int_equal(state_storage(listener), STATE_DENIED);
	assert_true(state_clock_offset_ms(listener) == 5000);
	assert_true(state_region(listener, VIEW("us"), region));
	assert_true(state_is_absent(listener, VIEW("dog.png")));
	assert_int_equal(state_storage(s), STATE_UP);
	assert_true(state_clock_offset_ms(s) == 0);
	assert_false(state_region(s, VIEW("us"), region));
	assert_false(state_is_absent(s, VIEW("dog.png")));
	state_close(&listener);
	state_close(&s);
}

static void
who_listens_makes_nothing(void **state)
{
	struct place *p = *state;
	struct state *listener = NULL;
	struct fault f = FAULT_INIT;

	assert_int_equal(state_listen(&listener, p->folder, &f), 0);
	assert_int_equal(access(p->folder, F_OK), -1);
	assert_int_equal(state_storage(listener), STATE_UNKNOWN);
	assert_false(state_is_absent(listener, VIEW("cat.png")));
	state_note_absent(listener, VIEW("cat.png"));
	assert_true(state_is_absent(listener, VIEW("cat.png")));
	assert_int_equal(state_follow(listener, p->folder, &f), 0);
	assert_int_equal(access(p->folder, F_OK), -1);
	state_close(&listener);
}

static void
a_pipe_or_a_socket_of_that_name_is_replaced(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);

	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mknod(p->file, S_IFIFO | 0600, 0), 0);
	assert_replaced(p, s);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mknod(p->file, S_IFSOCK | 0600, 0), 0);
	assert_replaced(p, s);
	state_close(&s);
}

static void
a_folder_in_the_way_is_a_fault(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);

	state_close(&s);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(mkdir(p->file, 0700), 0);
	assert_refused(p, FAULT_DISK);
	assert_alone(p);
	assert_int_equal(rmdir(p->file), 0);
	assert_int_equal(rmdir(p->folder), 0);
	put(p->folder, "x", 1);
	assert_refused(p, FAULT_DISK);
}

static void
a_full_disk_is_told_and_leaves_nothing(void **state)
{
	const struct rlimit little = { .rlim_cur = 4096, .rlim_max = 4096 };
	struct place *p = *state;
	struct state *s = open_state(p);
	struct fault f = FAULT_INIT;
	pid_t child;

	state_close(&s);
	assert_int_equal(unlink(p->file), 0);
	child = fork();
	if (child == 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &little) == -1 ||
		    state_open(&s, p->folder, &f) == 0)
			_exit(1);
		/* Clients may read the text. */
		_exit(
		    f.kind == FAULT_FULL && !view_has(view_str(f.text), p->path)
			? 0
			: 2);
	}
	assert_int_equal(status_of(child), 0);
	assert_int_equal(rmdir(p->folder), 0);
}

/* A process that opens the state when the pipe is closed, notes names of its
 * own, and says by its exit whether it could. */
static pid_t
start_opener(const struct place *p, const int gate[2], int number)
{
	struct state *s = NULL;
	struct fault f = FAULT_INIT;
	char room[NAME_SIZE], byte;
	const pid_t child = fork();
	int i;

	if (child != 0)
		return child;
	(void)alarm(60); /* should the test fail before it opens the gate */
	(void)close(gate[1]);
	if (read(gate[0], &byte, 1) != 0 || state_open(&s, p->folder, &f) == -1)
		_exit(1);
	(void)snprintf(room, sizeof room, "%d", number);
	for (i = 0; i < 5; i++) {
		char name[NAME_SIZE];

		state_note_absent(s, name_of(name, room, i));
	}
	_exit(0);
}

/* All come at once, and their names are all in the file of that name. */
static void
race_to_open(const struct place *p)
{
	pid_t children[PROCESSES];
	struct state *s;
	char kind[NAME_SIZE];
	int gate[2], i;

	assert_int_equal(pipe(gate), 0);
	for (i = 0; i < PROCESSES; i++)
		children[i] = start_opener(p, gate, i);
	(void)close(gate[0]);
	(void)close(gate[1]);
	for (i = 0; i < PROCESSES; i++)
		assert_int_equal(status_of(children[i]), 0);
	s = open_state(p);
	for (i = 0; i < PROCESSES; i++) {
		(void)snprintf(kind, sizeof kind, "%d", i);
		/* One or the other may have lost its place in the table. */
		assert_in_range(count_absent(s, kind, 5), 2, 5);
	}
	state_close(&s);
	assert_alone(p);
}

static void
who_come_at_once_get_the_same_file(void **state)
{
	struct place *p = *state;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		race_to_open(p);
		assert_int_equal(unlink(p->file), 0);
		put(p->file, "damaged", 7);
		race_to_open(p);
		assert_int_equal(unlink(p->file), 0);
	}
}

enum { FIRST_OFFSET = 0x11111111, SECOND_OFFSET = -0x22222222 };

/* Writes without a pause; no names but its own. */
static pid_t
start_writer(struct state *s, enum state_storage verdict, int64_t offset_ms,
    const char *kind)
{
	const pid_t child = fork();
	char room[NAME_SIZE];
	int i;

	if (child != 0)
		return child;
	for (i = 0; i < STORM; i++) {
		state_tell_storage(s, i % 2 == 0 ? verdict : STATE_UP);
		state_tell_clock_offset(s, offset_ms);
		state_note_absent(s, name_of(room, kind, i % 1000));
	}
	_exit(0);
}

static void
a_reader_in_a_storm_of_writers_sees_only_what_was_written(void **state)
{
	struct place *p = *state;
	struct state *s = open_state(p);
	int64_t age_ms, offset_ms;
	pid_t writers[2], ended;
	int status;

	state_tell_storage(s, STATE_UP);
	state_tell_clock_offset(s, FIRST_OFFSET);
	writers[0] = start_writer(s, STATE_DOWN, FIRST_OFFSET, "first");
	writers[1] = start_writer(s, STATE_DENIED, SECOND_OFFSET, "second");
	do {
		ended = waitpid(writers[0], &status, WNOHANG);
		age_ms = state_news_age_ms(s);
		assert_true(age_ms >= 0 && age_ms < STATE_FRESH_MS);
		assert_int_not_equal(state_storage(s), STATE_UNKNOWN);
		assert_true(state_change_age_ms(s) >= 0);
		offset_ms = state_clock_offset_ms(s);
		assert_true(
		    offset_ms == FIRST_OFFSET || offset_ms == SECOND_OFFSET);
		assert_int_equal(count_absent(s, "neither", 10), 0);
	} while (ended == 0);
	assert_int_equal(ended, writers[0]);
	assert_int_equal(status, 0);
	assert_int_equal(status_of(writers[1]), 0);
	/* 2000 names in 4096 places of two. */
	assert_true(
	    count_absent(s, "first", 1000) + count_absent(s, "second", 1000) >
	    1500);
	state_close(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_file_knows_nothing),
		TEST(two_handles_of_one_file_see_each_other),
		TEST(a_region_is_news_once_and_only_for_its_own),
		TEST(a_torn_region_is_none),
		TEST(who_follows_the_name_meets_the_others),
		TEST(a_forked_child_shares_what_its_parent_opened),
		TEST(every_verdict_has_its_word),
		TEST(only_another_verdict_is_a_change),
		TEST(old_news_is_none_but_keeps_its_age),
		TEST(a_change_in_the_future_is_told_anew),
		TEST(what_comes_from_the_future_is_none),
		TEST(news_and_absence_end_in_their_time),
		TEST(a_clock_offset_is_kept_within_its_limit),
		TEST(most_of_a_thousand_absent_names_are_remembered),
		TEST(names_of_any_length_are_told_apart),
		TEST(each_file_has_a_seed_of_its_own),
		TEST(a_damaged_file_is_made_anew),
		TEST(a_file_of_another_size_is_made_anew),
		TEST(a_file_of_random_words_does_no_harm),
		TEST(a_link_of_that_name_is_replaced_and_not_followed),
		TEST(a_file_that_is_not_ours_is_made_anew),
		TEST(a_new_file_sweeps_the_drafts_of_the_dead),
		TEST(who_listens_hears_all_and_tells_nobody),
		TEST(who_listens_makes_nothing),
		TEST(a_clock_offset_ends_when_our_clock_is_set),
		TEST(a_pipe_or_a_socket_of_that_name_is_replaced),
		TEST(a_folder_in_the_way_is_a_fault),
		TEST(a_full_disk_is_told_and_leaves_nothing),
		TEST(who_come_at_once_get_the_same_file),
		TEST(a_reader_in_a_storm_of_writers_sees_only_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
