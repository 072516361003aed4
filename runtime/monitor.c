/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/monitor.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "base/trace.h"
#include "microvm/confine.h"
#include "microvm/diagnosis.h"
#include "runtime/monitor_internal.h"

/* How soon a listener that ran out of descriptors is looked at again. */
#define ACCEPT_AGAIN_MS 100
#define SESSION_MAIN    0

/* In front of the peers and sessions in monitor->sources. */
enum monitor_source {
	SOURCE_GUEST,
	SOURCE_MACHINE,
	SOURCE_SIGNALS,
	SOURCE_HELD,
	SOURCE_LISTENER,
	SOURCE_GDB,
	SOURCES = SOURCE_GDB + GDB_SOURCES
};

double monitor_now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double monitor_spent_ms(void)
{
	struct timespec spent = { 0 };

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
	return (double)spent.tv_sec * 1e3 + (double)spent.tv_nsec / 1e6;
}

void monitor_enter(struct monitor *monitor, enum monitor_phase phase)
{
	static const char *const names[] = {
		[PHASE_BOOTING] = "guest, until its init is there",
		[PHASE_CREATING] = "guest's init prepares the process",
		[PHASE_CREATED] = "guest waits for start",
		[PHASE_STARTING] = "guest's init executes the program",
		[PHASE_RUNNING] = "guest's program",
		[PHASE_EXITED] = "last output, end of the machine",
	};

	trace_end(&monitor->phase_span);
	monitor->phase = phase;
	monitor->phase_ms = monitor_now_ms();
	monitor->phase_span = trace_begin(names[phase]);
}

static int read_signals(struct monitor *monitor, struct error *err)
{
	struct signalfd_siginfo info;
	int result = 0;

	while (result == 0 && read(monitor->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH)
			result = monitor_resize(monitor, err);
		else if (info.ssi_signo != SIGCHLD && info.ssi_signo != SIGPIPE && monitor->phase >= PHASE_CREATED)
			result = monitor_signal_guest(monitor, SESSION_MAIN, info.ssi_signo, false, err);
	}
	/* A guest that takes no orders is no reason to end it. */
	return result == -ENOBUFS ? 0 : result;
}

/* Of a kernel that has nobody left to kill for memory, which the workload's shared memory outlives: Linux
 * mm/oom_kill.c. */
#define NO_MEMORY "System is deadlocked on memory"

/* A machine that has stopped before its workload's exit was reported is an error of its own, never a zero. */
static int stopped(struct monitor *monitor, struct error *err)
{
	enum vm_stop_cause cause = vm_stop_cause(monitor->vm, err);
	char text[DIAGNOSIS_TEXT_BYTES];

	if (cause == VM_CRASHED)
		return error_prefix(err, "the guest crashed");
	if (vm_diagnose_panic(monitor->vm, text))
		return error_set(err, strncmp(text, NO_MEMORY, strlen(NO_MEMORY)) == 0 ? -ENOMEM : -EIO,
			"the guest's kernel panicked: %s (--vm-console shows the kernel's messages)", text);
	if (monitor->phase == PHASE_BOOTING)
		return error_set(err, -EIO,
			"the guest stopped before its init was there (--vm-console shows the kernel's messages)");
	return error_set(err, -EIO,
		"the guest stopped without reporting an exit status (--vm-console shows the kernel's messages)");
}

/* ---- the template ---- */

/* The guest has booted and nothing of this container is in it yet. A template that cannot be written is none. */
static int save_template(struct monitor *monitor, struct error *err)
{
	struct launch *launch = monitor->launch;
	struct error reason;
	int result = vm_pause(monitor->vm, true, err);

	/* Its end is seen elsewhere. */
	close_fd(&monitor->held_fd);
	if (result < 0)
		return 0;
	if (vm_save(monitor->vm, launch->vm.template_fd, launch->vm.template_key, &reason) < 0) {
		log_debug("%s", reason.message);
		close_fd(&launch->vm.template_fd);
	}
	vsock_release(monitor->vsock);
	return vm_pause(monitor->vm, false, err);
}

