/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/* "A driver MUST NOT create a descriptor chain longer than 2^32 bytes in total" (2.7.5); also what a u32 in the used
 * ring can say. */
#define CHAIN_BYTES_MAX UINT32_MAX

#define load_relaxed(place)         __atomic_load_n(place, __ATOMIC_RELAXED)
#define store_relaxed(place, value) __atomic_store_n(place, value, __ATOMIC_RELAXED)

int virtqueue_enable(struct virtqueue *queue)
{
	uint64_t size = queue->size;

	if (!size || size > VIRTQUEUE_SIZE_MAX || (size & (size - 1)))
		return -EINVAL;
	if (queue->descriptor_table % 16 || queue->available_ring % 2 || queue->used_ring % 4)
		return -EINVAL;
	/* The rings end with the event indexes, which a driver without EVENT_IDX leaves alone but allocates as well
	 * (2.7.2). */
	queue->descriptors = guest_memory_at(queue->memory, queue->descriptor_table, 16 * size);
	queue->available = guest_memory_at(queue->memory, queue->available_ring, 6 + 2 * size);
	queue->used = guest_memory_at(queue->memory, queue->used_ring, 6 + 8 * size);
	if (!queue->descriptors || !queue->available || !queue->used)
		return -EINVAL;
	queue->signalled_used = queue->next_used;
	queue->signalled_valid = true;
	queue->kicks_unwanted = false;
	queue->enabled = true;
	return 0;
}

void virtqueue_reset(struct virtqueue *queue)
{
	*queue = (struct virtqueue){ .memory = queue->memory };
}

static uint16_t *available_event(struct virtqueue *queue)
{
	return (uint16_t *)(void *)&queue->used->ring[queue->size];
}

/* How many chains wait, or -EPROTO when that is more than the ring can hold. */
static int pending_chains(const struct virtqueue *queue)
{
	uint16_t index = __atomic_load_n(&queue->available->idx, __ATOMIC_ACQUIRE);
	uint16_t pending = (uint16_t)(index - queue->next_available);

	return pending > queue->size ? -EPROTO : pending;
}

static int pending_chains_settled(struct virtqueue *queue)
{
	int pending = pending_chains(queue);

	/* The driver wrote its index before it looked at our event index; look again in the opposite order before
	 * giving up. */
	if (pending == 0 && queue->event_index && !queue->kicks_unwanted) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		pending = pending_chains(queue);
	}
	return pending;
}

static int chain_add(const struct virtqueue *queue, struct virtqueue_chain *chain, const struct vring_desc *descriptor)
{
	struct iovec *iovec;
	void *host;

	if (!(descriptor->flags & VRING_DESC_F_WRITE) && chain->writable_count)
		return -EPROTO;
	/* Holds nothing and therefore lies nowhere. */
	if (!descriptor->len)
		return 0;
	if (chain->readable_bytes + chain->writable_bytes + descriptor->len > CHAIN_BYTES_MAX)
		return -EPROTO;
	host = guest_memory_at(queue->memory, descriptor->addr, descriptor->len);
	if (!host)
		return -EPROTO;
	if (descriptor->flags & VRING_DESC_F_WRITE) {
		iovec = &chain->writable[chain->writable_count++];
		chain->writable_bytes += descriptor->len;
	} else {
		iovec = &chain->readable[chain->readable_count++];
		chain->readable_bytes += descriptor->len;
	}
	*iovec = (struct iovec){ .iov_base = host, .iov_len = descriptor->len };
	return 0;
}

/* One read, and nothing of it may be read again later: the guest can change it at any time. Indirect tables may be
 * unaligned. */
static struct vring_desc read_descriptor(const struct vring_desc *table, unsigned index)
{
	struct vring_desc copy;

	memcpy(&copy, (const char *)table + index * sizeof(copy), sizeof(copy));
	__asm__ volatile("" ::: "memory");
	return copy;
}

/* Walks one chain. `left` bounds descriptors of both tables together, loops included: a chain is no longer than the
 * queue (2.7.5.3.1). */
