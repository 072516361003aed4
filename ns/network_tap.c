/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/network_tap.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/message.h"
#include "ns/rtnetlink.h"

enum { MESSAGE_BYTES = 512 };

static struct nlmsghdr *begin(char *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return message;
}

static unsigned char family_of(const struct network_ip *ip)
{
	return ip->length == 4 ? AF_INET : AF_INET6;
}

static int set_link(struct mnl_socket *socket, unsigned int interface, const struct network_tap *tap)
{
	char buffer[MESSAGE_BYTES];
	struct nlmsghdr *message = begin(buffer, RTM_NEWLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->ifi_index = (int)interface;
	header->ifi_flags = header->ifi_change = IFF_UP;
	if (tap) {
		mnl_attr_put(message, IFLA_ADDRESS, sizeof(tap->mac), tap->mac);
		mnl_attr_put_u32(message, IFLA_MTU, tap->mtu);
	}
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int add_address(struct mnl_socket *socket, unsigned int interface, const struct network_tap_side *side)
{
	char buffer[MESSAGE_BYTES];
	struct nlmsghdr *message = begin(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->ifa_family = family_of(&side->address);
	header->ifa_prefixlen = side->prefix_length;
	header->ifa_index = interface;
	mnl_attr_put(message, IFA_LOCAL, side->address.length, side->address.bytes);
	mnl_attr_put(message, IFA_ADDRESS, side->address.length, side->address.bytes);
	/* Nobody else is there who could have it: no second is lost in asking. */
	mnl_attr_put_u32(message, IFA_FLAGS, IFA_F_PERMANENT | IFA_F_NODAD);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int add_neighbour(struct mnl_socket *socket, unsigned int interface, const struct network_ip *address,
	const struct network_tap *tap)
{
	char buffer[MESSAGE_BYTES];
	struct nlmsghdr *message = begin(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->ndm_family = family_of(address);
	header->ndm_ifindex = (int)interface;
	header->ndm_state = NUD_PERMANENT;
	mnl_attr_put(message, NDA_DST, address->length, address->bytes);
	mnl_attr_put(message, NDA_LLADDR, sizeof(tap->gateway_mac), tap->gateway_mac);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int add_default_route(struct mnl_socket *socket, unsigned int interface, const struct network_tap_side *side)
{
	char buffer[MESSAGE_BYTES];
	struct nlmsghdr *message = begin(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	header->rtm_family = family_of(&side->gateway);
	header->rtm_table = RT_TABLE_MAIN;
	header->rtm_protocol = RTPROT_STATIC;
	header->rtm_scope = RT_SCOPE_UNIVERSE;
	header->rtm_type = RTN_UNICAST;
	mnl_attr_put(message, RTA_GATEWAY, side->gateway.length, side->gateway.bytes);
	mnl_attr_put_u32(message, RTA_OIF, interface);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int add_side(struct mnl_socket *socket, unsigned int interface, const struct network_tap *tap,
	const struct network_tap_side *side)
{
	int result = add_address(socket, interface, side);

	if (family_of(&side->address) == AF_INET6 &&
		(result == -EOPNOTSUPP || result == -EACCES || result == -EAFNOSUPPORT))
		return 0;
	if (result == 0)
		result = add_neighbour(socket, interface, &side->gateway, tap);
	return result < 0 ? result : add_default_route(socket, interface, side);
}

static int set_up(const struct network_tap *tap)
{
	cleanup_rtnetlink struct mnl_socket *socket = rtnetlink_open();
	unsigned int interface = if_nametoindex(tap->name), loopback = if_nametoindex("lo");
	int result;

	if (!socket || !interface || !loopback)
		return -errno;
	result = set_link(socket, loopback, NULL);
	if (result == 0)
		result = set_link(socket, interface, tap);
	for (size_t i = 0; i < ARRAY_SIZE(tap->sides) && result == 0; i++) {
		if (tap->sides[i].address.length)
			result = add_side(socket, interface, tap, &tap->sides[i]);
	}
	if (result == 0 && tap->neighbour.length)
		result = add_neighbour(socket, interface, &tap->neighbour, tap);
	return result;
}

static int make_here(const struct network_tap *tap, struct error *err)
{
	cleanup_fd int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int result;

	if (fd < 0)
		return error_set(err, errno, "open /dev/net/tun");
	memcpy(request.ifr_name, tap->name, sizeof(request.ifr_name));
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_set(err, errno, "make the network device %s", tap->name);
	result = set_up(tap);
	return result < 0 ? error_set(err, -result, "set up the network device %s", tap->name) : take_fd(&fd);
}

enum answer { ANSWER_TAP, ANSWER_FAILED };

struct order {
	int network_namespace;
	const struct network_tap *tap;
};

static void make_there(void *context, int socket)
{
	const struct order *order = context;
	struct error err;
	int fd = setns(order->network_namespace, CLONE_NEWNET) < 0
			 ? error_set(&err, errno, "enter the sandbox's network namespace")
			 : make_here(order->tap, &err);

	if (fd < 0)
		(void)message_send_error(socket, ANSWER_FAILED, &err);
	else
		(void)message_send(socket, ANSWER_TAP, NULL, 0, fd);
}

/* By a process of its own: without privilege over the own network namespace there would be no way back to it. */
int network_make_tap(int network_namespace, const struct network_tap *tap, struct error *err)
{
	cleanup_free struct message *message = message_new();
	struct order order = { .network_namespace = network_namespace, .tap = tap };
	int result = message_from_child(make_there, &order, "to make a network device", message, err);

	if (result == 0 && message->type == ANSWER_FAILED)
		return message_to_error(message, err);
	if (result == 0 && message->fd < 0)
		return error_set(err, EPROTO, "make the network device %s", tap->name);
	return result < 0 ? result : take_fd(&message->fd);
}
