/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the creation of the container to its deletion: its output on the way to the caller, the time limits, signals.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/log.h"
#include "runtime/foreground.h"
#include "runtime/isolation.h"
#include "runtime/lifecycle.h"
#include "runtime/relay.h"
#include "runtime/terminal.h"
#include "sandbox/changes.h"
#include "sandbox/internal.h"
#include "sandbox/output.h"

#define LOOK_MS        100  /* between two looks at the processor time */
#define LAST_OUTPUT_MS 1000 /* for the output of what had to be ended */
#define FULL_BYTES     4096 /* a disk with less room than that is full: of some file systems a block is never used */

enum source {
	SOURCE_SIGNALS,
	SOURCE_PROCESS,
	SOURCE_SOCKET,
	SOURCE_OUTPUT,
	SOURCE_RELAY = SOURCE_OUTPUT + OUTPUT_SOURCES,
	SOURCES = SOURCE_RELAY + RELAY_SOURCES
};

struct supervisor {
	char line_prefix[32]; /* where the output of several runs comes together */
	struct sandbox *sandbox;
	struct launch *launch;
	struct output *output;
	struct relay *relay; /* --tty: between the terminals, by way of the output's pipe; NULL: none */
	struct terminal *terminal;
	struct pollfd sources[SOURCES];
	uint64_t begin_ms, ended_ms;
	uint64_t kill_at_ms; /* 0: nobody has asked it to end yet */
	struct error last_word;
	struct baseline *baseline;
	bool aborted; /* and deleted with that */
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void send_signal(struct supervisor *supervisor, int signal, bool all)
{
	struct launch *launch = supervisor->launch;
	struct error err;

	if (launch->isolation->signal(launch->container, signal, all, &err) < 0 && err.code != ESRCH)
		log_warning("sandbox: %s", err.message);
}

/* Of a micro-VM the monitor itself; of a container its first process, with which all others die. */
static void kill_everything(struct supervisor *supervisor)
{
	struct child *child = &supervisor->launch->child;

	if (child->pid > 0)
		(void)kill(child->pid, SIGKILL);
	supervisor->kill_at_ms = UINT64_MAX;
}

/* TERM now, KILL when the grace is over. */
static void ask_to_end(struct supervisor *supervisor, enum sandbox_cause cause, int signal)
{
	uint64_t grace_ms = supervisor->sandbox->settings->grace_ms;

	if (supervisor->kill_at_ms)
		return;
	supervisor->sandbox->result.cause = cause;
	supervisor->kill_at_ms = grace_ms == SANDBOX_UNLIMITED ? UINT64_MAX : now_ms() + grace_ms;
	if (grace_ms == 0)
		kill_everything(supervisor);
	else
		send_signal(supervisor, signal, false);
}

static void check_times(struct supervisor *supervisor)
{
	const struct sandbox_settings *settings = supervisor->sandbox->settings;
	struct cgroup_statistics usage;
	struct error err;
	uint64_t now = now_ms();

	if (supervisor->kill_at_ms && now >= supervisor->kill_at_ms)
		kill_everything(supervisor);
	if (settings->timeout_ms != SANDBOX_UNLIMITED && now - supervisor->begin_ms >= settings->timeout_ms)
		ask_to_end(supervisor, SANDBOX_TIMED_OUT, SIGTERM);
	if (settings->cpu_time_ms == SANDBOX_UNLIMITED || supervisor->kill_at_ms)
		return;
	if (cgroup_statistics(supervisor->launch->cgroup, &usage, &err) == 0 && usage.cpu_usage_ns != CGROUP_UNKNOWN &&
		usage.cpu_usage_ns / 1000000 >= settings->cpu_time_ms)
		ask_to_end(supervisor, SANDBOX_CPU_TIME, SIGTERM);
}

static int next_look_ms(const struct supervisor *supervisor)
{
	const struct sandbox_settings *settings = supervisor->sandbox->settings;
	uint64_t now = now_ms(), next = UINT64_MAX;

	if (supervisor->kill_at_ms)
		next = supervisor->kill_at_ms;
	else if (settings->timeout_ms != SANDBOX_UNLIMITED)
		next = supervisor->begin_ms + settings->timeout_ms;
	if (settings->cpu_time_ms != SANDBOX_UNLIMITED && next > now + LOOK_MS)
		next = now + LOOK_MS;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : next - now > INT32_MAX ? INT32_MAX : (int)(next - now);
}

/* The first is handed on as it is, for a command that cleans up after itself; a second one ends it. */
static void take_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->sources[SOURCE_SIGNALS].fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int signal = (int)info.ssi_signo;

