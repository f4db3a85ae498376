#include "aws/profile.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aws/keys.h"
#include "base/file.h"
#include "codec/ini.h"
#include "codec/text.h"

#define X(name, word) word,
static const char *const words[PROFILE_COUNT] = { PROFILE_SETTINGS(X) };
#undef X

/* The two files, the one that wins first. */
enum which { CREDENTIALS, CONFIG };

static const struct {
	const char *variable;
	const char *below_home;
} files[] = {
	[CREDENTIALS] = { "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials" },
	[CONFIG] = { "AWS_CONFIG_FILE", ".aws/config" },
};

/* How well a section's name fits: the best fit is the whole profile. */
enum fit { NO_FIT, BARE_DEFAULT, FIT };

struct search {
	const char *name;
	enum which which;
	enum fit best;
	enum fit now; /* of the section that is being read */
	struct profile *p;
};

const char *
profile_word(enum profile_setting s)
{
	return words[s];
}

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static const char *
name_of(const struct profile_place *place)
{
	return is_set(place->name) ? place->name : "default";
}

static bool
is_named(const struct profile_place *place, enum which which)
{
	return is_set(which == CREDENTIALS ? place->credentials_file
					   : place->config_file);
}

/* The file's path, or "" when there is no place to look for it. */
static void
find_file(
    const struct profile_place *place, enum which which, char path[PATH_MAX])
{
	const char *named =
	    which == CREDENTIALS ? place->credentials_file : place->config_file;
	int n = 0;

	path[0] = '\0';
	if (is_set(named))
		n = snprintf(path, PATH_MAX, "%s", named);
	else if (is_set(place->home))
		n = snprintf(path, PATH_MAX, "%s/%s", place->home,
		    files[which].below_home);
	if (n < 0 || n >= PATH_MAX)
		path[0] = '\0';
}

static struct view
unquoted(struct view v)
{
	const char quote = v.n < 2 ? '\0' : v.p[0];

	if ((quote != '"' && quote != '\'') || v.p[v.n - 1] != quote)
		return v;
	return (struct view){ v.p + 1, v.n - 2 };
}

static enum fit
fit_of(const struct search *s, struct view section)
{
	if (s->which == CREDENTIALS)
		return view_is(section, s->name) ? FIT : NO_FIT;
	if (view_is(section, "default") && strcmp(s->name, "default") == 0)
		return BARE_DEFAULT;
	if (!view_begins(section, "profile ") &&
	    !view_begins(section, "profile\t"))
		return NO_FIT;
	section.p += strlen("profile ");
	section.n -= strlen("profile ");
	return view_is(unquoted(text_trim(section)), s->name) ? FIT : NO_FIT;
}

static void
forget(struct profile *p)
{
	enum profile_setting i;

	for (i = 0; i < PROFILE_COUNT; i++) {
		secret_buf_fini(&p->value[i]);
		p->value[i] = BUF_INIT(PROFILE_VALUE_MAX);
	}
}

/* A section of the same name goes on with the first; one that fits better
 * ([profile default]) takes its place. */
static void
enter(struct search *s, struct view section)
{
	s->now = fit_of(s, section);
	if (s->now > s->best) {
		forget(s->p);
		s->best = s->now;
	}
	if (s->now < s->best)
		s->now = NO_FIT;
	s->p->found = s->p->found || s->now != NO_FIT;
}

static int
keep(struct search *s, enum profile_setting i, const struct ini_pair *pair,
    struct fault *f)
{
	struct buf *value = &s->p->value[i];

	if (memchr(pair->value.p, '\n', pair->value.n) != NULL)
		return fault_set(f, FAULT_INPUT,
		    "line %zu: %s goes on over more lines", pair->line,
		    words[i]);
	if (pair->value.n > PROFILE_VALUE_MAX)
		return fault_set(f, FAULT_INPUT, "line %zu: %s is too long",
		    pair->line, words[i]);
	secret_buf_fini(value);
	*value = keys_buf(pair->value.n);
	buf_add(value, pair->value);
	return buf_done(value, f);
}

