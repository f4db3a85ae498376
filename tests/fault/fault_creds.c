/*
 * Every allocation, write, fsync and rename in turn is refused while a
 * keeper asks a process for keys and shares them.  Whatever the moment: keys
 * or FAULT_MEMORY, a snapshot that is whole, old or not there, no draft, no
 * descriptor lost; and the next time all is well.
 */
#include "aws/creds.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"

#include "refuse.h"

enum { SOON_MS = 10000, POINTS_MIN = 12, PATH_SIZE = SCRATCH_SIZE + 32 };

static const char script[] =
    "#!/bin/sh\n"
    "echo '{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":"
    "\"hush\",\"SessionToken\":\"T\","
    "\"Expiration\":\"2999-01-01T00:00:00Z\"}'\n";

static char folder[SCRATCH_SIZE];
static char config[PATH_SIZE], shared[PATH_SIZE], snapshot[PATH_SIZE];

static void
write_text(const char *path, const char *text, mode_t mode)
{
	FILE *out = fopen(path, "we");

	CHECK(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
	CHECK(chmod(path, mode) == 0);
}

static void
make_files(void)
{
	char give[PATH_SIZE], text[PATH_SIZE * 2];

	scratch_make(folder);
	(void)snprintf(config, sizeof config, "%s/config", folder);
	(void)snprintf(give, sizeof give, "%s/give", folder);
	(void)snprintf(shared, sizeof shared, "%s/shared", folder);
	(void)snprintf(snapshot, sizeof snapshot, "%s/shared/keys", folder);
	CHECK(mkdir(shared, 0700) == 0);
	write_text(give, script, 0700);
	(void)snprintf(text, sizeof text,
	    "[default]\nregion = r\ncredential_process = %s\n", give);
	write_text(config, text, 0600);
}

/* What a keeper does: 0 when it has the keys. */
static int
keep(struct fault *f)
{
	const struct creds_setup setup = { .config_file = config,
		.no_instance = true,
		.snapshot_file = snapshot,
		.is_keeper = true };
	const struct creds_keys *keys;
	struct creds *c = NULL;
	int rc = creds_open(&c, &setup, f);

	if (rc == 0)
		rc = creds_keep_fresh(c, clock_ticks_ms() + SOON_MS, f);
	if (rc == 0)
		rc = creds_now(c, &keys, f);
	if (rc == 0)
		CHECK(strcmp(keys->id, "AKID") == 0 &&
		      secret_is(&keys->secret, VIEW("hush")));
	creds_close(&c);
	return rc;
}

/* The snapshot is whole or not there: is it? */
static bool
is_shared(void)
{
	struct creds_keys k = CREDS_KEYS_INIT;
	struct keys_mark mark = { 0 };
	struct fault f = FAULT_INIT;
	bool found;

	CHECK(keys_load(&k, snapshot, &mark, "process", &found, &f) == 0);
	CHECK(!found || secret_is(&k.secret, VIEW("hush")));
	CHECK(names_in(shared) == found);
	keys_fini(&k);
	return found;
}

/* Refuses the nth call of a kind: false when there is no nth. */
static bool
refuse_one(enum refuse_kind kind, int error, long n)
{
	const int files = open_files();
	struct fault f = FAULT_INIT;
	bool refused;
	int rc;

	(void)unlink(snapshot);
	refuse_nth(kind, n, error);
	rc = keep(&f);
	refused = refuse_end();
	CHECK(rc == (f.kind == FAULT_NONE ? 0 : -1));
	CHECK(rc == 0 || (kind == REFUSE_MEMORY && f.kind == FAULT_MEMORY));
	(void)is_shared();
	f = FAULT_INIT;
	CHECK(keep(&f) == 0);
	CHECK(is_shared());
	CHECK(open_files() == files);
	return refused;
}

int
main(void)
{
	static const struct {
		enum refuse_kind kind;
		int error;
	} rules[] = { { REFUSE_MEMORY, ENOMEM }, { REFUSE_WRITE, ENOSPC },
		{ REFUSE_WRITE, 0 }, { REFUSE_FSYNC, EIO },
		{ REFUSE_RENAME, EIO } };
	long n, points = 0;
	size_t i;

	log_threshold(LOG_ERROR);
	make_files();
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		for (n = 0; refuse_one(rules[i].kind, rules[i].error, n); n++)
			points++;
		CHECK(n > 0);
	}
	scratch_remove(folder);
	(void)printf("refused %ld calls\n", points);
	CHECK(points >= POINTS_MIN);
	return 0;
}
