/*
 * written - small files that a test writes into a folder of its own.
 */
#ifndef TESTS_WRITTEN_H
#define TESTS_WRITTEN_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

#include "folder.h"

enum { WRITTEN_PATH_SIZE = FOLDER_SIZE + 64 };

static char written_folder[FOLDER_SIZE];

static int
written_set_up(void **state)
{
	(void)state;
	return folder_make(written_folder);
}

static int
written_tear_down(void **state)
{
	(void)state;
	return folder_remove(written_folder);
}

static void
written_path(char path[WRITTEN_PATH_SIZE], const char *name)
{
	(void)snprintf(path, WRITTEN_PATH_SIZE, "%s/%s", written_folder, name);
}

/* Replaces the file of that name; path, if not NULL, then says where. */
static inline void
written(char path[WRITTEN_PATH_SIZE], const char *name, const char *text)
{
	char old[WRITTEN_PATH_SIZE], new[WRITTEN_PATH_SIZE];
	FILE *out;

	written_path(new, ".new");
	written_path(old, name);
	out = fopen(new, "we");
	MUST(out != NULL);
	MUST(fputs(text, out) >= 0);
	MUST(fclose(out) == 0);
	MUST(rename(new, old) == 0);
	if (path != NULL)
		written_path(path, name);
}

/* A script that the system runs itself. */
static inline void
written_script(
    char path[WRITTEN_PATH_SIZE], const char *name, const char *lines)
{
	char text[4096];

	(void)snprintf(text, sizeof text, "#!/bin/sh\n%s", lines);
	written(path, name, text);
	MUST(chmod(path, 0700) == 0);
}

#endif
