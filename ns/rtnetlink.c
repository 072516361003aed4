/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/rtnetlink.h"

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "ns/netlink_library.h"

enum { LIST_TRIES = 16, BUFFER_BYTES = 32768 }; /* mnl_socket_recvfrom() wants at least MNL_SOCKET_BUFFER_SIZE */

void rtnetlink_close(struct mnl_socket **socket)
{
	if (*socket)
		(void)mnl_socket_close(*socket);
	*socket = NULL;
}

struct mnl_socket *rtnetlink_open(void)
{
	struct mnl_socket *socket = NULL;

	if (!netlink_library_is_loaded())
		errno = ELIBACC;
	else
		socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		rtnetlink_close(&socket);
	return socket;
}

/* Takes the kernel's mark for "what is listed has changed meanwhile" off all messages: libmnl would stop in their
 * middle. */
static bool take_change_marks(void *buffer, size_t length)
{
	struct nlmsghdr *message = buffer;
	int left = (int)length;
	bool marked = false;

	while (mnl_nlmsg_ok(message, left)) {
		marked = marked || (message->nlmsg_flags & NLM_F_DUMP_INTR);
		message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
		message = mnl_nlmsg_next(message, &left);
	}
	return marked;
}

int rtnetlink_talk(struct mnl_socket *socket, struct nlmsghdr *message, mnl_cb_t callback, void *data)
{
	cleanup_free char *buffer = xcalloc(BUFFER_BYTES, 1);
	unsigned int port = mnl_socket_get_portid(socket);
	bool changed = false;
	int more = MNL_CB_OK;

	message->nlmsg_seq = 1;
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		ssize_t got = mnl_socket_recvfrom(socket, buffer, BUFFER_BYTES);

		if (got < 0)
			return -errno;
		changed = take_change_marks(buffer, (size_t)got) || changed;
		more = mnl_cb_run(buffer, (size_t)got, message->nlmsg_seq, port, callback, data);
	}
	if (more < 0)
		return -errno;
	return changed ? -EINTR : 0;
}

int rtnetlink_list(struct mnl_socket *socket, uint16_t type, unsigned char family, size_t header_bytes,
	mnl_cb_t callback, void *data, size_t *count)
{
	char buffer[256];
	int result = -EINTR;

	for (int tries = 0; result == -EINTR && tries < LIST_TRIES; tries++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		unsigned char *header;

		message->nlmsg_type = type;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		header = mnl_nlmsg_put_extra_header(message, header_bytes);
		header[0] = family;
		*count = 0;
		result = rtnetlink_talk(socket, message, callback, data);
	}
	return result;
}
