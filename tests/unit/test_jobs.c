#include "disk/jobs.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "place.h"

enum {
	NOW = 1000000, /* ms, as all times here */
	WORKERS = 4,
	OPERATIONS = 40,
	MANY = 20000,
	MANY_MS_MAX = 20000 /* for all of them; a loaded machine included */
};

static const int64_t month_ms = INT64_C(30) * 24 * 3600 * 1000;

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct job_id
job_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct job_id job;

	assert_int_equal(job_id_parse(&job, view_str(text), &f), 0);
	return job;
}

static void
must(int rc, const struct fault *f)
{
	if (rc == -1)
		fail_msg("%s", f->text);
}

/* Asks, and tells the operation's number. */
static int64_t
ask_at(struct fixture *p, enum jobs_kind kind, const char *name, int64_t now_ms)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	const struct job_id job = job_of(name);
	struct fault f = FAULT_INIT;

	must(jobs_ask(p->db, kind, &job, false, now_ms, &o, &f), &f);
	assert_int_equal(o.kind, kind);
	assert_string_equal(o.job.text, name);
	assert_string_equal(buf_str(&o.result), "");
	assert_string_equal(buf_str(&o.error), "");
	jobs_operation_fini(&o);
	return o.serial;
}

static int64_t
ask(struct fixture *p, const char *name)
{
	return ask_at(p, JOBS_PERSIST, name, NOW);
}

static int64_t
count(struct fixture *p, const char *table)
{
	char text[64];

	(void)snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
	return place_peek(&p->place, text);
}

/* Takes one: its number, or 0 when there is none. */
static int64_t
take_into(struct fixture *p, struct jobs_operation *o, struct file_lease *lease)
{
	struct fault f = FAULT_INIT;
	bool found;

	must(jobs_take(p->db, NOW + 1, o, lease, &found, &f), &f);
	assert_int_equal(found, lease->fd != -1);
	if (found)
		assert_int_equal(o->state, JOBS_RUNNING);
	return found ? o->serial : 0;
}

static int64_t
take(struct fixture *p, struct file_lease *lease)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	const int64_t serial = take_into(p, &o, lease);

	jobs_operation_fini(&o);
	return serial;
}

static void
settle(struct fixture *p, const struct jobs_operation *o, enum jobs_state state,
    const char *result, const char *error)
{
	struct fault f = FAULT_INIT;

	must(jobs_settle(p->db, o, state, view_str(result), view_str(error),
		 NOW + 3, &f),
	    &f);
}

/* Asks for one, works it through, and tells its number. */
static int64_t
live_through(struct fixture *p, const char *name)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	const int64_t serial = ask(p, name);

	assert_int_equal(take_into(p, &o, &lease), serial);
	settle(p, &o, JOBS_DONE, "{}", "");
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
	return serial;
}

static void
words_are_those_of_the_api(void **state)
{
	(void)state;
	assert_string_equal(jobs_kind_word(JOBS_PERSIST), "persist_job_assets");
	assert_string_equal(
	    jobs_kind_word(JOBS_DOWNLOAD), "download_job_assets");
	assert_string_equal(jobs_state_word(JOBS_QUEUED), "queued");
	assert_string_equal(jobs_state_word(JOBS_RUNNING), "running");
	assert_string_equal(jobs_state_word(JOBS_DONE), "done");
	assert_string_equal(jobs_state_word(JOBS_FAILED), "failed");
}

static void
an_operation_is_found_as_it_was_asked_for(void **state)
{
	struct jobs_operation asked = JOBS_OPERATION_INIT;
	struct jobs_operation found = JOBS_OPERATION_INIT;
	const struct job_id job = job_of("job-1");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	must(jobs_ask(p->db, JOBS_DOWNLOAD, &job, false, NOW, &asked, &f), &f);
	assert_int_equal(strlen(asked.id.text), 36);
	open_again(p);
	must(jobs_find(p->db, &asked.id, &found, &f), &f);
	assert_string_equal(found.id.text, asked.id.text);
	assert_int_equal(found.serial, asked.serial);
	assert_int_equal(found.kind, JOBS_DOWNLOAD);
	assert_string_equal(found.job.text, "job-1");
	assert_int_equal(found.state, JOBS_QUEUED);
	assert_int_equal(found.created_at_ms, NOW);
	assert_int_equal(found.updated_at_ms, NOW);
	assert_int_equal(found.progress.files_total, 0);
	jobs_operation_fini(&asked);
	jobs_operation_fini(&found);
	jobs_operation_fini(&found);
}

