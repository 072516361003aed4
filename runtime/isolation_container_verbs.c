/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/procfs.h"
#include "runtime/container_processes.h"
#include "runtime/isolation_container.h"

#define PAUSE_TIMEOUT_MS 10000

/* What v1's freezer holds does not even die of SIGKILL. */
static int let_die(const struct container *container, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result;

	if (!container->record.cgroup || !cgroup_saved_is_frozen(container->record.cgroup))
		return 0;
	result = container_load_cgroup(container, &cgroup, err);
	return result < 0 ? result : cgroup_thaw(cgroup, err);
}

int container_signal(const struct container *container, int signal, bool all, struct error *err)
{
	cleanup_fd int pidfd = container_pidfd(container);

	if (pidfd < 0)
		return error_set(err, -ESRCH, "container \"%s\" is not running: container not running", container->id);
	if (all)
		return container_signal_all(container, signal, err);
	/* Without a pid namespace of its own, the others would outlive the first process. */
	if (signal == SIGKILL && !container_is_namespace_init(container) && container_has_cgroup(container))
		return container_signal_all(container, signal, err);
	if (pidfd_send_signal(pidfd, signal, NULL, 0) < 0)
		return error_set(err, errno, "send signal %d to container \"%s\"", signal, container->id);
	return signal == SIGKILL ? let_die(container, err) : 0;
}

int container_processes(const struct container *container, struct process_list *list, struct error *err)
{
	cleanup_fd int procfs = procfs_open(err);
	cleanup_free pid_t *pids = NULL;
	size_t count = 0;
	int result = procfs < 0 ? procfs : container_pids(container, &pids, &count, err);

	return result < 0 ? result : process_list_read(procfs, pids, count, list, err);
}

int container_pause(const struct container *container, bool paused, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	if (result < 0)
		return result;
	return paused ? cgroup_freeze(cgroup, PAUSE_TIMEOUT_MS, err) : cgroup_thaw(cgroup, err);
}

int container_update(const struct container *container, const struct oci_resources *resources, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	return result < 0 ? result : cgroup_apply(cgroup, resources, err);
}
