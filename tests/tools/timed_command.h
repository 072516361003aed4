/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measuring tools share: a command to be run many times, and the statistics of its times. In each argument
 * "{}" becomes the number of the run.
 */
#ifndef DUET_TESTS_TOOLS_TIMED_COMMAND_H
#define DUET_TESTS_TOOLS_TIMED_COMMAND_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* In the child: never returns. output: its standard output; -1: /dev/null. */
static inline void command_execute(char **arguments, int run, int output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char text[4096];

	for (char **argument = arguments; *argument; argument++) {
		char *mark = strstr(*argument, "{}");

		if (!mark)
			continue;
		snprintf(text, sizeof(text), "%.*s%d%s", (int)(mark - *argument), *argument, run, mark + 2);
		*argument = strdup(text);
	}
	dup2(null, STDIN_FILENO);
	dup2(output < 0 ? null : output, STDOUT_FILENO);
	execvp(arguments[0], arguments);
	fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

static inline int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

/* Of values that are sorted by it; share 0.5: the median. */
static inline double quantile(double *values, size_t count, double share)
{
	double place = share * (double)(count - 1);
	size_t below = (size_t)place;

	qsort(values, count, sizeof(values[0]), compare_doubles);
	if (below + 1 >= count)
		return values[count - 1];
	return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}

#endif
