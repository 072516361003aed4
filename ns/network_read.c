/* SPDX-License-Identifier: Apache-2.0 */
/* What a network namespace consists of, as a network_plan. */
#include "ns/network_guest.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/alloc.h"
#include "ns/rtnetlink.h"

/* Flags of an address that somebody chose; the others are states that the kernel finds anew. */
#define CHOSEN_ADDRESS_FLAGS (IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

struct reading {
	struct network_plan *plan;
	size_t count; /* of the list that is being read */
	struct error *err;
	int result; /* what is refused; 0: nothing */
};

#define grow(array, count) ((array) = xrealloc(array, (count) + 1, sizeof(*(array))), &(array)[(count)++])

static struct network_ip ip_of(const struct nlattr *attribute)
{
	struct network_ip ip = { 0 };
	uint16_t length = mnl_attr_get_payload_len(attribute);

	if (length == 4 || length == 16) {
		ip.length = (uint8_t)length;
		memcpy(ip.bytes, mnl_attr_get_payload(attribute), length);
	}
	return ip;
}

static bool find_interface(const struct network_plan *plan, uint32_t index, uint32_t *number)
{
	for (uint32_t i = 0; i < plan->interface_count; i++) {
		if (plan->interfaces[i].index == index) {
			*number = i;
			return true;
		}
	}
	return false;
}

/* ---- interfaces ---- */

static int refuse_link(struct reading *reading, const struct ifinfomsg *header, const char *name, size_t mac_bytes)
{
	if (strncmp(name, NETWORK_TAP_PREFIX, strlen(NETWORK_TAP_PREFIX)) == 0)
		return error_set(reading->err, -EBUSY,
			"the container's network namespace is in use by another micro-VM (its interface %s is there)",
			name);
	if (header->ifi_type != ARPHRD_ETHER || mac_bytes != NETWORK_MAC_BYTES)
		return error_set(reading->err, -ENOTSUP,
			"the interface %s of the container's network namespace is no Ethernet interface: a micro-VM "
			"cannot be given it",
			name);
	return 0;
}

/* Unless IPv6, or that alone, is switched off. */
static bool makes_link_local(const struct nlattr *families)
{
	const struct nlattr *family, *attribute;
	bool enabled = false, generated = false;

	mnl_attr_for_each_nested(family, families)
	{
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		mnl_attr_for_each_nested(attribute, family)
		{
			const uint32_t *settings = mnl_attr_get_payload(attribute);

			if (mnl_attr_get_type(attribute) == IFLA_INET6_CONF &&
				mnl_attr_get_payload_len(attribute) > DEVCONF_DISABLE_IPV6 * sizeof(*settings))
				enabled = !settings[DEVCONF_DISABLE_IPV6];
			else if (mnl_attr_get_type(attribute) == IFLA_INET6_ADDR_GEN_MODE)
				generated = mnl_attr_get_u8(attribute) != IN6_ADDR_GEN_MODE_NONE;
		}
	}
	return enabled && generated;
}

static int note_link(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct network_interface interface = { .index = (uint32_t)header->ifi_index };
	struct reading *reading = data;
	const struct nlattr *attribute;
	size_t mac_bytes = 0;
	bool has_master = false;

	if (!reading->count++) {
		reading->plan->interface_count = 0;
		reading->result = 0;
	}
	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_IFNAME:
			(void)snprintf(interface.name, sizeof(interface.name), "%s", mnl_attr_get_str(attribute));
			break;
		case IFLA_MTU:
			interface.mtu = mnl_attr_get_u32(attribute);
			break;
		case IFLA_ADDRESS:
			mac_bytes = mnl_attr_get_payload_len(attribute);
			if (mac_bytes == NETWORK_MAC_BYTES)
				memcpy(interface.mac, mnl_attr_get_payload(attribute), mac_bytes);
			break;
		case IFLA_AF_SPEC:
			interface.own_link_local = makes_link_local(attribute);
			break;
		case IFLA_MASTER:
			has_master = true;
			break;
		}
	}
	/* What is down, like the templates of tunnels that the kernel puts into each namespace, is used by nobody; a
	 * port of a bridge is the bridge's. */
	if ((header->ifi_flags & IFF_LOOPBACK) || !(header->ifi_flags & IFF_UP) || has_master)
		return MNL_CB_OK;
	if (reading->result == 0)
		reading->result = refuse_link(reading, header, interface.name, mac_bytes);
	*grow(reading->plan->interfaces, reading->plan->interface_count) = interface;
	return MNL_CB_OK;
}

