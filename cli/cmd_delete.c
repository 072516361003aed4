/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/lifecycle.h"

static int delete_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	bool force = false;
	int option, result;

	while ((option = command_next_option(&command_delete, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		force = true;
	}
	result = command_expect_arguments(&command_delete, argc, 1, err);
	return result < 0 ? result : lifecycle_delete(global->root, argv[optind], force, err);
}

static const struct command_option delete_options[] = {
	{ "force", 'f', NULL, "kill it first when it runs; no error when there is none" },
	{ 0 },
};

const struct command command_delete = {
	.name = "delete",
	.arguments = "ID",
	.summary = "Delete a stopped container and everything that the runtime made for it",
	.options = delete_options,
	.operands = OPERANDS_ID,
	.run = delete_run,
};
