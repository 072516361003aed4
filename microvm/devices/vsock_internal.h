/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's own data, for vsock.c and vsock_snapshot.c.
 */
#ifndef DUET_MICROVM_DEVICES_VSOCK_INTERNAL_H
#define DUET_MICROVM_DEVICES_VSOCK_INTERNAL_H

#include "microvm/devices/vsock.h"
#include "microvm/devices/vsock_connection.h"

#define VSOCK_BUCKETS    64 /* connections by host port; a power of two */
#define VSOCK_RESETS_MAX 256

struct vsock_reset {
	uint64_t from_cid;
	uint32_t from_port, to_port;
	uint16_t type;
};

struct vsock {
	struct virtio_device device;
	struct virtio_vsock_config config;
	struct event_watch
		wake; /* eventfd: something to do that came from another thread, or was left for the next round */
	bool active, sigpipe_blocked;
	struct vsock_connection *ports[VSOCK_BUCKETS];
	unsigned port_count;
	struct vsock_connection *turn_first, *turn_last;
	struct vsock_connection *dead;
	/* RST for what has no connection (any more). Bounded: with so many outstanding the guest is not reading them
	 * anyway. */
	struct vsock_reset resets[VSOCK_RESETS_MAX];
	unsigned reset_first, reset_count;
	/* vsock_hold(): port 0: none; the request, once it has come. */
	uint32_t held_port;
	int held_event_fd;
	bool held_request, held_released;
	uint32_t held_guest_port, held_allocated, held_forwarded;
	struct vsock_saved *saved; /* vsock_restore(): connections that wait for a host's end */
	unsigned tx_untold;
	size_t tx_untold_bytes;
	struct virtqueue_chain chain; /* of the loop's thread */
};

/* A connection of the machine that was saved, until its port is listened on again. */
struct vsock_saved {
	struct vsock_saved *next;
	uint32_t host_port, guest_port;
	uint32_t forwarded, forwarded_told, sent, peer_allocated, peer_forwarded, pending, shutdown_flags;
	bool has_input, has_output, guest_finished, guest_deaf;
	void *waiting; /* what has come from the guest and waits for write_fd */
	size_t waiting_bytes;
};

/* All with device.lock held. */
struct vsock_connection *vsock_find(struct vsock *vsock, uint32_t host_port);
/* The loop looks at everything again. */
void vsock_wake(struct vsock *vsock);
/* The first connection to the port that is held: it is answered later. */
void vsock_hold_request(struct vsock *vsock, const struct virtio_vsock_hdr *header);
/* On the loop's thread: answers it once it was released. */
void vsock_answer_held(struct vsock *vsock);
/* Sends a RST, when the guest takes one. */
void vsock_queue_reset(struct vsock *vsock, const struct vsock_reset *reset);
/* A new connection goes on as the one that was saved for its port, if there is one. */
void vsock_adopt_saved(struct vsock *vsock, struct vsock_connection *connection);
void vsock_free_saved(struct vsock *vsock);

#endif
