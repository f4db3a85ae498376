#include "aws/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/json.h"
#include "codec/text.h"

void
keys_fini(struct creds_keys *k)
{
	secret_fini(&k->secret);
	secret_fini(&k->token);
	*k = CREDS_KEYS_INIT;
}

void
keys_move(struct creds_keys *to, struct creds_keys *from)
{
	keys_fini(to);
	*to = *from;
	*from = CREDS_KEYS_INIT;
}

bool
keys_are_set(const struct creds_keys *k)
{
	return k->id[0] != '\0';
}

struct buf
keys_buf(size_t max)
{
	struct buf b = BUF_INIT(max);

	(void)buf_room(&b, max);
	buf_clear(&b);
	return b;
}

static bool
is_visible(struct view v, const char *but)
{
	size_t i;

	for (i = 0; i < v.n; i++)
		if (v.p[i] <= ' ' || v.p[i] > '~' ||
		    strchr(but, v.p[i]) != NULL)
			return false;
	return true;
}

int
keys_set(struct creds_keys *k, struct view id, struct view secret,
    struct view token, const char *source, struct fault *f)
{
	MUST(!keys_are_set(k));
	if (id.n == 0 || id.n >= KEYS_ID_SIZE || !is_visible(id, "/,"))
		return fault_set(f, FAULT_INPUT, "not an access key id");
	if (secret.n == 0 || !is_visible(secret, ""))
		return fault_set(f, FAULT_INPUT, "not a secret access key");
	if (!is_visible(token, ""))
		return fault_set(f, FAULT_INPUT, "not a session token");
	if (secret_set(&k->secret, secret, f) == -1 ||
	    secret_set(&k->token, token, f) == -1) {
		keys_fini(k);
		return -1;
	}
	memcpy(k->id, id.p, id.n);
	k->id[id.n] = '\0';
	k->expires_at_ms = INT64_MAX;
	k->source = source;
	return 0;
}

int
keys_end_at(struct creds_keys *k, struct view moment, struct fault *f)
{
	int64_t unix_s;

	if (!text_moment_s(moment, &unix_s))
		return fault_set(f, FAULT_INPUT, "keys whose end is no moment");
	k->expires_at_ms = unix_s * 1000;
	return 0;
}

/* A member that is a string, or is not there. */
static int
read_member(const struct json_value *object, const char *name,
    struct view *value, struct fault *f)
{
	const struct json_value *v = json_member(object, name);
	const enum json_kind kind = json_kind(v);

	if (kind != JSON_KIND_TEXT && kind != JSON_KIND_ABSENT &&
	    kind != JSON_KIND_NULL)
		return fault_set(
		    f, FAULT_INPUT, "%s is %s", name, json_kind_word(kind));
	*value = json_text(v);
	return 0;
}

int
keys_read(struct creds_keys *k, const struct json_value *object,
    const char *token_name, const char *source, struct fault *f)
{
	struct view id, secret, token, end;

	if (read_member(object, "AccessKeyId", &id, f) == -1 ||
	    read_member(object, "SecretAccessKey", &secret, f) == -1 ||
	    read_member(object, token_name, &token, f) == -1 ||
	    read_member(object, "Expiration", &end, f) == -1 ||
	    keys_set(k, id, secret, token, source, f) == -1)
		return -1;
	if (end.n > 0 && keys_end_at(k, end, f) == -1) {
		keys_fini(k);
		return -1;
	}
	return 0;
}

static void
add_member(struct buf *b, const char *name, struct view value)
{
	buf_fmt(b, "%s\"%s\":", b->len == 0 ? "{" : ",", name);
	buf_json(b, value);
}

/* The folder of a path, and where its name begins. */
static int
open_parent(const char *path, int *dir, const char **name, struct fault *f)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int n;

	*name = slash == NULL ? path : slash + 1;
	n = snprintf(folder, sizeof folder, "%.*s/",
	    slash == NULL ? 1 : (int)(slash - path),
	    slash == NULL ? "." : path);
	if (n < 0 || n >= (int)sizeof folder || **name == '\0')
		return fault_set(f, FAULT_DISK, "no file can be at %s", path);
	return file_open_folder(folder, dir, f);
}

