/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap device with addresses and a way out, in a network namespace: for who moves its frames himself. By tun(4) and
 * rtnetlink(7). Host only.
 */
#ifndef DUET_NS_NETWORK_TAP_H
#define DUET_NS_NETWORK_TAP_H

#include <net/if.h>
#include <stdint.h>

#include "base/error.h"
#include "ns/network_plan.h"

struct network_tap_side {
	struct network_ip address, gateway; /* length 0: not of this family */
	uint8_t prefix_length;
};

struct network_tap {
	char name[IFNAMSIZ];
	unsigned char mac[NETWORK_MAC_BYTES];
	unsigned char gateway_mac[NETWORK_MAC_BYTES]; /* of everybody on the other side: nobody needs to be asked */
	uint32_t mtu;
	struct network_tap_side sides[2]; /* IPv4's, IPv6's; the latter is left out where the kernel has none */
	struct network_ip neighbour;      /* another one there; length 0: none */
};

/* Makes it in the network namespace of a descriptor, up and complete, with the loopback up too. Returns a non-blocking
 * descriptor of its frames (whole, without a header of ours, checksums done); the device goes when it is closed. */
int network_make_tap(int network_namespace, const struct network_tap *tap, struct error *err);

#endif
