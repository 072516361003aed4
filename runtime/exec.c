/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"
#include "runtime/descriptor.h"
#include "runtime/exec_plan.h"
#include "runtime/filter.h"
#include "runtime/foreground.h"
#include "runtime/isolation.h"
#include "runtime/lifecycle.h"
#include "runtime/listener.h"
#include "runtime/resctrl.h"
#include "runtime/out_of_memory.h"
#include "runtime/terminal.h"

/* ---- the child ---- */

int exec_child_terminal(struct exec *exec, int master, struct error *err)
{
	int result = message_send(exec->child.socket, LAUNCH_TERMINAL, NULL, 0, master);

	return result < 0 ? error_set(err, -result, "hand the terminal to the runtime") : 0;
}

static int child_expect(struct exec *exec, enum launch_message type, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = message_receive(exec->child.socket, message);

	close_fd(&message->fd);
	if (result < 0)
		return error_set(err, -result, "hear from the runtime");
	if (message->type != type)
		return error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
	return 0;
}

int exec_child_prepared(struct exec *exec, struct error *err)
{
	int result = message_send(exec->child.socket, LAUNCH_PREPARED, NULL, 0, -1);

	if (result < 0)
		return error_set(err, -result, "speak to the runtime");
	result = child_expect(exec, LAUNCH_START, err);
	/* It may outlive the command that made it. */
	if (result == 0)
		(void)prctl(PR_SET_PDEATHSIG, 0);
	return result;
}

static int exec_child_main(struct exec *exec, struct error *err)
{
	int result;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return error_set(err, errno, "ask to end with the runtime");
	result = child_expect(exec, LAUNCH_GO, err);
	if (result == 0)
		result = cgroup_join_self(&exec->join, err);
	if (result == 0)
		result = exec->isolation->exec_child(exec, err);
	return result;
}

static void exec_child(struct exec *exec)
{
	struct error err = { 0 };

	trace_child("process");
	(void)exec_child_main(exec, &err);
	(void)message_send_error(exec->child.socket, LAUNCH_FAILED, &err);
	_exit(EXEC_EXIT_FAILED);
}

/* ---- the runtime ---- */

static int exec_check_status(const struct exec *exec, struct error *err)
{
	const char *id = exec->options->id;

	switch (container_status(exec->container)) {
	case OCI_STATUS_CREATED:
	case OCI_STATUS_RUNNING:
		return 0;
	case OCI_STATUS_PAUSED:
		if (exec->options->ignore_paused)
			return 0;
		return error_set(
			err, -EBUSY, "cannot exec in a paused container: \"%s\" (use --ignore-paused to override)", id);
	case OCI_STATUS_CREATING:
		return error_set(err, -EBUSY, "cannot exec in container \"%s\": it is still being created", id);
	default:
		return error_set(
			err, -ESRCH, "cannot exec in a stopped container: container \"%s\" is not running", id);
	}
}

static int exec_open(struct exec *exec, struct error *err)
{
	struct container_record *record;
	int result = container_open(exec->options->root, exec->options->id, NULL, &exec->container, err);

	if (result < 0)
		return result;
	record = &exec->container->record;
	exec->isolation = isolation_find(record->isolation);
	if (!exec->isolation)
		return error_set(err, -EBADMSG, "container \"%s\" has the unknown isolation \"%s\"", exec->options->id,
			record->isolation);
	result = exec_check_status(exec, err);
	if (result == 0 && !exec->isolation->exec_child)
		result = error_set(err, -ENOTSUP, "exec: isolation %s has none", exec->isolation->name);
	if (result < 0)
		return result;
	exec->container_pidfd = container_pidfd(exec->container);
	if (exec->container_pidfd < 0)
		return error_set(err, -ESRCH, "cannot exec in a stopped container: container \"%s\" is not running",
			exec->options->id);
	result = oci_spec_load(&exec->spec, exec->container->directory_fd, CONTAINER_CONFIG_FILE, err);
	if (result == 0)
		result = exec_plan(exec, err);
	if (result == 0)
		result = filter_compile(exec->container->root_fd, exec->spec->seccomp, &exec->process.seccomp, err);
	if (result == 0)
		result = exec->isolation->exec_prepare(exec, err);
	return result;
}

