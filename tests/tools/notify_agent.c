/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   notify_agent SOCKET FILE ERRNO
 *
 * A listener for SCMP_ACT_NOTIFY: takes container process states on a unix socket, writes the last one to FILE, and
 * answers each notification with the error, or with success for 0.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOURCES_MAX 64

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* One state and one descriptor for each connection, which ends with it. */
static int take_state(int listener, const char *file)
{
	static char json[65536];
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec payload = { json, sizeof(json) };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	int connection = accept(listener, NULL, NULL);
	ssize_t length = recvmsg(connection, &message, 0);
	FILE *out = fopen(file, "w");
	int fd = -1;

	if (length > 0 && out)
		fwrite(json, 1, (size_t)length, out);
	if (out)
		fclose(out);
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	close(connection);
	return fd;
}

static void answer(int fd, int error)
{
	struct seccomp_notif request = { 0 };
	struct seccomp_notif_resp response = { 0 };

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
		return;
	response.id = request.id;
	response.error = -error;
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

int main(int argc, char **argv)
{
	struct pollfd sources[SOURCES_MAX];
	nfds_t count = 1;

	if (argc != 4)
		return 2;
	sources[0] = (struct pollfd){ .fd = listen_at(argv[1]), .events = POLLIN };
	while (poll(sources, count, -1) > 0) {
		for (nfds_t i = 1; i < count; i++) {
			if (sources[i].revents & POLLIN)
				answer(sources[i].fd, atoi(argv[3]));
			else if (sources[i].revents)
				sources[i].fd = -1;
		}
		if (sources[0].revents && count < SOURCES_MAX)
			sources[count++] =
				(struct pollfd){ .fd = take_state(sources[0].fd, argv[2]), .events = POLLIN };
	}
	return 0;
}
