/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/vsock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "microvm/devices/vsock_internal.h"

#define HEADER_BYTES sizeof(struct virtio_vsock_hdr)
#define TURN_PACKETS 64 /* in each direction before the loop looks at its other descriptors */
/* Linux fills the whole receive queue with 4 KiB buffers when it starts: no longer than throughput asks for. */
#define QUEUE_SIZE 64
/* Completed transmissions only free memory of the guest: they are told along with received packets or by the batch. */
#define TX_BATCH_BYTES 131072

enum { QUEUE_RX, QUEUE_TX, QUEUE_EVENT, QUEUE_COUNT };

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)((char *)device - offsetof(struct vsock, device));
}

struct event_loop *vsock_loop(struct vsock *vsock)
{
	return vsock->device.loop;
}

void vsock_wake(struct vsock *vsock)
{
	uint64_t one = 1;

	(void)!write(vsock->wake.fd, &one, sizeof(one));
}

static struct vsock_connection **bucket(struct vsock *vsock, uint32_t host_port)
{
	return &vsock->ports[host_port & (VSOCK_BUCKETS - 1)];
}

struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t host_port)
{
	struct vsock_connection *connection = *bucket(vsock, host_port);

	while (connection && connection->host_port != host_port)
		connection = connection->next;
	return connection;
}

void vsock_queue_turn(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;

	if (connection->in_turn || !vsock_connection_wants_turn(connection))
		return;
	connection->in_turn = true;
	connection->turn_next = NULL;
	if (vsock->turn_last)
		vsock->turn_last->turn_next = connection;
	else
		vsock->turn_first = connection;
	vsock->turn_last = connection;
}

static struct vsock_connection *take_turn(struct vsock *vsock)
{
	struct vsock_connection *connection = vsock->turn_first;

	vsock->turn_first = connection->turn_next;
	if (!vsock->turn_first)
		vsock->turn_last = NULL;
	connection->in_turn = false;
	return connection;
}

static void leave_turn(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;
	struct vsock_connection *before = NULL;

	if (!connection->in_turn)
		return;
	for (struct vsock_connection *at = vsock->turn_first; at != connection; at = at->turn_next)
		before = at;
	if (before)
		before->turn_next = connection->turn_next;
	else
		vsock->turn_first = connection->turn_next;
	if (vsock->turn_last == connection)
		vsock->turn_last = before;
	connection->in_turn = false;
}

void vsock_bury(struct vsock_connection *connection)
{
	struct vsock *vsock = connection->vsock;
	struct vsock_connection **place = bucket(vsock, connection->host_port);

	leave_turn(connection);
	while (*place != connection)
		place = &(*place)->next;
	*place = connection->next;
	vsock->port_count--;
	connection->state = VSOCK_DEAD;
	connection->next = vsock->dead;
	vsock->dead = connection;
	vsock_connection_signal_finished(connection);
}

void vsock_queue_reset(struct vsock *vsock, const struct vsock_reset *reset)
{
	if (vsock->reset_count == VSOCK_RESETS_MAX)
		return;
	vsock->resets[(vsock->reset_first + vsock->reset_count++) % VSOCK_RESETS_MAX] = *reset;
}

static void queue_connection_reset(struct vsock_connection *connection)
{
	struct vsock_reset reset = {
		.from_cid = VSOCK_CID_HOST,
		.from_port = connection->host_port,
		.to_port = connection->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
	};

	vsock_queue_reset(connection->vsock, &reset);
}

void vsock_reset_guest(struct vsock_connection *connection)
{
	queue_connection_reset(connection);
	leave_turn(connection);
	vsock_connection_guest_gone(connection);
}

