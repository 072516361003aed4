/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that may do anything to one virtio-mmio device: the input is a program of register accesses, descriptors,
 * ring entries, kicks and scribbling, in front of a device that is set up by the rules often enough to get somewhere.
 * The guest's memory is two plain buffers with a hole between them; the sanitizers see what leaves them.
 */
#ifndef DUET_TESTS_FUZZ_GUEST_H
#define DUET_TESTS_FUZZ_GUEST_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

#include "input.h"
#include "microvm/devices/mmio.h"

#define GUEST_LOW_BYTES   0x10000ULL
#define GUEST_HIGH        0x100000ULL
#define GUEST_HIGH_BYTES  0x1000ULL
#define GUEST_RING(queue) (0x1000ULL + (queue)*0x3000ULL)
#define GUEST_DATA        0xa000ULL
#define GUEST_STEPS_MAX   400
#define GUEST_ROUNDS      4

struct guest {
	struct guest_memory memory;
	struct event_loop loop;
	struct virtio_device *device;
	struct mmio *mmio;
	unsigned size; /* of the queues, as last set up */
};

static inline void guest_open(struct guest *guest)
{
	static const uint64_t places[2][2] = { { 0, GUEST_LOW_BYTES }, { GUEST_HIGH, GUEST_HIGH_BYTES } };
	struct error err;

	*guest = (struct guest){ .memory.count = 2 };
	for (unsigned i = 0; i < 2; i++) {
		guest->memory.regions[i] = (struct guest_memory_region){
			.address = places[i][0], .size_bytes = places[i][1], .host = aligned_alloc(4096, places[i][1])
		};
		memset(guest->memory.regions[i].host, 0, places[i][1]);
	}
	CHECK(event_loop_init(&guest->loop, &err) == 0);
}

static inline void guest_attach(struct guest *guest, struct virtio_device *device)
{
	struct error err;

	guest->device = device;
	CHECK(mmio_create(&guest->mmio, device, &guest->memory, &err) == 0);
}

/* Before the device goes, as the transport is below it. */
static inline void guest_close(struct guest *guest)
{
	mmio_destroy(guest->mmio);
	event_loop_close(&guest->loop);
	for (unsigned i = 0; i < 2; i++)
		free(guest->memory.regions[i].host);
}

static inline void guest_set(struct guest *guest, uint64_t offset, uint32_t value)
{
	mmio_write(guest->mmio, offset, &value, sizeof(value));
}

/* Serves what is ready, for some rounds: a host end that is always ready would keep the loop for ever. */
static inline void guest_run(struct guest *guest)
{
	struct epoll_event event;

	for (int i = 0; i < GUEST_ROUNDS && epoll_wait(guest->loop.epoll_fd, &event, 1, 0) > 0; i++) {
		struct event_watch *watch = event.data.ptr;

		if (watch)
			watch->ready(watch, event.events);
	}
}

static inline void guest_set_up_queue(struct guest *guest, unsigned queue)
{
	uint64_t ring = GUEST_RING(queue);

	guest_set(guest, VIRTIO_MMIO_QUEUE_SEL, queue);
	guest_set(guest, VIRTIO_MMIO_QUEUE_NUM, guest->size);
	guest_set(guest, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)ring);
	guest_set(guest, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)ring + 0x1000);
	guest_set(guest, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)ring + 0x2000);
	guest_set(guest, VIRTIO_MMIO_QUEUE_READY, 1);
	if (guest_memory_at(&guest->memory, ring, 0x3000))
		memset(guest_memory_at(&guest->memory, ring, 0x3000), 0, 0x3000);
}

