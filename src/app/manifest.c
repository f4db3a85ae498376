#include "app/manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/media.h"
#include "codec/text.h"

enum {
	DEPTH = 8,
	SKELETON_MAX = 1 << 20, /* the document without its files           */
	NANOSECOND_DIGITS = 9,
	SEEN_FIRST = 256 /* slots; a power of two                           */
};

static const int64_t ns_per_s = 1000000000;
static const int64_t ns_per_ms = 1000000;
static const int64_t ms_per_s = 1000;

/* --- writing --- */

/* A moment in ISO 8601; years outside of 1970 to 9999 become the nearest. */
static void
add_moment(struct buf *out, int64_t unix_s, int digits, int64_t fraction)
{
	char at[TEXT_BASIC_SIZE];

	text_basic_moment(at, unix_s);
	buf_fmt(out, "\"%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%0*" PRId64 "Z\"", at,
	    at + 4, at + 6, at + 9, at + 11, at + 13, digits, fraction);
}

static void
add_moment_ms(struct buf *out, int64_t unix_ms)
{
	const int64_t ms = unix_ms < 0 ? 0 : unix_ms;

	add_moment(out, ms / ms_per_s, 3, ms % ms_per_s);
}

static void
add_moment_ns(struct buf *out, int64_t unix_ns)
{
	const int64_t ns = unix_ns < 0 ? 0 : unix_ns;

	add_moment(out, ns / ns_per_s, NANOSECOND_DIGITS, ns % ns_per_s);
}

void
manifest_begin(struct buf *out, const struct job_id *job, int64_t now_ms)
{
	buf_fmt(out, "{\"version\":%d,\"job_id\":", MANIFEST_VERSION);
	buf_json(out, view_str(job->text));
	buf_add(out, VIEW(",\"created_at\":"));
	add_moment_ms(out, now_ms);
	buf_add(out, VIEW(",\"files\":["));
}

static void
add_image(struct buf *out, const struct catalogue_image *image)
{
	buf_add(out, VIEW(",\"image\":{\"image_id\":"));
	buf_json(out, view_str(image->id.text));
	buf_add(out, VIEW(",\"prompt\":"));
	buf_json(out, image->prompt);
	buf_add(out, VIEW(",\"model\":"));
	buf_json(out, image->model);
	if (image->has_seed)
		buf_fmt(out, ",\"seed\":%" PRIu32, image->seed);
	else
		buf_add(out, VIEW(",\"seed\":null"));
	buf_add(out, VIEW(",\"created_at\":"));
	add_moment_ms(out, image->created_at_ms);
	buf_add(out, VIEW("}"));
}

void
manifest_add(struct buf *out, const struct manifest_file *file, bool first)
{
	MUST(file->bytes >= 0 && file->media_type != NULL &&
	     file->sha256.hex[0] != '\0');
	buf_fmt(out, "%s\n{\"path\":", first ? "" : ",");
	buf_json(out, view_str(file->path.text));
	buf_fmt(out, ",\"bytes\":%" PRId64 ",\"sha256\":", file->bytes);
	buf_json(out, view_str(file->sha256.hex));
	buf_add(out, VIEW(",\"media_type\":"));
	buf_json(out, view_str(file->media_type));
	buf_add(out, VIEW(",\"mtime\":"));
	add_moment_ns(out, file->mtime_ns);
	if (file->image != NULL)
		add_image(out, file->image);
	buf_add(out, VIEW("}"));
}

void
manifest_end(struct buf *out)
{
	buf_add(out, VIEW("\n]}\n"));
}

/* --- the paths of one document: is one there twice? --- */

/* Half of SHA-256: strangers cannot make two paths that share it. */
struct fingerprint {
	uint64_t half[2]; /* 0, 0: a free slot */
};

/* Open addressing, at most half full. */
struct seen {
	struct fingerprint *slots; /* owned */
	size_t size;               /* a power of two, or 0 */
	size_t used;
};

