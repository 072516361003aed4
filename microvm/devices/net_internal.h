/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the network device share. Private to them.
 */
#ifndef DUET_MICROVM_DEVICES_NET_INTERNAL_H
#define DUET_MICROVM_DEVICES_NET_INTERNAL_H

#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <sys/types.h>

#include "microvm/devices/net.h"

#define NET_HEADER_BYTES sizeof(struct virtio_net_hdr_v1)
/* A VLAN tag is the most that an Ethernet header gets here. */
#define NET_FRAME_OVERHEAD 18
/* The longest frame: one that is still to be cut into segments. */
#define NET_FRAME_BYTES_MAX (65535 + NET_FRAME_OVERHEAD)

/* Where frames go to and come from; called on the loop's thread. A frame has its virtio_net_hdr_v1 in front. */
struct net_backend {
	const struct net_backend_ops *ops;
	int fd;       /* what the loop waits for */
	bool unsent;  /* a frame was taken that the descriptor has not taken whole: flush when it is writable */
	bool pending; /* the next receive() will not need the descriptor */
};

struct net_backend_ops {
	/* The driver has settled the features: VIRTIO_NET_F_* bits. */
	int (*start)(struct net_backend *backend, uint64_t features);
	/* 0: taken. -EAGAIN: not now, wait until the descriptor is writable. Other errors: the frame is lost. */
	int (*send)(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t bytes);
	void (*flush)(struct net_backend *backend);
	/* Puts one frame into the vectors, which hold `room` bytes and one more, by which a frame that is too long is
	 * known, and returns its length; num_buffers is left to the caller. -EAGAIN: there is none now; -EMSGSIZE:
	 * there was one that did not fit, it is lost; other errors: there will be none any more. */
	ssize_t (*receive)(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t room);
	void (*destroy)(struct net_backend *backend);
};

/* The features that a tap offers. */
#define NET_TAP_FEATURES                                                                                            \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |            \
		1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN | 1ULL << VIRTIO_NET_F_HOST_TSO4 | \
		1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN)

int net_tap_create(struct net_backend **backend, int fd, struct error *err);
int net_stream_create(struct net_backend **backend, int fd, struct error *err);

/* Receive buffers that were taken from the driver and hold nothing yet. */
#define NET_WINDOW_VECTORS 512
/* In each direction; then the other descriptors of the loop have their turn. */
#define NET_FRAMES_PER_TURN 64

struct net_buffer {
	uint16_t head;
	uint16_t vectors;
	uint32_t bytes;
};

struct net_window {
	struct net_buffer buffers[VIRTQUEUE_SIZE_MAX];
	struct iovec vectors[NET_WINDOW_VECTORS + VIRTQUEUE_SIZE_MAX + 1];
	unsigned first_buffer, buffer_count; /* those in use follow each other */
	unsigned first_vector, vector_count;
	size_t bytes;
};

struct net {
	struct virtio_device device;
	struct virtio_net_config config;
	struct net_backend *backend;
	struct event_watch watch;
	/* The loop's thread. */
	bool watched;
	uint32_t watched_events;
	/* Under device.lock. */
	bool active;  /* between activate() and reset() */
	bool started; /* the back end knows the features */
	bool lost;    /* the back end is gone: nothing comes from there, what is sent is dropped */
	bool receive_starved, transmit_blocked;
	struct net_window window;
	struct virtqueue_chain chain;
};

enum net_queue { NET_QUEUE_RECEIVE, NET_QUEUE_TRANSMIT, NET_QUEUES };

static inline bool net_agreed(const struct net *net, unsigned feature)
{
	return net->device.features_agreed & 1ULL << feature;
}

/* Takes frames from the back end until it has no more, the driver has no more buffers (sets receive_starved), or a turn
 * is over. 0, or -EPROTO. */
int net_receive(struct net *net);
/* Forgets the buffers that were taken. */
void net_receive_reset(struct net *net);

#endif
