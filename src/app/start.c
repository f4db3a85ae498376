#include "app/start.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "codec/text.h"

enum {
	MISTAKES_MAX = 64 << 10,
	/* Blocks from this size on are mapped one by one and unmapped when
	 * freed; unset, glibc raises the mark with use and keeps them. */
	MAPPED_FROM = 256 << 10
};

int
start_print_fault(const struct fault *f)
{
	(void)fprintf(stderr, "charref: %s\n", f->text);
	return 1;
}

int
start_log_fault(const struct fault *f)
{
	log_event(LOG_ERROR, "gave up", LOG_TEXT("message", view_str(f->text)));
	return 1;
}

typedef void teller(const struct fault *f, struct view mistakes);

static void
print_mistakes(const struct fault *f, struct view mistakes)
{
	(void)start_print_fault(f);
	(void)fwrite(mistakes.p, 1, mistakes.n, stderr);
}

static void
log_mistakes(const struct fault *f, struct view mistakes)
{
	struct view line;

	(void)start_log_fault(f);
	while (text_split(&mistakes, '\n', &line))
		log_event(LOG_ERROR, "settings", LOG_TEXT("message", line));
}

static int
read_settings(struct conf **conf, teller *tell)
{
	struct buf mistakes = BUF_INIT(MISTAKES_MAX);
	struct fault f = FAULT_INIT;
	const int rc = conf_open(conf, &mistakes, &f);

	if (rc == -1)
		tell(&f, buf_view(&mistakes));
	buf_fini(&mistakes);
	return rc;
}

/* A write over RLIMIT_FSIZE is to fail, not to kill. */
static void
survive_limits(void)
{
	MUST(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
}

int
start_command(struct conf **conf)
{
	survive_limits();
	return read_settings(conf, print_mistakes);
}

static int
prepare(const char *log_file, struct fault *f)
{
	static const struct rlimit no_core = { 0, 0 };

	(void)umask(027);
	if (log_file[0] != '\0' && log_to_file(log_file, f) == -1)
		return fault_while(
		    f, "LOG_FILE must be a file that this user may append to");
	if (setrlimit(RLIMIT_CORE, &no_core) == -1)
		return fault_sys(f, FAULT_DISK, "forbid core files");
	survive_limits();
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	return 0;
}

int
start_server(struct conf **conf)
{
	struct fault f = FAULT_INIT;

	if (prepare(conf_raw(CONF_LOG_FILE), &f) == -1) {
		(void)start_log_fault(&f);
		return -1;
	}
	if (read_settings(conf, log_mistakes) == -1)
		return -1;
	log_threshold(log_level_named(conf_text(*conf, CONF_LOG_LEVEL)));
	return 0;
}

int
start_stop_fd(int *fd, struct fault *f)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return fault_sys(f, FAULT_DISK, "block signals");
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd == -1 ? fault_sys(f, FAULT_DISK, "signalfd") : 0;
}
