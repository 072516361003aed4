/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2, 5.1): one receive and one transmit queue in front of a tap device or of a stream socket.
 *
 *   NET_TAP     an open tap(4) descriptor with IFF_NO_PI and IFF_VNET_HDR. Checksums and segmentation are passed on to
 *               the host's network stack, in both directions, as far as the driver takes them.
 *   NET_STREAM  a connected stream socket that carries Ethernet frames, each behind its length in 4 bytes, big endian:
 *               what QEMU's socket back end speaks, and passt(1). No offloads.
 *
 * net.c couples queues and event loop and transmits, net_receive.c receives, net_tap.c and net_stream.c are the back
 * ends. Frames from the guest are handed on as they are, but for the virtio header in front, which is read once and
 * rebuilt; what is malformed is dropped.
 *
 * The system calls that the loop's thread makes for it: epoll_ctl, epoll_wait, futex, ioctl (TUNSETOFFLOAD), read,
 * readv, recvfrom, sendmsg, write, writev.
 */
#ifndef DUET_MICROVM_DEVICES_NET_H
#define DUET_MICROVM_DEVICES_NET_H

#include "microvm/devices/virtio.h"

#define NET_MAC_BYTES 6

struct net;

enum net_kind { NET_TAP, NET_STREAM };

struct net_options {
	enum net_kind kind;
	int fd;                           /* the tap or the socket; the device's own from net_create() on */
	unsigned char mac[NET_MAC_BYTES]; /* what the guest's interface is to have */
	uint16_t mtu;                     /* what the guest's interface is to have; at least 68 */
};

/* On failure (a descriptor that is no such tap) the descriptor is still the caller's. Everything happens on the loop's
 * thread. */
int net_create(struct net **net, const struct net_options *options, struct event_loop *loop, struct error *err);
struct virtio_device *net_device(struct net *net);
/* After the loop has stopped. */
void net_destroy(struct net *net);

#endif
