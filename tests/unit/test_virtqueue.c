/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a split virtqueue, on a plain buffer: well-behaved drivers, and drivers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_ring.h>

#include "microvm/devices/virtqueue.h"

#define SIZE      8
#define MEMORY    0x10000
#define TABLE     0x1000
#define AVAILABLE 0x2000
#define USED      0x3000
#define INDIRECT  0x4000
#define DATA      0x8000

struct fixture {
	struct guest_memory memory;
	struct virtqueue queue;
	struct virtqueue_chain chain;
	struct vring_desc *table, *indirect;
	struct vring_avail *available;
	struct vring_used *used;
	unsigned char *bytes;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->bytes = aligned_alloc(4096, MEMORY);
	memset(f->bytes, 0, MEMORY);
	f->memory = (struct guest_memory){ .count = 1, .regions = { { .size_bytes = MEMORY, .host = f->bytes } } };
	f->table = (void *)(f->bytes + TABLE);
	f->indirect = (void *)(f->bytes + INDIRECT);
	f->available = (void *)(f->bytes + AVAILABLE);
	f->used = (void *)(f->bytes + USED);
	f->queue = (struct virtqueue){ .memory = &f->memory,
		.descriptor_table = TABLE,
		.available_ring = AVAILABLE,
		.used_ring = USED,
		.size = SIZE };
	assert_int_equal(virtqueue_enable(&f->queue), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->bytes);
	free(f);
	return 0;
}

static void describe(struct vring_desc *place, uint64_t address, uint32_t length, unsigned flags, unsigned next)
{
	*place =
		(struct vring_desc){ .addr = address, .len = length, .flags = (uint16_t)flags, .next = (uint16_t)next };
}

static void offer(struct fixture *f, unsigned head)
{
	f->available->ring[f->available->idx % SIZE] = (uint16_t)head;
	f->available->idx++;
}

static void chain_of_readable_and_writable_parts_arrives_in_order(void **state)
{
	struct fixture *f = *state;
	char text[32] = { 0 };

	memcpy(f->bytes + DATA, "hello ", 6);
	memcpy(f->bytes + DATA + 100, "world", 5);
	describe(&f->table[3], DATA, 6, VRING_DESC_F_NEXT, 1);
	describe(&f->table[1], DATA + 100, 5, VRING_DESC_F_NEXT, 2);
	describe(&f->table[2], DATA + 200, 3, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 7);
	describe(&f->table[7], DATA + 300, 4, VRING_DESC_F_WRITE, 0);
	offer(f, 3);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(f->chain.head, 3);
	assert_int_equal(f->chain.readable_count, 2);
	assert_int_equal(f->chain.writable_count, 2);
	assert_int_equal(f->chain.readable_bytes, 11);
	assert_int_equal(f->chain.writable_bytes, 7);
	assert_int_equal(virtqueue_read(&f->chain, 0, text, sizeof(text)), 11);
	assert_string_equal(text, "hello world");
	memset(text, 0, sizeof(text));
	assert_int_equal(virtqueue_read(&f->chain, 4, text, 4), 4);
	assert_string_equal(text, "o wo");
	assert_int_equal(virtqueue_read(&f->chain, 11, text, 4), 0);
	assert_int_equal(virtqueue_write(&f->chain, 1, "abcdefghij", 10), 6);
	assert_memory_equal(f->bytes + DATA + 201, "ab", 2);
	assert_memory_equal(f->bytes + DATA + 300, "cdef", 4);
	assert_int_equal(f->bytes[DATA + 203], 0);
	assert_int_equal(f->bytes[DATA + 304], 0);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 0);
	virtqueue_push(&f->queue, 3, 7);
	assert_int_equal(f->used->idx, 1);
	assert_int_equal(f->used->ring[0].id, 3);
	assert_int_equal(f->used->ring[0].len, 7);
}

static void indirect_table_is_walked_after_plain_descriptors(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 16, VRING_DESC_F_NEXT, 1);
	/* The device ignores WRITE on the descriptor of a table. */
	describe(&f->table[1], INDIRECT, 32, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	describe(&f->indirect[0], DATA + 64, 8, VRING_DESC_F_NEXT, 1);
	describe(&f->indirect[1], DATA + 128, 4, VRING_DESC_F_WRITE, 0);
	offer(f, 0);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(f->chain.readable_bytes, 24);
	assert_int_equal(f->chain.writable_bytes, 4);
}

