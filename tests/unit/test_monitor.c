/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor between a guest that says what it likes and the peers of its control socket, without a machine: which words
 * are allowed when, whose they are, and what happens to a session whose proxy or process goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "microvm/event_loop.h"
#include "runtime/monitor_internal.h"

struct fixture {
	struct event_loop loop;
	struct launch launch;
	struct launch_options options;
	struct monitor monitor;
	int guest; /* what the guest's init would hold */
	struct guest_frame_reader heard;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;
	int sockets[2];

	if (event_loop_init(&f->loop, &err) < 0 || vsock_create(&f->monitor.vsock, &f->loop, &err) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) < 0)
		return -1;
	f->monitor.launch = &f->launch;
	f->options.id = "box";
	f->launch.options = &f->options;
	f->launch.child.socket = -EBADF;
	f->monitor.message = calloc(1, sizeof(*f->monitor.message));
	f->monitor.guest_fd = sockets[0];
	f->monitor.signal_fd = f->monitor.terminal = -EBADF;
	for (unsigned i = 0; i < 3; i++)
		f->monitor.finished[i] = -EBADF;
	f->monitor.phase = PHASE_RUNNING;
	f->guest = sockets[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	while (f->monitor.sessions) {
		f->monitor.sessions->phase = SESSION_EXITED;
		if (f->monitor.sessions->proxy)
			f->monitor.sessions->proxy->session = NULL;
		f->monitor.sessions->proxy = NULL;
		monitor_sessions_settle(&f->monitor);
	}
	for (struct monitor_peer *peer = f->monitor.peers; peer; peer = peer->next)
		monitor_peer_close(peer);
	monitor_peers_settle(&f->monitor);
	vsock_destroy(f->monitor.vsock);
	event_loop_close(&f->loop);
	close_fd(&f->monitor.guest_fd);
	close_fd(&f->guest);
	guest_frame_reader_free(&f->heard);
	guest_frame_reader_free(&f->monitor.reader);
	strbuf_free(&f->monitor.outgoing);
	free(f->monitor.message);
	free(f);
	return 0;
}

/* A connection to the control socket; the asker's end. */
static int connect_peer(struct fixture *f, struct monitor_peer **peer)
{
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
	*peer = xcalloc(1, sizeof(**peer));
	**peer = (struct monitor_peer){
		.fd = sockets[0], .streams = { -EBADF, -EBADF, -EBADF }, .answer_fd = -EBADF, .next = f->monitor.peers
	};
	f->monitor.peers = *peer;
	return sockets[1];
}

static int memory_file(const char *text)
{
	struct strbuf content = STRBUF_INIT;
	struct error err;
	int fd;

	strbuf_string(&content, text);
	fd = control_file(&content, &err);
	strbuf_free(&content);
	assert_true(fd >= 0);
	return fd;
}

static void ask(
	struct fixture *f, struct monitor_peer *peer, int asker, uint32_t type, const void *data, size_t length, int fd)
{
	assert_int_equal(message_send(asker, type, data, length, fd), 0);
	monitor_peer_ready(&f->monitor, peer);
}

static void expect_answer(int asker, uint32_t type)
{
	struct message *message = calloc(1, sizeof(*message));

	assert_int_equal(message_receive(asker, message), 0);
	assert_int_equal(message->type, type);
	close_fd(&message->fd);
	free(message);
}

