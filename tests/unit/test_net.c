/* SPDX-License-Identifier: Apache-2.0 */
/* The network device on plain buffers, in front of a stream socket whose other end is the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>

#include "net_driver.h"

static int set_up(void **state)
{
	int sockets[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	(void)signal(SIGPIPE, SIG_IGN);
	*state = make(NET_STREAM, sockets[0], sockets[1]);
	return 0;
}

static void peer_send(struct fixture *f, const void *frame, size_t length)
{
	uint32_t prefix = htonl((uint32_t)length);

	assert_int_equal(send(f->peer, &prefix, sizeof(prefix), 0), sizeof(prefix));
	assert_int_equal(send(f->peer, frame, length, 0), length);
}

static size_t peer_receive(struct fixture *f, unsigned char *frame, size_t room)
{
	uint32_t prefix;

	if (recv(f->peer, &prefix, sizeof(prefix), MSG_WAITALL | MSG_DONTWAIT) != sizeof(prefix))
		return 0;
	prefix = ntohl(prefix);
	assert_true(prefix <= room);
	assert_int_equal(recv(f->peer, frame, prefix, MSG_WAITALL), prefix);
	return prefix;
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	const struct virtio_net_config *config = f->driver->device->config;

	assert_int_equal(config->mac[5], 1);
	assert_int_equal(config->mtu, 1500);
	assert_true(f->driver->device->features_offered & MERGEABLE);
	/* A stream socket has no place for the header by which offloads are asked for. */
	assert_false(f->driver->device->features_offered & OFFLOADS);
}

static void test_frames_cross_a_stream_unchanged(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[1514], got[2048];

	start(f, MERGEABLE, 64);
	for (unsigned i = 0; i < 200; i++) {
		size_t length = 14 + i * 7;
		unsigned buffers;

		fill_frame(sent, length, i);
		offer_frame(f, &plain, sent, length, i % 3 ? 4096 : 7 + i);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
		assert_int_equal(peer_receive(f, got, sizeof(got)), length);
		assert_memory_equal(sent, got, length);

		peer_send(f, sent, length);
		assert_int_not_equal(virtio_driver_run(f->driver, RUN_MS, 1), 0);
		assert_int_equal(take_frame(f, got, &buffers), length);
		assert_int_equal(buffers, 1);
		assert_memory_equal(sent, got, length);
		offer_buffers(f, 1);
	}
	assert_false(f->driver->broken);
}

static void test_large_frame_lies_in_several_buffers(void **state)
{
	struct fixture *f = *state;
	static unsigned char sent[FRAME_MAX], got[FRAME_MAX];
	unsigned buffers;

	start(f, MERGEABLE, 64);
	fill_frame(sent, 1518, 3);
	peer_send(f, sent, 1518);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_int_equal(take_frame(f, got, &buffers), 1518);
	assert_int_equal(buffers, 1);
	/* Longer than the MTU: what the peer should not send arrives if the driver happens to have given enough. */
	fill_frame(sent, 1518 + 12, 4);
	peer_send(f, sent, 1518 + 12);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_int_equal(take_frame(f, got, &buffers), 1518 + 12);
	assert_memory_equal(sent, got, 1518 + 12);
}

static void test_small_buffers_are_merged(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[1500], got[4096];
	unsigned buffers;

	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < 100; i++) {
		const struct virtio_piece pieces[] = { { RECEIVE_AT(i), 5, true }, { RECEIVE_AT(i) + 5, 95, true } };

		(void)virtio_driver_offer(f->driver, RECEIVE, pieces, 1 + i % 2);
	}
	/* Every other one is too small for the header. */
	fill_frame(sent, sizeof(sent), 9);
	peer_send(f, sent, sizeof(sent));
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_true(f->driver->broken);

	virtio_driver_reset(f->driver);
	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < 100; i++) {
		const struct virtio_piece pieces[] = { { RECEIVE_AT(i), 5, true }, { RECEIVE_AT(i) + 5, 95, true } };

		(void)virtio_driver_offer(f->driver, RECEIVE, pieces, 2);
	}
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	{
		uint16_t head;
		uint32_t written, total = 0, count = 0;

		memset(got, 0, sizeof(got));
		while (virtio_driver_take(f->driver, RECEIVE, &head, &written)) {
			memcpy(got + total, f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr, written);
			total += written;
			count++;
		}
		buffers = got[10] | (unsigned)got[11] << 8;
		assert_int_equal(count, 16);
		assert_int_equal(buffers, count);
		assert_int_equal(total, sizeof(sent) + HEADER);
		assert_memory_equal(got + HEADER, sent, sizeof(sent));
	}
}

