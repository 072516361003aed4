/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7), which does not trust the driver.
 *
 * The ring addresses and the size are private copies, frozen when the queue is enabled (the transport refuses changes
 * afterwards). Every descriptor is read once into host memory and checked there: index below size, chain no longer than
 * size, readable before writable, no nested indirect table, every buffer wholly inside guest memory. A broken ring
 * answers -EPROTO; the caller then sets DEVICE_NEEDS_RESET and stops.
 *
 * Works on any `struct guest_memory`, a plain buffer in the tests included; knows nothing of KVM.
 */
#ifndef DUET_MICROVM_DEVICES_VIRTQUEUE_H
#define DUET_MICROVM_DEVICES_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "microvm/memory.h"

#define VIRTQUEUE_SIZE_MAX 256

struct virtqueue {
	const struct guest_memory *memory;
	uint64_t descriptor_table, available_ring, used_ring; /* guest physical addresses */
	uint16_t size;                                        /* a power of two, at most VIRTQUEUE_SIZE_MAX */
	bool enabled;
	bool event_index; /* VIRTIO_F_EVENT_IDX negotiated */
	uint16_t next_available, next_used;
	uint16_t signalled_used; /* next_used when the driver was last interrupted */
	bool signalled_valid;
	bool kicks_unwanted; /* virtqueue_want_kicks(false) is in force */
	/* Where the rings lie in the monitor; set by virtqueue_enable(). */
	const struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
};

/* One request taken from the available ring: host-private iovecs that point into guest memory. */
struct virtqueue_chain {
	uint16_t head;
	unsigned readable_count, writable_count;
	size_t readable_bytes, writable_bytes;
	struct iovec readable[VIRTQUEUE_SIZE_MAX]; /* written by the driver, read by the device */
	struct iovec writable[VIRTQUEUE_SIZE_MAX]; /* for the device's answer */
};

/* Checks the ring addresses and makes the queue usable, from next_available and next_used on. 0 or -EINVAL. */
int virtqueue_enable(struct virtqueue *queue);
/* Back to nothing but `memory`. */
void virtqueue_reset(struct virtqueue *queue);

/* 1: a chain was taken; 0: none there; -EPROTO: the driver broke the ring. At most `size` chains can be out at a time.
 * Buffers of length zero are passed over. Unless kicks are unwanted, a driver that adds a chain after 0 was answered
 * will kick. */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain);
/* Puts the last popped chain back, as if it had not been taken. */
void virtqueue_unpop(struct virtqueue *queue);
/* Hands a chain back with the number of bytes written to its writable part. */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written_bytes);
/* The same for several chains that the driver must see at once: each is staged (0, 1, …), then all are published. */
void virtqueue_stage(struct virtqueue *queue, uint16_t number, uint16_t head, uint32_t written_bytes);
void virtqueue_publish(struct virtqueue *queue, uint16_t count);
/* Whether the driver wants an interrupt for what was pushed since the last time (2.7.7). */
bool virtqueue_should_interrupt(struct virtqueue *queue);
/* Asks the driver to kick (or not to) from now on. After enabling, look for chains once more before sleeping:
 * returns true when some are there already. */
bool virtqueue_want_kicks(struct virtqueue *queue, bool wanted);

/* Copies from the readable part at an offset; returns the number of bytes copied. */
size_t virtqueue_read(const struct virtqueue_chain *chain, size_t offset, void *data, size_t length);
/* Copies into the writable part at an offset; returns the number of bytes copied. */
size_t virtqueue_write(const struct virtqueue_chain *chain, size_t offset, const void *data, size_t length);

#endif
