/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "runtime/lifecycle.h"

static int start_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int option;

	while ((option = command_next_option(&command_start, argc, argv, ":h", table, err)) != -1)
		return option == COMMAND_HELPED ? 0 : option;
	if (command_expect_arguments(&command_start, argc, 1, err) < 0)
		return -EINVAL;
	return lifecycle_start(global->root, argv[optind], err);
}

const struct command command_start = {
	.name = "start",
	.arguments = "ID",
	.summary = "Start the process of a created container",
	.run = start_run,
};
