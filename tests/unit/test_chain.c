#include "aws/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "written.h"

static struct creds_setup setup;
static struct profile profile;
static struct choice choice;
static struct fault fault;
static struct secret id, secret;

static int
set_up(void **state)
{
	struct fault f = FAULT_INIT;

	setup = (struct creds_setup){ .no_instance = true };
	profile = PROFILE_INIT;
	(void)secret_set(&id, VIEW("AKID"), &f);
	(void)secret_set(&secret, VIEW("hush"), &f);
	return written_set_up(state);
}

static int
tear_down(void **state)
{
	chain_fini(&choice);
	profile_fini(&profile);
	secret_fini(&id);
	secret_fini(&secret);
	return written_tear_down(state);
}

/* The profile "default" says these lines from now on. */
static void
write_profile(const char *lines)
{
	char path[WRITTEN_PATH_SIZE], text[1024];
	const struct profile_place place = { .config_file = path };
	struct fault f = FAULT_INIT;

	(void)snprintf(text, sizeof text, "[default]\n%s", lines);
	written(path, "config", text);
	profile_fini(&profile);
	assert_int_equal(profile_read(&profile, &place, &f), 0);
}

static void
assert_chooses(const char *source, enum chain_ask ask)
{
	chain_fini(&choice);
	fault = FAULT_INIT;
	assert_int_equal(chain_choose(&choice, &setup, &profile, &fault), 0);
	assert_string_equal(choice.source, source);
	assert_int_equal(choice.ask, ask);
	assert_int_equal(keys_are_set(&choice.keys),
	    ask == CHAIN_NOBODY && strcmp(source, "none") != 0);
}

static void
assert_refuses(const char *field, const char *text)
{
	chain_fini(&choice);
	fault = FAULT_INIT;
	assert_int_equal(chain_choose(&choice, &setup, &profile, &fault), -1);
	assert_int_equal(fault.kind, FAULT_INPUT);
	assert_string_equal(fault.field, field);
	assert_string_equal(fault.text, text);
}

static void
the_first_that_is_configured_wins(void **state)
{
	(void)state;
	assert_chooses("none", CHAIN_NOBODY);
	setup.no_instance = false;
	assert_chooses("instance", CHAIN_INSTANCE);
	assert_string_equal(buf_str(&choice.url), "http://169.254.169.254");
	setup.container_relative_uri = "/v2/a";
	assert_chooses("container", CHAIN_CONTAINER);
	assert_string_equal(buf_str(&choice.url), "http://169.254.170.2/v2/a");
	write_profile("credential_process = a b\nsource_profile = c\n");
	assert_chooses("process", CHAIN_PROCESS);
	assert_true(view_is(choice.command, "a b"));
	write_profile("credential_process = a\naws_access_key_id = P\n"
		      "aws_secret_access_key = hush\n");
	assert_chooses("profile", CHAIN_NOBODY);
	assert_string_equal(choice.keys.id, "P");
	assert_string_equal(choice.keys.source, "profile");
	write_profile("aws_access_key_id = P\naws_secret_access_key = hush\n"
		      "role_arn = r\nweb_identity_token_file = /t\n"
		      "region = eu-west-1\n");
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(choice.role.arn, "r");
	assert_string_equal(choice.role.token_file, "/t");
	assert_string_equal(choice.role.session, "charref");
	assert_string_equal(
	    buf_str(&choice.url), "https://sts.eu-west-1.amazonaws.com");
	setup.role_arn = "r2";
	setup.role_session_name = "s2";
	setup.web_identity_token_file = "/t2";
	setup.region = "cn-north-1";
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(choice.role.arn, "r2");
	assert_string_equal(choice.role.session, "s2");
	assert_string_equal(choice.role.token_file, "/t2");
	assert_string_equal(
	    buf_str(&choice.url), "https://sts.cn-north-1.amazonaws.com.cn");
	setup.access_key_id = &id;
	setup.secret_access_key = &secret;
	assert_chooses("environment", CHAIN_NOBODY);
	assert_string_equal(choice.keys.id, "AKID");
	assert_true(secret_is(&choice.keys.secret, VIEW("hush")));
	assert_string_equal(choice.keys.source, "environment");
}

static void
a_chosen_profile_wins_over_keys_of_the_environment(void **state)
{
	(void)state;
	setup.access_key_id = &id;
	setup.profile = "default";
	write_profile("aws_access_key_id = P\naws_secret_access_key = s\n");
	assert_chooses("profile", CHAIN_NOBODY);
	setup.profile = "";
	assert_refuses(
	    "AWS_SECRET_ACCESS_KEY", "not set, but AWS_ACCESS_KEY_ID is");
}

static void
half_of_a_pair_is_refused(void **state)
{
	const struct secret none = SECRET_INIT;

	(void)state;
	setup.access_key_id = &id;
	setup.secret_access_key = &none;
	assert_refuses(
	    "AWS_SECRET_ACCESS_KEY", "not set, but AWS_ACCESS_KEY_ID is");
	setup.access_key_id = NULL;
	setup.secret_access_key = &secret;
	assert_refuses(
	    "AWS_ACCESS_KEY_ID", "not set, but AWS_SECRET_ACCESS_KEY is");
	setup.secret_access_key = NULL;
	write_profile("aws_access_key_id = P\n");
	assert_refuses("AWS_PROFILE",
	    "the profile default: aws_secret_access_key is missing");
	write_profile("aws_secret_access_key = hush\n");
	assert_refuses(
	    "AWS_PROFILE", "the profile default: aws_access_key_id is missing");
	write_profile("");
	setup.web_identity_token_file = "/t";
	assert_refuses(
	    "AWS_ROLE_ARN", "not set, but AWS_WEB_IDENTITY_TOKEN_FILE is");
	setup.role_arn = "r";
	assert_refuses(
	    "AWS_REGION", "not set, so there is no STS to ask for a role");
	setup.web_identity_token_file = NULL;
	assert_chooses("none", CHAIN_NOBODY);
}

