/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on v2 (Linux Documentation/admin-guide/cgroup-v2.rst). config.json speaks v1: where v2 has another measure, it
 * is converted as runc and crun do; where v2 has nothing of the kind, the field is refused.
 */
#include "cgroups/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

enum { SHARES_MIN = 2, SHARES_MAX = 262144 };

static bool asked(const struct oci_i64 *number)
{
	return number->set && number->value != 0;
}

/* The v2 group when the controller works there. */
static const struct cgroup_entry *v2_entry(const struct cgroup *group, enum cgroup_controller controller)
{
	const struct cgroup_entry *entry = cgroup_find(group, controller);

	return entry && entry->unified ? entry : NULL;
}

static int refuse(const char *field, struct error *err)
{
	return error_set(err, -EOPNOTSUPP, "%s cannot be set: cgroup v2 has nothing of the kind", field);
}

/* config.json gives memory plus swap, v2 wants swap alone. -1 unlimited, 0 leave alone unless *set. */
static int swap_alone(const struct oci_memory *memory, bool *set, int64_t *swap, struct error *err)
{
	int64_t limit = memory->limit.set ? memory->limit.value : 0;

	*set = asked(&memory->swap) || limit < 0;
	*swap = asked(&memory->swap) ? memory->swap.value : -1;
	if (!*set || *swap < 0 || limit < 0)
		return 0;
	if (limit == 0)
		return error_set(
			err, -EINVAL, "linux.resources.memory.swap: memory plus swap needs memory.limit beside it");
	if (*swap < limit)
		return error_set(
			err, -EINVAL, "linux.resources.memory.swap: memory plus swap is less than memory.limit");
	*swap -= limit;
	return 0;
}

/* checkBeforeUpdate: v2 would rather kill than refuse a limit below what is in use. */
static int check_usage(const struct cgroup_entry *entry, const struct oci_memory *memory, struct error *err)
{
	uint64_t usage = cgroup_read_number(entry, "memory.current");

	if (!memory->check_before_update || usage == CGROUP_UNKNOWN)
		return 0;
	if (memory->limit.set && memory->limit.value > 0 && (uint64_t)memory->limit.value <= usage)
		return error_set(err, -EBUSY,
			"linux.resources.memory.limit: %" PRId64 " bytes are less than the %" PRIu64 " in use",
			memory->limit.value, usage);
	if (memory->swap.set && memory->swap.value > 0 && (uint64_t)memory->swap.value <= usage)
		return error_set(err, -EBUSY,
			"linux.resources.memory.swap: %" PRId64 " bytes are less than the %" PRIu64 " in use",
			memory->swap.value, usage);
	return 0;
}

static int write_swap(const struct cgroup_entry *entry, int64_t swap, struct error *err)
{
	int result = cgroup_try_write(entry, "memory.swap.max", cgroup_number(swap, true).text);

	/* Without accounting "no limit" holds anyway; without swap in the kernel every limit does. */
	if (result == -ENOENT && (swap < 0 || faccessat(AT_FDCWD, "/proc/swaps", F_OK, 0) < 0))
		return 0;
	if (result < 0)
		return cgroup_write_failed(entry, "memory.swap.max", cgroup_number(swap, true).text,
			"linux.resources.memory.swap", result, err);
	return 0;
}

static int apply_memory(const struct cgroup *group, const struct oci_memory *memory, struct error *err)
{
	const struct cgroup_entry *entry = v2_entry(group, CGROUP_MEMORY);
	bool set_swap;
	int64_t swap;
	int result;

	if (!entry)
		return 0;
	if (asked(&memory->kernel_tcp))
		return refuse("linux.resources.memory.kernelTCP", err);
	if (memory->swappiness.set)
		return refuse("linux.resources.memory.swappiness", err);
	if (memory->disable_oom_killer)
		return refuse("linux.resources.memory.disableOOMKiller", err);
	result = check_usage(entry, memory, err);
	if (result == 0)
		result = swap_alone(memory, &set_swap, &swap, err);
	if (result == 0 && set_swap)
		result = write_swap(entry, swap, err);
	if (result == 0 && asked(&memory->limit))
		result = cgroup_write(entry, "memory.max", cgroup_number(memory->limit.value, true).text,
			"linux.resources.memory.limit", err);
	if (result == 0 && asked(&memory->reservation))
		result = cgroup_write(entry, "memory.low", cgroup_number(memory->reservation.value, true).text,
			"linux.resources.memory.reservation", err);
	return result;
}

