#include "app/doctor_cloud.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/state.h"

enum {
	CLOCK_WARN_S = 60,
	CLOCK_MAX_S = 15 * 60, /* SigV4 refuses what is farther off */
	MINUTE = 60,
	MS = 1000,
	ABSENT_SIZE = PATIENT_KEY_SIZE + 8,
	SESSION_MAX_S = 36 * 3600 /* the longest that AWS STS gives */
};

/* --- hosts --- */

static const char *const stages[] = {
	[PROBE_NAME] = "DNS",
	[PROBE_CONNECTION] = "TCP",
	[PROBE_TLS] = "TLS",
	[PROBE_REPLY] = "no reply",
};

static void
advise_stage(struct finding *it, enum probe_stage stage, const char *setting)
{
	switch (stage) {
	case PROBE_NAME:
		finding_advise(it,
		    "correct %s, or the resolver in "
		    "/etc/resolv.conf",
		    setting);
		break;
	case PROBE_CONNECTION:
		finding_advise(it,
		    "see that the host is up and no firewall "
		    "is between, or correct %s",
		    setting);
		break;
	case PROBE_TLS:
		finding_advise(it, "correct %s or the server's certificate%s",
		    setting,
		    strncmp(setting, "IMAGE", 5) == 0
			? "; ca-certificates must be installed"
			: "; a private authority's goes into AWS_CA_BUNDLE");
		break;
	case PROBE_REPLY:
		finding_advise(it,
		    "see what is wrong with that server, or "
		    "correct %s",
		    setting);
		break;
	case PROBE_DONE:
		break;
	}
}

void
doctor_say_probe(struct finding *it, const struct probe *probe,
    const char *origin, const char *setting)
{
	const bool is_plain = strncmp(origin, "http://", 7) == 0;

	if (probe->stage == PROBE_DONE) {
		finding_say(it, FINDING_OK, "%s at %s answers%s", origin,
		    probe->address[0] == '\0' ? "its socket" : probe->address,
		    is_plain ? ", unencrypted" : ", its certificate is good");
		return;
	}
	finding_say(it, FINDING_FAILED, "%s: %s: %s", origin,
	    stages[probe->stage], probe->why);
	advise_stage(it, probe->stage, setting);
}

/* The settings as they are for that endpoint and style. */
static int
find_place(struct patient *p, const char *endpoint, enum s3_style style,
    struct place *place, struct fault *f)
{
	const struct s3_setup setup = conf_s3(p->conf, p->creds);
	const struct place_ask ask = { setup.bucket, setup.region, endpoint,
		"AWS_ENDPOINT_URL_S3", style };

	return place_find(place, &ask, f);
}

static int
probe_place(struct patient *p, const struct place *place, struct probe *probe,
    struct fault *f)
{
	const struct probe_ask ask = { .origin = place->origin,
		.ca_file = conf_text(p->conf, CONF_AWS_CA_BUNDLE),
		.deadline_ms = patient_until_ms(p),
		.stop_fd = p->stop_fd };

	return probe_run(probe, &ask, f);
}

