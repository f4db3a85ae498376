#include "app/doctor_service.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/state.h"
#include "codec/text.h"

enum {
	HEALTHZ_MS = 2000,
	REPLY_MAX = 16 << 10,
	HEADER_SIZE = 8,
	VERSION = 1,
	BEGIN_REQUEST = 1,
	PARAMS = 4,
	STDIN = 5,
	STDOUT = 6,
	RESPONDER = 1,
	REQUEST_ID = 1
};

/* --- FastCGI --- */

static void
add_record(struct buf *out, int type, struct view content)
{
	const char header[HEADER_SIZE] = { VERSION, (char)type, 0, REQUEST_ID,
		(char)(content.n >> 8), (char)(content.n & 0xff), 0, 0 };

	buf_add(out, (struct view){ header, sizeof header });
	buf_add(out, content);
}

/* Both are shorter than 128 bytes. */
static void
add_param(struct buf *out, const char *name, const char *value)
{
	const char sizes[2] = { (char)strlen(name), (char)strlen(value) };

	buf_add(out, (struct view){ sizes, sizeof sizes });
	buf_add(out, view_str(name));
	buf_add(out, view_str(value));
}

void
doctor_healthz_request(struct buf *out)
{
	static const char begin[HEADER_SIZE] = { 0, RESPONDER };
	static const struct {
		const char *name, *value;
	} params[] = {
		{ "REQUEST_METHOD", "GET" },
		{ "REQUEST_URI", "/healthz" },
		{ "DOCUMENT_URI", "/healthz" },
		{ "SCRIPT_NAME", "/healthz" },
		{ "QUERY_STRING", "" },
		{ "SERVER_PROTOCOL", "HTTP/1.1" },
		{ "REMOTE_ADDR", "127.0.0.1" },
		{ "GATEWAY_INTERFACE", "CGI/1.1" },
	};
	struct buf content = BUF_INIT(1024);
	size_t i;

	for (i = 0; i < sizeof params / sizeof params[0]; i++)
		add_param(&content, params[i].name, params[i].value);
	add_record(out, BEGIN_REQUEST, (struct view){ begin, sizeof begin });
	add_record(out, PARAMS, buf_view(&content));
	add_record(out, PARAMS, VIEW(""));
	add_record(out, STDIN, VIEW(""));
	buf_fini(&content);
}

int
doctor_healthz_status(struct view records)
{
	static const char status[] = "Status: ";
	const unsigned char *p = (const unsigned char *)records.p;
	size_t at = 0, n;
	int64_t number;
	struct view v;

	while (records.n - at >= HEADER_SIZE) {
		n = (size_t)p[at + 4] << 8 | p[at + 5];
		v = (struct view){ records.p + at + HEADER_SIZE, n };
		if (n > records.n - at - HEADER_SIZE)
			return 0;
		if (p[at + 1] == STDOUT && view_begins(v, status) &&
		    n >= sizeof status - 1 + 3) {
			v = (struct view){ v.p + sizeof status - 1, 3 };
			return text_number(v, &number) ? (int)number : 0;
		}
		at += HEADER_SIZE + n + p[at + 6];
		if (at > records.n)
			return 0;
	}
	return 0;
}

/* --- the workers --- */

static int
connect_to(const char *path, struct fault *f)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof to.sun_path)
		return fault_set(f, FAULT_DISK, "its path is too long");
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return fault_sys(f, FAULT_DISK, "a socket");
	if (connect(fd, (const struct sockaddr *)&to, sizeof to) == -1) {
		(void)fault_sys(f, FAULT_BUSY, "connect");
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Reads until the status is there: 0 when it does not come in time. */
static int
await_status(int fd, int stop_fd)
{
	const int64_t until_ms = clock_ticks_ms() + HEALTHZ_MS;
	struct pollfd wait[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN } };
	struct buf reply = BUF_INIT(REPLY_MAX);
	char piece[2048];
	int64_t left_ms;
	ssize_t n = 1;
	int status = 0;

	while (status == 0 && n > 0 && !clock_is_stopped(stop_fd, 0)) {
		left_ms = until_ms - clock_ticks_ms();
		if (left_ms <= 0 ||
		    poll(wait, stop_fd > 0 ? 2 : 1, (int)left_ms) <= 0 ||
		    wait[0].revents == 0)
			break;
		n = read(fd, piece, sizeof piece);
		if (n > 0)
			buf_add(&reply, (struct view){ piece, (size_t)n });
		status = doctor_healthz_status(buf_view(&reply));
	}
	buf_fini(&reply);
	return status;
}

