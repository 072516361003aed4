/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of any virtio device on a plain buffer, for tests: rings and chains of descriptors. It runs the
 * device's event loop by hand, on the calling thread.
 */
#ifndef DUET_TESTS_VIRTIO_DRIVER_H
#define DUET_TESTS_VIRTIO_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "microvm/devices/virtio.h"

#define VIRTIO_DRIVER_QUEUE        256
#define VIRTIO_DRIVER_RING(queue)  (0x1000ULL + (queue)*0x4000ULL)
#define VIRTIO_DRIVER_DATA         0x40000ULL
#define VIRTIO_DRIVER_MEMORY_BYTES 0x400000ULL

struct virtio_driver {
	struct guest_memory memory;
	struct event_loop loop;
	struct virtio_device *device;
	unsigned char *bytes;
	struct vring_desc *descriptors[VIRTIO_QUEUES_MAX];
	struct vring_avail *available[VIRTIO_QUEUES_MAX];
	struct vring_used *used[VIRTIO_QUEUES_MAX];
	uint16_t next_descriptor[VIRTIO_QUEUES_MAX], seen[VIRTIO_QUEUES_MAX];
	unsigned interrupts[VIRTIO_QUEUES_MAX], config_changes;
	bool broken;
};

/* One piece of a chain. */
struct virtio_piece {
	uint64_t address;
	uint32_t length;
	bool writable;
};

static inline void virtio_driver_interrupt(struct virtio_device *device, struct virtqueue *queue)
{
	struct virtio_driver *driver = device->transport;

	if (virtqueue_should_interrupt(queue))
		driver->interrupts[queue - device->queues]++;
}

static inline void virtio_driver_broken(struct virtio_device *device)
{
	((struct virtio_driver *)device->transport)->broken = true;
}

static inline void virtio_driver_config_changed(struct virtio_device *device)
{
	((struct virtio_driver *)device->transport)->config_changes++;
}

/* Memory and loop; the device is made with the loop afterwards and given to virtio_driver_attach(). */
static inline struct virtio_driver *virtio_driver_new(void)
{
	struct virtio_driver *driver = calloc(1, sizeof(*driver));
	struct error err;

	driver->bytes = aligned_alloc(4096, VIRTIO_DRIVER_MEMORY_BYTES);
	memset(driver->bytes, 0, VIRTIO_DRIVER_MEMORY_BYTES);
	driver->memory = (struct guest_memory){ .count = 1,
		.regions = { { .size_bytes = VIRTIO_DRIVER_MEMORY_BYTES, .host = driver->bytes } } };
	if (event_loop_init(&driver->loop, &err))
		abort();
	return driver;
}

static inline void virtio_driver_enable_queue(struct virtio_driver *driver, unsigned queue)
{
	uint64_t ring = VIRTIO_DRIVER_RING(queue);

	memset(driver->bytes + ring, 0, 0x4000);
	driver->descriptors[queue] = (void *)(driver->bytes + ring);
	driver->available[queue] = (void *)(driver->bytes + ring + 0x1000);
	driver->used[queue] = (void *)(driver->bytes + ring + 0x2000);
	driver->seen[queue] = driver->next_descriptor[queue] = 0;
	driver->device->queues[queue] = (struct virtqueue){ .memory = &driver->memory,
		.descriptor_table = ring,
		.available_ring = ring + 0x1000,
		.used_ring = ring + 0x2000,
		.size = VIRTIO_DRIVER_QUEUE };
	if (virtqueue_enable(&driver->device->queues[queue]))
		abort();
}

static inline void virtio_driver_attach(struct virtio_driver *driver, struct virtio_device *device)
{
	driver->device = device;
	device->interrupt = virtio_driver_interrupt;
	device->broken = virtio_driver_broken;
	device->config_changed = virtio_driver_config_changed;
	device->transport = driver;
}

/* What the transport does at DRIVER_OK. */
static inline int virtio_driver_activate(struct virtio_driver *driver, uint64_t features)
{
	struct virtio_device *device = driver->device;
	int result;

	device->features_agreed = features & device->features_offered;
	for (unsigned queue = 0; queue < device->queue_count; queue++)
		virtio_driver_enable_queue(driver, queue);
	pthread_mutex_lock(&device->lock);
	result = device->ops->activate(device);
	pthread_mutex_unlock(&device->lock);
	return result;
}

static inline void virtio_driver_reset(struct virtio_driver *driver)
{
	pthread_mutex_lock(&driver->device->lock);
	driver->device->ops->reset(driver->device);
	for (unsigned queue = 0; queue < driver->device->queue_count; queue++)
		virtqueue_reset(&driver->device->queues[queue]);
	pthread_mutex_unlock(&driver->device->lock);
}

static inline int virtio_driver_kick(struct virtio_driver *driver, unsigned queue)
{
	int result;

	pthread_mutex_lock(&driver->device->lock);
	result = driver->device->ops->kick(driver->device, queue);
	pthread_mutex_unlock(&driver->device->lock);
	return result;
}

/* Puts a chain into the available ring, at the next free descriptors (they are used in turn); returns its head. */
static inline uint16_t virtio_driver_offer(
	struct virtio_driver *driver, unsigned queue, const struct virtio_piece *pieces, unsigned count)
{
	struct vring_avail *available = driver->available[queue];
	uint16_t head = driver->next_descriptor[queue] % VIRTIO_DRIVER_QUEUE;

	for (unsigned i = 0; i < count; i++) {
		uint16_t index = driver->next_descriptor[queue]++ % VIRTIO_DRIVER_QUEUE;

		driver->descriptors[queue][index] = (struct vring_desc){ .addr = pieces[i].address,
			.len = pieces[i].length,
			.flags = (uint16_t)((pieces[i].writable ? VRING_DESC_F_WRITE : 0) |
					    (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)((index + 1) % VIRTIO_DRIVER_QUEUE) };
	}
	available->ring[available->idx % VIRTIO_DRIVER_QUEUE] = head;
	__atomic_store_n(&available->idx, (uint16_t)(available->idx + 1), __ATOMIC_RELEASE);
	return head;
}

/* The next chain that the device handed back; false: none. */
static inline bool virtio_driver_take(struct virtio_driver *driver, unsigned queue, uint16_t *head, uint32_t *written)
{
	const struct vring_used_elem *element;

	if (__atomic_load_n(&driver->used[queue]->idx, __ATOMIC_ACQUIRE) == driver->seen[queue])
		return false;
	element = &driver->used[queue]->ring[driver->seen[queue]++ % VIRTIO_DRIVER_QUEUE];
	*head = (uint16_t)element->id;
	*written = element->len;
	return true;
}

/* Serves the loop's descriptors until none is ready for timeout_ms, at most `rounds` times. */
static inline unsigned virtio_driver_run(struct virtio_driver *driver, int timeout_ms, unsigned rounds)
{
	struct epoll_event event;
	unsigned served = 0;

	while (served < rounds && epoll_wait(driver->loop.epoll_fd, &event, 1, timeout_ms) > 0) {
		struct event_watch *watch = event.data.ptr;

		if (!watch)
			break;
		watch->ready(watch, event.events);
		served++;
	}
	return served;
}

/* After the device is gone. */
static inline void virtio_driver_free(struct virtio_driver *driver)
{
	event_loop_close(&driver->loop);
	free(driver->bytes);
	free(driver);
}

#endif
