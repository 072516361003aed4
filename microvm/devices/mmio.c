/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/mmio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/log.h"

#define FEATURES_ALWAYS \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define VENDOR_ID 0x54455544U /* "DUET" */

_Static_assert(MMIO_QUEUE_NOTIFY == VIRTIO_MMIO_QUEUE_NOTIFY, "the register's place");

/* The halves of mmio.interrupts. */
#define NEWS_SHIFT      16
#define INTERRUPTS_MASK 0xffffU

struct mmio_kick {
	struct event_watch watch;
	struct mmio *mmio;
	unsigned queue;
};

struct mmio {
	struct virtio_device *device;
	const struct guest_memory *memory;
	int interrupt_fd;
	struct mmio_kick kicks[VIRTIO_QUEUES_MAX];
	/* InterruptStatus, and in the upper half those of its bits that were raised since the driver last read it: what
	 * it acknowledges cannot mean these, since its stores may arrive later than it made them (vm_devices.c).
	 * Atomic: what an interrupt has the driver read and write must not wait for a device that is busy. */
	uint32_t interrupts;
	/* Registers, under device->lock. */
	uint32_t status;
	uint32_t device_features_select, driver_features_select, queue_select;
	uint64_t driver_features;
	uint32_t config_generation;
	bool ready[VIRTIO_QUEUES_MAX];
	bool broken_before;
};

static uint64_t features_offered(const struct mmio *mmio)
{
	return mmio->device->features_offered | FEATURES_ALWAYS;
}

static void signal_event(int fd)
{
	uint64_t one = 1;

	/* Full (EAGAIN) means that it is signalled already. */
	(void)!write(fd, &one, sizeof(one));
}

static uint32_t read_interrupts(struct mmio *mmio)
{
	return __atomic_fetch_and(&mmio->interrupts, INTERRUPTS_MASK, __ATOMIC_SEQ_CST) & INTERRUPTS_MASK;
}

