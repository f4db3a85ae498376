/*
 * charref - the operator's hand.
 */
#include <stdio.h>
#include <string.h>

#include "app/conf.h"
#include "app/start.h"
#include "app/web.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, OUTPUT_MAX = 1 << 20 };

static const char usage[] =
    "usage: charref config [NAME]       the settings in force, or one\n"
    "       charref config --markdown   the table of all settings\n"
    "       charref routes              METHOD PATH POOL of the service\n";

static int
print(struct buf *text)
{
	struct fault f = FAULT_INIT;
	int rc = 0;

	if (buf_done(text, &f) == -1)
		rc = start_print_fault(&f);
	else if (fputs(buf_str(text), stdout) == EOF || fflush(stdout) == EOF)
		rc = EXIT_FAILED;
	buf_fini(text);
	return rc;
}

static int
usage_error(void)
{
	(void)fputs(usage, stderr);
	return EXIT_USAGE;
}

static int
show_config(const char *name)
{
	struct buf text = BUF_INIT(OUTPUT_MAX);
	struct conf *conf = NULL;
	enum conf_key key = CONF_COUNT;

	if (name != NULL && !conf_named(name, &key)) {
		(void)fprintf(stderr,
		    "charref: there is no setting %s; `charref config` lists "
		    "them\n",
		    name);
		return EXIT_FAILED;
	}
	if (start_command(&conf) == -1)
		return EXIT_FAILED;
	if (name == NULL) {
		conf_show_all(conf, &text);
	} else {
		conf_show(conf, key, &text);
		buf_add(&text, VIEW("\n"));
	}
	conf_close(&conf);
	return print(&text);
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct buf text = BUF_INIT(OUTPUT_MAX);

	if (strcmp(verb, "config") == 0 && argc == 3 &&
	    strcmp(argv[2], "--markdown") == 0)
		conf_markdown(&text);
	else if (strcmp(verb, "config") == 0 && argc <= 3)
		return show_config(argv[2]);
	else if (strcmp(verb, "routes") == 0 && argc == 2)
		web_routes(&text);
	else if (strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0)
		buf_add(&text, view_str(usage));
	else
		return usage_error();
	return print(&text);
}
