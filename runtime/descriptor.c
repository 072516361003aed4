/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/descriptor.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int descriptor_send(const char *path, int fd, const char *name, struct error *err)
{
	cleanup_fd int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec payload = { (void *)name, strlen(name) };
	struct msghdr message = { .msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };

	if (socket_fd < 0)
		return error_set(err, errno, "make a socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "the path of socket %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "connect to socket %s", path);
	if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0)
		return error_set(err, errno, "send a descriptor over socket %s", path);
	return 0;
}
