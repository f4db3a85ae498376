#include "net/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/record.h"
#include "codec/text.h"

enum {
	LISTENER = 0,
	/* A worker that is killed between being woken and accepting takes its
	 * wake-up with it, so each looks at the queue by itself this often. */
	LOOK_AGAIN_MS = 1000,
	REFUSED_PAUSE_MS = 50, /* for want of descriptors, say */
	HEAD_PAUSE_MS = 2,
	READ_STEP = 8192,
	PUT_STEP = 1 << 20
};

struct fcgi {
	FCGX_Request request;
	int epoll;
	int signals;
	struct fault why; /* of the listening socket, once it is no more */
	bool draining;
	int64_t drain_until_ms;
	bool broken;    /* the reply no longer reaches the peer      */
	bool abandoned; /* and must not look whole                   */
	bool is_empty;  /* the connection brought nothing: a probe   */
	char head[RECORD_HEAD_MAX]; /* of the connection being taken */
};

static int
watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .fd = fd } };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static bool
is_listening(int fd)
{
	socklen_t size = sizeof(int);
	int yes = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 &&
	       yes != 0;
}

/*
 * The socket is shared with whoever else has it as a descriptor, and so is
 * O_NONBLOCK: systemd takes it away each time that it starts another worker.
 * A worker that waits in accept just then would see no signal; the socket's
 * own patience is not touched.
 */
static int
never_wait_long(void)
{
	const struct timeval patience = { LOOK_AGAIN_MS / 1000, 0 };

	if (setsockopt(LISTENER, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof patience) == -1)
		return -1;
	return fcntl(LISTENER, F_SETFL, O_NONBLOCK);
}

/* Signals are blocked for good and read from a descriptor instead, so that
 * none can break into a read or write of libfcgi, which gives up on EINTR. */
static int
open_waiting(struct fcgi *c, struct fault *f)
{
	sigset_t set;

	MUST(sigemptyset(&set) == 0 && sigaddset(&set, SIGTERM) == 0 &&
	     sigaddset(&set, SIGUSR1) == 0);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return fault_sys(f, FAULT_DISK, "block signals");
	c->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	/* Exclusive: a connection wakes one of a hundred workers, not all. */
	if (c->signals == -1 || c->epoll == -1 || never_wait_long() == -1 ||
	    watch(c->epoll, LISTENER, EPOLLIN | EPOLLEXCLUSIVE) == -1 ||
	    watch(c->epoll, c->signals, EPOLLIN) == -1)
		return fault_sys(f, FAULT_DISK, "wait on the socket");
	return 0;
}

int
fcgi_open(struct fcgi **out, struct fault *f)
{
	struct fcgi *c;

	if (!is_listening(LISTENER))
		return fault_set(f, FAULT_INPUT,
		    "descriptor 0 is not a listening socket: start this "
		    "program with spawn-fcgi -s SOCKET -- PROGRAM");
	c = calloc(1, sizeof *c);
	if (c == NULL)
		return fault_set(f, FAULT_MEMORY, "open the worker");
	c->signals = c->epoll = -1;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&c->request, -1, 0) != 0)
		(void)fault_set(f, FAULT_MEMORY, "start libfcgi");
	else if (open_waiting(c, f) == 0) {
		*out = c;
		return 0;
	}
	fcgi_close(&c);
	return -1;
}

void
fcgi_close(struct fcgi **c)
{
	if (*c == NULL)
		return;
	if ((*c)->signals != -1)
		(void)close((*c)->signals);
	if ((*c)->epoll != -1)
		(void)close((*c)->epoll);
	free(*c);
	*c = NULL;
}

void
fcgi_name(char out[FCGI_NAME_SIZE])
{
	struct sockaddr_un at = { .sun_family = AF_UNSPEC };
	socklen_t size = sizeof at;
	const char *name;

	out[0] = '\0';
	if (getsockname(LISTENER, (struct sockaddr *)&at, &size) == -1 ||
	    at.sun_family != AF_UNIX)
		return;
	/* A path of full length has no NUL of its own. */
	memcpy(out, at.sun_path, sizeof at.sun_path);
	out[sizeof at.sun_path] = '\0';
	name = strrchr(out, '/');
	if (name != NULL)
		memmove(out, name + 1, strlen(name));
}

