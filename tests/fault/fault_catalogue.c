/*
 * Everything SQLite asks of the system is refused in turn, while a life of
 * the catalogue is told: it is created, a key is claimed, three images are
 * recorded with it, one is adopted, their objects are taken and what came
 * of them is settled; then a job is asked for, taken, its files remembered,
 * an upload of one begun, and it is over.  Whatever the moment: the right
 * kind of fault, all rows of a call or none, and a catalogue that opens,
 * answers and takes the same work afterwards.
 *
 * Files: a VFS in front of SQLite's own.  Its syncs only count, so that
 * hundreds of lives are quick.  Memory: SQLite's allocator, and ours.  With
 * sanitizers, which look at how our calls end, and not at where in SQLite they
 * began to, every eighth of SQLite's thousands of allocations is refused.
 */
#include "disk/catalogue.h"

#include <stdint.h>
#include <string.h>

#include <sqlite3.h>

#include "disk/jobs.h"
#include "disk/objects.h"
#include "refuse.h"

enum { IMAGES = 3, FILES = 4, TABLES_MAX = 8, POINTS_MIN = 400 };

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_STEP = 8 };
#else
enum { MEMORY_STEP = 1 };
#endif

enum { NOW = 1000, LATER = 2000 }; /* ms: when objects are due */

enum {
	SQL_OPEN = REFUSE_SQLITE,
	SQL_WRITE = REFUSE_SQLITE << 1,
	SQL_SYNC = REFUSE_SQLITE << 2,
	SQL_MEMORY = REFUSE_SQLITE << 3
};

/* What is refused, with what words, and what the caller may then hear. */
struct rule {
	unsigned kinds;
	int code; /* SQLite's */
	int error;
	enum fault_kind fault;
};

static const struct rule rules[] = {
	{ SQL_OPEN, SQLITE_CANTOPEN, EMFILE, FAULT_CATALOGUE },
	{ SQL_OPEN, SQLITE_CANTOPEN, ENOSPC, FAULT_FULL },
	{ SQL_WRITE, SQLITE_IOERR_WRITE, EIO, FAULT_CATALOGUE },
	{ SQL_WRITE, SQLITE_IOERR_WRITE, EDQUOT, FAULT_FULL },
	{ SQL_WRITE, SQLITE_FULL, ENOSPC, FAULT_FULL },
	{ SQL_SYNC, SQLITE_IOERR_FSYNC, EIO, FAULT_CATALOGUE },
	{ SQL_SYNC, SQLITE_IOERR_FSYNC, ENOSPC, FAULT_FULL },
	{ SQL_MEMORY, 0, ENOMEM, FAULT_MEMORY },
	{ REFUSE_MEMORY, 0, ENOMEM, FAULT_MEMORY },
};

static int refused_code; /* what a refused file call returns */

/* A copy of each table of methods that SQLite's files come with. */
static struct table {
	const sqlite3_io_methods *real;
	sqlite3_io_methods ours;
} tables[TABLES_MAX];

static sqlite3_vfs *real_vfs, our_vfs;
static sqlite3_mem_methods real_memory;

static const sqlite3_io_methods *
real_of(const sqlite3_file *file)
{
	size_t i;

	for (i = 0; i < TABLES_MAX; i++)
		if (file->pMethods == &tables[i].ours)
			return tables[i].real;
	CHECK(false && "one of our tables");
	return NULL;
}

static bool
refuse_sql(unsigned kind)
{
	return refuse_this((enum refuse_kind)kind);
}

static int
our_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
	if (refuse_sql(SQL_WRITE))
		return refused_code;
	return real_of(file)->xWrite(file, p, n, at);
}

static int
our_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return refuse_sql(SQL_SYNC) ? refused_code : SQLITE_OK;
}

static const sqlite3_io_methods *
ours_for(const sqlite3_io_methods *real)
{
	size_t i = 0;

	while (tables[i].real != NULL && tables[i].real != real)
		i++;
	CHECK(i < TABLES_MAX);
	tables[i].real = real;
	tables[i].ours = *real;
	tables[i].ours.xWrite = our_write;
	tables[i].ours.xSync = our_sync;
	return &tables[i].ours;
}

static int
our_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
    int *out_flags)
{
	int rc;

	(void)vfs;
	file->pMethods = NULL; /* nothing to close, should it be refused */
	if (refuse_sql(SQL_OPEN))
		return refused_code;
	rc = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
	if (file->pMethods != NULL)
		file->pMethods = ours_for(file->pMethods);
	return rc;
}

