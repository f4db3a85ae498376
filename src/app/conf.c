#include "app/conf.h"

#include <stdlib.h>
#include <string.h>

#include "app/credential.h"
#include "codec/text.h"
#include "gen/models.h"

/* Stand-ins while the other settings of the storage are checked. */
#define ANY_BUCKET "any-bucket"
#define ANY_REGION "us-east-1"

/* Of a secret in the environment there is no other limit than the kernel's. */
enum { MESSAGE_MAX = 1 << 20 };

enum setting_type { TEXT, SECRET, PATH, NUMBER, CHOICE };

struct setting {
	const char *name;
	enum setting_type type;
	enum conf_difference difference;
	const char *standard;
	int64_t min;
	int64_t max;
	const char *words;
	const char *sentence;
};

#define SETTING(type, difference, name, standard, min, max, words, sentence)   \
	{ #name, type, CONF_##difference, standard, min, max, words, sentence },
static const struct setting settings[CONF_COUNT] = {
#include "app/conf.tbl.h"
};
#undef SETTING

struct conf {
	const char *text[CONF_COUNT]; /* borrowed from the environment */
	bool is_set[CONF_COUNT];
	int64_t number[CONF_COUNT];
	struct secret secret[CONF_COUNT];
	struct access *access; /* of API_KEY */
};

const char *
conf_raw(enum conf_key key)
{
	const char *value = getenv(settings[key].name);

	return value == NULL ? "" : value;
}

static bool
is_choice(const struct setting *s, const char *value)
{
	struct view rest = view_str(s->words);
	struct view word;

	while (text_split(&rest, ' ', &word))
		if (view_is(word, value))
			return true;
	return false;
}

/* No leading zero either: a shell that reads it would take it for octal. */
static bool
is_plain_number(const char *text, int64_t *out)
{
	return text_number(view_str(text), out) &&
	       (text[0] != '0' || text[1] == '\0');
}

/* The variable, else the file of that name among the credentials. */
static int
read_secret(struct conf *c, size_t key, struct buf *mistakes, struct fault *f)
{
	struct secret *s = &c->secret[key];
	struct fault why = FAULT_INIT;

	if (c->is_set[key])
		return secret_set(s, view_str(c->text[key]), f);
	if (credential_read(settings[key].name, s, &why) == -1)
		buf_fmt(mistakes, "%s: %s\n", settings[key].name, why.text);
	c->is_set[key] = secret_is_set(s);
	return 0;
}

static int
read_setting(struct conf *c, size_t key, struct buf *mistakes, struct fault *f)
{
	const struct setting *s = &settings[key];
	const char *value = conf_raw((enum conf_key)key);

	c->is_set[key] = value[0] != '\0';
	c->text[key] = c->is_set[key] ? value : s->standard;
	switch (s->type) {
	case SECRET:
		return read_secret(c, key, mistakes, f);
	case NUMBER:
		if (!is_plain_number(c->text[key], &c->number[key]) ||
		    c->number[key] < s->min || c->number[key] > s->max)
			buf_fmt(mistakes,
			    "%s must be a whole number from %lld to %lld, not "
			    "\"%.80s\"\n",
			    s->name, (long long)s->min, (long long)s->max,
			    c->text[key]);
		break;
	case CHOICE:
		if (!is_choice(s, c->text[key]))
			buf_fmt(mistakes, "%s must be %s%s, not \"%.80s\"\n",
			    s->name,
			    strchr(s->words, ' ') == NULL ? "" : "one of ",
			    s->words, c->text[key]);
		break;
	case TEXT:
	case PATH:
		if (strlen(c->text[key]) >= CONF_TEXT_MAX)
			buf_fmt(mistakes, "%s is over %d bytes\n", s->name,
			    CONF_TEXT_MAX - 1);
		break;
	}
	return 0;
}

static bool
is_this_host(struct view host)
{
	return view_is(host, "localhost") || view_is(host, "[::1]") ||
	       (view_begins(host, "127.") &&
		   strspn(host.p, "0123456789.") >= host.n);
}

/* Splits "host[:port]" (RFC 3986, without user): false for anything else. */
static bool
split_authority(const char *text, struct view *host)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	static const char digits[] = "0123456789";
	const bool is_ipv6 = text[0] == '[';
	const char *rest;

	host->p = text;
	host->n = is_ipv6 ? strcspn(text, "]") + 1 : strspn(text, name);
	if (host->n == 0 || (is_ipv6 && strchr(text, ']') == NULL))
		return false;
	rest = text + host->n;
	return rest[0] == '\0' ||
	       (rest[0] == ':' && rest[1] != '\0' &&
		   rest[1 + strspn(rest + 1, digits)] == '\0');
}

