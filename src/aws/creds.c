#include "aws/creds.h"

#include <stdlib.h>
#include <string.h>

#include "aws/metadata.h"
#include "aws/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"

enum { LONG_AGO_MS = -1000 * 1000 };

struct creds {
	struct creds_setup setup; /* its texts are lent                     */
	struct profile profile;
	struct choice choice; /* lends texts of the two above               */
	struct http *http;    /* NULL until somebody is asked               */

	struct creds_keys keys; /* in hand                                  */
	int64_t due_ms;         /* clock of day: to be renewed from then on */
	struct fault last;      /* why the source was of no use             */
	int failures;           /* of it, in a row                          */

	/* in clock_ticks_ms */
	int64_t rests_until_ms;
	int64_t renewed_ms;
	int64_t shared_looked_ms;
	int64_t files_looked_ms;

	struct keys_mark shared; /* the snapshot that was looked at last    */
	struct profile_mark files;
	int64_t jitter_ms; /* ours, so that workers do not ask all at once  */
};

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
creds_due_ms(
    int64_t now_ms, int64_t expires_at_ms, bool is_keeper, int64_t jitter_ms)
{
	const int64_t ahead_ms =
	    is_keeper ? CREDS_AHEAD_MS : CREDS_MUST_MS - jitter_ms;

	if (expires_at_ms == INT64_MAX)
		return INT64_MAX;
	return expires_at_ms - least(ahead_ms, (expires_at_ms - now_ms) / 2);
}

/* Keys that were given to us: ours, and due again in a while. */
static void
adopt(struct creds *c, struct creds_keys *given)
{
	keys_move(&c->keys, given);
	c->due_ms = creds_due_ms(clock_now_ms(), c->keys.expires_at_ms,
	    c->setup.is_keeper, c->jitter_ms);
}

static bool
are_good(const struct creds_keys *k)
{
	if (k->expires_at_ms == INT64_MAX) /* without asking for the time */
		return keys_are_set(k);
	return keys_are_set(k) && k->expires_at_ms > clock_now_ms();
}

static bool
is_due(const struct creds *c)
{
	return !keys_are_set(&c->keys) || clock_now_ms() >= c->due_ms;
}

/* The source is well: what it failed at before does not count. */
static void
forgive(struct creds *c)
{
	c->failures = 0;
	c->last = FAULT_INIT;
	c->rests_until_ms = LONG_AGO_MS;
}

/* There are no good keys: says where was looked, and what failed there, to
 * those who run us. */
static int
none(const struct creds *c, struct fault *f)
{
	if (strcmp(c->choice.source, "none") == 0)
		return fault_set(f, FAULT_DENIED,
		    "no AWS credentials: none in the environment, no web "
		    "identity, none in the profile %s, no container, and no "
		    "instance is to be asked",
		    is_set(c->setup.profile) ? c->setup.profile : "default");
	if (c->last.kind == FAULT_NONE)
		return fault_set(f, FAULT_DENIED,
		    "no AWS credentials from %s: %s", c->choice.source,
		    keys_are_set(&c->keys) ? "the last ones have ended"
					   : "not yet asked");
	*f = c->last;
	return -1;
}

/* Takes what the keeper left for us. */
static void
take_snapshot(struct creds *c)
{
	const int64_t now_ms = clock_ticks_ms();
	struct creds_keys given = CREDS_KEYS_INIT;
	struct fault f = FAULT_INIT;
	bool found;

	if (now_ms - c->shared_looked_ms < CREDS_SHARED_MS)
		return;
	c->shared_looked_ms = now_ms;
	if (keys_load(&given, c->setup.snapshot_file, &c->shared,
		c->choice.source, &found, &f) == -1)
		log_event(LOG_WARN, "shared keys not read",
		    LOG_TEXT("message", view_str(f.text)));
	if (are_good(&given)) {
		adopt(c, &given);
		forgive(c);
		if (c->setup.is_keeper)
			c->due_ms = clock_now_ms();
	}
	keys_fini(&given);
}

/*
 * The keeper itself does so only when it starts: it then has keys to go on
 * with should the source be down, but asks it all the same, as it may not be
 * the one that gave them.  Asked before each signature, so the time is not
 * read where there is nothing to take.
 */
