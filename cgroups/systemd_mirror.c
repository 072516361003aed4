/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the files of a group to the properties of its scope (systemd.resource-control(5)).
 *
 * systemd remembers the processor's quota over a daemon-reload in whole percents, cut: then a container that was given
 * 33.3 % has 33 %. Below 1 % nothing would be left of the limit: that is refused.
 */
#include "cgroups/systemd.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { LIST_BYTES = 1024, USEC_PER_SEC = 1000000 };

/* v1's memory controller says "no limit" as the largest number of whole pages. */
#define V1_UNLIMITED (INT64_MAX - 65536)

static void add_number(struct systemd_properties *properties, const char *name, uint64_t value)
{
	systemd_property_add(properties, name, SYSTEMD_UINT64)->number = value;
}

/* A limit in a file of one number; "max" is systemd's infinity. */
static void add_limit(
	struct systemd_properties *properties, const char *name, const struct cgroup_entry *entry, const char *file)
{
	uint64_t value = cgroup_read_number(entry, file);

	if (value == CGROUP_UNKNOWN)
		return;
	add_number(properties, name, value == CGROUP_UNLIMITED ? UINT64_MAX : value);
}

/* A weight: 0 is an idle group's, which systemd knows only since 252. */
static void add_weight(
	struct systemd_properties *properties, const char *name, const struct cgroup_entry *entry, const char *file)
{
	uint64_t value = cgroup_read_number(entry, file);

	if (value != CGROUP_UNKNOWN && value > 0)
		add_number(properties, name, value);
}

/* quota < 0: none. Rounded up, which systemd's own division takes back (its period is a second at most). */
static int add_quota(struct systemd_properties *properties, int64_t quota, uint64_t period, struct error *err)
{
	if (period == 0)
		return 0;
	if (quota >= 0 && (uint64_t)quota * 100 < period)
		return error_set(err, -EOPNOTSUPP,
			"linux.resources.cpu.quota: systemd cannot keep a limit below one percent of a processor");
	add_number(properties, "CPUQuotaPerSecUSec",
		quota < 0 ? UINT64_MAX : ((uint64_t)quota * USEC_PER_SEC + period - 1) / period);
	add_number(properties, "CPUQuotaPeriodUSec", period);
	return 0;
}

/* "0-3,7" as a bit mask, lowest byte first. */
static void add_list(
	struct systemd_properties *properties, const char *name, const struct cgroup_entry *entry, const char *file)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct systemd_property *property;
	size_t length = 0;
	char *position;

	if (cgroup_read(entry, file, &text) < 0)
		return;
	property = systemd_property_add(properties, name, SYSTEMD_BYTES);
	property->text = xcalloc(LIST_BYTES, 1);
	for (position = text.data; isdigit((unsigned char)*position); position += *position == ',') {
		unsigned long first = strtoul(position, &position, 10), last = first;

		if (*position == '-')
			last = strtoul(position + 1, &position, 10);
		for (unsigned long i = first; i <= last && i / 8 < LIST_BYTES; i++) {
			property->text[i / 8] = (char)(property->text[i / 8] | 1 << (i % 8));
			length = i / 8 + 1;
		}
	}
	property->length = length;
}

static int mirror_v2(const struct cgroup_entry *entry, struct systemd_properties *properties, struct error *err)
{
	cleanup_strbuf struct strbuf bandwidth = STRBUF_INIT, weight = STRBUF_INIT;
	int result = 0;

	add_limit(properties, "MemoryMax", entry, "memory.max");
	add_limit(properties, "MemoryHigh", entry, "memory.high");
	add_limit(properties, "MemoryLow", entry, "memory.low");
	add_limit(properties, "MemoryMin", entry, "memory.min");
	add_limit(properties, "MemorySwapMax", entry, "memory.swap.max");
	add_limit(properties, "TasksMax", entry, "pids.max");
	add_weight(properties, "CPUWeight", entry, "cpu.weight");
	if (cgroup_read(entry, "cpu.max", &bandwidth) == 0) {
		char *period = strchr(bandwidth.data, ' ');

		result = add_quota(properties, isdigit((unsigned char)bandwidth.data[0]) ? atoll(bandwidth.data) : -1,
			period ? strtoull(period, NULL, 10) : 0, err);
	}
	if (cgroup_read(entry, "io.weight", &weight) == 0 && strncmp(weight.data, "default ", 8) == 0)
		add_number(properties, "IOWeight", strtoull(weight.data + 8, NULL, 10));
	add_list(properties, "AllowedCPUs", entry, "cpuset.cpus");
	add_list(properties, "AllowedMemoryNodes", entry, "cpuset.mems");
	return result;
}

static int mirror_v1(const struct cgroup *group, struct systemd_properties *properties, struct error *err)
{
	const struct cgroup_entry *memory = cgroup_find(group, CGROUP_MEMORY), *cpu = cgroup_find(group, CGROUP_CPU),
				  *pids = cgroup_find(group, CGROUP_PIDS), *io = cgroup_find(group, CGROUP_IO);
	uint64_t limit = memory ? cgroup_read_number(memory, "memory.limit_in_bytes") : CGROUP_UNKNOWN;

	if (limit != CGROUP_UNKNOWN)
		add_number(properties, "MemoryLimit", limit > V1_UNLIMITED ? UINT64_MAX : limit);
	if (pids)
		add_limit(properties, "TasksMax", pids, "pids.max");
	if (io)
		add_weight(properties, "BlockIOWeight", io, "blkio.weight");
	if (cpu) {
		cleanup_strbuf struct strbuf quota = STRBUF_INIT;

		add_weight(properties, "CPUShares", cpu, "cpu.shares");
		if (cgroup_read(cpu, "cpu.cfs_quota_us", &quota) == 0)
			return add_quota(
				properties, atoll(quota.data), cgroup_read_number(cpu, "cpu.cfs_period_us"), err);
	}
	return 0;
}

int systemd_mirror(const struct cgroup *group, struct systemd_properties *properties, struct error *err)
{
	const struct cgroup_entry *memory = cgroup_find(group, CGROUP_MEMORY), *pids = cgroup_find(group, CGROUP_PIDS);

	/* What systemd sets is in the hierarchies that have controllers: v2's, or v1's beside an empty v2 (hybrid). */
	if ((memory && !memory->unified) || (pids && !pids->unified))
		return mirror_v1(group, properties, err);
	return cgroup_unified(group) ? mirror_v2(cgroup_unified(group), properties, err) : 0;
}
