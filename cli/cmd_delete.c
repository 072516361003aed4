/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "cli/matching.h"
#include "runtime/lifecycle.h"

static int delete_one(const char *root, const char *id, void *context, struct error *err)
{
	const bool *force = context;

	return lifecycle_delete(root, id, *force, err);
}

static int delete_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	bool force = false, regex = false;
	int option, result;

	while ((option = command_next_option(&command_delete, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		if (option == 'r')
			regex = true;
		else
			force = true;
	}
	result = command_expect_arguments(&command_delete, argc, 1, err);
	if (result < 0)
		return result;
	if (regex)
		return for_each_matching(global->root, argv[optind], delete_one, &force, err);
	return delete_one(global->root, argv[optind], &force, err);
}

static const struct command_option delete_options[] = {
	{ "force", 'f', NULL, "kill it first when it runs; no error when there is none" },
	{ "regex", 'r', NULL, "ID is a regular expression: every container that it matches" },
	{ 0 },
};

const struct command command_delete = {
	.name = "delete",
	.arguments = "ID",
	.summary = "Delete a stopped container and everything that the runtime made for it",
	.description =
		"A regular expression is POSIX's extended one and may match anywhere in an id; ^ and $ tie it to the "
		"ends. One that cannot be deleted does not keep the others.",
	.options = delete_options,
	.operands = OPERANDS_ID,
	.run = delete_run,
};
