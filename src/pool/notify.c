#include "pool/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
send_to(const struct sockaddr_un *to, size_t size, const char *lines,
    struct fault *f)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd == -1)
		return fault_sys(f, FAULT_DISK, "notify the service manager");
	/* MSG_DONTWAIT: a manager that does not read holds nobody up. */
	if (sendto(fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)to, (socklen_t)size) == -1)
		rc = fault_sys(f, FAULT_DISK, "notify the service manager");
	(void)close(fd);
	return rc;
}

int
notify_send(const char *lines, struct fault *f)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *const name = getenv("NOTIFY_SOCKET");
	size_t n;

	if (name == NULL || name[0] == '\0')
		return 0;
	n = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || n < 2 ||
	    n >= sizeof to.sun_path)
		return fault_set(f, FAULT_INPUT,
		    "NOTIFY_SOCKET names no unix socket: %.120s", name);
	memcpy(to.sun_path, name, n);
	/* An abstract name has a NUL for its @, and ends without one. */
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	return send_to(&to,
	    offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'),
	    lines, f);
}
