/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/guest/init/network.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define ANSWER_BYTES  32768
#define MESSAGE_FLAGS (NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE)

enum request_kind { REQUEST_LINK, REQUEST_ADDRESS, REQUEST_ROUTE, REQUEST_NEIGHBOUR };

/* What a request was about, for the message when it fails; its sequence number is its place among them. */
struct request {
	enum request_kind kind;
	uint32_t number;
};

struct batch {
	struct strbuf bytes;
	size_t last; /* where the last message begins */
	struct request *requests;
	uint32_t request_count;
};

/* ---- messages ---- */

static struct nlmsghdr *last_message(struct batch *batch)
{
	return (struct nlmsghdr *)(void *)(batch->bytes.data + batch->last);
}

static void append_aligned(struct batch *batch, const void *data, size_t length)
{
	static const char zeros[NLMSG_ALIGNTO];

	strbuf_append(&batch->bytes, data, length);
	strbuf_append(&batch->bytes, zeros, NLMSG_ALIGN(length) - length);
	last_message(batch)->nlmsg_len = (uint32_t)(batch->bytes.length - batch->last);
}

static void begin(struct batch *batch, uint16_t type, uint16_t flags, struct request request, const void *header,
	size_t header_bytes)
{
	struct nlmsghdr message = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = batch->request_count };

	batch->requests = xrealloc(batch->requests, batch->request_count + 1, sizeof(*batch->requests));
	batch->requests[batch->request_count++] = request;
	batch->last = batch->bytes.length;
	strbuf_append(&batch->bytes, &message, sizeof(message));
	append_aligned(batch, header, header_bytes);
}

static void put(struct batch *batch, uint16_t type, const void *data, size_t length)
{
	const struct rtattr attribute = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length) };

	strbuf_append(&batch->bytes, &attribute, sizeof(attribute));
	append_aligned(batch, data, length);
}

static void put_u32(struct batch *batch, uint16_t type, uint32_t value)
{
	put(batch, type, &value, sizeof(value));
}

static void put_ip(struct batch *batch, uint16_t type, const struct network_ip *ip)
{
	if (ip->length)
		put(batch, type, ip->bytes, ip->length);
}

static size_t nest(struct batch *batch, uint16_t type)
{
	size_t place = batch->bytes.length;

	put(batch, type, NULL, 0);
	return place;
}

static void end_nest(struct batch *batch, size_t place)
{
	((struct rtattr *)(void *)(batch->bytes.data + place))->rta_len = (uint16_t)(batch->bytes.length - place);
}

/* ---- what is asked for ---- */

static void begin_link(struct batch *batch, const struct network_plan *plan, uint32_t number, unsigned flags)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC,
		.ifi_index = (int)plan->interfaces[number].index,
		.ifi_flags = flags,
		.ifi_change = flags };

	begin(batch, RTM_NEWLINK, NLM_F_REQUEST, (struct request){ REQUEST_LINK, number }, &header, sizeof(header));
}

static void add_rename(struct batch *batch, const struct network_plan *plan, uint32_t number, const char *name)
{
	begin_link(batch, plan, number, 0);
	put(batch, IFLA_IFNAME, name, strlen(name) + 1);
}

/* Where the host's interface has a link-local address already, as it most often has, the kernel is not to make its own
 * and spend a second on asking whether anybody has the same; nor where IPv6 is switched off. */
static bool makes_link_local(const struct network_plan *plan, uint32_t number)
{
	for (uint32_t i = 0; i < plan->address_count; i++) {
		const struct network_address *address = &plan->addresses[i];

		if (address->interface == number && address->local.length == 16 && address->scope == RT_SCOPE_LINK)
			return false;
	}
	return plan->interfaces[number].own_link_local;
}

/* What has to be settled before the interface is up, then that. */
static void add_link(struct batch *batch, const struct network_plan *plan, uint32_t number)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;

	begin_link(batch, plan, number, 0);
	put(batch, IFLA_ADDRESS, plan->interfaces[number].mac, NETWORK_MAC_BYTES);
	put_u32(batch, IFLA_MTU, plan->interfaces[number].mtu);
	if (!makes_link_local(plan, number)) {
		size_t families = nest(batch, IFLA_AF_SPEC), family = nest(batch, AF_INET6);

		put(batch, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
		end_nest(batch, family);
		end_nest(batch, families);
	}
	begin_link(batch, plan, number, IFF_UP);
}

