/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "bench/bench.h"
#include "bench/report.h"
#include "cli/command.h"

enum {
	BENCH_ISOLATION = OPTION_LONG,
	BENCH_SUITE,
	BENCH_RUNS,
	BENCH_FULL,
	BENCH_FORMAT,
	BENCH_VS,
	BENCH_REPORT,
	BENCH_FROM,
};

enum { RUNS_MAX = 10000, STATUS_INTERRUPTED = 130, KEPT_BYTES_MAX = 256 << 20 };

enum bench_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

struct bench_command {
	struct bench_options options;
	enum bench_format format;
	const char *report, *from;
};

static int parse_format(const char *name, enum bench_format *format, struct error *err)
{
	static const char *const names[] = { [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_CSV] = "csv" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*format = (enum bench_format)i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "--format %s: text, json or csv is expected", name);
}

static int parse_peers(const char *list, char ***peers)
{
	size_t count = 0;

	for (char **peer = *peers; peer && *peer; peer++)
		count++;
	while (*list) {
		size_t length = strcspn(list, ",");

		*peers = xrealloc(*peers, count + 2, sizeof(**peers));
		(*peers)[count++] = xstrndup(list, length);
		(*peers)[count] = NULL;
		list += length + (list[length] == ',');
	}
	return 0;
}

static int take_option(struct bench_command *command, int option, struct error *err)
{
	struct bench_options *options = &command->options;

	switch (option) {
	case 'b':
		options->bundle = optarg;
		return 0;
	case BENCH_ISOLATION:
		return bench_parse_columns(optarg, &options->columns, err);
	case BENCH_SUITE:
		return bench_parse_suites(optarg, &options->suites, err);
	case BENCH_RUNS:
		if (parse_u64(optarg, &options->runs) < 0 || !options->runs || options->runs > RUNS_MAX)
			return error_set(
				err, -EINVAL, "--runs %s: a number from 1 to %d is expected", optarg, RUNS_MAX);
		return 0;
	case BENCH_FULL:
		options->full = true;
		return 0;
	case BENCH_REPORT:
		command->report = optarg;
		return report_check(optarg, err);
	case BENCH_FROM:
		command->from = optarg;
		return 0;
	case BENCH_FORMAT:
		return parse_format(optarg, &command->format, err);
	default:
		return parse_peers(optarg, &options->peers);
	}
}

static int print_results(const struct results *results, enum bench_format format, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (format == FORMAT_JSON)
		results_write_json(results, &text);
	else if (format == FORMAT_CSV)
		results_write_csv(results, &text);
	else
		results_write_text(results, &text);
	return command_output(&text, "the measurements", err);
}

/* Measurements that were printed as JSON before, here or on another machine. */
static int read_kept(const char *path, struct results **results, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = file_read(AT_FDCWD, path, KEPT_BYTES_MAX, &text);

	if (result < 0) {
		(void)error_set(err, -result, "read %s", path);
		return result;
	}
	return results_read(path, text.data, text.length, results, err);
}

static int measure(const struct bench_command *command, struct error *err)
{
	cleanup_results struct results *results = NULL;
	int printed, result = command->from ? read_kept(command->from, &results, err)
					    : bench_run(&command->options, &results, err);

	if (result < 0 || !results)
		return result;
	/* First what stays. */
	if (command->report)
		result = report_write_results(command->report, results, err);
	printed = print_results(results, command->format, result < 0 ? NULL : err);
	if (result < 0 || printed < 0)
		return result < 0 ? result : printed;
	return results->interrupted ? STATUS_INTERRUPTED : 0;
}

/* What was said before the verb holds for the commands that are measured. */
static char **commands_options(const struct global_options *global)
{
	static const char *const managers[] = {
		[CGROUP_MANAGER_SYSTEMD] = "systemd",
		[CGROUP_MANAGER_DISABLED] = "disabled",
	};
	char **words = xcalloc(4, sizeof(*words));
	size_t count = 0;

	if (global->cgroup_manager != CGROUP_MANAGER_CGROUPFS)
		words[count++] = xprintf("--cgroup-manager=%s", managers[global->cgroup_manager]);
	if (global->rootless != CGROUP_ROOTLESS_AUTO)
		words[count++] = xprintf("--rootless=%s", global->rootless == CGROUP_ROOTLESS_TRUE ? "true" : "false");
	if (global->settings_file)
		words[count++] = xprintf("--config=%s", global->settings_file);
	return words;
}

static int bench_command(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct bench_command command = {
		.options = { .columns = BENCH_ALL_COLUMNS, .suites = BENCH_ALL, .progress = isatty(STDERR_FILENO) },
	};
	int option, result = 0;

	command.options.commands_options = commands_options(global);
	while (result == 0 && (option = command_next_option(&command_bench, argc, argv, err)) != -1)
		result = option < 0 ? option : take_option(&command, option, err);
	if (result == 0)
		result = command_expect_arguments(&command_bench, argc, 0, err);
	if (result == 0)
		result = measure(&command, err);
	free_strings(command.options.peers);
	free_strings(command.options.commands_options);
	return result;
}

static const struct command_option bench_command_options[] = {
	{ "bundle", 'b', "DIR", "measure behind this bundle's walls (default: a small bundle made for it)" },
	{ "isolation", BENCH_ISOLATION, "LIST", "columns: host,container,microvm,microvm-snapshot (default: all)" },
	{ "suite", BENCH_SUITE, "LIST", "startup,syscalls,files,workloads,memory,exits (default: all)" },
	{ "runs", BENCH_RUNS, "N", "rounds, for every column (default: 20, fewer where a start takes long)" },
	{ "full", BENCH_FULL, NULL, "leave nothing out because it takes long (50 rounds)" },
	{ "format", BENCH_FORMAT, "text|json|csv", "how to print it (default: text)" },
	{ "report", BENCH_REPORT, "FILE",
		"also write a page (FILE.html) or its main chart alone (FILE.svg); charts need gnuplot" },
	{ "from", BENCH_FROM, "FILE", "measure nothing: take what --format=json printed before" },
	{ "vs", BENCH_VS, "LIST", "other OCI runtimes for the start-up columns: crun,runc" },
	{ 0 },
};

const struct command command_bench = {
	.name = "bench",
	.arguments = "",
	.summary = "Measure what each wall costs",
	.description = "The same static program does the same work on the host, in a container, in a micro-VM that "
		       "boots and in one "
		       "from a snapshot, in turn. Reported are the number of samples, their median, minimum and high "
		       "quantiles, and "
		       "the ratio of the median to the host's with its 95 % confidence interval. What is left out is "
		       "said, with the "
		       "reason. The default run ends in less than five minutes. An interrupt prints what was measured "
		       "so far; the "
		       "exit status is 130 then. The JSON form is described in docs/bench.md.",
	.options = bench_command_options,
	.operands = OPERANDS_NONE,
	.run = bench_command,
};
