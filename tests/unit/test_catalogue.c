#include "disk/catalogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "place.h"

enum { RECORDERS = 4, RECORDS = 100, PROMPT_MAX = 16 << 10, DUE_MS = 7000 };

static struct catalogue_image
image_of(const char *id)
{
	struct catalogue_image image = {
		.sniff = { .kind = SNIFF_JPEG, .width = 1024, .height = 768 },
		.bytes = 12345,
		.sha256 = { "0123456789abcdef" },
		.created_at_ms = 1790000000000,
		.prompt = VIEW("a robot's \"portrait\" \xf0\x9f\xa4\x96"),
		.model = VIEW("sketch-1"),
		.has_seed = true,
		.seed = 4294967295,
		.request_id = VIEW("request-1"),
	};
	struct fault f = FAULT_INIT;

	assert_int_equal(image_id_parse(&image.id, view_str(id), &f), 0);
	return image;
}

static void
record(struct fixture *p, const struct catalogue_image *images, size_t n,
    const char *reply)
{
	struct fault f = FAULT_INIT;

	if (catalogue_record(
		p->db, images, n, DUE_MS, &p->claim, view_str(reply), &f) == -1)
		fail_msg("%s", f.text);
}

static bool
finds(struct fixture *p, const char *id_text, const char *job_text,
    enum sniff_kind *kind)
{
	struct job_id job = { .text = "" };
	struct fault f = FAULT_INIT;
	struct image_id id;
	bool found = false;

	assert_int_equal(image_id_parse(&id, view_str(id_text), &f), 0);
	if (job_text[0] != '\0')
		assert_int_equal(job_id_parse(&job, view_str(job_text), &f), 0);
	assert_int_equal(catalogue_find(p->db, &id, &job, &found, kind, &f), 0);
	return found;
}

static enum claims_state
take(struct fixture *p, struct claim *claim)
{
	enum claims_state state = CLAIMS_OTHER;
	const struct digest body = { "00" };
	struct fault f = FAULT_INIT;

	if (claims_take(
		p->db, VIEW("key"), &body, claim, &state, &p->reply, &f) == -1)
		fail_msg("%s", f.text);
	return state;
}

static void
a_new_catalogue_knows_nothing(void **state)
{
	struct fixture *p = *state;
	enum sniff_kind kind;

	open_it(p);
	assert_false(finds(p, "cat", "", &kind));
	assert_false(finds(p, "cat", "job", &kind));
}

static void
a_recorded_image_is_found_also_after_reopening(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	enum sniff_kind kind = SNIFF_PNG;

	open_it(p);
	record(p, &cat, 1, "");
	assert_true(finds(p, "cat", "", &kind));
	assert_int_equal(kind, SNIFF_JPEG);
	assert_false(finds(p, "Cat", "", &kind));
	open_again(p);
	assert_true(finds(p, "cat", "", &kind));
}

static void
every_column_is_kept(void **state)
{
	const struct catalogue_image cat = image_of("cat");
	const int64_t before = clock_now_ms();
	struct fixture *p = *state;
	int64_t queued_at;

	open_it(p);
	record(p, &cat, 1, "");
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM images WHERE id = 'cat' AND"
		" extension = 'jpg' AND media_type = 'image/jpeg' AND"
		" bytes = 12345 AND sha256 = '0123456789abcdef' AND"
		" width = 1024 AND height = 768 AND"
		" created_at = 1790000000000 AND model = 'sketch-1' AND"
		" prompt = 'a robot''s \"portrait\" \xf0\x9f\xa4\x96' AND"
		" seed = 4294967295 AND request_id = 'request-1'"),
	    1);
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM objects WHERE image_id = 'cat' AND"
		" job_id = '' AND key = 'character_references/cat.jpg' AND"
		" state = 'waiting' AND attempts = 0 AND"
		" next_attempt_at = 7000 AND last_error = '' AND"
		" verified_at IS NULL"),
	    1);
	queued_at = place_peek(&p->place, "SELECT queued_at FROM objects");
	assert_in_range(queued_at, before, clock_now_ms());
}