/* A packet for a connection that is there. */
static void handle_connected(
	struct vsock_connection *connection, const struct virtio_vsock_hdr *header, const struct virtqueue_chain *chain)
{
	vsock_connection_credit(connection, header->buf_alloc, header->fwd_cnt);
	switch (header->op) {
	case VIRTIO_VSOCK_OP_RW:
		if (!vsock_connection_receive(connection, chain, header->len))
			vsock_reset_guest(connection);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		vsock_connection_guest_shutdown(connection, header->flags);
		break;
	case VIRTIO_VSOCK_OP_RST:
		leave_turn(connection);
		vsock_connection_guest_gone(connection);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		connection->pending |= VSOCK_PENDING_CREDIT;
		vsock_queue_turn(connection);
		break;
	default: /* a second REQUEST among them */
		vsock_reset_guest(connection);
		break;
	}
}

static bool is_request_for(const struct vsock_connection *connection, const struct virtio_vsock_hdr *header)
{
	return connection && connection->state == VSOCK_LISTENING && header->op == VIRTIO_VSOCK_OP_REQUEST &&
	       (!connection->guest_port_max || header->src_port <= connection->guest_port_max);
}

/* The header is read once; fields are little endian as this machine is. */
static void handle_packet(struct vsock *vsock, const struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header;
	struct vsock_connection *connection = NULL;

	if (virtqueue_read(chain, 0, &header, sizeof(header)) < sizeof(header))
		return;
	if (header.src_cid == VSOCK_CID_GUEST && header.dst_cid == VSOCK_CID_HOST &&
		header.type == VIRTIO_VSOCK_TYPE_STREAM)
		connection = vsock_find(vsock, header.dst_port);
	if (connection && connection->state == VSOCK_CONNECTED && connection->guest_port == header.src_port) {
		handle_connected(connection, &header, chain);
	} else if (is_request_for(connection, &header) && header.dst_port == vsock->held_port) {
		vsock_hold_request(vsock, &header);
	} else if (is_request_for(connection, &header)) {
		vsock_connection_accept(connection, header.src_port);
		vsock_connection_credit(connection, header.buf_alloc, header.fwd_cnt);
	} else if (header.op != VIRTIO_VSOCK_OP_RST) {
		struct vsock_reset reset = {
			.from_cid = header.dst_cid,
			.from_port = header.dst_port,
			.to_port = header.src_port,
			.type = header.type,
		};

		vsock_queue_reset(vsock, &reset);
	}
}

static int serve_tx(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[QUEUE_TX];
	unsigned budget = TURN_PACKETS;
	int result;

	do {
		(void)virtqueue_want_kicks(queue, false);
		while ((result = virtqueue_pop(queue, &vsock->chain)) > 0) {
			handle_packet(vsock, &vsock->chain);
			virtqueue_push(queue, vsock->chain.head, 0);
			vsock->tx_untold++;
			vsock->tx_untold_bytes += vsock->chain.readable_bytes;
			if (!--budget) {
				vsock_wake(vsock);
				return 0;
			}
		}
		if (result < 0)
			return result;
	} while (virtqueue_want_kicks(queue, true));
	return 0;
}

static size_t fill_reset(struct vsock *vsock, const struct virtqueue_chain *chain)
{
	const struct vsock_reset *reset = &vsock->resets[vsock->reset_first];
	struct virtio_vsock_hdr header = {
		.src_cid = reset->from_cid,
		.dst_cid = VSOCK_CID_GUEST,
		.src_port = reset->from_port,
		.dst_port = reset->to_port,
		.type = reset->type,
		.op = VIRTIO_VSOCK_OP_RST,
	};

	vsock->reset_first = (vsock->reset_first + 1) % VSOCK_RESETS_MAX;
	vsock->reset_count--;
	return virtqueue_write(chain, 0, &header, sizeof(header));
}

/* The next packet for the guest, in fair turns. 0: the connection whose turn it was has nothing after all. */
static size_t fill_next(struct vsock *vsock, const struct virtqueue_chain *chain)
{
	struct vsock_connection *connection;
	size_t written;

	if (vsock->reset_count)
		return fill_reset(vsock, chain);
	connection = take_turn(vsock);
	written = vsock_connection_fill(connection, chain);
	vsock_queue_turn(connection);
	return written;
}

