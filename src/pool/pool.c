#include "pool/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "pool/notify.h"
#include "pool/pace.h"
#include "pool/pidfile.h"
#include "pool/probe.h"

enum {
	LOOK_MS = 20, /* how often we ask whether we are ready */
	REST_MS = 60000,
	NOT_RUN_STATUS = 127, /* as the shell says it */
	SIGNAL_STATUS = 128,
	NOTE_SIZE = 128
};

enum phase { STARTING, SERVING, LEAVING };

struct worker {
	pid_t pid; /* 0 while there is none */
	int64_t born_ms;
	int64_t due_ms;   /* when it is to be started, while there is none */
	int64_t pause_ms; /* how long it waited before this life */
	bool is_old;      /* to be replaced */
	bool is_asked;    /* has been told to leave, alone */
	bool is_unfit;    /* its first life was short, and a failure */
};

struct pool {
	const struct pool_setup *setup;
	struct worker *workers;
	enum phase phase;
	sigset_t signals;
	pid_t self;
	struct probe probe;
	struct pidfile pidfile;
	int64_t kill_ms; /* while leaving: when patience ends */
	int status;
};

#define EACH_WORKER(w, p)                                                      \
	((w) = (p)->workers; (w) < (p)->workers + (p)->setup->workers; (w)++)

static void
log_fault(const char *event, const struct fault *f)
{
	log_event(LOG_ERROR, event, LOG_TEXT("message", view_str(f->text)));
}

/* What the service manager does not hear, it finds out. */
static void
tell_manager(const char *lines)
{
	struct fault f = FAULT_INIT;

	if (notify_send(lines, &f) == -1)
		log_fault("service manager not told", &f);
}

/*
 * In the child.  The death of a pool that was killed before prctl sent
 * nothing: then somebody else is our parent, and nobody wants a worker.
 */
_Noreturn static void
become_worker(const struct pool *p)
{
	char *const *const command = p->setup->command;
	sigset_t none;

	MUST(sigemptyset(&none) == 0);
	MUST(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 &&
	    sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
		if (getppid() != p->self)
			_exit(NOT_RUN_STATUS);
		(void)execvp(command[0], command);
	}
	log_event(LOG_ERROR, "cannot run a worker",
	    LOG_TEXT("command", view_str(command[0])),
	    LOG_TEXT("message", view_str(strerror(errno))));
	_exit(NOT_RUN_STATUS);
}

static void
start_worker(struct pool *p, struct worker *w)
{
	const pid_t pid = fork();

	if (pid == 0)
		become_worker(p);
	w->is_old = w->is_asked = false;
	w->born_ms = clock_ticks_ms();
	if (pid > 0) {
		w->pid = pid;
		return;
	}
	w->due_ms = w->born_ms + PACE_MOST_MS;
	log_event(LOG_ERROR, "cannot start a worker",
	    LOG_TEXT("message", view_str(strerror(errno))));
}

static void
start_those_due(struct pool *p)
{
	const int64_t now = clock_ticks_ms();
	struct worker *w;

	if (p->phase == LEAVING)
		return;
	for
		EACH_WORKER(w, p)
	if (w->pid == 0 && w->due_ms <= now)
		start_worker(p, w);
}

static void
signal_workers(const struct pool *p, int number)
{
	const struct worker *w;

	/* Not yet waited for, a pid is still its own. */
	for
		EACH_WORKER(w, p)
	if (w->pid != 0)
		(void)kill(w->pid, number);
}

static int64_t
live_workers(const struct pool *p)
{
	const struct worker *w;
	int64_t n = 0;

	for
		EACH_WORKER(w, p)
	n += w->pid != 0;
	return n;
}

/* Who has been replaced is no longer the service's main process, and must
 * not say in its name that it stops. */
static bool
is_current(const struct pool *p)
{
	return p->phase == SERVING &&
	       (p->setup->pid_file == NULL || pidfile_is_current(&p->pidfile));
}

