/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/foreground.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/trace.h"
#include "runtime/launch.h"
#include "runtime/relay.h"
#include "runtime/terminal.h"

/* What is waited for; a negative descriptor is not looked at (poll(2)). */
enum foreground_source {
	SOURCE_SIGNALS,
	SOURCE_PROCESS,
	SOURCE_SOCKET,
	SOURCE_RELAY,
	SOURCES = SOURCE_RELAY + RELAY_SOURCES
};

struct foreground {
	struct foreground_plan plan;
	struct terminal *terminal;
	struct relay *relay;
	struct pollfd sources[SOURCES];
	bool process_ended, gave_up;
	struct error last_word; /* code 0: none */
};

int foreground_block_signals(struct error *err)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	sigset_t all;
	int fd;

	sigfillset(&all);
	/* They stay deadly. */
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigdelset(&all, faults[i]);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return error_set(err, errno, "block signals");
	fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(err, errno, "wait for signals by descriptor") : fd;
}

int foreground_open(struct foreground **ret, const struct foreground_plan *plan, struct error *err)
{
	cleanup_foreground struct foreground *foreground = xcalloc(1, sizeof(*foreground));
	int result = 0;

	foreground->plan = *plan;
	foreground->sources[SOURCE_SIGNALS] = (struct pollfd){ .fd = plan->child->signal_fd, .events = POLLIN };
	foreground->sources[SOURCE_PROCESS] = (struct pollfd){ .fd = plan->child->pidfd, .events = POLLIN };
	foreground->sources[SOURCE_SOCKET] = (struct pollfd){ .fd = plan->child->socket, .events = POLLIN };
	for (int i = SOURCE_RELAY; i < SOURCES; i++)
		foreground->sources[i].fd = -1;
	if (plan->terminal_fd >= 0)
		result = relay_open(&foreground->relay, plan->terminal_fd, err);
	if (result == 0 && plan->terminal_fd >= 0)
		result = terminal_open(&foreground->terminal, plan->terminal_fd, err);
	if (result < 0)
		return result;
	*ret = take_pointer(&foreground);
	return 0;
}

/* What a person ends a command with that waits only for its own output to be taken. */
static bool is_final(int signal)
{
	return signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT;
}

static void take_signals(struct foreground *foreground)
{
	struct signalfd_siginfo info;

	while (read(foreground->plan.child->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int signal = (int)info.ssi_signo;
		struct error err;

		if (signal == SIGCONT && foreground->terminal)
			(void)terminal_claim(foreground->terminal, true);
		if (signal == SIGWINCH || signal == SIGCONT)
			terminal_resize(foreground->terminal);
		if (signal == SIGCHLD || signal == SIGPIPE || signal == SIGWINCH || signal == SIGTTOU ||
			signal == SIGTTIN)
			continue;
		if (foreground->process_ended)
			foreground->gave_up |= is_final(signal);
		else if (foreground->plan.signal(foreground->plan.context, signal, &err) < 0 && err.code != ESRCH)
			log_warning("forward signal %d: %s", signal, err.message);
	}
}

static void hear(struct foreground *foreground)
{
	struct message *message = message_new();
	struct error warning;

	if (message_receive(foreground->plan.child->socket, message) < 0)
		foreground->sources[SOURCE_SOCKET].fd = -1;
	else if (message->type == LAUNCH_FAILED)
		(void)message_to_error(message, &foreground->last_word);
	else if (message->type == LAUNCH_WARNING && message_to_error(message, &warning) < 0)
		log_warning("%s", warning.message);
	close_fd(&message->fd);
	free(message);
}

/* False when there is nothing more to wait for. */
static bool turn(struct foreground *foreground)
{
	struct pollfd *sources = foreground->sources;
	int timeout_ms = -1;

	if (foreground->relay)
		timeout_ms = relay_sources(foreground->relay, sources + SOURCE_RELAY);
	if (poll(sources, SOURCES, timeout_ms) < 0) {
		if (errno == EINTR)
			return true;
		log_warning("wait for the container: %s", strerror(errno));
		return false;
	}
	if (sources[SOURCE_SIGNALS].revents)
		take_signals(foreground);
	if (foreground->relay) {
		(void)terminal_claim(foreground->terminal, false);
		relay_move(foreground->relay, sources + SOURCE_RELAY);
	}
	if (sources[SOURCE_SOCKET].revents)
		hear(foreground);
	if (sources[SOURCE_PROCESS].revents) {
		sources[SOURCE_PROCESS].fd = -1;
		foreground->process_ended = true;
		if (foreground->relay)
			relay_end_input(foreground->relay);
	}
	if (!foreground->process_ended)
		return true;
	return foreground->relay && !foreground->gave_up && relay_drain(foreground->relay);
}

int foreground_wait(struct foreground *foreground, struct error *err)
{
	trace_scope("wait for the container to end");
	struct pollfd *socket = &foreground->sources[SOURCE_SOCKET];
	int result;

	while (turn(foreground))
		;
	while (socket->fd >= 0 && poll(socket, 1, 0) > 0)
		hear(foreground);
	result = child_wait(foreground->plan.child, err);
	if (result >= 0 && foreground->last_word.code) {
		*err = foreground->last_word;
		return -err->code;
	}
	return result;
}

void foreground_close(struct foreground **location)
{
	struct foreground *foreground = *location;

	if (!foreground)
		return;
	relay_close(&foreground->relay);
	terminal_close(&foreground->terminal);
	free(foreground);
	*location = NULL;
}
