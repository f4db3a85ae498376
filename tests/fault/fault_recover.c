/*
 * An image lies in the store without a row, and each fsync and allocation
 * of its adoption is refused in turn.  It gets no row before its name is
 * durable, a refusal keeps nobody from starting, and once nothing is refused
 * it is adopted.
 */
#include "app/recover.h"

#include <string.h>

#include "refuse.h"

#define PNG                                                                    \
	"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x03\0"                  \
	"\x08\x02\0\0\0CRC4\0\0\0\x02IDATxyCRC4\0\0\0\0IENDCRC4"

static const struct image_id cat = { "cat" };

struct life {
	char root[SCRATCH_SIZE];
	struct store *st;
	struct db *db;
};

static void
begin(struct life *l)
{
	struct fault f = FAULT_INIT;

	scratch_make(l->root);
	CHECK(store_open(&l->st, l->root, &f) == 0);
	CHECK(db_open(&l->db, l->root, &f) == 0);
	CHECK(store_put(l->st, &cat, SNIFF_PNG, VIEW(PNG), &f) == 0);
}

static void
end(struct life *l)
{
	store_close(&l->st);
	db_close(&l->db);
	scratch_remove(l->root);
}

static bool
has_row(struct life *l)
{
	const struct job_id none = { .text = "" };
	struct fault f = FAULT_INIT;
	enum sniff_kind kind;
	bool found;

	CHECK(catalogue_find(l->db, &cat, &none, &found, &kind, &f) == 0);
	return found;
}

/* Refuses the nth call: false when there is no nth. */
static bool
refuse_one(enum refuse_kind kind, long n, int error)
{
	const int files = open_files();
	struct fault f = FAULT_INIT;
	struct life l = { .root = "" };
	int adopted = 0;
	bool refused;

	begin(&l);
	refuse_nth(kind, n, error);
	CHECK(recover(l.st, l.db, 0, &adopted, &f) == 0);
	refused = refuse_end();
	CHECK(adopted == (refused ? 0 : 1));
	CHECK(has_row(&l) == !refused);
	CHECK(store_size(l.st, &cat, SNIFF_PNG) == sizeof PNG - 1);
	CHECK(recover(l.st, l.db, 0, &adopted, &f) == 0);
	CHECK(adopted == (refused ? 1 : 0) && has_row(&l));
	end(&l);
	CHECK(open_files() == files);
	return refused;
}

int
main(void)
{
	long n, points = 0;

	for (n = 0; refuse_one(REFUSE_FSYNC, n, EIO); n++)
		points++;
	CHECK(n == 1);
	for (n = 0; refuse_one(REFUSE_MEMORY, n, ENOMEM); n++)
		points++;
	CHECK(n > 0);
	(void)printf("refused %ld calls\n", points);
	return 0;
}
