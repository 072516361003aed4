/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "base/log.h"
#include "runtime/monitor_internal.h"
#include "runtime/out_of_memory.h"

#define ENTROPY_BYTES 64
/* With so much waiting for a guest that is paused, or reads nothing, it gets no more. */
#define OUTGOING_MAX_BYTES (1U << 20)
#define SESSION_MAIN       0
/* A guest that never stops talking does not keep the others who ask something waiting. */
#define FRAMES_PER_TURN 64

/* ---- to the guest ---- */

int monitor_flush(struct monitor *monitor, struct error *err)
{
	struct strbuf *outgoing = &monitor->outgoing;

	while (monitor->outgoing_start < outgoing->length && monitor->guest_fd >= 0) {
		ssize_t sent = send(monitor->guest_fd, outgoing->data + monitor->outgoing_start,
			outgoing->length - monitor->outgoing_start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return 0;
		/* Its end is seen where it is read from. */
		if (sent < 0 && errno != EPIPE && errno != ECONNRESET)
			return error_set(err, errno, "write to the control channel");
		if (sent < 0)
			break;
		monitor->outgoing_start += (size_t)sent;
	}
	outgoing->length = monitor->outgoing_start = 0;
	return 0;
}

int monitor_tell(struct monitor *monitor, enum guest_message type, const struct strbuf *payload, struct error *err)
{
	struct strbuf *outgoing = &monitor->outgoing;
	size_t waiting = outgoing->length - monitor->outgoing_start;

	if (waiting > OUTGOING_MAX_BYTES)
		return error_set(err, -ENOBUFS, "the guest does not take any orders");
	if (monitor->outgoing_start)
		memmove(outgoing->data, outgoing->data + monitor->outgoing_start, waiting);
	outgoing->length = waiting;
	monitor->outgoing_start = 0;
	guest_frame_put(outgoing, type, payload);
	return monitor_flush(monitor, err);
}

int monitor_tell_start(struct monitor *monitor, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, SESSION_MAIN);
	return monitor_tell(monitor, GUEST_START, &payload, err);
}

int monitor_put_renewal(struct strbuf *payload, struct error *err)
{
	unsigned char entropy[ENTROPY_BYTES];
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 ||
		getrandom(entropy, sizeof(entropy), 0) != (ssize_t)sizeof(entropy))
		return error_set(err, errno, "read the clock and the entropy for the guest");
	wire_put_i64(payload, now.tv_sec);
	wire_put_u32(payload, (uint32_t)now.tv_nsec);
	wire_put_bytes(payload, entropy, sizeof(entropy));
	explicit_bzero(entropy, sizeof(entropy));
	return 0;
}

static int tell_create(struct monitor *monitor, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	int result = monitor_put_renewal(&payload, err);

	if (result < 0)
		return result;
	strbuf_append(&payload, monitor->launch->vm.limits.data, monitor->launch->vm.limits.length);
	container_plan_encode(&monitor->launch->vm.guest, &payload);
	process_plan_encode(&monitor->launch->process, &payload);
	network_plan_encode(&monitor->launch->vm.network, &payload);
	wire_put_u8(&payload, monitor->launch->vm.root_is_image);
	return monitor_tell(monitor, GUEST_CREATE, &payload, err);
}

int monitor_resize_guest(struct monitor *monitor, uint32_t session, uint32_t rows, uint32_t columns, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	wire_put_u32(&payload, rows);
	wire_put_u32(&payload, columns);
	return monitor_tell(monitor, GUEST_RESIZE, &payload, err);
}

int monitor_resize(struct monitor *monitor, struct error *err)
{
	struct winsize size;

	if (monitor->terminal < 0 || ioctl(monitor->terminal, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
		return 0;
	return monitor_resize_guest(monitor, SESSION_MAIN, size.ws_row, size.ws_col, err);
}

int monitor_signal_guest(struct monitor *monitor, uint32_t session, uint32_t signal, bool all, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	wire_put_u32(&payload, signal);
	wire_put_u8(&payload, all);
	return monitor_tell(monitor, GUEST_SIGNAL, &payload, err);
}

/* ---- from the guest: each word is allowed only in its phase ---- */

static int unexpected(const struct monitor *monitor, struct error *err)
{
	return error_set(err, -EPROTO, "the guest said something unexpected (%u in phase %d)", monitor->reader.type,
		monitor->phase);
}

int monitor_take_failure(struct wire_reader *in, struct error *err)
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

static int hear_hello(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint32_t version = wire_get_u32(in);

	if (monitor->phase != PHASE_BOOTING || !wire_reader_ok(in))
		return unexpected(monitor, err);
	if (version != GUEST_PROTOCOL_VERSION)
		return error_set(err, -EPROTO, "the guest's init speaks version %u, this monitor version %d", version,
			GUEST_PROTOCOL_VERSION);
	monitor_enter(monitor, PHASE_CREATING);
	return tell_create(monitor, err);
}

static int hear_created(struct monitor *monitor, struct error *err)
{
	int result;

	if (monitor->phase != PHASE_CREATING)
		return unexpected(monitor, err);
	monitor_keep_template(monitor);
	result = launch_child_prepared(monitor->launch, err);
	if (result < 0)
		return result;
	monitor_enter(monitor, PHASE_CREATED);
	if (result == 0)
		return 0;
	monitor->launch_waits = true;
	monitor_enter(monitor, PHASE_STARTING);
	result = monitor_resize(monitor, err);
	return result < 0 ? result : monitor_tell_start(monitor, err);
}

static int hear_started(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in);
	struct monitor_session *session = monitor_session_find(monitor, id);

	if (!wire_reader_ok(in))
		return unexpected(monitor, err);
	if (session)
		return monitor_session_started(session, err);
	if (id != SESSION_MAIN || monitor->phase != PHASE_STARTING)
		return unexpected(monitor, err);
	monitor_answer_start(monitor, NULL);
	monitor_enter(monitor, PHASE_RUNNING);
	return 0;
}

static int hear_failed(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in);
	struct monitor_session *session = monitor_session_find(monitor, id);
	struct error misunderstood;

	if (session)
		return monitor_session_failed(monitor, session, in, err);
	if (id == GUEST_SESSION_NONE) {
		(void)monitor_take_failure(in, &misunderstood);
		/* Once: a guest must not be able to fill the log. */
		if (!monitor->misunderstood)
			log_warning("the guest's init did not understand an order");
		monitor->misunderstood = true;
		return 0;
	}
	if (id != SESSION_MAIN || (monitor->phase != PHASE_CREATING && monitor->phase != PHASE_STARTING))
		return unexpected(monitor, err);
	/* The container is at fault: the next one need not boot for it. */
	monitor_keep_template(monitor);
	return monitor_take_failure(in, err);
}

