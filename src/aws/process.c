#include "aws/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json.h"
#include "codec/text.h"

enum {
	SAID_MAX = 400,
	PIECE = 4096,
	PIECES_MAX = 64, /* at once: over a full pipe and a full reply */
	FIRST_FREE_FD = 3
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * Takes one word off the command, unquoted, to *end, which moves on: false
 * when what it began does not end.
 */
static bool
take_word(struct view *command, char **end)
{
	char quote = '\0';
	char c;

	for (; command->n > 0; command->p++, command->n--) {
		c = command->p[0];
		if (quote == '\0' && is_space(c))
			break;
		if (quote == '\0' && (c == '\'' || c == '"')) {
			quote = c;
			continue;
		}
		if (c == quote) {
			quote = '\0';
			continue;
		}
		if (c == '\\' && quote != '\'') {
			if (command->n == 1)
				return false;
			if (quote == '\0' || command->p[1] == '"' ||
			    command->p[1] == '\\') {
				command->p++;
				command->n--;
			}
		}
		*(*end)++ = command->p[0];
	}
	*(*end)++ = '\0';
	return quote == '\0';
}

int
process_split(struct process_words *out, struct view command, struct fault *f)
{
	char *end = out->text;
	size_t n = 0;

	command = text_trim(command);
	if (command.n == 0 || command.n > PROCESS_COMMAND_MAX ||
	    memchr(command.p, '\0', command.n) != NULL)
		return fault_set(f, FAULT_INPUT, "not a command");
	while (command.n > 0) {
		if (n == PROCESS_WORDS_MAX)
			return fault_set(f, FAULT_INPUT,
			    "a command of over %d words", PROCESS_WORDS_MAX);
		out->words[n++] = end;
		if (!take_word(&command, &end))
			return fault_set(
			    f, FAULT_INPUT, "a command whose quote is open");
		while (command.n > 0 && is_space(command.p[0])) {
			command.p++;
			command.n--;
		}
	}
	out->words[n] = NULL;
	return 0;
}

/* A process on its way, and what it says. */
struct child {
	pid_t pid;            /* 0 before it runs                          */
	int pidfd;            /* readable once it has ended                */
	int out, err;         /* our ends; -1 when they are at their end   */
	int its_out, its_err; /* its ends, until it runs                   */
	struct buf reply;     /* holds secrets                             */
	struct buf said;      /* on standard error, as far as we keep it   */
};

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

/* Above the three that the child is given, or one would cover another. */
static int
lift(int *fd)
{
	const int high = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);

	close_fd(fd);
	*fd = high;
	return high == -1 ? -1 : 0;
}

static int
open_pipe(int *ours, int *its, struct fault *f)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return fault_sys(f, FAULT_DISK, "a pipe");
	*ours = ends[0];
	*its = ends[1];
	if (lift(ours) == -1 || lift(its) == -1 ||
	    fcntl(*ours, F_SETFL, O_NONBLOCK) == -1)
		return fault_sys(f, FAULT_DISK, "a pipe");
	return 0;
}

/* Default signals, none blocked, and a group of its own to be killed with. */
static int
set_attributes(posix_spawnattr_t *a)
{
	sigset_t all, none;
	int rc;

	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	(void)sigemptyset(&none);
	rc = posix_spawnattr_setsigdefault(a, &all);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(a, &none);
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(a, 0);
	if (rc == 0)
		rc = posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETSIGMASK |
						     POSIX_SPAWN_SETPGROUP);
	return rc;
}

static int
set_files(posix_spawn_file_actions_t *a, const struct child *c)
{
	int rc = posix_spawn_file_actions_addopen(
	    a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(
		    a, c->its_out, STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(
		    a, c->its_err, STDERR_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(a, FIRST_FREE_FD);
	return rc;
}

static int
spawn(struct child *c, char *const *words, struct fault *f)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int rc;

	if (posix_spawn_file_actions_init(&files) != 0)
		return fault_set(f, FAULT_MEMORY, "a process");
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return fault_set(f, FAULT_MEMORY, "a process");
	}
	rc = set_attributes(&attributes);
	if (rc == 0)
		rc = set_files(&files, c);
	if (rc == 0)
		rc = posix_spawnp(
		    &c->pid, words[0], &files, &attributes, words, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&files);
	if (rc == 0)
		return 0;
	c->pid = 0;
	errno = rc;
	return fault_sys(f, FAULT_DISK, "run %s", words[0]);
}

static int
start(struct child *c, char *const *words, struct fault *f)
{
	if (open_pipe(&c->out, &c->its_out, f) == -1 ||
	    open_pipe(&c->err, &c->its_err, f) == -1 ||
	    spawn(c, words, f) == -1)
		return -1;
	close_fd(&c->its_out);
	close_fd(&c->its_err);
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd == -1)
		return fault_sys(f, FAULT_DISK, "watch %s", words[0]);
	return 0;
}

/*
 * Reads what is there, but not for ever, as somebody may write faster than
 * we read; *fd becomes -1 at its end.  What does not fit is lost, and
 * spoils the buf when it is `strict`.
 */
