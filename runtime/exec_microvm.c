/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy of a process in a micro-VM: it has the monitor start the process, passes its own signals and its terminal's
 * size on, and ends as the process does. Whoever knows its pid can treat it as the process: should it die of SIGKILL,
 * the monitor kills the process in the guest too.
 */
#include "runtime/exec_microvm.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/file.h"
#include "base/log.h"
#include "runtime/control.h"
#include "runtime/microvm_plan.h"
#include "runtime/terminal.h"

struct proxy {
	struct exec *exec;
	int connection; /* to the monitor */
	int signals;
	int terminal; /* the pty's slave; -EBADF: none */
	struct message *message;
};

static int proxy_send(const struct proxy *proxy, uint32_t type, const void *data, size_t length, int fd)
{
	return message_send(proxy->connection, type, data, length, fd);
}

static int proxy_open(struct proxy *proxy, struct error *err)
{
	sigset_t all;

	/* From now on nothing but SIGKILL ends the proxy before its process. */
	(void)sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return error_set(err, errno, "block signals");
	proxy->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (proxy->signals < 0)
		return error_set(err, errno, "wait for signals by descriptor");
	proxy->connection = control_connect(proxy->exec->container, err);
	return proxy->connection < 0 ? proxy->connection : 0;
}

/* To open the other side of a pseudo terminal by its path would make another terminal. */
static bool is_terminal(int fd)
{
	unsigned number;

	return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

/* The monitor must not wait for a terminal, nor change flags that the caller's shell shares: it gets an open file of
 * its own, which it could not open behind its wall. A stream that the caller has closed is empty. */
static int send_stream(const struct proxy *proxy, uint32_t stream, int fd, struct error *err)
{
	cleanup_fd int own = -EBADF;
	int result;

	if (fcntl(fd, F_GETFD) < 0) {
		own = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (own < 0)
			return error_set(err, errno, "open /dev/null");
	} else if (is_terminal(fd)) {
		own = open(fd_path(fd).text, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	result = proxy_send(proxy, CONTROL_STREAM, &stream, sizeof(stream), own >= 0 ? own : fd);
	return result < 0 ? error_set(err, -result, "hand standard streams to the monitor") : 0;
}

static int send_streams(struct proxy *proxy, struct error *err)
{
	const struct process_plan *process = &proxy->exec->process;
	cleanup_fd int master = -EBADF;
	int result = 0;

	for (int stream = 0; stream < 3 && result == 0 && !process->terminal; stream++)
		result = send_stream(proxy, (uint32_t)stream, stream, err);
	if (!process->terminal)
		return result;
	result = terminal_make(process->rows, process->columns, &master, &proxy->terminal, err);
	if (result == 0)
		result = exec_child_terminal(proxy->exec, master, err);
	return result < 0 ? result : send_stream(proxy, GUEST_STREAM_STDIN, proxy->terminal, err);
}

/* The size that the terminal has by now, so that the process never sees another one. */
static bool read_size(const struct proxy *proxy, uint32_t *rows, uint32_t *columns)
{
	struct winsize size;

	if (proxy->terminal < 0 || ioctl(proxy->terminal, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		return false;
	*rows = size.ws_row;
	*columns = size.ws_col;
	return true;
}

static int send_exec(struct proxy *proxy, struct error *err)
{
	struct process_plan *process = &proxy->exec->process;
	cleanup_strbuf struct strbuf plan = STRBUF_INIT, request = STRBUF_INIT;
	cleanup_fd int file = -EBADF;
	int result;

	(void)read_size(proxy, &process->rows, &process->columns);
	process_plan_encode(process, &plan);
	if (plan.length > CONTROL_FILE_MAX)
		return error_set(err, -E2BIG, "the process's arguments and environment are too large for a micro-VM");
	file = control_file(&plan, err);
	if (file < 0)
		return file;
	wire_put_u32(&request, process->terminal);
	wire_put_string(&request, proxy->exec->options->cgroup);
	result = proxy_send(proxy, CONTROL_EXEC, request.data, request.length, file);
	return result < 0 ? error_set(err, -result, "ask the monitor for a process") : 0;
}

/* What the process closes has to be closed for its peers, and what the caller has open is not the proxy's business. */
static int let_go(const struct proxy *proxy, struct error *err)
{
	int keep[] = { proxy->exec->child.socket, proxy->connection, proxy->signals, proxy->terminal,
		log_descriptor() };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			return error_set(err, errno, "let standard streams go");
	}
	close_all_but(keep, ARRAY_SIZE(keep));
	return 0;
}

static void forward_signals(const struct proxy *proxy)
{
	struct signalfd_siginfo info;

	while (read(proxy->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		uint32_t words[2] = { info.ssi_signo, 0 };

		switch (info.ssi_signo) {
		case SIGCHLD:
		case SIGPIPE:
		case SIGTTIN:
		case SIGTTOU:
			break;
		case SIGWINCH:
			if (read_size(proxy, &words[0], &words[1]))
				(void)proxy_send(proxy, CONTROL_RESIZE, words, sizeof(words), -1);
			break;
		default:
			(void)proxy_send(proxy, LAUNCH_SIGNAL, words, sizeof(words), -1);
		}
	}
}

/* The next thing that the monitor says; signals meanwhile go the other way. */
static int hear(const struct proxy *proxy, struct error *err)
{
	struct pollfd sources[] = { { .fd = proxy->connection, .events = POLLIN },
		{ .fd = proxy->signals, .events = POLLIN } };
	int result;

	do {
		if (poll(sources, ARRAY_SIZE(sources), -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the monitor");
		if (sources[1].revents)
			forward_signals(proxy);
	} while (!sources[0].revents);
	result = message_receive(proxy->connection, proxy->message);
	if (result < 0)
		return error_set(err, -ESRCH, "the micro-VM has ended: container not running");
	close_fd(&proxy->message->fd);
	if (proxy->message->type == LAUNCH_FAILED)
		return message_to_error(proxy->message, err);
	return 0;
}

static int wait_start(const struct proxy *proxy, struct error *err)
{
	int result = hear(proxy, err);

	if (result == 0 && proxy->message->type != LAUNCH_STARTED)
		return error_set(err, -EPROTO, "the monitor said something unexpected (%u)", proxy->message->type);
	return result;
}

/* Its exit status. A machine that ends kills what is in it. */
static int wait_end(const struct proxy *proxy)
{
	struct error err;
	uint32_t status;

	if (hear(proxy, &err) < 0 || proxy->message->type != CONTROL_EXITED || proxy->message->length != sizeof(status))
		return 128 + SIGKILL;
	memcpy(&status, proxy->message->data, sizeof(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int exec_microvm_prepare(struct exec *exec, struct error *err)
{
	struct process_plan *process = &exec->process;

	if (exec->options->preserve_fds)
		return error_set(err, -EINVAL, "--preserve-fds: a micro-VM cannot inherit the host's descriptors");
	exec->proxy = true;
	microvm_inherit_limits(process);
	/* It is about the host's processors, and holds until the process is in the container's cgroup: the guest's
	 * processors are all the container's. */
	if (process->cpu_affinity_initial && !process->cpu_affinity_final)
		process->cpu_affinity_final = xstrdup(PROCESS_ALL_CPUS);
	free_pointer(&process->cpu_affinity_initial);
	return 0;
}

int exec_microvm_child(struct exec *exec, struct error *err)
{
	struct proxy proxy = { .exec = exec, .connection = -EBADF, .signals = -EBADF, .terminal = -EBADF };
	int result;

	if (setsid() < 0)
		return error_set(err, errno, "begin a session");
	proxy.message = message_new();
	result = proxy_open(&proxy, err);
	if (result == 0)
		result = send_streams(&proxy, err);
	if (result == 0)
		result = exec_child_prepared(exec, err);
	if (result == 0)
		result = send_exec(&proxy, err);
	if (result == 0)
		result = let_go(&proxy, err);
	if (result == 0)
		result = wait_start(&proxy, err);
	if (result < 0)
		return result;
	(void)message_send(exec->child.socket, LAUNCH_STARTED, NULL, 0, -1);
	close_fd(&exec->child.socket);
	_exit(wait_end(&proxy));
}