/* A key must not travel in the clear: plain http stays on this host. */
static void
check_base_url(const struct conf *c, struct buf *mistakes)
{
	const char *url = conf_text(c, CONF_IMAGE_BASE_URL);
	const bool plain = strncmp(url, "http://", 7) == 0;
	struct view host;

	if ((!plain && strncmp(url, "https://", 8) != 0) ||
	    !split_authority(url + (plain ? 7 : 8), &host))
		buf_add(mistakes,
		    VIEW("IMAGE_BASE_URL must be https://host[:port] or "
			 "http://host[:port], without a path\n"));
	else if (plain && !is_this_host(host) &&
		 conf_text(c, CONF_IMAGE_SOCKET)[0] == '\0')
		buf_add(mistakes,
		    VIEW("IMAGE_BASE_URL must be https:// for another host, or "
			 "the key would travel in the clear\n"));
}

static void
check_prompt(const struct conf *c, struct buf *mistakes)
{
	const char *prompt = conf_text(c, CONF_IMAGE_PROMPT);
	const char *mark = strstr(prompt, CONF_PROMPT_MARK);

	if (mark == NULL || strcspn(prompt, "{}") < (size_t)(mark - prompt) ||
	    strpbrk(mark + strlen(CONF_PROMPT_MARK), "{}") != NULL)
		buf_add(
		    mistakes, VIEW("IMAGE_PROMPT must contain " CONF_PROMPT_MARK
				   " once, and no other brace\n"));
}

/* The list's own reader is its check; opening it costs nothing else. */
static void
check_models(const struct conf *c, struct buf *mistakes)
{
	const struct models_setup setup = {
		.list = view_str(conf_text(c, CONF_IMAGE_MODELS)),
		.base_url = conf_text(c, CONF_IMAGE_BASE_URL),
		.unix_socket = conf_text(c, CONF_IMAGE_SOCKET),
		.key = conf_model_key(c),
	};
	struct fault f = FAULT_INIT;
	struct models *m = NULL;

	if (models_open(&m, &setup, &f) == -1)
		buf_fmt(mistakes, "%s%s%s\n", f.field == NULL ? "" : f.field,
		    f.field == NULL ? "" : ": ", f.text);
	models_close(&m);
}

/* Google refuses requests with less than its floor left: with a shorter
 * deadline every generation would fail. */
static void
check_deadline(const struct conf *c, struct buf *mistakes)
{
	const int64_t seconds = conf_number(c, CONF_GENERATE_DEADLINE);

	if (seconds >= settings[CONF_GENERATE_DEADLINE].min &&
	    seconds < MODELS_GOOGLE_DEADLINE_S &&
	    models_is_google(conf_text(c, CONF_IMAGE_BASE_URL)))
		buf_fmt(mistakes,
		    "GENERATE_DEADLINE must be at least %d with IMAGE_BASE_URL "
		    "at googleapis.com, which refuses requests that have less "
		    "than %d s\n",
		    MODELS_GOOGLE_DEADLINE_S, GEN_GOOGLE_FLOOR_S);
}

/* Puts something harmless in the place of the setting that was found wrong:
 * false when there is no such place. */
static bool
pass_over(struct s3_setup *setup, const char *name)
{
	if (name == NULL)
		return false;
	if (strcmp(name, "STORAGE_BUCKET") == 0)
		setup->bucket = ANY_BUCKET;
	else if (strcmp(name, "AWS_REGION") == 0)
		setup->region = ANY_REGION;
	else if (strcmp(name, "AWS_ENDPOINT_URL_S3") == 0)
		setup->endpoint = NULL;
	else if (strcmp(name, "S3_PUBLIC_ENDPOINT") == 0)
		setup->public_endpoint = NULL;
	else if (strcmp(name, "S3_ADDRESSING_STYLE") == 0)
		setup->style = S3_AUTO;
	else
		return false;
	return true;
}

