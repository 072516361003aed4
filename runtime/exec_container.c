/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces are those of the container's first process, entered through its pidfd (setns(2)): no path is looked up
 * and no other process can be meant.
 *
 * A process of the container that may trace others must find nothing of the host in the new one. So the child enters
 * every namespace and closes what is the host's while the container cannot see it, and then makes the process, as its
 * own sibling: that one is born in the container's pid namespace, not dumpable (neither ptrace(2) nor /proc/PID/fd,
 * exe, root open up for those without CAP_SYS_PTRACE) and with nothing but its standard streams and one socket.
 */
#include "runtime/exec_container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"
#include "ns/namespaces.h"
#include "process/terminal.h"
#include "runtime/exec.h"
#include "runtime/listener.h"

#define SIBLING_STACK_BYTES (256U << 10)

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

int exec_container_prepare(struct exec *exec, struct error *err)
{
	struct process_plan *process = &exec->process;

	(void)err;
	/* Inside a user namespace its own process could not raise a limit. */
	process->limits_raised = container_namespaces(exec) & CLONE_NEWUSER;
	/* config.md: without "final" it is what the cpuset of the container says. */
	if (process->cpu_affinity_initial && !process->cpu_affinity_final)
		process->cpu_affinity_final = xstrdup(PROCESS_ALL_CPUS);
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

	if (user && is_own_user_namespace(exec)) {
		flags &= ~(uint64_t)CLONE_NEWUSER;
		user = false;
	}
	if (setns(exec->container_pidfd, (int)flags) < 0)
		return error_set(err, errno, "enter the container's namespaces");
	return user ? namespaces_become_root(err) : 0;
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

/* Neither the state directory nor a cgroup; the log has to stay. */
static void close_host(const struct exec *exec)
{
	uint32_t preserved = exec->process.preserve_fds;
	cleanup_free int *keep = xcalloc(preserved + 3, sizeof(*keep));

	for (uint32_t i = 0; i < preserved; i++)
		keep[i] = STDERR_FILENO + 1 + (int)i;
	keep[preserved] = exec->child.socket;
	keep[preserved + 1] = exec->container_pidfd;
	keep[preserved + 2] = log_descriptor();
	close_all_but(keep, preserved + 3);
}

static int enter_container(struct exec *exec, struct error *err)
{
	trace_scope("enter the container's namespaces");
	int result = hide(err);

	close_host(exec);
	if (result == 0)
		result = enter_namespaces(exec, err);
	close_fd(&exec->container_pidfd);
	/* Changing ids sets it to fs.suid_dumpable. */
	return result == 0 ? hide(err) : result;
}

static int become_process(struct exec *exec, struct error *err)
{
	cleanup_free char *executable = NULL;
	int result;

	/* Away from the caller's terminal: its Ctrl-C is for the runtime, which forwards it once, and TIOCSTI has
	 * nothing to push into. */
	if (setsid() < 0)
		return error_set(err, errno, "begin a session");
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
	result = listener_hand_over(&exec->process, exec->child.socket, err);
	return result < 0 ? result : process_execute(&exec->process, executable, err);
}

static int sibling_main(void *argument)
{
	struct exec *exec = argument;
	struct error err = { 0 };
	cleanup_fd int own_pidfd = pidfd_open(getpid(), 0);
	int result;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The first thing that is said, so that it is known who says the rest. */
	result = own_pidfd < 0 ? -errno : message_send(exec->child.socket, LAUNCH_PID, NULL, 0, own_pidfd);
	close_fd(&own_pidfd);
	if (result < 0)
		(void)error_set(&err, -result, "speak to the runtime");
	else
		(void)become_process(exec, &err);
	(void)message_send_error(exec->child.socket, LAUNCH_FAILED, &err);
	_exit(EXEC_EXIT_FAILED);
}

/* The process of a pid namespace is born there. As with vfork(2) its maker stands still until execve(2), and lends it
 * the memory: a copy would take longer than all the rest. */
static int make_sibling(struct exec *exec, struct error *err)
{
	char *stack =
		mmap(NULL, SIBLING_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return error_set(err, errno, "make a stack");
	if (clone(sibling_main, stack + SIBLING_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PARENT, exec) < 0)
		return error_set(err, errno, "clone inside the container's pid namespace");
	_exit(0);
}

int exec_container_child(struct exec *exec, struct error *err)
{
	int result = enter_container(exec, err);

	if (result < 0)
		return result;
	return (container_namespaces(exec) & CLONE_NEWPID) ? make_sibling(exec, err) : become_process(exec, err);
}
