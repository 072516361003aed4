/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-fs device behind virtio-mmio, on a plain buffer as guest memory: requests through the rings, served by the
 * device's own thread; rings that are broken; a reset in the middle of it.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <signal.h>

#include "microvm/devices/mmio.h"
#include "tests/unit/fs_client.h"

#define QUEUE_SIZE   64
#define MEMORY_BYTES (1U << 20)
#define RINGS        0x1000U /* 16 KiB for each queue */
#define REQUESTS     0x10000U
#define REPLIES      0x80000U
#define SLOT_BYTES   0x1000U
#define HIPRIO       0U
#define REQUEST      1U

struct ring {
	struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
	uint16_t seen;
};

struct machine {
	struct guest_memory memory;
	unsigned char *bytes;
	struct fs *fs;
	struct mmio *mmio;
	struct ring rings[2];
	int root;
};

static void write_register(struct machine *machine, uint64_t offset, uint32_t value)
{
	mmio_write(machine->mmio, offset, &value, sizeof(value));
}

static uint32_t read_register(struct machine *machine, uint64_t offset)
{
	uint32_t value;

	mmio_read(machine->mmio, offset, &value, sizeof(value));
	return value;
}

static void set_up_queue(struct machine *machine, unsigned queue)
{
	uint32_t base = RINGS + queue * 0x4000;
	struct ring *ring = &machine->rings[queue];

	memset(machine->bytes + base, 0, 0x4000);
	*ring = (struct ring){ .descriptors = (void *)(machine->bytes + base),
		.available = (void *)(machine->bytes + base + 0x1000),
		.used = (void *)(machine->bytes + base + 0x2000) };
	write_register(machine, VIRTIO_MMIO_QUEUE_SEL, queue);
	assert_int_equal(read_register(machine, VIRTIO_MMIO_QUEUE_NUM_MAX), VIRTQUEUE_SIZE_MAX);
	write_register(machine, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	write_register(machine, VIRTIO_MMIO_QUEUE_DESC_LOW, base);
	write_register(machine, VIRTIO_MMIO_QUEUE_AVAIL_LOW, base + 0x1000);
	write_register(machine, VIRTIO_MMIO_QUEUE_USED_LOW, base + 0x2000);
	write_register(machine, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* As a driver does it (virtio 1.2, 3.1.1). */
static void activate(struct machine *machine)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	write_register(machine, VIRTIO_MMIO_STATUS, status);
	write_register(machine, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_DRIVER);
	write_register(machine, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write_register(machine, VIRTIO_MMIO_DRIVER_FEATURES, 1U << (VIRTIO_F_VERSION_1 - 32));
	write_register(machine, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_FEATURES_OK);
	set_up_queue(machine, HIPRIO);
	set_up_queue(machine, REQUEST);
	write_register(machine, VIRTIO_MMIO_STATUS, status |= VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(read_register(machine, VIRTIO_MMIO_STATUS), status);
}

/* Puts a request into slot `head` of a queue: one readable and, with reply_bytes, one writable descriptor. */
static void add_request(
	struct machine *machine, unsigned queue, uint16_t head, const void *data, size_t length, uint32_t reply_bytes)
{
	struct ring *ring = &machine->rings[queue];
	uint32_t request = REQUESTS + head * SLOT_BYTES, reply = REPLIES + head * SLOT_BYTES;
	uint16_t first = (uint16_t)(head * 2);

	memcpy(machine->bytes + request, data, length);
	ring->descriptors[first] = (struct vring_desc){ .addr = request,
		.len = (uint32_t)length,
		.flags = reply_bytes ? VRING_DESC_F_NEXT : 0,
		.next = (uint16_t)(first + 1) };
	ring->descriptors[first + 1] =
		(struct vring_desc){ .addr = reply, .len = reply_bytes, .flags = VRING_DESC_F_WRITE };
	ring->available->ring[ring->available->idx % QUEUE_SIZE] = first;
	__atomic_store_n(&ring->available->idx, (uint16_t)(ring->available->idx + 1), __ATOMIC_SEQ_CST);
}

static void kick(struct machine *machine, unsigned queue)
{
	write_register(machine, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

/* Waits for the next used entry; returns the number of bytes written. */
static uint32_t wait_used(struct machine *machine, unsigned queue)
{
	struct ring *ring = &machine->rings[queue];

	for (int i = 0; i < 200; i++) {
		struct pollfd ready = { .fd = mmio_interrupt_fd(machine->mmio), .events = POLLIN };
		uint64_t count;

		if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) != ring->seen)
			return ring->used->ring[ring->seen++ % QUEUE_SIZE].len;
		if (poll(&ready, 1, 50) > 0)
			(void)!read(ready.fd, &count, sizeof(count));
	}
	fail_msg("no answer");
	return 0;
}

static struct fuse_in_header header_of(uint32_t opcode, uint64_t node, size_t length)
{
	return (struct fuse_in_header){ .len = (uint32_t)(sizeof(struct fuse_in_header) + length),
		.opcode = opcode,
		.unique = 1234,
		.nodeid = node };
}

/* One request and its answer; returns out.error. */
static int request(struct machine *machine, uint32_t opcode, uint64_t node, const void *data, size_t length,
	void *answer_data, size_t answer_bytes)
{
	struct fuse_in_header header = header_of(opcode, node, length);
	unsigned char bytes[1024];
	struct fuse_out_header out;
	uint32_t used;

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), data, length);
	add_request(machine, REQUEST, 0, bytes, header.len, SLOT_BYTES);
	kick(machine, REQUEST);
	used = wait_used(machine, REQUEST);
	memcpy(&out, machine->bytes + REPLIES, sizeof(out));
	assert_int_equal(out.len, used);
	assert_int_equal(out.unique, 1234);
	if (out.error == 0 && answer_data) {
		assert_true(used >= sizeof(out) + answer_bytes);
		memcpy(answer_data, machine->bytes + REPLIES + sizeof(out), answer_bytes);
	}
	return out.error;
}

static int start_session(struct machine *machine)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = UINT32_MAX };

	return request(machine, FUSE_INIT, 0, &in, sizeof(in), NULL, 0);
}