		if (signal == SIGCONT && supervisor->terminal)
			(void)terminal_claim(supervisor->terminal, true);
		if (signal == SIGWINCH || signal == SIGCONT)
			terminal_resize(supervisor->terminal);
		if (signal == SIGCHLD || signal == SIGPIPE || signal == SIGWINCH || signal == SIGTTIN ||
			signal == SIGTTOU || signal == SIGCONT || signal == SIGTSTP)
			continue;
		if (signal != SIGINT && signal != SIGTERM && signal != SIGHUP && signal != SIGQUIT) {
			send_signal(supervisor, signal, false);
			continue;
		}
		if (supervisor->sandbox->result.interrupted_by)
			kill_everything(supervisor);
		else
			ask_to_end(supervisor, SANDBOX_INTERRUPTED, signal);
		supervisor->sandbox->result.interrupted_by = signal;
	}
}

static void hear(struct supervisor *supervisor)
{
	struct message *message = message_new();
	struct error warning;

	if (message_receive(supervisor->launch->child.socket, message) < 0)
		supervisor->sources[SOURCE_SOCKET].fd = -1;
	else if (message->type == LAUNCH_FAILED)
		(void)message_to_error(message, &supervisor->last_word);
	/* Of a micro-VM, whose processes the host's kernel does not know. */
	else if (message->type == LAUNCH_WARNING && message_to_error(message, &warning) == -ENOMEM)
		supervisor->sandbox->result.guest_out_of_memory = true;
	else if (message->type == LAUNCH_WARNING)
		log_warning("%s", warning.message);
	close_fd(&message->fd);
	free(message);
}

/* A reader that is slow may take its time, within the timeout; for the output of what had to be ended nobody waits
 * long. */
static int last_output_ms(const struct supervisor *supervisor)
{
	const struct sandbox *sandbox = supervisor->sandbox;
	uint64_t now = now_ms(), until = supervisor->ended_ms + LAST_OUTPUT_MS;

	if (sandbox->result.cause == SANDBOX_ENDED) {
		if (sandbox->settings->timeout_ms == SANDBOX_UNLIMITED)
			return -1;
		until = supervisor->begin_ms + sandbox->settings->timeout_ms;
	}
	return until <= now ? 0 : until - now > INT32_MAX ? INT32_MAX : (int)(until - now);
}

static int prepare_relay(struct supervisor *supervisor, int patience_ms)
{
	int look_again_ms = relay_sources(supervisor->relay, supervisor->sources + SOURCE_RELAY);

	return look_again_ms >= 0 && (patience_ms < 0 || look_again_ms < patience_ms) ? look_again_ms : patience_ms;
}

/* Closed when it has handed everything on: then the output's pipe ends too. */
static void move_relay(struct supervisor *supervisor, bool ended)
{
	if (!supervisor->relay)
		return;
	(void)terminal_claim(supervisor->terminal, false);
	relay_move(supervisor->relay, supervisor->sources + SOURCE_RELAY);
	if (!ended)
		return;
	relay_end_input(supervisor->relay);
	if (relay_drain(supervisor->relay))
		return;
	relay_close(&supervisor->relay);
	for (int i = SOURCE_RELAY; i < SOURCES; i++)
		supervisor->sources[i].fd = -1;
}

/* Until the process has ended, and then until its output has been taken. What is left in the pipes when the last writer
 * is gone ends by itself: nobody of the sandbox is alive then. */
static void watch(struct supervisor *supervisor)
{
	bool ended = false;
	int patience_ms;

	while (!ended || output_is_open(supervisor->output)) {
		output_sources(supervisor->output, supervisor->sources + SOURCE_OUTPUT);
		patience_ms = ended ? last_output_ms(supervisor) : next_look_ms(supervisor);
		if (supervisor->relay)
			patience_ms = prepare_relay(supervisor, patience_ms);
		if (poll(supervisor->sources, SOURCES, patience_ms) < 0 && errno != EINTR)
			return;
		if (ended && patience_ms == 0)
			return;
		if (!ended && supervisor->sources[SOURCE_PROCESS].revents) {
			ended = true;
			supervisor->ended_ms = now_ms();
			supervisor->sources[SOURCE_PROCESS].fd = -1;
		}
		take_signals(supervisor);
		move_relay(supervisor, ended);
		output_move(supervisor->output, supervisor->sources + SOURCE_OUTPUT);
		if (supervisor->sources[SOURCE_SOCKET].revents)
			hear(supervisor);
		if (!ended)
			check_times(supervisor);
		else if (supervisor->sandbox->result.interrupted_by && supervisor->kill_at_ms == UINT64_MAX)
			return;
	}
}