static void test_without_mergeable_buffers_one_holds_all(void **state)
{
	struct fixture *f = *state;
	unsigned char sent[3000], got[4096];
	unsigned buffers;

	start(f, 0, 8);
	fill_frame(sent, sizeof(sent), 1);
	peer_send(f, sent, 1514);
	peer_send(f, sent, sizeof(sent)); /* does not fit, is lost */
	peer_send(f, sent, 60);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), 1514);
	assert_int_equal(buffers, 1);
	assert_int_equal(take_frame(f, got, &buffers), 60);
	assert_int_equal(take_frame(f, got, &buffers), 0);
}

static void test_no_buffers_no_spinning(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[100], got[2048];
	unsigned buffers;

	start(f, MERGEABLE, 0);
	fill_frame(frame, sizeof(frame), 5);
	peer_send(f, frame, sizeof(frame));
	/* Once, to find out that there are none. */
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
	offer_buffers(f, 2);
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void test_many_frames_in_one_read_need_no_further_wake_up(void **state)
{
	struct fixture *f = *state;
	unsigned char all[200][4 + 64], frame[64], got[2048];
	unsigned buffers, frames = 0;

	start(f, MERGEABLE, 250);
	for (unsigned i = 0; i < 200; i++) {
		memcpy(all[i], &(uint32_t){ htonl(sizeof(frame)) }, 4);
		fill_frame(all[i] + 4, sizeof(frame), i);
	}
	assert_int_equal(send(f->peer, all, sizeof(all), 0), sizeof(all));
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	while (take_frame(f, got, &buffers)) {
		fill_frame(frame, sizeof(frame), frames++);
		assert_memory_equal(got, frame, sizeof(frame));
	}
	assert_int_equal(frames, 200);
}

static void test_full_socket_blocks_and_resumes_without_loss(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[1514], got[2048];
	unsigned sent = 0, seen = 0;

	start(f, MERGEABLE, 0);
	for (unsigned i = 0; i < VIRTIO_DRIVER_QUEUE - 1; i++) {
		const struct virtio_piece pieces[] = { { TRANSMIT_AT, HEADER + sizeof(frame), false } };

		(void)virtio_driver_offer(f->driver, TRANSMIT, pieces, 1);
		sent++;
	}
	fill_frame(frame, sizeof(frame), 77);
	memset(f->driver->bytes + TRANSMIT_AT, 0, HEADER);
	memcpy(f->driver->bytes + TRANSMIT_AT + HEADER, frame, sizeof(frame));
	while (virtio_driver_kick(f->driver, TRANSMIT) > 0)
		;
	assert_true(f->driver->used[TRANSMIT]->idx < sent);
	while (seen < sent) {
		size_t length;

		while ((length = peer_receive(f, got, sizeof(got))) > 0) {
			assert_int_equal(length, sizeof(frame));
			assert_memory_equal(got, frame, sizeof(frame));
			seen++;
		}
		if (seen < sent)
			assert_int_not_equal(virtio_driver_run(f->driver, RUN_MS, 1), 0);
	}
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, sent);
}

