/*
 * The least that a FastCGI worker can be: libfcgi's own loop on the socket
 * at descriptor 0, and the same reply to whatever is asked.
 *
 *   spawn-fcgi -s SOCKET -- noop FILE
 *
 * FILE holds the reply, headers and body.  It ends at SIGTERM.
 */
#include <stdio.h>

#include <fcgiapp.h>

enum { REPLY_MAX = 16384 };

int
main(int argc, char **argv)
{
	static char reply[REPLY_MAX];
	FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
	FCGX_Request request;
	int n;

	if (file == NULL)
		return 2;
	n = (int)fread(reply, 1, sizeof reply, file);
	(void)fclose(file);
	if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) == 0)
		(void)FCGX_PutStr(reply, n, request.out);
	return 0;
}
