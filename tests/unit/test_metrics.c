#include "base/metrics.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "folder.h"

enum {
	PATH_SIZE = 512,
	WRITERS = 6,
	ROUNDS = 40000,
	WAIT_MS = 10000,
	STEP_MS = 5,
	MANY = 100
};

struct place {
	char path[FOLDER_SIZE];
	char folder[PATH_SIZE];
	char file[PATH_SIZE + 8];
	struct buf text; /* the last one that was written */
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	*state = p;
	if (p == NULL || folder_make(p->path) == -1)
		return -1;
	p->text = BUF_INIT(METRICS_TEXT_MAX);
	(void)snprintf(p->folder, sizeof p->folder, "%s/run", p->path);
	(void)snprintf(p->file, sizeof p->file, "%s/metrics", p->folder);
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	int rc;

	metrics_close();
	rc = folder_remove(p->path);
	buf_fini(&p->text);
	free(p);
	return rc;
}

/* The value of a series as it is told, or -1 when it is not. */
static double
told(struct place *p, const char *series)
{
	const size_t n = strlen(series);
	struct fault f = FAULT_INIT;
	const char *line;

	buf_clear(&p->text);
	metrics_write_counted(&p->text);
	assert_int_equal(buf_done(&p->text, &f), 0);
	for (line = buf_str(&p->text); line != NULL;
	     line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, series, n) == 0 && line[n] == ' ')
			return strtod(line + n, NULL);
	}
	return -1;
}

static double
told_requests(struct place *p, const char *route, const char *status)
{
	char series[PATH_SIZE];

	(void)snprintf(series, sizeof series,
	    "charref_http_requests_total{route=\"%s\",status=\"%s\"}", route,
	    status);
	return told(p, series);
}

static void
count_request(const char *route, const char *status)
{
	metrics_count(METRICS_REQUESTS, route, status, 1);
}

static void
must_end_well(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static _Noreturn void
write_much(const struct place *p, int which)
{
	char own[16];
	int i;

	metrics_open(p->folder, false);
	(void)snprintf(own, sizeof own, "/%d", which);
	for (i = 0; i < ROUNDS; i++) {
		count_request("/all", "200");
		count_request(own, "404");
		metrics_observe(METRICS_REQUEST_SECONDS, "/all", 700);
		metrics_count(METRICS_UPLOADED_BYTES, NULL, NULL, 1000);
	}
	_exit(0);
}

static void
what_many_processes_count_sums_up_exactly(void **state)
{
	struct place *p = *state;
	pid_t children[WRITERS];
	char own[16];
	int i;

	for (i = 0; i < WRITERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			write_much(p, i);
	}
	for (i = 0; i < WRITERS; i++)
		must_end_well(children[i]);
	metrics_open(p->folder, false);
	assert_true(told_requests(p, "/all", "200") == WRITERS * ROUNDS);
	for (i = 0; i < WRITERS; i++) {
		(void)snprintf(own, sizeof own, "/%d", i);
		assert_true(told_requests(p, own, "404") == ROUNDS);
	}
	assert_true(told(p, "charref_uploaded_bytes_total") ==
		    1000.0 * WRITERS * ROUNDS);
	assert_true(told(p, "charref_http_request_duration_seconds_count"
			    "{route=\"/all\"}") == WRITERS * ROUNDS);
	assert_true(told(p, "charref_http_request_duration_seconds_sum"
			    "{route=\"/all\"}") > 0.000699 * WRITERS * ROUNDS);
}

static void
a_histogram_counts_up_to_each_bound(void **state)
{
	static const struct {
		const char *le;
		int count;
	} expected[] = { { "0.0005", 2 }, { "0.001", 3 }, { "60", 3 },
		{ "120", 4 }, { "+Inf", 5 } };
	struct place *p = *state;
	char series[PATH_SIZE];
	size_t i;

	metrics_open(p->folder, false);
	metrics_observe(METRICS_MODEL_SECONDS, "m", 0);
	metrics_observe(METRICS_MODEL_SECONDS, "m", 500);
	metrics_observe(METRICS_MODEL_SECONDS, "m", 501);
	metrics_observe(METRICS_MODEL_SECONDS, "m", 120000000);
	metrics_observe(METRICS_MODEL_SECONDS, "m", 120000001);
	for (i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		(void)snprintf(series, sizeof series,
		    "charref_model_request_duration_seconds_bucket"
		    "{model=\"m\",le=\"%s\"}",
		    expected[i].le);
		assert_true(told(p, series) == expected[i].count);
	}
	assert_true(told(p, "charref_model_request_duration_seconds_sum"
			    "{model=\"m\"}") == 240.001002);
	assert_true(told(p, "charref_model_request_duration_seconds_sum"
			    "{model=\"n\"}") == -1);
}

static void
values_beyond_the_room_are_other(void **state)
{
	struct place *p = *state;
	char name[METRICS_NAME_MAX + 2], series[PATH_SIZE];
	double kept = 0, one;
	int i;

	metrics_open(p->folder, false);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "model-%d", i);
		metrics_count(METRICS_GENERATIONS, name, "ok", 1);
	}
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	metrics_count(METRICS_GENERATIONS, name, "ok", 1);
	metrics_count(METRICS_GENERATIONS, "", "ok", 1);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(series, sizeof series,
		    "charref_generations_total"
		    "{model=\"model-%d\",outcome=\"ok\"}",
		    i);
		one = told(p, series);
		kept += one == 1 ? 1 : 0;
		assert_true(one == (i < kept ? 1 : -1));
	}
	assert_true(kept > 8 && kept < 32);
	assert_true(
	    told(p, "charref_generations_total"
		    "{model=\"other\",outcome=\"ok\"}") == MANY - kept + 2);
}

