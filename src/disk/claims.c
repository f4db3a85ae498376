#include "disk/claims.h"

#include "base/clock.h"

#define LEASES "catalogue.leases"

enum {
	LAPSED_AT_ONCE = 64, /* old keys forgotten by one claim, at most */
	SERIALS_MAX = 16     /* tried by one claim                       */
};

static const char find_key[] =
    "SELECT serial, state = 'running', state = 'done', body_sha256 = ?,"
    " created_at < ? FROM requests WHERE key = ?";
static const char find_reply[] = "SELECT reply FROM requests WHERE serial = ?";
static const char find_lapsed[] =
    "SELECT serial, state = 'running' FROM requests WHERE created_at < ?"
    " ORDER BY created_at LIMIT ?";
static const char add[] =
    "INSERT INTO requests (key, body_sha256, created_at, state)"
    " VALUES (?, ?, ?, 'running')";
static const char forget[] = "DELETE FROM requests WHERE serial = ?";
static const char set_unclear[] =
    "UPDATE requests SET state = 'unclear' WHERE serial = ?";
static const char set_done[] =
    "UPDATE requests SET state = 'done', reply = ? WHERE serial = ?";

/* A row of requests, compared with what is asked. */
struct request {
	int64_t serial; /* 0: there is none */
	bool running;
	bool done;
	bool same_body;
	bool lapsed;
};

/* One statement about one row, within the caller's transaction. */
static int
run_on(struct db *db, const char *sql, int64_t serial, struct fault *f)
{
	struct db_query q = db_ask(db, sql);

	db_give_number(&q, serial);
	return db_run(&q, f);
}

/* Does a living process, ours included, hold the lease of that request? */
static int
is_alive(struct db *db, int64_t serial, bool *alive, struct fault *f)
{
	struct file_lease lease = FILE_LEASE_INIT;
	bool free_to_take;

	if (file_lease_take(
		&lease, db_folder(db), LEASES, serial, &free_to_take, f) == -1)
		return -1;
	*alive = !free_to_take;
	file_lease_fini(&lease);
	return 0;
}

static int64_t
oldest_that_lives(void)
{
	return clock_now_ms() - CLAIMS_LIFE_MS;
}

/* Forgets a request whose life has passed, unless it is still at work. */
static int
lapse(struct db *db, struct request *r, struct fault *f)
{
	bool alive = false;

	if (r->running && is_alive(db, r->serial, &alive, f) == -1)
		return -1;
	if (alive)
		return 0;
	if (run_on(db, forget, r->serial, f) == -1)
		return -1;
	r->serial = 0;
	return 0;
}

/* Forgets some of the oldest: each claim pays for more than it adds. */
static int
lapse_oldest(struct db *db, struct fault *f)
{
	struct request old[LAPSED_AT_ONCE];
	struct db_query q = db_ask(db, find_lapsed);
	size_t i, n = 0;
	int rc;

	db_give_number(&q, oldest_that_lives());
	db_give_number(&q, LAPSED_AT_ONCE);
	while ((rc = db_step(&q, f)) == 1) {
		MUST(n < LAPSED_AT_ONCE);
		old[n].serial = db_number(&q, 0);
		old[n++].running = db_flag(&q, 1);
	}
	db_end(&q);
	for (i = 0; rc == 0 && i < n; i++)
		rc = lapse(db, &old[i], f);
	return rc;
}

static int
look_up(struct db *db, struct view key, const struct digest *body,
    struct request *r, struct fault *f)
{
	struct db_query q = db_ask(db, find_key);
	int rc;

	*r = (struct request){ .serial = 0 };
	db_give_text(&q, view_str(body->hex));
	db_give_number(&q, oldest_that_lives());
	db_give_text(&q, key);
	rc = db_step(&q, f);
	if (rc == 1) {
		r->serial = db_number(&q, 0);
		r->running = db_flag(&q, 1);
		r->done = db_flag(&q, 2);
		r->same_body = db_flag(&q, 3);
		r->lapsed = db_flag(&q, 4);
	}
	db_end(&q);
	return rc == -1 ? -1 : 0;
}

/* One new row; *held: its lease is ours, too. */
static int
try_serial(struct db *db, struct view key, const struct digest *body,
    struct claim *claim, bool *held, struct fault *f)
{
	struct db_query q = db_ask(db, add);

	db_give_text(&q, key);
	db_give_text(&q, view_str(body->hex));
	db_give_number(&q, clock_now_ms());
	if (db_run(&q, f) == -1)
		return -1;
	claim->serial = db_last_row(db);
	return file_lease_take(
	    &claim->lease, db_folder(db), LEASES, claim->serial, held, f);
}

