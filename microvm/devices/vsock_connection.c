/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/vsock_connection.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "microvm/devices/vsock_internal.h"

#define HEADER_BYTES sizeof(struct virtio_vsock_hdr)
#define PARTS_MAX    16 /* fragments of guest memory per system call */

#define connection_of(pointer, member) \
	((struct vsock_connection *)((char *)(pointer)-offsetof(struct vsock_connection, member)))

static void drain(struct vsock_connection *connection);

static void input_event(struct vsock_connection *connection, uint32_t events)
{
	(void)events;
	if (connection->state != VSOCK_CONNECTED)
		return;
	connection->input_ready = true;
	vsock_queue_turn(connection);
}

static void input_ready(struct event_watch *watch, uint32_t events)
{
	vsock_connection_event(connection_of(watch, input.watch), input_event, events);
}

/* One-shot watches throughout: a hang-up that cannot be acted upon yet must not spin the loop. */
static int watch_end(struct vsock_connection *connection, struct vsock_end *end, uint32_t events)
{
	struct event_loop *loop = vsock_loop(connection->vsock);
	int result;

	if (end->watched)
		return event_loop_change(loop, &end->watch, events | EPOLLONESHOT);
	end->watch.fd = end->descriptor.fd;
	result = event_loop_add(loop, &end->watch, events | EPOLLONESHOT);
	end->watched = !result;
	return result;
}

static void close_end(struct vsock_connection *connection, struct vsock_end *end, int direction)
{
	if (end->watched)
		event_loop_remove(vsock_loop(connection->vsock), &end->watch);
	end->watched = false;
	vsock_descriptor_close(&end->descriptor, direction);
}

static bool has_end(const struct vsock_end *end)
{
	return end->descriptor.fd >= 0;
}

void vsock_connection_signal_finished(struct vsock_connection *connection)
{
	uint64_t one = 1;

	if (connection->finished_fd >= 0)
		(void)!write(connection->finished_fd, &one, sizeof(one));
	connection->finished_fd = -EBADF;
}

/* Everything that will ever reach write_fd has reached it. */
static void finish_output(struct vsock_connection *connection)
{
	close_end(connection, &connection->output, SHUT_WR);
	vsock_connection_signal_finished(connection);
	if (connection->state == VSOCK_DRAINING)
		vsock_bury(connection);
}

static void count_forwarded(struct vsock_connection *connection, uint32_t bytes)
{
	connection->forwarded += bytes;
	/* Half of the credit at a time: fewer packets, and never so late that a sender which used it all waits for
	 * ever. */
	if (connection->forwarded - connection->forwarded_told >= VSOCK_BUFFER_BYTES / 2)
		connection->pending |= VSOCK_PENDING_CREDIT;
}

static void announce_shutdown(struct vsock_connection *connection, uint32_t flags)
{
	connection->shutdown_flags |= flags;
	connection->pending |= VSOCK_PENDING_SHUTDOWN;
	vsock_queue_turn(connection);
}

/* Nobody reads any more what the guest sends. */
static void output_failed(struct vsock_connection *connection)
{
	count_forwarded(connection, connection->buffer_used);
	connection->buffer_used = 0;
	finish_output(connection);
	if (connection->state != VSOCK_CONNECTED)
		return;
	if (has_end(&connection->input))
		announce_shutdown(connection, VIRTIO_VSOCK_SHUTDOWN_RCV);
	else
		vsock_reset_guest(connection);
}

static void output_event(struct vsock_connection *connection, uint32_t events)
{
	if (connection->state == VSOCK_DEAD || !has_end(&connection->output))
		return;
	if (events & (EPOLLERR | EPOLLHUP))
		output_failed(connection);
	else
		drain(connection);
}

static void output_ready(struct event_watch *watch, uint32_t events)
{
	vsock_connection_event(connection_of(watch, output.watch), output_event, events);
}

