/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One command many times, several at a time: a process for each run, which is a sandbox of its own from beginning to
 * end and sends back what came of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sealed_program.h"
#include "runtime/foreground.h"
#include "sandbox/internal.h"

#define RUNS_MAX 10000
#define JOBS_MAX 1000

/* From a run to the one who counts: plain data between two images of one process. */
struct outcome {
	char id[sizeof(((struct sandbox *)NULL)->id)];
	struct sandbox_result result;
	struct error failure;
};

struct run {
	pid_t pid; /* 0: it has ended, or was not begun */
	int pipe;
};

struct series {
	const struct sandbox *pattern;
	struct sandbox *sandboxes;
	struct run *runs;
	size_t asked, begun, running;
	sigset_t signals_before;
	bool stop;
};

static int check(const struct sandbox_settings *settings, struct error *err)
{
	const struct {
		const char *name;
		bool used;
	} single[] = { { "keep-diff", settings->keep_diff }, { "copy-out", settings->copy_out },
		{ "publish", settings->publish }, { "tty", settings->terminal } };

	if (settings->repeat < 1 || settings->repeat > RUNS_MAX)
		return error_set(err, -EINVAL, "--repeat: a number from 1 to %d is expected", RUNS_MAX);
	if (settings->jobs < 1 || settings->jobs > JOBS_MAX)
		return error_set(err, -EINVAL, "--jobs: a number from 1 to %d is expected", JOBS_MAX);
	for (size_t i = 0; settings->repeat > 1 && i < ARRAY_SIZE(single); i++) {
		if (single[i].used)
			return error_set(err, -EINVAL, "--%s is for one run, not for --repeat", single[i].name);
	}
	return 0;
}

/* In a process of its own, whose end is the sandbox's end in every case. */
static void run(const struct series *series, struct sandbox *sandbox, pid_t parent, int pipe)
{
	struct outcome *outcome = xcalloc(1, sizeof(*outcome));
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sealed_program_forked() < 0 || getppid() != parent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		_exit(SANDBOX_EXIT_FAILED);
	(void)sigprocmask(SIG_SETMASK, &series->signals_before, NULL);
	sandbox_once(sandbox);
	memcpy(outcome->id, sandbox->id, sizeof(outcome->id));
	outcome->result = sandbox->result;
	outcome->failure = sandbox->failure;
	_exit(write(pipe, outcome, sizeof(*outcome)) == (ssize_t)sizeof(*outcome) ? 0 : SANDBOX_EXIT_FAILED);
}

static int begin_one(struct series *series, struct error *err)
{
	struct sandbox *sandbox = &series->sandboxes[series->begun];
	struct run *one = &series->runs[series->begun];
	pid_t parent = getpid();
	int ends[2];

	*sandbox = *series->pattern;
	sandbox->number = (unsigned int)series->begun + 1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe to a run");
	one->pid = fork();
	if (one->pid == 0) {
		(void)close(ends[0]);
		run(series, sandbox, parent, ends[1]);
	}
	(void)close(ends[1]);
	one->pipe = ends[0];
	if (one->pid < 0) {
		one->pid = 0;
		close_fd(&one->pipe);
		return error_set(err, errno, "make a process for a run");
	}
	series->begun++;
	series->running++;
	return 0;
}

static void take_outcome(struct series *series, size_t index)
{
	struct sandbox *sandbox = &series->sandboxes[index];
	struct outcome *outcome = xcalloc(1, sizeof(*outcome));

	if (read(series->runs[index].pipe, outcome, sizeof(*outcome)) == (ssize_t)sizeof(*outcome)) {
		memcpy(sandbox->id, outcome->id, sizeof(sandbox->id));
		sandbox->result = outcome->result;
		sandbox->failure = outcome->failure;
	} else {
		sandbox->result.cause = SANDBOX_NOT_STARTED;
		(void)error_set(&sandbox->failure, -ECHILD, "the process of run %u was killed", sandbox->number);
	}
	/* What kept one from beginning will keep the others too. */
	if (sandbox->result.cause == SANDBOX_NOT_STARTED)
		series->stop = true;
	close_fd(&series->runs[index].pipe);
	series->runs[index].pid = 0;
	series->running--;
	free(outcome);
}

static void reap(struct series *series)
{
	for (size_t i = 0; i < series->begun; i++) {
		if (series->runs[i].pid && waitpid(series->runs[i].pid, NULL, WNOHANG) == series->runs[i].pid)
			take_outcome(series, i);
	}
}

/* What a terminal sends, its whole group gets, the runs among it; of what somebody sends to this process alone they
 * have to be told. */
static void hear_signal(struct series *series, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;

	if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP && signal != SIGQUIT)
		return;
	series->stop = true;
	for (size_t i = 0; i < series->begun && info->ssi_code != SI_KERNEL; i++) {
		if (series->runs[i].pid)
			(void)kill(series->runs[i].pid, signal);
	}
}

static int watch(struct series *series, int signals, struct error *err)
{
	struct signalfd_siginfo info;
	int result = 0;

	for (;;) {
		while (result == 0 && !series->stop && series->begun < series->asked &&
			series->running < series->pattern->settings->jobs)
			result = begin_one(series, err);
		if (series->running == 0)
			return result;
		if (poll(&(struct pollfd){ .fd = signals, .events = POLLIN }, 1, -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the runs");
		while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			hear_signal(series, &info);
		reap(series);
	}
}

/* The status of the first one, by number, that did not end with 0; the failure of one that did not begin. */
static int judge(const struct series *series, struct error *err)
{
	int status = 0;

	summary_table(series->sandboxes, series->begun, series->asked);
	for (size_t i = 0; i < series->begun; i++) {
		const struct sandbox *sandbox = &series->sandboxes[i];

		if (sandbox->result.cause == SANDBOX_NOT_STARTED) {
			*err = sandbox->failure;
			return error_prefix(err, "run %u", sandbox->number);
		}
		if (status == 0)
			status = sandbox_exit_status(sandbox);
	}
	return status;
}

int repeat_run(const struct sandbox *pattern, struct error *err)
{
	struct series series = { .pattern = pattern, .asked = pattern->settings->repeat };
	cleanup_fd int signals = -EBADF;
	int result = check(pattern->settings, err);

	if (result == 0)
		result = signals = sigprocmask(SIG_SETMASK, NULL, &series.signals_before) < 0
					   ? error_set(err, errno, "read the signal mask")
					   : foreground_block_signals(err);
	if (result < 0)
		return result;
	series.sandboxes = xcalloc(series.asked, sizeof(*series.sandboxes));
	series.runs = xcalloc(series.asked, sizeof(*series.runs));
	result = watch(&series, signals, err);
	if (result == 0)
		result = report_write(series.sandboxes, series.begun, err);
	if (result == 0)
		result = judge(&series, err);
	free(series.sandboxes);
	free(series.runs);
	return result;
}
