/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream socket as a back end: each frame behind its length, 4 bytes, big endian (QEMU's `-netdev stream`, passt(1)).
 * No virtio header crosses it. The peer is as little trusted as the guest.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "microvm/devices/net_internal.h"

#define LENGTH_BYTES sizeof(uint32_t)
/* Several frames for a read. */
#define RECEIVED_BYTES_MAX (2 * (LENGTH_BYTES + NET_FRAME_BYTES_MAX))

struct stream {
	struct net_backend backend;
	/* The end of the last frame sent, which the socket had no room for. */
	unsigned char unsent[LENGTH_BYTES + NET_FRAME_BYTES_MAX];
	size_t unsent_start, unsent_end;
	/* Received and not taken yet. */
	unsigned char received[RECEIVED_BYTES_MAX];
	size_t received_start, received_end;
};

static int stream_start(struct net_backend *backend, uint64_t features)
{
	(void)backend;
	(void)features;
	return 0;
}

static void stream_flush(struct net_backend *backend)
{
	struct stream *stream = (struct stream *)backend;

	while (stream->unsent_start < stream->unsent_end) {
		ssize_t done = send(backend->fd, stream->unsent + stream->unsent_start,
			stream->unsent_end - stream->unsent_start, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN)
			return;
		/* Gone: the receiving side will find out. */
		if (done <= 0)
			break;
		stream->unsent_start += (size_t)done;
	}
	stream->unsent_start = stream->unsent_end = 0;
	backend->unsent = false;
}

/* What follows the first `sent` bytes of a frame has to follow, whatever the guest does with its memory meanwhile. */
static void keep_rest(struct stream *stream, const struct iovec *vectors, unsigned count, size_t sent)
{
	for (unsigned i = 0; i < count; i++) {
		size_t skip = sent < vectors[i].iov_len ? sent : vectors[i].iov_len;

		sent -= skip;
		memcpy(stream->unsent + stream->unsent_end, (const char *)vectors[i].iov_base + skip,
			vectors[i].iov_len - skip);
		stream->unsent_end += vectors[i].iov_len - skip;
	}
	stream->backend.unsent = true;
}

static int stream_send(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t bytes)
{
	struct stream *stream = (struct stream *)backend;
	uint32_t length = htonl((uint32_t)(bytes - NET_HEADER_BYTES));
	struct iovec framed[VIRTQUEUE_SIZE_MAX + 1];
	struct msghdr message = { .msg_iov = framed, .msg_iovlen = count };
	ssize_t done;

	if (backend->unsent)
		return -EAGAIN;
	/* In the place of the virtio header, which is the first vector. */
	framed[0] = (struct iovec){ .iov_base = &length, .iov_len = sizeof(length) };
	memcpy(framed + 1, vectors + 1, (count - 1) * sizeof(*framed));
	do
		done = sendmsg(backend->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return -errno;
	if ((size_t)done < LENGTH_BYTES + bytes - NET_HEADER_BYTES)
		keep_rest(stream, framed, count, (size_t)done);
	return 0;
}

/* The length of the frame that has arrived whole; 0: none; -EPROTO. */
static ssize_t whole_frame(const struct stream *stream)
{
	size_t there = stream->received_end - stream->received_start;
	uint32_t length;

	if (there < LENGTH_BYTES)
		return 0;
	memcpy(&length, stream->received + stream->received_start, sizeof(length));
	length = ntohl(length);
	if (length < ETH_HLEN || length > NET_FRAME_BYTES_MAX)
		return -EPROTO;
	return there - LENGTH_BYTES < length ? 0 : (ssize_t)length;
}

static int read_more(struct stream *stream)
{
	ssize_t got;

	memmove(stream->received, stream->received + stream->received_start,
		stream->received_end - stream->received_start);
	stream->received_end -= stream->received_start;
	stream->received_start = 0;
	do
		got = recv(stream->backend.fd, stream->received + stream->received_end,
			sizeof(stream->received) - stream->received_end, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got < 0 ? -errno : -EPIPE;
	stream->received_end += (size_t)got;
	return 0;
}

static void scatter(const struct iovec *vectors, unsigned count, const void *data, size_t length, size_t offset)
{
	const char *next = data;

	for (unsigned i = 0; i < count && length; i++) {
		size_t skip = offset < vectors[i].iov_len ? offset : vectors[i].iov_len;
		size_t part = vectors[i].iov_len - skip;

		offset -= skip;
		if (part > length)
			part = length;
		memcpy((char *)vectors[i].iov_base + skip, next, part);
		next += part;
		length -= part;
	}
}

static ssize_t stream_receive(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t room)
{
	static const struct virtio_net_hdr_v1 no_offloads;
	struct stream *stream = (struct stream *)backend;
	ssize_t length = whole_frame(stream);
	const unsigned char *frame;

	if (length == 0) {
		int result = read_more(stream);

		if (result < 0)
			return result;
		length = whole_frame(stream);
	}
	if (length <= 0)
		return length ? length : -EAGAIN;
	frame = stream->received + stream->received_start + LENGTH_BYTES;
	stream->received_start += LENGTH_BYTES + (size_t)length;
	backend->pending = whole_frame(stream) != 0;
	if (NET_HEADER_BYTES + (size_t)length > room)
		return -EMSGSIZE;
	scatter(vectors, count, &no_offloads, sizeof(no_offloads), 0);
	scatter(vectors, count, frame, (size_t)length, sizeof(no_offloads));
	return (ssize_t)NET_HEADER_BYTES + length;
}

static void stream_destroy(struct net_backend *backend)
{
	close_fd(&backend->fd);
	free(backend);
}

static const struct net_backend_ops stream_ops = { .start = stream_start,
	.send = stream_send,
	.flush = stream_flush,
	.receive = stream_receive,
	.destroy = stream_destroy };

int net_stream_create(struct net_backend **backend, int fd, struct error *err)
{
	struct stream *stream;
	int type;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return error_set(err, errno, "use a descriptor as a socket for network frames");
	if (type != SOCK_STREAM)
		return error_set(err, -EINVAL, "a socket for network frames must be a stream socket");
	stream = xcalloc(1, sizeof(*stream));
	stream->backend = (struct net_backend){ .ops = &stream_ops, .fd = fd };
	*backend = &stream->backend;
	return 0;
}
