/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small first process: pid 1 of a pid namespace gets no signal whose action is the default one, and has to reap what
 * its children leave. Programs that were not written for it run as its child.
 */
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/process_internal.h"

/* Ends with the child; whatever else is in the pid namespace dies with this process. */
static void reap(pid_t child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
}

static void be_init(pid_t child)
{
	siginfo_t info;
	sigset_t all;

	(void)close_range(0, ~0U, 0);
	(void)prctl(PR_SET_NAME, "init");
	sigfillset(&all);
	for (;;) {
		reap(child);
		/* From the terminal: the child has it from there itself. */
		if (sigwaitinfo(&all, &info) > 0 && info.si_signo != SIGCHLD && info.si_code != SI_KERNEL)
			(void)kill(child, info.si_signo);
	}
}

int process_fork_from_init(struct error *err)
{
	sigset_t all, none;
	pid_t child;

	/* Blocked ones wait, even for pid 1. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	child = fork();
	if (child < 0)
		return error_set(err, errno, "make the process below its init");
	if (child > 0)
		be_init(child);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}
