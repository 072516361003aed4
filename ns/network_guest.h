/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a container that runs in a micro-VM: the interfaces that engines and their plugins put into the
 * container's network namespace are joined to tap devices, by redirection of what comes in (tc-mirred(8)) in both
 * directions, so that the guest takes the place of the namespace's own network stack, which hears nothing any more.
 * Host only.
 */
#ifndef DUET_NS_NETWORK_GUEST_H
#define DUET_NS_NETWORK_GUEST_H

#include <sys/types.h>

#include "ns/network_plan.h"

/* Of the names of the tap devices. */
#define NETWORK_TAP_PREFIX "duet-tap"

/*
 * Reads the caller's network namespace: every Ethernet interface that is up, but for the loopback; none is fine.
 * Refuses by name what the guest could not be given: an interface of another kind (-ENOTSUP), rules for routes, routes
 * over several paths, a namespace that another micro-VM holds (-EBUSY).
 */
int network_read(struct network_plan *plan, struct error *err);

/* Opens /dev/net/tun for a tap device in the caller's network namespace, or in that of a process (pid 0: the caller's;
 * the caller then has one thread and is in its own namespace again afterwards). A descriptor or a negative errno. */
int network_open_tun(pid_t pid, struct error *err);

/* Makes a tap device of what network_open_tun() returned, for an interface of the caller's network namespace, with its
 * MTU, and joins the two. Needs CAP_NET_ADMIN over the namespace. The tap goes when the descriptor is closed. */
int network_join_tap(const struct network_interface *interface, int tun_fd, struct error *err);

/* Takes the redirections out of a network namespace that outlives its micro-VM, so that its own stack hears again.
 * Nothing there to take out is fine. The caller has one thread, and is in its own namespace again afterwards. */
int network_release(const char *namespace_path, struct error *err);

#endif
