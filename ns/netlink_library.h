/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmnl, loaded by the commands that talk to a network namespace and by no other.
 */
#ifndef DUET_NS_NETLINK_LIBRARY_H
#define DUET_NS_NETLINK_LIBRARY_H

#include <stdbool.h>

#include "base/error.h"

/* To be called before network_read() and network_join_tap(), outside of any container's file system: what is loaded
 * stays with the children. May be called again. Returns 0 or -EOPNOTSUPP: the library is missing. */
int netlink_library_load(struct error *err);
bool netlink_library_is_loaded(void);

#endif