/* Somebody asks what it used. */
static bool wants_usage(const struct sandbox *sandbox)
{
	const struct sandbox_settings *settings = sandbox->settings;

	return settings->report_file || settings->junit_file || sandbox->number ||
	       (!settings->quiet && isatty(STDERR_FILENO));
}

static void collect_usage(struct supervisor *supervisor)
{
	struct sandbox_result *result = &supervisor->sandbox->result;
	struct statfs disk;
	struct rusage usage;
	struct error err;

	if (fstatfs(supervisor->sandbox->scratch_fd, &disk) == 0)
		result->disk_used_bytes = (uint64_t)disk.f_bsize * (disk.f_blocks - disk.f_bfree);
	result->wall_ms = now_ms() - supervisor->begin_ms;
	result->output_bytes = output_bytes(supervisor->output);
	result->cut_bytes = output_cut_bytes(supervisor->output); /* with what nobody took */
	if (!wants_usage(supervisor->sandbox))
		return;
	result->statistics_there = cgroup_statistics(supervisor->launch->cgroup, &result->usage, &err) == 0;
	/* Without privilege there may be none; that was said. */
	if (!result->statistics_there && !supervisor->sandbox->rootless)
		log_warning("sandbox: %s", err.message);
	if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
		result->process_peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
		result->voluntary_switches = (uint64_t)usage.ru_nvcsw;
		result->forced_switches = (uint64_t)usage.ru_nivcsw;
		result->user_ms = (uint64_t)usage.ru_utime.tv_sec * 1000 + (uint64_t)usage.ru_utime.tv_usec / 1000;
		result->system_ms = (uint64_t)usage.ru_stime.tv_sec * 1000 + (uint64_t)usage.ru_stime.tv_usec / 1000;
	}
}

static bool is_some(uint64_t count)
{
	return count != CGROUP_UNKNOWN && count > 0;
}

static void find_limits(struct sandbox *sandbox)
{
	struct sandbox_result *result = &sandbox->result;
	bool killed = result->guest_out_of_memory || (result->statistics_there && is_some(result->usage.oom_kills));
	struct statvfs disk;

	if (killed && result->cause == SANDBOX_ENDED && result->wait_status != 0)
		result->cause = SANDBOX_OUT_OF_MEMORY;
	if (result->cause == SANDBOX_TIMED_OUT)
		result->reached |= SANDBOX_LIMIT_TIMEOUT;
	if (result->cause == SANDBOX_CPU_TIME)
		result->reached |= SANDBOX_LIMIT_CPU_TIME;
	if (killed)
		result->reached |= SANDBOX_LIMIT_MEMORY;
	if (fstatvfs(sandbox->scratch_fd, &disk) == 0 &&
		(disk.f_bavail * disk.f_frsize < FULL_BYTES || disk.f_ffree == 0))
		result->reached |= SANDBOX_LIMIT_DISK;
	if (result->statistics_there && is_some(result->usage.pids_failures))
		result->reached |= SANDBOX_LIMIT_PIDS;
	if (result->output_bytes > sandbox->settings->output_limit_bytes)
		result->reached |= SANDBOX_LIMIT_OUTPUT;
	if (result->wait_status == 128 + SIGXFSZ)
		result->reached |= SANDBOX_LIMIT_FILE_SIZE;
}

static bool wants_changes(const struct sandbox *sandbox)
{
	return sandbox->settings->report_file || sandbox->settings->keep_diff;
}