static void
a_long_prompt_and_missing_texts_are_kept(void **state)
{
	struct catalogue_image cat = image_of("cat");
	static char prompt[PROMPT_MAX];
	struct fixture *p = *state;

	memset(prompt, 'p', sizeof prompt);
	cat.prompt = (struct view){ prompt, sizeof prompt };
	cat.model = (struct view){ NULL, 0 };
	cat.request_id = VIEW("");
	cat.has_seed = false;
	open_it(p);
	record(p, &cat, 1, "");
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT length(prompt) FROM images WHERE model = ''"
		" AND request_id = '' AND seed IS NULL"),
	    PROMPT_MAX);
}

static void
an_adopted_image_is_found_and_waits_for_upload(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;

	cat.prompt = cat.model = VIEW("");
	open_it(p);
	assert_int_equal(catalogue_adopt(p->db, &cat, DUE_MS, &f), 0);
	assert_int_equal(catalogue_adopt(p->db, &cat, DUE_MS, &f), 0);
	assert_true(finds(p, "cat", "", &kind));
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM objects WHERE state = 'waiting'"
		" AND next_attempt_at = 7000 AND queued_at > 0"),
	    1);
}

static void
adopting_changes_nothing_that_is_known(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	record(p, &cat, 1, "");
	cat.prompt = VIEW("");
	cat.bytes = 1;
	assert_int_equal(catalogue_adopt(p->db, &cat, DUE_MS, &f), 0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM images WHERE"
				  " prompt <> '' AND bytes = 12345"),
	    1);
}

static void
recording_gives_an_adopted_image_its_provenance(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct catalogue_image found = cat;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	found.prompt = found.model = found.request_id = VIEW("");
	found.has_seed = false;
	found.created_at_ms = 1;
	open_it(p);
	assert_int_equal(catalogue_adopt(p->db, &found, DUE_MS, &f), 0);
	(void)place_peek(&p->place, "UPDATE objects SET state = 'done'");
	cat.bytes = 1;
	record(p, &cat, 1, "");
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM images WHERE seed = 4294967295 AND"
		" prompt <> '' AND model = 'sketch-1' AND bytes = 12345"
		" AND request_id = 'request-1' AND"
		" created_at = 1790000000000"),
	    1);
	assert_int_equal(
	    place_peek(
		&p->place, "SELECT count(*) FROM objects WHERE state = 'done'"),
	    1);
}

static void
an_image_is_found_in_a_job_only_if_the_job_has_it(void **state)
{
	struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	enum sniff_kind kind = SNIFF_PNG;

	open_it(p);
	record(p, &cat, 1, "");
	(void)place_peek(&p->place,
	    "INSERT INTO objects (image_id, job_id, key, state)"
	    " VALUES ('cat', 'job-456', 'k', 'waiting')");
	assert_true(finds(p, "cat", "job-456", &kind));
	assert_int_equal(kind, SNIFF_JPEG);
	assert_false(finds(p, "cat", "job-457", &kind));
	assert_false(finds(p, "dog", "job-456", &kind));
}

