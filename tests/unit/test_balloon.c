/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon on a plain buffer: what a driver that keeps to the rules gets, and one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/virtio_balloon.h>

#include "base/cleanup.h"
#include "microvm/devices/balloon.h"
#include "virtio_driver.h"

#define PAGE       4096ULL
#define INFLATE    0
#define DEFLATE    1
#define STATISTICS 2
#define REPORTING  3
#define PAGES      0x100000ULL /* to be given back; their numbers lie at VIRTIO_DRIVER_DATA */

struct fixture {
	struct virtio_driver *driver;
	struct balloon *balloon;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	f->driver = virtio_driver_new();
	assert_int_equal(balloon_create(&f->balloon, &f->driver->memory, &f->driver->loop, &err), 0);
	virtio_driver_attach(f->driver, balloon_device(f->balloon));
	assert_int_equal(virtio_driver_activate(f->driver, UINT64_MAX), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	balloon_destroy(f->balloon);
	virtio_driver_free(f->driver);
	free(f);
	return 0;
}

static unsigned char *page_at(struct fixture *f, unsigned i)
{
	return f->driver->bytes + PAGES + i * PAGE;
}

static void fill(struct fixture *f, unsigned pages)
{
	memset(page_at(f, 0), 0x5a, pages * PAGE);
}

/* Offers numbers of pages on the queue and has them served; returns what the device answered to the kick. */
static int give(struct fixture *f, unsigned queue, const uint32_t *numbers, unsigned count)
{
	const struct virtio_piece piece = { .address = VIRTIO_DRIVER_DATA, .length = count * sizeof(*numbers) };

	memcpy(f->driver->bytes + VIRTIO_DRIVER_DATA, numbers, count * sizeof(*numbers));
	(void)virtio_driver_offer(f->driver, queue, &piece, 1);
	return virtio_driver_kick(f->driver, queue);
}

static void assert_taken(struct fixture *f, unsigned queue)
{
	uint16_t head;
	uint32_t written;

	assert_true(virtio_driver_take(f->driver, queue, &head, &written));
	assert_int_equal(written, 0);
	assert_false(virtio_driver_take(f->driver, queue, &head, &written));
}

static void the_pages_named_are_given_back_and_no_others(void **state)
{
	struct fixture *f = *state;
	const uint32_t first = PAGES / PAGE;
	/* A run up, a run down, one alone. */
	const uint32_t numbers[] = { first, first + 1, first + 2, first + 9, first + 8, first + 5 };
	const char wanted[] = "000xx0xx00xx";

	fill(f, 12);
	assert_int_equal(give(f, INFLATE, numbers, ARRAY_SIZE(numbers)), 0);
	assert_taken(f, INFLATE);
	assert_int_equal(f->driver->interrupts[INFLATE], 1);
	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(page_at(f, i)[0], wanted[i] == 'x' ? 0x5a : 0);
		assert_int_equal(page_at(f, i)[PAGE - 1], wanted[i] == 'x' ? 0x5a : 0);
	}
	/* They are the guest's again as soon as it uses them. */
	assert_int_equal(give(f, DEFLATE, numbers, ARRAY_SIZE(numbers)), 0);
	assert_taken(f, DEFLATE);
	page_at(f, 0)[0] = 1;
	assert_int_equal(page_at(f, 0)[0], 1);
}

static void pages_outside_of_memory_are_passed_over(void **state)
{
	struct fixture *f = *state;
	const uint32_t numbers[] = { UINT32_MAX, VIRTIO_DRIVER_MEMORY_BYTES / PAGE, PAGES / PAGE, 0xfffffU };

	fill(f, 2);
	assert_int_equal(give(f, INFLATE, numbers, ARRAY_SIZE(numbers)), 0);
	assert_taken(f, INFLATE);
	assert_int_equal(page_at(f, 0)[0], 0);
	assert_int_equal(page_at(f, 1)[0], 0x5a);
}

static void what_is_reported_free_goes_in_whole_pages(void **state)
{
	struct fixture *f = *state;
	const struct virtio_piece pieces[] = {
		{ .address = PAGES + 100, .length = 3 * PAGE, .writable = true }, /* pages 1 and 2 */
		{ .address = PAGES + 5 * PAGE, .length = PAGE, .writable = true },
		{ .address = PAGES + 7 * PAGE + 1, .length = PAGE, .writable = true }, /* none */
	};
	const char wanted[] = "x00xx0xxx";
	struct balloon_state seen;

	fill(f, 9);
	(void)virtio_driver_offer(f->driver, REPORTING, pieces, ARRAY_SIZE(pieces));
	assert_int_equal(virtio_driver_kick(f->driver, REPORTING), 0);
	assert_taken(f, REPORTING);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(page_at(f, i)[200], wanted[i] == 'x' ? 0x5a : 0);
	balloon_read(f->balloon, &seen);
	assert_int_equal(seen.reported_bytes, 3 * PAGE);
}

