#include "disk/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

enum { PATH_SIZE = 1024 };

/* A store below a root of its own, which is removed afterwards. */
struct place {
	char root[FOLDER_SIZE];
	char folder[PATH_SIZE / 2];
	struct store *st;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	struct fault f = FAULT_INIT;

	*state = p;
	if (folder_make(p->root) == -1)
		return -1;
	(void)snprintf(
	    p->folder, sizeof p->folder, "%s/" STORE_FOLDER, p->root);
	return store_open(&p->st, p->root, &f);
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	int rc;

	store_close(&p->st);
	store_close(&p->st);
	rc = folder_remove(p->root);
	free(p);
	return rc;
}

static struct image_id
id_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct image_id id;

	assert_int_equal(image_id_parse(&id, view_str(text), &f), 0);
	return id;
}

/* A file in the store's folder that the store did not write. */
static void
litter(struct place *p, const char *name)
{
	char path[PATH_SIZE];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
}

static bool
is_there(struct place *p, const char *name)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof path, "%s/%s", p->folder, name);
	return access(path, F_OK) == 0;
}

static void
what_was_put_is_got(void **state)
{
	const struct image_id id = id_of("abc-123");
	struct place *p = *state;
	struct buf b = BUF_INIT(STORE_IMAGE_MAX);
	struct fault f = FAULT_INIT;

	assert_int_equal(
	    store_put(p->st, &id, SNIFF_PNG, VIEW("a\0picture"), &f), 0);
	assert_int_equal(store_sync(p->st, &f), 0);
	assert_true(is_there(p, "abc-123.png"));
	assert_int_equal(store_get(p->st, &id, SNIFF_PNG, &b, &f), 0);
	assert_int_equal(b.len, 9);
	assert_memory_equal(b.data, "a\0picture", 9);
	assert_int_equal(store_size(p->st, &id, SNIFF_PNG), 9);
	buf_fini(&b);
}

