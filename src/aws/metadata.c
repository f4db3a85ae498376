#include "aws/metadata.h"

#include <string.h>

#include "aws/inquiry.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/text.h"

enum {
	HEADER_MAX = INQUIRY_TOKEN_MAX + 64,
	WORD_MAX = 64,
	MESSAGE_MAX = 300,
	PAUSE_MS = 1000
};

#define CONTAINER_HOST "http://169.254.170.2"

/* May the token be sent there in clear? */
static bool
is_near(struct view host)
{
	static const char *const agents[] = { "169.254.170.2", "169.254.170.23",
		"[fd00:ec2::23]" };
	size_t i;

	for (i = 0; i < sizeof agents / sizeof agents[0]; i++)
		if (text_same(host, view_str(agents[i])))
			return true;
	return inquiry_is_loopback(host);
}

int
metadata_container_url(
    struct buf *url, const char *relative, const char *full, struct fault *f)
{
	const bool is_relative = relative != NULL && relative[0] != '\0';
	const char *variable = is_relative
				   ? "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
				   : "AWS_CONTAINER_CREDENTIALS_FULL_URI";
	struct view host;

	if (is_relative)
		buf_fmt(url, CONTAINER_HOST "%s", relative);
	else
		buf_fmt(url, "%s", full);
	if (buf_done(url, f) == -1)
		return -1;
	if (!inquiry_host(buf_str(url), &host) ||
	    (is_relative && relative[0] != '/'))
		return fault_in(f, FAULT_INPUT, variable, "not an address");
	if (view_begins(buf_view(url), "https://") || is_near(host))
		return 0;
	return fault_in(f, FAULT_INPUT, variable,
	    "must be https, or name loopback or an address of AWS's agents");
}

/* Writes the header line with the token, if there is one: *line or NULL. */
static int
authorize(const struct metadata_agent *agent, struct buf *header,
    const char **line, struct fault *f)
{
	const char *path = agent->token_file;
	struct buf file = BUF_INIT(INQUIRY_TOKEN_MAX);
	struct view token = VIEW("");
	int rc = 0;

	if (path != NULL && path[0] != '\0') {
		rc = inquiry_read_token(path, &file, &token, f);
	} else if (agent->token != NULL && secret_is_set(agent->token)) {
		token = secret_reveal(agent->token);
		rc = inquiry_check_token(token, f);
	}
	if (rc == 0 && token.n > 0) {
		*header = keys_buf(HEADER_MAX);
		buf_add(header, VIEW("Authorization: "));
		buf_add(header, token);
		rc = buf_done(header, f);
		*line = buf_str(header);
	}
	secret_buf_fini(&file);
	return rc;
}

/* The object of a reply, whose token is called "Token", and which ends. */
static int
read_object(struct creds_keys *k, const struct json_value *root,
    const char *source, struct fault *f)
{
	const struct view code = json_text(json_member(root, "Code"));

	if (code.n > 0 && !view_is(code, "Success")) {
		const struct view said =
		    json_text(json_member(root, "Message"));

		(void)fault_set(f, FAULT_DENIED, "it has no keys for us: %.*s",
		    code.n < WORD_MAX ? (int)code.n : WORD_MAX, code.p);
		return fault_details(f, "%.*s",
		    said.n < MESSAGE_MAX ? (int)said.n : MESSAGE_MAX, said.p);
	}
	if (keys_read(k, root, "Token", source, f) == -1)
		return -1;
	if (k->expires_at_ms != INT64_MAX)
		return 0;
	keys_fini(k);
	return fault_set(f, FAULT_INPUT, "keys without an end");
}

static int
read_reply(struct creds_keys *k, const struct http_call *call,
    const char *source, struct fault *f)
{
	struct json_doc *doc = NULL;
	int rc;

	if (call->status != 200)
		return inquiry_refused(call, f);
	rc = json_open(&doc, buf_view(&call->reply), KEYS_REPLY_DEPTH, f);
	if (rc == 0)
		rc = read_object(k, json_root(doc), source, f);
	json_close(&doc);
	return rc == -1 && f->kind != FAULT_DENIED ? inquiry_junk(f) : rc;
}

static int
container_try(struct creds_keys *k, struct http *h,
    const struct metadata_agent *agent, int64_t deadline_ms, bool *again,
    struct fault *f)
{
	struct http_call call = HTTP_CALL_INIT(KEYS_REPLY_MAX);
	struct buf header = BUF_INIT(0);
	int rc;

	call.method = HTTP_GET;
	call.url = agent->url;
	call.headers[0] = "Accept: application/json";
	call.reply = keys_buf(KEYS_REPLY_MAX);
	rc = authorize(agent, &header, &call.headers[1], f);
	if (rc == 0)
		rc = inquiry_ask(
		    h, &call, METADATA_CONTAINER_MS, deadline_ms, f);
	if (rc == 0)
		rc = read_reply(k, &call, "container", f);
	*again = rc == -1 && inquiry_may_pass(&call);
	secret_buf_fini(&header);
	secret_buf_fini(&call.reply);
	return rc;
}

