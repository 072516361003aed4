/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes, signals and timers.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure/measure.h"

#define SLEEP_NS 1000000

static int wait_for(struct measure_state *state, pid_t pid)
{
	int status;

	if (pid < 0)
		return measure_fail(state, "fork");
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		errno = ECHILD;
		return measure_fail(state, "the child did not end well");
	}
	return 0;
}

static int run_fork(struct measure_state *state, uint64_t operations)
{
	int result = 0;

	for (uint64_t i = 0; i < operations && result == 0; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		result = wait_for(state, pid);
	}
	return result;
}

static int run_exec(struct measure_state *state, uint64_t operations)
{
	char *const words[] = { (char *)state->settings->program, "nothing", NULL };
	int result = 0;

	for (uint64_t i = 0; i < operations && result == 0; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execv(state->settings->program, words);
			_exit(1);
		}
		result = wait_for(state, pid);
	}
	return result;
}

static void take_signal(int signal)
{
	(void)signal;
}

static int set_handler(struct measure_state *state)
{
	const struct sigaction action = { .sa_handler = take_signal };

	return sigaction(SIGUSR1, &action, NULL) < 0 ? measure_fail(state, "sigaction") : 0;
}

static int run_signal(struct measure_state *state, uint64_t operations)
{
	pid_t pid = getpid(), thread = (pid_t)syscall(SYS_gettid);

	(void)state;
	for (uint64_t i = 0; i < operations; i++)
		(void)syscall(SYS_tgkill, pid, thread, SIGUSR1);
	return 0;
}

/* How much later than asked for a sleeper goes on. */
static int run_timer(struct measure_state *state, uint64_t operations)
{
	struct timespec until;
	uint64_t target, late = 0;

	for (uint64_t i = 0; i < operations; i++) {
		target = monotonic_ns() + SLEEP_NS;
		until = (struct timespec){ .tv_sec = (time_t)(target / 1000000000U),
			.tv_nsec = (long)(target % 1000000000U) };
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
			return measure_fail(state, "clock_nanosleep");
		late += monotonic_ns() - target;
	}
	state->own_ns = (double)late;
	return 0;
}

const struct measure_case measure_tasks[] = {
	{ .name = "fork", .run = run_fork },
	{ .name = "fork-exec", .run = run_exec },
	{ .name = "signal", .prepare = set_handler, .run = run_signal },
	{ .name = "timer", .run = run_timer, .operations_once = 1 },
	{ 0 },
};
