#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

enum { RACES = 20000, PATH_SIZE = 1024 };

/* Each test has its own folder, removed afterwards with all that is in it. */
struct place {
	char path[FOLDER_SIZE];
	int dir;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	struct fault f = FAULT_INIT;

	*state = p;
	return folder_make(p->path) == -1
		   ? -1
		   : file_open_folder(p->path, &p->dir, &f);
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	int rc;

	(void)close(p->dir);
	rc = folder_remove(p->path);
	free(p);
	return rc;
}

static void
keep(struct place *p, const char *name, const char *text)
{
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;

	assert_int_equal(file_draft_open(&d, p->dir, &f), 0);
	assert_int_equal(file_draft_write(&d, view_str(text), &f), 0);
	assert_int_equal(file_draft_publish(&d, name, &f), 0);
	file_draft_fini(&d);
	assert_int_equal(file_sync_folder(p->dir, &f), 0);
}

static void
assert_reads(struct place *p, const char *name, const char *text)
{
	struct buf b = BUF_INIT(64);
	struct fault f = FAULT_INIT;

	assert_int_equal(file_read(p->dir, name, &b, &f), 0);
	assert_string_equal(buf_str(&b), text);
	buf_fini(&b);
}

static void
assert_unreadable(struct place *p, const char *name, enum fault_kind kind)
{
	struct buf b = BUF_INIT(64);
	struct fault f = FAULT_INIT;

	assert_int_equal(file_read(p->dir, name, &b, &f), -1);
	assert_int_equal(f.kind, kind);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void
a_draft_is_hidden_until_published_and_then_whole(void **state)
{
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	char hidden[sizeof d.name];

	assert_int_equal(file_draft_open(&d, p->dir, &f), 0);
	(void)snprintf(hidden, sizeof hidden, "%s", d.name);
	assert_true(view_begins(view_str(hidden), FILE_DRAFT_PREFIX));
	assert_true(strlen(hidden) >= strlen(FILE_DRAFT_PREFIX) + 16);
	assert_int_equal(file_draft_write(&d, VIEW("one "), &f), 0);
	assert_int_equal(file_draft_write(&d, VIEW("two"), &f), 0);
	assert_int_equal(file_size(p->dir, "cat"), -1);
	assert_int_equal(file_draft_publish(&d, "cat", &f), 0);
	file_draft_fini(&d);
	assert_reads(p, "cat", "one two");
	assert_int_equal(file_size(p->dir, "cat"), 7);
	assert_int_equal(file_size(p->dir, hidden), -1);
	assert_int_equal(d.fd, -1);
}

static void
a_draft_finished_unpublished_leaves_nothing(void **state)
{
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	char hidden[sizeof d.name];

	file_draft_fini(&d);
	assert_int_equal(file_draft_open(&d, p->dir, &f), 0);
	(void)snprintf(hidden, sizeof hidden, "%s", d.name);
	assert_int_equal(file_size(p->dir, hidden), 0);
	file_draft_fini(&d);
	file_draft_fini(&d);
	assert_int_equal(file_size(p->dir, hidden), -1);
}

static void
publishing_never_replaces_a_file(void **state)
{
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;

	keep(p, "cat", "first");
	assert_int_equal(file_draft_open(&d, p->dir, &f), 0);
	assert_int_equal(file_draft_write(&d, VIEW("second"), &f), 0);
	assert_int_equal(file_draft_publish(&d, "cat", &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	file_draft_fini(&d);
	assert_reads(p, "cat", "first");
}

static void
a_secret_replaces_the_one_before_and_is_for_us_alone(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	struct stat st;

	(void)umask(0);
	keep(p, "keys", "old, and longer");
	assert_int_equal(file_replace(p->dir, "keys", VIEW("new"), &f), 0);
	(void)umask(022);
	assert_reads(p, "keys", "new");
	assert_int_equal(fstatat(p->dir, "keys", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(mkdirat(p->dir, "folder", 0700), 0);
	assert_int_equal(file_replace(p->dir, "folder", VIEW("new"), &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
}

static void
a_replacement_that_fails_leaves_the_file_and_no_draft(void **state)
{
	const struct rlimit four = { .rlim_cur = 4, .rlim_max = 4 };
	struct place *p = *state;
	const struct dirent *entry;
	struct fault f = FAULT_INIT;
	pid_t child;
	DIR *list;
	int status;

	keep(p, "keys", "old");
	child = fork();
	if (child == 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &four) == -1 ||
		    file_replace(p->dir, "keys", VIEW("12345"), &f) == 0)
			_exit(1);
		_exit(f.kind == FAULT_FULL ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_reads(p, "keys", "old");
	list = opendir(p->path);
	assert_non_null(list);
	while ((entry = readdir(list)) != NULL)
		assert_false(
		    view_begins(view_str(entry->d_name), FILE_DRAFT_PREFIX));
	(void)closedir(list);
}

/* The child's exit status; it must not have been killed. */
static int
status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
a_file_over_the_size_limit_of_the_process_is_a_full_disk(void **state)
{
	const struct rlimit four = { .rlim_cur = 4, .rlim_max = 4 };
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	const pid_t child = fork();

	if (child == 0) {
		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &four) == -1 ||
		    file_draft_open(&d, p->dir, &f) == -1 ||
		    file_draft_write(&d, VIEW("five!"), &f) == 0)
			_exit(1);
		file_draft_fini(&d);
		_exit(f.kind == FAULT_FULL &&
			      !view_has(view_str(f.text), FILE_DRAFT_PREFIX)
			  ? 0
			  : 2);
	}
	assert_int_equal(status_of(child), 0);
	assert_int_equal(rmdir(p->path), 0); /* the folder is empty */
	assert_int_equal(mkdir(p->path, 0700), 0);
}

/* Starts a process that opens a draft and then only waits to be killed. */
static pid_t
start_owner(struct place *p, char name[64])
{
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	int ready[2];
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		if (file_draft_open(&d, p->dir, &f) == 0 &&
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
kill_owner(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
a_sweep_leaves_the_living_and_takes_the_dead(void **state)
{
	struct place *p = *state;
	char name[64];
	const pid_t child = start_owner(p, name);

	assert_false(file_draft_sweep(p->dir, name));
	assert_int_equal(file_size(p->dir, name), 0);
	kill_owner(child);
	assert_int_equal(file_size(p->dir, name), 0);
	assert_true(file_draft_sweep(p->dir, name));
	assert_int_equal(file_size(p->dir, name), -1);
	assert_false(file_draft_sweep(p->dir, name));
}

static void
a_sweep_touches_nothing_but_drafts(void **state)
{
	struct place *p = *state;

	keep(p, "cat", "stays");
	assert_int_equal(symlinkat("cat", p->dir, FILE_DRAFT_PREFIX "link"), 0);
	assert_int_equal(mkdirat(p->dir, FILE_DRAFT_PREFIX "dir", 0700), 0);
	assert_int_equal(mkfifoat(p->dir, FILE_DRAFT_PREFIX "pipe", 0600), 0);
	assert_false(file_draft_sweep(p->dir, "cat"));
	assert_false(file_draft_sweep(p->dir, FILE_DRAFT_PREFIX "link"));
	assert_false(file_draft_sweep(p->dir, FILE_DRAFT_PREFIX "dir"));
	assert_false(file_draft_sweep(p->dir, FILE_DRAFT_PREFIX "pipe"));
	assert_reads(p, "cat", "stays");
}

static void
all_drafts_of_the_dead_are_swept_at_once(void **state)
{
	struct place *p = *state;
	struct file_draft ours = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	int i;

	keep(p, FILE_DRAFT_PREFIX "1", "dead");
	keep(p, FILE_DRAFT_PREFIX "2", "dead");
	keep(p, "cat", "stays");
	assert_int_equal(file_draft_open(&ours, p->dir, &f), 0);
	for (i = 0; i < 2; i++)
		file_sweep_drafts(p->dir);
	assert_int_equal(file_size(p->dir, FILE_DRAFT_PREFIX "1"), -1);
	assert_int_equal(file_size(p->dir, FILE_DRAFT_PREFIX "2"), -1);
	assert_int_equal(file_size(p->dir, ours.name), 0);
	assert_reads(p, "cat", "stays");
	file_draft_fini(&ours);
	file_sweep_drafts(-1);
}

/* Sweeps whatever appears in the folder, until it is killed. */
static void
sweep_always(struct place *p)
{
	DIR *list = opendir(p->path);
	const struct dirent *entry;

	(void)alarm(60); /* should the test fail before it is killed */
	while (list != NULL) {
		while ((entry = readdir(list)) != NULL)
			(void)file_draft_sweep(p->dir, entry->d_name);
		rewinddir(list);
	}
	_exit(1);
}

static void
a_draft_is_safe_from_sweeps_once_it_is_open(void **state)
{
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	const pid_t child = fork();
	int i;

	if (child == 0)
		sweep_always(p);
	for (i = 0; i < RACES; i++) {
		assert_int_equal(file_draft_open(&d, p->dir, &f), 0);
		assert_int_equal(file_size(p->dir, d.name), 0);
		file_draft_fini(&d);
	}
	kill_owner(child);
}

static void
folders_are_made_with_their_parents(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];
	struct stat st;
	int dir = -1;

	(void)umask(022);
	(void)snprintf(path, sizeof path, "%s/a//b/c/", p->path);
	assert_int_equal(file_make_folders(path, &f), 0);
	assert_int_equal(file_make_folders(path, &f), 0);
	assert_int_equal(file_open_folder(path, &dir, &f), 0);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	(void)close(dir);
}

static void
a_file_in_the_way_of_a_folder_is_a_fault(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];
	int dir = -1;

	keep(p, "cat", "");
	(void)snprintf(path, sizeof path, "%s/cat/a", p->path);
	assert_int_equal(file_make_folders(path, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	f = FAULT_INIT;
	assert_int_equal(file_open_folder(path, &dir, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	f = FAULT_INIT;
	(void)snprintf(path, sizeof path, "%s/%0300d", p->path, 0);
	assert_int_equal(file_make_folders(path, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
}

static void
only_regular_files_are_read(void **state)
{
	struct place *p = *state;

	keep(p, "cat", "miaow");
	assert_reads(p, "cat", "miaow");
	assert_int_equal(symlinkat("cat", p->dir, "link"), 0);
	assert_int_equal(mkdirat(p->dir, "folder", 0700), 0);
	assert_int_equal(mkfifoat(p->dir, "pipe", 0600), 0);
	assert_unreadable(p, "link", FAULT_ABSENT);
	assert_unreadable(p, "folder", FAULT_ABSENT);
	assert_unreadable(p, "pipe", FAULT_ABSENT);
	assert_unreadable(p, "dog", FAULT_ABSENT);
	assert_int_equal(file_size(p->dir, "link"), -1);
	assert_int_equal(file_size(p->dir, "folder"), -1);
	assert_int_equal(file_size(p->dir, "dog"), -1);
}

static void
a_path_of_the_settings_may_lead_through_links(void **state)
{
	struct place *p = *state;
	struct buf b = BUF_INIT(64);
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];

	keep(p, "cat", "miaow");
	assert_int_equal(symlinkat("cat", p->dir, "link"), 0);
	(void)snprintf(path, sizeof path, "%s/link", p->path);
	assert_int_equal(file_follow(path, &b, &f), 0);
	assert_string_equal(buf_str(&b), "miaow");
	buf_clear(&b);
	assert_int_equal(file_follow(p->path, &b, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	buf_fini(&b);
}

static void
a_file_is_read_up_to_the_limit_and_not_past_it(void **state)
{
	struct place *p = *state;
	char text[66];

	memset(text, 'x', sizeof text);
	text[64] = '\0';
	keep(p, "full", text);
	assert_reads(p, "full", text);
	text[64] = 'x';
	text[65] = '\0';
	keep(p, "over", text);
	assert_unreadable(p, "over", FAULT_DISK);
	keep(p, "empty", "");
	assert_reads(p, "empty", "");
}

static void
free_space_is_told(void **state)
{
	struct place *p = *state;
	struct fault f = FAULT_INIT;
	int64_t files = -1;
	int64_t bytes = -1;

	assert_int_equal(file_free_space(p->dir, &bytes, &files, &f), 0);
	assert_true(bytes > 0);
	assert_true(files > 0);
	assert_int_equal(file_free_space(-1, &bytes, &files, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
}

static bool
takes(struct place *p, struct file_lease *l, int64_t at)
{
	struct fault f = FAULT_INIT;
	bool held = false;

	assert_int_equal(
	    file_lease_take(l, p->dir, "leases", at, &held, &f), 0);
	assert_int_equal(held, l->fd != -1);
	return held;
}

static void
a_byte_is_leased_once(void **state)
{
	struct file_lease first = FILE_LEASE_INIT, second = FILE_LEASE_INIT;
	struct file_lease other = FILE_LEASE_INIT;
	struct place *p = *state;

	assert_true(takes(p, &first, 7));
	assert_false(takes(p, &second, 7));
	assert_true(takes(p, &other, 8));
	/* Closing another descriptor of the file lets nothing go. */
	file_lease_fini(&other);
	assert_false(takes(p, &second, 7));
	file_lease_fini(&first);
	assert_true(takes(p, &second, 7));
	file_lease_fini(&second);
	file_lease_fini(&second);
}

static void
a_lease_ends_with_its_holder(void **state)
{
	struct file_lease l = FILE_LEASE_INIT;
	struct place *p = *state;
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		if (takes(p, &l, 7) && write(ready[1], "!", 1) == 1)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_false(takes(p, &l, 7));
	kill_owner(child);
	assert_true(takes(p, &l, 7));
	file_lease_fini(&l);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void
a_lease_in_no_folder_is_a_fault(void **state)
{
	struct file_lease l = FILE_LEASE_INIT;
	struct fault f = FAULT_INIT;
	bool held = true;

	(void)state;
	assert_int_equal(file_lease_take(&l, -1, "leases", 1, &held, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_false(held);
	assert_int_equal(l.fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void
a_published_file_is_held_until_its_draft_is_finished(void **state)
{
	struct place *p = *state;
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	struct stat st;

	assert_false(file_is_held(p->dir, "file"));
	assert_int_equal(file_draft_open_secret(&d, p->dir, &f), 0);
	assert_int_equal(file_draft_write(&d, VIEW("held"), &f), 0);
	assert_int_equal(file_draft_publish(&d, "file", &f), 0);
	assert_int_equal(fstatat(p->dir, "file", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(file_is_held(p->dir, "file"));
	assert_true(file_is_held(p->dir, "file"));
	file_draft_fini(&d);
	assert_false(file_is_held(p->dir, "file"));
	keep(p, "other", "text");
	assert_false(file_is_held(p->dir, "other"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_draft_is_hidden_until_published_and_then_whole),
		TEST(a_draft_finished_unpublished_leaves_nothing),
		TEST(publishing_never_replaces_a_file),
		TEST(a_secret_replaces_the_one_before_and_is_for_us_alone),
		TEST(a_published_file_is_held_until_its_draft_is_finished),
		TEST(a_replacement_that_fails_leaves_the_file_and_no_draft),
		TEST(a_file_over_the_size_limit_of_the_process_is_a_full_disk),
		TEST(a_sweep_leaves_the_living_and_takes_the_dead),
		TEST(a_sweep_touches_nothing_but_drafts),
		TEST(all_drafts_of_the_dead_are_swept_at_once),
		TEST(a_draft_is_safe_from_sweeps_once_it_is_open),
		TEST(folders_are_made_with_their_parents),
		TEST(a_file_in_the_way_of_a_folder_is_a_fault),
		TEST(only_regular_files_are_read),
		TEST(a_path_of_the_settings_may_lead_through_links),
		TEST(a_file_is_read_up_to_the_limit_and_not_past_it),
		TEST(free_space_is_told),
		TEST(a_byte_is_leased_once),
		TEST(a_lease_ends_with_its_holder),
		TEST(a_lease_in_no_folder_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
