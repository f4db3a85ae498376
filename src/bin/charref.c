/*
 * charref - the operator's hand, and the uploader's daemon.
 */
#include "app/command.h"

int
main(int argc, char **argv)
{
	return command_run(argc, argv);
}
