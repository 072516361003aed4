/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network devices of the host that are handed to a container (runtime-spec config-linux.md "Network Devices"), by
 * rtnetlink(7). Host only.
 */
#ifndef DUET_NS_NETWORK_H
#define DUET_NS_NETWORK_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Moves host_name of the caller's network namespace into that of process pid, where it is called container_name (a name
 * ending in "%d" lets the kernel choose the number), is up and has the permanent addresses of global scope that it had.
 * Fails when there is a device of that name already, or when the process is in the caller's own network namespace.
 * Needs one thread, or a thread that may change its namespace for a moment. Devices go back, or away, with the
 * namespace; the runtime does not move them back.
 */
int network_move_device(const char *host_name, const char *container_name, pid_t pid, struct error *err);

#endif
