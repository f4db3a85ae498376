/*
 * folder - a folder of a test's own, removed afterwards with all in it.
 */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FOLDER_SIZE = 256 };

/* Makes it below TMPDIR, and says where: 0, or -1. */
static inline int
folder_make(char path[FOLDER_SIZE])
{
	const char *where = getenv("TMPDIR");

	(void)snprintf(path, FOLDER_SIZE, "%s/test.XXXXXX",
	    where == NULL ? "/tmp" : where);
	return mkdtemp(path) == NULL ? -1 : 0;
}

static inline int
folder_remove_one(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int
folder_remove(const char *path)
{
	return nftw(path, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