/* ---- addresses ---- */

static int note_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct network_address address = { .prefix_length = header->ifa_prefixlen, .scope = header->ifa_scope };
	uint32_t flags = header->ifa_flags;
	struct reading *reading = data;
	const struct nlattr *attribute;

	if (!reading->count++)
		reading->plan->address_count = 0;
	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL:
			address.local = ip_of(attribute);
			break;
		case IFA_ADDRESS:
			address.peer = ip_of(attribute);
			break;
		case IFA_BROADCAST:
			address.broadcast = ip_of(attribute);
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attribute);
			break;
		case IFA_RT_PRIORITY:
			address.metric = mnl_attr_get_u32(attribute);
			break;
		}
	}
	if (!address.local.length)
		address.local = address.peer;
	if (!address.local.length || !find_interface(reading->plan, header->ifa_index, &address.interface) ||
		!(flags & IFA_F_PERMANENT) || (flags & IFA_F_DADFAILED))
		return MNL_CB_OK;
	address.flags = flags & CHOSEN_ADDRESS_FLAGS;
	/* It is the host that has found out whether anybody else has the address. */
	if (address.local.length == 16)
		address.flags |= IFA_F_NODAD;
	*grow(reading->plan->addresses, reading->plan->address_count) = address;
	return MNL_CB_OK;
}

/* ---- routes ---- */

static void note_metrics(const struct nlattr *metrics, struct network_route *route)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, metrics)
	{
		if (mnl_attr_get_type(attribute) == RTAX_MTU)
			route->mtu = mnl_attr_get_u32(attribute);
		else if (mnl_attr_get_type(attribute) == RTAX_ADVMSS)
			route->maximum_segment = mnl_attr_get_u32(attribute);
	}
}

static struct network_ip gateway_of_other_family(const struct nlattr *attribute)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);
	struct network_ip ip = { 0 };

	if (length != sizeof(*via) + 4 && length != sizeof(*via) + 16)
		return ip;
	ip.length = (uint8_t)(length - sizeof(*via));
	memcpy(ip.bytes, via->rtvia_addr, ip.length);
	return ip;
}

struct route_reading {
	struct network_route route;
	uint32_t table, interface_index;
	bool multipath;
};

static void read_route(const struct nlmsghdr *message, struct route_reading *read)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	struct network_route *route = &read->route;
	const struct nlattr *attribute;

	*read = (struct route_reading){ .table = header->rtm_table };
	*route = (struct network_route){ .family = header->rtm_family,
		.destination_length = header->rtm_dst_len,
		.type = header->rtm_type,
		.scope = header->rtm_scope,
		.protocol = header->rtm_protocol,
		.service = header->rtm_tos,
		.onlink = header->rtm_flags & RTNH_F_ONLINK };
	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		switch (mnl_attr_get_type(attribute)) {
		case RTA_TABLE:
			read->table = mnl_attr_get_u32(attribute);
			break;
		case RTA_OIF:
			read->interface_index = mnl_attr_get_u32(attribute);
			break;
		case RTA_MULTIPATH:
			read->multipath = true;
			break;
		case RTA_DST:
			route->destination = ip_of(attribute);
			break;
		case RTA_GATEWAY:
			route->gateway = ip_of(attribute);
			break;
		case RTA_VIA:
			route->gateway = gateway_of_other_family(attribute);
			break;
		case RTA_PREFSRC:
			route->source = ip_of(attribute);
			break;
		case RTA_PRIORITY:
			route->metric = mnl_attr_get_u32(attribute);
			break;
		case RTA_METRICS:
			note_metrics(attribute, route);
			break;
		}
	}
}

/* The kernel makes those that follow from addresses, and from what routers say, by itself. */
static bool is_chosen(const struct nlmsghdr *message, const struct route_reading *read)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);

	return read->table == RT_TABLE_MAIN && !(header->rtm_flags & RTM_F_CLONED) &&
	       (header->rtm_family == AF_INET || header->rtm_family == AF_INET6) &&
	       header->rtm_protocol != RTPROT_KERNEL && header->rtm_protocol != RTPROT_RA &&
	       header->rtm_protocol != RTPROT_REDIRECT;
}

