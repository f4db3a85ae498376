#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/json.h"

/* Standard error, while it goes to a file without a name. */
struct capture {
	FILE *file;
	int kept;
	char said[32768];
};

static void
begin(struct capture *c)
{
	(void)fflush(stderr);
	c->file = tmpfile();
	assert_non_null(c->file);
	c->kept = dup(STDERR_FILENO);
	assert_int_not_equal(c->kept, -1);
	assert_int_not_equal(dup2(fileno(c->file), STDERR_FILENO), -1);
}

static void
end(struct capture *c)
{
	ssize_t n;

	assert_int_not_equal(dup2(c->kept, STDERR_FILENO), -1);
	(void)close(c->kept);
	n = pread(fileno(c->file), c->said, sizeof c->said - 1, 0);
	assert_true(n >= 0);
	c->said[n] = '\0';
	(void)fclose(c->file);
}

/* The one line that was said, which must be one JSON object. */
static struct json_doc *
only_line(const struct capture *c)
{
	struct json_doc *doc = NULL;
	struct fault f = FAULT_INIT;
	const char *newline = strchr(c->said, '\n');

	assert_non_null(newline);
	assert_int_equal(newline[1], '\0');
	if (json_open(&doc, view_str(c->said), 1, &f) == -1)
		fail_msg("%s in %s", f.text, c->said);
	return doc;
}

static void
assert_member(const struct json_doc *doc, const char *name, const char *want)
{
	assert_string_equal(
	    json_text(json_member(json_root(doc), name)).p, want);
}

static void
writes_one_json_object_a_line(void **state)
{
	struct json_doc *doc;
	struct capture c;

	(void)state;
	begin(&c);
	log_event(LOG_WARN, "retry", LOG_TEXT("model", VIEW("imagen")),
	    LOG_NUMBER("attempt", 2), LOG_NUMBER("least", INT64_MIN));
	end(&c);
	doc = only_line(&c);
	assert_member(doc, "level", "warn");
	assert_member(doc, "event", "retry");
	assert_member(doc, "model", "imagen");
	assert_true(
	    json_integer_or(json_member(json_root(doc), "attempt"), 0) == 2);
	assert_true(json_integer_or(json_member(json_root(doc), "least"), 0) ==
		    INT64_MIN);
	assert_int_equal(json_text(json_member(json_root(doc), "time")).n, 32);
	json_close(&doc);
}

static void
no_value_can_end_its_line_or_its_string(void **state)
{
	struct json_doc *doc;
	struct capture c;

	(void)state;
	begin(&c);
	log_event(LOG_INFO, "request",
	    LOG_TEXT("path",
		VIEW("/\"}\n{\"level\":\"error\",\"event\":\"forged\\")));
	end(&c);
	doc = only_line(&c);
	assert_member(doc, "event", "request");
	assert_member(
	    doc, "path", "/\"}\n{\"level\":\"error\",\"event\":\"forged\\");
	json_close(&doc);
}

static void
bytes_that_are_no_text_leave_the_line_valid(void **state)
{
	struct json_doc *doc;
	struct capture c;

	(void)state;
	begin(&c);
	log_event(LOG_INFO, "odd", LOG_TEXT("bytes", VIEW("\xff\xc0\x7f\x1b")));
	end(&c);
	doc = only_line(&c);
	assert_member(doc, "bytes", "\xef\xbf\xbd\xef\xbf\xbd\x7f\x1b");
	json_close(&doc);
}

static void
cuts_a_long_value_also_inside_a_character(void **state)
{
	char text[LOG_TEXT_MAX + 2];
	struct json_doc *doc;
	struct capture c;
	struct view got;

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text + LOG_TEXT_MAX - 1, "\xc3\xa9", 2);
	begin(&c);
	log_event(LOG_INFO, "long",
	    LOG_TEXT("text", ((struct view){ text, sizeof text })));
	end(&c);
	doc = only_line(&c);
	got = json_text(json_member(json_root(doc), "text"));
	assert_int_equal(got.n, LOG_TEXT_MAX - 1 + 3);
	assert_memory_equal(got.p + LOG_TEXT_MAX - 1, "\xef\xbf\xbd", 3);
	json_close(&doc);
}

