#include "disk/objects.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "disk/catalogue.h"
#include "place.h"

enum {
	NOW = 1000000,   /* ms, as all times here */
	LATER = 2000000, /* until when something is taken */
	LIST_MAX = 16,
	UPLOADERS = 4,
	UPLOADS = 300,
	BATCH = 7
};

/* What a call gave. */
struct list {
	struct object objects[LIST_MAX];
	size_t n;
};

static struct image_id
id_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct image_id id;

	assert_int_equal(image_id_parse(&id, view_str(text), &f), 0);
	return id;
}

static struct job_id
job_of(const char *text)
{
	struct job_id job = { "" };
	struct fault f = FAULT_INIT;

	if (text[0] != '\0')
		assert_int_equal(job_id_parse(&job, view_str(text), &f), 0);
	return job;
}

static int64_t
peek(struct fixture *p, const char *text)
{
	return place_peek(&p->place, text);
}

/* Fails the test with the words of a call that failed. */
static void
must(int rc, const struct fault *f)
{
	if (rc == -1)
		fail_msg("%s", f->text);
}

/* Makes an image known; its object alone waits until due_ms. */
static void
know(struct fixture *p, const char *id, int64_t due_ms)
{
	const struct catalogue_image image = {
		.id = id_of(id),
		.sniff = { SNIFF_WEBP, 8, 8 },
		.bytes = 4711,
		.sha256 = { "00112233445566778899aabbccddeeff"
			    "00112233445566778899aabbccddeeff" },
	};
	struct fault f = FAULT_INIT;

	must(catalogue_adopt(p->db, &image, due_ms, &f), &f);
}

static void
want(struct fixture *p, const char *id, const char *job, int64_t due_ms)
{
	const struct image_id i = id_of(id);
	const struct job_id j = job_of(job);
	struct fault f = FAULT_INIT;

	must(objects_want(p->db, &i, &j, SNIFF_WEBP, due_ms, &f), &f);
}

static struct object
find(struct fixture *p, const char *id, const char *job)
{
	const struct image_id i = id_of(id);
	const struct job_id j = job_of(job);
	struct fault f = FAULT_INIT;
	struct object o;
	bool known;

	must(objects_find(p->db, &i, &j, &known, &o, &f), &f);
	assert_true(known);
	assert_string_equal(o.id.text, id);
	assert_string_equal(o.job.text, job);
	return o;
}

static bool
knows(struct fixture *p, const char *id, const char *job)
{
	const struct image_id i = id_of(id);
	const struct job_id j = job_of(job);
	struct fault f = FAULT_INIT;
	struct object o;
	bool known;

	must(objects_find(p->db, &i, &j, &known, &o, &f), &f);
	if (!known)
		assert_int_equal(o.state, OBJECTS_NONE);
	return known;
}

static struct list
take(struct fixture *p, int64_t now_ms, size_t max)
{
	const int64_t until_ms = now_ms < LATER ? LATER : now_ms + 1;
	struct fault f = FAULT_INIT;
	struct list l;

	assert_true(max <= LIST_MAX);
	must(objects_take(p->db, now_ms, until_ms, l.objects, max, &l.n, &f),
	    &f);
	return l;
}

static struct list
take_to_verify(struct fixture *p, int64_t before_ms, int64_t now_ms, size_t max)
{
	struct fault f = FAULT_INIT;
	struct list l;

	must(objects_take_to_verify(
		 p->db, before_ms, now_ms, l.objects, max, &l.n, &f),
	    &f);
	return l;
}

/* Is that what was taken, in this order?  Names with a space between. */
static void
assert_taken(const struct list *l, const char *names)
{
	struct buf b = BUF_INIT(LIST_MAX * IDENT_MAX);
	size_t i;

	for (i = 0; i < l->n; i++)
		buf_fmt(&b, "%s%s", i == 0 ? "" : " ", l->objects[i].id.text);
	assert_string_equal(buf_str(&b), names);
	buf_fini(&b);
}

static void
settle_one(struct fixture *p, const struct objects_outcome *o, int64_t now_ms)
{
	struct fault f = FAULT_INIT;

	must(objects_settle(p->db, o, 1, now_ms, &f), &f);
}

/* What came of an object that is as the catalogue now has it. */
static void
settle(struct fixture *p, const char *id, enum objects_state state,
    const char *error, int64_t now_ms)
{
	const struct object object = find(p, id, "");
	const struct objects_outcome o = { .object = &object,
		.state = state,
		.due_ms = now_ms + 500,
		.is_attempt = error[0] != '\0',
		.error = error };

	settle_one(p, &o, now_ms);
}

static struct objects_summary
summary(struct fixture *p)
{
	struct objects_summary s;
	struct fault f = FAULT_INIT;

	must(objects_summary(p->db, &s, &f), &f);
	return s;
}

static void
a_key_says_what_it_is_and_whose(void **state)
{
	const struct image_id cat = id_of("cat");
	const struct job_id none = job_of(""), job = job_of("job-1");
	char key[OBJECTS_KEY_SIZE];

	(void)state;
	objects_key(key, &cat, &none, SNIFF_JPEG);
	assert_string_equal(key, "character_references/cat.jpg");
	objects_key(key, &cat, &job, SNIFF_PNG);
	assert_string_equal(
	    key, "videos/job-1/intermediate/character_reference/cat.png");
	objects_prefix(key, &cat, &none);
	assert_string_equal(key, "character_references/cat.");
	objects_prefix(key, &cat, &job);
	assert_string_equal(
	    key, "videos/job-1/intermediate/character_reference/cat.");
}

static void
the_longest_names_fit_in_a_key(void **state)
{
	char name[IDENT_MAX + 1], key[OBJECTS_KEY_SIZE];
	struct image_id id;
	struct job_id job;

	(void)state;
	memset(name, 'n', IDENT_MAX);
	name[IDENT_MAX] = '\0';
	id = id_of(name);
	job = job_of(name);
	objects_key(key, &id, &job, SNIFF_WEBP);
	assert_string_equal(key + strlen(key) - 6, "n.webp");
	assert_int_equal(strlen(key),
	    strlen("videos//intermediate/character_reference/.webp") +
		2 * IDENT_MAX);
}

