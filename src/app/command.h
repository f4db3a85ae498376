/*
 * command - the operator's hand: the verbs of `charref`, one table.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

enum {
	COMMAND_DONE,
	COMMAND_FAILED,
	COMMAND_USAGE,
	COMMAND_ABSENT, /* not found */
	COMMAND_REFUSED /* changes: these settings may not take over */
};

/* Runs what the arguments say; the exit status, one of the above. */
int command_run(int argc, char **argv);

#endif
