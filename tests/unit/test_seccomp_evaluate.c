/* SPDX-License-Identifier: Apache-2.0 */
/* Filters run as the kernel runs them, and what can be said of a call without its arguments. */
#include <linux/audit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "oci/spec.h"
#include "runtime/monitor.h"
#include "seccomp/evaluate.h"
#include "seccomp/seccomp.h"

static const struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ERRNO,
	.rules = (struct oci_seccomp_rule[]){
		{ .names = (char *[]){ "read", "write", NULL }, .action = OCI_SECCOMP_ALLOW },
		{
			.names = (char *[]){ "socket", NULL },
			.action = OCI_SECCOMP_ALLOW,
			.arguments =
				(struct oci_seccomp_argument[]){
					{ .index = 0, .value = AF_UNIX, .operator= OCI_SECCOMP_EQ } },
					.argument_count = 1 },
			},
		.rule_count = 2,
	};

static uint32_t evaluate(const struct seccomp_program *program, long number, uint64_t first)
{
	const struct seccomp_data data = { .nr = (int)number, .arch = AUDIT_ARCH_X86_64, .args = { first } };

	return seccomp_evaluate(program->filter, program->count, &data) & SECCOMP_RET_ACTION_FULL;
}

static void a_compiled_profile_answers_as_it_says(void **state)
{
	cleanup_seccomp_program struct seccomp_program program = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(seccomp_compile(&profile, &program, &err), 0);
	assert_int_equal(evaluate(&program, SYS_read, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(evaluate(&program, SYS_mount, 0), SECCOMP_RET_ERRNO);
	assert_int_equal(evaluate(&program, SYS_socket, AF_UNIX), SECCOMP_RET_ALLOW);
	assert_int_equal(evaluate(&program, SYS_socket, AF_PACKET), SECCOMP_RET_ERRNO);
	/* The upper half of an argument counts as well. */
	assert_int_equal(evaluate(&program, SYS_socket, AF_UNIX | 1ULL << 32), SECCOMP_RET_ERRNO);
}

static void without_arguments_a_call_is_reached_never_sometimes_or_always(void **state)
{
	cleanup_seccomp_program struct seccomp_program program = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(seccomp_compile(&profile, &program, &err), 0);
	assert_int_equal(seccomp_reach(program.filter, program.count, SYS_read), SECCOMP_REACH_ALWAYS);
	assert_int_equal(seccomp_reach(program.filter, program.count, SYS_mount), SECCOMP_REACH_NEVER);
	assert_int_equal(seccomp_reach(program.filter, program.count, SYS_socket), SECCOMP_REACH_SOMETIMES);
}

static void the_monitors_filters_are_read_as_well(void **state)
{
	(void)state;
	assert_int_equal(
		seccomp_reach(vcpu_filter.instructions, vcpu_filter.count, SYS_ioctl), SECCOMP_REACH_SOMETIMES);
	assert_int_equal(seccomp_reach(vcpu_filter.instructions, vcpu_filter.count, SYS_futex), SECCOMP_REACH_ALWAYS);
	assert_int_equal(seccomp_reach(vcpu_filter.instructions, vcpu_filter.count, SYS_openat), SECCOMP_REACH_NEVER);
	assert_int_equal(seccomp_reach(fs_filter.instructions, fs_filter.count, SYS_openat), SECCOMP_REACH_SOMETIMES);
	assert_int_equal(
		seccomp_reach(monitor_filter.instructions, monitor_filter.count, SYS_execve), SECCOMP_REACH_NEVER);
}

static void a_program_that_does_not_end_kills(void **state)
{
	const struct sock_filter nothing[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	const struct seccomp_data data = { .nr = SYS_read, .arch = AUDIT_ARCH_X86_64 };

	(void)state;
	assert_int_equal(seccomp_evaluate(nothing, 1, &data), SECCOMP_RET_KILL_PROCESS);
	assert_true(seccomp_number_exists(SYS_read));
	assert_false(seccomp_number_exists(SECCOMP_NUMBERS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_compiled_profile_answers_as_it_says),
		cmocka_unit_test(without_arguments_a_call_is_reached_never_sometimes_or_always),
		cmocka_unit_test(the_monitors_filters_are_read_as_well),
		cmocka_unit_test(a_program_that_does_not_end_kills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
