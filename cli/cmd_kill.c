/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "cli/matching.h"
#include "runtime/lifecycle.h"

struct kill_order {
	int signal;
	bool all;
};

static int kill_one(const char *root, const char *id, void *context, struct error *err)
{
	const struct kill_order *order = context;

	return lifecycle_kill(root, id, order->signal, order->all, err);
}

static int kill_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct kill_order order = { 0 };
	bool regex = false;
	int option;

	while ((option = command_next_option(&command_kill, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		if (option == 'r')
			regex = true;
		else
			order.all = true;
	}
	if (argc - optind != 1 && command_expect_arguments(&command_kill, argc, 2, err) < 0)
		return -EINVAL;
	order.signal = signal_parse(argc - optind == 2 ? argv[optind + 1] : "TERM", err);
	if (order.signal < 0)
		return order.signal;
	if (regex)
		return for_each_matching(global->root, argv[optind], kill_one, &order, err);
	return kill_one(global->root, argv[optind], &order, err);
}

static const struct command_option kill_options[] = {
	{ "all", 'a', NULL, "to every process of the container" },
	{ "regex", 'r', NULL, "ID is a regular expression: every container that it matches" },
	{ 0 },
};

const struct command command_kill = {
	.name = "kill",
	.arguments = "ID [SIGNAL]",
	.summary = "Send a signal (default TERM; a name or a number) to the container's process",
	.description =
		"KILL ends all processes of a container that has no pid namespace of its own, and a paused container "
		"as well. With --all a container that has ended is no error: what is left of it is signalled.",
	.options = kill_options,
	.operands = OPERANDS_ID_SIGNAL,
	.run = kill_run,
};
