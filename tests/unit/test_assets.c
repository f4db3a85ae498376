#include "app/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "folder.h"
#include "s3_kit.h"
#include "scripted.h"

#define PNG                                                                    \
	"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x03\0"                  \
	"\x08\x02\0\0\0CRC4\0\0\0\x02IDATxyCRC4\0\0\0\0IENDCRC4"
#define OTHER_PNG                                                              \
	"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x04\0\0\0\x03\0"                  \
	"\x08\x02\0\0\0CRC4\0\0\0\x02IDATzzCRC4\0\0\0\0IENDCRC4"
#define REFUSING "http://127.0.0.1:1" /* a port that nobody listens on */
#define NO_KEYS "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"
#define EMPTY_LIST REPLY("200 OK", "", NO_KEYS)
#define PLAY(...)                                                              \
	play((const struct act[]){ __VA_ARGS__ },                              \
	    sizeof((const struct act[]){ __VA_ARGS__ }) / sizeof(struct act))

enum { VARIABLES_MAX = 16, VARIABLE_SIZE = FOLDER_SIZE + 64 };

extern char **environ;

static char folder[FOLDER_SIZE];
static struct scripted server;
static struct conf *conf;
static struct assets *assets;
static struct asset asset;
static struct fault fault;
static struct image_id id;
static struct job_id job;

/* --- a service of the test's own --- */

/* Reads the settings from just these variables. */
static void
configure(const char *endpoint)
{
	static char texts[VARIABLES_MAX][VARIABLE_SIZE];
	char *variables[VARIABLES_MAX + 1] = { NULL };
	char **const ours = environ;
	struct buf mistakes = BUF_INIT(4096);
	size_t n = 0;
	int rc;

#define SET(...) (void)snprintf(texts[n++], VARIABLE_SIZE, __VA_ARGS__)
	SET("CHARREF_ROOT=%s/data", folder);
	SET("RUN_DIR=%s/run", folder);
	SET("JOBS_DIR=%s/jobs", folder);
	SET("HOME=%s", folder);
	SET("AWS_EC2_METADATA_DISABLED=true");
	if (endpoint != NULL) {
		SET("STORAGE_BUCKET=faces");
		SET("AWS_ENDPOINT_URL_S3=%s", endpoint);
		SET("AWS_ACCESS_KEY_ID=AKIDEXAMPLE");
		SET("AWS_SECRET_ACCESS_KEY=hushhushhush");
	}
#undef SET
	while (n-- > 0)
		variables[n] = texts[n];
	environ = variables;
	rc = conf_open(&conf, &mistakes, &fault);
	environ = ours;
	if (rc == -1)
		fail_msg("%s", buf_str(&mistakes));
	buf_fini(&mistakes);
}

/* The service with that endpoint, or with no bucket (NULL). */
static void
open_service(const char *endpoint)
{
	assets_close(&assets);
	conf_close(&conf);
	configure(endpoint);
	if (assets_open(&assets, conf, CLOUD_USER, 0, &fault) == -1)
		fail_msg("%s", fault.text);
}

/* The service with a server that plays the acts. */
static void
play(const struct act *acts, size_t n)
{
	static struct act kept[SCRIPTED_MAX];

	memcpy(kept, acts, n * sizeof *acts);
	scripted_begin(&server, kept, n);
	open_service(server.url);
}

static int
set_up(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	asset = ASSET_INIT;
	MUST(image_id_parse(&id, VIEW("abc-123"), &fault) == 0);
	MUST(job_id_parse(&job, VIEW("job-456"), &fault) == 0);
	return folder_make(folder);
}

static int
tear_down(void **state)
{
	(void)state;
	asset_fini(&asset);
	assets_close(&assets);
	conf_close(&conf);
	return folder_remove(folder);
}

/* Writes a file below the test's folder: its path, until the next. */
static const char *
lay(const char *name, struct view bytes)
{
	static char path[FOLDER_SIZE + 256];
	FILE *file;

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "w");
	MUST(file != NULL);
	MUST(fwrite(bytes.p, 1, bytes.n, file) == bytes.n);
	MUST(fclose(file) == 0);
	return path;
}

