/*
 * listverbs - the verbs that look at the catalogue: ls and show.
 */
#ifndef APP_LISTVERBS_H
#define APP_LISTVERBS_H

#include "app/verbs.h"

/* Writes its table to standard output as it goes, for it may be long; what
 * ends the document goes to out. */
verbs_function listverbs_list;

verbs_function listverbs_show;

#endif
