/*
 * charref-fcgi - a FastCGI worker on the listening socket at descriptor 0:
 * spawn-fcgi -s SOCKET -F 8 -- charref-fcgi
 */
#include "app/start.h"
#include "app/web.h"
#include "net/fcgi.h"

static int
work(const struct conf *conf, struct fault *f)
{
	struct fcgi *c = NULL;
	struct web *w = NULL;
	int rc = -1;

	if (fcgi_open(&c, f) == -1 || web_open(&w, conf, f) == -1)
		goto out;
	while (fcgi_next(c))
		web_serve(w, c);
	rc = fcgi_left(c, f);
out:
	web_close(&w);
	fcgi_close(&c);
	return rc;
}

int
main(void)
{
	struct fault f = FAULT_INIT;
	struct conf *conf = NULL;
	int rc;

	if (start_server(&conf) == -1)
		return 1;
	rc = work(conf, &f) == 0 ? 0 : start_log_fault(&f);
	conf_close(&conf);
	return rc;
}
