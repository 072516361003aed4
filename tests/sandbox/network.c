/* SPDX-License-Identifier: Apache-2.0 */
/* Ways out that are no files. PORT is a port at which somebody on the host listens, ABSTRACT the name of an abstract
 * socket of the host. */
#include "hostile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 300

static int port(void)
{
	const char *text = getenv("PORT");

	return text ? atoi(text) : 80;
}

static void call_by(int family, const char *address, int number)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0), failure = 0;
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(failure);

	(void)inet_pton(family, address, family == AF_INET ? (void *)&four.sin_addr : (void *)&six.sin6_addr);
	if (connect(fd, family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		    family == AF_INET ? sizeof(four) : sizeof(six)) < 0 &&
		errno == EINPROGRESS) {
		errno = ETIMEDOUT;
		if (poll(&wait, 1, PATIENCE_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0)
			errno = failure;
	}
	must_fail(address, errno ? -1 : 0);
	(void)close(fd);
}

static int network_caller(void)
{
	struct sockaddr_un host = { .sun_family = AF_UNIX };
	const char *name = getenv("ABSTRACT");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), pair[2];

	call_by(AF_INET, "127.0.0.1", port());
	call_by(AF_INET, "10.0.2.2", port());
	call_by(AF_INET, "169.254.169.254", 80);
	call_by(AF_INET, "192.0.2.1", 443);
	call_by(AF_INET6, "::1", port());
	call_by(AF_INET6, "fe80::1", 80);
	call_by(AF_INET6, "2001:db8::1", 443);
	(void)snprintf(host.sun_path + 1, sizeof(host.sun_path) - 1, "%s", name ? name : "none");
	/* Refused before its module is looked for. */
	must_not("a pair of vsock sockets", socketpair(AF_VSOCK, SOCK_STREAM, 0, pair) == 0 || errno != EPERM);
	must_not("no pair of local sockets", socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0);
	must_fail("an abstract socket of the host",
		connect(fd, (struct sockaddr *)&host,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(host.sun_path + 1))));
	return verdict();
}

/* A question whose name carries the loot; the answer would carry orders. */
static void ask(const char *server, int number)
{
	static const char question[] = "\x13\x37\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
				       "\x04loot\x07"
				       "example\x03"
				       "com\x00\x00\x10\x00\x01";
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char answer[512];
	ssize_t count;

	(void)inet_pton(AF_INET, server, &address.sin_addr);
	count = sendto(fd, question, sizeof(question) - 1, 0, (struct sockaddr *)&address, sizeof(address));
	/* To itself it may speak; nobody may answer. */
	if (count >= 0 && poll(&wait, 1, PATIENCE_MS) != 1) {
		count = -1;
		errno = ETIMEDOUT;
	} else if (count >= 0) {
		count = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
	}
	must_fail(server, count);
	(void)close(fd);
}

static int name_tunneller(void)
{
	ask("127.0.0.1", port());
	ask("127.0.0.53", 53);
	ask("8.8.8.8", 53);
	ask("10.0.2.3", 53);
	return verdict();
}

static int host_socket_user(void)
{
	must_fail("AF_VSOCK stream", socket(AF_VSOCK, SOCK_STREAM, 0));
	must_fail("AF_VSOCK datagram", socket(AF_VSOCK, SOCK_DGRAM, 0));
	must_fail("AF_VSOCK by a longer number", socket((int)(AF_VSOCK | 0x80000000U), SOCK_STREAM, 0));
	must_fail("/dev/vsock", open("/dev/vsock", O_RDONLY));
	must_fail("/dev/vhost-vsock", open("/dev/vhost-vsock", O_RDWR));
	return verdict();
}

