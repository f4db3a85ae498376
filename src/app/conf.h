/*
 * conf - the settings in force, read once from the environment.
 *
 * One table (conf.tbl.h) makes the names, defaults, ranges and sentences.
 * A variable that is empty counts as not set.
 */
#ifndef APP_CONF_H
#define APP_CONF_H

#include <stdint.h>

#include "app/access.h"
#include "aws/creds.h"
#include "aws/s3.h"
#include "base/buf.h"
#include "base/secret.h"
#include "codec/digest.h"

#define SETTING(type, difference, name, standard, min, max, words, sentence)   \
	CONF_##name,
enum conf_key {
#include "app/conf.tbl.h"
	CONF_COUNT
};
#undef SETTING

enum { CONF_TEXT_MAX = 16 << 10 };

/* What a difference between two processes' settings means: see the table. */
enum conf_difference { CONF_APART, CONF_COMPARED, CONF_GUARD, CONF_MODEL_KEY };

/* Where the description goes in IMAGE_PROMPT. */
#define CONF_PROMPT_MARK "{description}"

struct conf; /* opaque; ends its texts and secrets with it */

/*
 * Reads and checks everything.  Any mistake is FAULT_INPUT, and all of
 * them stand in mistakes, a line each, beginning with the variable's name.
 */
int conf_open(struct conf **out, struct buf *mistakes, struct fault *f);
void conf_close(struct conf **c);

/* The variable as it stands, unchecked, or "": where mistakes are told. */
const char *conf_raw(enum conf_key key);

/* The key must be of a fitting type; asking otherwise is a broken promise. */
const char *conf_text(const struct conf *c, enum conf_key key);
int64_t conf_number(const struct conf *c, enum conf_key key);
const struct secret *conf_secret(const struct conf *c, enum conf_key key);

/* The key to use for the model: GEMINI_API_KEY, else GOOGLE_API_KEY. */
const struct secret *conf_model_key(const struct conf *c);

bool conf_is(const struct conf *c, enum conf_key key, const char *word);

/* Whose requests are answered, NULL: everybody's; lent as long as the
 * settings live.  And are those that only read to bring a key, too? */
const struct access *conf_access(const struct conf *c);
bool conf_protects_reads(const struct conf *c);

/* Is there a bucket, and are GETs to be answered from it? */
bool conf_has_bucket(const struct conf *c);
bool conf_serves_cloud(const struct conf *c);

/* DISK_RESERVE_MB in bytes. */
int64_t conf_reserve_bytes(const struct conf *c);

/* Where to look for credentials, and how to reach the bucket with what was
 * found; the texts are lent as long as the settings live. */
struct creds_setup conf_creds(const struct conf *c);
struct s3_setup conf_s3(const struct conf *c, struct creds *creds);

/* The key of that name: false when there is none. */
bool conf_named(const char *name, enum conf_key *key);

const char *conf_name(enum conf_key key);
enum conf_difference conf_difference(enum conf_key key);
bool conf_is_secret(enum conf_key key);

/*
 * HMAC-SHA256 of the setting's name, whether it is set, and its value, under
 * a key of the caller's: two processes compare these without either showing
 * what it has.  A setting that is left at its default counts as set to it.
 * conf_mac_of is that of another value; NULL, for a secret: not set.
 * FAULT_MEMORY.
 */
int conf_mac(const struct conf *c, enum conf_key key, struct view mac_key,
    struct digest *out, struct fault *f);
int conf_mac_of(enum conf_key key, const char *value, struct view mac_key,
    struct digest *out, struct fault *f);

/* Appends the value; for a secret "set" or "unset". */
void conf_show(const struct conf *c, enum conf_key key, struct buf *out);

/* Appends all settings, NAME=value a line, saying which are defaults. */
void conf_show_all(const struct conf *c, struct buf *out);

/* Appends the table as Markdown; needs no settings. */
void conf_markdown(struct buf *out);

#endif
