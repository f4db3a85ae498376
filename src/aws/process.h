/*
 * process - runs the credential_process of a profile, without a shell.
 *
 * It gets nothing of ours but the environment: standard input is empty and
 * no other descriptor is open, for that of a worker listens for requests.
 */
#ifndef AWS_PROCESS_H
#define AWS_PROCESS_H

#include <stdint.h>

#include "aws/keys.h"

enum {
	PROCESS_WORDS_MAX = 64,
	PROCESS_COMMAND_MAX = 8192,
	PROCESS_MS = 10 * 1000 /* then it is killed, with its group */
};

/* A command line, split; words end with NULL and lie in text. */
struct process_words {
	char *words[PROCESS_WORDS_MAX + 1];
	char text[PROCESS_COMMAND_MAX + 1];
};

/*
 * Splits as a POSIX shell does: white space, 'as it is', "all but \" and
 * \\", and backslash.  Nothing is expanded.  FAULT_INPUT for none or too
 * many words, a NUL, and a quote or backslash that does not end.
 */
int process_split(
    struct process_words *out, struct view command, struct fault *f);

/*
 * Sets the empty k to what the command prints: a JSON object with Version
 * 1.  Kills it at deadline_ms (clock_ticks_ms), after PROCESS_MS, or once
 * stop_fd (0: none) is readable (FAULT_BUSY).
 * FAULT_INPUT (the command), FAULT_REMOTE (it failed: the first line of its
 * standard error in details; or it printed something else), FAULT_SLOW,
 * FAULT_DISK (no process can be had).
 */
int process_ask(struct creds_keys *k, struct view command, int64_t deadline_ms,
    int stop_fd, struct fault *f);

#endif