static int
take(void *arg, const struct ini_pair *pair, struct fault *f)
{
	struct search *s = arg;
	enum profile_setting i;

	if (pair->key.n == 0) {
		enter(s, pair->section);
		return 0;
	}
	if (s->now == NO_FIT)
		return 0;
	for (i = 0; i < PROFILE_COUNT; i++)
		if (text_same(pair->key, view_str(words[i])))
			return keep(s, i, pair, f);
	return 0;
}

/* What one file says of the profile. */
static int
read_file(struct profile *p, const struct profile_place *place,
    enum which which, struct fault *f)
{
	struct search s = { .name = name_of(place), .which = which, .p = p };
	struct buf text = BUF_INIT(PROFILE_FILE_MAX);
	struct fault why = FAULT_INIT;
	char path[PATH_MAX];
	int rc = 0;

	forget(p);
	find_file(place, which, path);
	if (is_named(place, which) || access(path, R_OK) == 0) {
		rc = file_follow(path, &text, &why);
		if (rc == 0)
			rc = ini_read(buf_view(&text), take, &s, &why);
	}
	secret_buf_fini(&text);
	if (rc == -1)
		return fault_in(f,
		    why.kind == FAULT_MEMORY ? FAULT_MEMORY : FAULT_INPUT,
		    files[which].variable, "%s: %s", path, why.text);
	return 0;
}

static bool
has(const struct profile *p, enum profile_setting i)
{
	return p->value[i].len > 0;
}

static bool
is_of_keys(enum profile_setting i)
{
	return i == PROFILE_ID || i == PROFILE_SECRET || i == PROFILE_TOKEN;
}

/* Where the credentials file says nothing, what the config file says. */
static void
fill_in(struct profile *p, struct profile *config)
{
	const bool has_keys = has(p, PROFILE_ID) || has(p, PROFILE_SECRET);
	enum profile_setting i;
	struct buf empty;

	for (i = 0; i < PROFILE_COUNT; i++) {
		if (is_of_keys(i) ? has_keys : has(p, i))
			continue;
		empty = p->value[i];
		p->value[i] = config->value[i];
		config->value[i] = empty;
	}
	p->found = p->found || config->found;
}

int
profile_read(
    struct profile *p, const struct profile_place *place, struct fault *f)
{
	struct profile config = PROFILE_INIT;
	int rc = read_file(p, place, CREDENTIALS, f);

	if (rc == 0)
		rc = read_file(&config, place, CONFIG, f);
	if (rc == 0)
		fill_in(p, &config);
	if (rc == 0 && is_set(place->name) && !p->found)
		rc = fault_in(f, FAULT_INPUT, "AWS_PROFILE",
		    "no profile %s in the AWS files", place->name);
	profile_fini(&config);
	if (rc == -1)
		profile_fini(p);
	return rc;
}

void
profile_fini(struct profile *p)
{
	forget(p);
	p->found = false;
}

bool
profile_changed(const struct profile_place *place, struct profile_mark *mark)
{
	struct profile_mark now = { 0 };
	bool changed = false;
	char path[PATH_MAX];
	enum which i;
	struct stat st;

	for (i = CREDENTIALS; i <= CONFIG; i++) {
		find_file(place, i, path);
		if (path[0] == '\0' || stat(path, &st) == -1)
			st = (struct stat){ 0 };
		now.file[i].inode = st.st_ino;
		now.file[i].size = st.st_size;
		now.file[i].written = st.st_mtim;
		changed = changed || now.file[i].inode != mark->file[i].inode ||
			  now.file[i].size != mark->file[i].size ||
			  now.file[i].written.tv_sec !=
			      mark->file[i].written.tv_sec ||
			  now.file[i].written.tv_nsec !=
			      mark->file[i].written.tv_nsec;
	}
	*mark = now;
	return changed;
}
