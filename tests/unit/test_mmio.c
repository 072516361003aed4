/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-mmio transport with a driver that keeps to the rules and one that does not; with it the rng device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "microvm/devices/mmio.h"
#include "microvm/devices/rng.h"

#define MEMORY_BYTES 0x10000
#define TABLE        0x1000
#define AVAILABLE    0x2000
#define USED         0x3000
#define DATA         0x4000

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      (ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define FEATURES_OK (DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define DRIVER_OK   (FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* A device that counts what it is told. */
struct probe {
	struct virtio_device device;
	unsigned activated, reset, kicked[2];
	int activate_result, kick_result;
};

struct fixture {
	struct guest_memory memory;
	unsigned char *bytes;
	struct event_loop loop;
	struct probe probe;
	struct mmio *mmio;
	uint32_t config;
};

static int probe_activate(struct virtio_device *device)
{
	struct probe *probe = (struct probe *)device;

	probe->activated++;
	return probe->activate_result;
}

static void probe_reset(struct virtio_device *device)
{
	((struct probe *)device)->reset++;
}

static int probe_kick(struct virtio_device *device, unsigned queue)
{
	struct probe *probe = (struct probe *)device;
	int result = probe->kick_result;

	probe->kicked[queue]++;
	probe->kick_result = 0;
	return result;
}

static const struct virtio_device_ops probe_ops = {
	.activate = probe_activate, .reset = probe_reset, .kick = probe_kick
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err;

	f->bytes = aligned_alloc(4096, MEMORY_BYTES);
	memset(f->bytes, 0, MEMORY_BYTES);
	f->memory =
		(struct guest_memory){ .count = 1, .regions = { { .size_bytes = MEMORY_BYTES, .host = f->bytes } } };
	f->config = 0x12345678;
	assert_int_equal(event_loop_init(&f->loop, &err), 0);
	f->probe.device = (struct virtio_device){ .name = "probe",
		.id = VIRTIO_DEVICE_BALLOON,
		.ops = &probe_ops,
		.features_offered = 1ULL << 5 | 1ULL << 40,
		.config = &f->config,
		.config_bytes = sizeof(f->config),
		.queue_count = 2,
		.queue_size_max = 16,
		.loop = &f->loop,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	assert_int_equal(mmio_create(&f->mmio, &f->probe.device, &f->memory, &err), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mmio_destroy(f->mmio);
	event_loop_close(&f->loop);
	free(f->bytes);
	free(f);
	return 0;
}

static uint32_t get(struct fixture *f, uint64_t offset)
{
	uint32_t value = 0xdead;

	mmio_read(f->mmio, offset, &value, sizeof(value));
	return value;
}

static void put(struct fixture *f, uint64_t offset, uint32_t value)
{
	mmio_write(f->mmio, offset, &value, sizeof(value));
}

static void put_status(struct fixture *f, uint32_t value)
{
	put(f, VIRTIO_MMIO_STATUS, value);
}

static void accept_features(struct fixture *f, uint64_t features)
{
	for (unsigned i = 0; i < 2; i++) {
		put(f, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		put(f, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * i)));
	}
}

static void set_queue(struct fixture *f, unsigned queue, unsigned size, uint32_t offset)
{
	put(f, VIRTIO_MMIO_QUEUE_SEL, queue);
	put(f, VIRTIO_MMIO_QUEUE_NUM, size);
	put(f, VIRTIO_MMIO_QUEUE_DESC_LOW, TABLE + offset);
	put(f, VIRTIO_MMIO_QUEUE_AVAIL_LOW, AVAILABLE + offset);
	put(f, VIRTIO_MMIO_QUEUE_USED_LOW, USED + offset);
	put(f, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void start(struct fixture *f, uint64_t features)
{
	put_status(f, ACKNOWLEDGE);
	put_status(f, DRIVER);
	accept_features(f, features);
	put_status(f, FEATURES_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), FEATURES_OK);
	set_queue(f, 0, 8, 0);
	put_status(f, DRIVER_OK);
}

#define VERSION_1 (1ULL << VIRTIO_F_VERSION_1)

static bool signalled(int fd)
{
	struct pollfd descriptor = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&descriptor, 1, 0) == 1 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

/* Everything that is ready now, once. */
static void serve(struct fixture *f)
{
	struct epoll_event events[8];
	int count = epoll_wait(f->loop.epoll_fd, events, 8, 0);

	for (int i = 0; i < count; i++) {
		struct event_watch *watch = events[i].data.ptr;

		watch->ready(watch, events[i].events);
	}
}

static void registers_identify_the_device(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(get(f, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(get(f, VIRTIO_MMIO_DEVICE_ID), VIRTIO_DEVICE_BALLOON);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_NUM_MAX), 16);
	assert_int_equal(get(f, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	assert_int_equal(get(f, VIRTIO_MMIO_CONFIG_GENERATION), 0);
	put(f, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	put(f, VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(get(f, 0xf0), 0);
}

static void features_are_shown_in_halves(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(get(f, VIRTIO_MMIO_DEVICE_FEATURES), 1U << 5 | 1U << 28 | 1U << 29);
	put(f, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(get(f, VIRTIO_MMIO_DEVICE_FEATURES), 1U << 0 | 1U << 8);
	put(f, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(get(f, VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static void configuration_is_read_in_any_size_and_never_written(void **state)
{
	struct fixture *f = *state;
	uint64_t wide = 0;
	uint8_t byte = 0;

	assert_int_equal(get(f, VIRTIO_MMIO_CONFIG), 0x12345678);
	mmio_read(f->mmio, VIRTIO_MMIO_CONFIG + 3, &byte, 1);
	assert_int_equal(byte, 0x12);
	mmio_read(f->mmio, VIRTIO_MMIO_CONFIG, &wide, 8);
	assert_int_equal(wide, 0);
	assert_int_equal(get(f, VIRTIO_MMIO_CONFIG + 2), 0);
	assert_int_equal(get(f, 0xffc), 0);
	put(f, VIRTIO_MMIO_CONFIG, 0);
	assert_int_equal(f->config, 0x12345678);
	/* Registers are 32 bits wide, nothing else. */
	mmio_read(f->mmio, VIRTIO_MMIO_MAGIC_VALUE, &byte, 1);
	assert_int_equal(byte, 0);
	mmio_read(f->mmio, VIRTIO_MMIO_MAGIC_VALUE, &wide, 8);
	assert_int_equal(wide, 0);
	assert_int_equal(get(f, VIRTIO_MMIO_MAGIC_VALUE + 2), 0);
}

static void probe_write_config(struct virtio_device *device, uint64_t offset, const void *data, unsigned length)
{
	const struct probe *probe = (const struct probe *)device;

	memcpy((char *)(uintptr_t)probe->device.config + offset, data, length);
}

static void configuration_that_a_device_lets_be_written_is_written_within_its_bounds(void **state)
{
	struct fixture *f = *state;
	const struct virtio_device_ops ops = {
		.activate = probe_activate, .reset = probe_reset, .kick = probe_kick, .write_config = probe_write_config
	};
	const uint64_t eight = UINT64_MAX;

	f->probe.device.ops = &ops;
	put(f, VIRTIO_MMIO_CONFIG, 1);
	assert_int_equal(f->config, 0x12345678); /* by nobody's driver */
	start(f, VERSION_1);
	put(f, VIRTIO_MMIO_CONFIG, 0xabcdef01);
	assert_int_equal(f->config, 0xabcdef01);
	put(f, VIRTIO_MMIO_CONFIG + 4, 1);
	put(f, VIRTIO_MMIO_CONFIG + 2, 1);
	mmio_write(f->mmio, VIRTIO_MMIO_CONFIG, &eight, sizeof(eight));
	assert_int_equal(f->config, 0xabcdef01);
	f->probe.device.ops = &probe_ops;
}

static void changed_configuration_is_told_to_a_driver_that_runs(void **state)
{
	struct fixture *f = *state;
	uint32_t before = get(f, VIRTIO_MMIO_CONFIG_GENERATION);

	f->probe.device.config_changed(&f->probe.device);
	assert_false(signalled(mmio_interrupt_fd(f->mmio)));
	start(f, VERSION_1);
	f->probe.device.config_changed(&f->probe.device);
	assert_true(signalled(mmio_interrupt_fd(f->mmio)));
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(get(f, VIRTIO_MMIO_CONFIG_GENERATION), before + 2);
}

static void driver_that_keeps_to_the_rules_gets_a_running_device(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *device = &f->probe.device;

	start(f, VERSION_1 | 1ULL << 40 | 1ULL << VIRTIO_RING_F_EVENT_IDX);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK);
	assert_int_equal(f->probe.activated, 1);
	assert_int_equal(device->features_agreed, VERSION_1 | 1ULL << 40 | 1ULL << VIRTIO_RING_F_EVENT_IDX);
	assert_true(device->queues[0].enabled);
	assert_true(device->queues[0].event_index);
	assert_int_equal(device->queues[0].size, 8);
	assert_false(device->queues[1].enabled);
	/* What was queued before DRIVER_OK is served without a kick. */
	serve(f);
	assert_int_equal(f->probe.kicked[0], 1);
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 7);
	serve(f);
	assert_int_equal(f->probe.kicked[0], 2);
	assert_int_equal(f->probe.kicked[1], 1);
	assert_true(mmio_kick_fd(f->mmio, 0) != mmio_kick_fd(f->mmio, 1));
}

static void features_that_were_not_offered_are_refused(void **state)
{
	static const uint64_t bad[] = { 0, 1ULL << 40, VERSION_1 | 1ULL << 6, VERSION_1 | 1ULL << 63 };
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		put_status(f, 0);
		put_status(f, ACKNOWLEDGE);
		put_status(f, DRIVER);
		accept_features(f, bad[i]);
		put_status(f, FEATURES_OK);
		assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER);
		put_status(f, DRIVER_OK);
		assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER);
	}
	assert_int_equal(f->probe.activated, 0);
}

static void status_goes_the_legal_way_only(void **state)
{
	struct fixture *f = *state;

	put_status(f, DRIVER);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), 0);
	put_status(f, DRIVER_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), 0);
	put_status(f, ACKNOWLEDGE);
	accept_features(f, VERSION_1);
	put_status(f, FEATURES_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), ACKNOWLEDGE);
	put_status(f, DRIVER);
	put_status(f, ACKNOWLEDGE);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER);
	/* What was written too early does not count. */
	put_status(f, FEATURES_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER);
	accept_features(f, VERSION_1);
	put_status(f, FEATURES_OK | VIRTIO_CONFIG_S_FAILED);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER | VIRTIO_CONFIG_S_FAILED);
	put_status(f, FEATURES_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER | VIRTIO_CONFIG_S_FAILED);
	put_status(f, 0);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(f->probe.reset, 0);
}

static void queues_can_be_set_up_in_their_window_only(void **state)
{
	struct fixture *f = *state;
	struct virtqueue *queue = &f->probe.device.queues[0];

	set_queue(f, 0, 8, 0);
	assert_int_equal(queue->size, 0);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_READY), 0);
	put_status(f, ACKNOWLEDGE);
	put_status(f, DRIVER);
	accept_features(f, VERSION_1);
	set_queue(f, 0, 8, 0);
	assert_int_equal(queue->size, 0);
	put_status(f, FEATURES_OK);
	accept_features(f, VERSION_1 | 1ULL << 5);
	put(f, VIRTIO_MMIO_QUEUE_SEL, 0);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 32);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 7);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 0);
	assert_int_equal(queue->size, 0);
	put(f, VIRTIO_MMIO_QUEUE_DESC_HIGH, 5);
	set_queue(f, 0, 8, 0);
	assert_int_equal(queue->descriptor_table, 5ULL << 32 | TABLE);
	/* A queue that is ready stays as it is. */
	put(f, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 16);
	assert_int_equal(queue->descriptor_table, 5ULL << 32 | TABLE);
	assert_int_equal(queue->size, 8);
	put(f, VIRTIO_MMIO_QUEUE_READY, 0);
	put(f, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	put(f, VIRTIO_MMIO_QUEUE_READY, 1);
	/* A selector that is out of range selects nothing. */
	put(f, VIRTIO_MMIO_QUEUE_SEL, 8);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 16);
	put(f, VIRTIO_MMIO_QUEUE_READY, 1);
	put_status(f, DRIVER_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK);
	assert_int_equal(f->probe.device.features_agreed, VERSION_1);
	/* And nothing moves while it runs. */
	put(f, VIRTIO_MMIO_QUEUE_SEL, 0);
	put(f, VIRTIO_MMIO_QUEUE_READY, 0);
	put(f, VIRTIO_MMIO_QUEUE_NUM, 16);
	put(f, VIRTIO_MMIO_QUEUE_DESC_LOW, 0x5000);
	put(f, VIRTIO_MMIO_QUEUE_USED_LOW, 0x5000);
	assert_int_equal(queue->size, 8);
	assert_int_equal(queue->descriptor_table, TABLE);
	assert_int_equal(queue->used_ring, USED);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_READY), 1);
}

