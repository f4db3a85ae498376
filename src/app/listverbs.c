#include "app/listverbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/describe.h"
#include "app/progress.h"
#include "app/session.h"
#include "disk/catalogue.h"

enum {
	DOCUMENT_MAX = 4 << 20, /* of an image's objects                   */
	PAGE = 500,             /* rows of a list that are asked for at once */
	ROWS_FIRST = 1024
};

static const char *
state_word(const struct object *o)
{
	switch (o->state) {
	case OBJECTS_WAITING:
		return o->is_lazy ? "lazy" : "waiting";
	case OBJECTS_DONE:
		return "done";
	case OBJECTS_FAILED:
		return "failed";
	case OBJECTS_NONE:
		break;
	}
	return "none";
}

/* --- ls --- */

/* What is remembered of an image until all are known: the oldest comes
 * first, and the catalogue goes by ids. */
struct row {
	int64_t created_at_ms;
	char *id; /* owned */
};

struct list {
	struct db *db;
	struct job_id job; /* "": images alone */
	bool json;
	struct row *rows;
	size_t n;
	size_t room;
	struct image_id last; /* of a page */
	size_t printed;
};

static int
add_row(struct list *l, const struct image_id *id, int64_t created_at_ms,
    struct fault *f)
{
	const size_t room = l->room == 0 ? ROWS_FIRST : 2 * l->room;
	struct row *rows;

	if (l->n == l->room) {
		rows = reallocarray(l->rows, room, sizeof *rows);
		if (rows == NULL)
			return fault_set(f, FAULT_MEMORY, "list images");
		l->rows = rows;
		l->room = room;
	}
	l->rows[l->n].created_at_ms = created_at_ms;
	l->rows[l->n].id = strdup(id->text);
	if (l->rows[l->n].id == NULL)
		return fault_set(f, FAULT_MEMORY, "list images");
	l->n++;
	return 0;
}

static int
on_image(void *arg, const struct catalogue_image *image, struct fault *f)
{
	struct list *l = arg;

	l->last = image->id;
	return add_row(l, &image->id, image->created_at_ms, f);
}

static int
gather_all(struct list *l, struct fault *f)
{
	size_t before;

	do {
		before = l->n;
		if (catalogue_list(l->db, before == 0 ? NULL : &l->last, PAGE,
			on_image, l, f) == -1)
			return -1;
	} while (l->n > before);
	return 0;
}

static int
on_object(void *arg, const struct object *o, struct fault *f)
{
	struct list *l = arg;
	struct buf texts = BUF_INIT(CATALOGUE_TEXTS_MAX);
	struct catalogue_image image;
	bool found = false;
	int rc = catalogue_image_find(l->db, &o->id, &found, &image, &texts, f);

	buf_fini(&texts);
	return rc == -1
		   ? -1
		   : add_row(l, &o->id, found ? image.created_at_ms : 0, f);
}

static int
by_age(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->created_at_ms != other->created_at_ms)
		return one->created_at_ms < other->created_at_ms ? -1 : 1;
	return strcmp(one->id, other->id);
}

static void
add_row_json(const struct list *l, const struct row *row,
    const struct object *o, struct buf *out)
{
	buf_fmt(out,
	    "%s\n{\"image_id\":\"%s\",\"extension\":\"%s\",\"bytes\":%lld,",
	    l->printed == 0 ? "" : ",", o->id.text, sniff_extension(o->kind),
	    (long long)o->bytes);
	describe_moment(out, "created_at", row->created_at_ms);
	buf_fmt(out, ",\"state\":\"%s\"}", state_word(o));
}

static void
add_row_text(const struct row *row, const struct object *o, struct buf *out)
{
	struct buf size = BUF_INIT(PROGRESS_TEXT_MAX);
	struct buf moment = BUF_INIT(PROGRESS_TEXT_MAX);

	progress_bytes(&size, o->bytes);
	describe_time(&moment, row->created_at_ms);
	buf_fmt(out, "%-36s  %-4s  %10s  %-20s  %s\n", o->id.text,
	    sniff_extension(o->kind), buf_str(&size),
	    moment.len > 0 ? buf_str(&moment) : "-", state_word(o));
	buf_fini(&size);
	buf_fini(&moment);
}

