/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/operations.h"

static int resume_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	int result = command_parse_plain(&command_resume, argc, argv, 1, err);

	return result < 0 ? result : operation_pause(global->root, argv[optind], false, err);
}

const struct command command_resume = {
	.name = "resume",
	.arguments = "ID",
	.summary = "Let a paused container go on",
	.operands = OPERANDS_ID,
	.run = resume_run,
};