static uint64_t lookup_name(struct machine *machine, const char *name)
{
	struct fuse_entry_out entry = { 0 };

	assert_int_equal(request(machine, FUSE_LOOKUP, FUSE_ROOT_ID, name, strlen(name) + 1, &entry, sizeof(entry)), 0);
	return entry.nodeid;
}

static int getattr_node(struct machine *machine, uint64_t node)
{
	struct fuse_getattr_in in = { 0 };

	return request(machine, FUSE_GETATTR, node, &in, sizeof(in), NULL, 0);
}

static void reset_device(struct machine *machine)
{
	write_register(machine, VIRTIO_MMIO_STATUS, 0);
}

static int setup_machine(void **state)
{
	struct machine *machine = xcalloc(1, sizeof(*machine));
	struct fs_options options;
	struct error err = { 0 };

	machine->root = fresh_directory("device");
	host_file(machine->root, "file", "data", 0644);
	options = client_options(machine->root);
	options.tag = "tag of exactly thirty-six characters";
	machine->bytes = aligned_alloc(4096, MEMORY_BYTES);
	memset(machine->bytes, 0, MEMORY_BYTES);
	machine->memory = (struct guest_memory){ .count = 1,
		.regions = { { .size_bytes = MEMORY_BYTES, .host = machine->bytes } } };
	if (fs_create(&machine->fs, &options, &err) ||
		mmio_create(&machine->mmio, fs_device(machine->fs), &machine->memory, &err) ||
		fs_start(machine->fs, &err))
		fail_msg("%s", err.message);
	activate(machine);
	assert_int_equal(start_session(machine), 0);
	*state = machine;
	return 0;
}

static int teardown_machine(void **state)
{
	struct machine *machine = *state;

	fs_destroy(machine->fs);
	mmio_destroy(machine->mmio);
	close(machine->root);
	free(machine->bytes);
	free(machine);
	return 0;
}

static void the_configuration_names_the_share(void **state)
{
	struct machine *machine = *state;
	struct virtio_fs_config config = { 0 };
	struct fs_options options = client_options(machine->root);
	struct error err = { 0 };
	struct fs *fs;

	for (unsigned i = 0; i < sizeof(config); i += 4)
		mmio_read(machine->mmio, VIRTIO_MMIO_CONFIG + i, (char *)&config + i, 4);
	assert_memory_equal(config.tag, "tag of exactly thirty-six characters", sizeof(config.tag));
	assert_int_equal(config.num_request_queues, 1);
	assert_int_equal(read_register(machine, VIRTIO_MMIO_DEVICE_ID), VIRTIO_DEVICE_FS);
	options.tag = "tag of more than thirty-six characters";
	assert_int_equal(fs_create(&fs, &options, &err), -EINVAL);
	options.tag = "";
	assert_int_equal(fs_create(&fs, &options, &err), -EINVAL);
	assert_int_equal(close(options.root_fd), 0);
}

