#include "codec/jobpath.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec/text.h"

#define ROOT "videos/"
#define FINAL "final/"
#define INTERMEDIATE "intermediate/"
#define MANIFEST "manifest.json"

/* The character (code point) that v begins with, and its bytes; 0 bytes
 * when it is none (RFC 3629). */
static size_t
character(struct view v, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)v.p;
	size_t n, i;

	n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if ((p[0] >= 0x80 && p[0] < 0xc0) || p[0] >= 0xf8 || n > v.n)
		return 0;
	*point = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (p[i] & 0x3f);
	}
	if (*point < least[n] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point <= 0xdfff))
		return 0;
	return n;
}

/* Unicode's category Cc: C0, DEL and C1. */
static bool
is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0);
}

static int
check_characters(struct view text, struct fault *f)
{
	uint32_t point;
	size_t n;

	for (; text.n > 0; text.p += n, text.n -= n) {
		n = character(text, &point);
		if (n == 0)
			return fault_set(f, FAULT_INPUT, "is not UTF-8");
		if (is_control(point))
			return fault_set(
			    f, FAULT_INPUT, "has a control character");
	}
	return 0;
}

static int
check_name(struct view name, struct fault *f)
{
	if (name.n == 0)
		return fault_set(f, FAULT_INPUT, "has an empty name in it");
	if (name.p[0] == '.')
		return fault_set(
		    f, FAULT_INPUT, "has a name that begins with a dot");
	if (name.n > JOBPATH_NAME_MAX)
		return fault_set(f, FAULT_INPUT,
		    "has a name of more than %d bytes", JOBPATH_NAME_MAX);
	return 0;
}

static int
check_names(struct view text, struct fault *f)
{
	struct view rest = text, name;
	int depth = 0;

	/* The name behind a '/' at the end is one that the loop does not see.
	 */
	if (text.p[text.n - 1] == '/')
		return check_name(VIEW(""), f);
	while (text_split(&rest, '/', &name)) {
		if (check_name(name, f) == -1)
			return -1;
		if (++depth > JOBPATH_DEPTH_MAX)
			return fault_set(f, FAULT_INPUT,
			    "is more than %d names deep", JOBPATH_DEPTH_MAX);
	}
	return 0;
}

/* The folder of the bucket that a path is kept in, with its '/'; final/
 * is kept as it is. */
static const char *
folder_of(struct view path)
{
	return view_begins(path, FINAL) ? "" : INTERMEDIATE;
}

int
jobpath_parse(struct jobpath *out, struct view text, const struct job_id *job,
    struct fault *f)
{
	const size_t added =
	    strlen(ROOT) + strlen(job->text) + 1 + strlen(folder_of(text));

	if (text.n == 0)
		return fault_set(f, FAULT_INPUT, "is empty");
	if (text.n > JOBPATH_KEY_MAX - added)
		return fault_set(f, FAULT_INPUT,
		    "is too long: its key would have more than %d bytes",
		    JOBPATH_KEY_MAX);
	if (check_characters(text, f) == -1 || check_names(text, f) == -1)
		return -1;
	memcpy(out->text, text.p, text.n);
	out->text[text.n] = '\0';
	return 0;
}

static void
write_key(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job,
    const char *folder, const char *rest)
{
	int n;

	MUST(job->text[0] != '\0');
	n = snprintf(
	    out, JOBPATH_KEY_MAX + 1, ROOT "%s/%s%s", job->text, folder, rest);
	MUST(n > 0 && n <= JOBPATH_KEY_MAX);
}

void
jobpath_key(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job,
    const struct jobpath *path)
{
	write_key(out, job, folder_of(view_str(path->text)), path->text);
}

void
jobpath_prefix(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job)
{
	write_key(out, job, "", "");
}

void
jobpath_manifest(char out[JOBPATH_KEY_MAX + 1], const struct job_id *job)
{
	write_key(out, job, "", MANIFEST);
}

int
jobpath_of_key(struct jobpath *out, struct view key, const struct job_id *job,
    struct fault *f)
{
	char prefix[JOBPATH_KEY_MAX + 1];
	struct view path = key;

	jobpath_prefix(prefix, job);
	if (!view_begins(key, prefix))
		return fault_set(f, FAULT_INPUT, "is not below the job");
	path.p += strlen(prefix);
	path.n -= strlen(prefix);
	if (view_begins(path, INTERMEDIATE)) {
		path.p += strlen(INTERMEDIATE);
		path.n -= strlen(INTERMEDIATE);
		/* Two keys must not stand for one path. */
		if (view_begins(path, FINAL))
			return fault_set(f, FAULT_INPUT,
			    "is below " INTERMEDIATE
			    ", but its path belongs below " FINAL);
	} else if (!view_begins(path, FINAL)) {
		return fault_set(f, FAULT_INPUT,
		    "is neither below " FINAL " nor below " INTERMEDIATE);
	}
	return jobpath_parse(out, path, job, f);
}

void
jobpath_show(char out[JOBPATH_SHOWN_SIZE], struct view text)
{
	static const char cut[] = "...";
	const size_t room = JOBPATH_SHOWN_SIZE - sizeof cut;
	size_t at = 0, n, bytes;
	uint32_t point;

	for (; text.n > 0; text.p += bytes, text.n -= bytes) {
		n = bytes = character(text, &point);
		if (bytes == 0 || is_control(point) || point == '\\') {
			bytes = 1;
			n = strlen("\\x00");
		}
		if (n > room - at)
			break;
		if (n == bytes)
			memcpy(out + at, text.p, n);
		else
			(void)snprintf(out + at, n + 1, "\\x%02x",
			    (unsigned)(unsigned char)text.p[0]);
		at += n;
	}
	memcpy(out + at, text.n > 0 ? cut : "", text.n > 0 ? sizeof cut : 1);
}
