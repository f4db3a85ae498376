#include "aws/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"

#include "written.h"

#define KEYS                                                                   \
	"{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":"         \
	"\"hush\""

enum { SOON_MS = 5000, SHORT_MS = 300 };

static struct creds_keys keys;
static struct fault fault;

/* The words of a command, joined by '|'; or the fault's text. */
static const char *
split(const char *command)
{
	static char joined[PROCESS_COMMAND_MAX * 2];
	static struct process_words words;
	size_t i, n = 0;

	fault = FAULT_INIT;
	if (process_split(&words, view_str(command), &fault) == -1) {
		assert_int_equal(fault.kind, FAULT_INPUT);
		return fault.text;
	}
	for (i = 0; words.words[i] != NULL; i++)
		n += (size_t)snprintf(
		    joined + n, sizeof joined - n, "%s|", words.words[i]);
	return joined;
}

static void
a_command_is_split_as_a_shell_would(void **state)
{
	(void)state;
	assert_string_equal(split("a"), "a|");
	assert_string_equal(split("  a  b\tc "), "a|b|c|");
	assert_string_equal(split("'a b' \"c d\"e f\\ g"), "a b|c de|f g|");
	assert_string_equal(
	    split("'a\\b' \"\\\"\\\\\\c\" \\'"), "a\\b|\"\\\\c|'|");
	assert_string_equal(split("a '' \"\""), "a|||");
	assert_string_equal(
	    split("$HOME `x` * ; | > a"), "$HOME|`x`|*|;|||>|a|");
}

static void
what_is_no_command_is_refused(void **state)
{
	static char many[4 * PROCESS_WORDS_MAX], big[PROCESS_COMMAND_MAX + 2];
	struct process_words words;
	int i;

	(void)state;
	assert_string_equal(split(""), "not a command");
	assert_string_equal(split("  "), "not a command");
	assert_string_equal(split("a 'b"), "a command whose quote is open");
	assert_string_equal(split("a \"b"), "a command whose quote is open");
	assert_string_equal(split("a b\\"), "a command whose quote is open");
	for (i = 0; i < PROCESS_WORDS_MAX; i++)
		(void)strncat(many, "a ", 3);
	assert_int_equal(strlen(split(many)), 2 * PROCESS_WORDS_MAX);
	(void)strncat(many, "a", 2);
	assert_string_equal(split(many), "a command of over 64 words");
	memset(big, 'a', PROCESS_COMMAND_MAX);
	assert_int_equal(strlen(split(big)), PROCESS_COMMAND_MAX + 1);
	big[PROCESS_COMMAND_MAX] = 'a';
	assert_string_equal(split(big), "not a command");
	fault = FAULT_INIT;
	assert_int_equal(process_split(&words, VIEW("a\0b"), &fault), -1);
}

/* Runs a script of these lines, for so long. */
static int
ask(const char *lines, int ms)
{
	char path[WRITTEN_PATH_SIZE];

	written_script(path, "give", lines);
	keys = CREDS_KEYS_INIT;
	fault = FAULT_INIT;
	return process_ask(
	    &keys, view_str(path), clock_ticks_ms() + ms, 0, &fault);
}

static void
assert_fails(const char *lines, enum fault_kind kind, const char *text)
{
	assert_int_equal(ask(lines, SOON_MS), -1);
	assert_int_equal(fault.kind, kind);
	assert_string_equal(fault.text, text);
	assert_false(keys_are_set(&keys));
	assert_null(strstr(fault.details, "hush"));
}

static void
keys_come_from_standard_output(void **state)
{
	(void)state;
	assert_int_equal(ask("echo '" KEYS ",\"SessionToken\":\"T\","
			     "\"Expiration\":\"2026-11-22T10:15:00+00:00\"}'\n",
			     SOON_MS),
	    0);
	assert_string_equal(keys.id, "AKID");
	assert_string_equal(keys.source, "process");
	assert_true(secret_is(&keys.secret, VIEW("hush")));
	assert_true(secret_is(&keys.token, VIEW("T")));
	assert_int_equal(keys.expires_at_ms, 1795342500000);
	keys_fini(&keys);
	assert_int_equal(ask("echo oops >&2; echo '" KEYS "}'\n", SOON_MS), 0);
	assert_int_equal(keys.expires_at_ms, INT64_MAX);
	keys_fini(&keys);
}

