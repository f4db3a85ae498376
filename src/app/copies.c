#include "app/copies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/share.h"
#include "disk/store.h"

/* *dir becomes the folder `name` in it, which is made when it is missing;
 * a link is not followed. */
static int
enter(int *dir, const char *name, struct fault *f)
{
	int next;

	if (share_mkdir(*dir, name) == -1 && errno != EEXIST)
		return share_fault(
		    f, *dir, name, SHARE_WRITE, "make the job's folder");
	if (file_sync_folder(*dir, f) == -1) /* its maker may have died */
		return -1;
	next =
	    openat(*dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next == -1 && (errno == ENOTDIR || errno == ELOOP))
		return fault_set(f, FAULT_CONFLICT,
		    "the job's folder cannot be used: %s is no folder", name);
	if (next == -1)
		return share_fault(
		    f, *dir, name, SHARE_READ, "open the job's folder");
	(void)close(*dir);
	*dir = next;
	return 0;
}

/* Drafts whose makers were killed.  They harm nobody: that they cannot be
 * seen is no reason to fail. */
static void
sweep(int dir)
{
	const int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = again == -1 ? NULL : fdopendir(again);
	const struct dirent *entry;

	if (list == NULL) {
		if (again != -1)
			(void)close(again);
		return;
	}
	while ((entry = readdir(list)) != NULL)
		if (view_begins(view_str(entry->d_name), FILE_DRAFT_PREFIX))
			(void)file_draft_sweep(dir, entry->d_name);
	(void)closedir(list);
}

int
copies_open(
    int *dir, const char *base, const struct job_id *job, struct fault *f)
{
	int at = -1;

	if (file_open_jobs_folder(base, true, &at, f) == -1)
		return -1;
	if ((job == NULL || enter(&at, job->text, f) == 0) &&
	    enter(&at, COPIES_FOLDER, f) == 0) {
		sweep(at);
		*dir = at;
		return 0;
	}
	(void)close(at);
	return -1;
}

int
copies_find(int dir, const struct image_id *id, enum sniff_kind kind,
    bool *found, struct fault *f)
{
	char name[STORE_NAME_SIZE];
	struct stat st;

	store_name(name, id, kind);
	*found = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (*found && !S_ISREG(st.st_mode))
		return fault_set(f, FAULT_CONFLICT,
		    "%s in the job's folder is no regular file", name);
	if (!*found && errno != ENOENT)
		return share_fault(f, dir, name, SHARE_READ, "look at");
	return 0;
}

int
copies_put(int dir, const struct image_id *id, enum sniff_kind kind,
    struct view bytes, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	struct fault why = FAULT_INIT;
	char name[STORE_NAME_SIZE];
	bool found = false;
	int rc = -1;

	store_name(name, id, kind);
	if (file_draft_open_jobs(&draft, dir, &why) == 0 &&
	    file_draft_write(&draft, bytes, &why) == 0)
		rc = file_draft_publish(&draft, name, &why);
	file_draft_fini(&draft);
	if (rc == 0)
		return 0;
	if (why.kind == FAULT_CONFLICT && /* another process was faster? */
	    copies_find(dir, id, kind, &found, f) == -1)
		return -1;
	if (found)
		return 0;
	*f = why;
	return -1;
}