static int note_route(const struct nlmsghdr *message, void *data)
{
	struct reading *reading = data;
	struct route_reading read;

	if (!reading->count++) {
		reading->plan->route_count = 0;
		reading->result = 0;
	}
	read_route(message, &read);
	if (!is_chosen(message, &read))
		return MNL_CB_OK;
	if (read.multipath) {
		reading->result = error_set(reading->err, -ENOTSUP,
			"the container's network namespace has a route over several paths, which a micro-VM cannot be "
			"given");
		return MNL_CB_OK;
	}
	if (read.route.type == RTN_BLACKHOLE || read.route.type == RTN_UNREACHABLE || read.route.type == RTN_PROHIBIT)
		read.route.interface = NETWORK_NO_INTERFACE;
	else if (read.route.type != RTN_UNICAST ||
		 !find_interface(reading->plan, read.interface_index, &read.route.interface))
		return MNL_CB_OK;
	*grow(reading->plan->routes, reading->plan->route_count) = read.route;
	return MNL_CB_OK;
}

static int note_rule(const struct nlmsghdr *message, void *data)
{
	enum { PRIORITY_LOCAL = 0, PRIORITY_MAIN = 32766, PRIORITY_DEFAULT = 32767 };
	struct reading *reading = data;
	const struct nlattr *attribute;
	uint32_t priority = 0;

	reading->count++;
	mnl_attr_for_each(attribute, message, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(attribute) == FRA_PRIORITY)
			priority = mnl_attr_get_u32(attribute);
	}
	if (priority != PRIORITY_LOCAL && priority != PRIORITY_MAIN && priority != PRIORITY_DEFAULT)
		reading->result = error_set(reading->err, -ENOTSUP,
			"the container's network namespace has rules for routes (ip-rule(8)), which a micro-VM cannot "
			"be "
			"given");
	return MNL_CB_OK;
}

/* ---- neighbours ---- */

static int note_neighbour(const struct nlmsghdr *message, void *data)
{
	const struct ndmsg *header = mnl_nlmsg_get_payload(message);
	struct network_neighbour neighbour = { .flags = header->ndm_flags & NTF_ROUTER };
	struct reading *reading = data;
	const struct nlattr *attribute;
	bool has_mac = false;

	if (!reading->count++)
		reading->plan->neighbour_count = 0;
	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		if (mnl_attr_get_type(attribute) == NDA_DST)
			neighbour.address = ip_of(attribute);
		if (mnl_attr_get_type(attribute) == NDA_LLADDR &&
			mnl_attr_get_payload_len(attribute) == NETWORK_MAC_BYTES) {
			memcpy(neighbour.mac, mnl_attr_get_payload(attribute), NETWORK_MAC_BYTES);
			has_mac = true;
		}
	}
	if (!(header->ndm_state & NUD_PERMANENT) || !has_mac || !neighbour.address.length ||
		!find_interface(reading->plan, (uint32_t)header->ndm_ifindex, &neighbour.interface))
		return MNL_CB_OK;
	*grow(reading->plan->neighbours, reading->plan->neighbour_count) = neighbour;
	return MNL_CB_OK;
}

/* ---- all of it ---- */

struct list {
	uint16_t type;
	size_t header_bytes;
	mnl_cb_t note;
	const char *name;
};

static int read_list(struct mnl_socket *socket, const struct list *list, struct reading *reading)
{
	int result =
		rtnetlink_list(socket, list->type, AF_UNSPEC, list->header_bytes, list->note, reading, &reading->count);

	if (result < 0)
		return error_set(reading->err, -result, "read the %s of the container's network namespace", list->name);
	return reading->result;
}

int network_read(struct network_plan *plan, struct error *err)
{
	static const struct list lists[] = {
		{ RTM_GETLINK, sizeof(struct ifinfomsg), note_link, "interfaces" },
		{ RTM_GETADDR, sizeof(struct ifaddrmsg), note_address, "addresses" },
		{ RTM_GETROUTE, sizeof(struct rtmsg), note_route, "routes" },
		{ RTM_GETRULE, sizeof(struct fib_rule_hdr), note_rule, "rules" },
		{ RTM_GETNEIGH, sizeof(struct ndmsg), note_neighbour, "neighbours" },
	};
	cleanup_rtnetlink struct mnl_socket *socket = rtnetlink_open();
	struct network_plan read = { 0 };
	struct reading reading = { .plan = &read, .err = err };
	int result;

	if (!socket)
		return error_set(err, errno, "open a netlink socket in the container's network namespace");
	result = read_list(socket, &lists[0], &reading);
	/* Most often there is nothing but the loopback interface. */
	for (size_t i = 1; i < ARRAY_SIZE(lists) && result == 0 && read.interface_count; i++)
		result = read_list(socket, &lists[i], &reading);
	if (result < 0) {
		network_plan_free(&read);
		return result;
	}
	*plan = read;
	return 0;
}
