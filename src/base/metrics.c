#include "base/metrics.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shared.h"

enum {
	NAME_WORDS = (METRICS_NAME_MAX + 1) / 8,
	US = 1000000,
	MS = 1000,
	ROLE_BITS = 4 /* of a slot: the rest is since when, in us, or 0 */
};

/* Upper bounds of a histogram's buckets: from half a millisecond, in which a
 * GET is answered, to what the slowest generation may take. */
static const struct {
	int64_t us;
	const char *le;
} bounds[] = { { 500, "0.0005" }, { 1000, "0.001" }, { 2500, "0.0025" },
	{ 5000, "0.005" }, { 10000, "0.01" }, { 25000, "0.025" },
	{ 50000, "0.05" }, { 100000, "0.1" }, { 250000, "0.25" },
	{ 500000, "0.5" }, { 1000000, "1" }, { 2500000, "2.5" },
	{ 5000000, "5" }, { 10000000, "10" }, { 30000000, "30" },
	{ 60000000, "60" }, { 120000000, "120" } };

enum {
	BOUNDS = sizeof bounds / sizeof bounds[0],
	SUM_AT = BOUNDS + 1, /* behind the last bucket, +Inf: the sum in us */
	HISTOGRAM_WORDS
};

#define LABEL(id, name, room) id##_ROOM = (room),
enum {
#include "base/metrics.tbl.h"
};

/* A label's value.  Whoever meets its hash writes the same text once more, so
 * one that was left half written by a killed process is soon whole. */
struct value {
	shared_word hash;
	shared_word text[NAME_WORDS];
};

/* The file.  A slot is (since << ROLE_BITS) | (role + 1). */
#define LABEL(id, name, room) struct value id##_names[id##_ROOM];
#define COUNTER(id, name, a, b, help) shared_word id[a##_ROOM * b##_ROOM];
#define HISTOGRAM(id, name, a, help) shared_word id[a##_ROOM * HISTOGRAM_WORDS];
struct layout {
	struct shared_head head;
	shared_word slots[METRICS_SLOTS];
#include "base/metrics.tbl.h"
};

enum label_id {
#define LABEL(id, name, room) LABEL_##id,
#include "base/metrics.tbl.h"
};

