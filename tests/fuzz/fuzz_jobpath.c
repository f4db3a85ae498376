#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "codec/jobpath.h"
#include "shown.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A good path has no way out, and comes back from its key. */
static void
check_path(struct view text, const struct job_id *job)
{
	struct fault f = FAULT_INIT;
	struct jobpath path, back;
	char key[JOBPATH_KEY_MAX + 1], prefix[JOBPATH_KEY_MAX + 1];

	if (jobpath_parse(&path, text, job, &f) == -1) {
		MUST(f.kind == FAULT_INPUT && f.text[0] != '\0');
		return;
	}
	MUST(strlen(path.text) == text.n);
	MUST(memcmp(path.text, text.p, text.n) == 0);
	MUST(path.text[0] != '/' && path.text[0] != '.');
	MUST(strstr(path.text, "/.") == NULL);
	MUST(strstr(path.text, "//") == NULL);
	MUST(path.text[text.n - 1] != '/');
	jobpath_key(key, job, &path);
	jobpath_prefix(prefix, job);
	MUST(strncmp(key, prefix, strlen(prefix)) == 0);
	jobpath_manifest(prefix, job);
	MUST(strcmp(key, prefix) != 0);
	MUST(jobpath_of_key(&back, view_str(key), job, &f) == 0);
	MUST(strcmp(back.text, path.text) == 0);
}

/* A good key is the one that its path is given. */
static void
check_key(struct view key, const struct job_id *job)
{
	struct fault f = FAULT_INIT;
	struct jobpath path;
	char again[JOBPATH_KEY_MAX + 1];

	if (jobpath_of_key(&path, key, job, &f) == -1) {
		MUST(f.kind == FAULT_INPUT && f.text[0] != '\0');
		return;
	}
	jobpath_key(again, job, &path);
	MUST(strlen(again) == key.n && memcmp(again, key.p, key.n) == 0);
	check_path(view_str(path.text), job);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const folders[] = { "", "final/", "intermediate/" };
	const struct view text = { (const char *)data, size };
	struct job_id jobs[2] = { { "J" } };
	char shown[JOBPATH_SHOWN_SIZE];
	struct buf key;
	size_t i, j;

	memset(jobs[1].text, 'x', IDENT_MAX);
	jobs[1].text[IDENT_MAX] = '\0';
	jobpath_show(shown, text);
	check_shown(shown);
	for (i = 0; i < 2; i++) {
		check_path(text, &jobs[i]);
		check_key(text, &jobs[i]);
		for (j = 0; j < sizeof folders / sizeof folders[0]; j++) {
			key = BUF_INIT(size + JOBPATH_KEY_MAX);
			buf_fmt(&key, "videos/%s/%s", jobs[i].text, folders[j]);
			buf_add(&key, text);
			check_key(buf_view(&key), &jobs[i]);
			buf_fini(&key);
		}
	}
	return 0;
}
