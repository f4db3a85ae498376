#include <stdint.h>
#include <string.h>

#include "app/manifest.h"
#include "shown.h"

enum { LIMIT = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct job_id job = { "job-1" };

/* What a document held, written anew. */
struct copy {
	struct buf text;
	size_t files;
	size_t refused;
};

static void
check_hash(const struct digest *d)
{
	MUST(strspn(d->hex, "0123456789abcdef") == 64 && d->hex[64] == '\0');
}

/* What is handed over keeps every promise of its type. */
static int
check_file(void *arg, const struct manifest_file *file, struct fault *f)
{
	struct jobpath path;
	struct image_id id;
	struct copy *c = arg;

	MUST(jobpath_parse(&path, view_str(file->path.text), &job, f) == 0);
	MUST(file->bytes >= 0 && file->mtime_ns >= 0);
	MUST(file->media_type[0] != '\0');
	check_hash(&file->sha256);
	if (file->image != NULL) {
		MUST(image_id_parse(&id, view_str(file->image->id.text), f) ==
		     0);
		MUST(file->image->bytes == file->bytes);
		MUST((size_t)file->image->sniff.kind < SNIFF_KINDS);
	}
	if (c->text.limit > 0)
		manifest_add(&c->text, file, c->files == 0);
	c->files++;
	return 0;
}

static int
check_refused(
    void *arg, const char *shown, const struct fault *why, struct fault *f)
{
	struct copy *c = arg;

	(void)f;
	check_shown(shown);
	MUST(why->kind == FAULT_INPUT && why->text[0] != '\0');
	c->refused++;
	return 0;
}

/* What was accepted and is written anew is read again, whole. */
static void
check_again(const struct copy *first)
{
	struct copy again = { .text = BUF_INIT(0) };
	const struct manifest_reader reader = { check_file, check_refused,
		&again };
	struct fault f = FAULT_INIT;

	MUST(!first->text.spoilt);
	MUST(manifest_read(buf_view(&first->text), &job, &reader, &f) == 0);
	MUST(again.files == first->files && again.refused == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct copy c = { .text = BUF_INIT(LIMIT) };
	const struct manifest_reader reader = { check_file, check_refused, &c };
	const struct view text = { (const char *)data, size };
	struct fault f = FAULT_INIT;

	manifest_begin(&c.text, &job, 0);
	if (manifest_read(text, &job, &reader, &f) == -1) {
		MUST(f.kind == FAULT_INPUT && f.text[0] != '\0');
		MUST(c.files + c.refused == 0);
	} else {
		manifest_end(&c.text);
		check_again(&c);
	}
	buf_fini(&c.text);
	return 0;
}
