/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "base/parse.h"
#include "cli/command.h"
#include "runtime/operations.h"

enum { EVENTS_STATS = OPTION_LONG, EVENTS_INTERVAL, EVENTS_INTERVAL_DEFAULT_MS = 5000 };

static int events_print(const char *line, void *context, struct error *err)
{
	(void)context;
	printf("%s\n", line);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write an event");
}

static int events_once(const char *root, const char *id, struct error *err)
{
	struct container_statistics statistics = { 0 };
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	int result = operation_statistics(root, id, &statistics, err);

	if (result < 0)
		return result;
	container_statistics_print(id, &statistics, &line);
	container_statistics_free(&statistics);
	return events_print(line.data, NULL, err);
}

static int events_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	uint64_t interval_ms = EVENTS_INTERVAL_DEFAULT_MS;
	bool once = false;
	int option, result;

	while ((option = command_next_option(&command_events, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		if (option == EVENTS_STATS)
			once = true;
		else if (parse_duration_ms(optarg, &interval_ms) < 0 || interval_ms == 0)
			return error_set(err, -EINVAL,
				"--interval %s: a duration above 0 is expected, such as 5s or 1m30s", optarg);
	}
	result = command_expect_arguments(&command_events, argc, 1, err);
	if (result < 0)
		return result;
	return once ? events_once(global->root, argv[optind], err)
		    : operation_events(global->root, argv[optind], interval_ms, events_print, NULL, err);
}

static const struct command_option events_options[] = {
	{ "stats", EVENTS_STATS, NULL, "print the statistics once" },
	{ "interval", EVENTS_INTERVAL, "DURATION", "time between two lines of statistics (default: 5s)" },
	{ 0 },
};

const struct command command_events = {
	.name = "events",
	.arguments = "ID",
	.summary = "Print what a container uses, line by line, until it ends",
	.description =
		"Each line is a JSON object: of type `stats` after each interval, of type `oom` whenever the "
		"out-of-memory killer came. What is not known is left out. A micro-VM has, besides what its monitor "
		"and guest memory use on the host, data.vm with the guest's own figures and the exits of its CPUs.",
	.options = events_options,
	.operands = OPERANDS_ID,
	.run = events_run,
};