static void rings_outside_of_memory_need_a_reset(void **state)
{
	struct fixture *f = *state;

	put_status(f, ACKNOWLEDGE);
	put_status(f, DRIVER);
	accept_features(f, VERSION_1);
	put_status(f, FEATURES_OK);
	set_queue(f, 0, 8, MEMORY_BYTES);
	put_status(f, DRIVER_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(f->probe.activated, 0);
	assert_false(f->probe.device.queues[0].enabled);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_true(signalled(mmio_interrupt_fd(f->mmio)));
	put_status(f, 0);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	start(f, VERSION_1);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK);
}

static void broken_ring_stops_the_device_until_reset(void **state)
{
	struct fixture *f = *state;

	start(f, VERSION_1);
	serve(f);
	f->probe.kick_result = -EPROTO;
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_false(f->probe.device.queues[0].enabled);
	assert_true(signalled(mmio_interrupt_fd(f->mmio)));
	/* No kick gets through, and the driver cannot talk the bit away. */
	f->probe.kicked[0] = 0;
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	assert_int_equal(f->probe.kicked[0], 0);
	put_status(f, DRIVER_OK);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	put_status(f, 0);
	assert_int_equal(f->probe.reset, 1);
	start(f, VERSION_1);
	serve(f);
	assert_int_equal(f->probe.kicked[0], 1);
}

