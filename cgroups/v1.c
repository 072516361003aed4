/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on v1 hierarchies (Linux Documentation/admin-guide/cgroup-v1). Each function sets what its controller is asked
 * for and does nothing when that controller is not on v1 here.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { SHARES_MIN = 2, SHARES_MAX = 262144 };

static const struct cgroup_entry *v1_entry(const struct cgroup *group, enum cgroup_controller controller)
{
	const struct cgroup_entry *entry = cgroup_find(group, controller);

	return entry && !entry->unified ? entry : NULL;
}

static int write_signed(
	const struct cgroup_entry *entry, const char *file, int64_t value, const char *field, struct error *err)
{
	return cgroup_write(entry, file, cgroup_number(value, false).text, field, err);
}

static int write_unsigned(
	const struct cgroup_entry *entry, const char *file, uint64_t value, const char *field, struct error *err)
{
	cleanup_free char *text = xprintf("%" PRIu64, value);

	return cgroup_write(entry, file, text, field, err);
}

static bool asked(const struct oci_i64 *number)
{
	return number->set && number->value != 0;
}

/* The kernel answers EBUSY when what is in use cannot be brought below the limit. */
static int write_memory_limit(const struct cgroup_entry *entry, int64_t limit, struct error *err)
{
	int result = write_signed(entry, "memory.limit_in_bytes", limit, "linux.resources.memory.limit", err);

	if (result == -EBUSY)
		return error_set(err, -EBUSY,
			"linux.resources.memory.limit: %" PRId64 " bytes are less than the %" PRIu64 " in use", limit,
			cgroup_read_number(entry, "memory.usage_in_bytes"));
	return result;
}

static int write_swap_limit(const struct cgroup_entry *entry, int64_t swap, struct error *err)
{
	if (swap < 0 && !cgroup_has_file(entry, "memory.memsw.limit_in_bytes"))
		return 0; /* no accounting of swap, no limit: as asked */
	return write_signed(entry, "memory.memsw.limit_in_bytes", swap, "linux.resources.memory.swap", err);
}

/* memory must stay at or below memory plus swap at every moment: which comes first depends on where they are now. */
static int apply_memory_limits(const struct cgroup_entry *entry, const struct oci_memory *memory, struct error *err)
{
	bool set_limit = asked(&memory->limit), set_swap = asked(&memory->swap);
	int64_t swap = memory->swap.value;
	int result = 0;

	/* No limit on memory alone would be held up by the limit on memory plus swap. */
	if (set_limit && memory->limit.value < 0 && !set_swap) {
		set_swap = true;
		swap = -1;
	}
	if (set_limit && set_swap && swap >= 0 && (memory->limit.value < 0 || swap < memory->limit.value))
		return error_set(
			err, -EINVAL, "linux.resources.memory.swap: memory plus swap is less than memory.limit");
	if (set_limit)
		result = write_memory_limit(entry, memory->limit.value, err);
	if (result == -EINVAL && set_swap) {
		result = write_swap_limit(entry, swap, err);
		return result < 0 ? result : write_memory_limit(entry, memory->limit.value, err);
	}
	return result == 0 && set_swap ? write_swap_limit(entry, swap, err) : result;
}

static int apply_memory(const struct cgroup *group, const struct oci_memory *memory, struct error *err)
{
	const struct cgroup_entry *entry = v1_entry(group, CGROUP_MEMORY);
	int result;

	if (!entry)
		return 0;
	result = apply_memory_limits(entry, memory, err);
	if (result == 0 && asked(&memory->reservation))
		result = write_signed(entry, "memory.soft_limit_in_bytes", memory->reservation.value,
			"linux.resources.memory.reservation", err);
	if (result == 0 && asked(&memory->kernel_tcp))
		result = write_signed(entry, "memory.kmem.tcp.limit_in_bytes", memory->kernel_tcp.value,
			"linux.resources.memory.kernelTCP", err);
	if (result == 0 && memory->swappiness.set)
		result = write_unsigned(
			entry, "memory.swappiness", memory->swappiness.value, "linux.resources.memory.swappiness", err);
	if (result == 0 && memory->disable_oom_killer)
		result = cgroup_write(entry, "memory.oom_control", "1", "linux.resources.memory.disableOOMKiller", err);
	return result;
}

/* Period, quota and burst bound each other and the parent's: what is refused first is tried again once the others are
 * set. */
