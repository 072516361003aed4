/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/net.h"

#include <linux/virtio_net.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "microvm/devices/net_internal.h"

#define QUEUE_SIZE VIRTQUEUE_SIZE_MAX
#define MTU_MIN    68

static struct net *net_of(struct virtio_device *device)
{
	return (struct net *)((char *)device - offsetof(struct net, device));
}

/* ---- waiting for the back end; the loop's thread alone ---- */

static void unwatch(struct net *net)
{
	if (net->watched)
		event_loop_remove(net->device.loop, &net->watch);
	net->watched = false;
}

/* Waits for what is of use now. Errors of a descriptor are reported whatever is asked for, so nothing is watched where
 * nothing is wanted. */
static void watch_backend(struct net *net)
{
	uint32_t events = 0;
	int result;

	if (net->active && net->started && !net->lost) {
		if (!net->receive_starved)
			events |= EPOLLIN;
		if (net->transmit_blocked || net->backend->unsent)
			events |= EPOLLOUT;
	}
	if (!events) {
		unwatch(net);
		return;
	}
	if (net->watched && net->watched_events == events)
		return;
	result = net->watched ? event_loop_change(net->device.loop, &net->watch, events)
			      : event_loop_add(net->device.loop, &net->watch, events);
	net->watched = result == 0;
	net->watched_events = events;
}

/* ---- transmitting ---- */

