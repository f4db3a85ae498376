#include "app/doctor_local.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "codec/text.h"
#include "gen/models.h"

enum { MISTAKES_MAX = 64 << 10, MIB = 1 << 20, FILES_LOW = 10000 };

/* --- settings --- */

static bool
is_lazy_for_nobody(const struct conf *c)
{
	return conf_is(c, CONF_UPLOAD_MODE, "lazy") && !conf_serves_cloud(c);
}

static bool
has_idle_kms_key(const struct conf *c)
{
	return conf_text(c, CONF_S3_SSE_KMS_KEY_ID)[0] != '\0' &&
	       !conf_is(c, CONF_S3_SSE, "aws:kms");
}

static bool
has_two_model_keys(const struct conf *c)
{
	return secret_is_set(conf_secret(c, CONF_GEMINI_API_KEY)) &&
	       secret_is_set(conf_secret(c, CONF_GOOGLE_API_KEY));
}

static bool
has_two_sources(const struct conf *c)
{
	return conf_text(c, CONF_AWS_PROFILE)[0] != '\0' &&
	       secret_is_set(conf_secret(c, CONF_AWS_ACCESS_KEY_ID));
}

/* At googleapis.com it would be a mistake of the settings. */
static bool
has_short_deadline(const struct conf *c)
{
	return conf_number(c, CONF_GENERATE_DEADLINE) <
	       MODELS_GOOGLE_DEADLINE_S;
}

/* Legal, and not what somebody expects. */
static const struct {
	bool (*is_so)(const struct conf *c);
	const char *found;
	const char *remedy;
} surprises[] = {
	{ is_lazy_for_nobody,
	    "UPLOAD_MODE=lazy without SERVE_FROM_CLOUD: no GET ever uploads",
	    "set SERVE_FROM_CLOUD=true, or leave UPLOAD_MODE unset" },
	{ has_idle_kms_key, "S3_SSE_KMS_KEY_ID is not used",
	    "set S3_SSE=aws:kms, or leave S3_SSE_KMS_KEY_ID unset" },
	{ has_two_model_keys,
	    "GOOGLE_API_KEY is not used, since GEMINI_API_KEY is set",
	    "leave one of GEMINI_API_KEY and GOOGLE_API_KEY unset" },
	{ has_short_deadline,
	    "GENERATE_DEADLINE is below 15 s: models take longer, and each is "
	    "told that it has 10 s, Google's least, even when less is left",
	    "set GENERATE_DEADLINE=15 or more, or leave it unset" },
	{ has_two_sources,
	    "AWS_ACCESS_KEY_ID is not used, since AWS_PROFILE is set",
	    "leave one of AWS_PROFILE and AWS_ACCESS_KEY_ID unset" },
};

/* Who runs the service owns its data; root only looks after it, and goes on
 * as who that is. */
static int
be_the_service(struct patient *p, struct fault *f)
{
	struct stat st;
	uid_t uid = geteuid();

	if (uid == 0 && stat(conf_text(p->conf, CONF_CHARREF_ROOT), &st) == 0)
		uid = st.st_uid;
	person_of_uid(&p->service, uid);
	return person_act_as(&p->service, f);
}