static void
a_value_is_escaped(void **state)
{
	struct place *p = *state;

	metrics_open(p->folder, false);
	count_request("a\"b\\c\nd", "200");
	assert_true(told_requests(p, "a\\\"b\\\\c\\nd", "200") == 1);
}

static void
every_metric_has_its_head_once_and_counts_without_labels_begin_at_0(
    void **state)
{
	struct place *p = *state;
	const char *head = "# TYPE charref_uploaded_bytes_total counter\n";

	metrics_open(p->folder, false);
	assert_true(told(p, "charref_uploaded_bytes_total") == 0);
	assert_non_null(strstr(buf_str(&p->text), head));
	assert_null(
	    strstr(strstr(buf_str(&p->text), head) + strlen(head), head));
	buf_clear(&p->text);
	metrics_write_head(&p->text, METRICS_DISK_FREE);
	metrics_write(&p->text, METRICS_DISK_FREE, NULL, NULL, 123456789012.0);
	metrics_write(&p->text, METRICS_WORKERS, "fast", "busy", 2);
	assert_non_null(
	    strstr(buf_str(&p->text), "\ncharref_disk_free_bytes 123456789012"
				      "\ncharref_workers{pool=\"fast\","
				      "state=\"busy\"} 2\n"));
}

/* --- who is alive --- */

static struct metrics_living
living(enum metrics_role role)
{
	struct metrics_living all[METRICS_ROLES];

	metrics_living(all);
	return all[role];
}

