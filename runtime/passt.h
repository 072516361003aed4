/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A micro-VM's network without any privilege: its network device speaks Ethernet frames over a socket to passt(1), a
 * program that makes ordinary sockets of the caller's network namespace of them. Nothing is made in any namespace.
 *
 * The guest has one interface, eth0, with an IPv4 address of its own behind passt's; --vm-publish makes passt listen.
 * The host's loopback addresses cannot be reached from the guest. passt ends when its micro-VM does.
 */
#ifndef DUET_RUNTIME_PASST_H
#define DUET_RUNTIME_PASST_H

#include "runtime/launch.h"

/* Starts the program; *fd is the socket's other end. publish: "PORT:PORT[,PORT:PORT…]", the host's and the guest's, of
 * TCP; NULL: none. -ENOENT: it is not installed. */
int passt_start(const char *publish, int *fd, struct error *err);
/* What the guest is given of it. */
void passt_plan(struct network_plan *plan);

#endif