void
doctor_settings(struct patient *p, struct finding *it)
{
	struct buf mistakes = BUF_INIT(MISTAKES_MAX);
	struct fault f = FAULT_INIT;
	struct view rest, line;
	size_t i;

	if (conf_open(&p->conf, &mistakes, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		rest = buf_view(&mistakes);
		while (text_split(&rest, '\n', &line))
			if (line.n > 0)
				finding_add(it, FINDING_FAILED, "%.*s",
				    (int)line.n, line.p);
		finding_advise(it,
		    "correct them in the service's environment; `charref "
		    "config --markdown` has them all");
		buf_fini(&mistakes);
		return;
	}
	buf_fini(&mistakes);
	if (be_the_service(p, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	for (i = 0; i < sizeof surprises / sizeof surprises[0]; i++) {
		if (!surprises[i].is_so(p->conf))
			continue;
		finding_add(it, FINDING_WARNING, "%s", surprises[i].found);
		finding_advise(it, "%s", surprises[i].remedy);
	}
	if (it->state == FINDING_OK)
		finding_say(it, FINDING_OK,
		    "%d settings, all of them good; as %s", CONF_COUNT,
		    p->service.name);
}

/* --- folders --- */

static int
write_there(const char *path, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	int dir = -1, rc = -1;

	if (file_open_folder(path, &dir, f) == 0 &&
	    file_draft_open(&draft, dir, f) == 0)
		rc = file_draft_write(&draft, VIEW("charref doctor\n"), f);
	file_draft_fini(&draft);
	if (dir != -1)
		(void)close(dir);
	return rc;
}

static void
say_missing(struct finding *it, enum finding_state missing, const char *path,
    const char *setting, const struct person *who)
{
	const int error = errno;

	if (error != ENOENT) {
		finding_say(
		    it, FINDING_FAILED, "%s: %s", path, strerror(error));
		finding_advise(
		    it, "correct the path or its folders (%s)", setting);
		return;
	}
	finding_say(it, missing, "%s is not there", path);
	finding_advise(it, "install -d -o %s -m 2750 %s, or set %s", who->name,
	    path, setting);
}

/* One folder of the settings, in which the service makes files. */
static void
look_at(struct patient *p, struct finding *it, const char *path,
    const char *setting, enum finding_state missing)
{
	struct fault f = FAULT_INIT;
	struct person owner;
	struct stat st;

	if (stat(path, &st) == -1) {
		say_missing(it, missing, path, setting, &p->service);
		return;
	}
	person_of_uid(&owner, st.st_uid);
	finding_say(it, FINDING_OK, "%s is writable (%s, %04o)", path,
	    owner.name, (unsigned)st.st_mode & 07777);
	if (write_there(path, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s (%s, %04o): %s", path,
		    owner.name, (unsigned)st.st_mode & 07777, f.text);
		finding_advise(it, "let %s write there, or set %s",
		    p->service.name, setting);
	} else if ((st.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH) {
		finding_add(it, FINDING_WARNING,
		    "everybody on this host may change what is in it");
		finding_advise(it, "chmod o-w %s", path);
	}
}

void
doctor_data(struct patient *p, struct finding *it)
{
	look_at(p, it, conf_text(p->conf, CONF_CHARREF_ROOT), "CHARREF_ROOT",
	    FINDING_FAILED);
}

void
doctor_images(struct patient *p, struct finding *it)
{
	char path[PATH_MAX];

	if (!patient_images(p, path)) {
		finding_say(it, FINDING_FAILED, "the path is too long");
		finding_advise(it, "set a shorter CHARREF_ROOT");
	} else if (access(path, F_OK) == -1 && errno == ENOENT) {
		finding_say(it, FINDING_WARNING,
		    "%s is not there yet: the first worker makes it", path);
		finding_advise(it, "start the service");
	} else {
		look_at(p, it, path, "CHARREF_ROOT", FINDING_FAILED);
	}
}

void
doctor_run_folder(struct patient *p, struct finding *it)
{
	look_at(p, it, conf_text(p->conf, CONF_RUN_DIR), "RUN_DIR",
	    FINDING_WARNING);
}

void
doctor_jobs_folder(struct patient *p, struct finding *it)
{
	look_at(p, it, conf_text(p->conf, CONF_JOBS_DIR), "JOBS_DIR",
	    FINDING_WARNING);
}

/* --- disk --- */

/* The magic numbers of statfs(2) and linux/magic.h. */
static const struct {
	int64_t type;
	const char *name;
} unfit[] = {
	{ 0x6969, "NFS" },
	{ 0x517b, "SMB" },
	{ 0xff534d42, "CIFS" },
	{ 0xfe534d42, "SMB2" },
	{ 0x00c36400, "CephFS" },
	{ 0x01021997, "9P" },
	{ 0x0bd00bd0, "Lustre" },
	{ 0x5346414f, "AFS" },
	{ 0x73757245, "Coda" },
	{ 0x786f4256, "vboxsf" },
};

enum { TMPFS = 0x01021994 };

const char *
doctor_unfit_filesystem(int64_t type)
{
	size_t i;

	for (i = 0; i < sizeof unfit / sizeof unfit[0]; i++)
		if (unfit[i].type == (type & 0xffffffff))
			return unfit[i].name;
	return NULL;
}

static void
look_at_filesystem(struct finding *it, int dir)
{
	const char *name;
	struct statfs st;

	if (fstatfs(dir, &st) == -1)
		return;
	name = doctor_unfit_filesystem((int64_t)st.f_type);
	if (name != NULL) {
		finding_add(it, FINDING_FAILED,
		    "the filesystem is %s, on which processes cannot share "
		    "the catalogue's WAL",
		    name);
		finding_advise(it, "put CHARREF_ROOT on a local filesystem");
	} else if (st.f_type == TMPFS) {
		finding_add(it, FINDING_WARNING,
		    "the filesystem is in memory: a restart of the host "
		    "empties it");
		finding_advise(it, "put CHARREF_ROOT on a disk");
	}
}

static void
look_at_space(struct patient *p, struct finding *it, int dir)
{
	const int64_t reserve = conf_number(p->conf, CONF_DISK_RESERVE_MB);
	struct fault f = FAULT_INIT;
	int64_t bytes = 0, files = 0;

	if (file_free_space(dir, &bytes, &files, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		return;
	}
	finding_say(it, FINDING_OK, "%lld MiB free, DISK_RESERVE_MB is %lld",
	    (long long)(bytes / MIB), (long long)reserve);
	if (bytes / MIB < reserve)
		finding_add(
		    it, FINDING_FAILED, "every generation is refused with 507");
	else if (bytes / MIB < 2 * reserve)
		finding_add(it, FINDING_WARNING, "it will be full soon");
	if (files < FILES_LOW)
		finding_add(it, files == 0 ? FINDING_FAILED : FINDING_WARNING,
		    "%lld inodes are free", (long long)files);
	if (it->state != FINDING_OK)
		finding_advise(it,
		    "make room, move CHARREF_ROOT, or set a smaller "
		    "DISK_RESERVE_MB");
}

void
doctor_disk(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;
	int dir = -1;

	if (file_open_folder(conf_text(p->conf, CONF_CHARREF_ROOT), &dir, &f) ==
	    -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		finding_advise(it, "let %s read CHARREF_ROOT", p->service.name);
		return;
	}
	look_at_space(p, it, dir);
	look_at_filesystem(it, dir);
	(void)close(dir);
}
