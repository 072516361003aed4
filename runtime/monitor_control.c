/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "runtime/monitor_internal.h"

/* Besides those that have a session. */
#define PEERS_MAX 64

void monitor_peer_close(struct monitor_peer *peer)
{
	close_fd(&peer->fd);
	close_fd(&peer->answer_fd);
	for (unsigned i = 0; i < ARRAY_SIZE(peer->streams); i++)
		close_fd(&peer->streams[i]);
}

void monitor_peers_settle(struct monitor *monitor)
{
	struct monitor_peer **place = &monitor->peers;

	while (*place) {
		struct monitor_peer *peer = *place;

		if (peer->fd >= 0) {
			place = &peer->next;
			continue;
		}
		*place = peer->next;
		free(peer);
		/* Its descriptors may be what another one waits for. */
		monitor->accept_later = false;
	}
}

static unsigned count_without_session(const struct monitor *monitor)
{
	unsigned count = 0;

	for (const struct monitor_peer *peer = monitor->peers; peer; peer = peer->next)
		count += peer->fd >= 0 && !peer->session;
	return count;
}

void monitor_accept(struct monitor *monitor)
{
	cleanup_fd int fd = -EBADF;
	struct monitor_peer *peer;

	fd = accept4(monitor->launch->listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		monitor->accept_later = errno == EMFILE || errno == ENFILE;
		return;
	}
	if (count_without_session(monitor) >= PEERS_MAX)
		return;
	peer = xcalloc(1, sizeof(*peer));
	*peer = (struct monitor_peer){ .fd = take_fd(&fd), .streams = { -EBADF, -EBADF, -EBADF }, .answer_fd = -EBADF };
	peer->next = monitor->peers;
	monitor->peers = peer;
}

/* The last word to a peer. */
static void refuse(struct monitor_peer *peer, const struct error *error)
{
	(void)message_send_error(peer->fd, LAUNCH_FAILED, error);
	monitor_peer_close(peer);
}

static void say_done(struct monitor_peer *peer)
{
	(void)message_send(peer->fd, LAUNCH_DONE, NULL, 0, -1);
}

bool monitor_answer_start(struct monitor *monitor, const struct error *failure)
{
	int socket = monitor->launch_waits ? monitor->launch->child.socket : -EBADF;
	struct monitor_peer *starter = NULL;

	for (struct monitor_peer *peer = monitor->peers; peer && socket < 0; peer = peer->next) {
		if (peer->fd >= 0 && peer->wish == PEER_START) {
			starter = peer;
			socket = peer->fd;
		}
	}
	monitor->launch_waits = false;
	if (socket < 0)
		return false;
	if (failure)
		(void)message_send_error(socket, LAUNCH_FAILED, failure);
	else
		(void)message_send(socket, LAUNCH_STARTED, NULL, 0, -1);
	if (starter)
		monitor_peer_close(starter);
	return true;
}

/* ---- what is asked ---- */

static int refuse_malformed(struct error *err)
{
	return error_set(err, -EPROTO, "the monitor was sent a malformed request");
}

static int serve_start(struct monitor *monitor, struct monitor_peer *peer, struct error *err)
{
	int result;

	if (monitor->phase != PHASE_CREATED)
		return error_set(err, -EINVAL, "the micro-VM does not wait to be started");
	peer->wish = PEER_START;
	if (monitor->resumes)
		return monitor_go_on(monitor, err);
	result = monitor_tell_start(monitor, err);
	if (result < 0)
		return result;
	monitor_enter(monitor, PHASE_STARTING);
	return 0;
}

/* To the container; or, from a proxy, to its process. */
static int serve_signal(
	struct monitor *monitor, struct monitor_peer *peer, const struct message *request, struct error *err)
{
	uint32_t words[2];
	int result;

	if (request->length != sizeof(words))
		return refuse_malformed(err);
	memcpy(words, request->data, sizeof(words));
	if (peer->session)
		return monitor_signal_guest(monitor, peer->session->id, words[0], false, err);
	if (monitor->phase < PHASE_CREATED)
		return error_set(err, -EINVAL, "the micro-VM has no process yet");
	result = monitor_signal_guest(monitor, 0, words[0], words[1], err);
	if (result == 0)
		say_done(peer);
	return result;
}

static int serve_pause(
	struct monitor *monitor, struct monitor_peer *peer, const struct message *request, struct error *err)
{
	uint32_t paused;
	int result;

	if (request->length != sizeof(paused))
		return refuse_malformed(err);
	memcpy(&paused, request->data, sizeof(paused));
	if (monitor->phase < PHASE_CREATED || monitor->phase == PHASE_EXITED)
		return error_set(err, -ESRCH, "the micro-VM has no process: container not running");
	if (gdb_is_attached(monitor->gdb))
		return error_set(err, -EBUSY, "a debugger has the micro-VM");
	result = vm_pause(monitor->vm, paused, err);
	if (result < 0)
		return result;
	monitor->paused = paused;
	say_done(peer);
	return 0;
}

