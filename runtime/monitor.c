/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/monitor.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "base/log.h"
#include "microvm/guest_protocol.h"

#define MONITOR_BOOT_TIMEOUT_MS (180 * 1000)
#define MONITOR_ENTROPY_BYTES   64
#define SESSION_MAIN            0

enum monitor_source { MONITOR_GUEST, MONITOR_MACHINE, MONITOR_SIGNALS, MONITOR_LISTENER, MONITOR_SOURCES };

/* In the order of a life. */
enum monitor_phase { PHASE_BOOTING, PHASE_CREATING, PHASE_CREATED, PHASE_STARTING, PHASE_RUNNING, PHASE_EXITED };

struct monitor {
	struct launch *launch;
	struct vm *vm;
	enum monitor_phase phase;
	struct pollfd sources[MONITOR_SOURCES];
	struct guest_frame_reader reader;
	int finished[3]; /* eventfds of the streams towards the host; -EBADF: none */
	int terminal;    /* the pty's slave, to ask its size; -EBADF: none */
	int answer;      /* who waits for the outcome of START: a connection, or the launch's socket; -EBADF: nobody */
	double begin_ms; /* when the guest was let go, on the monotonic clock */
	int wait_status; /* of the workload, from PHASE_EXITED on */
};

static double now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int monitor_tell(
	struct monitor *monitor, enum guest_message type, const struct strbuf *payload, struct error *err)
{
	return guest_frame_send(monitor->sources[MONITOR_GUEST].fd, type, payload, err);
}

static int monitor_tell_session(struct monitor *monitor, enum guest_message type, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, SESSION_MAIN);
	return monitor_tell(monitor, type, &payload, err);
}

static int monitor_order(struct monitor *monitor, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	unsigned char entropy[MONITOR_ENTROPY_BYTES];
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 ||
		getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
		return error_set(err, errno, "read the clock and the entropy for the guest");
	wire_put_i64(&payload, now.tv_sec);
	wire_put_u32(&payload, (uint32_t)now.tv_nsec);
	wire_put_bytes(&payload, entropy, sizeof(entropy));
	container_plan_encode(&monitor->launch->vm.guest, &payload);
	process_plan_encode(&monitor->launch->process, &payload);
	explicit_bzero(entropy, sizeof(entropy));
	return monitor_tell(monitor, GUEST_CREATE, &payload, err);
}

