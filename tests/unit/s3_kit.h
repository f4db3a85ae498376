/*
 * s3_kit - what the tests of an S3 client have in common: a folder of
 * their own, keys to sign with, and replies for a scripted server to give.
 */
#ifndef TESTS_S3_KIT_H
#define TESTS_S3_KIT_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aws/creds.h"
#include "base/clock.h"

#include "folder.h"

/* What the server sends before it closes.  It says that it will, or a client
 * may send its next request into a connection that is about to end. */
#define REPLY(status, headers, body)                                           \
	HEAD_OF(status, "Connection: close\r\n" headers) body
#define HEAD_OF(status, headers)                                               \
	"HTTP/1.1 " status "\r\nx-amz-request-id: TX1\r\n" headers "\r\n"
#define DONE REPLY("200 OK", "ETag: \"e7\"\r\nContent-Length: 0\r\n", "")
#define GONE REPLY("204 No Content", "", "")
#define FOUND(body)                                                            \
	REPLY("200 OK", "ETag: \"e7\"\r\nContent-Length: 5\r\n", body)
#define ERROR(status, headers, inside)                                         \
	REPLY(status, headers, "<Error>" inside "</Error>")
#define CODE(status, code) ERROR(status, "", "<Code>" code "</Code>")
#define NOTHING REPLY("404 N", "", "")
#define COPIED                                                                 \
	REPLY("200 OK", "",                                                    \
	    "<CopyObjectResult><ETag>e7</ETag></CopyObjectResult>")

enum { KIT_REST_MS = CREDS_SHARED_MS };

struct kit {
	char folder[FOLDER_SIZE];
	int dir;
	struct creds *creds;
	char config[FOLDER_SIZE + 16]; /* the profile of kit_session */
};

static inline void
kit_begin(struct kit *k)
{
	*k = (struct kit){ .dir = -1 };
	MUST(folder_make(k->folder) == 0);
	k->dir = open(k->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(k->dir != -1);
}

static inline void
kit_end(struct kit *k)
{
	creds_close(&k->creds);
	(void)close(k->dir);
	MUST(folder_remove(k->folder) == 0);
}

static inline void
kit_write(const struct kit *k, const char *name, const char *text)
{
	const int fd = openat(
	    k->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const size_t n = strlen(text);

	MUST(fd != -1);
	MUST(write(fd, text, n) == (ssize_t)n);
	(void)close(fd);
}

/* Long-lived keys. */
static inline void
kit_keys(struct kit *k)
{
	struct secret id = SECRET_INIT, hush = SECRET_INIT;
	const struct creds_setup setup = { .access_key_id = &id,
		.secret_access_key = &hush };
	struct fault f = FAULT_INIT;

	MUST(secret_set(&id, VIEW("AKIDEXAMPLE"), &f) == 0);
	MUST(secret_set(&hush, VIEW("hushhushhush"), &f) == 0);
	MUST(creds_open(&k->creds, &setup, &f) == 0);
	secret_fini(&id);
	secret_fini(&hush);
}

/* What the source of temporary keys gives from now on. */
static inline void
kit_issue(const struct kit *k, const char *id, int64_t lives_s)
{
	const time_t end = (time_t)(clock_now_ms() / 1000 + lives_s);
	char text[512], at[32];
	struct tm tm;

	MUST(gmtime_r(&end, &tm) != NULL);
	MUST(strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
	(void)snprintf(text, sizeof text,
	    "{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":"
	    "\"hushhush\",\"SessionToken\":\"token/of+%s=\","
	    "\"Expiration\":\"%s\"}",
	    id, id, at);
	kit_write(k, "keys.json", text);
}

/* Temporary keys, from a process that prints what was issued.  They can be
 * renewed after KIT_REST_MS. */
static inline void
kit_session(struct kit *k, const char *id, int64_t lives_s)
{
	struct creds_setup setup = { .no_instance = true };
	struct fault f = FAULT_INIT;
	char text[FOLDER_SIZE + 64];

	kit_issue(k, id, lives_s);
	(void)snprintf(text, sizeof text,
	    "[default]\ncredential_process = /bin/cat %s/keys.json\n",
	    k->folder);
	kit_write(k, "config", text);
	(void)snprintf(k->config, sizeof k->config, "%s/config", k->folder);
	setup.config_file = k->config;
	setup.home = k->folder;
	if (creds_open(&k->creds, &setup, &f) == -1 ||
	    creds_keep_fresh(k->creds, clock_ticks_ms() + 5000, &f) == -1)
		fail_msg("%s", f.text);
}

#endif