static void indirect_table_may_be_unaligned(void **state)
{
	struct fixture *f = *state;
	struct vring_desc descriptor;

	describe(&descriptor, DATA, 5, VRING_DESC_F_WRITE, 0);
	memcpy(f->bytes + INDIRECT + 3, &descriptor, sizeof(descriptor));
	describe(&f->table[0], INDIRECT + 3, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(f->chain.writable_bytes, 5);
}

static void empty_buffers_are_passed_over(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], 0xffffffffffffffffULL, 0, VRING_DESC_F_NEXT, 1);
	describe(&f->table[1], DATA, 4, VRING_DESC_F_WRITE, 0);
	offer(f, 0);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(f->chain.readable_count, 0);
	assert_int_equal(f->chain.writable_count, 1);
}

static void unpopped_chain_comes_again(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[5], DATA, 4, 0, 0);
	offer(f, 5);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	virtqueue_unpop(&f->queue);
	f->chain.head = 0;
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(f->chain.head, 5);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 0);
}

static void rings_go_round_past_the_end_of_16_bits(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, 0, 0);
	for (unsigned i = 0; i < 70000; i++) {
		offer(f, 0);
		assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
		virtqueue_push(&f->queue, f->chain.head, i);
		assert_int_equal(f->used->ring[i % SIZE].len, i);
	}
	assert_int_equal(f->used->idx, (uint16_t)70000);
}

static void nothing_is_taken_from_a_queue_that_is_not_enabled(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, 0, 0);
	offer(f, 0);
	virtqueue_reset(&f->queue);
	assert_ptr_equal(f->queue.memory, &f->memory);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 0);
	virtqueue_push(&f->queue, 0, 0);
	assert_false(virtqueue_should_interrupt(&f->queue));
	assert_false(virtqueue_want_kicks(&f->queue, true));
	assert_int_equal(f->used->idx, 0);
}

static int enable_with(struct fixture *f, unsigned size, uint64_t table, uint64_t available, uint64_t used)
{
	struct virtqueue queue = { .memory = &f->memory,
		.descriptor_table = table,
		.available_ring = available,
		.used_ring = used,
		.size = (uint16_t)size };

	return virtqueue_enable(&queue);
}

static void rings_outside_of_memory_or_of_odd_size_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(enable_with(f, 8, TABLE, AVAILABLE, USED), 0);
	assert_int_equal(enable_with(f, 1, TABLE, AVAILABLE, USED), 0);
	assert_int_equal(enable_with(f, 256, TABLE, AVAILABLE, USED), 0);
	assert_int_equal(enable_with(f, 0, TABLE, AVAILABLE, USED), -EINVAL);
	assert_int_equal(enable_with(f, 7, TABLE, AVAILABLE, USED), -EINVAL);
	assert_int_equal(enable_with(f, 512, TABLE, AVAILABLE, USED), -EINVAL);
	assert_int_equal(enable_with(f, 8, TABLE + 8, AVAILABLE, USED), -EINVAL);
	assert_int_equal(enable_with(f, 8, TABLE, AVAILABLE + 1, USED), -EINVAL);
	assert_int_equal(enable_with(f, 8, TABLE, AVAILABLE, USED + 2), -EINVAL);
	assert_int_equal(enable_with(f, 8, MEMORY - 128, AVAILABLE, USED), 0);
	assert_int_equal(enable_with(f, 8, MEMORY - 112, AVAILABLE, USED), -EINVAL);
	assert_int_equal(enable_with(f, 8, TABLE, MEMORY - 22, USED), 0);
	assert_int_equal(enable_with(f, 8, TABLE, MEMORY - 20, USED), -EINVAL);
	/* The last two bytes of the used ring are the event index that the device writes. */
	assert_int_equal(enable_with(f, 8, TABLE, AVAILABLE, MEMORY - 72), 0);
	assert_int_equal(enable_with(f, 8, TABLE, AVAILABLE, MEMORY - 68), -EINVAL);
	assert_int_equal(enable_with(f, 8, 0xfffffffffffffff0ULL, AVAILABLE, USED), -EINVAL);
}

static void expect_broken(struct fixture *f, unsigned head)
{
	offer(f, head);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), -EPROTO);
}

