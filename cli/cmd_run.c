/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"
#include "runtime/lifecycle.h"

static int run_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct launch_command launch = { 0 };
	int result = launch_options_parse(&command_run, global, argc, argv, &launch, err);

	if (result == COMMAND_HELPED)
		return 0;
	return result < 0 ? result : lifecycle_run(&launch.options, launch.keep, err);
}

const struct command command_run = {
	.name = "run",
	.arguments = "[OPTIONS] ID",
	.summary = "Run a bundle, as a container or in a micro-VM; the exit status is the process's own, or 128 + its "
		   "signal",
	.options = LAUNCH_OPTIONS_HELP "  -d, --detach               do not wait for the process\n"
				       "      --keep                 do not delete the container at its end\n",
	.enters_container = true,
	.run = run_run,
};
