/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many times a second several callers at once get a command done:
 *
 *   callers [--title TEXT] [--json FILE] ROUNDS TOTAL CALLERS[,CALLERS…] NAME COMMAND… [--- NAME COMMAND…]…
 *
 * For each number of callers every command is run TOTAL times, shared between them, once in each round in turn: the
 * median of the rounds, and its ratio to the first command's. A command that fails fails the run. --json appends the
 * same to FILE, as one object.
 */
#include <getopt.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "tests/tools/timed_command.h"

#define COMMANDS_MAX 8
#define ROUNDS_MAX   32
#define COUNTS_MAX   8

struct command {
	const char *name;
	char **arguments;
	double per_second[COUNTS_MAX]; /* by the number of callers */
};

struct options {
	const char *title, *json;
	int rounds, total, count_count, command_count;
	int counts[COUNTS_MAX];
	struct command commands[COMMANDS_MAX];
};

static bool call_once(const struct command *command, int run)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		command_execute(command->arguments, run, -1);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	fprintf(stderr, "callers: %s failed in run %d\n", command->name, run);
	return false;
}

/* Runs that begin at first and are callers apart, so that no two have one number. */
static pid_t caller(const struct command *command, int first, int callers, int total)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (int run = first; run < total; run += callers) {
		if (!call_once(command, run))
			_exit(1);
	}
	_exit(0);
}

/* Runs per second; negative: something failed. */
static double measure(const struct command *command, int callers, int total)
{
	double begin = now_ms();
	bool failed = false;
	int status;

	for (int i = 0; i < callers; i++)
		failed = caller(command, i, callers, total) < 0 || failed;
	while (wait(&status) > 0)
		failed = failed || status != 0;
	return failed ? -1 : total * 1e3 / (now_ms() - begin);
}

static int measure_all(struct options *options)
{
	for (int i = 0; i < options->count_count; i++) {
		double values[COMMANDS_MAX][ROUNDS_MAX];

		for (int round = 0; round < options->rounds; round++) {
			for (int j = 0; j < options->command_count; j++) {
				values[j][round] = measure(&options->commands[j], options->counts[i], options->total);
				if (values[j][round] < 0)
					return -1;
			}
		}
		for (int j = 0; j < options->command_count; j++)
			options->commands[j].per_second[i] = quantile(values[j], (size_t)options->rounds, 0.5);
	}
	return 0;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = { { "title", required_argument, NULL, 't' },
		{ "json", required_argument, NULL, 'j' }, { 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "+", names, NULL)) >= 0) {
		if (option == '?')
			return -1;
		*(option == 't' ? &options->title : &options->json) = optarg;
	}
	if (argc - optind < 5)
		return -1;
	options->rounds = atoi(argv[optind++]);
	options->total = atoi(argv[optind++]);
	for (char *count = strtok(argv[optind++], ","); count && options->count_count < COUNTS_MAX;
		count = strtok(NULL, ","))
		options->counts[options->count_count++] = atoi(count);
	for (int i = optind; i + 1 < argc && options->command_count < COMMANDS_MAX; i++) {
		options->commands[options->command_count++] =
			(struct command){ .name = argv[i], .arguments = &argv[i + 1] };
		while (i < argc && strcmp(argv[i], "---") != 0)
			i++;
		if (i < argc)
			argv[i] = NULL;
	}
	return options->rounds > 0 && options->rounds <= ROUNDS_MAX && options->total > 0 ? 0 : -1;
}

static void print(const struct options *options)
{
	if (options->title)
		printf("\n%s\n", options->title);
	printf("%-28s", "callers");
	for (int i = 0; i < options->count_count; i++)
		printf(" %14d", options->counts[i]);
	printf("   (per second, ratio to %s)\n", options->commands[0].name);
	for (int j = 0; j < options->command_count; j++) {
		printf("%-28s", options->commands[j].name);
		for (int i = 0; i < options->count_count; i++)
			printf(" %8.1f %5.2f", options->commands[j].per_second[i],
				options->commands[j].per_second[i] / options->commands[0].per_second[i]);
		printf("\n");
	}
}

static int write_json(const struct options *options)
{
	FILE *file = fopen(options->json, "ae");

	if (!file) {
		perror(options->json);
		return -1;
	}
	fprintf(file, "{\"title\":\"%s\",\"runs\":%d,\"reference\":\"%s\",\"rows\":[",
		options->title ? options->title : "", options->total, options->commands[0].name);
	for (int j = 0; j < options->command_count; j++) {
		for (int i = 0; i < options->count_count; i++)
			fprintf(file, "%s{\"name\":\"%s\",\"callers\":%d,\"per_second\":%.2f}", i + j ? "," : "",
				options->commands[j].name, options->counts[i], options->commands[j].per_second[i]);
	}
	fprintf(file, "]}\n");
	return fclose(file);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };

	if (parse(argc, argv, &options) < 0) {
		fprintf(stderr, "usage: callers [--title TEXT] [--json FILE] ROUNDS TOTAL CALLERS,... NAME COMMAND... "
				"[--- NAME "
				"COMMAND...]\n");
		return 2;
	}
	if (measure_all(&options) < 0)
		return 1;
	print(&options);
	return options.json && write_json(&options) < 0;
}
