/*
 * refuse - makes the nth call of a kind fail, and a few words to test with.
 *
 * A fault test is linked with --wrap for malloc, calloc, realloc, write,
 * fsync, syncfs, mkdirat, renameat2, readdir and setxattr, and includes this
 * header once.  Caught are the calls of our own objects, not those inside
 * shared libraries.  What a refused call sets errno to is the test's choice; a
 * write refused with errno 0 is cut short instead.
 */
#ifndef TESTS_REFUSE_H
#define TESTS_REFUSE_H

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../unit/folder.h"

enum refuse_kind {
	REFUSE_MEMORY = 1,
	REFUSE_WRITE = 2,
	REFUSE_FSYNC = 4,
	REFUSE_RENAME = 8,
	REFUSE_MKDIR = 32,
	REFUSE_LIST = 64,
	REFUSE_ACL = 128,
	REFUSE_SQLITE = 16 /* for tests that count SQLite's own calls */
};

static struct {
	unsigned kinds; /* 0: nothing is refused */
	long left;      /* calls of these kinds until the one refused */
	int error;
	bool happened;
} refusal;

/* Refuses the nth (from 0) call of these kinds from now on, and only it. */
static inline void
refuse_nth(unsigned kinds, long n, int error)
{
	refusal.kinds = kinds;
	refusal.left = n;
	refusal.error = error;
	refusal.happened = false;
}

/* Refuses nothing any more: true when a call has been refused. */
static inline bool
refuse_end(void)
{
	refusal.kinds = 0;
	return refusal.happened;
}

/* Asked by each wrapped call; sets errno when it is to fail. */
static inline bool
refuse_this(enum refuse_kind kind)
{
	if ((refusal.kinds & (unsigned)kind) == 0 || refusal.left-- != 0)
		return false;
	refusal.happened = true;
	errno = refusal.error;
	return true;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_syncfs(int fd);
int __wrap_syncfs(int fd);
int __real_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode);
int __real_renameat2(
    int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(
    int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
struct dirent *__real_readdir(DIR *list);
struct dirent *__wrap_readdir(DIR *list);
int __real_setxattr(
    const char *path, const char *name, const void *p, size_t n, int flags);
int __wrap_setxattr(
    const char *path, const char *name, const void *p, size_t n, int flags);

void *
__wrap_malloc(size_t n)
{
	return refuse_this(REFUSE_MEMORY) ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t n)
{
	return refuse_this(REFUSE_MEMORY) ? NULL : __real_calloc(count, n);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return refuse_this(REFUSE_MEMORY) ? NULL : __real_realloc(p, n);
}

ssize_t
__wrap_write(int fd, const void *p, size_t n)
{
	if (!refuse_this(REFUSE_WRITE))
		return __real_write(fd, p, n);
	return refusal.error == 0 ? __real_write(fd, p, (n + 1) / 2) : -1;
}

int
__wrap_fsync(int fd)
{
	return refuse_this(REFUSE_FSYNC) ? -1 : __real_fsync(fd);
}

int
__wrap_syncfs(int fd)
{
	return refuse_this(REFUSE_FSYNC) ? -1 : __real_syncfs(fd);
}

int
__wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	return refuse_this(REFUSE_MKDIR) ? -1 : __real_mkdirat(dir, name, mode);
}

int
__wrap_renameat2(
    int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (refuse_this(REFUSE_RENAME))
		return -1;
	return __real_renameat2(from_dir, from, to_dir, to, flags);
}

struct dirent *
__wrap_readdir(DIR *list)
{
	return refuse_this(REFUSE_LIST) ? NULL : __real_readdir(list);
}

int
__wrap_setxattr(
    const char *path, const char *name, const void *p, size_t n, int flags)
{
	return refuse_this(REFUSE_ACL)
		   ? -1
		   : __real_setxattr(path, name, p, n, flags);
}

/* A check that failed says where, and ends the test. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))

static inline void
check_failed(const char *cond, const char *file, int line)
{
	(void)fprintf(stderr, "%s:%d: not so: %s (call %ld of kinds %u)\n",
	    file, line, cond, refusal.left, refusal.kinds);
	exit(1);
}

enum { SCRATCH_SIZE = FOLDER_SIZE };

/* Makes a folder of the test's own. */
static inline void
scratch_make(char path[SCRATCH_SIZE])
{
	CHECK(folder_make(path) == 0);
}

static inline void
scratch_remove(const char *path)
{
	CHECK(folder_remove(path) == 0);
}

/* Names in a folder: how many there are, "." and ".." not counted. */
static inline int
names_in(const char *path)
{
	DIR *list = opendir(path);
	int n = -2;

	if (list == NULL)
		return -1;
	while (readdir(list) != NULL)
		n++;
	(void)closedir(list);
	return n;
}

/* Descriptors this process has open. */
static inline int
open_files(void)
{
	return names_in("/proc/self/fd");
}

#endif
