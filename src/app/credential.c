#include "app/credential.h"

#include <limits.h>
#include <stdlib.h>

#include "base/file.h"

/* No key has one, and in a header it would begin another. */
static bool
has_control(struct view v)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == '\x7f')
			return true;
	return false;
}

static int
take(struct view bytes, struct secret *s, struct fault *f)
{
	if (bytes.n > 0 && bytes.p[bytes.n - 1] == '\n')
		bytes.n--;
	if (bytes.n == 0)
		return fault_set(f, FAULT_INPUT,
		    "its credential is empty: write the secret into the file, "
		    "or remove the file to leave it unset");
	if (has_control(bytes))
		return fault_set(
		    f, FAULT_INPUT, "its credential is not one line of text");
	return secret_set(s, bytes, f);
}

/* One of the two names: *found tells whether there is such a file. */
static int
read_named(const char *folder, const char *prefix, const char *name,
    struct secret *s, bool *found, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX), bytes = BUF_INIT(CREDENTIAL_MAX);
	struct fault why = FAULT_INIT;
	int rc;

	buf_fmt(&path, "%s/%s%s", folder, prefix, name);
	rc = buf_done(&path, f);
	if (rc == 0 && file_follow(buf_str(&path), &bytes, &why) == 0) {
		*found = true;
		rc = take(buf_view(&bytes), s, f);
	} else if (rc == 0 && why.kind != FAULT_ABSENT) {
		*found = true;
		rc = fault_set(f, FAULT_INPUT, "its credential: %s", why.text);
	}
	secret_buf_fini(&bytes);
	buf_fini(&path);
	return rc;
}

int
credential_read(const char *name, struct secret *s, struct fault *f)
{
	const char *const folder = getenv("CREDENTIALS_DIRECTORY");
	bool found = false;

	if (folder == NULL || folder[0] == '\0')
		return 0;
	if (read_named(folder, "", name, s, &found, f) == -1)
		return -1;
	return found
		   ? 0
		   : read_named(folder, CREDENTIAL_PREFIX, name, s, &found, f);
}