static void
a_new_catalogue_knows_no_object(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct object o;
	bool found = true;

	open_it(p);
	assert_false(knows(p, "cat", ""));
	assert_false(knows(p, "cat", "job"));
	assert_int_equal(take(p, NOW, LIST_MAX).n, 0);
	assert_int_equal(take_to_verify(p, NOW, NOW, LIST_MAX).n, 0);
	must(objects_newest_done(p->db, 0, &o, &found, &f), &f);
	assert_false(found);
}

static void
an_object_is_found_with_all_that_is_known(void **state)
{
	struct fixture *p = *state;
	struct object o;

	open_it(p);
	know(p, "cat", NOW);
	o = find(p, "cat", "");
	assert_int_equal(o.kind, SNIFF_WEBP);
	assert_int_equal(o.bytes, 4711);
	assert_int_equal(strlen(o.sha256.hex), 64);
	assert_memory_equal(o.sha256.hex, "00112233", 8);
	assert_int_equal(o.state, OBJECTS_WAITING);
	assert_int_equal(o.attempts, 0);
	assert_false(o.is_alone_done);
	assert_false(knows(p, "Cat", ""));
}

static void
an_image_is_known_though_the_job_has_it_not(void **state)
{
	struct fixture *p = *state;
	struct object o;

	open_it(p);
	know(p, "cat", NOW);
	o = find(p, "cat", "job");
	assert_int_equal(o.state, OBJECTS_NONE);
	assert_int_equal(o.kind, SNIFF_WEBP);
	assert_int_equal(o.bytes, 4711);
	want(p, "cat", "job", NOW);
	assert_int_equal(find(p, "cat", "job").state, OBJECTS_WAITING);
	assert_int_equal(find(p, "cat", "job2").state, OBJECTS_NONE);
	assert_int_equal(
	    peek(p,
		"SELECT count(*) FROM objects WHERE job_id = 'job' AND key"
		" = 'videos/job/intermediate/character_reference/cat.webp'"),
	    1);
}

static void
a_job_is_told_when_the_image_alone_is_done(void **state)
{
	struct fixture *p = *state;
	struct list l;

	open_it(p);
	know(p, "cat", NOW);
	want(p, "cat", "job", NOW);
	place_run(&p->place, "UPDATE objects SET state = 'done', verified_at ="
			     " 1 WHERE job_id = 'job'");
	assert_false(find(p, "cat", "job").is_alone_done);
	place_run(&p->place, "UPDATE objects SET state = 'waiting',"
			     " verified_at = NULL WHERE job_id = 'job'");
	settle(p, "cat", OBJECTS_DONE, "", NOW);
	assert_true(find(p, "cat", "job").is_alone_done);
	assert_true(find(p, "cat", "none").is_alone_done);
	l = take(p, NOW, LIST_MAX);
	assert_taken(&l, "cat");
	assert_string_equal(l.objects[0].job.text, "job");
	assert_true(l.objects[0].is_alone_done);
	assert_int_equal(l.objects[0].kind, SNIFF_WEBP);
	assert_int_equal(l.objects[0].bytes, 4711);
	assert_int_equal(strlen(l.objects[0].sha256.hex), 64);
}

static void
wanting_it_again_does_not_move_what_waits_or_is_done(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	want(p, "cat", "", NOW - 1);
	want(p, "cat", "", OBJECTS_LAZY);
	assert_int_equal(take(p, NOW - 1, 1).n, 0);
	settle(p, "cat", OBJECTS_WAITING, "no", NOW);
	want(p, "cat", "", NOW);
	assert_int_equal(find(p, "cat", "").attempts, 1);
	settle(p, "cat", OBJECTS_DONE, "", NOW);
	want(p, "cat", "", NOW);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_DONE);
	assert_int_equal(peek(p, "SELECT count(*) FROM objects"), 1);
}

static void
what_has_failed_waits_again_when_wanted(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	settle(p, "cat", OBJECTS_FAILED, "no such bucket", NOW);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_FAILED);
	assert_int_equal(find(p, "cat", "").attempts, 1);
	assert_int_equal(take(p, LATER, 1).n, 0);
	place_run(&p->place, "UPDATE objects SET queued_at = 1");
	want(p, "cat", "", NOW + 5);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_WAITING);
	assert_int_equal(find(p, "cat", "").attempts, 0);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = ''"
		    " AND next_attempt_at = 1000005 AND queued_at > 1"),
	    1);
}

static void
a_lazy_object_becomes_due_when_wanted(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", OBJECTS_LAZY);
	assert_true(find(p, "cat", "").is_lazy);
	assert_false(find(p, "cat", "job").is_lazy);
	assert_int_equal(take(p, OBJECTS_LAZY - 1, 1).n, 0);
	place_run(&p->place, "UPDATE objects SET queued_at = 1, attempts = 2");
	want(p, "cat", "", OBJECTS_LAZY);
	assert_int_equal(peek(p, "SELECT queued_at FROM objects"), 1);
	want(p, "cat", "", NOW);
	assert_true(peek(p, "SELECT queued_at FROM objects") > 1);
	assert_int_equal(find(p, "cat", "").attempts, 2);
	assert_false(find(p, "cat", "").is_lazy);
	assert_int_equal(take(p, NOW - 1, 1).n, 0);
	assert_int_equal(take(p, NOW, 1).n, 1);
}