static void
must_hold(const char *name, struct view bytes)
{
	char path[FOLDER_SIZE + 256];
	struct buf there = BUF_INIT(4096);

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	if (file_follow(path, &there, &fault) == -1)
		fail_msg("%s: %s", name, fault.text);
	assert_int_equal(there.len, bytes.n);
	assert_memory_equal(there.data, bytes.p, bytes.n);
	buf_fini(&there);
}

/* Persists anew: the kind of what went wrong. */
static enum fault_kind
persist(const char *path, const struct job_id *in)
{
	asset_fini(&asset);
	asset = ASSET_INIT;
	fault = FAULT_INIT;
	(void)persist_character_reference(
	    assets, &id, path, in, &asset, &fault);
	return fault.kind;
}

static enum objects_state
state_in(const struct job_id *in)
{
	struct fault f = FAULT_INIT;
	struct object o;
	bool known;

	MUST(objects_find(assets_db(assets), &id, in, &known, &o, &f) == 0);
	return o.state;
}

#define ASSERT_FAULT(got, want)                                                \
	do {                                                                   \
		const enum fault_kind got_ = (got);                            \
                                                                               \
		if (got_ != (want))                                            \
			fail_msg("%d: %s", (int)got_, fault.text);             \
	} while (0)
#define ASSERT_SAYS(word) assert_non_null(strstr(fault.text, (word)))

static const struct job_id alone = { "" };

/* --- persist --- */

static void
a_file_becomes_an_image_and_has_a_url(void **state)
{
	(void)state;
	PLAY({ .reply = EMPTY_LIST }, { .reply = NOTHING }, { .reply = DONE });
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_NONE);
	assert_int_equal(scripted_end(&server), 3);
	assert_int_equal(scripted_said(&server, "if-none-match"), 1);
	assert_int_equal(asset.status, ASSET_UPLOADED);
	assert_string_equal(asset.id.text, "abc-123");
	assert_string_equal(asset.key, "character_references/abc-123.png");
	assert_int_equal(asset.url.lives_s, 3600);
	assert_non_null(strstr(buf_str(&asset.url.text),
	    "/faces/character_references/abc-123.png?"));
	must_hold("data/" STORE_FOLDER "/abc-123.png", VIEW(PNG));
	assert_int_equal(state_in(&alone), OBJECTS_DONE);
}

static void
a_job_has_its_image_at_its_own_place(void **state)
{
	(void)state;
	PLAY({ .reply = EMPTY_LIST }, { .reply = DONE });
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), &job), FAULT_NONE);
	assert_int_equal(scripted_end(&server), 2);
	assert_string_equal(asset.key, "videos/job-456/intermediate/"
				       "character_reference/abc-123.png");
	assert_int_equal(state_in(&job), OBJECTS_DONE);
	assert_int_equal(state_in(&alone), OBJECTS_WAITING);
}

static void
what_is_in_the_bucket_is_not_sent_again(void **state)
{
	(void)state;
	PLAY({ .reply = EMPTY_LIST }, { .reply = NOTHING }, { .reply = DONE });
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_NONE);
	ASSERT_FAULT(persist(NULL, NULL), FAULT_NONE);
	ASSERT_FAULT(persist(lay("y", VIEW(PNG)), &alone), FAULT_NONE);
	assert_int_equal(scripted_end(&server), 3);
}

static void
a_missing_file_is_told_by_its_name(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist("/nonexistent/image.png", NULL), FAULT_ABSENT);
	assert_string_equal(
	    fault.text, "file not found: /nonexistent/image.png");
	assert_string_equal(fault.field, "file");
	ASSERT_FAULT(persist(NULL, NULL), FAULT_ABSENT);
	ASSERT_SAYS("file not found");
	ASSERT_SAYS("abc-123");
	ASSERT_FAULT(persist(folder, NULL), FAULT_ABSENT);
}

