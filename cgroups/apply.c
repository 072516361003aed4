/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"

const struct cgroup_entry *cgroup_need(
	const struct cgroup *group, enum cgroup_controller controller, const char *field, struct error *err)
{
	const struct cgroup_entry *entry = cgroup_find(group, controller);

	if (!entry)
		(void)cgroup_missing(group, controller, field, err);
	return entry;
}

/* Every field that limits something: what controller it takes, and whether it is there. 0 leaves most things alone, as
 * in runc. */
struct limit {
	const char *field;
	enum cgroup_controller controller;
	bool asked;
};

enum { LIMITS_MAX = 32 };

static bool nonzero(const struct oci_i64 *number)
{
	return number->set && number->value != 0;
}

static bool some(const struct oci_u64 *number)
{
	return number->set && number->value != 0;
}

static size_t list_limits(const struct oci_resources *r, struct limit limits[LIMITS_MAX])
{
	const struct oci_block_io *io = &r->block_io;
	const struct limit all[] = {
		{ "linux.resources.memory.limit", CGROUP_MEMORY, nonzero(&r->memory.limit) },
		{ "linux.resources.memory.reservation", CGROUP_MEMORY, nonzero(&r->memory.reservation) },
		{ "linux.resources.memory.swap", CGROUP_MEMORY, nonzero(&r->memory.swap) },
		{ "linux.resources.memory.kernelTCP", CGROUP_MEMORY, nonzero(&r->memory.kernel_tcp) },
		{ "linux.resources.memory.swappiness", CGROUP_MEMORY, r->memory.swappiness.set },
		{ "linux.resources.memory.disableOOMKiller", CGROUP_MEMORY, r->memory.disable_oom_killer },
		{ "linux.resources.cpu.shares", CGROUP_CPU, some(&r->cpu.shares) },
		{ "linux.resources.cpu.quota", CGROUP_CPU, nonzero(&r->cpu.quota) },
		{ "linux.resources.cpu.period", CGROUP_CPU, some(&r->cpu.period) },
		{ "linux.resources.cpu.burst", CGROUP_CPU, r->cpu.burst.set },
		{ "linux.resources.cpu.realtimeRuntime", CGROUP_CPU, nonzero(&r->cpu.realtime_runtime) },
		{ "linux.resources.cpu.realtimePeriod", CGROUP_CPU, some(&r->cpu.realtime_period) },
		{ "linux.resources.cpu.idle", CGROUP_CPU, r->cpu.idle.set },
		{ "linux.resources.cpu.cpus", CGROUP_CPUSET, r->cpu.cpus && *r->cpu.cpus },
		{ "linux.resources.cpu.mems", CGROUP_CPUSET, r->cpu.mems && *r->cpu.mems },
		{ "linux.resources.pids.limit", CGROUP_PIDS, r->pids_limit.set },
		{ "linux.resources.blockIO.weight", CGROUP_IO, some(&io->weight) },
		{ "linux.resources.blockIO.leafWeight", CGROUP_IO, some(&io->leaf_weight) },
		{ "linux.resources.blockIO.weightDevice", CGROUP_IO, io->weight_device_count > 0 },
		{ "linux.resources.blockIO.throttleReadBpsDevice", CGROUP_IO, io->read_bytes.count > 0 },
		{ "linux.resources.blockIO.throttleWriteBpsDevice", CGROUP_IO, io->write_bytes.count > 0 },
		{ "linux.resources.blockIO.throttleReadIOPSDevice", CGROUP_IO, io->read_operations.count > 0 },
		{ "linux.resources.blockIO.throttleWriteIOPSDevice", CGROUP_IO, io->write_operations.count > 0 },
		{ "linux.resources.hugepageLimits", CGROUP_HUGETLB, r->hugepage_limit_count > 0 },
		{ "linux.resources.network.classID", CGROUP_NET_CLS, some(&r->network_class_id) },
		{ "linux.resources.network.priorities", CGROUP_NET_PRIO, r->network_priority_count > 0 },
		{ "linux.resources.rdma", CGROUP_RDMA, r->rdma_limit_count > 0 },
	};
	size_t count = 0;

	_Static_assert(ARRAY_SIZE(all) <= LIMITS_MAX, "room for every limit");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i].asked)
			limits[count++] = all[i];
	}
	return count;
}

