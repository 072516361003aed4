/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device and the host's descriptors: pipes, files, terminals, one socket for both directions, and their ends.
 */
#include <pthread.h>
#include <sys/socket.h>

#include "vsock_test.h"

static void end_of_file_becomes_a_shutdown_after_the_data(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;
	int ends[2];

	open_pipe(ends);
	listen_on(d, PORT, ends[0], -1, -1);
	connect_to(d, PORT);
	expect_nothing(d);
	assert_int_equal(write(ends[1], "last", 4), 4);
	close(ends[1]);
	packet = expect(d, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(packet.header.len, 4);
	assert_memory_equal(packet.payload, "last", 4);
	packet = expect(d, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.header.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_nothing(d);
}

static size_t read_all(int fd)
{
	char block[65536];
	size_t total = 0;
	ssize_t count;

	while ((count = read(fd, block, sizeof(block))) > 0)
		total += (size_t)count;
	return total;
}

static void slow_reader_gets_everything_before_the_end_of_file(void **state)
{
	struct driver *d = *state;
	int ends[2], finished = eventfd(0, EFD_NONBLOCK);
	char block[65536] = { 0 };

	open_pipe(ends);
	fill_pipe(ends[1]);
	listen_on(d, PORT, -1, ends[1], finished);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, 3000), 0);
	assert_int_equal(driver_shutdown(d, PORT, BOTH_FLAGS), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(eventfd_value(finished), 0);
	assert_int_equal(read(ends[0], block, sizeof(block)), sizeof(block));
	driver_run(d, RUN_MS);
	assert_int_equal(eventfd_value(finished), 1);
	assert_int_equal(read_all(ends[0]), 3000);
	close(ends[0]);
	close(finished);
}

static void blocking_descriptors_stay_blocking_and_never_block_the_device(void **state)
{
	struct driver *d = *state;
	char block[65536] = { 0 };
	int full[2], empty[2];

	open_pipe(full);
	open_pipe(empty);
	fill_pipe(full[1]);
	int full_copy = dup(full[1]), empty_copy = dup(empty[0]);
	listen_on(d, PORT, empty[0], full[1], -1);
	(void)alarm(5);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, sizeof(block)), 0);
	expect_nothing(d);
	(void)alarm(0);
	assert_false(fcntl(full_copy, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(empty_copy, F_GETFL) & O_NONBLOCK);
	close(full[0]);
	close(empty[1]);
	close(full_copy);
	close(empty_copy);
}

static void reader_that_is_gone_resets_an_output_stream(void **state)
{
	struct driver *d = *state;
	int ends[2], finished = eventfd(0, EFD_NONBLOCK);

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], finished);
	connect_to(d, PORT);
	close(ends[0]);
	/* Noticed without a write. */
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(eventfd_value(finished), 1);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	close(finished);
}

static void reader_that_is_gone_leaves_the_other_direction(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;
	int in[2], out[2];

	open_pipe(in);
	open_pipe(out);
	listen_on(d, PORT, in[0], out[1], -1);
	connect_to(d, PORT);
	close(out[0]);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.header.flags, VIRTIO_VSOCK_SHUTDOWN_RCV);
	assert_int_equal(write(in[1], "still", 5), 5);
	packet = expect(d, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(packet.payload, "still", 5);
	close(in[1]);
	packet = expect(d, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.header.flags, BOTH_FLAGS);
}

static void guest_that_reads_no_more_closes_the_input(void **state)
{
	struct driver *d = *state;
	int in[2];

	open_pipe(in);
	listen_on(d, PORT, in[0], -1, -1);
	connect_to(d, PORT);
	assert_int_equal(driver_shutdown(d, PORT, VIRTIO_VSOCK_SHUTDOWN_RCV), 0);
	assert_int_equal(write(in[1], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(in[1]);
}

static void one_socket_for_both_directions_is_shut_down_one_by_one(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;
	int pair[2];
	char text[8];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	listen_on(d, PORT, pair[0], pair[0], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "hello", 5), 0);
	assert_int_equal(driver_shutdown(d, PORT, VIRTIO_VSOCK_SHUTDOWN_SEND), 0);
	assert_int_equal(read(pair[1], text, sizeof(text)), 5);
	assert_true(at_end_of_file(pair[1]));
	assert_int_equal(write(pair[1], "back", 4), 4);
	packet = expect(d, VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(packet.payload, "back", 4);
	close(pair[1]);
	packet = expect(d, VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_true(packet.header.flags & VIRTIO_VSOCK_SHUTDOWN_SEND);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RST, NULL, 0), 0);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, NULL, 0), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
}