static int serve_checkpoint(
	struct monitor *monitor, struct monitor_peer *peer, struct message *request, struct error *err)
{
	uint32_t words[2]; /* leave_running, compress */
	int result;

	if (request->length != sizeof(words) || request->fd < 0)
		return refuse_malformed(err);
	memcpy(words, request->data, sizeof(words));
	if (monitor->phase != PHASE_RUNNING)
		return error_set(err, -ESRCH, "the container is not running");
	result = monitor_checkpoint(monitor, request->fd, words[1], err);
	if (result < 0)
		return result;
	say_done(peer);
	if (!words[0])
		_exit(128 + SIGKILL);
	return 0;
}

static void serve_status(const struct monitor *monitor, const struct monitor_peer *peer)
{
	const struct control_status status = {
		.started = monitor->phase >= PHASE_RUNNING,
		.paused = monitor->paused,
		.memory_bytes = monitor->launch->vm.memory_bytes,
	};

	(void)message_send(peer->fd, CONTROL_STATUS, &status, sizeof(status), -1);
}

static void put_balloon(const struct monitor *monitor, struct strbuf *answer)
{
	struct balloon_state state;
	bool there = vm_balloon_read(monitor->vm, &state);

	wire_put_u8(answer, there);
	if (!there)
		return;
	/* A guest that is paused does not answer. */
	wire_put_u8(answer, state.awaited && !monitor->paused);
	wire_put_u64(answer, state.target_bytes);
	wire_put_u64(answer, state.actual_bytes);
	wire_put_u64(answer, state.reported_bytes);
	wire_put_u32(answer, state.known);
	for (unsigned i = 0; i < BALLOON_STATISTICS; i++)
		wire_put_u64(answer, state.known & 1U << i ? state.statistics[i] : 0);
}

static int serve_balloon(
	struct monitor *monitor, struct monitor_peer *peer, const struct message *request, struct error *err)
{
	uint64_t bytes;
	int result;

	if (request->length != sizeof(bytes))
		return refuse_malformed(err);
	memcpy(&bytes, request->data, sizeof(bytes));
	result = vm_balloon_set_target(monitor->vm, bytes, err);
	if (result == 0)
		say_done(peer);
	return result;
}

static void serve_counts(const struct monitor *monitor, const struct monitor_peer *peer)
{
	cleanup_vm_counts struct vm_counts counts = { 0 };
	cleanup_strbuf struct strbuf answer = STRBUF_INIT;

	vm_count(monitor->vm, &counts);
	wire_put_u64(&answer, (uint64_t)(monitor_now_ms() - monitor->begin_ms));
	wire_put_u32(&answer, (uint32_t)counts.count);
	for (size_t i = 0; i < counts.count; i++) {
		wire_put_string(&answer, counts.entries[i].name);
		wire_put_u64(&answer, counts.entries[i].count);
	}
	put_balloon(monitor, &answer);
	(void)message_send(peer->fd, CONTROL_COUNTS, answer.data, answer.length, -1);
}

static int serve_resize(
	struct monitor *monitor, const struct monitor_peer *peer, const struct message *request, struct error *err)
{
	uint32_t words[2];

	if (request->length != sizeof(words) || !peer->session)
		return refuse_malformed(err);
	memcpy(words, request->data, sizeof(words));
	return monitor_resize_guest(monitor, peer->session->id, words[0], words[1], err);
}

static int serve_stream(struct monitor_peer *peer, struct message *request, struct error *err)
{
	uint32_t stream;

	if (request->length != sizeof(stream) || request->fd < 0 || peer->wish != PEER_SILENT)
		return refuse_malformed(err);
	memcpy(&stream, request->data, sizeof(stream));
	if (stream >= ARRAY_SIZE(peer->streams) || peer->streams[stream] >= 0)
		return refuse_malformed(err);
	peer->streams[stream] = take_fd(&request->fd);
	return 0;
}

static int serve_exec(struct monitor *monitor, struct monitor_peer *peer, struct message *request, struct error *err)
{
	struct wire_reader in = { .next = request->data, .left = request->length };
	bool terminal = wire_get_u32(&in);
	cleanup_free char *cgroup = wire_get_string(&in);
	cleanup_strbuf struct strbuf plan = STRBUF_INIT;
	int result;

	if (!wire_reader_ok(&in) || request->fd < 0 || peer->wish != PEER_SILENT)
		return refuse_malformed(err);
	for (unsigned i = 0; i < (terminal ? 1 : ARRAY_SIZE(peer->streams)); i++) {
		if (peer->streams[i] < 0)
			return refuse_malformed(err);
	}
	if (monitor->phase < PHASE_CREATED)
		return error_set(err, -ESRCH, "the container is not running");
	result = file_read_fd(request->fd, CONTROL_FILE_MAX, &plan);
	if (result < 0)
		return error_set(err, -result, "read the description of the process");
	return monitor_session_begin(monitor, peer, terminal, cgroup, &plan, err);
}