static void queues_are_counted_by_what_was_agreed_upon(void **state)
{
	struct fixture *f = *state;
	const struct virtio_piece piece = { .address = PAGES, .length = PAGE, .writable = true };
	struct balloon_state seen;

	virtio_driver_reset(f->driver);
	assert_int_equal(virtio_driver_activate(f->driver, 1ULL << VIRTIO_BALLOON_F_REPORTING), 0);
	fill(f, 1);
	(void)virtio_driver_offer(f->driver, REPORTING - 1, &piece, 1);
	assert_int_equal(virtio_driver_kick(f->driver, REPORTING - 1), 0);
	assert_taken(f, REPORTING - 1);
	assert_int_equal(page_at(f, 0)[0], 0);
	(void)virtio_driver_offer(f->driver, REPORTING, &piece, 1);
	assert_int_equal(virtio_driver_kick(f->driver, REPORTING), 0);
	assert_int_equal(f->driver->used[REPORTING]->idx, 0);
	balloon_ask(f->balloon);
	balloon_read(f->balloon, &seen);
	assert_false(seen.awaited);
}

static void offer_statistics(struct fixture *f, uint64_t free_bytes)
{
	const struct virtio_balloon_stat statistics[] = { { .tag = VIRTIO_BALLOON_S_MEMFREE, .val = free_bytes },
		{ .tag = 77, .val = 1 }, { .tag = VIRTIO_BALLOON_S_MEMTOT, .val = 1000 } };
	const struct virtio_piece piece = { .address = VIRTIO_DRIVER_DATA, .length = sizeof(statistics) };

	memcpy(f->driver->bytes + VIRTIO_DRIVER_DATA, statistics, sizeof(statistics));
	(void)virtio_driver_offer(f->driver, STATISTICS, &piece, 1);
	assert_int_equal(virtio_driver_kick(f->driver, STATISTICS), 0);
}

static void statistics_stay_in_the_ring_until_fresh_ones_are_asked_for(void **state)
{
	struct fixture *f = *state;
	struct balloon_state seen;

	balloon_ask(f->balloon);
	balloon_read(f->balloon, &seen);
	assert_false(seen.awaited);
	assert_int_equal(seen.known, 0);
	offer_statistics(f, 400);
	assert_int_equal(f->driver->used[STATISTICS]->idx, 0);
	balloon_read(f->balloon, &seen);
	assert_int_equal(seen.known, 1 << BALLOON_FREE | 1 << BALLOON_TOTAL);
	assert_int_equal(seen.statistics[BALLOON_FREE], 400);
	balloon_ask(f->balloon);
	assert_taken(f, STATISTICS);
	assert_int_equal(f->driver->interrupts[STATISTICS], 1);
	balloon_read(f->balloon, &seen);
	assert_true(seen.awaited);
	/* Asked twice before the guest came to it. */
	balloon_ask(f->balloon);
	offer_statistics(f, 300);
	balloon_read(f->balloon, &seen);
	assert_false(seen.awaited);
	assert_int_equal(seen.statistics[BALLOON_FREE], 300);
	assert_false(f->driver->broken);
}

static void the_target_is_told_and_the_answer_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *device = balloon_device(f->balloon);
	const struct virtio_balloon_config *config = device->config;
	const uint32_t pages = 3, too_many = UINT32_MAX;
	struct balloon_state seen;

	balloon_set_target(f->balloon, 5 * PAGE + 1);
	assert_int_equal(f->driver->config_changes, 1);
	assert_int_equal(config->num_pages, 5);
	device->ops->write_config(device, offsetof(struct virtio_balloon_config, actual), &pages, sizeof(pages));
	balloon_read(f->balloon, &seen);
	assert_int_equal(seen.target_bytes, 5 * PAGE);
	assert_int_equal(seen.actual_bytes, 3 * PAGE);
	device->ops->write_config(device, offsetof(struct virtio_balloon_config, actual), &too_many, sizeof(pages));
	/* What the driver must not write, and what it must write at once. */
	device->ops->write_config(device, 0, &too_many, sizeof(too_many));
	device->ops->write_config(device, offsetof(struct virtio_balloon_config, actual), &pages, 1);
	assert_int_equal(config->num_pages, 5);
	balloon_set_target(f->balloon, UINT64_MAX);
	balloon_read(f->balloon, &seen);
	assert_int_equal(seen.target_bytes, VIRTIO_DRIVER_MEMORY_BYTES);
	assert_int_equal(seen.actual_bytes, VIRTIO_DRIVER_MEMORY_BYTES);
	virtio_driver_reset(f->driver);
	balloon_read(f->balloon, &seen);
	assert_false(seen.driven);
	assert_int_equal(seen.actual_bytes, 0);
	/* The next driver is asked for as much. */
	assert_int_equal(seen.target_bytes, VIRTIO_DRIVER_MEMORY_BYTES);
}

static void a_broken_ring_is_found_out(void **state)
{
	struct fixture *f = *state;

	f->driver->available[INFLATE]->idx = 1000;
	assert_int_equal(virtio_driver_kick(f->driver, INFLATE), -EPROTO);
	f->driver->available[STATISTICS]->idx = 1000;
	assert_int_equal(virtio_driver_kick(f->driver, STATISTICS), -EPROTO);
	balloon_ask(f->balloon);
	assert_true(f->driver->broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_pages_named_are_given_back_and_no_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_outside_of_memory_are_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_reported_free_goes_in_whole_pages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queues_are_counted_by_what_was_agreed_upon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			statistics_stay_in_the_ring_until_fresh_ones_are_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_target_is_told_and_the_answer_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_ring_is_found_out, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
