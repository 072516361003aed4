/* SPDX-License-Identifier: Apache-2.0 */
/* A tap device as a back end (Linux Documentation/networking/tuntap.rst): a frame for each call. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/alloc.h"
#include "microvm/devices/net_internal.h"

/* What the driver takes from us is what the host's stack may leave undone in what it hands to the tap. */
static int tap_start(struct net_backend *backend, uint64_t features)
{
	static const struct {
		unsigned feature, offload;
	} table[] = {
		{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	};
	unsigned long offloads = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (features & 1ULL << table[i].feature)
			offloads |= table[i].offload;
	}
	/* Segments need checksums, and the others need segments (virtio 1.2, 5.1.3.1): a driver that took one without
	 * the other gets neither. */
	if (!(offloads & TUN_F_CSUM))
		offloads = 0;
	if (!(offloads & (TUN_F_TSO4 | TUN_F_TSO6)))
		offloads &= ~(unsigned long)TUN_F_TSO_ECN;
	return ioctl(backend->fd, TUNSETOFFLOAD, offloads) < 0 ? -errno : 0;
}

static int tap_send(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t bytes)
{
	ssize_t done;

	(void)bytes;
	do
		done = writev(backend->fd, vectors, (int)count);
	while (done < 0 && errno == EINTR);
	return done < 0 ? -errno : 0;
}

static void tap_flush(struct net_backend *backend)
{
	(void)backend;
}

static ssize_t tap_receive(struct net_backend *backend, const struct iovec *vectors, unsigned count, size_t room)
{
	ssize_t got;

	do
		got = readv(backend->fd, vectors, (int)count);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	/* It was cut without a word. */
	return (size_t)got > room ? -EMSGSIZE : got;
}

static void tap_destroy(struct net_backend *backend)
{
	close_fd(&backend->fd);
	free(backend);
}

static const struct net_backend_ops tap_ops = {
	.start = tap_start, .send = tap_send, .flush = tap_flush, .receive = tap_receive, .destroy = tap_destroy
};

int net_tap_create(struct net_backend **backend, int fd, struct error *err)
{
	const short wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq request = { 0 };
	int header_bytes = NET_HEADER_BYTES, flags = fcntl(fd, F_GETFL);

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return error_set(err, errno, "use a descriptor as a tap device");
	if ((request.ifr_flags & wanted) != wanted)
		return error_set(err, -EINVAL, "the tap device %s was not made with IFF_NO_PI and IFF_VNET_HDR",
			request.ifr_name);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 || ioctl(fd, TUNSETOFFLOAD, 0) < 0)
		return error_set(err, errno, "prepare the tap device %s", request.ifr_name);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "make the tap device %s non-blocking", request.ifr_name);
	*backend = xcalloc(1, sizeof(**backend));
	**backend = (struct net_backend){ .ops = &tap_ops, .fd = fd };
	return 0;
}
