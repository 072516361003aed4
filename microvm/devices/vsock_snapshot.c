/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "microvm/devices/vsock_internal.h"

void vsock_hold_request(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	uint64_t one = 1;

	vsock->held_request = true;
	vsock->held_guest_port = header->src_port;
	vsock->held_allocated = header->buf_alloc;
	vsock->held_forwarded = header->fwd_cnt;
	(void)!write(vsock->held_event_fd, &one, sizeof(one));
}

void vsock_hold(struct vsock *vsock, uint32_t port, int event_fd)
{
	(void)pthread_mutex_lock(&vsock->device.lock);
	vsock->held_port = port;
	vsock->held_event_fd = event_fd;
	(void)pthread_mutex_unlock(&vsock->device.lock);
}

void vsock_release(struct vsock *vsock)
{
	(void)pthread_mutex_lock(&vsock->device.lock);
	vsock->held_released = true;
	vsock_wake(vsock);
	(void)pthread_mutex_unlock(&vsock->device.lock);
}

void vsock_answer_held(struct vsock *vsock)
{
	struct vsock_connection *connection = vsock_find(vsock, vsock->held_port);

	if (!vsock->held_released)
		return;
	if (vsock->held_request && connection && connection->state == VSOCK_LISTENING) {
		vsock_connection_accept(connection, vsock->held_guest_port);
		vsock_connection_credit(connection, vsock->held_allocated, vsock->held_forwarded);
		vsock_queue_turn(connection);
	}
	vsock->held_port = 0;
	vsock->held_request = vsock->held_released = false;
}

int vsock_save(struct vsock *vsock, struct strbuf *out, struct error *err)
{
	int result = 0;

	for (unsigned i = 0; i < VSOCK_BUCKETS && result == 0; i++) {
		for (const struct vsock_connection *at = vsock->ports[i]; at; at = at->next) {
			if (at->state != VSOCK_LISTENING)
				result = -EBUSY;
		}
	}
	wire_put_u8(out, vsock->held_request);
	wire_put_u32(out, vsock->held_port);
	wire_put_u32(out, vsock->held_guest_port);
	wire_put_u32(out, vsock->held_allocated);
	wire_put_u32(out, vsock->held_forwarded);
	return result < 0 ? error_set(err, -result, "save the vsock device: it has connections") : 0;
}

int vsock_restore(struct vsock *vsock, struct wire_reader *in, struct error *err)
{
	(void)pthread_mutex_lock(&vsock->device.lock);
	vsock->held_request = wire_get_u8(in);
	vsock->held_port = wire_get_u32(in);
	vsock->held_guest_port = wire_get_u32(in);
	vsock->held_allocated = wire_get_u32(in);
	vsock->held_forwarded = wire_get_u32(in);
	(void)pthread_mutex_unlock(&vsock->device.lock);
	return in->failed ? error_set(err, -EINVAL, "restore the vsock device: the state is damaged") : 0;
}