/* What the S3 client says of the bucket, the region and the endpoints: it
 * names one mistake at a time. */
static void
check_bucket(const struct conf *c, struct buf *mistakes)
{
	struct s3_setup setup = conf_s3(c, NULL);
	struct s3 *s3 = NULL;
	struct fault f;

	if (!conf_has_bucket(c))
		setup.bucket = ANY_BUCKET;
	do {
		f = FAULT_INIT;
		if (s3_open(&s3, &setup, &f) == 0)
			break;
		buf_fmt(mistakes, "%s%s%s\n", f.field == NULL ? "" : f.field,
		    f.field == NULL ? "" : ": ", f.text);
	} while (pass_over(&setup, f.field));
	s3_close(&s3);
}

static void
check_storage(const struct conf *c, struct buf *mistakes)
{
	if (!conf_has_bucket(c) && conf_serves_cloud(c))
		buf_add(mistakes,
		    VIEW("STORAGE_BUCKET must be set when SERVE_FROM_CLOUD is "
			 "true\n"));
	if (conf_has_bucket(c) || conf_serves_cloud(c))
		check_bucket(c, mistakes);
	if (conf_number(c, CONF_PRESIGNED_URL_WINDOW) >
	    conf_number(c, CONF_PRESIGNED_URL_EXPIRY) / 2)
		buf_add(mistakes,
		    VIEW("PRESIGNED_URL_WINDOW must be at most half of "
			 "PRESIGNED_URL_EXPIRY\n"));
}

/* The list's own reader is its check, too. */
static int
read_access(struct conf *c, struct buf *mistakes, struct fault *f)
{
	const struct view list = secret_reveal(conf_secret(c, CONF_API_KEY));
	struct fault why = FAULT_INIT;

	if (list.n == 0 && conf_protects_reads(c))
		buf_add(mistakes,
		    VIEW("API_KEY must be set when PROTECT_READS is true; "
			 "`charref key` makes one\n"));
	if (access_open(&c->access, list, mistakes, &why) == 0 ||
	    why.kind == FAULT_INPUT)
		return 0;
	*f = why;
	return -1;
}

static int
read_all(struct conf *c, struct buf *mistakes, struct fault *f)
{
	size_t key;

	for (key = 0; key < CONF_COUNT; key++)
		if (read_setting(c, key, mistakes, f) == -1)
			return -1;
	check_base_url(c, mistakes);
	check_prompt(c, mistakes);
	check_models(c, mistakes);
	check_deadline(c, mistakes);
	check_storage(c, mistakes);
	if (read_access(c, mistakes, f) == -1 || buf_done(mistakes, f) == -1)
		return -1;
	return mistakes->len == 0
		   ? 0
		   : fault_set(f, FAULT_INPUT, "the settings are wrong");
}

int
conf_open(struct conf **out, struct buf *mistakes, struct fault *f)
{
	struct conf *c = calloc(1, sizeof *c);

	if (c == NULL)
		return fault_set(f, FAULT_MEMORY, "read the settings");
	if (read_all(c, mistakes, f) == -1) {
		conf_close(&c);
		return -1;
	}
	*out = c;
	return 0;
}

void
conf_close(struct conf **c)
{
	size_t key;

	if (*c == NULL)
		return;
	for (key = 0; key < CONF_COUNT; key++)
		secret_fini(&(*c)->secret[key]);
	access_close(&(*c)->access);
	free(*c);
	*c = NULL;
}

const char *
conf_text(const struct conf *c, enum conf_key key)
{
	MUST(settings[key].type != SECRET && settings[key].type != NUMBER);
	return c->text[key];
}

int64_t
conf_number(const struct conf *c, enum conf_key key)
{
	MUST(settings[key].type == NUMBER);
	return c->number[key];
}

const struct secret *
conf_secret(const struct conf *c, enum conf_key key)
{
	MUST(settings[key].type == SECRET);
	return &c->secret[key];
}

const struct secret *
conf_model_key(const struct conf *c)
{
	const struct secret *first = conf_secret(c, CONF_GEMINI_API_KEY);

	return secret_is_set(first) ? first
				    : conf_secret(c, CONF_GOOGLE_API_KEY);
}

bool
conf_is(const struct conf *c, enum conf_key key, const char *word)
{
	return strcmp(conf_text(c, key), word) == 0;
}