const char *cgroup_first_limit(const struct oci_resources *resources)
{
	struct limit limits[LIMITS_MAX];

	if (list_limits(resources, limits) > 0)
		return limits[0].field;
	return resources->unified_count > 0 ? "linux.resources.unified" : NULL;
}

uint32_t cgroup_controllers_needed(const struct oci_resources *resources)
{
	struct limit limits[LIMITS_MAX];
	size_t count = list_limits(resources, limits);
	uint32_t needed = 0;

	for (size_t i = 0; i < count; i++)
		needed |= CGROUP_BIT(limits[i].controller);
	/* "memory.high" is a file of the controller "memory". */
	for (size_t i = 0; i < resources->unified_count; i++) {
		cleanup_free char *name = xstrndup(resources->unified[i].key, strcspn(resources->unified[i].key, "."));

		needed |= cgroup_controllers_of(name, true);
	}
	return needed;
}

/* Everything that is asked must have its controller, before anything is set. */
static int check_controllers(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	struct limit limits[LIMITS_MAX];
	size_t count = list_limits(resources, limits);

	for (size_t i = 0; i < count; i++) {
		if (!cgroup_need(group, limits[i].controller, limits[i].field, err))
			return -EOPNOTSUPP;
	}
	if (resources->unified_count > 0 && !cgroup_unified(group))
		return error_set(
			err, -EOPNOTSUPP, "linux.resources.unified needs cgroup v2, which this host does not have");
	return 0;
}

/* An update may ask for a controller that nobody needed when the container was made. */
static int enable_missing(struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	uint32_t needed = cgroup_controllers_needed(resources);

	for (size_t i = 0; i < group->count; i++)
		needed &= ~group->entries[i].controllers;
	for (size_t i = 0; i < group->count && needed; i++) {
		if (group->entries[i].unified)
			return cgroup_v2_enable(&group->entries[i], needed, true, err);
	}
	return 0;
}

/* The rdma controller has the same file on v1 and v2. */
static int apply_rdma(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *entry = cgroup_find(group, CGROUP_RDMA);

	for (size_t i = 0; entry && i < resources->rdma_limit_count; i++) {
		const struct oci_rdma_limit *limit = &resources->rdma_limits[i];
		cleanup_strbuf struct strbuf text = STRBUF_INIT;
		int result;

		strbuf_string(&text, limit->device);
		if (limit->handles.set)
			strbuf_printf(&text, " hca_handle=%" PRIu64, limit->handles.value);
		if (limit->objects.set)
			strbuf_printf(&text, " hca_object=%" PRIu64, limit->objects.value);
		result = cgroup_write(entry, "rdma.max", text.data, "linux.resources.rdma", err);
		if (result < 0)
			return result;
	}
	return 0;
}

int cgroup_apply(struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	int result = cgroup_apply_files(group, resources, err);

	return result == 0 && group->unit ? systemd_update(group, err) : result;
}

int cgroup_apply_files(struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const char *limit = cgroup_first_limit(resources);
	int result;

	if (nonzero(&resources->memory.kernel))
		log_warning("linux.resources.memory.kernel is ignored: kernels no longer have this limit");
	if (!limit)
		return 0;
	if (group->count == 0)
		return error_set(err, -EOPNOTSUPP, "%s cannot be set: the container has no cgroup of its own", limit);
	result = enable_missing(group, resources, err);
	if (result == 0)
		result = check_controllers(group, resources, err);
	if (result == 0)
		result = cgroup_v1_apply(group, resources, err);
	if (result == 0)
		result = cgroup_v2_apply(group, resources, err);
	if (result == 0)
		result = apply_rdma(group, resources, err);
	return result;
}