static int walk_chain(const struct virtqueue *queue, struct virtqueue_chain *chain)
{
	const struct vring_desc *table = queue->descriptors;
	unsigned table_size = queue->size, left = table_size, index = chain->head;
	bool indirect = false;

	for (;;) {
		struct vring_desc descriptor;
		int result;

		if (index >= table_size || !left)
			return -EPROTO;
		descriptor = read_descriptor(table, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			if (indirect || (descriptor.flags & VRING_DESC_F_NEXT) || !descriptor.len ||
				descriptor.len % sizeof(descriptor) || descriptor.len / sizeof(descriptor) > left)
				return -EPROTO;
			table = guest_memory_at(queue->memory, descriptor.addr, descriptor.len);
			if (!table)
				return -EPROTO;
			table_size = (unsigned)(descriptor.len / sizeof(descriptor));
			index = 0;
			indirect = true;
			continue;
		}
		left--;
		result = chain_add(queue, chain, &descriptor);
		if (result < 0)
			return result;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
}

int virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	int pending, result;

	if (!queue->enabled)
		return 0;
	pending = pending_chains_settled(queue);
	if (pending <= 0)
		return pending;
	/* A driver that offers more than the ring holds before it got anything back uses descriptors twice. */
	if ((uint16_t)(queue->next_available - queue->next_used) >= queue->size)
		return -EPROTO;
	chain->readable_count = chain->writable_count = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	chain->head = load_relaxed(&queue->available->ring[queue->next_available & (queue->size - 1)]);
	result = walk_chain(queue, chain);
	if (result < 0)
		return result;
	queue->next_available++;
	if (queue->event_index && !queue->kicks_unwanted)
		store_relaxed(available_event(queue), queue->next_available);
	return 1;
}

void virtqueue_unpop(struct virtqueue *queue)
{
	queue->next_available--;
	if (queue->enabled && queue->event_index && !queue->kicks_unwanted)
		store_relaxed(available_event(queue), queue->next_available);
}

void virtqueue_stage(struct virtqueue *queue, uint16_t number, uint16_t head, uint32_t written_bytes)
{
	struct vring_used_elem *element;

	if (!queue->enabled)
		return;
	element = &queue->used->ring[(queue->next_used + number) & (queue->size - 1)];
	store_relaxed(&element->id, head);
	store_relaxed(&element->len, written_bytes);
}

void virtqueue_publish(struct virtqueue *queue, uint16_t count)
{
	if (!queue->enabled)
		return;
	/* Once round without a look at the driver's event index: the distance says nothing any more. */
	if (count && (uint16_t)(queue->signalled_used - queue->next_used - 1) < count)
		queue->signalled_valid = false;
	queue->next_used = (uint16_t)(queue->next_used + count);
	__atomic_store_n(&queue->used->idx, queue->next_used, __ATOMIC_RELEASE);
}

void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written_bytes)
{
	virtqueue_stage(queue, 0, head, written_bytes);
	virtqueue_publish(queue, 1);
}

bool virtqueue_should_interrupt(struct virtqueue *queue)
{
	uint16_t before = queue->signalled_used, now = queue->next_used;
	bool valid = queue->signalled_valid;

	if (!queue->enabled || (valid && before == now))
		return false;
	queue->signalled_used = now;
	queue->signalled_valid = true;
	/* The used index must be seen by the driver before its wish is read here, or both sides go to sleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->event_index)
		return !(load_relaxed(&queue->available->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return !valid || vring_need_event(load_relaxed(&queue->available->ring[queue->size]), now, before);
}

bool virtqueue_want_kicks(struct virtqueue *queue, bool wanted)
{
	queue->kicks_unwanted = !wanted;
	if (!queue->enabled)
		return false;
	/* With EVENT_IDX an event index that is left behind says "not wanted" by itself. */
	if (!queue->event_index)
		store_relaxed(&queue->used->flags, (uint16_t)(wanted ? 0 : VRING_USED_F_NO_NOTIFY));
	else if (wanted)
		store_relaxed(available_event(queue), queue->next_available);
	if (!wanted)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return pending_chains(queue) != 0;
}

/* Copies between the vectors, from `offset` on, and a buffer; `out` says in which direction. */
static size_t copy_vectors(
	const struct iovec *vectors, unsigned count, size_t offset, void *data, size_t length, bool out)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < length; i++) {
		size_t part;
		char *place;

		if (offset >= vectors[i].iov_len) {
			offset -= vectors[i].iov_len;
			continue;
		}
		part = vectors[i].iov_len - offset;
		if (part > length - done)
			part = length - done;
		place = (char *)vectors[i].iov_base + offset;
		if (out)
			memcpy(place, (char *)data + done, part);
		else
			memcpy((char *)data + done, place, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t virtqueue_read(const struct virtqueue_chain *chain, size_t offset, void *data, size_t length)
{
	return copy_vectors(chain->readable, chain->readable_count, offset, data, length, false);
}

size_t virtqueue_write(const struct virtqueue_chain *chain, size_t offset, const void *data, size_t length)
{
	return copy_vectors(chain->writable, chain->writable_count, offset, (void *)(uintptr_t)data, length, true);
}