const struct access *
conf_access(const struct conf *c)
{
	return c->access;
}

bool
conf_protects_reads(const struct conf *c)
{
	return conf_is(c, CONF_PROTECT_READS, "true");
}

bool
conf_has_bucket(const struct conf *c)
{
	return c->is_set[CONF_STORAGE_BUCKET];
}

bool
conf_serves_cloud(const struct conf *c)
{
	return conf_is(c, CONF_SERVE_FROM_CLOUD, "true");
}

/* What the SDKs call the region, or NULL when the environment names none. */
static const char *
region_set(const struct conf *c)
{
	if (!c->is_set[CONF_AWS_REGION] && c->is_set[CONF_AWS_DEFAULT_REGION])
		return c->text[CONF_AWS_DEFAULT_REGION];
	return c->is_set[CONF_AWS_REGION] ? c->text[CONF_AWS_REGION] : NULL;
}

int64_t
conf_reserve_bytes(const struct conf *c)
{
	return conf_number(c, CONF_DISK_RESERVE_MB) * (INT64_C(1) << 20);
}

struct creds_setup
conf_creds(const struct conf *c)
{
	return (struct creds_setup){
		.access_key_id = conf_secret(c, CONF_AWS_ACCESS_KEY_ID),
		.secret_access_key = conf_secret(c, CONF_AWS_SECRET_ACCESS_KEY),
		.session_token = conf_secret(c, CONF_AWS_SESSION_TOKEN),
		.profile = conf_text(c, CONF_AWS_PROFILE),
		.credentials_file =
		    conf_text(c, CONF_AWS_SHARED_CREDENTIALS_FILE),
		.config_file = conf_text(c, CONF_AWS_CONFIG_FILE),
		.home = getenv("HOME"),
		.role_arn = conf_text(c, CONF_AWS_ROLE_ARN),
		.role_session_name = conf_text(c, CONF_AWS_ROLE_SESSION_NAME),
		.web_identity_token_file =
		    conf_text(c, CONF_AWS_WEB_IDENTITY_TOKEN_FILE),
		.region = region_set(c),
		.standard_region = c->text[CONF_AWS_REGION],
		.sts_endpoint = conf_text(c, CONF_AWS_ENDPOINT_URL_STS),
		.container_relative_uri =
		    conf_text(c, CONF_AWS_CONTAINER_CREDENTIALS_RELATIVE_URI),
		.container_full_uri =
		    conf_text(c, CONF_AWS_CONTAINER_CREDENTIALS_FULL_URI),
		.container_token_file =
		    conf_text(c, CONF_AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE),
		.container_token =
		    conf_secret(c, CONF_AWS_CONTAINER_AUTHORIZATION_TOKEN),
		.no_instance =
		    conf_is(c, CONF_AWS_EC2_METADATA_DISABLED, "true"),
		.instance_endpoint =
		    conf_text(c, CONF_AWS_EC2_METADATA_SERVICE_ENDPOINT),
		.ca_file = conf_text(c, CONF_AWS_CA_BUNDLE),
	};
}

static const char *
region_of(const struct conf *c, const struct creds *creds)
{
	if (region_set(c) != NULL)
		return region_set(c);
	if (creds != NULL && creds_region(creds)[0] != '\0')
		return creds_region(creds);
	return c->text[CONF_AWS_REGION];
}

static enum s3_style
style_of(const struct conf *c)
{
	if (conf_is(c, CONF_S3_ADDRESSING_STYLE, "path"))
		return S3_PATH;
	return conf_is(c, CONF_S3_ADDRESSING_STYLE, "virtual") ? S3_VIRTUAL
							       : S3_AUTO;
}

struct s3_setup
conf_s3(const struct conf *c, struct creds *creds)
{
	return (struct s3_setup){
		.bucket = conf_text(c, CONF_STORAGE_BUCKET),
		.region = region_of(c, creds),
		.endpoint = conf_text(c, c->is_set[CONF_AWS_ENDPOINT_URL_S3]
					     ? CONF_AWS_ENDPOINT_URL_S3
					     : CONF_AWS_ENDPOINT_URL),
		.public_endpoint = conf_text(c, CONF_S3_PUBLIC_ENDPOINT),
		.style = style_of(c),
		.sse = conf_is(c, CONF_S3_SSE, "none")
			   ? NULL
			   : conf_text(c, CONF_S3_SSE),
		.sse_key = conf_text(c, CONF_S3_SSE_KMS_KEY_ID),
		.ca_file = conf_text(c, CONF_AWS_CA_BUNDLE),
		.attempts = (int)conf_number(c, CONF_AWS_MAX_ATTEMPTS),
		.creds = creds,
	};
}

