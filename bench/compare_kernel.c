/* SPDX-License-Identifier: Apache-2.0 */
/* The section "kernel": whose kernel a process runs on, and what it sees of the host. */
#include <string.h>

#include "base/alloc.h"
#include "bench/compare_internal.h"

enum { TEXT_MAX = 90 };

enum judgement {
	BY_EQUALITY, /* what equals the host's is the host's */
	BY_NUMBER,   /* "0" is nothing of others */
	BY_BOOT,     /* the host's where the boot id is */
	ONLY_SHOWN,  /* equal values say nothing */
};

struct fact {
	const char *name, *title;
	enum judgement judgement;
	const char *shared; /* the verdict where the container has the host's and the micro-VM has not */
	const char *alike;  /* the verdict where both have the same kind of answer, or one was not measured */
};

static const struct fact facts[] = {
	{ "kernel-release", "kernel release", BY_EQUALITY,
		"The container runs on the host's kernel, the micro-VM on one of its own.", NULL },
	{ "boot-id", "boot id", BY_EQUALITY,
		"The boot id proves it: a container has not booted, it is a group of the host's processes; the guest "
		"has.",
		NULL },
	{ "command-line", "kernel command line", BY_EQUALITY, "The container can read how the host was booted.", NULL },
	{ "cpu-model", "processor model", BY_EQUALITY,
		"The container sees the host's processor; the micro-VM does not.",
		"A virtual processor keeps the real one's name: which machine this is stays visible behind both "
		"walls." },
	{ "processors", "processors", ONLY_SHOWN, NULL,
		"A container sees all processors of the host whatever its quota is; a micro-VM those it was given." },
	{ "memory", "memory", BY_EQUALITY,
		"The container sees the size of the host's memory, the micro-VM that of its own.", NULL },
	{ "uptime", "uptime", BY_BOOT, "The container sees how long the host has been up.", NULL },
	{ "load", "load", ONLY_SHOWN, NULL,
		"A container reads the load of the whole host, its neighbours' work included; a micro-VM only its "
		"own." },
	{ "kernel-log", "kernel log", BY_EQUALITY, "The container can read the host's kernel log.", NULL },
	{ "processes", "other processes", BY_NUMBER, "The container sees processes that are not its own.", NULL },
	{ "mounts", "mounts", ONLY_SHOWN, NULL,
		"A container's mount table can tell where its files lie on the host; a guest has its files from a "
		"virtual "
		"device." },
	{ "interfaces", "network interfaces", ONLY_SHOWN, NULL,
		"Both have only the interfaces of their own network namespace, or machine." },
	{ "cgroup-path", "control group", ONLY_SHOWN, NULL,
		"A cgroup namespace hides where the group lies in the host's tree; a guest has a tree of its own." },
};

static bool is_the_hosts(const struct fact *fact, const char *value, const char *host)
{
	switch (fact->judgement) {
	case BY_NUMBER:
		return strcmp(value, "0") != 0;
	default:
		return strcmp(value, host) == 0;
	}
}

static void set_value(
	struct compare_line *line, enum compare_column column, enum compare_state state, const char *value)
{
	if (strcmp(line->name, "memory") == 0)
		compare_set(
			line, column, state, REFUSED_BY_NOBODY, "%.0f MiB", (double)strtoull(value, NULL, 10) / 0x1p20);
	else if (strcmp(line->name, "uptime") == 0)
		compare_set(line, column, state, REFUSED_BY_NOBODY, "%llu s", strtoull(value, NULL, 10));
	else if (strcmp(line->name, "processes") == 0 && strcmp(value, "0") == 0)
		compare_set(line, column, COMPARE_SEEN, REFUSED_BY_NOBODY, "none");
	else if (strlen(value) > TEXT_MAX)
		compare_set(line, column, state, REFUSED_BY_NOBODY, "%.*s...", TEXT_MAX, value);
	else
		compare_set(line, column, state, REFUSED_BY_NOBODY, "%s", value);
}

static void set_cell(struct compare_line *line, const struct fact *fact, enum compare_column column,
	const struct probe_output *output, const struct probe_output *host_output)
{
	const char *host = probe_field(probe_find(host_output, "fact", fact->name), 2);
	bool booted_with_host = strcmp(probe_field(probe_find(output, "fact", "boot-id"), 2),
					probe_field(probe_find(host_output, "fact", "boot-id"), 2)) == 0;

	const struct probe_line *refused = probe_find(output, "refused", fact->name);
	const char *value = probe_field(probe_find(output, "fact", fact->name), 2);

	if (refused)
		return compare_set(line, column, COMPARE_REFUSED, REFUSED_BY_NOBODY, "%s", probe_field(refused, 2));
	if (!*value)
		return;
	if (column == COMPARE_HOST || fact->judgement == ONLY_SHOWN || !*host)
		return set_value(line, column, COMPARE_SEEN, value);
	if (fact->judgement == BY_BOOT)
		return set_value(line, column, booted_with_host ? COMPARE_SHARED : COMPARE_OWN, value);
	set_value(line, column, is_the_hosts(fact, value, host) ? COMPARE_SHARED : COMPARE_OWN, value);
}

static const char *verdict(const struct fact *fact, const struct compare_line *line)
{
	enum compare_state container = line->cells[COMPARE_CONTAINER].state, vm = line->cells[COMPARE_MICROVM].state;

	if (container == COMPARE_NOT_MEASURED && vm == COMPARE_NOT_MEASURED)
		return "Only the host was looked at.";
	if (fact->alike && (!fact->shared || container == vm))
		return fact->alike;
	if (container == COMPARE_SHARED && vm == COMPARE_SHARED)
		return "Behind both walls it is the host's.";
	if (container == COMPARE_SHARED)
		return vm == COMPARE_NOT_MEASURED ? "In the container it is the host's." : fact->shared;
	if (vm == COMPARE_SHARED)
		return "In the micro-VM it is the host's.";
	if (container == COMPARE_REFUSED && vm == COMPARE_REFUSED)
		return "Neither wall shows it.";
	if (container == COMPARE_REFUSED)
		return "The container is kept from it; what the micro-VM shows is the guest's own.";
	return "Nothing of the host's is seen.";
}

void compare_kernel(struct comparison *comparison, const struct probe_output outputs[COMPARE_COLUMNS])
{
	struct compare_lines *lines = &comparison->sections[COMPARE_KERNEL];

	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		struct compare_line *line = compare_add_line(lines, facts[i].name, facts[i].title);

		for (enum compare_column column = COMPARE_HOST; column <= COMPARE_MICROVM; column++)
			set_cell(line, &facts[i], column, &outputs[column], &outputs[COMPARE_HOST]);
		line->verdict = xstrdup(verdict(&facts[i], line));
	}
}
