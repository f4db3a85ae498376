#include "base/shared.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "folder.h"

enum { PATH_SIZE = 512, STARTED_WITH = 7, WAIT_MS = 4000, STEP_MS = 2 };

struct layout {
	struct shared_head head;
	shared_word word;
	shared_word rest[1000];
};

static void
begin(void *fresh)
{
	struct layout *l = fresh;

	l->word = STARTED_WITH;
}

static const struct shared_kind kind = { "thing",
	{ UINT64_C(0x676e696874), 1, sizeof(struct layout) }, begin };

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
	(void)snprintf(p->folder, sizeof p->folder, "%s/a/b", p->path);
	(void)snprintf(p->file, sizeof p->file, "%s/thing", p->folder);
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

static struct layout *
open_thing(
    const struct place *p, const struct shared_kind *k, enum shared_how how)
{
	struct fault f = FAULT_INIT;
	void *map = NULL;

	if (shared_open(k, p->folder, how, &map, NULL, &f) == -1)
		fail_msg("%s", f.text);
	return map;
}

static void
assert_refused(
    const struct place *p, enum shared_how how, enum fault_kind expected)
{
	struct fault f = FAULT_INIT;
	void *map = NULL;

	assert_int_equal(
	    shared_open(&kind, p->folder, how, &map, NULL, &f), -1);
	assert_null(map);
	assert_int_equal(f.kind, expected);
	assert_true(view_begins(view_str(f.text), "open the thing file: "));
}

static void
put(const struct place *p, const char *text)
{
	FILE *out = fopen(p->file, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static void
a_fresh_file_is_as_it_begins_and_the_next_one_shares_it(void **state)
{
	struct place *p = *state;
	struct layout *a = open_thing(p, &kind, SHARED_MEET);
	struct layout *b = open_thing(p, &kind, SHARED_JOIN);

	assert_true(shared_read(&a->word) == STARTED_WITH);
	assert_true(shared_read(&a->rest[999]) == 0);
	shared_add(&a->word, 3);
	assert_true(shared_read(&b->word) == STARTED_WITH + 3);
	shared_close(&kind, a);
	shared_close(&kind, b);
	shared_close(&kind, NULL);
}

static void
who_joins_makes_neither_file_nor_folder(void **state)
{
	struct place *p = *state;

	assert_refused(p, SHARED_JOIN, FAULT_ABSENT);
	assert_int_equal(access(p->folder, F_OK), -1);
}

static void
who_meets_leaves_what_is_another_thing(void **state)
{
	struct place *p = *state;
	struct shared_kind newer = kind;
	struct layout *ours = open_thing(p, &kind, SHARED_MEET), *theirs;

	newer.head.version = 2;
	theirs = open_thing(p, &newer, SHARED_OWN);
	assert_refused(p, SHARED_MEET, FAULT_ABSENT);
	assert_refused(p, SHARED_JOIN, FAULT_ABSENT);
	shared_close(&kind, ours);
	ours = open_thing(p, &newer, SHARED_JOIN);
	shared_write(&theirs->word, 99);
	assert_true(shared_read(&ours->word) == 99);
	shared_close(&kind, ours);
	shared_close(&kind, theirs);
	put(p, "a word");
	assert_refused(p, SHARED_MEET, FAULT_ABSENT);
}

static char
state_of(pid_t pid)
{
	char path[PATH_SIZE], state = '?';
	FILE *in;

	(void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_int_equal(fscanf(in, "%*d %*s %c", &state), 1);
	assert_int_equal(fclose(in), 0);
	return state;
}

/* Nothing but the lock makes it sleep. */
static void
wait_until_it_waits(pid_t pid)
{
	const int64_t until_ms = clock_ticks_ms() + WAIT_MS;

	while (state_of(pid) != 'S') {
		assert_true(clock_ticks_ms() < until_ms);
		clock_sleep_ms(STEP_MS);
	}
}

static _Noreturn void
meet_in_child(const struct place *p)
{
	struct fault f = FAULT_INIT;
	void *map = NULL;
	const int rc =
	    shared_open(&kind, p->folder, SHARED_MEET, &map, NULL, &f);

	shared_close(&kind, map);
	_exit(rc == -1 && f.kind == FAULT_ABSENT ? 0 : 1);
}

static void
who_meets_leaves_what_another_made_while_it_waited(void **state)
{
	struct place *p = *state;
	struct stat st;
	int dir, status;
	pid_t child;

	shared_close(&kind, open_thing(p, &kind, SHARED_OWN));
	assert_int_equal(unlink(p->file), 0);
	dir = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(dir, LOCK_EX), 0);
	child = fork();
	if (child == 0) {
		(void)close(dir); /* the lock is the parent's */
		meet_in_child(p);
	}
	wait_until_it_waits(child);
	put(p, "a newer layout");
	assert_int_equal(flock(dir, LOCK_UN), 0);
	(void)close(dir);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(stat(p->file, &st), 0);
	assert_int_equal(st.st_size, strlen("a newer layout"));
}

static void
who_owns_the_name_makes_it_anew(void **state)
{
	struct place *p = *state;
	struct layout *old = open_thing(p, &kind, SHARED_OWN), *fresh;

	shared_write(&old->word, 99);
	assert_int_equal(unlink(p->file), 0);
	put(p, "a word");
	fresh = open_thing(p, &kind, SHARED_OWN);
	assert_true(shared_read(&fresh->word) == STARTED_WITH);
	assert_true(shared_read(&old->word) == 99);
	shared_close(&kind, old);
	shared_close(&kind, fresh);
}

static void
the_open_file_is_given_to_who_asks(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	struct stat st;
	void *map;
	int fd = -1;

	assert_int_equal(
	    shared_open(&kind, p->folder, SHARED_OWN, &map, &fd, &f), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, sizeof(struct layout));
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	(void)close(fd);
	shared_close(&kind, map);
}

static void
who_listens_tells_nobody(void **state)
{
	struct place *p = *state;
	struct layout *shared = open_thing(p, &kind, SHARED_OWN);
	struct fault f = FAULT_INIT;
	struct layout *aside;
	void *map;

	assert_int_equal(shared_listen(&kind, p->folder, &map, &f), 0);
	aside = map;
	shared_write(&shared->word, 8);
	assert_true(shared_read(&aside->word) == 8);
	shared_write(&aside->word, 9);
	assert_true(shared_read(&shared->word) == 8);
	shared_close(&kind, aside);
	shared_close(&kind, shared);
	assert_int_equal(unlink(p->file), 0);
	assert_int_equal(shared_listen(&kind, p->folder, &map, &f), 0);
	aside = map;
	assert_true(shared_read(&aside->word) == STARTED_WITH);
	assert_int_equal(access(p->file, F_OK), -1);
	shared_close(&kind, aside);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_fresh_file_is_as_it_begins_and_the_next_one_shares_it),
		TEST(who_joins_makes_neither_file_nor_folder),
		TEST(who_meets_leaves_what_is_another_thing),
		TEST(who_meets_leaves_what_another_made_while_it_waited),
		TEST(who_owns_the_name_makes_it_anew),
		TEST(the_open_file_is_given_to_who_asks),
		TEST(who_listens_tells_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
