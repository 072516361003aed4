/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a vsock device on a plain buffer, for tests: rings, receive buffers, packets. It runs the
 * device's event loop by hand, on the calling thread.
 */
#ifndef DUET_TESTS_VSOCK_DRIVER_H
#define DUET_TESTS_VSOCK_DRIVER_H

#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "microvm/devices/vsock.h"

#define DRIVER_QUEUE        64
#define DRIVER_RX_BYTES     4096
#define DRIVER_TX_BYTES     (65536 + 4096)
#define DRIVER_RING(queue)  (0x1000ULL + (queue)*0x4000ULL)
#define DRIVER_RX(index)    (0x20000ULL + (index) * (uint64_t)DRIVER_RX_BYTES)
#define DRIVER_TX           0x80000ULL
#define DRIVER_MEMORY_BYTES 0x100000ULL
#define DRIVER_GUEST_PORT   5000U

struct driver_packet {
	struct virtio_vsock_hdr header;
	unsigned char payload[DRIVER_RX_BYTES];
};

struct driver {
	struct guest_memory memory;
	struct event_loop loop;
	struct vsock *vsock;
	struct virtio_device *device;
	unsigned char *bytes;
	struct vring_desc *descriptors[3];
	struct vring_avail *available[3];
	struct vring_used *used[3];
	uint16_t seen[3]; /* used entries taken */
	unsigned interrupts[3];
	bool broken, hold_buffers; /* hold: receive buffers are not offered again */
};

static inline struct driver *driver_of_device(struct virtio_device *device)
{
	return device->transport;
}

static inline void driver_interrupt(struct virtio_device *device, struct virtqueue *queue)
{
	driver_of_device(device)->interrupts[queue - device->queues]++;
}

static inline void driver_broken(struct virtio_device *device)
{
	driver_of_device(device)->broken = true;
}

static inline void driver_offer(struct driver *d, unsigned queue, uint16_t head)
{
	d->available[queue]->ring[d->available[queue]->idx % DRIVER_QUEUE] = head;
	__atomic_store_n(&d->available[queue]->idx, (uint16_t)(d->available[queue]->idx + 1), __ATOMIC_RELEASE);
}

static inline int driver_kick(struct driver *d, unsigned queue)
{
	int result;

	pthread_mutex_lock(&d->device->lock);
	result = d->device->ops->kick(d->device, queue);
	pthread_mutex_unlock(&d->device->lock);
	return result;
}

static inline void driver_offer_rx(struct driver *d, uint16_t index)
{
	d->descriptors[0][index] =
		(struct vring_desc){ .addr = DRIVER_RX(index), .len = DRIVER_RX_BYTES, .flags = VRING_DESC_F_WRITE };
	driver_offer(d, 0, index);
}

static inline void driver_enable_queue(struct driver *d, unsigned queue)
{
	uint64_t ring = DRIVER_RING(queue);

	memset(d->bytes + ring, 0, 0x4000);
	d->descriptors[queue] = (void *)(d->bytes + ring);
	d->available[queue] = (void *)(d->bytes + ring + 0x1000);
	d->used[queue] = (void *)(d->bytes + ring + 0x2000);
	d->seen[queue] = 0;
	d->device->queues[queue] = (struct virtqueue){ .memory = &d->memory,
		.descriptor_table = ring,
		.available_ring = ring + 0x1000,
		.used_ring = ring + 0x2000,
		.size = DRIVER_QUEUE };
	if (virtqueue_enable(&d->device->queues[queue]))
		abort();
}

static inline void driver_activate(struct driver *d)
{
	for (unsigned queue = 0; queue < 3; queue++)
		driver_enable_queue(d, queue);
	for (uint16_t i = 0; i < DRIVER_QUEUE && !d->hold_buffers; i++)
		driver_offer_rx(d, i);
	pthread_mutex_lock(&d->device->lock);
	if (d->device->ops->activate(d->device))
		abort();
	pthread_mutex_unlock(&d->device->lock);
}

