/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first wall: namespaces, cgroups and seccomp on the host's kernel.
 */
#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/file.h"
#include "base/log.h"
#include "cgroups/cgroup.h"
#include "ns/rootfs.h"
#include "process/terminal.h"
#include "runtime/exec_container.h"
#include "runtime/isolation.h"
#include "runtime/isolation_container.h"
#include "runtime/listener.h"

/* What was asked for and would be ignored. */
static int refuse_microvm_options(const struct launch_options *options, struct error *err)
{
	const struct {
		const char *name;
		bool given;
	} names[] = { { "vm-kernel", options->guest_kernel }, { "vm-initrd", options->guest_initrd },
		{ "vm-boot", options->vm_boot }, { "vm-memory", options->vm_memory }, { "vm-vcpus", options->vm_vcpus },
		{ "vm-boot-timeout", options->vm_boot_timeout }, { "vm-watchdog", options->vm_watchdog },
		{ "vm-debug", options->vm_debug }, { "vm-network", options->vm_network },
		{ "vm-publish", options->vm_publish }, { "vm-huge-pages", options->vm_huge_pages },
		{ "vm-console", options->vm_console }, { "template-dir", options->template_directory },
		{ "no-template", options->no_template } };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].given)
			return error_set(err, -EINVAL, "--%s needs --isolation=microvm", names[i].name);
	}
	return 0;
}

static int container_prepare(struct launch *launch, struct error *err)
{
	int result = refuse_microvm_options(launch->options, err);

	if (result < 0)
		return result;
	/* Inside a user namespace its own process could not raise a limit. */
	launch->process.limits_raised =
		(launch->plan.namespaces.unshare & CLONE_NEWUSER) || launch->plan.namespaces.join[NAMESPACE_USER];
	result = namespaces_check(&launch->plan, false, err);
	if (result < 0 || launch->options->foreground || launch->options->bring_up)
		return result;
	launch->listener_fd = message_listen(launch->container->directory_fd, CONTAINER_CONTROL_FILE, err);
	return launch->listener_fd < 0 ? launch->listener_fd : 0;
}

static int container_terminal(struct launch *launch, struct rootfs *rootfs, int *terminal, struct error *err)
{
	cleanup_fd int master = -EBADF;
	int result;

	if (!launch->process.terminal)
		return 0;
	result = process_make_terminal(rootfs_directory(rootfs), &launch->process, &master, terminal, err);
	if (result == 0)
		result = rootfs_console(rootfs, *terminal, err);
	if (result == 0)
		result = launch_child_terminal(launch, master, err);
	return result;
}

static int container_build_root(struct launch *launch, int *terminal, struct error *err)
{
	struct rootfs *rootfs = NULL;
	int result = rootfs_open(&rootfs, &launch->plan.rootfs, err);

	if (result == 0)
		result = rootfs_mount(rootfs, err);
	if (result == 0)
		result = launch_child_mounted(launch, err);
	if (result == 0)
		result = container_terminal(launch, rootfs, terminal, err);
	if (result == 0)
		result = rootfs_pivot(rootfs, err);
	if (result == 0)
		result = namespaces_apply(&launch->plan, false, err);
	if (result == 0)
		result = rootfs_finish(rootfs, err);
	rootfs_close(&rootfs);
	return result;
}

/* While it waits for `start`, which may be long, the process holds no pipe or directory of whoever called `create`. */
static void container_close_inherited(const struct launch *launch, int terminal)
{
	uint32_t preserved = launch->process.preserve_fds;
	cleanup_free int *keep = xcalloc(preserved + 4, sizeof(*keep));

	for (uint32_t i = 0; i < preserved; i++)
		keep[i] = STDERR_FILENO + 1 + (int)i;
	keep[preserved] = launch->child.socket;
	keep[preserved + 1] = launch->listener_fd;
	keep[preserved + 2] = terminal;
	keep[preserved + 3] = log_descriptor();
	close_all_but(keep, preserved + 4);
}

static int container_child(struct launch *launch, struct error *err)
{
	cleanup_free char *executable = NULL;
	cleanup_fd int terminal = -EBADF;
	int connection = launch->child.socket;
	int result = container_build_root(launch, &terminal, err);

	if (result == 0)
		result = launch_child_join_pid(launch, err);
	container_close_inherited(launch, terminal);
	if (result == 0)
		result = launch_child_enter_pid(launch, err);
	if (result == 0 && terminal >= 0)
		result = process_take_terminal(terminal, err);
	if (result == 0)
		result = process_prepare(&launch->process, &executable, err);
	if (result < 0)
		return result;
	result = launch_child_prepared(launch, err);
	if (result < 0)
		return result;
	if (result == 0)
		connection = launch_child_wait_start(launch, err);
	if (connection < 0)
		return connection;
	launch->child.socket = connection;
	launch->process.error_fd = connection;
	result = launch_child_hooks(launch, OCI_HOOK_START_CONTAINER, OCI_STATUS_CREATED, err);
	if (result == 0)
		result = listener_hand_over(&launch->process, connection, err);
	if (result == 0)
		result = process_execute(&launch->process, executable, err);
	return result;
}

const struct isolation isolation_container = {
	.name = "container",
	.prepare = container_prepare,
	.child = container_child,
	.signal = container_signal,
	.exec_prepare = exec_container_prepare,
	.exec_child = exec_container_child,
	.processes = container_processes,
	.pause = container_pause,
	.update = container_update,
	.statistics = container_statistics_read_host,
};
