/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"
#include "runtime/lifecycle.h"

static int create_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct launch_command launch = { 0 };
	int result = launch_options_parse(&command_create, global, argc, argv, &launch, err);

	if (result == COMMAND_HELPED)
		return 0;
	return result < 0 ? result : lifecycle_create(&launch.options, err);
}

const struct command command_create = {
	.name = "create",
	.arguments = "[OPTIONS] ID",
	.summary = "Make a container from a bundle; its process waits for `start`",
	.options = LAUNCH_OPTIONS_HELP,
	.enters_container = true,
	.run = create_run,
};
