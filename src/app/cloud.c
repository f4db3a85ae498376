#include "app/cloud.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define KEYS_FILE "credentials" /* in RUN_DIR, beside the state */

enum {
	COME_BACK_S = 5,
	FOLLOW_EVERY_MS = 1000 /* looks whether the state file was replaced */
};

struct cloud {
	const struct conf *conf;
	char keys_file[PATH_MAX];
	struct creds *creds;
	struct state *state;
	struct s3 *s3;
	struct view request_id; /* on whose behalf                 */
	struct fault told;      /* why there are no fresh credentials, in
				 * the log; NONE: there are            */
	bool is_state_told;     /* that the state file is, in the log       */
	int64_t follow_due_ms;  /* when to look at its name again           */
};

static int
open_creds(struct cloud *c, enum cloud_role role, int stop_fd, struct fault *f)
{
	struct creds_setup setup = conf_creds(c->conf);
	struct buf path = BUF_INIT(sizeof c->keys_file - 1);
	int rc;

	buf_fmt(&path, "%s/" KEYS_FILE, conf_text(c->conf, CONF_RUN_DIR));
	rc = buf_done(&path, f);
	if (rc == 0)
		memcpy(c->keys_file, path.data, path.len + 1);
	buf_fini(&path);
	setup.snapshot_file = c->keys_file;
	setup.is_keeper = role == CLOUD_KEEPER;
	setup.is_guest = role == CLOUD_COMMAND;
	setup.stop_fd = stop_fd;
	return rc == 0 ? creds_open(&c->creds, &setup, f) : -1;
}

static int
open_state(struct cloud *c, enum cloud_role role, struct fault *f)
{
	const char *folder = conf_text(c->conf, CONF_RUN_DIR);
	const int rc = role == CLOUD_COMMAND
			   ? state_listen(&c->state, folder, f)
			   : state_open(&c->state, folder, f);

	return rc == 0
		   ? 0
		   : fault_while(f,
			 "RUN_DIR must be a folder that this user may write");
}

static int
open_parts(struct cloud *c, enum cloud_role role, int stop_fd, struct fault *f)
{
	struct s3_setup setup;

	if (open_state(c, role, f) == -1 ||
	    open_creds(c, role, stop_fd, f) == -1)
		return -1;
	setup = conf_s3(c->conf, c->creds);
	setup.state = c->state;
	setup.stop_fd = stop_fd;
	return s3_open(&c->s3, &setup, f);
}

int
cloud_open(struct cloud **out, const struct conf *conf, enum cloud_role role,
    int stop_fd, struct fault *f)
{
	struct cloud *c = calloc(1, sizeof *c);

	if (c == NULL)
		return fault_set(f, FAULT_MEMORY, "open the cloud");
	c->conf = conf;
	if (open_parts(c, role, stop_fd, f) == -1) {
		cloud_close(&c);
		return fault_while(f, "open the bucket");
	}
	if (role != CLOUD_COMMAND)
		cloud_tend(c);
	*out = c;
	return 0;
}

void
cloud_close(struct cloud **c)
{
	if (*c == NULL)
		return;
	s3_close(&(*c)->s3);
	creds_close(&(*c)->creds);
	state_close(&(*c)->state);
	free(*c);
	*c = NULL;
}

struct s3 *
cloud_s3(struct cloud *c)
{
	return c->s3;
}

struct state *
cloud_state(struct cloud *c)
{
	return c->state;
}

void
cloud_serve(struct cloud *c, struct view request_id)
{
	c->request_id = request_id;
	s3_serve(c->s3, request_id);
}

struct view
cloud_request_id(const struct cloud *c)
{
	return c->request_id;
}

const struct creds *
cloud_creds(const struct cloud *c)
{
	return c->creds;
}

int
cloud_keys_left_ms(struct cloud *c, int64_t *left_ms, struct fault *f)
{
	const struct creds_keys *keys;

	if (creds_now(c->creds, &keys, f) == -1)
		return -1;
	*left_ms = keys->expires_at_ms == INT64_MAX
		       ? INT64_MAX
		       : keys->expires_at_ms - clock_now_ms();
	return 0;
}

/* Whoever removes the file while we run must not leave us with news of an
 * uploader that has begun anew in another one.  What fails is told once, not
 * at every turn, until it is well again. */
static void
follow_state(struct cloud *c)
{
	struct fault f = FAULT_INIT;

	if (clock_ticks_ms() < c->follow_due_ms)
		return;
	c->follow_due_ms = clock_ticks_ms() + FOLLOW_EVERY_MS;
	if (state_follow(c->state, conf_text(c->conf, CONF_RUN_DIR), &f) == 0) {
		c->is_state_told = false;
		return;
	}
	if (!c->is_state_told)
		log_event(LOG_ERROR, "no state file",
		    LOG_REQUEST(c->request_id),
		    LOG_TEXT("message", view_str(f.text)));
	c->is_state_told = true;
}

int
cloud_ready(struct cloud *c, struct fault *f)
{
	follow_state(c);
	switch (state_storage(c->state)) {
	case STATE_DOWN:
		(void)fault_set(f, FAULT_BUSY,
		    "the storage does not answer; it is asked every second");
		f->retry_after_s = COME_BACK_S;
		return -1;
	case STATE_DENIED:
		return fault_set(f, FAULT_DENIED,
		    "the storage refuses our credentials or the bucket; the "
		    "log says why");
	case STATE_UNKNOWN:
	case STATE_UP:
		break;
	}
	return 0;
}

/* The reason is for us alone: what a client hears of it names the source. */
static void
tell_keyless(struct cloud *c, const struct fault *f)
{
	if (c->told.kind != f->kind || strcmp(c->told.text, f->text) != 0)
		log_event(LOG_ERROR, "no fresh credentials",
		    LOG_REQUEST(c->request_id),
		    LOG_TEXT("source", view_str(creds_source(c->creds))),
		    LOG_TEXT("message", view_str(f->text)),
		    LOG_TEXT("details", view_str(f->details)));
	c->told = *f;
}

void
cloud_tend(struct cloud *c)
{
	struct fault f = FAULT_INIT;

	follow_state(c);
	if (creds_keep_fresh(c->creds, clock_ticks_ms() + CLOUD_KEYS_MS, &f) ==
	    -1)
		tell_keyless(c, &f);
	else
		c->told = FAULT_INIT;
}

void
cloud_look(struct cloud *c)
{
	follow_state(c);
	creds_look(c->creds);
}

int
cloud_presign(struct cloud *c, const struct object *object, const char *method,
    int64_t expires_s, struct s3_url *url, struct fault *f)
{
	char key[OBJECTS_KEY_SIZE];

	objects_key(key, &object->id, &object->job, object->kind);
	if (expires_s == 0)
		expires_s = conf_number(c->conf, CONF_PRESIGNED_URL_EXPIRY);
	return s3_presign(c->s3, method, key, expires_s,
	    conf_number(c->conf, CONF_PRESIGNED_URL_WINDOW), url, f);
}