static bool has_nothing(int asker)
{
	char byte;

	return recv(asker, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

static bool was_closed(int asker)
{
	char byte;

	return recv(asker, &byte, 1, MSG_DONTWAIT) == 0;
}

/* An exec by a new proxy; the number of its session. */
static uint32_t begin(struct fixture *f, struct monitor_peer **peer, int *asker)
{
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_fd int plan = memory_file("PLAN");

	*asker = connect_peer(f, peer);
	for (uint32_t stream = 0; stream < 3; stream++) {
		cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		ask(f, *peer, *asker, CONTROL_STREAM, &stream, sizeof(stream), null);
	}
	wire_put_u32(&request, 0);
	wire_put_string(&request, NULL);
	ask(f, *peer, *asker, CONTROL_EXEC, request.data, request.length, plan);
	assert_non_null((*peer)->session);
	return (*peer)->session->id;
}

/* What the monitor tells the guest next. */
static uint32_t hear(struct fixture *f, struct wire_reader *in)
{
	struct error err;

	/* 0 may mean no more than that it is to be called again. */
	assert_true(
		guest_frame_read(&f->heard, f->guest, &err) == 1 || guest_frame_read(&f->heard, f->guest, &err) == 1);
	*in = (struct wire_reader){ .next = f->heard.payload, .left = f->heard.length };
	return f->heard.type;
}

static int say(struct fixture *f, enum guest_message type, const struct strbuf *payload)
{
	struct pollfd more = { .fd = f->monitor.guest_fd, .events = POLLIN };
	struct error err;
	int result = guest_frame_send(f->guest, type, payload, &err);

	while (result == 0 && poll(&more, 1, 0) > 0)
		result = monitor_read_guest(&f->monitor, &err);
	return result;
}

static int say_numbers(struct fixture *f, enum guest_message type, uint32_t first, int64_t second)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, first);
	if (second >= 0)
		wire_put_u32(&payload, (uint32_t)second);
	return say(f, type, &payload);
}

static int say_failed(struct fixture *f, uint32_t session)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	wire_put_u32(&payload, ENOENT);
	wire_put_u32(&payload, 127);
	wire_put_string(&payload, "not found");
	return say(f, GUEST_FAILED, &payload);
}

static void session_goes_its_way_from_exec_to_exit(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	struct wire_reader in;
	uint32_t words[2] = { SIGTERM, 0 };
	int asker;
	uint32_t id = begin(f, &peer, &asker);

	assert_int_equal(hear(f, &in), GUEST_EXEC);
	assert_int_equal(wire_get_u32(&in), id);
	assert_null(wire_get_string(&in));
	assert_int_equal(in.left, 4);
	assert_memory_equal(in.next, "PLAN", 4);
	assert_int_equal(say_numbers(f, GUEST_STARTED, id, -1), 0);
	expect_answer(asker, LAUNCH_STARTED);
	ask(f, peer, asker, LAUNCH_SIGNAL, words, sizeof(words), -1);
	assert_int_equal(hear(f, &in), GUEST_SIGNAL);
	assert_int_equal(wire_get_u32(&in), id);
	assert_int_equal(wire_get_u32(&in), SIGTERM);
	assert_int_equal(wire_get_u8(&in), 0);
	words[0] = 24;
	words[1] = 80;
	ask(f, peer, asker, CONTROL_RESIZE, words, sizeof(words), -1);
	assert_int_equal(hear(f, &in), GUEST_RESIZE);
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 7 << 8), 0);
	/* Its output has not been seen to end. */
	monitor_sessions_settle(&f->monitor);
	assert_true(has_nothing(asker));
	vsock_unlisten(f->monitor.vsock, GUEST_PORT_STREAM(id, GUEST_STREAM_STDOUT));
	vsock_unlisten(f->monitor.vsock, GUEST_PORT_STREAM(id, GUEST_STREAM_STDERR));
	monitor_sessions_settle(&f->monitor);
	expect_answer(asker, CONTROL_EXITED);
	assert_true(was_closed(asker));
	assert_null(f->monitor.sessions);
	close(asker);
}

static int say_out_of_memory(struct fixture *f, uint32_t id, uint32_t status, size_t cut_bytes)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, id);
	wire_put_u32(&payload, status);
	wire_put_u64(&payload, 2);
	wire_put_u64(&payload, 64 << 20);
	payload.length -= cut_bytes;
	return say(f, GUEST_EXITED, &payload);
}

