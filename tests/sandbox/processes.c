/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that do not want to end, or that end others, or that end oddly. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static int ignore_everything(void)
{
	for (int signal = 1; signal <= SIGRTMAX; signal++)
		(void)sigaction(signal, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	sleep_for_ever();
	return 0;
}

/* A daemon in the manner of the books; it holds the standard output open. */
static int daemoniser(void)
{
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0) {
			for (int signal = 1; signal <= SIGRTMAX; signal++)
				(void)sigaction(signal, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
			(void)chdir("/");
			(void)prctl(PR_SET_NAME, "kworker/0:0");
			sleep_for_ever();
		}
		_exit(0);
	}
	(void)wait(NULL);
	return 0;
}

/* Each ends as soon as it has a child: nobody that looks for it by its id ever finds it. */
static int runner(void)
{
	for (;;) {
		pid_t child = fork();

		if (child > 0)
			_exit(0);
		if (child < 0)
			usleep(1000);
	}
}

/* The first one waits, the others run away. */
static int runaway(void)
{
	if (fork() == 0)
		return runner();
	sleep_for_ever();
	return 0;
}

static int stopper(void)
{
	(void)raise(SIGSTOP);
	sleep_for_ever();
	return 0;
}

static int zombie_farm(void)
{
	for (int i = 0; i < 30; i++) {
		if (fork() == 0)
			_exit(0);
	}
	sleep_for_ever();
	return 0;
}

static int signal_everyone(void)
{
	pid_t child = fork();

	if (child == 0)
		sleep_for_ever();
	(void)kill(-1, SIGTERM);
	(void)kill(-1, SIGKILL);
	for (pid_t pid = 2; pid < 32768; pid++) {
		if (pid != getpid())
			(void)kill(pid, SIGKILL);
	}
	(void)wait(NULL);
	return 0;
}

/* The first process of the sandbox, with which everything else would die, is not the program's to kill. */
static int kill_init(void)
{
	(void)kill(1, SIGKILL);
	(void)kill(1, SIGSTOP);
	usleep(100000);
	return 7;
}

static int close_outputs(void)
{
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	sleep_for_ever();
	return 0;
}

static int core_dump(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	must_fail("raise the limit on core files", setrlimit(RLIMIT_CORE, &limit));
	if (verdict() != 0)
		return verdict();
	abort();
}

static int die_by(void)
{
	int signal = atoi(hostile_arguments[0] ? hostile_arguments[0] : "9");

	(void)sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	(void)raise(signal);
	return HOSTILE_BREACH;
}

static int exit_with(void)
{
	return atoi(hostile_arguments[0] ? hostile_arguments[0] : "0");
}

static void raise_limit(const char *what, int resource)
{
	struct rlimit limit;

	(void)getrlimit(resource, &limit);
	if (limit.rlim_max == RLIM_INFINITY) {
		printf("%s: no limit\n", what);
		return;
	}
	limit.rlim_max++;
	must_fail(what, setrlimit(resource, &limit));
	must_fail(what, prlimit(1, resource, &limit, NULL));
}

static int limit_raiser(void)
{
	struct sched_param first = { .sched_priority = 50 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	raise_limit("raise the limit on open files", RLIMIT_NOFILE);
	raise_limit("raise the limit on the size of a file", RLIMIT_FSIZE);
	raise_limit("raise the limit on core files", RLIMIT_CORE);
	must_fail("a better nice value", setpriority(PRIO_PROCESS, 0, -10));
	must_fail("real-time scheduling", sched_setscheduler(0, SCHED_FIFO, &first));
	/* class 1: real time; the calls have no wrapper */
	must_fail("real-time input and output", syscall(SYS_ioprio_set, 1, 0, 1 << 13));
	must_fail("never to be killed for memory", write(fd, "-1000", 5));
	return verdict();
}

const struct verb process_verbs[] = {
	{ "ignore-everything", ignore_everything },
	{ "daemoniser", daemoniser },
	{ "runaway", runaway },
	{ "stopper", stopper },
	{ "zombie-farm", zombie_farm },
	{ "signal-everyone", signal_everyone },
	{ "kill-init", kill_init },
	{ "close-outputs", close_outputs },
	{ "core-dump", core_dump },
	{ "die-by", die_by },
	{ "exit-with", exit_with },
	{ "limit-raiser", limit_raiser },
	{ NULL, NULL },
};