static void
a_file_must_be_an_image(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist(lay("x", VIEW("hello")), NULL), FAULT_INPUT);
	assert_string_equal(fault.field, "file");
	ASSERT_FAULT(persist(lay("x", VIEW("")), NULL), FAULT_INPUT);
	ASSERT_FAULT(persist("/dev/null", NULL), FAULT_ABSENT);
}

static void
a_file_may_not_be_too_large(void **state)
{
	const char *path = lay("x", VIEW(PNG));

	(void)state;
	open_service(REFUSING);
	MUST(truncate(path, STORE_IMAGE_MAX + 1) == 0);
	ASSERT_FAULT(persist(path, NULL), FAULT_LARGE);
}

static void
an_id_belongs_to_the_bytes_that_came_first(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_BUSY);
	ASSERT_FAULT(persist(lay("x", VIEW(OTHER_PNG)), NULL), FAULT_CONFLICT);
	assert_string_equal(fault.field, "image_id");
	must_hold("data/" STORE_FOLDER "/abc-123.png", VIEW(PNG));
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_BUSY);
}

static void
an_upload_that_fails_leaves_the_image_queued(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), &job), FAULT_BUSY);
	assert_int_equal(asset.status, ASSET_QUEUED);
	assert_int_equal(asset.url.text.len, 0);
	assert_int_equal(state_in(&job), OBJECTS_WAITING);
}

static void
without_a_bucket_nothing_is_taken_in(void **state)
{
	(void)state;
	open_service(NULL);
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_BUSY);
	ASSERT_SAYS("STORAGE_BUCKET");
	assert_null(assets_cloud(assets));
	assert_int_equal(store_size(assets_store(assets), &id, SNIFF_PNG), -1);
}

/* --- associate --- */

static void
images_come_in_their_order_and_a_second_time_as_well(void **state)
{
	struct asset out[3] = { ASSET_INIT, ASSET_INIT, ASSET_INIT };
	struct image_id ids[3];
	size_t i;

	(void)state;
	/* Looked at before it is sent; for the folder, and right before the
	 * copy. */
	PLAY({ .reply = EMPTY_LIST }, { .reply = NOTHING }, { .reply = DONE },
	    { .reply = EMPTY_LIST }, { .reply = NOTHING }, { .reply = NOTHING },
	    { .reply = COPIED });
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_NONE);
	ids[0] = ids[2] = id;
	MUST(image_id_parse(&ids[1], VIEW("nobody"), &fault) == 0);
	if (associate_character_images_with_job(
		assets, &job, ids, 3, NULL, out, &fault) == -1)
		fail_msg("%s", fault.text);
	assert_int_equal(scripted_end(&server), 7);
	assert_int_equal(scripted_said(&server, "x-amz-copy-source"), 1);
	assert_int_equal(scripted_said(&server, "HEAD /"), 3);
	assert_int_equal(out[0].status, ASSET_COPIED);
	assert_int_equal(out[1].status, ASSET_MISSING);
	assert_int_equal(out[2].status, ASSET_COPIED);
	assert_string_equal(
	    buf_str(&out[0].url.text), buf_str(&out[2].url.text));
	assert_int_equal(out[1].fault.kind, FAULT_ABSENT);
	must_hold("jobs/job-456/character_reference/abc-123.png", VIEW(PNG));
	for (i = 0; i < 3; i++)
		asset_fini(&out[i]);
}

static void
a_copy_goes_below_the_callers_folder_and_an_edited_one_stays(void **state)
{
	char base[FOLDER_SIZE + 16];

	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_BUSY);
	(void)snprintf(base, sizeof base, "%s/mine", folder);
	asset_fini(&asset);
	asset = ASSET_INIT;
	fault = FAULT_INIT;
	assert_int_equal(associate_character_images_with_job(
			     assets, &job, &id, 1, base, &asset, &fault),
	    0);
	assert_int_equal(asset.status, ASSET_QUEUED);
	must_hold("mine/character_reference/abc-123.png", VIEW(PNG));
	(void)lay("mine/character_reference/abc-123.png", VIEW("edited"));
	assert_int_equal(associate_character_images_with_job(
			     assets, &job, &id, 1, base, &asset, &fault),
	    0);
	must_hold("mine/character_reference/abc-123.png", VIEW("edited"));
	assert_int_equal(state_in(&job), OBJECTS_WAITING);
}