static inline struct driver *driver_new(void)
{
	struct driver *d = calloc(1, sizeof(*d));
	struct error err;

	d->bytes = aligned_alloc(4096, DRIVER_MEMORY_BYTES);
	memset(d->bytes, 0, DRIVER_MEMORY_BYTES);
	d->memory = (struct guest_memory){ .count = 1,
		.regions = { { .size_bytes = DRIVER_MEMORY_BYTES, .host = d->bytes } } };
	if (event_loop_init(&d->loop, &err) || vsock_create(&d->vsock, &d->loop, &err))
		abort();
	d->device = vsock_device(d->vsock);
	d->device->interrupt = driver_interrupt;
	d->device->broken = driver_broken;
	d->device->transport = d;
	return d;
}

static inline void driver_free(struct driver *d)
{
	vsock_destroy(d->vsock);
	event_loop_close(&d->loop);
	free(d->bytes);
	free(d);
}

/* Serves the loop's descriptors until none is ready for timeout_ms. */
static inline void driver_run(struct driver *d, int timeout_ms)
{
	struct epoll_event event;

	while (epoll_wait(d->loop.epoll_fd, &event, 1, timeout_ms) > 0) {
		struct event_watch *watch = event.data.ptr;

		if (!watch)
			break;
		watch->ready(watch, event.events);
	}
}

/* Sends one packet as the guest: header and payload in pieces of at most piece bytes. */
static inline int driver_send_raw(
	struct driver *d, const struct virtio_vsock_hdr *header, const void *payload, size_t length, size_t piece)
{
	size_t total = sizeof(*header) + length, offset = 0;
	uint16_t count = 0;

	memcpy(d->bytes + DRIVER_TX, header, sizeof(*header));
	if (length)
		memcpy(d->bytes + DRIVER_TX + sizeof(*header), payload, length);
	while (offset < total) {
		size_t part = total - offset < piece ? total - offset : piece;

		d->descriptors[1][count] = (struct vring_desc){ .addr = DRIVER_TX + offset,
			.len = (uint32_t)part,
			.flags = VRING_DESC_F_NEXT,
			.next = (uint16_t)(count + 1) };
		offset += part;
		count++;
	}
	d->descriptors[1][count - 1].flags = 0;
	driver_offer(d, 1, 0);
	return driver_kick(d, 1);
}

static inline struct virtio_vsock_hdr driver_header(uint32_t host_port, unsigned operation, uint32_t length)
{
	return (struct virtio_vsock_hdr){ .src_cid = VSOCK_CID_GUEST,
		.dst_cid = VSOCK_CID_HOST,
		.src_port = DRIVER_GUEST_PORT,
		.dst_port = host_port,
		.len = length,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = (uint16_t)operation,
		.buf_alloc = 1U << 20 };
}

static inline int driver_send(
	struct driver *d, uint32_t host_port, unsigned operation, const void *payload, size_t length)
{
	struct virtio_vsock_hdr header = driver_header(host_port, operation, (uint32_t)length);

	return driver_send_raw(d, &header, payload, length, 4000);
}

static inline int driver_shutdown(struct driver *d, uint32_t host_port, uint32_t flags)
{
	struct virtio_vsock_hdr header = driver_header(host_port, VIRTIO_VSOCK_OP_SHUTDOWN, 0);

	header.flags = flags;
	return driver_send_raw(d, &header, NULL, 0, 64);
}

/* Takes the next packet that the device has put into a receive buffer; false when there is none. */
static inline bool driver_receive(struct driver *d, struct driver_packet *packet)
{
	uint16_t index;

	if (__atomic_load_n(&d->used[0]->idx, __ATOMIC_ACQUIRE) == d->seen[0])
		return false;
	index = (uint16_t)d->used[0]->ring[d->seen[0]++ % DRIVER_QUEUE].id;
	memset(packet, 0, sizeof(*packet));
	memcpy(packet, d->bytes + DRIVER_RX(index), DRIVER_RX_BYTES);
	if (!d->hold_buffers)
		driver_offer_rx(d, index);
	return true;
}

#endif
