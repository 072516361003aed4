/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"

#define QUEUE_SIZE 128
/* Then other devices of the same loop have their turn. */
#define REQUESTS_PER_KICK 16

_Static_assert(BALLOON_PAGE_BYTES == 1ULL << VIRTIO_BALLOON_PFN_SHIFT, "the unit of the driver's numbers");
_Static_assert(BALLOON_STATISTICS == VIRTIO_BALLOON_S_NR, "the driver's numbers of statistics");

enum role { ROLE_INFLATE, ROLE_DEFLATE, ROLE_STATISTICS, ROLE_REPORTING, ROLES };

struct balloon {
	struct virtio_device device;
	const struct guest_memory *memory;
	struct virtio_balloon_config config;
	struct virtqueue_chain chain;
	uint32_t pages[BALLOON_PAGES_MAX];
	bool driven;
	/* Of the driver that is there. */
	struct balloon_state state; /* all but driven, target_bytes and actual_bytes */
};

static struct balloon *balloon_of(struct virtio_device *device)
{
	return (struct balloon *)device;
}

static uint64_t memory_bytes(const struct guest_memory *memory)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < memory->count; i++)
		bytes += memory->regions[i].size_bytes;
	return bytes;
}

/* ---- giving pages back ---- */

/* What lies wholly inside, in whole pages of the host. */
static uint64_t release(unsigned char *start, uint64_t length)
{
	uintptr_t first = ((uintptr_t)start + BALLOON_PAGE_BYTES - 1) & ~(uintptr_t)(BALLOON_PAGE_BYTES - 1),
		  end = ((uintptr_t)start + length) & ~(uintptr_t)(BALLOON_PAGE_BYTES - 1);

	if (end <= first)
		return 0;
	/* Should the host not take them, the guest has lost nothing. */
	return madvise((void *)first, end - first, MADV_DONTNEED) == 0 ? end - first : 0;
}

/* Neighbours go together: a call for each page would cost more than the page. */
static void inflate(struct balloon *balloon)
{
	size_t bytes = virtqueue_read(&balloon->chain, 0, balloon->pages, sizeof(balloon->pages));
	unsigned char *start = NULL, *end = NULL;

	for (size_t i = 0; i < bytes / sizeof(balloon->pages[0]); i++) {
		unsigned char *page =
			guest_memory_at(balloon->memory, balloon->pages[i] * BALLOON_PAGE_BYTES, BALLOON_PAGE_BYTES);

		if (!page)
			continue;
		if (start && page == end) {
			end += BALLOON_PAGE_BYTES;
			continue;
		}
		if (start && page + BALLOON_PAGE_BYTES == start) {
			start = page;
			continue;
		}
		if (start)
			(void)release(start, (uint64_t)(end - start));
		start = page;
		end = page + BALLOON_PAGE_BYTES;
	}
	if (start)
		(void)release(start, (uint64_t)(end - start));
}

static void take_report(struct balloon *balloon)
{
	const struct virtqueue_chain *chain = &balloon->chain;

	for (unsigned i = 0; i < chain->writable_count; i++)
		balloon->state.reported_bytes += release(chain->writable[i].iov_base, chain->writable[i].iov_len);
}

/* ---- statistics ---- */

static void read_statistics(struct balloon *balloon)
{
	struct balloon_state *state = &balloon->state;
	struct virtio_balloon_stat statistic;

	state->known = 0;
	for (size_t i = 0; i < 2 * BALLOON_STATISTICS; i++) {
		if (virtqueue_read(&balloon->chain, i * sizeof(statistic), &statistic, sizeof(statistic)) !=
			sizeof(statistic))
			break;
		if (statistic.tag >= BALLOON_STATISTICS)
			continue;
		state->statistics[statistic.tag] = statistic.val;
		state->known |= 1U << statistic.tag;
	}
	state->awaited = false;
}

/* 1: the buffer of statistics is there, and taken from the ring. */
static int take_statistics(struct balloon *balloon, struct virtqueue *queue)
{
	int result = virtqueue_pop(queue, &balloon->chain);

	if (result > 0)
		read_statistics(balloon);
	return result;
}

/* ---- queues ---- */

/* Queues that were not agreed upon have no number (5.5.2, and as Linux counts). */
static enum role role_of(const struct virtio_device *device, unsigned index)
{
	bool statistics = device->features_agreed & 1ULL << VIRTIO_BALLOON_F_STATS_VQ;

	if (index <= ROLE_DEFLATE)
		return index;
	if (statistics && index == ROLE_STATISTICS)
		return ROLE_STATISTICS;
	if ((device->features_agreed & 1ULL << VIRTIO_BALLOON_F_REPORTING) &&
		index == (statistics ? ROLE_REPORTING : ROLE_STATISTICS))
		return ROLE_REPORTING;
	return ROLES;
}

