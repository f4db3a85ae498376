#include "base/share.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

enum { NOBODY = 65534 };

struct place {
	char path[FOLDER_SIZE];
	int dir;
};

static int
set_up(void **state)
{
	static struct place p;

	if (folder_make(p.path) == -1)
		return -1;
	p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = &p;
	return p.dir == -1 ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;

	(void)close(p->dir);
	return folder_remove(p->path);
}

static mode_t
mode_of(const struct place *p, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(p->dir, name, &st, 0), 0);
	return st.st_mode & 07777;
}

/* Makes a folder and a file under that umask, which is the same after. */
static void
make(const struct place *p, const char *folder, const char *file, mode_t mask)
{
	const mode_t before = umask(mask);
	int fd;

	assert_int_equal(share_mkdir(p->dir, folder), 0);
	fd = share_create(p->dir, file, O_WRONLY);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(umask(before), mask);
}

static void
in_a_shared_folder_the_umask_takes_nothing(void **state)
{
	struct place *p = *state;

	assert_int_equal(fchmod(p->dir, 02770), 0);
	make(p, "a", "b", 077);
	assert_int_equal(mode_of(p, "a"), 02770);
	assert_int_equal(mode_of(p, "b"), 0660);
}

static void
elsewhere_the_umask_holds(void **state)
{
	static const mode_t modes[] = { 0770, 02750, 0700, 02700 };
	struct place *p = *state;
	char folder[] = "a0", file[] = "b0";
	size_t i;

	for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		assert_int_equal(fchmod(p->dir, modes[i]), 0);
		folder[1] = file[1] = (char)('0' + i);
		make(p, folder, file, 027);
		assert_int_equal(mode_of(p, folder) & 0777, 0750);
		assert_int_equal(mode_of(p, file), 0640);
	}
}

static void
a_name_that_is_taken_is_no_new_file(void **state)
{
	struct place *p = *state;

	make(p, "a", "b", 027);
	assert_int_equal(share_mkdir(p->dir, "a"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(share_create(p->dir, "b", O_WRONLY), -1);
	assert_int_equal(errno, EEXIST);
}

static void
errno_says_which_fault_it_is(void **state)
{
	static const struct {
		int error;
		enum fault_kind kind;
	} rows[] = { { EDQUOT, FAULT_FULL }, { ENOSPC, FAULT_FULL },
		{ EFBIG, FAULT_FULL }, { EIO, FAULT_DISK },
		{ ENOENT, FAULT_DISK }, { EACCES, FAULT_CONFLICT },
		{ EPERM, FAULT_CONFLICT }, { EROFS, FAULT_CONFLICT } };
	struct place *p = *state;
	struct fault f;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		f = FAULT_INIT;
		errno = rows[i].error;
		assert_int_equal(
		    share_fault(&f, p->dir, "a", SHARE_WRITE, "make"), -1);
		assert_int_equal(f.kind, rows[i].kind);
		assert_true(f.kind != FAULT_FULL || !strstr(f.text, "a:"));
	}
}

/* What nobody hears who tries it: 0, or which check failed. */
static int
try_as_nobody(const struct place *p)
{
	struct fault f = FAULT_INIT;

	if (share_may_write(p->dir) || share_mkdir(p->dir, "x") == 0)
		return 1;
	(void)share_fault(&f, p->dir, "x", SHARE_WRITE, "make");
	if (strstr(f.text, "nobody may not write to /") == NULL ||
	    strstr(f.text, "(root:root 2755): run `charref-admin") == NULL)
		return 2;
	f = FAULT_INIT;
	if (openat(p->dir, "b", O_RDONLY) != -1)
		return 3;
	(void)share_fault(&f, p->dir, "b", SHARE_READ, "open");
	if (strstr(f.text, "nobody may not read /") == NULL ||
	    strstr(f.text, "/b (root:root 0600)") == NULL)
		return 4;
	return 0;
}

static void
the_obstacle_is_named_with_its_owner_and_mode(void **state)
{
	struct place *p = *state;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip(); /* only root can be somebody else */
	make(p, "a", "b", 027);
	assert_int_equal(fchmodat(p->dir, "b", 0600, 0), 0);
	assert_int_equal(fchmod(p->dir, 02755), 0);
	child = fork();
	if (child == 0)
		_exit(setegid(NOBODY) == -1 || seteuid(NOBODY) == -1
			  ? 99
			  : try_as_nobody(p));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(in_a_shared_folder_the_umask_takes_nothing),
		TEST(elsewhere_the_umask_holds),
		TEST(a_name_that_is_taken_is_no_new_file),
		TEST(errno_says_which_fault_it_is),
		TEST(the_obstacle_is_named_with_its_owner_and_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
