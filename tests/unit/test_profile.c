#include "aws/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "written.h"

static struct profile profile;
static char credentials[WRITTEN_PATH_SIZE], config[WRITTEN_PATH_SIZE];

/* Reads the profile of that name from the two texts, NULL: no file. */
static int
read_two(const char *name, const char *credentials_text,
    const char *config_text, struct fault *f)
{
	const struct profile_place place = { .name = name,
		.credentials_file =
		    credentials_text == NULL ? NULL : credentials,
		.config_file = config_text == NULL ? NULL : config };

	if (credentials_text != NULL)
		written(credentials, "credentials", credentials_text);
	if (config_text != NULL)
		written(config, "config", config_text);
	profile = PROFILE_INIT;
	*f = FAULT_INIT;
	return profile_read(&profile, &place, f);
}

static void
assert_says(enum profile_setting s, const char *expected)
{
	assert_string_equal(buf_str(&profile.value[s]), expected);
}

static void
assert_reads(
    const char *name, const char *credentials_text, const char *config_text)
{
	struct fault f;

	assert_int_equal(read_two(name, credentials_text, config_text, &f), 0);
}

static void
assert_refuses(const char *name, const char *credentials_text,
    const char *config_text, const char *field)
{
	struct fault f;

	assert_int_equal(read_two(name, credentials_text, config_text, &f), -1);
	assert_int_equal(f.kind, FAULT_INPUT);
	assert_string_equal(f.field, field);
	assert_null(strstr(f.text, "hush"));
	assert_false(profile.found);
}

static void
each_file_names_profiles_in_its_own_way(void **state)
{
	(void)state;
	assert_reads("two",
	    "[default]\naws_access_key_id = A\n"
	    "[two]\nAWS_Access_Key_Id = B\n[profile two]\n"
	    "aws_access_key_id = C\n",
	    "[two]\nregion = x\n[profile two]\nregion = eu-west-1\n");
	assert_says(PROFILE_ID, "B");
	assert_says(PROFILE_REGION, "eu-west-1");
	profile_fini(&profile);
	assert_reads(NULL, NULL, "[profile \"default\"]\nregion = b\n");
	assert_says(PROFILE_REGION, "b");
	profile_fini(&profile);
}

static void
a_section_that_says_profile_default_replaces_the_bare_one(void **state)
{
	(void)state;
	assert_reads("default", NULL,
	    "[default]\nregion = a\nrole_arn = r\n"
	    "[profile default]\nregion = b\n[default]\nregion = c\n");
	assert_says(PROFILE_REGION, "b");
	assert_says(PROFILE_ROLE, "");
	profile_fini(&profile);
}

static void
the_last_of_two_values_counts_in_sections_of_one_name(void **state)
{
	(void)state;
	assert_reads("a",
	    "[a]\naws_access_key_id=1\naws_access_key_id=2\n"
	    "[b]\naws_access_key_id=3\n"
	    "[a]\naws_secret_access_key=hush\n",
	    NULL);
	assert_says(PROFILE_ID, "2");
	assert_says(PROFILE_SECRET, "hush");
	profile_fini(&profile);
}

static void
keys_of_two_files_are_never_mixed(void **state)
{
	(void)state;
	assert_reads("a", "[a]\naws_access_key_id=1\n",
	    "[profile a]\naws_access_key_id=2\naws_secret_access_key=hush\n"
	    "aws_session_token=t\nregion=r\n");
	assert_says(PROFILE_ID, "1");
	assert_says(PROFILE_SECRET, "");
	assert_says(PROFILE_TOKEN, "");
	assert_says(PROFILE_REGION, "r");
	profile_fini(&profile);
	assert_reads("a", "[a]\naws_session_token=old\n",
	    "[profile a]\naws_access_key_id=2\naws_secret_access_key=hush\n");
	assert_says(PROFILE_ID, "2");
	assert_says(PROFILE_TOKEN, "");
	profile_fini(&profile);
}

static void
sub_blocks_and_other_sections_do_not_count(void **state)
{
	(void)state;
	assert_reads("a", NULL,
	    "[services a]\nregion = 1\n[sso-session a]\nregion = 2\n"
	    "[profile a]\ns3 =\n  region = 3\nregion = 4\n"
	    "other =\n  aws_access_key_id = A\n");
	assert_says(PROFILE_REGION, "4");
	assert_says(PROFILE_ID, "");
	profile_fini(&profile);
	assert_refuses(
	    "a", NULL, "[profile a]\nregion = 1\n  2\n", "AWS_CONFIG_FILE");
}