static void add_address(struct batch *batch, const struct network_plan *plan, uint32_t number)
{
	const struct network_address *address = &plan->addresses[number];
	const struct ifaddrmsg header = { .ifa_family = address->local.length == 4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = address->prefix_length,
		.ifa_scope = address->scope,
		.ifa_index = plan->interfaces[address->interface].index };

	begin(batch, RTM_NEWADDR, MESSAGE_FLAGS, (struct request){ REQUEST_ADDRESS, number }, &header, sizeof(header));
	put_ip(batch, IFA_LOCAL, &address->local);
	put_ip(batch, IFA_ADDRESS, address->peer.length ? &address->peer : &address->local);
	put_ip(batch, IFA_BROADCAST, &address->broadcast);
	put_u32(batch, IFA_FLAGS, address->flags);
	if (address->metric)
		put_u32(batch, IFA_RT_PRIORITY, address->metric);
}

static void put_gateway(struct batch *batch, const struct network_route *route)
{
	struct {
		uint16_t family;
		unsigned char address[16];
	} via = { .family = route->gateway.length == 4 ? AF_INET : AF_INET6 };

	if (!route->gateway.length)
		return;
	if (via.family == route->family) {
		put_ip(batch, RTA_GATEWAY, &route->gateway);
		return;
	}
	memcpy(via.address, route->gateway.bytes, route->gateway.length);
	put(batch, RTA_VIA, &via, sizeof(via.family) + route->gateway.length);
}

static void add_route(struct batch *batch, const struct network_plan *plan, uint32_t number)
{
	const struct network_route *route = &plan->routes[number];
	const struct rtmsg header = { .rtm_family = route->family,
		.rtm_dst_len = route->destination_length,
		.rtm_tos = route->service,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol,
		.rtm_scope = route->scope,
		.rtm_type = route->type,
		.rtm_flags = route->onlink ? RTNH_F_ONLINK : 0 };

	begin(batch, RTM_NEWROUTE, MESSAGE_FLAGS, (struct request){ REQUEST_ROUTE, number }, &header, sizeof(header));
	put_ip(batch, RTA_DST, &route->destination);
	if (route->interface != NETWORK_NO_INTERFACE)
		put_u32(batch, RTA_OIF, plan->interfaces[route->interface].index);
	put_gateway(batch, route);
	put_ip(batch, RTA_PREFSRC, &route->source);
	if (route->metric)
		put_u32(batch, RTA_PRIORITY, route->metric);
	if (route->mtu || route->maximum_segment) {
		size_t metrics = nest(batch, RTA_METRICS);

		if (route->mtu)
			put_u32(batch, RTAX_MTU, route->mtu);
		if (route->maximum_segment)
			put_u32(batch, RTAX_ADVMSS, route->maximum_segment);
		end_nest(batch, metrics);
	}
}

static void add_neighbour(struct batch *batch, const struct network_plan *plan, uint32_t number)
{
	const struct network_neighbour *neighbour = &plan->neighbours[number];
	const struct ndmsg header = { .ndm_family = neighbour->address.length == 4 ? AF_INET : AF_INET6,
		.ndm_ifindex = (int)plan->interfaces[neighbour->interface].index,
		.ndm_state = NUD_PERMANENT,
		.ndm_flags = neighbour->flags };

	begin(batch, RTM_NEWNEIGH, MESSAGE_FLAGS, (struct request){ REQUEST_NEIGHBOUR, number }, &header,
		sizeof(header));
	put_ip(batch, NDA_DST, &neighbour->address);
	put(batch, NDA_LLADDR, neighbour->mac, sizeof(neighbour->mac));
}

/* ---- finding the interfaces ---- */

/* Which of the interfaces has the device with this address; interface_count: none that is still to be found. */
static uint32_t number_of_device(const struct network_plan *plan, const void *address)
{
	uint32_t number = 0;

	for (; number < plan->interface_count; number++) {
		unsigned char mac[NETWORK_MAC_BYTES];

		network_device_mac(number, mac);
		if (!plan->interfaces[number].index && memcmp(mac, address, sizeof(mac)) == 0)
			break;
	}
	return number;
}

/* The kernel calls them eth0, eth1, … in the order of the devices; which is whose the device's address tells. */
static int find_interfaces(int fd, struct network_plan *plan, bool *renames, struct error *err)
{
	for (uint32_t i = 0; i < plan->interface_count; i++)
		plan->interfaces[i].index = 0;
	for (uint32_t found = 0; found < plan->interface_count; found++) {
		struct ifreq request = { 0 };
		uint32_t number;

		(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "eth%u", found);
		if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
			return error_set(err, errno, "find the guest's network interface %s", request.ifr_name);
		number = number_of_device(plan, request.ifr_hwaddr.sa_data);
		if (number == plan->interface_count)
			return error_set(err, -ENODEV, "the guest's network interface %s is none of the container's",
				request.ifr_name);
		*renames = *renames || strcmp(request.ifr_name, plan->interfaces[number].name) != 0;
		if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
			return error_set(err, errno, "find the guest's network interface %s", request.ifr_name);
		plan->interfaces[number].index = (uint32_t)request.ifr_ifindex;
	}
	return 0;
}

