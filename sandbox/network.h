/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --net=user: a tap device in the sandbox's network namespace, passt(1) that speaks to the world with the host's
 * sockets, and between them a process of duet's own that looks at every frame (egress.h) and asks the host's name
 * servers. All of it is outside of the sandbox; of a micro-VM too, whose network device is joined to the same tap.
 */
#ifndef DUET_SANDBOX_NETWORK_H
#define DUET_SANDBOX_NETWORK_H

#include <sys/types.h>

#include "sandbox/egress.h"

struct sandbox;
struct sandbox_network;

/* The name server as the sandbox knows it. */
#define NETWORK_NAME_SERVER "192.0.0.3"

/* Of the sandbox, and of everything else that it sees. */
#define NETWORK_MAC              0x02, 0x64, 0x75, 0x65, 0x74, 0x02
#define NETWORK_GATEWAY_MAC      0x02, 0x64, 0x75, 0x65, 0x74, 0x01
#define NETWORK_GATEWAY_MAC_TEXT "02:64:75:65:74:01"

/* --net, --allow-host and --publish fit together. */
int network_check(const struct sandbox *sandbox, struct error *err);

/* Starts passt; for a micro-VM makes the namespace, with the tap, that it is to find. */
int network_open(struct sandbox *sandbox, struct error *err);
/* Where config.json's network namespace is; NULL: one of the container's own is to be made. */
const char *network_namespace_path(const struct sandbox_network *network);
/* The same for the user namespace that owns it. */
const char *network_user_namespace_path(const struct sandbox_network *network);
/* For a container: the tap in the namespace of its process, which has not executed anything yet. */
int network_attach(struct sandbox *sandbox, pid_t pid, struct error *err);
/* Ends all of it; what it counted stays. Safe on NULL. */
void network_close(struct sandbox *sandbox);

/* network_pump.c: moves frames until it is killed. Never returns. */
struct network_pump {
	int tap, passt;
	struct egress egress;
};
void network_pump(struct network_pump *pump) __attribute__((noreturn));

#endif
