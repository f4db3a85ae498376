#include "app/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "app/doctor_cloud.h"
#include "app/doctor_local.h"
#include "app/doctor_model.h"
#include "app/doctor_service.h"

static struct finding it;

static int
set_up(void **state)
{
	(void)state;
	it = FINDING_INIT;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	finding_fini(&it);
	return 0;
}

static bool
says(const char *text)
{
	return view_has(buf_view(&it.found), text) ||
	       view_has(buf_view(&it.remedy), text);
}

static void
each_row_needs_one_above_it(void **state)
{
	(void)state;
	assert_null(doctor_wrong_row());
}

static void
a_filesystem_that_shares_no_memory_is_known(void **state)
{
	(void)state;
	assert_string_equal(doctor_unfit_filesystem(0x6969), "NFS");
	assert_string_equal(
	    doctor_unfit_filesystem((int32_t)0xff534d42), "CIFS");
	assert_null(doctor_unfit_filesystem(0xef53)); /* ext4 */
	assert_null(doctor_unfit_filesystem(0x01021994));
}

static void
a_clock_is_judged_by_what_signatures_bear(void **state)
{
	(void)state;
	doctor_say_clock(&it, 60, "S3");
	assert_int_equal(it.state, FINDING_OK);
	doctor_say_clock(&it, -61, "S3");
	assert_int_equal(it.state, FINDING_WARNING);
	assert_true(says("1 min 1 s ahead of S3's"));
	doctor_say_clock(&it, 900, "S3");
	assert_int_equal(it.state, FINDING_WARNING);
	doctor_say_clock(&it, 901, "S3");
	assert_int_equal(it.state, FINDING_FAILED);
	assert_true(says("15 min 1 s behind S3's"));
	assert_true(says("timesyncd"));
}

static void
each_stage_has_its_own_word_and_remedy(void **state)
{
	static const struct {
		enum probe_stage stage;
		const char *word, *remedy;
	} rows[] = {
		{ PROBE_NAME, "DNS: why", "resolv.conf" },
		{ PROBE_CONNECTION, "TCP: why", "firewall" },
		{ PROBE_TLS, "TLS: why", "AWS_CA_BUNDLE" },
		{ PROBE_REPLY, "no reply: why", "S3_PUBLIC_ENDPOINT" },
	};
	struct probe probe = { .why = "why" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		probe.stage = rows[i].stage;
		finding_fini(&it);
		it = FINDING_INIT;
		doctor_say_probe(
		    &it, &probe, "https://a", "S3_PUBLIC_ENDPOINT");
		assert_int_equal(it.state, FINDING_FAILED);
		assert_true(says(rows[i].word));
		assert_true(says(rows[i].remedy));
	}
	probe.stage = PROBE_DONE;
	finding_fini(&it);
	it = FINDING_INIT;
	doctor_say_probe(&it, &probe, "http://a", "S3_PUBLIC_ENDPOINT");
	assert_int_equal(it.state, FINDING_OK);
	assert_true(says("unencrypted"));
}

static void
a_model_does_what_it_lists(void **state)
{
	static const char text[] = "{\"name\":\"models/x\","
				   "\"supportedGenerationMethods\":"
				   "[\"predictLongRunning\",\"predict\",7]}";
	struct fault f = FAULT_INIT;
	struct json_doc *doc = NULL;

	(void)state;
	assert_int_equal(json_open(&doc, VIEW(text), 8, &f), 0);
	assert_true(doctor_model_does(json_root(doc), "predict"));
	assert_false(doctor_model_does(json_root(doc), "generateContent"));
	assert_false(doctor_model_does(NULL, "predict"));
	json_close(&doc);
}

static void
a_request_for_healthz_is_whole_records(void **state)
{
	struct buf request = BUF_INIT(4096);
	const unsigned char *p;
	size_t at = 0, n, records = 0;

	(void)state;
	doctor_healthz_request(&request);
	p = (const unsigned char *)buf_str(&request);
	assert_int_equal(p[1], 1); /* BEGIN_REQUEST */
	while (at < request.len) {
		n = (size_t)p[at + 4] << 8 | p[at + 5];
		assert_int_equal(p[at], 1);
		at += 8 + n + p[at + 6];
		records++;
	}
	assert_int_equal(at, request.len);
	assert_int_equal(records, 4);
	assert_true(view_has(buf_view(&request), "REQUEST_METHODGET"));
	buf_fini(&request);
}

static int
status_of(const char *content, size_t n, unsigned char type, size_t cut)
{
	unsigned char record[256] = { 1, type, 0, 1, 0, (unsigned char)n };

	memcpy(record + 8, content, n);
	return doctor_healthz_status(
	    (struct view){ (const char *)record, 8 + n - cut });
}

static void
a_status_is_read_from_whole_records_of_output(void **state)
{
	static const char head[] = "Status: 200 OK\r\n\r\n";
	const size_t n = sizeof head - 1;

	(void)state;
	assert_int_equal(status_of(head, n, 6, 0), 200);
	assert_int_equal(status_of(head, n, 6, 1), 0);
	assert_int_equal(status_of(head, n, 7, 0), 0); /* STDERR */
	assert_int_equal(status_of(head, 10, 6, 0), 0);
	assert_int_equal(status_of("Status: abc\r\n", 13, 6, 0), 0);
	assert_int_equal(doctor_healthz_status(VIEW("")), 0);
	assert_int_equal(doctor_healthz_status(VIEW("\1\6\0\1\377\377")), 0);
	assert_int_equal(
	    doctor_healthz_status(VIEW("\1\7\0\1\0\0\377\0\1\6\0\1\0\0")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_row_needs_one_above_it),
		TEST(a_filesystem_that_shares_no_memory_is_known),
		TEST(a_clock_is_judged_by_what_signatures_bear),
		TEST(each_stage_has_its_own_word_and_remedy),
		TEST(a_model_does_what_it_lists),
		TEST(a_request_for_healthz_is_whole_records),
		TEST(a_status_is_read_from_whole_records_of_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
