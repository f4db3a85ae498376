#include "app/running.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "codec/text.h"

#define FOLDER "settings"
#define KEY_NAME "key"
#define TITLE "charref-settings-1"

enum {
	KEY_SIZE = 32,
	NAME_MAX_SIZE = 160, /* GROUP.POOL.PID */
	LINE_MAX_SIZE = 160,
	DOCUMENT_MAX = CONF_COUNT * LINE_MAX_SIZE,
	PIDS_MAX_SIZE = 8 << 10,
	REFUSAL_MAX = 256
};

struct running {
	struct file_draft file; /* keeps the lock */
	int dir;
	char name[NAME_MAX_SIZE];
};

static bool
is_compared(enum conf_key key)
{
	return conf_difference(key) != CONF_APART;
}

/* --- publishing --- */

static int
make_folder(const struct conf *c, int *dir, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc;

	buf_fmt(&path, "%s/" FOLDER, conf_text(c, CONF_RUN_DIR));
	rc = buf_done(&path, f);
	if (rc == 0)
		rc = file_make_folders(buf_str(&path), f);
	if (rc == 0)
		rc = file_open_folder(buf_str(&path), dir, f);
	buf_fini(&path);
	return rc;
}

static int
read_key(int dir, struct buf *key, struct fault *f)
{
	if (file_read(dir, KEY_NAME, key, f) == -1)
		return -1;
	return key->len == KEY_SIZE
		   ? 0
		   : fault_set(f, FAULT_DISK, "its key is not whole");
}

/* The first process makes the key.  Of several at once one is first, and the
 * others read what it made. */