void monitor_keep_template(struct monitor *monitor)
{
	struct launch *launch = monitor->launch;
	struct error reason;

	if (launch->vm.template_fd < 0 || monitor->held_fd >= 0)
		return;
	if (vm_save_written(monitor->vm, launch->vm.template_fd, launch->vm.template_key, &reason) < 0)
		log_debug("%s", reason.message);
	else
		(void)message_send(launch->child.socket, LAUNCH_TEMPLATE_SAVED, NULL, 0, -1);
	close_fd(&launch->vm.template_fd);
}

/* ---- the loop ---- */

static void add_source(struct monitor *monitor, int fd, int events)
{
	if (monitor->source_count == monitor->source_capacity) {
		monitor->source_capacity = monitor->source_capacity ? 2 * monitor->source_capacity : 16;
		monitor->sources = xrealloc(monitor->sources, monitor->source_capacity, sizeof(*monitor->sources));
	}
	monitor->sources[monitor->source_count++] = (struct pollfd){ .fd = fd, .events = (short)events };
}

static void add_finished(struct monitor *monitor, const int (*finished)[3])
{
	for (unsigned i = 0; i < ARRAY_SIZE(*finished); i++)
		add_source(monitor, (*finished)[i], POLLIN);
}

static void add_gdb_sources(struct monitor *monitor)
{
	int fds[GDB_SOURCES] = { -EBADF, -EBADF, -EBADF };

	if (monitor->gdb && monitor->phase != PHASE_EXITED)
		gdb_sources(monitor->gdb, fds);
	for (unsigned i = 0; i < GDB_SOURCES; i++)
		add_source(monitor, fds[i], POLLIN);
}

static void collect_sources(struct monitor *monitor)
{
	bool waiting = monitor->outgoing.length > monitor->outgoing_start;

	monitor->source_count = 0;
	add_source(monitor, monitor->guest_fd, waiting ? POLLIN | POLLOUT : POLLIN);
	add_source(monitor, monitor->phase == PHASE_EXITED ? -EBADF : vm_event_fd(monitor->vm), POLLIN);
	add_source(monitor, monitor->signal_fd, POLLIN);
	add_source(monitor, monitor->held_fd, POLLIN);
	add_source(monitor, monitor->accept_later ? -EBADF : monitor->launch->listener_fd, POLLIN);
	add_gdb_sources(monitor);
	for (const struct monitor_peer *peer = monitor->peers; peer; peer = peer->next)
		add_source(monitor, peer->fd, POLLIN);
	if (monitor->phase == PHASE_EXITED)
		add_finished(monitor, &monitor->finished);
	for (const struct monitor_session *session = monitor->sessions; session; session = session->next) {
		if (session->phase == SESSION_EXITED)
			add_finished(monitor, &session->finished);
	}
}

/* Peers that came meanwhile are at the front of the list and had no place in the round. */
static void serve_peers(struct monitor *monitor, struct monitor_peer *first)
{
	size_t source = SOURCES;

	for (struct monitor_peer *peer = first; peer; peer = peer->next, source++) {
		if (monitor->sources[source].revents && peer->fd >= 0)
			monitor_peer_ready(monitor, peer);
	}
}

static int serve_sources(struct monitor *monitor, struct error *err)
{
	const struct pollfd *sources = monitor->sources;
	struct monitor_peer *peers = monitor->peers;
	bool guest_speaks = sources[SOURCE_GUEST].revents || monitor->guest_says_more;
	int result = 0;

	/* The guest's last words come before the news of its end. */
	if (guest_speaks)
		result = monitor_read_guest(monitor, err);
	if (result == 0 && (sources[SOURCE_GUEST].revents & POLLOUT))
		result = monitor_flush(monitor, err);
	if (result == 0 && monitor->phase != PHASE_EXITED && sources[SOURCE_MACHINE].revents && !guest_speaks)
		result = stopped(monitor, err);
	if (result == 0 && sources[SOURCE_HELD].revents)
		result = save_template(monitor, err);
	if (result == 0 && sources[SOURCE_SIGNALS].revents)
		result = read_signals(monitor, err);
	if (result < 0)
		return result;
	for (unsigned i = 0; i < GDB_SOURCES; i++) {
		if (sources[SOURCE_GDB + i].revents)
			gdb_ready(monitor->gdb, i);
	}
	serve_peers(monitor, peers);
	if (sources[SOURCE_LISTENER].revents)
		monitor_accept(monitor);
	monitor_sessions_settle(monitor);
	monitor_peers_settle(monitor);
	return 0;
}

