/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile does to real system calls: actions, names, architectures, flags. */
#include "tests/unit/seccomp_test.h"

#include <linux/audit.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static char *getppid_name[] = { "getppid", NULL };
static const struct probe getppid_probe = { .number = SYS_getppid };

/* One rule on getppid, everything else is allowed. */
static struct outcome act(enum oci_seccomp_action action, struct oci_u64 errno_ret)
{
	struct oci_seccomp_rule rule = { .names = getppid_name, .action = action, .errno_ret = errno_ret };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };

	return try_profile(&profile, &getppid_probe, 1);
}

static void each_action_does_what_its_name_says(void **state)
{
	const struct oci_u64 absent = { 0 };

	(void)state;
	assert_int_equal(act(OCI_SECCOMP_ERRNO, absent).results[0], EPERM);
	assert_int_equal(act(OCI_SECCOMP_ERRNO, number_of(42)).results[0], 42);
	assert_int_equal(act(OCI_SECCOMP_ERRNO, number_of(0)).results[0], 0);
	assert_int_equal(act(OCI_SECCOMP_KILL_PROCESS, absent).killed_by, SIGSYS);
	assert_int_equal(act(OCI_SECCOMP_KILL_THREAD, absent).killed_by, SIGSYS);
	assert_int_equal(act(OCI_SECCOMP_TRAP, absent).killed_by, SIGSYS);
	assert_int_equal(act(OCI_SECCOMP_LOG, absent).results[0], 0);
	assert_int_equal(act(OCI_SECCOMP_TRACE, absent).results[0], ENOSYS); /* there is no tracer */
}

static void the_default_action_holds_for_everything_else(void **state)
{
	char *allowed[] = { "exit_group", "getpid", NULL };
	struct oci_seccomp_rule rule = { .names = allowed, .action = OCI_SECCOMP_ALLOW };
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ERRNO, .default_errno_ret = number_of(77), .rules = &rule, .rule_count = 1
	};
	const struct probe probes[] = { { .number = SYS_getpid }, { .number = SYS_getppid } };
	struct outcome outcome = try_profile(&profile, probes, 2);

	(void)state;
	assert_int_equal(outcome.results[0], 0);
	assert_int_equal(outcome.results[1], 77);
}

/* The action that is the default one cannot be added as a rule; it changes nothing either. */
static void a_rule_with_the_default_action_is_left_out(void **state)
{
	char *names[] = { "getppid", "no_such_call", "mseal", NULL };
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_ALLOW };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };

	(void)state;
	assert_int_equal(try_profile(&profile, &getppid_probe, 1).results[0], 0);
}

/* getppid is libseccomp's, mseal stands in the prefix: both must follow one rule. */
static void a_rule_without_conditions_settles_the_call(void **state)
{
	char *names[] = { "getppid", "mseal", NULL };
	struct oci_seccomp_argument one = { .index = 0, .value = 1, .operator= OCI_SECCOMP_EQ };
	const struct oci_seccomp_rule conditional = { .names = names,
		.action = OCI_SECCOMP_ERRNO,
		.errno_ret = number_of(91),
		.arguments = &one,
		.argument_count = 1 };
	const struct oci_seccomp_rule plain = {
		.names = names, .action = OCI_SECCOMP_ERRNO, .errno_ret = number_of(92)
	};
	const struct oci_seccomp_rule later = {
		.names = names, .action = OCI_SECCOMP_ERRNO, .errno_ret = number_of(93)
	};
	struct oci_seccomp_rule orders[][3] = { { conditional, plain, later }, { plain, conditional, later } };
	const struct probe probes[] = { { SYS_getppid, { 1 } }, { 462, { 1 } }, { SYS_getppid, { 2 } },
		{ 462, { 2 } } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct oci_seccomp profile = {
			.default_action = OCI_SECCOMP_ALLOW, .rules = orders[i], .rule_count = 3
		};
		struct outcome outcome = try_profile(&profile, probes, 4);

		for (size_t j = 0; j < 4; j++)
			assert_int_equal(outcome.results[j], 92);
	}
}

static void rules_that_contradict_each_other_are_refused(void **state)
{
	struct oci_seccomp_argument one = { .index = 0, .value = 1, .operator= OCI_SECCOMP_EQ };
	struct oci_seccomp_rule rules[] = {
		{ getppid_name, OCI_SECCOMP_ERRNO, number_of(1), &one, 1 },
		{ getppid_name, OCI_SECCOMP_ERRNO, number_of(2), &one, 1 },
	};
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = rules, .rule_count = 2 };

	(void)state;
	expect_refused(&profile, EINVAL, "getppid");
}

