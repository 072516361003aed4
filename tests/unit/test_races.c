/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that changes its memory while the monitor looks at it: what was checked is what is used. One thread flips
 * bytes of a request all the time, the other one has it served; with AddressSanitizer (make sanitize) this sees more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "fs_client.h"
#include "vsock_driver.h"

/* Until both outcomes were seen so often, or it has gone on for long enough. */
#define ENOUGH     1000U
#define ROUNDS_MAX 20000000U
#define PORT       2048U
#define QUEUE_SIZE 8

/* Bytes that are one thing and then another. */
struct flipper {
	unsigned char *place;
	const void *values[2];
	size_t length;
	bool stopping;
	pthread_t thread;
};

static void *flip(void *argument)
{
	struct flipper *flipper = argument;

	for (unsigned i = 0; !__atomic_load_n(&flipper->stopping, __ATOMIC_RELAXED); i++) {
		const unsigned char *value = flipper->values[i & 1];

		for (size_t byte = 0; byte < flipper->length; byte++)
			__atomic_store_n(&flipper->place[byte], value[byte], __ATOMIC_RELAXED);
	}
	return NULL;
}

static void start(struct flipper *flipper)
{
	assert_int_equal(pthread_create(&flipper->thread, NULL, flip, flipper), 0);
}

static void stop(struct flipper *flipper)
{
	__atomic_store_n(&flipper->stopping, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(flipper->thread, NULL), 0);
}

static void descriptors_that_change_are_read_once(void **state)
{
	enum { MEMORY = 0x4000, AVAILABLE = 0x1000, USED = 0x2000, DATA = 0x3000 };
	static const struct vring_desc good = { .addr = DATA, .len = 64, .flags = VRING_DESC_F_WRITE };
	static const struct vring_desc bad = { .addr = MEMORY - 32, .len = 0x10000, .flags = VRING_DESC_F_WRITE };
	unsigned char *bytes = aligned_alloc(4096, MEMORY);
	struct guest_memory memory = { .count = 1, .regions = { { .size_bytes = MEMORY, .host = bytes } } };
	struct virtqueue queue = {
		.memory = &memory, .available_ring = AVAILABLE, .used_ring = USED, .size = QUEUE_SIZE
	};
	struct vring_avail *available = (void *)(bytes + AVAILABLE);
	struct flipper flipper = { .place = bytes, .values = { &good, &bad }, .length = sizeof(good) };
	struct virtqueue_chain *chain = calloc(1, sizeof(*chain));
	unsigned taken = 0, broken = 0;

	(void)state;
	memset(bytes, 0, MEMORY);
	assert_int_equal(virtqueue_enable(&queue), 0);
	start(&flipper);
	for (unsigned i = 0; i < ROUNDS_MAX && (taken < ENOUGH || broken < 500 * ENOUGH); i++) {
		int result;

		available->idx = (uint16_t)(queue.next_available + 1);
		result = virtqueue_pop(&queue, chain);
		assert_true(result == 1 || result == -EPROTO);
		broken += result < 0;
		if (result != 1)
			continue;
		taken++;
		for (unsigned j = 0; j < chain->writable_count; j++) {
			size_t offset = (size_t)((unsigned char *)chain->writable[j].iov_base - bytes);

			assert_true(offset < MEMORY && chain->writable[j].iov_len <= MEMORY - offset);
		}
		virtqueue_push(&queue, chain->head, 0);
	}
	stop(&flipper);
	assert_true(taken > 0 && broken > 0);
	print_message("%u chains were taken, %u were broken\n", taken, broken);
	free(chain);
	free(bytes);
}

/* Makes a connection to a listener that drops what it gets. */
static void connect_anew(struct driver *d)
{
	struct vsock_port port = {
		.port = PORT, .read_fd = -1, .write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC), .finished_fd = -1
	};
	struct driver_packet packet;
	struct error err;

	vsock_unlisten(d->vsock, PORT);
	driver_run(d, 0);
	while (driver_receive(d, &packet))
		;
	assert_int_equal(vsock_listen(d->vsock, &port, &err), 0);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	driver_run(d, 0);
}

static void a_packet_header_that_changes_is_read_once(void **state)
{
	static const uint32_t true_length = 1000, false_length = 65536;
	struct driver *d = driver_new();
	struct flipper flipper = { .place = d->bytes + DRIVER_TX + offsetof(struct virtio_vsock_hdr, len),
		.values = { &true_length, &false_length },
		.length = sizeof(true_length) };
	static const unsigned char payload[1000];
	unsigned resets = 0;

	(void)state;
	driver_activate(d);
	connect_anew(d);
	start(&flipper);
	for (unsigned i = 0; i < ROUNDS_MAX / 100 && !d->broken && resets < ENOUGH / 50; i++) {
		struct driver_packet packet;
		bool reset = false;

		assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, payload, sizeof(payload)), 0);
		driver_run(d, 0);
		while (driver_receive(d, &packet))
			reset |= packet.header.op == VIRTIO_VSOCK_OP_RST;
		resets += reset;
		if (reset)
			connect_anew(d);
	}
	stop(&flipper);
	assert_false(d->broken);
	print_message("%u lies were seen\n", resets);
	driver_free(d);
}

/* "..", and ".x", which is there. */
static void a_name_that_changes_is_looked_up_as_it_was_checked(void **state)
{
	struct client *client = *state;
	struct {
		struct fuse_in_header header;
		char name[3];
	} __attribute__((packed))
	request = { .header = { .len = sizeof(request), .opcode = FUSE_LOOKUP, .nodeid = 1 }, .name = ".x" };
	struct {
		struct fuse_out_header header;
		struct fuse_entry_out entry;
	} reply;
	struct iovec in = { &request, sizeof(request) }, out = { &reply, sizeof(reply) };
	const struct fs_message message = { .request = &in,
		.request_count = 1,
		.request_bytes = sizeof(request),
		.reply = &out,
		.reply_count = 1,
		.reply_bytes = sizeof(reply) };
	struct flipper flipper = { .place = (unsigned char *)&request.name[1], .values = { "x", "." }, .length = 1 };
	unsigned found = 0, refused = 0;
	uint64_t inode = 0;

	host_file(client->root, ".x", "", 0644);
	start(&flipper);
	for (unsigned i = 0; i < ROUNDS_MAX / 100 && (found < ENOUGH || refused < ENOUGH); i++) {
		assert_true(fs_worker_serve(client->worker, &message) >= sizeof(reply.header));
		if (reply.header.error) {
			assert_int_equal(reply.header.error, -EINVAL);
			refused++;
			continue;
		}
		assert_true(found == 0 || reply.entry.attr.ino == inode);
		assert_true((reply.entry.attr.mode & S_IFMT) == S_IFREG);
		inode = reply.entry.attr.ino;
		found++;
	}
	stop(&flipper);
	print_message("found %u times, refused %u times\n", found, refused);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(descriptors_that_change_are_read_once),
		cmocka_unit_test(a_packet_header_that_changes_is_read_once),
		cmocka_unit_test_setup_teardown(
			a_name_that_changes_is_looked_up_as_it_was_checked, setup_client, teardown_client),
	};

	return cmocka_run_group_tests_name("requests that change while they are served", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