static void
operations_are_counted_by_state(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int64_t n[JOBS_STATES];

	open_it(p);
	must(jobs_count(p->db, n, &f), &f);
	assert_true(n[JOBS_QUEUED] == 0 && n[JOBS_FAILED] == 0);
	(void)live_through(p, "a");
	(void)live_through(p, "b");
	(void)ask(p, "c");
	(void)take_into(p, &o, &lease);
	(void)ask(p, "d");
	(void)ask(p, "e");
	(void)ask(p, "f");
	must(jobs_count(p->db, n, &f), &f);
	assert_true(n[JOBS_QUEUED] == 3 && n[JOBS_RUNNING] == 1 &&
		    n[JOBS_DONE] == 2 && n[JOBS_FAILED] == 0);
	settle(p, &o, JOBS_FAILED, "", "{}");
	must(jobs_count(p->db, n, &f), &f);
	assert_true(n[JOBS_RUNNING] == 0 && n[JOBS_FAILED] == 1);
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
}

static void
an_unknown_operation_is_absent(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	const struct image_id id = { "nothing" };
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(jobs_find(p->db, &id, &o, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	jobs_operation_fini(&o);
}

static void
the_same_asked_twice_is_one_operation_until_it_is_over(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	int64_t first;

	open_it(p);
	first = ask(p, "job-1");
	assert_int_equal(ask(p, "job-1"), first);
	assert_int_not_equal(ask(p, "job-2"), first);
	assert_int_equal(take_into(p, &o, &lease), first);
	assert_int_equal(ask(p, "job-1"), first);
	settle(p, &o, JOBS_FAILED, "", "{}");
	file_lease_fini(&lease);
	assert_int_not_equal(ask(p, "job-1"), first);
	assert_int_equal(count(p, "operations"), 3);
	jobs_operation_fini(&o);
}

static void
the_other_kind_is_refused_as_long_as_one_is_not_over(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	const struct job_id job = job_of("job-1");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	(void)ask(p, "job-1");
	assert_int_equal(
	    jobs_ask(p->db, JOBS_DOWNLOAD, &job, false, NOW, &o, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_int_equal(f.retry_after_s, 5);
	assert_string_equal(
	    f.text, "a persist_job_assets of the job is queued");
	assert_true(view_has(view_str(f.details), "operation "));
	(void)take_into(p, &o, &lease);
	f = FAULT_INIT;
	assert_int_equal(
	    jobs_ask(p->db, JOBS_DOWNLOAD, &job, false, NOW, &o, &f), -1);
	assert_string_equal(
	    f.text, "a persist_job_assets of the job is running");
	settle(p, &o, JOBS_DONE, "{}", "");
	file_lease_fini(&lease);
	assert_true(ask_at(p, JOBS_DOWNLOAD, "job-1", NOW) > o.serial);
	assert_int_equal(count(p, "operations"), 2);
	jobs_operation_fini(&o);
}

/* Whatever a program does, the table holds one a job that is not over. */
static void
the_table_itself_has_no_two_of_a_job_at_work(void **state)
{
	struct fixture *p = *state;
	sqlite3 *sqlite;

	open_it(p);
	(void)ask(p, "job-1");
	sqlite = place_sqlite(&p->place);
	assert_int_equal(sqlite3_exec(sqlite,
			     "INSERT INTO operations (id, kind, job_id, state,"
			     " created_at, updated_at) VALUES ('x', 'y',"
			     " 'job-1', 'running', 1, 1)",
			     NULL, NULL, NULL),
	    SQLITE_CONSTRAINT);
	assert_int_equal(sqlite3_close(sqlite), SQLITE_OK);
}

static void
the_oldest_is_taken_first_and_none_twice(void **state)
{
	struct file_lease leases[4] = { FILE_LEASE_INIT, FILE_LEASE_INIT,
		FILE_LEASE_INIT, FILE_LEASE_INIT };
	struct fixture *p = *state;
	int64_t serials[3];
	int i;

	open_it(p);
	assert_int_equal(take(p, &leases[0]), 0);
	serials[0] = ask_at(p, JOBS_PERSIST, "job-1", NOW + 5);
	serials[1] = ask_at(p, JOBS_DOWNLOAD, "job-0", NOW);
	serials[2] = ask_at(p, JOBS_PERSIST, "job-2", NOW - 5);
	for (i = 0; i < 3; i++)
		assert_int_equal(take(p, &leases[i]), serials[i]);
	assert_int_equal(take(p, &leases[3]), 0);
	assert_int_equal(place_peek(&p->place,
			     "SELECT count(*) FROM operations WHERE"
			     " state = 'running' AND updated_at = 1000001"),
	    3);
	for (i = 0; i < 4; i++)
		file_lease_fini(&leases[i]);
}

static void
what_a_worker_left_is_taken_again_when_nothing_is_queued(void **state)
{
	struct file_lease first = FILE_LEASE_INIT, second = FILE_LEASE_INIT;
	struct fixture *p = *state;
	int64_t left, queued;

	open_it(p);
	left = ask(p, "job-1");
	assert_int_equal(take(p, &first), left);
	queued = ask(p, "job-2");
	file_lease_fini(&first);
	assert_int_equal(take(p, &first), queued);
	assert_int_equal(take(p, &second), left);
	file_lease_fini(&first);
	assert_int_equal(take(p, &first), queued);
	file_lease_fini(&first);
	file_lease_fini(&second);
}

/* Its last taker's COMMIT has failed, and it is about to let go. */
static void
one_whose_lease_is_still_held_is_passed_over(void **state)
{
	struct file_lease other = FILE_LEASE_INIT, lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int64_t first, second;
	bool held;

	open_it(p);
	first = ask(p, "job-1");
	second = ask(p, "job-2");
	must(file_lease_take(&other, db_folder(p->db), "catalogue.operations",
		 first, &held, &f),
	    &f);
	assert_true(held);
	assert_int_equal(take(p, &lease), second);
	file_lease_fini(&lease);
	file_lease_fini(&other);
	assert_int_equal(take(p, &lease), first);
	file_lease_fini(&lease);
}

static void
what_a_newer_program_asked_for_is_left_to_it(void **state)
{
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	int64_t serial;

	open_it(p);
	place_run(&p->place,
	    "INSERT INTO operations (id, kind, job_id, state, created_at,"
	    " updated_at) VALUES ('x', 'paint_job_assets', 'job-0', 'queued',"
	    " 1, 1)");
	serial = ask(p, "job-1");
	assert_int_equal(take(p, &lease), serial);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM operations WHERE"
				  " id = 'x' AND state = 'queued'"),
	    1);
	file_lease_fini(&lease);
}

static void
progress_and_result_are_kept(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	(void)ask(p, "job-1");
	(void)take_into(p, &o, &lease);
	o.progress = (struct jobs_progress){ 1, 2, INT64_MAX - 1, INT64_MAX };
	must(jobs_progress(p->db, &o, NOW + 2, &f), &f);
	open_again(p);
	o.progress = (struct jobs_progress){ 0 };
	must(jobs_find(p->db, &o.id, &o, &f), &f);
	assert_int_equal(o.state, JOBS_RUNNING);
	assert_int_equal(o.updated_at_ms, NOW + 2);
	assert_int_equal(o.progress.files_done, 1);
	assert_int_equal(o.progress.files_total, 2);
	assert_true(o.progress.bytes_done == INT64_MAX - 1);
	assert_true(o.progress.bytes_total == INT64_MAX);
	o.progress.files_done = 2;
	settle(p, &o, JOBS_DONE, "{\"files\":2}", "");
	must(jobs_find(p->db, &o.id, &o, &f), &f);
	assert_int_equal(o.state, JOBS_DONE);
	assert_int_equal(o.progress.files_done, 2);
	assert_int_equal(o.updated_at_ms, NOW + 3);
	assert_string_equal(buf_str(&o.result), "{\"files\":2}");
	assert_string_equal(buf_str(&o.error), "");
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
}

static void
a_failure_is_kept_with_its_words(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	static char result[JOBS_RESULT_MAX + 1];

	open_it(p);
	(void)ask(p, "job-1");
	(void)take_into(p, &o, &lease);
	memset(result, 'r', sizeof result - 1);
	settle(p, &o, JOBS_FAILED, result, "{\"error\":\"Conflict\"}");
	must(jobs_find(p->db, &o.id, &o, &f), &f);
	assert_int_equal(o.state, JOBS_FAILED);
	assert_string_equal(buf_str(&o.result), result);
	assert_string_equal(buf_str(&o.error), "{\"error\":\"Conflict\"}");
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
}

static void
what_is_not_running_has_no_progress_and_no_second_end(void **state)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	(void)ask(p, "job-1");
	(void)take_into(p, &o, &lease);
	settle(p, &o, JOBS_DONE, "{}", "");
	assert_int_equal(
	    jobs_settle(p->db, &o, JOBS_FAILED, VIEW(""), VIEW("{}"), NOW, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	f = FAULT_INIT;
	assert_int_equal(jobs_progress(p->db, &o, NOW + 9, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	f = FAULT_INIT;
	must(jobs_find(p->db, &o.id, &o, &f), &f);
	assert_int_equal(o.state, JOBS_DONE);
	assert_int_equal(o.updated_at_ms, NOW + 3);
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
}

static void
what_is_over_is_forgotten_after_a_month(void **state)
{
	struct fixture *p = *state;
	const int64_t over_ms = NOW + 3;

	open_it(p);
	(void)live_through(p, "job-1");
	(void)ask(p, "queued");
	(void)ask_at(p, JOBS_PERSIST, "job-2", over_ms + month_ms);
	assert_int_equal(count(p, "operations"), 3);
	(void)ask_at(p, JOBS_PERSIST, "job-3", over_ms + month_ms + 1);
	assert_int_equal(count(p, "operations"), 3);
	assert_int_equal(count(p, "operations WHERE job_id = 'job-1'"), 0);
	assert_int_equal(count(p, "operations WHERE job_id = 'queued'"), 1);
}

static void
a_thousand_old_operations_are_forgotten_in_pieces(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	place_run(&p->place,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 1000) INSERT INTO operations (id, kind, job_id, state,"
	    " created_at, updated_at) SELECT 'id-' || i, 'x', 'job', 'failed',"
	    " 1, i FROM n");
	(void)ask_at(p, JOBS_PERSIST, "job-1", month_ms + NOW);
	assert_in_range(count(p, "operations"), 900, 999);
	assert_int_equal(count(p, "operations WHERE id = 'id-1000'"), 1);
	assert_int_equal(count(p, "operations WHERE id = 'id-1'"), 0);
}

/* Takes operations until there are none; each is ended with a byte told. */
static _Noreturn void
work(struct fixture *p, const int gate[2], int told)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	unsigned char serial;

	place_await_start(gate);
	open_it(p);
	while (take_into(p, &o, &lease) != 0) {
		serial = (unsigned char)o.serial;
		if (write(told, &serial, 1) != 1)
			place_leave(false);
		settle(p, &o, JOBS_DONE, "{}", "");
		file_lease_fini(&lease);
	}
	jobs_operation_fini(&o);
	db_close(&p->db);
	place_leave(true);
}

static void
of_four_processes_each_operation_is_worked_through_by_one(void **state)
{
	bool seen[OPERATIONS + 1] = { false };
	struct fixture *p = *state;
	pid_t children[WORKERS];
	int gate[2], told[2], i;
	unsigned char serial;
	char name[32];

	open_it(p);
	for (i = 0; i < OPERATIONS; i++) {
		(void)snprintf(name, sizeof name, "job-%d", i);
		assert_int_equal(ask(p, name), i + 1);
	}
	db_close(&p->db);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(told), 0);
	for (i = 0; i < WORKERS; i++) {
		children[i] = fork();
		if (children[i] == 0)
			work(p, gate, told[1]);
	}
	place_open_gate(gate);
	(void)close(told[1]);
	for (i = 0; i < OPERATIONS; i++) {
		assert_int_equal(read(told[0], &serial, 1), 1);
		assert_in_range(serial, 1, OPERATIONS);
		assert_false(seen[serial]);
		seen[serial] = true;
	}
	assert_int_equal(read(told[0], &serial, 1), 0);
	(void)close(told[0]);
	place_await(children, WORKERS);
	assert_int_equal(
	    count(p, "operations WHERE state = 'done'"), OPERATIONS);
}

/* Starts a process that takes an operation, says so, and waits. */
static pid_t
start_worker(struct fixture *p, int64_t *serial)
{
	struct file_lease lease = FILE_LEASE_INIT;
	int told[2];
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		open_it(p);
		*serial = take(p, &lease);
		if (write(told[1], serial, sizeof *serial) == sizeof *serial)
			(void)pause();
		place_leave(false);
	}
	assert_int_equal(read(told[0], serial, sizeof *serial), sizeof *serial);
	(void)close(told[0]);
	(void)close(told[1]);
	return child;
}

static void
one_whose_worker_was_killed_is_taken_by_another(void **state)
{
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	int64_t asked, taken;
	pid_t worker;

	open_it(p);
	asked = ask(p, "job-1");
	db_close(&p->db);
	worker = start_worker(p, &taken);
	assert_int_equal(taken, asked);
	open_it(p);
	assert_int_equal(take(p, &lease), 0);
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, NULL, 0), worker);
	assert_int_equal(take(p, &lease), asked);
	file_lease_fini(&lease);
}