/*
 * The lease comes before the commit: nobody sees a running row without.
 * When a COMMIT fails, SQLite has rolled back before its caller can let go
 * of the lease; for that moment the serial is free to use again and its
 * lease is not.  The next serial will do.
 */
static int
claim_new(struct db *db, struct view key, const struct digest *body,
    struct claim *claim, struct fault *f)
{
	bool held;
	int i;

	for (i = 0; i < SERIALS_MAX; i++) {
		if (try_serial(db, key, body, claim, &held, f) == -1)
			return -1;
		if (held)
			return 0;
		if (run_on(db, forget, claim->serial, f) == -1)
			return -1;
	}
	return fault_set(f, FAULT_CATALOGUE,
	    "the leases of %d new requests are held by others", SERIALS_MAX);
}

static int
add_reply(struct db *db, int64_t serial, struct buf *reply, struct fault *f)
{
	struct db_query q = db_ask(db, find_reply);
	struct view text = VIEW("");
	int rc;

	db_give_number(&q, serial);
	rc = db_step(&q, f);
	if (rc == 1)
		rc = db_text(&q, 0, &text, f);
	if (rc == 0)
		buf_add(reply, text);
	db_end(&q);
	return rc == -1 ? -1 : buf_done(reply, f);
}

/* A running row whose owner has died becomes unclear, durably. */
static int
ask_owner(struct db *db, const struct request *r, enum claims_state *state,
    struct fault *f)
{
	bool alive;

	if (is_alive(db, r->serial, &alive, f) == -1)
		return -1;
	*state = alive ? CLAIMS_RUNNING : CLAIMS_UNCLEAR;
	return alive ? 0 : run_on(db, set_unclear, r->serial, f);
}

/* What the key stands for now, inside the caller's transaction. */
static int
decide(struct db *db, struct view key, const struct digest *body,
    struct request *r, enum claims_state *state, struct fault *f)
{
	if (lapse_oldest(db, f) == -1 || look_up(db, key, body, r, f) == -1 ||
	    (r->lapsed && lapse(db, r, f) == -1))
		return -1;
	if (r->serial == 0)
		*state = CLAIMS_OURS;
	else if (!r->same_body)
		*state = CLAIMS_OTHER;
	else if (r->done)
		*state = CLAIMS_REPLAY;
	else if (r->running)
		return ask_owner(db, r, state, f);
	else
		*state = CLAIMS_UNCLEAR;
	return 0;
}

int
claims_take(struct db *db, struct view key, const struct digest *body,
    struct claim *claim, enum claims_state *state, struct buf *reply,
    struct fault *f)
{
	struct request r;
	int rc = db_begin(db, f);

	MUST(claim->serial == 0);
	if (rc == 0)
		rc = decide(db, key, body, &r, state, f);
	if (rc == 0 && *state == CLAIMS_OURS)
		rc = claim_new(db, key, body, claim, f);
	if (rc == 0 && *state == CLAIMS_REPLAY)
		rc = add_reply(db, r.serial, reply, f);
	if (db_finish(db, rc, f) == -1) {
		claims_fini(claim);
		return fault_while(f, "claim an idempotency key");
	}
	return 0;
}

/* Ends a claim by one statement about its row. */
static int
end_claim(struct db *db, const char *how, struct claim *claim, struct fault *f)
{
	int rc;

	if (claim->serial == 0)
		return 0;
	rc = db_begin(db, f);
	if (rc == 0)
		rc = run_on(db, how, claim->serial, f);
	if (db_finish(db, rc, f) == -1)
		return fault_while(f, "end the claim of a key");
	claims_fini(claim);
	return 0;
}

int
claims_release(struct db *db, struct claim *claim, struct fault *f)
{
	return end_claim(db, forget, claim, f);
}

int
claims_doubt(struct db *db, struct claim *claim, struct fault *f)
{
	return end_claim(db, set_unclear, claim, f);
}

int
claims_done(struct db *db, const struct claim *claim, struct view reply,
    struct fault *f)
{
	struct db_query q;

	if (claim->serial == 0)
		return 0;
	q = db_ask(db, set_done);
	db_give_text(&q, reply);
	db_give_number(&q, claim->serial);
	return db_run(&q, f);
}

void
claims_fini(struct claim *claim)
{
	file_lease_fini(&claim->lease);
	claim->serial = 0;
}

int
claims_recovery_lease(
    struct db *db, struct file_lease *lease, bool *held, struct fault *f)
{
	if (file_lease_take(lease, db_folder(db), LEASES, 0, held, f) == -1)
		return fault_while(f, "take the lease of recovery");
	return 0;
}
