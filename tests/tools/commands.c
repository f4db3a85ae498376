/*
 * Runs many commands of `charref` in one process: each line of standard
 * input is one, its words divided by spaces.  After what it printed comes a
 * line "= STATUS".  Without the start of a process for each, tests can try
 * thousands of orders.
 */
#include <stdio.h>
#include <string.h>

#include "app/command.h"

enum { LINE_SIZE = 4096, WORDS_MAX = 16 };

int
main(void)
{
	char line[LINE_SIZE], *words[WORDS_MAX + 1], *rest, *word;
	int n;

	while (fgets(line, sizeof line, stdin) != NULL) {
		n = 0;
		words[n++] = (char[]){ "charref" };
		for (word = strtok_r(line, " \n", &rest);
		     word != NULL && n < WORDS_MAX;
		     word = strtok_r(NULL, " \n", &rest))
			words[n++] = word;
		words[n] = NULL;
		(void)printf("= %d\n", command_run(n, words));
		(void)fflush(stdout);
	}
	return 0;
}
