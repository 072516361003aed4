/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times commands in turn, so that drift of the machine hits all of them alike:
 *
 *   turns [--until TEXT] RUNS NAME COMMAND… --- NAME COMMAND… [--- …]
 *
 * For each command: wall time, processor time (user and system, of it and of all that it waited for), and the time
 * until the first byte (or the TEXT, or the end) on its standard output: medians in milliseconds, and the ratio of the
 * wall medians to the first command's. A command that fails is said so and fails the run. "{}" in an argument becomes
 * the number of the run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COMMANDS_MAX 16
#define RUNS_MAX     1000

struct sample {
	double wall_ms, cpu_ms, first_ms;
};

struct command {
	const char *name;
	char **arguments;
	struct sample *samples;
	long peak_kib;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void execute(char **arguments, int run, int output)
{
	char text[4096];
	int null = open("/dev/null", O_RDONLY);

	for (char **argument = arguments; *argument; argument++) {
		char *mark = strstr(*argument, "{}");

		if (!mark)
			continue;
		snprintf(text, sizeof(text), "%.*s%d%s", (int)(mark - *argument), *argument, run, mark + 2);
		*argument = strdup(text);
	}
	dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	execvp(arguments[0], arguments);
	fprintf(stderr, "turns: %s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

/* Reads until the end of the stream and returns when the text (NULL: anything) was there; 0: never. */
static double read_until(int fd, const char *until)
{
	char buffer[65536];
	size_t kept = 0;
	double seen_ms = 0;
	ssize_t length;

	while ((length = read(fd, buffer + kept, sizeof(buffer) - kept - 1)) > 0) {
		kept += (size_t)length;
		buffer[kept] = '\0';
		if (seen_ms == 0 && (!until || memmem(buffer, kept, until, strlen(until))))
			seen_ms = now_ms();
		/* Half of it stays: a text may come in two pieces. */
		if (kept > sizeof(buffer) / 2) {
			memmove(buffer, buffer + kept / 2, kept - kept / 2);
			kept -= kept / 2;
		}
	}
	return seen_ms;
}

static int measure(struct command *command, int run, const char *until)
{
	struct sample *sample = &command->samples[run];
	double begin = now_ms();
	struct rusage usage;
	int output[2], status;
	double seen_ms;
	pid_t pid;

	if (pipe2(output, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		perror("turns");
		return -1;
	}
	if (pid == 0)
		execute(command->arguments, run, output[1]);
	close(output[1]);
	seen_ms = read_until(output[0], until);
	sample->first_ms = seen_ms > 0 ? seen_ms - begin : 0;
	close(output[0]);
	if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "turns: %s failed in run %d (wait status %#x)\n", command->name, run, status);
		return -1;
	}
	sample->wall_ms = now_ms() - begin;
	sample->cpu_ms = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
			 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
	if (usage.ru_maxrss > command->peak_kib)
		command->peak_kib = usage.ru_maxrss;
	return 0;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return a < b ? -1 : a > b;
}

static double median(const struct command *command, int runs, size_t offset)
{
	double values[RUNS_MAX] = { 0 };

	for (int i = 0; i < runs; i++)
		memcpy(&values[i], (const char *)&command->samples[i] + offset, sizeof(double));
	qsort(values, (size_t)runs, sizeof(values[0]), compare);
	return runs % 2 ? values[runs / 2] : (values[runs / 2 - 1] + values[runs / 2]) / 2;
}

static int parse(int argc, char **argv, struct command *commands)
{
	int count = 0;

	for (int i = 1; i < argc && count < COMMANDS_MAX; count++) {
		commands[count].name = argv[i++];
		commands[count].arguments = &argv[i];
		commands[count].samples = calloc(RUNS_MAX, sizeof(struct sample));
		while (i < argc && strcmp(argv[i], "---") != 0)
			i++;
		if (i < argc)
			argv[i++] = NULL;
	}
	return count;
}

int main(int argc, char **argv)
{
	struct command commands[COMMANDS_MAX] = { 0 };
	const char *until = NULL;
	double reference;
	int runs, count;

	if (argc > 2 && strcmp(argv[1], "--until") == 0) {
		until = argv[2];
		argc -= 2;
		argv += 2;
	}
	runs = argc > 3 ? atoi(argv[1]) : 0;
	count = runs > 0 && runs < RUNS_MAX ? parse(argc - 1, argv + 1, commands) : 0;
	if (count == 0) {
		fprintf(stderr, "usage: turns [--until TEXT] RUNS NAME COMMAND... --- NAME COMMAND...\n");
		return 2;
	}
	/* One round to warm the caches, which the next overwrites. */
	for (int run = -1; run < runs; run++) {
		for (int i = 0; i < count; i++) {
			commands[i].samples[run < 0 ? 0 : run] = (struct sample){ 0 };
			if (measure(&commands[i], run < 0 ? 0 : run, until) < 0)
				return 1;
		}
	}
	reference = median(&commands[0], runs, offsetof(struct sample, wall_ms));
	printf("%-28s %10s %10s %14s %10s %8s   (medians of %d runs, ms)\n", "", "wall", "cpu", "first output",
		"peak KiB", "ratio", runs);
	for (int i = 0; i < count; i++) {
		double wall = median(&commands[i], runs, offsetof(struct sample, wall_ms));

		printf("%-28s %10.2f %10.2f %14.2f %10ld %8.2f\n", commands[i].name, wall,
			median(&commands[i], runs, offsetof(struct sample, cpu_ms)),
			median(&commands[i], runs, offsetof(struct sample, first_ms)), commands[i].peak_kib,
			wall / reference);
	}
	return 0;
}
