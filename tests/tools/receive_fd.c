/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of --console-socket and --pidfd-socket:
 *
 *   receive_fd SOCKET COMMAND…
 *
 * Listens on a unix stream socket of that name, takes one descriptor from the first who connects, writes the payload
 * that came with it as a line, and becomes COMMAND with the descriptor as its descriptor 3.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int wait_for_peer(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	(void)unlink(path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(listener, 1) < 0)
		return -1;
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static int receive(int socket_fd, char *name, size_t size)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec payload = { name, size - 1 };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	ssize_t length = recvmsg(socket_fd, &message, 0);
	int fd = -1;

	if (length < 0 || message.msg_controllen < CMSG_LEN(sizeof(int)) || control.header.cmsg_type != SCM_RIGHTS)
		return -1;
	name[length] = '\0';
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

int main(int argc, char **argv)
{
	char name[256];
	int peer, fd;

	if (argc < 3) {
		fprintf(stderr, "usage: receive_fd SOCKET COMMAND...\n");
		return 2;
	}
	peer = wait_for_peer(argv[1]);
	fd = peer < 0 ? -1 : receive(peer, name, sizeof(name));
	if (fd < 0 || (fd != 3 && dup2(fd, 3) < 0)) {
		perror("receive_fd");
		return 1;
	}
	printf("%s\n", name);
	(void)fflush(stdout);
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
