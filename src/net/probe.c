#include "net/probe.h"

#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "codec/text.h"
#include "net/attempt.h"

enum { CONNECT_MS = 5000, LOOK_MS = 250, BODY_MAX = 64 << 10 };

_Static_assert(sizeof((struct probe *)NULL)->why == CURL_ERROR_SIZE,
    "why holds what curl says");

/* Has that moment of the attempt been reached? */
static bool
has_come(CURL *easy, CURLINFO moment)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(easy, moment, &us) == CURLE_OK && us > 0;
}

/* Curl notes the moment only when TLS is there, too; the address at once. */
static const char *
address_of(CURL *easy)
{
	const char *address = NULL;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address);
	return address == NULL ? "" : address;
}

static enum probe_stage
stage_of(CURL *easy, CURLcode rc, bool is_plain)
{
	if (rc == CURLE_OK)
		return PROBE_DONE;
	if (rc == CURLE_COULDNT_RESOLVE_HOST ||
	    !has_come(easy, CURLINFO_NAMELOOKUP_TIME_T))
		return PROBE_NAME;
	if (rc == CURLE_COULDNT_CONNECT || address_of(easy)[0] == '\0')
		return PROBE_CONNECTION;
	if (!is_plain && !has_come(easy, CURLINFO_APPCONNECT_TIME_T))
		return PROBE_TLS;
	return PROBE_REPLY;
}

static void
read_out(struct probe *out, struct attempt *a, CURLcode rc)
{
	const bool is_plain = strncmp(a->call->url, "http://", 7) == 0;
	struct view date;

	attempt_note(a);
	out->status = a->call->status;
	out->stage = stage_of(a->easy, rc, is_plain);
	if (out->stage != PROBE_DONE && out->why[0] == '\0')
		(void)snprintf(
		    out->why, sizeof out->why, "%s", curl_easy_strerror(rc));
	(void)snprintf(
	    out->address, sizeof out->address, "%s", address_of(a->easy));
	if (!http_header(a->call, "Date", &date) ||
	    !text_http_date_s(date, &out->date_s))
		out->date_s = -1;
	out->asked_s = clock_now_ms() / 1000;
}

/* Until it has ended by itself: its own deadline is in its options. */
static int
drive(CURLM *multi, int stop_fd, CURLcode *rc, struct fault *f)
{
	struct curl_waitfd stop = { .fd = stop_fd, .events = CURL_WAIT_POLLIN };
	CURLMsg *msg;
	int left;

	for (;;) {
		if (clock_is_stopped(stop_fd, 0))
			return fault_set(f, FAULT_BUSY, "told to stop");
		if (curl_multi_perform(multi, &left) != CURLM_OK)
			break;
		msg = curl_multi_info_read(multi, &left);
		if (msg != NULL && msg->msg == CURLMSG_DONE) {
			*rc = msg->data.result;
			return 0;
		}
		if (curl_multi_poll(multi, &stop, stop_fd > 0, LOOK_MS, NULL) !=
		    CURLM_OK)
			break;
	}
	return fault_set(f, FAULT_MEMORY, "no memory");
}

static int
run(CURLM *multi, struct attempt *a, const struct probe_ask *ask,
    struct probe *out, struct fault *f)
{
	const int64_t left_ms = ask->deadline_ms - clock_ticks_ms();
	CURLcode rc = CURLE_OK;
	int done = -1;

	if (attempt_open(a, left_ms > 0 ? left_ms : 1) != CURLE_OK ||
	    curl_easy_setopt(a->easy, CURLOPT_ERRORBUFFER, out->why) !=
		CURLE_OK ||
	    curl_multi_add_handle(multi, a->easy) != CURLM_OK)
		return fault_set(f, FAULT_MEMORY, "no memory");
	done = drive(multi, ask->stop_fd, &rc, f);
	if (done == 0)
		read_out(out, a, rc);
	(void)curl_multi_remove_handle(multi, a->easy);
	return done;
}

/* Nobody writes to it, as the type would allow. */
static char *
if_set(const char *text)
{
	return text == NULL || text[0] == '\0' ? NULL : (char *)(uintptr_t)text;
}

static int
probe(struct probe *out, struct http_call *call, const struct probe_ask *ask,
    struct fault *f)
{
	const struct attempt_setup setup = {
		.unix_socket = if_set(ask->unix_socket),
		.ca_file = if_set(ask->ca_file),
		.connect_ms = CONNECT_MS,
	};
	struct attempt a = { .call = call, .setup = &setup, .fresh = true };
	CURLM *multi = curl_multi_init();
	int rc;

	if (multi == NULL)
		return fault_set(f, FAULT_MEMORY, "no memory");
	rc = run(multi, &a, ask, out, f);
	attempt_close(&a);
	(void)curl_multi_cleanup(multi);
	return rc;
}

int
probe_run(struct probe *out, const struct probe_ask *ask, struct fault *f)
{
	struct http_call call = HTTP_CALL_INIT(BODY_MAX);
	int rc;

	*out = (struct probe){ .stage = PROBE_NAME, .date_s = -1 };
	call.method = HTTP_HEAD;
	call.url = ask->origin;
	call.reply_headers = BUF_INIT(HTTP_REPLY_HEADERS_MAX);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fault_set(f, FAULT_MEMORY, "no memory");
	rc = probe(out, &call, ask, f);
	curl_global_cleanup();
	buf_fini(&call.reply);
	buf_fini(&call.reply_headers);
	return rc;
}