/* One that vanished meanwhile is passed over. */
static int
print_row(struct list *l, const struct row *row, struct fault *f)
{
	struct buf text = BUF_INIT(PROGRESS_TEXT_MAX);
	struct image_id id;
	struct object o;
	bool known;
	int rc = -1;

	if (image_id_parse(&id, view_str(row->id), f) == -1 ||
	    objects_find(l->db, &id, &l->job, &known, &o, f) == -1)
		return -1;
	if (!known)
		return 0;
	if (l->json)
		add_row_json(l, row, &o, &text);
	else
		add_row_text(row, &o, &text);
	l->printed++;
	if (buf_done(&text, f) == 0) {
		rc = 0;
		if (fputs(buf_str(&text), stdout) == EOF)
			rc = fault_sys(f, FAULT_DISK, "write the list");
	}
	buf_fini(&text);
	return rc;
}

static int
print_rows(struct list *l, struct fault *f)
{
	size_t i;

	if (l->n > 0)
		qsort(l->rows, l->n, sizeof *l->rows, by_age);
	if (l->json)
		(void)fputs("{\"images\":[", stdout);
	else
		(void)printf("%-36s  %-4s  %10s  %-20s  %s\n", "IMAGE", "KIND",
		    "SIZE", "CREATED", "STATE");
	for (i = 0; i < l->n; i++)
		if (print_row(l, &l->rows[i], f) == -1)
			return -1;
	return 0;
}

static void
end_list(struct list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->rows[i].id);
	free(l->rows);
}

static int
list(struct list *l, struct buf *out, struct fault *f)
{
	int rc;

	if (l->job.text[0] == '\0')
		rc = gather_all(l, f);
	else
		rc = objects_of_job(l->db, &l->job, on_object, l, f);
	if (rc == -1)
		return -1;
	rc = print_rows(l, f);
	if (l->json) {
		buf_add(out, VIEW("\n]"));
		if (rc == -1)
			describe_detail(f, out);
		buf_add(out, VIEW("}\n"));
	}
	return rc;
}

int
listverbs_list(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct list l = { .json = line->json };
	int rc = -1;

	if ((line->job == NULL ||
		job_id_parse(&l.job, view_str(line->job), f) == 0) &&
	    session_open(&s, 0, f) == 0) {
		l.db = assets_db(s.assets);
		rc = list(&l, out, f);
	}
	end_list(&l);
	session_close(&s);
	return rc;
}

/* --- show --- */

struct shown {
	struct catalogue_image image;
	char name[STORE_NAME_SIZE];
	bool is_here;
	bool json;
	struct buf objects; /* written as asked for */
};

static void
add_object_json(const struct objects_row *o, struct buf *out)
{
	buf_add(out, out->len == 0 ? VIEW("{") : VIEW(",{"));
	describe_text(out, "job_id", o->job);
	buf_add(out, VIEW(","));
	describe_text(out, "state", o->state);
	buf_add(out, VIEW(","));
	describe_text(out, "key", o->key);
	buf_fmt(out, ",\"attempts\":%lld,", (long long)o->attempts);
	describe_text(out, "last_error", o->last_error);
	buf_add(out, VIEW(","));
	describe_moment(out, "verified_at", o->verified_at_ms);
	buf_add(out, VIEW("}"));
}

static void
add_object_text(const struct objects_row *o, struct buf *out)
{
	buf_add(out, VIEW("object      "));
	progress_safe(out, o->key);
	buf_add(out, VIEW("\n            "));
	progress_safe(out, o->state);
	if (o->attempts > 0)
		buf_fmt(out, ", %lld attempts", (long long)o->attempts);
	if (o->verified_at_ms > 0) {
		buf_add(out, VIEW(", seen there "));
		describe_time(out, o->verified_at_ms);
	}
	if (o->last_error.n > 0) {
		buf_add(out, VIEW("; last error: "));
		progress_safe(out, o->last_error);
	}
	buf_add(out, VIEW("\n"));
}

static int
on_row(void *arg, const struct objects_row *row, struct fault *f)
{
	struct shown *s = arg;

	(s->json ? add_object_json : add_object_text)(row, &s->objects);
	return buf_done(&s->objects, f);
}

