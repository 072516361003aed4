/* SPDX-License-Identifier: Apache-2.0 */
#include "base/message.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"

struct message *message_new(void)
{
	struct message *message = xrealloc(NULL, 1, sizeof(*message));

	message->type = 0;
	message->length = 0;
	message->fd = -EBADF;
	return message;
}

int message_send(int socket, uint32_t type, const void *data, size_t length, int fd)
{
	struct iovec parts[2] = { { &type, sizeof(type) }, { (void *)data, length } };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = length ? 2 : 1 };
	ssize_t sent;

	if (length > MESSAGE_MAX)
		return -EMSGSIZE;
	if (fd >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do {
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

static void message_take_descriptor(struct msghdr *header, struct message *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
			part->cmsg_len < CMSG_LEN(sizeof(int)))
			continue;
		close_fd(&message->fd);
		memcpy(&message->fd, CMSG_DATA(part), sizeof(message->fd));
	}
}

int message_receive(int socket, struct message *message)
{
	struct iovec parts[2] = { { &message->type, sizeof(message->type) }, { message->data, sizeof(message->data) } };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr header = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_control = control.space, .msg_controllen = sizeof(control.space)
	};
	ssize_t received;

	message->fd = -EBADF;
	message->length = 0;
	/* ECONNRESET comes once when the peer has closed without taking all that was sent to it; what it said itself
	 * before is still there. */
	do {
		received = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (received < 0 && (errno == EINTR || errno == ECONNRESET));
	if (received < 0)
		return -errno;
	if (received == 0)
		return -EPIPE;
	message_take_descriptor(&header, message);
	if ((size_t)received < sizeof(message->type) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		close_fd(&message->fd);
		return -EPROTO;
	}
	message->length = (size_t)received - sizeof(message->type);
	return 0;
}

int message_send_error(int socket, uint32_t type, const struct error *error)
{
	return message_send(socket, type, error, sizeof(*error), -1);
}

int message_to_error(const struct message *message, struct error *err)
{
	if (message->length != sizeof(*err))
		return error_set(err, -EPROTO, "a malformed error was received (%zu bytes)", message->length);
	memcpy(err, message->data, sizeof(*err));
	err->message[sizeof(err->message) - 1] = '\0';
	/* It may have been a guest that chose the words. */
	strbuf_disarm(err->message);
	return err->code ? -err->code : -EIO;
}

int message_pair(int sockets[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return error_set(err, errno, "make a socket pair");
	return 0;
}

static void message_address(int directory, const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* Through the descriptor: sun_path holds 107 bytes, a state directory's path may be longer. */
	(void)snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", fd_path(directory).text, name);
}

int message_from_child(void (*run)(void *context, int socket), void *context, const char *purpose,
	struct message *message, struct error *err)
{
	cleanup_fd int ours = -EBADF, theirs = -EBADF;
	int pair[2], result = message_pair(pair, err);
	pid_t pid;

	if (result < 0)
		return result;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return error_set(err, errno, "make a process %s", purpose);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(context, theirs);
		_exit(0);
	}
	close_fd(&theirs);
	result = message_receive(ours, message);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return result < 0 ? error_set(err, -result, "hear from the process %s", purpose) : 0;
}

static int listen_by(int type, int directory, const char *name, struct error *err)
{
	cleanup_fd int socket_fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (socket_fd < 0)
		return error_set(err, errno, "make the control socket");
	message_address(directory, name, &address);
	if (fchmod(socket_fd, 0600) < 0 || bind(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(socket_fd, 16) < 0)
		return error_set(err, errno, "listen on the control socket %s", name);
	return take_fd(&socket_fd);
}

int message_listen(int directory, const char *name, struct error *err)
{
	return listen_by(SOCK_SEQPACKET, directory, name, err);
}

int message_listen_stream(int directory, const char *name, struct error *err)
{
	return listen_by(SOCK_STREAM, directory, name, err);
}

int message_connect(int directory, const char *name)
{
	cleanup_fd int socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (socket_fd < 0)
		return -errno;
	message_address(directory, name, &address);
	if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&socket_fd);
}