/* Returns the number of packets given to the guest, or a negative errno. */
static int serve_rx(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[QUEUE_RX];
	int given = 0;

	for (unsigned budget = TURN_PACKETS; vsock->reset_count || vsock->turn_first; budget--) {
		int result;
		size_t written;

		if (!budget) {
			vsock_wake(vsock);
			break;
		}
		result = virtqueue_pop(queue, &vsock->chain);
		if (result < 0)
			return result;
		/* Buffers are asked for only when there is something to put into them. */
		if (!result && !virtqueue_want_kicks(queue, true))
			break;
		if (!result)
			continue;
		(void)virtqueue_want_kicks(queue, false);
		if (vsock->chain.writable_bytes <= HEADER_BYTES)
			return -EPROTO;
		written = fill_next(vsock, &vsock->chain);
		if (written) {
			virtqueue_push(queue, vsock->chain.head, (uint32_t)written);
			given++;
		} else {
			virtqueue_unpop(queue);
		}
	}
	return given;
}

static void tell_guest(struct vsock *vsock, int given)
{
	struct virtio_device *device = &vsock->device;

	if (given)
		device->interrupt(device, &device->queues[QUEUE_RX]);
	if (vsock->tx_untold && (given || vsock->tx_untold >= device->queues[QUEUE_TX].size / 4U ||
					vsock->tx_untold_bytes >= TX_BATCH_BYTES)) {
		vsock->tx_untold = 0;
		vsock->tx_untold_bytes = 0;
		device->interrupt(device, &device->queues[QUEUE_TX]);
	}
}

static void free_dead(struct vsock *vsock)
{
	while (vsock->dead) {
		struct vsock_connection *connection = vsock->dead;

		vsock->dead = connection->next;
		vsock_connection_free(connection);
	}
}

/* After anything that happened, on the loop's thread: whatever can go either way goes. */
static int serve(struct vsock *vsock)
{
	int result = 0;

	if (vsock->active) {
		result = serve_tx(vsock);
		if (!result)
			result = serve_rx(vsock);
		if (result >= 0)
			tell_guest(vsock, result);
		else
			vsock->active = false;
	}
	free_dead(vsock);
	return result < 0 ? result : 0;
}

/* Every way into the device on the loop's thread comes through here, or through kick(). */
static void block_sigpipe(struct vsock *vsock)
{
	sigset_t set;

	if (vsock->sigpipe_blocked)
		return;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	vsock->sigpipe_blocked = true;
}

static void serve_event(struct vsock *vsock)
{
	if (serve(vsock) < 0)
		vsock->device.broken(&vsock->device);
}

void vsock_connection_event(
	struct vsock_connection *connection, void (*handler)(struct vsock_connection *, uint32_t), uint32_t events)
{
	struct vsock *vsock = connection->vsock;

	(void)pthread_mutex_lock(&vsock->device.lock);
	block_sigpipe(vsock);
	handler(connection, events);
	serve_event(vsock);
	(void)pthread_mutex_unlock(&vsock->device.lock);
}

static void woken(struct event_watch *watch, uint32_t events)
{
	struct vsock *vsock = (struct vsock *)((char *)watch - offsetof(struct vsock, wake));
	uint64_t count;

	(void)events;
	(void)!read(watch->fd, &count, sizeof(count));
	(void)pthread_mutex_lock(&vsock->device.lock);
	block_sigpipe(vsock);
	vsock_answer_held(vsock);
	serve_event(vsock);
	(void)pthread_mutex_unlock(&vsock->device.lock);
}

static int device_activate(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	for (unsigned i = 0; i < QUEUE_COUNT; i++) {
		if (!device->queues[i].enabled)
			return -EINVAL;
	}
	(void)virtqueue_want_kicks(&device->queues[QUEUE_RX], false);
	(void)virtqueue_want_kicks(&device->queues[QUEUE_EVENT], false);
	vsock->active = true;
	return 0;
}