static struct fingerprint *
slot_of(const struct seen *s, const struct fingerprint *print)
{
	size_t i = (size_t)print->half[0] & (s->size - 1);
	const struct fingerprint *at = &s->slots[i];

	while (
	    (at->half[0] | at->half[1]) != 0 &&
	    (at->half[0] != print->half[0] || at->half[1] != print->half[1])) {
		i = (i + 1) & (s->size - 1);
		at = &s->slots[i];
	}
	return &s->slots[i];
}

static int
grow(struct seen *s, struct fault *f)
{
	struct seen more = { .size = s->size == 0 ? SEEN_FIRST : s->size * 2 };
	size_t i;

	more.slots = calloc(more.size, sizeof *more.slots);
	if (more.slots == NULL)
		return fault_set(f, FAULT_MEMORY, "remember the paths");
	for (i = 0; i < s->size; i++)
		if ((s->slots[i].half[0] | s->slots[i].half[1]) != 0)
			*slot_of(&more, &s->slots[i]) = s->slots[i];
	more.used = s->used;
	free(s->slots);
	*s = more;
	return 0;
}

static int
see(struct seen *s, const char *path, bool *again, struct fault *f)
{
	struct fingerprint print, *slot;
	struct digest d;

	if (digest_sha256(&d, view_str(path), f) == -1 ||
	    (s->used * 2 >= s->size && grow(s, f) == -1))
		return -1;
	d.hex[32] = '\0';
	print.half[1] = strtoull(d.hex + 16, NULL, 16);
	d.hex[16] = '\0';
	print.half[0] = strtoull(d.hex, NULL, 16);
	slot = slot_of(s, &print);
	*again = (slot->half[0] | slot->half[1]) != 0;
	*slot = print;
	s->used += *again ? 0 : 1;
	return 0;
}

/* --- reading --- */

/*
 * A document in three: its files would take far more memory read at once
 * than one after the other.  What stands around them, with nothing between
 * the brackets, is JSON of its own, and so is each of them.
 */
struct parts {
	struct view head;  /* up to the bracket that opens the files */
	struct view files; /* between the brackets                   */
	struct view tail;  /* from the bracket that closes them      */
};

/* Something being read, byte by byte. */
struct scan {
	const char *p;
	const char *end;
};

static int
refuse(const char *why, struct fault *f)
{
	return fault_set(f, FAULT_INPUT, "no manifest: %s", why);
}

/* Passes a string, at whose opening quote it is. */
static void
pass_string(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++)
		if (*s->p == '\\' && s->p + 1 < s->end)
			s->p++;
	if (s->p < s->end)
		s->p++;
}

/*
 * Passes a value, up to the comma or the bracket behind it, or the end.
 * What is no JSON may be passed wrongly: whoever reads it will say so.
 */
static void
pass_value(struct scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		if (*s->p == '"') {
			pass_string(s);
			continue;
		}
		if (depth == 0 &&
		    (*s->p == ',' || *s->p == ']' || *s->p == '}'))
			return;
		if (*s->p == '[' || *s->p == '{')
			depth++;
		else if (*s->p == ']' || *s->p == '}')
			depth--;
		s->p++;
	}
}

static void
pass_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' ||
				    *s->p == '\r' || *s->p == '\n'))
		s->p++;
}

/* Is that byte next?  Then passes it, and white space behind it. */
static bool
pass_byte(struct scan *s, char c)
{
	if (s->p >= s->end || *s->p != c)
		return false;
	s->p++;
	pass_space(s);
	return true;
}

/* Passes the members of the document up to the files, bracket included. */
static bool
find_files(struct scan *s)
{
	const char *name;
	bool is_files;

	pass_space(s);
	if (!pass_byte(s, '{'))
		return false;
	do {
		name = s->p;
		if (s->p >= s->end || *s->p != '"')
			return false;
		pass_string(s);
		is_files = view_is(
		    (struct view){ name, (size_t)(s->p - name) }, "\"files\"");
		pass_space(s);
		if (!pass_byte(s, ':'))
			return false;
		if (is_files && s->p < s->end && *s->p == '[') {
			s->p++;
			return true;
		}
		pass_value(s);
	} while (pass_byte(s, ','));
	return false;
}

