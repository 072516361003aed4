/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/lifecycle.h"

static int kill_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	bool all = false;
	int option, signal;

	while ((option = command_next_option(&command_kill, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		all = true;
	}
	if (argc - optind != 1 && command_expect_arguments(&command_kill, argc, 2, err) < 0)
		return -EINVAL;
	signal = signal_parse(argc - optind == 2 ? argv[optind + 1] : "TERM", err);
	if (signal < 0)
		return signal;
	return lifecycle_kill(global->root, argv[optind], signal, all, err);
}

static const struct command_option kill_options[] = {
	{ "all", 'a', NULL, "to every process of the container" },
	{ 0 },
};

const struct command command_kill = {
	.name = "kill",
	.arguments = "ID [SIGNAL]",
	.summary = "Send a signal (default TERM; a name or a number) to the container's process",
	.description =
		"KILL ends all processes of a container that has no pid namespace of its own, and a paused container "
		"as well. With --all a container that has ended is no error: what is left of it is signalled.",
	.options = kill_options,
	.operands = OPERANDS_ID_SIGNAL,
	.run = kill_run,
};