/* The driver probes with a reset: listeners stay. */
static void device_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	vsock->active = false;
	vsock->reset_count = vsock->tx_untold = 0;
	vsock->tx_untold_bytes = 0;
	for (unsigned i = 0; i < VSOCK_BUCKETS; i++) {
		struct vsock_connection *connection = vsock->ports[i], *next;

		for (; connection; connection = next) {
			next = connection->next;
			leave_turn(connection);
			if (connection->state != VSOCK_CONNECTED)
				continue;
			connection->state = VSOCK_DRAINING;
			if (!connection->buffer_used)
				vsock_bury(connection);
		}
	}
	vsock_wake(vsock);
}

static int device_kick(struct virtio_device *device, unsigned queue)
{
	struct vsock *vsock = vsock_of(device);

	(void)queue;
	block_sigpipe(vsock);
	return serve(vsock);
}

static const struct virtio_device_ops device_ops = {
	.activate = device_activate,
	.reset = device_reset,
	.kick = device_kick,
};

int vsock_create(struct vsock **vsock, struct event_loop *loop, struct error *err)
{
	struct vsock *made = xcalloc(1, sizeof(*made));
	int result;

	made->config.guest_cid = VSOCK_CID_GUEST;
	made->device = (struct virtio_device){
		.name = "vsock",
		.id = VIRTIO_DEVICE_VSOCK,
		.ops = &device_ops,
		.config = &made->config,
		.config_bytes = sizeof(made->config),
		.queue_count = QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
		.loop = loop,
	};
	(void)pthread_mutex_init(&made->device.lock, NULL);
	made->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	made->wake.ready = woken;
	result = made->wake.fd < 0 ? -errno : event_loop_add(loop, &made->wake, EPOLLIN);
	if (result) {
		close_fd(&made->wake.fd);
		free(made);
		return error_set(err, -result, "make the vsock device");
	}
	*vsock = made;
	return 0;
}

struct virtio_device *vsock_device(struct vsock *vsock)
{
	return &vsock->device;
}

static int listen_locked(struct vsock *vsock, struct vsock_port *port, struct error *err)
{
	struct vsock_connection *connection, **place = bucket(vsock, port->port);
	int result;

	if (vsock_find(vsock, port->port))
		return error_set(err, EADDRINUSE, "listen on vsock port %u", port->port);
	if (vsock->port_count == VSOCK_PORTS_MAX)
		return error_set(err, ENOSPC, "listen on more than %u vsock ports", VSOCK_PORTS_MAX);
	result = vsock_connection_new(&connection, vsock, port);
	if (result)
		return error_set(err, -result, "listen on vsock port %u", port->port);
	connection->next = *place;
	*place = connection;
	vsock->port_count++;
	vsock_adopt_saved(vsock, connection);
	return 0;
}

int vsock_listen(struct vsock *vsock, const struct vsock_port *port, struct error *err)
{
	struct vsock_port copy = *port;
	int result;

	if ((port->read_fd >= 0 && fcntl(port->read_fd, F_GETFD) < 0) ||
		(port->write_fd >= 0 && fcntl(port->write_fd, F_GETFD) < 0))
		return error_set(err, errno, "listen on vsock port %u", port->port);
	(void)pthread_mutex_lock(&vsock->device.lock);
	result = listen_locked(vsock, &copy, err);
	(void)pthread_mutex_unlock(&vsock->device.lock);
	return result;
}

void vsock_unlisten(struct vsock *vsock, uint32_t port)
{
	struct vsock_connection *connection;

	(void)pthread_mutex_lock(&vsock->device.lock);
	connection = vsock_find(vsock, port);
	if (connection) {
		if (connection->state == VSOCK_CONNECTED)
			queue_connection_reset(connection);
		vsock_bury(connection);
		vsock_wake(vsock);
	}
	(void)pthread_mutex_unlock(&vsock->device.lock);
}

void vsock_destroy(struct vsock *vsock)
{
	for (unsigned i = 0; i < VSOCK_BUCKETS; i++) {
		while (vsock->ports[i])
			vsock_bury(vsock->ports[i]);
	}
	free_dead(vsock);
	vsock_free_saved(vsock);
	event_loop_remove(vsock->device.loop, &vsock->wake);
	close_fd(&vsock->wake.fd);
	(void)pthread_mutex_destroy(&vsock->device.lock);
	free(vsock);
}
