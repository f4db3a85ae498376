#include "disk/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "folder.h"

enum { PATH_SIZE = 2048, SEEN_MAX = 1 << 16, NOBODY = 65534, ROUNDS = 3000 };

static const struct job_id job = { "J" };

/* Each test has a folder of its own, with a tree in it beside what is none
 * of the tree's. */
struct place {
	char outside[FOLDER_SIZE];
	char path[FOLDER_SIZE + 8]; /* outside/tree */
	int dir;                    /* the tree's   */
	struct tree *tree;
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	struct fault f = FAULT_INIT;

	*state = p;
	if (folder_make(p->outside) == -1)
		return -1;
	(void)snprintf(p->path, sizeof p->path, "%s/tree", p->outside);
	if (tree_open(&p->tree, p->path, true, &f) == -1)
		return -1;
	p->dir = tree_folder(p->tree);
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	int rc;

	tree_close(&p->tree);
	tree_close(&p->tree);
	rc = folder_remove(p->outside);
	free(p);
	return rc;
}

static void
put(struct place *p, const char *name, const char *text)
{
	const int fd = openat(p->dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static void
folder(struct place *p, const char *name)
{
	assert_int_equal(mkdirat(p->dir, name, 0700), 0);
}

static struct jobpath
path_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct jobpath path;

	assert_int_equal(jobpath_parse(&path, view_str(text), &job, &f), 0);
	return path;
}

/* --- what a walk tells --- */

struct seen {
	struct buf files;   /* "path " each          */
	struct buf refused; /* "path: why\n" each    */
	size_t n;
	struct place *place;
	size_t stop_after; /* 0: never */
};

#define SEEN_INIT(p)                                                           \
	((struct seen){ .files = BUF_INIT(SEEN_MAX),                           \
	    .refused = BUF_INIT(SEEN_MAX),                                     \
	    .place = (p) })

static int
see_file(void *arg, const struct jobpath *path, const struct tree_stamp *stamp,
    struct fault *f)
{
	struct seen *s = arg;
	struct stat st;

	assert_int_equal(fstatat(s->place->dir, path->text, &st, 0), 0);
	assert_int_equal(stamp->size, st.st_size);
	assert_int_equal(stamp->inode, st.st_ino);
	assert_int_equal(stamp->mtime_ns,
	    st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	buf_fmt(&s->files, "%s ", path->text);
	if (++s->n == s->stop_after)
		return fault_set(f, FAULT_SLOW, "enough");
	return 0;
}

static int
see_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	struct seen *s = arg;

	(void)f;
	buf_fmt(&s->refused, "%s: %s\n", shown, why->text);
	return 0;
}

static int
walk(struct seen *s, struct fault *f)
{
	const struct tree_visitor visitor = { see_file, see_refused, s, &job };

	return tree_walk(s->place->tree, &visitor, f);
}

static void
assert_walk(struct place *p, const char *files, const char *refused)
{
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;

	assert_int_equal(walk(&s, &f), 0);
	assert_int_equal(f.kind, FAULT_NONE);
	assert_string_equal(buf_str(&s.files), files);
	assert_string_equal(buf_str(&s.refused), refused);
	buf_fini(&s.files);
	buf_fini(&s.refused);
}

static int
descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(list);
	while (readdir(list) != NULL)
		n++;
	(void)closedir(list);
	return n;
}

/* --- opening --- */