static void an_unknown_name_is_passed_over_only_where_the_default_is_as_strict(void **state)
{
	char *names[] = { "no_such_call", "exit_group", NULL };
	struct {
		enum oci_seccomp_action default_action, action;
		bool accepted;
	} cases[] = {
		{ OCI_SECCOMP_ERRNO, OCI_SECCOMP_ALLOW, true },
		{ OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_ALLOW, true },
		{ OCI_SECCOMP_LOG, OCI_SECCOMP_ALLOW, true },
		{ OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_ERRNO, true },
		{ OCI_SECCOMP_ALLOW, OCI_SECCOMP_ERRNO, false },
		{ OCI_SECCOMP_ALLOW, OCI_SECCOMP_LOG, false },
		{ OCI_SECCOMP_ERRNO, OCI_SECCOMP_KILL_PROCESS, false },
		{ OCI_SECCOMP_KILL_THREAD, OCI_SECCOMP_KILL_PROCESS, false },
		{ OCI_SECCOMP_LOG, OCI_SECCOMP_NOTIFY, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct oci_seccomp_rule rule = { .names = names, .action = cases[i].action };
		struct oci_seccomp profile = {
			.default_action = cases[i].default_action, .rules = &rule, .rule_count = 1
		};

		if (cases[i].accepted) {
			cleanup_seccomp_program struct seccomp_program program = compile(&profile);

			assert_true(program.count > 0);
		} else {
			expect_refused(&profile, EINVAL, "no_such_call");
		}
	}
}

/* mseal (6.10), file_setattr (6.17): after libseccomp 2.5.4. */
static void names_newer_than_libseccomp_are_enforced(void **state)
{
	char *denied[] = { "mseal", "file_setattr", NULL };
	struct oci_seccomp_rule rule = { .names = denied, .action = OCI_SECCOMP_ERRNO, .errno_ret = number_of(91) };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	const struct probe probes[] = { { .number = 462 }, { .number = 469 }, { .number = 461 } };
	struct outcome outcome = try_profile(&profile, probes, 3);

	(void)state;
	assert_int_equal(outcome.results[0], 91);
	assert_int_equal(outcome.results[1], 91);
	assert_int_not_equal(outcome.results[2], 91);
}

static void names_newer_than_libseccomp_can_be_allowed(void **state)
{
	char *allowed[] = { "exit_group", "mseal", NULL };
	struct oci_seccomp_rule rule = { .names = allowed, .action = OCI_SECCOMP_ALLOW };
	struct oci_seccomp profile = {
		.default_action = OCI_SECCOMP_ERRNO, .default_errno_ret = number_of(91), .rules = &rule, .rule_count = 1
	};
	/* mseal(0, 0, 0) does nothing where it exists; the number before it is denied, the one after it is newer. */
	const struct probe probes[] = { { .number = 462 }, { .number = 461 }, { .number = 463 } };
	struct outcome outcome = try_profile(&profile, probes, 3);

	(void)state;
	assert_true(outcome.results[0] == 0 || outcome.results[0] == ENOSYS);
	assert_int_equal(outcome.results[1], 91);
	assert_int_equal(outcome.results[2], ENOSYS);
}

static void calls_newer_than_the_profile_answer_enosys_where_the_default_denies(void **state)
{
	/* exit_group is 231 on x86_64, openat2 437. */
	char *allowed[] = { "exit_group", "openat2", NULL };
	struct oci_seccomp_rule rule = { .names = allowed, .action = OCI_SECCOMP_ALLOW };
	const struct probe probes[] = { { .number = SYS_getppid }, { .number = 438 }, { .number = 469 },
		{ .number = 100000 } };
	const enum oci_seccomp_action denying[] = { OCI_SECCOMP_ERRNO, OCI_SECCOMP_KILL_PROCESS, OCI_SECCOMP_TRAP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(denying); i++) {
		struct oci_seccomp profile = { .default_action = denying[i], .rules = &rule, .rule_count = 1 };
		struct outcome outcome = try_profile(&profile, probes + 1, 3);

		assert_int_equal(outcome.killed_by, 0);
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(outcome.results[j], ENOSYS);
		outcome = try_profile(&profile, probes, 1);
		if (denying[i] == OCI_SECCOMP_ERRNO)
			assert_int_equal(outcome.results[0], EPERM);
		else
			assert_int_equal(outcome.killed_by, SIGSYS);
	}
}

#ifdef __x86_64__
/* The 32-bit entry: getpid is 20 there. Returns the raw answer. */
static long call_i386(long number)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(0), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return result;
}

