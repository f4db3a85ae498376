/*
 * reindex - makes the catalogue say what the local folder and the bucket
 * have.  Adds rows and puts states right; deletes no row and no image.
 */
#ifndef APP_REINDEX_H
#define APP_REINDEX_H

#include "app/assets.h"

enum { REINDEX_LIST_MS = 3600 * 1000 };

struct reindex_report {
	int64_t adopted;    /* local images that had no row               */
	int64_t queued;     /* local images that had no object            */
	int64_t discovered; /* objects of the bucket that had none        */
	int64_t confirmed;  /* objects of the bucket that were known      */
	int64_t conflicts;  /* whose size is not that of the local image  */
	int64_t lost;       /* were said to be in the bucket, and are not */
};

/* May run beside the service.  As recover, s3_list and objects fail. */
int reindex(struct assets *a, struct reindex_report *report, struct fault *f);

#endif
