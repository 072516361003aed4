/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces are those of the container's first process, entered through its pidfd (setns(2)): no path is looked up
 * and no other process can be meant. Nothing of the container may look at the process before execve(2): it is not
 * dumpable when it enters, so that neither ptrace(2) nor /proc/PID/fd, exe, root of it open up.
 */
#include "runtime/exec_container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/sys.h"
#include "ns/namespaces.h"
#include "process/terminal.h"
#include "runtime/exec.h"

static uint64_t container_namespaces(const struct exec *exec)
{
	uint64_t flags = 0;

	for (size_t i = 0; i < exec->spec->namespace_count; i++)
		flags |= namespace_table[exec->spec->namespaces[i].kind].clone_flag;
	return flags;
}

static int hide(struct error *err)
{
	return prctl(PR_SET_DUMPABLE, 0) < 0 ? error_set(err, errno, "make the process not dumpable") : 0;
}

/* Without privileges over the host nobody enters a pid namespace but from inside the user namespace that owns it. The
 * child goes there and makes the process as its sibling. */
int exec_container_prepare(struct exec *exec, struct error *err)
{
	uint64_t flags = container_namespaces(exec);
	struct process_plan *process = &exec->process;
	int result;

	/* Inside a user namespace its own process could not raise a limit. */
	process->limits_applied = true;
	/* config.md: without "final" it is what the cpuset of the container says. */
	if (process->cpu_affinity_initial && !process->cpu_affinity_final)
		process->cpu_affinity_final = xstrdup(PROCESS_ALL_CPUS);
	if (!(flags & CLONE_NEWPID))
		return hide(err);
	if (setns(exec->container_pidfd, CLONE_NEWPID) == 0)
		/* The child is born in the pid namespace. */
		return hide(err);
	if (errno == ESRCH)
		return error_set(err, -ESRCH, "cannot exec in a stopped container: container \"%s\" is not running",
			exec->container->id);
	result = errno;
	if (result != EPERM || !(flags & CLONE_NEWUSER))
		return error_set(err, result, "enter the container's pid namespace");
	exec->enter_by_child = true;
	return 0;
}

/* A user namespace that one is in already cannot be entered again: a container that was told to join it by its path. */
static bool is_own_user_namespace(const struct exec *exec)
{
	cleanup_free char *path = xprintf("/proc/%d/ns/user", (int)exec->container->record.pid);
	struct stat own, other;

	return stat("/proc/self/ns/user", &own) == 0 && stat(path, &other) == 0 && own.st_ino == other.st_ino;
}

static int enter_namespaces(struct exec *exec, struct error *err)
{
	uint64_t flags = container_namespaces(exec);
	bool user = flags & CLONE_NEWUSER;

	/* The runtime has entered it. */
	if (!exec->enter_by_child)
		flags &= ~(uint64_t)CLONE_NEWPID;
	if (user && is_own_user_namespace(exec)) {
		flags &= ~(uint64_t)CLONE_NEWUSER;
		user = false;
	}
	if (setns(exec->container_pidfd, (int)flags) < 0)
		return error_set(err, errno, "enter the container's namespaces");
	return user ? namespaces_become_root(err) : 0;
}

/* The process of a pid namespace is born there. */
static int become_sibling(struct exec *exec, struct error *err)
{
	int pidfd = -EBADF;
	struct clone_args arguments = { .flags = CLONE_PARENT | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd };
	pid_t pid;

	if (!exec->enter_by_child)
		return 0;
	pid = sys_clone3(&arguments);
	if (pid < 0)
		return error_set(err, errno, "clone inside the container's pid namespace");
	if (pid > 0) {
		(void)message_send(exec->child.socket, LAUNCH_PID, NULL, 0, pidfd);
		_exit(0);
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The session is left to the one that has ended. */
	return setsid() < 0 ? error_set(err, errno, "begin a session") : 0;
}

static int make_terminal(struct exec *exec, struct error *err)
{
	cleanup_fd int root = -EBADF, master = -EBADF, slave = -EBADF;
	int result;

	if (!exec->process.terminal)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, errno, "open the container's root");
	result = process_make_terminal(root, &exec->process, &master, &slave, err);
	if (result == 0)
		result = exec_child_terminal(exec, master, err);
	if (result == 0)
		result = process_take_terminal(slave, err);
	return result;
}

static int enter_container(struct exec *exec, struct error *err)
{
	int result = hide(err);

	/* With the descriptors goes this process's share of the lock. */
	close_fd(&exec->container->directory_fd);
	close_fd(&exec->container->root_fd);
	if (exec->child.signal_fd >= 0)
		(void)close(exec->child.signal_fd);
	if (result == 0)
		result = enter_namespaces(exec, err);
	close_fd(&exec->container_pidfd);
	/* Changing ids sets it to fs.suid_dumpable. */
	if (result == 0)
		result = hide(err);
	return result == 0 ? become_sibling(exec, err) : result;
}

int exec_container_child(struct exec *exec, struct error *err)
{
	cleanup_free char *executable = NULL;
	int result = enter_container(exec, err);

	if (result == 0)
		result = process_resolve_user(&exec->process, err);
	if (result == 0)
		result = make_terminal(exec, err);
	if (result == 0)
		result = process_prepare(&exec->process, &executable, err);
	if (result == 0)
		result = exec_child_prepared(exec, err);
	if (result < 0)
		return result;
	exec->process.error_fd = exec->child.socket;
	return process_execute(&exec->process, executable, err);
}
