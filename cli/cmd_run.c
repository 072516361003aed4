/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"
#include "runtime/lifecycle.h"

static int run_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct launch_command launch = { 0 };
	int result = launch_options_parse(&command_run, global, argc, argv, &launch, err);

	if (result < 0)
		return result;
	launch.options.foreground = !launch.detach;
	return lifecycle_run(&launch.options, launch.keep, err);
}

static const struct command_option run_options[] = { LAUNCH_OPTIONS,
	{ "detach", 'd', NULL, "do not wait for the process" },
	{ "keep", LAUNCH_OPTION_KEEP, NULL, "do not delete the container at its end" },
	{ "no-subreaper", LAUNCH_OPTION_NO_SUBREAPER, NULL,
		"accepted for other runtimes' callers: duet never is a subreaper" },
	{ 0 } };

const struct command command_run = {
	.name = "run",
	.arguments = "ID",
	.summary = "Run a bundle, as a container or in a micro-VM, and wait for it",
	.description = "The exit status is the process's own, or 128 plus the number of the signal that ended it. "
		       "Signals that "
		       "duet receives meanwhile are forwarded to the process. At the end the container is deleted.\n\n"
		       "The options are those of create, and a few of its own.",
	.options = run_options,
	.operands = OPERANDS_NEW_ID,
	.enters_container = true,
	.run = run_run,
};
