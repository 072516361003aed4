/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "base/alloc.h"
#include "microvm/devices/vsock_internal.h"

void vsock_hold_request(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	uint64_t one = 1;
	bool first = !vsock->held_request;

	vsock->held_request = true;
	vsock->held_guest_port = header->src_port;
	vsock->held_allocated = header->buf_alloc;
	vsock->held_forwarded = header->fwd_cnt;
	/* Who has heard of it once may have closed the descriptor. */
	if (first)
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

/* ---- saving ---- */

static void put_waiting(const struct vsock_connection *connection, struct strbuf *out)
{
	uint32_t start = connection->buffer_start, used = connection->buffer_used;
	uint32_t first = used < VSOCK_BUFFER_BYTES - start ? used : VSOCK_BUFFER_BYTES - start;
	cleanup_strbuf struct strbuf all = STRBUF_INIT;

	if (used) {
		strbuf_append(&all, connection->buffer + start, first);
		strbuf_append(&all, connection->buffer, used - first);
	}
	wire_put_bytes(out, all.data, all.length);
}

static void put_connection(const struct vsock_connection *connection, struct strbuf *out)
{
	wire_put_u32(out, connection->host_port);
	wire_put_u32(out, connection->guest_port);
	wire_put_u32(out, connection->forwarded);
	wire_put_u32(out, connection->forwarded_told);
	wire_put_u32(out, connection->sent);
	wire_put_u32(out, connection->peer_allocated);
	wire_put_u32(out, connection->peer_forwarded);
	wire_put_u32(out, connection->pending);
	wire_put_u32(out, connection->shutdown_flags);
	wire_put_u8(out, connection->input.descriptor.fd >= 0);
	wire_put_u8(out, connection->output.descriptor.fd >= 0);
	wire_put_u8(out, connection->guest_finished);
	wire_put_u8(out, connection->guest_deaf);
	put_waiting(connection, out);
}

/* RSTs that the guest has had no room for, and connections whose end the guest knows, are forgotten: a machine that
 * goes on from here answers whatever still comes for them by another RST. */
static void put_connections(const struct vsock *vsock, struct strbuf *out)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < VSOCK_BUCKETS; i++) {
		for (const struct vsock_connection *at = vsock->ports[i]; at; at = at->next)
			count += at->state == VSOCK_CONNECTED;
	}
	wire_put_u32(out, count);
	for (unsigned i = 0; i < VSOCK_BUCKETS; i++) {
		for (const struct vsock_connection *at = vsock->ports[i]; at; at = at->next) {
			if (at->state == VSOCK_CONNECTED)
				put_connection(at, out);
		}
	}
}

void vsock_save(struct vsock *vsock, struct strbuf *out)
{
	wire_put_u8(out, vsock->held_request);
	wire_put_u32(out, vsock->held_port);
	wire_put_u32(out, vsock->held_guest_port);
	wire_put_u32(out, vsock->held_allocated);
	wire_put_u32(out, vsock->held_forwarded);
	put_connections(vsock, out);
}

bool vsock_has_input(struct vsock *vsock, uint32_t port)
{
	const struct vsock_connection *connection;
	bool result;

	(void)pthread_mutex_lock(&vsock->device.lock);
	connection = vsock_find(vsock, port);
	result = connection && (connection->buffer_used || vsock_connection_has_input(connection));
	(void)pthread_mutex_unlock(&vsock->device.lock);
	return result;
}

/* ---- going on ---- */

static void free_one(struct vsock_saved *saved)
{
	free(saved->waiting);
	free(saved);
}

void vsock_free_saved(struct vsock *vsock)
{
	while (vsock->saved) {
		struct vsock_saved *saved = vsock->saved;

		vsock->saved = saved->next;
		free_one(saved);
	}
}

static struct vsock_saved *get_connection(struct wire_reader *in)
{
	struct vsock_saved *saved = xcalloc(1, sizeof(*saved));

	saved->host_port = wire_get_u32(in);
	saved->guest_port = wire_get_u32(in);
	saved->forwarded = wire_get_u32(in);
	saved->forwarded_told = wire_get_u32(in);
	saved->sent = wire_get_u32(in);
	saved->peer_allocated = wire_get_u32(in);
	saved->peer_forwarded = wire_get_u32(in);
	saved->pending = wire_get_u32(in);
	saved->shutdown_flags = wire_get_u32(in);
	saved->has_input = wire_get_u8(in);
	saved->has_output = wire_get_u8(in);
	saved->guest_finished = wire_get_u8(in);
	saved->guest_deaf = wire_get_u8(in);
	saved->waiting = wire_get_bytes(in, &saved->waiting_bytes);
	if (saved->waiting_bytes > VSOCK_BUFFER_BYTES)
		in->failed = true;
	return saved;
}

int vsock_restore(struct vsock *vsock, struct wire_reader *in, struct error *err)
{
	uint32_t count;

	(void)pthread_mutex_lock(&vsock->device.lock);
	vsock->held_request = wire_get_u8(in);
	vsock->held_port = wire_get_u32(in);
	vsock->held_guest_port = wire_get_u32(in);
	vsock->held_allocated = wire_get_u32(in);
	vsock->held_forwarded = wire_get_u32(in);
	count = wire_get_count(in, 4);
	for (uint32_t i = 0; i < count && !in->failed; i++) {
		struct vsock_saved *saved = get_connection(in);

		saved->next = vsock->saved;
		vsock->saved = saved;
	}
	(void)pthread_mutex_unlock(&vsock->device.lock);
	return in->failed ? error_set(err, -EINVAL, "restore the vsock device: the state is damaged") : 0;
}

void vsock_adopt_saved(struct vsock *vsock, struct vsock_connection *connection)
{
	struct vsock_saved **place = &vsock->saved;

	while (*place) {
		struct vsock_saved *saved = *place;

		if (saved->host_port != connection->host_port) {
			place = &saved->next;
			continue;
		}
		*place = saved->next;
		vsock_connection_resume(connection, saved);
		free_one(saved);
		return;
	}
}

void vsock_reset_saved(struct vsock *vsock)
{
	(void)pthread_mutex_lock(&vsock->device.lock);
	for (const struct vsock_saved *saved = vsock->saved; saved; saved = saved->next) {
		struct vsock_reset reset = {
			.from_cid = VSOCK_CID_HOST,
			.from_port = saved->host_port,
			.to_port = saved->guest_port,
			.type = VIRTIO_VSOCK_TYPE_STREAM,
		};

		vsock_queue_reset(vsock, &reset);
	}
	vsock_free_saved(vsock);
	vsock_wake(vsock);
	(void)pthread_mutex_unlock(&vsock->device.lock);
}