static int serve(struct balloon *balloon, struct virtqueue *queue, enum role role)
{
	int result = 1;

	for (unsigned served = 0; served < REQUESTS_PER_KICK && result > 0; served++) {
		result = virtqueue_pop(queue, &balloon->chain);
		if (result <= 0)
			break;
		if (role == ROLE_INFLATE)
			inflate(balloon);
		else if (role == ROLE_REPORTING)
			take_report(balloon);
		/* Pages that the guest takes back come when it touches them. */
		virtqueue_push(queue, balloon->chain.head, 0);
	}
	balloon->device.interrupt(&balloon->device, queue);
	return result;
}

static int kick(struct virtio_device *device, unsigned index)
{
	struct balloon *balloon = balloon_of(device);
	struct virtqueue *queue = &device->queues[index];
	enum role role = role_of(device, index);
	int result;

	if (role == ROLES)
		return 0;
	if (role != ROLE_STATISTICS)
		return serve(balloon, queue, role);
	result = take_statistics(balloon, queue);
	if (result > 0)
		virtqueue_unpop(queue);
	return result < 0 ? result : 0;
}

void balloon_ask(struct balloon *balloon)
{
	struct virtio_device *device = &balloon->device;
	struct virtqueue *queue = &device->queues[ROLE_STATISTICS];
	int result = 0;

	pthread_mutex_lock(&device->lock);
	if (balloon->driven && role_of(device, ROLE_STATISTICS) == ROLE_STATISTICS)
		result = take_statistics(balloon, queue);
	if (result > 0) {
		balloon->state.awaited = true;
		virtqueue_push(queue, balloon->chain.head, 0);
		device->interrupt(device, queue);
	} else if (result < 0) {
		device->broken(device);
	}
	pthread_mutex_unlock(&device->lock);
}

/* ---- the device ---- */

static int activate(struct virtio_device *device)
{
	balloon_of(device)->driven = true;
	return 0;
}

static void reset(struct virtio_device *device)
{
	struct balloon *balloon = balloon_of(device);

	balloon->driven = false;
	balloon->config.actual = 0;
	balloon->state = (struct balloon_state){ .reported_bytes = balloon->state.reported_bytes };
}

static void write_config(struct virtio_device *device, uint64_t offset, const void *data, unsigned length)
{
	struct virtio_balloon_config *config = &balloon_of(device)->config;

	if (offset == offsetof(struct virtio_balloon_config, actual) && length == sizeof(config->actual))
		memcpy(&config->actual, data, length);
}

static const struct virtio_device_ops operations = {
	.activate = activate, .reset = reset, .kick = kick, .write_config = write_config
};

void balloon_set_target(struct balloon *balloon, uint64_t bytes)
{
	struct virtio_device *device = &balloon->device;
	uint64_t all = memory_bytes(balloon->memory);

	pthread_mutex_lock(&device->lock);
	balloon->config.num_pages = (uint32_t)((bytes < all ? bytes : all) / BALLOON_PAGE_BYTES);
	device->config_changed(device);
	pthread_mutex_unlock(&device->lock);
}

void balloon_read(struct balloon *balloon, struct balloon_state *state)
{
	uint64_t all = memory_bytes(balloon->memory);

	pthread_mutex_lock(&balloon->device.lock);
	*state = balloon->state;
	state->driven = balloon->driven;
	state->target_bytes = balloon->config.num_pages * BALLOON_PAGE_BYTES;
	state->actual_bytes = balloon->config.actual * BALLOON_PAGE_BYTES;
	pthread_mutex_unlock(&balloon->device.lock);
	if (state->actual_bytes > all)
		state->actual_bytes = all;
}

int balloon_create(
	struct balloon **balloon, const struct guest_memory *memory, struct event_loop *loop, struct error *err)
{
	struct balloon *made = xcalloc(1, sizeof(*made));
	int result;

	made->memory = memory;
	made->device = (struct virtio_device){
		.name = "balloon",
		.id = VIRTIO_DEVICE_BALLOON,
		.ops = &operations,
		.features_offered = 1ULL << VIRTIO_BALLOON_F_STATS_VQ | 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
				    1ULL << VIRTIO_BALLOON_F_REPORTING,
		.config = &made->config,
		.config_bytes = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
		.queue_count = ROLES,
		.queue_size_max = QUEUE_SIZE,
		.loop = loop,
	};
	result = pthread_mutex_init(&made->device.lock, NULL);
	if (result) {
		free(made);
		return error_set(err, result, "make the balloon");
	}
	*balloon = made;
	return 0;
}

struct virtio_device *balloon_device(struct balloon *balloon)
{
	return &balloon->device;
}

void balloon_destroy(struct balloon *balloon)
{
	if (!balloon)
		return;
	(void)pthread_mutex_destroy(&balloon->device.lock);
	free(balloon);
}
