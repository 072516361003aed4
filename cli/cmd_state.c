/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>

#include "cli/command.h"
#include "runtime/container.h"

static int state_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	struct oci_state state;
	int result = command_parse_plain(&command_state, argc, argv, 1, err);

	if (result == 0)
		result = container_peek(global->root, argv[optind], &container, err);
	if (result != 0)
		return result;
	state = container_state(container, container_status(container));
	state.rootfs = container->record.rootfs;
	state.created = container->record.created;
	oci_state_print(&json, &state, true);
	return command_output(&json, "the state", err);
}

const struct command command_state = {
	.name = "state",
	.arguments = "ID",
	.summary = "Print the state of a container as JSON (runtime-spec)",
	.operands = OPERANDS_ID,
	.run = state_run,
};
