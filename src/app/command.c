#include "app/command.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "app/describe.h"
#include "app/doctor.h"
#include "app/jobverbs.h"
#include "app/listverbs.h"
#include "app/sharing.h"
#include "app/start.h"
#include "app/verbs.h"
#include "base/secret.h"

enum { OUTPUT_MAX = 64 << 20 }; /* a big job's troubles all go in */

enum {
	JOB = 1 << 0,
	BASE = 1 << 1,
	EXTENSION = 1 << 2,
	EXPIRES = 1 << 3,
	JSON = 1 << 4,
	ALL = 1 << 5,
	MARKDOWN = 1 << 6,
	FORCE = 1 << 7
};

struct verb {
	const char *name;
	verbs_function *run;
	int options;
	size_t least; /* other words */
	size_t most;
	const char *usage;
	const char *sentence;
};

static const struct verb verbs[] = {
	{ "persist", verbs_persist, JOB | JSON, 1, 2,
	    "persist IMAGE [FILE] [--job JOB] [--json]",
	    "bring an image, or a file under its id, to the bucket" },
	{ "associate", verbs_associate, BASE | JSON, 2, VERBS_WORDS_MAX,
	    "associate JOB IMAGE... [--base FOLDER] [--json]",
	    "copy images into a job's folder and its place in the bucket" },
	{ "url", verbs_url, JOB | EXTENSION | EXPIRES | JSON, 1, 1,
	    "url IMAGE [--job JOB] [--extension E] [--expires SECONDS] "
	    "[--json]",
	    "presign an image that is in the bucket" },
	{ "persist-job", jobverbs_persist, JSON | FORCE, 2, 2,
	    "persist-job JOB FOLDER [--force] [--json]",
	    "bring a job's folder to the bucket, its images included" },
	{ "download-job", jobverbs_download, JSON, 2, 2,
	    "download-job JOB FOLDER [--json]",
	    "bring a job's folder back from the bucket" },
	{ "verify-job", jobverbs_verify, JSON, 2, 2,
	    "verify-job JOB FOLDER [--json]",
	    "compare a job's folder with its manifest and the bucket" },
	{ "jobs-folder", sharing_verb, 0, 1, 1, "jobs-folder FOLDER",
	    "let the group write in a folder of jobs and all below it" },
	{ "ls", listverbs_list, JOB | JSON, 0, 0, "ls [--job JOB] [--json]",
	    "the images, or those of a job, the newest last" },
	{ "show", listverbs_show, JSON, 1, 1, "show IMAGE [--json]",
	    "all that is known of an image" },
	{ "uploader", verbs_uploader, 0, 0, 0, "uploader",
	    "the daemon that uploads what waits and watches the bucket" },
	{ "status", verbs_status, JSON, 0, 0, "status [--json]",
	    "what waits, what failed, and how the bucket is" },
	{ "doctor", doctor_verb, JSON, 0, 0, "doctor [--json]",
	    "is everything as the service needs it, and what to do if not" },
	{ "retry", verbs_retry, ALL, 0, 1, "retry IMAGE | --all",
	    "let failed uploads wait again" },
	{ "reindex", verbs_reindex, 0, 0, 0, "reindex",
	    "make the catalogue say what folder and bucket have" },
	{ "backup", verbs_backup, 0, 1, 1, "backup FILE",
	    "write the catalogue of this moment to a new file" },
	{ "config", verbs_config, MARKDOWN, 0, VERBS_WORDS_MAX,
	    "config [NAME... | --markdown]",
	    "the settings in force, some of them, or the table of all" },
	{ "changes", verbs_changes, JSON, 0, 1, "changes [GROUP] [--json]",
	    "settings that differ from those of the processes that run; fails "
	    "when these would open the service" },
	{ "key", verbs_key, JSON, 0, 0, "key [--json]",
	    "make an API key, and its hash for API_KEY" },
	{ "routes", verbs_routes, 0, 0, 0, "routes",
	    "METHOD PATH POOL of the service" },
};

static const size_t verbs_count = sizeof verbs / sizeof verbs[0];

/* --- the command line --- */

static const struct option {
	const char *name;
	int bit;
	size_t value; /* where it goes in struct verbs_line */
	bool is_flag;
} options[] = {
	{ "--job", JOB, offsetof(struct verbs_line, job), false },
	{ "--base", BASE, offsetof(struct verbs_line, base), false },
	{ "--extension", EXTENSION, offsetof(struct verbs_line, extension),
	    false },
	{ "--expires", EXPIRES, offsetof(struct verbs_line, expires), false },
	{ "--json", JSON, offsetof(struct verbs_line, json), true },
	{ "--all", ALL, offsetof(struct verbs_line, all), true },
	{ "--markdown", MARKDOWN, offsetof(struct verbs_line, markdown), true },
	{ "--force", FORCE, offsetof(struct verbs_line, force), true },
};