static void
look_at_snapshot(struct creds *c)
{
	if (is_set(c->setup.snapshot_file) && c->choice.ask != CHAIN_NOBODY &&
	    !(c->setup.is_keeper && keys_are_set(&c->keys)))
		take_snapshot(c);
}

/* Reads the profile anew; when that fails, nothing has changed. */
static int
reread(struct creds *c, const struct profile_place *place, struct fault *f)
{
	struct profile p = PROFILE_INIT;
	struct choice choice;

	if (profile_read(&p, place, f) == -1)
		return -1;
	if (chain_choose(&choice, &c->setup, &p, f) == -1) {
		profile_fini(&p);
		return -1;
	}
	chain_fini(&c->choice);
	profile_fini(&c->profile);
	c->choice = choice;
	c->profile = p;
	return 0;
}

/* Somebody may have put other keys, or another source, into the profile. */
static void
look_at_files(struct creds *c)
{
	const struct profile_place place = chain_place(&c->setup);
	const int64_t now_ms = clock_ticks_ms();
	struct fault f = FAULT_INIT;

	if (now_ms - c->files_looked_ms < CREDS_FILES_MS)
		return;
	c->files_looked_ms = now_ms;
	if (!profile_changed(&place, &c->files))
		return;
	if (reread(c, &place, &f) == -1) {
		log_event(LOG_WARN, "profile not read",
		    LOG_TEXT("message", view_str(f.text)));
		return;
	}
	forgive(c);
	if (c->choice.ask == CHAIN_NOBODY)
		adopt(c, &c->choice.keys);
	else
		c->due_ms = clock_now_ms();
}

static int
ask_container(
    struct creds *c, struct creds_keys *k, int64_t deadline_ms, struct fault *f)
{
	const struct metadata_agent agent = { buf_str(&c->choice.url),
		c->setup.container_token_file, c->setup.container_token,
		c->setup.stop_fd };

	return metadata_container(k, c->http, &agent, deadline_ms, f);
}

static int
ask_sts(
    struct creds *c, struct creds_keys *k, int64_t deadline_ms, struct fault *f)
{
	struct sts_role role = c->choice.role;

	role.url = buf_str(&c->choice.url);
	role.stop_fd = c->setup.stop_fd;
	return sts_web_identity(k, c->http, &role, deadline_ms, f);
}

static int
ask(struct creds *c, struct creds_keys *k, int64_t deadline_ms, struct fault *f)
{
	const struct http_setup setup = { .ca_file = c->setup.ca_file,
		.stop_fd = c->setup.stop_fd };

	if (c->choice.ask == CHAIN_PROCESS)
		return process_ask(
		    k, c->choice.command, deadline_ms, c->setup.stop_fd, f);
	if (c->http == NULL && http_open(&c->http, &setup, f) == -1)
		return -1;
	if (c->choice.ask == CHAIN_STS)
		return ask_sts(c, k, deadline_ms, f);
	if (c->choice.ask == CHAIN_CONTAINER)
		return ask_container(c, k, deadline_ms, f);
	MUST(c->choice.ask == CHAIN_INSTANCE);
	return metadata_instance(
	    k, c->http, buf_str(&c->choice.url), deadline_ms, f);
}

/* What is wrong with our settings or with a file is not a client's
 * mistake: to whoever asks now, it means that there are no keys. */
static int
failed(struct creds *c, struct fault *f)
{
	int64_t rest_ms = CREDS_REST_MS;
	int i;

	if (f->kind == FAULT_INPUT || f->kind == FAULT_ABSENT)
		f->kind = FAULT_DENIED;
	for (i = 0; i < c->failures && rest_ms < CREDS_REST_MAX_MS; i++)
		rest_ms *= 2;
	c->failures++;
	c->rests_until_ms =
	    clock_ticks_ms() + least(rest_ms, CREDS_REST_MAX_MS);
	c->last = *f;
	return -1;
}

/* Leaves temporary keys for the others; each can do without.  Only a guest
 * keeps them: its settings may be others than those of the service. */