static void
look_at_host(struct patient *p, struct finding *it, const char *endpoint,
    const char *setting, struct probe *probe)
{
	struct fault f = FAULT_INIT;
	struct place place;

	if (find_place(p, endpoint, S3_PATH, &place, &f) == -1 ||
	    probe_place(p, &place, probe, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	doctor_say_probe(it, probe, place.origin, setting);
}

void
doctor_storage(struct patient *p, struct finding *it)
{
	const char *endpoint;

	if (!conf_has_bucket(p->conf)) {
		finding_say(it, FINDING_SKIPPED, "no bucket is set");
		finding_advise(it, "images stay on this host; to keep them in "
				   "S3, set STORAGE_BUCKET");
		return;
	}
	endpoint = conf_s3(p->conf, NULL).endpoint;
	look_at_host(p, it, endpoint,
	    endpoint[0] == '\0' ? "AWS_REGION" : "AWS_ENDPOINT_URL_S3",
	    &p->storage);
}

void
doctor_public(struct patient *p, struct finding *it)
{
	const char *endpoint = conf_text(p->conf, CONF_S3_PUBLIC_ENDPOINT);
	struct probe probe;

	if (endpoint[0] == '\0')
		finding_say(it, FINDING_SKIPPED,
		    "S3_PUBLIC_ENDPOINT is not set: clients are sent to the "
		    "storage host");
	else
		look_at_host(p, it, endpoint, "S3_PUBLIC_ENDPOINT", &probe);
}

/* A bucket in the host's name needs a name, and a certificate, of its own. */
void
doctor_addressing(struct patient *p, struct finding *it)
{
	const struct s3_setup setup = conf_s3(p->conf, NULL);
	struct fault f = FAULT_INIT;
	struct place place;
	struct probe probe;

	if (find_place(p, setup.endpoint, setup.style, &place, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	if (place.root[0] != '\0') {
		finding_say(
		    it, FINDING_OK, "path: %s%s", place.origin, place.root);
		return;
	}
	if (probe_place(p, &place, &probe, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	finding_say(it, FINDING_OK, "virtual: %s", place.origin);
	if (probe.stage == PROBE_DONE)
		return;
	doctor_say_probe(it, &probe, place.origin, "S3_ADDRESSING_STYLE");
	finding_advise(it,
	    "S3_ADDRESSING_STYLE=path would name the bucket behind the host, "
	    "which answers");
}

/* --- the clock --- */

void
doctor_say_clock(struct finding *it, int64_t offset_s, const char *whose)
{
	const int64_t off_s = offset_s < 0 ? -offset_s : offset_s;
	const char *side = offset_s < 0 ? "ahead of" : "behind";

	if (off_s <= CLOCK_WARN_S) {
		finding_say(
		    it, FINDING_OK, "within %d s of %s's", CLOCK_WARN_S, whose);
		return;
	}
	finding_say(it, off_s > CLOCK_MAX_S ? FINDING_FAILED : FINDING_WARNING,
	    "%lld min %lld s %s %s's", (long long)(off_s / MINUTE),
	    (long long)(off_s % MINUTE), side, whose);
	finding_advise(it,
	    "set this host's clock (systemctl enable --now "
	    "systemd-timesyncd); S3 refuses signatures that "
	    "are %d minutes off",
	    CLOCK_MAX_S / MINUTE);
}

void
doctor_clock(struct patient *p, struct finding *it)
{
	const bool by_storage =
	    p->storage.stage == PROBE_DONE && p->storage.date_s != -1;
	const struct probe *by = by_storage ? &p->storage : &p->model_host;

	if (by->stage != PROBE_DONE || by->date_s == -1)
		finding_say(
		    it, FINDING_SKIPPED, "no host has told what time it is");
	else
		doctor_say_clock(it, by->date_s - by->asked_s,
		    by_storage ? "the storage" : "the model host");
}

/* --- credentials --- */

/* Says what they are; returns how many seconds they have left at most. */
static int64_t
say_source(struct finding *it, const struct creds_keys *keys, const char *from)
{
	const int64_t left_s = (keys->expires_at_ms - clock_now_ms()) / MS;

	if (keys->expires_at_ms != INT64_MAX) {
		finding_say(it, FINDING_OK, "from %s, good for %lld min", from,
		    (long long)(left_s / MINUTE));
		return left_s;
	}
	if (secret_is_set(&keys->token)) {
		finding_say(it, FINDING_OK,
		    "from %s, a session that does not tell its end", from);
		return SESSION_MAX_S;
	}
	finding_say(it, FINDING_OK, "from %s, without an end", from);
	return INT64_MAX;
}

static void
say_keys(struct patient *p, struct finding *it, const struct creds_keys *keys)
{
	const int64_t left_s = say_source(it, keys, creds_source(p->creds));

	if (conf_number(p->conf, CONF_PRESIGNED_URL_EXPIRY) <= left_s)
		return;
	finding_add(it, FINDING_WARNING,
	    "presigned URLs that are made now end with them, before "
	    "PRESIGNED_URL_EXPIRY");
	finding_advise(it,
	    "set PRESIGNED_URL_EXPIRY to what the keys live, or use keys that "
	    "live longer");
}

/* A profile may name a command to ask for keys: it must not be root's, when
 * the profile is not. */
static int
open_keys(struct patient *p, const struct creds_keys **keys, struct fault *f)
{
	struct creds_setup setup = conf_creds(p->conf);

	if (person_become(&p->service, f) == -1)
		return -1;
	setup.is_guest = true;
	setup.stop_fd = p->stop_fd;
	if (creds_open(&p->creds, &setup, f) == -1)
		return -1;
	if (creds_keep_fresh(p->creds, patient_until_ms(p), f) == -1)
		return -1;
	return creds_now(p->creds, keys, f);
}

void
doctor_credentials(struct patient *p, struct finding *it)
{
	const struct creds_keys *keys = NULL;
	struct fault f = FAULT_INIT;

	if (open_keys(p, &keys, &f) == 0) {
		say_keys(p, it, keys);
		return;
	}
	finding_say(it, FINDING_FAILED, "%s%s%s",
	    f.field == NULL ? "" : f.field, f.field == NULL ? "" : ": ",
	    f.text);
	finding_advise(it,
	    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or see that "
	    "the %s source works; `charref config` says what is looked at",
	    p->creds == NULL ? "other" : creds_source(p->creds));
}

/* --- the bucket --- */

static int
open_bucket(
    struct patient *p, enum s3_style style, struct s3 **s3, struct fault *f)
{
	struct s3_setup setup = conf_s3(p->conf, p->creds);

	if (p->state == NULL &&
	    state_listen(&p->state, conf_text(p->conf, CONF_RUN_DIR), f) == -1)
		return -1;
	setup.state = p->state;
	setup.stop_fd = p->stop_fd;
	setup.style = style;
	return s3_open(s3, &setup, f);
}

/* A key that nobody has put: its absence must be told, or be a secret.  Not
 * so the bucket's. */
static int
ask_bucket(struct patient *p, struct s3 *s3, struct fault *f)
{
	char key[ABSENT_SIZE];
	struct s3_op op = S3_OP_INIT(S3_GET, key);

	(void)snprintf(key, sizeof key, "%s-none", p->key[0]);
	op.range_end = 0;
	op.reply = BUF_INIT(1);
	s3_run(s3, &op, 1, patient_until_ms(p));
	buf_fini(&op.reply);
	if (op.fault.kind == FAULT_NONE || op.fault.kind == FAULT_ABSENT ||
	    strcmp(op.code, "AccessDenied") == 0)
		return 0;
	*f = op.fault;
	return -1;
}

/* Would it work with the bucket in the path, where it is in the host now?
 * Not asked of a storage that is not well. */
static bool
works_in_path(struct patient *p, const struct fault *why)
{
	const struct s3_setup setup = conf_s3(p->conf, p->creds);
	struct fault f = FAULT_INIT;
	struct s3 *s3 = NULL;
	struct place place;
	bool works = false;

	if (why->kind == FAULT_BUSY || why->kind == FAULT_SLOW ||
	    find_place(p, setup.endpoint, setup.style, &place, &f) == -1 ||
	    place.root[0] != '\0')
		return false;
	if (open_bucket(p, S3_PATH, &s3, &f) == 0)
		works = ask_bucket(p, s3, &f) == 0;
	s3_close(&s3);
	return works;
}

static void
advise_bucket(struct patient *p, struct finding *it, const struct fault *f)
{
	if (works_in_path(p, f))
		finding_advise(it,
		    "set S3_ADDRESSING_STYLE=path: so it works, while this "
		    "server does not know the bucket by its host's name");
	else if (f->kind == FAULT_DENIED)
		finding_advise(it,
		    "correct STORAGE_BUCKET, AWS_REGION or the keys; the "
		    "bucket is never made by charref");
	else if (f->kind == FAULT_REMOTE)
		finding_advise(it, "correct AWS_ENDPOINT_URL_S3");
	else
		finding_advise(it, "the storage is not well: ask again later");
}

void
doctor_bucket(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;

	if (open_bucket(p, conf_s3(p->conf, NULL).style, &p->s3, &f) == 0 &&
	    ask_bucket(p, p->s3, &f) == 0) {
		finding_say(it, FINDING_OK, "%s is there",
		    conf_text(p->conf, CONF_STORAGE_BUCKET));
		return;
	}
	finding_say(it, FINDING_FAILED, "%s", f.text);
	advise_bucket(p, it, &f);
}

void
doctor_region(struct patient *p, struct finding *it)
{
	const char *configured = conf_s3(p->conf, p->creds).region;
	const char *learnt = s3_region(p->s3);

	if (strcmp(configured, learnt) == 0) {
		finding_say(it, FINDING_OK, "%s", learnt);
		return;
	}
	finding_say(it, FINDING_FAILED, "the bucket is in %s, not in %s",
	    learnt, configured);
	finding_advise(it, "set AWS_REGION=%s", learnt);
}

void
doctor_cloud_end(struct patient *p)
{
	s3_close(&p->s3);
	creds_close(&p->creds);
	state_close(&p->state);
}
