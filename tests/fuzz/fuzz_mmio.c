/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-mmio transport and the queues behind it, with a device that takes every chain, checks it, and answers as
 * the input says.
 */
#include "guest.h"

#define QUEUES 3

struct probe {
	struct virtio_device device;
	struct virtqueue_chain chain;
	struct input *in;
	bool active;
	uint64_t config;
};

static bool in_memory(const struct guest_memory *memory, const struct iovec *vector)
{
	const unsigned char *start = vector->iov_base;

	for (unsigned i = 0; i < memory->count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];

		if (start >= region->host && start < region->host + region->size_bytes)
			return vector->iov_len <= (size_t)(region->host + region->size_bytes - start);
	}
	return false;
}

static void check_part(
	const struct guest_memory *memory, const struct iovec *vectors, unsigned count, size_t bytes, unsigned size)
{
	size_t total = 0;

	CHECK(count <= size);
	for (unsigned i = 0; i < count; i++) {
		CHECK(vectors[i].iov_len > 0 && in_memory(memory, &vectors[i]));
		total += vectors[i].iov_len;
	}
	CHECK(total == bytes);
}

static void serve(struct probe *probe, struct virtqueue *queue)
{
	const struct virtqueue_chain *chain = &probe->chain;
	unsigned char bytes[64] = { 0 };

	check_part(queue->memory, chain->readable, chain->readable_count, chain->readable_bytes, queue->size);
	check_part(queue->memory, chain->writable, chain->writable_count, chain->writable_bytes, queue->size);
	CHECK(chain->readable_count + chain->writable_count <= queue->size);
	CHECK(virtqueue_read(chain, take(probe->in, 1), bytes, sizeof(bytes)) <= sizeof(bytes));
	CHECK(virtqueue_write(chain, take(probe->in, 1), bytes, sizeof(bytes)) <= sizeof(bytes));
}

static int kick(struct virtio_device *device, unsigned index)
{
	struct probe *probe = (struct probe *)device;
	struct virtqueue *queue = &device->queues[index];
	int result;

	CHECK(probe->active && index < QUEUES);
	for (unsigned i = 0; i < 16; i++) {
		uint8_t choice = (uint8_t)take(probe->in, 1);

		result = virtqueue_pop(queue, &probe->chain);
		if (result <= 0)
			return result;
		serve(probe, queue);
		if (choice & 1)
			(void)virtqueue_want_kicks(queue, choice & 2);
		if (choice & 4) {
			virtqueue_unpop(queue);
			return 0;
		}
		virtqueue_push(queue, probe->chain.head, choice);
		device->interrupt(device, queue);
	}
	return 1;
}

static int activate(struct virtio_device *device)
{
	struct probe *probe = (struct probe *)device;

	CHECK(!probe->active && !(device->features_agreed & ~(device->features_offered | 1ULL << VIRTIO_F_VERSION_1 |
								    1ULL << VIRTIO_RING_F_EVENT_IDX |
								    1ULL << VIRTIO_RING_F_INDIRECT_DESC)));
	probe->active = true;
	return 0;
}

static void reset(struct virtio_device *device)
{
	((struct probe *)device)->active = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct virtio_device_ops operations = { .activate = activate, .reset = reset, .kick = kick };
	struct input in = { .next = data, .left = size };
	struct probe probe = { .in = &in };
	struct guest guest;

	guest_open(&guest);
	probe.device = (struct virtio_device){ .name = "probe",
		.id = VIRTIO_DEVICE_RNG,
		.ops = &operations,
		.features_offered = 0x5a,
		.config = &probe.config,
		.config_bytes = sizeof(probe.config),
		.queue_count = QUEUES,
		.queue_size_max = 64,
		.loop = &guest.loop,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	guest_attach(&guest, &probe.device);
	guest_play(&guest, &in, NULL, NULL);
	guest_close(&guest);
	return 0;
}
