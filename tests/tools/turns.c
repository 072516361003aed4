/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times commands in turn, so that drift of the machine hits all of them alike:
 *
 *   turns [--until TEXT] [--title TEXT] [--reference NAME] [--json FILE] RUNS NAME ROW [--- NAME ROW]…
 *   ROW: [--before COMMAND… --then] COMMAND… [--then COMMAND…]…
 *
 * A row is one command or several that are run one after another; what comes before is not measured. For each row: wall
 * time, processor time (user and system, of the commands and of all that they waited for), the time until the first
 * byte (or the TEXT) on the standard output of a row of one command, and the peak of resident memory: medians in
 * milliseconds, and the ratios of the medians to those of the row NAME (else the first). A command that fails is said
 * so and fails the run. --json appends the same to FILE, as one object.
 */
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/tools/timed_command.h"

#define ROWS_MAX  16
#define STEPS_MAX 8
#define RUNS_MAX  2000

struct sample {
	double wall_ms, cpu_ms, first_ms;
};

struct step {
	char **arguments;
	bool measured;
};

struct row {
	const char *name;
	struct step steps[STEPS_MAX];
	int count, measured;
	struct sample *samples;
	long peak_kib;
};

struct options {
	const char *until, *title, *reference, *json;
	int runs, row_count;
	struct row rows[ROWS_MAX];
};

struct summary {
	double wall_ms, wall_p95_ms, cpu_ms, first_ms;
};

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

static int run_step(struct row *row, const struct step *step, int run, const char *until, struct sample *sample)
{
	/* Who makes a container and leaves it would hold the pipe open. */
	bool listens = row->measured == 1 && step->measured;
	int output[2] = { -1, -1 }, status;
	double begin = now_ms();
	struct rusage usage;
	pid_t pid;

	if ((listens && pipe2(output, O_CLOEXEC) < 0) || (pid = fork()) < 0) {
		perror("turns");
		return -1;
	}
	if (pid == 0)
		command_execute(step->arguments, run, output[1]);
	if (listens) {
		double seen_ms;

		close(output[1]);
		seen_ms = read_until(output[0], until);
		sample->first_ms = seen_ms > 0 ? seen_ms - begin : 0;
		close(output[0]);
	}
	if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "turns: %s (%s) failed in run %d (wait status %#x)\n", row->name, step->arguments[0],
			run, (unsigned)status);
		return -1;
	}
	if (!step->measured)
		return 0;
	sample->wall_ms += now_ms() - begin;
	sample->cpu_ms += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
			  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
	if (usage.ru_maxrss > row->peak_kib)
		row->peak_kib = usage.ru_maxrss;
	return 0;
}

static int measure(struct row *row, int run, const char *until)
{
	struct sample *sample = &row->samples[run];

	*sample = (struct sample){ 0 };
	for (int i = 0; i < row->count; i++) {
		if (run_step(row, &row->steps[i], run, until, sample) < 0)
			return -1;
	}
	/* Containers whose maker has gone are ours (PR_SET_CHILD_SUBREAPER). */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return 0;
}

static double over_runs(const struct row *row, int runs, size_t offset, double share)
{
	double values[RUNS_MAX] = { 0 };

	for (int i = 0; i < runs; i++)
		memcpy(&values[i], (const char *)&row->samples[i] + offset, sizeof(double));
	return quantile(values, (size_t)runs, share);
}

static struct summary summarize(const struct row *row, int runs)
{
	return (struct summary){ .wall_ms = over_runs(row, runs, offsetof(struct sample, wall_ms), 0.5),
		.wall_p95_ms = over_runs(row, runs, offsetof(struct sample, wall_ms), 0.95),
		.cpu_ms = over_runs(row, runs, offsetof(struct sample, cpu_ms), 0.5),
		.first_ms = over_runs(row, runs, offsetof(struct sample, first_ms), 0.5) };
}

/* argv[i] begins a row's commands; where they end. */
static int parse_row(char **argv, int i, int argc, struct row *row)
{
	bool measured = !(i < argc && strcmp(argv[i], "--before") == 0);

	if (!measured)
		i++;
	for (; row->count < STEPS_MAX; measured = true) {
		row->steps[row->count++] = (struct step){ &argv[i], measured };
		row->measured += measured;
		while (i < argc && strcmp(argv[i], "---") != 0 && strcmp(argv[i], "--then") != 0)
			i++;
		if (i >= argc || strcmp(argv[i], "---") == 0)
			break;
		argv[i++] = NULL;
	}
	if (i < argc)
		argv[i++] = NULL;
	return i;
}