static void out_of_memory_in_the_guest_is_told_to_who_waits(void **state)
{
	struct fixture *f = *state;
	struct message *message = message_new();
	struct error err, warning;
	int sockets[2];

	assert_int_equal(message_pair(sockets, &err), 0);
	f->launch.child.socket = sockets[0];
	assert_int_equal(say_out_of_memory(f, 0, 3 << 8, 0), 0);
	assert_int_equal(message_receive(sockets[1], message), 0);
	assert_int_equal(message->type, LAUNCH_WARNING);
	assert_int_equal(message_to_error(message, &warning), -ENOMEM);
	assert_string_equal(warning.message,
		"container \"box\": 2 of its processes were killed by the out-of-memory killer: the 64 MiB "
		"(67108864 bytes) of the guest's memory that are the container's were used up");
	free(message);
	close(sockets[0]);
	close(sockets[1]);
}

static void a_cut_word_about_memory_ends_the_machine(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	int asker;
	uint32_t id = begin(f, &peer, &asker);

	assert_int_equal(say_numbers(f, GUEST_STARTED, id, -1), 0);
	/* Only the container's own end comes with it. */
	assert_int_equal(say_out_of_memory(f, id, SIGKILL, 0), -EPROTO);
	assert_int_equal(say_out_of_memory(f, 0, SIGKILL, 1), -EPROTO);
	close(asker);
}

static void words_out_of_their_phase_end_the_machine(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	int asker;
	uint32_t id = begin(f, &peer, &asker);

	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 0), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_STARTED, id, -1), 0);
	assert_int_equal(say_numbers(f, GUEST_STARTED, id, -1), -EPROTO);
	assert_int_equal(say_failed(f, id), -EPROTO);
	/* Neither an exit nor a signal: stopped. */
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 0x137f), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 0x10000), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 0), 0);
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, 0), -EPROTO);
	/* Sessions that nobody asked for, and of the container's own what it is too late for. */
	assert_int_equal(say_numbers(f, GUEST_STARTED, id + 1, -1), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_EXITED, 77, 0), -EPROTO);
	assert_int_equal(say_failed(f, 77), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_STARTED, 0, -1), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_HELLO, GUEST_PROTOCOL_VERSION, -1), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_CREATED, 0, -1), -EPROTO);
	assert_int_equal(say_numbers(f, GUEST_SHUTDOWN, 0, -1), -EPROTO);
	close(asker);
}

static void failure_is_told_and_the_number_is_free(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	struct message *message = calloc(1, sizeof(*message));
	struct error err;
	int asker;
	uint32_t id = begin(f, &peer, &asker);

	assert_int_equal(say_failed(f, id), 0);
	assert_int_equal(message_receive(asker, message), 0);
	assert_int_equal(message->type, LAUNCH_FAILED);
	assert_int_equal(message_to_error(message, &err), -ENOENT);
	assert_int_equal(err.exit_status, 127);
	assert_string_equal(err.message, "not found");
	assert_true(was_closed(asker));
	assert_null(f->monitor.sessions);
	assert_int_equal(say_failed(f, id), -EPROTO);
	close(asker);
	free(message);
}

static void proxy_that_goes_takes_its_process_along(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	struct wire_reader in;
	int asker;
	uint32_t id = begin(f, &peer, &asker);

	assert_int_equal(hear(f, &in), GUEST_EXEC);
	assert_int_equal(say_numbers(f, GUEST_STARTED, id, -1), 0);
	close(asker);
	monitor_peer_ready(&f->monitor, peer);
	monitor_peers_settle(&f->monitor);
	assert_null(f->monitor.peers);
	assert_int_equal(hear(f, &in), GUEST_SIGNAL);
	assert_int_equal(wire_get_u32(&in), id);
	assert_int_equal(wire_get_u32(&in), SIGKILL);
	/* The number stays taken until the guest has said its last word. */
	monitor_sessions_settle(&f->monitor);
	assert_non_null(monitor_session_find(&f->monitor, id));
	assert_int_equal(say_numbers(f, GUEST_EXITED, id, SIGKILL), 0);
	monitor_sessions_settle(&f->monitor);
	assert_null(f->monitor.sessions);
}

