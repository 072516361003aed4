/* SPDX-License-Identifier: Apache-2.0 */
/* What a sandbox's report and its JUnit file say, whatever the command's words are. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "sandbox/internal.h"

static const char *reason_of(const struct sandbox *sandbox)
{
	static char text[SANDBOX_REASON_BYTES];

	report_reason(sandbox, text, sizeof(text));
	return text;
}

static void reasons(void **state)
{
	cleanup_sandbox_settings struct sandbox_settings settings;
	struct sandbox sandbox = { .settings = &settings };

	(void)state;
	sandbox_settings_begin(&settings);
	sandbox.result.wait_status = 3;
	assert_string_equal(reason_of(&sandbox), "it ended with status 3");
	sandbox.result.wait_status = 128 + SIGSEGV;
	assert_string_equal(reason_of(&sandbox), "it ended with status 139, that of SIGSEGV");
	sandbox.result.wait_status = 255;
	assert_string_equal(reason_of(&sandbox), "it ended with status 255");
	sandbox.result.wait_status = 1;
	sandbox.result.reached = SANDBOX_LIMIT_DISK | SANDBOX_LIMIT_PIDS;
	assert_string_equal(reason_of(&sandbox),
		"it ended with status 1; it reached the limit disk of 1G; it reached the limit pids of 512");
	sandbox.result.cause = SANDBOX_TIMED_OUT;
	sandbox.result.reached = SANDBOX_LIMIT_TIMEOUT;
	assert_string_equal(reason_of(&sandbox), "it ran longer than the timeout of 10m");
	assert_int_equal(sandbox_exit_status(&sandbox), SANDBOX_EXIT_TIMEOUT);
	sandbox.result.cause = SANDBOX_INTERRUPTED;
	sandbox.result.reached = 0;
	sandbox.result.interrupted_by = SIGINT;
	assert_string_equal(reason_of(&sandbox), "duet was interrupted by SIGINT");
	assert_int_equal(sandbox_exit_status(&sandbox), 130);
}

/* No reader of XML may stumble over a word of the command. */
static void words_in_xml(void **state)
{
	cleanup_sandbox_settings struct sandbox_settings settings;
	cleanup_strbuf struct strbuf xml = STRBUF_INIT;
	char *command[] = { "a<b>&\"c\"", "bell\a", "\xc3\xa9", "\xff\xc3", "\xed", "\xed\xa0\x80", "\xef\xbf\xbf",
		"\xe0\x80\x80", NULL };
	struct sandbox sandboxes[2] = {
		{ .settings = &settings, .command = command, .number = 1 },
		{ .settings = &settings, .command = command, .number = 2, .result = { .cause = SANDBOX_TIMED_OUT } },
	};

	(void)state;
	sandbox_settings_begin(&settings);
	junit_write(sandboxes, ARRAY_SIZE(sandboxes), &xml);
	assert_non_null(
		strstr(xml.data, "name=\"a&#60;b&#62;&#38;&#34;c&#34; bell? \xc3\xa9 ?? ? ??? ? ??? (run 1)\""));
	assert_non_null(strstr(xml.data, "tests=\"2\" failures=\"1\" errors=\"0\""));
	assert_non_null(
		strstr(xml.data, "<failure type=\"timed-out\" message=\"it ran longer than the timeout of 10m\"/>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons),
		cmocka_unit_test(words_in_xml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
