/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a controller is not there, on the way to an error.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cgroups/kernel_controllers.h"

static const char *reason(const char *name_v1)
{
	switch (kernel_controller_state(name_v1)) {
	case KERNEL_CONTROLLER_UNKNOWN:
		return "this kernel does not have it";
	case KERNEL_CONTROLLER_DISABLED:
		return "this kernel was booted with it disabled";
	case KERNEL_CONTROLLER_FREE:
		return "the kernel has it, but no hierarchy does";
	case KERNEL_CONTROLLER_ON_V1:
		break;
	}
	return "a v1 hierarchy has it, which is not mounted, or cannot take what only v2 knows";
}

/* The group above that has the controller and does not hand it on, mostly for its processes (allocated); NULL: none. */
static char *who_keeps_it(const struct cgroup_entry *entry, enum cgroup_controller controller)
{
	cleanup_free char *above = xstrdup(entry->directory);
	char *slash;

	while ((slash = strrchr(above, '/')) && slash >= above + strlen(entry->mount_point)) {
		cleanup_free char *has = NULL, *hands = NULL, *procs = NULL;
		cleanup_strbuf struct strbuf list = STRBUF_INIT, handed = STRBUF_INIT, processes = STRBUF_INIT;

		*slash = '\0';
		has = xprintf("%s/cgroup.controllers", above);
		hands = xprintf("%s/cgroup.subtree_control", above);
		procs = xprintf("%s/cgroup.procs", above);
		if (file_read(AT_FDCWD, has, CGROUP_FILE_BYTES_MAX, &list) < 0 ||
			!(cgroup_controllers_of(list.data, true) & CGROUP_BIT(controller)))
			continue;
		if (file_read(AT_FDCWD, hands, CGROUP_FILE_BYTES_MAX, &handed) < 0 ||
			cgroup_controllers_of(handed.data, true) & CGROUP_BIT(controller))
			return NULL;
		if (file_read(AT_FDCWD, procs, CGROUP_FILE_BYTES_MAX, &processes) == 0 && processes.length > 0)
			return xprintf("%s has processes of its own and so cannot hand it on", above);
		return xprintf("%s does not hand it on", above);
	}
	return NULL;
}

int cgroup_missing(const struct cgroup *group, enum cgroup_controller controller, const char *field, struct error *err)
{
	const struct cgroup_controller_info *info = &cgroup_controller_table[controller];
	const struct cgroup_entry *unified = cgroup_unified(group);
	cleanup_free char *keeper = NULL;
	bool only_v2 = unified && group->count == 1;
	const char *why;

	if (only_v2 && !info->name_v2)
		return error_set(err, -EOPNOTSUPP, "%s needs the %s controller, which cgroup v2 does not have", field,
			info->name_v1);
	keeper = unified ? who_keeps_it(unified, controller) : NULL;
	why = keeper ? keeper : reason(info->name_v1);
	return error_set(err, -EOPNOTSUPP, "%s needs the %s controller, which this host's cgroups do not have: %s",
		field, only_v2 ? info->name_v2 : info->name_v1, why);
}

/* user_namespaces(7): the initial namespace maps all ids to themselves. */
bool cgroup_caller_is_rootless(void)
{
	cleanup_strbuf struct strbuf map = STRBUF_INIT;
	unsigned long inside, outside, count;

	if (geteuid() != 0)
		return true;
	if (file_read(AT_FDCWD, "/proc/self/uid_map", 65536, &map) < 0)
		return false;
	return sscanf(map.data, "%lu %lu %lu", &inside, &outside, &count) == 3 && count != 4294967295UL;
}
