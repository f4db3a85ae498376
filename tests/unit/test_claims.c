#include "disk/claims.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

enum { CLAIMERS = 8, DAY_AND_A_BIT_MS = CLAIMS_LIFE_MS + 60000 };

static struct digest
body_of(const char *text)
{
	struct fault f = FAULT_INIT;
	struct digest d;

	assert_int_equal(digest_sha256(&d, view_str(text), &f), 0);
	return d;
}

static enum claims_state
claim_with(
    struct fixture *p, struct claim *claim, const char *key, const char *body)
{
	enum claims_state state = CLAIMS_OTHER;
	const struct digest digest = body_of(body);
	struct fault f = FAULT_INIT;

	if (claims_take(p->db, view_str(key), &digest, claim, &state, &p->reply,
		&f) == -1)
		fail_msg("%s", f.text);
	return state;
}

static enum claims_state
claim(struct fixture *p, const char *key)
{
	return claim_with(p, &p->claim, key, "body");
}

/* What someone else, with the same body, would be told. */
static enum claims_state
other_claim(struct fixture *p, const char *key)
{
	struct claim other = CLAIM_INIT;
	const enum claims_state state = claim_with(p, &other, key, "body");

	claims_fini(&other);
	return state;
}

static void
age_all(struct fixture *p, int64_t by_ms)
{
	char text[128];

	(void)snprintf(text, sizeof text,
	    "UPDATE requests SET created_at = created_at - %lld",
	    (long long)by_ms);
	(void)place_peek(&p->place, text);
}

/* As a recording does it: within a transaction. */
static void
be_done(struct fixture *p, const char *reply)
{
	struct fault f = FAULT_INIT;
	int rc = db_begin(p->db, &f);

	if (rc == 0)
		rc = claims_done(p->db, &p->claim, view_str(reply), &f);
	if (db_finish(p->db, rc, &f) == -1)
		fail_msg("%s", f.text);
	claims_fini(&p->claim);
}

static void
a_key_is_claimed_once_and_then_replayed(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(other_claim(p, "key"), CLAIMS_RUNNING);
	assert_int_equal(other_claim(p, "another"), CLAIMS_OURS);
	be_done(p, "{\"ids\":[\"cat\"]}");
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(p->claim.lease.fd, -1);
	assert_string_equal(buf_str(&p->reply), "");
	assert_int_equal(other_claim(p, "key"), CLAIMS_REPLAY);
	assert_string_equal(buf_str(&p->reply), "{\"ids\":[\"cat\"]}");
	open_again(p);
	assert_int_equal(other_claim(p, "key"), CLAIMS_REPLAY);
}

static void
a_key_with_another_body_is_refused(void **state)
{
	struct claim other = CLAIM_INIT;
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(
	    claim_with(p, &other, "key", "another body"), CLAIMS_OTHER);
	be_done(p, "{}");
	assert_int_equal(
	    claim_with(p, &other, "key", "another body"), CLAIMS_OTHER);
	assert_int_equal(other.serial, 0);
}

static void
a_released_key_is_new_again(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(claims_release(p->db, &p->claim, &f), 0);
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(claims_release(p->db, &p->claim, &f), 0);
	assert_int_equal(
	    claim_with(p, &p->claim, "key", "another body"), CLAIMS_OURS);
}

static void
a_doubted_key_stays_unclear(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(claims_doubt(p->db, &p->claim, &f), 0);
	assert_int_equal(p->claim.serial, 0);
	assert_int_equal(claims_doubt(p->db, &p->claim, &f), 0);
	assert_int_equal(other_claim(p, "key"), CLAIMS_UNCLEAR);
	open_again(p);
	assert_int_equal(other_claim(p, "key"), CLAIMS_UNCLEAR);
}

static void
a_claim_that_is_merely_ended_reads_as_unclear(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	claims_fini(&p->claim);
	assert_int_equal(other_claim(p, "key"), CLAIMS_UNCLEAR);
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM requests WHERE state = 'unclear'"),
	    1);
}

static void
a_reply_too_long_for_its_reader_is_a_fault(void **state)
{
	enum claims_state what;
	const struct digest body = body_of("body");
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	be_done(p, "0123456789");
	p->reply.limit = 5;
	assert_int_equal(claims_take(p->db, VIEW("key"), &body, &p->claim,
			     &what, &p->reply, &f),
	    -1);
	assert_int_equal(f.kind, FAULT_MEMORY);
}

static void
a_key_is_forgotten_after_its_life(void **state)
{
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;

	open_it(p);
	assert_int_equal(claim(p, "done"), CLAIMS_OURS);
	be_done(p, "{}");
	assert_int_equal(claim(p, "unclear"), CLAIMS_OURS);
	assert_int_equal(claims_doubt(p->db, &p->claim, &f), 0);
	assert_int_equal(claim(p, "dead"), CLAIMS_OURS);
	claims_fini(&p->claim);
	age_all(p, CLAIMS_LIFE_MS - 60000);
	assert_int_equal(other_claim(p, "done"), CLAIMS_REPLAY);
	age_all(p, 120000);
	assert_int_equal(
	    claim_with(p, &p->claim, "done", "another body"), CLAIMS_OURS);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 1);
}

static void
a_key_at_work_outlives_its_life(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	age_all(p, DAY_AND_A_BIT_MS);
	assert_int_equal(other_claim(p, "key"), CLAIMS_RUNNING);
	assert_int_equal(other_claim(p, "another"), CLAIMS_OURS);
	be_done(p, "{}");
	assert_int_equal(other_claim(p, "key"), CLAIMS_OURS);
}

