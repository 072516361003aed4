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
	strbuf_string(&json, first ? "[" : ",");
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

struct list {
	enum list_format format;
	bool begun; /* something was printed */
	struct list_owner owner;
	struct table table;
};

static void list_one(const struct container *container, void *data)
{
	struct list *list = data;
	enum oci_status status;
	const char *owner;

	if (list->format == LIST_IDS) {
		printf("%s\n", container->id);
		return;
	}
	status = container_status(container);
	owner = list_owner(&list->owner, container->record.owner);
	if (list->format == LIST_JSON)
		list_one_json(container, status, owner, !list->begun);
	else
		list_one_row(container, status, owner, &list->table);
	list->begun = true;
}

static void list_free(struct list *list)
{
	table_free(&list->table);
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
	cleanup(list_free) struct list list = { .table.columns = LIST_COLUMNS };
	int result = list_parse(argc, argv, &list.format, err);

	if (result < 0)
		return result;
	table_add(&list.table, header);
	result = container_each(global->root, list_one, &list, err);
	if (result < 0)
		return result;
	if (list.format == LIST_JSON)
		printf(list.begun ? "]\n" : "[]\n");
	if (list.format == LIST_TABLE)
		table_print(&list.table, stdout);
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
