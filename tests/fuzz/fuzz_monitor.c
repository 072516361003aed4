/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of the control channel: a guest's init that says anything, whole frames and broken ones, while
 * commands on the host come and go with execs, questions and signals.
 *
 * libFuzzer: -max_len=4096
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "input.h"
#include "microvm/devices/vsock.h"
#include "runtime/monitor_internal.h"

#define STEPS_MAX 200
#define PEERS     4
#define FRAMES    (GUEST_ANSWER + 2)

struct scene {
	struct launch launch;
	struct monitor monitor;
	struct event_loop loop;
	struct vsock *vsock;
	int guest;        /* the init's end of the control channel */
	int runtime;      /* the end of the command that made the monitor */
	int peers[PEERS]; /* the commands' ends; -EBADF: none */
	bool ended;
};

/* In place of the machine's, which would take a /dev/kvm (see the Makefile). */
struct vsock *__wrap_vm_vsock(struct vm *vm);
int __wrap_vm_pause(struct vm *vm, bool paused, struct error *err);
void __wrap_vm_balloon_ask(struct vm *vm);

struct vsock *__wrap_vm_vsock(struct vm *vm)
{
	return ((struct scene *)(void *)vm)->vsock;
}

int __wrap_vm_pause(struct vm *vm, bool paused, struct error *err)
{
	(void)vm;
	(void)paused;
	(void)err;
	return 0;
}

void __wrap_vm_balloon_ask(struct vm *vm)
{
	(void)vm;
}

static void hear(struct scene *scene)
{
	struct error err = { 0 };
	int result;

	if (scene->ended || scene->monitor.guest_fd < 0)
		return;
	result = monitor_read_guest(&scene->monitor, &err);
	CHECK(result >= 0 || err.message[0]);
	/* The end of the machine, for the monitor. */
	scene->ended = result < 0;
}

/* A frame with fields where its type has them. */
static void say(struct scene *scene, struct input *in)
{
	static const char text[] = "what went wrong";
	cleanup_strbuf struct strbuf payload = STRBUF_INIT, frame = STRBUF_INIT;
	uint8_t type = (uint8_t)(take(in, 1) % FRAMES), odd = (uint8_t)take(in, 1);

	if (type == GUEST_HELLO)
		wire_put_u32(&payload, odd & 1 ? (uint32_t)take(in, 1) : GUEST_PROTOCOL_VERSION);
	else if (type == GUEST_ANSWER)
		wire_put_u64(&payload, take(in, 1));
	else
		wire_put_u32(&payload, odd & 2 ? (uint32_t)take(in, 4) : odd >> 6);
	if (type == GUEST_FAILED || type == GUEST_ANSWER || type == GUEST_EXITED)
		wire_put_u32(&payload, (uint32_t)take(in, odd & 4 ? 4 : 2));
	if (type == GUEST_FAILED || (type == GUEST_ANSWER && odd & 8)) {
		wire_put_u32(&payload, (uint32_t)take(in, 1));
		wire_put_string(&payload, odd & 16 ? NULL : text);
	}
	for (unsigned i = odd & 32 ? odd : 0; i > 0; i--)
		wire_put_u8(&payload, (uint8_t)take(in, 1));
	guest_frame_put(&frame, type, &payload);
	(void)send(scene->guest, frame.data, frame.length, MSG_DONTWAIT | MSG_NOSIGNAL);
	hear(scene);
}

static void say_bytes(struct scene *scene, struct input *in)
{
	unsigned char bytes[64];
	size_t length = take_bytes(in, bytes, take(in, 1) % sizeof(bytes));

	(void)send(scene->guest, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	hear(scene);
}

static void connect_peer(struct scene *scene, unsigned number)
{
	struct monitor_peer *peer;
	int sockets[2];

	close_fd(&scene->peers[number]);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
	scene->peers[number] = sockets[1];
	peer = xcalloc(1, sizeof(*peer));
	*peer = (struct monitor_peer){ .fd = sockets[0],
		.streams = { -EBADF, -EBADF, -EBADF },
		.answer_fd = -EBADF,
		.next = scene->monitor.peers };
	scene->monitor.peers = peer;
}

static void ask(struct scene *scene, struct input *in, unsigned number)
{
	static const uint8_t types[] = { LAUNCH_START, LAUNCH_SIGNAL, CONTROL_PAUSE, CONTROL_STATUS, CONTROL_ASK,
		CONTROL_STREAM, CONTROL_EXEC, CONTROL_RESIZE };
	uint8_t kind = (uint8_t)take(in, 1), bytes[16] = { 0 };
	uint8_t type = types[kind % ARRAY_SIZE(types)];
	cleanup_fd int fd = -EBADF;
	size_t length = type == LAUNCH_SIGNAL || type == CONTROL_RESIZE || type == CONTROL_EXEC ? 8 : 4;

	if (type == CONTROL_ASK || type == CONTROL_EXEC)
		fd = memfd_create("file", MFD_CLOEXEC);
	if (type == CONTROL_STREAM)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)take_bytes(in, bytes, kind & 128 ? sizeof(bytes) : 1);
	if (type == CONTROL_EXEC && !(kind & 128))
		memset(bytes + 4, 0xff, 4); /* no string */
	(void)message_send(scene->peers[number], type, bytes, kind & 64 ? take(in, 1) % sizeof(bytes) : length, fd);
}