static void
keys_that_no_header_can_carry_are_refused(void **state)
{
	struct fault f = FAULT_INIT;

	(void)state;
	secret_fini(&secret);
	assert_int_equal(secret_set(&secret, VIEW("hush\n"), &f), 0);
	setup.access_key_id = &id;
	setup.secret_access_key = &secret;
	assert_refuses("AWS_ACCESS_KEY_ID",
	    "the environment's keys: not a secret access key");
}

static void
what_is_not_supported_is_told_when_it_would_count(void **state)
{
	static const char *const lines[] = { "source_profile = b",
		"credential_source = Environment", "sso_session = s",
		"sso_start_url = https://a", "login_session = l" };
	char name[64], expected[128];
	size_t i;

	(void)state;
	setup.container_relative_uri = "/v2/a";
	setup.profile = "p";
	for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		write_profile(lines[i]);
		(void)snprintf(name, sizeof name, "%.*s",
		    (int)strcspn(lines[i], " "), lines[i]);
		(void)snprintf(expected, sizeof expected,
		    "the profile p: %s is not supported", name);
		assert_refuses("AWS_PROFILE", expected);
	}
	write_profile("credential_process = a 'b\n");
	assert_refuses("AWS_PROFILE", "the profile p: credential_process a "
				      "command whose quote is open");
	write_profile("role_arn = r\n");
	assert_refuses("AWS_PROFILE", "the profile p: role_arn is of no use "
				      "without web_identity_token_file");
	write_profile("web_identity_token_file = /t\n");
	assert_refuses("AWS_PROFILE", "the profile p: web_identity_token_file "
				      "is of no use without role_arn");
	write_profile("region = r\n");
	assert_chooses("container", CHAIN_CONTAINER);
}

static void
addresses_must_be_some(void **state)
{
	(void)state;
	setup.role_arn = "r";
	setup.web_identity_token_file = "/t";
	setup.sts_endpoint = "sts.example";
	assert_refuses("AWS_ENDPOINT_URL_STS", "not an address");
	setup.sts_endpoint = "https://";
	assert_refuses("AWS_ENDPOINT_URL_STS", "not an address");
	setup.sts_endpoint = "https://sts.example:9000";
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(buf_str(&choice.url), "https://sts.example:9000");
	setup = (struct creds_setup){ .instance_endpoint = "169.254.169.254" };
	assert_refuses("AWS_EC2_METADATA_SERVICE_ENDPOINT", "not an address");
	setup.instance_endpoint = "http://[fd00:ec2::254]//";
	assert_chooses("instance", CHAIN_INSTANCE);
	assert_string_equal(buf_str(&choice.url), "http://[fd00:ec2::254]");
	setup.container_full_uri = "http://a.example/";
	chain_fini(&choice);
	fault = FAULT_INIT;
	assert_int_equal(chain_choose(&choice, &setup, &profile, &fault), -1);
	assert_string_equal(fault.field, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static void
a_web_identity_goes_to_no_other_host_in_clear(void **state)
{
	static const char *const far[] = { "http://sts.example:9000",
		"http://10.0.0.1", "http://127.0.0.1@sts.example",
		"http://localhost.example", "http://169.254.170.2",
		"http://sts.example?http://127.0.0.1" };
	static const char *const near[] = { "http://127.0.0.1:9000",
		"http://localhost", "http://LocalHost:1/", "http://[::1]:9000",
		"https://sts.example" };
	size_t i;

	(void)state;
	setup.role_arn = "r";
	setup.web_identity_token_file = "/t";
	for (i = 0; i < sizeof far / sizeof far[0]; i++) {
		setup.sts_endpoint = far[i];
		chain_fini(&choice);
		fault = FAULT_INIT;
		assert_int_equal(
		    chain_choose(&choice, &setup, &profile, &fault), -1);
		assert_int_equal(fault.kind, FAULT_INPUT);
		assert_string_equal(fault.field, "AWS_ENDPOINT_URL_STS");
	}
	for (i = 0; i < sizeof near / sizeof near[0]; i++) {
		setup.sts_endpoint = near[i];
		assert_chooses("web identity", CHAIN_STS);
		assert_string_equal(buf_str(&choice.url), near[i]);
	}
}

static void
a_region_that_nobody_names_is_the_standard_one(void **state)
{
	(void)state;
	setup.role_arn = "r";
	setup.web_identity_token_file = "/t";
	setup.standard_region = "us-east-1";
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(
	    buf_str(&choice.url), "https://sts.us-east-1.amazonaws.com");
	write_profile("region = eu-west-1\n");
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(
	    buf_str(&choice.url), "https://sts.eu-west-1.amazonaws.com");
	setup.region = "eu-west-3";
	assert_chooses("web identity", CHAIN_STS);
	assert_string_equal(
	    buf_str(&choice.url), "https://sts.eu-west-3.amazonaws.com");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_that_is_configured_wins),
		TEST(a_chosen_profile_wins_over_keys_of_the_environment),
		TEST(half_of_a_pair_is_refused),
		TEST(keys_that_no_header_can_carry_are_refused),
		TEST(what_is_not_supported_is_told_when_it_would_count),
		TEST(addresses_must_be_some),
		TEST(a_web_identity_goes_to_no_other_host_in_clear),
		TEST(a_region_that_nobody_names_is_the_standard_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