static void
a_failure_tells_what_was_said_and_never_what_was_printed(void **state)
{
	(void)state;
	assert_fails("echo hush; exit 7\n", FAULT_REMOTE,
	    "credential_process: it failed with status 7");
	assert_string_equal(fault.details, "");
	assert_fails("echo hush; echo no login >&2; echo b >&2; exit 1\n",
	    FAULT_REMOTE, "credential_process: it failed with status 1");
	assert_string_equal(fault.details, "no login");
	assert_fails("kill -9 $$\n", FAULT_REMOTE,
	    "credential_process: it was ended by signal 9");
	assert_fails("yes error | tr -d '\\n' | head -c 500000 >&2; exit 1\n",
	    FAULT_REMOTE, "credential_process: it failed with status 1");
	assert_int_equal(strlen(fault.details), 400);
}

static void
output_that_is_not_keys_is_refused(void **state)
{
	(void)state;
	assert_fails(
	    "true\n", FAULT_REMOTE, "credential_process: it printed nothing");
	assert_fails("echo '{\"Version\":2,\"AccessKeyId\":\"hush\"}'\n",
	    FAULT_REMOTE, "credential_process: it printed no Version 1");
	assert_fails("echo '{\"Version\":\"1\"}'\n", FAULT_REMOTE,
	    "credential_process: it printed no Version 1");
	assert_fails("echo '{\"Version\":1}'\n", FAULT_REMOTE,
	    "credential_process: not an access key id");
	assert_fails("head -c 70000 /dev/zero; sleep 100\n", FAULT_REMOTE,
	    "credential_process: it printed over 65536 bytes");
	assert_int_equal(ask("echo hush\n", SOON_MS), -1);
	assert_int_equal(fault.kind, FAULT_REMOTE);
	assert_null(strstr(fault.text, "hush"));
}

static void
one_that_cannot_be_run_is_told(void **state)
{
	(void)state;
	fault = FAULT_INIT;
	assert_int_equal(process_ask(&keys, VIEW("/nowhere/at all"),
			     clock_ticks_ms() + SOON_MS, 0, &fault),
	    -1);
	assert_int_equal(fault.kind, FAULT_DISK);
	assert_non_null(strstr(fault.text, "run /nowhere/at: No such file"));
}

static void
it_is_killed_when_we_are_told_to_stop(void **state)
{
	const int64_t began_ms = clock_ticks_ms();
	char path[WRITTEN_PATH_SIZE];
	int stop[2];

	(void)state;
	assert_int_equal(pipe(stop), 0);
	assert_int_equal(close(stop[1]), 0);
	written_script(path, "give", "sleep 100\n");
	fault = FAULT_INIT;
	assert_int_equal(process_ask(&keys, view_str(path), began_ms + SOON_MS,
			     stop[0], &fault),
	    -1);
	assert_int_equal(fault.kind, FAULT_BUSY);
	assert_non_null(strstr(fault.text, "told to stop"));
	assert_true(clock_ticks_ms() - began_ms < SOON_MS / 2);
	(void)close(stop[0]);
}

static void
it_is_found_on_the_path(void **state)
{
	(void)state;
	keys = CREDS_KEYS_INIT;
	fault = FAULT_INIT;
	assert_int_equal(process_ask(&keys, VIEW("echo '" KEYS "}'"),
			     clock_ticks_ms() + SOON_MS, 0, &fault),
	    0);
	assert_string_equal(keys.id, "AKID");
	keys_fini(&keys);
}

/* Reads the number that a script left. */
static long
left_number(const char *name)
{
	char path[WRITTEN_PATH_SIZE];
	long n = -1;
	FILE *in;

	written_path(path, name);
	in = fopen(path, "re");
	assert_non_null(in);
	assert_int_equal(fscanf(in, "%ld", &n), 1);
	assert_int_equal(fclose(in), 0);
	return n;
}

