#include "app/running.h"

#include <dirent.h>
#include <errno.h>
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

enum { CROWD = 12, KILLS = 40, VARIABLE_SIZE = FOLDER_SIZE + 32 };

extern char **environ;

static char folder[FOLDER_SIZE], run_dir[VARIABLE_SIZE];

/* How many names are read until the disk fails; -1: it does not. */
static int names_left = -1;

/* In the place of the C library's. */
struct dirent *
readdir(DIR *list)
{
	if (names_left == 0) {
		errno = EIO;
		return NULL;
	}
	names_left -= names_left > 0;
	return (struct dirent *)(void *)readdir64(list);
}

static int
set_up(void **state)
{
	(void)state;
	if (folder_make(folder) == -1)
		return -1;
	(void)snprintf(run_dir, sizeof run_dir, "RUN_DIR=%s", folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return folder_remove(folder);
}

/* The settings of an environment with up to three variables more. */
static struct conf *
settings(const char *a, const char *b, const char *c)
{
	char *variables[] = { run_dir, (char *)(uintptr_t)a,
		(char *)(uintptr_t)b, (char *)(uintptr_t)c, NULL };
	char **const ours = environ;
	struct buf mistakes = BUF_INIT(64 << 10);
	struct fault f = FAULT_INIT;
	struct conf *conf = NULL;

	environ = variables;
	assert_int_equal(conf_open(&conf, &mistakes, &f), 0);
	environ = ours;
	buf_fini(&mistakes);
	return conf;
}

static struct running_report
compare(struct conf *c, const char *group)
{
	struct running_report report;
	struct fault f = FAULT_INIT;

	assert_int_equal(running_compare(c, group, &report, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
	return report;
}

static void
nothing_is_compared_before_anything_was_published(void **state)
{
	struct conf *c =
	    settings("API_KEY=a-key-of-sixteen-or-more", NULL, NULL);
	struct running_report r = compare(c, NULL);
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(r.processes, 0);
	assert_int_equal(running_differences(&r), 0);
	assert_int_equal(running_may_replace(&r, &f), 0);
	conf_close(&c);
}

static void
each_kind_of_change_is_told_apart(void **state)
{
	struct conf *old = settings("API_KEY=a-key-of-sixteen-or-more",
	    "GOOGLE_API_KEY=model", "IMAGE_MODELS=imagen-x");
	struct conf *new =
	    settings("GEMINI_API_KEY=other", "PROTECT_READS=false", NULL);
	struct running *published;
	struct running_report r;
	struct fault f = FAULT_INIT;

	(void)state;
	running_publish(&published, old, "slow-a");
	assert_non_null(published);
	r = compare(old, NULL);
	assert_int_equal(r.processes, 1);
	assert_int_equal(running_differences(&r), 0);
	r = compare(new, NULL);
	assert_int_equal(r.settings[CONF_API_KEY].change, RUNNING_GONE);
	assert_int_equal(r.settings[CONF_GOOGLE_API_KEY].change, RUNNING_GONE);
	assert_int_equal(r.settings[CONF_GEMINI_API_KEY].change, RUNNING_ADDED);
	assert_int_equal(r.settings[CONF_IMAGE_MODELS].change, RUNNING_OTHER);
	assert_string_equal(r.settings[CONF_API_KEY].who, "slow-a");
	assert_false(r.loses_model_key);
	assert_true(running_opens(&r));
	assert_int_equal(running_may_replace(&r, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_non_null(strstr(f.text, "API_KEY"));
	running_end(&published);
	assert_null(published);
	assert_int_equal(compare(new, NULL).processes, 0);
	conf_close(&old);
	conf_close(&new);
}

/* AWS_REGION is the exception: unset, the profile's region is used. */
static void
a_default_that_is_written_down_is_no_difference(void **state)
{
	struct conf *old = settings("AWS_MAX_ATTEMPTS=3", NULL, NULL);
	struct conf *new = settings(
	    "PROTECT_READS=false", "UPLOAD_MODE=eager", "AWS_REGION=us-east-1");
	struct running *published;
	struct running_report r;

	(void)state;
	running_publish(&published, old, "fast-a");
	r = compare(new, NULL);
	assert_int_equal(r.processes, 1);
	assert_int_equal(r.settings[CONF_PROTECT_READS].change, RUNNING_SAME);
	assert_int_equal(r.settings[CONF_UPLOAD_MODE].change, RUNNING_SAME);
	assert_int_equal(
	    r.settings[CONF_AWS_MAX_ATTEMPTS].change, RUNNING_SAME);
	assert_int_equal(r.settings[CONF_AWS_REGION].change, RUNNING_OTHER);
	assert_int_equal(running_differences(&r), 1);
	running_end(&published);
	conf_close(&old);
	conf_close(&new);
}

/* What could not be read might have been protected. */
static void
a_folder_that_cannot_be_read_to_its_end_is_a_fault(void **state)
{
	struct conf *c = settings(NULL, NULL, NULL);
	struct running *published;
	struct running_report report;
	struct fault f = FAULT_INIT;
	int rc;

	(void)state;
	running_publish(&published, c, "fast-a");
	names_left = 1;
	rc = running_compare(c, NULL, &report, &f);
	names_left = -1;
	assert_int_equal(rc, -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_int_equal(compare(c, NULL).processes, 1);
	running_end(&published);
	conf_close(&c);
}

static void
settings_that_do_not_matter_are_not_compared(void **state)
{
	struct conf *old = settings("FAST_WORKERS=7", "SKETCH_KEY=a", NULL);
	struct conf *new = settings("FAST_WORKERS=8", "PORT=99", NULL);
	struct running *published;
	struct running_report r;

	(void)state;
	running_publish(&published, old, "fast-a");
	r = compare(new, NULL);
	assert_int_equal(r.processes, 1);
	assert_int_equal(running_differences(&r), 0);
	running_end(&published);
	conf_close(&old);
	conf_close(&new);
}

static void
the_uploader_does_not_stand_in_for_a_group_without_workers(void **state)
{
	struct conf *old =
	    settings("API_KEY=a-key-of-sixteen-or-more", NULL, NULL);
	struct conf *new = settings(NULL, NULL, NULL);
	struct running *published;

	(void)state;
	running_publish(&published, old, RUNNING_UPLOADER);
	assert_int_equal(compare(new, "fast-a").processes, 0);
	assert_int_equal(compare(new, NULL).processes, 1);
	running_end(&published);
	conf_close(&old);
	conf_close(&new);
}

/* In a child: publishes, says so, and waits to be killed. */
static pid_t
publish_in_child(struct conf *c, const char *group, int ready)
{
	struct running *published;
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	running_publish(&published, c, group);
	if (published == NULL || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static void
kill_child(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
many_that_begin_at_once_share_one_key(void **state)
{
	struct conf *c =
	    settings("API_KEY=a-key-of-sixteen-or-more", NULL, NULL);
	struct conf *other = settings(NULL, NULL, NULL);
	struct running_report r;
	pid_t pids[CROWD];
	int ready[2], i;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	for (i = 0; i < CROWD; i++)
		pids[i] =
		    publish_in_child(c, i % 2 ? "fast-a" : "fast-b", ready[1]);
	for (i = 0; i < CROWD; i++)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	r = compare(c, NULL);
	assert_int_equal(r.processes, CROWD);
	assert_int_equal(running_differences(&r), 0);
	assert_int_equal(compare(other, "fast-a").processes, CROWD / 2);
	for (i = 0; i < CROWD; i++)
		kill_child(pids[i]);
	assert_int_equal(compare(c, NULL).processes, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	conf_close(&c);
	conf_close(&other);
}

/* A process that is killed at any moment of its start leaves nothing that is
 * taken for settings, and nothing that the next one trips over. */
static void
one_that_is_killed_while_it_publishes_leaves_nothing_that_counts(void **state)
{
	struct conf *c = settings(NULL, NULL, NULL);
	struct running *published;
	int ready[2], i;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	for (i = 0; i < KILLS; i++) {
		pid = publish_in_child(c, "slow-a", ready[1]);
		(void)usleep((useconds_t)(i * 150));
		kill_child(pid);
		assert_int_equal(compare(c, NULL).processes, 0);
	}
	running_publish(&published, c, "slow-a");
	assert_non_null(published);
	assert_int_equal(compare(c, NULL).processes, 1);
	running_end(&published);
	(void)close(ready[0]);
	(void)close(ready[1]);
	conf_close(&c);
}

static void
workers_of_another_pool_than_the_pid_file_names_do_not_count(void **state)
{
	struct conf *c = settings(NULL, NULL, NULL);
	struct running *published;
	char path[FOLDER_SIZE + 32];
	FILE *file;

	(void)state;
	running_publish(&published, c, "fast-a");
	(void)snprintf(path, sizeof path, "%s/fast-a.pid", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "%ld\n", (long)getppid());
	assert_int_equal(fclose(file), 0);
	assert_int_equal(compare(c, NULL).processes, 1);
	/* As spawn-fcgi writes it: its children, of which we are one. */
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "1\n%ld\n", (long)getpid());
	assert_int_equal(fclose(file), 0);
	assert_int_equal(compare(c, NULL).processes, 1);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs("0\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(compare(c, NULL).processes, 0);
	running_end(&published);
	conf_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(nothing_is_compared_before_anything_was_published),
		TEST(each_kind_of_change_is_told_apart),
		TEST(a_default_that_is_written_down_is_no_difference),
		TEST(a_folder_that_cannot_be_read_to_its_end_is_a_fault),
		TEST(settings_that_do_not_matter_are_not_compared),
		TEST(
		    the_uploader_does_not_stand_in_for_a_group_without_workers),
		TEST(many_that_begin_at_once_share_one_key),
		TEST(
		    one_that_is_killed_while_it_publishes_leaves_nothing_that_counts),
		TEST(
		    workers_of_another_pool_than_the_pid_file_names_do_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