static void
a_line_too_long_is_replaced_by_one_that_says_so(void **state)
{
	char text[LOG_TEXT_MAX];
	struct log_field fields[8];
	struct json_doc *doc;
	struct capture c;
	size_t i;

	(void)state;
	memset(text, '\x01', sizeof text); /* six bytes each when escaped */
	for (i = 0; i < 8; i++)
		fields[i] =
		    LOG_TEXT("field", ((struct view){ text, sizeof text }));
	begin(&c);
	log_fields(LOG_INFO, "flood", fields, 8);
	end(&c);
	doc = only_line(&c);
	assert_member(doc, "level", "error");
	assert_member(doc, "event", "log line too long");
	json_close(&doc);
}

static void
the_empty_text_is_a_text_and_not_a_number(void **state)
{
	struct json_doc *doc;
	struct capture c;

	(void)state;
	begin(&c);
	log_event(LOG_INFO, "empty", LOG_TEXT("text", VIEW("")));
	log_fields(LOG_DEBUG, "unseen", NULL, 0);
	end(&c);
	doc = only_line(&c);
	assert_int_equal(
	    json_kind(json_member(json_root(doc), "text")), JSON_KIND_TEXT);
	json_close(&doc);
}

static void
writes_nothing_below_the_threshold(void **state)
{
	struct json_doc *doc;
	struct capture c;

	(void)state;
	begin(&c);
	log_threshold(LOG_ERROR);
	log_fields(LOG_WARN, "hidden", NULL, 0);
	log_fields(LOG_ERROR, "seen", NULL, 0);
	log_threshold(LOG_INFO);
	end(&c);
	doc = only_line(&c);
	assert_member(doc, "event", "seen");
	json_close(&doc);
}

static void
appends_to_a_file_that_others_cannot_read(void **state)
{
	char path[] = "/tmp/test_log.XXXXXX";
	struct fault f = FAULT_INIT;
	struct json_doc *doc;
	struct capture c;
	struct stat st;
	int rc;

	(void)state;
	(void)close(mkstemp(path));
	assert_int_equal(unlink(path), 0);
	begin(&c);
	rc = log_to_file(path, &f);
	log_fields(LOG_INFO, "filed", NULL, 0);
	end(&c);
	assert_int_equal(rc, 0);
	assert_string_equal(c.said, "");
	c.file = fopen(path, "r");
	assert_non_null(c.file);
	c.said[fread(c.said, 1, sizeof c.said - 1, c.file)] = '\0';
	assert_int_equal(fstat(fileno(c.file), &st), 0);
	assert_int_equal(st.st_mode & 07, 0);
	(void)fclose(c.file);
	assert_int_equal(unlink(path), 0);
	doc = only_line(&c);
	assert_member(doc, "event", "filed");
	json_close(&doc);
}

static void
says_why_a_log_file_cannot_be_opened(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	assert_int_equal(log_to_file("/no/such/folder/log", &f), -1);
	assert_int_equal(f.kind, FAULT_DISK);
	assert_string_equal(f.text,
	    "open the log /no/such/folder/log: No such file or directory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_one_json_object_a_line),
		cmocka_unit_test(no_value_can_end_its_line_or_its_string),
		cmocka_unit_test(bytes_that_are_no_text_leave_the_line_valid),
		cmocka_unit_test(cuts_a_long_value_also_inside_a_character),
		cmocka_unit_test(
		    a_line_too_long_is_replaced_by_one_that_says_so),
		cmocka_unit_test(the_empty_text_is_a_text_and_not_a_number),
		cmocka_unit_test(writes_nothing_below_the_threshold),
		cmocka_unit_test(appends_to_a_file_that_others_cannot_read),
		cmocka_unit_test(says_why_a_log_file_cannot_be_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