/* cpu.max is "QUOTA PERIOD": what is not asked stays as it is. */
static int apply_bandwidth(const struct cgroup_entry *entry, const struct oci_cpu *cpu, struct error *err)
{
	bool set_quota = asked(&cpu->quota), set_period = cpu->period.set && cpu->period.value;
	cleanup_strbuf struct strbuf now = STRBUF_INIT;
	cleanup_free char *value = NULL;
	const char *quota;
	int result;

	if (!set_quota && !set_period)
		return 0;
	result = cgroup_read(entry, "cpu.max", &now);
	if (result < 0)
		return error_set(err, -result, "linux.resources.cpu.quota: reading %s/cpu.max", entry->directory);
	now.data[strcspn(now.data, " \n")] = '\0';
	struct cgroup_number number = cgroup_number(cpu->quota.value, true);

	quota = set_quota ? number.text : now.data;
	value = set_period ? xprintf("%s %" PRIu64, quota, cpu->period.value) : xstrdup(quota);
	return cgroup_write(
		entry, "cpu.max", value, set_quota ? "linux.resources.cpu.quota" : "linux.resources.cpu.period", err);
}

/* A burst above the quota is refused, whichever of the two is the old one. */
static int apply_burst(const struct cgroup_entry *entry, const struct oci_cpu *cpu, struct error *err)
{
	cleanup_free char *burst = xprintf("%" PRIu64, cpu->burst.value);
	bool early = cpu->burst.set && cgroup_try_write(entry, "cpu.max.burst", burst) == 0;
	int result = apply_bandwidth(entry, cpu, err);

	if (result < 0 || !cpu->burst.set || early)
		return result;
	return cgroup_write(entry, "cpu.max.burst", burst, "linux.resources.cpu.burst", err);
}

static int apply_cpu(const struct cgroup *group, const struct oci_cpu *cpu, struct error *err)
{
	const struct cgroup_entry *entry = v2_entry(group, CGROUP_CPU);
	int result = 0;

	if (!entry)
		return 0;
	if (asked(&cpu->realtime_runtime))
		return refuse("linux.resources.cpu.realtimeRuntime", err);
	if (cpu->realtime_period.set && cpu->realtime_period.value)
		return refuse("linux.resources.cpu.realtimePeriod", err);
	if (cpu->shares.set && cpu->shares.value) {
		cleanup_free char *weight = xprintf("%" PRIu64, cgroup_weight_of_shares(cpu->shares.value));

		if (cpu->shares.value < SHARES_MIN || cpu->shares.value > SHARES_MAX)
			return error_set(err, -EINVAL,
				"linux.resources.cpu.shares: %" PRIu64 " is not between %d and %d", cpu->shares.value,
				SHARES_MIN, SHARES_MAX);
		result = cgroup_write(entry, "cpu.weight", weight, "linux.resources.cpu.shares", err);
	}
	if (result == 0)
		result = apply_burst(entry, cpu, err);
	if (result == 0 && cpu->idle.set)
		result = cgroup_write(entry, "cpu.idle", cpu->idle.value ? "1" : "0", "linux.resources.cpu.idle", err);
	return result;
}

/* v2 takes a list that the parent cannot grant and lets the group use the parent's: that would be no limit. */
static int write_set(
	const struct cgroup_entry *entry, const char *file, const char *list, const char *field, struct error *err)
{
	cleanup_free char *effective_file = xprintf("%s.effective", file);
	cleanup_strbuf struct strbuf effective = STRBUF_INIT;
	int result = cgroup_write(entry, file, list, field, err);

	if (result < 0)
		return result;
	result = cgroup_read(entry, effective_file, &effective);
	if (result < 0 || !effective.data)
		return error_set(err, -result, "%s: reading %s/%s", field, entry->directory, effective_file);
	if (cgroup_list_within(effective.data, list))
		return 0;
	return error_set(err, -EINVAL, "%s: of \"%s\" nothing is available to %s, which would use \"%.*s\"", field,
		list, entry->directory, (int)strcspn(effective.data, "\n"), effective.data);
}

static int apply_cpuset(const struct cgroup *group, const struct oci_cpu *cpu, struct error *err)
{
	const struct cgroup_entry *entry = v2_entry(group, CGROUP_CPUSET);
	int result = 0;

	if (!entry)
		return 0;
	if (cpu->cpus && *cpu->cpus)
		result = write_set(entry, "cpuset.cpus", cpu->cpus, "linux.resources.cpu.cpus", err);
	if (result == 0 && cpu->mems && *cpu->mems)
		result = write_set(entry, "cpuset.mems", cpu->mems, "linux.resources.cpu.mems", err);
	return result;
}