/* Part of a list of vectors, at most PARTS_MAX pieces of it. */
static unsigned slice(
	const struct iovec *from, unsigned count, size_t offset, size_t length, struct iovec to[PARTS_MAX])
{
	unsigned made = 0;

	for (unsigned i = 0; i < count && length && made < PARTS_MAX; i++) {
		size_t part;

		if (offset >= from[i].iov_len) {
			offset -= from[i].iov_len;
			continue;
		}
		part = from[i].iov_len - offset;
		if (part > length)
			part = length;
		to[made++] = (struct iovec){ (char *)from[i].iov_base + offset, part };
		length -= part;
		offset = 0;
	}
	return made;
}

/* Writes what is buffered, as far as there is room. */
static void drain(struct vsock_connection *connection)
{
	bool blocked = false;

	while (connection->buffer_used) {
		uint32_t start = connection->buffer_start, used = connection->buffer_used;
		uint32_t first = used < VSOCK_BUFFER_BYTES - start ? used : VSOCK_BUFFER_BYTES - start;
		struct iovec parts[2] = { { connection->buffer + start, first }, { connection->buffer, used - first } };
		ssize_t written = vsock_descriptor_write(&connection->output.descriptor, parts, used > first ? 2 : 1);

		if (written == -EAGAIN) {
			blocked = true;
			break;
		}
		if (written < 0) {
			output_failed(connection);
			return;
		}
		connection->buffer_start = (start + (uint32_t)written) % VSOCK_BUFFER_BYTES;
		connection->buffer_used -= (uint32_t)written;
		count_forwarded(connection, (uint32_t)written);
	}
	vsock_queue_turn(connection);
	if (!blocked && (connection->guest_finished || connection->state == VSOCK_DRAINING))
		finish_output(connection);
	else if (watch_end(connection, &connection->output, blocked ? EPOLLOUT : 0) && blocked)
		output_failed(connection);
}

/* Payload goes from guest memory straight to write_fd while nothing waits before it. Returns the bytes written, or a
 * negative errno. */
static ssize_t write_direct(struct vsock_connection *connection, const struct virtqueue_chain *chain, size_t length)
{
	size_t done = 0;

	while (done < length) {
		struct iovec parts[PARTS_MAX];
		unsigned count =
			slice(chain->readable, chain->readable_count, HEADER_BYTES + done, length - done, parts);
		ssize_t written = vsock_descriptor_write(&connection->output.descriptor, parts, count);

		if (written == -EAGAIN)
			break;
		if (written < 0)
			return written;
		done += (size_t)written;
	}
	return (ssize_t)done;
}

static void buffer_append(
	struct vsock_connection *connection, const struct virtqueue_chain *chain, size_t offset, size_t length)
{
	while (length) {
		uint32_t end = (connection->buffer_start + connection->buffer_used) % VSOCK_BUFFER_BYTES;
		size_t part = VSOCK_BUFFER_BYTES - end < length ? VSOCK_BUFFER_BYTES - end : length;

		(void)virtqueue_read(chain, offset, connection->buffer + end, part);
		connection->buffer_used += (uint32_t)part;
		offset += part;
		length -= part;
	}
}

bool vsock_connection_receive(struct vsock_connection *connection, const struct virtqueue_chain *chain, size_t length)
{
	ssize_t written = 0;

	if (length > VSOCK_PACKET_BYTES || length > chain->readable_bytes - HEADER_BYTES || connection->guest_finished)
		return false;
	if (!has_end(&connection->output)) {
		count_forwarded(connection, (uint32_t)length);
		vsock_queue_turn(connection);
		return true;
	}
	if (length > VSOCK_BUFFER_BYTES - connection->buffer_used)
		return false;
	if (!connection->buffer_used)
		written = write_direct(connection, chain, length);
	if (written < 0) {
		count_forwarded(connection, (uint32_t)length);
		output_failed(connection);
		return true;
	}
	count_forwarded(connection, (uint32_t)written);
	vsock_queue_turn(connection);
	if ((size_t)written == length)
		return true;
	if (!connection->buffer_used) {
		connection->buffer_start = 0;
		if (watch_end(connection, &connection->output, EPOLLOUT)) {
			output_failed(connection);
			return true;
		}
	}
	buffer_append(connection, chain, HEADER_BYTES + (size_t)written, length - (size_t)written);
	return true;
}

