#include "app/conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"

extern char **environ;

/* Reads the settings from just this environment, NULL-terminated. */
static int
open_with(char **variables, struct conf **c, struct buf *mistakes)
{
	char **const ours = environ;
	struct fault f = FAULT_INIT;
	int rc;

	*c = NULL;
	*mistakes = BUF_INIT(64 << 10);
	environ = variables;
	rc = conf_open(c, mistakes, &f);
	environ = ours;
	assert_int_equal(f.kind, rc == 0 ? FAULT_NONE : FAULT_INPUT);
	return rc;
}

static void
an_empty_environment_gives_the_defaults(void **state)
{
	char *none[] = { NULL };
	struct buf mistakes;
	struct conf *c;

	(void)state;
	assert_int_equal(open_with(none, &c, &mistakes), 0);
	assert_string_equal(conf_text(c, CONF_CHARREF_ROOT), "./data");
	assert_int_equal(conf_number(c, CONF_GENERATE_DEADLINE), 110);
	assert_false(secret_is_set(conf_model_key(c)));
	conf_close(&c);
	buf_fini(&mistakes);
}

static void
a_secret_that_is_no_variable_is_looked_for_among_the_credentials(void **state)
{
	static char where[FOLDER_SIZE + 32], key[] = "GOOGLE_API_KEY=variable";
	char *variables[] = { where, key, NULL };
	char folder[FOLDER_SIZE], path[FOLDER_SIZE + 32];
	struct buf mistakes, shown = BUF_INIT(64);
	struct conf *c;
	FILE *file;

	(void)state;
	assert_int_equal(folder_make(folder), 0);
	(void)snprintf(where, sizeof where, "CREDENTIALS_DIRECTORY=%s", folder);
	(void)snprintf(path, sizeof path, "%s/GEMINI_API_KEY", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("file\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	(void)snprintf(path, sizeof path, "%s/GOOGLE_API_KEY", folder);
	assert_int_equal(symlink("GEMINI_API_KEY", path), 0);
	assert_int_equal(open_with(variables, &c, &mistakes), 0);
	assert_true(
	    secret_is(conf_secret(c, CONF_GEMINI_API_KEY), VIEW("file")));
	assert_true(
	    secret_is(conf_secret(c, CONF_GOOGLE_API_KEY), VIEW("variable")));
	conf_show(c, CONF_GEMINI_API_KEY, &shown);
	assert_string_equal(buf_str(&shown), "set");
	buf_fini(&shown);
	conf_close(&c);
	buf_fini(&mistakes);
	assert_int_equal(folder_remove(folder), 0);
}

static void
a_credential_that_is_no_key_is_a_mistake_that_names_the_setting(void **state)
{
	static char where[FOLDER_SIZE + 32];
	char *variables[] = { where, NULL };
	char folder[FOLDER_SIZE], path[FOLDER_SIZE + 32];
	struct buf mistakes;
	struct conf *c;
	FILE *file;

	(void)state;
	assert_int_equal(folder_make(folder), 0);
	(void)snprintf(where, sizeof where, "CREDENTIALS_DIRECTORY=%s", folder);
	(void)snprintf(path, sizeof path, "%s/SKETCH_KEY", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("a\nb\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(open_with(variables, &c, &mistakes), -1);
	assert_string_equal(buf_str(&mistakes),
	    "SKETCH_KEY: its credential is not one line of text\n");
	buf_fini(&mistakes);
	assert_int_equal(folder_remove(folder), 0);
}

/* As S3 is asked there, too. */
static void
a_role_is_asked_for_in_the_standard_region_when_none_is_named(void **state)
{
	static char arn[] = "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/a",
		    file[] = "AWS_WEB_IDENTITY_TOKEN_FILE=/token";
	char *variables[] = { arn, file, NULL };
	struct fault f = FAULT_INIT;
	struct creds *creds = NULL;
	struct creds_setup setup;
	struct buf mistakes;
	struct conf *c;

	(void)state;
	assert_int_equal(open_with(variables, &c, &mistakes), 0);
	setup = conf_creds(c);
	setup.home = NULL;
	assert_string_equal(setup.standard_region, conf_s3(c, NULL).region);
	if (creds_open(&creds, &setup, &f) == -1)
		fail_msg("%s: %s", f.field, f.text);
	assert_string_equal(creds_source(creds), "web identity");
	creds_close(&creds);
	conf_close(&c);
	buf_fini(&mistakes);
}

static void
a_variable_that_is_empty_counts_as_unset(void **state)
{
	static char port[] = "PORT=", root[] = "CHARREF_ROOT=";
	char *variables[] = { port, root, NULL };
	struct buf mistakes;
	struct conf *c;

	(void)state;
	assert_int_equal(open_with(variables, &c, &mistakes), 0);
	assert_int_equal(conf_number(c, CONF_PORT), 8000);
	assert_string_equal(conf_text(c, CONF_CHARREF_ROOT), "./data");
	conf_close(&c);
	buf_fini(&mistakes);
}

static void
all_mistakes_are_reported_at_once_by_name(void **state)
{
	static char port[] = "PORT=70000", workers[] = "FAST_WORKERS=08",
		    deadline[] = "GENERATE_DEADLINE=x",
		    models[] = "IMAGE_MODELS=dall-e-3", level[] = "LOG_LEVEL=x",
		    prompt[] = "IMAGE_PROMPT=no place",
		    url[] = "IMAGE_BASE_URL=http://example.com",
		    cloud[] = "SERVE_FROM_CLOUD=true";
	char *variables[] = { port, workers, deadline, models, level, prompt,
		url, cloud, NULL };
	struct buf mistakes;
	struct conf *c;
	size_t i;
	char *end;

	(void)state;
	assert_int_equal(open_with(variables, &c, &mistakes), -1);
	assert_null(c);
	for (i = 0; variables[i] != NULL; i++) {
		end = strchr(variables[i], '=');
		*end = '\0';
		if (!view_has(buf_view(&mistakes), variables[i]))
			fail_msg("%s is not named", variables[i]);
		*end = '=';
	}
	buf_fini(&mistakes);
}

static void
assert_url(const char *url, const char *socket, bool good)
{
	char first[128], second[128];
	char *variables[] = { first, second, NULL };
	struct buf mistakes;
	struct conf *c;

	(void)snprintf(first, sizeof first, "IMAGE_BASE_URL=%s", url);
	(void)snprintf(second, sizeof second, "IMAGE_SOCKET=%s", socket);
	if ((open_with(variables, &c, &mistakes) == 0) != good)
		fail_msg("%s through '%s'", url, socket);
	conf_close(&c);
	buf_fini(&mistakes);
}

static void
a_key_never_travels_in_the_clear_to_another_host(void **state)
{
	(void)state;
	assert_url("https://example.com", "", true);
	assert_url("https://example.com:8443", "", true);
	assert_url("http://127.0.0.1:9000", "", true);
	assert_url("http://localhost", "", true);
	assert_url("http://[::1]:80", "", true);
	assert_url("http://sketch", "/run/sketch.sock", true);
	assert_url("http://example.com", "", false);
	assert_url("http://localhost.example.com", "", false);
	assert_url("http://127.example.com", "", false);
	assert_url("http://[::2]", "", false);
	assert_url("https://example.com/v1", "", false);
	assert_url("https://", "", false);
	assert_url("ftp://example.com", "", false);
}

static void
secrets_are_used_but_never_shown(void **state)
{
	static char key[] = "GOOGLE_API_KEY=test-key-0123456789";
	char *variables[] = { key, NULL };
	struct buf mistakes, shown = BUF_INIT(64 << 10);
	struct conf *c;

	(void)state;
	assert_int_equal(open_with(variables, &c, &mistakes), 0);
	assert_true(secret_is(conf_model_key(c), VIEW("test-key-0123456789")));
	conf_show_all(c, &shown);
	assert_true(view_has(buf_view(&shown), "GOOGLE_API_KEY=set\n"));
	assert_true(view_has(buf_view(&shown), "GEMINI_API_KEY=unset\n"));
	assert_false(view_has(buf_view(&shown), "0123456789"));
	conf_close(&c);
	buf_fini(&shown);
	buf_fini(&mistakes);
}

/* The first line of what is said of these two settings; "" when they are
 * good. */
static void
assert_access(const char *keys, const char *protects, const char *mistake)
{
	char first[256], second[64];
	char *variables[] = { first, second, NULL };
	struct buf mistakes;
	struct conf *c;

	(void)snprintf(first, sizeof first, "API_KEY=%s", keys);
	(void)snprintf(second, sizeof second, "PROTECT_READS=%s", protects);
	if ((open_with(variables, &c, &mistakes) == 0) != (mistake[0] == '\0'))
		fail_msg("%s %s: %s", first, second, buf_str(&mistakes));
	assert_true(view_begins(buf_view(&mistakes), mistake));
	if (c != NULL) {
		assert_int_equal(conf_access(c) != NULL, keys[0] != '\0');
		assert_int_equal(
		    conf_protects_reads(c), strcmp(protects, "true") == 0);
	}
	conf_close(&c);
	buf_fini(&mistakes);
}

static void
keys_of_the_service_are_checked_and_needed_to_protect_reads(void **state)
{
	(void)state;
	assert_access("", "", "");
	assert_access("", "false", "");
	assert_access("0123456789abcdef", "", "");
	assert_access("0123456789abcdef", "true", "");
	assert_access("", "true", "API_KEY must be set when PROTECT_READS");
	assert_access("short", "", "API_KEY: key 1 ");
	assert_access("0123456789abcdef,short", "true", "API_KEY: key 2 ");
}

static void
every_row_of_the_table_is_in_the_document(void **state)
{
	struct buf text = BUF_INIT(64 << 10);
	enum conf_key key;

	(void)state;
	conf_markdown(&text);
	assert_false(text.spoilt);
	assert_true(conf_named("DISK_RESERVE_MB", &key));
	assert_int_equal(key, CONF_DISK_RESERVE_MB);
	assert_false(conf_named("disk_reserve_mb", &key));
	assert_true(view_has(buf_view(&text), "| `DISK_RESERVE_MB` | 0 to"));
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_environment_gives_the_defaults),
		cmocka_unit_test(
		    a_secret_that_is_no_variable_is_looked_for_among_the_credentials),
		cmocka_unit_test(
		    a_credential_that_is_no_key_is_a_mistake_that_names_the_setting),
		cmocka_unit_test(
		    a_role_is_asked_for_in_the_standard_region_when_none_is_named),
		cmocka_unit_test(a_variable_that_is_empty_counts_as_unset),
		cmocka_unit_test(all_mistakes_are_reported_at_once_by_name),
		cmocka_unit_test(
		    a_key_never_travels_in_the_clear_to_another_host),
		cmocka_unit_test(secrets_are_used_but_never_shown),
		cmocka_unit_test(
		    keys_of_the_service_are_checked_and_needed_to_protect_reads),
		cmocka_unit_test(every_row_of_the_table_is_in_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
