/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: create and start, and in the foreground stay until the process has ended.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/log.h"
#include "runtime/isolation.h"
#include "runtime/lifecycle.h"
#include "runtime/terminal.h"

#define RUN_COPY_BYTES 65536

/* The descriptors that a foreground run waits for; a negative one is not looked at (poll(2)). */
enum run_source { RUN_SIGNALS, RUN_PROCESS, RUN_SOCKET, RUN_INPUT, RUN_TERMINAL, RUN_SOURCES };

struct run {
	struct launch *launch;
	struct terminal *terminal;
	struct pollfd sources[RUN_SOURCES];
	struct error last_word; /* of a monitor; code 0: none */
	char copy[RUN_COPY_BYTES];
};

static int run_block_signals(sigset_t *old, struct error *err)
{
	sigset_t all;
	int fd;

	sigfillset(&all);
	/* Faults of the program itself stay deadly. */
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGABRT);
	if (sigprocmask(SIG_BLOCK, &all, old) < 0)
		return error_set(err, errno, "block signals");
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(err, errno, "wait for signals by descriptor") : fd;
}

static void run_forward_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->sources[RUN_SIGNALS].fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int signal = (int)info.ssi_signo;
		struct error err;

		if (signal == SIGWINCH)
			terminal_resize(run->terminal);
		if (signal == SIGCHLD || signal == SIGPIPE || signal == SIGWINCH || signal == SIGTTOU ||
			signal == SIGTTIN)
			continue;
		if (run->launch->isolation->signal(run->launch->container, signal, false, &err) < 0 &&
			err.code != ESRCH)
			log_warning("forward signal %d: %s", signal, err.message);
	}
}

static void write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			data += written;
			length -= (size_t)written;
		}
	}
}

/* Returns false at the end of the stream. */
static bool run_copy(struct run *run, int from, int to)
{
	ssize_t length = read(from, run->copy, sizeof(run->copy));

	if (length > 0)
		write_all(to, run->copy, (size_t)length);
	return length > 0 || (length < 0 && (errno == EINTR || errno == EAGAIN));
}

static void run_hear(struct run *run)
{
	struct message *message = xcalloc(1, sizeof(*message));

	if (message_receive(run->launch->socket, message) < 0)
		run->sources[RUN_SOCKET].fd = -1;
	else if (message->type == LAUNCH_FAILED)
		(void)message_to_error(message, &run->last_word);
	close_fd(&message->fd);
	free(message);
}

static void run_copy_terminal(struct run *run)
{
	int master = run->launch->terminal_fd;

	if (run->sources[RUN_INPUT].revents && !run_copy(run, STDIN_FILENO, master)) {
		/* End of input: the terminal's line discipline makes it one for the reader, as a person's Ctrl-D would.
		 */
		write_all(master, "\x04", 1);
		run->sources[RUN_INPUT].fd = -1;
	}
	if (run->sources[RUN_TERMINAL].revents && !run_copy(run, master, STDOUT_FILENO))
		run->sources[RUN_TERMINAL].fd = -1;
}

/* What is still in the terminal after the process has ended. */
static void run_drain_terminal(struct run *run)
{
	struct pollfd *source = &run->sources[RUN_TERMINAL];

	while (source->fd >= 0 && poll(source, 1, 0) > 0 && (source->revents & POLLIN)) {
		if (!run_copy(run, source->fd, STDOUT_FILENO))
			return;
	}
}

static void run_loop(struct run *run)
{
	for (;;) {
		if (poll(run->sources, RUN_SOURCES, -1) < 0) {
			if (errno == EINTR)
				continue;
			log_warning("wait for the container: %s", strerror(errno));
			return;
		}
		if (run->sources[RUN_SIGNALS].revents)
			run_forward_signals(run);
		run_copy_terminal(run);
		if (run->sources[RUN_SOCKET].revents)
			run_hear(run);
		if (run->sources[RUN_PROCESS].revents)
			return;
	}
}

static int run_wait(struct launch *launch, struct error *err)
{
	int status;

	while (waitpid(launch->pid, &status, __WALL) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for the container's process");
	}
	launch->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_foreground(struct launch *launch, int signals, struct error *err)
{
	struct run *run = xcalloc(1, sizeof(*run));
	int master = launch->terminal_fd;
	bool relay = master >= 0 && !launch->options->console_socket;
	int result = 0;

	run->launch = launch;
	run->sources[RUN_SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
	run->sources[RUN_PROCESS] = (struct pollfd){ .fd = launch->pidfd, .events = POLLIN };
	run->sources[RUN_SOCKET] = (struct pollfd){ .fd = launch->socket, .events = POLLIN };
	run->sources[RUN_INPUT] = (struct pollfd){ .fd = relay ? STDIN_FILENO : -1, .events = POLLIN };
	run->sources[RUN_TERMINAL] = (struct pollfd){ .fd = relay ? master : -1, .events = POLLIN };
	if (relay)
		result = terminal_open(&run->terminal, master, err);
	if (result == 0)
		result = launch_start(launch, err);
	if (result == 0) {
		/* Others may look at it, signal it and even delete it by force meanwhile. */
		container_unlock(launch->container);
		run_loop(run);
		run_drain_terminal(run);
		while (run->sources[RUN_SOCKET].fd >= 0 && poll(&run->sources[RUN_SOCKET], 1, 0) > 0)
			run_hear(run);
		result = run_wait(launch, err);
	}
	terminal_close(&run->terminal);
	if (result >= 0 && run->last_word.code) {
		*err = run->last_word;
		result = -err->code;
	}
	free(run);
	return result;
}

/* The container's own end: a `delete --force` of somebody else may have come first. */
static void run_delete(struct launch *launch)
{
	struct error err;

	if (container_lock(launch->container, &err) < 0)
		return;
	if (lifecycle_cleanup(launch->container, &err) < 0)
		log_warning("%s", err.message);
}

int lifecycle_run(struct launch_options *options, bool keep, struct error *err)
{
	cleanup_launch struct launch *launch = NULL;
	cleanup_fd int signals = -EBADF;
	sigset_t old;
	int result;

	if (options->foreground) {
		/* Before the clone: a signal that arrives meanwhile must find its way into the container and not end
		 * the runtime half-way. */
		signals = run_block_signals(&old, err);
		if (signals < 0)
			return signals;
		options->signal_fd = signals;
	}
	result = launch_create(options, &launch, err);
	if (result < 0)
		return result;
	if (options->foreground) {
		result = run_foreground(launch, signals, err);
		if (launch->pid > 0)
			launch_abort(launch);
		else if (!keep)
			run_delete(launch);
		return result;
	}
	result = launch_start(launch, err);
	if (result < 0)
		launch_abort(launch);
	return result;
}
