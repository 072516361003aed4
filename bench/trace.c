/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/trace.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | \
		PTRACE_O_EXITKILL)

struct followed {
	pid_t thread;
	bool counted;
};

struct follower {
	struct trace *trace;
	struct followed *threads;
	size_t count;
};

static struct followed *find(struct follower *follower, pid_t thread)
{
	for (size_t i = 0; i < follower->count; i++) {
		if (follower->threads[i].thread == thread)
			return &follower->threads[i];
	}
	follower->threads = xrealloc(follower->threads, follower->count + 1, sizeof(*follower->threads));
	follower->threads[follower->count] = (struct followed){ .thread = thread };
	return &follower->threads[follower->count++];
}

static void forget(struct follower *follower, pid_t thread)
{
	for (size_t i = 0; i < follower->count; i++) {
		if (follower->threads[i].thread == thread) {
			follower->threads[i] = follower->threads[--follower->count];
			return;
		}
	}
}

static bool installs_filter(const struct __ptrace_syscall_info *call)
{
	/* Without a program it asks what the kernel knows. */
	return (call->entry.nr == SYS_seccomp && call->entry.args[0] == SECCOMP_SET_MODE_FILTER &&
		       call->entry.args[2]) ||
	       (call->entry.nr == SYS_prctl && call->entry.args[0] == PR_SET_SECCOMP);
}

static void note_call(struct follower *follower, pid_t thread)
{
	struct followed *followed = find(follower, thread);
	struct __ptrace_syscall_info call = { .op = PTRACE_SYSCALL_INFO_NONE };

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(call), &call) < 0 || call.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (followed->counted) {
		follower->trace->count++;
		if (call.entry.nr < SECCOMP_NUMBERS)
			follower->trace->used[call.entry.nr] = true;
	} else if (follower->trace->from == TRACE_FROM_FILTER && installs_filter(&call)) {
		followed->counted = true;
	}
}

static void note_event(struct follower *follower, pid_t thread, int event)
{
	unsigned long message = 0;

	(void)ptrace(PTRACE_GETEVENTMSG, thread, NULL, &message);
	if (event == PTRACE_EVENT_EXEC && follower->trace->from == TRACE_FROM_EXECUTION)
		find(follower, thread)->counted = true;
	/* Who is made by somebody who is counted is counted from its first call on. */
	if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
		bool counted = find(follower, thread)->counted;

		find(follower, (pid_t)message)->counted = counted;
	}
}

/* ptrace(2), "Stopped states". */
static void handle_stop(struct follower *follower, pid_t thread, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;
	uintptr_t deliver = 0;

	if (signal == (SIGTRAP | 0x80)) {
		note_call(follower, thread);
	} else if (event == PTRACE_EVENT_STOP) {
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) {
			(void)ptrace(PTRACE_LISTEN, thread, NULL, NULL);
			return;
		}
	} else if (event) {
		note_event(follower, thread, event);
	} else {
		deliver = (uintptr_t)signal;
	}
	(void)ptrace(PTRACE_SYSCALL, thread, NULL, deliver);
}

static void follow(struct follower *follower)
{
	int status;

	for (;;) {
		pid_t thread = waitpid(-1, &status, __WALL);

		if (thread < 0 && errno == EINTR)
			continue;
		if (thread < 0)
			return;
		if (WIFSTOPPED(status))
			handle_stop(follower, thread, status);
		else
			forget(follower, thread);
	}
}

void trace_follow(struct trace *trace, void (*run)(void *context), void *context)
{
	struct follower follower = { .trace = trace };
	int ready[2];
	pid_t child;
	char word = 0;

	if (pipe(ready) < 0)
		_exit(1);
	child = fork();
	if (child == 0) {
		(void)close(ready[1]);
		if (read(ready[0], &word, 1) != 1)
			_exit(1);
		(void)close(ready[0]);
		run(context);
		_exit(1);
	}
	(void)close(ready[0]);
	if (child < 0 || ptrace(PTRACE_SEIZE, child, NULL, OPTIONS) < 0 ||
		ptrace(PTRACE_INTERRUPT, child, NULL, NULL) < 0)
		_exit(1);
	trace->possible = true;
	(void)!write(ready[1], "", 1);
	(void)close(ready[1]);
	follow(&follower);
	_exit(0);
}