/* By way of names that nobody has: two interfaces may have to change theirs. */
static void add_renames(struct batch *batch, const struct network_plan *plan)
{
	for (uint32_t i = 0; i < plan->interface_count && plan->interface_count > 1; i++) {
		char name[IFNAMSIZ];

		(void)snprintf(name, sizeof(name), "new%u", i);
		add_rename(batch, plan, i, name);
	}
	for (uint32_t i = 0; i < plan->interface_count; i++)
		add_rename(batch, plan, i, plan->interfaces[i].name);
}

static void fill(struct batch *batch, const struct network_plan *plan, bool renames)
{
	if (renames)
		add_renames(batch, plan);
	for (uint32_t i = 0; i < plan->interface_count; i++)
		add_link(batch, plan, i);
	for (uint32_t i = 0; i < plan->address_count; i++)
		add_address(batch, plan, i);
	/* Gateways must be reachable when they are named. */
	for (uint32_t i = 0; i < plan->route_count; i++) {
		if (!plan->routes[i].gateway.length)
			add_route(batch, plan, i);
	}
	for (uint32_t i = 0; i < plan->route_count; i++) {
		if (plan->routes[i].gateway.length)
			add_route(batch, plan, i);
	}
	for (uint32_t i = 0; i < plan->neighbour_count; i++)
		add_neighbour(batch, plan, i);
	last_message(batch)->nlmsg_flags |= NLM_F_ACK;
}

/* ---- the kernel's answer ---- */

static const char *text_of(const struct network_ip *ip, char text[INET6_ADDRSTRLEN])
{
	if (!ip->length)
		return "default";
	return inet_ntop(ip->length == 4 ? AF_INET : AF_INET6, ip->bytes, text, INET6_ADDRSTRLEN);
}

static int explain(const struct network_plan *plan, const struct request *request, int code, struct error *err)
{
	char text[INET6_ADDRSTRLEN];

	switch (request->kind) {
	case REQUEST_ADDRESS:
		return error_set(err, code, "give the guest's interface %s the address %s",
			plan->interfaces[plan->addresses[request->number].interface].name,
			text_of(&plan->addresses[request->number].local, text));
	case REQUEST_ROUTE:
		return error_set(err, code, "add the route %s/%u in the guest",
			text_of(&plan->routes[request->number].destination, text),
			plan->routes[request->number].destination_length);
	case REQUEST_NEIGHBOUR:
		return error_set(err, code, "add the neighbour %s in the guest",
			text_of(&plan->neighbours[request->number].address, text));
	default:
		return error_set(err, code, "set up the guest's interface %s", plan->interfaces[request->number].name);
	}
}

/* Each request that fails is answered, the last one in any case. */
static int hear(int fd, const struct batch *batch, const struct network_plan *plan, struct error *err)
{
	cleanup_free char *answers = xcalloc(ANSWER_BYTES, 1);

	for (;;) {
		ssize_t got = recv(fd, answers, ANSWER_BYTES, 0);
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, got < 0 ? errno : EIO, "hear from the guest's kernel about its network");
		for (struct nlmsghdr *message = (void *)answers; NLMSG_OK(message, (unsigned)left);
			message = NLMSG_NEXT(message, left)) {
			const struct nlmsgerr *answer = NLMSG_DATA(message);

			if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq >= batch->request_count)
				continue;
			if (answer->error)
				return explain(plan, &batch->requests[message->nlmsg_seq], -answer->error, err);
			if (message->nlmsg_seq == batch->request_count - 1)
				return 0;
		}
	}
}

int network_apply(struct network_plan *plan, struct error *err)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	cleanup_fd int fd = -EBADF;
	struct batch batch = { .bytes = STRBUF_INIT };
	bool renames = false;
	int result;

	if (!plan->interface_count)
		return 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return error_set(err, errno, "open a netlink socket in the guest");
	result = find_interfaces(fd, plan, &renames, err);
	if (result < 0)
		return result;
	fill(&batch, plan, renames);
	if (sendto(fd, batch.bytes.data, batch.bytes.length, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		result = error_set(err, errno, "tell the guest's kernel about its network");
	else
		result = hear(fd, &batch, plan, err);
	strbuf_free(&batch.bytes);
	free(batch.requests);
	return result;
}