static void
leave(struct pool *p, int number)
{
	if (p->phase != LEAVING) {
		if (is_current(p))
			tell_manager("STOPPING=1\nSTATUS=Leaving");
		log_event(LOG_INFO, "pool leaving",
		    LOG_NUMBER("signal", number),
		    LOG_NUMBER("workers", live_workers(p)));
		p->kill_ms = clock_ticks_ms() + 1000 * p->setup->leave_s;
		p->phase = LEAVING;
	}
	signal_workers(p, number);
}

static void
lose_patience(struct pool *p)
{
	if (p->phase != LEAVING || clock_ticks_ms() < p->kill_ms)
		return;
	log_event(LOG_ERROR, "workers killed: they did not leave in time",
	    LOG_NUMBER("workers", live_workers(p)),
	    LOG_NUMBER("seconds", p->setup->leave_s));
	signal_workers(p, SIGKILL);
	p->kill_ms = clock_ticks_ms() + REST_MS;
}

/* Wrong settings, say: when none of the first workers gets anywhere, there
 * is nothing to keep alive, and whoever started us must see it. */
static void
judge_start(struct pool *p, struct worker *unfit, int status)
{
	const struct worker *w;

	unfit->is_unfit = true;
	for
		EACH_WORKER(w, p)
	if (!w->is_unfit)
		return;
	log_event(LOG_ERROR, "the workers do not start",
	    LOG_NUMBER("status", status));
	p->status = status;
	leave(p, SIGTERM);
}

static void
bury(struct pool *p, struct worker *w, int status)
{
	const int64_t now = clock_ticks_ms(), lived_ms = now - w->born_ms;
	const bool is_killed = WIFSIGNALED(status);
	const int number = is_killed ? WTERMSIG(status) : WEXITSTATUS(status);
	const bool is_wanted = p->phase == LEAVING || w->is_asked;

	w->pause_ms = is_wanted ? 0 : pace_pause_ms(lived_ms, w->pause_ms);
	w->due_ms = now + w->pause_ms;
	log_event(status == 0 ? LOG_INFO : LOG_WARN, "worker ended",
	    LOG_NUMBER("pid", w->pid),
	    LOG_NUMBER(is_killed ? "signal" : "status", number),
	    LOG_NUMBER("lived_ms", lived_ms),
	    LOG_NUMBER("pause_ms", w->pause_ms));
	w->pid = 0;
	if (p->phase == STARTING && status != 0 && lived_ms < PACE_SOUND_MS)
		judge_start(p, w, is_killed ? SIGNAL_STATUS + number : number);
}

static void
bury_the_dead(struct pool *p)
{
	struct worker *w;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for
			EACH_WORKER(w, p)
	if (w->pid == pid) {
		bury(p, w, status);
		break;
	}
}

/* Those that we were started with; ours is the pid file's alone. */
static void
close_inherited(const struct pool *p)
{
	const unsigned first = STDERR_FILENO + 1;
	const unsigned own =
	    p->pidfile.fd == -1 ? first : (unsigned)p->pidfile.fd;

	if (own > first)
		(void)close_range(first, own - 1, 0);
	(void)close_range(p->pidfile.fd == -1 ? own : own + 1, ~0U, 0);
}

static void
become_ready(struct pool *p)
{
	const long long n = (long long)p->setup->workers;
	struct fault f = FAULT_INIT;
	char lines[NOTE_SIZE];

	if (p->setup->pid_file != NULL &&
	    pidfile_write(&p->pidfile, p->setup->pid_file, p->self, &f) == -1) {
		log_fault("the pool cannot begin", &f);
		p->status = 1;
		leave(p, SIGTERM);
		return;
	}
	p->phase = SERVING;
	(void)snprintf(lines, sizeof lines,
	    "READY=1\nMAINPID=%ld\nSTATUS=%lld workers", (long)p->self, n);
	tell_manager(lines);
	log_event(LOG_INFO, "pool ready", LOG_NUMBER("workers", n));
	close_inherited(p);
}

static void
look_if_ready(struct pool *p)
{
	const int64_t n = p->setup->workers;

	if (p->phase == STARTING && live_workers(p) == n &&
	    (n == 0 || probe_answered(&p->probe)))
		become_ready(p);
}

