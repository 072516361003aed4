/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/operations.h"

#include <string.h>

#include "base/file.h"
#include "base/procfs.h"
#include "oci/merge.h"
#include "runtime/container_processes.h"
#include "runtime/isolation.h"
#include "runtime/resctrl.h"

#define CONFIG_MAX_BYTES (16U << 20)

static int refuse_stopped(const struct container *container, enum oci_status status, struct error *err)
{
	if (status != OCI_STATUS_STOPPED && status != OCI_STATUS_CREATING)
		return 0;
	return error_set(
		err, -ESRCH, "container \"%s\" is %s: container not running", container->id, oci_status_name(status));
}

static int processes_of_stopped(const struct container *container, struct process_list *list, struct error *err)
{
	cleanup_free pid_t *pids = NULL;
	cleanup_fd int procfs = procfs_open(err);
	size_t count = 0;
	int result = procfs < 0 ? procfs : 0;

	if (result == 0 && container_has_cgroup(container))
		result = container_pids(container, &pids, &count, err);
	return result < 0 ? result : process_list_read(procfs, pids, count, list, err);
}

int operation_processes(const char *root, const char *id, struct process_list *list, struct error *err)
{
	cleanup_container struct container *container = NULL;
	const struct isolation *isolation;
	enum oci_status status;
	int result = container_peek(root, id, &container, err);

	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result != 0)
		return result;
	status = container_status(container);
	if (status == OCI_STATUS_STOPPED)
		return processes_of_stopped(container, list, err);
	result = refuse_stopped(container, status, err);
	return result < 0 ? result : isolation->processes(container, list, err);
}

int operation_pause(const char *root, const char *id, bool paused, struct error *err)
{
	cleanup_container struct container *container = NULL;
	const struct isolation *isolation;
	enum oci_status status;
	int result = container_open(root, id, NULL, &container, err);

	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result != 0)
		return result;
	status = container_status(container);
	result = refuse_stopped(container, status, err);
	if (result < 0)
		return result;
	if (paused == (status == OCI_STATUS_PAUSED))
		return error_set(err, -EINVAL, "container \"%s\" is %s: container %s", id, oci_status_name(status),
			paused ? "already paused" : "not paused");
	return isolation->pause(container, paused, err);
}

static int remember_resources(
	const struct container *container, const char *resources, size_t length, struct error *err)
{
	cleanup_strbuf struct strbuf config = STRBUF_INIT, merged = STRBUF_INIT;
	int result = file_read(container->directory_fd, CONTAINER_CONFIG_FILE, CONFIG_MAX_BYTES, &config);

	if (result < 0)
		return error_set(err, -result, "read %s/" CONTAINER_CONFIG_FILE, container->path);
	result = oci_merge_resources(config.data, config.length, resources, length, &merged, err);
	if (result < 0)
		return error_prefix(err, "%s/" CONTAINER_CONFIG_FILE, container->path);
	result = file_replace(container->directory_fd, CONTAINER_CONFIG_FILE, merged.data, merged.length, 0600);
	if (result < 0)
		return error_set(err, -result, "the limits are set, but not written to %s/" CONTAINER_CONFIG_FILE,
			container->path);
	return 0;
}

int operation_update(
	const char *root, const char *id, const char *resources, size_t length, const char *name, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_oci_resources struct oci_resources *parsed = NULL;
	const struct isolation *isolation;
	int result = oci_resources_parse(&parsed, resources, length, name, err);

	if (result == 0)
		result = container_open(root, id, NULL, &container, err);
	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result == 0)
		result = refuse_stopped(container, container_status(container), err);
	if (result == 0)
		result = isolation->update(container, parsed, err);
	return result != 0 ? result : remember_resources(container, resources, length, err);
}

int operation_update_schemata(
	const char *root, const char *id, const char *l3_cache, const char *memory_bandwidth, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_oci_spec struct oci_spec *spec = NULL;
	cleanup_fd int resctrl = -EBADF;
	int result = container_open(root, id, NULL, &container, err);

	if (result == 0)
		result = refuse_stopped(container, container_status(container), err);
	if (result == 0)
		result = oci_spec_load(&spec, container->directory_fd, CONTAINER_CONFIG_FILE, err);
	if (result != 0)
		return result;
	if (!spec->intel_rdt)
		return error_set(err, -EINVAL,
			"container \"%s\" has no resctrl group whose schemata could be changed: its config.json has no "
			"linux.intelRdt",
			id);
	resctrl = resctrl_open(err);
	return resctrl < 0 ? resctrl : resctrl_change(resctrl, spec->intel_rdt, id, l3_cache, memory_bandwidth, err);
}

int operation_statistics(const char *root, const char *id, struct container_statistics *statistics, struct error *err)
{
	cleanup_container struct container *container = NULL;
	const struct isolation *isolation = NULL;
	int result = container_peek(root, id, &container, err);

	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result == 0)
		result = refuse_stopped(container, container_status(container), err);
	return result != 0 ? result : isolation->statistics(container, statistics, err);
}