int
keys_save(const struct creds_keys *k, const char *path, struct fault *f)
{
	struct buf b = keys_buf(KEYS_REPLY_MAX);
	const char *name;
	int dir = -1;
	int rc = -1;

	add_member(&b, "id", view_str(k->id));
	add_member(&b, "secret", secret_reveal(&k->secret));
	add_member(&b, "token", secret_reveal(&k->token));
	add_member(&b, "source", view_str(k->source));
	buf_fmt(&b, ",\"expires_at_ms\":%lld}\n", (long long)k->expires_at_ms);
	if (buf_done(&b, f) == 0 && open_parent(path, &dir, &name, f) == 0) {
		file_sweep_drafts(dir);
		rc = file_replace(dir, name, buf_view(&b), f);
	}
	if (dir != -1)
		(void)close(dir);
	secret_buf_fini(&b);
	return rc;
}

static int
read_saved(struct creds_keys *k, struct view text, const char *source,
    bool *found, struct fault *f)
{
	const struct json_value *root;
	struct json_doc *doc = NULL;
	int rc = 0;

	if (json_open(&doc, text, KEYS_REPLY_DEPTH, f) == -1)
		return -1;
	root = json_root(doc);
	if (view_is(json_text(json_member(root, "source")), source)) {
		rc = keys_set(k, json_text(json_member(root, "id")),
		    json_text(json_member(root, "secret")),
		    json_text(json_member(root, "token")), source, f);
		*found = rc == 0;
	}
	if (*found)
		k->expires_at_ms =
		    json_integer_or(json_member(root, "expires_at_ms"), 0);
	json_close(&doc);
	return rc;
}

/* Keys that somebody else could have put there would sign for them, and
 * what others can read is no secret. */
static int
check_owner(const struct stat *st, const char *path, struct fault *f)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid())
		return fault_set(f, FAULT_DENIED, "%s is not ours", path);
	if ((st->st_mode & 077) != 0)
		return fault_set(f, FAULT_DENIED, "%s is open to others (%03o)",
		    path, (unsigned)st->st_mode & 0777u);
	return 0;
}

static bool
move_on(struct keys_mark *mark, const struct stat *st)
{
	const bool same = mark->device == st->st_dev &&
			  mark->inode == st->st_ino &&
			  mark->written.tv_sec == st->st_mtim.tv_sec &&
			  mark->written.tv_nsec == st->st_mtim.tv_nsec;

	*mark = (struct keys_mark){ st->st_dev, st->st_ino, st->st_mtim };
	return !same;
}

static int
read_whole(int fd, const struct stat *st, struct buf *text, struct fault *f)
{
	const size_t size = (size_t)st->st_size;
	char *room = size > text->limit ? NULL : buf_room(text, size);

	if (room == NULL || read(fd, room, size) != (ssize_t)size)
		return fault_set(f, FAULT_DISK, "%zu bytes not read", size);
	return 0;
}

int
keys_load(struct creds_keys *k, const char *path, struct keys_mark *mark,
    const char *source, bool *found, struct fault *f)
{
	struct buf text = BUF_INIT(KEYS_REPLY_MAX);
	struct stat st;
	int rc = 0;
	int fd;

	*found = false;
	/* Looked at by its name first: most times it is the one we know. */
	if (lstat(path, &st) == -1 || !move_on(mark, &st))
		return 0;
	if (check_owner(&st, path, f) == -1)
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return errno == ENOENT
			   ? 0
			   : fault_sys(f, FAULT_DISK, "open %s", path);
	if (fstat(fd, &st) == -1 || check_owner(&st, path, f) == -1)
		rc = fault_set(f, FAULT_DISK, "look at %s", path);
	(void)move_on(mark, &st); /* it may have been replaced meanwhile */
	if (rc == 0)
		rc = read_whole(fd, &st, &text, f);
	if (rc == 0)
		rc = read_saved(k, buf_view(&text), source, found, f);
	if (rc == -1)
		(void)fault_while(f, "read the keys in %s", path);
	(void)close(fd);
	secret_buf_fini(&text);
	return rc;
}