static int run(struct supervisor *supervisor, struct error *err)
{
	struct launch *launch = supervisor->launch;
	int result = 0;

	result = network_attach(supervisor->sandbox, launch->child.pid, err);
	/* With the mount points that its creation made, and before its first instruction. */
	if (result == 0 && wants_changes(supervisor->sandbox))
		result = changes_begin(supervisor->sandbox, &supervisor->baseline, err);
	if (result == 0)
		result = launch_start(launch, err);

	if (result < 0)
		return result;
	/* The time that a machine takes to boot is not the command's. */
	supervisor->sandbox->result.start_ms = now_ms() - supervisor->begin_ms;
	supervisor->begin_ms = now_ms();
	supervisor->sources[SOURCE_SIGNALS] = (struct pollfd){ .fd = launch->child.signal_fd, .events = POLLIN };
	supervisor->sources[SOURCE_PROCESS] = (struct pollfd){ .fd = launch->child.pidfd, .events = POLLIN };
	supervisor->sources[SOURCE_SOCKET] = (struct pollfd){ .fd = launch->child.socket, .events = POLLIN };
	container_unlock(launch->container);
	watch(supervisor);
	result = child_wait(&launch->child, err);
	/* The last word of a guest that had no memory left. */
	if (supervisor->sandbox->settings->vm && supervisor->last_word.code == ENOMEM) {
		supervisor->last_word.code = 0;
		supervisor->sandbox->result.guest_out_of_memory = true;
		result = 128 + SIGKILL;
	}
	supervisor->sandbox->result.wait_status = result;
	collect_usage(supervisor);
	find_limits(supervisor->sandbox);
	if (result >= 0 && supervisor->last_word.code) {
		*err = supervisor->last_word;
		result = -err->code;
	}
	return result;
}

/* The new process has its parent's current directory, in its own mount namespace (config.c). */
static int create_from_scratch(struct supervisor *supervisor, const struct launch_options *options, struct error *err)
{
	cleanup_fd int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (here < 0 || fchdir(supervisor->sandbox->scratch_fd) < 0)
		return error_set(err, errno, "enter the sandbox's tmpfs");
	result = launch_create(options, &supervisor->launch, err);
	if (fchdir(here) < 0 && result >= 0)
		return error_set(err, errno, "return to the current directory");
	return result;
}

static int create(struct supervisor *supervisor, int signals, struct error *err)
{
	struct sandbox *sandbox = supervisor->sandbox;
	const struct launch_options options = {
		.root = sandbox->state_root,
		.id = sandbox->id,
		.bundle = sandbox->scratch,
		.isolation = sandbox->settings->vm ? "microvm" : "container",
		.foreground = true,
		.init = true,
		.may_start_early = !sandbox->network && !wants_changes(sandbox),
		.signal_fd = signals,
	};
	int result = output_redirect(supervisor->output, err);

	if (result < 0)
		return result;
	result = create_from_scratch(supervisor, &options, err);
	/* While the output's pipe is standard output: what the terminal shows is counted and cut like other output. */
	if (result == 0 && sandbox->settings->terminal)
		result = relay_open(&supervisor->relay, supervisor->launch->terminal_fd, err);
	output_restore(supervisor->output);
	if (result == 0 && sandbox->settings->terminal)
		result = terminal_open(&supervisor->terminal, supervisor->launch->terminal_fd, err);
	if (result == 0)
		result = run(supervisor, err);
	if (supervisor->launch && supervisor->launch->child.pid > 0) {
		launch_abort(supervisor->launch);
		supervisor->aborted = true;
	}
	return result;
}

static void delete_container(struct supervisor *supervisor)
{
	struct launch *launch = supervisor->launch;
	struct error err;

	if (!launch || container_lock(launch->container, &err) < 0)
		return;
	if (lifecycle_take_away(launch->container, launch->cgroup, launch->spec, &err) < 0)
		log_warning("%s", err.message);
}

int supervise(struct sandbox *sandbox, struct error *err)
{
	struct supervisor supervisor = { .sandbox = sandbox };
	cleanup_fd int signals = foreground_block_signals(err);
	int result;

	if (signals < 0)
		return signals;
	supervisor.begin_ms = now_ms();
	(void)snprintf(supervisor.line_prefix, sizeof(supervisor.line_prefix), "[%u] ", sandbox->number);
	supervisor.output = output_open(sandbox->settings->output_limit_bytes, sandbox->settings->time_stamps,
		sandbox->settings->jobs > 1 ? supervisor.line_prefix : NULL);
	for (int i = 0; i < SOURCES; i++)
		supervisor.sources[i].fd = -1;
	result = create(&supervisor, signals, err);
	if (supervisor.launch && !supervisor.aborted)
		delete_container(&supervisor);
	if (result >= 0 && supervisor.baseline) {
		int changes = changes_end(sandbox, supervisor.baseline, err);

		result = changes < 0 ? changes : result;
	}
	baseline_free(&supervisor.baseline);
	relay_close(&supervisor.relay);
	terminal_close(&supervisor.terminal);
	launch_free(&supervisor.launch);
	output_close(&supervisor.output);
	return result;
}