/* Takes note of signals; false when one says to leave at once. */
static bool
look_at_signals(struct fcgi *c)
{
	struct signalfd_siginfo info;

	while (read(c->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGUSR1)
			return false;
		if (!c->draining)
			c->drain_until_ms = clock_ticks_ms() + FCGI_DRAIN_MS;
		c->draining = true;
	}
	return true;
}

/* A peer that stays silent is given up by read and write themselves. */
static int
set_patience(int fd)
{
	const struct timeval patience = { FCGI_PEER_SILENCE_MS / 1000, 0 };

	if (setsockopt(
		fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == -1)
		return -1;
	return setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

enum accepted {
	ACCEPT_GOT,
	ACCEPT_EMPTY,   /* nobody is in the queue                    */
	ACCEPT_AGAIN,   /* somebody may be, and could not be taken   */
	ACCEPT_HOPELESS /* there is no queue, and will never be one  */
};

/* A unix socket then goes on as if its queue were empty: EAGAIN. */
static bool
is_shut_down(void)
{
	struct pollfd p = { .fd = LISTENER, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

/*
 * What a failed accept4 means.  Only what we know to be the socket's end is
 * taken for it; all else passes, and is waited for.
 */
static enum accepted
judge_refusal(struct fault *why)
{
	const int error = errno;

	if (error == EBADF || error == EINVAL || error == ENOTSOCK) {
		(void)fault_sys(why, FAULT_DISK, "accept a connection");
		return ACCEPT_HOPELESS;
	}
	if (error == EAGAIN && is_shut_down()) {
		(void)fault_set(
		    why, FAULT_DISK, "the listening socket was shut down");
		return ACCEPT_HOPELESS;
	}
	if (error == EAGAIN)
		return ACCEPT_EMPTY;
	log_event(LOG_WARN, "accept refused",
	    LOG_TEXT("message", view_str(strerror(error))));
	clock_sleep_ms(REFUSED_PAUSE_MS);
	return ACCEPT_AGAIN;
}

static enum accepted
accept_one(int *fd, struct fault *why)
{
	do
		*fd = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);
	while (*fd == -1 && (errno == EINTR || errno == ECONNABORTED));
	if (*fd == -1)
		return judge_refusal(why);
	if (set_patience(*fd) == 0)
		return ACCEPT_GOT;
	(void)close(*fd);
	return ACCEPT_AGAIN;
}

static bool
has_hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 &&
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/*
 * Waits until the head of a request lies in the socket's buffer, and looks
 * at it there.  nginx sends it in one piece, so one look is nearly always
 * enough; a peer that never ends it, however slowly it goes on, has as long
 * as one that is silent.
 */
static bool
has_whole_head(struct fcgi *c, int fd)
{
	const int64_t until = clock_ticks_ms() + FCGI_PEER_SILENCE_MS;
	enum record_look look;
	bool is_last = false;
	ssize_t n;

	for (;;) {
		n = recv(fd, c->head, sizeof c->head, MSG_PEEK);
		c->is_empty = n == 0;
		if (n <= 0)
			return false;
		look = record_look((struct view){ c->head, (size_t)n });
		if (look != RECORD_MORE || is_last)
			return look == RECORD_WHOLE;
		clock_sleep_ms(HEAD_PAUSE_MS);
		is_last = has_hung_up(fd) || clock_ticks_ms() >= until;
	}
}

/*
 * Lets libfcgi read one request's parameters from fd, which it then owns.
 * With keepConnection set it does not close fd before it starts, and with
 * no listening socket of its own it cannot accept another on failure.
 */
static bool
take_request(struct fcgi *c, int fd)
{
	bool taken = false;

	c->broken = c->abandoned = c->is_empty = false;
	if (has_whole_head(c, fd)) {
		c->request.ipcFd = fd;
		c->request.keepConnection = 1;
		taken = FCGX_Accept_r(&c->request) == 0;
	} else {
		(void)close(fd);
	}
	if (!taken)
		log_event(c->is_empty ? LOG_DEBUG : LOG_WARN,
		    "connection dropped",
		    LOG_TEXT("message", VIEW("no whole FastCGI request")));
	return taken;
}

/* Waits for a connection or a signal; false when one says to leave. */
static bool
wait_for_work(struct fcgi *c)
{
	struct epoll_event events[2];
	int i, n;

	if (c->draining)
		return look_at_signals(c);
	n = epoll_wait(c->epoll, events, 2, LOOK_AGAIN_MS);
	for (i = 0; i < n; i++)
		if (events[i].data.fd == c->signals)
			return look_at_signals(c);
	return true;
}

bool
fcgi_next(struct fcgi *c)
{
	enum accepted accepted;
	int fd;

	for (;;) {
		if (!wait_for_work(c))
			return false;
		if (c->draining && clock_ticks_ms() > c->drain_until_ms)
			return false;
		accepted = accept_one(&fd, &c->why);
		if (accepted == ACCEPT_HOPELESS ||
		    (accepted == ACCEPT_EMPTY && c->draining))
			return false;
		if (accepted == ACCEPT_GOT && take_request(c, fd))
			return true;
	}
}

int
fcgi_left(const struct fcgi *c, struct fault *f)
{
	if (c->why.kind == FAULT_NONE)
		return 0;
	*f = c->why;
	return -1;
}

const char *
fcgi_param(const struct fcgi *c, const char *name)
{
	const char *value = FCGX_GetParam(name, c->request.envp);

	return value == NULL ? "" : value;
}

int
fcgi_param_count(const struct fcgi *c, const char *name)
{
	const size_t n = strlen(name);
	char **pair;
	int count = 0;

	for (pair = c->request.envp; *pair != NULL; pair++)
		count += strncmp(*pair, name, n) == 0 && (*pair)[n] == '=';
	return count;
}

static int
read_to_end(struct fcgi *c, size_t max, struct buf *out, struct fault *f)
{
	char step[READ_STEP];
	int n;

	do {
		n = FCGX_GetStr(step, sizeof step, c->request.in);
		if (FCGX_GetError(c->request.in) != 0)
			return fault_set(
			    f, FAULT_PEER, "the web server broke off the body");
		if (out->len + (size_t)n > max)
			return fault_set(
			    f, FAULT_LARGE, "the body is over %zu bytes", max);
		buf_add(out, (struct view){ step, (size_t)n });
	} while (n == (int)sizeof step);
	return buf_done(out, f);
}

int
fcgi_body(struct fcgi *c, size_t max, struct buf *out, struct fault *f)
{
	const struct view said = view_str(fcgi_param(c, "CONTENT_LENGTH"));
	int64_t length = -1;

	if (said.n > 0 && (!text_number(said, &length) || length < 0))
		return fault_set(f, FAULT_INPUT, "Content-Length is no number");
	if (length > (int64_t)max)
		return fault_set(
		    f, FAULT_LARGE, "the body is over %zu bytes", max);
	if (read_to_end(c, max, out, f) == -1)
		return -1;
	if (length != -1 && (int64_t)out->len != length)
		return fault_set(f, FAULT_INPUT,
		    "the body has %zu bytes, Content-Length said %lld",
		    out->len, (long long)length);
	return 0;
}

bool
fcgi_peer_gone(const struct fcgi *c)
{
	return has_hung_up(c->request.ipcFd);
}

void
fcgi_put(struct fcgi *c, struct view bytes)
{
	int n;

	while (bytes.n > 0 && !c->broken && !c->abandoned) {
		n = bytes.n < PUT_STEP ? (int)bytes.n : PUT_STEP;
		if (FCGX_PutStr(bytes.p, n, c->request.out) != n)
			c->broken = true;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
}

void
fcgi_abandon(struct fcgi *c)
{
	c->abandoned = true;
}

/* Has the peer sent its whole body, and have we read it? */
static bool
is_body_read(struct fcgi *c)
{
	char step[READ_STEP];

	(void)FCGX_GetStr(step, sizeof step, c->request.in);
	return FCGX_HasSeenEOF(c->request.in) != 0;
}

bool
fcgi_finish(struct fcgi *c)
{
	bool whole = false;

	if (c->abandoned) {
		FCGX_Free(&c->request, 0); /* nothing more is written */
	} else {
		/* The reply goes out before a body that nobody read is waited
		 * for; both streams' ends, in this order, go with it. */
		whole = FCGX_FClose(c->request.err) == 0 &&
			FCGX_FClose(c->request.out) == 0 && !c->broken;
		/* Unread bytes would make close() reset the connection and
		 * take the reply with it: libfcgi then lingers (and never
		 * reads them as a request, for it closes). */
		c->request.keepConnection = is_body_read(c) ? 1 : 0;
		FCGX_Finish_r(&c->request);
	}
	if (c->request.ipcFd >= 0)
		(void)close(c->request.ipcFd);
	c->request.ipcFd = -1;
	return whole;
}
