/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "cli/table.h"
#include "runtime/template.h"

enum { TEMPLATE_COLUMNS = 3 };

static int list(struct error *err)
{
	static const char *const header[TEMPLATE_COLUMNS] = { "TEMPLATE", "SIZE", "USED" };
	cleanup(table_free) struct table table = { .columns = TEMPLATE_COLUMNS };
	cleanup_free struct template_entry *entries = NULL;
	size_t count;
	int result = template_list(&entries, &count, err);

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
	int result = command_parse_plain(&command_template, argc, argv, 1, err);

	(void)global;
	if (result != 0)
		return result;
	if (strcmp(argv[optind], "list") == 0)
		return list(err);
	if (strcmp(argv[optind], "prune") != 0)
		return error_set(err, -EINVAL, "template %s: list and prune are there", argv[optind]);
	result = template_prune(0, err);
	return result < 0 ? result : 0;
}

const struct command command_template = {
	.name = "template",
	.arguments = "list|prune",
	.summary = "List or remove the snapshots of booted guests from which micro-VMs go on",
	.description = "The first micro-VM of a kind (kernel, memory, processors, devices, host) writes a template "
		       "when its guest has "
		       "booted and before it has had any order; those that follow go on from it in place of booting. "
		       "Templates lie in "
		       "$DUET_CACHE_DIR/templates, or /var/cache/duet/templates for root, or "
		       "$XDG_CACHE_HOME/duet/templates, or "
		       "~/.cache/duet/templates; together they take at most 1 GiB. run --no-template does without.",
	.operands = OPERANDS_NONE,
	.run = template_run,
};
