/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's network interfaces, as the container's network namespace on the host has them.
 */
#ifndef DUET_MICROVM_GUEST_NETWORK_H
#define DUET_MICROVM_GUEST_NETWORK_H

#include "ns/network_plan.h"

/* Gives each interface of the plan's, known by its MAC address, its name, MTU, addresses, routes and neighbours, and
 * brings it up; by rtnetlink(7), all in one message to the kernel. Fills in the plan's indices. An empty plan costs
 * nothing. */
int network_apply(struct network_plan *plan, struct error *err);

#endif