static int
make_key(int dir, struct fault *f)
{
	struct file_draft d = FILE_DRAFT_INIT;
	struct fault why = FAULT_INIT;
	char bytes[KEY_SIZE];
	int rc = -1;

	MUST(getrandom(bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
	if (file_draft_open_secret(&d, dir, &why) == 0 &&
	    file_draft_write(&d, (struct view){ bytes, sizeof bytes }, &why) ==
		0)
		rc = file_draft_publish(&d, KEY_NAME, &why);
	file_draft_fini(&d);
	explicit_bzero(bytes, sizeof bytes);
	if (rc == 0 || why.kind == FAULT_CONFLICT)
		return 0;
	*f = why;
	return -1;
}

static int
read_or_make_key(int dir, struct buf *key, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (read_key(dir, key, &why) == 0)
		return 0;
	if (why.kind != FAULT_ABSENT) {
		*f = why;
		return -1;
	}
	buf_clear(key);
	return make_key(dir, f) == 0 ? read_key(dir, key, f) : -1;
}

/* The first line proves under which key the others were made. */
static int
add_title(struct view key, struct buf *out, struct fault *f)
{
	struct digest mac;

	if (digest_hmac(&mac, key, VIEW(TITLE), f) == -1)
		return -1;
	buf_fmt(out, TITLE " %s\n", mac.hex);
	return 0;
}

static int
write_document(
    const struct conf *c, struct view key, struct buf *out, struct fault *f)
{
	struct digest mac;
	int i;

	if (add_title(key, out, f) == -1)
		return -1;
	for (i = 0; i < CONF_COUNT; i++) {
		if (!is_compared((enum conf_key)i))
			continue;
		if (conf_mac(c, (enum conf_key)i, key, &mac, f) == -1)
			return -1;
		buf_fmt(out, "%s %s\n", conf_name((enum conf_key)i), mac.hex);
	}
	return buf_done(out, f);
}

typedef int entry_function(void *arg, const char *name, struct fault *f);

/* Calls it for each name in the folder that is no draft and not the key. */
static int
each_entry(int dir, entry_function *call, void *arg, struct fault *f)
{
	const int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = own == -1 ? NULL : fdopendir(own);
	const struct dirent *entry;
	int rc = 0;

	if (list == NULL) {
		if (own != -1)
			(void)close(own);
		return fault_sys(f, FAULT_DISK, "list the folder");
	}
	do {
		errno = 0;
		entry = readdir(list);
		if (entry == NULL && errno != 0)
			rc = fault_sys(f, FAULT_DISK, "list the folder");
		else if (entry != NULL && entry->d_name[0] != '.' &&
			 strcmp(entry->d_name, KEY_NAME) != 0)
			rc = call(arg, entry->d_name, f);
	} while (rc == 0 && entry != NULL);
	(void)closedir(list);
	return rc;
}

/* GROUP.POOL.PID: who published it; the pool is its parent. */
struct name {
	struct view group;
	struct view pool;
	struct view pid;
};

static bool
split_name(const char *text, struct name *out)
{
	int64_t number;

	out->pid = view_str(text);
	return text_split(&out->pid, '.', &out->group) &&
	       text_split(&out->pid, '.', &out->pool) &&
	       text_number(out->pool, &number) &&
	       text_number(out->pid, &number);
}

/* A file gets its name when it is locked already, and no two processes that
 * live have the same name. */
static int
sweep_entry(void *arg, const char *name, struct fault *f)
{
	const int dir = *(const int *)arg;
	struct name parts;

	(void)f;
	if (split_name(name, &parts) && !file_is_held(dir, name))
		(void)unlinkat(dir, name, 0);
	return 0;
}

static int
publish(
    struct running *r, const struct conf *c, const char *group, struct fault *f)
{
	struct buf key = BUF_INIT(KEY_SIZE), out = BUF_INIT(DOCUMENT_MAX);
	int rc = -1;

	(void)snprintf(r->name, sizeof r->name, "%s.%ld.%ld", group,
	    (long)getppid(), (long)getpid());
	if (make_folder(c, &r->dir, f) == -1)
		goto out;
	file_sweep_drafts(r->dir);
	if (each_entry(r->dir, sweep_entry, &r->dir, f) == 0 &&
	    read_or_make_key(r->dir, &key, f) == 0 &&
	    write_document(c, buf_view(&key), &out, f) == 0 &&
	    file_draft_open_secret(&r->file, r->dir, f) == 0 &&
	    file_draft_write(&r->file, buf_view(&out), f) == 0)
		rc = file_draft_publish(&r->file, r->name, f);
out:
	secret_buf_fini(&key);
	buf_fini(&out);
	return rc;
}

static void
free_running(struct running **r)
{
	file_draft_fini(&(*r)->file);
	if ((*r)->dir != -1)
		(void)close((*r)->dir);
	free(*r);
	*r = NULL;
}

void
running_publish(struct running **out, const struct conf *c, const char *group)
{
	struct running *r = calloc(1, sizeof *r);
	struct fault f = FAULT_INIT;

	*out = NULL;
	if (r == NULL) {
		(void)fault_set(&f, FAULT_MEMORY, "publish the settings");
	} else {
		*r = (struct running){ .file = FILE_DRAFT_INIT, .dir = -1 };
		if (publish(r, c, group, &f) == 0)
			*out = r;
		else
			free_running(&r);
	}
	if (*out == NULL)
		log_event(LOG_WARN, "settings are not published",
		    LOG_TEXT("message", view_str(f.text)));
}

void
running_end(struct running **r)
{
	if (*r == NULL)
		return;
	(void)unlinkat((*r)->dir, (*r)->name, 0);
	free_running(r);
}

/* --- comparing --- */

/* FAULT_ABSENT when no process has published anything. */
static int
find_folder(const struct conf *c, int *dir, struct fault *f)
{
	struct buf path = BUF_INIT(PATH_MAX);
	int rc;

	buf_fmt(&path, "%s/" FOLDER, conf_text(c, CONF_RUN_DIR));
	rc = buf_done(&path, f);
	if (rc == 0) {
		*dir = open(buf_str(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (*dir == -1)
			rc = fault_sys(f,
			    errno == ENOENT ? FAULT_ABSENT : FAULT_DISK,
			    "open %s", buf_str(&path));
	}
	buf_fini(&path);
	return rc;
}

/* Of one setting: our own, not set, and of what a GUARD must be. */
struct known {
	struct digest ours;
	struct digest unset;
	struct digest on;
};

struct comparison {
	const char *run_dir;
	int dir;
	const char *group; /* only of it; NULL: of all         */
	bool only_workers;
	struct digest title;
	struct known known[CONF_COUNT];
	bool has_model_key;
	struct running_report *report;
};

static int
learn_known(struct comparison *a, const struct conf *c, struct view key,
    struct fault *f)
{
	enum conf_key k;
	int i;

	if (digest_hmac(&a->title, key, VIEW(TITLE), f) == -1)
		return -1;
	for (i = 0; i < CONF_COUNT; i++) {
		k = (enum conf_key)i;
		if (conf_mac(c, k, key, &a->known[i].ours, f) == -1 ||
		    conf_mac_of(k, NULL, key, &a->known[i].unset, f) == -1 ||
		    conf_mac_of(k, "true", key, &a->known[i].on, f) == -1)
			return -1;
	}
	a->has_model_key = secret_is_set(conf_model_key(c));
	return 0;
}

static bool
is_mac(const struct digest *known, struct view there)
{
	return view_is(there, known->hex);
}

/* A secret is on when it is set, PROTECT_READS when it is true. */
static bool
is_on(const struct comparison *a, enum conf_key key, struct view mac)
{
	return conf_is_secret(key) ? !is_mac(&a->known[key].unset, mac)
				   : is_mac(&a->known[key].on, mac);
}

static bool
has_on_and_off(enum conf_key key)
{
	return conf_is_secret(key) || conf_difference(key) == CONF_GUARD;
}

static enum running_change
judge_change(const struct comparison *a, enum conf_key key, struct view there)
{
	const struct view ours = view_str(a->known[key].ours.hex);
	bool on_here, on_there;

	if (is_mac(&a->known[key].ours, there))
		return RUNNING_SAME;
	if (!has_on_and_off(key))
		return RUNNING_OTHER;
	on_here = is_on(a, key, ours);
	on_there = is_on(a, key, there);
	if (on_here == on_there)
		return RUNNING_OTHER;
	return on_here ? RUNNING_ADDED : RUNNING_GONE;
}

/* Adds a group to a list of them, unless it is there; what does not fit is
 * left out. */
static void
add_group(char who[RUNNING_WHO_SIZE], struct view group)
{
	struct view rest = view_str(who), one;
	const size_t n = strlen(who);

	while (text_split(&rest, ',', &one)) {
		if (view_same(text_trim(one), group))
			return;
	}
	if (n + 2 + group.n < RUNNING_WHO_SIZE)
		(void)snprintf(who + n, RUNNING_WHO_SIZE - n, "%s%.*s",
		    n == 0 ? "" : ", ", (int)group.n, group.p);
}

static void
compare_line(struct comparison *a, struct view group, struct view line)
{
	struct running_setting *s;
	enum running_change change;
	char name[LINE_MAX_SIZE];
	enum conf_key key;
	struct view first;

	if (!text_split(&line, ' ', &first) || first.n >= sizeof name)
		return;
	(void)snprintf(name, sizeof name, "%.*s", (int)first.n, first.p);
	if (!conf_named(name, &key) || !is_compared(key))
		return;
	if (conf_difference(key) == CONF_MODEL_KEY && !a->has_model_key &&
	    is_on(a, key, line))
		a->report->loses_model_key = true;
	change = judge_change(a, key, line);
	if (change == RUNNING_SAME)
		return;
	s = &a->report->settings[key];
	s->change = change > s->change ? change : s->change;
	add_group(s->who, group);
}

/* Published by a version of another title, or under another key, it cannot be
 * compared. */
static void
compare_document(struct comparison *a, struct view group, struct view rest)
{
	struct view line, word;

	if (!text_split(&rest, '\n', &line) || !text_split(&line, ' ', &word) ||
	    !view_is(word, TITLE) || !is_mac(&a->title, line))
		return;
	a->report->processes++;
	while (text_split(&rest, '\n', &line))
		compare_line(a, group, line);
}

/* Does the group's pid file name its pool, or, as spawn-fcgi writes it when
 * there is no pool, the process itself?  Without the file it serves, too. */
static bool
is_serving(const struct comparison *a, const struct name *name)
{
	struct buf path = BUF_INIT(PATH_MAX), text = BUF_INIT(PIDS_MAX_SIZE);
	struct fault none = FAULT_INIT;
	struct view rest, pid;
	bool is_it = true;

	buf_fmt(&path, "%s/%.*s.pid", a->run_dir, (int)name->group.n,
	    name->group.p);
	if (buf_done(&path, &none) == 0 &&
	    file_follow(buf_str(&path), &text, &none) == 0) {
		is_it = false;
		rest = buf_view(&text);
		while (!is_it && text_split(&rest, '\n', &pid))
			is_it = view_same(text_trim(pid), name->pool) ||
				view_same(text_trim(pid), name->pid);
	}
	buf_fini(&text);
	buf_fini(&path);
	return is_it;
}

static bool
is_wanted(const struct comparison *a, struct view group)
{
	if (a->group != NULL)
		return view_is(group, a->group);
	return !a->only_workers || !view_is(group, RUNNING_UPLOADER);
}

static int
compare_entry(void *arg, const char *name, struct fault *f)
{
	struct comparison *a = arg;
	struct buf text = BUF_INIT(DOCUMENT_MAX);
	struct fault why = FAULT_INIT;
	struct name parts;
	int rc = 0;

	if (!split_name(name, &parts) || !is_wanted(a, parts.group) ||
	    !file_is_held(a->dir, name) || !is_serving(a, &parts))
		return 0;
	if (file_read(a->dir, name, &text, &why) == 0) {
		compare_document(a, parts.group, buf_view(&text));
	} else if (why.kind == FAULT_MEMORY) {
		*f = why;
		rc = -1;
	}
	buf_fini(&text);
	return rc;
}

static int
compare_all(struct comparison *a, const struct conf *c, struct fault *f)
{
	struct buf key = BUF_INIT(KEY_SIZE);
	int rc = read_key(a->dir, &key, f);

	if (rc == 0)
		rc = learn_known(a, c, buf_view(&key), f);
	if (rc == 0)
		rc = each_entry(a->dir, compare_entry, a, f);
	if (rc == 0 && a->group != NULL && a->report->processes == 0) {
		a->group = NULL;
		a->only_workers = true;
		rc = each_entry(a->dir, compare_entry, a, f);
	}
	secret_buf_fini(&key);
	return rc;
}

int
running_compare(const struct conf *c, const char *group,
    struct running_report *out, struct fault *f)
{
	struct comparison *a = calloc(1, sizeof *a);
	struct fault why = FAULT_INIT;
	int rc;

	memset(out, 0, sizeof *out);
	if (a == NULL)
		return fault_set(f, FAULT_MEMORY, "compare the settings");
	*a = (struct comparison){ .run_dir = conf_text(c, CONF_RUN_DIR),
		.dir = -1,
		.group = group,
		.report = out };
	rc = find_folder(c, &a->dir, &why);
	if (rc == 0)
		rc = compare_all(a, c, &why);
	if (a->dir != -1)
		(void)close(a->dir);
	free(a);
	/* No process has published anything. */
	if (rc == 0 || why.kind == FAULT_ABSENT)
		return 0;
	*f = why;
	return fault_while(f, "read the settings of the processes that run");
}

/* --- what it means --- */

size_t
running_differences(const struct running_report *r)
{
	size_t n = 0;
	int i;

	for (i = 0; i < CONF_COUNT; i++)
		n += r->settings[i].change != RUNNING_SAME;
	return n;
}

static bool
has_guard(const struct running_report *r, enum running_change change)
{
	int i;

	for (i = 0; i < CONF_COUNT; i++)
		if (r->settings[i].change == change &&
		    conf_difference((enum conf_key)i) == CONF_GUARD)
			return true;
	return false;
}

bool
running_opens(const struct running_report *r)
{
	return has_guard(r, RUNNING_GONE);
}

bool
running_is_open(const struct running_report *r)
{
	return has_guard(r, RUNNING_ADDED);
}

/* The names of the guards that are gone. */
static void
add_guards_gone(const struct running_report *r, struct buf *out)
{
	int i;

	for (i = 0; i < CONF_COUNT; i++)
		if (r->settings[i].change == RUNNING_GONE &&
		    conf_difference((enum conf_key)i) == CONF_GUARD)
			buf_fmt(out, "%s%s", out->len == 0 ? "" : " and ",
			    conf_name((enum conf_key)i));
}

int
running_may_replace(const struct running_report *r, struct fault *f)
{
	struct buf names = BUF_INIT(REFUSAL_MAX);

	if (running_opens(r)) {
		add_guards_gone(r, &names);
		(void)fault_set(f, FAULT_CONFLICT,
		    "these settings would open the service: %s is on in the "
		    "processes that run, and not here",
		    buf_str(&names));
	} else if (r->loses_model_key) {
		(void)fault_set(f, FAULT_CONFLICT,
		    "with these settings no image could be generated: "
		    "GEMINI_API_KEY or GOOGLE_API_KEY is set in the processes "
		    "that run, and neither is here");
	}
	buf_fini(&names);
	return f->kind == FAULT_NONE ? 0 : -1;
}

static const struct {
	const char *word;
	const char *words;
} changes[] = {
	[RUNNING_SAME] = { "same", "as here" },
	[RUNNING_OTHER] = { "other", "another value than here" },
	[RUNNING_ADDED] = { "added", "set here, and not there" },
	[RUNNING_GONE] = { "gone", "set there, and no longer here" },
};

/* No secret goes without a word. */
static bool
is_warning(const struct running_report *r, enum conf_key key)
{
	return conf_is_secret(key) && r->settings[key].change == RUNNING_GONE;
}

void
running_describe(
    const struct running_report *r, enum conf_key key, struct buf *out)
{
	buf_fmt(out, "%s%s: %s (%s)", is_warning(r, key) ? "warning: " : "",
	    conf_name(key), changes[r->settings[key].change].words,
	    r->settings[key].who);
}

void
running_names(const struct running_report *r, size_t most, struct buf *out)
{
	const size_t all = running_differences(r);
	size_t n = 0;
	int i;

	for (i = 0; i < CONF_COUNT && n < most; i++)
		if (r->settings[i].change != RUNNING_SAME)
			buf_fmt(out, "%s%s", n++ == 0 ? "" : ", ",
			    conf_name((enum conf_key)i));
	if (n < all)
		buf_fmt(out, " and %zu more", all - n);
}

static void
add_setting_json(
    const struct running_report *r, enum conf_key key, struct buf *out)
{
	struct view rest = view_str(r->settings[key].who), one;
	bool is_first = true;

	buf_fmt(out, "{\"name\":\"%s\",\"change\":\"%s\",\"processes\":[",
	    conf_name(key), changes[r->settings[key].change].word);
	while (text_split(&rest, ',', &one)) {
		buf_add(out, is_first ? VIEW("") : VIEW(","));
		buf_json(out, text_trim(one));
		is_first = false;
	}
	buf_add(out, VIEW("]}"));
}

void
running_json(const struct running_report *r, struct buf *out)
{
	bool is_first = true;
	int i;

	buf_fmt(out,
	    "{\"processes\":%zu,\"opens\":%s,\"is_open\":%s,"
	    "\"loses_model_key\":%s,\"settings\":[",
	    r->processes, running_opens(r) ? "true" : "false",
	    running_is_open(r) ? "true" : "false",
	    r->loses_model_key ? "true" : "false");
	for (i = 0; i < CONF_COUNT; i++) {
		if (r->settings[i].change == RUNNING_SAME)
			continue;
		buf_add(out, is_first ? VIEW("") : VIEW(","));
		add_setting_json(r, (enum conf_key)i, out);
		is_first = false;
	}
	buf_add(out, VIEW("]}"));
}