/* As a driver does it, with the features that the input takes of those offered. */
static inline void guest_activate(struct guest *guest, struct input *in)
{
	static const uint32_t steps[] = { 0, VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER };
	uint32_t status = 0, low = 0, high = 0, mask = (uint32_t)take(in, 4);

	guest->size = 1U << take(in, 1) % 7;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		status |= steps[i];
		guest_set(guest, VIRTIO_MMIO_STATUS, status);
	}
	guest_set(guest, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	mmio_read(guest->mmio, VIRTIO_MMIO_DEVICE_FEATURES, &low, sizeof(low));
	guest_set(guest, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	mmio_read(guest->mmio, VIRTIO_MMIO_DEVICE_FEATURES, &high, sizeof(high));
	guest_set(guest, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	guest_set(guest, VIRTIO_MMIO_DRIVER_FEATURES, low & mask);
	guest_set(guest, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	guest_set(guest, VIRTIO_MMIO_DRIVER_FEATURES, high);
	guest_set(guest, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned queue = 0; queue < guest->device->queue_count; queue++)
		guest_set_up_queue(guest, queue);
	guest_set(guest, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* Mostly somewhere in memory, sometimes at an edge or outside. */
static inline uint64_t guest_take_address(struct input *in)
{
	uint8_t kind = (uint8_t)take(in, 1);

	if (kind < 0xc0)
		return GUEST_DATA + take(in, 2) % 0x5000;
	if (kind < 0xe0)
		return GUEST_HIGH + take(in, 2) % 0x1100;
	return kind < 0xf0 ? GUEST_LOW_BYTES - 0x100 + take(in, 2) : take(in, 8);
}

static inline void guest_put_descriptor(struct guest *guest, struct input *in, unsigned queue)
{
	unsigned index = (unsigned)take(in, 1) % guest->size;
	uint8_t odd = (uint8_t)take(in, 1);
	struct vring_desc descriptor = {
		.addr = guest_take_address(in),
		.len = (uint32_t)take(in, odd & 1 ? 4 : 2) >> (odd & 2 ? 6 : 0),
		.flags = (uint16_t)(take(in, 1) % 8),
		.next = (uint16_t)(odd & 4 ? take(in, 2) : take(in, 1) % guest->size),
	};
	uint64_t table = odd & 8 ? GUEST_DATA + take(in, 2) % 0x5000 : GUEST_RING(queue);
	void *place = guest_memory_at(&guest->memory, table + index * sizeof(descriptor), sizeof(descriptor));

	if (place)
		memcpy(place, &descriptor, sizeof(descriptor));
}

static inline void guest_offer(struct guest *guest, struct input *in, unsigned queue)
{
	struct vring_avail *available = guest_memory_at(&guest->memory, GUEST_RING(queue) + 0x1000, 6 + 2 * 64);
	uint8_t odd = (uint8_t)take(in, 1);

	if (!available)
		return;
	available->ring[available->idx % guest->size] = (uint16_t)(odd & 1 ? take(in, 2) : odd % guest->size);
	available->idx = (uint16_t)(odd & 2 ? take(in, 2) : available->idx + 1U);
	available->flags = odd >> 7;
}

static inline void guest_step(struct guest *guest, struct input *in)
{
	uint8_t kind = (uint8_t)take(in, 1);
	unsigned queue = (unsigned)take(in, 1) % guest->device->queue_count;
	uint64_t offset;
	unsigned char data[8] = { 0 };
	void *place;

	switch (kind % 8) {
	case 0:
		guest_activate(guest, in);
		break;
	case 1:
		offset = take(in, 2) % 0x200;
		(void)take_bytes(in, data, sizeof(data));
		mmio_write(guest->mmio, offset, data, 1U << kind / 64);
		break;
	case 2:
		mmio_read(guest->mmio, take(in, 2) % 0x200, data, 1U << kind / 64);
		break;
	case 3:
		guest_put_descriptor(guest, in, queue);
		break;
	case 4:
		guest_offer(guest, in, queue);
		break;
	case 5:
		place = guest_memory_at(&guest->memory, guest_take_address(in), 8);
		if (place)
			(void)take_bytes(in, place, 8);
		break;
	case 6:
		guest_offer(guest, in, queue);
		/* fall through */
	default:
		guest_set(guest, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
		guest_run(guest);
		break;
	}
}

/* The whole program. `beside` is what the host's side does between two steps; NULL: nothing. */
static inline void guest_play(
	struct guest *guest, struct input *in, void (*beside)(void *context, struct input *in), void *context)
{
	guest_activate(guest, in);
	for (unsigned i = 0; i < GUEST_STEPS_MAX && in->left; i++) {
		guest_step(guest, in);
		if (beside)
			beside(context, in);
	}
	guest_run(guest);
}

#endif
