/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried, each in a process of its own: a filter may kill who asks. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/probe/probe.h"

enum { ATTEMPT_SECONDS = 20 };

long trial_call(struct trial *trial, long number, unsigned long a0, unsigned long a1, unsigned long a2,
	unsigned long a3, unsigned long a4, unsigned long a5)
{
	const unsigned long arguments[6] = { a0, a1, a2, a3, a4, a5 };
	long result;

	trial->number = number;
	memcpy(trial->arguments, arguments, sizeof(arguments));
	errno = 0;
	result = syscall(number, a0, a1, a2, a3, a4, a5);
	trial->error = result < 0 ? errno : 0;
	return result;
}

static void set_detail(struct trial *trial, const char *format, va_list arguments)
{
	(void)vsnprintf(trial->detail, sizeof(trial->detail), format, arguments);
}

void trial_absent(struct trial *trial, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_detail(trial, format, arguments);
	va_end(arguments);
	trial->outcome = "absent";
}

void trial_detail(struct trial *trial, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set_detail(trial, format, arguments);
	va_end(arguments);
}

void trial_permitted_by(struct trial *trial, int error)
{
	if (trial->error == error) {
		trial->error = 0;
		trial_detail(trial, "permitted; not carried out");
	}
}

void trial_open(struct trial *trial, const char *path, int flags)
{
	long fd = TRY(trial, SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC);

	if (fd >= 0)
		(void)close((int)fd);
}

static void report(const struct attempt *attempt, const struct trial *trial)
{
	const unsigned long *a = trial->arguments;
	const char *outcome = trial->outcome ? trial->outcome : trial->error ? "refused" : "done";
	const char *detail = trial->detail;

	if (!*detail && trial->error)
		detail = strerror(trial->error);
	say("attempt", attempt->name, "%s\t%d\t%ld\t%lx\t%lx\t%lx\t%lx\t%lx\t%lx\t%s", outcome, trial->error,
		trial->number, a[0], a[1], a[2], a[3], a[4], a[5], detail);
}

/* The line of one that was killed has no deciding call: nobody lived to tell. */
static void try_one(const struct attempt *attempt)
{
	struct trial trial = { .number = -1 };
	pid_t child = fork();
	int status;

	if (child == 0) {
		(void)alarm(ATTEMPT_SECONDS);
		attempt->try(&trial);
		report(attempt, &trial);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return;
	if (WIFSIGNALED(status))
		say("attempt", attempt->name, "killed\t0\t-1\t0\t0\t0\t0\t0\t0\tsignal %d", WTERMSIG(status));
}

void probe_attempts(void)
{
	const struct attempt *const lists[] = { kernel_attempts, file_attempts, escape_attempts };

	for (size_t list = 0; list < sizeof(lists) / sizeof(lists[0]); list++) {
		for (const struct attempt *attempt = lists[list]; attempt->name; attempt++)
			try_one(attempt);
	}
}
