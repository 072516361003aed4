/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A procfs of another pid namespace, made by a process in it that has nothing else: an empty root in a mount namespace
 * without any other mount, no working directory but that, no descriptor but the one to answer on. Whoever may trace it
 * there learns nothing of the host.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/descriptors.h"
#include "base/file.h"
#include "base/message.h"
#include "ns/rootfs.h"
#include "ns/rootfs_internal.h"

enum { REPORT_MOUNT = 1, REPORT_FAILED };

/* Everything but an empty tmpfs goes away. */
static int empty_root(struct error *err)
{
	cleanup_fd int context = fsopen("tmpfs", FSOPEN_CLOEXEC), root = -EBADF;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return error_set(err, errno, "make a mount namespace");
	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set(err, errno, "make an empty root");
	root = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	if (root < 0 || move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set(err, errno, "mount an empty root");
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0)
		return error_set(err, errno, "change to an empty root");
	return 0;
}

static int make_mount(const struct mount_plan *plan, struct error *err)
{
	struct mount_api api = { .procfs = -EBADF, .descriptors = -EBADF };
	struct mount_request request = {
		.source_fd = -EBADF, .type = plan->type, .source = plan->source, .data = plan->data
	};
	int result;

	rootfs_fill_request(plan, &request);
	result = mount_make(&api, &request);
	return result < 0 ? error_set(err, -result, "mount proc of the joined pid namespace%s%s",
				    api.detail[0] ? ": " : "", api.detail)
			  : result;
}

/* In the pid namespace. */
static void answer(const struct mount_plan *plan, int socket)
{
	struct error err = { 0 };
	int mounted;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	mounted = make_mount(plan, &err);
	if (mounted < 0)
		(void)message_send_error(socket, REPORT_FAILED, &err);
	else
		(void)message_send(socket, REPORT_MOUNT, NULL, 0, mounted);
	_exit(0);
}

struct order {
	const struct mount_plan *plan;
	int pid_namespace;
};

/* Between the host and the pid namespace: in that one for its children only. */
static void send_there(void *context, int socket)
{
	const struct order *order = context;
	int keep[] = { socket };
	struct error err = { 0 };
	pid_t pid;

	if (setns(order->pid_namespace, CLONE_NEWPID) < 0)
		(void)error_set(&err, errno, "join the pid namespace");
	else if (empty_root(&err) == 0 && descriptors_close_but(0, keep, ARRAY_SIZE(keep)) < 0)
		(void)error_set(&err, errno, "close what is the host's");
	pid = err.code ? 0 : fork();
	if (pid == 0 && !err.code)
		answer(order->plan, socket);
	if (pid < 0)
		(void)error_set(&err, errno, "make a process in the joined pid namespace");
	if (err.code)
		(void)message_send_error(socket, REPORT_FAILED, &err);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int open_procfs(struct mount_plan *plan, int pid_namespace, struct error *err)
{
	cleanup_free struct message *message = message_new();
	struct order order = { .plan = plan, .pid_namespace = pid_namespace };
	int result = message_from_child(send_there, &order, "for the joined pid namespace", message, err);

	if (result < 0)
		return result;
	if (message->type == REPORT_FAILED)
		return message_to_error(message, err);
	plan->tree_fd = take_fd(&message->fd);
	return plan->tree_fd < 0 ? error_set(err, -EPROTO, "no mount came from the joined pid namespace") : 0;
}

int rootfs_open_procfs(struct container_plan *plan, int pid_namespace, struct error *err)
{
	int result = 0;

	for (uint32_t i = 0; i < plan->rootfs.mount_count && result == 0; i++) {
		struct mount_plan *mount = &plan->rootfs.mounts[i];

		if (!(mount->flags & (MS_BIND | MS_REMOUNT)) && mount->type && strcmp(mount->type, "proc") == 0)
			result = open_procfs(mount, pid_namespace, err);
	}
	return result;
}