static void
what_was_named_must_be_there(void **state)
{
	struct fault f = FAULT_INIT;
	struct profile_place place = { .name = NULL };

	(void)state;
	assert_refuses("b", "[a]\n", "[profile a]\n", "AWS_PROFILE");
	assert_refuses("default", NULL, NULL, "AWS_PROFILE");
	written_path(credentials, "none");
	place.credentials_file = credentials;
	assert_int_equal(profile_read(&profile, &place, &f), -1);
	assert_string_equal(f.field, "AWS_SHARED_CREDENTIALS_FILE");
	f = FAULT_INIT;
	place.credentials_file = written_folder;
	assert_int_equal(profile_read(&profile, &place, &f), -1);
	assert_string_equal(f.field, "AWS_SHARED_CREDENTIALS_FILE");
	f = FAULT_INIT;
	place = (struct profile_place){ .home = written_folder };
	assert_int_equal(profile_read(&profile, &place, &f), 0);
	assert_false(profile.found);
	place = (struct profile_place){ .name = NULL };
	assert_int_equal(profile_read(&profile, &place, &f), 0);
	assert_false(profile.found);
}

static void
files_are_looked_for_below_home_and_must_be_well_formed(void **state)
{
	const struct profile_place place = { .home = written_folder };
	struct fault f = FAULT_INIT;
	char path[WRITTEN_PATH_SIZE];

	(void)state;
	written_path(path, ".aws");
	assert_int_equal(mkdir(path, 0700), 0);
	written(NULL, ".aws/credentials", "[default]\naws_access_key_id=1\n");
	written(NULL, ".aws/config", "[default]\nregion=r\n");
	assert_int_equal(profile_read(&profile, &place, &f), 0);
	assert_true(profile.found);
	assert_says(PROFILE_ID, "1");
	assert_says(PROFILE_REGION, "r");
	profile_fini(&profile);
	written(NULL, ".aws/config", "[default]\nhush\n");
	assert_int_equal(profile_read(&profile, &place, &f), -1);
	assert_string_equal(f.field, "AWS_CONFIG_FILE");
	assert_non_null(strstr(f.text, "line 2: neither a section"));
	assert_null(strstr(f.text, "hush"));
}

static void
values_have_their_limit(void **state)
{
	static char text[2 * PROFILE_VALUE_MAX];

	(void)state;
	(void)snprintf(text, sizeof text, "[a]\naws_access_key_id=%0*d\n",
	    PROFILE_VALUE_MAX, 0);
	assert_reads("a", text, NULL);
	profile_fini(&profile);
	(void)snprintf(text, sizeof text, "[a]\naws_access_key_id=%0*d\n",
	    PROFILE_VALUE_MAX + 1, 0);
	assert_refuses("a", text, NULL, "AWS_SHARED_CREDENTIALS_FILE");
}

static void
changes_are_noticed(void **state)
{
	const struct profile_place place = { .config_file = config };
	struct profile_mark mark = { 0 };

	(void)state;
	written_path(config, "config");
	assert_false(profile_changed(&place, &mark));
	written(config, "config", "[default]\nregion=a\n");
	assert_true(profile_changed(&place, &mark));
	assert_false(profile_changed(&place, &mark));
	written(config, "config", "[default]\nregion=b\n");
	assert_true(profile_changed(&place, &mark));
	assert_false(profile_changed(&place, &mark));
	assert_int_equal(unlink(config), 0);
	assert_true(profile_changed(&place, &mark));
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, written_set_up, written_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_file_names_profiles_in_its_own_way),
		TEST(a_section_that_says_profile_default_replaces_the_bare_one),
		TEST(the_last_of_two_values_counts_in_sections_of_one_name),
		TEST(keys_of_two_files_are_never_mixed),
		TEST(sub_blocks_and_other_sections_do_not_count),
		TEST(what_was_named_must_be_there),
		TEST(files_are_looked_for_below_home_and_must_be_well_formed),
		TEST(values_have_their_limit),
		TEST(changes_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