static void answers_go_to_who_asked(void **state)
{
	struct fixture *f = *state;
	cleanup_strbuf struct strbuf payload = STRBUF_INIT, got = STRBUF_INIT;
	struct monitor_peer *peers[2];
	struct wire_reader in;
	uint32_t question = GUEST_QUESTION_PROCESSES;
	cleanup_fd int file = memory_file("");
	uint64_t numbers[2];
	int askers[2];

	for (unsigned i = 0; i < 2; i++) {
		askers[i] = connect_peer(f, &peers[i]);
		ask(f, peers[i], askers[i], CONTROL_ASK, &question, sizeof(question), file);
		assert_int_equal(hear(f, &in), GUEST_ASK);
		numbers[i] = wire_get_u64(&in);
		assert_int_equal(wire_get_u32(&in), question);
	}
	/* Nobody's, and one that has gone. */
	wire_put_u64(&payload, numbers[1] + 1);
	wire_put_u32(&payload, 0);
	assert_int_equal(say(f, GUEST_ANSWER, &payload), 0);
	close(askers[0]);
	monitor_peer_ready(&f->monitor, peers[0]);
	strbuf_free(&payload);
	wire_put_u64(&payload, numbers[0]);
	wire_put_u32(&payload, 0);
	assert_int_equal(say(f, GUEST_ANSWER, &payload), 0);
	assert_true(has_nothing(askers[1]));
	strbuf_free(&payload);
	wire_put_u64(&payload, numbers[1]);
	wire_put_u32(&payload, 0);
	strbuf_string(&payload, "the answer");
	assert_int_equal(say(f, GUEST_ANSWER, &payload), 0);
	expect_answer(askers[1], CONTROL_ANSWER);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(file, 100, &got), 0);
	assert_string_equal(got.data, "the answer");
	/* Once. */
	assert_int_equal(say(f, GUEST_ANSWER, &payload), 0);
	assert_true(was_closed(askers[1]));
	assert_int_equal(say(f, GUEST_ANSWER, NULL), -EPROTO);
	close(askers[1]);
}

static void guest_that_takes_nothing_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	const uint32_t words[2] = { SIGUSR1, 0 };
	struct monitor_peer *peer;
	struct wire_reader in;
	unsigned sent = 0, heard = 0;
	struct error err;
	int asker;

	for (bool refused = false; !refused; sent++) {
		struct message *message = calloc(1, sizeof(*message));

		assert_true(sent < 1000000);
		asker = connect_peer(f, &peer);
		ask(f, peer, asker, LAUNCH_SIGNAL, words, sizeof(words), -1);
		assert_int_equal(message_receive(asker, message), 0);
		refused = message->type == LAUNCH_FAILED;
		free(message);
		close(asker);
		monitor_peer_close(peer);
		monitor_peers_settle(&f->monitor);
	}
	/* Everything that was accepted arrives, in one piece, once it reads again. */
	while (heard < sent - 1) {
		if (guest_frame_read(&f->heard, f->guest, &err) != 1) {
			assert_int_equal(monitor_flush(&f->monitor, &err), 0);
			continue;
		}
		in = (struct wire_reader){ .next = f->heard.payload, .left = f->heard.length };
		assert_int_equal(f->heard.type, GUEST_SIGNAL);
		(void)wire_get_u32(&in);
		assert_int_equal(wire_get_u32(&in), SIGUSR1);
		heard++;
	}
	assert_int_equal(f->monitor.outgoing.length, f->monitor.outgoing_start);
}

static void malformed_requests_are_refused(void **state)
{
	struct fixture *f = *state;
	static const unsigned char garbage[64] = { 0xff, 0xff, 0xff, 0xff };

	for (uint32_t type = 0; type < 100; type++) {
		for (size_t length = 0; length <= sizeof(garbage); length += 3) {
			struct monitor_peer *peer;
			int asker;

			/* Those that are complete without anything, or would need a machine. */
			if (type == LAUNCH_START || type == CONTROL_STATUS || type == CONTROL_COUNTS)
				continue;
			asker = connect_peer(f, &peer);
			ask(f, peer, asker, type, garbage, length, -1);
			expect_answer(asker, LAUNCH_FAILED);
			assert_true(was_closed(asker));
			monitor_peers_settle(&f->monitor);
			close(asker);
		}
	}
	assert_null(f->monitor.sessions);
	assert_null(f->monitor.peers);
}

