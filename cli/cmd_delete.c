/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "runtime/lifecycle.h"

static int delete_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = { { "force", no_argument, NULL, 'f' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	bool force = false;
	int option;

	while ((option = command_next_option(&command_delete, argc, argv, ":fh", table, err)) != -1) {
		if (option < 0)
			return option == COMMAND_HELPED ? 0 : option;
		force = true;
	}
	if (command_expect_arguments(&command_delete, argc, 1, err) < 0)
		return -EINVAL;
	return lifecycle_delete(global->root, argv[optind], force, err);
}

const struct command command_delete = {
	.name = "delete",
	.arguments = "[OPTIONS] ID",
	.summary = "Delete a stopped container and everything that the runtime made for it",
	.options = "  -f, --force  kill it first when it runs; no error when there is none\n",
	.run = delete_run,
};