void vsock_connection_guest_gone(struct vsock_connection *connection)
{
	connection->state = VSOCK_DRAINING;
	connection->guest_finished = connection->guest_deaf = true;
	close_end(connection, &connection->input, SHUT_RD);
	if (!connection->buffer_used)
		finish_output(connection);
}

void vsock_connection_guest_shutdown(struct vsock_connection *connection, uint32_t flags)
{
	if (flags & VIRTIO_VSOCK_SHUTDOWN_SEND) {
		connection->guest_finished = true;
		if (!connection->buffer_used)
			finish_output(connection);
	}
	if (flags & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		connection->guest_deaf = true;
		close_end(connection, &connection->input, SHUT_RD);
	}
	if (connection->guest_finished && connection->guest_deaf)
		vsock_reset_guest(connection);
}

void vsock_connection_accept(struct vsock_connection *connection, uint32_t guest_port)
{
	connection->state = VSOCK_CONNECTED;
	connection->guest_port = guest_port;
	connection->pending = VSOCK_PENDING_RESPONSE;
	connection->input_ready = has_end(&connection->input);
	if (has_end(&connection->output))
		(void)watch_end(connection, &connection->output, 0);
}

/* An end that had been closed is closed again; the loop's first events find what there is to be done. */
void vsock_connection_resume(struct vsock_connection *connection, const struct vsock_saved *saved)
{
	connection->state = VSOCK_CONNECTED;
	connection->guest_port = saved->guest_port;
	connection->forwarded = saved->forwarded;
	connection->forwarded_told = saved->forwarded_told;
	connection->sent = saved->sent;
	connection->peer_allocated = saved->peer_allocated;
	connection->peer_forwarded = saved->peer_forwarded;
	connection->pending = saved->pending;
	connection->shutdown_flags = saved->shutdown_flags;
	connection->guest_finished = saved->guest_finished;
	connection->guest_deaf = saved->guest_deaf;
	if (!saved->has_input)
		close_end(connection, &connection->input, SHUT_RD);
	connection->input_ready = has_end(&connection->input);
	if (has_end(&connection->output) && saved->waiting_bytes) {
		memcpy(connection->buffer, saved->waiting, saved->waiting_bytes);
		connection->buffer_used = (uint32_t)saved->waiting_bytes;
	}
	if (!saved->has_output || (saved->guest_finished && !saved->waiting_bytes))
		finish_output(connection);
	else if (watch_end(connection, &connection->output, connection->buffer_used ? EPOLLOUT : 0) < 0 &&
		 connection->buffer_used)
		/* A regular file cannot be waited for, and need not be. */
		drain(connection);
	vsock_queue_turn(connection);
}