static void
a_job_of_missing_images_alone_is_absent(void **state)
{
	(void)state;
	open_service(NULL);
	assert_int_equal(associate_character_images_with_job(
			     assets, &job, &id, 1, NULL, &asset, &fault),
	    -1);
	ASSERT_FAULT(fault.kind, FAULT_ABSENT);
	assert_string_equal(fault.field, "image_ids");
}

/* --- presign --- */

static enum fault_kind
presign(const char *extension, int64_t expires_s)
{
	asset_fini(&asset);
	asset = ASSET_INIT;
	fault = FAULT_INIT;
	(void)get_character_reference_url(
	    assets, &id, NULL, extension, expires_s, &asset, &fault);
	return fault.kind;
}

static void
a_url_is_made_without_asking_anybody(void **state)
{
	(void)state;
	PLAY({ .reply = EMPTY_LIST }, { .reply = NOTHING }, { .reply = DONE });
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_NONE);
	assert_int_equal(scripted_end(&server), 3);
	ASSERT_FAULT(presign(NULL, 0), FAULT_NONE);
	assert_int_equal(asset.url.lives_s, 3600);
	assert_string_equal(asset.key, "character_references/abc-123.png");
	ASSERT_FAULT(presign("png", 7), FAULT_NONE);
	assert_int_equal(asset.url.lives_s, 7);
	ASSERT_FAULT(presign("jpg", 0), FAULT_ABSENT);
	assert_string_equal(fault.field, "extension");
}

static void
what_is_asked_of_a_url_must_be_in_range(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(presign("gif", 0), FAULT_RANGE);
	assert_string_equal(fault.field, "extension");
	ASSERT_FAULT(presign(NULL, -1), FAULT_RANGE);
	ASSERT_FAULT(presign(NULL, 604801), FAULT_RANGE);
	assert_string_equal(fault.field, "expires_in");
	ASSERT_FAULT(presign(NULL, 604800), FAULT_BUSY);
}

static void
an_image_that_waits_has_no_url(void **state)
{
	(void)state;
	open_service(REFUSING);
	ASSERT_FAULT(persist(lay("x", VIEW(PNG)), NULL), FAULT_BUSY);
	ASSERT_FAULT(presign(NULL, 0), FAULT_ABSENT);
	ASSERT_SAYS("not in the cloud storage");
}

static void
an_image_that_the_bucket_does_not_have_has_none(void **state)
{
	(void)state;
	PLAY({ .reply = EMPTY_LIST });
	ASSERT_FAULT(presign(NULL, 0), FAULT_ABSENT);
	ASSERT_FAULT(presign(NULL, 0), FAULT_ABSENT); /* remembered */
	assert_int_equal(scripted_end(&server), 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_file_becomes_an_image_and_has_a_url),
		TEST(a_job_has_its_image_at_its_own_place),
		TEST(what_is_in_the_bucket_is_not_sent_again),
		TEST(a_missing_file_is_told_by_its_name),
		TEST(a_file_must_be_an_image),
		TEST(a_file_may_not_be_too_large),
		TEST(an_id_belongs_to_the_bytes_that_came_first),
		TEST(an_upload_that_fails_leaves_the_image_queued),
		TEST(without_a_bucket_nothing_is_taken_in),
		TEST(images_come_in_their_order_and_a_second_time_as_well),
		TEST(
		    a_copy_goes_below_the_callers_folder_and_an_edited_one_stays),
		TEST(a_job_of_missing_images_alone_is_absent),
		TEST(a_url_is_made_without_asking_anybody),
		TEST(what_is_asked_of_a_url_must_be_in_range),
		TEST(an_image_that_waits_has_no_url),
		TEST(an_image_that_the_bucket_does_not_have_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
