/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/group.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysinfo.h>

#include "base/file.h"

/* A directory of the initial file system, which the container does not see. */
#define HIERARCHY_PATH "/cgroup"
/* What the kernel and this process need beside the workload; so that it is the workload's group that runs out of
 * memory. */
#define MEMORY_RESERVE_BYTES (4LL << 20)

/* The machine's memory is a limit too. */
static void limit_memory(struct oci_resources *resources)
{
	struct oci_i64 *limit = &resources->memory.limit;
	struct sysinfo machine;
	int64_t all;

	if (sysinfo(&machine) < 0)
		return;
	all = (int64_t)machine.totalram * machine.mem_unit - MEMORY_RESERVE_BYTES;
	if (!limit->set || limit->value <= 0 || limit->value > all)
		*limit = (struct oci_i64){ .set = true, .value = all };
}

static bool asks_for_limits(const struct oci_resources *resources)
{
	return resources->pids_limit.set || resources->device_rule_count || resources->memory.limit.set ||
	       resources->memory.reservation.set;
}

struct group_basis {
	struct cgroup_host *host;
	struct cgroup_prepared_devices devices;
	int result; /* why there is no hierarchy */
	struct error error;
};

static int mount_hierarchy(struct group_basis *basis)
{
	/* nsdelegate: the container's own view of it does not let it change its limits. */
	if (mount("cgroup", HIERARCHY_PATH, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate") < 0)
		return error_set(&basis->error, errno, "linux.resources: mount cgroup2 in the guest");
	return cgroup_host_open(&basis->host, &basis->error);
}

static const struct cgroup_request container_group = {
	.manager = CGROUP_MANAGER_CGROUPFS,
	.path = "/container",
	.controllers = 1U << CGROUP_MEMORY | 1U << CGROUP_PIDS,
	/* They are the guest's own, and to check the program takes its kernel long where that is emulated. */
	.any_device = true,
};

void group_prepare(struct init *init)
{
	/* What runtimes begin with: all but the default devices is denied. */
	struct oci_device_rule none = {
		.allow = false, .type = 'a', .major = -1, .minor = -1, .access = OCI_DEVICE_ALL
	};
	const struct oci_resources usual = { .device_rules = &none, .device_rule_count = 1 };
	struct group_basis *basis = xcalloc(1, sizeof(*basis));
	cleanup_cgroup struct cgroup *group = NULL;

	basis->devices = (struct cgroup_prepared_devices)CGROUP_PREPARED_DEVICES_NONE;
	basis->result = mount_hierarchy(basis);
	init->basis = basis;
	if (basis->result < 0)
		return;
	/* Failures come again, where they are reported. */
	(void)cgroup_create(basis->host, &container_group, &group, NULL);
	(void)cgroup_prepare_devices(&usual, &basis->devices, NULL);
}

int group_create(
	struct init *init, struct oci_resources *resources, const struct namespaces_plan *maps, struct error *err)
{
	struct cgroup_request request = container_group;
	struct group_basis *basis = init->basis;

	if (!basis || (basis->result == -ENODEV && !asks_for_limits(resources)))
		return 0;
	if (basis->result < 0) {
		*err = basis->error;
		return basis->result;
	}
	limit_memory(resources);
	request.resources = resources;
	request.prepared = &basis->devices;
	request.delegate = maps->unshare & CLONE_NEWUSER;
	request.owner_uid = maps->uid_mapping_count ? maps->uid_mappings[0].host_id : 0;
	request.owner_gid = maps->gid_mapping_count ? maps->gid_mappings[0].host_id : 0;
	return cgroup_create(basis->host, &request, &init->group, err);
}

int group_update(struct init *init, struct oci_resources *resources, struct error *err)
{
	if (!init->group)
		return error_set(err, -EOPNOTSUPP, "the container has no cgroup in the guest, whose kernel has none");
	if (resources->memory.limit.set)
		limit_memory(resources);
	return cgroup_apply(init->group, resources, err);
}

int group_open(const struct init *init, const char *subgroup, struct error *err)
{
	struct cgroup_join join;
	int result;

	if (!init->group && subgroup)
		return error_set(err, -EOPNOTSUPP, "the container has no cgroup in the guest to have %s in", subgroup);
	if (!init->group)
		return -EBADF;
	result = cgroup_join_open(init->group, subgroup, true, &join, err);
	return result < 0 ? result : join.clone_into_fd;
}

int group_open_of(const struct init *init, pid_t pid, struct error *err)
{
	const struct cgroup_entry *unified = cgroup_unified(init->group);
	cleanup_strbuf struct strbuf groups = STRBUF_INIT;
	cleanup_free char *file = xprintf("/proc/%d/cgroup", (int)pid);
	int result = file_read(AT_FDCWD, file, 65536, &groups);
	size_t length = strlen(unified->path);
	char *path = result < 0 ? NULL : strstr(groups.data, "0::");

	if (!path || strncmp(path + strlen("0::"), unified->path, length) != 0)
		return error_set(err, -EBUSY, "the container's cgroup takes no process");
	path += strlen("0::") + length;
	path[strcspn(path, "\n")] = '\0';
	return group_open(init, *path ? path : NULL, err);
}