static void
an_image_is_absent_until_it_is_put(void **state)
{
	const struct image_id id = id_of("abc-123");
	struct place *p = *state;
	struct buf b = BUF_INIT(STORE_IMAGE_MAX);
	struct fault f = FAULT_INIT;

	assert_int_equal(store_get(p->st, &id, SNIFF_WEBP, &b, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_false(view_has(view_str(f.text), "/"));
	assert_int_equal(store_size(p->st, &id, SNIFF_WEBP), -1);
	buf_fini(&b);
}

static void
an_image_is_never_replaced(void **state)
{
	const struct image_id id = id_of("abc-123");
	struct place *p = *state;
	struct buf b = BUF_INIT(64);
	struct fault f = FAULT_INIT;

	assert_int_equal(
	    store_put(p->st, &id, SNIFF_JPEG, VIEW("first"), &f), 0);
	assert_int_equal(
	    store_put(p->st, &id, SNIFF_JPEG, VIEW("second"), &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	f = FAULT_INIT;
	assert_int_equal(store_get(p->st, &id, SNIFF_JPEG, &b, &f), 0);
	assert_string_equal(buf_str(&b), "first");
	buf_fini(&b);
}

static void
an_image_over_the_limit_is_not_kept(void **state)
{
	const struct image_id id = id_of("abc-123");
	const size_t n = STORE_IMAGE_MAX + 1;
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char *much = calloc(1, n);

	assert_non_null(much);
	assert_int_equal(
	    store_put(p->st, &id, SNIFF_PNG, (struct view){ much, n }, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_int_equal(store_size(p->st, &id, SNIFF_PNG), -1);
	free(much);
}

static void
the_longest_id_has_a_name(void **state)
{
	char text[IDENT_MAX + 1], name[STORE_NAME_SIZE];
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	struct image_id id;

	memset(text, 'x', IDENT_MAX);
	text[IDENT_MAX] = '\0';
	id = id_of(text);
	store_name(name, &id, SNIFF_WEBP);
	assert_int_equal(strlen(name), IDENT_MAX + strlen(".webp"));
	assert_int_equal(store_put(p->st, &id, SNIFF_WEBP, VIEW("x"), &f), 0);
	assert_int_equal(store_size(p->st, &id, SNIFF_WEBP), 1);
}

static void
two_stores_share_a_folder(void **state)
{
	const struct image_id id = id_of("abc-123");
	struct store *other = NULL;
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	assert_int_equal(store_open(&other, p->root, &f), 0);
	assert_int_equal(store_put(other, &id, SNIFF_PNG, VIEW("x"), &f), 0);
	assert_int_equal(store_size(p->st, &id, SNIFF_PNG), 1);
	store_close(&other);
	assert_null(other);
}

static void
a_folder_that_was_replaced_is_followed_when_that_is_asked_for(void **state)
{
	const struct image_id id = id_of("abc-123");
	char aside[PATH_SIZE];
	struct store *other = NULL;
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	const int before = store_folder(p->st);

	(void)snprintf(aside, sizeof aside, "%s/aside", p->root);
	assert_int_equal(rename(p->folder, aside), 0);
	store_follow(p->st); /* there is none: the old one is kept */
	assert_int_equal(store_folder(p->st), before);
	assert_int_equal(store_open(&other, p->root, &f), 0);
	assert_int_equal(store_put(other, &id, SNIFF_PNG, VIEW("x"), &f), 0);
	assert_int_equal(store_size(p->st, &id, SNIFF_PNG), -1);
	assert_true(fcntl(before, F_GETFD) != -1); /* an upload may use it */
	store_follow(p->st);
	assert_int_equal(store_size(p->st, &id, SNIFF_PNG), 1);
	store_close(&other);
}

static void
a_root_that_is_a_file_is_a_fault(void **state)
{
	struct store *other = NULL;
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];

	litter(p, "file");
	(void)snprintf(path, sizeof path, "%s/file", p->folder);
	assert_int_equal(store_open(&other, path, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_null(other);
}

static void
a_guard_speaks_before_the_disk_is_full(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;

	assert_int_equal(store_guard(p->st, 1, 4096, 0, &f), 0);
	assert_int_equal(store_guard(p->st, 1, INT64_MAX, 0, &f), -1);
	assert_int_equal(f.kind, FAULT_FULL);
	f = FAULT_INIT;
	assert_int_equal(store_guard(p->st, 0, 0, INT64_MAX, &f), -1);
	assert_int_equal(f.kind, FAULT_FULL);
	f = FAULT_INIT;
	assert_int_equal(store_guard(p->st, 1, INT64_MAX, INT64_MAX, &f), -1);
	assert_int_equal(f.kind, FAULT_FULL);
}

static void
a_guard_makes_a_folder_that_was_taken_away_anew(void **state)
{
	const struct image_id id = id_of("after");
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char away[PATH_SIZE + 8];

	(void)snprintf(away, sizeof away, "%s.away", p->folder);
	assert_int_equal(rename(p->folder, away), 0);
	assert_int_equal(store_guard(p->st, 1, 1, 0, &f), 0);
	assert_int_equal(
	    store_put(p->st, &id, SNIFF_PNG, VIEW("bytes"), &f), 0);
	assert_true(is_there(p, "after.png"));
	assert_false(is_there(p, ".draft-"));
}

struct seen {
	int images;
	int stop_after; /* 0: never */
	bool dog_webp;
};

static int
see(void *arg, const struct image_id *id, enum sniff_kind kind, struct fault *f)
{
	struct seen *s = arg;

	s->images++;
	if (strcmp(id->text, "dog") == 0 && kind == SNIFF_WEBP)
		s->dog_webp = true;
	if (s->images == s->stop_after)
		return fault_set(f, FAULT_BUSY, "enough");
	return 0;
}

static void
a_sweep_reports_exactly_what_is_named_like_an_image(void **state)
{
	static const char *const others[] = { "cat.jpeg", "cat.PNG", "cat.gif",
		"cat", ".png", "-cat.png", "cat.png.png", "c t.png", "cat.",
		".hidden.png", "cat.png~" };
	struct place *p = *state;
	struct seen seen = { .images = 0 };
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];
	size_t i;

	litter(p, "cat.png");
	litter(p, "cat.jpg");
	litter(p, "dog.webp");
	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		litter(p, others[i]);
	(void)snprintf(path, sizeof path, "%s/folder.png", p->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/link.png", p->folder);
	assert_int_equal(symlink("cat.png", path), 0);
	assert_int_equal(store_sweep(p->st, see, &seen, &f), 0);
	assert_int_equal(seen.images, 3);
	assert_true(seen.dog_webp);
	for (i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_true(is_there(p, others[i]));
}

static void
a_sweep_can_be_stopped_and_begun_again(void **state)
{
	struct place *p = *state;
	struct seen seen = { .stop_after = 2 };
	struct fault f = FAULT_INIT;

	litter(p, "a.png");
	litter(p, "b.png");
	litter(p, "c.png");
	assert_int_equal(store_sweep(p->st, see, &seen, &f), -1);
	assert_int_equal(f.kind, FAULT_BUSY);
	assert_int_equal(seen.images, 2);
	f = FAULT_INIT;
	seen = (struct seen){ .images = 0 };
	assert_int_equal(store_sweep(p->st, see, &seen, &f), 0);
	assert_int_equal(seen.images, 3);
}

/* A process with a draft of its own in the folder, waiting to be killed. */
static pid_t
start_owner(struct place *p, char name[64])
{
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	int dir = -1, ready[2];
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		if (file_open_folder(p->folder, &dir, &f) == 0 &&
		    file_draft_open(&d, dir, &f) == 0 &&
		    write(ready[1], d.name, sizeof d.name) > 0)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], name, 64), 64);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return child;
}

static void
a_sweep_takes_the_drafts_of_the_dead_alone(void **state)
{
	struct place *p = *state;
	struct seen seen = { .images = 0 };
	struct fault f = FAULT_INIT;
	char living[64], dead[64];
	const pid_t lives = start_owner(p, living), dies = start_owner(p, dead);

	assert_int_equal(kill(dies, SIGKILL), 0);
	assert_int_equal(waitpid(dies, NULL, 0), dies);
	assert_true(is_there(p, dead));
	assert_int_equal(store_sweep(p->st, see, &seen, &f), 0);
	assert_int_equal(seen.images, 0);
	assert_false(is_there(p, dead));
	assert_true(is_there(p, living));
	assert_int_equal(kill(lives, SIGKILL), 0);
	assert_int_equal(waitpid(lives, NULL, 0), lives);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_got),
		TEST(an_image_is_absent_until_it_is_put),
		TEST(an_image_is_never_replaced),
		TEST(an_image_over_the_limit_is_not_kept),
		TEST(the_longest_id_has_a_name),
		TEST(two_stores_share_a_folder),
		TEST(
		    a_folder_that_was_replaced_is_followed_when_that_is_asked_for),
		TEST(a_root_that_is_a_file_is_a_fault),
		TEST(a_guard_speaks_before_the_disk_is_full),
		TEST(a_guard_makes_a_folder_that_was_taken_away_anew),
		TEST(a_sweep_reports_exactly_what_is_named_like_an_image),
		TEST(a_sweep_can_be_stopped_and_begun_again),
		TEST(a_sweep_takes_the_drafts_of_the_dead_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