static int packet_user(void)
{
	static const struct {
		const char *name;
		int family, type, protocol;
	} sockets[] = { { "packets", AF_PACKET, SOCK_RAW, 0x0300 }, { "packets", AF_PACKET, SOCK_DGRAM, 0x0300 },
		{ "raw IP", AF_INET, SOCK_RAW, IPPROTO_RAW }, { "raw ICMP", AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ "raw IPv6", AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 }, { "ciphers", AF_ALG, SOCK_SEQPACKET, 0 },
		{ "keys", AF_KEY, SOCK_RAW, 2 }, { "Bluetooth", AF_BLUETOOTH, SOCK_RAW, 1 },
		{ "CAN", AF_CAN, SOCK_RAW, 1 }, { "TIPC", AF_TIPC, SOCK_RDM, 0 }, { "XDP", AF_XDP, SOCK_RAW, 0 },
		{ "RDS", AF_RDS, SOCK_SEQPACKET, 0 }, { "QIPCRTR", AF_QIPCRTR, SOCK_DGRAM, 0 } };

	for (size_t i = 0; i < sizeof(sockets) / sizeof(*sockets); i++)
		must_fail(sockets[i].name, socket(sockets[i].family, sockets[i].type, sockets[i].protocol));
	return verdict();
}

/* Sends a request to add something; what the kernel answered, as -errno. */
static int order(uint16_t type, const void *body, size_t size)
{
	struct {
		struct nlmsghdr header;
		char body[64];
	} request = { .header = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE } };
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[256];
	} answer = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	memcpy(request.body, body, size);
	request.header.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + size);
	if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	(void)close(fd);
	return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : 0;
}

static int interface_maker(void)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC, .ifi_index = 1, .ifi_change = IFF_UP };
	struct rtmsg route = { .rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_LINK,
		.rtm_type = RTN_BLACKHOLE };
	int result = order(RTM_NEWLINK, &link, sizeof(link));

	errno = -result;
	must_fail("take the interface down", result);
	result = order(RTM_NEWROUTE, &route, sizeof(route));
	errno = -result;
	must_fail("add a route", result);
	must_fail("tunnel", open("/dev/net/tun", O_RDWR));
	return verdict();
}

/* Words put into the mouth of whoever sits at the terminal; the longer number is the same request to the kernel. */
static int terminal_injector(void)
{
	const char *words = "echo injected\n";
	int terminal = open("/dev/tty", O_RDWR);
	long result = -1;

	must_fail("/dev/tty", terminal);
	must_fail("take the terminal", ioctl(STDIN_FILENO, TIOCSCTTY, 1));
	for (int i = 0; words[i]; i++) {
		for (int fd = 0; fd < 3; fd++) {
			if (ioctl(fd, TIOCSTI, words + i) == 0 || ioctl(fd, TIOCSTI | (1UL << 32), words + i) == 0)
				result = 0;
		}
	}
	must_fail("TIOCSTI", result);
	must_fail("TIOCLINUX", ioctl(STDIN_FILENO, TIOCLINUX, "\x03"));
	must_fail("TIOCCONS", ioctl(STDIN_FILENO, TIOCCONS));
	return verdict();
}

/* Not hostile: who must not be reached. Prints the port; says what it heard. */
static int listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un host = { .sun_family = AF_UNIX };
	struct pollfd sources[3] = { { .events = POLLIN }, { .events = POLLIN }, { .events = POLLIN } };
	socklen_t size = sizeof(address);

	(void)snprintf(host.sun_path + 1, sizeof(host.sun_path) - 1, "%s", hostile_arguments[0]);
	sources[0].fd = socket(AF_INET, SOCK_STREAM, 0);
	sources[1].fd = socket(AF_INET, SOCK_DGRAM, 0);
	sources[2].fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(sources[0].fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		getsockname(sources[0].fd, (struct sockaddr *)&address, &size) < 0 ||
		bind(sources[1].fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		bind(sources[2].fd, (struct sockaddr *)&host,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(hostile_arguments[0]))) < 0 ||
		listen(sources[0].fd, 1) < 0 || listen(sources[2].fd, 1) < 0)
		return 1;
	printf("%d\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	(void)poll(sources, 3, -1);
	puts("reached");
	return 0;
}

const struct verb network_verbs[] = {
	{ "network-caller", network_caller },
	{ "name-tunneller", name_tunneller },
	{ "host-socket-user", host_socket_user },
	{ "packet-user", packet_user },
	{ "interface-maker", interface_maker },
	{ "terminal-injector", terminal_injector },
	{ "listener", listener },
	{ NULL, NULL },
};
