/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device on plain buffers: a well-behaved guest, and one that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock_driver.h"

#define PORT       2048U
#define RUN_MS     20
#define BOTH_FLAGS (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static int set_up(void **state)
{
	struct driver *d = driver_new();

	(void)signal(SIGPIPE, SIG_IGN);
	driver_activate(d);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	driver_free(*state);
	return 0;
}

static void listen_on(struct driver *d, uint32_t port, int read_fd, int write_fd, int finished_fd)
{
	struct vsock_port description = {
		.port = port, .read_fd = read_fd, .write_fd = write_fd, .finished_fd = finished_fd
	};
	struct error err;

	assert_int_equal(vsock_listen(d->vsock, &description, &err), 0);
}

static struct driver_packet expect(struct driver *d, unsigned operation)
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

static void expect_nothing(struct driver *d)
{
	struct driver_packet packet;

	driver_run(d, RUN_MS);
	assert_false(driver_receive(d, &packet));
}

static void connect_to(struct driver *d, uint32_t port)
{
	assert_int_equal(driver_send(d, port, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RESPONSE);
}

static void open_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static uint64_t eventfd_value(int fd)
{
	uint64_t value = 0;

	(void)!read(fd, &value, sizeof(value));
	return value;
}

static bool at_end_of_file(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0;
}

static void request_to_a_listener_is_answered_with_credit(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;

	listen_on(d, PORT, -1, -1, -1);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(packet.header.src_cid, VSOCK_CID_HOST);
	assert_int_equal(packet.header.src_port, PORT);
	assert_int_equal(packet.header.buf_alloc, 65536);
	assert_int_equal(packet.header.len, 0);
	expect_nothing(d);
}

static void packet_to_nobody_is_reset_but_a_reset_is_not(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;

	assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.src_port, 99);
	assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_RST, NULL, 0), 0);
	expect_nothing(d);
}

static void wrong_cid_type_or_operation_is_reset(void **state)
{
	struct driver *d = *state;
	struct virtio_vsock_hdr header;
	struct driver_packet packet;

	listen_on(d, PORT, -1, -1, -1);
	header = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	header.dst_cid = 7;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.src_cid, 7);
	header = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	header.src_cid = 9;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	header = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	header.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, 77, NULL, 0), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
}

static void port_takes_one_connection(void **state)
{
	struct driver *d = *state;
	struct virtio_vsock_hdr other = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	struct vsock_port again = { .port = PORT, .read_fd = -1, .write_fd = -1, .finished_fd = -1 };
	struct driver_packet packet;
	struct error err;

	listen_on(d, PORT, -1, -1, -1);
	assert_int_equal(vsock_listen(d->vsock, &again, &err), -EADDRINUSE);
	connect_to(d, PORT);
	assert_int_equal(vsock_listen(d->vsock, &again, &err), -EADDRINUSE);
	other.src_port = 6000;
	assert_int_equal(driver_send_raw(d, &other, NULL, 0, 64), 0);
	assert_true(driver_receive(d, &packet));
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(packet.header.dst_port, 6000);
}

static void bytes_of_the_guest_arrive_in_order_however_they_are_cut(void **state)
{
	struct driver *d = *state;
	unsigned char sent[9000], got[9000];
	struct virtio_vsock_hdr header = driver_header(PORT, VIRTIO_VSOCK_OP_RW, sizeof(sent));
	int ends[2];

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7 + i / 256);
	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send_raw(d, &header, sent, sizeof(sent), 190), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), sizeof(got));
	assert_memory_equal(sent, got, sizeof(got));
	close(ends[0]);
}

