/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target for the vsock device: the input is a sequence of steps of a guest that may do anything and of a host
 * that opens, reads, writes and closes its ends. Nothing may be touched outside the buffer that is the guest's memory,
 * and nothing may wait.
 *
 * libFuzzer: -max_len=4096
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/vsock_driver.h"
#include "input.h"

#define PORTS      4
#define FIRST_PORT 2048U
#define STEPS_MAX  400

struct host_port {
	int read_end, write_end; /* the host's: reads what the guest sent, writes what the guest gets */
};

static void send_packet(struct driver *d, struct input *in)
{
	static const unsigned char payload[65536 + 8];
	uint32_t odd = take(in, 1), length = take(in, 2) + (odd & 1 ? take(in, 1) : 0);
	struct virtio_vsock_hdr header = driver_header(FIRST_PORT + take(in, 1) % (PORTS + 1), take(in, 1) % 9, length);

	header.src_port = DRIVER_GUEST_PORT + (odd >> 6);
	if (odd & 2)
		header.len = take(in, 4);
	if (odd & 4)
		header.flags = take(in, 1);
	if (odd & 8)
		header.buf_alloc = take(in, 4);
	if (odd & 16)
		header.fwd_cnt = take(in, 4);
	if (odd & 32) {
		header.type = (uint16_t)take(in, 1);
		header.dst_cid = take(in, 1);
		header.src_cid = take(in, 1);
	}
	(void)driver_send_raw(
		d, &header, payload, length < sizeof(payload) ? length : sizeof(payload), 1100 + take(in, 2));
}

static void offer_buffer(struct driver *d, struct input *in)
{
	uint16_t index = (uint16_t)(take(in, 1) % DRIVER_QUEUE);

	driver_offer_rx(d, index);
	d->descriptors[0][index].len = take(in, 2);
	d->descriptors[0][index].flags = (uint16_t)(take(in, 1) % 8);
	d->descriptors[0][index].next = (uint16_t)take(in, 1);
	(void)driver_kick(d, 0);
}

static void scribble(struct driver *d, struct input *in)
{
	uint64_t place = DRIVER_RING(take(in, 1) % 3) + take(in, 2) % 0x3000;

	d->bytes[place] = (unsigned char)take(in, 1);
	(void)driver_kick(d, take(in, 1) % 3);
}

static void open_port(struct driver *d, struct input *in, struct host_port ports[PORTS])
{
	unsigned index = take(in, 1) % PORTS, kind = take(in, 1);
	int to_guest[2] = { -1, -1 }, from_guest[2] = { -1, -1 };
	struct vsock_port port = { .port = FIRST_PORT + index, .read_fd = -1, .write_fd = -1, .finished_fd = -1 };
	struct error err;

	if (kind & 1) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_guest))
			return;
		from_guest[0] = to_guest[1];
		port.read_fd = port.write_fd = to_guest[0];
	} else {
		if (kind & 2 && !pipe2(to_guest, O_CLOEXEC))
			port.read_fd = to_guest[0];
		if (kind & 4 && !pipe2(from_guest, O_CLOEXEC))
			port.write_fd = from_guest[1];
	}
	if (vsock_listen(d->vsock, &port, &err)) {
		for (int i = 0; i < 2; i++) {
			close_fd(&to_guest[i]);
			if (!(kind & 1))
				close_fd(&from_guest[i]);
		}
		return;
	}
	close_fd(&ports[index].write_end);
	if (!(kind & 1))
		close_fd(&ports[index].read_end);
	ports[index] = (struct host_port){ .read_end = kind & 1 ? dup(from_guest[0]) : from_guest[0],
		.write_end = to_guest[1] };
	(void)fcntl(ports[index].read_end, F_SETFL, O_NONBLOCK);
	(void)fcntl(ports[index].write_end, F_SETFL, O_NONBLOCK);
}

static void use_port(struct input *in, struct host_port ports[PORTS])
{
	struct host_port *port = &ports[take(in, 1) % PORTS];
	static char block[70000];
	size_t length = take(in, 2);

	switch (take(in, 1) % 4) {
	case 0:
		(void)!write(port->write_end, block, length);
		break;
	case 1:
		(void)!read(port->read_end, block, length);
		break;
	case 2:
		close_fd(&port->write_end);
		break;
	default:
		close_fd(&port->read_end);
		break;
	}
}

static void step(struct driver *d, struct input *in, struct host_port ports[PORTS])
{
	switch (take(in, 1) % 8) {
	case 0:
	case 1:
		send_packet(d, in);
		break;
	case 2:
		offer_buffer(d, in);
		break;
	case 3:
		scribble(d, in);
		break;
	case 4:
		open_port(d, in, ports);
		break;
	case 5:
		use_port(in, ports);
		break;
	case 6:
		vsock_unlisten(d->vsock, FIRST_PORT + take(in, 1) % PORTS);
		break;
	default:
		pthread_mutex_lock(&d->device->lock);
		d->device->ops->reset(d->device);
		pthread_mutex_unlock(&d->device->lock);
		driver_activate(d);
		break;
	}
}

/* A few rounds at most: a host end that is always ready keeps the loop busy for as long as it is run. */
static void run_some(struct driver *d)
{
	struct epoll_event event;

	for (int i = 0; i < 8 && epoll_wait(d->loop.epoll_fd, &event, 1, 0) > 0; i++) {
		struct event_watch *watch = event.data.ptr;

		if (watch)
			watch->ready(watch, event.events);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct host_port ports[PORTS];
	struct driver *d = driver_new();

	(void)signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < PORTS; i++)
		ports[i] = (struct host_port){ .read_end = -1, .write_end = -1 };
	driver_activate(d);
	for (unsigned i = 0; i < STEPS_MAX && in.left; i++) {
		struct driver_packet packet;

		step(d, &in, ports);
		run_some(d);
		while (driver_receive(d, &packet))
			;
	}
	driver_free(d);
	for (unsigned i = 0; i < PORTS; i++) {
		close_fd(&ports[i].read_end);
		close_fd(&ports[i].write_end);
	}
	return 0;
}
