/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/network_guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"
#include "ns/netlink_library.h"
#include "ns/rtnetlink.h"

/* By which our filters are known among others that somebody may have put there. */
#define FILTER_PRIORITY 0x4455U
#define INGRESS_HANDLE  0xffff0000U

static struct nlmsghdr *begin_tc(char *buffer, uint16_t type, uint16_t flags, uint32_t interface, struct tcmsg **header)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	*header = mnl_nlmsg_put_extra_header(message, sizeof(**header));
	(*header)->tcm_family = AF_UNSPEC;
	(*header)->tcm_ifindex = (int)interface;
	return message;
}

static int add_ingress(struct mnl_socket *socket, uint32_t interface)
{
	char buffer[256];
	struct tcmsg *header;
	struct nlmsghdr *message = begin_tc(buffer, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, interface, &header);
	int result;

	header->tcm_handle = INGRESS_HANDLE;
	header->tcm_parent = TC_H_INGRESS;
	mnl_attr_put_strz(message, TCA_KIND, "ingress");
	result = rtnetlink_talk(socket, message, NULL, NULL);
	return result == -EEXIST ? 0 : result;
}

static int remove_filter(struct mnl_socket *socket, uint32_t interface)
{
	char buffer[256];
	struct tcmsg *header;
	struct nlmsghdr *message = begin_tc(buffer, RTM_DELTFILTER, 0, interface, &header);
	int result;

	header->tcm_parent = INGRESS_HANDLE;
	header->tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(message, TCA_KIND, "u32");
	result = rtnetlink_talk(socket, message, NULL, NULL);
	/* No such filter; no queue to have filters. */
	return result == -ENOENT || result == -EINVAL ? 0 : result;
}

/* One key under a mask of zeros: every frame. */
static void put_match_all(struct nlmsghdr *message)
{
	const struct tc_u32_sel selector = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	/* The key lies behind the selector, in its flexible array. */
	unsigned char all[sizeof(selector) + sizeof(struct tc_u32_key)] = { 0 };

	memcpy(all, &selector, sizeof(selector));
	mnl_attr_put(message, TCA_U32_SEL, sizeof(all), all);
}

static void put_redirect(struct nlmsghdr *message, uint32_t to)
{
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to };
	struct nlattr *actions = mnl_attr_nest_start(message, TCA_U32_ACT);
	struct nlattr *first = mnl_attr_nest_start(message, 1);
	struct nlattr *options;

	mnl_attr_put_strz(message, TCA_ACT_KIND, "mirred");
	options = mnl_attr_nest_start(message, TCA_ACT_OPTIONS);
	mnl_attr_put(message, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	mnl_attr_nest_end(message, options);
	mnl_attr_nest_end(message, first);
	mnl_attr_nest_end(message, actions);
}

/* What comes in at one interface goes out at the other. */
static int redirect(struct mnl_socket *socket, uint32_t from, uint32_t to)
{
	char buffer[1024];
	struct nlattr *options;
	struct nlmsghdr *message;
	struct tcmsg *header;
	int result = add_ingress(socket, from);

	/* A micro-VM that ended without a farewell may have left one. */
	if (result == 0)
		result = remove_filter(socket, from);
	if (result < 0)
		return result;
	message = begin_tc(buffer, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, &header);
	header->tcm_parent = INGRESS_HANDLE;
	header->tcm_info = TC_H_MAKE(FILTER_PRIORITY << 16, htons(ETH_P_ALL));
	mnl_attr_put_strz(message, TCA_KIND, "u32");
	options = mnl_attr_nest_start(message, TCA_OPTIONS);
	put_match_all(message);
	put_redirect(message, to);
	mnl_attr_nest_end(message, options);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static struct nlmsghdr *begin_link(char *buffer, uint32_t interface, struct ifinfomsg **header)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	*header = mnl_nlmsg_put_extra_header(message, sizeof(**header));
	(*header)->ifi_family = AF_UNSPEC;
	(*header)->ifi_index = (int)interface;
	return message;
}

