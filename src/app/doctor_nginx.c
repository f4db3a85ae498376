#include "app/doctor_nginx.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define NGINX_USER "www-data" /* Debian's, when none is running */
#define NGINX_MASTER "nginx: master process"

static bool
read_file(char *out, size_t size, const char *pid, const char *name)
{
	char path[64];
	size_t n = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/%.16s/%s", pid, name);
	file = fopen(path, "re");
	if (file != NULL) {
		n = fread(out, 1, size - 1, file);
		(void)fclose(file);
	}
	out[n] = '\0';
	return n > 0;
}

/* A master that was told of RUN_DIR is ours; else one that was told of no
 * configuration, as the system's is. */
static int
rank_of_master(const char *pid, const char *run_dir)
{
	char title[4096];

	if (!read_file(title, sizeof title, pid, "cmdline") ||
	    strncmp(title, NGINX_MASTER, strlen(NGINX_MASTER)) != 0)
		return 0;
	if (strstr(title, run_dir) != NULL)
		return 2;
	return strstr(title, " -c ") == NULL ? 1 : 0;
}

/* The user of a child of that process; a master's are its workers. */
static bool
user_of_worker(struct person *out, const char *pid)
{
	char path[64], children[4096];

	(void)snprintf(path, sizeof path, "task/%.16s/children", pid);
	return read_file(children, sizeof children, pid, path) &&
	       person_of_process(out, (pid_t)strtol(children, NULL, 10));
}

/* False: nobody knows who nginx will be. */
static bool
look_for_nginx(struct patient *p, bool *is_running)
{
	const char *run_dir = conf_text(p->conf, CONF_RUN_DIR);
	DIR *all = opendir("/proc");
	int best = 0, rank;
	struct dirent *one;

	while (all != NULL && (one = readdir(all)) != NULL) {
		if (one->d_name[0] < '1' || one->d_name[0] > '9')
			continue;
		rank = rank_of_master(one->d_name, run_dir);
		if (rank > best && user_of_worker(&p->nginx, one->d_name))
			best = rank;
	}
	if (all != NULL)
		(void)closedir(all);
	*is_running = best > 0;
	return best > 0 || person_named(&p->nginx, NGINX_USER);
}

/* A file as the service leaves its images, for nginx to try. */
static int
try_image(struct patient *p, const char *folder, struct fault *f)
{
	struct file_draft draft = FILE_DRAFT_INIT;
	char whole[PATH_MAX], path[PATH_MAX + NAME_MAX];
	int dir = -1, rc = -1;

	if (realpath(folder, whole) == NULL)
		return fault_sys(f, FAULT_DISK, "find %s", folder);
	if (file_open_folder(whole, &dir, f) == 0 &&
	    file_draft_open(&draft, dir, f) == 0) {
		(void)snprintf(path, sizeof path, "%s/%s", whole, draft.name);
		rc = person_reaches(&p->nginx, path, PERSON_READ, f);
	}
	file_draft_fini(&draft);
	if (dir != -1)
		(void)close(dir);
	return rc;
}

void
doctor_nginx_reads(struct patient *p, struct finding *it)
{
	struct fault f = FAULT_INIT;
	bool is_running = false;
	char folder[PATH_MAX];

	if (!look_for_nginx(p, &is_running)) {
		finding_say(it, FINDING_WARNING,
		    "no nginx is running, and there is no user " NGINX_USER);
		finding_advise(it, "install and start nginx");
	} else if (!patient_images(p, folder) || access(folder, F_OK) == -1) {
		finding_say(it, FINDING_SKIPPED, "no image folder yet");
	} else if (try_image(p, folder, &f) == -1) {
		finding_say(it, FINDING_FAILED, "%s", f.text);
		finding_advise(it,
		    "give the folders on the way to %s the group of %s and "
		    "mode 2750 (chgrp, chmod g+rxs)",
		    folder, p->nginx.name);
	} else {
		finding_say(it, FINDING_OK, "as %s, %s%s", p->nginx.name,
		    is_running ? "whom its workers run as"
			       : "for want of a running one",
		    person_can_be(&p->nginx) ? "" : "; judged by the modes");
	}
}

/* --- the sockets --- */

void
doctor_nginx_connects(struct patient *p, struct finding *it)
{
	char folder[PATH_MAX], path[PATH_MAX + PATIENT_SOCKET_SIZE];
	struct fault f = FAULT_INIT;
	bool is_running = false;
	int found = 0;
	size_t i;

	if (realpath(conf_text(p->conf, CONF_RUN_DIR), folder) == NULL ||
	    !look_for_nginx(p, &is_running)) {
		finding_say(it, FINDING_SKIPPED, "no RUN_DIR or no nginx yet");
		return;
	}
	for (i = 0; patient_socket(i) != NULL; i++) {
		(void)snprintf(
		    path, sizeof path, "%s/%s", folder, patient_socket(i));
		if (access(path, F_OK) == -1)
			continue;
		found++;
		if (person_reaches(&p->nginx, path, PERSON_WRITE, &f) == -1) {
			finding_say(it, FINDING_FAILED, "%s", f.text);
			finding_advise(it,
			    "give %s the group of %s and mode 2750, and its "
			    "sockets mode 0660",
			    folder, p->nginx.name);
			return;
		}
	}
	if (found == 0)
		finding_say(it, FINDING_SKIPPED,
		    "no socket in RUN_DIR: the service is not running");
	else
		finding_say(
		    it, FINDING_OK, "%d sockets, as %s", found, p->nginx.name);
}