/* Answers what the i386 calls getpid (20), mkdir (39) and number 460 gave, or -1 and the signal in *killed_by. */
static void try_i386(const struct oci_seccomp *profile, long results[3], int *killed_by)
{
	long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cleanup_seccomp_program struct seccomp_program program = { 0 };
	int status;
	pid_t child;

	assert_true(shared != MAP_FAILED);
	if (profile)
		program = compile(profile);
	child = fork();
	if (child == 0) {
		plain_signals();
		if (profile && load(&program) < 0)
			_exit(99);
		shared[0] = call_i386(20);
		shared[1] = call_i386(39);
		shared[2] = call_i386(460);
		syscall(SYS_exit_group, 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	*killed_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	memcpy(results, shared, 3 * sizeof(results[0]));
	munmap(shared, 4096);
}

static void calls_of_an_architecture_outside_the_filter_kill(void **state)
{
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW };
	const struct probe x32 = { .number = 0x40000000 | SYS_getpid };
	long results[3];
	int killed_by;

	(void)state;
	assert_int_equal(try_profile(&profile, &x32, 1).killed_by, SIGSYS);
	try_i386(NULL, results, &killed_by);
	if (killed_by) {
		print_message("this kernel has no 32-bit system calls\n");
		skip();
	}
	try_i386(&profile, results, &killed_by);
	assert_int_equal(killed_by, SIGSYS);
}

static void every_architecture_of_the_profile_has_the_rules_by_its_own_numbers(void **state)
{
	uint32_t architectures[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
	char *allowed[] = { "exit_group", "getpid", "statmount", NULL }; /* 20 on i386, 39 on x86_64; 457 on both */
	struct oci_seccomp_rule rule = { .names = allowed, .action = OCI_SECCOMP_ALLOW };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ERRNO,
		.architectures = architectures,
		.architecture_count = 3,
		.rules = &rule,
		.rule_count = 1 };
	const struct probe probes[] = { { .number = SYS_getpid }, { .number = SYS_getppid }, { .number = 458 },
		{ .number = 0x40000000 | SYS_getppid }, { .number = 0x40000000 | 458 } };
	struct outcome outcome = try_profile(&profile, probes, 5);
	long results[3];
	int killed_by;

	(void)state;
	assert_int_equal(outcome.results[0], 0);
	assert_int_equal(outcome.results[1], EPERM);
	assert_int_equal(outcome.results[2], ENOSYS);
	assert_int_equal(outcome.results[3], EPERM);
	assert_int_equal(outcome.results[4], ENOSYS);
	try_i386(NULL, results, &killed_by);
	if (killed_by)
		return;
	try_i386(&profile, results, &killed_by);
	assert_int_equal(killed_by, 0);
	assert_true(results[0] > 0);
	assert_int_equal(results[1], -EPERM);
	assert_int_equal(results[2], -ENOSYS);
}
#endif

static void an_architecture_of_other_machines_is_passed_over(void **state)
{
	uint32_t architectures[] = { SCMP_ARCH_S390X, SCMP_ARCH_MIPS, SCMP_ARCH_PPC64 };
	struct oci_seccomp_rule rule = { .names = getppid_name, .action = OCI_SECCOMP_ERRNO };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW,
		.architectures = architectures,
		.architecture_count = 3,
		.rules = &rule,
		.rule_count = 1 };

	(void)state;
	assert_int_equal(try_profile(&profile, &getppid_probe, 1).results[0], EPERM);
}

static uint32_t flags_of(struct oci_seccomp *profile, bool set, uint32_t flags)
{
	cleanup_seccomp_program struct seccomp_program program = { 0 };

	profile->flags_set = set;
	profile->flags = flags;
	program = compile(profile);
	assert_int_equal(try(&program, &getppid_probe, 1).results[0], 0); /* the kernel takes them */
	return program.flags;
}

static void flags_are_those_of_the_profile_without_what_needs_threads_or_a_listener(void **state)
{
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW };

	(void)state;
	assert_int_equal(flags_of(&profile, false, 0), SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_int_equal(flags_of(&profile, true, 0), 0);
	assert_int_equal(flags_of(&profile, true, SECCOMP_FILTER_FLAG_LOG), SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(
		flags_of(&profile, true, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG), SECCOMP_FILTER_FLAG_LOG);
	assert_int_equal(flags_of(&profile, true, 1U << 5 /* WAIT_KILLABLE_RECV */), 0);
}

static void a_flag_that_the_kernel_does_not_have_is_refused(void **state)
{
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .flags_set = true, .flags = 1U << 30 };

	(void)state;
	expect_refused(&profile, EOPNOTSUPP, "linux.seccomp.flags");
}