static void
add_shown_json(const struct shown *s, struct buf *out)
{
	const struct catalogue_image *i = &s->image;

	buf_fmt(out,
	    "{\"image_id\":\"%s\",\"extension\":\"%s\",\"media_type\":\"%s\","
	    "\"bytes\":%lld,\"width\":%lu,\"height\":%lu,",
	    i->id.text, sniff_extension(i->sniff.kind),
	    sniff_media_type(i->sniff.kind), (long long)i->bytes,
	    (unsigned long)i->sniff.width, (unsigned long)i->sniff.height);
	describe_text(out, "sha256", view_str(i->sha256.hex));
	buf_add(out, VIEW(","));
	describe_moment(out, "created_at", i->created_at_ms);
	buf_add(out, VIEW(","));
	describe_text(out, "model", i->model);
	if (i->has_seed)
		buf_fmt(out, ",\"seed\":%lu,", (unsigned long)i->seed);
	else
		buf_add(out, VIEW(",\"seed\":null,"));
	describe_text(out, "prompt", i->prompt);
	buf_add(out, VIEW(","));
	describe_text(out, "request_id", i->request_id);
	if (s->is_here)
		buf_fmt(out, ",\"path\":\"" STORE_FOLDER "/%s\"", s->name);
	else
		buf_add(out, VIEW(",\"path\":null"));
	buf_add(out, VIEW(",\"objects\":["));
	buf_add(out, buf_view(&s->objects));
	buf_add(out, VIEW("]}\n"));
}

static void
add_line(struct buf *out, const char *name, struct view value)
{
	buf_fmt(out, "%-10s  ", name);
	if (value.n == 0)
		buf_add(out, VIEW("not known"));
	progress_safe(out, value);
	buf_add(out, VIEW("\n"));
}

static void
add_shown_text(const struct shown *s, struct buf *out)
{
	const struct catalogue_image *i = &s->image;
	struct buf moment = BUF_INIT(PROGRESS_TEXT_MAX);

	describe_time(&moment, i->created_at_ms);
	add_line(out, "image", view_str(i->id.text));
	buf_fmt(out, "kind        %s, %lu x %lu pixels, %lld bytes (",
	    sniff_extension(i->sniff.kind), (unsigned long)i->sniff.width,
	    (unsigned long)i->sniff.height, (long long)i->bytes);
	progress_bytes(out, i->bytes);
	buf_add(out, VIEW(")\n"));
	add_line(out, "sha256", view_str(i->sha256.hex));
	add_line(out, "created", buf_view(&moment));
	add_line(out, "model", i->model);
	if (i->has_seed)
		buf_fmt(out, "seed        %lu\n", (unsigned long)i->seed);
	add_line(out, "prompt", i->prompt);
	add_line(out, "request", i->request_id);
	buf_fmt(out, "file        %s%s\n",
	    s->is_here ? STORE_FOLDER "/" : "not in the local store",
	    s->is_here ? s->name : "");
	buf_add(out, buf_view(&s->objects));
	buf_fini(&moment);
}

static int
show(struct assets *a, const struct image_id *id, struct shown *s,
    struct buf *out, struct fault *f)
{
	struct buf texts = BUF_INIT(CATALOGUE_TEXTS_MAX);
	bool found;
	int rc;

	rc = catalogue_image_find(
	    assets_db(a), id, &found, &s->image, &texts, f);
	if (rc == 0 && !found)
		rc = fault_in(f, FAULT_ABSENT, "image_id",
		    "the catalogue has no image %s", id->text);
	if (rc == 0)
		rc = objects_of_image(assets_db(a), id, on_row, s, f);
	if (rc == 0) {
		const enum sniff_kind kind = s->image.sniff.kind;

		store_name(s->name, id, kind);
		s->is_here = store_size(assets_store(a), id, kind) >= 0;
		(s->json ? add_shown_json : add_shown_text)(s, out);
	}
	buf_fini(&texts);
	return rc;
}

int
listverbs_show(const struct verbs_line *line, struct buf *out, struct fault *f)
{
	struct session s = SESSION_INIT;
	struct shown shown = { .json = line->json,
		.objects = BUF_INIT(DOCUMENT_MAX) };
	struct image_id id;
	int rc = -1;

	if (image_id_parse(&id, view_str(line->words[0]), f) == 0 &&
	    session_open(&s, 0, f) == 0)
		rc = show(s.assets, &id, &shown, out, f);
	buf_fini(&shown.objects);
	session_close(&s);
	return rc;
}
