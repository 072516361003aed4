/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"
#include "runtime/container.h"

static int state_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const struct option table[] = { { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	cleanup_container struct container *container = NULL;
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	struct oci_state state;
	int option, result;

	while ((option = command_next_option(&command_state, argc, argv, ":h", table, err)) != -1)
		return option == COMMAND_HELPED ? 0 : option;
	if (command_expect_arguments(&command_state, argc, 1, err) < 0)
		return -EINVAL;
	result = container_peek(global->root, argv[optind], &container, err);
	if (result < 0)
		return result;
	state = container_state(container, container_status(container));
	state.rootfs = container->record.rootfs;
	state.created = container->record.created;
	oci_state_print(&json, &state, true);
	if (fwrite(json.data, 1, json.length, stdout) != json.length || fflush(stdout) != 0)
		return error_set(err, errno, "write the state");
	return 0;
}

const struct command command_state = {
	.name = "state",
	.arguments = "ID",
	.summary = "Print the state of a container as JSON (runtime-spec)",
	.run = state_run,
};