static void notify_is_refused_where_it_would_block_its_own_listener(void **state)
{
	char *names[] = { "write", NULL };
	struct oci_seccomp_rule rule = { .names = names, .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };

	(void)state;
	expect_refused(&profile, EINVAL, "write");
	names[0] = "sendmsg";
	expect_refused(&profile, EINVAL, "sendmsg");
	profile = (struct oci_seccomp){ .default_action = OCI_SECCOMP_NOTIFY };
	expect_refused(&profile, EINVAL, "defaultAction");
}

/* The child's call waits for our answer, which is 1234. */
static void notify_hands_the_call_to_the_listener(void **state)
{
	struct oci_seccomp_rule rule = { .names = getppid_name, .action = OCI_SECCOMP_NOTIFY };
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ALLOW, .rules = &rule, .rule_count = 1 };
	cleanup_seccomp_program struct seccomp_program program = compile(&profile);
	struct seccomp_notif request = { 0 };
	struct seccomp_notif_resp answer = { .val = 1234 };
	int status, fds[2], pidfd;
	long child_fd = -1;
	pid_t child;

	(void)state;
	assert_true(program.notify);
	assert_true(program.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER);
	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		plain_signals();
		long listener = load(&program);

		(void)!write(fds[1], &listener, sizeof(listener));
		_exit(syscall(SYS_getppid) == 1234 ? 0 : 1);
	}
	assert_int_equal(read(fds[0], &child_fd, sizeof(child_fd)), sizeof(child_fd));
	assert_true(child_fd >= 0);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	int listener = (int)syscall(SYS_pidfd_getfd, pidfd, (int)child_fd, 0);

	assert_true(listener >= 0);
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request), 0);
	assert_int_equal(request.data.nr, SYS_getppid);
	answer.id = request.id;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(listener);
	close(pidfd);
	close(fds[0]);
	close(fds[1]);
}

/* Some 400 names on three architectures, as engines send them. */
static void a_profile_of_an_engines_size_fits_the_kernel(void **state)
{
	uint32_t architectures[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32 };
	char *names[470] = { NULL };
	size_t count = 0;

	(void)state;
	for (int number = 0; number < 460; number++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

		if (name && strcmp(name, "getppid") != 0)
			names[count++] = name;
		else
			free(name);
	}
	struct oci_seccomp_rule rules[470];
	char *single[470][2];

	for (size_t i = 0; i < count; i++) {
		single[i][0] = names[i];
		single[i][1] = NULL;
		rules[i] = (struct oci_seccomp_rule){ .names = single[i], .action = OCI_SECCOMP_ALLOW };
	}
	struct oci_seccomp profile = { .default_action = OCI_SECCOMP_ERRNO,
		.architectures = architectures,
		.architecture_count = 3,
		.rules = rules,
		.rule_count = count };
	const struct probe probes[] = { { .number = SYS_getpid }, { .number = SYS_getppid }, { .number = 5000 } };
	struct outcome outcome = try_profile(&profile, probes, 3);

	assert_true(count > 350);
	assert_int_equal(outcome.results[0], 0);
	assert_int_equal(outcome.results[1], EPERM);
	assert_int_equal(outcome.results[2], ENOSYS);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_action_does_what_its_name_says),
		cmocka_unit_test(the_default_action_holds_for_everything_else),
		cmocka_unit_test(a_rule_with_the_default_action_is_left_out),
		cmocka_unit_test(a_rule_without_conditions_settles_the_call),
		cmocka_unit_test(rules_that_contradict_each_other_are_refused),
		cmocka_unit_test(an_unknown_name_is_passed_over_only_where_the_default_is_as_strict),
		cmocka_unit_test(names_newer_than_libseccomp_are_enforced),
		cmocka_unit_test(names_newer_than_libseccomp_can_be_allowed),
		cmocka_unit_test(calls_newer_than_the_profile_answer_enosys_where_the_default_denies),
#ifdef __x86_64__
		cmocka_unit_test(calls_of_an_architecture_outside_the_filter_kill),
		cmocka_unit_test(every_architecture_of_the_profile_has_the_rules_by_its_own_numbers),
#endif
		cmocka_unit_test(an_architecture_of_other_machines_is_passed_over),
		cmocka_unit_test(flags_are_those_of_the_profile_without_what_needs_threads_or_a_listener),
		cmocka_unit_test(a_flag_that_the_kernel_does_not_have_is_refused),
		cmocka_unit_test(notify_is_refused_where_it_would_block_its_own_listener),
		cmocka_unit_test(notify_hands_the_call_to_the_listener),
		cmocka_unit_test(a_profile_of_an_engines_size_fits_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
