#include "app/describe.h"

#include "codec/text.h"

enum { MS = 1000 };

void
describe_text(struct buf *out, const char *name, struct view value)
{
	buf_fmt(out, "\"%s\":", name);
	if (value.n == 0)
		buf_add(out, VIEW("null"));
	else
		buf_json(out, value);
}

void
describe_time(struct buf *out, int64_t ms)
{
	char t[TEXT_BASIC_SIZE];

	if (ms <= 0)
		return;
	text_basic_moment(t, ms / MS);
	buf_fmt(out, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9,
	    t + 11, t + 13);
}

void
describe_moment(struct buf *out, const char *name, int64_t ms)
{
	struct buf moment = BUF_INIT(TEXT_BASIC_SIZE * 2);

	describe_time(&moment, ms);
	describe_text(out, name, buf_view(&moment));
	buf_fini(&moment);
}

static void
add_url(struct buf *out, const char *name, const struct asset *asset)
{
	describe_text(out, name, buf_view(&asset->url.text));
}

static void
add_life(struct buf *out, const struct asset *asset)
{
	buf_fmt(
	    out, "\"expires_in_seconds\":%lld", (long long)asset->url.lives_s);
}

static void
add_key(struct buf *out, const struct asset *asset)
{
	describe_text(out, "cloud_path", view_str(asset->key));
}

static void
begin(struct buf *out, const struct asset *asset)
{
	buf_fmt(out, "{\"image_id\":\"%s\",", asset->id.text);
}

static void
add_status(struct buf *out, const struct asset *asset)
{
	buf_fmt(out, "\"status\":\"%s\",", asset_status_word(asset->status));
}

void
describe_persisted(const struct asset *asset, struct buf *out)
{
	begin(out, asset);
	add_status(out, asset);
	add_url(out, "cloud_url", asset);
	buf_add(out, VIEW(","));
	add_key(out, asset);
	buf_add(out, VIEW(","));
	add_life(out, asset);
	buf_add(out, VIEW("}"));
}

/* What may stand between the URL and its life ends with a comma. */
static void
add_presigned(const struct asset *asset, struct view between, struct buf *out)
{
	begin(out, asset);
	add_url(out, "image_url", asset);
	buf_add(out, VIEW(","));
	buf_add(out, between);
	add_life(out, asset);
	buf_add(out, VIEW(","));
	add_key(out, asset);
	buf_add(out, VIEW("}"));
}

void
describe_url(const struct asset *asset, struct buf *out)
{
	add_presigned(asset, VIEW(""), out);
}

void
describe_image(const struct asset *asset, struct buf *out)
{
	add_presigned(asset, VIEW("\"storage_backend\":\"s3\","), out);
}

/* What the client may read of a fault. */
static struct view
words_of(const struct fault *f)
{
	return fault_public(f->kind)
		   ? view_str(f->text)
		   : VIEW("the service could not do this; its log says why");
}

/* "error":"...","message":"..." */
static void
add_error(const struct fault *f, struct buf *out)
{
	buf_fmt(out, "\"error\":\"%s\",\"message\":", fault_word(f->kind));
	buf_json(out, words_of(f));
}

void
describe_associated(const struct job_id *job, const struct asset *assets,
    size_t n, struct buf *out)
{
	const struct asset *asset;

	buf_fmt(out, "{\"job_id\":\"%s\",\"images\":[", job->text);
	for (asset = assets; asset < assets + n; asset++) {
		buf_add(out, asset == assets ? VIEW("") : VIEW(","));
		begin(out, asset);
		add_status(out, asset);
		add_url(out, "cloud_url", asset);
		buf_add(out, VIEW(","));
		add_key(out, asset);
		if (asset->fault.kind != FAULT_NONE) {
			buf_add(out, VIEW(","));
			add_error(&asset->fault, out);
		}
		buf_add(out, VIEW("}"));
	}
	buf_add(out, VIEW("]}"));
}

void
describe_error(const struct fault *f, struct buf *out)
{
	buf_add(out, VIEW("{"));
	add_error(f, out);
	buf_add(out, VIEW("}"));
}

void
describe_fault(const struct fault *f, struct view request_id, struct buf *out)
{
	buf_add(out, VIEW("{\"detail\":{"));
	add_error(f, out);
	buf_add(out, VIEW(",\"details\":"));
	if (f->details[0] != '\0' && fault_public(f->kind))
		buf_json(out, view_str(f->details));
	else
		buf_add(out, VIEW("null"));
	if (f->field != NULL)
		buf_fmt(out, ",\"field\":\"%s\"", f->field);
	if (request_id.n > 0) {
		buf_add(out, VIEW(",\"request_id\":"));
		buf_json(out, request_id);
	}
	buf_add(out, VIEW("}}"));
}

void
describe_detail(const struct fault *f, struct buf *out)
{
	struct buf whole = BUF_INIT(DESCRIBE_FAULT_MAX);

	describe_fault(f, VIEW(""), &whole);
	if (whole.len > 2) /* without its braces */
		buf_fmt(out, ",%.*s", (int)whole.len - 2, whole.data + 1);
	buf_fini(&whole);
}
