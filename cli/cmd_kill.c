/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "runtime/lifecycle.h"

static int kill_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = { { "all", no_argument, NULL, 'a' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	bool all = false;
	int option, signal;

	while ((option = command_next_option(&command_kill, argc, argv, ":ah", table, err)) != -1) {
		if (option < 0)
			return option == COMMAND_HELPED ? 0 : option;
		all = true;
	}
	if (argc - optind != 1 && command_expect_arguments(&command_kill, argc, 2, err) < 0)
		return -EINVAL;
	signal = signal_parse(argc - optind == 2 ? argv[optind + 1] : "TERM", err);
	if (signal < 0)
		return signal;
	return lifecycle_kill(global->root, argv[optind], signal, all, err);
}

const struct command command_kill = {
	.name = "kill",
	.arguments = "[OPTIONS] ID [SIGNAL]",
	.summary = "Send a signal (default TERM; a name or a number) to the container's process",
	.options = "  -a, --all  to every process of the container\n",
	.run = kill_run,
};