static void
what_was_taken_is_out_of_sight_until_its_time(void **state)
{
	struct fixture *p = *state;
	struct list l;

	open_it(p);
	know(p, "cat", NOW);
	know(p, "dog", NOW + 1);
	l = take(p, NOW - 1, LIST_MAX);
	assert_taken(&l, "");
	l = take(p, NOW, LIST_MAX);
	assert_taken(&l, "cat");
	assert_int_equal(l.objects[0].state, OBJECTS_WAITING);
	l = take(p, NOW + 1, LIST_MAX);
	assert_taken(&l, "dog");
	l = take(p, LATER - 1, LIST_MAX);
	assert_taken(&l, "");
	/* Whoever took them has died without a word. */
	open_again(p);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE next_attempt_at ="
		    " 2000000 AND state = 'waiting' AND attempts = 0"),
	    2);
	l = take(p, LATER, LIST_MAX);
	assert_taken(&l, "cat dog");
}

static void
the_oldest_and_the_newest_come_by_turns(void **state)
{
	struct fixture *p = *state;
	char name[16];
	struct list l;
	int i;

	open_it(p);
	for (i = 1; i <= 9; i++) {
		(void)snprintf(name, sizeof name, "i%d", i);
		know(p, name, NOW + i);
	}
	l = take(p, NOW + 8, 0);
	assert_taken(&l, "");
	l = take(p, NOW + 8, 1);
	assert_taken(&l, "i1");
	l = take(p, NOW + 8, 4);
	assert_taken(&l, "i2 i8 i3 i7");
	l = take(p, NOW + 8, LIST_MAX);
	assert_taken(&l, "i4 i6 i5");
	l = take(p, NOW + 9, LIST_MAX);
	assert_taken(&l, "i9");
}

static void
what_cannot_be_used_stops_nobody(void **state)
{
	struct fixture *p = *state;
	struct list l;

	open_it(p);
	know(p, "avif", NOW);
	know(p, "lost", NOW);
	know(p, "cat", NOW + 1);
	place_run(&p->place,
	    "UPDATE images SET extension = 'avif' WHERE id = 'avif';"
	    "DELETE FROM images WHERE id = 'lost'");
	l = take(p, NOW + 1, 1);
	assert_taken(&l, "");
	l = take(p, NOW + 1, 1);
	assert_taken(&l, "cat");
	place_run(&p->place, "UPDATE objects SET state = 'done',"
			     " verified_at = next_attempt_at");
	l = take_to_verify(p, LATER + 1, LATER + 1, LIST_MAX);
	assert_taken(&l, "cat");
}

static void
a_name_that_is_none_is_a_fault(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct list l;

	open_it(p);
	know(p, "cat", NOW);
	place_run(&p->place, "UPDATE images SET id = '../cat';"
			     "UPDATE objects SET image_id = '../cat'");
	l.n = 7;
	assert_int_equal(
	    objects_take(p->db, NOW, LATER, l.objects, 1, &l.n, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_int_equal(l.n, 0);
}

static void
an_image_of_a_kind_from_the_future_is_a_fault_to_who_asks_for_it(void **state)
{
	const struct image_id cat = id_of("cat");
	const struct job_id none = job_of("");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct object o;
	bool known;

	open_it(p);
	know(p, "cat", NOW);
	place_run(&p->place, "UPDATE images SET extension = 'avif'");
	assert_int_equal(objects_find(p->db, &cat, &none, &known, &o, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
}

static void
a_hash_that_is_none_is_not_known(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	place_run(&p->place, "UPDATE images SET sha256 = ''");
	assert_string_equal(find(p, "cat", "").sha256.hex, "");
	place_run(&p->place, "UPDATE images SET sha256 = printf('%65d', 0)");
	assert_string_equal(find(p, "cat", "").sha256.hex, "");
}

static void
two_who_take_by_turns_share_nothing(void **state)
{
	struct fixture other, *p = *state;
	struct fault f = FAULT_INIT;
	struct list l;

	open_it(p);
	other = *p;
	must(db_open(&other.db, p->place.root, &f), &f);
	know(p, "a", NOW);
	know(p, "b", NOW + 1);
	know(p, "c", NOW + 2);
	l = take(p, NOW + 2, 2);
	assert_taken(&l, "a c");
	l = take(&other, NOW + 2, 2);
	assert_taken(&l, "b");
	l = take(p, NOW + 2, 2);
	assert_taken(&l, "");
	db_close(&other.db);
}

/* Makes many objects that wait: "i0", "i1"...  Leaves no database open. */
static void
make_uploads(struct fixture *p)
{
	open_it(p);
	place_run(&p->place,
	    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 299) INSERT INTO images SELECT 'i' || i, 'png', '', 1,"
	    " '', 1, 1, 1, '', '', NULL, '' FROM n;"
	    "INSERT INTO objects (image_id, key, state) SELECT id, '',"
	    " 'waiting' FROM images");
	assert_int_equal(summary(p).waiting, UPLOADS);
	db_close(&p->db);
}

static bool
tell(const struct list *l, int to)
{
	uint16_t at;
	size_t i;

	for (i = 0; i < l->n; i++) {
		at = (uint16_t)strtol(l->objects[i].id.text + 1, NULL, 10);
		if (write(to, &at, sizeof at) != sizeof at)
			return false;
	}
	return true;
}

/* Takes and settles until there is no more, and writes the number in the
 * name of each object, before or after it is settled. */
static bool
takes_all(struct fixture *p, int to, bool settled_first)
{
	struct objects_outcome outcomes[BATCH];
	struct fault f = FAULT_INIT;
	struct list l;
	size_t i;

	if (db_open(&p->db, p->place.root, &f) == -1)
		return false;
	for (;;) {
		if (objects_take(
			p->db, NOW, LATER, l.objects, BATCH, &l.n, &f) == -1)
			return false;
		if (l.n == 0)
			break;
		for (i = 0; i < l.n; i++)
			outcomes[i] = (struct objects_outcome){ &l.objects[i],
				OBJECTS_DONE, 0, true, "" };
		if ((!settled_first && !tell(&l, to)) ||
		    objects_settle(p->db, outcomes, l.n, NOW, &f) == -1 ||
		    (settled_first && !tell(&l, to)))
			return false;
	}
	db_close(&p->db);
	return true;
}

static void
four_processes_take_at_once_and_each_object_once(void **state)
{
	struct fixture *p = *state;
	bool seen[UPLOADS] = { false };
	pid_t children[UPLOADERS];
	int gate[2], taken[2], i;
	uint16_t at;

	make_uploads(p);
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(taken), 0);
	for (i = 0; i < UPLOADERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			place_await_start(gate);
			place_leave(takes_all(p, taken[1], false));
		}
	}
	place_open_gate(gate);
	place_await(children, UPLOADERS);
	assert_int_equal(close(taken[1]), 0);
	for (i = 0; read(taken[0], &at, sizeof at) == sizeof at; i++) {
		assert_true(at < UPLOADS);
		assert_false(seen[at]);
		seen[at] = true;
	}
	assert_int_equal(i, UPLOADS);
	assert_int_equal(close(taken[0]), 0);
	open_it(p);
	assert_int_equal(summary(p).done, UPLOADS);
}

/* Kills an uploader after so many outcomes that it was told are kept. */
static void
kill_after(struct fixture *p, int outcomes)
{
	pid_t child;
	int told[2], status, n = 0;
	uint16_t at;

	assert_int_equal(pipe(told), 0);
	child = fork();
	if (child == 0) {
		(void)close(told[0]);
		(void)alarm(60);
		place_leave(takes_all(p, told[1], true));
	}
	assert_int_equal(close(told[1]), 0);
	while (n < outcomes && read(told[0], &at, sizeof at) == sizeof at)
		n++;
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	while (read(told[0], &at, sizeof at) == sizeof at)
		n++;
	assert_int_equal(close(told[0]), 0);
	open_it(p);
	/* The last batch may be kept and not have been told. */
	assert_in_range(summary(p).done, n, n + BATCH);
	assert_true(summary(p).done % BATCH == 0 || summary(p).done == UPLOADS);
	assert_int_equal(summary(p).done + summary(p).waiting, UPLOADS);
	db_close(&p->db);
}

static void
what_an_uploader_was_told_is_kept_survives_its_death(void **state)
{
	struct fixture *p = *state;
	int i;

	make_uploads(p);
	for (i = 1; i <= 10; i++) {
		kill_after(p, 2 * BATCH + i);
		/* Nothing that died with it is lost: it waits for its time. */
		place_run(&p->place,
		    "UPDATE objects SET state = 'waiting', verified_at = NULL,"
		    " next_attempt_at = 0");
	}
}

static void
an_attempt_that_failed_is_counted_and_its_error_kept(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	settle(p, "cat", OBJECTS_WAITING, "refused", NOW);
	assert_int_equal(find(p, "cat", "").attempts, 1);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = 'refused'"
		    " AND next_attempt_at = 1000500 AND error_at = 1000000"),
	    1);
	/* Put back without an attempt: nothing was learned. */
	settle(p, "cat", OBJECTS_WAITING, "", NOW + 100);
	assert_int_equal(find(p, "cat", "").attempts, 1);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = 'refused'"
		    " AND next_attempt_at = 1000600 AND error_at = 1000000"),
	    1);
	settle(p, "cat", OBJECTS_FAILED, "denied", NOW);
	assert_int_equal(find(p, "cat", "").attempts, 2);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = 'denied'"),
	    1);
}