static int
divide(struct view text, struct parts *out, struct fault *f)
{
	struct scan s = { text.p, text.p + text.n };
	const char *files;

	if (!find_files(&s))
		return refuse("it has no array \"files\"", f);
	files = s.p;
	do
		pass_value(&s);
	while (pass_byte(&s, ','));
	out->head = (struct view){ text.p, (size_t)(files - text.p) };
	out->files = (struct view){ files, (size_t)(s.p - files) };
	out->tail = (struct view){ s.p, (size_t)(s.end - s.p) };
	return 0;
}

/* As json_open, but any number that is none for us makes it none of ours. */
static int
open_json(struct json_doc **out, struct view text, struct fault *f)
{
	if (json_open(out, text, DEPTH, f) == 0)
		return 0;
	if (f->kind == FAULT_RANGE)
		f->kind = FAULT_INPUT;
	return -1;
}

/* The value of a member that must be a string. */
static int
read_text(const struct json_value *of, const char *name, struct view *out,
    struct fault *f)
{
	const struct json_value *v = json_member(of, name);

	if (json_kind(v) != JSON_KIND_TEXT)
		return fault_set(f, FAULT_INPUT, "its \"%s\" is %s, no string",
		    name, json_kind_word(json_kind(v)));
	*out = json_text(v);
	return 0;
}

static int
check_whose(
    const struct json_value *root, const struct job_id *job, struct fault *f)
{
	const int64_t version =
	    json_integer_or(json_member(root, "version"), 0);
	struct view id;

	if (version < 1)
		return refuse("it has no version", f);
	if (version != MANIFEST_VERSION)
		return fault_set(f, FAULT_INPUT,
		    "the manifest is of version %" PRId64
		    ", and this program reads version %d",
		    version, MANIFEST_VERSION);
	if (read_text(root, "job_id", &id, f) == -1)
		return fault_while(f, "no manifest");
	if (!view_is(id, job->text))
		return fault_set(
		    f, FAULT_INPUT, "the manifest is another job's");
	return 0;
}

/* What stands around the files: a document of its own, and of that job. */
static int
check_skeleton(
    const struct parts *parts, const struct job_id *job, struct fault *f)
{
	struct buf skeleton = BUF_INIT(SKELETON_MAX);
	struct json_doc *doc = NULL;
	int rc = -1;

	if (parts->head.n + parts->tail.n > SKELETON_MAX) {
		(void)refuse("too much stands around its files", f);
		goto out;
	}
	buf_add(&skeleton, parts->head);
	buf_add(&skeleton, parts->tail);
	if (buf_done(&skeleton, f) == -1)
		goto out;
	if (open_json(&doc, buf_view(&skeleton), f) == -1) {
		(void)fault_while(f, "around the manifest's files");
		goto out;
	}
	rc = check_whose(json_root(doc), job, f);
out:
	json_close(&doc);
	buf_fini(&skeleton);
	return rc;
}

/* Nanoseconds in the fraction of a moment ("…:00.5Z"), cut; 0 without. */
static int64_t
fraction_of(struct view moment)
{
	const char *p = memchr(moment.p, '.', moment.n);
	int64_t ns = 0;
	int digits;

	if (p == NULL)
		return 0;
	p++; /* a Z or +00:00 stands behind the digits: text_moment_s saw it */
	for (digits = 0; digits < NANOSECOND_DIGITS; digits++) {
		ns *= 10;
		if (*p >= '0' && *p <= '9')
			ns += *p++ - '0';
	}
	return ns;
}

/* Whole seconds, and the nanoseconds beside them. */
static int
read_moment(const struct json_value *of, const char *name, int64_t *s,
    int64_t *fraction_ns, struct fault *f)
{
	struct view v;

	if (read_text(of, name, &v, f) == -1)
		return -1;
	if (!text_moment_s(v, s))
		return fault_set(f, FAULT_INPUT,
		    "its \"%s\" is no moment in UTC, of 1970 to 9999", name);
	*fraction_ns = fraction_of(v);
	return 0;
}

