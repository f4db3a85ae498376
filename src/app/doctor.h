/*
 * doctor - `charref doctor`: is everything as the service needs it?
 *
 * One table of checks, run in order; each says what it found and what to do
 * about it.  One whose need failed is skipped.  All together are bounded by
 * PATIENT_RUN_MS; SIGINT and SIGTERM end them early, and also then nothing of
 * theirs is left behind, in the bucket or on the disk.
 */
#ifndef APP_DOCTOR_H
#define APP_DOCTOR_H

#include "app/verbs.h"

verbs_function doctor_verb;

/*
 * The rule of the table: 0 when each row's need is the name of a row above
 * it, or none; else the name of the first that is not.
 */
const char *doctor_wrong_row(void);

#endif
