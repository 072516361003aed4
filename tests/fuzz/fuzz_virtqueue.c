/* SPDX-License-Identifier: Apache-2.0 */
/* One queue in a memory that is all the input's, rings and tables over one another. */
#include "input.h"
#include "microvm/devices/virtqueue.h"

#include <stdlib.h>

#define MEMORY_BYTES 0x2000U
#define STEPS_MAX    100

static void one_step(struct virtqueue *queue, struct virtqueue_chain *chain, struct input *in, unsigned *out)
{
	uint8_t kind = (uint8_t)take(in, 1);
	unsigned char bytes[32] = { 0 };
	int result;

	switch (kind % 6) {
	case 0:
	case 1:
		result = virtqueue_pop(queue, chain);
		CHECK(result == 1 || result == 0 || result == -EPROTO);
		if (result <= 0)
			break;
		CHECK(++*out <= queue->size);
		CHECK(chain->readable_count + chain->writable_count <= queue->size);
		(void)virtqueue_read(chain, kind, bytes, sizeof(bytes));
		(void)virtqueue_write(chain, kind, bytes, sizeof(bytes));
		break;
	case 2:
		if (*out) {
			virtqueue_push(queue, chain->head, kind);
			--*out;
		}
		break;
	case 3:
		(void)virtqueue_should_interrupt(queue);
		break;
	case 4:
		(void)virtqueue_want_kicks(queue, kind & 64);
		break;
	default:
		(void)take_bytes(in, queue->memory->regions[0].host + take(in, 2) % (MEMORY_BYTES - 16), 16);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct guest_memory memory = { .count = 1,
		.regions = { { .size_bytes = MEMORY_BYTES, .host = aligned_alloc(4096, MEMORY_BYTES) } } };
	struct virtqueue_chain *chain = calloc(1, sizeof(*chain));
	struct virtqueue queue = { .memory = &memory };
	unsigned out = 0;

	memset(memory.regions[0].host, 0, MEMORY_BYTES);
	queue.size = (uint16_t)(1U << take(&in, 1) % 10);
	queue.event_index = take(&in, 1) & 1;
	queue.descriptor_table = take(&in, 2) & ~15ULL;
	queue.available_ring = take(&in, 2) & ~1ULL;
	queue.used_ring = take(&in, 2) & ~3ULL;
	(void)take_bytes(&in, memory.regions[0].host, in.left / 2);
	if (virtqueue_enable(&queue) == 0) {
		for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
			one_step(&queue, chain, &in, &out);
	}
	free(memory.regions[0].host);
	free(chain);
	return 0;
}
