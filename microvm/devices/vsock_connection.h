/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One vsock connection: what has come from the guest and waits for write_fd, what the guest has room for, and which end
 * has closed what. Private to the vsock device: vsock.c keeps the connections and talks to the queues.
 *
 * Every function is called with the device's lock held; those marked "loop" only on the thread of the event loop.
 */
#ifndef DUET_MICROVM_DEVICES_VSOCK_CONNECTION_H
#define DUET_MICROVM_DEVICES_VSOCK_CONNECTION_H

#include <linux/virtio_vsock.h>

#include "microvm/devices/virtqueue.h"
#include "microvm/devices/vsock.h"
#include "microvm/devices/vsock_descriptor.h"

#define VSOCK_BUFFER_BYTES 65536U /* towards write_fd; the credit that the guest is given */
#define VSOCK_PACKET_BYTES 65536U /* longest payload of one packet, what Linux sends at most */

enum vsock_connection_state {
	VSOCK_LISTENING,
	VSOCK_CONNECTED,
	VSOCK_DRAINING, /* the guest's end is gone; what is buffered still goes to write_fd */
	VSOCK_DEAD,     /* out of the table; the loop's thread closes and frees it */
};

/* Control packets that wait for room in the guest's receive queue: flags, so that there is nothing to overflow. */
enum vsock_pending {
	VSOCK_PENDING_RESPONSE = 1,
	VSOCK_PENDING_SHUTDOWN = 2,
	VSOCK_PENDING_CREDIT = 4,
};

struct vsock_end {
	struct vsock_descriptor descriptor;
	struct event_watch watch;
	bool watched; /* known to the event loop */
};

struct vsock_connection {
	struct vsock *vsock;
	struct vsock_connection *next;      /* in its bucket, or in the list of the dead */
	struct vsock_connection *turn_next; /* in the queue of those that have something for the guest */
	bool in_turn;
	enum vsock_connection_state state;
	uint32_t host_port, guest_port;
	uint32_t guest_port_max;        /* see struct vsock_port */
	struct vsock_end input, output; /* read_fd, write_fd */
	bool input_ready; /* a read may find something: it has not answered -EAGAIN since it was readable */
	int finished_fd;

	/* Guest to host. Counters of bytes wrap, as the protocol has it. */
	unsigned char *buffer;
	uint32_t buffer_start, buffer_used;
	uint32_t forwarded, forwarded_told; /* fwd_cnt, and its value in the last packet to the guest */
	bool guest_finished;                /* SHUTDOWN(SEND) has come */
	bool guest_deaf;                    /* SHUTDOWN(RCV) has come */

	/* Host to guest. */
	uint32_t sent, peer_allocated, peer_forwarded;
	unsigned pending;
	uint32_t shutdown_flags; /* what our SHUTDOWN packets have said so far */
};

/* Takes over the port's descriptors on success. */
int vsock_connection_new(struct vsock_connection **connection, struct vsock *vsock, struct vsock_port *port);
void vsock_connection_free(struct vsock_connection *connection); /* loop, or after it */

/* What vsock.c does with a packet for the connection. All loop. */
void vsock_connection_accept(struct vsock_connection *connection, uint32_t guest_port);
void vsock_connection_credit(struct vsock_connection *connection, uint32_t allocated, uint32_t forwarded);
/* Payload of length bytes behind the header of a packet. False: the guest broke the rules, reset the connection. */
bool vsock_connection_receive(struct vsock_connection *connection, const struct virtqueue_chain *chain, size_t length);
void vsock_connection_guest_shutdown(struct vsock_connection *connection, uint32_t flags);
/* RST, or both directions shut down. */
void vsock_connection_guest_gone(struct vsock_connection *connection);

/* Whether it has something for the guest, and its next packet put into the chain: bytes written, 0: nothing after all.
 * Loop. */
bool vsock_connection_wants_turn(const struct vsock_connection *connection);
size_t vsock_connection_fill(struct vsock_connection *connection, const struct virtqueue_chain *chain);

/* What it was when its machine was saved: for vsock_snapshot.c. waiting: bytes that have come from the guest; at most
 * VSOCK_BUFFER_BYTES. From any thread while the loop does not run. */
struct vsock_saved;
void vsock_connection_resume(struct vsock_connection *connection, const struct vsock_saved *saved);
/* Whether bytes are there that would be read for the guest. */
bool vsock_connection_has_input(const struct vsock_connection *connection);

/* Tells whoever asked that nothing more will reach write_fd. Any thread. */
void vsock_connection_signal_finished(struct vsock_connection *connection);

/* vsock.c's services for a connection. */
struct event_loop *vsock_loop(struct vsock *vsock);
void vsock_queue_turn(struct vsock_connection *connection);  /* if it wants one and has none */
void vsock_reset_guest(struct vsock_connection *connection); /* sends RST; loop */
void vsock_bury(struct vsock_connection *connection);        /* out of the table, to be freed */
void vsock_connection_event(struct vsock_connection *connection, void (*handler)(struct vsock_connection *, uint32_t),
	uint32_t events); /* runs the handler under the lock and serves the queues afterwards */

#endif
