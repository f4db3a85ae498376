/*
 * runner - works through the operations that were asked for over HTTP, one
 * after another: a process of the uploader, so that no long job delays the
 * queue of images.
 */
#ifndef APP_RUNNER_H
#define APP_RUNNER_H

#include "app/conf.h"

/*
 * Goes on until stop_fd becomes readable; fails only when it cannot begin.
 * An operation that is stopped, or killed, or that the bucket's outage
 * breaks off, stays running and is gone on with.
 */
int runner_run(const struct conf *conf, int stop_fd, struct fault *f);

#endif
