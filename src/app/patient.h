/*
 * patient - what the checks of `charref doctor` share: the settings, and what
 * earlier checks have opened or learnt.
 */
#ifndef APP_PATIENT_H
#define APP_PATIENT_H

#include <limits.h>

#include "app/conf.h"
#include "app/finding.h"
#include "base/person.h"
#include "disk/db.h"
#include "net/call.h"
#include "net/probe.h"

enum {
	PATIENT_RUN_MS = 45 * 1000, /* all checks together            */
	PATIENT_ASK_MS = 5 * 1000,  /* one question over the network  */
	PATIENT_KEY_SIZE = 96,
	PATIENT_MODEL_SIZE = 64,
	PATIENT_SOCKET_SIZE = 32
};

/* What the image API said of a model. */
struct patient_model {
	char name[PATIENT_MODEL_SIZE];
	const char *verb;   /* a literal: what we would call it with */
	bool does_it;       /* it is there, and has that verb        */
	struct fault fault; /* NONE: it is there                     */
};

struct patient {
	struct conf *conf; /* NULL: they are wrong */
	int stop_fd;
	int64_t deadline_ms; /* clock_ticks_ms */

	struct person service; /* who we act as */
	struct person nginx;   /* its workers' user                      */
	struct db *db;

	struct probe storage;
	struct probe model_host;
	struct creds *creds;
	struct state *state;
	struct s3 *s3;
	/* The probe's objects: the one that is put, and its copy; and whether
	 * they may be in the bucket. */
	char key[2][PATIENT_KEY_SIZE];
	bool may_be_there[2];

	struct patient_model *models; /* owned */
	size_t models_n;
};

/* A check: finds something, and says it. */
typedef void patient_check(struct patient *p, struct finding *it);

/* When a question that is asked now must be answered. */
int64_t patient_until_ms(const struct patient *p);

/* Sends one request, once, and waits for its answer until then. */
int patient_fetch(const struct patient *p, const char *unix_socket,
    const char *ca_file, struct http_call *call, int64_t until_ms,
    struct fault *f);

/* The names of the pools' sockets in RUN_DIR, from 0 on; NULL: no more. */
const char *patient_socket(size_t at);

/* Writes the folder of the images: false when its path is too long. */
bool patient_images(const struct patient *p, char path[PATH_MAX]);

#endif