/* The status of /healthz, 0 when nobody has answered, or -1. */
static int
ask_healthz(const char *path, int stop_fd, struct fault *f)
{
	struct buf request = BUF_INIT(2048);
	const int fd = connect_to(path, f);
	int status = -1;

	if (fd == -1)
		return -1;
	doctor_healthz_request(&request);
	if (send(fd, buf_str(&request), request.len, MSG_NOSIGNAL) ==
	    (ssize_t)request.len)
		status = await_status(fd, stop_fd);
	else
		(void)fault_sys(f, FAULT_BUSY, "send a request");
	buf_fini(&request);
	(void)close(fd);
	return status;
}

/* A socket that there is, of which nobody answers, is worse than none. */
static bool
look_at_socket(
    struct patient *p, struct finding *it, const char *name, int *absent)
{
	char path[PATH_MAX];
	struct fault f = FAULT_INIT;
	int status;

	(void)snprintf(
	    path, sizeof path, "%s/%s", conf_text(p->conf, CONF_RUN_DIR), name);
	if (access(path, F_OK) == -1) {
		(*absent)++;
		return false;
	}
	status = ask_healthz(path, p->stop_fd, &f);
	if (status == 200)
		return true;
	if (status == -1)
		finding_add(it, FINDING_WARNING, "%s: %s", name, f.text);
	else if (status == 0)
		finding_add(it, FINDING_WARNING,
		    "%s: no worker has answered in %d s; all may be busy", name,
		    HEALTHZ_MS / 1000);
	else
		finding_add(
		    it, FINDING_WARNING, "%s: /healthz says %d", name, status);
	return false;
}

void
doctor_workers(struct patient *p, struct finding *it)
{
	int well = 0, absent = 0;
	const char *name;
	size_t i;

	for (i = 0; (name = patient_socket(i)) != NULL; i++)
		well += look_at_socket(p, it, name, &absent);
	if (absent == (int)i)
		finding_say(it, FINDING_WARNING,
		    "no socket in RUN_DIR: the service is not running");
	else if (absent > 0)
		finding_add(it, FINDING_WARNING,
		    "%d of %d sockets are missing in RUN_DIR", absent, (int)i);
	if (it->state == FINDING_OK)
		finding_say(it, FINDING_OK, "%d sockets answer", well);
	else
		finding_advise(it,
		    "systemctl start charref.target, or make run; the log "
		    "has more");
}

/* --- the uploader --- */

void
doctor_uploader(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;
	struct state *state = NULL;
	int64_t age_ms;

	if (!conf_has_bucket(p->conf)) {
		finding_say(it, FINDING_SKIPPED, "no bucket is set");
		return;
	}
	if (state_listen(&state, conf_text(p->conf, CONF_RUN_DIR), &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	age_ms = state_news_age_ms(state);
	if (age_ms < 0 || age_ms > STATE_FRESH_MS) {
		finding_say(it, FINDING_WARNING,
		    "nobody watches the bucket: the uploader is not running");
		finding_advise(it, "systemctl start charref-uploader, or "
				   "`charref uploader`");
	} else {
		finding_say(it, FINDING_OK, "it asked %lld.%lld s ago: %s",
		    (long long)(age_ms / 1000),
		    (long long)(age_ms % 1000 / 100),
		    state_storage_word(state_storage(state)));
	}
	state_close(&state);
}