bool
conf_named(const char *name, enum conf_key *key)
{
	size_t i;

	for (i = 0; i < CONF_COUNT; i++)
		if (strcmp(settings[i].name, name) == 0) {
			*key = (enum conf_key)i;
			return true;
		}
	return false;
}

const char *
conf_name(enum conf_key key)
{
	return settings[key].name;
}

enum conf_difference
conf_difference(enum conf_key key)
{
	return settings[key].difference;
}

bool
conf_is_secret(enum conf_key key)
{
	return settings[key].type == SECRET;
}

/* The message is NAME NUL, and then '=' and the value when it is set. */
static int
compute_mac(enum conf_key key, bool is_set, struct view value,
    struct view mac_key, struct digest *out, struct fault *f)
{
	struct buf message = BUF_INIT(MESSAGE_MAX);
	int rc;

	buf_add(&message, view_str(settings[key].name));
	buf_add(&message, (struct view){ "", 1 });
	if (is_set) {
		buf_add(&message, VIEW("="));
		buf_add(&message, value);
	}
	rc = buf_done(&message, f);
	if (rc == 0)
		rc = digest_hmac(out, mac_key, buf_view(&message), f);
	secret_buf_fini(&message);
	return rc;
}

/* Does it mean the same whether it is not set or set to its default?  Not so
 * AWS_REGION, which the profile's region takes the place of. */
static bool
has_default(enum conf_key key)
{
	return !conf_is_secret(key) && key != CONF_AWS_REGION;
}

int
conf_mac(const struct conf *c, enum conf_key key, struct view mac_key,
    struct digest *out, struct fault *f)
{
	return compute_mac(key, c->is_set[key] || has_default(key),
	    conf_is_secret(key) ? secret_reveal(&c->secret[key])
				: view_str(c->text[key]),
	    mac_key, out, f);
}

int
conf_mac_of(enum conf_key key, const char *value, struct view mac_key,
    struct digest *out, struct fault *f)
{
	return compute_mac(
	    key, value != NULL, view_str(value), mac_key, out, f);
}

void
conf_show(const struct conf *c, enum conf_key key, struct buf *out)
{
	if (settings[key].type == SECRET)
		buf_add(out, secret_is_set(&c->secret[key]) ? VIEW("set")
							    : VIEW("unset"));
	else
		buf_add(out, view_str(c->text[key]));
}

void
conf_show_all(const struct conf *c, struct buf *out)
{
	size_t key;

	for (key = 0; key < CONF_COUNT; key++) {
		buf_fmt(out, "%s=", settings[key].name);
		conf_show(c, (enum conf_key)key, out);
		if (!c->is_set[key] && settings[key].type != SECRET)
			buf_add(out, VIEW("  # default"));
		buf_add(out, VIEW("\n"));
	}
}

/* What the second column of the document says. */
static void
add_allowed(const struct setting *s, struct buf *out)
{
	switch (s->type) {
	case NUMBER:
		buf_fmt(
		    out, "%lld to %lld", (long long)s->min, (long long)s->max);
		break;
	case CHOICE:
		buf_fmt(out, "%s", s->words);
		break;
	case SECRET:
		buf_add(out, VIEW("a secret"));
		break;
	case PATH:
		buf_add(out, VIEW("a path"));
		break;
	case TEXT:
		buf_add(out, VIEW("text"));
		break;
	}
}

void
conf_markdown(struct buf *out)
{
	const struct setting *s;

	buf_add(out, VIEW("| variable | allowed | default | what it does |\n"));
	buf_add(out, VIEW("|---|---|---|---|\n"));
	for (s = settings; s < settings + CONF_COUNT; s++) {
		buf_fmt(out, "| `%s` | ", s->name);
		add_allowed(s, out);
		if (s->standard[0] == '\0')
			buf_add(out, VIEW(" | not set"));
		else
			buf_fmt(out, " | `%s`", s->standard);
		buf_fmt(out, " | %s |\n", s->sentence);
	}
}
