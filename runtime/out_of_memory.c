/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/out_of_memory.h"

#include <inttypes.h>
#include <signal.h>

#include "base/log.h"

#define KIBIBYTE UINT64_C(1024)

uint64_t out_of_memory_kills(const struct cgroup *cgroup)
{
	return cgroup ? cgroup_oom_kills(cgroup) : 0;
}

/* In the largest unit that says it exactly. */
static char *limit_text(uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	uint64_t value = bytes;
	size_t unit = 0;

	while (value && value % KIBIBYTE == 0 && unit + 1 < ARRAY_SIZE(units)) {
		value /= KIBIBYTE;
		unit++;
	}
	return unit ? xprintf("%" PRIu64 " %s (%" PRIu64 " bytes)", value, units[unit], bytes)
		    : xprintf("%" PRIu64 " bytes", bytes);
}

char *out_of_memory_limit(const struct cgroup *cgroup)
{
	struct cgroup_statistics statistics;
	cleanup_free char *limit = NULL;

	/* The limit may be that of a group above. */
	if (cgroup_statistics(cgroup, &statistics, NULL) < 0 || statistics.memory_limit_bytes >= CGROUP_UNLIMITED)
		return xstrdup("a limit on memory above the container's own was reached");
	limit = limit_text(statistics.memory_limit_bytes);
	return xprintf("the memory limit of %s was reached", limit);
}

char *out_of_memory_in_guest(uint64_t bytes)
{
	cleanup_free char *limit = NULL;

	if (bytes >= CGROUP_UNLIMITED)
		return xstrdup("the guest's memory was used up");
	limit = limit_text(bytes);
	return xprintf("the %s of the guest's memory that are the container's were used up", limit);
}

char *out_of_memory_line(const char *id, int exit_status, uint64_t kills, const char *why)
{
	if (exit_status == 128 + SIGKILL)
		return xprintf("container \"%s\": its process was killed by the out-of-memory killer: %s", id, why);
	return xprintf("container \"%s\": %" PRIu64 " of its processes %s killed by the out-of-memory killer: %s", id,
		kills, kills == 1 ? "was" : "were", why);
}

void out_of_memory_warn(const struct cgroup *cgroup, uint64_t before, const char *id, int exit_status)
{
	cleanup_free char *why = NULL, *line = NULL;
	uint64_t kills;

	/* Nothing to explain, and nothing to be read on the way of every short command. */
	if (exit_status == 0)
		return;
	kills = out_of_memory_kills(cgroup);
	if (kills <= before)
		return;
	why = out_of_memory_limit(cgroup);
	line = out_of_memory_line(id, exit_status, kills - before, why);
	log_warning("%s", line);
}