/* A moment that nanoseconds cannot count becomes the last that they can. */
static int
read_moment_ns(
    const struct json_value *of, const char *name, int64_t *ns, struct fault *f)
{
	int64_t s, fraction_ns;

	if (read_moment(of, name, &s, &fraction_ns, f) == -1)
		return -1;
	if (__builtin_mul_overflow(s, ns_per_s, ns) ||
	    __builtin_add_overflow(*ns, fraction_ns, ns))
		*ns = INT64_MAX;
	return 0;
}

static int
read_moment_ms(
    const struct json_value *of, const char *name, int64_t *ms, struct fault *f)
{
	int64_t s, fraction_ns;

	if (read_moment(of, name, &s, &fraction_ns, f) == -1)
		return -1;
	*ms = s * ms_per_s + fraction_ns / ns_per_ms;
	return 0;
}

static int
read_digest(const struct json_value *of, struct digest *out, struct fault *f)
{
	struct view v;

	if (read_text(of, "sha256", &v, f) == -1)
		return -1;
	if (v.n != sizeof out->hex - 1 ||
	    strspn(v.p, "0123456789abcdef") != v.n)
		return fault_set(f, FAULT_INPUT,
		    "its \"sha256\" is not 64 digits of 0-9 a-f");
	memcpy(out->hex, v.p, sizeof out->hex);
	return 0;
}

/* As it may stand in a header. */
static int
read_media_type(const struct json_value *of, const char **out, struct fault *f)
{
	struct view v;
	size_t i;

	if (read_text(of, "media_type", &v, f) == -1)
		return -1;
	for (i = 0; i < v.n && v.p[i] >= ' ' && v.p[i] <= '~'; i++)
		;
	if (i < v.n || v.n == 0 || v.n > MEDIA_TYPE_MAX)
		return fault_set(
		    f, FAULT_INPUT, "its \"media_type\" is no media type");
	*out = v.p;
	return 0;
}

static int
read_bytes(const struct json_value *of, int64_t *out, struct fault *f)
{
	*out = json_integer_or(json_member(of, "bytes"), -1);
	if (*out < 0)
		return fault_set(
		    f, FAULT_INPUT, "its \"bytes\" is no number of bytes");
	return 0;
}

static int
read_seed(
    const struct json_value *of, struct catalogue_image *out, struct fault *f)
{
	const struct json_value *v = json_member(of, "seed");
	const int64_t seed = json_integer_or(v, -1);

	out->has_seed = json_kind(v) == JSON_KIND_INTEGER;
	out->seed = (uint32_t)seed;
	if (json_kind(v) == JSON_KIND_ABSENT || json_kind(v) == JSON_KIND_NULL)
		return 0;
	if (seed < 0 || seed > UINT32_MAX)
		return fault_set(f, FAULT_INPUT, "its \"seed\" is no seed");
	return 0;
}

static int
read_image(
    const struct json_value *v, struct catalogue_image *out, struct fault *f)
{
	struct fault why = FAULT_INIT;
	struct view id;

	if (json_kind(v) != JSON_KIND_OBJECT)
		return fault_set(f, FAULT_INPUT, "it is %s, no object",
		    json_kind_word(json_kind(v)));
	if (read_text(v, "image_id", &id, f) == -1)
		return -1;
	if (image_id_parse(&out->id, id, &why) == -1)
		return fault_set(f, FAULT_INPUT, "%s", why.text);
	if (read_text(v, "prompt", &out->prompt, f) == -1 ||
	    read_text(v, "model", &out->model, f) == -1 ||
	    read_seed(v, out, f) == -1 ||
	    read_moment_ms(v, "created_at", &out->created_at_ms, f) == -1)
		return -1;
	return 0;
}

/* One file of a document, its texts lent by `of`. */
struct entry {
	struct view path; /* as it stands there */
	struct manifest_file file;
	struct catalogue_image image;
};

/*
 * An image of a format that we do not know is a file like others: a newer
 * program may have written of it.
 */
