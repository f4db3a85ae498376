#include "aws/sts.h"

#include <string.h>

#include "aws/inquiry.h"
#include "codec/text.h"
#include "codec/xml.h"

enum { FORM_MAX = 4 * INQUIRY_TOKEN_MAX };

/* One exchange with STS, and what it answered: keys, or an error. */
struct sts {
	struct buf file; /* the token file */
	struct view token;
	struct buf form;
	struct http_call call;
	struct buf id, secret, session_token, end; /* each added to once */
	struct buf code, message;
};

#define STS_INIT                                                               \
	((struct sts){ .file = BUF_INIT(INQUIRY_TOKEN_MAX),                    \
	    .call = HTTP_CALL_INIT(KEYS_REPLY_MAX),                            \
	    .id = BUF_INIT(XML_TEXT_MAX),                                      \
	    .secret = BUF_INIT(XML_TEXT_MAX),                                  \
	    .session_token = BUF_INIT(XML_TEXT_MAX),                           \
	    .end = BUF_INIT(XML_TEXT_MAX),                                     \
	    .code = BUF_INIT(XML_TEXT_MAX),                                    \
	    .message = BUF_INIT(XML_TEXT_MAX) })

#define STS_KEYS                                                               \
	"AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/"   \
	"Credentials/"

static void
sts_fini(struct sts *s)
{
	secret_buf_fini(&s->file);
	secret_buf_fini(&s->form);
	secret_buf_fini(&s->call.reply);
	secret_buf_fini(&s->id);
	secret_buf_fini(&s->secret);
	secret_buf_fini(&s->session_token);
	secret_buf_fini(&s->end);
	secret_buf_fini(&s->code);
	secret_buf_fini(&s->message);
}

static int
on_element(void *arg, const char *path, struct view text, struct fault *f)
{
	struct sts *s = arg;
	const struct {
		const char *path;
		struct buf *to;
	} wanted[] = {
		{ STS_KEYS "AccessKeyId", &s->id },
		{ STS_KEYS "SecretAccessKey", &s->secret },
		{ STS_KEYS "SessionToken", &s->session_token },
		{ STS_KEYS "Expiration", &s->end },
		{ "ErrorResponse/Error/Code", &s->code },
		{ "ErrorResponse/Error/Message", &s->message },
	};
	size_t i;

	for (i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		if (strcmp(path, wanted[i].path) != 0)
			continue;
		if (wanted[i].to->len > 0)
			return fault_set(f, FAULT_INPUT, "two of %s", path);
		buf_add(wanted[i].to, text);
		return buf_done(wanted[i].to, f);
	}
	return 0;
}

static void
add_field(struct buf *form, const char *name, struct view value)
{
	buf_fmt(form, "&%s=", name);
	text_escape(form, value, false);
}

static int
sts_write(struct sts *s, const struct sts_role *role, struct fault *f)
{
	if (inquiry_read_token(role->token_file, &s->file, &s->token, f) == -1)
		return -1;
	s->form = keys_buf(FORM_MAX);
	buf_fmt(
	    &s->form, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
	add_field(&s->form, "RoleArn", view_str(role->arn));
	add_field(&s->form, "RoleSessionName", view_str(role->session));
	add_field(&s->form, "WebIdentityToken", s->token);
	if (buf_done(&s->form, f) == -1)
		return -1;
	s->call.url = role->url;
	s->call.headers[0] = "Content-Type: application/x-www-form-urlencoded";
	s->call.body = buf_view(&s->form);
	s->call.reply = keys_buf(KEYS_REPLY_MAX);
	return 0;
}

static int
sts_keys(struct creds_keys *k, const struct sts *s, struct fault *f)
{
	if (s->session_token.len == 0)
		return fault_set(f, FAULT_REMOTE, "no session token");
	if (keys_set(k, buf_view(&s->id), buf_view(&s->secret),
		buf_view(&s->session_token), "web identity", f) == -1)
		return -1;
	if (keys_end_at(k, buf_view(&s->end), f) == 0)
		return 0;
	keys_fini(k);
	return -1;
}

/* STS's own words; but not those in which it gives our token back. */
static int
sts_refused(const struct sts *s, struct fault *f)
{
	const struct view message = buf_view(&s->message);

	(void)inquiry_refused(&s->call, f);
	if (s->code.len == 0)
		return -1;
	(void)fault_while(f, "%s", buf_str(&s->code));
	if (memmem(message.p, message.n, s->token.p, s->token.n) != NULL)
		return -1;
	return fault_details(f, "%s", buf_str(&s->message));
}

static int
sts_read(struct creds_keys *k, struct sts *s, struct fault *f)
{
	const struct view text = buf_view(&s->call.reply);
	struct fault not_xml = FAULT_INIT;

	if (s->call.status == 200) {
		if (xml_read(text, on_element, s, f) == -1 ||
		    sts_keys(k, s, f) == -1)
			return inquiry_junk(f);
		return 0;
	}
	/* A proxy's page is no XML: then the status says it all. */
	(void)xml_read(text, on_element, s, &not_xml);
	return sts_refused(s, f);
}

/* Is it worth asking a second time? */
static bool
sts_may_pass(const struct sts *s)
{
	static const char *const codes[] = { "IDPCommunicationError",
		"ExpiredTokenException", "ExpiredToken", "Throttling" };
	size_t i;

	for (i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (view_is(buf_view(&s->code), codes[i]))
			return true;
	return inquiry_may_pass(&s->call);
}

static int
sts_try(struct creds_keys *k, struct http *h, const struct sts_role *role,
    int64_t deadline_ms, bool *again, struct fault *f)
{
	struct sts s = STS_INIT;
	int rc = sts_write(&s, role, f);

	if (rc == 0)
		rc = inquiry_ask(h, &s.call, STS_MS, deadline_ms, f);
	if (rc == 0)
		rc = sts_read(k, &s, f);
	*again = rc == -1 && sts_may_pass(&s);
	sts_fini(&s);
	return rc;
}

int
sts_web_identity(struct creds_keys *k, struct http *h,
    const struct sts_role *role, int64_t deadline_ms, struct fault *f)
{
	struct fault why;
	bool again;
	int tries = 0;

	do {
		why = FAULT_INIT;
		if (sts_try(k, h, role, deadline_ms, &again, &why) == 0)
			return 0;
	} while (
	    again && ++tries < STS_TRIES &&
	    inquiry_pause(http_backoff_ms(tries), deadline_ms, role->stop_fd));
	*f = why;
	return fault_while(f, "web identity");
}