static void acknowledge(struct mmio *mmio, uint32_t bits)
{
	uint32_t before = __atomic_load_n(&mmio->interrupts, __ATOMIC_SEQ_CST), after;

	do
		after = before & ~(bits & INTERRUPTS_MASK & ~(before >> NEWS_SHIFT));
	while (!__atomic_compare_exchange_n(
		&mmio->interrupts, &before, after, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

static void raise_interrupt(struct mmio *mmio, uint32_t reason)
{
	(void)__atomic_fetch_or(&mmio->interrupts, reason | reason << NEWS_SHIFT, __ATOMIC_SEQ_CST);
	signal_event(mmio->interrupt_fd);
}

static void interrupt(struct virtio_device *device, struct virtqueue *queue)
{
	if (virtqueue_should_interrupt(queue))
		raise_interrupt(device->transport, VIRTIO_MMIO_INT_VRING);
}

/* Nothing is taken from or put into any ring again before a reset (2.1.2). */
static void broken(struct virtio_device *device)
{
	struct mmio *mmio = device->transport;

	if (mmio->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	/* Once: a guest must not be able to fill the log. */
	if (!mmio->broken_before)
		log_warning("virtio device %s: the guest's driver broke the rules, the device stops until it is reset",
			device->name);
	mmio->broken_before = true;
	for (unsigned i = 0; i < device->queue_count; i++)
		device->queues[i].enabled = false;
	mmio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (mmio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		raise_interrupt(mmio, VIRTIO_MMIO_INT_CONFIG);
}

static bool running(const struct mmio *mmio)
{
	return (mmio->status & VIRTIO_CONFIG_S_DRIVER_OK) && !(mmio->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void config_changed(struct virtio_device *device)
{
	struct mmio *mmio = device->transport;

	mmio->config_generation++;
	if (running(mmio))
		raise_interrupt(mmio, VIRTIO_MMIO_INT_CONFIG);
}

static void kick_ready(struct event_watch *watch, uint32_t events)
{
	struct mmio_kick *kick = (struct mmio_kick *)watch;
	struct virtio_device *device = kick->mmio->device;
	uint64_t count;
	int result;

	(void)events;
	(void)!read(watch->fd, &count, sizeof(count));
	pthread_mutex_lock(&device->lock);
	if (running(kick->mmio)) {
		result = device->ops->kick(device, kick->queue);
		if (result > 0)
			signal_event(watch->fd);
		else if (result < 0)
			broken(device);
	}
	pthread_mutex_unlock(&device->lock);
}

static void reset(struct mmio *mmio)
{
	struct virtio_device *device = mmio->device;

	if (mmio->status & VIRTIO_CONFIG_S_DRIVER_OK)
		device->ops->reset(device);
	for (unsigned i = 0; i < device->queue_count; i++) {
		virtqueue_reset(&device->queues[i]);
		mmio->ready[i] = false;
	}
	device->features_agreed = 0;
	mmio->driver_features = 0;
	mmio->status = 0;
	__atomic_store_n(&mmio->interrupts, 0, __ATOMIC_SEQ_CST);
	mmio->device_features_select = mmio->driver_features_select = mmio->queue_select = 0;
}

/* The driver has set FEATURES_OK: keep the bit only for a set that can be served. */
static void settle_features(struct mmio *mmio)
{
	uint64_t agreed = mmio->driver_features;

	if ((agreed & ~features_offered(mmio)) || !(agreed & 1ULL << VIRTIO_F_VERSION_1))
		return;
	mmio->device->features_agreed = agreed;
	mmio->status |= VIRTIO_CONFIG_S_FEATURES_OK;
}

static void activate(struct mmio *mmio)
{
	struct virtio_device *device = mmio->device;
	int result = 0;

	for (unsigned i = 0; i < device->queue_count && !result; i++) {
		device->queues[i].event_index = device->features_agreed & 1ULL << VIRTIO_RING_F_EVENT_IDX;
		if (mmio->ready[i])
			result = virtqueue_enable(&device->queues[i]);
	}
	mmio->status |= VIRTIO_CONFIG_S_DRIVER_OK;
	if (!result)
		result = device->ops->activate(device);
	if (result)
		broken(device);
	/* Whatever was added before DRIVER_OK. */
	for (unsigned i = 0; i < device->queue_count; i++)
		signal_event(mmio->kicks[i].watch.fd);
}

static void write_status(struct mmio *mmio, uint32_t value)
{
	const uint32_t acknowledged = VIRTIO_CONFIG_S_ACKNOWLEDGE;
	const uint32_t driver = acknowledged | VIRTIO_CONFIG_S_DRIVER;
	const uint32_t features_ok = driver | VIRTIO_CONFIG_S_FEATURES_OK;
	const uint32_t driver_ok = features_ok | VIRTIO_CONFIG_S_DRIVER_OK;
	uint32_t status = mmio->status & ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET;

	if (!value) {
		reset(mmio);
		return;
	}
	if (value & VIRTIO_CONFIG_S_FAILED) {
		mmio->status |= VIRTIO_CONFIG_S_FAILED;
		return;
	}
	value &= ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET;
	if ((status == 0 && value == acknowledged) || (status == acknowledged && value == driver))
		mmio->status = value;
	else if (status == driver && value == features_ok)
		settle_features(mmio);
	else if (status == features_ok && value == driver_ok)
		activate(mmio);
}

/* The selected queue, if there is one. */
static struct virtqueue *selected(struct mmio *mmio)
{
	return mmio->queue_select < mmio->device->queue_count ? &mmio->device->queues[mmio->queue_select] : NULL;
}

static void put_half(uint64_t *place, bool high, uint32_t value)
{
	*place = high ? (*place & 0xffffffffULL) | (uint64_t)value << 32 : (*place & ~0xffffffffULL) | value;
}

static void write_queue(struct mmio *mmio, uint64_t offset, uint32_t value)
{
	const uint32_t window = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK;
	struct virtqueue *queue = selected(mmio);

	if (!queue || mmio->status != window)
		return;
	if (offset == VIRTIO_MMIO_QUEUE_READY) {
		mmio->ready[mmio->queue_select] = value & 1;
		return;
	}
	if (mmio->ready[mmio->queue_select])
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		if (value && value <= mmio->device->queue_size_max && !(value & (value - 1)))
			queue->size = (uint16_t)value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		put_half(&queue->descriptor_table, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		put_half(&queue->available_ring, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		put_half(&queue->used_ring, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	default:
		break;
	}
}

static void write_register(struct mmio *mmio, uint64_t offset, uint32_t value)
{
	const uint32_t choosing = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (mmio->status == choosing && mmio->driver_features_select < 2)
			put_half(&mmio->driver_features, mmio->driver_features_select, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		/* Normally KVM takes these itself (KVM_IOEVENTFD). */
		if (value < mmio->device->queue_count)
			signal_event(mmio->kicks[value].watch.fd);
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(mmio, value & 0xff);
		break;
	default:
		write_queue(mmio, offset, value);
		break;
	}
}

static uint32_t half(uint64_t value, uint32_t select)
{
	return select < 2 ? (uint32_t)(value >> (32 * select)) : 0;
}

static uint32_t read_register(struct mmio *mmio, uint64_t offset)
{
	struct virtqueue *queue = selected(mmio);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return 0x74726976; /* "virt" */
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->device->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR_ID;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(features_offered(mmio), mmio->device_features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? mmio->device->queue_size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue ? mmio->ready[mmio->queue_select] : 0;
	case VIRTIO_MMIO_STATUS:
		return mmio->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* no such region (4.2.2) */
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return mmio->config_generation;
	default:
		return 0;
	}
}

static bool in_config(const struct virtio_device *device, uint64_t offset, unsigned length)
{
	return device->config && offset <= device->config_bytes && length <= device->config_bytes - offset;
}

void mmio_read(struct mmio *mmio, uint64_t offset, void *data, unsigned length)
{
	struct virtio_device *device = mmio->device;
	uint32_t value;

	memset(data, 0, length);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		offset -= VIRTIO_MMIO_CONFIG;
		pthread_mutex_lock(&device->lock);
		if (in_config(device, offset, length))
			memcpy(data, (const char *)device->config + offset, length);
		pthread_mutex_unlock(&device->lock);
		return;
	}
	if (length != sizeof(value) || offset % sizeof(value))
		return;
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS) {
		value = read_interrupts(mmio);
	} else {
		pthread_mutex_lock(&device->lock);
		value = read_register(mmio, offset);
		pthread_mutex_unlock(&device->lock);
	}
	memcpy(data, &value, sizeof(value));
}

static void write_config(struct mmio *mmio, uint64_t offset, const void *data, unsigned length)
{
	struct virtio_device *device = mmio->device;

	pthread_mutex_lock(&device->lock);
	if (device->ops->write_config && (mmio->status & VIRTIO_CONFIG_S_DRIVER) && in_config(device, offset, length))
		device->ops->write_config(device, offset, data, length);
	pthread_mutex_unlock(&device->lock);
}

void mmio_write(struct mmio *mmio, uint64_t offset, const void *data, unsigned length)
{
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		write_config(mmio, offset - VIRTIO_MMIO_CONFIG, data, length);
		return;
	}
	if (length != sizeof(value) || offset % sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		acknowledge(mmio, value);
		return;
	}
	pthread_mutex_lock(&mmio->device->lock);
	write_register(mmio, offset, value);
	pthread_mutex_unlock(&mmio->device->lock);
}

static int watch_queue(struct mmio *mmio, unsigned queue)
{
	struct mmio_kick *kick = &mmio->kicks[queue];

	kick->mmio = mmio;
	kick->queue = queue;
	kick->watch = (struct event_watch){ .ready = kick_ready, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (kick->watch.fd < 0)
		return -errno;
	return event_loop_add(mmio->device->loop, &kick->watch, EPOLLIN);
}

int mmio_create(struct mmio **mmio, struct virtio_device *device, const struct guest_memory *memory, struct error *err)
{
	struct mmio *made;
	int result = 0;

	if (!device->queue_count || device->queue_count > VIRTIO_QUEUES_MAX ||
		device->queue_size_max > VIRTQUEUE_SIZE_MAX)
		return error_set(err, -EINVAL, "virtio device %s: %u queues of %u", device->name, device->queue_count,
			device->queue_size_max);
	made = xcalloc(1, sizeof(*made));
	made->device = device;
	made->memory = memory;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		made->kicks[i].watch.fd = -EBADF;
	made->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (made->interrupt_fd < 0)
		result = -errno;
	for (unsigned i = 0; i < device->queue_count && !result; i++) {
		device->queues[i].memory = memory;
		result = watch_queue(made, i);
	}
	if (result) {
		mmio_destroy(made);
		return error_set(err, -result, "make the event descriptors of virtio device %s", device->name);
	}
	device->transport = made;
	device->interrupt = interrupt;
	device->config_changed = config_changed;
	device->broken = broken;
	*mmio = made;
	return 0;
}

void mmio_destroy(struct mmio *mmio)
{
	if (!mmio)
		return;
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		close_fd(&mmio->kicks[i].watch.fd);
	close_fd(&mmio->interrupt_fd);
	free(mmio);
}

int mmio_interrupt_fd(const struct mmio *mmio)
{
	return mmio->interrupt_fd;
}

int mmio_kick_fd(const struct mmio *mmio, unsigned queue)
{
	return mmio->kicks[queue].watch.fd;
}

/* ---- snapshots ---- */

static void save_queue(const struct virtqueue *queue, bool ready, struct strbuf *out)
{
	wire_put_u8(out, ready);
	wire_put_u32(out, queue->size);
	wire_put_u64(out, queue->descriptor_table);
	wire_put_u64(out, queue->available_ring);
	wire_put_u64(out, queue->used_ring);
	wire_put_u32(out, queue->next_available);
	wire_put_u32(out, queue->next_used);
}

void mmio_hold(struct mmio *mmio, bool held)
{
	if (held)
		(void)pthread_mutex_lock(&mmio->device->lock);
	else
		(void)pthread_mutex_unlock(&mmio->device->lock);
}

void mmio_save(struct mmio *mmio, struct strbuf *out)
{
	const struct virtio_device *device = mmio->device;

	wire_put_u32(out, device->id);
	wire_put_u32(out, mmio->status);
	wire_put_u64(out, mmio->driver_features);
	wire_put_u32(out, __atomic_load_n(&mmio->interrupts, __ATOMIC_SEQ_CST) & INTERRUPTS_MASK);
	wire_put_u32(out, device->queue_count);
	for (unsigned i = 0; i < device->queue_count; i++)
		save_queue(&device->queues[i], mmio->ready[i], out);
}

static void restore_queue(struct virtqueue *queue, bool *ready, struct wire_reader *in)
{
	*ready = wire_get_u8(in);
	queue->size = (uint16_t)wire_get_u32(in);
	queue->descriptor_table = wire_get_u64(in);
	queue->available_ring = wire_get_u64(in);
	queue->used_ring = wire_get_u64(in);
	queue->next_available = (uint16_t)wire_get_u32(in);
	queue->next_used = (uint16_t)wire_get_u32(in);
}

static bool queues_can_be(const struct virtio_device *device)
{
	for (unsigned i = 0; i < device->queue_count; i++) {
		uint16_t size = device->queues[i].size;

		if (size > device->queue_size_max || (size & (size - 1)))
			return false;
	}
	return true;
}

int mmio_restore(struct mmio *mmio, struct wire_reader *in, struct error *err)
{
	struct virtio_device *device = mmio->device;
	uint32_t id = wire_get_u32(in), status = wire_get_u32(in), interrupt_status, queues;

	mmio->driver_features = wire_get_u64(in);
	interrupt_status = wire_get_u32(in);
	queues = wire_get_u32(in);
	if (in->failed || id != device->id || queues != device->queue_count ||
		(mmio->driver_features & ~features_offered(mmio)))
		return error_set(err, -EINVAL, "restore virtio device %s: the state is another device's", device->name);
	for (unsigned i = 0; i < queues; i++)
		restore_queue(&device->queues[i], &mmio->ready[i], in);
	if (in->failed || !queues_can_be(device))
		return error_set(err, -EINVAL, "restore virtio device %s: the state is damaged", device->name);
	pthread_mutex_lock(&device->lock);
	mmio->status = status & ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	if (status & VIRTIO_CONFIG_S_FEATURES_OK)
		device->features_agreed = mmio->driver_features;
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) && !(status & VIRTIO_CONFIG_S_NEEDS_RESET))
		activate(mmio);
	else
		mmio->status = status;
	/* What was pushed last may not have been told. */
	for (unsigned i = 0; i < queues; i++)
		device->queues[i].signalled_valid = false;
	pthread_mutex_unlock(&device->lock);
	/* It may have been on its way when the machine was saved; one too many does no harm (4.2.2.1). */
	if (interrupt_status)
		raise_interrupt(mmio, interrupt_status & INTERRUPTS_MASK);
	return 0;
}