static void
drain(int *fd, struct buf *b, bool strict)
{
	char piece[PIECE];
	size_t keep;
	ssize_t n;
	int i;

	for (i = 0; i < PIECES_MAX && *fd != -1; i++) {
		n = read(*fd, piece, sizeof piece);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			close_fd(fd);
			break;
		}
		keep = (size_t)n;
		if (!strict && keep > b->limit - b->len)
			keep = b->limit - b->len;
		buf_add(b, (struct view){ piece, keep });
		if (b->spoilt)
			break;
	}
	explicit_bzero(piece, sizeof piece);
}

/* Reads until the child itself has ended: who inherited its pipes from it
 * is not waited for. */
static int
listen_to(struct child *c, int64_t deadline_ms, int stop_fd, struct fault *f)
{
	struct pollfd fds[4] = { { .events = POLLIN }, { .events = POLLIN },
		{ .fd = c->pidfd, .events = POLLIN },
		{ .fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN } };
	int64_t left_ms;
	int ready;

	do {
		left_ms = deadline_ms - clock_ticks_ms();
		if (left_ms <= 0)
			return fault_set(f, FAULT_SLOW, "it did not end");
		fds[0].fd = c->out;
		fds[1].fd = c->err;
		ready =
		    poll(fds, 4, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
		if (ready == -1 && errno != EINTR)
			return fault_sys(f, FAULT_DISK, "wait for it");
		if (ready > 0 && fds[3].revents != 0)
			return fault_set(f, FAULT_BUSY, "told to stop");
		drain(&c->out, &c->reply, true);
		drain(&c->err, &c->said, false);
		if (c->reply.spoilt)
			return fault_set(f, FAULT_REMOTE,
			    "it printed over %d bytes", KEYS_REPLY_MAX);
	} while (ready <= 0 || fds[2].revents == 0);
	return 0;
}

/* Ends the child if need be, so that none is left behind: its status. */
static int
reap(struct child *c, bool kill_it)
{
	int status = -1;
	pid_t pid;

	if (c->pid == 0)
		return -1;
	if (kill_it)
		(void)kill(-c->pid, SIGKILL);
	do
		pid = waitpid(c->pid, &status, 0);
	while (pid == -1 && errno == EINTR);
	c->pid = 0;
	return pid == -1 ? -1 : status;
}

static int
check_status(const struct child *c, int status, struct fault *f)
{
	struct view said = buf_view(&c->said);
	struct view line = VIEW("");

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		(void)fault_set(f, FAULT_REMOTE, "it was ended by signal %d",
		    WTERMSIG(status));
	else
		(void)fault_set(f, FAULT_REMOTE, "it failed with status %d",
		    WEXITSTATUS(status));
	(void)text_split(&said, '\n', &line);
	if (line.n > 0)
		(void)fault_details(f, "%.*s", (int)line.n, line.p);
	return -1;
}

static int
read_reply(struct creds_keys *k, struct view text, struct fault *f)
{
	const struct json_value *root;
	struct json_doc *doc = NULL;
	int rc = -1;

	if (text.n == 0)
		return fault_set(f, FAULT_REMOTE, "it printed nothing");
	if (json_open(&doc, text, KEYS_REPLY_DEPTH, f) == 0) {
		root = json_root(doc);
		if (json_integer_or(json_member(root, "Version"), 0) != 1)
			(void)fault_set(
			    f, FAULT_REMOTE, "it printed no Version 1");
		else
			rc = keys_read(k, root, "SessionToken", "process", f);
	}
	json_close(&doc);
	if (rc == -1 && f->kind != FAULT_MEMORY)
		f->kind = FAULT_REMOTE; /* its mistake, not our client's */
	return rc;
}

static void
end(struct child *c)
{
	close_fd(&c->pidfd);
	close_fd(&c->out);
	close_fd(&c->err);
	close_fd(&c->its_out);
	close_fd(&c->its_err);
	secret_buf_fini(&c->reply);
	secret_buf_fini(&c->said);
}

int
process_ask(struct creds_keys *k, struct view command, int64_t deadline_ms,
    int stop_fd, struct fault *f)
{
	struct child c = { .pidfd = -1,
		.out = -1,
		.err = -1,
		.its_out = -1,
		.its_err = -1,
		.reply = keys_buf(KEYS_REPLY_MAX),
		.said = BUF_INIT(SAID_MAX) };
	const int64_t last_ms = clock_ticks_ms() + PROCESS_MS;
	struct process_words words;
	int rc = process_split(&words, command, f);
	int status;

	if (rc == 0)
		rc = start(&c, words.words, f);
	if (rc == 0)
		rc = listen_to(&c,
		    deadline_ms < last_ms ? deadline_ms : last_ms, stop_fd, f);
	status = reap(&c, rc == -1);
	if (rc == 0)
		rc = check_status(&c, status, f);
	if (rc == 0)
		rc = read_reply(k, buf_view(&c.reply), f);
	end(&c);
	explicit_bzero(&words, sizeof words);
	return rc == -1 ? fault_while(f, "credential_process") : 0;
}
