/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to single devices, in the language of each. */
#include "virtio.h"

#define VSOCK_RX 0
#define VSOCK_TX 1

struct vsock_header {
	uint64_t from_cid, to_cid;
	uint32_t from_port, to_port, length;
	uint16_t type, operation;
	uint32_t flags, buffer_bytes, forwarded;
} __attribute__((packed));

enum { VSOCK_REQUEST = 1, VSOCK_RESET = 3, VSOCK_WRITE = 5, CONTROL_PORT = 1024, STREAM_PORT = 2048 };

/* More random bytes than anybody would want, and into pieces of every length. */
void attack_rng(struct driver *driver)
{
	set_up(driver, driver->base, true);
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		driver->rings[0].table[i] = (struct descriptor){ (uint64_t)0x2000000, 64U << 20, FLAG_WRITE | FLAG_NEXT,
			(uint16_t)(i + 1) };
	}
	driver->rings[0].table[QUEUE_SIZE - 1].flags = FLAG_WRITE;
	for (unsigned i = 0; i < 64; i++) {
		uint16_t before = driver->rings[0].used.index;

		offer(driver, 0, (uint16_t)(QUEUE_SIZE - 1 - i % QUEUE_SIZE));
		(void)wait_used(driver, 0, before);
	}
}

static void give_receive_buffers(struct driver *driver)
{
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		driver->rings[VSOCK_RX].table[i] =
			(struct descriptor){ (uint64_t)(driver->data + 32768 + i * 1024), 1024, FLAG_WRITE, 0 };
		offer(driver, VSOCK_RX, i);
	}
}

static void send_packet(struct driver *driver, const struct vsock_header *header, const void *payload, uint32_t length)
{
	struct rings *rings = &driver->rings[VSOCK_TX];
	uint16_t before = rings->used.index;

	memcpy(driver->data, header, sizeof(*header));
	memcpy(driver->data + sizeof(*header), payload, length);
	rings->table[0] = (struct descriptor){ (uint64_t)driver->data, (uint32_t)sizeof(*header) + length, 0, 0 };
	offer(driver, VSOCK_TX, 0);
	(void)wait_used(driver, VSOCK_TX, before);
}

static struct vsock_header vsock_header(uint32_t port, uint16_t operation, uint32_t length)
{
	return (struct vsock_header){ .from_cid = 3,
		.to_cid = 2,
		.from_port = 400,
		.to_port = port,
		.length = length,
		.type = 1,
		.operation = operation,
		.buffer_bytes = 65536 };
}

/* Every operation on every port, with lengths that are not what follows. */
void attack_vsock(struct driver *driver)
{
	uint8_t payload[256] = { 0 };

	set_up(driver, driver->base, true);
	give_receive_buffers(driver);
	for (unsigned i = 0; i < 500; i++) {
		struct vsock_header header =
			vsock_header(STREAM_PORT + i % 8, (uint16_t)(i % 12), (uint32_t)random_below(512));

		if (i % 5 == 0)
			header.length = 0xffffffffU - (i % 3);
		if (i % 7 == 0)
			header.to_cid = random64();
		if (i % 11 == 0)
			header.type = (uint16_t)i;
		header.flags = i;
		header.forwarded = (uint32_t)random64();
		header.buffer_bytes = i % 3 ? 65536 : (uint32_t)random64();
		send_packet(driver, &header, payload, (uint32_t)random_below(sizeof(payload)));
	}
	/* Resets for what there is none of, without a buffer to answer into. */
	set_up(driver, driver->base, false);
	for (unsigned i = 0; i < 1000; i++) {
		const struct vsock_header header = vsock_header(i, VSOCK_WRITE, 0);

		send_packet(driver, &header, payload, 0);
	}
}

/* The init's place is taken: garbage on the control channel ends the machine. */
void attack_control(struct driver *driver)
{
	static const uint32_t frame[] = { 4, 99, 0x12345678, 8, 5, 0, 0 };
	struct vsock_header request = vsock_header(CONTROL_PORT, VSOCK_REQUEST, 0);
	struct vsock_header data = vsock_header(CONTROL_PORT, VSOCK_WRITE, sizeof(frame));

	set_up(driver, driver->base, true);
	give_receive_buffers(driver);
	send_packet(driver, &request, frame, 0);
	send_packet(driver, &data, frame, sizeof(frame));
}

#define FS_REQUESTS 1

struct fuse_header {
	uint32_t length, operation;
	uint64_t unique, node;
	uint32_t uid, gid, pid, padding;
};

static void request(
	struct driver *driver, uint32_t operation, uint64_t node, const void *arguments, uint32_t length, uint32_t lie)
{
	struct fuse_header *header = (struct fuse_header *)driver->data;
	struct rings *rings = &driver->rings[FS_REQUESTS];
	uint16_t before = rings->used.index;