static void
a_job_is_worked_on_by_one_at_a_time(void **state)
{
	struct file_lease a = FILE_LEASE_INIT, b = FILE_LEASE_INIT;
	const struct job_id job = job_of("job-1"), other = job_of("job-2");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool held;

	open_it(p);
	must(jobs_lease(p->db, &job, &a, &held, &f), &f);
	assert_true(held);
	must(jobs_lease(p->db, &job, &b, &held, &f), &f);
	assert_false(held);
	must(jobs_lease(p->db, &other, &b, &held, &f), &f);
	assert_true(held);
	file_lease_fini(&b);
	file_lease_fini(&a);
	must(jobs_lease(p->db, &job, &b, &held, &f), &f);
	assert_true(held);
	file_lease_fini(&b);
}

/* The last byte that a hash can be is one that the kernel locks, too. */
static void
every_byte_of_2_to_the_63_can_be_held(void **state)
{
	struct file_lease a = FILE_LEASE_INIT, b = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool held;

	open_it(p);
	must(file_lease_take(
		 &a, db_folder(p->db), "catalogue.jobs", INT64_MAX, &held, &f),
	    &f);
	assert_true(held);
	must(file_lease_take(
		 &b, db_folder(p->db), "catalogue.jobs", INT64_MAX, &held, &f),
	    &f);
	assert_false(held);
	file_lease_fini(&a);
}