static void
done_clears_the_error_and_is_proved_now(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	settle(p, "cat", OBJECTS_FAILED, "denied", NOW);
	settle(p, "cat", OBJECTS_DONE, "ignored", NOW + 7);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_DONE);
	assert_true(find(p, "cat", "").is_alone_done);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = ''"
		    " AND verified_at = 1000007"),
	    1);
}

static void
an_error_is_cut_between_two_characters(void **state)
{
	struct objects_outcome o = { .state = OBJECTS_FAILED };
	char error[OBJECTS_ERROR_MAX + 3];
	struct fixture *p = *state;
	struct object cat;

	open_it(p);
	know(p, "cat", NOW);
	cat = find(p, "cat", "");
	o.object = &cat;
	memset(error, 'e', sizeof error);
	memcpy(error + OBJECTS_ERROR_MAX - 1, "\xc3\xa9", 3);
	o.error = error;
	settle_one(p, &o, NOW);
	assert_int_equal(
	    peek(p, "SELECT octets FROM (SELECT length(CAST(last_error AS"
		    " BLOB)) AS octets FROM objects)"),
	    OBJECTS_ERROR_MAX - 1);
	memcpy(error + OBJECTS_ERROR_MAX - 2, "\xc3\xa9", 3);
	settle_one(p, &o, NOW);
	assert_int_equal(
	    peek(p, "SELECT length(CAST(last_error AS BLOB)) FROM objects"),
	    OBJECTS_ERROR_MAX);
	o.error = NULL;
	settle_one(p, &o, NOW);
	assert_int_equal(peek(p, "SELECT length(last_error) FROM objects"), 0);
}

static void
an_upload_that_failed_does_not_undo_anothers(void **state)
{
	struct objects_outcome o = { .state = OBJECTS_WAITING,
		.due_ms = NOW,
		.is_attempt = true,
		.error = "late" };
	struct fixture *p = *state;
	struct object taken;

	open_it(p);
	know(p, "cat", NOW);
	taken = take(p, NOW, 1).objects[0];
	settle(p, "cat", OBJECTS_DONE, "", NOW);
	o.object = &taken;
	settle_one(p, &o, NOW + 1);
	o.state = OBJECTS_FAILED;
	settle_one(p, &o, NOW + 1);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_DONE);
	assert_int_equal(find(p, "cat", "").attempts, 0);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = ''"
		    " AND verified_at = 1000000"),
	    1);
}

