#include "app/session.h"

#include <unistd.h>

#include "app/start.h"
#include "base/clock.h"

int
session_open(struct session *s, int how, struct fault *f)
{
	/* Before anything is open that might begin threads. */
	if ((how & SESSION_HEEDS) != 0 && start_stop_fd(&s->stop_fd, f) == -1)
		return -1;
	if (start_command(&s->conf) == -1 ||
	    assets_open(&s->assets, s->conf, CLOUD_COMMAND,
		s->stop_fd == -1 ? 0 : s->stop_fd, f) == -1)
		return -1;
	if ((how & SESSION_ASKS) != 0 && assets_cloud(s->assets) != NULL)
		cloud_tend(assets_cloud(s->assets));
	return 0;
}

void
session_close(struct session *s)
{
	assets_close(&s->assets);
	conf_close(&s->conf);
	if (s->stop_fd != -1)
		(void)close(s->stop_fd);
	s->stop_fd = -1;
}

bool
session_is_stopped(const struct session *s)
{
	return clock_is_stopped(s->stop_fd, 0);
}