static void requests_are_answered_and_forgets_returned(void **state)
{
	struct machine *machine = *state;
	uint64_t node = lookup_name(machine, "file");
	struct {
		struct fuse_in_header header;
		struct fuse_forget_in in;
	} forget_request = { .header = header_of(FUSE_FORGET, node, sizeof(struct fuse_forget_in)),
		.in = { .nlookup = 1 } };

	assert_int_equal(getattr_node(machine, node), 0);
	add_request(machine, HIPRIO, 20, &forget_request, sizeof(forget_request), 0);
	kick(machine, HIPRIO);
	assert_int_equal(wait_used(machine, HIPRIO), 0);
	assert_int_equal(getattr_node(machine, node), -ESTALE);
}

static void many_requests_at_once(void **state)
{
	struct machine *machine = *state;
	struct fuse_getattr_in in = { 0 };
	unsigned char bytes[128];
	struct fuse_in_header header = header_of(FUSE_GETATTR, FUSE_ROOT_ID, sizeof(in));

	for (int round = 0; round < 50; round++) {
		for (uint16_t i = 0; i < QUEUE_SIZE / 2; i++) {
			header.unique = i;
			memcpy(bytes, &header, sizeof(header));
			memcpy(bytes + sizeof(header), &in, sizeof(in));
			add_request(machine, REQUEST, i, bytes, header.len, SLOT_BYTES);
		}
		kick(machine, REQUEST);
		for (uint16_t i = 0; i < QUEUE_SIZE / 2; i++) {
			struct fuse_out_header out;

			assert_int_equal(wait_used(machine, REQUEST), sizeof(out) + sizeof(struct fuse_attr_out));
			memcpy(&out, machine->bytes + REPLIES + i * SLOT_BYTES, sizeof(out));
			assert_int_equal(out.error, 0);
			assert_int_equal(out.unique, i);
		}
	}
}