static int apply_bandwidth(const struct cgroup_entry *entry, const struct oci_cpu *cpu, struct error *err)
{
	struct {
		const char *file, *field;
		bool set, done;
		char text[24];
	} values[] = {
		{ .file = "cpu.cfs_period_us",
			.field = "linux.resources.cpu.period",
			.set = cpu->period.set && cpu->period.value },
		{ .file = "cpu.cfs_quota_us", .field = "linux.resources.cpu.quota", .set = asked(&cpu->quota) },
		{ .file = "cpu.cfs_burst_us", .field = "linux.resources.cpu.burst", .set = cpu->burst.set },
	};
	int result = 0;

	(void)snprintf(values[0].text, sizeof(values[0].text), "%" PRIu64, cpu->period.value);
	(void)snprintf(values[1].text, sizeof(values[1].text), "%s", cgroup_number(cpu->quota.value, false).text);
	(void)snprintf(values[2].text, sizeof(values[2].text), "%" PRIu64, cpu->burst.value);
	for (size_t attempt = 0; attempt < ARRAY_SIZE(values); attempt++) {
		result = 0;
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			int written;

			if (!values[i].set || values[i].done)
				continue;
			written = cgroup_write(
				entry, values[i].file, values[i].text, values[i].field, result == 0 ? err : NULL);
			values[i].done = written == 0;
			result = result == 0 ? written : result;
		}
		if (result != -EINVAL)
			break;
	}
	return result;
}

static int apply_cpu(const struct cgroup *group, const struct oci_cpu *cpu, struct error *err)
{
	const struct cgroup_entry *entry = v1_entry(group, CGROUP_CPU);
	int result = 0;

	if (!entry)
		return 0;
	if (cpu->shares.set && cpu->shares.value) {
		/* The kernel brings others into its range without a word. */
		if (cpu->shares.value < SHARES_MIN || cpu->shares.value > SHARES_MAX)
			return error_set(err, -EINVAL,
				"linux.resources.cpu.shares: %" PRIu64 " is not between %d and %d", cpu->shares.value,
				SHARES_MIN, SHARES_MAX);
		result = write_unsigned(entry, "cpu.shares", cpu->shares.value, "linux.resources.cpu.shares", err);
	}
	if (result == 0)
		result = apply_bandwidth(entry, cpu, err);
	if (result == 0 && cpu->realtime_period.set && cpu->realtime_period.value)
		result = write_unsigned(entry, "cpu.rt_period_us", cpu->realtime_period.value,
			"linux.resources.cpu.realtimePeriod", err);
	if (result == 0 && asked(&cpu->realtime_runtime))
		result = write_signed(entry, "cpu.rt_runtime_us", cpu->realtime_runtime.value,
			"linux.resources.cpu.realtimeRuntime", err);
	if (result == 0 && cpu->idle.set)
		result = write_signed(entry, "cpu.idle", cpu->idle.value, "linux.resources.cpu.idle", err);
	return result;
}

static int apply_cpuset(const struct cgroup *group, const struct oci_cpu *cpu, struct error *err)
{
	const struct cgroup_entry *entry = v1_entry(group, CGROUP_CPUSET);
	int result = 0;

	if (!entry)
		return 0;
	if (cpu->cpus && *cpu->cpus)
		result = cgroup_write(entry, "cpuset.cpus", cpu->cpus, "linux.resources.cpu.cpus", err);
	if (result == 0 && cpu->mems && *cpu->mems)
		result = cgroup_write(entry, "cpuset.mems", cpu->mems, "linux.resources.cpu.mems", err);
	return result;
}

static int copy_from_parent(int parent, int child, const char *file)
{
	cleanup_strbuf struct strbuf here = STRBUF_INIT, above = STRBUF_INIT;
	int result = file_read(child, file, CGROUP_FILE_BYTES_MAX, &here);

	if (result < 0 || (here.length > 0 && here.data[0] != '\n'))
		return result;
	result = file_read(parent, file, CGROUP_FILE_BYTES_MAX, &above);
	return result < 0 ? result : file_write(child, file, above.data);
}