static const struct option *
find_option(const char *name, int allowed)
{
	size_t i;

	for (i = 0; i < sizeof options / sizeof options[0]; i++)
		if (strcmp(options[i].name, name) == 0 &&
		    (options[i].bit & allowed) != 0)
			return &options[i];
	return NULL;
}

static int
read_option(
    struct verbs_line *line, const struct option *option, const char *value)
{
	char *at = (char *)line + option->value;

	if (option->is_flag)
		*(bool *)(void *)at = true;
	else if (value == NULL)
		return -1;
	else
		*(const char **)(void *)at = value;
	return 0;
}

/* Words after "--" are no options. */
static int
read_line(
    const struct verb *verb, int argc, char **argv, struct verbs_line *line)
{
	const struct option *option;
	bool ended = false;
	int i;

	for (i = 2; i < argc; i++) {
		if (!ended && strcmp(argv[i], "--") == 0) {
			ended = true;
		} else if (!ended && argv[i][0] == '-' && argv[i][1] != '\0') {
			option = find_option(argv[i], verb->options);
			if (option == NULL ||
			    read_option(line, option, argv[i + 1]) == -1)
				return -1;
			i += !option->is_flag;
		} else if (line->n == verb->most) {
			return -1;
		} else {
			line->words[line->n++] = argv[i];
		}
	}
	return line->n < verb->least ? -1 : 0;
}

static void
print_usage(FILE *to)
{
	const struct verb *verb;

	for (verb = verbs; verb < verbs + verbs_count; verb++)
		(void)fprintf(to, "%s charref %s\n           %s\n",
		    verb == verbs ? "usage:" : "      ", verb->usage,
		    verb->sentence);
	(void)fputs("exit status: 0 done, 1 failed, 2 usage, 3 not found, "
		    "4 changes refused\n",
	    to);
}

/* --- running --- */

static int
status_of(const struct verb *verb, const struct fault *f)
{
	switch (f->kind) {
	case FAULT_CONFLICT:
		return verb->run == verbs_changes ? COMMAND_REFUSED
						  : COMMAND_FAILED;
	case FAULT_ABSENT:
		return COMMAND_ABSENT;
	case FAULT_RANGE:
		return COMMAND_USAGE;
	case FAULT_INPUT: /* a bad id; a bad file is a failure */
		return f->field != NULL && strstr(f->field, "_id") != NULL
			   ? COMMAND_USAGE
			   : COMMAND_FAILED;
	default:
		return COMMAND_FAILED;
	}
}

/* For programs a failure is JSON, too, unless there is better. */
static void
report(const struct verbs_line *line, const struct fault *f, struct buf *out)
{
	if (f->kind == FAULT_NONE)
		return;
	if (line->json && out->len == 0) {
		describe_fault(f, VIEW(""), out);
		buf_add(out, VIEW("\n"));
	}
	(void)start_print_fault(f);
}

static int
run(const struct verb *verb, const struct verbs_line *line)
{
	struct buf out = BUF_INIT(OUTPUT_MAX);
	struct fault f = FAULT_INIT;
	int status = COMMAND_DONE;

	if (verb->run(line, &out, &f) == -1) {
		status = status_of(verb, &f);
		report(line, &f, &out);
	}
	f = FAULT_INIT;
	if (buf_done(&out, &f) == -1)
		status = start_print_fault(&f);
	else if (fputs(buf_str(&out), stdout) == EOF || fflush(stdout) == EOF)
		status = COMMAND_FAILED;
	secret_buf_fini(&out);
	return status;
}

static const struct verb *
find_verb(const char *name)
{
	const struct verb *verb;

	for (verb = verbs; verb < verbs + verbs_count; verb++)
		if (strcmp(verb->name, name) == 0)
			return verb;
	return NULL;
}

int
command_run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	const struct verb *verb = find_verb(name);
	struct verbs_line line = { .n = 0 };

	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0) {
		print_usage(stdout);
		return fflush(stdout) == EOF ? COMMAND_FAILED : COMMAND_DONE;
	}
	if (verb == NULL || read_line(verb, argc, argv, &line) == -1) {
		print_usage(stderr);
		return COMMAND_USAGE;
	}
	return run(verb, &line);
}
