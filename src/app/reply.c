#include "app/reply.h"

#include "app/describe.h"
#include "base/clock.h"

enum {
	BODY_MAX = 8192,
	COME_BACK_S = 10 /* of a 503 that names no time itself */
};

/* The reason phrases (RFC 9110, 15) of the statuses that we send. */
static const struct {
	int status;
	const char *reason;
} reasons[] = { { 200, "OK" }, { 202, "Accepted" }, { 302, "Found" },
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 409, "Conflict" },
	{ 413, "Content Too Large" }, { 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" }, { 500, "Internal Server Error" },
	{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }, { 507, "Insufficient Storage" } };

static const char *
reason_of(int status)
{
	size_t i;

	for (i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static void
send_headers(struct reply *r, struct buf *headers)
{
	buf_add(headers, VIEW("\r\n"));
	if (headers->spoilt)
		reply_cut(r);
	else
		fcgi_put(r->c, buf_view(headers));
	buf_fini(headers);
}

void
reply_begin(struct reply *r, int status, const char *media_type, int64_t length,
    struct view extra)
{
	struct buf headers = BUF_INIT(REPLY_HEADERS_MAX + extra.n);

	MUST(r->status == 0);
	r->status = status;
	if (r->shared_s > 0)
		buf_fmt(&headers, "X-Accel-Expires: %lld\r\n",
		    (long long)r->shared_s);
	buf_fmt(&headers,
	    "Status: %d %s\r\nContent-Type: %s\r\nContent-Length: %lld\r\n"
	    "X-Request-Id: %.*s\r\n",
	    status, reason_of(status), media_type, (long long)length,
	    (int)r->request_id.n, r->request_id.p);
	if (r->shared_s == 0)
		timing_header(r->timing, clock_ticks_us() - r->timing->began_us,
		    &headers);
	buf_add(&headers, extra);
	send_headers(r, &headers);
}

void
reply_put(struct reply *r, struct view bytes)
{
	if (r->is_head)
		return;
	fcgi_put(r->c, bytes);
	r->bytes += (int64_t)bytes.n;
}

void
reply_cut(struct reply *r)
{
	r->is_cut = true;
	fcgi_abandon(r->c);
}

static void
send_json(struct reply *r, int status, struct view extra, struct view body)
{
	reply_begin(r, status, "application/json", (int64_t)body.n + 1, extra);
	reply_put(r, body);
	reply_put(r, VIEW("\n"));
}

void
reply_share(struct reply *r, int64_t seconds)
{
	r->shared_s = seconds > 0 ? seconds : 0;
}

void
reply_json(struct reply *r, int status, struct view body)
{
	send_json(r, status, VIEW("Cache-Control: no-store\r\n"), body);
}

void
reply_unready(struct reply *r, int retry_after_s, struct view body)
{
	struct buf extra = BUF_INIT(REPLY_HEADERS_MAX);

	buf_fmt(&extra, "Cache-Control: no-store\r\nRetry-After: %d\r\n",
	    retry_after_s);
	if (extra.spoilt)
		reply_cut(r);
	else
		send_json(r, 503, buf_view(&extra), body);
	buf_fini(&extra);
}

void
reply_fault(struct reply *r, const struct fault *f, const char *allow)
{
	struct buf extra = BUF_INIT(REPLY_HEADERS_MAX);
	struct buf body = BUF_INIT(BODY_MAX);
	const int status = fault_http(f->kind);
	int wait_s = f->retry_after_s;

	reply_share(r, 0);
	if (status == 503 && wait_s == 0)
		wait_s = COME_BACK_S;
	buf_add(&extra, VIEW("Cache-Control: no-store\r\n"));
	if (wait_s > 0)
		buf_fmt(&extra, "Retry-After: %d\r\n", wait_s);
	if (f->kind == FAULT_KEYLESS)
		buf_add(&extra, VIEW("WWW-Authenticate: ApiKey\r\n"));
	if (allow[0] != '\0')
		buf_fmt(&extra, "Allow: %s\r\n", allow);
	describe_fault(f, r->request_id, &body);
	/* Without the memory for these few words nothing can be said. */
	if (extra.spoilt || body.spoilt)
		reply_cut(r);
	else
		send_json(r, status, buf_view(&extra), buf_view(&body));
	buf_fini(&body);
	buf_fini(&extra);
}

void
reply_accel(
    struct reply *r, const char *path, const char *media_type, bool is_private)
{
	struct buf headers = BUF_INIT(REPLY_HEADERS_MAX);

	MUST(r->status == 0);
	r->status = 200;
	buf_fmt(&headers,
	    "Status: 200 OK\r\nX-Accel-Redirect: %s\r\nContent-Type: %s\r\n",
	    path, media_type);
	if (is_private)
		buf_add(&headers, VIEW("Cache-Control: private, no-store\r\n"));
	send_headers(r, &headers);
}

void
reply_redirect(struct reply *r, struct view url, int64_t max_age_s)
{
	struct buf extra = BUF_INIT(REPLY_LOCATION_MAX);

	buf_fmt(&extra, "Location: %.*s\r\n", (int)url.n, url.p);
	if (max_age_s > 0)
		buf_fmt(&extra, "Cache-Control: private, max-age=%lld\r\n",
		    (long long)max_age_s);
	else
		buf_add(&extra, VIEW("Cache-Control: no-store\r\n"));
	buf_add(&extra,
	    VIEW("Referrer-Policy: no-referrer\r\nX-Asset-Source: s3\r\n"));
	if (extra.spoilt)
		reply_cut(r);
	else
		reply_begin(r, 302, "text/plain", 0, buf_view(&extra));
	buf_fini(&extra);
}

void
reply_hand_over(struct reply *r, const char *location)
{
	struct buf headers = BUF_INIT(REPLY_HEADERS_MAX);

	MUST(r->status == 0);
	r->status = 200;
	r->is_handed_over = true;
	buf_fmt(
	    &headers, "Status: 200 OK\r\nX-Accel-Redirect: %s\r\n", location);
	send_headers(r, &headers);
}
