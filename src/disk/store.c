#include "disk/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct store {
	char *path; /* owned: root/STORE_FOLDER */
	int dir;    /* owned, -1 when closed    */
};

static int
open_folder(struct store *st, struct fault *f)
{
	int dir;

	if (file_make_folders(st->path, f) == -1 ||
	    file_open_folder(st->path, &dir, f) == -1)
		return -1;
	if (st->dir != -1)
		(void)close(st->dir);
	st->dir = dir;
	return 0;
}

int
store_open(struct store **out, const char *root, struct fault *f)
{
	struct store *st = calloc(1, sizeof *st);

	if (st == NULL)
		return fault_set(f, FAULT_MEMORY, "store");
	st->dir = -1;
	if (asprintf(&st->path, "%s/" STORE_FOLDER, root) == -1) {
		st->path = NULL;
		(void)fault_set(f, FAULT_MEMORY, "store");
	}
	if (st->path == NULL || open_folder(st, f) == -1) {
		store_close(&st);
		return -1;
	}
	*out = st;
	return 0;
}

void
store_close(struct store **st)
{
	if (*st == NULL)
		return;
	if ((*st)->dir != -1)
		(void)close((*st)->dir);
	free((*st)->path);
	free(*st);
	*st = NULL;
}

void
store_name(
    char out[STORE_NAME_SIZE], const struct image_id *id, enum sniff_kind kind)
{
	const int n = snprintf(
	    out, STORE_NAME_SIZE, "%s.%s", id->text, sniff_extension(kind));

	MUST(n > 0 && n < STORE_NAME_SIZE);
}

int
store_put(struct store *st, const struct image_id *id, enum sniff_kind kind,
    struct view image, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	char name[STORE_NAME_SIZE];
	int rc = -1;

	store_name(name, id, kind);
	if (image.n > STORE_IMAGE_MAX)
		(void)fault_set(f, FAULT_DISK,
		    "%zu bytes, over the limit of %d", image.n,
		    STORE_IMAGE_MAX);
	else if (file_draft_open(&draft, st->dir, f) == 0 &&
		 file_draft_write(&draft, image, f) == 0)
		rc = file_draft_publish(&draft, name, f);
	file_draft_fini(&draft); /* removes what was not published */
	if (rc == -1)
		(void)fault_while(f, "keep image %s", id->text);
	return rc;
}

int
store_sync(struct store *st, struct fault *f)
{
	if (file_sync_folder(st->dir, f) == -1)
		return fault_while(f, "keep the images' names");
	return 0;
}

int
store_get(struct store *st, const struct image_id *id, enum sniff_kind kind,
    struct buf *out, struct fault *f)
{
	char name[STORE_NAME_SIZE];

	store_name(name, id, kind);
	if (file_read(st->dir, name, out, f) == -1)
		return fault_while(f, "get image %s", id->text);
	return 0;
}

int
store_folder(const struct store *st)
{
	return st->dir;
}

void
store_follow(struct store *st)
{
	struct fault f = FAULT_INIT;
	int dir;

	if (file_is_folder(st->dir, st->path) ||
	    file_open_folder(st->path, &dir, &f) == -1)
		return;
	(void)close(st->dir);
	st->dir = dir;
}

int64_t
store_size(struct store *st, const struct image_id *id, enum sniff_kind kind)
{
	char name[STORE_NAME_SIZE];

	store_name(name, id, kind);
	return file_size(st->dir, name);
}

/* A draft shows more than the numbers do: a folder that is read-only or
 * closed to us has room, too. */
static int
try_a_draft(struct store *st, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	const int rc = file_draft_open(&draft, st->dir, f);

	file_draft_fini(&draft);
	return rc == 0 ? 0 : fault_while(f, "keep an image");
}

int
store_guard(struct store *st, int files, int64_t need_bytes,
    int64_t reserve_bytes, struct fault *f)
{
	int64_t bytes, inodes;

	MUST(files >= 0 && need_bytes >= 0 && reserve_bytes >= 0);
	if (!file_is_folder(st->dir, st->path) && open_folder(st, f) == -1)
		return -1;
	if (file_free_space(st->dir, &bytes, &inodes, f) == -1)
		return -1;
	if (inodes < files || bytes < reserve_bytes ||
	    bytes - reserve_bytes < need_bytes)
		return fault_set(
		    f, FAULT_FULL, "too little disk space for another image");
	return try_a_draft(st, f);
}

/* True for exactly the names that store_name writes. */
static bool
parse_name(const char *name, struct image_id *id, enum sniff_kind *kind)
{
	const char *dot = strchr(name, '.');
	struct fault f = FAULT_INIT;
	char again[STORE_NAME_SIZE];

	if (dot == NULL || !sniff_of_extension(view_str(dot + 1), kind) ||
	    image_id_parse(
		id, (struct view){ name, (size_t)(dot - name) }, &f) == -1)
		return false;
	store_name(again, id, *kind);
	return strcmp(again, name) == 0; /* "x.jpeg" is not ours */
}

/* Removes or reports what has that name, or leaves it alone. */
static int
sweep_name(struct store *st, const char *name, store_found *found, void *arg,
    struct fault *f)
{
	enum sniff_kind kind;
	struct image_id id;

	if (view_begins(view_str(name), FILE_DRAFT_PREFIX)) {
		(void)file_draft_sweep(st->dir, name);
		return 0;
	}
	if (!parse_name(name, &id, &kind) || file_size(st->dir, name) == -1)
		return 0;
	return found(arg, &id, kind, f);
}

int
store_sweep(struct store *st, store_found *found, void *arg, struct fault *f)
{
	/* Opened anew: the place in the list belongs to the open folder. */
	const int dir =
	    openat(st->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = dir == -1 ? NULL : fdopendir(dir);
	struct dirent *entry = NULL;
	int rc = 0;

	if (list == NULL) {
		(void)fault_sys(f, FAULT_DISK, "list the images");
		if (dir != -1)
			(void)close(dir);
		return -1;
	}
	do {
		errno = 0;
		entry = readdir(list);
		if (entry != NULL)
			rc = sweep_name(st, entry->d_name, found, arg, f);
		else if (errno != 0)
			rc = fault_sys(f, FAULT_DISK, "list the images");
	} while (entry != NULL && rc == 0);
	(void)closedir(list);
	return rc;
}
