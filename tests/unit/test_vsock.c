/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device on plain buffers: packets, credit, and a guest that lies. */
#include "vsock_test.h"

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

/* Linux gives them to the privileged alone. */
static void port_may_be_for_the_guests_reserved_ports_alone(void **state)
{
	struct driver *d = *state;
	struct vsock_port description = {
		.port = PORT, .read_fd = -1, .write_fd = -1, .finished_fd = -1, .guest_port_max = 1023
	};
	struct virtio_vsock_hdr header = driver_header(PORT, VIRTIO_VSOCK_OP_REQUEST, 0);
	struct driver_packet packet;
	struct error err;

	assert_int_equal(vsock_listen(d->vsock, &description, &err), 0);
	header.src_port = 1024;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	driver_run(d, RUN_MS);
	assert_true(driver_receive(d, &packet));
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RST);
	header.src_port = 1023;
	assert_int_equal(driver_send_raw(d, &header, NULL, 0, 64), 0);
	driver_run(d, RUN_MS);
	assert_true(driver_receive(d, &packet));
	assert_int_equal(packet.header.op, VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(packet.header.dst_port, 1023);
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

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(request_to_a_listener_is_answered_with_credit),
		test(packet_to_nobody_is_reset_but_a_reset_is_not),
		test(port_may_be_for_the_guests_reserved_ports_alone),
		test(wrong_cid_type_or_operation_is_reset),
		test(port_takes_one_connection),
		test(bytes_of_the_guest_arrive_in_order_however_they_are_cut),
		test(bytes_of_the_host_keep_to_the_credit_of_the_guest),
		test(more_than_the_credit_is_reset),
		test(credit_comes_back_when_half_of_it_was_forwarded),
		test(transmission_goes_on_while_the_guest_offers_no_buffers),
		test(lengths_that_lie_are_reset),
		test(half_a_header_is_ignored),
		test(receive_buffer_without_room_breaks_the_device),
		test(data_after_the_end_is_reset),
		test(device_reset_drops_connections_and_keeps_listeners),
		test(unlisten_resets_and_frees_the_port),
		test(completed_transmissions_interrupt_by_the_batch),
	};

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}