static int exec_open_cgroup(struct exec *exec, struct error *err)
{
	const char *record = exec->container->record.cgroup;
	int result;

	if (exec->proxy && exec->options->cgroup)
		return error_set(err, -EINVAL, "--cgroup %s: a process in a micro-VM is in none of the host's groups",
			exec->options->cgroup);
	if (exec->proxy)
		return 0;
	if (!record) {
		if (!exec->options->cgroup)
			return 0;
		return error_set(
			err, -EOPNOTSUPP, "--cgroup %s: the container has no cgroup of its own", exec->options->cgroup);
	}
	result = cgroup_load(record, &exec->cgroup, err);
	return result < 0 ? result : cgroup_join_open(exec->cgroup, exec->options->cgroup, true, &exec->join, err);
}

/*
 * A v2 group whose controllers are enabled for groups below it takes no process: a container with an init system that
 * has moved itself away. Its first process is where others can be too.
 */
static int exec_follow_first_process(struct exec *exec, struct error *err)
{
	const struct cgroup_entry *unified = cgroup_unified(exec->cgroup);
	cleanup_strbuf struct strbuf groups = STRBUF_INIT;
	cleanup_free char *file = xprintf("/proc/%d/cgroup", (int)exec->container->record.pid);
	int result = file_read(AT_FDCWD, file, 1U << 16, &groups);
	size_t length = unified ? strlen(unified->path) : 0;
	char *path;

	if (result < 0)
		return error_set(err, -result, "read %s", file);
	path = unified ? strstr(groups.data, "0::") : NULL;
	if (!path)
		return error_set(err, -EBUSY, "the container's cgroup takes no process");
	path += strlen("0::");
	path[strcspn(path, "\n")] = '\0';
	if (strncmp(path, unified->path, length) != 0 || path[length] != '/')
		return error_set(err, -EBUSY,
			"the container's cgroup %s takes no process, and its first process is elsewhere, in %s",
			unified->path, path);
	cgroup_join_close(&exec->join);
	return cgroup_join_open(exec->cgroup, path + length, true, &exec->join, err);
}

static int exec_clone(struct exec *exec, struct error *err)
{
	pid_t pid = child_clone(&exec->child, 0, exec->join.clone_into_fd, err);

	if (pid == -EBUSY && exec->cgroup && !exec->options->cgroup) {
		int result = exec_follow_first_process(exec, err);

		if (result < 0)
			return result;
		pid = child_clone(&exec->child, 0, exec->join.clone_into_fd, err);
	}
	if (pid == 0)
		exec_child(exec);
	return pid < 0 ? pid : 0;
}

static int exec_take_terminal(struct exec *exec, struct message *message, struct error *err)
{
	exec->terminal_fd = take_fd(&message->fd);
	if (exec->terminal_fd < 0)
		return error_set(err, -EPROTO, "the container's process sent no terminal");
	if (!exec->options->console_socket)
		return 0;
	return descriptor_send(exec->options->console_socket, exec->terminal_fd, TERMINAL_SOCKET_NAME, err);
}

static int exec_take_pid(struct exec *exec, struct message *message, struct error *err)
{
	if (exec->proxy)
		return error_set(err, -EPROTO, "the container's process said something unexpected");
	return child_adopt(&exec->child, take_fd(&message->fd), err);
}

static int exec_converse(struct exec *exec, struct error *err)
{
	cleanup_free struct message *message = message_new();

	for (;;) {
		int result = child_receive(&exec->child, message, err);

		if (result < 0)
			return result;
		if (message->type == LAUNCH_PREPARED)
			return 0;
		if (message->type == LAUNCH_TERMINAL)
			result = exec_take_terminal(exec, message, err);
		else if (message->type == LAUNCH_PID)
			result = exec_take_pid(exec, message, err);
		else
			result = error_set(
				err, -EPROTO, "the container's process said something unknown (%u)", message->type);
		close_fd(&message->fd);
		if (result < 0)
			return result;
	}
}

static int exec_join_resctrl(struct exec *exec, struct error *err)
{
	cleanup_fd int resctrl = resctrl_open(err);

	return resctrl < 0 ? resctrl
			   : resctrl_add(resctrl, exec->spec->intel_rdt, exec->options->id, exec->child.pid, err);
}

static int exec_child_up(struct exec *exec, struct error *err)
{
	int result = exec_clone(exec, err);

	/* It is in the container's cgroup: who deletes the container now finds it there. A container that is paused may
	 * keep us waiting from here on, and its `resume` wants the lock. */
	container_unlock(exec->container);
	if (result == 0 && exec->spec->intel_rdt)
		result = exec_join_resctrl(exec, err);
	if (result == 0 && exec->process.limits_raised)
		result = process_raise_limits(&exec->process, exec->child.pid, err);
	if (result == 0)
		result = child_tell(&exec->child, LAUNCH_GO, err);
	/* Nothing is to be done in between: then nobody needs to wait for the other. */
	exec->start_told = !exec->options->pid_file && !exec->options->pidfd_socket && !exec->process.terminal;
	if (result == 0 && exec->start_told)
		result = child_tell(&exec->child, LAUNCH_START, err);
	return result < 0 ? result : exec_converse(exec, err);
}

