/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject_syscall THREAD NUMBER [ARGUMENT]...: has a thread of a running process make a system call, by ptrace(2), as
 * code that an attacker brought into it would. The thread must sit in a system call of its own: its instruction is
 * used. Prints "killed by signal N", or "returned N" when the thread lived on (it is of no use afterwards).
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

#define SYSCALL_INSTRUCTION 0x050f
#define SYSCALL_BYTES       2

static void fail(const char *what)
{
	(void)fprintf(stderr, "inject_syscall: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Waits for a stop. False: the thread is gone. */
static int wait_stop(pid_t thread, int *status)
{
	if (waitpid(thread, status, __WALL) != thread)
		fail("wait for the thread");
	return WIFSTOPPED(*status);
}

static void load(struct user_regs_struct *registers, int argc, char **argv)
{
	unsigned long long *const arguments[] = { &registers->rdi, &registers->rsi, &registers->rdx, &registers->r10,
		&registers->r8, &registers->r9 };

	for (int i = 0; i < 6; i++)
		*arguments[i] = i < argc ? strtoull(argv[i], NULL, 0) : 0;
	/* Not a call that is to be restarted. */
	registers->orig_rax = UINT64_MAX;
	registers->rip -= SYSCALL_BYTES;
}

/* Into the call and out of it, whatever else the thread stops for meanwhile. False: the thread is gone. */
static int step_over_call(pid_t thread, int *status)
{
	int stops = 0;

	while (stops < 2) {
		if (ptrace(PTRACE_SYSCALL, thread, 0, 0) < 0 && errno != ESRCH)
			fail("go on");
		if (!wait_stop(thread, status))
			return 0;
		stops += WSTOPSIG(*status) == (SIGTRAP | 0x80);
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct user_regs_struct registers;
	pid_t thread;
	int status;

	if (argc < 3)
		return 2;
	thread = atoi(argv[1]);
	if (ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, thread, 0, 0) < 0)
		fail("attach");
	if (!wait_stop(thread, &status) || ptrace(PTRACE_GETREGS, thread, 0, &registers) < 0)
		fail("stop");
	errno = 0;
	if ((ptrace(PTRACE_PEEKTEXT, thread, registers.rip - SYSCALL_BYTES, 0) & 0xffff) != SYSCALL_INSTRUCTION) {
		errno = EBUSY;
		fail("the thread is not in a system call");
	}
	load(&registers, argc - 3, argv + 3);
	registers.rax = strtoull(argv[2], NULL, 0);
	if (ptrace(PTRACE_SETREGS, thread, 0, &registers) < 0)
		fail("set registers");
	if (step_over_call(thread, &status)) {
		if (ptrace(PTRACE_GETREGS, thread, 0, &registers) < 0)
			fail("read the result");
		/* A filter's signal comes after the call's end and before the next call. */
		(void)ptrace(PTRACE_SYSCALL, thread, 0, 0);
		(void)wait_stop(thread, &status);
	}
	if (WIFSTOPPED(status)) {
		(void)printf("returned %lld\n", (long long)registers.rax);
	} else if (WIFSIGNALED(status)) {
		(void)printf("killed by signal %d\n", WTERMSIG(status));
	} else {
		(void)printf("exited with %d\n", WEXITSTATUS(status));
	}
	return 0;
}