/* The namespace's own stack is to say nothing through the tap. */
static int prepare_link(struct mnl_socket *socket, uint32_t interface, uint32_t mtu)
{
	char buffer[512];
	struct ifinfomsg *header;
	struct nlmsghdr *message = begin_link(buffer, interface, &header);
	struct nlattr *families, *family;

	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	families = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(message, family);
	mnl_attr_nest_end(message, families);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

/* A kernel without IPv6, or with it switched off, knows no such setting. */
static int set_mtu(struct mnl_socket *socket, uint32_t interface, uint32_t mtu)
{
	char buffer[256];
	struct ifinfomsg *header;
	struct nlmsghdr *message = begin_link(buffer, interface, &header);

	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int bring_up(struct mnl_socket *socket, uint32_t interface)
{
	char buffer[256];
	struct ifinfomsg *header;
	struct nlmsghdr *message = begin_link(buffer, interface, &header);

	header->ifi_change = header->ifi_flags = IFF_UP;
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int open_tun(struct error *err)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? error_set(err, errno, "open /dev/net/tun, which the network of a micro-VM needs") : fd;
}

/* Does something in another network namespace. */
static int inside(const char *namespace_path, int (*act)(struct error *err), struct error *err)
{
	cleanup_fd int namespace = open(namespace_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	cleanup_fd int own_namespace = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int result;

	if (namespace < 0 || own_namespace < 0)
		return error_set(err, errno, "open the network namespace %s", namespace_path);
	if (setns(namespace, CLONE_NEWNET) < 0)
		return error_set(err, errno, "enter the network namespace %s", namespace_path);
	result = act(err);
	if (setns(own_namespace, CLONE_NEWNET) < 0)
		return error_set(err, errno, "return from the network namespace %s", namespace_path);
	return result;
}

int network_open_tun(pid_t pid, struct error *err)
{
	cleanup_free char *path = pid ? xprintf("/proc/%d/ns/net", (int)pid) : NULL;

	return path ? inside(path, open_tun, err) : open_tun(err);
}

static int make_tap(int tun_fd, uint32_t *index, struct error *err)
{
	struct ifreq request = { .ifr_name = NETWORK_TAP_PREFIX "%d" };

	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(tun_fd, TUNSETIFF, &request) < 0)
		return error_set(err, errno, "make a tap device in the container's network namespace");
	*index = if_nametoindex(request.ifr_name);
	return *index ? 0 : error_set(err, errno, "find the tap device %s", request.ifr_name);
}

static int join(const struct network_interface *interface, uint32_t tap)
{
	cleanup_rtnetlink struct mnl_socket *socket = rtnetlink_open();
	int result;

	if (!socket)
		return -errno;
	result = prepare_link(socket, tap, interface->mtu);
	if (result < 0)
		result = set_mtu(socket, tap, interface->mtu);
	if (result == 0)
		result = redirect(socket, tap, interface->index);
	if (result == 0)
		result = bring_up(socket, tap);
	/* Last: from here on the namespace's own stack is deaf. */
	return result < 0 ? result : redirect(socket, interface->index, tap);
}

int network_join_tap(const struct network_interface *interface, int tun_fd, struct error *err)
{
	uint32_t tap;
	int result = make_tap(tun_fd, &tap, err);

	if (result == 0) {
		result = join(interface, tap);
		if (result < 0)
			result = error_set(err, -result,
				"join the interface %s of the container's network namespace to a tap device",
				interface->name);
	}
	return result;
}

static int note_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct network_plan *plan = data;

	plan->interfaces = xrealloc(plan->interfaces, plan->interface_count + 1, sizeof(*plan->interfaces));
	plan->interfaces[plan->interface_count++] = (struct network_interface){ .index = (uint32_t)header->ifi_index };
	return MNL_CB_OK;
}

static int release_all(struct error *err)
{
	cleanup_rtnetlink struct mnl_socket *socket = rtnetlink_open();
	struct network_plan links = { 0 };
	size_t count;
	int result;

	if (!socket)
		return error_set(err, errno, "open a netlink socket in the container's network namespace");
	result = rtnetlink_list(socket, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), note_link, &links, &count);
	for (uint32_t i = 0; i < links.interface_count && result == 0; i++)
		result = remove_filter(socket, links.interfaces[i].index);
	network_plan_free(&links);
	return result < 0 ? error_set(err, -result, "take redirections out of the container's network namespace") : 0;
}

int network_release(const char *namespace_path, struct error *err)
{
	int result;

	/* It went with its last process, or whoever made it took it away. */
	if (access(namespace_path, F_OK) < 0 && errno == ENOENT)
		return 0;
	result = netlink_library_load(err);
	return result < 0 ? result : inside(namespace_path, release_all, err);
}
