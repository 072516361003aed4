/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/statistics.h"

#include <string.h>

#include "oci/json_write.h"

int container_statistics_read_host(
	const struct container *container, struct container_statistics *statistics, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	if (result == 0)
		result = cgroup_statistics(cgroup, &statistics->cgroup, err);
	if (result < 0)
		return result;
	statistics->details = xcalloc(1, sizeof(*statistics->details));
	cgroup_read_details(cgroup, statistics->details);
	return 0;
}

void container_statistics_free(struct container_statistics *statistics)
{
	if (statistics->details)
		cgroup_details_free(statistics->details);
	free(statistics->details);
	for (size_t i = 0; i < statistics->exit_count; i++)
		free(statistics->exits[i].reason);
	free(statistics->exits);
	*statistics = (struct container_statistics){ 0 };
}

static uint64_t count_of(const struct container_statistics *statistics, const char *reason)
{
	for (size_t i = 0; i < statistics->exit_count; i++) {
		if (strcmp(statistics->exits[i].reason, reason) == 0)
			return statistics->exits[i].count;
	}
	return 0;
}

void container_statistics_since(struct container_statistics *statistics, const struct container_statistics *earlier)
{
	double seconds = (double)(statistics->life_ms - earlier->life_ms) / 1000;

	if (statistics->life_ms <= earlier->life_ms)
		return;
	for (size_t i = 0; i < statistics->exit_count; i++) {
		struct exit_count *exit = &statistics->exits[i];
		uint64_t before = count_of(earlier, exit->reason);

		exit->per_second = exit->count > before ? (double)(exit->count - before) / seconds : 0;
	}
}

static void open_member(struct json_writer *writer, const char *key, char bracket)
{
	json_write_key(writer, key);
	json_write_open(writer, bracket);
}

/* "No limit" is the largest number, as runc has it on v2. */
static void number_member(struct json_writer *writer, const char *key, uint64_t value)
{
	if (value != CGROUP_UNKNOWN)
		json_write_u64_member(writer, key, value == CGROUP_UNLIMITED ? UINT64_MAX : value);
}

static void numbers_member(struct json_writer *writer, const char *key, const uint64_t *values, size_t count)
{
	if (!count)
		return;
	open_member(writer, key, '[');
	for (size_t i = 0; i < count; i++)
		json_write_u64(writer, values[i]);
	json_write_close(writer, ']');
}

static void write_pressure_line(struct json_writer *writer, const char *key, const struct cgroup_pressure_line *line)
{
	open_member(writer, key, '{');
	json_write_key(writer, "avg10");
	json_write_double(writer, line->average_10s, 2);
	json_write_key(writer, "avg60");
	json_write_double(writer, line->average_60s, 2);
	json_write_key(writer, "avg300");
	json_write_double(writer, line->average_300s, 2);
	json_write_u64_member(writer, "total", line->total_us);
	json_write_close(writer, '}');
}

static void write_pressure(struct json_writer *writer, const struct cgroup_pressure *pressure)
{
	if (!pressure->known)
		return;
	open_member(writer, "psi", '{');
	write_pressure_line(writer, "some", &pressure->some);
	write_pressure_line(writer, "full", &pressure->full);
	json_write_close(writer, '}');
}

static void write_cpu(
	struct json_writer *writer, const struct cgroup_statistics *cgroup, const struct cgroup_details *details)
{
	open_member(writer, "cpu", '{');
	open_member(writer, "usage", '{');
	number_member(writer, "total", cgroup->cpu_usage_ns);
	if (details) {
		numbers_member(writer, "percpu", details->cpu_usage_ns, details->cpu_count);
		numbers_member(writer, "percpu_kernel", details->cpu_system_ns, details->cpu_count);
		numbers_member(writer, "percpu_user", details->cpu_user_ns, details->cpu_count);
	}
	number_member(writer, "kernel", cgroup->cpu_system_ns);
	number_member(writer, "user", cgroup->cpu_user_ns);
	json_write_close(writer, '}');
	open_member(writer, "throttling", '{');
	number_member(writer, "periods", cgroup->cpu_periods);
	number_member(writer, "throttledPeriods", cgroup->cpu_throttled_periods);
	number_member(writer, "throttledTime", cgroup->cpu_throttled_ns);
	json_write_close(writer, '}');
	if (details)
		write_pressure(writer, &details->cpu_pressure);
	json_write_close(writer, '}');
}