/* One claim forgets a bounded number of old keys, and surely its own. */
static void
a_thousand_old_keys_are_forgotten_in_pieces(void **state)
{
	struct fixture *p = *state;
	int64_t left;

	open_it(p);
	(void)place_peek(&p->place,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 1000) INSERT INTO requests (key, body_sha256, state,"
	    " created_at) SELECT 'key-' || i, 'x', 'unclear', i FROM n");
	assert_int_equal(claim(p, "key-1000"), CLAIMS_OURS);
	left = place_peek(&p->place, "SELECT count(*) FROM requests");
	assert_in_range(left, 2, 999);
	assert_int_equal(other_claim(p, "key-999"), CLAIMS_OURS);
	assert_true(
	    place_peek(&p->place, "SELECT count(*) FROM requests") < left);
}

/* Its last owner's COMMIT has failed, and it is about to let go. */
static void
a_serial_whose_lease_is_still_held_is_passed_over(void **state)
{
	struct file_lease held_by_another = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool held = false;

	open_it(p);
	assert_int_equal(file_lease_take(&held_by_another, db_folder(p->db),
			     "catalogue.leases", 1, &held, &f),
	    0);
	assert_true(held);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(p->claim.serial, 2);
	file_lease_fini(&held_by_another);
	assert_int_equal(other_claim(p, "key"), CLAIMS_RUNNING);
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 1);
}

static void
no_claim_is_done_without_a_word(void **state)
{
	struct fixture *p = *state;

	open_it(p);
	be_done(p, "{}");
	assert_int_equal(
	    place_peek(&p->place, "SELECT count(*) FROM requests"), 0);
}

static void
recovery_is_for_one_at_a_time(void **state)
{
	struct file_lease first = FILE_LEASE_INIT, second = FILE_LEASE_INIT;
	struct fixture *p = *state;
	struct fault f = FAULT_INIT;
	bool held = false;

	open_it(p);
	assert_int_equal(claim(p, "key"), CLAIMS_OURS);
	assert_int_equal(claims_recovery_lease(p->db, &first, &held, &f), 0);
	assert_true(held);
	assert_int_equal(claims_recovery_lease(p->db, &second, &held, &f), 0);
	assert_false(held);
	file_lease_fini(&first);
	assert_int_equal(claims_recovery_lease(p->db, &second, &held, &f), 0);
	assert_true(held);
	file_lease_fini(&second);
}

/* Starts a process that claims the key, tells what it got, and waits. */
static pid_t
start_claimer(struct fixture *p, enum claims_state *got)
{
	int told[2];
	pid_t child;

	assert_int_equal(pipe(told), 0);
	child = fork();
	if (child == 0) {
		(void)alarm(60); /* should the test fail before it is killed */
		open_it(p);
		*got = claim(p, "key");
		if (write(told[1], got, sizeof *got) == sizeof *got)
			(void)pause();
		place_leave(false);
	}
	assert_int_equal(read(told[0], got, sizeof *got), sizeof *got);
	(void)close(told[0]);
	(void)close(told[1]);
	return child;
}

static void
kill_it(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
a_key_belongs_to_one_process_and_is_unclear_when_it_is_killed(void **state)
{
	enum claims_state first, second;
	struct fixture *p = *state;
	const pid_t owner = start_claimer(p, &first);
	const pid_t other = start_claimer(p, &second);

	assert_int_equal(first, CLAIMS_OURS);
	assert_int_equal(second, CLAIMS_RUNNING);
	kill_it(other);
	open_it(p);
	assert_int_equal(other_claim(p, "key"), CLAIMS_RUNNING);
	kill_it(owner);
	assert_int_equal(other_claim(p, "key"), CLAIMS_UNCLEAR);
	assert_int_equal(
	    place_peek(&p->place,
		"SELECT count(*) FROM requests WHERE state = 'unclear'"),
	    1);
}

static void
of_eight_processes_one_gets_the_key(void **state)
{
	enum claims_state got;
	struct fixture *p = *state;
	pid_t children[CLAIMERS];
	int gate[2], told[2], i, won = 0;

	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(told), 0);
	for (i = 0; i < CLAIMERS; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			place_await_start(gate);
			open_it(p);
			got = claim(p, "key");
			if (write(told[1], &got, sizeof got) == sizeof got)
				(void)pause();
			place_leave(false);
		}
	}
	place_open_gate(gate);
	for (i = 0; i < CLAIMERS; i++) {
		assert_int_equal(read(told[0], &got, sizeof got), sizeof got);
		won += got == CLAIMS_OURS;
		assert_true(got == CLAIMS_OURS || got == CLAIMS_RUNNING);
	}
	for (i = 0; i < CLAIMERS; i++)
		kill_it(children[i]);
	assert_int_equal(won, 1);
	(void)close(told[0]);
	(void)close(told[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_is_claimed_once_and_then_replayed),
		TEST(a_key_with_another_body_is_refused),
		TEST(a_released_key_is_new_again),
		TEST(a_doubted_key_stays_unclear),
		TEST(a_claim_that_is_merely_ended_reads_as_unclear),
		TEST(a_reply_too_long_for_its_reader_is_a_fault),
		TEST(a_key_is_forgotten_after_its_life),
		TEST(a_key_at_work_outlives_its_life),
		TEST(a_thousand_old_keys_are_forgotten_in_pieces),
		TEST(a_serial_whose_lease_is_still_held_is_passed_over),
		TEST(no_claim_is_done_without_a_word),
		TEST(recovery_is_for_one_at_a_time),
		TEST(
		    a_key_belongs_to_one_process_and_is_unclear_when_it_is_killed),
		TEST(of_eight_processes_one_gets_the_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