bool vsock_connection_has_input(const struct vsock_connection *connection)
{
	char byte;

	return connection->state == VSOCK_CONNECTED && has_end(&connection->input) &&
	       connection->input.descriptor.kind == VSOCK_DESCRIPTOR_SOCKET &&
	       recv(connection->input.descriptor.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static uint32_t peer_free(const struct vsock_connection *connection)
{
	uint32_t in_flight = connection->sent - connection->peer_forwarded;

	return in_flight < connection->peer_allocated ? connection->peer_allocated - in_flight : 0;
}

void vsock_connection_credit(struct vsock_connection *connection, uint32_t allocated, uint32_t forwarded)
{
	connection->peer_allocated = allocated;
	connection->peer_forwarded = forwarded;
	vsock_queue_turn(connection);
}

static bool may_read(const struct vsock_connection *connection)
{
	return connection->input_ready && has_end(&connection->input) && peer_free(connection) > 0;
}

bool vsock_connection_wants_turn(const struct vsock_connection *connection)
{
	return connection->state == VSOCK_CONNECTED && (connection->pending || may_read(connection));
}

/* Reads straight into guest memory. Bytes read; 0: none, and it is known when there will be. */
static size_t read_input(struct vsock_connection *connection, const struct virtqueue_chain *chain)
{
	size_t room = chain->writable_bytes - HEADER_BYTES, credit = peer_free(connection);
	struct iovec parts[PARTS_MAX];
	unsigned pieces;
	ssize_t count;

	if (room > credit)
		room = credit;
	if (room > VSOCK_PACKET_BYTES)
		room = VSOCK_PACKET_BYTES;
	pieces = slice(chain->writable, chain->writable_count, HEADER_BYTES, room, parts);
	count = vsock_descriptor_read(&connection->input.descriptor, parts, pieces);
	if (count > 0) {
		connection->sent += (uint32_t)count;
		return (size_t)count;
	}
	connection->input_ready = false;
	/* An input that cannot be waited for is at its end when it gives nothing. */
	if (count != -EAGAIN || watch_end(connection, &connection->input, EPOLLIN)) {
		close_end(connection, &connection->input, SHUT_RD);
		connection->shutdown_flags |= VIRTIO_VSOCK_SHUTDOWN_SEND;
		connection->pending |= VSOCK_PENDING_SHUTDOWN;
	}
	return 0;
}

size_t vsock_connection_fill(struct vsock_connection *connection, const struct virtqueue_chain *chain)
{
	struct virtio_vsock_hdr header = {
		.src_cid = VSOCK_CID_HOST,
		.dst_cid = VSOCK_CID_GUEST,
		.src_port = connection->host_port,
		.dst_port = connection->guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.buf_alloc = VSOCK_BUFFER_BYTES,
		.fwd_cnt = connection->forwarded,
	};
	size_t length = 0;

	if (!(connection->pending & (VSOCK_PENDING_RESPONSE | VSOCK_PENDING_SHUTDOWN)) && may_read(connection))
		length = read_input(connection, chain);
	if (length) {
		header.op = VIRTIO_VSOCK_OP_RW;
		header.len = (uint32_t)length;
	} else if (connection->pending & VSOCK_PENDING_RESPONSE) {
		header.op = VIRTIO_VSOCK_OP_RESPONSE;
		connection->pending &= ~(unsigned)VSOCK_PENDING_RESPONSE;
	} else if (connection->pending & VSOCK_PENDING_SHUTDOWN) {
		header.op = VIRTIO_VSOCK_OP_SHUTDOWN;
		header.flags = connection->shutdown_flags;
		connection->pending &= ~(unsigned)VSOCK_PENDING_SHUTDOWN;
	} else if (connection->pending & VSOCK_PENDING_CREDIT) {
		header.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE;
	} else {
		return 0;
	}
	/* Every packet carries the credit. */
	connection->pending &= ~(unsigned)VSOCK_PENDING_CREDIT;
	connection->forwarded_told = connection->forwarded;
	(void)virtqueue_write(chain, 0, &header, sizeof(header));
	return HEADER_BYTES + length;
}

int vsock_connection_new(struct vsock_connection **connection, struct vsock *vsock, struct vsock_port *port)
{
	bool shared = port->read_fd >= 0 && port->read_fd == port->write_fd;
	cleanup_fd int second = shared ? fcntl(port->write_fd, F_DUPFD_CLOEXEC, 0) : -EBADF;
	struct vsock_connection *made;

	if (shared && second < 0)
		return -errno;
	made = xcalloc(1, sizeof(*made));
	vsock_descriptor_open(
		&made->output.descriptor, shared ? &second : &port->write_fd, port->opens_nothing ? -1 : O_WRONLY);
	vsock_descriptor_open(&made->input.descriptor, &port->read_fd, port->opens_nothing ? -1 : O_RDONLY);
	port->write_fd = -EBADF;
	made->input.descriptor.shared = made->output.descriptor.shared = shared;
	made->input.watch.ready = input_ready;
	made->output.watch.ready = output_ready;
	made->vsock = vsock;
	made->host_port = port->port;
	made->guest_port_max = port->guest_port_max;
	made->finished_fd = port->finished_fd;
	if (has_end(&made->output))
		made->buffer = xcalloc(VSOCK_BUFFER_BYTES, 1);
	*connection = made;
	return 0;
}

void vsock_connection_free(struct vsock_connection *connection)
{
	close_end(connection, &connection->input, SHUT_RD);
	close_end(connection, &connection->output, SHUT_WR);
	free(connection->buffer);
	free(connection);
}