/* The container's memory ran out inside: whoever waits for it shall know. */
static int hear_memory(struct monitor *monitor, int exit_status, struct wire_reader *in, struct error *err)
{
	uint64_t kills = wire_get_u64(in), bytes = wire_get_u64(in);
	cleanup_free char *why = out_of_memory_in_guest(bytes);
	cleanup_free char *line = out_of_memory_line(monitor->launch->options->id, exit_status, kills, why);
	struct error warning;

	if (!wire_reader_ok(in))
		return error_set(err, -EPROTO, "the guest reported an exit that cannot be read");
	(void)error_set(&warning, -ENOMEM, "%s", line);
	if (monitor->launch->child.socket >= 0)
		(void)message_send_error(monitor->launch->child.socket, LAUNCH_WARNING, &warning);
	else
		log_warning("%s", line);
	return 0;
}

static int hear_exited(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in);
	uint32_t status = wire_get_u32(in);
	struct monitor_session *session = monitor_session_find(monitor, id);
	int exit_status;

	if (in->failed || status > 0xffff || (!WIFEXITED(status) && !WIFSIGNALED(status)) ||
		(in->left && (session || id != SESSION_MAIN)))
		return error_set(err, -EPROTO, "the guest reported an exit that cannot be read");
	if (session)
		return monitor_session_exited(session, (int)status, err);
	/* In PHASE_CREATED: it was killed before it was started. */
	if (id != SESSION_MAIN || monitor->phase < PHASE_CREATED || monitor->phase == PHASE_EXITED)
		return unexpected(monitor, err);
	if (monitor->phase == PHASE_STARTING)
		monitor_answer_start(monitor, NULL);
	monitor->wait_status = (int)status;
	monitor_enter(monitor, PHASE_EXITED);
	exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return in->left ? hear_memory(monitor, exit_status, in, err) : 0;
}

/* Where the guest's kernel runs in an emulator, its instructions are what time is spent on. */
static void log_emulated(struct monitor *monitor)
{
	cleanup_vm_counts struct vm_counts counts = { 0 };

	if (!log_shows(LOG_LEVEL_DEBUG))
		return;
	vm_count(monitor->vm, &counts);
	for (size_t i = 0; i < counts.count; i++) {
		if (strcmp(counts.entries[i].name, "kvm.insn_emulation") == 0)
			log_debug("guest instructions emulated so far: %llu",
				(unsigned long long)counts.entries[i].count);
	}
}

static int hear(struct monitor *monitor, struct error *err)
{
	struct wire_reader in = { .next = monitor->reader.payload, .left = monitor->reader.length };

	log_debug("guest message %u, %.1f ms after its first instruction, %.1f ms of processor time",
		monitor->reader.type, monitor_now_ms() - monitor->begin_ms, monitor_spent_ms());
	log_emulated(monitor);
	switch (monitor->reader.type) {
	case GUEST_HELLO:
		return hear_hello(monitor, &in, err);
	case GUEST_CREATED:
		return hear_created(monitor, err);
	case GUEST_STARTED:
		return hear_started(monitor, &in, err);
	case GUEST_FAILED:
		return hear_failed(monitor, &in, err);
	case GUEST_EXITED:
		return hear_exited(monitor, &in, err);
	case GUEST_ANSWER:
		return monitor_answer_question(monitor, &in, err);
	default:
		return unexpected(monitor, err);
	}
}

int monitor_read_guest(struct monitor *monitor, struct error *err)
{
	int result = 0;

	for (unsigned frames = 0; frames <= FRAMES_PER_TURN; frames++) {
		monitor->guest_says_more = frames == FRAMES_PER_TURN;
		if (monitor->guest_says_more)
			return 0;
		result = guest_frame_read(&monitor->reader, monitor->guest_fd, err);
		if (result <= 0)
			break;
		monitor_watchdog_heard(monitor);
		result = hear(monitor, err);
		if (result < 0)
			return result;
	}
	if (result == -EPIPE) {
		/* The machine's own end says more. */
		close_fd(&monitor->guest_fd);
		return 0;
	}
	return result;
}
