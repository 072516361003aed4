/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/operations.h"

static int pause_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	int result = command_parse_plain(&command_pause, argc, argv, 1, err);

	return result < 0 ? result : operation_pause(global->root, argv[optind], true, err);
}

const struct command command_pause = {
	.name = "pause",
	.arguments = "ID",
	.summary = "Stop everything in a container until `resume`",
	.description = "Done when it returns. The state is `paused` meanwhile; signals other than KILL wait.",
	.operands = OPERANDS_ID,
	.run = pause_run,
};
