/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the back end to the driver. Enough buffers for the longest frame are taken from the driver beforehand, and the
 * back end writes into them directly; what a frame did not need waits for the next one.
 */
#include <string.h>

#include "base/log.h"
#include "microvm/devices/net_internal.h"

static size_t longest_frame(const struct net *net)
{
	if (net_agreed(net, VIRTIO_NET_F_GUEST_TSO4) || net_agreed(net, VIRTIO_NET_F_GUEST_TSO6))
		return NET_HEADER_BYTES + NET_FRAME_BYTES_MAX;
	return NET_HEADER_BYTES + net->config.mtu + NET_FRAME_OVERHEAD;
}

void net_receive_reset(struct net *net)
{
	struct net_window *window = &net->window;

	window->first_buffer = window->buffer_count = window->first_vector = window->vector_count = 0;
	window->bytes = 0;
}

/* What is in use moves to the front, to make room behind it. */
static void compact(struct net_window *window)
{
	memmove(window->buffers, window->buffers + window->first_buffer,
		window->buffer_count * sizeof(*window->buffers));
	memmove(window->vectors, window->vectors + window->first_vector,
		window->vector_count * sizeof(*window->vectors));
	window->first_buffer = window->first_vector = 0;
}

static void add_buffer(struct net_window *window, const struct virtqueue_chain *chain)
{
	window->buffers[window->buffer_count++] = (struct net_buffer){ .head = chain->head,
		.vectors = (uint16_t)chain->writable_count,
		.bytes = (uint32_t)chain->writable_bytes };
	memcpy(window->vectors + window->vector_count, chain->writable,
		chain->writable_count * sizeof(*chain->writable));
	window->vector_count += chain->writable_count;
	window->bytes += chain->writable_bytes;
}

/* Whether the window is as large as it can get: the ring is empty then, or it was cut into very small pieces. */
static bool is_full(const struct net *net)
{
	const struct net_window *window = &net->window;

	return window->vector_count > NET_WINDOW_VECTORS ||
	       window->buffer_count >= net->device.queues[NET_QUEUE_RECEIVE].size;
}

/* A driver without mergeable buffers gives one large enough for a whole frame, header included. */
static bool holds_a_frame(const struct net *net)
{
	const struct net_window *window = &net->window;

	if (!net_agreed(net, VIRTIO_NET_F_MRG_RXBUF))
		return window->buffer_count > 0;
	return window->bytes >= longest_frame(net) || (window->buffer_count > 0 && is_full(net));
}

/* 1: there is room for a frame; 0: the driver has no buffers; -EPROTO. */
static int fill_window(struct net *net)
{
	struct net_window *window = &net->window;

	if (holds_a_frame(net))
		return 1;
	compact(window);
	do {
		int result = virtqueue_pop(&net->device.queues[NET_QUEUE_RECEIVE], &net->chain);

		if (result <= 0)
			return result;
		/* The header lies whole in a frame's first buffer (5.1.6.3.1). */
		if (net->chain.readable_count || net->chain.writable_bytes < NET_HEADER_BYTES)
			return -EPROTO;
		add_buffer(window, &net->chain);
	} while (!holds_a_frame(net));
	return 1;
}

/* Buffers; or the wish to be told when there are some. */
static int prepare_window(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_QUEUE_RECEIVE];

	for (;;) {
		int result = fill_window(net);

		if (result != 0 || !virtqueue_want_kicks(queue, true))
			return result;
		/* Some came in between. */
		(void)virtqueue_want_kicks(queue, false);
	}
}

/* Receives one frame into all of the window, or into the one buffer of a driver without mergeable ones. */
static ssize_t receive_frame(struct net *net)
{
	struct net_window *window = &net->window;
	const struct net_buffer *first = &window->buffers[window->first_buffer];
	bool mergeable = net_agreed(net, VIRTIO_NET_F_MRG_RXBUF);
	unsigned count = mergeable ? window->vector_count : first->vectors;
	size_t room = mergeable ? window->bytes : first->bytes;
	unsigned char beyond;

	window->vectors[window->first_vector + count] =
		(struct iovec){ .iov_base = &beyond, .iov_len = sizeof(beyond) };
	return net->backend->ops->receive(net->backend, window->vectors + window->first_vector, count + 1, room);
}

/* num_buffers is the last field of the header, which may lie in several pieces. */
static void write_buffer_count(const struct net_window *window, uint16_t count)
{
	const struct iovec *vector = &window->vectors[window->first_vector];
	size_t offset = offsetof(struct virtio_net_hdr_v1, num_buffers);

	for (unsigned i = 0; i < sizeof(count); i++, offset++) {
		while (offset >= vector->iov_len) {
			offset -= vector->iov_len;
			vector++;
		}
		((unsigned char *)vector->iov_base)[offset] = (unsigned char)(count >> (8 * i));
	}
}

/* The driver must see all buffers of a frame at once. */
static void deliver(struct net *net, size_t bytes)
{
	struct virtqueue *queue = &net->device.queues[NET_QUEUE_RECEIVE];
	struct net_window *window = &net->window;
	unsigned vectors = 0;
	uint16_t count = 0;

	while (bytes) {
		const struct net_buffer *buffer = &window->buffers[window->first_buffer + count];
		uint32_t part = bytes < buffer->bytes ? (uint32_t)bytes : buffer->bytes;

		virtqueue_stage(queue, count, buffer->head, part);
		vectors += buffer->vectors;
		window->bytes -= buffer->bytes;
		bytes -= part;
		count++;
	}
	write_buffer_count(window, count);
	virtqueue_publish(queue, count);
	window->first_buffer += count;
	window->buffer_count -= count;
	window->first_vector += vectors;
	window->vector_count -= vectors;
}

static void lose(struct net *net, int result)
{
	log_warning("virtio device net: the host's end is gone: %s", strerror(-result));
	net->lost = true;
}

int net_receive(struct net *net)
{
	int result = 0;

	for (unsigned i = 0; !net->lost && (i < NET_FRAMES_PER_TURN || net->backend->pending); i++) {
		ssize_t got;

		result = prepare_window(net);
		if (result <= 0) {
			net->receive_starved = result == 0;
			break;
		}
		got = receive_frame(net);
		if (got == -EAGAIN)
			break;
		if (got > (ssize_t)NET_HEADER_BYTES)
			deliver(net, (size_t)got);
		else if (got < 0 && got != -EMSGSIZE)
			lose(net, (int)got);
	}
	net->device.interrupt(&net->device, &net->device.queues[NET_QUEUE_RECEIVE]);
	return result < 0 ? result : 0;
}
