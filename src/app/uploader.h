/*
 * uploader - the daemon beside the workers: brings to the bucket what
 * waits, looks after what is there, and watches the storage.
 *
 * Three processes: this one uploads, one child watches (app/watch), so that
 * no upload can delay the news that the storage is down, and one works
 * through the operations on whole jobs (app/runner).  Several uploaders
 * may run; each object is taken by one.  Killed at any moment it loses
 * nothing: what it had taken is free again after a while.
 */
#ifndef APP_UPLOADER_H
#define APP_UPLOADER_H

#include "app/conf.h"

/*
 * Goes on until SIGTERM or SIGINT.  Fails when it cannot begin (FAULT_INPUT
 * without a bucket, else as assets_open), and when a child has died:
 * whoever began it begins all anew.
 */
int uploader_run(const struct conf *conf, struct fault *f);

#endif
