/* SPDX-License-Identifier: Apache-2.0 */
/* From what a probe says to who refused, and to lines that can be printed. */
#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/attempts.h"

static const struct attempt_text *text_of(const char *name)
{
	const struct attempt_text *text = attempt_texts;

	while (text->name && strcmp(text->name, name) != 0)
		text++;
	assert_non_null(text->name);
	return text;
}

static enum compare_refuser refuser(
	const char *name, const char *outcome, int error, long number, const struct attempt_setting *setting)
{
	cleanup_probe_output struct probe_output output = { 0 };

	probe_output_parse(
		&output, xprintf("attempt\t%s\t%s\t%d\t%ld\t0\t0\t0\t0\t0\t0\t\n", name, outcome, error, number));
	assert_int_equal(output.count, 1);
	return attempt_refuser(text_of(name), &output.lines[0], setting);
}

static void an_attempt_is_refused_by_the_first_wall_that_would(void **state)
{
	const struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ALLOW,
		.rules = (struct oci_seccomp_rule[]){ { .names = (char *[]){ "mount", NULL },
			.action = OCI_SECCOMP_ERRNO } },
		.rule_count = 1,
	};
	cleanup_seccomp_program struct seccomp_program filter = { 0 };
	const struct seccomp_program none = { 0 };
	struct attempt_setting filtered = { .filter = &filter }, bare = { .filter = &none };
	struct attempt_setting able = { .filter = &none, .capabilities = UINT64_MAX };
	struct attempt_setting mapped = { .filter = &none, .capabilities = UINT64_MAX, .user_namespace = true };
	struct attempt_setting guest = { .filter = &none, .capabilities = UINT64_MAX, .guest = true };
	struct error err;

	(void)state;
	assert_int_equal(seccomp_compile(&profile, &filter, &err), 0);
	assert_int_equal(refuser("mount", "refused", EPERM, SYS_mount, &filtered), REFUSED_BY_FILTER);
	assert_int_equal(refuser("mount", "killed", 0, -1, &bare), REFUSED_BY_FILTER);
	assert_int_equal(refuser("mount", "refused", EPERM, SYS_mount, &bare), REFUSED_BY_CAPABILITY);
	assert_int_equal(refuser("mount", "refused", EPERM, SYS_mount, &able), REFUSED_BY_HOST_KERNEL);
	assert_int_equal(refuser("mount", "refused", EPERM, SYS_mount, &guest), REFUSED_BY_GUEST_KERNEL);
	assert_int_equal(refuser("mount", "refused", EPERM, SYS_mount, &mapped), REFUSED_BY_NAMESPACE);
	assert_int_equal(refuser("kexec", "refused", ENOSYS, SYS_kexec_load, &guest), REFUSED_BY_GUEST_KERNEL);
	assert_int_equal(refuser("sysctl", "refused", EROFS, SYS_openat, &able), REFUSED_BY_MOUNT);
	assert_int_equal(refuser("dev-mem", "refused", EPERM, SYS_openat, &able), REFUSED_BY_DEVICE_RULES);
	assert_int_equal(refuser("dev-mem", "refused", ENXIO, SYS_openat, &guest), REFUSED_BY_GUEST_KERNEL);
	assert_int_equal(refuser("firmware", "refused", ENOENT, SYS_openat, &guest), REFUSED_BY_VIRTUAL_HARDWARE);
}

static void what_a_guest_says_is_printable_and_bounded(void **state)
{
	cleanup_probe_output struct probe_output output = { 0 };

	(void)state;
	probe_output_parse(
		&output, xstrdup("fact\tkernel-release\t\033[2J\x9b\xff\r6."
				 "1\nalone\nfact\tx\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t11\t12\t13\t14\t15\nfact\tcut"));
	assert_int_equal(output.count, 2);
	assert_string_equal(probe_field(probe_find(&output, "fact", "kernel-release"), 2), "?[2J???6.1");
	assert_int_equal(output.lines[1].count, PROBE_FIELDS_MAX);
	assert_string_equal(probe_field(probe_find(&output, "fact", "absent"), 2), "");
	assert_false(output.complete);
}

static void no_line_of_a_guest_says_anything_of_what_was_not_tried(void **state)
{
	cleanup_probe_output struct probe_output output = { 0 };

	(void)state;
	probe_output_parse(&output, xstrdup("\n\n\t\nattempt\n\tname\tdone\nattempt\tinvented\tdone\n"));
	for (const struct attempt_text *text = attempt_texts; text->name; text++)
		assert_null(probe_find(&output, "attempt", text->name));
}

static void one_line_of_printable_text(void **state)
{
	cleanup_free char *line = compare_printable("a\nb\tc\033[31m\xc3\xa9");

	(void)state;
	assert_string_equal(line, "a b c [31m??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_is_refused_by_the_first_wall_that_would),
		cmocka_unit_test(what_a_guest_says_is_printable_and_bounded),
		cmocka_unit_test(no_line_of_a_guest_says_anything_of_what_was_not_tried),
		cmocka_unit_test(one_line_of_printable_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
