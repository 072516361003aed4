/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/launch_options.h"
#include "runtime/lifecycle.h"

static int create_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct launch_command launch = { 0 };
	int result = launch_options_parse(&command_create, global, argc, argv, &launch, err);

	return result < 0 ? result : lifecycle_create(&launch.options, err);
}

static const struct command_option create_options[] = { LAUNCH_OPTIONS, { 0 } };

const struct command command_create = {
	.name = "create",
	.arguments = "ID",
	.summary = "Make a container from a bundle; its process waits for `start`",
	.description =
		"Without --isolation the wall is what the annotation run.duet.isolation says, else a micro-VM when "
		"config.json has a vm object, else a container. In a micro-VM the guest has booted when create "
		"returns; the pid file names its monitor, which ends with the workload's status.\n\n"
		"Sockets that systemd hands to duet (LISTEN_FDS, LISTEN_PID) are handed on to the process, before "
		"those of "
		"--preserve-fds.",
	.options = create_options,
	.operands = OPERANDS_NEW_ID,
	.enters_container = true,
	.run = create_run,
};
