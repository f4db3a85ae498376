/*
 * charref-sketch - an image model without a network: a FastCGI worker.
 */
#include <stdio.h>

#include "app/start.h"
#include "net/fcgi.h"
#include "sketch/draw.h"
#include "sketch/predict.h"
#include "sketch/wire.h"

static int
explain(void)
{
	const struct wire_word *row;
	size_t i;

	(void)puts("usage: spawn-fcgi -n -s SOCKET -- charref-sketch\n\n"
		   "A prompt may ask for faults:");
	for (i = 0; (row = wire_word(i)) != NULL; i++)
		(void)printf("  [%s%s]\t%s\n", row->word,
		    row->number_max > 0 ? " N" : "", row->sentence);
	return 0;
}

static int
serve(const struct conf *conf, struct fault *f)
{
	struct fcgi *c = NULL;
	int rc;

	if (fcgi_open(&c, f) == -1)
		return -1;
	while (fcgi_next(c))
		predict_serve(c, conf_secret(conf, CONF_SKETCH_KEY));
	rc = fcgi_left(c, f);
	fcgi_close(&c);
	draw_forget();
	return rc;
}

int
main(int argc, char **argv)
{
	struct fault f = FAULT_INIT;
	struct conf *conf = NULL;
	int rc;

	(void)argv;
	if (argc > 1)
		return explain();
	if (start_server(&conf) == -1)
		return 1;
	rc = serve(conf, &f) == 0 ? 0 : start_log_fault(&f);
	conf_close(&conf);
	return rc;
}
