/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest_protocol.h"

#include <endian.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HEADER_BYTES         8
#define READER_INITIAL_BYTES 16384

static void frame_header(unsigned char header[HEADER_BYTES], enum guest_message type, size_t length)
{
	uint32_t words[2] = { htole32((uint32_t)length), htole32((uint32_t)type) };

	memcpy(header, words, HEADER_BYTES);
}

void guest_frame_put(struct strbuf *out, enum guest_message type, const struct strbuf *payload)
{
	unsigned char header[HEADER_BYTES];

	frame_header(header, type, payload ? payload->length : 0);
	strbuf_append(out, header, sizeof(header));
	if (payload && payload->length)
		strbuf_append(out, payload->data, payload->length);
}

static size_t pending_bytes(const struct guest_frame_reader *reader)
{
	return reader->end - reader->start;
}

/* Whether a whole frame lies at start: 1, 0, or -EPROTO for one that is too long. */
static int parse(struct guest_frame_reader *reader, struct error *err)
{
	uint32_t words[2];

	if (pending_bytes(reader) < HEADER_BYTES)
		return 0;
	memcpy(words, reader->buffer + reader->start, sizeof(words));
	reader->length = le32toh(words[0]);
	reader->type = le32toh(words[1]);
	if (reader->length > GUEST_FRAME_MAX)
		return error_set(err, -EPROTO, "control frame of %u bytes is longer than the %u allowed",
			reader->length, GUEST_FRAME_MAX);
	reader->payload = reader->buffer + reader->start + HEADER_BYTES;
	return pending_bytes(reader) >= HEADER_BYTES + (size_t)reader->length;
}

/* Room for what comes next. Grows with what has arrived, not with what a header announces. */
static void make_room(struct guest_frame_reader *reader)
{
	size_t pending = pending_bytes(reader);

	if (reader->start) {
		memmove(reader->buffer, reader->buffer + reader->start, pending);
		reader->start = 0;
		reader->end = pending;
	}
	if (reader->end < reader->capacity)
		return;
	reader->capacity = reader->capacity ? 2 * reader->capacity : READER_INITIAL_BYTES;
	reader->buffer = xrealloc(reader->buffer, reader->capacity, 1);
}

/* One recv(2): a whole burst of small frames costs one system call. > 0, 0 at the end of the stream, or a negative
 * errno. */
static ssize_t receive(struct guest_frame_reader *reader, int fd)
{
	size_t room;
	ssize_t count;

	make_room(reader);
	room = reader->capacity - reader->end;
	do {
		count = recv(fd, reader->buffer + reader->end, room, MSG_DONTWAIT);
		if (count < 0 && errno == ENOTSOCK)
			count = read(fd, reader->buffer + reader->end, room);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	reader->end += (size_t)count;
	/* A short count means that nothing more is there now; asking again would only cost a system call. */
	reader->drained = (size_t)count < room;
	return count;
}

int guest_frame_read(struct guest_frame_reader *reader, int fd, struct error *err)
{
	if (reader->delivered) {
		reader->start += HEADER_BYTES + reader->length;
		reader->delivered = false;
	}
	for (;;) {
		int whole = parse(reader, err);
		ssize_t count;

		if (whole) {
			reader->delivered = whole > 0;
			return whole;
		}
		if (reader->drained) {
			reader->drained = false;
			return 0;
		}
		count = receive(reader, fd);
		if (count == -EAGAIN)
			return 0;
		if (count < 0)
			return error_set(err, (int)-count, "read from the control channel");
		if (count == 0)
			return error_set(err, -EPIPE, "%s",
				pending_bytes(reader) ? "control channel ended inside a frame"
						      : "control channel was closed");
	}
}

bool guest_frame_reader_is_empty(const struct guest_frame_reader *reader)
{
	return !reader->delivered && reader->start == reader->end;
}

void guest_frame_reader_free(struct guest_frame_reader *reader)
{
	free(reader->buffer);
	*reader = (struct guest_frame_reader){ .buffer = NULL };
}

static ssize_t send_some(int fd, struct iovec *parts, unsigned count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

	if (sent < 0 && errno == ENOTSOCK)
		sent = writev(fd, parts, (int)count);
	return sent < 0 ? -errno : sent;
}

static void skip_sent(struct iovec *parts, unsigned count, size_t sent)
{
	for (unsigned i = 0; i < count; i++) {
		size_t part = sent < parts[i].iov_len ? sent : parts[i].iov_len;

		parts[i].iov_base = (char *)parts[i].iov_base + part;
		parts[i].iov_len -= part;
		sent -= part;
	}
}

int guest_frame_send(int fd, enum guest_message type, const struct strbuf *payload, struct error *err)
{
	unsigned char header[HEADER_BYTES];
	size_t length = payload ? payload->length : 0;
	struct iovec parts[2] = { { header, sizeof(header) }, { payload ? payload->data : NULL, length } };

	if (length > GUEST_FRAME_MAX)
		return error_set(err, -EMSGSIZE, "control frame of %zu bytes is longer than the %u allowed", length,
			GUEST_FRAME_MAX);
	frame_header(header, type, length);
	while (parts[0].iov_len || parts[1].iov_len) {
		struct pollfd writable = { .fd = fd, .events = POLLOUT };
		ssize_t sent = send_some(fd, parts, length ? 2 : 1);

		if (sent == -EAGAIN)
			(void)poll(&writable, 1, -1);
		else if (sent < 0 && sent != -EINTR)
			return error_set(err, (int)-sent, "write to the control channel");
		else if (sent > 0)
			skip_sent(parts, 2, (size_t)sent);
	}
	return 0;
}