static struct jobs_file
file_of(const char *path, int64_t n)
{
	struct jobs_file file = { .stamp = { n, n + 1, n + 2, n + 3 },
		.sha256 = { HASH },
		.etag = "etag-1" };

	(void)snprintf(file.path.text, sizeof file.path.text, "%s", path);
	return file;
}

static void
keep(struct fixture *p, const char *name, const char *folder,
    const struct jobs_file *files, size_t n)
{
	const struct job_id job = job_of(name);
	struct fault f = FAULT_INIT;

	must(jobs_files_keep(p->db, &job, folder, files, n, &f), &f);
}

/* What was handed over: paths in their order, and the last file. */
struct listed {
	struct buf paths;
	struct jobs_file last;
	size_t n;
	size_t stop_at; /* 0: never */
};

static int
see(void *arg, const struct jobs_file *file, struct fault *f)
{
	struct listed *l = arg;

	buf_fmt(&l->paths, "%s ", file->path.text);
	l->last = *file;
	return ++l->n == l->stop_at ? fault_set(f, FAULT_SLOW, "enough") : 0;
}

static struct listed
list(struct fixture *p, const char *name, const char *folder)
{
	struct listed l = { .paths = BUF_INIT(4 << 20) };
	const struct job_id job = job_of(name);
	struct fault f = FAULT_INIT;

	must(jobs_files(p->db, &job, folder, see, &l, &f), &f);
	return l;
}