/* 1: the time was up; 0 or a negative errno. */
static int step(struct monitor *monitor, int timeout_ms, struct error *err)
{
	int patience_ms = monitor->accept_later && (timeout_ms < 0 || timeout_ms > ACCEPT_AGAIN_MS) ? ACCEPT_AGAIN_MS
												    : timeout_ms;
	int ready;

	collect_sources(monitor);
	ready = poll(monitor->sources, monitor->source_count, monitor->guest_says_more ? 0 : patience_ms);
	if (ready < 0)
		return errno == EINTR ? 0 : error_set(err, errno, "wait for the guest");
	if (monitor->guest_says_more)
		return serve_sources(monitor, err);
	if (ready == 0 && patience_ms == timeout_ms)
		return 1;
	if (ready == 0)
		monitor->accept_later = false;
	return ready ? serve_sources(monitor, err) : 0;
}

/* It halts, or it loops: where it is tells which. */
static int not_up(struct monitor *monitor, struct error *err)
{
	char text[DIAGNOSIS_TEXT_BYTES];

	vm_diagnose_processors(monitor->vm, text);
	return error_set(err, -ETIMEDOUT,
		"the guest was not up within %u s: %s (--vm-console shows the kernel's messages)",
		monitor->launch->vm.boot_timeout_s, text);
}

/* How long the next wait may take. A guest that is coming up gives a sign of life by getting on, not by talking; nor do
 * peers that ask something give one. */
static int patience_ms(const struct monitor *monitor)
{
	double left_ms = monitor->launch->vm.boot_timeout_s * 1e3 - (monitor_now_ms() - monitor->phase_ms);

	if (monitor->phase >= PHASE_CREATED || monitor->gdb)
		return -1;
	return left_ms > 1 ? (int)left_ms : 0;
}

/* Until the workload has ended and all that it wrote is where it was to go. */
static int live(struct monitor *monitor, struct error *err)
{
	int result = 0;

	while (result == 0 && !(monitor->phase == PHASE_EXITED && monitor_output_arrived(&monitor->finished))) {
		int timeout_ms = patience_ms(monitor);

		if (timeout_ms == 0)
			return not_up(monitor, err);
		result = monitor_watchdog_look(monitor, &timeout_ms, err);
		if (result == 0)
			result = step(monitor, timeout_ms, err);
		if (result == 1)
			result = 0;
	}
	return result;
}

/* ---- the end ---- */

/* What exec put beside the container has died with it: a last word for each, and the rest of its output, for as long as
 * the guest waits for output itself. */
static void wait_sessions(struct monitor *monitor)
{
	double until_ms = monitor_now_ms() + GUEST_DRAIN_MS;
	struct error err;

	while (monitor->sessions) {
		double left_ms = until_ms - monitor_now_ms();

		if (left_ms < 1 || step(monitor, (int)left_ms, &err) != 0)
			return;
	}
}

/* What `make bench-start` prints as the monitor's own work. */
static void log_ready(void)
{
	log_debug("monitor ready to enter the guest after %.3f ms of processor time", monitor_spent_ms());
}

/* PREPARED, for a machine that stands still where it was saved. */
static int prepared(struct monitor *monitor, struct error *err)
{
	int result = launch_child_prepared(monitor->launch, err);

	if (result < 0)
		return result;
	monitor_enter(monitor, PHASE_CREATED);
	monitor->launch_waits = result > 0;
	return result > 0 ? monitor_go_on(monitor, err) : 0;
}

static int start_threads(struct monitor *monitor, struct error *err)
{
	trace_scope("start and confine the monitor's threads");
	int result = vm_pause(monitor->vm, true, err);

	if (result == 0)
		result = vm_start(monitor->vm, err);
	if (result == 0)
		result = confine_drop_capabilities(err);
	return result == 0 ? confine_system_calls(monitor->gdb ? &monitor_debug_filter : &monitor_filter, err) : result;
}

/* The guest's first instruction comes when every thread, this one the last, has given up what it does not need. */
static int start_confined(struct monitor *monitor, struct error *err)
{
	int result;

	log_ready();
	monitor_enter(monitor, PHASE_BOOTING);
	monitor->begin_ms = monitor_now_ms();
	result = start_threads(monitor, err);
	if (result < 0)
		return result;
	return monitor->resumes ? prepared(monitor, err) : vm_pause(monitor->vm, false, err);
}