static void
an_image_of_a_kind_from_the_future_is_a_fault(void **state)
{
	const struct job_id none = { .text = "" };
	struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;
	bool found;

	open_it(p);
	record(p, &cat, 1, "");
	(void)place_peek(&p->place, "UPDATE images SET extension = 'avif'");
	assert_int_equal(
	    catalogue_find(p->db, &cat.id, &none, &found, &kind, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
}

static void
a_transaction_that_fails_leaves_nothing(void **state)
{
	struct catalogue_image images[2] = { image_of("cat"), image_of("dog") };
	struct claim other = CLAIM_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;

	open_it(p);
	assert_int_equal(take(p, &p->claim), CLAIMS_OURS);
	(void)place_peek(&p->place,
	    "CREATE TRIGGER no_dogs BEFORE INSERT ON images WHEN"
	    " new.id = 'dog' BEGIN SELECT raise(ABORT, 'no'); END");
	assert_int_equal(catalogue_record(p->db, images, 2, DUE_MS, &p->claim,
			     VIEW("{}"), &f),
	    -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_false(finds(p, "cat", "", &kind));
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM objects"), 0);
	/* The claim stands; what becomes of it is the caller's to say. */
	assert_int_not_equal(p->claim.serial, 0);
	assert_int_equal(take(p, &other), CLAIMS_RUNNING);
	(void)place_peek(&p->place, "DROP TRIGGER no_dogs");
	record(p, images, 2, "{}");
	assert_true(finds(p, "dog", "", &kind));
}

static void
recording_ends_the_claim_with_its_reply(void **state)
{
	const struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(take(p, &p->claim), CLAIMS_OURS);
	record(p, &cat, 1, "{}");
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(p->claim.lease.fd, -1);
	assert_int_equal(take(p, &p->claim), CLAIMS_REPLAY);
	assert_string_equal(buf_str(&p->reply), "{}");
}

static void
readers_wait_for_no_writer(void **state)
{
	const struct catalogue_image cat = image_of("cat");
	struct fixture *p = *state;
	enum sniff_kind kind;
	sqlite3 *other;

	open_it(p);
	record(p, &cat, 1, "");
	other = place_sqlite(&p->place);
	assert_int_equal(
	    sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_true(finds(p, "cat", "", &kind));
	assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* Records images one by one: true when the catalogue took them all. */
static bool
records_all(struct fixture *p, int who)
{
	struct catalogue_image image = image_of("placeholder");
	struct fault f = FAULT_INIT;
	int i;

	if (db_open(&p->db, p->place.root, &f) == -1)
		return false;
	for (i = 0; i < RECORDS; i++) {
		(void)snprintf(
		    image.id.text, sizeof image.id.text, "image-%d-%d", who, i);
		if (catalogue_record(p->db, &image, 1, DUE_MS, &p->claim,
			VIEW(""), &f) == -1)
			return false;
	}
	db_close(&p->db);
	return true;
}

static void
four_processes_record_at_once_and_nothing_is_lost(void **state)
{
	struct fixture *p = *state;
	pid_t children[RECORDERS];
	int gate[2], i;

	assert_int_equal(pipe(gate), 0);
	for (i = 0; i < RECORDERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			place_await_start(gate);
			place_leave(records_all(p, i));
		}
	}
	place_open_gate(gate);
	place_await(children, RECORDERS);
	assert_int_equal(place_peek(&p->place, "SELECT count(*) FROM images"),
	    RECORDERS * RECORDS);
	assert_int_equal(place_peek(&p->place, "SELECT count(*) FROM objects"),
	    RECORDERS * RECORDS);
}

/* All that is known of an image, its texts in the fixture's reply. */
static bool
find_all(struct fixture *p, const char *id_text, struct catalogue_image *out)
{
	struct fault f = FAULT_INIT;
	struct image_id id;
	bool found;

	assert_int_equal(image_id_parse(&id, view_str(id_text), &f), 0);
	if (catalogue_image_find(p->db, &id, &found, out, &p->reply, &f) == -1)
		fail_msg("%s", f.text);
	return found;
}

static void
assert_same(const struct catalogue_image *a, const struct catalogue_image *b)
{
	assert_string_equal(a->id.text, b->id.text);
	assert_int_equal(a->sniff.kind, b->sniff.kind);
	assert_int_equal(a->sniff.width, b->sniff.width);
	assert_int_equal(a->sniff.height, b->sniff.height);
	assert_int_equal(a->bytes, b->bytes);
	assert_string_equal(a->sha256.hex, b->sha256.hex);
	assert_int_equal(a->created_at_ms, b->created_at_ms);
	assert_true(view_same(a->prompt, b->prompt));
	assert_true(view_same(a->model, b->model));
	assert_int_equal(a->has_seed, b->has_seed);
	assert_int_equal(a->seed, b->seed);
	assert_true(view_same(a->request_id, b->request_id));
}

static void
all_that_was_recorded_is_found(void **state)
{
	struct catalogue_image cat = image_of("cat"), dog = image_of("dog");
	struct fixture *p = *state;
	struct catalogue_image found;
	struct fault f = FAULT_INIT;
	int64_t n = -1;

	dog.prompt = dog.model = dog.request_id = VIEW("");
	dog.has_seed = false;
	dog.seed = 0;
	open_it(p);
	assert_false(find_all(p, "cat", &found));
	assert_int_equal(catalogue_count(p->db, &n, &f), 0);
	assert_int_equal(n, 0);
	record(p, &cat, 1, "");
	record(p, &dog, 1, "");
	record(p, &dog, 1, ""); /* once more: it is the same one */
	assert_int_equal(catalogue_count(p->db, &n, &f), 0);
	assert_int_equal(n, 2);
	assert_true(find_all(p, "cat", &found));
	assert_same(&found, &cat);
	assert_true(find_all(p, "dog", &found));
	assert_same(&found, &dog);
	assert_false(find_all(p, "cow", &found));
	assert_string_equal(buf_str(&p->reply), "");
}

static void
texts_that_do_not_fit_are_a_fault(void **state)
{
	struct catalogue_image cat = image_of("cat"), found;
	struct buf small = BUF_INIT(8);
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool is_found;

	open_it(p);
	record(p, &cat, 1, "");
	assert_int_equal(
	    catalogue_image_find(p->db, &cat.id, &is_found, &found, &small, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
	buf_fini(&small);
	place_run(&p->place, "UPDATE images SET extension = 'avif'");
	f = FAULT_INIT;
	assert_int_equal(catalogue_image_find(
			     p->db, &cat.id, &is_found, &found, &p->reply, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
}

/* What a list gave: names with a space behind each. */
struct listed {
	struct buf names;
	struct image_id last;
	struct catalogue_image expected; /* but for the id */
	int left;                        /* until it is to stop */
};

static int
note(void *arg, const struct catalogue_image *image, struct fault *f)
{
	struct listed *l = arg;

	if (l->left-- == 0)
		return fault_set(f, FAULT_SLOW, "enough");
	l->expected.id = image->id;
	assert_same(image, &l->expected);
	buf_fmt(&l->names, "%s ", image->id.text);
	l->last = image->id;
	return 0;
}

static void
images_are_listed_page_by_page(void **state)
{
	struct listed l = { BUF_INIT(1000), { "" }, image_of("x"), 100 };
	static const char *const names[] = { "d", "a", "c", "B", "b" };
	struct catalogue_image image;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	size_t i;

	open_it(p);
	assert_int_equal(catalogue_list(p->db, NULL, 9, note, &l, &f), 0);
	assert_string_equal(buf_str(&l.names), "");
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		image = image_of(names[i]);
		record(p, &image, 1, "");
	}
	assert_int_equal(catalogue_list(p->db, NULL, 3, note, &l, &f), 0);
	assert_string_equal(buf_str(&l.names), "B a b ");
	assert_int_equal(catalogue_list(p->db, &l.last, 3, note, &l, &f), 0);
	assert_string_equal(buf_str(&l.names), "B a b c d ");
	assert_int_equal(catalogue_list(p->db, &l.last, 3, note, &l, &f), 0);
	assert_int_equal(catalogue_list(p->db, NULL, 0, note, &l, &f), 0);
	assert_string_equal(buf_str(&l.names), "B a b c d ");
	l.left = 1;
	assert_int_equal(catalogue_list(p->db, NULL, 3, note, &l, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	place_run(&p->place, "UPDATE images SET extension = 'avif'"
			     " WHERE id <> 'c'");
	buf_clear(&l.names);
	l.left = 100;
	assert_int_equal(catalogue_list(p->db, NULL, 9, note, &l, &f), 0);
	assert_string_equal(buf_str(&l.names), "c ");
	buf_fini(&l.names);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_catalogue_knows_nothing),
		TEST(a_recorded_image_is_found_also_after_reopening),
		TEST(every_column_is_kept),
		TEST(a_long_prompt_and_missing_texts_are_kept),
		TEST(an_adopted_image_is_found_and_waits_for_upload),
		TEST(adopting_changes_nothing_that_is_known),
		TEST(recording_gives_an_adopted_image_its_provenance),
		TEST(an_image_is_found_in_a_job_only_if_the_job_has_it),
		TEST(an_image_of_a_kind_from_the_future_is_a_fault),
		TEST(a_transaction_that_fails_leaves_nothing),
		TEST(recording_ends_the_claim_with_its_reply),
		TEST(all_that_was_recorded_is_found),
		TEST(texts_that_do_not_fit_are_a_fault),
		TEST(images_are_listed_page_by_page),
		TEST(readers_wait_for_no_writer),
		TEST(four_processes_record_at_once_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