static void
assert_listed(
    struct fixture *p, const char *name, const char *folder, const char *paths)
{
	struct listed l = list(p, name, folder);

	assert_string_equal(buf_str(&l.paths), paths);
	buf_fini(&l.paths);
}

static void
files_are_remembered_in_the_order_of_whole_paths(void **state)
{
	const struct jobs_file files[] = { file_of("b", 1), file_of("a/b", 2),
		file_of("a.b", 3), file_of("a", 4), file_of("B", 5),
		file_of("\xc3\xa4", 6) };
	struct fixture *p = *state;

	open_it(p);
	keep(p, "job-1", "/jobs/job-1", files, 6);
	keep(p, "job-1", "/other", files, 1);
	keep(p, "job-2", "/jobs/job-1", files, 2);
	keep(p, "job-2", "/jobs/job-1", files, 0);
	open_again(p);
	assert_listed(p, "job-1", "/jobs/job-1", "B a a.b a/b b \xc3\xa4 ");
	assert_listed(p, "job-1", "/other", "b ");
	assert_listed(p, "job-2", "/jobs/job-1", "a/b b ");
	assert_listed(p, "job-2", "/other", "");
}

static void
a_file_is_remembered_as_it_was_last(void **state)
{
	struct jobs_file file = file_of("a", 1);
	struct fixture *p = *state;
	struct listed l;

	open_it(p);
	keep(p, "job-1", "/f", &file, 1);
	file.stamp = (struct tree_stamp){ INT64_MAX, -1, INT64_MIN, -2 };
	(void)snprintf(file.etag, sizeof file.etag, "%0127d", 7);
	file.sha256.hex[0] = 'f';
	keep(p, "job-1", "/f", &file, 1);
	l = list(p, "job-1", "/f");
	assert_int_equal(l.n, 1);
	assert_memory_equal(&l.last.stamp, &file.stamp, sizeof file.stamp);
	assert_string_equal(l.last.etag, file.etag);
	assert_string_equal(l.last.sha256.hex, file.sha256.hex);
	buf_fini(&l.paths);
}