static int parse(int argc, char **argv, struct options *options)
{
	static const struct option names[] = { { "until", required_argument, NULL, 'u' },
		{ "title", required_argument, NULL, 't' }, { "reference", required_argument, NULL, 'r' },
		{ "json", required_argument, NULL, 'j' }, { 0 } };
	int option, i;

	while ((option = getopt_long(argc, argv, "+", names, NULL)) >= 0) {
		if (option == '?')
			return -1;
		*(option == 'u'         ? &options->until
			: option == 't' ? &options->title
			: option == 'r' ? &options->reference
					: &options->json) = optarg;
	}
	options->runs = optind < argc ? atoi(argv[optind]) : 0;
	for (i = optind + 1; i + 1 < argc && options->row_count < ROWS_MAX;) {
		struct row *row = &options->rows[options->row_count++];

		row->name = argv[i++];
		row->samples = calloc(RUNS_MAX, sizeof(struct sample));
		i = parse_row(argv, i, argc, row);
	}
	return options->runs > 0 && options->runs < RUNS_MAX && options->row_count > 0 ? 0 : -1;
}

static const struct row *reference_row(const struct options *options)
{
	for (int i = 0; options->reference && i < options->row_count; i++) {
		if (strcmp(options->rows[i].name, options->reference) == 0)
			return &options->rows[i];
	}
	return &options->rows[0];
}

static void print(const struct options *options)
{
	const struct row *reference = reference_row(options);
	struct summary base = summarize(reference, options->runs);

	if (options->title)
		printf("\n%s\n", options->title);
	printf("%-28s %9s %9s %9s %13s %9s %10s   (%d runs, ms, to %s)\n", "", "wall", "95 %", "cpu", "first output",
		"peak KiB", "wall  cpu", options->runs, reference->name);
	for (int i = 0; i < options->row_count; i++) {
		const struct row *row = &options->rows[i];
		struct summary summary = summarize(row, options->runs);

		printf("%-28s %9.2f %9.2f %9.2f %13.2f %9ld %5.2f %4.2f\n", row->name, summary.wall_ms,
			summary.wall_p95_ms, summary.cpu_ms, summary.first_ms, row->peak_kib,
			summary.wall_ms / base.wall_ms, summary.cpu_ms / base.cpu_ms);
	}
}

static int write_json(const struct options *options)
{
	struct summary base = summarize(reference_row(options), options->runs);
	FILE *file = fopen(options->json, "ae");

	if (!file) {
		perror(options->json);
		return -1;
	}
	fprintf(file, "{\"title\":\"%s\",\"runs\":%d,\"reference\":\"%s\",\"rows\":[",
		options->title ? options->title : "", options->runs, reference_row(options)->name);
	for (int i = 0; i < options->row_count; i++) {
		struct summary summary = summarize(&options->rows[i], options->runs);

		fprintf(file,
			"%s{\"name\":\"%s\",\"wall_ms\":%.3f,\"wall_p95_ms\":%.3f,\"cpu_ms\":%.3f,"
			"\"first_output_ms\":%.3f,\"peak_kib\":%ld,\"wall_ratio\":%.3f,\"cpu_ratio\":%.3f}",
			i ? "," : "", options->rows[i].name, summary.wall_ms, summary.wall_p95_ms, summary.cpu_ms,
			summary.first_ms, options->rows[i].peak_kib, summary.wall_ms / base.wall_ms,
			summary.cpu_ms / base.cpu_ms);
	}
	fprintf(file, "]}\n");
	return fclose(file);
}

int main(int argc, char **argv)
{
	struct options options = { 0 };

	if (parse(argc, argv, &options) < 0) {
		fprintf(stderr, "usage: turns [--until TEXT] [--title TEXT] [--reference NAME] [--json FILE] RUNS "
				"NAME [--before COMMAND... --then] COMMAND... [--then COMMAND...] [--- NAME ...]\n");
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* One round to warm the caches, which the next overwrites. */
	for (int run = -1; run < options.runs; run++) {
		for (int i = 0; i < options.row_count; i++) {
			if (measure(&options.rows[i], run < 0 ? 0 : run, options.until) < 0)
				return 1;
		}
	}
	print(&options);
	return options.json && write_json(&options) < 0;
}
