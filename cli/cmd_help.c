/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

static int help_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	(void)global;
	if (argc > 1) {
		const struct command *command = command_find(argv[1]);

		if (!command)
			return error_set(err, -EINVAL, "unknown command \"%s\"", argv[1]);
		command_print_usage(command, stdout);
		return 0;
	}
	printf("duet runs one OCI bundle behind either of two walls: as a container, or inside a KVM micro-VM.\n\n"
	       "Usage: duet [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
	for (const struct command *const *command = command_table; *command; command++)
		printf("  %-10s %s\n", (*command)->name, (*command)->summary);
	printf("\nGlobal options:\n"
	       "      --root DIR              where containers are remembered (default /run/duet)\n"
	       "      --log FILE              where messages go (default: standard error)\n"
	       "      --log-format FORMAT     text or json\n"
	       "      --debug                 more messages\n"
	       "      --cgroup-manager NAME   cgroupfs, systemd or disabled\n"
	       "      --systemd-cgroup        the same as --cgroup-manager=systemd\n"
	       "      --rootless BOOL         accepted for engines: true, false or auto\n"
	       "  -v, --version               print the version\n"
	       "  -h, --help                  print this, or `duet help COMMAND`\n");
	return 0;
}

const struct command command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Print what duet, or one of its commands, understands",
	.run = help_run,
};
