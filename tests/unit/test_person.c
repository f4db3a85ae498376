#include "base/person.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

enum { NOBODY = 65534, SOMEBODY = 4711, THEIR_GROUP = 4712, OTHERS = 4713 };

static const struct person somebody = { .uid = SOMEBODY,
	.gid = THEIR_GROUP,
	.groups = { 7, 8 },
	.groups_n = 2,
	.name = "somebody" };

static bool
may(mode_t mode, uid_t uid, gid_t gid, int what)
{
	const struct stat st = {
		.st_mode = mode, .st_uid = uid, .st_gid = gid
	};

	return person_may(&somebody, &st, what);
}

static void
the_bits_of_the_nearest_class_count(void **state)
{
	(void)state;
	assert_true(may(S_IFREG | 0400, SOMEBODY, OTHERS, PERSON_READ));
	assert_false(may(S_IFREG | 0077, SOMEBODY, THEIR_GROUP, PERSON_READ));
	assert_true(may(S_IFREG | 0040, OTHERS, THEIR_GROUP, PERSON_READ));
	assert_true(may(S_IFREG | 0040, OTHERS, 8, PERSON_READ));
	assert_false(may(S_IFREG | 0704, OTHERS, 7, PERSON_READ));
	assert_true(may(S_IFREG | 0004, OTHERS, OTHERS, PERSON_READ));
	assert_false(may(S_IFREG | 0770, OTHERS, OTHERS, PERSON_READ));
	assert_true(may(S_IFSOCK | 0660, OTHERS, 7, PERSON_WRITE));
	assert_false(may(S_IFSOCK | 0640, OTHERS, 7, PERSON_WRITE));
	assert_true(may(S_IFDIR | 0711, OTHERS, OTHERS, PERSON_PASS));
	assert_false(may(S_IFDIR | 0744, OTHERS, OTHERS, PERSON_PASS));
}

static void
root_passes_and_reads_all(void **state)
{
	const struct person root = { .uid = 0 };
	const struct stat folder = { .st_mode = S_IFDIR, .st_uid = OTHERS };
	const struct stat file = { .st_mode = S_IFREG, .st_uid = OTHERS };

	(void)state;
	assert_true(person_may(&root, &folder, PERSON_PASS));
	assert_true(person_may(&root, &file, PERSON_READ));
	assert_false(person_may(&root, &file, PERSON_PASS));
}

static void
a_process_has_its_user_and_groups(void **state)
{
	struct person us;

	(void)state;
	assert_true(person_of_process(&us, getpid()));
	assert_int_equal(us.uid, geteuid());
	assert_int_equal(us.gid, getegid());
	assert_int_equal(us.groups_n, getgroups(0, NULL));
	assert_true(person_is_us(&us));
	assert_false(person_of_process(&us, 0));
}

static void
users_are_found_by_name_and_number(void **state)
{
	struct person p;

	(void)state;
	assert_true(person_named(&p, "root"));
	assert_int_equal(p.uid, 0);
	assert_false(person_named(&p, "no-such-user-here"));
	person_of_uid(&p, 0);
	assert_string_equal(p.name, "root");
	person_of_uid(&p, 3999999999U);
	assert_string_equal(p.name, "3999999999");
}