/* See cgroup_join_open(). */
static int exec_again(struct exec *exec, struct error *err)
{
	int result;

	cgroup_join_close(&exec->join);
	child_close(&exec->child);
	result = cgroup_join_open(exec->cgroup, exec->options->cgroup, false, &exec->join, err);
	return result < 0 ? result : exec_child_up(exec, err);
}

static int exec_make(struct exec *exec, struct error *err)
{
	const struct exec_options *options = exec->options;
	int result = exec_open(exec, err);

	if (result == 0)
		result = exec_open_cgroup(exec, err);
	exec->child.cgroup = exec->cgroup;
	exec->child.out_of_memory_kills = out_of_memory_kills(exec->cgroup);
	if (result == 0 && exec->process.cpu_affinity_initial)
		result = process_set_cpu_affinity(exec->process.cpu_affinity_initial, err);
	if (result == 0)
		result = exec_child_up(exec, err);
	if (result < 0 && exec->child.must_join_by_itself && exec->join.clone_into_fd >= 0)
		result = exec_again(exec, err);
	if (result == 0 && options->pidfd_socket)
		result = descriptor_send(options->pidfd_socket, exec->child.pidfd, DESCRIPTOR_PIDFD_EXEC, err);
	if (result == 0 && options->pid_file)
		result = child_write_pid_file(&exec->child, options->pid_file, err);
	exec->pid_file_written = result == 0 && options->pid_file;
	return result;
}

static int exec_start(struct exec *exec, struct error *err)
{
	const struct listener_facts facts = {
		.profile = exec->spec->seccomp,
		.state = container_state(exec->container, OCI_STATUS_RUNNING),
		.pid = exec->child.pid,
	};
	int result = exec->start_told ? 0 : child_tell(&exec->child, LAUNCH_START, err);

	/* A signal that comes now waits: it is for the process, which is about to be there. */
	if (result == 0)
		result = listener_wait_start(exec->child.socket, &facts, err);
	if (result == 0)
		child_reap_former(&exec->child);
	return result;
}

static int exec_signal(void *context, int signal, struct error *err)
{
	struct child *child = context;

	if (pidfd_send_signal(child->pidfd, signal, NULL, 0) < 0)
		return error_set(err, errno, "send signal %d to process %d", signal, (int)child->pid);
	return 0;
}

static int exec_foreground(struct exec *exec, struct error *err)
{
	cleanup_foreground struct foreground *foreground = NULL;
	struct foreground_plan plan = {
		.child = &exec->child,
		.terminal_fd = exec->options->console_socket ? -EBADF : exec->terminal_fd,
		.signal = exec_signal,
		.context = &exec->child,
	};
	int result = foreground_open(&foreground, &plan, err);

	if (result == 0)
		result = exec_start(exec, err);
	if (result == 0)
		result = foreground_wait(foreground, err);
	if (result > 0)
		out_of_memory_warn(exec->cgroup, exec->child.out_of_memory_kills, exec->options->id, result);
	return result;
}

static void exec_close(struct exec *exec)
{
	child_close(&exec->child);
	close_fd(&exec->container_pidfd);
	close_fd(&exec->terminal_fd);
	cgroup_join_close(&exec->join);
	cgroup_close(&exec->cgroup);
	process_plan_free(&exec->process);
	oci_spec_free(exec->spec);
	container_close(&exec->container);
}

int lifecycle_exec(const struct exec_options *options, struct error *err)
{
	struct exec exec = { .options = options,
		.child = CHILD_NONE,
		.container_pidfd = -EBADF,
		.terminal_fd = -EBADF,
		.join = { .clone_into_fd = -EBADF } };
	cleanup_fd int signals = -EBADF;
	int result;

	if (!options->detach) {
		signals = foreground_block_signals(err);
		if (signals < 0)
			return signals;
		exec.child.signal_fd = signals;
	}
	result = exec_make(&exec, err);
	if (result == 0)
		result = options->detach ? exec_start(&exec, err) : exec_foreground(&exec, err);
	if (result < 0) {
		child_kill(&exec.child);
		if (exec.pid_file_written)
			(void)unlink(options->pid_file);
	}
	exec_close(&exec);
	return result;
}
