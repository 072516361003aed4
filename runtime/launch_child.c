/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch_child.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/sys.h"
#include "base/trace.h"
#include "ns/network.h"
#include "ns/rootfs.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"

static int child_expect(struct launch *launch, enum launch_message type, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = message_receive(launch->child.socket, message);

	close_fd(&message->fd);
	if (result < 0)
		return error_set(err, -result, "hear from the runtime");
	if (message->type != type)
		return error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
	return 0;
}

static int child_say(struct launch *launch, enum launch_message type, struct error *err)
{
	int result = message_send(launch->child.socket, type, NULL, 0, -1);

	return result < 0 ? error_set(err, -result, "speak to the runtime") : 0;
}

int launch_child_mounted(struct launch *launch, struct error *err)
{
	int result;

	if (!launch->asks_for_hooks)
		return 0;
	result = child_say(launch, LAUNCH_MOUNTED, err);
	if (result == 0)
		result = child_expect(launch, LAUNCH_HOOKS_DONE, err);
	if (result == 0)
		result = launch_child_hooks(launch, OCI_HOOK_CREATE_CONTAINER, OCI_STATUS_CREATING, err);
	return result;
}

int launch_child_terminal(struct launch *launch, int master, struct error *err)
{
	int result = message_send(launch->child.socket, LAUNCH_TERMINAL, NULL, 0, master);

	return result < 0 ? error_set(err, -result, "hand the terminal to the runtime") : 0;
}

int launch_child_ask_tun(struct launch *launch, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = child_say(launch, LAUNCH_TUN, err);

	if (result < 0)
		return result;
	result = message_receive(launch->child.socket, message);
	if (result < 0)
		return error_set(err, -result, "hear from the runtime");
	if (message->type != LAUNCH_TUN || message->fd < 0) {
		close_fd(&message->fd);
		return error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
	}
	return take_fd(&message->fd);
}

int launch_child_prepared(struct launch *launch, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = child_say(launch, LAUNCH_PREPARED, err);

	if (result < 0)
		return result;
	result = message_receive(launch->child.socket, message);
	if (result < 0)
		return error_set(err, -result, "hear from the runtime");
	close_fd(&message->fd);
	if (message->type != LAUNCH_ACCEPTED && message->type != LAUNCH_START)
		return error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
	/* Known to the state directory from now on: it may outlive the command that made it. */
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (message->type == LAUNCH_START)
		return 1;
	result = child_say(launch, LAUNCH_DONE, err);
	close_fd(&launch->child.socket);
	return result;
}

int launch_child_wait_start(struct launch *launch, struct error *err)
{
	cleanup_free struct message *message = message_new();

	for (;;) {
		cleanup_fd int connection = accept4(launch->listener_fd, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			return error_set(err, errno, "wait for start");
		}
		/* A connection without a word is a look at whether this still listens. */
		if (message_receive(connection, message) < 0)
			continue;
		close_fd(&message->fd);
		if (message->type == LAUNCH_START)
			return take_fd(&connection);
	}
}

int launch_child_hooks(struct launch *launch, enum oci_hook_kind kind, enum oci_status status, struct error *err)
{
	struct oci_state state;

	if (!launch->spec->hooks[kind].count)
		return 0;
	state = container_state(launch->container, status);
	return hooks_run(launch->spec, kind, &state, err);
}

/* The user namespace decides what the ids 0 mean: become its root before anything is made. */
static int child_become_root(const struct launch *launch, struct error *err)
{
	int result;

	if (!(launch->plan.namespaces.unshare & CLONE_NEWUSER) && launch->namespace_fds[NAMESPACE_USER] < 0)
		return 0;
	result = namespaces_become_root(err);
	/* Changing ids cleared it, and without it /proc/self belongs to the host's root. But not where others could
	 * trace the process then (see launch_clone); what it has to write there is open to everybody. */
	if (result == 0 && prctl(PR_SET_DUMPABLE, launch->namespace_fds[NAMESPACE_PID] < 0) < 0)
		return error_set(err, errno, "own /proc/self in the user namespace");
	return result;
}

/* Nothing of the host's file system stays open behind the wall: a monitor does not execve(2), so close-on-exec is not
 * enough. */
static void child_close_host(struct launch *launch)
{
	cgroup_join_close(&launch->join);
	cgroup_close(&launch->cgroup);
	close_fd(&launch->child.pidfd);
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++) {
		if (kind != NAMESPACE_PID || !launch->joins_pid_last)
			close_fd(&launch->namespace_fds[kind]);
	}
	if (launch->options->signal_fd >= 0)
		(void)close(launch->options->signal_fd);
}