static void test_malformed_frames_are_dropped(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[2000], got[4096];
	const struct virtio_net_hdr_v1 headers[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 14, .csum_offset = 6 }, /* not agreed */
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 },
		{ .gso_type = 0x55 },
	};
	const struct virtio_piece tiny = { TRANSMIT_AT, HEADER - 1, false };
	const struct virtio_piece no_frame = { TRANSMIT_AT, HEADER + 13, false };
	const struct virtio_piece huge = { TRANSMIT_AT, HEADER + FRAME_MAX + 1, false };
	uint16_t expected = 0;

	start(f, MERGEABLE, 0);
	fill_frame(frame, sizeof(frame), 1);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++, expected++) {
		offer_frame(f, &headers[i], frame, 100, 4096);
		assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	}
	(void)virtio_driver_offer(f->driver, TRANSMIT, &tiny, 1);
	(void)virtio_driver_offer(f->driver, TRANSMIT, &no_frame, 1);
	(void)virtio_driver_offer(f->driver, TRANSMIT, &huge, 1);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, expected + 3);
	assert_int_equal(peer_receive(f, got, sizeof(got)), 0);
	/* And the next good one goes. */
	offer_frame(f, &plain, frame, 60, 4096);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(peer_receive(f, got, sizeof(got)), 60);
}

static void test_hostile_peer_loses_the_network_not_the_guest(void **state)
{
	struct fixture *f = *state;
	uint32_t length = htonl(0x7fffffff);
	unsigned char frame[100] = { 0 };

	start(f, MERGEABLE, 8);
	assert_int_equal(send(f->peer, &length, sizeof(length), 0), sizeof(length));
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
	assert_false(f->driver->broken);
	offer_frame(f, &plain, frame, sizeof(frame), 4096);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
	assert_int_equal(f->driver->used[TRANSMIT]->idx, 1);
}

static void test_peer_that_goes_is_no_busy_loop(void **state)
{
	struct fixture *f = *state;

	start(f, MERGEABLE, 8);
	close_fd(&f->peer);
	assert_int_equal(virtio_driver_run(f->driver, RUN_MS, ROUNDS), 1);
}

static void test_reset_forgets_buffers(void **state)
{
	struct fixture *f = *state;
	unsigned char frame[100], got[2048];
	unsigned buffers;

	start(f, MERGEABLE, 64);
	virtio_driver_reset(f->driver);
	fill_frame(frame, sizeof(frame), 2);
	peer_send(f, frame, sizeof(frame));
	/* Once, to find out that nobody wants it; it waits in the socket. */
	assert_true(virtio_driver_run(f->driver, RUN_MS, ROUNDS) <= 1);
	start(f, MERGEABLE, 4);
	(void)virtio_driver_run(f->driver, RUN_MS, ROUNDS);
	assert_int_equal(take_frame(f, got, &buffers), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void test_readable_receive_buffers_break_the_device(void **state)
{
	struct fixture *f = *state;
	const struct virtio_piece readable = { RECEIVE_AT(0), BUFFER_BYTES, false };

	start(f, MERGEABLE, 0);
	(void)virtio_driver_offer(f->driver, RECEIVE, &readable, 1);
	peer_send(f, &readable, sizeof(readable));
	(void)virtio_driver_run(f->driver, RUN_MS, 1);
	assert_true(f->driver->broken);
}

#define stream_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stream_test(test_config),
		stream_test(test_frames_cross_a_stream_unchanged),
		stream_test(test_large_frame_lies_in_several_buffers),
		stream_test(test_small_buffers_are_merged),
		stream_test(test_without_mergeable_buffers_one_holds_all),
		stream_test(test_no_buffers_no_spinning),
		stream_test(test_many_frames_in_one_read_need_no_further_wake_up),
		stream_test(test_full_socket_blocks_and_resumes_without_loss),
		stream_test(test_malformed_frames_are_dropped),
		stream_test(test_hostile_peer_loses_the_network_not_the_guest),
		stream_test(test_peer_that_goes_is_no_busy_loop),
		stream_test(test_reset_forgets_buffers),
		stream_test(test_readable_receive_buffers_break_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
