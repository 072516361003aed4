/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain description of network interfaces with their addresses, routes and neighbours, as rtnetlink(7) knows them.
 * The host reads it from a container's network namespace; the guest's init reads it from the wire and gives its own
 * interfaces the same.
 */
#ifndef DUET_NS_NETWORK_PLAN_H
#define DUET_NS_NETWORK_PLAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/wire.h"

#define NETWORK_MAC_BYTES    6
#define NETWORK_NO_INTERFACE UINT32_MAX

/* An address of either family: 4 or 16 bytes; length 0: none. */
struct network_ip {
	uint8_t length;
	unsigned char bytes[16];
};

struct network_interface {
	char name[IFNAMSIZ];
	unsigned char mac[NETWORK_MAC_BYTES];
	uint32_t mtu;
	bool own_link_local; /* its kernel gives it an IPv6 link-local address by itself */
	uint32_t index;      /* of the interface where the plan is read or applied; not on the wire */
};

/*
 * The address with which the machine's device of interface `number` comes up. It is the same in every machine, because
 * a guest that goes on from another's snapshot has that of the other's device; the guest gives it the interface's own.
 */
static inline void network_device_mac(uint32_t number, unsigned char mac[NETWORK_MAC_BYTES])
{
	/* Locally administered, and no group. */
	static const unsigned char prefix[NETWORK_MAC_BYTES] = { 0x02, 'd', 'u', 'e', 't' };

	for (size_t i = 0; i < NETWORK_MAC_BYTES; i++)
		mac[i] = prefix[i];
	mac[NETWORK_MAC_BYTES - 1] = (unsigned char)number;
}

/* `interface` of the following is a number in network_plan.interfaces. */

struct network_address {
	uint32_t interface;
	struct network_ip local, peer, broadcast; /* peer: what the prefix belongs to, if it is not `local` */
	uint8_t prefix_length, scope;
	uint32_t flags; /* IFA_F_* that somebody chose */
	uint32_t metric;
};

struct network_route {
	uint32_t interface; /* NETWORK_NO_INTERFACE: of a route to nowhere (blackhole, unreachable, prohibit) */
	uint8_t family, destination_length, type, scope, protocol, service; /* as in struct rtmsg */
	struct network_ip destination;                                      /* none: the default route */
	struct network_ip gateway;                                          /* may be of the other family */
	struct network_ip source;                                           /* preferred */
	bool onlink;
	uint32_t metric, mtu, maximum_segment; /* 0: not set */
};

struct network_neighbour {
	uint32_t interface;
	struct network_ip address;
	unsigned char mac[NETWORK_MAC_BYTES];
	uint8_t flags; /* NTF_ROUTER */
};

struct network_plan {
	struct network_interface *interfaces;
	struct network_address *addresses;
	struct network_route *routes;
	struct network_neighbour *neighbours;
	uint32_t interface_count, address_count, route_count, neighbour_count;
};

void network_plan_free(struct network_plan *plan);
void network_plan_encode(const struct network_plan *plan, struct strbuf *out);
int network_plan_decode(struct network_plan *plan, struct wire_reader *in, struct error *err);

#endif