static void
share(const struct creds *c)
{
	struct fault f = FAULT_INIT;

	if (c->setup.is_guest || !is_set(c->setup.snapshot_file) ||
	    c->keys.expires_at_ms == INT64_MAX)
		return;
	if (keys_save(&c->keys, c->setup.snapshot_file, &f) == -1)
		log_event(LOG_WARN, "keys not shared",
		    LOG_TEXT("message", view_str(f.text)));
}

static int
renew(struct creds *c, int64_t deadline_ms, struct fault *f)
{
	struct creds_keys given = CREDS_KEYS_INIT;
	int rc = ask(c, &given, deadline_ms, f);

	if (rc == 0 && !are_good(&given))
		rc = fault_set(f, FAULT_REMOTE, "%s: its keys have ended",
		    c->choice.source);
	if (rc == -1) {
		keys_fini(&given);
		return failed(c, f);
	}
	forgive(c);
	adopt(c, &given);
	c->renewed_ms = clock_ticks_ms();
	share(c);
	log_event(LOG_INFO, "keys renewed",
	    LOG_TEXT("source", view_str(c->choice.source)));
	return 0;
}

static bool
rests(const struct creds *c)
{
	return clock_ticks_ms() < c->rests_until_ms;
}

int
creds_open(struct creds **out, const struct creds_setup *setup, struct fault *f)
{
	const struct profile_place place = chain_place(setup);
	struct creds *c = calloc(1, sizeof *c);

	if (c == NULL)
		return fault_set(f, FAULT_MEMORY, "credentials");
	c->setup = *setup;
	c->keys = CREDS_KEYS_INIT;
	c->jitter_ms = clock_chance(CREDS_JITTER_MS);
	c->renewed_ms = LONG_AGO_MS;
	c->shared_looked_ms = LONG_AGO_MS;
	c->files_looked_ms = clock_ticks_ms();
	forgive(c);
	(void)profile_changed(&place, &c->files);
	if (reread(c, &place, f) == -1) {
		creds_close(&c);
		return -1;
	}
	if (c->choice.ask == CHAIN_NOBODY)
		adopt(c, &c->choice.keys);
	*out = c;
	return 0;
}

void
creds_close(struct creds **c)
{
	if (*c == NULL)
		return;
	keys_fini(&(*c)->keys);
	chain_fini(&(*c)->choice);
	profile_fini(&(*c)->profile);
	http_close(&(*c)->http);
	free(*c);
	*c = NULL;
}

int
creds_now(struct creds *c, const struct creds_keys **keys, struct fault *f)
{
	look_at_snapshot(c);
	if (!are_good(&c->keys))
		return fault_set(f, FAULT_DENIED, "no AWS credentials from %s",
		    strcmp(c->choice.source, "none") == 0 ? "any source"
							  : c->choice.source);
	*keys = &c->keys;
	return 0;
}

void
creds_look(struct creds *c)
{
	look_at_files(c);
	look_at_snapshot(c);
}

int
creds_keep_fresh(struct creds *c, int64_t deadline_ms, struct fault *f)
{
	creds_look(c);
	if (!is_due(c))
		return 0;
	if (c->choice.ask != CHAIN_NOBODY && !rests(c))
		return renew(c, deadline_ms, f);
	return are_good(&c->keys) ? 0 : none(c, f);
}

int
creds_renew(struct creds *c, int64_t deadline_ms, struct fault *f)
{
	char before[KEYS_ID_SIZE];

	memcpy(before, c->keys.id, sizeof before);
	c->files_looked_ms = LONG_AGO_MS;
	c->shared_looked_ms = LONG_AGO_MS;
	creds_look(c);
	if (are_good(&c->keys) && strcmp(before, c->keys.id) != 0)
		return 0;
	if (c->choice.ask == CHAIN_NOBODY)
		return fault_set(f, FAULT_DENIED,
		    "the keys from %s have ended, and there are no others",
		    c->choice.source);
	if (clock_ticks_ms() - c->renewed_ms < CREDS_SHARED_MS)
		return 0;
	if (rests(c))
		return none(c, f);
	return renew(c, deadline_ms, f);
}

const char *
creds_source(const struct creds *c)
{
	return c->choice.source;
}

const char *
creds_region(const struct creds *c)
{
	return buf_str(&c->profile.value[PROFILE_REGION]);
}
