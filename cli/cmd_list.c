/* SPDX-License-Identifier: Apache-2.0 */
#include <pwd.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/command.h"
#include "runtime/container.h"

enum list_format { LIST_TABLE, LIST_JSON, LIST_IDS };

static void list_owner(uid_t uid, char *name, size_t size)
{
	const struct passwd *user = getpwuid(uid);

	if (user)
		(void)snprintf(name, size, "%s", user->pw_name);
	else
		(void)snprintf(name, size, "#%u", (unsigned)uid);
}

static void list_one_json(const struct container *container, enum oci_status status, const char *owner, bool first)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	struct oci_state state = container_state(container, status);

	state.rootfs = container->record.rootfs;
	state.created = container->record.created;
	state.owner = owner;
	if (!first)
		strbuf_string(&json, ",");
	oci_state_print(&json, &state, false);
	(void)fwrite(json.data, 1, json.length, stdout);
}

/* Returns whether a line was printed. A container that vanishes meanwhile, or was never made completely, is passed over
 * with a debug line. */
static bool list_one(const char *root, const char *id, enum list_format format, bool first)
{
	cleanup_container struct container *container = NULL;
	enum oci_status status;
	struct error err;
	char owner[64];

	if (container_peek(root, id, &container, &err) < 0) {
		log_debug("%s", err.message);
		return false;
	}
	status = container_status(container);
	list_owner(container->record.owner, owner, sizeof(owner));
	if (format == LIST_IDS)
		printf("%s\n", id);
	else if (format == LIST_JSON)
		list_one_json(container, status, owner, first);
	else
		printf("%-24s %-10d %-10s %-10s %-32s %-34s %s\n", id,
			status == OCI_STATUS_STOPPED ? 0 : (int)container->record.pid, oci_status_name(status),
			container->record.isolation, container->record.bundle, container->record.created, owner);
	return true;
}

static int list_parse(int argc, char **argv, enum list_format *format, struct error *err)
{
	static const struct option table[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = command_next_option(&command_list, argc, argv, ":f:qh", table, err)) != -1) {
		if (option < 0)
			return option;
		if (option == 'q')
			*format = LIST_IDS;
		else if (strcmp(optarg, "json") == 0)
			*format = LIST_JSON;
		else if (strcmp(optarg, "table") == 0)
			*format = LIST_TABLE;
		else
			return error_set(err, -EINVAL, "--format %s: table and json are there", optarg);
	}
	return command_expect_arguments(&command_list, argc, 0, err);
}

static int list_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	enum list_format format = LIST_TABLE;
	char **ids = NULL;
	bool first = true;
	int result = list_parse(argc, argv, &format, err);

	if (result == COMMAND_HELPED)
		return 0;
	if (result == 0)
		result = container_list_ids(global->root, &ids, err);
	if (result < 0)
		return result;
	if (format == LIST_TABLE)
		printf("%-24s %-10s %-10s %-10s %-32s %-34s %s\n", "ID", "PID", "STATUS", "ISOLATION", "BUNDLE",
			"CREATED", "OWNER");
	if (format == LIST_JSON)
		printf("[");
	for (char **id = ids; id && *id; id++)
		first = !list_one(global->root, *id, format, first) && first;
	if (format == LIST_JSON)
		printf("]\n");
	free_strings(ids);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the list");
}

const struct command command_list = {
	.name = "list",
	.arguments = "[OPTIONS]",
	.summary = "List the containers under the state root",
	.options = "  -f, --format FORMAT  table or json\n"
		   "  -q, --quiet          only the ids\n",
	.run = list_run,
};