static void
a_verification_puts_back_what_is_no_longer_there(void **state)
{
	struct objects_outcome o = {
		.state = OBJECTS_WAITING, .due_ms = NOW + 10, .error = ""
	};
	struct fixture *p = *state;
	struct object taken;

	open_it(p);
	know(p, "cat", NOW);
	settle(p, "cat", OBJECTS_WAITING, "once", NOW);
	settle(p, "cat", OBJECTS_DONE, "", NOW);
	taken = take_to_verify(p, NOW + 5, NOW + 9, 1).objects[0];
	assert_int_equal(taken.state, OBJECTS_DONE);
	assert_int_equal(taken.attempts, 1);
	o.object = &taken;
	settle_one(p, &o, NOW + 9);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_WAITING);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE attempts = 0 AND"
		    " queued_at = 1000009 AND next_attempt_at = 1000010 AND"
		    " verified_at IS NULL"),
	    1);
	/* Somebody else has taken it since: it stays theirs. */
	assert_int_equal(take(p, NOW + 10, 1).n, 1);
	settle_one(p, &o, NOW + 11);
	assert_int_equal(take(p, NOW + 12, 1).n, 0);
	/* But that it is there is true for everybody. */
	o.state = OBJECTS_DONE;
	settle_one(p, &o, NOW + 13);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_DONE);
}

static void
outcomes_are_kept_all_or_none(void **state)
{
	struct objects_outcome outcomes[2];
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct list l;
	size_t i;

	open_it(p);
	know(p, "cat", NOW);
	know(p, "dog", NOW);
	l = take(p, NOW, 2);
	assert_int_equal(l.n, 2);
	for (i = 0; i < 2; i++)
		outcomes[i] = (struct objects_outcome){ &l.objects[i],
			OBJECTS_DONE, 0, true, "" };
	place_run(&p->place,
	    "CREATE TRIGGER no_dogs BEFORE UPDATE ON objects WHEN"
	    " new.image_id = 'dog' BEGIN SELECT raise(ABORT, 'no'); END");
	assert_int_equal(objects_settle(p->db, outcomes, 2, NOW, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_int_equal(summary(p).waiting, 2);
	place_run(&p->place, "DROP TRIGGER no_dogs");
	f = FAULT_INIT;
	assert_int_equal(objects_settle(p->db, outcomes, 2, NOW, &f), 0);
	assert_int_equal(objects_settle(p->db, outcomes, 0, NOW, &f), 0);
	assert_int_equal(summary(p).done, 2);
}

static void
what_the_bucket_has_becomes_known(void **state)
{
	struct object o = { .id = id_of("cat"),
		.job = job_of("job"),
		.kind = SNIFF_PNG,
		.bytes = 99 };
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int i;

	open_it(p);
	for (i = 0; i < 2; i++)
		must(objects_discovered(p->db, &o, NOW + i, &f), &f);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM images WHERE id = 'cat' AND"
		    " extension = 'png' AND media_type = 'image/png' AND"
		    " bytes = 0 AND sha256 = '' AND width = 0 AND height = 0"
		    " AND created_at = 1000000 AND prompt = '' AND model = ''"
		    " AND seed IS NULL AND request_id = ''"),
	    1);
	assert_int_equal(find(p, "cat", "job").state, OBJECTS_DONE);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_NONE);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE verified_at = 1000001"
		    " AND key ="
		    " 'videos/job/intermediate/character_reference/cat.png'"),
	    1);
}

static void
only_an_object_of_the_image_alone_tells_its_size(void **state)
{
	struct object o = {
		.id = id_of("cat"), .kind = SNIFF_PNG, .bytes = 77
	};
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	o.job = job_of("job"); /* perhaps edited */
	must(objects_discovered(p->db, &o, NOW, &f), &f);
	assert_int_equal(find(p, "cat", "").bytes, 0);
	o.job = job_id_none;
	o.bytes = 99;
	must(objects_discovered(p->db, &o, NOW, &f), &f);
	assert_int_equal(find(p, "cat", "job").bytes, 99);
	o.bytes = 98; /* it is known by now */
	must(objects_discovered(p->db, &o, NOW, &f), &f);
	assert_int_equal(find(p, "cat", "").bytes, 99);
}

static void
what_waits_or_failed_and_is_discovered_is_done(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct object cat, dog, fox;

	open_it(p);
	know(p, "cat", NOW);
	know(p, "dog", NOW);
	know(p, "fox", NOW);
	settle(p, "dog", OBJECTS_FAILED, "denied", NOW);
	cat = find(p, "cat", "");
	dog = find(p, "dog", "");
	fox = find(p, "fox", "");
	fox.kind = SNIFF_JPEG; /* another object's name */
	cat.bytes = dog.bytes = 1;
	must(objects_discovered(p->db, &cat, NOW, &f), &f);
	must(objects_discovered(p->db, &dog, NOW, &f), &f);
	must(objects_discovered(p->db, &fox, NOW, &f), &f);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_DONE);
	assert_int_equal(find(p, "dog", "").state, OBJECTS_DONE);
	assert_int_equal(find(p, "dog", "").bytes, 4711);
	assert_int_equal(find(p, "fox", "").state, OBJECTS_WAITING);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE last_error = ''"), 3);
}

static void
what_was_proved_longest_ago_is_verified_first(void **state)
{
	struct fixture *p = *state;
	struct list l;

	open_it(p);
	know(p, "a", NOW);
	know(p, "b", NOW);
	know(p, "c", NOW);
	know(p, "d", NOW);
	settle(p, "a", OBJECTS_DONE, "", NOW + 3);
	settle(p, "b", OBJECTS_DONE, "", NOW + 1);
	settle(p, "c", OBJECTS_DONE, "", NOW + 2);
	l = take_to_verify(p, NOW + 1, NOW + 50, LIST_MAX);
	assert_taken(&l, "");
	l = take_to_verify(p, NOW + 4, NOW + 50, 2);
	assert_taken(&l, "b c");
	l = take_to_verify(p, NOW + 4, NOW + 50, 2);
	assert_taken(&l, "a");
	l = take_to_verify(p, NOW + 51, NOW + 51, LIST_MAX);
	assert_int_equal(l.n, 3);
	l = take_to_verify(p, NOW + 51, NOW + 51, LIST_MAX);
	assert_taken(&l, "");
	/* The clock was put back. */
	l = take_to_verify(p, NOW + 99, NOW, LIST_MAX);
	assert_int_equal(l.n, 3);
	l = take_to_verify(p, NOW + 99, NOW, LIST_MAX);
	assert_taken(&l, "");
}