static int serve_ask(struct monitor *monitor, struct monitor_peer *peer, struct message *request, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	uint32_t question;

	if (request->length < sizeof(question) || request->fd < 0 || peer->wish != PEER_SILENT)
		return refuse_malformed(err);
	if (monitor->phase < PHASE_CREATED)
		return error_set(err, -ESRCH, "the container is not running");
	if (monitor->paused)
		return error_set(err, -EBUSY, "the micro-VM is paused: its guest cannot answer");
	/* Those of the balloon are asked for afterwards, and should have come by then. */
	memcpy(&question, request->data, sizeof(question));
	if (question == GUEST_QUESTION_STATISTICS)
		vm_balloon_ask(monitor->vm);
	peer->question = ++monitor->last_question;
	wire_put_u64(&payload, peer->question);
	strbuf_append(&payload, request->data, request->length);
	peer->answer_fd = take_fd(&request->fd);
	peer->wish = PEER_ANSWER;
	return monitor_tell(monitor, GUEST_ASK, &payload, err);
}

static int serve(struct monitor *monitor, struct monitor_peer *peer, struct message *request, struct error *err)
{
	switch (request->type) {
	case LAUNCH_START:
		return serve_start(monitor, peer, err);
	case LAUNCH_SIGNAL:
		return serve_signal(monitor, peer, request, err);
	case CONTROL_PAUSE:
		return serve_pause(monitor, peer, request, err);
	case CONTROL_CHECKPOINT:
		return serve_checkpoint(monitor, peer, request, err);
	case CONTROL_STATUS:
		serve_status(monitor, peer);
		return 0;
	case CONTROL_COUNTS:
		serve_counts(monitor, peer);
		return 0;
	case CONTROL_BALLOON:
		return serve_balloon(monitor, peer, request, err);
	case CONTROL_RESIZE:
		return serve_resize(monitor, peer, request, err);
	case CONTROL_STREAM:
		return serve_stream(peer, request, err);
	case CONTROL_EXEC:
		return serve_exec(monitor, peer, request, err);
	case CONTROL_ASK:
		return serve_ask(monitor, peer, request, err);
	default:
		return error_set(err, -EINVAL, "this cannot be asked of a micro-VM");
	}
}

static void peer_gone(struct monitor *monitor, struct monitor_peer *peer)
{
	if (peer->session)
		monitor_session_orphan(monitor, peer->session);
	peer->session = NULL;
	monitor_peer_close(peer);
}

void monitor_peer_ready(struct monitor *monitor, struct monitor_peer *peer)
{
	struct message *request = monitor->message;
	struct error err;
	int result = message_receive(peer->fd, request);

	if (result == -EAGAIN)
		return;
	if (result < 0) {
		peer_gone(monitor, peer);
		return;
	}
	result = serve(monitor, peer, request, &err);
	close_fd(&request->fd);
	if (result >= 0)
		return;
	/* What a session asks beside its life is not answered, and no reason to end it. */
	if (peer->session)
		log_warning("%s", err.message);
	else
		refuse(peer, &err);
}

/* ---- what the guest answers ---- */

int monitor_answer_question(struct monitor *monitor, struct wire_reader *in, struct error *err)
{
	uint64_t question = wire_get_u64(in), length;
	struct monitor_peer *peer = monitor->peers;
	struct error failure = { 0 };
	struct wire_reader code = *in;

	while (peer && (peer->fd < 0 || peer->wish != PEER_ANSWER || peer->question != question))
		peer = peer->next;
	if (in->failed)
		return error_set(err, -EPROTO, "the guest gave an answer that cannot be read");
	if (!peer)
		return 0;
	if (wire_get_u32(&code) != 0) {
		(void)monitor_take_failure(in, &failure);
		refuse(peer, &failure);
		return 0;
	}
	if (code.failed || file_write_fd(peer->answer_fd, code.next, code.left) < 0) {
		(void)error_set(&failure, -EIO, "the guest's answer could not be passed on");
		refuse(peer, &failure);
		return 0;
	}
	length = code.left;
	(void)message_send(peer->fd, CONTROL_ANSWER, &length, sizeof(length), -1);
	monitor_peer_close(peer);
	return 0;
}
