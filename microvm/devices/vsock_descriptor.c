/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/vsock_descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/file.h"

/* A terminal that says "writable" may have room for less than a line discipline makes of this; one that could not be
 * opened once more is written in pieces that fit in practice. */
#define TERMINAL_PIECE_BYTES 256

/* The other side of a pseudo terminal must not be opened by its path: that makes another terminal. */
static bool is_terminal_slave(int fd)
{
	unsigned int number;

	return isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

static int reopen_nonblocking(int fd, int flags)
{
	struct stat before, after;
	cleanup_fd int opened = open(fd_path(fd).text, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (opened < 0 || fstat(fd, &before) < 0 || fstat(opened, &after) < 0 || before.st_rdev != after.st_rdev)
		return -EBADF;
	return take_fd(&opened);
}

void vsock_descriptor_open(struct vsock_descriptor *descriptor, int *fd, int flags)
{
	struct stat status = { .st_mode = S_IFCHR };

	*descriptor = (struct vsock_descriptor){ .fd = -EBADF };
	if (*fd < 0)
		return;
	/* By hand: the C library asks by a call that takes paths too, which a confined thread may not make. */
	(void)syscall(SYS_fstat, *fd, &status);
	if (S_ISSOCK(status.st_mode))
		descriptor->kind = VSOCK_DESCRIPTOR_SOCKET;
	else if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode))
		descriptor->kind = VSOCK_DESCRIPTOR_FILE;
	else
		descriptor->kind = VSOCK_DESCRIPTOR_STREAM;
	descriptor->nowait = true;
	if (flags >= 0 && S_ISCHR(status.st_mode) && is_terminal_slave(*fd)) {
		int own = reopen_nonblocking(*fd, flags);

		if (own >= 0) {
			close_fd(fd);
			*fd = own;
		}
	}
	descriptor->fd = take_fd(fd);
}

static bool is_ready(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return poll(&pollfd, 1, 0) > 0;
}

static ssize_t read_once(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count)
{
	if (descriptor->kind == VSOCK_DESCRIPTOR_SOCKET) {
		struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count };

		return recvmsg(descriptor->fd, &message, MSG_DONTWAIT);
	}
	if (descriptor->kind == VSOCK_DESCRIPTOR_STREAM && descriptor->nowait) {
		ssize_t result = preadv2(descriptor->fd, parts, (int)count, -1, RWF_NOWAIT);

		if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
			return result;
		descriptor->nowait = false;
	}
	if (descriptor->kind == VSOCK_DESCRIPTOR_STREAM && !is_ready(descriptor->fd, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	return readv(descriptor->fd, parts, (int)count);
}

ssize_t vsock_descriptor_read(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count)
{
	ssize_t result;

	do {
		result = read_once(descriptor, parts, count);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}

/* poll(2) promises room for something: PIPE_BUF bytes in a pipe (pipe(7)), less in a terminal. */
static ssize_t write_piece(const struct vsock_descriptor *descriptor, const struct iovec *parts)
{
	size_t limit = isatty(descriptor->fd) ? TERMINAL_PIECE_BYTES : PIPE_BUF;

	if (!is_ready(descriptor->fd, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	return write(descriptor->fd, parts[0].iov_base, parts[0].iov_len < limit ? parts[0].iov_len : limit);
}

static ssize_t write_once(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count)
{
	if (descriptor->kind == VSOCK_DESCRIPTOR_SOCKET) {
		struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count };

		return sendmsg(descriptor->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (descriptor->kind == VSOCK_DESCRIPTOR_FILE)
		return writev(descriptor->fd, parts, (int)count);
	if (descriptor->nowait) {
		ssize_t result = pwritev2(descriptor->fd, parts, (int)count, -1, RWF_NOWAIT);

		if (result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
			return result;
		descriptor->nowait = false;
	}
	return write_piece(descriptor, parts);
}

ssize_t vsock_descriptor_write(struct vsock_descriptor *descriptor, const struct iovec *parts, unsigned count)
{
	ssize_t result;

	do {
		result = write_once(descriptor, parts, count);
	} while (result < 0 && errno == EINTR);
	/* Nothing taken although asked: an odd device; waiting for it to say "writable" is better than asking for ever.
	 */
	if (result == 0)
		return -EAGAIN;
	return result < 0 ? -errno : result;
}

void vsock_descriptor_close(struct vsock_descriptor *descriptor, int direction)
{
	if (descriptor->fd >= 0 && descriptor->shared && descriptor->kind == VSOCK_DESCRIPTOR_SOCKET)
		(void)shutdown(descriptor->fd, direction);
	close_fd(&descriptor->fd);
}
