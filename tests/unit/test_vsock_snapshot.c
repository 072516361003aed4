/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of a machine that was saved go on in another one, with descriptors of their own. */
#include "vsock_test.h"

#include <sys/mman.h>

/* A connection of which 6 bytes wait for room on the host, as bytes. */
static struct strbuf saved_connection(struct driver *d)
{
	struct strbuf state = STRBUF_INIT;
	int ends[2];

	open_pipe(ends);
	fill_pipe(ends[1]);
	listen_on(d, PORT, -1, ends[1], -1);
	connect_to(d, PORT);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "before", 6), 0);
	vsock_save(d->vsock, &state);
	close(ends[0]);
	return state;
}

static struct driver *another(const struct strbuf *state)
{
	struct wire_reader in = { .next = (const unsigned char *)state->data, .left = state->length };
	struct driver *d = driver_new();
	struct error err;

	driver_activate(d);
	assert_int_equal(vsock_restore(d->vsock, &in, &err), 0);
	assert_true(wire_reader_ok(&in));
	return d;
}

static void goes_on_into_a_file(void **state)
{
	struct strbuf saved = saved_connection(*state);
	struct driver *d = another(&saved);
	int fd = memfd_create("output", MFD_CLOEXEC);
	char text[32] = { 0 };

	listen_on(d, PORT, -1, fcntl(fd, F_DUPFD_CLOEXEC, 3), -1);
	vsock_reset_saved(d->vsock);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, " after", 6), 0);
	driver_run(d, RUN_MS);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 12);
	assert_string_equal(text, "before after");
	close(fd);
	driver_free(d);
	strbuf_free(&saved);
}

static void goes_on_into_a_pipe_and_from_one(void **state)
{
	struct strbuf saved = saved_connection(*state);
	struct driver *d = another(&saved);
	struct driver_packet packet;
	char text[32] = { 0 };
	int output[2];

	open_pipe(output);
	listen_on(d, PORT, -1, output[1], -1);
	driver_run(d, RUN_MS);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, " after", 6), 0);
	driver_run(d, RUN_MS);
	assert_int_equal(read(output[0], text, sizeof(text)), 12);
	assert_string_equal(text, "before after");
	/* Nobody reads any more. */
	close(output[0]);
	assert_int_equal(driver_send(d, PORT, VIRTIO_VSOCK_OP_RW, "x", 1), 0);
	packet = expect(d, VIRTIO_VSOCK_OP_RST);
	(void)packet;
	driver_free(d);
	strbuf_free(&saved);
}

static void is_reset_where_nobody_takes_it_over(void **state)
{
	struct strbuf saved = saved_connection(*state);
	struct driver *d = another(&saved);

	vsock_reset_saved(d->vsock);
	(void)expect(d, VIRTIO_VSOCK_OP_RST);
	driver_free(d);
	strbuf_free(&saved);
}

static void damage_is_refused(void **state)
{
	struct strbuf saved = saved_connection(*state);
	struct error err;

	for (size_t length = 0; length < saved.length; length++) {
		struct wire_reader in = { .next = (const unsigned char *)saved.data, .left = length };
		struct driver *d = driver_new();

		driver_activate(d);
		assert_true(vsock_restore(d->vsock, &in, &err) < 0);
		driver_free(d);
	}
	strbuf_free(&saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_on_into_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goes_on_into_a_pipe_and_from_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_reset_where_nobody_takes_it_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