static void
a_list_of_files_may_be_stopped(void **state)
{
	const struct jobs_file files[] = { file_of("a", 1), file_of("b", 2) };
	struct listed l = { .paths = BUF_INIT(1000), .stop_at = 1 };
	const struct job_id job = job_of("job-1");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	keep(p, "job-1", "/f", files, 2);
	assert_int_equal(jobs_files(p->db, &job, "/f", see, &l, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	assert_string_equal(buf_str(&l.paths), "a ");
	buf_fini(&l.paths);
	assert_listed(p, "job-1", "/f", "a b ");
}

static void
a_path_that_cannot_be_is_not_believed_of_the_catalogue_either(void **state)
{
	struct listed l = { .paths = BUF_INIT(1000) };
	const struct jobs_file file = file_of("a", 1);
	const struct job_id job = job_of("job-1");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	keep(p, "job-1", "/f", &file, 1);
	place_run(&p->place, "UPDATE job_files SET path = '../a'");
	assert_int_equal(jobs_files(p->db, &job, "/f", see, &l, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_int_equal(l.n, 0);
	f = FAULT_INIT;
	place_run(&p->place, "UPDATE job_files SET path = 'a',"
			     " sha256 = sha256 || '0'");
	assert_int_equal(jobs_files(p->db, &job, "/f", see, &l, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	buf_fini(&l.paths);
}

static void
twenty_thousand_files_are_remembered_at_once(void **state)
{
	struct jobs_file *files = calloc(MANY, sizeof *files);
	struct fixture *p = *state;
	struct listed l;
	int64_t began, kept, again, read;
	char path[64];
	int i;

	assert_non_null(files);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(path, sizeof path, "scenes/%05d/frame.png", i);
		files[i] = file_of(path, i);
	}
	open_it(p);
	began = clock_ticks_ms();
	keep(p, "job-1", "/var/lib/charref/jobs/job-1", files, MANY);
	kept = clock_ticks_ms();
	keep(p, "job-1", "/var/lib/charref/jobs/job-1", files, MANY);
	again = clock_ticks_ms();
	l = list(p, "job-1", "/var/lib/charref/jobs/job-1");
	read = clock_ticks_ms();
	print_message(
	    "%d files: kept in %d ms, again in %d ms, read in %d ms\n", MANY,
	    (int)(kept - began), (int)(again - kept), (int)(read - again));
	assert_int_equal(l.n, MANY);
	assert_string_equal(l.last.path.text, path);
	assert_true(read - began < MANY_MS_MAX);
	buf_fini(&l.paths);
	free(files);
}

static void
an_upload_is_found_under_its_key_until_it_is_forgotten(void **state)
{
	struct jobs_upload u = { .key = "videos/job-1/final/a.mp4",
		.sha256 = { HASH },
		.size = INT64_MAX,
		.part_size = 8 << 20 };
	struct jobs_upload found;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool is_found;

	open_it(p);
	memset(u.upload_id, 'u', sizeof u.upload_id - 1);
	must(jobs_upload_find(p->db, u.key, &is_found, &found, &f), &f);
	assert_false(is_found);
	must(jobs_upload_forget(p->db, u.key, &f), &f);
	must(jobs_upload_keep(p->db, &u, NOW, &f), &f);
	open_again(p);
	must(jobs_upload_find(p->db, u.key, &is_found, &found, &f), &f);
	assert_true(is_found);
	assert_string_equal(found.key, u.key);
	assert_string_equal(found.upload_id, u.upload_id);
	assert_string_equal(found.sha256.hex, HASH);
	assert_true(found.size == INT64_MAX);
	assert_int_equal(found.part_size, 8 << 20);
	(void)snprintf(u.upload_id, sizeof u.upload_id, "second");
	must(jobs_upload_keep(p->db, &u, NOW + 1, &f), &f);
	must(jobs_upload_find(p->db, u.key, &is_found, &found, &f), &f);
	assert_string_equal(found.upload_id, "second");
	assert_int_equal(count(p, "uploads WHERE created_at = 1000001"), 1);
	must(jobs_upload_forget(p->db, u.key, &f), &f);
	must(jobs_upload_find(p->db, u.key, &is_found, &found, &f), &f);
	assert_false(is_found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_those_of_the_api),
		TEST(an_operation_is_found_as_it_was_asked_for),
		TEST(operations_are_counted_by_state),
		TEST(an_unknown_operation_is_absent),
		TEST(the_same_asked_twice_is_one_operation_until_it_is_over),
		TEST(the_other_kind_is_refused_as_long_as_one_is_not_over),
		TEST(the_table_itself_has_no_two_of_a_job_at_work),
		TEST(the_oldest_is_taken_first_and_none_twice),
		TEST(what_a_worker_left_is_taken_again_when_nothing_is_queued),
		TEST(one_whose_lease_is_still_held_is_passed_over),
		TEST(what_a_newer_program_asked_for_is_left_to_it),
		TEST(progress_and_result_are_kept),
		TEST(a_failure_is_kept_with_its_words),
		TEST(what_is_not_running_has_no_progress_and_no_second_end),
		TEST(what_is_over_is_forgotten_after_a_month),
		TEST(a_thousand_old_operations_are_forgotten_in_pieces),
		TEST(of_four_processes_each_operation_is_worked_through_by_one),
		TEST(one_whose_worker_was_killed_is_taken_by_another),
		TEST(a_job_is_worked_on_by_one_at_a_time),
		TEST(every_byte_of_2_to_the_63_can_be_held),
		TEST(files_are_remembered_in_the_order_of_whole_paths),
		TEST(a_file_is_remembered_as_it_was_last),
		TEST(a_list_of_files_may_be_stopped),
		TEST(
		    a_path_that_cannot_be_is_not_believed_of_the_catalogue_either),
		TEST(twenty_thousand_files_are_remembered_at_once),
		TEST(an_upload_is_found_under_its_key_until_it_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
