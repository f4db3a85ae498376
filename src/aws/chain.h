/*
 * chain - which source of keys is configured.  Asks nobody.
 */
#ifndef AWS_CHAIN_H
#define AWS_CHAIN_H

#include "aws/keys.h"
#include "aws/profile.h"
#include "aws/sts.h"

/* All texts: lent as long as the creds live; NULL or "" is not set. */
struct creds_setup {
	const struct secret *access_key_id;
	const struct secret *secret_access_key;
	const struct secret *session_token;
	const char *profile;          /* else "default"                  */
	const char *credentials_file; /* else home/.aws/credentials      */
	const char *config_file;      /* else home/.aws/config           */
	const char *home;
	const char *role_arn;          /* with web_identity_token_file    */
	const char *role_session_name; /* else "charref"                  */
	const char *web_identity_token_file;
	const char *region;          /* whose STS; else the profile's   */
	const char *standard_region; /* else this                    */
	const char *sts_endpoint;    /* else https://sts.REGION.amazonaws
				      * .com                            */
	const char *container_relative_uri;
	const char *container_full_uri;
	const char *container_token_file;
	const struct secret *container_token;
	bool no_instance;              /* never ask the instance          */
	const char *instance_endpoint; /* else http://169.254.169.254     */
	const char *ca_file;
	const char *snapshot_file; /* NULL: none is shared            */
	bool is_keeper;            /* we renew it for all             */
	bool is_guest;             /* we only read it                 */
	int stop_fd; /* see http_setup: nobody is waited for then     */
};

/* Who is to be asked for keys. */
enum chain_ask {
	CHAIN_NOBODY, /* the source gave its keys, or there is none */
	CHAIN_STS,
	CHAIN_PROCESS,
	CHAIN_CONTAINER,
	CHAIN_INSTANCE
};

/* The source that is configured, and what is needed to ask it.  Lends texts
 * of the setup and the profile. */
struct choice {
	const char *source; /* a literal, or "none" */
	enum chain_ask ask;
	struct creds_keys keys; /* of a source that is not asked           */
	struct buf url;         /* of one on the network                   */
	struct sts_role role;   /* but its url                             */
	struct view command;    /* of a process                            */
};

/*
 * Sets *out by the first link of the chain that is configured.  FAULT_INPUT
 * with the variable at fault as field, as creds_open has it.
 */
int chain_choose(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f);
void chain_fini(struct choice *choice);

struct profile_place chain_place(const struct creds_setup *s);

#endif
