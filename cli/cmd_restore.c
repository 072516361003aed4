/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/checkpoint_options.h"

static int restore_option(
	int option, struct launch_command *launch, struct checkpoint_options *options, struct error *err)
{
	switch (option) {
	case 'b':
		launch->options.bundle = optarg;
		return 0;
	case 'd':
		launch->detach = true;
		return 0;
	case LAUNCH_OPTION_CONSOLE_SOCKET:
		launch->options.console_socket = optarg;
		return 0;
	case LAUNCH_OPTION_PID_FILE:
		launch->options.pid_file = optarg;
		return 0;
	case LAUNCH_OPTION_NO_PIVOT: /* criu changes the root in its own way */
	case LAUNCH_OPTION_NO_SUBREAPER:
		return 0;
	default:
		return checkpoint_option(option, options, err);
	}
}

static int restore_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct checkpoint_options options = { .cgroups = CHECKPOINT_CGROUPS_SOFT, .status_fd = -1 };
	struct launch_command launch = { .options = launch_default_options(global) };
	int option, result;

	while ((option = command_next_option(&command_restore, argc, argv, err)) != -1) {
		result = option < 0 ? option : restore_option(option, &launch, &options, err);
		if (result < 0)
			return result;
	}
	result = command_expect_arguments(&command_restore, argc, 1, err);
	if (result < 0)
		return result;
	launch.options.id = argv[optind];
	launch.options.foreground = !launch.detach;
	return lifecycle_restore(&launch.options, &options, err);
}

static const struct command_option restore_options[] = { CHECKPOINT_OPTIONS,
	{ "bundle", 'b', "DIR", "the bundle (default: the current directory)" },
	{ "detach", 'd', NULL, "do not wait for the process" },
	{ "console-socket", LAUNCH_OPTION_CONSOLE_SOCKET, "FILE", "unix socket that receives the terminal" },
	{ "pid-file", LAUNCH_OPTION_PID_FILE, "FILE", "where to write the process id" },
	{ "tcp-close", CHECKPOINT_OPTION_TCP_CLOSE, NULL, "TCP connections that were open are closed" },
	{ "lsm-profile", CHECKPOINT_OPTION_LSM_PROFILE, "TYPE:NAME",
		"another AppArmor profile or SELinux label than at the checkpoint" },
	{ "lsm-mount-context", CHECKPOINT_OPTION_LSM_MOUNT_CONTEXT, "CONTEXT",
		"another context for mounts than at the checkpoint" },
	{ "no-subreaper", LAUNCH_OPTION_NO_SUBREAPER, NULL,
		"accepted for other runtimes' callers: duet never is a subreaper" },
	{ "no-pivot", LAUNCH_OPTION_NO_PIVOT, NULL,
		"accepted for other runtimes' callers: criu changes the root in its own way" },
	{ 0 } };

const struct command command_restore = {
	.name = "restore",
	.arguments = "ID",
	.summary = "Make a container from a checkpoint, with its processes where they were",
	.description =
		"The bundle has to have the same root file system and mounts; the id and the places of volumes on the "
		"host may be others. criu's log is restore.log in the work path. Without --detach duet waits for "
		"the process, as run does.\n\n"
		"Of a micro-VM the version of duet, the processor, memory and vCPUs, terminal and network have to be "
		"the "
		"same, and the files that the guest has open at their places; what does not fit is refused by name. "
		"Its "
		"clock is set and its entropy renewed.",
	.options = restore_options,
	.operands = OPERANDS_NEW_ID,
	.run = restore_run,
};
