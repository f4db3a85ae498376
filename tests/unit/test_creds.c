#include "aws/creds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#include "scripted.h"
#include "written.h"

enum { SOON_MS = 10000, TICK_MS = 20 };

/*
 * A source under the test's control: each time it is asked it adds a byte
 * to "asked" and gives keys number so many, for "life" seconds; if there is
 * a file "fail", it fails.
 */
#define GIVE                                                                   \
	"cd ${0%/*}; printf x >>asked\n"                                       \
	"[ -e fail ] && { echo no login >&2; exit 3; }\n"                      \
	"e=$(date -u -d \"$(cat life) seconds\" +%Y-%m-%dT%H:%M:%SZ)\n"        \
	"printf '{\"Version\":1,\"AccessKeyId\":\"AKID%d\","                   \
	"\"SecretAccessKey\":\"hush\",\"SessionToken\":\"T\","                 \
	"\"Expiration\":\"%s\"}' $(stat -c %s asked) $e\n"

static struct creds_setup setup;
static struct creds *creds;
static struct creds *other;
static struct fault fault;
static char config[WRITTEN_PATH_SIZE], snapshot[WRITTEN_PATH_SIZE];

static void
write_process(const char *lines, const char *life)
{
	char path[WRITTEN_PATH_SIZE], text[WRITTEN_PATH_SIZE * 2];

	written_script(path, "give", lines);
	written(NULL, "life", life);
	(void)snprintf(text, sizeof text,
	    "[default]\nregion = eu-west-1\ncredential_process = %s\n", path);
	written(config, "config", text);
}

static int
set_up(void **state)
{
	if (written_set_up(state) == -1)
		return -1;
	(void)umask(022);
	written_path(config, "config");
	written_path(snapshot, "keys");
	setup =
	    (struct creds_setup){ .no_instance = true, .config_file = config };
	write_process(GIVE, "3600");
	return 0;
}

static int
tear_down(void **state)
{
	creds_close(&creds);
	creds_close(&creds);
	creds_close(&other);
	return written_tear_down(state);
}

static struct creds *
opened(void)
{
	struct creds *c = NULL;

	fault = FAULT_INIT;
	assert_int_equal(creds_open(&c, &setup, &fault), 0);
	return c;
}

static int
keep_fresh(struct creds *c)
{
	fault = FAULT_INIT;
	return creds_keep_fresh(c, clock_ticks_ms() + SOON_MS, &fault);
}

static int
renew(struct creds *c)
{
	fault = FAULT_INIT;
	return creds_renew(c, clock_ticks_ms() + SOON_MS, &fault);
}

/* The id of the keys to sign with now, or "". */
static const char *
id_of(struct creds *c)
{
	const struct creds_keys *keys;
	char expected[64];

	fault = FAULT_INIT;
	if (creds_now(c, &keys, &fault) == 0)
		return keys->id;
	/* Clients may read it. */
	assert_int_equal(fault.kind, FAULT_DENIED);
	(void)snprintf(expected, sizeof expected, "no AWS credentials from %s",
	    strcmp(creds_source(c), "none") == 0 ? "any source"
						 : creds_source(c));
	assert_string_equal(fault.text, expected);
	assert_string_equal(fault.details, "");
	assert_null(fault.field);
	return "";
}

static int64_t
times_asked(void)
{
	char path[WRITTEN_PATH_SIZE];
	struct stat st;

	written_path(path, "asked");
	return stat(path, &st) == -1 ? 0 : st.st_size;
}

/* Waits until the keys are of that id: how long it took. */
static int64_t
wait_for(struct creds *c, const char *id)
{
	const int64_t began_ms = clock_ticks_ms();

	while (strcmp(id_of(c), id) != 0) {
		assert_true(clock_ticks_ms() - began_ms < SOON_MS);
		clock_sleep_ms(TICK_MS);
	}
	return clock_ticks_ms() - began_ms;
}

/* Keeps fresh until the source has been asked so often. */
static int64_t
wait_until_asked(struct creds *c, int64_t times)
{
	const int64_t began_ms = clock_ticks_ms();

	while (times_asked() < times) {
		assert_true(clock_ticks_ms() - began_ms < SOON_MS);
		clock_sleep_ms(TICK_MS);
		(void)keep_fresh(c);
	}
	return clock_ticks_ms() - began_ms;
}