/* A process that is busy in the role, once it says so, until it is killed. */
static pid_t
begin_worker(const struct place *p, enum metrics_role role)
{
	int said[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(said), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(WAIT_MS / 1000); /* should nobody end it */
		metrics_open(p->folder, false);
		metrics_begin(role);
		metrics_busy(clock_ticks_us() - 5000000);
		if (write(said[1], "x", 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	(void)close(said[0]);
	return child;
}

static void
end_worker(pid_t child)
{
	int status;

	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void
who_is_killed_at_work_is_seen_no_more(void **state)
{
	struct place *p = *state;
	pid_t fast, slow;

	metrics_open(p->folder, false);
	fast = begin_worker(p, METRICS_FAST_ROLE);
	slow = begin_worker(p, METRICS_SLOW_ROLE);
	assert_int_equal(living(METRICS_FAST_ROLE).busy, 1);
	assert_int_equal(living(METRICS_FAST_ROLE).idle, 0);
	assert_true(living(METRICS_FAST_ROLE).longest_us >= 5000000);
	assert_int_equal(living(METRICS_SLOW_ROLE).busy, 1);
	end_worker(fast);
	assert_int_equal(living(METRICS_FAST_ROLE).busy, 0);
	assert_int_equal(living(METRICS_FAST_ROLE).idle, 0);
	assert_true(living(METRICS_FAST_ROLE).longest_us == 0);
	/* Its slot is free for the next, in whatever role. */
	fast = begin_worker(p, METRICS_LOOKUP_ROLE);
	assert_int_equal(living(METRICS_LOOKUP_ROLE).busy, 1);
	end_worker(fast);
	end_worker(slow);
	assert_int_equal(living(METRICS_SLOW_ROLE).busy, 0);
	assert_int_equal(living(METRICS_LOOKUP_ROLE).busy, 0);
}

static void
we_are_busy_and_idle_and_gone(void **state)
{
	struct place *p = *state;

	metrics_busy(1); /* before anything is open */
	metrics_open(p->folder, false);
	assert_int_equal(living(METRICS_OTHER_ROLE).idle, 0);
	metrics_begin(METRICS_OTHER_ROLE);
	metrics_busy(clock_ticks_us());
	assert_int_equal(living(METRICS_OTHER_ROLE).busy, 1);
	metrics_idle();
	assert_int_equal(living(METRICS_OTHER_ROLE).busy, 0);
	assert_int_equal(living(METRICS_OTHER_ROLE).idle, 1);
	metrics_close();
	assert_int_equal(living(METRICS_OTHER_ROLE).idle, 0);
	metrics_open(p->folder, false);
	assert_int_equal(living(METRICS_OTHER_ROLE).idle, 0);
}

static void
a_role_is_found_by_its_word(void **state)
{
	(void)state;
	assert_int_equal(metrics_role_named(VIEW("slow")), METRICS_SLOW_ROLE);
	assert_int_equal(metrics_role_named(VIEW("")), METRICS_OTHER_ROLE);
	assert_int_equal(metrics_role_named(VIEW("slo")), METRICS_OTHER_ROLE);
	assert_string_equal(metrics_role_word(METRICS_WATCHER_ROLE), "watcher");
}

/* --- the file --- */

static void
put(const struct place *p, const void *bytes, size_t n)
{
	FILE *out = fopen(p->file, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

static struct stat
look(const struct place *p)
{
	struct stat st;

	assert_int_equal(lstat(p->file, &st), 0);
	return st;
}

static void
a_short_or_foreign_file_is_made_anew(void **state)
{
	struct place *p = *state;
	off_t size;
	char *junk;

	metrics_open(p->folder, false);
	size = look(p).st_size;
	assert_int_equal(look(p).st_mode & 07777, 0600);
	metrics_close();
	put(p, "short", 5);
	metrics_open(p->folder, false);
	count_request("/a", "200");
	assert_int_equal(look(p).st_size, size);
	metrics_close();
	junk = malloc((size_t)size);
	assert_non_null(junk);
	memset(junk, 0x5a, (size_t)size);
	put(p, junk, (size_t)size);
	free(junk);
	metrics_open(p->folder, false);
	assert_true(told_requests(p, "/a", "200") == -1);
	count_request("/a", "200");
	metrics_close();
	metrics_open(p->folder, false);
	assert_true(told_requests(p, "/a", "200") == 1);
}

static void
a_guest_counts_in_a_file_that_is_there_and_makes_none(void **state)
{
	struct place *p = *state;

	metrics_open(p->folder, true);
	count_request("/guest", "200");
	assert_int_equal(access(p->folder, F_OK), -1);
	metrics_open(p->folder, false);
	assert_true(told_requests(p, "/guest", "204") == -1);
	metrics_open(p->folder, true);
	count_request("/guest", "204");
	metrics_open(p->folder, false);
	assert_true(told_requests(p, "/guest", "204") == 1);
}

/* Waits until metrics_follow has looked. */
static void
follow_until(struct place *p, const char *route, double count)
{
	const int64_t until_ms = clock_ticks_ms() + WAIT_MS;

	while (told_requests(p, route, "200") != count) {
		assert_true(clock_ticks_ms() < until_ms);
		clock_sleep_ms(STEP_MS);
		metrics_follow(clock_ticks_us());
	}
}

/* The folder's name is taken by a file, so that there can be none. */
static void
without_a_folder_counting_goes_on_alone(void **state)
{
	struct place *p = *state;
	FILE *taken = fopen(p->folder, "w");

	assert_non_null(taken);
	assert_int_equal(fclose(taken), 0);
	metrics_open(p->folder, false);
	metrics_begin(METRICS_FAST_ROLE);
	count_request("/alone", "200");
	metrics_busy(clock_ticks_us());
	metrics_follow(clock_ticks_us());
	assert_true(told_requests(p, "/alone", "200") == 1);
	assert_int_equal(living(METRICS_FAST_ROLE).busy, 0);
	/* Once there can be one it is shared again. */
	assert_int_equal(unlink(p->folder), 0);
	follow_until(p, "/alone", -1);
	assert_int_equal(living(METRICS_FAST_ROLE).idle, 1);
}

static void
who_follows_counts_in_the_file_that_took_the_place(void **state)
{
	struct place *p = *state;
	pid_t other;

	metrics_open(p->folder, false);
	metrics_begin(METRICS_SLOW_ROLE);
	count_request("/old", "200");
	assert_int_equal(unlink(p->file), 0);
	other = fork();
	if (other == 0) {
		metrics_open(p->folder, false);
		count_request("/new", "200");
		_exit(0);
	}
	must_end_well(other);
	follow_until(p, "/new", 1);
	assert_true(told_requests(p, "/old", "200") == -1);
	assert_int_equal(living(METRICS_SLOW_ROLE).idle, 1);
}

static void
who_follows_leaves_the_file_of_another_program_alone(void **state)
{
	struct place *p = *state;
	int64_t until_ms;

	metrics_open(p->folder, false);
	count_request("/mine", "200");
	assert_int_equal(unlink(p->file), 0);
	put(p, "a newer layout", 14);
	until_ms = clock_ticks_ms() + METRICS_FOLLOW_MS + 200;
	while (clock_ticks_ms() < until_ms) {
		clock_sleep_ms(STEP_MS);
		metrics_follow(clock_ticks_us());
	}
	assert_int_equal(look(p).st_size, 14);
	assert_true(told_requests(p, "/mine", "200") == 1);
}

/* As one leaves it that is killed between the hash and the text: all words
 * of the name but the hash are wiped by hand. */
static void
a_name_that_was_left_half_written_is_made_whole(void **state)
{
	struct place *p = *state;
	const off_t size = (metrics_open(p->folder, false), look(p).st_size);
	const int fd = open(p->file, O_RDWR);
	char *map, *name;

	count_request("/half", "200");
	map =
	    mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	(void)close(fd);
	name = memmem(map, (size_t)size, "/half", 5);
	assert_non_null(name);
	memset(name, 0, 3);
	assert_true(told_requests(p, "/half", "200") == -1);
	count_request("/half", "200");
	assert_true(told_requests(p, "/half", "200") == 2);
	(void)munmap(map, (size_t)size);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_many_processes_count_sums_up_exactly),
		TEST(a_histogram_counts_up_to_each_bound),
		TEST(values_beyond_the_room_are_other),
		TEST(a_value_is_escaped),
		TEST(
		    every_metric_has_its_head_once_and_counts_without_labels_begin_at_0),
		TEST(who_is_killed_at_work_is_seen_no_more),
		TEST(we_are_busy_and_idle_and_gone),
		TEST(a_role_is_found_by_its_word),
		TEST(a_short_or_foreign_file_is_made_anew),
		TEST(a_guest_counts_in_a_file_that_is_there_and_makes_none),
		TEST(without_a_folder_counting_goes_on_alone),
		TEST(who_follows_counts_in_the_file_that_took_the_place),
		TEST(who_follows_leaves_the_file_of_another_program_alone),
		TEST(a_name_that_was_left_half_written_is_made_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
