#include "aws/bucket.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	DATE_EXACT_MS = 2000, /* a Date has whole seconds, and has travelled */
	WHOSE_MAX = PLACE_BUCKET_MAX + 1 + PLACE_REGION_MAX
};

_Static_assert((int)PLACE_REGION_MAX < (int)STATE_REGION_SIZE,
    "a region fits into the state file");

struct bucket {
	struct bucket_setup setup;
	char configured[PLACE_REGION_MAX + 1]; /* what setup.region said  */
	char region[PLACE_REGION_MAX + 1];     /* the bucket's own        */
	struct buf whose; /* the settings that a learnt region goes with */
	struct place place;
	struct place public_place;
	struct sigv4 *signer;
	int64_t offset_ms; /* where there is no state file */
	int moves;         /* from region to region      */
	int renewals;
	struct view request_id; /* on whose behalf */
};

static int
find_places(struct bucket *b, const char *region, struct place *place,
    struct place *public_place, struct fault *f)
{
	struct place_ask ask = { b->setup.name, region, b->setup.endpoint,
		"AWS_ENDPOINT_URL_S3", b->setup.style };

	if (place_find(place, &ask, f) == -1)
		return -1;
	if (view_str(b->setup.public_endpoint).n > 0) {
		ask.endpoint = b->setup.public_endpoint;
		ask.setting = "S3_PUBLIC_ENDPOINT";
	}
	return place_find(public_place, &ask, f);
}

/* Addresses and signs for another region from now on; or nothing changes. */
static int
move(struct bucket *b, const char *region, struct fault *f)
{
	const struct view to = view_str(region);
	struct place place, public_place;
	struct sigv4 *signer = NULL;

	if (find_places(b, region, &place, &public_place, f) == -1 ||
	    sigv4_open(&signer, region, "s3", f) == -1)
		return -1;
	sigv4_close(&b->signer);
	b->signer = signer;
	b->place = place;
	b->public_place = public_place;
	memcpy(b->region, to.p, to.n + 1);
	return 0;
}

int
bucket_open(
    struct bucket **out, const struct bucket_setup *setup, struct fault *f)
{
	struct bucket *b = calloc(1, sizeof *b);
	int rc;

	if (b == NULL)
		return fault_set(f, FAULT_MEMORY, "bucket");
	b->setup = *setup;
	b->whose = BUF_INIT(WHOSE_MAX);
	rc = move(b, setup->region, f);
	b->setup.region = b->configured;
	if (rc == 0) {
		memcpy(b->configured, b->region, sizeof b->configured);
		buf_fmt(&b->whose, "%s %s", setup->name, b->configured);
		rc = buf_done(&b->whose, f);
	}
	if (rc == -1) {
		bucket_close(&b);
		return -1;
	}
	*out = b;
	return 0;
}

void
bucket_close(struct bucket **b)
{
	if (*b == NULL)
		return;
	sigv4_close(&(*b)->signer);
	buf_fini(&(*b)->whose);
	free(*b);
	*b = NULL;
}

const char *
bucket_name(const struct bucket *b)
{
	return b->setup.name;
}

void
bucket_serve(struct bucket *b, struct view request_id)
{
	b->request_id = request_id;
}

const char *
bucket_region(const struct bucket *b)
{
	return b->region;
}

/* Another process may know by now where the bucket is; some of ours never
 * send a request that could teach it to them. */
static void
follow_region(struct bucket *b)
{
	char region[STATE_REGION_SIZE];
	struct fault f = FAULT_INIT;

	if (b->setup.state != NULL &&
	    state_region(b->setup.state, buf_view(&b->whose), region) &&
	    strcmp(region, b->region) != 0 && move(b, region, &f) == 0)
		b->moves++;
}

static int64_t
offset_of(const struct bucket *b)
{
	return b->setup.state == NULL ? b->offset_ms
				      : state_clock_offset_ms(b->setup.state);
}

/* The keys of now as the signer takes them, lent like creds_now's. */
static int
keys_now(struct bucket *b, struct sigv4_keys *keys,
    const struct creds_keys **found, struct fault *f)
{
	if (creds_now(b->setup.creds, found, f) == -1)
		return -1;
	keys->id = view_str((*found)->id);
	keys->secret = secret_reveal(&(*found)->secret);
	keys->token = secret_reveal(&(*found)->token);
	return 0;
}

int
bucket_sign(struct bucket *b, const struct bucket_request *r, struct buf *url,
    struct buf *lines, struct bucket_stamp *stamp, struct fault *f)
{
	struct sigv4_request request = { .method = r->method,
		.query = r->query,
		.query_n = r->query_n,
		.headers = r->headers,
		.headers_n = r->headers_n,
		.payload_sha256 = r->payload_sha256 };
	const struct creds_keys *found;
	struct sigv4_keys keys;
	char path[PLACE_PATH_MAX];