static void
keys_of_the_environment_are_there_at_once_and_for_ever(void **state)
{
	struct secret id = SECRET_INIT, secret = SECRET_INIT;
	const struct creds_keys *keys;
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(secret_set(&id, VIEW("AKID"), &f), 0);
	assert_int_equal(secret_set(&secret, VIEW("hush"), &f), 0);
	setup.access_key_id = &id;
	setup.secret_access_key = &secret;
	setup.snapshot_file = snapshot;
	setup.is_keeper = true;
	creds = opened();
	assert_string_equal(creds_source(creds), "environment");
	assert_string_equal(creds_region(creds), "eu-west-1");
	assert_int_equal(creds_now(creds, &keys, &f), 0);
	assert_string_equal(keys->id, "AKID");
	assert_true(secret_is(&keys->secret, VIEW("hush")));
	assert_false(secret_is_set(&keys->token));
	assert_int_equal(keys->expires_at_ms, INT64_MAX);
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(renew(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_string_equal(id_of(creds), "AKID");
	assert_int_equal(times_asked(), 0);
	/* Long-lived keys are in no file of ours. */
	assert_int_equal(access(snapshot, F_OK), -1);
	secret_fini(&id);
	secret_fini(&secret);
}

static void
what_is_wrong_with_the_settings_is_told_when_opened(void **state)
{
	struct secret id = SECRET_INIT;

	(void)state;
	fault = FAULT_INIT;
	assert_int_equal(secret_set(&id, VIEW("AKID"), &fault), 0);
	setup.access_key_id = &id;
	assert_int_equal(creds_open(&creds, &setup, &fault), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_string_equal(fault.field, "AWS_SECRET_ACCESS_KEY");
	assert_null(creds);
	fault = FAULT_INIT;
	setup.profile = "none";
	assert_int_equal(creds_open(&creds, &setup, &fault), -1);
	assert_string_equal(fault.field, "AWS_PROFILE");
	assert_null(creds);
	secret_fini(&id);
}

static void
without_a_source_operators_hear_where_was_looked(void **state)
{
	(void)state;
	setup.config_file = NULL;
	creds = opened();
	assert_string_equal(creds_source(creds), "none");
	assert_string_equal(creds_region(creds), "");
	assert_string_equal(id_of(creds), "");
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_non_null(strstr(fault.text, "none in the profile default"));
	assert_int_equal(renew(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
}

static void
a_source_is_asked_when_there_are_no_keys_and_then_not_again(void **state)
{
	(void)state;
	creds = opened();
	assert_string_equal(creds_source(creds), "process");
	assert_string_equal(id_of(creds), "");
	assert_int_equal(times_asked(), 0);
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(keep_fresh(creds), 0);
	assert_string_equal(id_of(creds), "AKID1");
	assert_int_equal(times_asked(), 1);
}

static void
the_keeper_renews_first_and_short_lives_are_halved(void **state)
{
	const int64_t minute = 60000, now = 1795342500000;

	(void)state;
	assert_int_equal(creds_due_ms(now, now + 60 * minute, true, minute),
	    now + 45 * minute);
	assert_int_equal(
	    creds_due_ms(now, now + 60 * minute, false, 0), now + 50 * minute);
	assert_int_equal(
	    creds_due_ms(now, now + 60 * minute, false, CREDS_JITTER_MS),
	    now + 52 * minute);
	assert_int_equal(
	    creds_due_ms(now, now + 20 * minute, true, 0), now + 10 * minute);
	assert_int_equal(creds_due_ms(now, now + 20 * minute, false, minute),
	    now + 11 * minute);
	assert_int_equal(
	    creds_due_ms(now, now + 2 * minute, false, 0), now + minute);
	assert_true(creds_due_ms(now, now, true, 0) <= now);
	assert_true(creds_due_ms(now, now - minute, true, 0) <= now);
	assert_int_equal(creds_due_ms(now, INT64_MAX, true, 0), INT64_MAX);
	assert_int_equal(creds_due_ms(now, INT64_MAX, false, 0), INT64_MAX);
}

static void
keys_end_when_they_were_said_to(void **state)
{
	(void)state;
	written(NULL, "life", "3");
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	assert_string_equal(id_of(creds), "AKID1");
	assert_true(wait_for(creds, "") <= 4000);
	assert_int_equal(keep_fresh(creds), 0);
	assert_string_equal(id_of(creds), "AKID2");
}

static void
keys_that_have_ended_already_are_a_failure(void **state)
{
	(void)state;
	written(NULL, "life", "-1");
	creds = opened();
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(id_of(creds), "");
}

static void
a_renewal_that_fails_in_time_leaves_the_old_keys(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	written(NULL, "life", "8");
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	written(NULL, "fail", "");
	while (keep_fresh(creds) == 0) {
		assert_true(clock_ticks_ms() - began_ms < SOON_MS);
		clock_sleep_ms(TICK_MS);
	}
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(fault.details, "no login");
	assert_int_equal(times_asked(), 2);
	/* It rests now, and nothing is missing. */
	assert_string_equal(id_of(creds), "AKID1");
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(times_asked(), 2);
}

static void
a_source_that_fails_rests_longer_each_time(void **state)
{
	(void)state;
	written(NULL, "fail", "");
	creds = opened();
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(id_of(creds), "");
	/* While it rests the reason stays the same. */
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_string_equal(
	    fault.text, "credential_process: it failed with status 3");
	assert_string_equal(fault.details, "no login");
	assert_int_equal(renew(creds), -1);
	assert_string_equal(fault.details, "no login");
	assert_int_equal(times_asked(), 1);
	assert_true(wait_until_asked(creds, 2) >= CREDS_REST_MS / 2);
	assert_true(wait_until_asked(creds, 3) >= CREDS_REST_MS * 3 / 2);
}

static void
nobody_is_waited_for_past_the_deadline(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	write_process("sleep 100\n", "1");
	creds = opened();
	fault = FAULT_INIT;
	assert_int_equal(creds_keep_fresh(creds, began_ms + 200, &fault), -1);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_true(clock_ticks_ms() - began_ms < SOON_MS);
}

static void
keys_without_an_end_are_asked_once_and_not_shared(void **state)
{
	(void)state;
	write_process("cd ${0%/*}; printf x >>asked; echo '{\"Version\":1,"
		      "\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hush\"}'\n",
	    "");
	setup.is_keeper = true;
	setup.snapshot_file = snapshot;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(times_asked(), 1);
	assert_string_equal(id_of(creds), "A");
	assert_int_equal(access(snapshot, F_OK), -1);
}

static void
what_the_keeper_renews_the_others_read(void **state)
{
	struct stat st;

	(void)state;
	setup.snapshot_file = snapshot;
	other = opened();
	assert_string_equal(id_of(other), "");
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(stat(snapshot, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)wait_for(other, "AKID1");
	assert_int_equal(keep_fresh(other), 0);
	assert_int_equal(times_asked(), 1);
	clock_sleep_ms(CREDS_SHARED_MS);
	assert_int_equal(renew(creds), 0);
	assert_string_equal(id_of(creds), "AKID2");
	(void)wait_for(other, "AKID2");
	assert_int_equal(times_asked(), 2);
}

static void
where_no_keeper_runs_whoever_renews_shares(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	other = opened();
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	(void)wait_for(other, "AKID1");
	assert_int_equal(keep_fresh(other), 0);
	assert_int_equal(times_asked(), 1);
}

static void
a_guest_reads_the_snapshot_and_never_writes_it(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	setup.is_guest = true;
	other = opened();
	assert_int_equal(keep_fresh(other), 0);
	assert_string_equal(id_of(other), "AKID1");
	assert_int_equal(access(snapshot, F_OK), -1);
	creds_close(&other);
	setup.is_guest = false;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	setup.is_guest = true;
	other = opened();
	assert_string_equal(id_of(other), "AKID2");
}

static void
a_look_asks_nobody_and_takes_what_others_renewed(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	other = opened();
	creds_look(other);
	assert_string_equal(id_of(other), "");
	assert_int_equal(times_asked(), 0);
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	clock_sleep_ms(CREDS_SHARED_MS);
	creds_look(other);
	assert_string_equal(id_of(other), "AKID1");
	assert_int_equal(times_asked(), 1);
}

static void
a_look_reads_the_profile_files(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	written(config, "config", "[default]\n");
	creds = opened();
	written(config, "config",
	    "[default]\naws_access_key_id = NEW\naws_secret_access_key = "
	    "hush\n");
	while (strcmp(id_of(creds), "NEW") != 0) {
		assert_true(clock_ticks_ms() - began_ms < SOON_MS);
		creds_look(creds);
		clock_sleep_ms(TICK_MS);
	}
}

static void
a_source_is_not_waited_for_when_we_are_told_to_stop(void **state)
{
	static const struct act acts[] = { { .reply = NULL } };
	const int64_t began_ms = clock_ticks_ms();
	static struct scripted server;
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(close(stop[1]), 0);
	setup.stop_fd = stop[0];
	scripted_begin(&server, acts, 1);
	setup.config_file = NULL;
	setup.container_full_uri = server.url;
	creds = opened();
	assert_int_equal(keep_fresh(creds), -1);
	creds_close(&creds);
	write_process("sleep 100\n", "1");
	setup.config_file = config;
	creds = opened();
	assert_string_equal(creds_source(creds), "process");
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	/* One attempt at the container alone would take 2 s. */
	assert_true(clock_ticks_ms() - began_ms < 1500);
	(void)scripted_end(&server);
	(void)close(stop[0]);
}

static void
the_snapshot_is_looked_at_once_a_second(void **state)
{
	const int64_t began_ms = clock_ticks_ms();
	const char *id;

	(void)state;
	setup.snapshot_file = snapshot;
	other = opened();
	assert_string_equal(id_of(other), "");
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	id = id_of(other);
	if (clock_ticks_ms() - began_ms < CREDS_SHARED_MS)
		assert_string_equal(id, "");
	assert_true(wait_for(other, "AKID1") <= CREDS_SHARED_MS + 500);
	assert_int_equal(unlink(snapshot), 0);
	/* Without it, the keys that were read stay. */
	clock_sleep_ms(CREDS_SHARED_MS);
	assert_string_equal(id_of(other), "AKID1");
}

static void
a_snapshot_that_others_could_have_written_is_ignored(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	assert_int_equal(chmod(snapshot, 0644), 0);
	setup.is_keeper = false;
	other = opened();
	assert_string_equal(id_of(other), "");
	assert_int_equal(keep_fresh(other), 0);
	assert_string_equal(id_of(other), "AKID2");
}

static void
a_keeper_that_starts_has_the_last_keys_but_asks(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	creds_close(&creds);
	written(NULL, "fail", "");
	creds = opened();
	assert_string_equal(id_of(creds), "AKID1");
	assert_int_equal(keep_fresh(creds), -1);
	assert_string_equal(id_of(creds), "AKID1");
	assert_int_equal(times_asked(), 2);
}

static void
keys_that_s3_calls_expired_are_asked_for_anew(void **state)
{
	(void)state;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	clock_sleep_ms(CREDS_SHARED_MS);
	assert_int_equal(renew(creds), 0);
	assert_string_equal(id_of(creds), "AKID2");
	/* Not twice a second, for however many requests. */
	assert_int_equal(renew(creds), 0);
	assert_int_equal(times_asked(), 2);
}

static void
a_renewal_takes_what_the_keeper_has_found_meanwhile(void **state)
{
	(void)state;
	setup.snapshot_file = snapshot;
	setup.is_keeper = true;
	creds = opened();
	assert_int_equal(keep_fresh(creds), 0);
	setup.is_keeper = false;
	other = opened();
	assert_string_equal(id_of(other), "AKID1");
	clock_sleep_ms(CREDS_SHARED_MS);
	assert_int_equal(renew(creds), 0);
	assert_int_equal(renew(other), 0);
	assert_string_equal(id_of(other), "AKID2");
	assert_int_equal(times_asked(), 2);
}

#define KEYS_LINES(id)                                                         \
	"[default]\naws_access_key_id = " id "\naws_secret_access_key = "      \
	"hush\n"

static void
keys_that_were_changed_in_the_profile_are_read_again(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	written(config, "config", KEYS_LINES("OLD"));
	creds = opened();
	assert_string_equal(creds_source(creds), "profile");
	written(config, "config", KEYS_LINES("NEW"));
	while (strcmp(id_of(creds), "NEW") != 0) {
		assert_true(clock_ticks_ms() - began_ms < SOON_MS);
		assert_int_equal(keep_fresh(creds), 0);
		clock_sleep_ms(TICK_MS);
	}
	assert_true(clock_ticks_ms() - began_ms >= CREDS_FILES_MS);
	/* Told that they have expired, we do not wait for that. */
	assert_int_equal(renew(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	written(config, "config", "[default]\nhalf of a li");
	assert_int_equal(renew(creds), -1);
	assert_string_equal(id_of(creds), "NEW");
	written(config, "config", KEYS_LINES("NEWER"));
	assert_int_equal(renew(creds), 0);
	assert_string_equal(id_of(creds), "NEWER");
}

static void
a_profile_may_change_its_source(void **state)
{
	(void)state;
	written(config, "config", KEYS_LINES("OLD"));
	creds = opened();
	write_process(GIVE, "3600");
	assert_int_equal(renew(creds), 0);
	assert_string_equal(creds_source(creds), "process");
	assert_string_equal(id_of(creds), "AKID1");
	written(config, "config", "[default]\n");
	assert_int_equal(renew(creds), -1);
	assert_string_equal(creds_source(creds), "none");
	assert_string_equal(id_of(creds), "");
}

static void
sources_on_the_network_are_asked_through_the_chain(void **state)
{
	static const struct act acts[] = {
		{ .reply = "HTTP/1.1 200 OK\r\n\r\n{\"AccessKeyId\":\"AGENT\","
			   "\"SecretAccessKey\":\"hush\",\"Token\":\"T\","
			   "\"Expiration\":\"2999-01-01T00:00:00Z\"}" },
		{ .reply = "HTTP/1.1 403 No\r\n\r\n" },
	};
	static struct scripted server;

	(void)state;
	scripted_begin(&server, acts, 2);
	setup.config_file = NULL;
	setup.container_full_uri = server.url;
	creds = opened();
	assert_string_equal(creds_source(creds), "container");
	assert_int_equal(keep_fresh(creds), 0);
	assert_string_equal(id_of(creds), "AGENT");
	creds_close(&creds);
	setup = (struct creds_setup){ .instance_endpoint = server.url };
	creds = opened();
	assert_string_equal(creds_source(creds), "instance");
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_non_null(strstr(fault.text, "answered with status 403"));
	assert_string_equal(id_of(creds), "");
	assert_int_equal(scripted_end(&server), 2);
	assert_int_equal(
	    scripted_said(&server, "PUT /latest/api/token HTTP/1.1\r\n"), 1);
}

static void
a_token_file_that_is_missing_is_no_mistake_of_a_client(void **state)
{
	(void)state;
	setup = (struct creds_setup){ .role_arn = "r",
		.web_identity_token_file = "/nowhere/token",
		.region = "eu-west-1" };
	creds = opened();
	assert_string_equal(creds_source(creds), "web identity");
	assert_int_equal(keep_fresh(creds), -1);
	assert_int_equal(fault.kind, FAULT_DENIED);
	assert_non_null(strstr(fault.text, "/nowhere/token: no such file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_of_the_environment_are_there_at_once_and_for_ever),
		TEST(what_is_wrong_with_the_settings_is_told_when_opened),
		TEST(without_a_source_operators_hear_where_was_looked),
		TEST(
		    a_source_is_asked_when_there_are_no_keys_and_then_not_again),
		cmocka_unit_test(
		    the_keeper_renews_first_and_short_lives_are_halved),
		TEST(keys_end_when_they_were_said_to),
		TEST(keys_that_have_ended_already_are_a_failure),
		TEST(a_renewal_that_fails_in_time_leaves_the_old_keys),
		TEST(a_source_that_fails_rests_longer_each_time),
		TEST(nobody_is_waited_for_past_the_deadline),
		TEST(keys_without_an_end_are_asked_once_and_not_shared),
		TEST(what_the_keeper_renews_the_others_read),
		TEST(where_no_keeper_runs_whoever_renews_shares),
		TEST(a_guest_reads_the_snapshot_and_never_writes_it),
		TEST(a_look_asks_nobody_and_takes_what_others_renewed),
		TEST(a_look_reads_the_profile_files),
		TEST(a_source_is_not_waited_for_when_we_are_told_to_stop),
		TEST(the_snapshot_is_looked_at_once_a_second),
		TEST(a_snapshot_that_others_could_have_written_is_ignored),
		TEST(a_keeper_that_starts_has_the_last_keys_but_asks),
		TEST(keys_that_s3_calls_expired_are_asked_for_anew),
		TEST(a_renewal_takes_what_the_keeper_has_found_meanwhile),
		TEST(keys_that_were_changed_in_the_profile_are_read_again),
		TEST(a_profile_may_change_its_source),
		TEST(sources_on_the_network_are_asked_through_the_chain),
		TEST(a_token_file_that_is_missing_is_no_mistake_of_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