static void kick_that_leaves_work_is_repeated(void **state)
{
	struct fixture *f = *state;

	start(f, VERSION_1);
	serve(f);
	f->probe.kicked[0] = 0;
	f->probe.kick_result = 1;
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	serve(f);
	serve(f);
	assert_int_equal(f->probe.kicked[0], 2);
}

static void reset_forgets_everything(void **state)
{
	struct fixture *f = *state;

	start(f, VERSION_1);
	put_status(f, 0);
	assert_int_equal(f->probe.reset, 1);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(get(f, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(f->probe.device.queues[0].size, 0);
	assert_ptr_equal(f->probe.device.queues[0].memory, &f->memory);
	/* Kicks that were under way arrive at nobody. */
	serve(f);
	assert_int_equal(f->probe.kicked[0], 0);
	start(f, VERSION_1);
	assert_int_equal(f->probe.activated, 2);
}

static void interrupts_are_raised_and_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *device = &f->probe.device;

	start(f, VERSION_1);
	device->interrupt(device, &device->queues[0]);
	assert_false(signalled(mmio_interrupt_fd(f->mmio)));
	virtqueue_push(&device->queues[0], 0, 0);
	device->interrupt(device, &device->queues[0]);
	assert_true(signalled(mmio_interrupt_fd(f->mmio)));
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	put(f, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	put(f, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* An acknowledgement arrives when KVM gives it, later than it was made. */
static void what_was_raised_since_it_was_read_is_not_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct virtio_device *device = &f->probe.device;

	start(f, VERSION_1);
	virtqueue_push(&device->queues[0], 0, 0);
	device->interrupt(device, &device->queues[0]);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	virtqueue_push(&device->queues[0], 0, 0);
	device->interrupt(device, &device->queues[0]);
	put(f, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	put(f, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING | 0xffff0000);
	assert_int_equal(get(f, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* rng */

static void ask_for_bytes(struct fixture *f, unsigned index, uint64_t address, uint32_t length, uint16_t flags)
{
	struct vring_desc *table = (void *)(f->bytes + TABLE);
	struct vring_avail *available = (void *)(f->bytes + AVAILABLE);

	table[index] = (struct vring_desc){ .addr = address, .len = length, .flags = flags };
	available->ring[available->idx % 8] = (uint16_t)index;
	available->idx++;
}

static void rng_fills_what_it_is_given(void **state)
{
	struct fixture *f = *state;
	const struct vring_used *used = (void *)(f->bytes + USED);
	unsigned char zeros[64] = { 0 };
	struct mmio *own = f->mmio;
	struct error err;
	struct rng *rng;

	assert_int_equal(rng_create(&rng, &f->loop, &err), 0);
	assert_int_equal(mmio_create(&f->mmio, rng_device(rng), &f->memory, &err), 0);
	assert_int_equal(get(f, VIRTIO_MMIO_DEVICE_ID), VIRTIO_DEVICE_RNG);
	start(f, VERSION_1);
	ask_for_bytes(f, 0, DATA, 64, VRING_DESC_F_WRITE);
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	assert_int_equal(used->idx, 1);
	assert_int_equal(used->ring[0].len, 64);
	assert_memory_not_equal(f->bytes + DATA, zeros, 64);
	assert_memory_equal(f->bytes + DATA + 64, zeros, 64);
	assert_true(signalled(mmio_interrupt_fd(f->mmio)));
	/* A buffer that the device may not write gets nothing. */
	ask_for_bytes(f, 1, DATA + 128, 64, 0);
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	assert_int_equal(used->ring[1].len, 0);
	assert_memory_equal(f->bytes + DATA + 128, zeros, 64);
	/* A ring that is broken stops the device. */
	ask_for_bytes(f, 2, MEMORY_BYTES - 32, 64, VRING_DESC_F_WRITE);
	put(f, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	serve(f);
	assert_int_equal(get(f, VIRTIO_MMIO_STATUS), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	mmio_destroy(f->mmio);
	rng_destroy(rng);
	f->mmio = own;
}

#define with_device(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_device(registers_identify_the_device),
		with_device(features_are_shown_in_halves),
		with_device(configuration_is_read_in_any_size_and_never_written),
		with_device(configuration_that_a_device_lets_be_written_is_written_within_its_bounds),
		with_device(changed_configuration_is_told_to_a_driver_that_runs),
		with_device(driver_that_keeps_to_the_rules_gets_a_running_device),
		with_device(features_that_were_not_offered_are_refused),
		with_device(status_goes_the_legal_way_only),
		with_device(queues_can_be_set_up_in_their_window_only),
		with_device(rings_outside_of_memory_need_a_reset),
		with_device(broken_ring_stops_the_device_until_reset),
		with_device(kick_that_leaves_work_is_repeated),
		with_device(reset_forgets_everything),
		with_device(interrupts_are_raised_and_acknowledged),
		with_device(what_was_raised_since_it_was_read_is_not_acknowledged),
		with_device(rng_fills_what_it_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