/* The first obstacle, from the root on; whoever we are. */
static void
the_first_obstacle_is_named(void **state)
{
	struct person nobody;
	char folder[FOLDER_SIZE], path[FOLDER_SIZE + 32];
	struct fault f = FAULT_INIT;
	FILE *file;

	(void)state;
	person_of_uid(&nobody, NOBODY);
	assert_int_equal(folder_make(folder), 0);
	(void)snprintf(path, sizeof path, "%s/file", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fclose(file);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(person_reaches(&nobody, path, PERSON_READ, &f), -1);
	assert_int_equal(f.kind, FAULT_DENIED);
	assert_non_null(strstr(f.text, folder));
	assert_non_null(strstr(f.text, "pass"));
	assert_non_null(strstr(f.text, "0700"));
	f = FAULT_INIT;
	assert_int_equal(chmod(folder, 0701), 0);
	assert_int_equal(person_reaches(&nobody, path, PERSON_READ, &f), 0);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(person_reaches(&nobody, path, PERSON_READ, &f), -1);
	assert_non_null(strstr(f.text, "may not read"));
	f = FAULT_INIT;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(person_reaches(&nobody, path, PERSON_READ, &f), -1);
	assert_int_equal(f.kind, FAULT_DENIED);
	assert_int_equal(folder_remove(folder), 0);
}

static int
say_who(const void *arg, struct fault *f)
{
	(void)arg;
	return fault_in(
	    f, FAULT_FULL, "id", "%d %d", (int)geteuid(), (int)getegid());
}

static int
hang(const void *arg, struct fault *f)
{
	(void)arg, (void)f;
	(void)pause();
	return 0;
}

static int
die(const void *arg, struct fault *f)
{
	(void)arg, (void)f;
	_exit(3);
}

static void
a_deed_is_done_as_the_person_and_its_fault_comes_back(void **state)
{
	struct person p;
	struct fault f = FAULT_INIT;
	char who[64];

	(void)state;
	person_of_uid(&p, geteuid() == 0 ? NOBODY : geteuid());
	(void)snprintf(who, sizeof who, "%d %d", (int)p.uid,
	    geteuid() == 0 ? (int)p.gid : (int)getegid());
	assert_int_equal(person_do(&p, say_who, NULL, &f), -1);
	assert_int_equal(f.kind, FAULT_FULL);
	assert_string_equal(f.field, "id");
	assert_string_equal(f.text, who);
}

static void
a_child_that_hangs_or_dies_is_a_fault(void **state)
{
	struct person p;
	struct fault f = FAULT_INIT;

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(person_do(&somebody, hang, NULL, &f), -1);
		assert_int_equal(f.kind, FAULT_DENIED);
		return;
	}
	person_of_uid(&p, NOBODY);
	assert_int_equal(person_do(&p, die, NULL, &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	f = FAULT_INIT;
	assert_int_equal(person_do(&p, hang, NULL, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
}

/* In a process of its own, for it does not come back. */
static int
act(void)
{
	struct person nobody, daemon;
	struct fault f = FAULT_INIT;
	char who[64];

	person_of_uid(&nobody, NOBODY);
	person_of_uid(&daemon, 1);
	if (person_act_as(&nobody, &f) == -1 || geteuid() != NOBODY ||
	    access("/root/.", X_OK) != 0 || eaccess("/root/.", X_OK) == 0)
		return 1;
	(void)snprintf(who, sizeof who, "1 %d", (int)daemon.gid);
	if (person_do(&daemon, say_who, NULL, &f) != -1 ||
	    strcmp(f.text, who) != 0)
		return 2;
	if (geteuid() != NOBODY || person_become(&nobody, &f) == -1)
		return 3;
	return getuid() == NOBODY && seteuid(0) == -1 && !person_can_be(&daemon)
		   ? 0
		   : 4;
}

static void
root_acts_as_somebody_and_can_still_try_for_others(void **state)
{
	int status = 0;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0)
		_exit(act());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bits_of_the_nearest_class_count),
		cmocka_unit_test(root_passes_and_reads_all),
		cmocka_unit_test(a_process_has_its_user_and_groups),
		cmocka_unit_test(users_are_found_by_name_and_number),
		cmocka_unit_test(the_first_obstacle_is_named),
		cmocka_unit_test(
		    a_deed_is_done_as_the_person_and_its_fault_comes_back),
		cmocka_unit_test(
		    root_acts_as_somebody_and_can_still_try_for_others),
		cmocka_unit_test(a_child_that_hangs_or_dies_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