/* Asks the next of the old to leave, but only while everybody is there and
 * has proved to be sound: a version that cannot run replaces one worker. */
static bool
replace_next(struct pool *p)
{
	const int64_t born_before = clock_ticks_ms() - PACE_SOUND_MS;
	struct worker *w, *next = NULL;
	bool may_go = p->phase == SERVING;

	for
		EACH_WORKER(w, p)
		{
			may_go = may_go && w->pid != 0 && !w->is_asked &&
				 w->born_ms < born_before;
			next = w->is_old && next == NULL ? w : next;
		}
	if (next != NULL && may_go) {
		next->is_asked = true;
		next->is_old = false;
		(void)kill(next->pid, SIGTERM);
	}
	return next != NULL;
}

static void
begin_replacing(struct pool *p)
{
	struct worker *w;

	for
		EACH_WORKER(w, p)
	w->is_old = w->pid != 0;
}

/* How long nothing is to be done unless a signal comes. */
static int64_t
rest_ms(struct pool *p)
{
	const int64_t now = clock_ticks_ms();
	int64_t until = now + REST_MS;
	struct worker *w;

	if (p->phase == STARTING || replace_next(p))
		return LOOK_MS;
	if (p->phase == LEAVING)
		until = p->kill_ms;
	else
		for
			EACH_WORKER(w, p)
	if (w->pid == 0 && w->due_ms < until)
		until = w->due_ms;
	return until > now ? until - now : 0;
}

static void
heed_signals(struct pool *p, int64_t wait_ms)
{
	const struct timespec patience = { wait_ms / 1000,
		wait_ms % 1000 * 1000000 };

	switch (sigtimedwait(&p->signals, NULL, &patience)) {
	case SIGTERM:
	case SIGINT:
		leave(p, SIGTERM);
		break;
	case SIGUSR1:
		leave(p, SIGUSR1);
		break;
	case SIGHUP:
		begin_replacing(p);
		break;
	default:
		break; /* SIGCHLD, or nothing */
	}
}

static int
prepare(struct pool *p, struct fault *f)
{
	static const int heeded[] = { SIGTERM, SIGINT, SIGUSR1, SIGHUP,
		SIGCHLD };
	size_t i;

	p->self = getpid();
	MUST(sigemptyset(&p->signals) == 0);
	for (i = 0; i < sizeof heeded / sizeof heeded[0]; i++)
		MUST(sigaddset(&p->signals, heeded[i]) == 0);
	/* An ignored signal is lost also while it is blocked, and the end of
	 * a child whose parent ignores SIGCHLD cannot be waited for. */
	for (i = 0; i < sizeof heeded / sizeof heeded[0]; i++)
		MUST(signal(heeded[i], SIG_DFL) != SIG_ERR);
	/* The log's reader may go away; the workers must not go with it. */
	MUST(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	if (sigprocmask(SIG_BLOCK, &p->signals, NULL) == -1 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) == -1)
		return fault_sys(f, FAULT_DISK, "prepare for workers");
	return p->setup->workers == 0 ? 0 : probe_open(&p->probe, f);
}

static void
supervise(struct pool *p)
{
	while (p->phase != LEAVING || live_workers(p) > 0) {
		start_those_due(p);
		look_if_ready(p);
		lose_patience(p);
		heed_signals(p, rest_ms(p));
		bury_the_dead(p);
	}
	pidfile_fini(&p->pidfile);
}

int
pool_run(const struct pool_setup *setup, int *status, struct fault *f)
{
	struct pool p = { .setup = setup, .phase = STARTING };

	p.probe = PROBE_INIT;
	p.pidfile = PIDFILE_INIT;
	p.workers = calloc((size_t)setup->workers + 1, sizeof *p.workers);
	if (p.workers == NULL)
		return fault_set(f, FAULT_MEMORY, "open the pool");
	if (prepare(&p, f) == -1) {
		free(p.workers);
		return -1;
	}
	supervise(&p);
	*status = p.status;
	probe_fini(&p.probe);
	free(p.workers);
	return 0;
}