static void head_beyond_the_table_is_broken(void **state)
{
	expect_broken(*state, SIZE);
}

static void next_beyond_the_table_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, VRING_DESC_F_NEXT, SIZE);
	expect_broken(f, 0);
}

static void loop_of_descriptors_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, VRING_DESC_F_NEXT, 1);
	describe(&f->table[1], DATA, 4, VRING_DESC_F_NEXT, 0);
	expect_broken(f, 0);
}

static void loop_of_empty_descriptors_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 0, VRING_DESC_F_NEXT, 0);
	expect_broken(f, 0);
}

static void loop_inside_an_indirect_table_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], INDIRECT, 32, VRING_DESC_F_INDIRECT, 0);
	describe(&f->indirect[0], DATA, 4, VRING_DESC_F_NEXT, 1);
	describe(&f->indirect[1], DATA, 4, VRING_DESC_F_NEXT, 0);
	expect_broken(f, 0);
}

static void index_beyond_an_indirect_table_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	describe(&f->indirect[0], DATA, 4, VRING_DESC_F_NEXT, 1);
	describe(&f->indirect[1], DATA, 4, 0, 0);
	expect_broken(f, 0);
}

static void nested_indirect_table_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	describe(&f->indirect[0], INDIRECT, 16, VRING_DESC_F_INDIRECT, 0);
	expect_broken(f, 0);
}

static void indirect_together_with_next_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], INDIRECT, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	describe(&f->indirect[0], DATA, 4, 0, 0);
	describe(&f->table[1], DATA, 4, 0, 0);
	expect_broken(f, 0);
}

static void indirect_table_of_wrong_length_is_broken(void **state)
{
	static const uint32_t lengths[] = { 0, 8, 17, 16 * (SIZE + 1), 0xfffffff0 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct fixture *f = *state;

		f->available->idx = f->queue.next_available = f->queue.next_used = 0;
		describe(&f->table[0], INDIRECT, lengths[i], VRING_DESC_F_INDIRECT, 0);
		describe(&f->indirect[0], DATA, 4, 0, 0);
		expect_broken(f, 0);
	}
}

static void indirect_table_outside_of_memory_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], MEMORY - 16, 32, VRING_DESC_F_INDIRECT, 0);
	expect_broken(f, 0);
}

static void buffer_outside_of_memory_is_broken(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t length;
	} bad[] = { { MEMORY, 1 }, { MEMORY - 1, 2 }, { 0, MEMORY + 1 }, { UINT64_MAX, 2 },
		{ UINT64_MAX - 0xfff, 0x2000 }, { 0, UINT32_MAX } };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture *f = *state;

		f->available->idx = f->queue.next_available = f->queue.next_used = 0;
		describe(&f->table[0], bad[i].address, bad[i].length, i % 2 ? VRING_DESC_F_WRITE : 0, 0);
		expect_broken(f, 0);
	}
}

static void readable_after_writable_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	describe(&f->table[1], DATA, 4, 0, 0);
	expect_broken(f, 0);
}

static void available_index_that_jumps_is_broken(void **state)
{
	struct fixture *f = *state;

	f->available->idx = SIZE + 1;
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), -EPROTO);
	f->available->idx = (uint16_t)-1;
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), -EPROTO);
}

static void more_chains_in_flight_than_the_ring_holds_is_broken(void **state)
{
	struct fixture *f = *state;

	describe(&f->table[0], DATA, 4, 0, 0);
	for (unsigned i = 0; i < SIZE; i++) {
		offer(f, 0);
		assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	}
	expect_broken(f, 0);
}

static void interrupts_follow_the_flag_without_event_index(void **state)
{
	struct fixture *f = *state;

	assert_false(virtqueue_should_interrupt(&f->queue));
	virtqueue_push(&f->queue, 0, 0);
	assert_true(virtqueue_should_interrupt(&f->queue));
	assert_false(virtqueue_should_interrupt(&f->queue));
	f->available->flags = VRING_AVAIL_F_NO_INTERRUPT;
	virtqueue_push(&f->queue, 0, 0);
	assert_false(virtqueue_should_interrupt(&f->queue));
}

