/*
 * charref-pool - keeps N workers alive on the socket at descriptor 0:
 * spawn-fcgi -n -s SOCKET -- charref-pool 8 charref-fcgi
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/text.h"
#include "pool/pool.h"

enum { USAGE_STATUS = 2 };

static int
print_usage(void)
{
	(void)fprintf(stderr,
	    "usage: charref-pool [-k SECONDS] [-p PIDFILE] N COMMAND "
	    "[ARG...]\n"
	    "N is 0 to %d; after SECONDS (%d) workers that do not leave are "
	    "killed\n",
	    POOL_WORKERS_MAX, POOL_LEAVE_S);
	return USAGE_STATUS;
}

static bool
is_number(const char *text, int64_t max, int64_t *out)
{
	return text_number(view_str(text), out) && *out >= 0 && *out <= max;
}

/* Options end at N: those after it are the command's. */
static bool
read_arguments(int argc, char **argv, struct pool_setup *setup)
{
	int c;

	while ((c = getopt(argc, argv, "+k:p:")) != -1)
		if (c == 'p')
			setup->pid_file = optarg;
		else if (c != 'k' ||
			 !is_number(optarg, POOL_LEAVE_S_MAX, &setup->leave_s))
			return false;
	if (argc - optind < 2 ||
	    !is_number(argv[optind], POOL_WORKERS_MAX, &setup->workers))
		return false;
	setup->command = argv + optind + 1;
	return true;
}

int
main(int argc, char **argv)
{
	struct pool_setup setup = { .leave_s = POOL_LEAVE_S };
	struct fault f = FAULT_INIT;
	int status = 1;

	if (!read_arguments(argc, argv, &setup))
		return print_usage();
	if (pool_run(&setup, &status, &f) == -1)
		log_event(LOG_ERROR, "gave up",
		    LOG_TEXT("message", view_str(f.text)));
	return status;
}
