/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/ioprio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/procfs.h"
#include "process/process_internal.h"

enum { CPUS_MAX = 8192, WORD_BITS = 8 * sizeof(unsigned long) };

static const char *const rlimit_names[] = {
	[RLIMIT_CPU] = "RLIMIT_CPU",
	[RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[RLIMIT_DATA] = "RLIMIT_DATA",
	[RLIMIT_STACK] = "RLIMIT_STACK",
	[RLIMIT_CORE] = "RLIMIT_CORE",
	[RLIMIT_RSS] = "RLIMIT_RSS",
	[RLIMIT_NPROC] = "RLIMIT_NPROC",
	[RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
	[RLIMIT_AS] = "RLIMIT_AS",
	[RLIMIT_LOCKS] = "RLIMIT_LOCKS",
	[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
	[RLIMIT_NICE] = "RLIMIT_NICE",
	[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
	[RLIMIT_RTTIME] = "RLIMIT_RTTIME",
};

static const char *limit_text(char buffer[24], uint64_t value)
{
	if (value == UINT64_MAX)
		return "unlimited";
	(void)snprintf(buffer, 24, "%llu", (unsigned long long)value);
	return buffer;
}

static int refuse_rlimit(const struct process_rlimit *limit, int code, rlim_t present_hard, struct error *err)
{
	const char *name = rlimit_names[limit->resource];
	char soft[24], hard[24], present[24];

	if (code == EPERM)
		return error_set(err, EPERM,
			"set %s to %s (hard %s): the hard limit here is %s, raising it needs CAP_SYS_RESOURCE", name,
			limit_text(soft, limit->soft), limit_text(hard, limit->hard),
			limit_text(present, present_hard));
	return error_set(err, code, "set %s to %s (hard %s)", name, limit_text(soft, limit->soft),
		limit_text(hard, limit->hard));
}

/* The soft limit stays: what comes before execve(2) may need more than the process is to have. */
static int raise_rlimit(const struct process_rlimit *limit, pid_t pid, struct error *err)
{
	struct rlimit now;

	if (limit->resource < 0 || (size_t)limit->resource >= ARRAY_SIZE(rlimit_names))
		return error_set(
			err, -EINVAL, "set a resource limit: there is no limit with the number %d", limit->resource);
	if (prlimit(pid, (__rlimit_resource_t)limit->resource, NULL, &now) < 0)
		return refuse_rlimit(limit, errno, 0, err);
	if (limit->soft > limit->hard)
		return refuse_rlimit(limit, EINVAL, 0, err);
	if (limit->hard <= now.rlim_max)
		return 0;
	if (prlimit(pid, (__rlimit_resource_t)limit->resource,
		    &(struct rlimit){ .rlim_cur = now.rlim_cur, .rlim_max = limit->hard }, NULL) < 0)
		return refuse_rlimit(limit, errno, now.rlim_max, err);
	return 0;
}

static int set_oom_score(int adjust, pid_t pid, struct error *err)
{
	cleanup_fd int procfs = procfs_open(err);
	cleanup_strbuf struct strbuf present = STRBUF_INIT;
	char path[48] = "self/oom_score_adj", value[16];
	int result;

	if (procfs < 0)
		return procfs;
	if (pid)
		(void)snprintf(path, sizeof(path), "%d/oom_score_adj", (int)pid);
	(void)snprintf(value, sizeof(value), "%d", adjust);
	result = procfs_write(procfs, path, value);
	if (result == 0)
		return 0;
	/* Nothing is to be changed: then no privilege is missing. */
	if (procfs_read(procfs, path, 64, &present) == 0 && atoi(present.data) == adjust)
		return 0;
	if (result == -EACCES || result == -EPERM)
		return error_set(err, -result, "set oom_score_adj to %d: lowering it below %d needs CAP_SYS_RESOURCE",
			adjust, present.length ? atoi(present.data) : 0);
	return error_set(err, -result, "set oom_score_adj to %d", adjust);
}

int process_raise_limits(const struct process_plan *plan, pid_t pid, struct error *err)
{
	if (plan->oom_score_set) {
		int result = set_oom_score(plan->oom_score_adjust, pid, err);

		if (result < 0)
			return result;
	}
	for (uint32_t i = 0; i < plan->rlimit_count; i++) {
		int result = raise_rlimit(&plan->rlimits[i], pid, err);

		if (result < 0)
			return result;
	}
	return 0;
}

int process_set_limits(const struct process_plan *plan, struct error *err)
{
	for (uint32_t i = 0; i < plan->rlimit_count; i++) {
		const struct process_rlimit *limit = &plan->rlimits[i];

		if (prlimit(0, (__rlimit_resource_t)limit->resource,
			    &(struct rlimit){ .rlim_cur = limit->soft, .rlim_max = limit->hard }, NULL) < 0)
			return refuse_rlimit(limit, errno, 0, err);
	}
	return 0;
}

int process_set_cpu_affinity(const char *list, struct error *err)
{
	unsigned long mask[CPUS_MAX / WORD_BITS] = { 0 };

	if (!process_parse_number_list(list, mask, CPUS_MAX))
		return error_set(err, -EINVAL, "set the CPU affinity: \"%s\" is not a list of CPUs", list);
	/* The raw call: glibc's type ends at 1024 CPUs. */
	if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0)
		return error_set(err, errno, "set the CPU affinity to %s", list);
	return 0;
}

/* struct sched_attr of sched_setattr(2), which glibc does not declare. */
struct scheduler_attributes {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduler(const struct process_scheduler *scheduler, struct error *err)
{
	struct scheduler_attributes attributes = {
		.size = sizeof(attributes),
		.policy = (uint32_t)scheduler->policy,
		.flags = scheduler->flags,
		.nice = scheduler->nice,
		.priority = (uint32_t)scheduler->priority,
		.runtime = scheduler->runtime_ns,
		.deadline = scheduler->deadline_ns,
		.period = scheduler->period_ns,
	};

	if (syscall(SYS_sched_setattr, 0, &attributes, 0) < 0)
		return error_set(err, errno, "set the scheduler (policy %d, nice %d, priority %d)", scheduler->policy,
			scheduler->nice, scheduler->priority);
	return 0;
}

int process_apply_scheduling(const struct process_plan *plan, struct error *err)
{
	const struct process_io_priority *io = &plan->io_priority;
	int result = plan->scheduler.set ? set_scheduler(&plan->scheduler, err) : 0;

	if (result == 0 && plan->cpu_affinity_final)
		result = process_set_cpu_affinity(plan->cpu_affinity_final, err);
	if (result == 0)
		result = process_set_memory_policy(&plan->memory_policy, err);
	if (result < 0)
		return result;
	if (io->set && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(io->class, io->priority)) < 0)
		return error_set(err, errno, "set the io priority (class %d, priority %d)", io->class, io->priority);
	if (plan->personality_set && personality(plan->personality) < 0)
		return error_set(err, errno, "set the personality 0x%llx", (unsigned long long)plan->personality);
	return 0;
}