static void a_broken_ring_stops_the_device_until_reset(void **state)
{
	struct machine *machine = *state;
	struct ring *ring = &machine->rings[REQUEST];

	/* A descriptor outside of the guest's memory. */
	ring->descriptors[0] = (struct vring_desc){ .addr = MEMORY_BYTES - 10, .len = 4096 };
	ring->available->ring[ring->available->idx % QUEUE_SIZE] = 0;
	__atomic_store_n(&ring->available->idx, (uint16_t)(ring->available->idx + 1), __ATOMIC_SEQ_CST);
	kick(machine, REQUEST);
	for (int i = 0; i < 200 && !(read_register(machine, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		(void)poll(NULL, 0, 10);
	assert_true(read_register(machine, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
	reset_device(machine);
	activate(machine);
	assert_int_equal(start_session(machine), 0);
	assert_int_equal(getattr_node(machine, FUSE_ROOT_ID), 0);
}

static void a_reset_ends_the_session(void **state)
{
	struct machine *machine = *state;
	uint64_t node = lookup_name(machine, "file");

	reset_device(machine);
	activate(machine);
	assert_int_equal(getattr_node(machine, node), -EIO);
	assert_int_equal(start_session(machine), 0);
	assert_int_equal(getattr_node(machine, node), -ESTALE);
	assert_int_equal(getattr_node(machine, FUSE_ROOT_ID), 0);
}

/* After a reset has returned, the memory is the guest's again. */
static void nothing_is_written_after_a_reset(void **state)
{
	struct machine *machine = *state;
	struct fuse_getattr_in in = { 0 };
	struct fuse_in_header header = header_of(FUSE_GETATTR, FUSE_ROOT_ID, sizeof(in));
	unsigned char bytes[128];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &in, sizeof(in));
	for (int round = 0; round < 100; round++) {
		for (uint16_t i = 0; i < QUEUE_SIZE / 2; i++)
			add_request(machine, REQUEST, i, bytes, header.len, SLOT_BYTES);
		kick(machine, REQUEST);
		/* At another point of the work each time. */
		for (volatile int spin = 0; spin < round * 2000; spin++) {
		}
		reset_device(machine);
		memset(machine->bytes, 0x5a, MEMORY_BYTES);
		(void)poll(NULL, 0, round % 10 == 0 ? 5 : 0);
		for (uint32_t i = 0; i < MEMORY_BYTES; i++) {
			if (machine->bytes[i] != 0x5a)
				fail_msg("byte %u was written after reset %d", i, round);
		}
		activate(machine);
	}
	assert_int_equal(start_session(machine), 0);
}

static void *reset_thread(void *argument)
{
	reset_device(argument);
	return NULL;
}

/* A request that is being served for as long as the descriptor's lease lasts: with one the host waits with opening the
 * file until its holder gives it up (fcntl(2), F_SETLEASE). */
static int open_what_is_leased(struct machine *machine)
{
	struct {
		struct fuse_in_header header;
		struct fuse_open_in in;
	} request = { .header = header_of(FUSE_OPEN, lookup_name(machine, "file"), sizeof(struct fuse_open_in)) };
	int lease = openat(machine->root, "file", O_RDWR | O_CLOEXEC);

	(void)signal(SIGIO, SIG_IGN);
	if (fcntl(lease, F_SETLEASE, F_WRLCK) < 0)
		skip();
	memset(machine->bytes + REPLIES, 0, SLOT_BYTES);
	add_request(machine, REQUEST, 0, &request, sizeof(request), SLOT_BYTES);
	kick(machine, REQUEST);
	(void)poll(NULL, 0, 100);
	return lease;
}

static void a_reset_waits_for_the_request_being_served(void **state)
{
	struct machine *machine = *state;
	struct timespec soon;
	pthread_t threads[2];
	int lease = open_what_is_leased(machine);

	/* Registers can be read meanwhile: vCPUs do not wait for files. */
	assert_true(read_register(machine, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK);
	/* Two processors of the guest at once. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reset_thread, machine), 0);
	(void)clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec++;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_timedjoin_np(threads[i], NULL, &soon), ETIMEDOUT);
	assert_int_equal(fcntl(lease, F_SETLEASE, F_UNLCK), 0);
	(void)clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 10;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_timedjoin_np(threads[i], NULL, &soon), 0);
	close(lease);
	assert_int_equal(machine->rings[REQUEST].used->idx, machine->rings[REQUEST].seen);
	activate(machine);
	assert_int_equal(start_session(machine), 0);
}

struct saving {
	struct machine *machine;
	struct strbuf state;
	int result;
};

static void *save_thread(void *argument)
{
	struct saving *saving = argument;
	struct error err;

	mmio_hold(saving->machine->mmio, true);
	saving->result = fs_save(saving->machine->fs, &saving->state, &err);
	mmio_hold(saving->machine->mmio, false);
	return NULL;
}

static void saving_waits_for_the_request_being_served(void **state)
{
	struct machine *machine = *state;
	struct saving saving = { .machine = machine };
	int lease = open_what_is_leased(machine);
	struct timespec soon;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, save_thread, &saving), 0);
	(void)clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec++;
	assert_int_equal(pthread_timedjoin_np(thread, NULL, &soon), ETIMEDOUT);
	assert_int_equal(fcntl(lease, F_SETLEASE, F_UNLCK), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(saving.result, 0);
	assert_true(wait_used(machine, REQUEST) > sizeof(struct fuse_out_header));
	strbuf_free(&saving.state);
	close(lease);
}

static void destroyed_in_the_middle_of_work(void **state)
{
	struct machine *machine = *state;
	struct fuse_getattr_in in = { 0 };
	struct fuse_in_header header = header_of(FUSE_GETATTR, FUSE_ROOT_ID, sizeof(in));
	unsigned char bytes[128];

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), &in, sizeof(in));
	for (uint16_t i = 0; i < QUEUE_SIZE / 2; i++)
		add_request(machine, REQUEST, i, bytes, header.len, SLOT_BYTES);
	kick(machine, REQUEST);
	/* teardown_machine() does it; AddressSanitizer and ThreadSanitizer watch. */
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup_machine, teardown_machine)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		test(the_configuration_names_the_share),
		test(requests_are_answered_and_forgets_returned),
		test(many_requests_at_once),
		test(a_broken_ring_stops_the_device_until_reset),
		test(a_reset_ends_the_session),
		test(nothing_is_written_after_a_reset),
		test(a_reset_waits_for_the_request_being_served),
		test(saving_waits_for_the_request_being_served),
		test(destroyed_in_the_middle_of_work),
	};

	return cmocka_run_group_tests_name("virtio-fs device", all, NULL, NULL);
}

int main(void)
{
	return run_in_scratch(tests, NULL);
}
