#include "app/start.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"

enum {
	MISTAKES_MAX = 64 << 10,
	/* Blocks from this size on are mapped one by one and unmapped when
	 * freed; unset, glibc raises the mark with use and keeps them. */
	MAPPED_FROM = 256 << 10
};

int
start_failed(const struct fault *f)
{
	(void)fprintf(stderr, "charref: %s\n", f->text);
	return 1;
}

int
start_gave_up(const struct fault *f)
{
	log_event(LOG_ERROR, "start", LOG_TEXT("message", view_str(f->text)));
	return 1;
}

static enum log_level
level_of(const char *word)
{
	static const char *const words[] = { "debug", "info", "warn", "error" };
	enum log_level level = LOG_DEBUG;

	while (level < LOG_ERROR && !view_is(view_str(word), words[level]))
		level++;
	return level;
}

static int
prepare(const struct conf *conf, struct fault *f)
{
	static const struct rlimit no_core = { 0, 0 };
	const char *file = conf_text(conf, CONF_LOG_FILE);

	if (setrlimit(RLIMIT_CORE, &no_core) == -1)
		return fault_sys(f, FAULT_DISK, "forbid core files");
	/* A write over RLIMIT_FSIZE is to fail, not to kill. */
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return fault_sys(f, FAULT_DISK, "ignore SIGXFSZ");
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
	(void)umask(027);
	log_threshold(level_of(conf_text(conf, CONF_LOG_LEVEL)));
	return file[0] == '\0' ? 0 : log_to_file(file, f);
}

int
start_read(struct conf **conf)
{
	struct buf mistakes = BUF_INIT(MISTAKES_MAX);
	struct fault f = FAULT_INIT;
	int rc = conf_open(conf, &mistakes, &f);

	if (rc == -1) {
		(void)start_failed(&f);
		(void)fputs(buf_str(&mistakes), stderr);
	}
	buf_fini(&mistakes);
	return rc;
}

int
start(struct conf **conf)
{
	struct fault f = FAULT_INIT;

	if (start_read(conf) == -1)
		return -1;
	if (prepare(*conf, &f) == 0)
		return 0;
	(void)start_failed(&f);
	conf_close(conf);
	return -1;
}