static void
a_folder_that_is_not_there_is_absent_unless_made(void **state)
{
	struct place *p = *state;
	struct tree *t = NULL;
	struct fault f = FAULT_INIT, g = FAULT_INIT;
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof path, "%s/a/b", p->path);
	assert_int_equal(tree_open(&t, path, false, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_null(t);
	assert_int_equal(tree_open(&t, path, true, &f), 0);
	tree_close(&t);
	assert_int_equal(tree_open(&t, path, false, &f), 0);
	tree_close(&t);
	put(p, "file", "");
	(void)snprintf(path, sizeof path, "%s/file", p->path);
	assert_int_equal(tree_open(&t, path, false, &g), -1);
	assert_int_equal(g.kind, FAULT_ABSENT);
	assert_null(t);
}

static void
the_way_to_the_tree_may_lead_over_links(void **state)
{
	struct place *p = *state;
	struct seen s = SEEN_INIT(p);
	struct tree *t = NULL;
	struct fault f = FAULT_INIT;
	char path[PATH_SIZE];

	put(p, "cat.png", "cat");
	(void)snprintf(path, sizeof path, "%s/link", p->outside);
	assert_int_equal(symlink("tree", path), 0);
	assert_int_equal(tree_open(&t, path, false, &f), 0);
	tree_close(&p->tree);
	p->tree = t;
	p->dir = tree_folder(t);
	assert_int_equal(walk(&s, &f), 0);
	assert_string_equal(buf_str(&s.files), "cat.png ");
	buf_fini(&s.files);
}

/* --- walking --- */

static void
files_come_in_the_order_of_the_bytes_of_their_names(void **state)
{
	struct place *p = *state;

	put(p, "b", "");
	put(p, "a.txt", "");
	put(p, "Z", "");
	put(p, "\xc3\xbc", "");
	put(p, "a b", "");
	folder(p, "a");
	put(p, "a/2", "");
	put(p, "a/10", "");
	folder(p, "a/1");
	put(p, "a/1/x", "");
	folder(p, "empty");
	folder(p, "final");
	put(p, "final/film.mp4", "");
	assert_walk(
	    p, "Z a/1/x a/10 a/2 a b a.txt b final/film.mp4 \xc3\xbc ", "");
	assert_walk(
	    p, "Z a/1/x a/10 a/2 a b a.txt b final/film.mp4 \xc3\xbc ", "");
}

static void
an_empty_tree_has_nothing_to_tell(void **state)
{
	assert_walk(*state, "", "");
}

static void
names_that_begin_with_a_dot_are_passed_over(void **state)
{
	struct place *p = *state;

	put(p, ".hidden", "");
	put(p, "..almost", "");
	put(p, FILE_DRAFT_PREFIX "0123", "");
	folder(p, ".git");
	put(p, ".git/config", "");
	assert_int_equal(symlinkat("/etc", p->dir, ".link"), 0);
	assert_int_equal(mkfifoat(p->dir, ".pipe", 0600), 0);
	put(p, "seen", "");
	assert_walk(p, "seen ", "");
}

static int
bind_socket(struct place *p, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd != -1);
	(void)snprintf(
	    at.sun_path, sizeof at.sun_path, "%.80s/%.20s", p->path, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static void
what_is_no_file_or_folder_is_refused_by_name(void **state)
{
	struct place *p = *state;
	int fd;

	folder(p, "a");
	assert_int_equal(symlinkat("../../secret", p->dir, "a/out"), 0);
	assert_int_equal(symlinkat("/etc", p->dir, "etc"), 0);
	assert_int_equal(symlinkat("loop", p->dir, "loop"), 0);
	assert_int_equal(symlinkat(".", p->dir, "self"), 0);
	assert_int_equal(symlinkat("nowhere", p->dir, "torn"), 0);
	assert_int_equal(symlinkat("real", p->dir, "link"), 0);
	put(p, "real", "");
	assert_int_equal(mkfifoat(p->dir, "pipe", 0600), 0);
	fd = bind_socket(p, "socket");
	assert_walk(p, "real ",
	    "a/out: is a symbolic link\n"
	    "etc: is a symbolic link\n"
	    "link: is a symbolic link\n"
	    "loop: is a symbolic link\n"
	    "pipe: is a pipe\n"
	    "self: is a symbolic link\n"
	    "socket: is a socket\n"
	    "torn: is a symbolic link\n");
	(void)close(fd);
}

static void
a_device_is_refused_by_name(void **state)
{
	struct place *p = *state;

	if (mknodat(p->dir, "null", S_IFCHR | 0600, (dev_t)(1 << 8 | 3)) == -1)
		skip(); /* only root may */
	assert_walk(p, "", "null: is a device\n");
}

static void
names_that_no_key_may_have_are_refused_and_made_safe_to_show(void **state)
{
	struct place *p = *state;

	put(p, "line\nbreak", "");
	put(p, "\x1b[31mred", "");
	put(p, "latin-\xfc.png", "");
	put(p, "c1-\xc2\x9b", "");
	folder(p, "bad\x7f");
	put(p, "bad\x7f/inside", "");
	put(p, "back\\slash", "");
	assert_int_equal(symlinkat("x", p->dir, "l\n"), 0);
	assert_walk(p, "back\\slash ",
	    "\\x1b[31mred: has a control character\n"
	    "bad\\x7f: has a control character\n"
	    "c1-\\xc2\\x9b: has a control character\n"
	    "l\\x0a: is a symbolic link\n"
	    "latin-\\xfc.png: is not UTF-8\n"
	    "line\\x0a"
	    "break: has a control character\n");
}

/* Makes folders "d" inside each other, n of them, with a file "x" below
 * each: the deepest is open afterwards. */
static int
make_depth(struct place *p, int n, const char *name)
{
	int dir = dup(p->dir), next, i, fd;

	for (i = 0; i < n; i++) {
		fd = openat(dir, "x", O_WRONLY | O_CREAT, 0600);
		assert_true(fd != -1);
		(void)close(fd);
		assert_int_equal(mkdirat(dir, name, 0700), 0);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY);
		assert_true(next != -1);
		(void)close(dir);
		dir = next;
	}
	return dir;
}

static void
folders_are_entered_as_deep_as_paths_may_be(void **state)
{
	struct place *p = *state;
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;
	const int dir = make_depth(p, TREE_DEPTH_MAX + 200, "d");
	char want[PATH_SIZE] = "";
	int i;

	(void)close(dir);
	assert_int_equal(walk(&s, &f), 0);
	assert_int_equal(s.n, TREE_DEPTH_MAX);
	for (i = 0; i < TREE_DEPTH_MAX; i++)
		(void)snprintf(
		    want + 2 * i, sizeof want - (size_t)(2 * i), "d/");
	(void)snprintf(want + 2 * i, sizeof want - (size_t)(2 * i),
	    "d: is more than 64 names deep\n");
	assert_true(view_begins(buf_view(&s.refused), want));
	want[2 * i] = 'x';
	assert_string_equal(buf_str(&s.refused) + strlen(want), want);
	buf_fini(&s.files);
	buf_fini(&s.refused);
}

static void
paths_too_long_for_a_key_are_refused(void **state)
{
	struct place *p = *state;
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;
	char name[JOBPATH_NAME_MAX + 1];
	int dir;

	memset(name, 'n', JOBPATH_NAME_MAX);
	name[JOBPATH_NAME_MAX] = '\0';
	dir = make_depth(p, 6, name);
	(void)close(dir);
	/* 3 * 256 + 255 bytes and the key's others are over 1024. */
	assert_int_equal(walk(&s, &f), 0);
	assert_int_equal(s.n, 4);
	assert_true(view_has(buf_view(&s.refused), "...: is too long: "));
	assert_false(view_has(buf_view(&s.refused), "/x: "));
	buf_fini(&s.files);
	buf_fini(&s.refused);
}

/* In a process that root's rights are taken from: what came of it. */
static int
as_nobody(struct place *p, int (*act)(struct place *p))
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		if (getuid() == 0 &&
		    (chmod(p->outside, 0755) == -1 || setegid(NOBODY) == -1 ||
			seteuid(NOBODY) == -1))
			_exit(99);
		_exit(act(p));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
walk_closed_folders(struct place *p)
{
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;

	if (walk(&s, &f) == -1)
		return 1;
	if (!view_is(buf_view(&s.files), "open unreadable z/last "))
		return 2;
	if (!view_has(buf_view(&s.refused), "closed: nobody may not read ") ||
	    !view_has(buf_view(&s.refused), "/closed (") ||
	    !view_has(buf_view(&s.refused), " 0000): run ") ||
	    !view_has(buf_view(&s.refused), "names-only/in: nobody may ") ||
	    !view_has(buf_view(&s.refused), "/names-only (") ||
	    !view_has(buf_view(&s.refused), " 0444): run "))
		return 3;
	return 0;
}

static void
folders_closed_to_us_are_refused_and_the_rest_goes_on(void **state)
{
	struct place *p = *state;

	folder(p, "closed");
	put(p, "closed/in", "");
	folder(p, "names-only");
	put(p, "names-only/in", "");
	put(p, "open", "");
	put(p, "unreadable", "");
	folder(p, "z");
	put(p, "z/last", "");
	assert_int_equal(fchmodat(p->dir, ".", 0755, 0), 0);
	assert_int_equal(fchmodat(p->dir, "z", 0755, 0), 0);
	assert_int_equal(fchmodat(p->dir, "unreadable", 0, 0), 0);
	assert_int_equal(fchmodat(p->dir, "closed", 0, 0), 0);
	assert_int_equal(fchmodat(p->dir, "names-only", 0444, 0), 0);
	assert_int_equal(as_nobody(p, walk_closed_folders), 0);
	assert_int_equal(fchmodat(p->dir, "closed", 0700, 0), 0);
	assert_int_equal(fchmodat(p->dir, "names-only", 0700, 0), 0);
}

static void
a_visitor_may_stop_the_walk(void **state)
{
	struct place *p = *state;
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;

	folder(p, "a");
	put(p, "a/1", "");
	put(p, "a/2", "");
	put(p, "b", "");
	s.stop_after = 1;
	assert_int_equal(walk(&s, &f), -1);
	assert_int_equal(f.kind, FAULT_SLOW);
	assert_string_equal(buf_str(&s.files), "a/1 ");
	buf_fini(&s.files);
}

static int
count_file(void *arg, const struct jobpath *path,
    const struct tree_stamp *stamp, struct fault *f)
{
	(void)path;
	(void)stamp;
	(void)f;
	++*(size_t *)arg;
	return 0;
}

static int
count_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)arg;
	(void)shown;
	(void)why;
	(void)f;
	fail();
	return 0;
}