static void sessions_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct monitor_peer *peer;
	struct wire_reader in;
	cleanup_strbuf struct strbuf bytes = STRBUF_INIT;
	struct error err;
	int asker;

	/* As if they were there: their descriptors are not what is looked at. */
	for (uint32_t id = 1; id < GUEST_SESSIONS_MAX; id++) {
		struct monitor_session *session = xcalloc(1, sizeof(*session));

		*session = (struct monitor_session){
			.id = id, .finished = { -EBADF, -EBADF, -EBADF }, .next = f->monitor.sessions
		};
		f->monitor.sessions = session;
	}
	asker = connect_peer(f, &peer);
	assert_int_equal(monitor_session_begin(&f->monitor, peer, true, NULL, &bytes, &err), -EAGAIN);
	/* One has gone: its number is found. */
	assert_int_equal(say_failed(f, 500), 0);
	peer->streams[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(monitor_session_begin(&f->monitor, peer, true, NULL, &bytes, &err), 0);
	assert_int_equal(peer->session->id, 500);
	assert_int_equal(hear(f, &in), GUEST_EXEC);
	close(asker);
}

/* Peers, signals and the watchdog have their turn all the same. */
static void guest_that_never_stops_talking_is_heard_in_turns(void **state)
{
	struct fixture *f = *state;
	cleanup_strbuf struct strbuf payload = STRBUF_INIT, frames = STRBUF_INIT;
	struct error err;
	unsigned turns = 1;

	wire_put_u64(&payload, 77);
	for (unsigned i = 0; i < 200; i++)
		guest_frame_put(&frames, GUEST_ANSWER, &payload);
	assert_int_equal(send(f->guest, frames.data, frames.length, 0), frames.length);
	assert_int_equal(monitor_read_guest(&f->monitor, &err), 0);
	assert_true(f->monitor.guest_says_more);
	for (; f->monitor.guest_says_more; turns++)
		assert_int_equal(monitor_read_guest(&f->monitor, &err), 0);
	assert_in_range(turns, 4, 5);
	assert_true(guest_frame_reader_is_empty(&f->monitor.reader));
}

static void guest_cannot_fill_the_log(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/duet-test-log-XXXXXX";
	cleanup_fd int log = mkstemp(path);
	struct log_options options = { .path = path };
	struct stat first, second;
	struct error err;

	assert_int_equal(log_open(&options, &err), 0);
	assert_int_equal(say_failed(f, GUEST_SESSION_NONE), 0);
	assert_int_equal(fstat(log, &first), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(say_failed(f, GUEST_SESSION_NONE), 0);
	assert_int_equal(fstat(log, &second), 0);
	options.path = NULL;
	assert_int_equal(log_open(&options, &err), 0);
	assert_int_equal(unlink(path), 0);
	assert_true(first.st_size > 0);
	assert_int_equal(second.st_size, first.st_size);
}

static void words_of_the_guest_command_no_terminal(void **state)
{
	struct message *message = message_new();
	struct error failure = { .code = EIO,
		.message = "\x1b]0;title\x07 \xc2\x9b"
			   "31m \xc3\xa9\x7f" },
		     err;

	(void)state;
	memcpy(message->data, &failure, sizeof(failure));
	message->length = sizeof(failure);
	assert_int_equal(message_to_error(message, &err), -EIO);
	assert_string_equal(err.message, "?]0;title? ??31m \xc3\xa9?");
	free(message);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(session_goes_its_way_from_exec_to_exit),
		test(words_out_of_their_phase_end_the_machine),
		test(out_of_memory_in_the_guest_is_told_to_who_waits),
		test(a_cut_word_about_memory_ends_the_machine),
		test(failure_is_told_and_the_number_is_free),
		test(proxy_that_goes_takes_its_process_along),
		test(answers_go_to_who_asked),
		test(guest_that_takes_nothing_is_not_waited_for),
		test(malformed_requests_are_refused),
		test(sessions_are_bounded),
		test(guest_that_never_stops_talking_is_heard_in_turns),
		test(guest_cannot_fill_the_log),
		test(words_of_the_guest_command_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