static void bytes_of_the_host_keep_to_the_credit_of_the_guest(void **state)
{
	struct driver *d = *state;
	/* The counters wrap: 256 bytes look as if they were still under way. */
	struct virtio_vsock_hdr header = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	struct driver_packet packet;
	char text[2000];
	int ends[2];

	memset(text, 'a', 744);
	memset(text + 744, 'b', sizeof(text) - 744);
	open_pipe(ends);
	assert_int_equal(write(ends[1], text, sizeof(text)), sizeof(text));
	listen_on(d, PORT, ends[0], -1, -1);
	header.buf_alloc = 1000;
	header.fwd_cnt = (uint32_t)-256;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RESPONSE);
	packet = expect(d, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(packet.header.len, 744);
	assert_memory_equal(packet.payload, text, 744);
	expect_nothing(d);
	header = driver_header(PORT, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	header.buf_alloc = 1000;
	header.fwd_cnt = 744;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RW);
	assert_int_equal(packet.header.len, 1000);
	assert_memory_equal(packet.payload, text + 744, 1000);
	/* Less room than is under way already: nothing may be sent, nothing may wrap. */
	header.buf_alloc = 10;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	expect_nothing(d);
	close(ends[1]);
}

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

static void fill_pipe(int write_end)
{
	char block[4096] = { 0 };

	assert_int_equal(fcntl(write_end, F_SETFL, O_NONBLOCK), 0);
	while (write(write_end, block, sizeof(block)) > 0)
		;
	assert_int_equal(fcntl(write_end, F_SETFL, 0), 0);
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

static void more_than_the_credit_is_reset(void **state)
{
	struct driver *d = *state;
	char block[65536] = { 0 };
	int ends[2];

	open_pipe(ends);
	fill_pipe(ends[1]);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, sizeof(block)), 0);
	expect_nothing(d);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, 1), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	close(ends[0]);
}

static void credit_comes_back_when_half_of_it_was_forwarded(void **state)
{
	struct driver *d = *state;
	char block[65536] = { 0 };
	struct driver_packet packet;
	int ends[2];

	open_pipe(ends);
	fill_pipe(ends[1]);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, block, sizeof(block)), 0);
	assert_int_equal(read(ends[0], block, 16384), 16384);
	expect_nothing(d);
	assert_int_equal(read(ends[0], block, 16384), 16384);
	packet = expect(d, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(packet.header.fwd_cnt, 32768);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_CREDIT_REQUEST, NULL, 0), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(packet.header.buf_alloc, 65536);
	close(ends[0]);
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

static void transmission_goes_on_while_the_guest_offers_no_buffers(void **state)
{
	struct driver *d = *state;
	struct driver_packet packet;
	unsigned answers = 0;
	int ends[2];
	char text[600];

	d->hold_buffers = true;
	while (driver_receive(d, &packet))
		;
	pthread_mutex_lock(&d->device->lock);
	d->device->ops->reset(d->device);
	pthread_mutex_unlock(&d->device->lock);
	driver_activate(d);
	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], -1);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	for (int i = 0; i < 600; i++) {
		assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "y", 1), 0);
		assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	}
	assert_int_equal(read(ends[0], text, sizeof(text)), 600);
	/* All of it was taken; the answers come when there is room, a bounded number of them. */
	assert_int_equal(d->used[1]->idx, 1201);
	d->hold_buffers = false;
	for (uint16_t i = 0; i < DRIVER_QUEUE; i++)
		driver_offer_rx(d, i);
	assert_int_equal(driver_kick(d, 0), 0);
	for (;;) {
		while (driver_receive(d, &packet))
			answers++;
		assert_int_equal(driver_kick(d, 0), 0);
		driver_run(d, 0);
		if (d->used[0]->idx == d->seen[0])
			break;
	}
	assert_int_equal(answers, 1 + 256);
	close(ends[0]);
}

static void lengths_that_lie_are_reset(void **state)
{
	struct driver *d = *state;
	struct virtio_vsock_hdr header = driver_header(PORT, VIRTIO_VSOCK_OP_RW, 100);
	int ends[2];

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send_raw(d, &header, "short", 5, 64), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	assert_true(at_end_of_file(ends[0]));
	close(ends[0]);

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	header.len = UINT32_MAX;
	assert_int_equal(driver_send_raw(d, &header, "short", 5, 64), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	close(ends[0]);
}

static void half_a_header_is_ignored(void **state)
{
	struct driver *d = *state;

	d->descriptors[1][0] = (struct vring_desc){ .addr = DRIVER_TX, .len = 43 };
	driver_offer(d, 1, 0);
	assert_int_equal(driver_kick(d, 1), 0);
	assert_int_equal(d->used[1]->idx, 1);
	expect_nothing(d);
}

static void receive_buffer_without_room_breaks_the_device(void **state)
{
	struct driver *d = *state;

	d->descriptors[0][0].len = 44;
	assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), -EPROTO);
	/* It does nothing more until it is reset. */
	assert_int_equal(driver_send(d, 99, VIRTIO_VSOCK_OP_REQUEST, NULL, 0), 0);
	assert_int_equal(d->used[0]->idx, 0);
}