static int monitor_resize(struct monitor *monitor, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct winsize size;

	if (monitor->terminal < 0 || ioctl(monitor->terminal, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		return 0;
	wire_put_u32(&payload, SESSION_MAIN);
	wire_put_u32(&payload, size.ws_row);
	wire_put_u32(&payload, size.ws_col);
	return monitor_tell(monitor, GUEST_RESIZE, &payload, err);
}

static int monitor_signal_guest(struct monitor *monitor, uint32_t signal, bool all, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, SESSION_MAIN);
	wire_put_u32(&payload, signal);
	wire_put_u8(&payload, all);
	return monitor_tell(monitor, GUEST_SIGNAL, &payload, err);
}

static void monitor_answer(struct monitor *monitor, const struct error *failure)
{
	if (monitor->answer < 0)
		return;
	if (failure)
		(void)message_send_error(monitor->answer, LAUNCH_FAILED, failure);
	else
		(void)message_send(monitor->answer, LAUNCH_STARTED, NULL, 0, -1);
	if (monitor->answer != monitor->launch->child.socket)
		(void)close(monitor->answer);
	monitor->answer = -EBADF;
}

static int monitor_prepared(struct monitor *monitor, struct error *err)
{
	int result = launch_child_prepared(monitor->launch, err);

	if (result < 0)
		return result;
	monitor->phase = PHASE_CREATED;
	if (result == 0)
		return 0;
	monitor->answer = monitor->launch->child.socket;
	monitor->phase = PHASE_STARTING;
	result = monitor_resize(monitor, err);
	return result < 0 ? result : monitor_tell_session(monitor, GUEST_START, err);
}

static int monitor_take_failure(struct wire_reader *in, struct error *err)
{
	uint32_t code = wire_get_u32(in);
	uint32_t exit_status = wire_get_u32(in);
	cleanup_free char *message = wire_get_string(in);

	if (!wire_reader_ok(in) || code > 4095 || exit_status > 255)
		return error_set(err, -EPROTO, "the guest reported a failure that cannot be read");
	/* code with the minus sign: the message from the guest says all already. */
	error_set_exit(
		err, (int)exit_status, code ? -(int)code : -EIO, "%s", message ? message : "the guest gave no reason");
	return -err->code;
}

static int monitor_take_exit(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint32_t session = wire_get_u32(in);
	uint32_t status = wire_get_u32(in);

	if (!wire_reader_ok(in) || session != SESSION_MAIN || status > 0xffff ||
		(!WIFEXITED(status) && !WIFSIGNALED(status)))
		return error_set(err, -EPROTO, "the guest reported an exit that cannot be read");
	if (monitor->phase == PHASE_STARTING)
		monitor_answer(monitor, NULL);
	monitor->wait_status = (int)status;
	monitor->phase = PHASE_EXITED;
	return 0;
}

/* One word of the guest's, each allowed only in its phase: the guest is not trusted to keep the order. */
static int monitor_hear(struct monitor *monitor, struct error *err)
{
	struct wire_reader in = { .next = monitor->reader.payload, .left = monitor->reader.length };
	uint32_t value;

	log_debug("guest message %u, %.1f ms after its first instruction", monitor->reader.type,
		now_ms() - monitor->begin_ms);
	switch (monitor->reader.type) {
	case GUEST_HELLO:
		value = wire_get_u32(&in);
		if (monitor->phase != PHASE_BOOTING || !wire_reader_ok(&in))
			break;
		if (value != GUEST_PROTOCOL_VERSION)
			return error_set(err, -EPROTO, "the guest's init speaks version %u, this monitor version %d",
				value, GUEST_PROTOCOL_VERSION);
		monitor->phase = PHASE_CREATING;
		return monitor_order(monitor, err);
	case GUEST_CREATED:
		if (monitor->phase != PHASE_CREATING)
			break;
		return monitor_prepared(monitor, err);
	case GUEST_STARTED:
		if (monitor->phase != PHASE_STARTING)
			break;
		monitor_answer(monitor, NULL);
		monitor->phase = PHASE_RUNNING;
		return 0;
	case GUEST_FAILED:
		value = wire_get_u32(&in);
		if (value == GUEST_SESSION_NONE) {
			log_warning("the guest's init did not understand an order");
			return 0;
		}
		if (value != SESSION_MAIN)
			break;
		if (monitor->phase != PHASE_CREATING && monitor->phase != PHASE_STARTING)
			break;
		return monitor_take_failure(&in, err);
	case GUEST_EXITED:
		/* In PHASE_CREATED: it was killed before it was started. */
		if (monitor->phase < PHASE_CREATED || monitor->phase == PHASE_EXITED)
			break;
		return monitor_take_exit(monitor, &in, err);
	}
	return error_set(err, -EPROTO, "the guest said something unexpected (%u in phase %d)", monitor->reader.type,
		monitor->phase);
}

static int monitor_read_guest(struct monitor *monitor, struct error *err)
{
	int result;

	while ((result = guest_frame_read(&monitor->reader, monitor->sources[MONITOR_GUEST].fd, err)) > 0) {
		result = monitor_hear(monitor, err);
		if (result < 0)
			return result;
	}
	if (result == -EPIPE) {
		/* The machine's own end says more. */
		monitor->sources[MONITOR_GUEST].fd = -1;
		return 0;
	}
	return result;
}

static int monitor_read_signals(struct monitor *monitor, struct error *err)
{
	struct signalfd_siginfo info;
	int result = 0;

	while (result == 0 &&
		read(monitor->sources[MONITOR_SIGNALS].fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			result = monitor_resize(monitor, err);
		else if (info.ssi_signo != SIGCHLD && info.ssi_signo != SIGPIPE && monitor->phase >= PHASE_CREATED)
			result = monitor_signal_guest(monitor, info.ssi_signo, false, err);
	}
	return result;
}

static int monitor_serve(struct monitor *monitor, int *connection, const struct message *request, struct error *err)
{
	uint32_t words[2];
	int result;

	if (request->type == LAUNCH_START && monitor->phase == PHASE_CREATED) {
		monitor->answer = take_fd(connection);
		monitor->phase = PHASE_STARTING;
		return monitor_tell_session(monitor, GUEST_START, err);
	}
	if (request->type == LAUNCH_SIGNAL && request->length == sizeof(words) && monitor->phase >= PHASE_CREATED) {
		memcpy(words, request->data, sizeof(words));
		result = monitor_signal_guest(monitor, words[0], words[1], err);
		if (result == 0)
			(void)message_send(*connection, LAUNCH_DONE, NULL, 0, -1);
		return result;
	}
	error_set(err, -EINVAL, "this cannot be asked of a micro-VM in its present state");
	(void)message_send_error(*connection, LAUNCH_FAILED, err);
	return 0;
}

static int monitor_accept(struct monitor *monitor, struct error *err)
{
	static const struct timeval patience = { .tv_sec = 1 };
	cleanup_free struct message *request = xcalloc(1, sizeof(*request));
	cleanup_fd int connection = accept4(monitor->sources[MONITOR_LISTENER].fd, NULL, NULL, SOCK_CLOEXEC);

	if (connection < 0)
		return 0;
	(void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (message_receive(connection, request) < 0)
		return 0;
	close_fd(&request->fd);
	return monitor_serve(monitor, &connection, request, err);
}

/* A machine that has stopped before its workload's exit was reported is an error of its own, never a zero. */
static int monitor_stopped(struct monitor *monitor, struct error *err)
{
	enum vm_stop_cause cause = vm_stop_cause(monitor->vm, err);

	if (cause == VM_CRASHED)
		return error_prefix(err, "the guest crashed");
	if (monitor->phase == PHASE_BOOTING)
		return error_set(err, -EIO,
			"the guest stopped before its init was there (--vm-console shows the kernel's messages)");
	return error_set(err, -EIO,
		"the guest stopped without reporting an exit status (a kernel panic? --vm-console shows the kernel's "
		"messages)");
}

static int monitor_step(struct monitor *monitor, int timeout_ms, struct error *err)
{
	int ready = poll(monitor->sources, MONITOR_SOURCES, timeout_ms);
	int result = 0;

	if (ready < 0 && errno != EINTR)
		return error_set(err, errno, "wait for the guest");
	if (ready == 0)
		return error_set(err, -ETIMEDOUT,
			"the guest was not up within %d s (--vm-console shows the kernel's messages)",
			MONITOR_BOOT_TIMEOUT_MS / 1000);
	if (ready < 0)
		return 0;
	/* The guest's last words come before the news of its end. */
	if (monitor->sources[MONITOR_GUEST].revents)
		result = monitor_read_guest(monitor, err);
	if (result == 0 && monitor->phase != PHASE_EXITED && monitor->sources[MONITOR_MACHINE].revents) {
		if (!monitor->sources[MONITOR_GUEST].revents)
			result = monitor_stopped(monitor, err);
	}
	if (result == 0 && monitor->sources[MONITOR_SIGNALS].revents)
		result = monitor_read_signals(monitor, err);
	if (result == 0 && monitor->sources[MONITOR_LISTENER].revents)
		result = monitor_accept(monitor, err);
	return result;
}

static void monitor_wait_streams(struct monitor *monitor)
{
	for (unsigned i = 0; i < ARRAY_SIZE(monitor->finished); i++) {
		struct pollfd finished = { .fd = monitor->finished[i], .events = POLLIN };

		while (finished.fd >= 0 && poll(&finished, 1, -1) < 0 && errno == EINTR)
			;
	}
}

/* What `make bench-start` prints as the monitor's own work. */
static void monitor_log_ready(void)
{
	struct timespec spent = { 0 };

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	log_debug("monitor ready to enter the guest after %.3f ms of processor time",
		(double)spent.tv_sec * 1e3 + (double)spent.tv_nsec / 1e6);
}

int monitor_run(struct monitor *monitor, struct error *err)
{
	int result, status;

	monitor_log_ready();
	monitor->begin_ms = now_ms();
	result = vm_start(monitor->vm, err);

	while (result == 0 && monitor->phase != PHASE_EXITED)
		result = monitor_step(monitor, monitor->phase < PHASE_CREATED ? MONITOR_BOOT_TIMEOUT_MS : -1, err);
	if (result == 0) {
		monitor_wait_streams(monitor);
		/* The guest's init has written its file systems back before it reported the exit. */
		vm_stop(monitor->vm);
		status = monitor->wait_status;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	if (monitor->phase < PHASE_CREATED)
		return result;
	if (monitor->answer >= 0)
		monitor_answer(monitor, err);
	else if (monitor->launch->child.socket >= 0)
		(void)message_send_error(monitor->launch->child.socket, LAUNCH_FAILED, err);
	else
		log_error(err);
	_exit(err->exit_status ? err->exit_status : 1);
}

static int monitor_listen_stream(
	struct monitor *monitor, enum guest_stream stream, int read_fd, int write_fd, struct error *err)
{
	struct vsock_port port = { .port = GUEST_PORT_STREAM(SESSION_MAIN, stream),
		.read_fd = read_fd,
		.write_fd = write_fd,
		.finished_fd = -1 };

	if (write_fd >= 0) {
		monitor->finished[stream] = eventfd(0, EFD_CLOEXEC);
		if (monitor->finished[stream] < 0)
			return error_set(err, errno, "make an event descriptor");
		port.finished_fd = monitor->finished[stream];
	}
	return vsock_listen(vm_vsock(monitor->vm), &port, err);
}

static int monitor_listen(struct monitor *monitor, const struct monitor_streams *streams, struct error *err)
{
	struct vsock_port control = { .port = GUEST_PORT_CONTROL, .finished_fd = -1 };
	int sockets[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return error_set(err, errno, "make a socket pair");
	monitor->sources[MONITOR_GUEST] = (struct pollfd){ .fd = sockets[0], .events = POLLIN };
	control.read_fd = control.write_fd = sockets[1];
	result = vsock_listen(vm_vsock(monitor->vm), &control, err);
	if (result < 0)
		return result;
	if (streams->terminal) {
		monitor->terminal = dup(streams->fds[0]);
		return monitor_listen_stream(monitor, GUEST_STREAM_STDIN, streams->fds[0], streams->fds[0], err);
	}
	result = monitor_listen_stream(monitor, GUEST_STREAM_STDIN, streams->fds[0], -1, err);
	if (result == 0)
		result = monitor_listen_stream(monitor, GUEST_STREAM_STDOUT, -1, streams->fds[1], err);
	if (result == 0)
		result = monitor_listen_stream(monitor, GUEST_STREAM_STDERR, -1, streams->fds[2], err);
	return result;
}

int monitor_create(struct monitor **ret, struct launch *launch, struct vm *vm, const struct monitor_streams *streams,
	struct error *err)
{
	struct monitor *monitor = xcalloc(1, sizeof(*monitor));
	sigset_t all;
	int signals, result;

	monitor->launch = launch;
	monitor->vm = vm;
	monitor->terminal = monitor->answer = -EBADF;
	for (unsigned i = 0; i < ARRAY_SIZE(monitor->finished); i++)
		monitor->finished[i] = -EBADF;
	sigfillset(&all);
	signals = sigprocmask(SIG_SETMASK, &all, NULL) < 0 ? -1 : signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		free(monitor);
		return error_set(err, errno, "wait for signals by descriptor");
	}
	monitor->sources[MONITOR_SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
	monitor->sources[MONITOR_MACHINE] = (struct pollfd){ .fd = vm_event_fd(vm), .events = POLLIN };
	monitor->sources[MONITOR_LISTENER] = (struct pollfd){ .fd = launch->listener_fd, .events = POLLIN };
	result = monitor_listen(monitor, streams, err);
	if (result < 0) {
		free(monitor);
		return result;
	}
	*ret = monitor;
	return 0;
}
