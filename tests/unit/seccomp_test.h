/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds profiles in a test and tries the compiled filters on real system calls, in a forked child.
 */
#ifndef DUET_TESTS_UNIT_SECCOMP_TEST_H
#define DUET_TESTS_UNIT_SECCOMP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "seccomp/seccomp.h"

enum { PROBES_MAX = 32, NOT_REACHED = -9999 };

struct probe {
	long number;
	uint64_t arguments[6];
};

/* What each probe answered: 0 or a positive errno; NOT_REACHED once the child had died of signal `killed_by`. */
struct outcome {
	int results[PROBES_MAX];
	int killed_by;
};

static inline struct oci_u64 number_of(uint64_t value)
{
	return (struct oci_u64){ .set = true, .value = value };
}

static inline struct seccomp_program compile(const struct oci_seccomp *profile)
{
	struct seccomp_program program = { 0 };
	struct error err = { 0 };
	int result = seccomp_compile(profile, &program, &err);

	if (result < 0)
		print_error("%s\n", err.message);
	assert_int_equal(result, 0);
	return program;
}

static inline void expect_refused(const struct oci_seccomp *profile, int code, const char *words)
{
	struct seccomp_program program = { 0 };
	struct error err = { 0 };

	assert_int_equal(seccomp_compile(profile, &program, &err), -code);
	assert_null(program.filter);
	if (!strstr(err.message, words))
		print_error("\"%s\" lacks \"%s\"\n", err.message, words);
	assert_non_null(strstr(err.message, words));
}

/* Loads the program into the calling process. Returns what seccomp(2) returned. */
static inline long load(const struct seccomp_program *program)
{
	struct sock_fprog load_program = { .len = (unsigned short)program->count, .filter = program->filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &load_program);
}

/* cmocka catches signals; a child that fails must die and not go on with the other tests. */
static inline void plain_signals(void)
{
	for (int number = 1; number < 32; number++)
		(void)signal(number, SIG_DFL);
}

static inline void run_probes(
	const struct seccomp_program *program, const struct probe *probes, size_t count, int *results)
{
	plain_signals();
	if (load(program) < 0)
		_exit(99);
	for (size_t i = 0; i < count; i++) {
		const uint64_t *a = probes[i].arguments;
		long result = syscall(probes[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);

		results[i] = result < 0 ? errno : 0;
	}
	syscall(SYS_exit_group, 0);
}

static inline struct outcome try(const struct seccomp_program *program, const struct probe *probes, size_t count)
{
	struct outcome outcome = { .killed_by = 0 };
	int *shared = mmap(NULL, sizeof(outcome.results), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	assert_true(shared != MAP_FAILED && count <= PROBES_MAX);
	for (size_t i = 0; i < PROBES_MAX; i++)
		shared[i] = NOT_REACHED;
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_probes(program, probes, count, shared);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		outcome.killed_by = WTERMSIG(status);
	else
		assert_int_equal(WEXITSTATUS(status), 0);
	memcpy(outcome.results, shared, sizeof(outcome.results));
	munmap(shared, sizeof(outcome.results));
	return outcome;
}

static inline struct outcome try_profile(const struct oci_seccomp *profile, const struct probe *probes, size_t count)
{
	cleanup_seccomp_program struct seccomp_program program = compile(profile);

	return try(&program, probes, count);
}

#endif
