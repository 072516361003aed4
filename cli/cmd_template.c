/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/launch_options.h"
#include "cli/table.h"
#include "runtime/template.h"

enum { TEMPLATE_COLUMNS = 3 };

static int list(const char *directory, struct error *err)
{
	static const char *const header[TEMPLATE_COLUMNS] = { "TEMPLATE", "SIZE", "USED" };
	cleanup(table_free) struct table table = { .columns = TEMPLATE_COLUMNS };
	cleanup_free struct template_entry *entries = NULL;
	size_t count;
	int result = template_list(directory, &entries, &count, err);

	if (result < 0)
		return result;
	table_add(&table, header);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *size = xprintf("%.1f MiB", (double)entries[i].disk_bytes / 0x1p20);
		time_t used = (time_t)entries[i].used_seconds;
		struct tm utc;
		char when[32];

		(void)gmtime_r(&used, &utc);
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
		table_add(&table, (const char *const[]){ entries[i].name, size, when });
	}
	table_print(&table, stdout);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the templates");
}

static int template_run(const struct global_options *global, int argc, char **argv, struct error *err)
{
	struct launch_command launch = { 0 };
	const struct launch_options *options = &launch.options;
	int result = launch_options_parse(&command_template, global, argc, argv, &launch, err);

	if (result != 0)
		return result;
	if (strcmp(options->id, "list") == 0)
		return list(options->template_directory, err);
	if (strcmp(options->id, "create") == 0)
		return template_create(options, err);
	if (strcmp(options->id, "prune") != 0)
		return error_set(err, -EINVAL, "template %s: list, create and prune are there", options->id);
	result = template_prune(options->template_directory, 0, err);
	return result < 0 ? result : 0;
}

static const struct command_option template_options[] = {
	{ "template-dir", LAUNCH_OPTION_TEMPLATE_DIR, "DIR", "where they are (default: see above)" },
	{ "bundle", 'b', "DIR", "create: for this bundle (default: the current directory)" },
	{ "vm-kernel", LAUNCH_OPTION_VM_KERNEL, "FILE", "create: as for run" },
	{ "vm-initrd", LAUNCH_OPTION_VM_INITRD, "FILE", "create: as for run" },
	{ "vm-boot", LAUNCH_OPTION_VM_BOOT, "auto|linux|pvh", "create: as for run" },
	{ "vm-memory", LAUNCH_OPTION_VM_MEMORY, "SIZE", "create: as for run" },
	{ "vm-vcpus", LAUNCH_OPTION_VM_VCPUS, "N", "create: as for run" },
	{ 0 },
};

const struct command command_template = {
	.name = "template",
	.arguments = "list|create|prune",
	.summary = "List, make or remove the snapshots of booted guests from which micro-VMs go on",
	.description =
		"The first micro-VM of a kind (kernel, memory, processors, devices, host) writes a template when its "
		"guest has booted and before it has had any order; those that follow go on from it in place of "
		"booting. `create` makes that of a bundle without running it. Templates lie in "
		"$DUET_CACHE_DIR/templates, or /var/cache/duet/templates for root, or "
		"$XDG_CACHE_HOME/duet/templates, or ~/.cache/duet/templates; together they take at most 1 GiB. Guests "
		"of one template share the memory that none of them writes: with --template-dir every tenant has "
		"templates, and so memory, of its own. run --no-template does without.",
	.options = template_options,
	.operands = OPERANDS_NONE,
	.enters_container = true,
	.run = template_run,
};
