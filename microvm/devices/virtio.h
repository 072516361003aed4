/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device as its transport (virtio-mmio, virtio 1.2, 4.2) sees it.
 *
 * Threads: the transport's register accesses come from vCPU threads; kicks arrive as eventfds in the device's event
 * loop and are delivered as ops->kick() on that loop's thread. The transport holds device->lock around every op, so a
 * device needs no lock of its own unless it has further threads.
 *
 * A device never touches a queue before activate() and never after reset() has returned.
 */
#ifndef DUET_MICROVM_DEVICES_VIRTIO_H
#define DUET_MICROVM_DEVICES_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "microvm/devices/virtqueue.h"
#include "microvm/event_loop.h"

#define VIRTIO_QUEUES_MAX 8

enum virtio_device_id { /* virtio 1.2, chapter 5 */
	VIRTIO_DEVICE_NET = 1,
	VIRTIO_DEVICE_BLOCK = 2,
	VIRTIO_DEVICE_CONSOLE = 3,
	VIRTIO_DEVICE_RNG = 4,
	VIRTIO_DEVICE_BALLOON = 5,
	VIRTIO_DEVICE_VSOCK = 19,
	VIRTIO_DEVICE_FS = 26,
};

struct virtio_device;

struct virtio_device_ops {
	/* The driver has set DRIVER_OK: queues are enabled, features are settled. 0, or a negative errno: the device is
	 * broken. */
	int (*activate)(struct virtio_device *device);
	/* Back to the state before activation; requests in flight are finished or dropped before it returns. */
	void (*reset)(struct virtio_device *device);
	/* The driver kicked this queue, or may have added to it before activate(). 0: everything was served; 1: there
	 * is more, call again after the other descriptors of the loop had their turn; -EPROTO: the ring is broken, the
	 * transport sets DEVICE_NEEDS_RESET. */
	int (*kick)(struct virtio_device *device, unsigned queue);
	/* The driver stores into the configuration space, inside of config_bytes; what it may not change the device
	 * passes over. NULL: all of it is read-only. */
	void (*write_config)(struct virtio_device *device, uint64_t offset, const void *data, unsigned length);
};

struct virtio_device {
	const char *name; /* for messages: "vsock" */
	enum virtio_device_id id;
	const struct virtio_device_ops *ops;
	uint64_t features_offered; /* device bits; the transport adds VERSION_1, EVENT_IDX and INDIRECT_DESC */
	uint64_t features_agreed;  /* what the driver accepted, valid from activate() */
	const void *config;        /* device configuration space; changed with the lock held alone; NULL: none */
	size_t config_bytes;
	unsigned queue_count;
	uint16_t queue_size_max; /* for each queue */
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
	struct event_loop *loop; /* whose thread serves the kicks */
	/* Held around ops; take it when a queue is touched from anywhere else. Made and destroyed by the device. */
	pthread_mutex_t lock;
	/* Set by the transport: interrupts the driver if it wants that for this queue. Call with the lock held. */
	void (*interrupt)(struct virtio_device *device, struct virtqueue *queue);
	/* Set by the transport: tells a running driver that the configuration space has changed. Call with the lock
	 * held. */
	void (*config_changed)(struct virtio_device *device);
	/* Set by the transport: broken ring found outside kick(). Call with the lock held. */
	void (*broken)(struct virtio_device *device);
	void *transport; /* the transport's own */
};

#endif
