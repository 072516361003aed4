/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between host and guest: in pieces, in bursts, too long, cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "microvm/guest_protocol.h"

struct fixture {
	int near, far;
	struct guest_frame_reader reader;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->near = pair[0];
	f->far = pair[1];
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	guest_frame_reader_free(&f->reader);
	close_fd(&f->near);
	close_fd(&f->far);
	free(f);
	return 0;
}

static void put(struct fixture *f, const void *data, size_t length)
{
	assert_int_equal(write(f->far, data, length), length);
}

static void frame_that_was_sent_arrives(void **state)
{
	struct fixture *f = *state;
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, 7);
	wire_put_u32(&payload, 15);
	wire_put_u8(&payload, 1);
	assert_int_equal(guest_frame_send(f->far, GUEST_SIGNAL, &payload, &f->err), 0);
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 1);
	assert_int_equal(f->reader.type, GUEST_SIGNAL);
	assert_int_equal(f->reader.length, 9);
	assert_memory_equal(f->reader.payload, payload.data, 9);
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 0);
}

static void bytes_that_arrive_one_by_one_make_a_frame(void **state)
{
	struct fixture *f = *state;
	cleanup_strbuf struct strbuf payload = STRBUF_INIT, frame = STRBUF_INIT;

	wire_put_string(&payload, "hello");
	guest_frame_put(&frame, GUEST_EXEC, &payload);
	guest_frame_put(&frame, GUEST_SHUTDOWN, NULL);
	for (size_t i = 0; i < frame.length - 8; i++) {
		assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 0);
		put(f, frame.data + i, 1);
	}
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 1);
	assert_int_equal(f->reader.type, GUEST_EXEC);
	assert_int_equal(f->reader.length, payload.length);
	assert_memory_equal(f->reader.payload, payload.data, payload.length);
	put(f, frame.data + frame.length - 8, 8);
	while (guest_frame_read(&f->reader, f->near, &f->err) == 0)
		;
	assert_int_equal(f->reader.type, GUEST_SHUTDOWN);
	assert_int_equal(f->reader.length, 0);
}

static void burst_of_frames_is_handed_out_one_by_one(void **state)
{
	struct fixture *f = *state;
	cleanup_strbuf struct strbuf burst = STRBUF_INIT;

	for (uint32_t i = 0; i < 3000; i++) {
		cleanup_strbuf struct strbuf payload = STRBUF_INIT;

		wire_put_u32(&payload, i);
		guest_frame_put(&burst, GUEST_START, &payload);
	}
	put(f, burst.data, burst.length);
	for (uint32_t i = 0; i < 3000; i++) {
		struct wire_reader in;

		/* 0 in between: a short read; what is there is found by the next call. */
		while (guest_frame_read(&f->reader, f->near, &f->err) == 0)
			;
		assert_int_equal(f->reader.type, GUEST_START);
		in = (struct wire_reader){ .next = f->reader.payload, .left = f->reader.length };
		assert_int_equal(wire_get_u32(&in), i);
		assert_true(wire_reader_ok(&in));
	}
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 0);
}

static void *send_large(void *argument)
{
	struct fixture *f = argument;
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	struct error err;
	unsigned char block[1000];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (unsigned char)(i * 13);
	for (int i = 0; i < 5000; i++)
		strbuf_append(&payload, block, sizeof(block));
	return (void *)(intptr_t)guest_frame_send(f->far, GUEST_CREATE, &payload, &err);
}

static void large_frame_passes_a_small_socket(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *result;

	/* A non-blocking sender waits for room. */
	assert_int_equal(fcntl(f->far, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&thread, NULL, send_large, f), 0);
	while (guest_frame_read(&f->reader, f->near, &f->err) == 0)
		;
	assert_int_equal(f->reader.type, GUEST_CREATE);
	assert_int_equal(f->reader.length, 5000000);
	for (size_t i = 0; i < 5000000; i++)
		assert_int_equal(f->reader.payload[i], (unsigned char)(i % 1000 * 13));
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
}

static void frame_that_is_too_long_is_refused_unread(void **state)
{
	struct fixture *f = *state;
	uint32_t header[2] = { GUEST_FRAME_MAX + 1, GUEST_CREATE };

	put(f, header, sizeof(header));
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), -EPROTO);
	assert_non_null(strstr(f->err.message, "longer than"));
	assert_true(f->reader.capacity < 1U << 20);
}

static void announced_length_alone_takes_no_memory(void **state)
{
	struct fixture *f = *state;
	uint32_t header[2] = { GUEST_FRAME_MAX, GUEST_CREATE };

	put(f, header, sizeof(header));
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 0);
	assert_true(f->reader.capacity < 1U << 20);
}

static void payload_that_is_too_long_is_not_sent(void **state)
{
	struct fixture *f = *state;
	char byte;
	struct strbuf payload = { .data = &byte, .length = (size_t)GUEST_FRAME_MAX + 1 };

	assert_int_equal(guest_frame_send(f->far, GUEST_CREATE, &payload, &f->err), -EMSGSIZE);
}

static void end_of_stream_is_told_from_an_end_inside_a_frame(void **state)
{
	struct fixture *f = *state;

	put(f, "abc", 3);
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), 0);
	close_fd(&f->far);
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), -EPIPE);
	assert_non_null(strstr(f->err.message, "inside a frame"));
}

static void peer_that_is_gone_is_an_error_not_a_signal(void **state)
{
	struct fixture *f = *state;

	close_fd(&f->far);
	assert_int_equal(guest_frame_read(&f->reader, f->near, &f->err), -EPIPE);
	assert_int_equal(f->err.code, EPIPE);
	assert_int_equal(guest_frame_send(f->near, GUEST_HELLO, NULL, &f->err), -EPIPE);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(frame_that_was_sent_arrives),
		test(bytes_that_arrive_one_by_one_make_a_frame),
		test(burst_of_frames_is_handed_out_one_by_one),
		test(large_frame_passes_a_small_socket),
		test(frame_that_is_too_long_is_refused_unread),
		test(announced_length_alone_takes_no_memory),
		test(payload_that_is_too_long_is_not_sent),
		test(end_of_stream_is_told_from_an_end_inside_a_frame),
		test(peer_that_is_gone_is_an_error_not_a_signal),
	};

	return cmocka_run_group_tests_name("guest_protocol", tests, NULL, NULL);
}