static void interrupts_follow_the_event_index(void **state)
{
	struct fixture *f = *state;

	f->queue.event_index = true;
	/* "Interrupt me when the used index has passed 2", that is with the third chain. */
	f->available->ring[SIZE] = 2;
	for (unsigned i = 0; i < 5; i++) {
		virtqueue_push(&f->queue, 0, 0);
		assert_int_equal(virtqueue_should_interrupt(&f->queue), i == 2);
	}
	/* Several at once that step over the index. */
	f->available->ring[SIZE] = 6;
	for (unsigned i = 0; i < 3; i++)
		virtqueue_push(&f->queue, 0, 0);
	assert_true(virtqueue_should_interrupt(&f->queue));
}

static void interrupt_is_not_lost_after_a_whole_round_of_the_index(void **state)
{
	struct fixture *f = *state;

	f->queue.event_index = true;
	f->available->ring[SIZE] = 0x8000;
	for (unsigned i = 0; i < 0x10000; i++)
		virtqueue_push(&f->queue, 0, 0);
	assert_true(virtqueue_should_interrupt(&f->queue));
	assert_false(virtqueue_should_interrupt(&f->queue));
}

static uint16_t published_event(struct fixture *f)
{
	uint16_t value;

	memcpy(&value, f->bytes + USED + 4 + 8 * SIZE, sizeof(value));
	return value;
}

static void kicks_are_switched_by_the_flag_without_event_index(void **state)
{
	struct fixture *f = *state;

	assert_false(virtqueue_want_kicks(&f->queue, false));
	assert_int_equal(f->used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtqueue_want_kicks(&f->queue, true));
	assert_int_equal(f->used->flags, 0);
	offer(f, 0);
	assert_true(virtqueue_want_kicks(&f->queue, true));
}

static void kicks_are_asked_for_by_the_event_index(void **state)
{
	struct fixture *f = *state;

	f->queue.event_index = true;
	describe(&f->table[0], DATA, 4, 0, 0);
	/* By default every new chain after the last one that was taken kicks. */
	offer(f, 0);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(published_event(f), 1);
	assert_false(virtqueue_want_kicks(&f->queue, false));
	for (unsigned i = 0; i < 3; i++) {
		virtqueue_push(&f->queue, 0, 0);
		offer(f, 0);
		assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
		assert_int_equal(published_event(f), 1);
	}
	offer(f, 0);
	assert_true(virtqueue_want_kicks(&f->queue, true));
	assert_int_equal(published_event(f), 4);
	assert_int_equal(virtqueue_pop(&f->queue, &f->chain), 1);
	assert_int_equal(published_event(f), 5);
	virtqueue_unpop(&f->queue);
	assert_int_equal(published_event(f), 4);
}

#define with_queue(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_queue(chain_of_readable_and_writable_parts_arrives_in_order),
		with_queue(indirect_table_is_walked_after_plain_descriptors),
		with_queue(indirect_table_may_be_unaligned),
		with_queue(empty_buffers_are_passed_over),
		with_queue(unpopped_chain_comes_again),
		with_queue(rings_go_round_past_the_end_of_16_bits),
		with_queue(nothing_is_taken_from_a_queue_that_is_not_enabled),
		with_queue(rings_outside_of_memory_or_of_odd_size_are_refused),
		with_queue(head_beyond_the_table_is_broken),
		with_queue(next_beyond_the_table_is_broken),
		with_queue(loop_of_descriptors_is_broken),
		with_queue(loop_of_empty_descriptors_is_broken),
		with_queue(loop_inside_an_indirect_table_is_broken),
		with_queue(index_beyond_an_indirect_table_is_broken),
		with_queue(nested_indirect_table_is_broken),
		with_queue(indirect_together_with_next_is_broken),
		with_queue(indirect_table_of_wrong_length_is_broken),
		with_queue(indirect_table_outside_of_memory_is_broken),
		with_queue(buffer_outside_of_memory_is_broken),
		with_queue(readable_after_writable_is_broken),
		with_queue(available_index_that_jumps_is_broken),
		with_queue(more_chains_in_flight_than_the_ring_holds_is_broken),
		with_queue(interrupts_follow_the_flag_without_event_index),
		with_queue(interrupts_follow_the_event_index),
		with_queue(interrupt_is_not_lost_after_a_whole_round_of_the_index),
		with_queue(kicks_are_switched_by_the_flag_without_event_index),
		with_queue(kicks_are_asked_for_by_the_event_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
