/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/sys.h"
#include "base/trace.h"
#include "runtime/launch.h"
#include "runtime/out_of_memory.h"

pid_t child_clone(struct child *child, uint64_t flags, int cgroup_fd, struct error *err)
{
	struct clone_args arguments = { .flags = flags | CLONE_PIDFD, .exit_signal = SIGCHLD };
	int span = trace_begin("clone with new namespaces");
	int sockets[2], result = message_pair(sockets, err);
	pid_t pid;

	if (result < 0)
		return result;
	arguments.pidfd = (uintptr_t)&child->pidfd;
	if (cgroup_fd >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)cgroup_fd;
	}
	pid = sys_clone3(&arguments);
	if (pid != 0)
		trace_end(&span);
	/* E2BIG: a kernel whose clone3 does not know of the cgroup yet. */
	child->must_join_by_itself = pid < 0 && cgroup_fd >= 0 && (errno == ENOSYS || errno == E2BIG);
	if (pid < 0 && errno == EAGAIN)
		result = error_set(err, -EAGAIN,
			"clone the container's process: a limit on the number of processes was reached (pids of the "
			"cgroup, RLIMIT_NPROC or kernel.pid_max)");
	else if (pid < 0)
		result = error_set(err, errno, "clone the container's process");
	close_fd(&sockets[pid == 0 ? 0 : 1]);
	if (pid < 0) {
		close_fd(&sockets[0]);
		return result;
	}
	child->socket = sockets[pid == 0 ? 1 : 0];
	child->pid = pid;
	return pid;
}

static int child_listen(struct child *child, struct error *err)
{
	struct pollfd sources[] = { { .fd = child->socket, .events = POLLIN },
		{ .fd = child->signal_fd, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		if (poll(sources, ARRAY_SIZE(sources), -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_set(err, errno, "wait for the container's process");
		}
		if (sources[1].revents && read(sources[1].fd, &info, sizeof(info)) == (ssize_t)sizeof(info) &&
			(info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP ||
				info.ssi_signo == SIGQUIT))
			return error_set_exit(err, 128 + (int)info.ssi_signo, -EINTR,
				"interrupted by SIG%s before the process was made", sigabbrev_np((int)info.ssi_signo));
		if (sources[0].revents)
			return 0;
	}
}

/* Not a workload's own SIGSYS, which a monitor reports as an exit status. */
static bool was_filtered(const struct child *child, int status)
{
	return child->is_monitor && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static int child_explain_filter(struct error *err)
{
	return error_set(err, -EPERM,
		"the monitor was killed by its system call filter: a guest that broke it, or a defect of duet");
}

/* Its socket is closed: it has ended or is about to. */
static int child_explain_death(struct child *child, struct error *err)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
	int status;

	(void)poll(&ended, 1, 1000);
	if (child->pid <= 0 || waitpid(child->pid, &status, WNOHANG | __WALL) != child->pid)
		return error_set(err, -EIO, "the container's process does not answer");
	child->pid = 0;
	if (!WIFSIGNALED(status))
		return error_set(err, -EIO, "the container's process ended while it was being set up");
	if (was_filtered(child, status))
		return child_explain_filter(err);
	if (WTERMSIG(status) == SIGKILL && out_of_memory_kills(child->cgroup) > child->out_of_memory_kills) {
		cleanup_free char *limit = out_of_memory_limit(child->cgroup);

		return error_set(err, -ENOMEM,
			"the container's process was killed by the out-of-memory killer while it was being set up: %s",
			limit);
	}
	child->must_join_by_itself = WTERMSIG(status) == SIGKILL && !child->heard;
	return error_set(err, -EIO, "the container's process was killed by signal %d (%s) while it was being set up",
		WTERMSIG(status), strsignal(WTERMSIG(status)));
}

int child_receive(struct child *child, struct message *message, struct error *err)
{
	trace_scope("wait for the container's process");
	int result = child_listen(child, err);

	if (result < 0)
		return result;
	result = message_receive(child->socket, message);
	if (result == -EPIPE)
		return child_explain_death(child, err);
	if (result < 0)
		return error_set(err, -result, "hear from the container's process");
	child->heard = true;
	if (message->type == LAUNCH_FAILED) {
		close_fd(&message->fd);
		return message_to_error(message, err);
	}
	return 0;
}

int child_tell(struct child *child, uint32_t type, struct error *err)
{
	struct message *answer;
	int result = message_send(child->socket, type, NULL, 0, -1);

	if (result == 0)
		return 0;
	/* It has ended: its last word is the better error. */
	answer = message_new();
	while (child_receive(child, answer, err) == 0)
		close_fd(&answer->fd);
	free(answer);
	return -EIO;
}

/* The number of a pidfd's process in our own pid namespace, proc(5) fdinfo. */
static pid_t pidfd_number(int pidfd)
{
	cleanup_free char *path = xprintf("/proc/self/fdinfo/%d", pidfd);
	cleanup_strbuf struct strbuf info = STRBUF_INIT;
	char *line;

	if (file_read(AT_FDCWD, path, 4096, &info) < 0)
		return -1;
	line = strstr(info.data, "\nPid:");
	return line ? (pid_t)strtol(line + strlen("\nPid:"), NULL, 10) : -1;
}

int child_adopt(struct child *child, int pidfd, struct error *err)
{
	pid_t pid = pidfd >= 0 ? pidfd_number(pidfd) : -1;

	child->former = child->pid;
	close_fd(&child->pidfd);
	child->pidfd = pidfd;
	child->pid = pid > 0 ? pid : 0;
	return pid > 0 ? 0 : error_set(err, -ESRCH, "the container's process was gone before it was known");
}

void child_reap_former(struct child *child)
{
	while (child->former > 0 && waitpid(child->former, NULL, __WALL) < 0 && errno == EINTR)
		;
	child->former = 0;
}

int child_wait(struct child *child, struct error *err)
{
	int status;

	while (waitpid(child->pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for the container's process");
	}
	child->pid = 0;
	if (was_filtered(child, status))
		return child_explain_filter(err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_kill(struct child *child)
{
	if (child->pid <= 0)
		return;
	(void)kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	child->pid = 0;
}

void child_close(struct child *child)
{
	child_reap_former(child);
	close_fd(&child->socket);
	close_fd(&child->pidfd);
}

int child_write_pid_file(const struct child *child, const char *path, struct error *err)
{
	cleanup_free char *text = xprintf("%d", (int)child->pid);
	int result = file_deliver(path, text, strlen(text), 0644);

	return result < 0 ? error_set(err, -result, "write the pid file %s", path) : 0;
}
