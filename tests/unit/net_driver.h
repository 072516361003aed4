/* SPDX-License-Identifier: Apache-2.0 */
/* A network driver on plain buffers, for tests: receive buffers, frames offered and taken. */
#ifndef DUET_TESTS_NET_DRIVER_H
#define DUET_TESTS_NET_DRIVER_H

#include <linux/virtio_net.h>

#include "base/cleanup.h"
#include "microvm/devices/net.h"
#include "virtio_driver.h"

#define RECEIVE       0
#define TRANSMIT      1
#define HEADER        sizeof(struct virtio_net_hdr_v1)
#define BUFFER_BYTES  2048U
#define RECEIVE_AT(i) (VIRTIO_DRIVER_DATA + (i) * (uint64_t)BUFFER_BYTES)
#define TRANSMIT_AT   (VIRTIO_DRIVER_DATA + 0x100000ULL)
#define RUN_MS        20
#define ROUNDS        1000
#define FRAME_MAX     (65535 + 18)
#define MERGEABLE     (1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define OFFLOADS                                                                                        \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_CSUM | \
		1ULL << VIRTIO_NET_F_GUEST_TSO4)

struct fixture {
	struct virtio_driver *driver;
	struct net *net;
	int peer; /* the other end of the stream socket */
};

static inline struct fixture *make(enum net_kind kind, int fd, int peer)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct net_options options = { .kind = kind, .fd = fd, .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500 };
	struct error err;

	f->driver = virtio_driver_new();
	f->peer = peer;
	assert_int_equal(net_create(&f->net, &options, &f->driver->loop, &err), 0);
	virtio_driver_attach(f->driver, net_device(f->net));
	return f;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	net_destroy(f->net);
	virtio_driver_free(f->driver);
	close_fd(&f->peer);
	free(f);
	return 0;
}

static inline void offer_buffers(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct virtio_piece piece = { RECEIVE_AT(i), BUFFER_BYTES, true };

		(void)virtio_driver_offer(f->driver, RECEIVE, &piece, 1);
	}
}

/* The driver is up, as the transport tells it: a kick of each queue. */
static inline void start(struct fixture *f, uint64_t features, unsigned buffers)
{
	assert_int_equal(virtio_driver_activate(f->driver, features), 0);
	offer_buffers(f, buffers);
	assert_int_equal(virtio_driver_kick(f->driver, RECEIVE), 0);
	assert_int_equal(virtio_driver_kick(f->driver, TRANSMIT), 0);
}

static inline void fill_frame(unsigned char *frame, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		frame[i] = (unsigned char)(i * 7 + seed);
}

/* Takes a frame as a driver does: the header says how many buffers it lies in. Returns its length. */
static inline size_t take_frame(struct fixture *f, unsigned char *frame, unsigned *buffers)
{
	struct virtio_net_hdr_v1 header;
	uint32_t written;
	size_t length = 0;
	uint16_t head;

	if (!virtio_driver_take(f->driver, RECEIVE, &head, &written))
		return 0;
	memcpy(&header, f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr, sizeof(header));
	*buffers = header.num_buffers;
	for (unsigned i = 0;; i++) {
		const unsigned char *data = f->driver->bytes + f->driver->descriptors[RECEIVE][head].addr;
		size_t skip = i == 0 ? sizeof(header) : 0;

		memcpy(frame + length, data + skip, written - skip);
		length += written - skip;
		if (i + 1 == header.num_buffers)
			return length;
		assert_true(virtio_driver_take(f->driver, RECEIVE, &head, &written));
	}
}

/* Offers a frame for transmission, header and data in pieces of `piece` bytes. */
static inline void offer_frame(struct fixture *f, const struct virtio_net_hdr_v1 *header, const unsigned char *frame,
	size_t length, size_t piece)
{
	struct virtio_piece pieces[VIRTIO_DRIVER_QUEUE];
	size_t total = sizeof(*header) + length, offset = 0;
	unsigned count = 0;

	memcpy(f->driver->bytes + TRANSMIT_AT, header, sizeof(*header));
	memcpy(f->driver->bytes + TRANSMIT_AT + sizeof(*header), frame, length);
	while (offset < total) {
		size_t part = total - offset < piece ? total - offset : piece;

		pieces[count++] = (struct virtio_piece){ TRANSMIT_AT + offset, (uint32_t)part, false };
		offset += part;
	}
	(void)virtio_driver_offer(f->driver, TRANSMIT, pieces, count);
}

static const struct virtio_net_hdr_v1 plain;

#endif
