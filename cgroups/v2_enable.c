/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing controllers down to a v2 group: each group above it must name them in cgroup.subtree_control, and none of
 * them may have processes of its own ("no internal process constraint", cgroups(7)), the root apart.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

static uint32_t read_controllers(int directory, const char *file)
{
	cleanup_strbuf struct strbuf list = STRBUF_INIT;

	return file_read(directory, file, CGROUP_FILE_BYTES_MAX, &list) < 0 ? 0
									    : cgroup_controllers_of(list.data, true);
}

/* A group with processes would take the controllers that know threads, and become threaded by it, with all groups
 * below: that is not for us to do to somebody else's group. The hierarchy's root alone, which has no type, may have
 * both. */
static bool has_processes(int directory)
{
	cleanup_strbuf struct strbuf processes = STRBUF_INIT;

	return faccessat(directory, "cgroup.type", F_OK, 0) == 0 &&
	       file_read(directory, "cgroup.procs", CGROUP_FILE_BYTES_MAX, &processes) == 0 && processes.length > 0;
}

/* Enables what it can. One that cannot be enabled is missed later by whoever needs it, with its name. */
static void enable_in(int directory, uint32_t wanted)
{
	cleanup_strbuf struct strbuf all = STRBUF_INIT;

	wanted &= read_controllers(directory, "cgroup.controllers") &
		  ~read_controllers(directory, "cgroup.subtree_control");
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (wanted & CGROUP_BIT(i))
			strbuf_printf(&all, "%s+%s", all.length ? " " : "", cgroup_controller_table[i].name_v2);
	}
	if (!wanted || has_processes(directory) || file_write(directory, "cgroup.subtree_control", all.data) == 0)
		return;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		cleanup_free char *one = NULL;
		int result;

		if (!(wanted & CGROUP_BIT(i)))
			continue;
		one = xprintf("+%s", cgroup_controller_table[i].name_v2);
		result = file_write(directory, "cgroup.subtree_control", one);
		if (result < 0)
			log_debug("a cgroup does not hand on the %s controller: %s", cgroup_controller_table[i].name_v2,
				strerror(-result));
	}
}

static void enable_above(const struct cgroup_entry *entry, uint32_t wanted)
{
	cleanup_fd int directory = open(entry->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *part = entry->path + 1;

	while (directory >= 0) {
		size_t length = strcspn(part, "/");
		cleanup_free char *name = xstrndup(part, length);
		int next;

		enable_in(directory, wanted);
		if (part[length] == '\0')
			return;
		next = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		close_fd(&directory);
		directory = next;
		part += length + 1;
	}
}

/*
 * A group below one with processes is invalid, or threaded. It can take processes once it is threaded itself, but then
 * only the controllers that know threads (cpu, cpuset, pids, perf_event) work in it.
 */
static int check_type(const struct cgroup_entry *entry, bool limited, struct error *err)
{
	cleanup_strbuf struct strbuf type = STRBUF_INIT;
	int result = cgroup_read(entry, "cgroup.type", &type);

	if (result < 0 || strncmp(type.data, "domain\n", 7) == 0)
		return 0; /* before 4.14 every group is a domain */
	type.data[strcspn(type.data, "\n")] = '\0';
	if (limited)
		return error_set(err, -EOPNOTSUPP,
			"the cgroup %s cannot have limits: its type is \"%s\", since a group above it has processes or "
			"threads of its own",
			entry->directory, type.data);
	if (strcmp(type.data, "domain invalid") != 0)
		return 0;
	return cgroup_write(entry, "cgroup.type", "threaded", "the container's cgroup", err);
}

int cgroup_v2_enable(struct cgroup_entry *entry, uint32_t wanted, bool limited, struct error *err)
{
	uint32_t core = CGROUP_BIT(CGROUP_CPUACCT) | CGROUP_BIT(CGROUP_DEVICES) | CGROUP_BIT(CGROUP_FREEZER);
	uint32_t has = read_controllers(entry->fd, "cgroup.controllers");
	uint32_t v2_wanted = 0;
	int result;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if ((wanted & CGROUP_BIT(i)) && cgroup_controller_table[i].name_v2)
			v2_wanted |= CGROUP_BIT(i);
	}
	/* Mostly somebody did it before: writing cgroup.subtree_control anew costs milliseconds. */
	if (v2_wanted & ~has) {
		enable_above(entry, v2_wanted);
		has = read_controllers(entry->fd, "cgroup.controllers");
	}
	entry->controllers = has | core;
	result = check_type(entry, limited, err);
	return result;
}
