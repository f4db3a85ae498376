/*
 * Every listing and every ACL in turn is refused while a folder of jobs is
 * made a shared one: what was not changed, or not seen, is never a success.
 */
#include "app/sharing.h"

#include <fcntl.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "refuse.h"

/* user::rwx, user:1:rwx, group::r-x, mask::r-x, other::---: an access list
 * that must be changed. */
static const struct {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[5];
} narrow = { { POSIX_ACL_XATTR_VERSION },
	{ { ACL_USER_OBJ, 7, (uint32_t)ACL_UNDEFINED_ID }, { ACL_USER, 7, 1 },
	    { ACL_GROUP_OBJ, 5, (uint32_t)ACL_UNDEFINED_ID },
	    { ACL_MASK, 5, (uint32_t)ACL_UNDEFINED_ID },
	    { ACL_OTHER, 0, (uint32_t)ACL_UNDEFINED_ID } } };

static bool has_acls = true; /* the file system */

/* A folder with one in it. */
static void
make_jobs(const char *root)
{
	char path[SCRATCH_SIZE + 8];

	(void)snprintf(path, sizeof path, "%s/job", root);
	CHECK(mkdir(path, 0700) == 0);
	if (setxattr(root, "system.posix_acl_access", &narrow, sizeof narrow,
		0) == -1)
		has_acls = false;
}

/* Was there an nth call to refuse? */
static bool
refuse_one(enum refuse_kind kind, int error, long n)
{
	char root[SCRATCH_SIZE];
	struct verbs_line line = { .n = 1 };
	struct fault f = FAULT_INIT;
	const int files = open_files();
	struct buf out = BUF_INIT(4096);
	bool done, refused;

	scratch_make(root);
	make_jobs(root);
	line.words[0] = root;
	refuse_nth(kind, n, error);
	done = sharing_verb(&line, &out, &f) == 0;
	refused = refuse_end();
	CHECK(done == !refused);
	CHECK(f.kind == (refused ? FAULT_CONFLICT : FAULT_NONE));
	CHECK(open_files() == files);
	scratch_remove(root);
	buf_fini(&out);
	return refused;
}

int
main(void)
{
	long n, lists = 0, acls = 0;

	for (n = 0; refuse_one(REFUSE_LIST, EIO, n); n++)
		lists++;
	for (n = 0; refuse_one(REFUSE_ACL, ENOSPC, n); n++)
		acls++;
	CHECK(lists > 2 && (acls > 2 || !has_acls));
	(void)printf(
	    "sharing: %ld listings and %ld ACLs refused\n", lists, acls);
	return 0;
}