/* The streams and the EXEC itself, in the right order: most sessions would not come about by chance. */
static void ask_exec(struct scene *scene, unsigned number)
{
	const unsigned char request[8] = { 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC), file = memfd_create("plan", MFD_CLOEXEC);

	for (uint32_t stream = 0; stream < 3; stream++)
		(void)message_send(scene->peers[number], CONTROL_STREAM, &stream, sizeof(stream), null);
	(void)message_send(scene->peers[number], CONTROL_EXEC, request, sizeof(request), file);
}

static void serve_peers(struct scene *scene)
{
	struct monitor_peer *next;

	for (struct monitor_peer *peer = scene->monitor.peers; peer; peer = next) {
		next = peer->next;
		for (int i = 0; i < 5 && peer->fd >= 0; i++)
			monitor_peer_ready(&scene->monitor, peer);
	}
	monitor_sessions_settle(&scene->monitor);
	monitor_peers_settle(&scene->monitor);
}

static void step(struct scene *scene, struct input *in)
{
	uint8_t kind = (uint8_t)take(in, 1);
	unsigned number = kind / 8 % PEERS;
	char drained[4096];

	switch (kind % 8) {
	case 0:
	case 1:
	case 2:
		say(scene, in);
		break;
	case 3:
		say_bytes(scene, in);
		break;
	case 4:
		connect_peer(scene, number);
		break;
	case 5:
		ask(scene, in, number);
		break;
	case 6:
		ask_exec(scene, number);
		break;
	default:
		close_fd(&scene->peers[number]);
		break;
	}
	serve_peers(scene);
	while (recv(scene->guest, drained, sizeof(drained), MSG_DONTWAIT) > 0)
		;
}

static void open_scene(struct scene *scene, bool foreground)
{
	static const struct launch_options options = { .id = "box" };
	static char *args[] = { (char *)(uintptr_t) "true", NULL }, *none[] = { NULL };
	struct error err;
	int sockets[2];

	*scene = (struct scene){ .launch.child = CHILD_NONE, .launch.vm.guest.rootfs.root = (char *)(uintptr_t) "/" };
	scene->launch.options = &options;
	scene->launch.process.args = args;
	scene->launch.process.env = none;
	scene->monitor = (struct monitor){ .launch = &scene->launch,
		.vm = (struct vm *)(void *)scene,
		.signal_fd = -EBADF,
		.terminal = -EBADF,
		.finished = { -EBADF, -EBADF, -EBADF },
		.message = xcalloc(1, sizeof(struct message)) };
	for (unsigned i = 0; i < PEERS; i++)
		scene->peers[i] = -EBADF;
	CHECK(event_loop_init(&scene->loop, &err) == 0 && vsock_create(&scene->vsock, &scene->loop, &err) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
	scene->monitor.guest_fd = sockets[0];
	scene->guest = sockets[1];
	CHECK(message_pair(sockets, &err) == 0);
	scene->launch.child.socket = sockets[0];
	scene->runtime = sockets[1];
	/* Its answer to PREPARED is there before the question. */
	CHECK(message_send(scene->runtime, foreground ? LAUNCH_START : LAUNCH_ACCEPTED, NULL, 0, -1) == 0);
}

static void close_scene(struct scene *scene)
{
	struct monitor *monitor = &scene->monitor;

	for (unsigned i = 0; i < PEERS; i++)
		close_fd(&scene->peers[i]);
	serve_peers(scene);
	while (monitor->peers) {
		struct monitor_peer *peer = monitor->peers;

		monitor->peers = peer->next;
		monitor_peer_close(peer);
		free(peer);
	}
	while (monitor->sessions) {
		struct monitor_session *session = monitor->sessions;

		monitor->sessions = session->next;
		for (unsigned i = 0; i < ARRAY_SIZE(session->finished); i++)
			close_fd(&session->finished[i]);
		free(session);
	}
	vsock_destroy(scene->vsock);
	event_loop_close(&scene->loop);
	guest_frame_reader_free(&monitor->reader);
	strbuf_free(&monitor->outgoing);
	free(monitor->message);
	close_fd(&monitor->guest_fd);
	close_fd(&scene->guest);
	close_fd(&scene->launch.child.socket);
	close_fd(&scene->runtime);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct scene *scene = xcalloc(1, sizeof(*scene));

	(void)signal(SIGPIPE, SIG_IGN);
	open_scene(scene, take(&in, 1) & 1);
	for (unsigned i = 0; i < STEPS_MAX && in.left && !scene->ended; i++)
		step(scene, &in);
	close_scene(scene);
	free(scene);
	return 0;
}