static void data_after_the_end_is_reset(void **state)
{
	struct driver *d = *state;
	int in[2], out[2];

	open_pipe(in);
	open_pipe(out);
	listen_on(d, PORT, in[0], out[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_shutdown(d, PORT, VIRTIO_VSOCK_SHUTDOWN_SEND), 0);
	assert_true(at_end_of_file(out[0]));
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	close(in[1]);
	close(out[0]);
}

static void device_reset_drops_connections_and_keeps_listeners(void **state)
{
	struct driver *d = *state;
	int ends[2], finished = eventfd(0, EFD_NONBLOCK);

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], finished);
	listen_on(d, PORT + 1, -1, -1, -1);
	connect_to(d, PORT);
	pthread_mutex_lock(&d->device->lock);
	d->device->ops->reset(d->device);
	pthread_mutex_unlock(&d->device->lock);
	assert_int_equal(eventfd_value(finished), 1);
	driver_run(d, RUN_MS);
	assert_true(at_end_of_file(ends[0]));
	driver_activate(d);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	connect_to(d, PORT + 1);
	close(ends[0]);
	close(finished);
}

static void unlisten_resets_and_frees_the_port(void **state)
{
	struct driver *d = *state;
	int ends[2], finished = eventfd(0, EFD_NONBLOCK);

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], finished);
	connect_to(d, PORT);
	vsock_unlisten(d->vsock, PORT);
	assert_int_equal(eventfd_value(finished), 1);
	close(finished);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	assert_true(at_end_of_file(ends[0]));
	listen_on(d, PORT, -1, -1, -1);
	connect_to(d, PORT);
	close(ends[0]);
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

static void completed_transmissions_interrupt_by_the_batch(void **state)
{
	struct driver *d = *state;
	int ends[2];

	open_pipe(ends);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	d->interrupts[1] = 0;
	for (int i = 0; i < DRIVER_QUEUE / 4 - 1; i++)
		assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "z", 1), 0);
	assert_int_equal(d->interrupts[1], 0);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "z", 1), 0);
	assert_int_equal(d->interrupts[1], 1);
	close(ends[0]);
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
		test(request_to_a_listener_is_answered_with_credit),
		test(packet_to_nobody_is_reset_but_a_reset_is_not),
		test(wrong_cid_type_or_operation_is_reset),
		test(port_takes_one_connection),
		test(bytes_of_the_guest_arrive_in_order_however_they_are_cut),
		test(bytes_of_the_host_keep_to_the_credit_of_the_guest),
		test(end_of_file_becomes_a_shutdown_after_the_data),
		test(slow_reader_gets_everything_before_the_end_of_file),
		test(blocking_descriptors_stay_blocking_and_never_block_the_device),
		test(more_than_the_credit_is_reset),
		test(credit_comes_back_when_half_of_it_was_forwarded),
		test(reader_that_is_gone_resets_an_output_stream),
		test(reader_that_is_gone_leaves_the_other_direction),
		test(guest_that_reads_no_more_closes_the_input),
		test(one_socket_for_both_directions_is_shut_down_one_by_one),
		test(transmission_goes_on_while_the_guest_offers_no_buffers),
		test(lengths_that_lie_are_reset),
		test(half_a_header_is_ignored),
		test(receive_buffer_without_room_breaks_the_device),
		test(data_after_the_end_is_reset),
		test(device_reset_drops_connections_and_keeps_listeners),
		test(unlisten_resets_and_frees_the_port),
		test(files_are_copied_whole_in_both_directions),
		test(stopped_terminal_does_not_stop_the_device),
		test(completed_transmissions_interrupt_by_the_batch),
		test(ports_come_and_go_from_another_thread),
	};

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