static const struct label {
	const char *name;
	size_t room;
	size_t names; /* offset of its values */
} labels[] = {
#define LABEL(id, name, room)                                                  \
	{ name, room, offsetof(struct layout, id##_names) },
#include "base/metrics.tbl.h"
};

enum kind { COUNTED, OBSERVED, MEASURED };

static const struct metric {
	enum kind kind;
	const char *name;
	enum label_id a;
	enum label_id b;
	size_t words;      /* offset of what is kept */
	const char *by[2]; /* its labels by name     */
	const char *help;
} metrics[] = {
/* clang-format off */
#define COUNTER(id, name, a, b, help) \
	{ COUNTED, name, LABEL_##a, LABEL_##b, offsetof(struct layout, id), { "", "" }, help },
#define HISTOGRAM(id, name, a, help) \
	{ OBSERVED, name, LABEL_##a, LABEL_NONE, offsetof(struct layout, id), { "", "" }, help },
#define GAUGE(id, name, a, b, help) \
	{ MEASURED, name, LABEL_NONE, LABEL_NONE, 0, { a, b }, help },
/* clang-format on */
#include "base/metrics.tbl.h"
};

static const char *const roles[] = {
#define ROLE(id, name) name,
#include "base/metrics.tbl.h"
};

_Static_assert(METRICS_ROLES < 1 << ROLE_BITS, "a role fits its bits");

/* What this process counts into. */
static struct layout private_page;
static struct {
	struct layout *page;
	const char *folder;
	bool is_guest;
	bool is_told; /* that there is no file, in the log     */
	int fd;       /* of the mapped file; -1: there is none */
	int slot;     /* that we hold; -1: none                */
	int role;     /* -1: we are no worker                  */
	int64_t look_due_us;
} here = { .page = &private_page, .fd = -1, .slot = -1, .role = -1 };

/* FNV-1a. */
static uint32_t
hash_bytes(uint32_t hash, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < n; i++)
		hash = (hash ^ p[i]) * UINT32_C(16777619);
	return hash;
}

/* With its end, so that two of them are not taken for two others. */
static uint32_t
hash_text(uint32_t hash, const char *text)
{
	return hash_bytes(hash, text, strlen(text) + 1);
}

/* Two programs share the file only when their tables are the same: all but
 * the gauges' labels and the helps, of which nothing is kept. */
static uint32_t
fingerprint(void)
{
	uint32_t hash = UINT32_C(2166136261);
	size_t i;

	for (i = 0; i < sizeof labels / sizeof labels[0]; i++) {
		hash = hash_text(hash, labels[i].name);
		hash = hash_bytes(hash, &labels[i].room, sizeof labels[i].room);
	}
	for (i = 0; i < METRICS_COUNT; i++) {
		hash = hash_text(hash, metrics[i].name);
		hash =
		    hash_bytes(hash, &metrics[i].kind, sizeof metrics[i].kind);
		hash = hash_bytes(hash, &metrics[i].a, sizeof metrics[i].a);
		hash = hash_bytes(hash, &metrics[i].b, sizeof metrics[i].b);
	}
	for (i = 0; i < BOUNDS; i++)
		hash = hash_bytes(hash, &bounds[i].us, sizeof bounds[i].us);
	for (i = 0; i < METRICS_ROLES; i++)
		hash = hash_text(hash, roles[i]);
	return hash;
}

static struct shared_kind
kind_of_file(void)
{
	return (struct shared_kind){ "metrics",
		{ UINT64_C(0x746e756f63666572) /* "refcount" */, fingerprint(),
		    sizeof(struct layout) },
		NULL };
}

/* --- the file --- */

static struct flock
lock_of(int slot)
{
	return (struct flock){ .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(offsetof(struct layout, slots) +
				   (size_t)slot * sizeof(shared_word)),
		.l_len = sizeof(shared_word) };
}

/* The first that nobody alive holds. */
static void
take_slot(void)
{
	struct flock lock;
	int i;

	here.slot = -1;
	if (here.fd == -1 || here.role == -1)
		return;
	for (i = 0; i < METRICS_SLOTS && here.slot == -1; i++) {
		lock = lock_of(i);
		if (fcntl(here.fd, F_OFD_SETLK, &lock) == 0)
			here.slot = i;
	}
	metrics_idle();
}

/* Back to the private page; what was counted there stays there. */
static void
let_go(void)
{
	const struct shared_kind kind = kind_of_file();

	if (here.fd == -1)
		return;
	if (here.slot != -1)
		shared_write(&here.page->slots[here.slot], 0);
	here.slot = -1;
	shared_close(&kind, here.page);
	here.page = &private_page;
	(void)close(here.fd); /* and with it the lock */
	here.fd = -1;
}

static void
tell_once(const struct fault *f)
{
	if (!here.is_told && !here.is_guest)
		log_event(LOG_WARN, "metrics are not shared",
		    LOG_TEXT("message", view_str(f->text)));
	here.is_told = true;
}

static void
go_over(enum shared_how how)
{
	const struct shared_kind kind = kind_of_file();
	struct fault f = FAULT_INIT;
	void *map;
	int fd;

	if (shared_open(&kind, here.folder, here.is_guest ? SHARED_JOIN : how,
		&map, &fd, &f) == -1) {
		tell_once(&f);
		return;
	}
	let_go();
	here.page = map;
	here.fd = fd;
	here.is_told = false;
	take_slot();
}

void
metrics_open(const char *folder, bool is_guest)
{
	metrics_close();
	here.folder = folder;
	here.is_guest = is_guest;
	here.look_due_us = clock_ticks_us() + METRICS_FOLLOW_MS * MS;
	go_over(SHARED_OWN);
}

void
metrics_close(void)
{
	let_go();
	here.folder = NULL;
	here.is_told = false;
	here.role = -1;
}

/* One of another layout is a newer program's, perhaps, that is taking our
 * place: it keeps the name. */
void
metrics_follow(int64_t now_us)
{
	struct stat st;

	if (here.folder == NULL || now_us < here.look_due_us)
		return;
	here.look_due_us = now_us + METRICS_FOLLOW_MS * MS;
	if (here.fd == -1 || (fstat(here.fd, &st) == 0 && st.st_nlink == 0))
		go_over(SHARED_MEET);
}

/* --- who is alive --- */

void
metrics_begin(enum metrics_role role)
{
	here.role = (int)role;
	if (here.slot == -1)
		take_slot();
	metrics_idle();
}

enum metrics_role
metrics_role_named(struct view name)
{
	size_t i;

	for (i = 0; i < METRICS_ROLES; i++)
		if (view_is(name, roles[i]))
			return (enum metrics_role)i;
	return METRICS_OTHER_ROLE;
}

const char *
metrics_role_word(enum metrics_role role)
{
	return roles[role];
}

void
metrics_busy(int64_t since_us)
{
	if (here.slot != -1)
		shared_write(&here.page->slots[here.slot],
		    (uint64_t)since_us << ROLE_BITS |
			(uint64_t)(here.role + 1));
}

void
metrics_idle(void)
{
	metrics_busy(0);
}

/* Our own lock is no obstacle to ourselves. */
static bool
is_held(int slot)
{
	struct flock lock = lock_of(slot);

	return slot == here.slot || (fcntl(here.fd, F_OFD_GETLK, &lock) == 0 &&
					lock.l_type != F_UNLCK);
}

void
metrics_living(struct metrics_living out[METRICS_ROLES])
{
	int64_t since_us, took_us;
	uint64_t slot, role;
	int i;

	memset(out, 0, METRICS_ROLES * sizeof *out);
	for (i = 0; i < METRICS_SLOTS && here.fd != -1; i++) {
		slot = shared_read(&here.page->slots[i]);
		role = slot & ((1u << ROLE_BITS) - 1);
		if (role == 0 || role > METRICS_ROLES || !is_held(i))
			continue;
		since_us = (int64_t)(slot >> ROLE_BITS);
		took_us = clock_ticks_us() - since_us;
		if (since_us == 0) {
			out[role - 1].idle++;
			continue;
		}
		out[role - 1].busy++;
		if (took_us > out[role - 1].longest_us)
			out[role - 1].longest_us = took_us;
	}
}

/* --- counting --- */

/* A label's value as the words of its text, the last of them with a NUL. */
struct text {
	uint64_t words[NAME_WORDS];
	size_t n; /* words that are used; the others are 0 */
};

static uint64_t
hash_of(const struct text *text)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
	size_t i;

	for (i = 0; i < text->n; i++) {
		hash = (hash ^ text->words[i]) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	return hash == 0 ? 1 : hash; /* 0 is a place that is free */
}

static struct value *
names_of(const struct label *label)
{
	return (struct value *)((char *)here.page + label->names);
}

/* Is the place of that hash, or is it now?  Its text is made whole. */
static bool
settle_name(struct value *name, uint64_t hash, const struct text *text)
{
	uint64_t seen = shared_read(&name->hash);
	size_t i;

	if (seen == 0 &&
	    atomic_compare_exchange_strong_explicit(&name->hash, &seen, hash,
		memory_order_relaxed, memory_order_relaxed))
		seen = hash;
	if (seen != hash)
		return false;
	for (i = 0; i < text->n; i++)
		if (shared_read(&name->text[i]) != text->words[i])
			shared_write(&name->text[i], text->words[i]);
	return true;
}

/* The place of a value; 0, that of "other", when there is no room for it. */
static size_t
place_of(const struct label *label, const char *value)
{
	const size_t room = label->room - 1;
	const size_t n = value == NULL ? 0 : strlen(value);
	struct text text = { .n = n / 8 + 1 };
	uint64_t hash;
	size_t i, at;

	if (room == 0 || n == 0 || n > METRICS_NAME_MAX)
		return 0;
	memcpy(text.words, value, n);
	hash = hash_of(&text);
	for (i = 0; i < room; i++) {
		at = 1 + (hash + i) % room;
		if (settle_name(&names_of(label)[at], hash, &text))
			return at;
	}
	return 0;
}

static shared_word *
words_of(const struct metric *m)
{
	return (shared_word *)((char *)here.page + m->words);
}

const char *
metrics_outcome(enum fault_kind kind)
{
	return kind == FAULT_NONE ? "ok" : fault_word(kind);
}

void
metrics_count(enum metrics_id id, const char *a, const char *b, uint64_t n)
{
	const struct metric *m = &metrics[id];
	const size_t at = place_of(&labels[m->a], a) * labels[m->b].room +
			  place_of(&labels[m->b], b);

	MUST(m->kind == COUNTED);
	shared_add(&words_of(m)[at], n);
}

void
metrics_observe(enum metrics_id id, const char *a, int64_t us)
{
	const struct metric *m = &metrics[id];
	shared_word *words =
	    &words_of(m)[place_of(&labels[m->a], a) * HISTOGRAM_WORDS];
	size_t i = 0;

	MUST(m->kind == OBSERVED);
	while (i < BOUNDS && us > bounds[i].us)
		i++;
	shared_add(&words[i], 1);
	shared_add(&words[SUM_AT], us > 0 ? (uint64_t)us : 0);
}

/* --- writing --- */

/* The value at that place: false when there is none, or not yet. */
static bool
read_name(const struct label *label, size_t at, char out[METRICS_NAME_MAX + 1])
{
	const struct value *name = &names_of(label)[at];
	struct text text;
	size_t i;

	if (label->room == 1) {
		out[0] = '\0';
		return true;
	}
	for (i = 0; i < NAME_WORDS; i++)
		text.words[i] = shared_read(&name->text[i]);
	memcpy(out, text.words, sizeof text.words);
	out[METRICS_NAME_MAX] = '\0';
	text.n = strlen(out) / 8 + 1;
	if (at == 0)
		memcpy(out, "other", sizeof "other");
	return at == 0 || shared_read(&name->hash) == hash_of(&text);
}

/* A label's value, in which these three are escaped. */
static void
write_label(struct buf *out, const char *name, const char *value)
{
	buf_fmt(out, "%s=\"", name);
	for (; *value != '\0'; value++)
		if (*value == '\\' || *value == '"')
			buf_fmt(out, "\\%c", *value);
		else if (*value == '\n')
			buf_add(out, VIEW("\\n"));
		else
			buf_add(out, (struct view){ value, 1 });
	buf_add(out, VIEW("\""));
}

/* name{a="",b="",le=""}, without what is "". */
static void
write_series(struct buf *out, const struct metric *m, const char *suffix,
    const char *const values[3])
{
	const char *const names[3] = { m->kind == MEASURED ? m->by[0]
							   : labels[m->a].name,
		m->kind == MEASURED ? m->by[1] : labels[m->b].name, "le" };
	const char *divider = "{";
	size_t i;

	buf_fmt(out, "%s%s", m->name, suffix);
	for (i = 0; i < 3; i++)
		if (values[i] != NULL && values[i][0] != '\0') {
			buf_fmt(out, "%s", divider);
			write_label(out, names[i], values[i]);
			divider = ",";
		}
	buf_add(out, divider[0] == ',' ? VIEW("} ") : VIEW(" "));
}

void
metrics_write_head(struct buf *out, enum metrics_id id)
{
	static const char *const types[] = { "counter", "histogram", "gauge" };
	const struct metric *m = &metrics[id];

	buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
	    types[m->kind]);
}

void
metrics_write(struct buf *out, enum metrics_id id, const char *a, const char *b,
    double value)
{
	write_series(
	    out, &metrics[id], "", (const char *const[3]){ a, b, NULL });
	buf_fmt(out, "%.15g\n", value);
}

/* One without a label is told from the beginning on. */
static void
write_counter(struct buf *out, const struct metric *m)
{
	const size_t columns = labels[m->b].room;
	const size_t n = labels[m->a].room * columns;
	char a[METRICS_NAME_MAX + 1], b[METRICS_NAME_MAX + 1];
	uint64_t count;
	size_t i;

	for (i = 0; i < n; i++) {
		count = shared_read(&words_of(m)[i]);
		if ((count == 0 && n > 1) ||
		    !read_name(&labels[m->a], i / columns, a) ||
		    !read_name(&labels[m->b], i % columns, b))
			continue;
		write_series(out, m, "", (const char *const[3]){ a, b, NULL });
		buf_fmt(out, "%llu\n", (unsigned long long)count);
	}
}

/* Its count is that of the last bucket, whatever comes in between. */
static void
write_histogram(struct buf *out, const struct metric *m, const char *a,
    const shared_word *words)
{
	uint64_t count = 0, sum_us;
	size_t i;

	for (i = 0; i <= BOUNDS; i++) {
		count += shared_read(&words[i]);
		write_series(out, m, "_bucket",
		    (const char *const[3]){
			a, NULL, i < BOUNDS ? bounds[i].le : "+Inf" });
		buf_fmt(out, "%llu\n", (unsigned long long)count);
	}
	sum_us = shared_read(&words[SUM_AT]);
	write_series(out, m, "_sum", (const char *const[3]){ a, NULL, NULL });
	buf_fmt(out, "%llu.%06llu\n", (unsigned long long)(sum_us / US),
	    (unsigned long long)(sum_us % US));
	write_series(out, m, "_count", (const char *const[3]){ a, NULL, NULL });
	buf_fmt(out, "%llu\n", (unsigned long long)count);
}

static bool
is_observed(const shared_word *words)
{
	uint64_t any = 0;
	size_t i;

	for (i = 0; i <= BOUNDS; i++)
		any |= shared_read(&words[i]);
	return any != 0;
}

static void
write_histograms(struct buf *out, const struct metric *m)
{
	const struct label *label = &labels[m->a];
	const shared_word *words = words_of(m);
	char a[METRICS_NAME_MAX + 1];
	size_t i;

	for (i = 0; i < label->room; i++, words += HISTOGRAM_WORDS)
		if (is_observed(words) && read_name(label, i, a))
			write_histogram(out, m, a, words);
}

void
metrics_write_counted(struct buf *out)
{
	size_t i;

	for (i = 0; i < METRICS_COUNT; i++) {
		if (metrics[i].kind == MEASURED)
			continue;
		metrics_write_head(out, (enum metrics_id)i);
		if (metrics[i].kind == COUNTED)
			write_counter(out, &metrics[i]);
		else
			write_histograms(out, &metrics[i]);
	}
}
