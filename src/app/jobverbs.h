/*
 * jobverbs - the verbs of whole jobs.
 *
 * SIGINT and SIGTERM end a transfer at once; what has arrived stays, and the
 * same command goes on from there.
 */
#ifndef APP_JOBVERBS_H
#define APP_JOBVERBS_H

#include "app/verbs.h"

verbs_function jobverbs_persist, jobverbs_download, jobverbs_verify;

#endif
