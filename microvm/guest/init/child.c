/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/child.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/message.h"
#include "ns/namespaces.h"
#include "ns/rootfs.h"
#include "process/terminal.h"

static int wait_to_go(const struct child_orders *orders, struct error *err)
{
	uint32_t type = 0;
	ssize_t count = recv(orders->link, &type, sizeof(type), 0);

	if (count == 0)
		return error_set(err, EPIPE, "hear from the guest's init");
	return type == CHILD_GO ? 0 : error_set(err, -EPROTO, "hear from the guest's init: message %u", type);
}

/* The maps decide what the ids 0 are. /proc/self belongs to the process again only if it may be traced, which an exec
 * must not allow. */
static int become_root_of_user_namespace(const struct child_orders *orders, struct error *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set(err, errno, "become root of the user namespace (is the id 0 mapped?)");
	if (orders->container)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return 0;
}

static int enter_time_namespace(const struct container_plan *container, struct error *err)
{
	cleanup_fd int fd = -EBADF;
	int result;

	if (!(container->namespaces.unshare & CLONE_NEWTIME))
		return 0;
	if (unshare(CLONE_NEWTIME) < 0)
		return error_set(err, errno, "make a time namespace");
	result = namespaces_write_time_offsets(&container->namespaces, err);
	if (result < 0)
		return result;
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		return error_set(err, errno, "enter the new time namespace");
	return 0;
}

/* Standard input, output and error; a process of its own session either way. */
static int take_streams(const struct child_orders *orders, int terminal, struct error *err)
{
	if (orders->process->terminal)
		return process_take_terminal(terminal, err);
	(void)setsid();
	for (int i = 0; i < 3; i++) {
		if (dup2(orders->streams[i], i) < 0)
			return error_set(err, errno, "set up the standard streams");
	}
	return 0;
}

static int make_terminal(const struct child_orders *orders, int root, int *master, int *slave, struct error *err)
{
	return orders->process->terminal ? process_make_terminal(root, orders->process, master, slave, err) : 0;
}

static int build_root(const struct child_orders *orders, struct rootfs *rootfs, int *master, struct error *err)
{
	cleanup_fd int slave = -EBADF;
	int result = rootfs_mount(rootfs, err);

	if (result == 0)
		result = make_terminal(orders, rootfs_directory(rootfs), master, &slave, err);
	if (result == 0 && slave >= 0 && orders->container->rootfs.console)
		result = rootfs_console(rootfs, slave, err);
	if (result == 0)
		result = rootfs_pivot(rootfs, err);
	if (result == 0)
		result = take_streams(orders, slave, err);
	if (result == 0)
		result = namespaces_apply(orders->container, true, err);
	if (result == 0)
		result = rootfs_finish(rootfs, err);
	return result;
}

/* The process is in its group by now, which becomes the root of what it sees. */
static int enter_cgroup_namespace(const struct container_plan *container, struct error *err)
{
	if ((container->namespaces.unshare & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return error_set(err, errno, "make a cgroup namespace");
	return 0;
}

static int make_container(const struct child_orders *orders, int *master, struct error *err)
{
	struct rootfs *rootfs = NULL;
	int result = 0;

	if (orders->user_namespace) {
		result = wait_to_go(orders, err);
		if (result == 0)
			result = become_root_of_user_namespace(orders, err);
	}
	if (result == 0)
		result = enter_time_namespace(orders->container, err);
	if (result == 0)
		result = enter_cgroup_namespace(orders->container, err);
	if (result == 0)
		result = rootfs_open(&rootfs, &orders->container->rootfs, err);
	if (result < 0)
		return result;
	result = build_root(orders, rootfs, master, err);
	rootfs_close(&rootfs);
	return result;
}

static int compare_fds(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

/* Copies of other sessions' descriptors would keep their pipes and connections open until execve. */
static void close_other_sessions(const struct child_orders *orders)
{
	int kept[] = { orders->link, orders->container_pidfd, orders->streams[0], orders->streams[1],
		orders->streams[2] };
	int next = STDERR_FILENO + 1;

	qsort(kept, ARRAY_SIZE(kept), sizeof(*kept), compare_fds);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		if (kept[i] > next)
			(void)close_range((unsigned)next, (unsigned)kept[i] - 1, 0);
		if (kept[i] >= next)
			next = kept[i] + 1;
	}
	(void)close_range((unsigned)next, ~0U, 0);
}

static int enter_container(const struct child_orders *orders, int *master, struct error *err)
{
	cleanup_fd int root = -EBADF, slave = -EBADF;
	int result = 0;

	close_other_sessions(orders);
	if (orders->user_namespace)
		result = wait_to_go(orders, err);
	if (result == 0 && setns(orders->container_pidfd, (int)orders->join_flags) < 0)
		result = error_set(err, errno, "enter the container's namespaces");
	if (result == 0 && orders->user_namespace)
		result = become_root_of_user_namespace(orders, err);
	if (result == 0)
		result = process_resolve_user(orders->process, err);
	if (result < 0)
		return result;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, errno, "open the container's root");
	result = make_terminal(orders, root, master, &slave, err);
	return result < 0 ? result : take_streams(orders, slave, err);
}

static int child_main(const struct child_orders *orders, struct error *err)
{
	cleanup_fd int master = -EBADF;
	char *executable = NULL;
	int result = orders->container ? make_container(orders, &master, err) : enter_container(orders, &master, err);

	orders->process->error_fd = orders->link;
	if (result == 0)
		result = process_prepare(orders->process, &executable, err);
	if (result == 0)
		result = message_send(orders->link, CHILD_PREPARED, NULL, 0, master);
	close_fd(&master);
	if (result == 0 && orders->container)
		result = wait_to_go(orders, err);
	/* Returns only when it fails. */
	return result < 0 ? result : process_execute(orders->process, executable, err);
}

void child_run(const struct child_orders *orders)
{
	struct error err = { 0 };

	(void)child_main(orders, &err);
	(void)message_send_error(orders->link, CHILD_FAILED, &err);
	_exit(1);
}