static bool is_segmentation_agreed(const struct net *net, uint8_t type)
{
	if ((type & VIRTIO_NET_HDR_GSO_ECN) && !net_agreed(net, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return net_agreed(net, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return net_agreed(net, VIRTIO_NET_F_HOST_TSO6);
	default:
		return false;
	}
}

/* Builds from the driver's header one that says nothing that was not agreed upon, and nothing about bytes that the
 * frame does not have. */
static bool check_header(const struct net *net, const struct virtio_net_hdr_v1 *said, size_t frame_bytes,
	struct virtio_net_hdr_v1 *header)
{
	*header = (struct virtio_net_hdr_v1){ 0 };
	if (said->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!net_agreed(net, VIRTIO_NET_F_CSUM) ||
			(size_t)said->csum_start + said->csum_offset + sizeof(uint16_t) > frame_bytes)
			return false;
		header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header->csum_start = said->csum_start;
		header->csum_offset = said->csum_offset;
	}
	if (said->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	/* A driver that leaves segments to us leaves their checksums, too (5.1.6.2). */
	if (!header->flags || !said->gso_size || said->hdr_len > frame_bytes ||
		!is_segmentation_agreed(net, said->gso_type))
		return false;
	header->gso_type = said->gso_type;
	header->gso_size = said->gso_size;
	header->hdr_len = said->hdr_len;
	return true;
}

/* 0: sent or dropped; -EAGAIN. */
static int transmit_frame(struct net *net)
{
	const struct virtqueue_chain *chain = &net->chain;
	struct iovec vectors[VIRTQUEUE_SIZE_MAX + 1];
	struct virtio_net_hdr_v1 said, header;
	size_t skip = sizeof(said), frame_bytes;
	unsigned count = 0;
	int result;

	if (net->lost || virtqueue_read(chain, 0, &said, sizeof(said)) < sizeof(said))
		return 0;
	frame_bytes = chain->readable_bytes - sizeof(said);
	if (frame_bytes < ETH_HLEN || frame_bytes > NET_FRAME_BYTES_MAX ||
		!check_header(net, &said, frame_bytes, &header))
		return 0;
	vectors[count++] = (struct iovec){ .iov_base = &header, .iov_len = sizeof(header) };
	for (unsigned i = 0; i < chain->readable_count; i++) {
		struct iovec vector = chain->readable[i];
		size_t part = vector.iov_len < skip ? vector.iov_len : skip;

		skip -= part;
		if (vector.iov_len == part)
			continue;
		vectors[count++] =
			(struct iovec){ .iov_base = (char *)vector.iov_base + part, .iov_len = vector.iov_len - part };
	}
	result = net->backend->ops->send(net->backend, vectors, count, sizeof(header) + frame_bytes);
	/* What the host's stack refuses is as lost as on any wire. */
	return result == -EAGAIN ? result : 0;
}

/* Kicks are unwanted for as long as this goes on: each is an exit of the guest's. */
static int transmit(struct net *net)
{
	struct virtqueue *queue = &net->device.queues[NET_QUEUE_TRANSMIT];
	unsigned frames = 0;
	int result = 0;

	(void)virtqueue_want_kicks(queue, false);
	net->transmit_blocked = false;
	while (frames < NET_FRAMES_PER_TURN) {
		result = virtqueue_pop(queue, &net->chain);
		if (result < 0)
			break;
		if (result == 0) {
			if (virtqueue_want_kicks(queue, true))
				continue;
			break;
		}
		if (transmit_frame(net) == -EAGAIN) {
			virtqueue_unpop(queue);
			net->transmit_blocked = true;
			result = 0;
			break;
		}
		virtqueue_push(queue, net->chain.head, 0);
		frames++;
	}
	net->device.interrupt(&net->device, queue);
	return result;
}

/* ---- the device ---- */

static int start(struct net *net)
{
	int result;

	if (net->started)
		return 0;
	result = net->backend->ops->start(net->backend, net->device.features_agreed);
	if (result < 0) {
		log_warning("virtio device net: the host's network device refuses the offloads: %s", strerror(-result));
		return result;
	}
	net->started = true;
	/* Buffers are looked for when there is a frame to put into them. */
	(void)virtqueue_want_kicks(&net->device.queues[NET_QUEUE_RECEIVE], false);
	return 0;
}

static int kick(struct virtio_device *device, unsigned index)
{
	struct net *net = net_of(device);
	int result = start(net);

	if (result == 0 && index == NET_QUEUE_TRANSMIT)
		result = transmit(net);
	if (result == 0 && index == NET_QUEUE_RECEIVE && net->receive_starved) {
		net->receive_starved = false;
		(void)virtqueue_want_kicks(&device->queues[index], false);
		result = net_receive(net);
	}
	watch_backend(net);
	return result;
}

static int serve_backend(struct net *net, uint32_t events)
{
	int result = 0;

	if (events & EPOLLOUT)
		net->backend->ops->flush(net->backend);
	if (net->transmit_blocked && !net->backend->unsent) {
		result = transmit(net);
		/* There is more, and nobody will kick for it. */
		if (result > 0)
			net->transmit_blocked = true;
	}
	if (result >= 0 && !net->receive_starved && (events & ~(uint32_t)EPOLLOUT))
		result = net_receive(net);
	return result;
}

static void backend_ready(struct event_watch *watch, uint32_t events)
{
	struct net *net = (struct net *)((char *)watch - offsetof(struct net, watch));

	pthread_mutex_lock(&net->device.lock);
	if (net->active && net->started && serve_backend(net, events) < 0)
		net->device.broken(&net->device);
	watch_backend(net);
	pthread_mutex_unlock(&net->device.lock);
}

/* On a vCPU's thread: what concerns the descriptor is left to the loop's, which gets a kick of each queue now. */
static int activate(struct virtio_device *device)
{
	struct net *net = net_of(device);

	net->active = true;
	net->receive_starved = net->transmit_blocked = net->started = false;
	return 0;
}

static void reset(struct virtio_device *device)
{
	struct net *net = net_of(device);

	net->active = false;
	net_receive_reset(net);
}

static const struct virtio_device_ops operations = { .activate = activate, .reset = reset, .kick = kick };

static void describe(struct net *net, const struct net_options *options)
{
	net->config = (struct virtio_net_config){ .mtu = options->mtu };
	memcpy(net->config.mac, options->mac, sizeof(net->config.mac));
	net->device = (struct virtio_device){
		.name = "net",
		.id = VIRTIO_DEVICE_NET,
		.ops = &operations,
		.features_offered = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_MTU |
				    1ULL << VIRTIO_NET_F_MRG_RXBUF | (options->kind == NET_TAP ? NET_TAP_FEATURES : 0),
		.config = &net->config,
		.config_bytes = offsetof(struct virtio_net_config, mtu) + sizeof(net->config.mtu),
		.queue_count = NET_QUEUES,
		.queue_size_max = QUEUE_SIZE,
	};
}

int net_create(struct net **net, const struct net_options *options, struct event_loop *loop, struct error *err)
{
	struct net_backend *backend = NULL;
	struct net *made;
	int result;

	if (options->mtu < MTU_MIN)
		return error_set(err, -EINVAL, "a network device with an MTU of %u", options->mtu);
	result = options->kind == NET_TAP ? net_tap_create(&backend, options->fd, err)
					  : net_stream_create(&backend, options->fd, err);
	if (result < 0)
		return result;
	made = xcalloc(1, sizeof(*made));
	describe(made, options);
	made->backend = backend;
	made->device.loop = loop;
	made->watch = (struct event_watch){ .fd = options->fd, .ready = backend_ready };
	(void)pthread_mutex_init(&made->device.lock, NULL);
	*net = made;
	return 0;
}

struct virtio_device *net_device(struct net *net)
{
	return &net->device;
}

void net_destroy(struct net *net)
{
	if (!net)
		return;
	unwatch(net);
	net->backend->ops->destroy(net->backend);
	(void)pthread_mutex_destroy(&net->device.lock);
	free(net);
}