/* BFQ keeps v1's scale in a file of its own; io.weight is the cost model's, with v2's scale. */
static int apply_weights(const struct cgroup_entry *entry, const struct oci_block_io *io, struct error *err)
{
	bool bfq = cgroup_has_file(entry, "io.bfq.weight");
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	int result = 0;

	if (io->leaf_weight.set && io->leaf_weight.value)
		return refuse("linux.resources.blockIO.leafWeight", err);
	if (io->weight.set && io->weight.value) {
		cleanup_free char *text =
			xprintf("%" PRIu64, bfq ? io->weight.value : cgroup_weight_of_blkio(io->weight.value));

		result = cgroup_write(entry, file, text, "linux.resources.blockIO.weight", err);
	}
	for (size_t i = 0; i < io->weight_device_count && result == 0; i++) {
		const struct oci_block_device_weight *device = &io->weight_devices[i];
		uint64_t weight = bfq ? device->weight.value : cgroup_weight_of_blkio(device->weight.value);
		cleanup_free char *text = xprintf("%u:%u %" PRIu64, device->major, device->minor, weight);

		if (device->leaf_weight.set && device->leaf_weight.value)
			return refuse("linux.resources.blockIO.weightDevice[].leafWeight", err);
		if (device->weight.set)
			result = cgroup_write(entry, file, text, "linux.resources.blockIO.weightDevice", err);
	}
	return result;
}

static int apply_rates(const struct cgroup_entry *entry, const struct oci_block_device_rates *rates, const char *key,
	const char *field, struct error *err)
{
	for (size_t i = 0; i < rates->count; i++) {
		const struct oci_block_device_rate *rate = &rates->entries[i];
		cleanup_free char *text =
			rate->rate ? xprintf("%u:%u %s=%" PRIu64, rate->major, rate->minor, key, rate->rate)
				   : xprintf("%u:%u %s=max", rate->major, rate->minor, key);
		int result = cgroup_write(entry, "io.max", text, field, err);

		if (result < 0)
			return result;
	}
	return 0;
}

static int apply_io(const struct cgroup *group, const struct oci_block_io *io, struct error *err)
{
	const struct cgroup_entry *entry = v2_entry(group, CGROUP_IO);
	int result;

	if (!entry)
		return 0;
	result = apply_weights(entry, io, err);
	if (result == 0)
		result = apply_rates(
			entry, &io->read_bytes, "rbps", "linux.resources.blockIO.throttleReadBpsDevice", err);
	if (result == 0)
		result = apply_rates(
			entry, &io->write_bytes, "wbps", "linux.resources.blockIO.throttleWriteBpsDevice", err);
	if (result == 0)
		result = apply_rates(
			entry, &io->read_operations, "riops", "linux.resources.blockIO.throttleReadIOPSDevice", err);
	if (result == 0)
		result = apply_rates(
			entry, &io->write_operations, "wiops", "linux.resources.blockIO.throttleWriteIOPSDevice", err);
	return result;
}

static int apply_hugepages(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *entry = v2_entry(group, CGROUP_HUGETLB);

	for (size_t i = 0; entry && i < resources->hugepage_limit_count; i++) {
		const struct oci_hugepage_limit *limit = &resources->hugepage_limits[i];
		cleanup_free char *file = xprintf("hugetlb.%s.max", limit->page_size);
		cleanup_free char *reserved = xprintf("hugetlb.%s.rsvd.max", limit->page_size);
		cleanup_free char *text = xprintf("%" PRIu64, limit->limit_bytes);
		int result = cgroup_write(entry, file, text, "linux.resources.hugepageLimits", err);

		if (result == 0 && cgroup_has_file(entry, reserved))
			result = cgroup_write(entry, reserved, text, "linux.resources.hugepageLimits", err);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Files by name. A value of several lines is written line by line, as io.max and the like want it. */
static int apply_unified(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *entry = cgroup_unified(group);

	for (size_t i = 0; entry && i < resources->unified_count; i++) {
		const char *key = resources->unified[i].key;
		cleanup_free char *field = xprintf("linux.resources.unified[\"%s\"]", key), *lines = NULL;
		uint32_t controller;
		char *position = NULL;
		cleanup_free char *name = xstrndup(key, strcspn(key, "."));

		if (strchr(key, '/') || !strchr(key, '.'))
			return error_set(err, -EINVAL, "%s is not the name of a cgroup v2 file", field);
		controller = cgroup_controllers_of(name, true);
		if (controller && !(entry->controllers & controller))
			return cgroup_missing(group, (enum cgroup_controller)__builtin_ctz(controller), field, err);
		lines = xstrdup(resources->unified[i].value);
		for (char *line = strtok_r(lines, "\n", &position); line; line = strtok_r(NULL, "\n", &position)) {
			int result = cgroup_write(entry, key, line, field, err);

			if (result < 0)
				return result;
		}
	}
	return 0;
}

int cgroup_v2_apply(const struct cgroup *group, const struct oci_resources *resources, struct error *err)
{
	const struct cgroup_entry *pids = v2_entry(group, CGROUP_PIDS);
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
		result = apply_unified(group, resources, err);
	return result;
}
