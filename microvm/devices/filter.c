/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the devices' thread asks of the kernel: to wait for descriptors that are open already, to move bytes between
 * them and the guest's memory, and to close them.
 */
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/if_tun.h>

#include "microvm/confine.h"

static const struct sock_filter instructions[] = {
	FILTER_BEGIN,
	/* The loop. */
	FILTER_ALLOW(epoll_wait),
	FILTER_ALLOW(epoll_ctl),
	FILTER_ALLOW(read),
	FILTER_ALLOW_COMMON,
	FILTER_ALLOW(close),
	/* vsock's host ends: sockets, pipes and terminals, files. */
	FILTER_ALLOW(recvmsg),
	FILTER_ALLOW(sendmsg),
	FILTER_ALLOW(shutdown),
	FILTER_ALLOW(preadv2),
	FILTER_ALLOW(pwritev2),
	FILTER_ALLOW(readv),
	FILTER_ALLOW(writev),
	FILTER_ALLOW(poll),
	FILTER_ALLOW_IOCTL(TCGETS),
	/* net: a tap, or a stream socket. */
	FILTER_ALLOW_IOCTL(TUNSETOFFLOAD),
	FILTER_ALLOW(sendto),
	FILTER_ALLOW(recvfrom),
	/* rng */
	FILTER_ALLOW(getrandom),
	FILTER_ALLOW_THREAD_END,
	FILTER_END,
};

const struct thread_filter devices_filter = {
	.thread = "devices",
	.instructions = instructions,
	.count = FILTER_COUNT(instructions),
};