static void *
our_malloc(int n)
{
	return refuse_sql(SQL_MEMORY) ? NULL : real_memory.xMalloc(n);
}

static void *
our_realloc(void *p, int n)
{
	return refuse_sql(SQL_MEMORY) ? NULL : real_memory.xRealloc(p, n);
}

static void
stand_in_front_of_sqlite(void)
{
	sqlite3_mem_methods ours;

	CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) == 0);
	ours = real_memory;
	ours.xMalloc = our_malloc;
	ours.xRealloc = our_realloc;
	CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == 0);
	real_vfs = sqlite3_vfs_find(NULL);
	our_vfs = *real_vfs;
	our_vfs.zName = "refusing";
	our_vfs.xOpen = our_open;
	CHECK(sqlite3_vfs_register(&our_vfs, 1) == 0);
}

/* How far a life got: each step is one call that must be all or nothing. */
enum step {
	NOTHING,
	OPENED,
	CLAIMED,
	RECORDED,
	ADOPTED,
	TAKEN,
	SETTLED,
	ASKED,
	BEGUN,
	REMEMBERED,
	SENDING,
	OVER
};

static struct catalogue_image
image_of(int n)
{
	struct catalogue_image image = {
		.sniff = { .kind = SNIFF_PNG, .width = 8, .height = 8 },
		.prompt = VIEW("a prompt"),
		.model = VIEW("a model"),
	};

	(void)snprintf(image.id.text, sizeof image.id.text, "image-%d", n);
	return image;
}

static int
record_three(struct db *db, struct claim *claim, struct fault *f)
{
	struct catalogue_image images[IMAGES];
	static char prompt[16 << 10]; /* rows that need pages of their own */
	int i;

	memset(prompt, 'p', sizeof prompt);
	for (i = 0; i < IMAGES; i++) {
		images[i] = image_of(i);
		images[i].prompt = (struct view){ prompt, sizeof prompt };
	}
	return catalogue_record(db, images, IMAGES, 0, claim, VIEW("{}"), f);
}

static int
claim_key(struct db *db, struct claim *claim, enum claims_state *state,
    struct fault *f)
{
	const struct digest body = { "00" };
	struct buf reply = BUF_INIT(64);
	const int rc =
	    claims_take(db, VIEW("key"), &body, claim, state, &reply, f);

	if (rc == 0 && *state == CLAIMS_REPLAY)
		CHECK(view_is(buf_view(&reply), "{}"));
	buf_fini(&reply);
	return rc;
}

/* Takes all objects but the adopted image's, which is not due. */
static int
take_three(struct db *db, struct object *objects, struct fault *f)
{
	size_t n;

	if (objects_take(db, NOW, LATER, objects, IMAGES + 1, &n, f) == -1) {
		CHECK(n == 0);
		return -1;
	}
	CHECK(n == IMAGES);
	return 0;
}

/* Each comes out otherwise: done, waiting, failed. */
static int
settle_three(struct db *db, const struct object *objects, struct fault *f)
{
	static const enum objects_state states[IMAGES] = { OBJECTS_DONE,
		OBJECTS_WAITING, OBJECTS_FAILED };
	struct objects_outcome outcomes[IMAGES];
	int i;

	for (i = 0; i < IMAGES; i++)
		outcomes[i] = (struct objects_outcome){ .object = &objects[i],
			.state = states[i],
			.due_ms = LATER,
			.is_attempt = true,
			.error = "a reason" };
	return objects_settle(db, outcomes, IMAGES, NOW, f);
}

static const struct job_id job = { "job-1" };

static int
remember_files(struct db *db, struct fault *f)
{
	static struct jobs_file files[FILES];
	int i;

	for (i = 0; i < FILES; i++) {
		files[i] = (struct jobs_file){ .stamp = { i, i, i, i } };
		(void)snprintf(files[i].path.text, sizeof files[i].path.text,
		    "scenes/%0200d", i);
	}
	return jobs_files_keep(db, &job, "/jobs/job-1", files, FILES, f);
}