/* A list of the kernel, "0-3,7", as an array of its members. */
static void list_member(struct json_writer *writer, const char *key, const char *list)
{
	if (!list)
		return;
	open_member(writer, key, '[');
	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (end == list)
			break;
		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		for (unsigned long number = first; number <= last && number <= UINT16_MAX; number++)
			json_write_u64(writer, number);
		list = *end == ',' ? end + 1 : "";
	}
	json_write_close(writer, ']');
}

static void write_cpuset(struct json_writer *writer, const struct cgroup_details *details)
{
	open_member(writer, "cpuset", '{');
	list_member(writer, "cpus", details->cpus);
	list_member(writer, "mems", details->mems);
	for (size_t i = 0; i < details->cpuset_flag_count; i++) {
		json_write_key(writer, details->cpuset_flags[i].name);
		json_write_i64(writer, details->cpuset_flags[i].value);
	}
	json_write_close(writer, '}');
}

static void usage_member(struct json_writer *writer, const char *key, const struct cgroup_usage *usage)
{
	open_member(writer, key, '{');
	number_member(writer, "limit", usage->limit_bytes);
	number_member(writer, "usage", usage->usage_bytes);
	number_member(writer, "max", usage->peak_bytes);
	number_member(writer, "failcnt", usage->failures);
	json_write_close(writer, '}');
}

static uint64_t cached_bytes(const struct cgroup_details *details)
{
	for (size_t i = 0; i < details->memory_stat_count; i++) {
		const char *name = details->memory_stat[i].name;

		if (strcmp(name, "cache") == 0 || strcmp(name, "file") == 0)
			return (uint64_t)details->memory_stat[i].value;
	}
	return CGROUP_UNKNOWN;
}

static void write_memory(
	struct json_writer *writer, const struct cgroup_statistics *cgroup, const struct cgroup_details *details)
{
	const struct cgroup_usage usage = { .usage_bytes = cgroup->memory_usage_bytes,
		.peak_bytes = cgroup->memory_peak_bytes,
		.limit_bytes = cgroup->memory_limit_bytes,
		.failures = cgroup->memory_failures };

	open_member(writer, "memory", '{');
	if (details)
		number_member(writer, "cache", cached_bytes(details));
	usage_member(writer, "usage", &usage);
	if (details) {
		usage_member(writer, "swap", &details->swap);
		usage_member(writer, "kernel", &details->kernel);
		usage_member(writer, "kernelTCP", &details->kernel_tcp);
		open_member(writer, "raw", '{');
		for (size_t i = 0; i < details->memory_stat_count; i++) {
			json_write_key(writer, details->memory_stat[i].name);
			json_write_u64(writer, (uint64_t)details->memory_stat[i].value);
		}
		json_write_close(writer, '}');
		write_pressure(writer, &details->memory_pressure);
	}
	json_write_close(writer, '}');
}

static void write_counts(struct json_writer *writer, const char *key, const struct cgroup_device_counts *counts)
{
	if (!counts->count)
		return;
	open_member(writer, key, '[');
	for (size_t i = 0; i < counts->count; i++) {
		json_write_open(writer, '{');
		json_write_u64_member(writer, "major", counts->entries[i].major);
		json_write_u64_member(writer, "minor", counts->entries[i].minor);
		json_write_string_member(writer, "op", counts->entries[i].operation);
		json_write_u64_member(writer, "value", counts->entries[i].value);
		json_write_close(writer, '}');
	}
	json_write_close(writer, ']');
}

static void write_hugetlb(struct json_writer *writer, const struct cgroup_details *details)
{
	open_member(writer, "hugetlb", '{');
	for (size_t i = 0; i < details->hugepage_count; i++) {
		struct cgroup_usage usage = details->hugepages[i].usage;

		usage.limit_bytes = CGROUP_UNKNOWN; /* runc's readers do not expect one here */
		usage_member(writer, details->hugepages[i].page_size, &usage);
	}
	json_write_close(writer, '}');
}

