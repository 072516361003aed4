/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/lifecycle.h"

static int start_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	int result = command_parse_plain(&command_start, argc, argv, 1, err);

	return result < 0 ? result : lifecycle_start(global->root, argv[optind], err);
}

const struct command command_start = {
	.name = "start",
	.arguments = "ID",
	.summary = "Start the process of a created container",
	.operands = OPERANDS_ID,
	.run = start_run,
};