	*header = (struct fuse_header){ .length = (uint32_t)sizeof(*header) + length + lie,
		.operation = operation,
		.unique = operation,
		.node = node };
	memcpy(driver->data + sizeof(*header), arguments, length);
	rings->table[0] = (struct descriptor){ (uint64_t)header, (uint32_t)sizeof(*header) + length, FLAG_NEXT, 1 };
	rings->table[1] = (struct descriptor){ (uint64_t)(driver->data + 32768), 8192, FLAG_WRITE, 0 };
	offer(driver, FS_REQUESTS, 0);
	(void)wait_used(driver, FS_REQUESTS, before);
}

static bool succeeded(const struct driver *driver)
{
	int32_t error;

	memcpy(&error, driver->data + 32768 + 4, sizeof(error));
	return error == 0;
}

/* A session by the rules, then names that lead out of the share, numbers of what there is not, and lies about lengths.
 */
void attack_fs(struct driver *driver)
{
	static const char names[][32] = { "../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "rootfs/..",
		"binds/../../x" };
	enum { LOOKUP = 1, MKDIR = 9, UNLINK = 10, INIT = 26, OPERATIONS = 60 };
	uint32_t init[16] = { 7, 38, 65536, 0xffffffff };
	uint8_t garbage[256];

	set_up(driver, driver->base, true);
	request(driver, INIT, 0, init, sizeof(init), 0);
	if (!succeeded(driver))
		say("hostile: no session with the file server\n");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		uint8_t mkdir[40] = { 0 };

		request(driver, LOOKUP, 1, names[i], sizeof(names[i]), 0);
		if (succeeded(driver))
			say("hostile: a name that is none was found\n");
		memcpy(mkdir + 8, names[i], sizeof(names[i]));
		request(driver, MKDIR, 1, mkdir, sizeof(mkdir), 0);
		request(driver, UNLINK, 1, names[i], sizeof(names[i]), 0);
	}
	for (unsigned i = 0; i < sizeof(garbage); i++)
		garbage[i] = (uint8_t)random64();
	for (uint32_t operation = 0; operation < OPERATIONS; operation++) {
		request(driver, operation, random64(), garbage, sizeof(garbage), 0);
		request(driver, operation, 1, garbage, (uint32_t)random_below(sizeof(garbage)), 0);
		request(driver, operation, 1, garbage, 8, 0xffff0000U);
		request(driver, operation, 1, garbage, 8, (uint32_t)-48);
	}
}

enum { BALLOON_INFLATE, BALLOON_DEFLATE, BALLOON_STATISTICS, BALLOON_REPORTING };
/* Memory that nothing of this program lies in. */
#define SPARE_PAGE  0x8000U
#define SPARE_PAGES 0x4000U

static void balloon_request(struct driver *driver, unsigned queue, uint64_t address, uint32_t length, uint16_t flags)
{
	struct rings *rings = &driver->rings[queue];
	uint16_t before = rings->used.index;

	rings->table[0] = (struct descriptor){ address, length, flags, 0 };
	offer(driver, queue, 0);
	if (queue == BALLOON_STATISTICS)
		linger(8);
	else
		(void)wait_used(driver, queue, before);
}

/* Pages that there are not, the same ones again and again, far too many at once; statistics that are none; a balloon
 * larger than all of the memory. */
void attack_balloon(struct driver *driver)
{
	uint32_t *pages = (uint32_t *)driver->data;
	const uint32_t count = sizeof(driver->data) / sizeof(*pages);

	for (unsigned i = 0; i < 40; i++) {
		set_up(driver, driver->base, true);
		write32(driver->base + REGISTER_CONFIG + 4, (uint32_t)random64());
		write32(driver->base + REGISTER_CONFIG, ~0U);
		for (uint32_t page = 0; page < count; page++)
			pages[page] = page % 3 ? SPARE_PAGE + (uint32_t)random_below(SPARE_PAGES)
					       : 0x80000U | (uint32_t)random64();
		balloon_request(driver, BALLOON_INFLATE, (uint64_t)pages, (uint32_t)sizeof(driver->data), 0);
		balloon_request(driver, BALLOON_INFLATE, (uint64_t)pages, 1 + i, 0);
		balloon_request(driver, BALLOON_DEFLATE, (uint64_t)pages, (uint32_t)sizeof(driver->data), 0);
		balloon_request(
			driver, BALLOON_REPORTING, SPARE_PAGE * 4096ULL + i, (SPARE_PAGES - 1) * 4096U + i, FLAG_WRITE);
		balloon_request(driver, BALLOON_REPORTING, (uint64_t)pages, 100, 0);
		balloon_request(driver, BALLOON_STATISTICS, (uint64_t)pages, 10 * i, i & 1 ? FLAG_WRITE : 0);
	}
}