/* The last steps of a life: those of a job. */
static enum step
live_with_a_job(struct db *db, struct fault *f)
{
	const struct jobs_upload upload = { .key = "k", .upload_id = "u" };
	struct jobs_operation o = JOBS_OPERATION_INIT;
	struct file_lease lease = FILE_LEASE_INIT;
	enum step done = SETTLED;
	bool found = false;

	if (jobs_ask(db, JOBS_PERSIST, &job, false, NOW, &o, f) == 0)
		done = ASKED;
	if (done == ASKED && jobs_take(db, NOW, &o, &lease, &found, f) == 0)
		done = BEGUN;
	CHECK((done == BEGUN) == found && found == (lease.fd != -1));
	if (done == BEGUN && remember_files(db, f) == 0)
		done = REMEMBERED;
	if (done == REMEMBERED && jobs_upload_keep(db, &upload, NOW, f) == 0)
		done = SENDING;
	if (done == SENDING &&
	    jobs_settle(db, &o, JOBS_DONE, VIEW("{}"), VIEW(""), NOW, f) == 0)
		done = OVER;
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
	return done;
}

/* Tells the life until a call fails: which was the last that did not. */
static enum step
live(const char *root, struct fault *f)
{
	struct claim claim = CLAIM_INIT;
	const struct catalogue_image found = image_of(IMAGES);
	struct object objects[IMAGES + 1];
	enum claims_state state;
	struct db *db = NULL;
	enum step done = NOTHING;

	if (db_open(&db, root, f) == 0)
		done = OPENED;
	if (done == OPENED && claim_key(db, &claim, &state, f) == 0)
		done = CLAIMED;
	CHECK(done != CLAIMED || state == CLAIMS_OURS);
	if (done == CLAIMED && record_three(db, &claim, f) == 0)
		done = RECORDED;
	if (done == RECORDED && catalogue_adopt(db, &found, LATER, f) == 0)
		done = ADOPTED;
	if (done == ADOPTED && take_three(db, objects, f) == 0)
		done = TAKEN;
	if (done == TAKEN && settle_three(db, objects, f) == 0)
		done = live_with_a_job(db, f);
	claims_fini(&claim);
	db_close(&db);
	return done;
}

static bool
is_found(struct db *db, int n)
{
	const struct catalogue_image image = image_of(n);
	const struct job_id none = { .text = "" };
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;
	bool found;

	CHECK(catalogue_find(db, &image.id, &none, &found, &kind, &f) == 0);
	return found;
}