static void
a_tree_of_more_files_than_allowed_is_too_large(void **state)
{
	struct place *p = *state;
	size_t n = 0;
	const struct tree_visitor visitor = { count_file, count_refused, &n,
		&job };
	struct fault f = FAULT_INIT;
	char name[32];
	int i;

	put(p, "first", "");
	folder(p, "a");
	for (i = 1; i < TREE_FILES_MAX; i++) {
		(void)snprintf(name, sizeof name, "%s%d", i % 2 ? "a/" : "", i);
		assert_int_equal(linkat(p->dir, "first", p->dir, name, 0), 0);
	}
	assert_int_equal(tree_walk(p->tree, &visitor, &f), 0);
	assert_int_equal(n, TREE_FILES_MAX);
	put(p, "z", "");
	n = 0;
	assert_int_equal(tree_walk(p->tree, &visitor, &f), -1);
	assert_int_equal(f.kind, FAULT_LARGE);
	assert_int_equal(n, TREE_FILES_MAX);
}

static void
a_tree_of_more_names_than_allowed_is_too_large(void **state)
{
	struct place *p = *state;
	size_t n = 0;
	const struct tree_visitor visitor = { count_file, count_refused, &n,
		&job };
	struct fault f = FAULT_INIT;
	char name[32];
	int i;

	put(p, "first", "");
	for (i = 0; i < TREE_NAMES_MAX; i++) {
		(void)snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(linkat(p->dir, "first", p->dir, name, 0), 0);
		if (i % 30000 == 29999) /* as many links as a file may have */
			assert_int_equal(unlinkat(p->dir, "first", 0), 0);
		if (i % 30000 == 29999)
			put(p, "first", "");
	}
	assert_int_equal(tree_walk(p->tree, &visitor, &f), -1);
	assert_int_equal(f.kind, FAULT_LARGE);
	assert_int_equal(n, 0); /* before all of them were in memory */
}