static void
a_probe_is_for_what_was_proved_last(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct object o;
	bool found = false;

	open_it(p);
	know(p, "a", NOW);
	know(p, "b", NOW);
	settle(p, "a", OBJECTS_DONE, "", NOW + 3);
	settle(p, "b", OBJECTS_DONE, "", NOW + 1);
	must(objects_newest_done(p->db, 0, &o, &found, &f), &f);
	assert_true(found);
	assert_string_equal(o.id.text, "a");
	assert_int_equal(o.state, OBJECTS_DONE);
	assert_int_equal(o.kind, SNIFF_WEBP);
}

static void
what_failed_is_tried_again_by_name_or_all_at_once(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	const struct image_id a = id_of("a"), other = id_of("other");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int64_t n = -1;
	size_t i;

	open_it(p);
	for (i = 0; i < 4; i++) {
		know(p, names[i], NOW);
		settle(p, names[i], i == 3 ? OBJECTS_DONE : OBJECTS_FAILED,
		    "denied", NOW);
	}
	must(objects_retry(p->db, &other, NOW + 1, &n, &f), &f);
	assert_int_equal(n, 0);
	must(objects_retry(p->db, &a, NOW + 1, &n, &f), &f);
	assert_int_equal(n, 1);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE image_id = 'a' AND"
		    " state = 'waiting' AND attempts = 0 AND last_error = ''"
		    " AND next_attempt_at = 1000001 AND queued_at = 1000001"),
	    1);
	must(objects_retry(p->db, NULL, NOW + 1, &n, &f), &f);
	assert_int_equal(n, 2);
	must(objects_retry(p->db, NULL, NOW + 1, &n, &f), &f);
	assert_int_equal(n, 0);
	assert_int_equal(summary(p).waiting, 3);
	assert_int_equal(summary(p).done, 1);
}

static void
lazy_objects_become_due_when_hurried(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct list l;

	open_it(p);
	know(p, "cat", OBJECTS_LAZY);
	know(p, "dog", NOW + 100);
	must(objects_hurry(p->db, NOW, &f), &f);
	l = take(p, NOW, LIST_MAX);
	assert_taken(&l, "cat");
	assert_int_equal(summary(p).lazy, 0);
	assert_int_equal(summary(p).oldest_ms, NOW);
}

static void
thousands_are_hurried_piece_by_piece(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	know(p, "cat", OBJECTS_LAZY);
	place_run(&p->place,
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 9999) INSERT INTO objects (image_id, job_id, key, "
	    "state,"
	    " next_attempt_at) SELECT 'cat', i, '', 'waiting',"
	    " 9223372036854775807 FROM n");
	assert_int_equal(summary(p).lazy, 10000);
	must(objects_hurry(p->db, NOW, &f), &f);
	assert_int_equal(summary(p).lazy, 0);
	assert_int_equal(
	    peek(p, "SELECT count(*) FROM objects WHERE queued_at = 1000000"
		    " AND next_attempt_at = 1000000"),
	    10000);
}

static void
what_waited_for_the_bucket_is_gone_on_with_at_once(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct list l;

	open_it(p);
	know(
	    p, "cat", NOW + 1000); /* its last reply was the bucket's silence */
	know(p, "dog", NOW + 1000); /* it is in a request's hands */
	know(p, "fox", NOW + 1000); /* S3 refused it, and nothing else */
	know(p, "owl", OBJECTS_LAZY);
	place_run(&p->place, "UPDATE objects SET last_error = 'no answer'"
			     " WHERE image_id IN ('cat', 'fox', 'owl')");
	place_run(&p->place,
	    "UPDATE objects SET attempts = 1 WHERE image_id = 'fox'");
	must(objects_resume(p->db, NOW, &f), &f);
	l = take(p, NOW, LIST_MAX);
	assert_taken(&l, "cat");
	assert_int_equal(summary(p).lazy, 1);
}

static void
a_summary_counts_every_state(void **state)
{
	struct objects_backlog b;
	struct objects_summary s;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	s = summary(p);
	assert_true(s.waiting == 0 && s.lazy == 0 && s.done == 0 &&
		    s.failed == 0 && s.oldest_ms == 0);
	know(p, "a", OBJECTS_LAZY);
	place_run(&p->place, "UPDATE objects SET queued_at = 1");
	s = summary(p);
	assert_true(s.waiting == 1 && s.lazy == 1 && s.oldest_ms == 0);
	know(p, "b", NOW);
	know(p, "c", NOW);
	know(p, "d", NOW);
	know(p, "e", NOW);
	know(p, "f", OBJECTS_LAZY);
	place_run(&p->place, "UPDATE objects SET queued_at = unicode(image_id)"
			     " WHERE image_id > 'a'");
	settle(p, "b", OBJECTS_DONE, "", NOW);
	settle(p, "c", OBJECTS_FAILED, "denied", NOW);
	s = summary(p);
	assert_true(s.waiting == 4 && s.lazy == 2 && s.done == 1 &&
		    s.failed == 1 && s.oldest_ms == 'd');
	must(objects_backlog(p->db, &b, &f), &f);
	assert_true(b.waiting == 2 && b.failed == 1 && b.oldest_ms == 'd');
}