int cgroup_v1_prepare_cpuset(const struct cgroup_entry *entry, struct error *err)
{
	cleanup_fd int parent = open(entry->mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *part = entry->path + 1;
	int result = parent < 0 ? -errno : 0;

	while (result == 0 && *part) {
		size_t length = strcspn(part, "/");
		cleanup_free char *name = xstrndup(part, length);
		int child = openat(parent, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (child < 0)
			result = -errno;
		if (result == 0)
			result = copy_from_parent(parent, child, "cpuset.cpus");
		if (result == 0)
			result = copy_from_parent(parent, child, "cpuset.mems");
		close_fd(&parent);
		parent = child;
		part += length + (part[length] == '/');
	}
	if (result < 0)
		return error_set(
			err, -result, "giving the cgroup %s its parent's CPUs and memory nodes", entry->directory);
	return 0;
}

/* blkio.weight was the CFQ scheduler's; BFQ has files of its own. */
static const char *either_file(const struct cgroup_entry *entry, const char *file, const char *other)
{
	return cgroup_has_file(entry, file) ? file : other;
}

static int apply_weights(const struct cgroup_entry *entry, const struct oci_block_io *io, struct error *err)
{
	const char *device_file = either_file(entry, "blkio.weight_device", "blkio.bfq.weight_device");
	int result = 0;

	if (io->weight.set && io->weight.value)
		result = write_unsigned(entry, either_file(entry, "blkio.weight", "blkio.bfq.weight"), io->weight.value,
			"linux.resources.blockIO.weight", err);
	if (result == 0 && io->leaf_weight.set && io->leaf_weight.value)
		result = write_unsigned(
			entry, "blkio.leaf_weight", io->leaf_weight.value, "linux.resources.blockIO.leafWeight", err);
	for (size_t i = 0; i < io->weight_device_count && result == 0; i++) {
		const struct oci_block_device_weight *device = &io->weight_devices[i];
		cleanup_free char *weight =
			xprintf("%u:%u %" PRIu64, device->major, device->minor, device->weight.value);
		cleanup_free char *leaf =
			xprintf("%u:%u %" PRIu64, device->major, device->minor, device->leaf_weight.value);

		if (device->weight.set)
			result = cgroup_write(entry, device_file, weight, "linux.resources.blockIO.weightDevice", err);
		if (result == 0 && device->leaf_weight.set)
			result = cgroup_write(
				entry, "blkio.leaf_weight_device", leaf, "linux.resources.blockIO.weightDevice", err);
	}
	return result;
}

static int apply_rates(const struct cgroup_entry *entry, const struct oci_block_device_rates *rates, const char *file,
	const char *field, struct error *err)
{
	for (size_t i = 0; i < rates->count; i++) {
		const struct oci_block_device_rate *rate = &rates->entries[i];
		cleanup_free char *text = xprintf("%u:%u %" PRIu64, rate->major, rate->minor, rate->rate);
		int result = cgroup_write(entry, file, text, field, err);

		if (result < 0)
			return result;
	}
	return 0;
}

static int apply_io(const struct cgroup *group, const struct oci_block_io *io, struct error *err)
{
	const struct cgroup_entry *entry = v1_entry(group, CGROUP_IO);
	int result;

	if (!entry)
		return 0;
	result = apply_weights(entry, io, err);
	if (result == 0)
		result = apply_rates(entry, &io->read_bytes, "blkio.throttle.read_bps_device",
			"linux.resources.blockIO.throttleReadBpsDevice", err);
	if (result == 0)
		result = apply_rates(entry, &io->write_bytes, "blkio.throttle.write_bps_device",
			"linux.resources.blockIO.throttleWriteBpsDevice", err);
	if (result == 0)
		result = apply_rates(entry, &io->read_operations, "blkio.throttle.read_iops_device",
			"linux.resources.blockIO.throttleReadIOPSDevice", err);
	if (result == 0)
		result = apply_rates(entry, &io->write_operations, "blkio.throttle.write_iops_device",
			"linux.resources.blockIO.throttleWriteIOPSDevice", err);
	return result;
}

static int apply_hugepages(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *entry = v1_entry(group, CGROUP_HUGETLB);

	for (size_t i = 0; entry && i < resources->hugepage_limit_count; i++) {
		const struct oci_hugepage_limit *limit = &resources->hugepage_limits[i];
		cleanup_free char *file = xprintf("hugetlb.%s.limit_in_bytes", limit->page_size);
		cleanup_free char *reserved = xprintf("hugetlb.%s.rsvd.limit_in_bytes", limit->page_size);
		int result = write_unsigned(entry, file, limit->limit_bytes, "linux.resources.hugepageLimits", err);

		if (result == 0 && cgroup_has_file(entry, reserved))
			result = write_unsigned(
				entry, reserved, limit->limit_bytes, "linux.resources.hugepageLimits", err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int apply_network(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *classes = v1_entry(group, CGROUP_NET_CLS),
				  *priorities = v1_entry(group, CGROUP_NET_PRIO);
	int result = 0;

	if (classes && resources->network_class_id.set && resources->network_class_id.value)
		result = write_unsigned(classes, "net_cls.classid", resources->network_class_id.value,
			"linux.resources.network.classID", err);
	for (size_t i = 0; priorities && result == 0 && i < resources->network_priority_count; i++) {
		cleanup_free char *text = xprintf(
			"%s %u", resources->network_priorities[i].name, resources->network_priorities[i].priority);

		result =
			cgroup_write(priorities, "net_prio.ifpriomap", text, "linux.resources.network.priorities", err);
	}
	return result;
}

int cgroup_v1_apply(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *pids = v1_entry(group, CGROUP_PIDS);
	int result = apply_memory(group, &resources->memory, err);

	if (result == 0)
		result = apply_cpu(group, &resources->cpu, err);
	if (result == 0)
		result = apply_cpuset(group, &resources->cpu, err);
	if (result == 0 && pids && resources->pids_limit.set)
		result = cgroup_write(pids, "pids.max", cgroup_pids_limit(resources->pids_limit.value).text,
			"linux.resources.pids.limit", err);
	if (result == 0)
		result = apply_io(group, &resources->block_io, err);
	if (result == 0)
		result = apply_hugepages(group, resources, err);
	if (result == 0)
		result = apply_network(group, resources, err);
	return result;
}