static void
wait_for(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* Makes and removes a folder with a file, and swaps a file for a link, until
 * it is killed. */
static void
disturb(struct place *p)
{
	int fd;

	(void)alarm(60); /* should the test fail before it is killed */
	for (;;) {
		(void)mkdirat(p->dir, "b", 0700);
		fd = openat(p->dir, "b/x", O_WRONLY | O_CREAT, 0600);
		if (fd != -1)
			(void)close(fd);
		(void)unlinkat(p->dir, "b/x", 0);
		(void)unlinkat(p->dir, "b", AT_REMOVEDIR);
		if (symlinkat("/etc", p->dir, "b") == 0)
			(void)unlinkat(p->dir, "b", 0);
	}
}

static int
see_inside(void *arg, const struct jobpath *path,
    const struct tree_stamp *stamp, struct fault *f)
{
	const char *text = path->text;

	(void)stamp;
	(void)f;
	assert_true(strcmp(text, "a") == 0 || strcmp(text, "b/x") == 0 ||
		    strcmp(text, "c") == 0);
	*(size_t *)arg += strlen(text) == 1;
	return 0;
}

static int
see_link(void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)arg;
	(void)why;
	(void)f;
	assert_string_equal(shown, "b");
	return 0;
}

static void
what_changes_meanwhile_does_not_end_a_walk_or_lead_it_out(void **state)
{
	struct place *p = *state;
	size_t n = 0;
	const struct tree_visitor visitor = { see_inside, see_link, &n, &job };
	struct fault f = FAULT_INIT;
	pid_t child;
	int i;

	put(p, "a", "");
	put(p, "c", "");
	child = fork();
	if (child == 0)
		disturb(p);
	for (i = 0; i < ROUNDS; i++)
		assert_int_equal(tree_walk(p->tree, &visitor, &f), 0);
	wait_for(child);
	assert_int_equal(n, 2 * ROUNDS);
}

static void
a_walk_leaves_no_descriptor_open(void **state)
{
	struct place *p = *state;
	const int before = descriptors();
	struct fault f = FAULT_INIT;
	struct seen s = SEEN_INIT(p);
	struct tree_draft d = TREE_DRAFT_INIT;
	struct tree_stamp stamp;
	struct jobpath path = path_of("a/b/c/file");
	int fd;

	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), 0);
	assert_int_equal(tree_draft_publish(&d, 0, &stamp, &f), 0);
	tree_draft_fini(&d);
	s.stop_after = 1;
	assert_int_equal(walk(&s, &f), -1);
	assert_int_equal(tree_sweep(p->tree, &f), 0);
	assert_int_equal(tree_read(p->tree, &path, &fd, &stamp, &f), 0);
	(void)close(fd);
	path = path_of("a/b/c/file/d");
	assert_int_equal(tree_read(p->tree, &path, &fd, &stamp, &f), -1);
	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), -1);
	assert_int_equal(descriptors(), before);
	buf_fini(&s.files);
}

/* Walks with as few descriptors as make the depth too great for them. */
static int
walk_without_descriptors(struct place *p)
{
	const struct rlimit few = { 24, 24 };
	struct seen s = SEEN_INIT(p);
	struct fault f = FAULT_INIT;

	if (setrlimit(RLIMIT_NOFILE, &few) == -1)
		return 1;
	return walk(&s, &f) == -1 && f.kind == FAULT_DISK && s.refused.len == 0
		   ? 0
		   : 2;
}