int monitor_run(struct monitor *monitor, struct error *err)
{
	int result, status;

	result = start_confined(monitor, err);
	if (result == 0)
		result = live(monitor, err);
	if (result == 0) {
		wait_sessions(monitor);
		/* The guest's init has written its file systems back before it reported the exit. */
		vm_stop(monitor->vm);
		status = monitor->wait_status;
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	if (monitor->phase < PHASE_CREATED)
		return result;
	if (monitor->phase == PHASE_STARTING && monitor_answer_start(monitor, err))
		_exit(err->exit_status ? err->exit_status : 1);
	if (monitor->launch->child.socket >= 0)
		(void)message_send_error(monitor->launch->child.socket, LAUNCH_FAILED, err);
	else
		log_error(err);
	_exit(err->exit_status ? err->exit_status : 1);
}

/* ---- making ---- */

static int hold_control(struct monitor *monitor, struct error *err)
{
	monitor->held_fd = eventfd(0, EFD_CLOEXEC);
	if (monitor->held_fd < 0)
		return error_set(err, errno, "make an event descriptor");
	vsock_hold(monitor->vsock, GUEST_PORT_CONTROL, monitor->held_fd);
	return 0;
}

static int listen_control(struct monitor *monitor, struct error *err)
{
	struct vsock_port control = {
		.port = GUEST_PORT_CONTROL, .guest_port_max = GUEST_PORT_OWN_MAX, .finished_fd = -1
	};
	int sockets[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return error_set(err, errno, "make a socket pair");
	monitor->guest_fd = sockets[0];
	control.read_fd = control.write_fd = sockets[1];
	result = vsock_listen(monitor->vsock, &control, err);
	if (result < 0)
		return result;
	if (monitor->launch->vm.template_fd >= 0)
		return hold_control(monitor, err);
	/* A guest that goes on from a template is at the point of connecting. */
	vsock_release(monitor->vsock);
	return 0;
}

static int listen_streams(struct monitor *monitor, const struct monitor_streams *streams, struct error *err)
{
	unsigned count = streams->terminal ? 1 : 3;

	if (streams->terminal)
		monitor->terminal = dup(streams->fds[0]);
	for (unsigned stream = 0; stream < count; stream++) {
		bool input = stream == GUEST_STREAM_STDIN, output = streams->terminal || !input;
		int result = monitor_listen_stream(monitor, SESSION_MAIN, (enum guest_stream)stream,
			input ? streams->fds[stream] : -1, output ? streams->fds[stream] : -1,
			&monitor->finished[stream], err);

		if (result < 0)
			return result;
	}
	return 0;
}

int monitor_create(struct monitor **ret, struct launch *launch, struct vm *vm, const struct monitor_streams *streams,
	struct error *err)
{
	struct monitor *monitor = xcalloc(1, sizeof(*monitor));
	sigset_t all;
	int result;

	monitor->phase_span = -1;
	monitor->launch = launch;
	monitor->vm = vm;
	monitor->vsock = vm_vsock(vm);
	monitor->message = xcalloc(1, sizeof(*monitor->message));
	monitor->guest_fd = monitor->signal_fd = monitor->terminal = monitor->held_fd = -EBADF;
	for (unsigned i = 0; i < ARRAY_SIZE(monitor->finished); i++)
		monitor->finished[i] = -EBADF;
	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, NULL) == 0)
		monitor->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	result = monitor->signal_fd < 0 ? error_set(err, errno, "wait for signals by descriptor") : 0;
	if (result == 0)
		result = listen_control(monitor, err);
	if (result == 0)
		result = listen_streams(monitor, streams, err);
	if (result == 0 && launch->vm.debug_fd >= 0)
		result = gdb_create(&monitor->gdb, vm, launch->vm.debug_fd, err);
	monitor->resumes = launch->vm.checkpoint_fd >= 0;
	if (result == 0 && monitor->resumes)
		vsock_reset_saved(monitor->vsock);
	if (result < 0) {
		free(monitor->message);
		free(monitor);
		return result;
	}
	*ret = monitor;
	return 0;
}