static void
what_version_1_adds_has_waited_since_it_was_first_taken(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	know(p, "cat", NOW);
	place_run(&p->place,
	    "DELETE FROM objects; INSERT INTO objects (image_id, key, state)"
	    " VALUES ('cat', 'character_references/cat.webp', 'waiting')");
	assert_int_equal(summary(p).waiting, 1);
	assert_int_equal(summary(p).oldest_ms, 0);
	assert_int_equal(take(p, NOW, 1).n, 1);
	assert_int_equal(summary(p).oldest_ms, NOW);
	place_run(&p->place, "UPDATE objects SET next_attempt_at = 0");
	assert_int_equal(take(p, NOW + 9, 1).n, 1);
	assert_int_equal(summary(p).oldest_ms, NOW);
	place_run(&p->place, "INSERT INTO objects (image_id, key, state)"
			     " VALUES ('dog', 'k', 'waiting')");
	assert_int_equal(summary(p).oldest_ms, NOW);
}

/* Notes one error after the other, up to `left` of them. */
struct notes {
	struct buf text;
	int left;
};

static int
note(void *arg, const struct object *object, struct view error, struct fault *f)
{
	struct notes *notes = arg;

	buf_fmt(&notes->text, "%s: %.*s (%d)\n", object->id.text, (int)error.n,
	    error.p, object->attempts);
	return --notes->left > 0 ? 0 : fault_set(f, FAULT_MEMORY, "enough");
}