static int
attach_image(const struct json_value *v, struct entry *e, struct fault *f)
{
	const char *dot =
	    e->path.n == 0 ? NULL : memrchr(e->path.p, '.', e->path.n);

	if (json_kind(v) == JSON_KIND_ABSENT || json_kind(v) == JSON_KIND_NULL)
		return 0;
	if (read_image(v, &e->image, f) == -1)
		return fault_while(f, "its \"image\"");
	e->image.bytes = e->file.bytes;
	e->image.sha256 = e->file.sha256;
	if (dot != NULL &&
	    sniff_of_extension(view_str(dot + 1), &e->image.sniff.kind))
		e->file.image = &e->image;
	return 0;
}

/* All of an entry but its path, which is only found. */
static int
read_entry(const struct json_value *v, struct entry *out, struct fault *f)
{
	*out = (struct entry){ .path = VIEW("") };
	if (json_kind(v) != JSON_KIND_OBJECT)
		return fault_set(f, FAULT_INPUT, "it is %s, no object",
		    json_kind_word(json_kind(v)));
	if (read_text(v, "path", &out->path, f) == -1 ||
	    read_bytes(v, &out->file.bytes, f) == -1 ||
	    read_digest(v, &out->file.sha256, f) == -1 ||
	    read_media_type(v, &out->file.media_type, f) == -1 ||
	    read_moment_ns(v, "mtime", &out->file.mtime_ns, f) == -1)
		return -1;
	return attach_image(json_member(v, "image"), out, f);
}

/* A document on its way through its reader. */
struct reading {
	const struct manifest_reader *reader; /* NULL: only to be checked */
	const struct job_id *job;
	struct seen seen;
};

/* A path that cannot be, by name. */
static int
refuse_file(const struct reading *r, struct view path, const struct fault *why,
    struct fault *f)
{
	char shown[JOBPATH_SHOWN_SIZE];

	jobpath_show(shown, path);
	return r->reader->refused(r->reader->arg, shown, why, f);
}

static int
hand_over(struct reading *r, struct entry *e, struct fault *f)
{
	struct fault why = FAULT_INIT;
	bool again;

	if (jobpath_parse(&e->file.path, e->path, r->job, &why) == -1)
		return refuse_file(r, e->path, &why, f);
	if (see(&r->seen, e->file.path.text, &again, f) == -1)
		return -1;
	if (again) {
		(void)fault_set(
		    &why, FAULT_INPUT, "comes twice in the manifest");
		return refuse_file(r, e->path, &why, f);
	}
	return r->reader->file(r->reader->arg, &e->file, f);
}

/* The piece of text that should be the file of that number. */
static int
read_piece(struct reading *r, struct view piece, size_t at, struct fault *f)
{
	struct json_doc *doc = NULL;
	struct entry e;
	int rc = open_json(&doc, piece, f);

	if (rc == 0)
		rc = read_entry(json_root(doc), &e, f);
	if (rc == -1)
		(void)fault_while(f, "files[%zu] of the manifest", at);
	if (rc == 0 && r->reader != NULL)
		rc = hand_over(r, &e, f);
	json_close(&doc);
	return rc;
}

static int
read_files(struct reading *r, struct view files, struct fault *f)
{
	struct scan s = { files.p, files.p + files.n };
	const char *piece;
	size_t at = 0;

	pass_space(&s);
	if (s.p == s.end)
		return 0;
	do {
		piece = s.p;
		pass_value(&s);
		if (read_piece(r, (struct view){ piece, (size_t)(s.p - piece) },
			at++, f) == -1)
			return -1;
	} while (pass_byte(&s, ','));
	return 0;
}

/* Twice, so that nothing is handed over of what turns out to be no manifest
 * further down. */
int
manifest_read(struct view text, const struct job_id *job,
    const struct manifest_reader *reader, struct fault *f)
{
	struct reading r = { .job = job };
	struct parts parts;
	int rc = -1;

	if (divide(text, &parts, f) == 0 && check_skeleton(&parts, job, f) == 0)
		rc = read_files(&r, parts.files, f);
	r.reader = reader;
	if (rc == 0)
		rc = read_files(&r, parts.files, f);
	free(r.seen.slots);
	return rc;
}
