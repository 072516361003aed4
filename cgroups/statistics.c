/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t times(uint64_t value, uint64_t factor)
{
	return value < CGROUP_UNLIMITED ? value * factor : value;
}

static void read_memory_v1(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	uint64_t both = cgroup_read_number(entry, "memory.memsw.usage_in_bytes");
	uint64_t swap_failures = cgroup_read_number(entry, "memory.memsw.failcnt");
	cleanup_strbuf struct strbuf oom = STRBUF_INIT;

	s->memory_usage_bytes = cgroup_read_number(entry, "memory.usage_in_bytes");
	s->memory_peak_bytes = cgroup_read_number(entry, "memory.max_usage_in_bytes");
	s->memory_limit_bytes = cgroup_read_number(entry, "memory.limit_in_bytes");
	s->memory_failures = cgroup_read_number(entry, "memory.failcnt");
	/* With the same limit for both, memory plus swap fails first, and memory alone never. */
	if (swap_failures < CGROUP_UNLIMITED && s->memory_failures < CGROUP_UNLIMITED)
		s->memory_failures += swap_failures;
	/* Read one after the other, the sum may be the smaller one. */
	if (both != CGROUP_UNKNOWN && s->memory_usage_bytes != CGROUP_UNKNOWN)
		s->memory_swap_usage_bytes = both > s->memory_usage_bytes ? both - s->memory_usage_bytes : 0;
	if (cgroup_read(entry, "memory.oom_control", &oom) == 0) {
		s->oom_kills = cgroup_keyed_number(oom.data, "oom_kill");
		s->under_oom = cgroup_keyed_number(oom.data, "under_oom") == 1;
	}
}

static void read_memory_v2(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	cleanup_strbuf struct strbuf events = STRBUF_INIT;

	s->memory_usage_bytes = cgroup_read_number(entry, "memory.current");
	s->memory_peak_bytes = cgroup_read_number(entry, "memory.peak"); /* since 5.19 */
	s->memory_limit_bytes = cgroup_read_number(entry, "memory.max");
	s->memory_swap_usage_bytes = cgroup_read_number(entry, "memory.swap.current");
	if (cgroup_read(entry, "memory.events", &events) == 0) {
		s->memory_failures = cgroup_keyed_number(events.data, "max");
		s->oom_kills = cgroup_keyed_number(events.data, "oom_kill");
	}
}

static void read_cpu_v1(const struct cgroup *group, struct cgroup_statistics *s)
{
	const struct cgroup_entry *usage = cgroup_find(group, CGROUP_CPUACCT), *cpu = cgroup_find(group, CGROUP_CPU);
	cleanup_strbuf struct strbuf stat = STRBUF_INIT;

	if (usage && !usage->unified) {
		s->cpu_usage_ns = cgroup_read_number(usage, "cpuacct.usage");
		s->cpu_user_ns = cgroup_read_number(usage, "cpuacct.usage_user");
		s->cpu_system_ns = cgroup_read_number(usage, "cpuacct.usage_sys");
	}
	if (cpu && !cpu->unified && cgroup_read(cpu, "cpu.stat", &stat) == 0) {
		s->cpu_periods = cgroup_keyed_number(stat.data, "nr_periods");
		s->cpu_throttled_periods = cgroup_keyed_number(stat.data, "nr_throttled");
		s->cpu_throttled_ns = cgroup_keyed_number(stat.data, "throttled_time");
	}
}

static void read_cpu_v2(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	cleanup_strbuf struct strbuf stat = STRBUF_INIT;

	if (cgroup_read(entry, "cpu.stat", &stat) < 0)
		return;
	s->cpu_usage_ns = times(cgroup_keyed_number(stat.data, "usage_usec"), 1000);
	s->cpu_user_ns = times(cgroup_keyed_number(stat.data, "user_usec"), 1000);
	s->cpu_system_ns = times(cgroup_keyed_number(stat.data, "system_usec"), 1000);
	if (!(entry->controllers & CGROUP_BIT(CGROUP_CPU)))
		return;
	s->cpu_periods = cgroup_keyed_number(stat.data, "nr_periods");
	s->cpu_throttled_periods = cgroup_keyed_number(stat.data, "nr_throttled");
	s->cpu_throttled_ns = times(cgroup_keyed_number(stat.data, "throttled_usec"), 1000);
}

static void read_pids(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	cleanup_strbuf struct strbuf events = STRBUF_INIT;

	s->pids_current = cgroup_read_number(entry, "pids.current");
	s->pids_limit = cgroup_read_number(entry, "pids.max");
	s->pids_peak = cgroup_read_number(entry, "pids.peak"); /* since 6.1 */
	if (cgroup_read(entry, "pids.events", &events) == 0)
		s->pids_failures = cgroup_keyed_number(events.data, "max");
}

/* Sums `key` over lines of "MAJOR:MINOR Read 4096", or "MAJOR:MINOR rbytes=4096 wbytes=0 …" (separator '='). */
static uint64_t sum_devices(const char *text, const char *key, char separator)
{
	size_t length = strlen(key);
	uint64_t sum = 0;

	for (const char *found = strstr(text, key); found; found = strstr(found + length, key)) {
		if (found > text && found[-1] == ' ' && found[length] == separator)
			sum += strtoull(found + length + 1, NULL, 10);
	}
	return sum;
}

static void read_io_v1(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT, operations = STRBUF_INIT;

	if (cgroup_read(entry, "blkio.throttle.io_service_bytes_recursive", &bytes) == 0) {
		s->io_read_bytes = sum_devices(bytes.data, "Read", ' ');
		s->io_write_bytes = sum_devices(bytes.data, "Write", ' ');
	}
	if (cgroup_read(entry, "blkio.throttle.io_serviced_recursive", &operations) == 0) {
		s->io_read_operations = sum_devices(operations.data, "Read", ' ');
		s->io_write_operations = sum_devices(operations.data, "Write", ' ');
	}
}

static void read_io_v2(const struct cgroup_entry *entry, struct cgroup_statistics *s)
{
	cleanup_strbuf struct strbuf stat = STRBUF_INIT;

	if (cgroup_read(entry, "io.stat", &stat) < 0)
		return;
	s->io_read_bytes = sum_devices(stat.data, "rbytes", '=');
	s->io_write_bytes = sum_devices(stat.data, "wbytes", '=');
	s->io_read_operations = sum_devices(stat.data, "rios", '=');
	s->io_write_operations = sum_devices(stat.data, "wios", '=');
}

int cgroup_statistics(const struct cgroup *group, struct cgroup_statistics *statistics, struct error *err)
{
	const struct cgroup_entry *memory = cgroup_find(group, CGROUP_MEMORY), *pids = cgroup_find(group, CGROUP_PIDS);
	const struct cgroup_entry *io = cgroup_find(group, CGROUP_IO), *unified = cgroup_unified(group);
	struct cgroup_statistics s;

	if (group->count == 0)
		return error_set(err, -EOPNOTSUPP, "the container has no cgroup of its own: what it uses is not known");
	memset(&s, 0xff, sizeof(s)); /* CGROUP_UNKNOWN */
	s.under_oom = false;
	if (memory && memory->unified)
		read_memory_v2(memory, &s);
	else if (memory)
		read_memory_v1(memory, &s);
	if (unified)
		read_cpu_v2(unified, &s);
	read_cpu_v1(group, &s);
	if (pids)
		read_pids(pids, &s);
	if (io && io->unified)
		read_io_v2(io, &s);
	else if (io)
		read_io_v1(io, &s);
	*statistics = s;
	return 0;
}