	if (keys_now(b, &keys, &found, f) == -1)
		return -1;
	follow_region(b);
	*stamp = (struct bucket_stamp){ .offset_ms = offset_of(b),
		.moves = b->moves,
		.renewals = b->renewals,
		.is_temporary = keys.token.n > 0 };
	request.host = place_host(&b->place);
	request.path = place_path(&b->place, r->key, path);
	request.at_s = (clock_now_ms() + stamp->offset_ms) / 1000;
	buf_clear(url);
	buf_add(url, view_str(b->place.origin));
	return sigv4_sign(b->signer, &keys, &request, url, lines, f);
}

/* How long ago the window of now has begun, and so how far back a URL is
 * dated; it lives a while whatever the window. */
static int64_t
into_window_s(int64_t now_s, int64_t window_s)
{
	return window_s > 0 ? now_s % window_s : 0;
}

int
bucket_presign(struct bucket *b, const char *method, struct view key,
    int64_t expires_s, int64_t window_s, struct buf *url,
    struct bucket_life *life, struct fault *f)
{
	struct sigv4_request request = { .method = method };
	const int64_t now_s = (clock_now_ms() + offset_of(b)) / 1000;
	const struct creds_keys *found;
	struct sigv4_keys keys;
	char path[PLACE_PATH_MAX];

	MUST(expires_s >= 1);
	if (keys_now(b, &keys, &found, f) == -1)
		return -1;
	follow_region(b);
	if (expires_s > SIGV4_EXPIRES_MAX_S)
		expires_s = SIGV4_EXPIRES_MAX_S;
	if (window_s > expires_s / 2)
		window_s = expires_s / 2;
	request.at_s = now_s - into_window_s(now_s, window_s);
	if (expires_s > found->expires_at_ms / 1000 - request.at_s)
		expires_s = found->expires_at_ms / 1000 - request.at_s;
	life->same_s = window_s > 0 ? request.at_s + window_s - now_s : 0;
	life->lives_s = request.at_s + expires_s - now_s;
	if (life->lives_s < 1)
		return fault_set(f, FAULT_DENIED,
		    "presign: the credentials (%s) end within a second",
		    found->source);
	request.host = place_host(&b->public_place);
	request.path = place_path(&b->public_place, key, path);
	buf_clear(url);
	buf_add(url, view_str(b->public_place.origin));
	return sigv4_presign(b->signer, &keys, &request, expires_s, url, f);
}

static bool
is_apart(int64_t a_ms, int64_t b_ms, int64_t by_ms)
{
	return a_ms - b_ms >= by_ms || b_ms - a_ms >= by_ms;
}

bool
bucket_mend_clock(struct bucket *b, const struct bucket_stamp *stamp,
    int64_t server_s, int64_t at_least_ms)
{
	const int64_t offset_ms = server_s * 1000 - clock_now_ms();

	if (at_least_ms < DATE_EXACT_MS)
		at_least_ms = DATE_EXACT_MS;
	if (!is_apart(offset_ms, stamp->offset_ms, at_least_ms))
		return false;
	if (!is_apart(offset_ms, offset_of(b), DATE_EXACT_MS))
		return true; /* somebody has learnt it meanwhile */
	b->offset_ms = offset_ms;
	if (b->setup.state != NULL)
		state_tell_clock_offset(b->setup.state, offset_ms);
	log_event(LOG_WARN, "clock off", LOG_REQUEST(b->request_id),
	    LOG_TEXT("message",
		VIEW("set this host's clock; until then S3's is used")),
	    LOG_NUMBER("offset_ms", offset_ms));
	return true;
}

bool
bucket_mend_region(
    struct bucket *b, const struct bucket_stamp *stamp, const char *region)
{
	struct fault f = FAULT_INIT;

	follow_region(b);
	if (stamp->moves != b->moves)
		return true; /* it was signed before we knew */
	if (strcmp(b->region, region) == 0)
		return false;
	if (move(b, region, &f) == -1) {
		log_event(LOG_ERROR, "region refused",
		    LOG_REQUEST(b->request_id),
		    LOG_TEXT("region", view_str(region)),
		    LOG_TEXT("message", view_str(f.text)));
		return false;
	}
	b->moves++;
	if (b->setup.state != NULL &&
	    !state_tell_region(b->setup.state, buf_view(&b->whose), region))
		return true; /* somebody else has learnt it, and said so */
	log_event(LOG_WARN, "region differs", LOG_REQUEST(b->request_id),
	    LOG_TEXT("bucket", view_str(b->setup.name)),
	    LOG_TEXT("message", VIEW("correct AWS_REGION")),
	    LOG_TEXT("configured", view_str(b->setup.region)),
	    LOG_TEXT("region", view_str(b->region)));
	return true;
}

bool
bucket_mend_keys(
    struct bucket *b, const struct bucket_stamp *stamp, int64_t deadline_ms)
{
	struct fault f = FAULT_INIT;

	if (!stamp->is_temporary)
		return false;
	if (stamp->renewals != b->renewals)
		return true;
	if (creds_renew(b->setup.creds, deadline_ms, &f) == -1) {
		log_event(LOG_WARN, "keys not renewed",
		    LOG_REQUEST(b->request_id),
		    LOG_TEXT("message", view_str(f.text)));
		return false;
	}
	b->renewals++;
	return true;
}