static int64_t
count(const char *root, const char *table)
{
	char text[SCRATCH_SIZE + 32];
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	(void)snprintf(text, sizeof text, "%s/catalogue.db", root);
	CHECK(sqlite3_open(text, &db) == SQLITE_OK);
	(void)snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
	CHECK(sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK);
	CHECK(sqlite3_step(st) == SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	CHECK(sqlite3_finalize(st) == SQLITE_OK);
	CHECK(sqlite3_close(db) == SQLITE_OK);
	return n;
}

/*
 * What the key says after a life that got as far as `done`.  The call that
 * failed may still have reached the disk as a whole: a claim then reads as
 * unclear, a record as done.  Nothing earlier can be seen than was told.
 */
static void
check_key(enum claims_state state, enum step done, bool recorded)
{
	switch (state) {
	case CLAIMS_OURS:
		CHECK(done < CLAIMED && !recorded);
		break;
	case CLAIMS_UNCLEAR:
		CHECK(done >= OPENED && done < RECORDED && !recorded);
		break;
	case CLAIMS_REPLAY:
		CHECK(done >= CLAIMED && recorded);
		break;
	case CLAIMS_RUNNING:
	case CLAIMS_OTHER:
		CHECK(false && "a state that can be");
	}
}

/*
 * The objects of a life that got as far as `done`: taken all or none, and
 * settled all or none.  What is still waiting is settled now.
 */
static void
check_objects(struct db *db, enum step done)
{
	struct objects_summary s;
	struct object objects[IMAGES + 1];
	struct fault f = FAULT_INIT;
	bool settled;
	size_t n;

	CHECK(objects_summary(db, &s, &f) == 0);
	settled = s.done == 1 && s.failed == 1;
	CHECK(settled || (s.done == 0 && s.failed == 0));
	CHECK(done < SETTLED || settled);
	CHECK(done >= TAKEN || !settled);
	CHECK(objects_take(db, NOW, LATER, objects, IMAGES + 1, &n, &f) == 0);
	CHECK(n == 0 || (n == IMAGES && done < TAKEN && !settled));
	if (!settled && done >= RECORDED) {
		CHECK(objects_take(
			  db, LATER, LATER + 1, objects, IMAGES, &n, &f) == 0);
		CHECK(n == IMAGES);
	}
}

/*
 * What is left of a job: all of a call or none.  Asked for again, it is the
 * same operation, or a new one if that is over; and it can be taken, though
 * whoever had it is gone.
 */
static void
check_job(struct db *db, const char *root, enum step done)
{
	struct jobs_operation o = JOBS_OPERATION_INIT;
	const int64_t files = count(root, "job_files");
	struct file_lease lease = FILE_LEASE_INIT;
	struct fault f = FAULT_INIT;
	struct jobs_upload upload;
	bool found;

	CHECK(files == FILES || (files == 0 && done < REMEMBERED));
	CHECK(done < ASKED || count(root, "operations") == 1);
	CHECK(done >= SETTLED || count(root, "operations") == 0);
	CHECK(jobs_upload_find(db, "k", &found, &upload, &f) == 0);
	CHECK(done < SENDING || found);
	CHECK(jobs_ask(db, JOBS_PERSIST, &job, false, NOW, &o, &f) == 0);
	CHECK(done < OVER || o.serial == 2);
	CHECK(jobs_take(db, NOW, &o, &lease, &found, &f) == 0 && found);
	CHECK(remember_files(db, &f) == 0);
	CHECK(count(root, "job_files") == FILES);
	CHECK(
	    jobs_settle(db, &o, JOBS_DONE, VIEW("{}"), VIEW(""), NOW, &f) == 0);
	file_lease_fini(&lease);
	jobs_operation_fini(&o);
}

/* Opens what the life has left, and lives on with it. */
static void
look_around(const char *root, enum step done)
{
	struct claim claim = CLAIM_INIT;
	enum claims_state state;
	struct db *db = NULL;
	struct fault f = FAULT_INIT;
	bool recorded;
	int i;

	CHECK(db_open(&db, root, &f) == 0);
	recorded = is_found(db, 0);
	for (i = 1; i < IMAGES; i++)
		CHECK(is_found(db, i) == recorded);
	CHECK(done < RECORDED || recorded);
	CHECK(done < ADOPTED || is_found(db, IMAGES));
	CHECK(count(root, "images") == count(root, "objects"));
	check_objects(db, done);
	check_job(db, root, done);
	CHECK(claim_key(db, &claim, &state, &f) == 0);
	check_key(state, done, recorded);
	CHECK(record_three(db, &claim, &f) == 0);
	CHECK(is_found(db, IMAGES - 1));
	claims_fini(&claim);
	db_close(&db);
}

/* Refuses the nth call by that rule: false when there is no nth. */
static bool
refuse_one(const struct rule *rule, long n)
{
	const int files = open_files();
	struct fault f = FAULT_INIT;
	char root[SCRATCH_SIZE];
	enum step done;
	bool refused;

	scratch_make(root);
	refused_code = rule->code;
	refuse_nth(rule->kinds, n, rule->error);
	done = live(root, &f);
	refused = refuse_end();
	/* SQLite can do without some of what it asks for. */
	if (f.kind != FAULT_NONE && f.kind != rule->fault)
		(void)fprintf(stderr, "call %ld of kinds %u, errno %d: %s\n", n,
		    rule->kinds, rule->error, f.text);
	CHECK((done == OVER) == (f.kind == FAULT_NONE));
	CHECK(f.kind == FAULT_NONE || (refused && f.kind == rule->fault));
	CHECK(f.kind != FAULT_FULL || strstr(f.text, root) == NULL);
	look_around(root, done);
	scratch_remove(root);
	CHECK(open_files() == files);
	return refused;
}

int
main(void)
{
	long n, step, points = 0;
	size_t i;

	stand_in_front_of_sqlite();
	for (i = 0; i < sizeof rules / sizeof rules[0]; i++) {
		step = rules[i].kinds == SQL_MEMORY ? MEMORY_STEP : 1;
		for (n = 0; refuse_one(&rules[i], n); n += step)
			points++;
		CHECK(n > 0);
		(void)printf(
		    "kinds %u, errno %d: refused one in %ld of %ld calls\n",
		    rules[i].kinds, rules[i].error, step, n);
	}
	CHECK(sqlite3_memory_used() == 0);
	(void)printf("refused %ld calls\n", points);
	CHECK(points >= POINTS_MIN);
	return 0;
}