static void
one_that_does_not_end_is_killed_with_its_children(void **state)
{
	const int64_t began_ms = clock_ticks_ms();
	long child;
	int i;

	(void)state;
	assert_int_equal(
	    ask("cd ${0%/*}\nsleep 1000 & echo $! >child\nwait\n", SHORT_MS),
	    -1);
	assert_int_equal(fault.kind, FAULT_SLOW);
	assert_string_equal(fault.text, "credential_process: it did not end");
	assert_true(clock_ticks_ms() - began_ms >= SHORT_MS);
	assert_true(clock_ticks_ms() - began_ms < SOON_MS);
	/* Killed with us as its witness, it is for init to reap. */
	child = left_number("child");
	for (i = 0; i < 200 && kill((pid_t)child, 0) == 0; i++) {
		char path[64], state_letter = '\0';
		FILE *in;

		(void)snprintf(path, sizeof path, "/proc/%ld/stat", child);
		in = fopen(path, "re");
		if (in == NULL)
			break;
		if (fscanf(in, "%*d %*s %c", &state_letter) != 1)
			state_letter = 'Z';
		(void)fclose(in);
		if (state_letter == 'Z')
			break;
		clock_sleep_ms(10);
	}
	assert_true(i < 200);
}

static void
one_that_leaves_a_child_behind_is_not_waited_for(void **state)
{
	const int64_t began_ms = clock_ticks_ms();

	(void)state;
	assert_int_equal(ask("cd ${0%/*}\nsleep 1000 & echo $! >child\n"
			     "echo '" KEYS "}'\n",
			     SOON_MS),
	    0);
	assert_true(clock_ticks_ms() - began_ms < SOON_MS);
	assert_int_equal(kill((pid_t)left_number("child"), SIGKILL), 0);
	keys_fini(&keys);
}

static void
it_gets_no_descriptor_of_ours_and_empty_input(void **state)
{
	/* One without O_CLOEXEC, as the listener that is our input. */
	const int fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(ask("cd ${0%/*}\n"
			     "cat | wc -c >input\n"
			     "i=3; n=0\n"
			     "while [ $i -lt 30 ]; do\n"
			     "[ -e /proc/$$/fd/$i ] && [ \"$(readlink "
			     "/proc/$$/fd/$i)\" != \"$0\" ] && n=$((n+1))\n"
			     "i=$((i+1)); done; echo $n >open\n"
			     "echo '" KEYS "}'\n",
			     SOON_MS),
	    0);
	(void)close(fd);
	assert_int_equal(left_number("input"), 0);
	assert_int_equal(left_number("open"), 0);
	keys_fini(&keys);
}

static int
open_descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(list);
	while (readdir(list) != NULL)
		n++;
	(void)closedir(list);
	return n;
}

static void
nothing_of_it_is_left_behind(void **state)
{
	const int before = open_descriptors();
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(ask("exit 1\n", SOON_MS), -1);
		assert_int_equal(ask("sleep 100\n", SHORT_MS / 10), -1);
		assert_int_equal(ask("echo '" KEYS "}'\n", SOON_MS), 0);
		keys_fini(&keys);
	}
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, written_set_up, written_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_split_as_a_shell_would),
		cmocka_unit_test(what_is_no_command_is_refused),
		TEST(keys_come_from_standard_output),
		TEST(a_failure_tells_what_was_said_and_never_what_was_printed),
		TEST(output_that_is_not_keys_is_refused),
		TEST(one_that_cannot_be_run_is_told),
		TEST(it_is_killed_when_we_are_told_to_stop),
		TEST(it_is_found_on_the_path),
		TEST(one_that_does_not_end_is_killed_with_its_children),
		TEST(one_that_leaves_a_child_behind_is_not_waited_for),
		TEST(it_gets_no_descriptor_of_ours_and_empty_input),
		TEST(nothing_of_it_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
