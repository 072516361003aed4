/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/user_name.h"
#include "runtime/container.h"

enum list_format { LIST_TABLE, LIST_JSON, LIST_IDS };

enum { LIST_COLUMNS = 7 };

struct list_owner { /* the last one that was asked for: mostly all are the same */
	bool known;
	uid_t uid;
	char name[64];
};

static const char *list_owner(struct list_owner *owner, uid_t uid)
{
	cleanup_free char *name = NULL;

	if (owner->known && owner->uid == uid)
		return owner->name;
	name = user_name(uid);
	if (name)
		(void)snprintf(owner->name, sizeof(owner->name), "%s", name);
	else
		(void)snprintf(owner->name, sizeof(owner->name), "#%u", (unsigned)uid);
	owner->uid = uid;
	owner->known = true;
	return owner->name;
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

static void list_one_row(
	const struct container *container, enum oci_status status, const char *owner, struct table *table)
{
	cleanup_free char *pid = xprintf("%d", status == OCI_STATUS_STOPPED ? 0 : (int)container->record.pid);
	const char *cells[LIST_COLUMNS] = { container->id, pid, oci_status_name(status), container->record.bundle,
		container->record.created, owner, container->record.isolation };

	table_add(table, cells);
}

/* Returns whether something was printed. A container that vanishes meanwhile, or was never made completely, is passed
 * over with a debug line. */
static bool list_one(const char *root, const char *id, enum list_format format, bool first, struct list_owner *owner,
	struct table *table)
{
	cleanup_container struct container *container = NULL;
	enum oci_status status;
	struct error err;

	if (container_peek(root, id, &container, &err) < 0) {
		log_debug("%s", err.message);
		return false;
	}
	if (format == LIST_IDS) {
		printf("%s\n", id);
		return true;
	}
	status = container_status(container);
	if (format == LIST_JSON)
		list_one_json(container, status, list_owner(owner, container->record.owner), first);
	else
		list_one_row(container, status, list_owner(owner, container->record.owner), table);
	return true;
}

static int list_parse(int argc, char **argv, enum list_format *format, struct error *err)
{
	bool quiet = false;
	int option;

	while ((option = command_next_option(&command_list, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		if (option == 'q')
			quiet = true;
		else if (strcmp(optarg, "json") == 0)
			*format = LIST_JSON;
		else if (strcmp(optarg, "table") == 0)
			*format = LIST_TABLE;
		else
			return error_set(err, -EINVAL, "--format %s: table and json are there", optarg);
	}
	if (quiet)
		*format = LIST_IDS;
	return command_expect_arguments(&command_list, argc, 0, err);
}

static int list_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	static const char *const header[LIST_COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER",
		"ISOLATION" };
	cleanup(table_free) struct table table = { .columns = LIST_COLUMNS };
	enum list_format format = LIST_TABLE;
	struct list_owner owner = { 0 };
	char **ids = NULL;
	bool first = true;
	int result = list_parse(argc, argv, &format, err);

	if (result == 0)
		result = container_list_ids(global->root, &ids, err);
	if (result < 0)
		return result;
	table_add(&table, header);
	if (format == LIST_JSON)
		printf("[");
	for (char **id = ids; id && *id; id++)
		first = !list_one(global->root, *id, format, first, &owner, &table) && first;
	if (format == LIST_JSON)
		printf("]\n");
	if (format == LIST_TABLE)
		table_print(&table, stdout);
	free_strings(ids);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the list");
}

static const struct command_option list_options[] = {
	{ "format", 'f', "table|json", "how (default: table)" },
	{ "quiet", 'q', NULL, "only the ids" },
	{ 0 },
};

const struct command command_list = {
	.name = "list",
	.arguments = "",
	.summary = "List the containers under the state root",
	.options = list_options,
	.run = list_run,
};
