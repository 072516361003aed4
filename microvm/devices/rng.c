/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/rng.h"

#include <errno.h>
#include <sys/random.h>

#include "base/alloc.h"

#define QUEUE_SIZE        64
#define REQUEST_BYTES_MAX 65536U
/* Then other devices of the same loop have their turn. */
#define REQUESTS_PER_KICK 16

struct rng {
	struct virtio_device device;
	struct virtqueue_chain chain;
};

static uint32_t fill(const struct virtqueue_chain *chain)
{
	size_t filled = 0;

	for (unsigned i = 0; i < chain->writable_count && filled < REQUEST_BYTES_MAX; i++) {
		size_t part = chain->writable[i].iov_len;
		ssize_t got;

		if (part > REQUEST_BYTES_MAX - filled)
			part = REQUEST_BYTES_MAX - filled;
		got = getrandom(chain->writable[i].iov_base, part, 0);
		if (got <= 0)
			break;
		filled += (size_t)got;
		if ((size_t)got < part)
			break;
	}
	return (uint32_t)filled;
}

static int kick(struct virtio_device *device, unsigned index)
{
	struct rng *rng = (struct rng *)device;
	struct virtqueue *queue = &device->queues[index];
	int result = 0, served;

	for (served = 0; served < REQUESTS_PER_KICK; served++) {
		result = virtqueue_pop(queue, &rng->chain);
		if (result <= 0)
			break;
		virtqueue_push(queue, rng->chain.head, fill(&rng->chain));
	}
	device->interrupt(device, queue);
	return result;
}

static int activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

static void reset(struct virtio_device *device)
{
	(void)device;
}

static const struct virtio_device_ops operations = { .activate = activate, .reset = reset, .kick = kick };

int rng_create(struct rng **rng, struct event_loop *loop, struct error *err)
{
	struct rng *made = xcalloc(1, sizeof(*made));
	int result;

	made->device = (struct virtio_device){
		.name = "rng",
		.id = VIRTIO_DEVICE_RNG,
		.ops = &operations,
		.queue_count = 1,
		.queue_size_max = QUEUE_SIZE,
		.loop = loop,
	};
	result = pthread_mutex_init(&made->device.lock, NULL);
	if (result) {
		free(made);
		return error_set(err, result, "make the rng device");
	}
	*rng = made;
	return 0;
}

struct virtio_device *rng_device(struct rng *rng)
{
	return &rng->device;
}

void rng_destroy(struct rng *rng)
{
	if (!rng)
		return;
	(void)pthread_mutex_destroy(&rng->device.lock);
	free(rng);
}