static void
a_lack_of_descriptors_is_ours_and_no_fault_of_a_folder(void **state)
{
	struct place *p = *state;
	const int dir = make_depth(p, 40, "d");
	const pid_t child = fork();
	int status;

	(void)close(dir);
	if (child == 0)
		_exit(walk_without_descriptors(p));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* --- reading --- */

static void
assert_reads(struct place *p, const char *name, const char *want)
{
	const struct jobpath path = path_of(name);
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	char got[64] = "";
	int fd = -1;

	assert_int_equal(tree_read(p->tree, &path, &fd, &stamp, &f), 0);
	assert_int_equal(read(fd, got, sizeof got - 1), strlen(want));
	assert_string_equal(got, want);
	assert_int_equal(stamp.size, strlen(want));
	(void)close(fd);
}

static void
assert_absent(struct place *p, const char *name)
{
	const struct jobpath path = path_of(name);
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	int fd = -1;

	assert_int_equal(tree_read(p->tree, &path, &fd, &stamp, &f), -1);
	assert_int_equal(f.kind, FAULT_ABSENT);
	assert_int_equal(fd, -1);
}

static void
only_regular_files_of_the_tree_are_read(void **state)
{
	struct place *p = *state;
	char secret[PATH_SIZE];
	int fd;

	(void)snprintf(secret, sizeof secret, "%s/secret", p->outside);
	folder(p, "a");
	put(p, "a/cat", "meow");
	put(p, "../secret", "secret");
	assert_int_equal(symlinkat("a", p->dir, "within"), 0);
	assert_int_equal(symlinkat("..", p->dir, "up"), 0);
	assert_int_equal(symlinkat(p->outside, p->dir, "away"), 0);
	assert_int_equal(symlinkat("cat", p->dir, "a/link"), 0);
	assert_int_equal(symlinkat(secret, p->dir, "a/out"), 0);
	assert_int_equal(symlinkat("loop", p->dir, "loop"), 0);
	assert_int_equal(mkfifoat(p->dir, "pipe", 0600), 0);
	fd = bind_socket(p, "socket");
	assert_reads(p, "a/cat", "meow");
	assert_absent(p, "a");
	assert_absent(p, "a/dog");
	assert_absent(p, "b/cat");
	assert_absent(p, "a/cat/x");
	assert_absent(p, "within/cat");
	assert_absent(p, "up/secret");
	assert_absent(p, "away/secret");
	assert_absent(p, "a/link");
	assert_absent(p, "a/out");
	assert_absent(p, "loop");
	assert_absent(p, "loop/x");
	assert_absent(p, "pipe");
	assert_absent(p, "pipe/x");
	assert_absent(p, "socket");
	(void)close(fd);
}

static int
read_closed(struct place *p)
{
	static const char *const names[] = { "closed/in", "unreadable" };
	static const char *const obstacles[] = { "/closed (", "/unreadable (" };
	struct tree_stamp stamp;
	struct jobpath path;
	struct fault f;
	int fd;
	size_t i;

	for (i = 0; i < 2; i++) {
		path = path_of(names[i]);
		f = FAULT_INIT;
		if (tree_read(p->tree, &path, &fd, &stamp, &f) == 0)
			return 1;
		if (f.kind != FAULT_CONFLICT ||
		    !view_has(view_str(f.text), obstacles[i]))
			return 2;
	}
	return 0;
}

static void
what_is_closed_to_us_is_there_and_says_why(void **state)
{
	struct place *p = *state;

	folder(p, "closed");
	put(p, "closed/in", "");
	put(p, "unreadable", "");
	assert_int_equal(fchmodat(p->dir, ".", 0755, 0), 0);
	assert_int_equal(fchmodat(p->dir, "unreadable", 0, 0), 0);
	assert_int_equal(fchmodat(p->dir, "closed", 0, 0), 0);
	assert_int_equal(as_nobody(p, read_closed), 0);
	assert_int_equal(fchmodat(p->dir, "closed", 0700, 0), 0);
}

static struct tree_stamp
stamp_of(struct place *p, const char *name)
{
	const struct jobpath path = path_of(name);
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	int fd;

	assert_int_equal(tree_read(p->tree, &path, &fd, &stamp, &f), 0);
	(void)close(fd);
	return stamp;
}

static void
a_stamp_tells_every_change(void **state)
{
	struct place *p = *state;
	const struct timespec old[2] = { { .tv_sec = 5 }, { .tv_sec = 5 } };
	struct tree_stamp one, other, changed;

	put(p, "cat", "meow");
	put(p, "dog", "woof");
	one = stamp_of(p, "cat");
	other = stamp_of(p, "cat");
	assert_true(tree_same(&one, &other));
	assert_int_equal(utimensat(p->dir, "cat", old, 0), 0);
	changed = stamp_of(p, "cat");
	assert_int_equal(changed.mtime_ns, 5000000000);
	assert_false(tree_same(&one, &changed));
	other = stamp_of(p, "dog");
	other.mtime_ns = one.mtime_ns;
	other.ctime_ns = one.ctime_ns;
	assert_false(tree_same(&one, &other)); /* another file */
	other = one;
	other.size++;
	assert_false(tree_same(&one, &other));
	other = one;
	other.ctime_ns++;
	assert_false(tree_same(&one, &other));
}

/* --- drafts --- */

static int
write_file(struct place *p, const char *name, const char *text,
    int64_t mtime_ns, struct tree_stamp *stamp, struct fault *f)
{
	const struct jobpath path = path_of(name);
	struct tree_draft d = TREE_DRAFT_INIT;
	int rc = tree_draft_open(&d, p->tree, &path, f);

	if (rc == 0) {
		assert_int_equal(write(d.fd, text, strlen(text)), strlen(text));
		rc = tree_draft_publish(&d, mtime_ns, stamp, f);
	}
	tree_draft_fini(&d);
	tree_draft_fini(&d);
	return rc;
}

static void
assert_written(struct place *p, const char *name, const char *text)
{
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp, now;

	assert_int_equal(write_file(p, name, text, 0, &stamp, &f), 0);
	assert_reads(p, name, text);
	now = stamp_of(p, name);
	assert_true(tree_same(&stamp, &now));
}

static void
a_file_appears_whole_with_its_folders(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_written(p, "metadata.json", "{}");
	assert_written(p, "scenes/1/a.mp4", "film");
	assert_written(p, "scenes/1/b.mp4", "film");
	assert_written(p, "scenes/2/a.mp4", "film");
	assert_written(p, "final/film.mp4", "film");
	assert_int_equal(fstatat(p->dir, "scenes", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(p->dir, "scenes/1", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fstatat(p->dir, "scenes/1/a.mp4", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_walk(p,
	    "final/film.mp4 metadata.json scenes/1/a.mp4 scenes/1/b.mp4 "
	    "scenes/2/a.mp4 ",
	    "");
}

static void
folders_taken_away_meanwhile_are_made_again(void **state)
{
	struct place *p = *state;

	assert_written(p, "a/b/one", "1");
	assert_int_equal(unlinkat(p->dir, "a/b/one", 0), 0);
	assert_int_equal(unlinkat(p->dir, "a/b", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(p->dir, "a", AT_REMOVEDIR), 0);
	assert_written(p, "a/b/two", "2");
	assert_walk(p, "a/b/two ", "");
}

static void
the_longest_and_deepest_paths_are_written_and_read(void **state)
{
	struct place *p = *state;
	char deep[2 * JOBPATH_DEPTH_MAX], longest[JOBPATH_MAX];
	size_t i;

	for (i = 0; i < sizeof deep - 1; i++)
		deep[i] = i % 2 == 0 ? 'd' : '/';
	deep[i] = '\0';
	assert_written(p, deep, "deep");
	for (i = 0; i < JOBPATH_KEY_MAX - strlen("videos/J/intermediate/"); i++)
		longest[i] = i % 256 == 255 ? '/' : 'n';
	longest[i] = '\0';
	assert_written(p, longest, "long");
}

static void
assert_time(struct place *p, int64_t mtime_ns)
{
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;

	assert_int_equal(write_file(p, "a", "x", mtime_ns, &stamp, &f), 0);
	assert_int_equal(stamp.mtime_ns, mtime_ns);
	assert_int_equal(stamp_of(p, "a").mtime_ns, mtime_ns);
}

static void
a_file_has_the_time_that_it_is_given(void **state)
{
	struct place *p = *state;
	const int64_t now = (int64_t)time(NULL) * 1000000000;
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;

	assert_time(p, 1763806500123456789);
	assert_time(p, 1);
	assert_time(p, 999999999);
	assert_time(p, 1000000000);
	assert_time(p, -1);
	assert_time(p, -1000000000);
	assert_time(p, -1500000000);
	assert_int_equal(write_file(p, "a", "x", 0, &stamp, &f), 0);
	assert_true(stamp.mtime_ns >= now - 5000000000);
}

static void
a_regular_file_is_replaced_only_when_the_new_one_is_whole(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("a/cat");
	struct tree_draft d = TREE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;

	folder(p, "a");
	put(p, "a/cat", "the old");
	assert_int_equal(fchmodat(p->dir, "a/cat", 0400, 0), 0);
	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), 0);
	assert_int_equal(write(d.fd, "new", 3), 3);
	assert_reads(p, "a/cat", "the old");
	assert_walk(p, "a/cat ", "");
	assert_int_equal(tree_draft_publish(&d, 0, &stamp, &f), 0);
	assert_reads(p, "a/cat", "new");
	tree_draft_fini(&d);
	assert_reads(p, "a/cat", "new");
}

static int
names_in(struct place *p, const char *name)
{
	const int fd = openat(p->dir, name, O_RDONLY | O_DIRECTORY);
	DIR *list = fd == -1 ? NULL : fdopendir(fd);
	int n = -2;

	assert_non_null(list);
	while (readdir(list) != NULL)
		n++;
	(void)closedir(list);
	return n;
}

static void
a_draft_finished_unpublished_leaves_the_file_as_it_was(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("cat");
	struct tree_draft d = TREE_DRAFT_INIT;
	struct fault f = FAULT_INIT;

	put(p, "cat", "the old");
	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), 0);
	assert_int_equal(names_in(p, "."), 2);
	assert_int_equal(write(d.fd, "new", 3), 3);
	tree_draft_fini(&d);
	assert_reads(p, "cat", "the old");
	assert_int_equal(names_in(p, "."), 1);
	assert_int_equal(d.fd, -1);
	assert_int_equal(d.dir, -1);
}

static void
assert_in_the_way(struct place *p, const char *name)
{
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	struct stat before, after;

	assert_int_equal(
	    fstatat(p->dir, name, &before, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(write_file(p, name, "x", 0, &stamp, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_int_equal(fstatat(p->dir, name, &after, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
}

static void
assert_no_way(struct place *p, const char *name)
{
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;

	assert_int_equal(write_file(p, name, "x", 0, &stamp, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
}

static void
what_is_no_regular_file_is_never_replaced(void **state)
{
	struct place *p = *state;
	int fd;

	put(p, "../secret", "secret");
	folder(p, "folder");
	folder(p, "full");
	put(p, "full/x", "stays");
	put(p, "file", "stays");
	assert_int_equal(symlinkat("file", p->dir, "link"), 0);
	assert_int_equal(symlinkat("../secret", p->dir, "out"), 0);
	assert_int_equal(symlinkat("..", p->dir, "up"), 0);
	assert_int_equal(symlinkat("full", p->dir, "within"), 0);
	assert_int_equal(symlinkat("new", p->dir, "torn"), 0);
	assert_int_equal(mkfifoat(p->dir, "pipe", 0600), 0);
	fd = bind_socket(p, "socket");
	assert_in_the_way(p, "folder");
	assert_in_the_way(p, "full");
	assert_in_the_way(p, "link");
	assert_in_the_way(p, "out");
	assert_in_the_way(p, "torn");
	assert_in_the_way(p, "pipe");
	assert_in_the_way(p, "socket");
	assert_no_way(p, "file/x");
	assert_no_way(p, "up/x");
	assert_no_way(p, "up/secret");
	assert_no_way(p, "within/x");
	assert_no_way(p, "torn/x");
	assert_no_way(p, "pipe/x/y");
	assert_reads(p, "file", "stays");
	assert_reads(p, "full/x", "stays");
	assert_int_equal(names_in(p, ".."), 2);
	assert_int_equal(names_in(p, "folder"), 0);
	assert_int_equal(faccessat(p->dir, "new", F_OK, 0), -1);
	(void)close(fd);
}

static void
a_link_that_comes_while_a_file_is_written_is_not_replaced(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("a/cat");
	struct tree_draft d = TREE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	struct stat st;

	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), 0);
	assert_int_equal(symlinkat("/etc/passwd", p->dir, "a/cat"), 0);
	assert_int_equal(tree_draft_publish(&d, 0, &stamp, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_int_equal(d.fd, -1);
	tree_draft_fini(&d);
	assert_int_equal(fstatat(p->dir, "a/cat", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(names_in(p, "a"), 1);
}

static void
what_is_in_the_way_is_told_before_anything_is_written(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("a/cat");
	struct tree_draft d = TREE_DRAFT_INIT;
	struct fault f = FAULT_INIT;

	folder(p, "a");
	folder(p, "a/cat");
	assert_int_equal(tree_draft_open(&d, p->tree, &path, &f), -1);
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_string_equal(f.text, "a folder is where the file cat must be");
	assert_int_equal(d.dir, -1);
	assert_int_equal(names_in(p, "a"), 1);
}

/* Lets two names change places until it is killed. */
static pid_t
start_swapping(struct place *p, const char *one, const char *other)
{
	const pid_t child = fork();

	if (child != 0)
		return child;
	(void)alarm(60); /* should the test fail before it is killed */
	for (;;)
		(void)renameat2(p->dir, one, p->dir, other, RENAME_EXCHANGE);
}

/* After that many rounds both outcomes have been met; a busy machine has
 * more of them to meet the other. */
static bool
is_enough(int rounds, int i, int met)
{
	return i >= 100 * rounds || (i >= rounds && met > 0 && met < i);
}

/* Reads it if it is there: 1, or 0.  Never what is outside. */
static int
read_ours(struct place *p, const struct jobpath *path)
{
	struct fault f = FAULT_INIT;
	struct tree_stamp stamp;
	int fd;

	if (tree_read(p->tree, path, &fd, &stamp, &f) == -1) {
		assert_int_equal(f.kind, FAULT_ABSENT);
		return 0;
	}
	assert_int_equal(stamp.size, strlen("ours"));
	(void)close(fd);
	return 1;
}

static void
a_folder_swapped_for_a_link_never_leads_out(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("a/secret");
	struct tree_stamp stamp;
	struct fault f;
	pid_t child;
	int i, read_so_often = 0, written = 0;

	put(p, "../secret", "secret");
	folder(p, "a");
	assert_int_equal(symlinkat("..", p->dir, "link"), 0);
	child = start_swapping(p, "a", "link");
	for (i = 0; !is_enough(ROUNDS, i, written); i++) {
		f = FAULT_INIT;
		if (write_file(p, "a/secret", "ours", 0, &stamp, &f) == 0)
			written++;
		else
			assert_int_equal(f.kind, FAULT_CONFLICT);
		read_so_often += read_ours(p, &path);
	}
	wait_for(child);
	assert_true(written > 0 && written < i);
	assert_true(read_so_often > 0);
	assert_int_equal(names_in(p, ".."), 2);
}

static void
a_file_swapped_for_a_link_is_ours_or_none(void **state)
{
	struct place *p = *state;
	const struct jobpath path = path_of("file");
	int i, read_so_often = 0;
	pid_t child;

	put(p, "../secret", "secret");
	put(p, "file", "ours");
	assert_int_equal(symlinkat("../secret", p->dir, "link"), 0);
	child = start_swapping(p, "file", "link");
	for (i = 0; !is_enough(10 * ROUNDS, i, read_so_often); i++)
		read_so_often += read_ours(p, &path);
	wait_for(child);
	assert_true(read_so_often > 0 && read_so_often < i);
}

static int
see_ours(void *arg, const struct jobpath *path, const struct tree_stamp *stamp,
    struct fault *f)
{
	(void)stamp;
	(void)f;
	assert_true(strcmp(path->text, "a/ours") == 0 ||
		    strcmp(path->text, "link/ours") == 0);
	++*(size_t *)arg;
	return 0;
}

static int
see_either(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	(void)arg;
	(void)why;
	(void)f;
	assert_true(strcmp(shown, "a") == 0 || strcmp(shown, "link") == 0);
	return 0;
}

static void
a_folder_swapped_for_a_link_is_not_walked_out_of(void **state)
{
	struct place *p = *state;
	size_t n = 0;
	const struct tree_visitor visitor = { see_ours, see_either, &n, &job };
	struct fault f = FAULT_INIT;
	pid_t child;
	int i;

	put(p, "../secret", "secret");
	folder(p, "a");
	put(p, "a/ours", "ours");
	assert_int_equal(symlinkat("..", p->dir, "link"), 0);
	child = start_swapping(p, "a", "link");
	for (i = 0; i < 10 * ROUNDS; i++)
		assert_int_equal(tree_walk(p->tree, &visitor, &f), 0);
	wait_for(child);
	assert_true(n > 0);
}

/* --- sweeping --- */

/* Starts a process with a draft in the tree that waits to be killed. */
static pid_t
start_owner(struct place *p, const char *name)
{
	const struct jobpath path = path_of(name);
	struct tree_draft d = TREE_DRAFT_INIT;
	struct fault f = FAULT_INIT;
	int ready[2];
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		if (tree_draft_open(&d, p->tree, &path, &f) == 0 &&
		    write(ready[1], "", 1) == 1)
			(void)pause();
		_exit(1);
	}
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return child;
}

static void
a_sweep_takes_the_drafts_of_the_dead_anywhere(void **state)
{
	struct place *p = *state;
	const pid_t living = start_owner(p, "a/b/one");
	const pid_t first = start_owner(p, "a/b/two");
	const pid_t second = start_owner(p, "three");
	const pid_t third = start_owner(p, "a/b/c/d/four");
	struct fault f = FAULT_INIT;

	wait_for(first);
	wait_for(second);
	wait_for(third);
	put(p, "a/b/stays", "stays");
	put(p, "a/b/.hidden", "");
	folder(p, "a/" FILE_DRAFT_PREFIX "folder");
	assert_int_equal(
	    symlinkat("..", p->dir, "a/" FILE_DRAFT_PREFIX "link"), 0);
	assert_int_equal(names_in(p, "a/b"), 5);
	assert_int_equal(tree_sweep(p->tree, &f), 0);
	assert_int_equal(names_in(p, "."), 1);
	assert_int_equal(names_in(p, "a"), 3);
	assert_int_equal(names_in(p, "a/b"), 4);
	assert_int_equal(names_in(p, "a/b/c/d"), 0);
	assert_reads(p, "a/b/stays", "stays");
	wait_for(living);
	assert_int_equal(tree_sweep(p->tree, &f), 0);
	assert_int_equal(names_in(p, "a/b"), 3);
}

static void
a_sweep_does_not_follow_links_and_reaches_the_deepest_file(void **state)
{
	struct place *p = *state;
	char path[2 * JOBPATH_DEPTH_MAX];
	struct fault f = FAULT_INIT;
	size_t i;

	put(p, "../" FILE_DRAFT_PREFIX "outside", "");
	assert_int_equal(symlinkat("..", p->dir, "up"), 0);
	assert_int_equal(symlinkat("loop", p->dir, "loop"), 0);
	for (i = 0; i < sizeof path - 1; i++)
		path[i] = i % 2 == 0 ? 'd' : '/';
	path[i] = '\0';
	wait_for(start_owner(p, path));
	path[i - 2] = '\0';
	assert_int_equal(names_in(p, path), 1);
	assert_int_equal(tree_sweep(p->tree, &f), 0);
	assert_int_equal(names_in(p, path), 0);
	assert_int_equal(names_in(p, ".."), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_folder_that_is_not_there_is_absent_unless_made),
		TEST(the_way_to_the_tree_may_lead_over_links),
		TEST(files_come_in_the_order_of_the_bytes_of_their_names),
		TEST(an_empty_tree_has_nothing_to_tell),
		TEST(names_that_begin_with_a_dot_are_passed_over),
		TEST(what_is_no_file_or_folder_is_refused_by_name),
		TEST(a_device_is_refused_by_name),
		TEST(
		    names_that_no_key_may_have_are_refused_and_made_safe_to_show),
		TEST(folders_are_entered_as_deep_as_paths_may_be),
		TEST(paths_too_long_for_a_key_are_refused),
		TEST(folders_closed_to_us_are_refused_and_the_rest_goes_on),
		TEST(a_visitor_may_stop_the_walk),
		TEST(a_tree_of_more_files_than_allowed_is_too_large),
		TEST(a_tree_of_more_names_than_allowed_is_too_large),
		TEST(what_changes_meanwhile_does_not_end_a_walk_or_lead_it_out),
		TEST(a_walk_leaves_no_descriptor_open),
		TEST(a_lack_of_descriptors_is_ours_and_no_fault_of_a_folder),
		TEST(only_regular_files_of_the_tree_are_read),
		TEST(what_is_closed_to_us_is_there_and_says_why),
		TEST(a_stamp_tells_every_change),
		TEST(a_file_appears_whole_with_its_folders),
		TEST(folders_taken_away_meanwhile_are_made_again),
		TEST(the_longest_and_deepest_paths_are_written_and_read),
		TEST(a_file_has_the_time_that_it_is_given),
		TEST(a_regular_file_is_replaced_only_when_the_new_one_is_whole),
		TEST(a_draft_finished_unpublished_leaves_the_file_as_it_was),
		TEST(what_is_no_regular_file_is_never_replaced),
		TEST(a_link_that_comes_while_a_file_is_written_is_not_replaced),
		TEST(what_is_in_the_way_is_told_before_anything_is_written),
		TEST(a_folder_swapped_for_a_link_never_leads_out),
		TEST(a_file_swapped_for_a_link_is_ours_or_none),
		TEST(a_folder_swapped_for_a_link_is_not_walked_out_of),
		TEST(a_sweep_takes_the_drafts_of_the_dead_anywhere),
		TEST(
		    a_sweep_does_not_follow_links_and_reaches_the_deepest_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
