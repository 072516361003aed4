/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2, 5.10), served in the process: no vhost module, no context id shared with the rest of the
 * host.
 *
 * Host side of a connection = descriptors. The guest (CID 3) connects to the host (CID 2) on a port that was
 * registered with vsock_listen(); each port takes one connection. Bytes read from read_fd go to the guest, bytes from
 * the guest go to write_fd. End of file on read_fd becomes SHUTDOWN(SEND) towards the guest; the guest's SHUTDOWN(SEND)
 * closes write_fd after everything has been written; a write_fd whose reader is gone (EPIPE, or any other error) ends
 * that direction: RST when nothing is left to be sent to the guest, else SHUTDOWN(RCV). Either fd may be -1 (nothing
 * ever comes, not even an end of file; or what comes is dropped). A port without a listener, a wrong CID, an unknown
 * type: RST. Credit: 64 KiB buffered per connection towards write_fd; a slow reader stalls its own stream only.
 *
 * The descriptors may be blocking ones that are shared with other processes (the caller's terminal): their flags are
 * never changed, and no operation on them waits.
 */
#ifndef DUET_MICROVM_DEVICES_VSOCK_H
#define DUET_MICROVM_DEVICES_VSOCK_H

#include "base/wire.h"
#include "microvm/devices/virtio.h"

#define VSOCK_CID_HOST  2
#define VSOCK_CID_GUEST 3
#define VSOCK_PORTS_MAX 4096

struct vsock;

/* Makes the device; its kicks and descriptors are served by loop, whose thread gets SIGPIPE blocked. Returns 0 or a
 * negative errno. */
int vsock_create(struct vsock **vsock, struct event_loop *loop, struct error *err);
struct virtio_device *vsock_device(struct vsock *vsock);

struct vsock_port {
	uint32_t port;
	int read_fd, write_fd; /* owned by the device from now on; may be the same descriptor (a socket) */
	int finished_fd; /* eventfd, written once when the guest's last byte has reached write_fd, or nothing can come
			    any more (reset, write_fd failed, unlisten); -1: nobody asks. Stays the caller's. */
	uint32_t guest_port_max; /* connections from higher ports of the guest's are not answered; 0: all are */
	bool opens_nothing; /* the caller may not open files (any more) and has made terminals non-blocking open files
			       of their own */
};

/* From any thread, before or while the guest runs. -EADDRINUSE: the port has a listener or a connection. On failure the
 * descriptors stay the caller's. */
int vsock_listen(struct vsock *vsock, const struct vsock_port *port, struct error *err);
/* Forgets a listener or resets a connection; what has not reached write_fd is lost. The port is free at once,
 * finished_fd has been written on return, the descriptors are closed by the loop shortly after. From any thread. */
void vsock_unlisten(struct vsock *vsock, uint32_t port);
/*
 * Snapshots. A port that is held does not answer the guest's first connection: event_fd (stays the caller's) is written
 * when the request has come, and vsock_release() answers it. In between the device has no connection at all and can be
 * saved, and the request is answered in every machine that continues from there.
 */
void vsock_hold(struct vsock *vsock, uint32_t port, int event_fd);
void vsock_release(struct vsock *vsock);
/* With the device held (mmio.h), and the loop (event_loop_hold()). Connections are saved with what has come from the
 * guest and is on its way to write_fd; what waits in read_fd is not. */
void vsock_save(struct vsock *vsock, struct strbuf *out);
/* Whether bytes are under way on a connection whose descriptors are sockets, in either direction. The loop is held. */
bool vsock_has_input(struct vsock *vsock, uint32_t port);
/* The port that was held is held again, its request has come. Each connection goes on with the descriptors of the
 * vsock_listen() for its port that follows; the others are reset by vsock_reset_saved(). */
int vsock_restore(struct vsock *vsock, struct wire_reader *in, struct error *err);
void vsock_reset_saved(struct vsock *vsock);

/* After the loop has stopped. */
void vsock_destroy(struct vsock *vsock);

#endif
