#include "app/recover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

#define PNG                                                                    \
	"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x03\0"                  \
	"\x08\x02\0\0\0CRC4\0\0\0\x02IDATxyCRC4\0\0\0\0IENDCRC4"

enum { FAR_TOO_BIG = 30 << 20 };

static int
open_both(void **state)
{
	struct fault f = FAULT_INIT;
	struct fixture *p;

	if (set_up(state) == -1)
		return -1;
	p = *state;
	if (store_open(&p->st, p->place.root, &f) == -1)
		return -1;
	return db_open(&p->db, p->place.root, &f);
}

/* Puts a file among the images, by hand. */
static void
leave_file(struct fixture *p, const char *name, struct view bytes, off_t size)
{
	char path[PLACE_SIZE + sizeof STORE_FOLDER + 32];
	FILE *file;

	(void)snprintf(
	    path, sizeof path, "%s/" STORE_FOLDER "/%s", p->place.root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
	assert_int_equal(fclose(file), 0);
	if (size != 0)
		assert_int_equal(truncate(path, size), 0);
}

static int
adopted(struct fixture *p)
{
	struct fault f = FAULT_INIT;
	int n = 0;

	if (recover(p->st, p->db, 0, &n, &f) == -1)
		fail_msg("%s", f.text);
	return n;
}

static void
an_image_without_a_row_is_adopted_once(void **state)
{
	struct fixture *p = *state;

	leave_file(p, "cat.png", VIEW(PNG), 0);
	assert_int_equal(adopted(p), 1);
	assert_int_equal(adopted(p), 0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM images WHERE id = 'cat'"
				  " AND width = 1024 AND bytes > 0"),
	    1);
}

static void
the_uploader_leaves_an_adopted_image_alone_until_it_is_told(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int n = 0;

	leave_file(p, "cat.png", VIEW(PNG), 0);
	assert_int_equal(recover(p->st, p->db, 12345, &n, &f), 0);
	assert_int_equal(
	    place_peek(&p->place, "SELECT next_attempt_at FROM objects"
				  " WHERE image_id = 'cat'"),
	    12345);
}

static void
odd_files_are_passed_over_and_left_alone(void **state)
{
	struct fixture *p = *state;

	leave_file(p, "holiday.png", VIEW(PNG), FAR_TOO_BIG);
	leave_file(p, "half.png", VIEW(PNG), sizeof PNG / 2);
	leave_file(p, "other.jpg", VIEW(PNG), 0);
	leave_file(p, "words.webp", VIEW("words"), 0);
	leave_file(p, "empty.png", VIEW(""), 0);
	leave_file(p, "cat.png", VIEW(PNG), 0);
	assert_int_equal(adopted(p), 1);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM images"), 1);
	leave_file(p, "dog.png", VIEW(PNG), 0);
	assert_int_equal(adopted(p), 1);
}

static void
a_catalogue_that_fails_ends_it(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	int n;

	leave_file(p, "cat.png", VIEW(PNG), 0);
	(void)place_peek(&p->place,
	    "CREATE TRIGGER no_cats BEFORE INSERT ON images"
	    " BEGIN SELECT raise(ABORT, 'no'); END");
	assert_int_equal(recover(p->st, p->db, 0, &n, &f), -1);
	assert_int_equal(f.kind, FAULT_CATALOGUE);
	assert_int_equal(n, 0);
}

static void
while_another_recovers_nothing_is_done(void **state)
{
	struct file_lease lease = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool held;

	leave_file(p, "cat.png", VIEW(PNG), 0);
	assert_int_equal(claims_recovery_lease(p->db, &lease, &held, &f), 0);
	assert_true(held);
	assert_int_equal(adopted(p), 0);
	file_lease_fini(&lease);
	assert_int_equal(adopted(p), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_both, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_image_without_a_row_is_adopted_once),
		TEST(
		    the_uploader_leaves_an_adopted_image_alone_until_it_is_told),
		TEST(odd_files_are_passed_over_and_left_alone),
		TEST(a_catalogue_that_fails_ends_it),
		TEST(while_another_recovers_nothing_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