static void write_pids(struct json_writer *writer, const struct cgroup_statistics *cgroup)
{
	open_member(writer, "pids", '{');
	number_member(writer, "current", cgroup->pids_current);
	if (cgroup->pids_limit != CGROUP_UNLIMITED)
		number_member(writer, "limit", cgroup->pids_limit);
	json_write_close(writer, '}');
}

/* What the guest says of its memory, apart from what it was asked for and what came back. */
static void write_balloon(struct json_writer *writer, const struct balloon_state *balloon)
{
	static const char *const names[BALLOON_STATISTICS] = {
		[BALLOON_SWAPPED_IN] = "swappedIn",
		[BALLOON_SWAPPED_OUT] = "swappedOut",
		[BALLOON_MAJOR_FAULTS] = "majorFaults",
		[BALLOON_MINOR_FAULTS] = "minorFaults",
		[BALLOON_FREE] = "free",
		[BALLOON_TOTAL] = "total",
		[BALLOON_AVAILABLE] = "available",
		[BALLOON_CACHES] = "caches",
		[BALLOON_HUGE_PAGES_ALLOCATED] = "hugePagesAllocated",
		[BALLOON_HUGE_PAGES_FAILED] = "hugePagesFailed",
	};

	open_member(writer, "balloon", '{');
	json_write_u64_member(writer, "target", balloon->target_bytes);
	json_write_u64_member(writer, "actual", balloon->actual_bytes);
	json_write_u64_member(writer, "reportedFree", balloon->reported_bytes);
	open_member(writer, "memory", '{');
	for (unsigned i = 0; i < BALLOON_STATISTICS; i++) {
		if (balloon->known & 1U << i)
			json_write_u64_member(writer, names[i], balloon->statistics[i]);
	}
	json_write_close(writer, '}');
	json_write_close(writer, '}');
}

/* The guest's own group, how often its CPUs left the guest, its balloon. */
static void write_vm(struct json_writer *writer, const struct container_statistics *statistics)
{
	if (!statistics->has_guest && !statistics->exit_count && !statistics->has_balloon)
		return;
	open_member(writer, "vm", '{');
	if (statistics->has_guest) {
		open_member(writer, "guest", '{');
		write_cpu(writer, &statistics->guest, NULL);
		write_memory(writer, &statistics->guest, NULL);
		write_pids(writer, &statistics->guest);
		json_write_close(writer, '}');
	}
	open_member(writer, "exits", '{');
	for (size_t i = 0; i < statistics->exit_count; i++) {
		open_member(writer, statistics->exits[i].reason, '{');
		json_write_u64_member(writer, "count", statistics->exits[i].count);
		json_write_key(writer, "perSecond");
		json_write_double(writer, statistics->exits[i].per_second, 1);
		json_write_close(writer, '}');
	}
	json_write_close(writer, '}');
	if (statistics->has_balloon)
		write_balloon(writer, &statistics->balloon);
	json_write_close(writer, '}');
}

void container_statistics_print(const char *id, const struct container_statistics *statistics, struct strbuf *json)
{
	struct json_writer writer = { .out = json };
	const struct cgroup_details *details = statistics->details;

	json_write_open(&writer, '{');
	json_write_string_member(&writer, "type", "stats");
	json_write_string_member(&writer, "id", id);
	open_member(&writer, "data", '{');
	write_cpu(&writer, &statistics->cgroup, details);
	if (details)
		write_cpuset(&writer, details);
	write_memory(&writer, &statistics->cgroup, details);
	write_pids(&writer, &statistics->cgroup);
	open_member(&writer, "blkio", '{');
	if (details) {
		write_counts(&writer, "ioServiceBytesRecursive", &details->io_bytes);
		write_counts(&writer, "ioServicedRecursive", &details->io_operations);
		write_pressure(&writer, &details->io_pressure);
	}
	json_write_close(&writer, '}');
	if (details)
		write_hugetlb(&writer, details);
	open_member(&writer, "intel_rdt", '{');
	json_write_close(&writer, '}');
	json_write_key(&writer, "network_interfaces");
	json_write_null(&writer);
	write_vm(&writer, statistics);
	json_write_close(&writer, '}');
	json_write_close(&writer, '}');
}
