/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the vsock device share: a device with a driver for each test, and words for what is expected of it.
 */
#ifndef DUET_TESTS_VSOCK_TEST_H
#define DUET_TESTS_VSOCK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vsock_driver.h"

#define PORT       2048U
#define RUN_MS     20
#define BOTH_FLAGS (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static inline int set_up(void **state)
{
	struct driver *d = driver_new();

	(void)signal(SIGPIPE, SIG_IGN);
	driver_activate(d);
	*state = d;
	return 0;
}

static inline int tear_down(void **state)
{
	driver_free(*state);
	return 0;
}

static inline void listen_on(struct driver *d, uint32_t port, int read_fd, int write_fd, int finished_fd)
{
	struct vsock_port description = {
		.port = port, .read_fd = read_fd, .write_fd = write_fd, .finished_fd = finished_fd
	};
	struct error err;

	assert_int_equal(vsock_listen(d->vsock, &description, &err), 0);
}

static inline struct driver_packet expect(struct driver *d, unsigned operation)
{
	struct driver_packet packet;

	if (!driver_receive(d, &packet)) {
		driver_run(d, RUN_MS);
		assert_true(driver_receive(d, &packet));
	}
	assert_int_equal(packet.header.op, operation);
	assert_int_equal(packet.header.dst_cid, VSOCK_CID_GUEST);
	assert_int_equal(packet.header.dst_port, DRIVER_GUEST_PORT);
	return packet;
}

static inline void expect_nothing(struct driver *d)
{
	struct driver_packet packet;

	driver_run(d, RUN_MS);
	assert_false(driver_receive(d, &packet));
}

static inline void connect_to(struct driver *d, uint32_t port)
{
	assert_int_equal(driver_send(d, port, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RESPONSE);
}

static inline void open_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static inline uint64_t eventfd_value(int fd)
{
	uint64_t value = 0;

	(void)!read(fd, &value, sizeof(value));
	return value;
}

static inline bool at_end_of_file(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

static inline void fill_pipe(int write_end)
{
	char block[4096] = { 0 };

	assert_int_equal(fcntl(write_end, F_SETFL, O_NONBLOCK), 0);
	while (write(write_end, block, sizeof(block)) > 0)
		;
	assert_int_equal(fcntl(write_end, F_SETFL, 0), 0);
}

#endif