static void files_are_copied_whole_in_both_directions(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;
	FILE *in = tmpfile(), *out = tmpfile();
	char block[10000], got[10000];
	size_t received = 0;

	memset(block, 'f', sizeof(block));
	assert_int_equal(fwrite(block, 1, sizeof(block), in), sizeof(block));
	assert_int_equal(fflush(in), 0);
	rewind(in);
	listen_on(d, PORT, dup(fileno(in)), dup(fileno(out)), -1);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RESPONSE);
	for (;;) {
		assert_true(driver_receive(d, &packet));
		if (packet.header.op == VIRTIO_VSOCK_OP_SHUTDOWN)
			break;
		received += packet.header.len;
	}
	assert_int_equal(received, sizeof(block));
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, sizeof(block)), 0);
	assert_int_equal(driver_shutdown(d, PORT, BOTH_FLAGS), 0);
	assert_int_equal(pread(fileno(out), got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(block, got, sizeof(got));
	fclose(in);
	fclose(out);
}

static void stopped_terminal_does_not_stop_the_device(void **state)
{
	struct driver *d = *state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct driver_packet packet;
	char block[65536];

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	memset(block, 't', sizeof(block));
	listen_on(d, PORT, slave, slave, -1);
	(void)alarm(5);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, sizeof(block)), 0);
	driver_run(d, RUN_MS);
	assert_int_equal(write(master, "line\n", 5), 5);
	do {
		driver_run(d, RUN_MS);
		assert_true(driver_receive(d, &packet));
	} while (packet.header.op != VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(packet.payload, "line\n", 5);
	for (size_t total = 0; total < sizeof(block);) {
		ssize_t count = read(master, block, sizeof(block));

		assert_true(count > 0);
		for (ssize_t i = 0; i < count; i++)
			total += block[i] == 't';
		driver_run(d, 0);
	}
	(void)alarm(0);
	close(master);
}

static void *run_loop(void *argument)
{
	event_loop_run(argument);
	return NULL;
}

static void ports_come_and_go_from_another_thread(void **state)
{
	struct driver *d = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_loop, &d->loop), 0);
	for (int i = 0; i < 2000; i++) {
		int ends[2], finished = eventfd(0, EFD_NONBLOCK);
		struct driver_packet packet;

		open_pipe(ends);
		listen_on(d, PORT, -1, ends[1], finished);
		pthread_mutex_lock(&d->device->lock);
		assert_int_equal(d->device->ops->kick(d->device, 1), 0);
		pthread_mutex_unlock(&d->device->lock);
		vsock_unlisten(d->vsock, PORT);
		assert_int_equal(eventfd_value(finished), 1);
		assert_true(at_end_of_file(ends[0]));
		close(ends[0]);
		close(finished);
		while (driver_receive(d, &packet))
			;
	}
	event_loop_stop(&d->loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(end_of_file_becomes_a_shutdown_after_the_data),
		test(slow_reader_gets_everything_before_the_end_of_file),
		test(blocking_descriptors_stay_blocking_and_never_block_the_device),
		test(reader_that_is_gone_resets_an_output_stream),
		test(reader_that_is_gone_leaves_the_other_direction),
		test(guest_that_reads_no_more_closes_the_input),
		test(one_socket_for_both_directions_is_shut_down_one_by_one),
		test(files_are_copied_whole_in_both_directions),
		test(stopped_terminal_does_not_stop_the_device),
		test(ports_come_and_go_from_another_thread),
	};

	return cmocka_run_group_tests_name("vsock_streams", tests, NULL, NULL);
}
