#include "app/patient.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "disk/store.h"
#include "net/http.h"

int64_t
patient_until_ms(const struct patient *p)
{
	const int64_t ms = clock_ticks_ms() + PATIENT_ASK_MS;

	return ms < p->deadline_ms ? ms : p->deadline_ms;
}

static int64_t
once(const struct http_call *call, void *arg)
{
	(void)call, (void)arg;
	return HTTP_ENOUGH;
}

int
patient_fetch(const struct patient *p, const char *unix_socket,
    const char *ca_file, struct http_call *call, int64_t until_ms,
    struct fault *f)
{
	const struct http_setup setup = { .unix_socket = unix_socket,
		.ca_file = ca_file,
		.stop_fd = p->stop_fd };
	struct http *http = NULL;

	if (http_open(&http, &setup, f) == -1)
		return -1;
	http_run(http, call, 1, until_ms, once, NULL);
	http_close(&http);
	return 0;
}

bool
patient_images(const struct patient *p, char path[PATH_MAX])
{
	const int n = snprintf(path, PATH_MAX, "%s/" STORE_FOLDER,
	    conf_text(p->conf, CONF_CHARREF_ROOT));

	return n > 0 && n < PATH_MAX;
}

const char *
patient_socket(size_t at)
{
	static const char *const names[] = { "fast-a.sock", "fast-b.sock",
		"lookup-a.sock", "lookup-b.sock", "slow-a.sock",
		"slow-b.sock" };

	return at < sizeof names / sizeof names[0] ? names[at] : NULL;
}