int
metadata_container(struct creds_keys *k, struct http *h,
    const struct metadata_agent *agent, int64_t deadline_ms, struct fault *f)
{
	struct fault why;
	bool again;
	int tries = 0;

	do {
		why = FAULT_INIT;
		if (container_try(k, h, agent, deadline_ms, &again, &why) == 0)
			return 0;
	} while (again && ++tries < METADATA_CONTAINER_TRIES &&
		 inquiry_pause(PAUSE_MS, deadline_ms, agent->stop_fd));
	*f = why;
	return fault_while(f, "container");
}

/* One of the three requests to the instance; header: the token's, or that
 * of its life. */
static int
instance_ask(struct http_call *call, struct http *h, enum http_method method,
    const char *url, const char *header, int64_t deadline_ms, struct fault *f)
{
	*call = HTTP_CALL_INIT(KEYS_REPLY_MAX);
	call->reply = keys_buf(KEYS_REPLY_MAX);
	call->method = method;
	call->url = url;
	call->headers[0] = header;
	return inquiry_ask(h, call, METADATA_INSTANCE_MS, deadline_ms, f);
}

/* Appends the header line that version 2 asks for. */
static int
instance_token(struct buf *header, struct http *h, const char *endpoint,
    int64_t deadline_ms, struct fault *f)
{
	struct buf url = BUF_INIT(METADATA_URL_MAX);
	struct http_call call = HTTP_CALL_INIT(0);
	struct view token;
	int rc;

	buf_fmt(&url, "%s/latest/api/token", endpoint);
	rc = buf_done(&url, f);
	if (rc == 0)
		rc = instance_ask(&call, h, HTTP_PUT, buf_str(&url),
		    "X-aws-ec2-metadata-token-ttl-seconds: 21600", deadline_ms,
		    f);
	if (rc == 0 && call.status != 200)
		rc = inquiry_refused(&call, f);
	if (rc == 0) {
		token = text_trim(buf_view(&call.reply));
		buf_add(header, VIEW("X-aws-ec2-metadata-token: "));
		buf_add(header, token);
		if (inquiry_check_token(token, f) == -1 ||
		    buf_done(header, f) == -1)
			rc = inquiry_junk(f);
	}
	secret_buf_fini(&call.reply);
	buf_fini(&url);
	if (rc == 0)
		return 0;
	if (f->kind == FAULT_SLOW)
		(void)fault_details(f, "a container needs a hop limit of 2");
	return fault_while(f, "a token of IMDSv2");
}

/* Makes url, which ends with the folder of roles, that of the first. */
static int
instance_role(struct buf *url, struct http *h, const char *header,
    int64_t deadline_ms, struct fault *f)
{
	struct http_call call = HTTP_CALL_INIT(0);
	struct view list, role = VIEW("");
	int rc = instance_ask(
	    &call, h, HTTP_GET, buf_str(url), header, deadline_ms, f);

	if (rc == 0 && call.status == 404)
		rc = fault_set(f, FAULT_DENIED, "the instance has no role");
	else if (rc == 0 && call.status != 200)
		rc = inquiry_refused(&call, f);
	if (rc == 0) {
		list = buf_view(&call.reply);
		(void)text_split(&list, '\n', &role);
		role = text_trim(role);
		if (role.n == 0)
			rc = fault_set(f, FAULT_REMOTE, "an empty role");
		text_escape(url, role, false);
		if (rc == 0)
			rc = buf_done(url, f);
	}
	secret_buf_fini(&call.reply);
	return rc == -1 ? fault_while(f, "its role") : 0;
}

static void
extend(struct creds_keys *k)
{
	const int64_t now_ms = clock_now_ms();

	if (k->expires_at_ms - now_ms >= METADATA_EXTEND_MS)
		return;
	log_event(LOG_WARN, "keys extended",
	    LOG_TEXT("source", view_str(k->source)),
	    LOG_NUMBER("left_ms", k->expires_at_ms - now_ms));
	k->expires_at_ms =
	    now_ms + METADATA_EXTEND_MS + clock_chance(METADATA_EXTEND_MS + 1);
}

static int
instance_keys(struct creds_keys *k, struct http *h, const char *endpoint,
    const char *header, int64_t deadline_ms, struct fault *f)
{
	struct buf url = BUF_INIT(METADATA_URL_MAX);
	struct http_call call = HTTP_CALL_INIT(0);
	int rc;

	buf_fmt(
	    &url, "%s/latest/meta-data/iam/security-credentials/", endpoint);
	rc = buf_done(&url, f);
	if (rc == 0)
		rc = instance_role(&url, h, header, deadline_ms, f);
	if (rc == 0)
		rc = instance_ask(
		    &call, h, HTTP_GET, buf_str(&url), header, deadline_ms, f);
	if (rc == 0)
		rc = read_reply(k, &call, "instance", f);
	if (rc == 0)
		extend(k);
	secret_buf_fini(&call.reply);
	buf_fini(&url);
	return rc;
}

int
metadata_instance(struct creds_keys *k, struct http *h, const char *endpoint,
    int64_t deadline_ms, struct fault *f)
{
	struct buf header = keys_buf(HEADER_MAX);
	int rc = instance_token(&header, h, endpoint, deadline_ms, f);

	if (rc == 0)
		rc = instance_keys(
		    k, h, endpoint, buf_str(&header), deadline_ms, f);
	secret_buf_fini(&header);
	return rc == -1 ? fault_while(f, "instance") : 0;
}
