/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/ps_filter.h"
#include "cli/table.h"
#include "cli/user_name.h"
#include "runtime/isolation.h"
#include "runtime/operations.h"

enum { PS_COLUMNS = 8, UNIX98_PTY_MAJOR = 136, UNIX98_PTY_MAJOR_LAST = 143, MINORS_OF_A_MAJOR = 256 };

struct ps_options {
	bool json;
	const char *id;
	char **ps_arguments; /* for ps(1); NULL-terminated, empty: our own table */
};

static int ps_parse(int argc, char **argv, struct ps_options *options, struct error *err)
{
	int option;

	while ((option = command_next_option(&command_ps, argc, argv, err)) != -1) {
		if (option < 0)
			return option;
		options->json = strcmp(optarg, "json") == 0;
		if (!options->json && strcmp(optarg, "table") != 0)
			return error_set(err, -EINVAL, "--format %s: table and json are there", optarg);
	}
	if (argc - optind < 1) {
		(void)command_expect_arguments(&command_ps, argc, 1, err);
		return -EINVAL;
	}
	options->id = argv[optind];
	options->ps_arguments = argv + optind + 1;
	return 0;
}

/* Host's users, as ps(1) has it; a guest's are not the host's. */
static char *ps_user(uid_t uid, bool guest)
{
	char *name = guest ? NULL : user_name(uid);

	return name ? name : xprintf("%u", (unsigned)uid);
}

static char *ps_terminal(int device)
{
	unsigned int major_number = major((dev_t)device), minor_number = minor((dev_t)device);

	if (device == 0)
		return xstrdup("?");
	if (major_number >= UNIX98_PTY_MAJOR && major_number <= UNIX98_PTY_MAJOR_LAST)
		return xprintf("pts/%u", (major_number - UNIX98_PTY_MAJOR) * MINORS_OF_A_MAJOR + minor_number);
	return xprintf("%u:%u", major_number, minor_number);
}

/* The time of day, or the day when it is another one. */
static char *ps_begin(uint64_t age_ms)
{
	time_t now = time(NULL), begin = now - (time_t)(age_ms / 1000);
	struct tm today, then;
	char text[32];

	(void)localtime_r(&now, &today);
	(void)localtime_r(&begin, &then);
	(void)strftime(text, sizeof(text),
		today.tm_yday == then.tm_yday && today.tm_year == then.tm_year ? "%H:%M" : "%b%d", &then);
	return xstrdup(text);
}

static void ps_add(struct table *table, const struct process_entry *entry, bool guest)
{
	uint64_t seconds = entry->cpu_ms / 1000;
	cleanup_free char *user = ps_user(entry->uid, guest), *terminal = ps_terminal(entry->terminal);
	cleanup_free char *pid = xprintf("%d", (int)entry->pid), *parent = xprintf("%d", (int)entry->parent);
	cleanup_free char *share = xprintf("%lu", entry->age_ms ? entry->cpu_ms * 100 / entry->age_ms : 0);
	cleanup_free char *begin = ps_begin(entry->age_ms);
	cleanup_free char *used = xprintf("%02lu:%02lu:%02lu", seconds / 3600, seconds / 60 % 60, seconds % 60);
	const char *const cells[PS_COLUMNS] = { user, pid, parent, share, begin, terminal, used, entry->command };

	table_add(table, cells);
}

static int ps_table(const struct process_list *list, bool guest, struct error *err)
{
	static const char *const header[PS_COLUMNS] = { "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD" };
	cleanup(table_free) struct table table = { .columns = PS_COLUMNS };

	table_add(&table, header);
	for (size_t i = 0; i < list->count; i++)
		ps_add(&table, &list->entries[i], guest);
	table_print(&table, stdout);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the processes");
}

static int ps_json(const struct process_list *list, struct error *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;

	strbuf_string(&json, "[");
	for (size_t i = 0; i < list->count; i++)
		strbuf_printf(&json, "%s%d", i ? "," : "", (int)list->entries[i].pid);
	strbuf_string(&json, "]\n");
	return command_output(&json, "the processes", err);
}

static int ps_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_process_list struct process_list list = { 0 };
	struct ps_options options = { 0 };
	bool guest;
	int result = ps_parse(argc, argv, &options, err);

	if (result == 0)
		result = container_peek(global->root, options.id, &container, err);
	if (result != 0)
		return result;
	guest = strcmp(container->record.isolation, isolation_microvm.name) == 0;
	if (guest && options.ps_arguments[0])
		return error_set(err, -ENOTSUP,
			"ps %s: options for ps(1) mean processes of the host, those of a micro-VM are in its guest",
			options.ps_arguments[0]);
	result = operation_processes(global->root, options.id, &list, err);
	if (result < 0)
		return result;
	if (options.json)
		return ps_json(&list, err);
	return options.ps_arguments[0] ? ps_filter(options.ps_arguments, &list, err) : ps_table(&list, guest, err);
}

static const struct command_option ps_options[] = {
	{ "format", 'f', "table|json", "how (default: table); json is an array of process ids" },
	{ 0 },
};

const struct command command_ps = {
	.name = "ps",
	.arguments = "ID [PS OPTIONS]",
	.summary = "List the processes of a container",
	.description = "Without more arguments the table is duet's own, in the manner of `ps -ef`. With them ps(1) is "
		       "run, and "
		       "those of its lines are shown that are about the container. Process ids are the host's; of a "
		       "micro-VM they are the guest's, and ps(1) is of no use.",
	.options = ps_options,
	.operands = OPERANDS_ID_COMMAND,
	.run = ps_run,
};