static int child_enter(struct launch *launch, struct error *err)
{
	const struct namespaces_plan *plan = &launch->plan.namespaces;
	uint64_t joined = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS;
	int result = cgroup_join_self(&launch->join, err);

	if (result == 0)
		result = namespaces_join(launch->namespace_fds, joined, err);
	if (result == 0 && (plan->unshare & CLONE_NEWCGROUP))
		rootfs_note_cgroups(&launch->plan.rootfs);
	if (result == 0 && (plan->unshare & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		result = error_set(err, errno, "make a cgroup namespace");
	if (result == 0)
		result = child_become_root(launch, err);
	child_close_host(launch);
	return result;
}

/* A process in the place of this one, with the runtime as the parent of both. Returns in that alone. */
static int child_step_aside(struct launch *launch, uint64_t flags, struct error *err)
{
	int pidfd = -EBADF;
	struct clone_args arguments = {
		.flags = flags | CLONE_PARENT | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
	};
	pid_t pid = sys_clone3(&arguments);

	if (pid < 0)
		return error_set(err, errno, "clone inside the joined namespace");
	if (pid > 0) {
		(void)message_send(launch->child.socket, LAUNCH_PID, NULL, 0, pidfd);
		_exit(0);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return 0;
}

/* New namespaces have to belong to the joined user namespace, and the runtime itself must not go there (it would lose
 * the host's files). */
static int child_behind_user_namespace(struct launch *launch, struct error *err)
{
	uint64_t later = CLONE_NEWCGROUP | CLONE_NEWTIME;
	int result = namespaces_join(launch->namespace_fds, CLONE_NEWUSER, err);

	return result < 0 ? result : child_step_aside(launch, launch->plan.namespaces.unshare & ~later, err);
}

int launch_child_join_pid(struct launch *launch, struct error *err)
{
	int result;

	if (!launch->joins_pid_last)
		return 0;
	result = namespaces_join(launch->namespace_fds, CLONE_NEWPID, err);
	close_fd(&launch->namespace_fds[NAMESPACE_PID]);
	return result;
}

int launch_child_enter_pid(struct launch *launch, struct error *err)
{
	int result = launch->joins_pid_last ? child_step_aside(launch, 0, err) : 0;

	if (result == 0 && launch->joins_pid_last && setsid() < 0)
		result = error_set(err, errno, "begin a session");
	return result;
}

static int child_main(struct launch *launch, struct error *err)
{
	int result;

	/* With the descriptor goes this process's share of the lock. */
	close_fd(&launch->container->directory_fd);
	close_fd(&launch->container->root_fd);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set(err, errno, "ask to end with the runtime");
	if (launch->namespace_fds[NAMESPACE_USER] >= 0) {
		result = child_behind_user_namespace(launch, err);
		if (result < 0)
			return result;
	}
	/* Away from the caller's terminal: its Ctrl-C is for the runtime, which forwards it once, and TIOCSTI has
	 * nothing to push into. */
	if (setsid() < 0)
		return error_set(err, errno, "begin a session");
	result = launch->unattended ? 0 : child_expect(launch, LAUNCH_GO, err);
	if (result == 0)
		result = child_enter(launch, err);
	if (result == 0)
		result = launch->isolation->child(launch, err);
	return result;
}

void launch_child(struct launch *launch)
{
	struct error err = { 0 };

	trace_child(launch->child.is_monitor ? "monitor" : "container");
	(void)child_main(launch, &err);
	(void)message_send_error(launch->child.socket, LAUNCH_FAILED, &err);
	_exit(err.exit_status ? err.exit_status : 1);
}

int launch_adopt(struct launch *launch, struct message *message, struct error *err)
{
	int result;

	if (launch->namespace_fds[NAMESPACE_USER] < 0 && !launch->joins_pid_last)
		return error_set(err, -EPROTO, "the container's process said something unexpected");
	result = child_adopt(&launch->child, take_fd(&message->fd), err);
	child_reap_former(&launch->child);
	if (result < 0)
		return result;
	launch->container->record.pid = launch->child.pid;
	launch->container->record.pid_start_ticks = process_start_ticks(launch->child.pid);
	return container_save(launch->container, err);
}

int launch_move_network_devices(struct launch *launch, struct error *err)
{
	for (size_t i = 0; i < launch->spec->network_device_count; i++) {
		const struct oci_network_device *device = &launch->spec->network_devices[i];
		const char *name = device->container_name ? device->container_name : device->host_name;
		int result = network_move_device(device->host_name, name, launch->child.pid, err);

		if (result < 0)
			return result;
	}
	return 0;
}
