#include "aws/chain.h"

#include <string.h>

#include "aws/inquiry.h"
#include "aws/metadata.h"
#include "aws/process.h"

#define INSTANCE_ENDPOINT "http://169.254.169.254"
#define SESSION_NAME "charref"

#define CHOICE_INIT                                                            \
	((struct choice){ .source = "none",                                    \
	    .keys = CREDS_KEYS_INIT,                                           \
	    .url = BUF_INIT(METADATA_URL_MAX) })

static bool
is_set(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static bool
holds(const struct secret *s)
{
	return s != NULL && secret_is_set(s);
}

static struct view
reveal(const struct secret *s)
{
	return s == NULL ? VIEW("") : secret_reveal(s);
}

static const char *
says(const struct profile *p, enum profile_setting s)
{
	return buf_str(&p->value[s]);
}

/* The first of two texts that is set, or "". */
static const char *
first_of(const char *a, const char *b)
{
	return is_set(a) ? a : b == NULL ? "" : b;
}

struct profile_place
chain_place(const struct creds_setup *s)
{
	return (struct profile_place){ s->profile, s->credentials_file,
		s->config_file, s->home };
}

static bool
has_environment(const struct creds_setup *s, const struct profile *p)
{
	(void)p;
	return !is_set(s->profile) &&
	       (holds(s->access_key_id) || holds(s->secret_access_key));
}

static int
take_environment(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	struct fault why = FAULT_INIT;

	(void)p;
	if (!holds(s->access_key_id))
		return fault_in(f, FAULT_INPUT, "AWS_ACCESS_KEY_ID",
		    "not set, but AWS_SECRET_ACCESS_KEY is");
	if (!holds(s->secret_access_key))
		return fault_in(f, FAULT_INPUT, "AWS_SECRET_ACCESS_KEY",
		    "not set, but AWS_ACCESS_KEY_ID is");
	if (keys_set(&out->keys, reveal(s->access_key_id),
		reveal(s->secret_access_key), reveal(s->session_token),
		out->source, &why) == 0)
		return 0;
	return fault_in(f, why.kind, "AWS_ACCESS_KEY_ID",
	    "the environment's keys: %s", why.text);
}

static bool
has_role(const struct creds_setup *s, const struct profile *p)
{
	return is_set(s->web_identity_token_file) ||
	       (is_set(says(p, PROFILE_ROLE)) &&
		   is_set(says(p, PROFILE_WEB_TOKEN_FILE)));
}

/* Keys of China's partition come from a domain of its own. */
static void
add_sts_url(struct buf *url, const char *endpoint, const char *region)
{
	if (is_set(endpoint))
		buf_fmt(url, "%s", endpoint);
	else
		buf_fmt(url, "https://sts.%s.amazonaws.com%s", region,
		    view_begins(view_str(region), "cn-") ? ".cn" : "");
}

/* The identity must not travel in the clear to another host. */
static int
check_sts(const char *endpoint, struct fault *f)
{
	static const char name[] = "AWS_ENDPOINT_URL_STS";
	struct view host;

	if (!inquiry_host(endpoint, &host))
		return fault_in(f, FAULT_INPUT, name, "not an address");
	if (view_begins(view_str(endpoint), "https://") ||
	    inquiry_is_loopback(host))
		return 0;
	return fault_in(
	    f, FAULT_INPUT, name, "must be https, or name loopback");
}

static int
take_role(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	const char *region = first_of(
	    s->region, first_of(says(p, PROFILE_REGION), s->standard_region));
	const bool ours = is_set(s->web_identity_token_file);

	out->role.arn = ours ? s->role_arn : says(p, PROFILE_ROLE);
	out->role.session =
	    ours ? s->role_session_name : says(p, PROFILE_ROLE_SESSION);
	out->role.session = first_of(out->role.session, SESSION_NAME);
	out->role.token_file =
	    ours ? s->web_identity_token_file : says(p, PROFILE_WEB_TOKEN_FILE);
	out->ask = CHAIN_STS;
	if (!is_set(out->role.arn))
		return fault_in(f, FAULT_INPUT, "AWS_ROLE_ARN",
		    "not set, but AWS_WEB_IDENTITY_TOKEN_FILE is");
	if (!is_set(region) && !is_set(s->sts_endpoint))
		return fault_in(f, FAULT_INPUT, "AWS_REGION",
		    "not set, so there is no STS to ask for a role");
	if (is_set(s->sts_endpoint) && check_sts(s->sts_endpoint, f) == -1)
		return -1;
	add_sts_url(&out->url, s->sts_endpoint, region);
	return buf_done(&out->url, f);
}

static bool
has_profile_keys(const struct creds_setup *s, const struct profile *p)
{
	(void)s;
	return is_set(says(p, PROFILE_ID)) || is_set(says(p, PROFILE_SECRET));
}

/* What is wrong with the profile. */
static int
blame_profile(const struct creds_setup *s, enum profile_setting what,
    const char *why, struct fault *f)
{
	return fault_in(f, FAULT_INPUT, "AWS_PROFILE", "the profile %s: %s %s",
	    first_of(s->profile, "default"), profile_word(what), why);
}

static int
take_profile_keys(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	struct fault why = FAULT_INIT;

	if (!is_set(says(p, PROFILE_ID)))
		return blame_profile(s, PROFILE_ID, "is missing", f);
	if (!is_set(says(p, PROFILE_SECRET)))
		return blame_profile(s, PROFILE_SECRET, "is missing", f);
	if (keys_set(&out->keys, buf_view(&p->value[PROFILE_ID]),
		buf_view(&p->value[PROFILE_SECRET]),
		buf_view(&p->value[PROFILE_TOKEN]), out->source, &why) == 0)
		return 0;
	return fault_in(f, why.kind, "AWS_PROFILE", "the profile %s: %s",
	    first_of(s->profile, "default"), why.text);
}

static bool
has_process(const struct creds_setup *s, const struct profile *p)
{
	(void)s;
	return is_set(says(p, PROFILE_PROCESS));
}

static int
take_process(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	struct process_words words;
	struct fault why = FAULT_INIT;

	out->ask = CHAIN_PROCESS;
	out->command = buf_view(&p->value[PROFILE_PROCESS]);
	if (process_split(&words, out->command, &why) == -1)
		(void)blame_profile(s, PROFILE_PROCESS, why.text, f);
	explicit_bzero(&words, sizeof words);
	return why.kind == FAULT_NONE ? 0 : -1;
}

/* What asks for keys in a way that is not ours, or is half of ours. */
static const struct {
	enum profile_setting setting;
	const char *why;
} dead_ends[] = {
	{ PROFILE_SOURCE_PROFILE, "is not supported" },
	{ PROFILE_CREDENTIAL_SOURCE, "is not supported" },
	{ PROFILE_SSO_SESSION, "is not supported" },
	{ PROFILE_SSO_ACCOUNT, "is not supported" },
	{ PROFILE_SSO_START, "is not supported" },
	{ PROFILE_LOGIN, "is not supported" },
	{ PROFILE_ROLE, "is of no use without web_identity_token_file" },
	{ PROFILE_WEB_TOKEN_FILE, "is of no use without role_arn" },
};

enum { DEAD_ENDS_N = sizeof dead_ends / sizeof dead_ends[0] };

/* Which of them the profile has, or DEAD_ENDS_N. */
static size_t
dead_end_of(const struct profile *p)
{
	size_t i;

	for (i = 0; i < DEAD_ENDS_N; i++)
		if (is_set(says(p, dead_ends[i].setting)))
			break;
	return i;
}

static bool
has_dead_end(const struct creds_setup *s, const struct profile *p)
{
	(void)s;
	return dead_end_of(p) != DEAD_ENDS_N;
}

static int
refuse_dead_end(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	const size_t i = dead_end_of(p);

	(void)out;
	return blame_profile(s, dead_ends[i].setting, dead_ends[i].why, f);
}

static bool
has_container(const struct creds_setup *s, const struct profile *p)
{
	(void)p;
	return is_set(s->container_relative_uri) ||
	       is_set(s->container_full_uri);
}

static int
take_container(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	(void)p;
	out->ask = CHAIN_CONTAINER;
	return metadata_container_url(
	    &out->url, s->container_relative_uri, s->container_full_uri, f);
}

static bool
has_instance(const struct creds_setup *s, const struct profile *p)
{
	(void)p;
	return !s->no_instance;
}

static bool
is_address(const char *url)
{
	return view_begins(view_str(url), "http://") ||
	       view_begins(view_str(url), "https://");
}

static int
take_instance(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	const char *url = first_of(s->instance_endpoint, INSTANCE_ENDPOINT);
	size_t n = strlen(url);

	(void)p;
	out->ask = CHAIN_INSTANCE;
	if (!is_address(url))
		return fault_in(f, FAULT_INPUT,
		    "AWS_EC2_METADATA_SERVICE_ENDPOINT", "not an address");
	while (url[n - 1] == '/')
		n--;
	buf_add(&out->url, (struct view){ url, n });
	return buf_done(&out->url, f);
}

/* Each link says whether it is configured, and then makes the choice or
 * says what is wrong with it. */
static const struct {
	const char *source;
	bool (*is_configured)(
	    const struct creds_setup *s, const struct profile *p);
	int (*take)(struct choice *out, const struct creds_setup *s,
	    const struct profile *p, struct fault *f);
} chain[] = {
	{ "environment", has_environment, take_environment },
	{ "web identity", has_role, take_role },
	{ "profile", has_profile_keys, take_profile_keys },
	{ "process", has_process, take_process },
	{ "profile", has_dead_end, refuse_dead_end },
	{ "container", has_container, take_container },
	{ "instance", has_instance, take_instance },
};

void
chain_fini(struct choice *choice)
{
	keys_fini(&choice->keys);
	buf_fini(&choice->url);
	*choice = CHOICE_INIT;
}

int
chain_choose(struct choice *out, const struct creds_setup *s,
    const struct profile *p, struct fault *f)
{
	size_t i;

	*out = CHOICE_INIT;
	for (i = 0; i < sizeof chain / sizeof chain[0]; i++) {
		if (!chain[i].is_configured(s, p))
			continue;
		out->source = chain[i].source;
		if (chain[i].take(out, s, p, f) == 0)
			return 0;
		chain_fini(out);
		return -1;
	}
	return 0;
}
