/*
 * profile - what one profile of the AWS files says.
 *
 * The credentials file has sections [name], the config file [profile name]
 * and [default].  Keys come from one file: where the credentials file has
 * some, those of the config file do not count, so that no id meets the
 * other file's secret.  Each other setting is the credentials file's, else
 * the config file's.
 */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include <sys/stat.h>

#include "base/buf.h"

enum {
	PROFILE_FILE_MAX = 1 << 20, /* bytes of a file                     */
	PROFILE_VALUE_MAX = 8192    /* bytes of one setting                */
};

/* What a profile can say; the words are those of the files. */
#define PROFILE_SETTINGS(X)                                                    \
	X(ID, "aws_access_key_id")                                             \
	X(SECRET, "aws_secret_access_key")                                     \
	X(TOKEN, "aws_session_token")                                          \
	X(REGION, "region")                                                    \
	X(PROCESS, "credential_process")                                       \
	X(ROLE, "role_arn")                                                    \
	X(ROLE_SESSION, "role_session_name")                                   \
	X(WEB_TOKEN_FILE, "web_identity_token_file")                           \
	X(SOURCE_PROFILE, "source_profile")                                    \
	X(CREDENTIAL_SOURCE, "credential_source")                              \
	X(SSO_SESSION, "sso_session")                                          \
	X(SSO_ACCOUNT, "sso_account_id")                                       \
	X(SSO_START, "sso_start_url")                                          \
	X(LOGIN, "login_session")

#define X(name, word) PROFILE_##name,
enum profile_setting { PROFILE_SETTINGS(X) PROFILE_COUNT };
#undef X

/* The word of a setting, as the files have it. */
const char *profile_word(enum profile_setting s);

/* Texts: lent for the call; NULL or "" is not set. */
struct profile_place {
	const char *name;             /* else "default"                  */
	const char *credentials_file; /* else home/.aws/credentials      */
	const char *config_file;      /* else home/.aws/config           */
	const char *home;
};

/* Which states of the two files were read. */
struct profile_mark {
	struct {
		ino_t inode;
		off_t size;
		struct timespec written;
	} file[2];
};

struct profile {
	bool found;
	struct buf value[PROFILE_COUNT]; /* hold secrets; "" is not set   */
};

#define PROFILE_INIT ((struct profile){ .found = false })

/*
 * Sets the empty p.  A file that is not named may be missing, or be one
 * that we must not read.  FAULT_INPUT with the variable as field: a named
 * file that cannot be read (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE),
 * any that cannot be parsed, a named profile that is in neither
 * (AWS_PROFILE).
 */
int profile_read(
    struct profile *p, const struct profile_place *place, struct fault *f);
void profile_fini(struct profile *p);

/* Have the files changed since mark was made?  Makes it anew. */
bool profile_changed(
    const struct profile_place *place, struct profile_mark *mark);

#endif