static void
the_last_errors_are_told_the_newest_first(void **state)
{
	struct notes notes = { BUF_INIT(1000), LIST_MAX };
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	know(p, "a", NOW);
	know(p, "b", NOW);
	know(p, "c", NOW);
	know(p, "d", NOW);
	know(p, "e", NOW);
	settle(p, "a", OBJECTS_FAILED, "one", NOW + 1);
	settle(p, "b", OBJECTS_WAITING, "three", NOW + 3);
	settle(p, "c", OBJECTS_WAITING, "two", NOW + 2);
	settle(p, "d", OBJECTS_DONE, "", NOW + 4);
	must(objects_errors(p->db, LIST_MAX, note, &notes, &f), &f);
	assert_string_equal(
	    buf_str(&notes.text), "b: three (1)\nc: two (1)\na: one (1)\n");
	buf_clear(&notes.text);
	must(objects_errors(p->db, 2, note, &notes, &f), &f);
	assert_string_equal(buf_str(&notes.text), "b: three (1)\nc: two (1)\n");
	buf_clear(&notes.text);
	notes.left = 1;
	assert_int_equal(objects_errors(p->db, 2, note, &notes, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_string_equal(buf_str(&notes.text), "b: three (1)\n");
	/* The statement that was stopped is whole again. */
	f = FAULT_INIT;
	notes.left = LIST_MAX;
	must(objects_errors(p->db, 1, note, &notes, &f), &f);
	buf_fini(&notes.text);
}

/* Notes what a job has, until the note is full. */
static int
note_of_job(void *arg, const struct object *o, struct fault *f)
{
	struct list *l = arg;

	if (l->n == LIST_MAX)
		return fault_set(f, FAULT_MEMORY, "enough");
	l->objects[l->n++] = *o;
	return 0;
}

static struct list
of_job(struct fixture *p, const char *job)
{
	const struct job_id j = job_of(job);
	struct list l = { .n = 0 };
	struct fault f = FAULT_INIT;

	must(objects_of_job(p->db, &j, note_of_job, &l, &f), &f);
	return l;
}

static void
a_job_lists_its_objects_and_no_others(void **state)
{
	struct fixture *p = *state;
	struct list l;

	open_it(p);
	know(p, "b", NOW);
	know(p, "a", NOW);
	know(p, "c", NOW);
	l = of_job(p, "job-1");
	assert_taken(&l, "");
	want(p, "b", "job-1", NOW);
	want(p, "a", "job-1", OBJECTS_LAZY);
	want(p, "c", "job-2", NOW);
	settle(p, "a", OBJECTS_DONE, "", NOW);
	l = of_job(p, "job-1");
	assert_taken(&l, "a b");
	assert_string_equal(l.objects[0].job.text, "job-1");
	assert_int_equal(l.objects[0].kind, SNIFF_WEBP);
	assert_int_equal(l.objects[0].bytes, 4711);
	assert_int_equal(strlen(l.objects[0].sha256.hex), 64);
	assert_int_equal(l.objects[0].state, OBJECTS_WAITING);
	assert_true(l.objects[0].is_lazy);
	assert_true(l.objects[0].is_alone_done);
	assert_false(l.objects[1].is_lazy);
	l = of_job(p, "job-2");
	assert_taken(&l, "c");
	place_run(&p->place, "UPDATE images SET extension = 'avif'"
			     " WHERE id = 'a'");
	l = of_job(p, "job-1");
	assert_taken(&l, "b");
}

static void
a_list_of_a_jobs_objects_may_be_stopped(void **state)
{
	const struct job_id job = job_of("job-1");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	struct list full = { .n = LIST_MAX }, l;

	open_it(p);
	know(p, "a", NOW);
	want(p, "a", "job-1", NOW);
	assert_int_equal(
	    objects_of_job(p->db, &job, note_of_job, &full, &f), -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	assert_string_equal(f.text, "enough");
	l = of_job(p, "job-1");
	assert_taken(&l, "a");
}

static void
who_asks_waits_for_no_writer(void **state)
{
	struct fixture *p = *state;
	sqlite3 *other;

	open_it(p);
	know(p, "cat", NOW);
	other = place_sqlite(&p->place);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(find(p, "cat", "").state, OBJECTS_WAITING);
	assert_int_equal(summary(p).waiting, 1);
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void
nothing_is_written_to_a_catalogue_that_was_removed(void **state)
{
	struct fixture *p = *state;
	char path[PLACE_SIZE + 16];
	struct objects_outcome o;
	struct object cat;
	struct fault f;
	struct list l;
	int64_t n;

	open_it(p);
	know(p, "cat", NOW);
	cat = find(p, "cat", "");
	o = (struct objects_outcome){ &cat, OBJECTS_DONE, 0, true, "" };
	(void)snprintf(path, sizeof path, "%s/catalogue.db", p->place.root);
	assert_int_equal(unlink(path), 0);
#define IS_REFUSED(call)                                                       \
	(f = FAULT_INIT, (call) == -1 && f.kind == FAULT_CATALOGUE)
	assert_true(IS_REFUSED(
	    objects_want(p->db, &cat.id, &cat.job, SNIFF_PNG, NOW, &f)));
	assert_true(IS_REFUSED(
	    objects_take(p->db, NOW, LATER, l.objects, 1, &l.n, &f)));
	assert_true(IS_REFUSED(
	    objects_take_to_verify(p->db, NOW, NOW, l.objects, 1, &l.n, &f)));
	assert_true(IS_REFUSED(objects_settle(p->db, &o, 1, NOW, &f)));
	assert_true(IS_REFUSED(objects_discovered(p->db, &cat, NOW, &f)));
	assert_true(IS_REFUSED(objects_retry(p->db, NULL, NOW, &n, &f)));
	assert_true(IS_REFUSED(objects_hurry(p->db, NOW, &f)));
	assert_true(IS_REFUSED(objects_resume(p->db, NOW, &f)));
#undef IS_REFUSED
}

static void
a_key_of_ours_says_whose_it_is_and_another_is_none(void **state)
{
	static const char *const foreign[] = { "", "character_references/",
		"character_references/.png", "character_references/x",
		"character_references/x.PNG", "character_references/x.jpeg",
		"character_references/x.png/", "character_references/a/x.png",
		"videos/x.png", "videos/j/intermediate/x.png",
		"videos//intermediate/character_reference/x.png",
		"videos/a b/intermediate/character_reference/x.png" };
	char key[OBJECTS_KEY_SIZE];
	struct object made, read;
	struct fault f = FAULT_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		made = (struct object){ .kind = SNIFF_JPEG };
		MUST(image_id_parse(&made.id, VIEW("a-B_9"), &f) == 0);
		if (i == 1)
			MUST(job_id_parse(&made.job, VIEW("job-1"), &f) == 0);
		objects_key(key, &made.id, &made.job, made.kind);
		assert_true(objects_parse_key(view_str(key), &read));
		assert_string_equal(read.id.text, made.id.text);
		assert_string_equal(read.job.text, made.job.text);
		assert_int_equal(read.kind, made.kind);
	}
	for (i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		if (objects_parse_key(view_str(foreign[i]), &read))
			fail_msg("%s", foreign[i]);
}

static void
bytes_may_be_the_image_s_unless_something_known_differs(void **state)
{
	const struct object known = { .bytes = 5, .sha256 = { "abc" } };
	const struct object unknown = { .bytes = 0 };

	(void)state;
	assert_true(objects_may_be(&known, 5, "abc"));
	assert_true(objects_may_be(&known, -1, "abc"));
	assert_true(objects_may_be(&known, 5, ""));
	assert_true(objects_may_be(&known, -1, ""));
	assert_false(objects_may_be(&known, 0, "abc"));
	assert_false(objects_may_be(&known, 6, "abc"));
	assert_false(objects_may_be(&known, 5, "abd"));
	assert_true(objects_may_be(&unknown, 6, "abd"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_says_what_it_is_and_whose),
		TEST(the_longest_names_fit_in_a_key),
		TEST(a_key_of_ours_says_whose_it_is_and_another_is_none),
		TEST(bytes_may_be_the_image_s_unless_something_known_differs),
		TEST(a_new_catalogue_knows_no_object),
		TEST(an_object_is_found_with_all_that_is_known),
		TEST(an_image_is_known_though_the_job_has_it_not),
		TEST(a_job_is_told_when_the_image_alone_is_done),
		TEST(wanting_it_again_does_not_move_what_waits_or_is_done),
		TEST(what_has_failed_waits_again_when_wanted),
		TEST(a_lazy_object_becomes_due_when_wanted),
		TEST(what_was_taken_is_out_of_sight_until_its_time),
		TEST(the_oldest_and_the_newest_come_by_turns),
		TEST(what_cannot_be_used_stops_nobody),
		TEST(a_name_that_is_none_is_a_fault),
		TEST(
		    an_image_of_a_kind_from_the_future_is_a_fault_to_who_asks_for_it),
		TEST(a_hash_that_is_none_is_not_known),
		TEST(two_who_take_by_turns_share_nothing),
		TEST(four_processes_take_at_once_and_each_object_once),
		TEST(what_an_uploader_was_told_is_kept_survives_its_death),
		TEST(an_attempt_that_failed_is_counted_and_its_error_kept),
		TEST(done_clears_the_error_and_is_proved_now),
		TEST(an_error_is_cut_between_two_characters),
		TEST(an_upload_that_failed_does_not_undo_anothers),
		TEST(a_verification_puts_back_what_is_no_longer_there),
		TEST(outcomes_are_kept_all_or_none),
		TEST(what_the_bucket_has_becomes_known),
		TEST(only_an_object_of_the_image_alone_tells_its_size),
		TEST(what_waits_or_failed_and_is_discovered_is_done),
		TEST(what_was_proved_longest_ago_is_verified_first),
		TEST(a_probe_is_for_what_was_proved_last),
		TEST(what_failed_is_tried_again_by_name_or_all_at_once),
		TEST(lazy_objects_become_due_when_hurried),
		TEST(thousands_are_hurried_piece_by_piece),
		TEST(what_waited_for_the_bucket_is_gone_on_with_at_once),
		TEST(a_summary_counts_every_state),
		TEST(what_version_1_adds_has_waited_since_it_was_first_taken),
		TEST(the_last_errors_are_told_the_newest_first),
		TEST(a_job_lists_its_objects_and_no_others),
		TEST(a_list_of_a_jobs_objects_may_be_stopped),
		TEST(who_asks_waits_for_no_writer),
		TEST(nothing_is_written_to_a_catalogue_that_was_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
